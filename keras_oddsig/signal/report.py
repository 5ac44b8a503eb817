"""The report: measurement, prediction and verdict of each layer in one object."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_oddsig.layers.unrolled import unrolled
from keras_oddsig.signal import derivatives as input_derivatives
from keras_oddsig.signal import selection
from keras_oddsig.signal.advice import advice_on
from keras_oddsig.signal.data import batches, check_data, fixed_batch, where_not_finite
from keras_oddsig.signal.losses import loss_of
from keras_oddsig.signal.measurement import Measured, Measurement, measurement, pooled
from keras_oddsig.signal.predictions import predict, predict_derivatives
from keras_oddsig.signal.verdicts import HEALTHY, judge

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import Console


@dataclass(frozen=True)
class LayerSignal:
    """The signal at the output of one layer, at one of its calls.

    Attributes:
        name: The layer's name, unique in the report.
        activation: The name of its activation, such as `"tanh"`; `None` without one.
        statistics: The numbers by name, `NaN` where one is undefined.
        predicted_spread: What the solver expects of `std`; `None` where it cannot know.
        predicted_negative_rate: What it expects of `negative_rate`.
        verdict: `"healthy"`, or what is wrong at this layer.
        predicted_first_derivative: What it expects of `first_derivative`.
        predicted_second_derivative: What it expects of `second_derivative`.
    """

    name: str
    activation: str | None
    statistics: dict[str, float]
    predicted_spread: float | None
    predicted_negative_rate: float | None
    verdict: str
    predicted_first_derivative: float | None = None
    predicted_second_derivative: float | None = None


@dataclass(frozen=True, repr=False)
class SignalReport:
    """The signal layer by layer, in the order of the calls, and what to make of it.

    Attributes:
        layers: A `LayerSignal` for each.
        verdict: `"healthy"`, or what is wrong.
        start: The name of the layer where it starts; `None` where all is well.
        advice: One line.
    """

    layers: tuple[LayerSignal, ...]
    verdict: str
    start: str | None
    advice: str

    @property
    def healthy(self) -> bool:
        return self.verdict == HEALTHY

    def __repr__(self) -> str:
        # One line, for whoever leaves it at the end of a notebook's cell.
        start = f" from {self.start} on" if self.start else ""
        return f"<SignalReport of {len(self.layers)} layers: {self.verdict}{start}>"

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON knows it: `None` for what is undefined or infinite."""
        return {
            "verdict": self.verdict,
            "start": self.start,
            "advice": self.advice,
            "layers": [
                {
                    "name": layer.name,
                    "activation": layer.activation,
                    "verdict": layer.verdict,
                    "predicted_spread": _finite(layer.predicted_spread),
                    "predicted_negative_rate": _finite(layer.predicted_negative_rate),
                    "predicted_first_derivative": _finite(layer.predicted_first_derivative),
                    "predicted_second_derivative": _finite(layer.predicted_second_derivative),
                    "statistics": {k: _finite(v) for k, v in layer.statistics.items()},
                }
                for layer in self.layers
            ],
        }

    def to_json(self, path: str | Path) -> None:
        """Writes `to_dict()` to a file."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n")

    def print(self, console: Console | None = None) -> None:
        """Prints a table and the verdict.

        Args:
            console: A `rich.console.Console`; by default a new one.
        """
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = console or Console()
        # Of a terminal of 80 columns; the rest is in `to_dict()`.
        columns = {
            "spread": "std",
            "predicted": "",
            "saturated": "saturated",
            "rms in": "preactivation_rms",
            "cosine": "cosine",
            "rank": "effective_rank",
            "gradient": "activation_gradient",
        }
        if input_derivatives.NAMES[0] in self.layers[0].statistics:
            # Of few inputs: what a physics-informed loss is made of, in place of directions.
            del columns["cosine"], columns["rank"]
            columns |= {"u_x": "first_derivative", "u_xx": "second_derivative", "expected": "u_xx"}
        rows = [
            {
                **layer.statistics,
                "": layer.predicted_spread,
                "u_xx": layer.predicted_second_derivative,
            }
            for layer in self.layers
        ]
        columns = {
            title: key for title, key in columns.items() if any(_shown(r.get(key)) for r in rows)
        }
        # Numbers and headings are never cut: where a line is too short, names and verdicts fold.
        table = Table(
            "layer",
            title="Signal by layer",
            collapse_padding=True,
            box=box.SIMPLE_HEAD,
            padding=(0, 1),
            pad_edge=False,
        )
        for title, key in columns.items():
            width = max(len(title), *(len(_shown(row.get(key))) for row in rows))
            table.add_column(title, justify="right", no_wrap=True, min_width=width)
        table.add_column("verdict")
        table.columns[0].overflow = table.columns[-1].overflow = "fold"
        for layer, row in zip(self.layers, rows, strict=True):
            table.add_row(
                Text(layer.name),  # which may look like markup
                *(_shown(row.get(key)) for key in columns.values()),
                "" if layer.verdict == HEALTHY else layer.verdict,
            )
        console.print(table)
        start = f", from {self.start} on" if self.start else ""
        console.print(f"{self.verdict}{start}. {self.advice}", markup=False, highlight=False)

    def plot(self, ax: Axes | None = None) -> Axes:
        """`keras_oddsig.plot_spread` of this report."""
        from keras_oddsig import plotting

        return plotting.plot_spread(self, ax)


def _shown(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3g}"


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def signal_report(
    model: Any,
    x: Any,
    y: Any = None,
    loss: Any = None,
    layers: Any = None,
    derivatives: bool | None = None,
) -> SignalReport:
    """Looks at the signal in a model, layer by layer, and says whether it is healthy.

    Runs the model on the data as `predict` would (`training=False`), and leaves it as it was.
    With a loss it also takes gradients. What is wrong is one of

    - `"collapsing"`: what is left of the differences between samples has become too small, or
      too few directions, or most units of a layer do not answer at all;
    - `"saturating"`: most units of a layer are near the bound of the activation, wherever it
      stands, or half-way there over many layers, so that differences, and gradients with them,
      grow without limit;
    - `"forgetting"`: all samples have become one direction, as they do where the mean of the
      data dwarfs what differs between them;
    - `"rough"`, if `derivatives=True` asks for it: at the start the second derivative by the inputs
      is above 8 on a domain of half-width 1, more than the loss of a physics-informed network
      mostly recovers from;
    - `"exploding gradient"`, `"vanishing gradient"`: between the last row and the first the
      gradient changes by more than a factor 100;
    - `"not finite"`.

    A layer that stands where a normalization stood, `DynamicTanh` and its kind, is looked at before
    its `gamma` and `beta`, and judged by itself. It has one statistic more, `preactivation_rms`
    ("rms in" where the report is printed): the root mean square of what enters its function, the
    rate included. It is `"saturating"` where most of it is near the bound, and `"collapsing"` where
    that is below 0.1 and `gamma` does not make up for it.

    The verdict is on the signal, mostly that at initialization; it does not say how well
    a model is trained.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> init = ko.OddSigmoidOrthogonal("tanh", depth=30)
    >>> hidden = [keras.layers.Dense(64, "tanh", kernel_initializer=init) for _ in range(30)]
    >>> model = keras.Sequential([keras.Input((64,)), *hidden])
    >>> report = ko.signal_report(model, keras.random.normal((128, 64), seed=0))
    >>> report.verdict
    'healthy'
    >>> last = report.layers[-1]
    >>> print(f"{last.statistics['std']:.1f} {last.predicted_spread:.1f}")
    0.4 0.4

    Args:
        model: A built Keras model of any kind.
        x: Its inputs: an array, or a list or dict of arrays; or anything else that `fit`
            takes for `x`. Arrays, sparse ones of SciPy too, are run in batches of 256, or of
            the size that the model's inputs fix; a dataset must come in batches.
        y: The targets, if `x` does not bring them; used with a loss only.
        loss: The name of a Keras loss, a `keras.Loss`, a function of `(y, y_pred)` or, for
            a model of several outputs, a list or dict of these, as `compile` takes it. Where
            targets are given, by default the loss and `loss_weights` with which the model was
            compiled.
        layers: Which layers to watch: a name, a layer, a type of layers, a function from
            a layer to a boolean, or a sequence of these. By default every layer with an
            odd-sigmoid activation, and every `keras.layers.Activation`; of a block that
            applies one to other layers' outputs, each use.
        derivatives: Whether to measure the first and second derivatives of each row by the
            model's inputs, too, and what the solver expects of them: what the loss of a
            physics-informed network is made of. By default where the model is a function of
            one to four numbers, and then only the advice speaks of them, for not every loss is
            made of derivatives: `True` judges them, too. Taken at the first 64 samples, in full
            precision.

    Returns:
        A `SignalReport`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the model is not built or has no `call`, the data are empty or of a
            shape that it does not take, no layer is selected or called, targets come without
            a loss or a loss without targets, or loss and targets do not fit the outputs.
    """
    check_data("x", x)
    with unrolled(model):
        return _report(model, x, y, loss, layers, derivatives)


def _report(
    model: Any, x: Any, y: Any, loss: Any, layers: Any, derivatives: bool | None
) -> SignalReport:
    data = (x, y) if y is not None else x
    function = None
    stream = batches(data, size=fixed_batch(model), name="x")
    first = next(stream)
    if loss is not None or y is not None:
        if first[1] is None:
            raise ValueError("`y` must be given with a loss. Received: y=None")
        function = loss_of(model, loss)
    measure = measurement(model, layers, function)
    # Batch by batch: a data set may be larger than the memory.
    parts = []
    where = None
    for batch in itertools.chain([first], stream):
        parts.append(measure(*batch))
        if where is None and not _is_finite(parts[-1]):
            where = where_not_finite(batch[0], x)
    report = _report_of_parts(model, parts, first[0], measure, derivatives)
    if where is None:
        return report
    advice = (
        f"`x` holds numbers that are not finite{where}: fill in what is missing, or leave it out."
    )
    if report.verdict == "not finite":
        return replace(report, advice=advice)
    # An activation takes an infinite number to its bound, and no layer shows it.
    row = replace(report.layers[0], verdict="not finite")
    return SignalReport((row, *report.layers[1:]), "not finite", row.name, advice)


def _is_finite(measured: Measured) -> bool:
    """Whether what enters, as far as it is known, and what comes of it are finite numbers."""
    return math.isfinite(measured.source.rms) and bool(np.isfinite(measured.table["mean"]).all())


def _report_of_parts(
    model: Any, parts: Sequence[Measured], x: Any, measure: Measurement, derivatives: bool | None
) -> SignalReport:
    """The report on all batches; `x` is the first of them."""
    measured = pooled(parts)
    normalizes = any(map(selection.normalizes, selection.layers_of(model)))
    points = _points(model, x, derivatives)
    if points is None:
        return report_of(measured, normalizes=normalizes)
    table = {**measured.table, **measure.derivatives(points[: input_derivatives.POINTS])}
    expected = None
    # If it is the points themselves that enter the first kernel.
    if math.isclose(parts[0].source.rms, np.sqrt(np.mean(points**2)), rel_tol=1e-3):
        expected = predict_derivatives(measured, points[: input_derivatives.POINTS])
    return report_of(replace(measured, table=table), expected, bool(derivatives), normalizes)


def _points(model: Any, x: Any, wanted: bool | None) -> NDArray[Any] | None:
    """The samples as points of the domain, if derivatives are to be taken at them."""
    if wanted not in (True, False, None):
        raise TypeError(f"`derivatives` must be a boolean or None. Received: derivatives={wanted}")
    possible = input_derivatives.can_be_taken(model, x)
    if wanted and not possible:
        raise ValueError(
            "`derivatives` must be left out unless `x` is one array of the shape (samples, "
            "features), of floating numbers, and the model computes in float32 or float64 with "
            "batches of any size. Received: derivatives=True"
        )
    if wanted is False or not possible or (not wanted and x.shape[1] > input_derivatives.FEW):
        return None
    return np.asarray(keras.ops.convert_to_numpy(x), dtype=float)


def report_of(
    measured: Measured,
    expected: Sequence[tuple[float, float] | None] | None = None,
    judge_derivatives: bool = False,
    normalizes: bool = False,
) -> SignalReport:
    """The report on what was measured; `expected` are the derivatives that the solver expects."""
    predictions = predict(measured)
    rows, verdict, start = judge(measured, predictions, judge_derivatives)
    expected = expected or [None] * len(rows)
    layers = tuple(
        LayerSignal(
            call.name,
            call.activation_name,
            {name: float(values[row]) for name, values in measured.table.items()},
            *predictions[row],
            rows[row],
            *(expected[row] or ()),
        )
        for row, call in enumerate(measured.calls)
    )
    advice = advice_on(measured, verdict, start, normalizes)
    return SignalReport(layers, verdict, layers[start].name if start >= 0 else None, advice)
