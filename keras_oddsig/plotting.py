"""Pictures of the signal. What is drawn was measured elsewhere; nothing here computes.

A picture takes data: rows, or a table of layers. What measures, in other modules, calls down
to here, and is known here by what it holds. Nothing needs Keras, and matplotlib is imported
when something is drawn: the CSV file of a training run can be drawn without a backend.
"""

from __future__ import annotations

import csv
import importlib
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_spread"]

Array = NDArray[np.float64]

# Okabe and Ito's colours, which those who do not see red and green apart tell apart.
_BLUE: Final = "#0072B2"
_ORANGE: Final = "#D55E00"
_BLACK: Final = "#000000"
_GREY: Final = "#D9D9D9"

# Of the rows of a training run, in memory and in a CSV file.
COLUMNS: Final = ("epoch", "step", "layer", "statistic", "value")
# A sample's spread, or what a file without it has of the batch's.
_SPREADS: Final = ("spread_median", "std")
_DECADES: Final = 12  # shown below the largest spread; smaller ones are marked at the edge
_LABELS: Final = 12  # at most, on an axis
_CHARACTERS: Final = 22  # of a layer's name


class Layer(Protocol):
    """The signal in one layer."""

    @property
    def name(self) -> str: ...
    @property
    def statistics(self) -> Mapping[str, float]: ...
    @property
    def predicted_spread(self) -> float | None: ...


@runtime_checkable
class Report(Protocol):
    """The signal layer by layer, such as a `SignalReport`."""

    @property
    def layers(self) -> Sequence[Layer]: ...
    @property
    def verdict(self) -> str: ...
    @property
    def start(self) -> str | None: ...


@runtime_checkable
class History(Protocol):
    """The signal over a training run, such as a `SpreadHistory`: mappings of `COLUMNS`."""

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]: ...


@runtime_checkable
class Recorder(Protocol):
    """What has recorded one, such as an `ActivationSpread`."""

    @property
    def history(self) -> History: ...


def plot_spread(
    source: Report | Recorder | History | str | os.PathLike[str], ax: Axes | None = None
) -> Axes:
    """Draws the spread of the signal by layer, or by layer and training time.

    Of a report, a band on a logarithmic axis: each sample has a spread (the standard
    deviation of its activations over the units of the layer), and the band shows the
    smallest and the largest of the batch, the quartiles and the median, with the solver's
    prediction as a dashed line. A cross marks a layer whose signal is not finite, a
    triangle one whose spread is 0 or off the axis.

    Of a training run, a heat map: layers from top to bottom, measurements from left to
    right, the median spread as a colour on a logarithmic scale.

    Example:

    >>> import keras_oddsig as ko
    >>> from matplotlib.figure import Figure
    >>> init = ko.OddSigmoidOrthogonal("tanh", depth=20)
    >>> hidden = [keras.layers.Dense(32, "tanh", kernel_initializer=init) for _ in range(20)]
    >>> model = keras.Sequential([keras.Input((32,)), *hidden])
    >>> report = ko.signal_report(model, keras.random.normal((64, 32)))
    >>> ax = ko.plot_spread(report, ax=Figure().subplots())
    >>> ax.get_title()
    'Signal by layer: healthy'

    Args:
        source: A `SignalReport`; or an `ActivationSpread`, its `history`, or the path of
            the file that it wrote (`csv_path`), which needs no backend.
        ax: The axes to draw into. By default those of a new figure of pyplot, which a
            notebook displays and `matplotlib.pyplot.close(ax.figure)` frees. With `ax`,
            pyplot is not touched: axes of a `matplotlib.figure.Figure` need no display
            and nothing to close.

    Returns:
        The axes. Nothing is shown and nothing is saved.

    Raises:
        ImportError: If matplotlib is not installed (the extra `plot`).
        OSError: If the file cannot be read.
        TypeError: If `source` is none of these.
        ValueError: If `source` holds no spread, or the file is not such a file.
    """
    # What can fail is read before a figure is made.
    if isinstance(source, str | os.PathLike):
        table = _Table(_rows_of_file(source))
        return _draw_map(table, _axes(ax, (8.0, 4.5)))
    if isinstance(source, Report):
        if not source.layers:
            raise ValueError("`source` must have a layer. Received: a report of no layers")
        return _draw_band(source, _axes(ax, (8.0, 4.5)))
    history = source.history if isinstance(source, Recorder) else source
    if not isinstance(history, History) or not isinstance(history.rows, Sequence):
        raise TypeError(
            "`source` must be a `SignalReport`, an `ActivationSpread`, its `history`, or the "
            f"path of its CSV file. Received: source={source!r}"
        )
    return _draw_map(_Table(history.rows), _axes(ax, (8.0, 4.5)))


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise ImportError(
            f'`plot_spread` needs matplotlib: pip install "keras-oddsig[plot]" ({error})'
        ) from error
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


