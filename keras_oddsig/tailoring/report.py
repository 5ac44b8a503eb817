"""What was done to a model, kernel by kernel, for a reader and for a script."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


@dataclass(frozen=True)
class TailoredKernel:
    """A kernel, and what it got.

    Attributes:
        layer: The name of the layer; its path where another layer has the same name.
        kernel: The name of the weight.
        activation: The odd-sigmoid activation that follows, or `None`.
        depth: For how many layers the kernel is made, or `None`.
        initializer: As a user would write it; `None` if the kernel was left as it was.
        reason: Why it was; or what was assumed of it; or `""`.
        predicted: The spread that the solver expects behind the activation; `None` where it
            cannot know.
        measured: With data, the spread there afterwards, at the first call.
    """

    layer: str
    kernel: str
    activation: str | None
    depth: int | None
    initializer: str | None
    reason: str
    predicted: float | None
    measured: float | None


@dataclass(frozen=True)
class TailoredRate:
    """A layer that stands for a normalization, a `DynamicOddSigmoid`, and what it got.

    Attributes:
        layer: The name of the layer; its path where another layer has the same name.
        activation: The name of its activation.
        rms: With data, the root mean square of what enters, at the first call.
        rate: Its rate; `None` if it was left as it was.
        gamma: What all entries of its `gamma` became; `None` where it has none, or was left.
        reason: Why it was left; or what may come of its rate; or `""`.
    """

    layer: str
    activation: str | None
    rms: float | None
    rate: float | None
    gamma: float | None
    reason: str


@dataclass(frozen=True, repr=False)
class TailorReport:
    """What `tailor` did, or with `dry_run` would do.

    Attributes:
        kernels: A `TailoredKernel` for each kernel of the model, in the order of the calls.
        source: What showed how the layers are connected: `"graph"`, symbolic tensors; or
            `"calls"`, the order of the layers' calls on data, where the model's code needs numbers:
            what lies between two layers was then not seen.
        dry_run: Whether the model was left as it was.
        rates: A `TailoredRate` for each layer that stands for a normalization, in the order of the
            calls. A dry run, or one without data, sets none.
    """

    kernels: tuple[TailoredKernel, ...]
    source: str
    dry_run: bool
    rates: tuple[TailoredRate, ...] = ()

    @property
    def tailored(self) -> int:
        """How many kernels have an initializer of the report's."""
        return sum(kernel.initializer is not None for kernel in self.kernels)

    @property
    def rated(self) -> int:
        """How many layers in place of a normalization have a rate of the report's."""
        return sum(row.rate is not None for row in self.rates)

    def __repr__(self) -> str:
        state = ", a dry run" if self.dry_run else ""
        rates = f", {self.rated} of {len(self.rates)} rates" if self.rates else ""
        return f"<TailorReport: {self.tailored} of {len(self.kernels)} kernels{rates}{state}>"

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON knows it."""
        return {
            "source": self.source,
            "dry_run": self.dry_run,
            "tailored": self.tailored,
            "rated": self.rated,
            "kernels": [asdict(kernel) for kernel in self.kernels],
            "rates": [asdict(rate) for rate in self.rates],
        }

    def print(self, console: Console | None = None) -> None:
        """Prints a table of the kernels, and one of the rates where there are any.

        Args:
            console: A `rich.console.Console`; by default a new one.
        """
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = console or Console()
        table = Table(
            "layer",
            "initializer, or why none",
            title="Kernels",
            collapse_padding=True,
            box=box.SIMPLE_HEAD,
            padding=(0, 1),
            pad_edge=False,
        )
        spreads = {"predicted": "predicted", "measured": "measured"}
        for title, key in spreads.items():
            if any(getattr(row, key) is not None for row in self.kernels):
                table.add_column(title, justify="right", no_wrap=True, min_width=len(title))
            else:
                spreads = {k: v for k, v in spreads.items() if v != key}
        table.columns[0].overflow = table.columns[1].overflow = "fold"
        for row in self.kernels:
            name = row.layer if row.kernel == "kernel" else f"{row.layer}.{row.kernel}"
            what = row.initializer or "left as it is"
            numbers = [getattr(row, key) for key in spreads.values()]
            table.add_row(
                Text(name),  # which may look like markup
                Text(f"{what}: {row.reason}" if row.reason else what),
                *("" if number is None else f"{number:.3g}" for number in numbers),
            )
        console.print(table)
        if self.rates:
            console.print(self._table_of_rates())
        verb = "would be tailored" if self.dry_run else "tailored"
        seen = "" if self.source == "graph" else ", by the order of the layers' calls"
        line = f"{self.tailored} of {len(self.kernels)} kernels {verb}{seen}."
        if self.rates:
            line += f" {self.rated} of {len(self.rates)} rates set."
        console.print(line, markup=False, highlight=False)

    def _table_of_rates(self) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table("layer", title="Rates", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        table.columns[0].overflow = "fold"
        for title in ("rms", "rate", "gamma"):
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column("")
        for row in self.rates:
            numbers = (row.rms, row.rate, row.gamma)
            shown = ("" if number is None else f"{number:.3g}" for number in numbers)
            table.add_row(Text(row.layer), *shown, row.reason)
        return table
