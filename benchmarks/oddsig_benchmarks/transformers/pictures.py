"""The picture of the page: how the validation loss falls. Nothing is scored here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from .methods import METHODS
from .scores import Comparison

COLUMNS = 2
# Of the methods, in their order; ours are thick, what they improve on is dashed.
COLORS = ("black", "#999999", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7")


def draw(comparisons: Sequence[Comparison], page: Path) -> str | None:
    """Beside its page; the name of its file, or None where no cell of characters was run."""
    shown = [each for each in comparisons if each.metric == "crossentropy"]
    if not shown:
        return None
    name = f"{page.stem.replace('-', '_')}.png"
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(10, 0.7 + 3 * rows), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    whole = {name: method for name, method in METHODS.items() if not method.part}
    bases = {method.of for method in METHODS.values()}
    for axes, each in zip(grid, shown, strict=False):
        for (method, known), color in zip(whole.items(), COLORS, strict=False):
            if method in each.scores and each.scores[method].curve:
                axes.plot(
                    *zip(*each.scores[method].curve, strict=True), label=method, color=color,
                    linewidth=2.2 if known.of else 1.3, linestyle="--" if method in bases else "-",
                )  # fmt: skip
        axes.set_title(each.cell.name, fontsize=9)
        axes.set(xlabel="step", ylabel="validation loss, nats")
        axes.grid(alpha=0.3)
    for axes in grid[len(shown) :]:
        axes.remove()
    labels = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(page.parent / name, dpi=100)
    return name