# ----------------------------------------------------------------------------------
# A report: the spread by layer
# ----------------------------------------------------------------------------------


def _draw_band(report: Report, ax: Axes) -> Axes:
    """Smallest, quartiles, median and largest spread of the samples, and the prediction."""
    x = np.arange(1.0, len(report.layers) + 1)
    low, first, median, third, high = (
        _numbers(layer.statistics.get(f"spread_{part}") for layer in report.layers)
        for part in ("min", "q25", "median", "q75", "max")
    )
    predicted = _numbers(layer.predicted_spread for layer in report.layers)
    bottom, top = _limits(low, first, median, third, high, predicted)

    ax.set_yscale("log")
    _band(ax, x, np.clip(low, bottom, top), np.clip(high, bottom, top), 0.2, "min to max")
    _band(ax, x, np.clip(first, bottom, top), np.clip(third, bottom, top), 0.4, "quartiles")
    _line(ax, x, np.clip(median, bottom, top), _BLUE, linewidth=1.8, label="median")
    if np.isfinite(predicted).any():
        _line(ax, x, predicted, _BLACK, linestyle="--", linewidth=1.3, label="predicted")
    _marks(ax, x[median < bottom], 0.02, "v", f"below {bottom:.0e}")
    _marks(ax, x[np.isnan(median)], 0.98, "x", "not finite")
    names = [layer.name for layer in report.layers]
    if report.start in names:
        start = 1 + names.index(report.start)
        ax.axvline(start, color=_ORANGE, linestyle=":", label=f"{report.verdict}: from here")

    ax.set(title=f"Signal by layer: {report.verdict}", xlabel="layer", ylabel="spread of a sample")
    ax.set(xlim=(0.5, len(names) + 0.5), ylim=(bottom, top))
    _label_decades(ax.yaxis)
    slanted = {"rotation": 45, "horizontalalignment": "right", "rotation_mode": "anchor"}
    _label_names(ax.xaxis, names, first=1, **slanted)
    ax.grid(axis="y", alpha=0.3, linewidth=0.6)
    ax.legend(fontsize="small", framealpha=0.9)
    return ax


def _band(ax: Axes, x: Array, lower: Array, upper: Array, alpha: float, label: str) -> None:
    """A shade between two lines, with a bar where a point has no neighbour."""
    ax.fill_between(x, lower, upper, color=_BLUE, alpha=alpha, linewidth=0, label=label)
    alone = _alone(lower + upper)
    height, bottom = (upper - lower)[alone], lower[alone]
    ax.bar(x[alone], height, 0.5, bottom, color=_BLUE, alpha=alpha, linewidth=0)


def _line(ax: Axes, x: Array, y: Array, color: str, **style: Any) -> None:
    """A line, with a dot where a point has no neighbour to be joined with."""
    ax.plot(x, y, color=color, **style)
    alone = _alone(y)
    ax.plot(x[alone], y[alone], color=color, marker="o", markersize=4, linestyle="none")


def _marks(ax: Axes, x: Array, height: float, marker: str, label: str) -> None:
    """Marks at a height of the axes, 0 to 1, whatever the scale."""
    if x.size:
        (marks,) = ax.plot(x, np.full(x.size, height), marker, color=_ORANGE, label=label)
        marks.set_transform(ax.get_xaxis_transform())


def _alone(y: Array) -> NDArray[np.bool_]:
    """Where a finite number stands between two that are not."""
    finite = np.isfinite(np.concatenate([[math.nan], y, [math.nan]]))
    alone: NDArray[np.bool_] = finite[1:-1] & ~finite[:-2] & ~finite[2:]
    return alone


# ----------------------------------------------------------------------------------
# A training run: the spread by layer and time
# ----------------------------------------------------------------------------------


class _Table:
    """The spread of each layer at each measurement.

    Attributes:
        layers: Their names, in the order of the model.
        moments: Epoch and step of each measurement, in the order of time.
        spread: Shape `(layers, moments)`; NaN where there is no measurement.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        statistics = {row["statistic"] for row in rows}
        chosen = next((each for each in _SPREADS if each in statistics), None)
        if chosen is None:
            raise ValueError(
                f"`source` must hold the statistic {' or '.join(map(repr, _SPREADS))}. "
                f"Received: rows of {sorted(statistics)}"
            )
        # A run that was resumed may have measured twice; the later measurement counts.
        cells = {
            (row["layer"], (row["epoch"], row["step"])): row["value"]
            for row in rows
            if row["statistic"] == chosen
        }
        self.layers = list(dict.fromkeys(layer for layer, _ in cells))
        self.moments = sorted({moment for _, moment in cells})
        self.spread = np.full((len(self.layers), len(self.moments)), math.nan)
        row_of = {layer: i for i, layer in enumerate(self.layers)}
        column_of = {moment: i for i, moment in enumerate(self.moments)}
        for (layer, moment), value in cells.items():
            self.spread[row_of[layer], column_of[moment]] = value

    def time(self) -> tuple[str, list[int]]:
        """What to call the axis of time, and each measurement's place on it."""
        epochs, steps = zip(*self.moments, strict=True)
        return ("epoch", list(epochs)) if len(set(epochs)) == len(epochs) else ("step", list(steps))


