"""How steep and how curved each row is as a function of a model's few inputs.

Differences of fourth order, from one run of the model on all points of the stencils: no second
differentiation through whatever a model is made of. What the solver expects is `predictions`'s.
"""

from __future__ import annotations

import math
import weakref
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_oddsig import _backend
from keras_oddsig.signal import recording, selection
from keras_oddsig.signal.recording import Recorder
from keras_oddsig.signal.selection import Watch
from keras_oddsig.signal.statistics import matrix

NAMES: Final = ("first_derivative", "second_derivative")
# Of space three, and time: with more, a loss is seldom made of second derivatives.
FEW: Final = 4
POINTS: Final = 64
# In standard deviations of an input: second derivatives are then right to 2% for waves of 50
# radians over two standard deviations, and the rounding of float32 stays well below them.
_STEP: Final = 0.05
_OFFSETS: Final = (-2, -1, 1, 2)


def can_be_taken(model: Any, x: Any) -> bool:
    """Whether a batch is of points: one array of floating inputs, any number, full precision."""
    if not hasattr(x, "shape") or len(x.shape) != 2 or "float" not in str(x.dtype):
        return False
    inputs = getattr(model, "inputs", None) or ()
    any_number = all(each.shape[0] is None for each in inputs)
    precise = all("16" not in layer.compute_dtype for layer in selection.layers_of(model))
    return any_number and precise


class InputDerivatives:
    """Root mean squares of derivatives by the inputs, over inputs, points and units.

    Holds the model weakly.
    """

    def __init__(self, model: Any, watch: Watch) -> None:
        self._model = weakref.ref(model)
        self._watch = watch
        self._function = _backend.measuring(self._run, *selection.execution(model))

    def __call__(self, points: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Of the rows, in their order: NaN for one whose first axis is not that of the points.

        Args:
            points: Shape `(points, inputs)`.
        """
        model: Any = self._model()
        x = points.astype(keras.config.floatx())
        steps = _STEP * np.std(x, axis=0)
        # Of a single point, or an input that is the same at all of them.
        steps = np.where(steps > 0, steps, _STEP * np.maximum(np.abs(x).max(axis=0), 1e-3))
        shifts = np.eye(x.shape[1])[:, None] * np.array(_OFFSETS)[:, None]
        stencil = np.concatenate([x[None], *(x + steps * each[:, None] for each in shifts)])
        batch = stencil.reshape(-1, x.shape[1]).astype(x.dtype)
        data = (ops.convert_to_tensor(batch), ops.convert_to_tensor(steps.astype(x.dtype)))
        squares = self._function(_backend.values_of(model.variables), data)
        table = np.sqrt(np.maximum(ops.convert_to_numpy(squares).astype("float64"), 0))
        return {name: np.where(self._known, table[:, i], math.nan) for i, name in enumerate(NAMES)}

    def _run(self, values: list[Any], data: Any) -> Any:
        """Mean squares, shape (rows, 2)."""
        model: Any = self._model()
        layers = model._flatten_layers()
        state = list(zip(model.variables, values, strict=True)) if values else []
        recorder = Recorder(self._watch)
        with (
            recording.unchanged(layers),
            keras.StatelessScope(state),
            recording.recording(recorder, layers),
        ):
            model(data[0], training=False)
        # Whatever the number of points: a trace of another may be the one that is run again.
        self._known = [output.shape[0] == data[0].shape[0] for output in recorder.outputs]
        return ops.stack([_mean_squares(output, *data) for output in recorder.outputs])


def _mean_squares(output: Any, stencil: Any, steps: Any) -> Any:
    """Of the first and the second derivatives of one output."""
    inputs = stencil.shape[1]
    y = matrix(output)
    if y.shape[0] != stencil.shape[0]:
        return ops.zeros((2,), y.dtype)
    y = ops.reshape(y, (1 + len(_OFFSETS) * inputs, -1))
    centre = y[0]
    squares = []
    for i in range(inputs):
        step = ops.cast(steps[i], y.dtype)
        low, below, above, high = (y[1 + len(_OFFSETS) * i + k] for k in range(len(_OFFSETS)))
        first = (8 * (above - below) - (high - low)) / (12 * step)
        second = (16 * (above + below) - (high + low) - 30 * centre) / (12 * step * step)
        squares.append(ops.stack([ops.mean(ops.square(first)), ops.mean(ops.square(second))]))
    return ops.cast(sum(squares) / inputs, "float32")