def _draw_map(table: _Table, ax: Axes) -> Axes:
    import matplotlib
    from matplotlib.colors import LogNorm

    bottom, top = _range(table.spread)
    if bottom == top:
        bottom, top = bottom / 2, top * 2
    colors = matplotlib.colormaps["viridis"].with_extremes(bad=_GREY, under="black")
    # Zero has no logarithm, but it is below the scale, and not missing.
    shown = np.where(table.spread <= 0, bottom / 10, table.spread)
    image = ax.imshow(
        np.ma.masked_invalid(shown),
        cmap=colors,
        norm=LogNorm(bottom, top),
        aspect="auto",
        interpolation="nearest",
    )
    below = bool((shown < bottom).any())
    bar = ax.figure.colorbar(image, ax=ax, label="spread", extend="min" if below else "neither")
    _label_decades(bar.ax.yaxis)
    if np.isnan(table.spread).any() or np.isinf(table.spread).any():
        from matplotlib.patches import Patch

        missing = Patch(facecolor=_GREY, edgecolor="0.4", label="not finite, or not measured")
        ax.legend(handles=[missing], fontsize="small", loc="lower right", framealpha=0.9)
    name, times = table.time()
    ax.set(title="Signal over training", xlabel=name, ylabel="layer")
    _label_names(ax.xaxis, [str(time) for time in times], first=0)
    _label_names(ax.yaxis, table.layers, first=0)
    return ax


def _rows_of_file(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The rows of an `ActivationSpread`'s file, but a last one that is not yet complete."""
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if not set(COLUMNS) <= set(columns):
            raise ValueError(
                f"`source` must be a CSV file of the columns {', '.join(COLUMNS)}. "
                f"Received: source={os.fspath(path)!r} of {', '.join(columns) or 'no columns'}"
            )
        rows = []
        for row in reader:
            try:
                if row["value"]:
                    numbers = {"epoch": int(row["epoch"]), "step": int(row["step"])}
                    rows.append({**row, **numbers, "value": float(row["value"])})
            except ValueError:
                raise ValueError(
                    "`source` must hold numbers in the columns epoch, step and value. "
                    f"Received: source={os.fspath(path)!r} with {row} in line {reader.line_num}"
                ) from None
        return rows


# ----------------------------------------------------------------------------------
# Axes
# ----------------------------------------------------------------------------------


def _numbers(values: Iterable[float | None]) -> Array:
    """Numbers, with NaN for what is absent or infinite."""
    array = np.array([math.nan if value is None else float(value) for value in values])
    return np.where(np.isfinite(array), array, math.nan)


def _range(*series: Array) -> tuple[float, float]:
    """The smallest and the largest of the positive, finite numbers, as far as they are shown."""
    numbers = np.concatenate([each.ravel() for each in series])
    numbers = numbers[np.isfinite(numbers) & (numbers > 0)]
    if not numbers.size:
        return 0.1, 1.0
    top = float(numbers.max())
    return max(float(numbers.min()), top * 10.0**-_DECADES), top


def _limits(*series: Array) -> tuple[float, float]:
    """Limits of a logarithmic axis: a margin around their range, and a decade at least."""
    bottom, top = _range(*series)
    margin = max(1.3, math.sqrt(10 * bottom / top))
    return bottom / margin, top * margin


def _label_decades(axis: Any) -> None:
    """Plain numbers on a logarithmic axis, and some between the decades where these are few."""
    from matplotlib.ticker import (
        LogFormatterMathtext,
        LogLocator,
        NullFormatter,
        StrMethodFormatter,
    )

    bottom, top = axis.get_view_interval()
    few = top < 300 * bottom
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=_LABELS))
    axis.set_major_formatter(StrMethodFormatter("{x:g}") if few else LogFormatterMathtext())
    axis.set_minor_formatter(NullFormatter())


def _label_names(axis: Any, names: Sequence[str], first: int, **style: Any) -> None:
    """Names at the whole numbers from `first` on: all, or every second, fifth, tenth ..."""
    steps = (digit * 10**power for power in range(9) for digit in (1, 2, 5))
    step = next(step for step in steps if step * _LABELS >= len(names))
    shown = range(0, len(names), step)
    # A name is no formula, whatever dollar signs it may have.
    labels = [_short(names[i]) for i in shown]
    axis.set_ticks([first + i for i in shown], labels, parse_math=False, **style)


def _short(name: str) -> str:
    """A long name without its middle."""
    half = _CHARACTERS // 2
    return name if len(name) <= _CHARACTERS else f"{name[:half]}…{name[-half:]}"
