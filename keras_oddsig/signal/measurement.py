"""Runs a model on a batch in one compiled function, and pools the numbers of several.

What the numbers mean, `predictions` and `verdicts` say.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_oddsig import _backend
from keras_oddsig.signal import recording, selection, statistics
from keras_oddsig.signal.data import to_device
from keras_oddsig.signal.statistics import (
    BACKWARD,
    FORWARD,
    dtype_of,
    matrix,
    norm_of,
    root_mean_square,
)


@dataclass(frozen=True)
class Measured:
    """What one batch says.

    Attributes:
        calls: The rows.
        table: Statistics by name, each of shape `(rows,)`.
        histograms: Counts of shape `(rows, BINS)`, if asked for.
        source: Root mean square of what enters the first row's layer.
        samples: How many samples the batch had.
        values: How many values each row had, shape `(rows,)`.
    """

    calls: tuple[recording.Call, ...]
    table: dict[str, NDArray[Any]]
    histograms: NDArray[Any] | None
    source: float
    samples: int
    values: NDArray[Any]


class Measurement:
    """Runs a model on batches and brings the statistics of its watched layers to the host.

    Holds the model weakly.

    Args:
        model: A built Keras model.
        layers: As for `signal_report`.
        loss: `loss(y, y_pred)`, a scalar, or None for the forward statistics alone.
        histograms: Whether to count histograms, too.
    """

    def __init__(
        self, model: Any, layers: Any = None, loss: Any = None, histograms: bool = False
    ) -> None:
        if not isinstance(model, keras.Model):
            raise TypeError(f"`model` must be a `keras.Model`. Received: model={model!r}")
        if not model.built:
            raise ValueError(
                "`model` must be built: call it on data once, or give it an input shape. "
                f"Received: model={model!r}"
            )
        self._model = weakref.ref(model)
        self._watched = frozenset(map(id, selection.select(model, layers)))
        self._loss: Any = loss
        self._histograms = histograms
        self._layouts: dict[Any, tuple[tuple[recording.Call, ...], NDArray[Any]]] = {}
        self._function = _backend.measuring(
            self._run, bool(model.run_eagerly), getattr(model, "_jit_compile", None) is True
        )

    @property
    def names(self) -> tuple[str, ...]:
        return FORWARD if self._loss is None else FORWARD + BACKWARD

    def __call__(self, x: Any, y: Any = None) -> Measured:
        model: Any = self._model()
        data = (to_device(x), None if self._loss is None else to_device(y))
        numbers = ops.convert_to_numpy(
            self._function(_backend.values_of(model.variables), data)
        ).astype("float64")
        calls, values = self._layouts[_shapes(data)]
        names = self.names
        return Measured(
            calls,
            {name: numbers[:-1, i] for i, name in enumerate(names)},
            numbers[:-1, len(names) :] if self._histograms else None,
            float(numbers[-1, 0]),
            int(keras.tree.flatten(data[0])[0].shape[0]),
            values,
        )

    def _run(self, values: list[Any], data: Any) -> Any:
        """All numbers in one array: a row a call, and a last one for the source."""
        model: Any = self._model()
        layers = model._flatten_layers()
        state = list(zip(model.variables, values, strict=True)) if values else []
        own = frozenset(id(layer) for layer in layers if selection.has_own_kernels(layer))
        gradients = None
        with recording.unchanged(layers):
            if self._loss is None:
                recorder = recording.Recorder(self._watched, own)
                with keras.StatelessScope(state), recording.recording(recorder, layers):
                    model(data[0], training=False)
                outputs, source = recorder.outputs, recorder.source
            else:
                recorder, outputs, source, gradients = self._differentiate(
                    model, layers, own, state, data
                )
        if not outputs:
            raise ValueError(
                "`layers` must select layers that the model calls, outside of loops and of "
                "functions that the backend traces on its own. None of them was called."
            )
        calls = tuple(recorder.named_calls())
        self._layouts[_shapes(data)] = (
            calls,
            np.array([math.prod(output.shape) for output in outputs]),
        )
        odd = [selection.activation_of(call.layer) for call in calls]
        bounds = [math.nan if f is None else f.profile.bound for f in odd]
        columns = [statistics.statistics(outputs, bounds)]
        if gradients is not None:
            columns.append(_gradient_norms(calls, outputs, *gradients))
        if self._histograms:
            columns.append(statistics.histograms(outputs))
        dtype = dtype_of(columns[0])
        table = ops.concatenate([ops.cast(column, dtype) for column in columns], axis=1)
        source = ops.cast(
            math.nan if source is None else root_mean_square(matrix(source)),
            dtype,
        )
        return ops.concatenate([table, ops.full((1, table.shape[1]), source, dtype)])

    def _differentiate(
        self, model: Any, layers: Any, own: frozenset[int], state: Any, data: Any
    ) -> Any:
        """The recorder, outputs, source, and the gradients: of outputs, of kernels by identity."""
        kernels = selection.kernels(model)
        recorder = None

        def forward(parameters: list[Any], tap: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
            nonlocal recorder
            recorder = recording.Recorder(self._watched, own, tap)
            mapped = [*state, *zip(kernels, parameters, strict=True)]
            with keras.StatelessScope(mapped), recording.recording(recorder, layers):
                prediction = model(data[0], training=False)
            loss = self._loss(data[1], prediction)
            return loss, recorder.outputs, recorder.source

        mapping = {id(variable): value for variable, value in state}
        parameters = [mapping.get(id(kernel), kernel.value) for kernel in kernels]
        outputs, source, of_outputs, of_kernels = _backend.differentiate(forward, parameters)
        by_kernel = {id(kernel): g for kernel, g in zip(kernels, of_kernels, strict=True)}
        return recorder, outputs, source, (of_outputs, by_kernel)


def _gradient_norms(
    calls: Sequence[recording.Call],
    outputs: list[Any],
    of_outputs: list[Any],
    by_kernel: dict[int, Any],
) -> Any:
    """Shape (rows, 2), in the order of `BACKWARD`."""
    nan = ops.cast(math.nan, "float32")
    of_layer: dict[int, Any] = {}
    rows = []
    for call, output, gradient in zip(calls, outputs, of_outputs, strict=True):
        owner = call.layer if selection.kernels(call.layer) else call.producer
        norm = nan
        if owner is not None:
            if id(owner) not in of_layer:
                norms = [norm_of(by_kernel[id(kernel)]) for kernel in selection.kernels(owner)]
                of_layer[id(owner)] = norm_of(ops.stack(norms)[None])
            norm = of_layer[id(owner)]
        rows.append(ops.stack([norm, math.sqrt(output.shape[0]) * norm_of(gradient)]))
    return ops.stack(rows)


def _shapes(data: Any) -> tuple[Any, ...]:
    return tuple((tuple(t.shape), dtype_of(t)) for t in keras.tree.flatten(data) if t is not None)


def pooled(measured: Sequence[Measured]) -> Measured:
    """What several batches say together."""
    first = measured[0]
    if len(measured) == 1:
        return first
    tables = {name: np.stack([m.table[name] for m in measured]) for name in first.table}
    weights = np.array([m.samples for m in measured], dtype=float)
    weights /= weights.sum()

    def average(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.einsum("b,br->r", weights, values))

    def root_mean_square(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.sqrt(average(values**2)))

    table = {name: average(values) for name, values in tables.items()}
    table["std"] = np.sqrt(average(tables["std"] ** 2 + (tables["mean"] - table["mean"]) ** 2))
    for name in ("rms", *BACKWARD):
        if name in table:
            table[name] = root_mean_square(tables[name])
    for name in ("min", "spread_min"):
        table[name] = tables[name].min(axis=0)
    for name in ("max", "spread_max"):
        table[name] = tables[name].max(axis=0)
    # The fractions are relative to the rms of the first row of their own batch.
    return Measured(
        first.calls,
        table,
        None,
        float(np.sqrt(np.sum(weights * np.array([m.source for m in measured]) ** 2))),
        sum(m.samples for m in measured),
        np.sum([m.values for m in measured], axis=0),
    )


# One compiled function a model and selection; gone with the model.
_cache: Final[weakref.WeakKeyDictionary[Any, dict[Any, Measurement]]] = weakref.WeakKeyDictionary()


def measurement(
    model: Any, layers: Any = None, loss: Any = None, histograms: bool = False
) -> Measurement:
    """A `Measurement`, the same one for the same model, layers and loss as before.

    A layer added, or an activation, a policy or a sort of execution changed, makes a new one.
    """
    fresh = Measurement(model, layers, loss, histograms)
    state = [
        (id(layer), id(getattr(layer, "activation", None))) for layer in selection.layers_of(model)
    ]
    policies = [layer.dtype_policy.name for layer in selection.layers_of(model)]
    key = (fresh._watched, loss, histograms, *state, *policies, bool(model.run_eagerly))
    try:
        return _cache.setdefault(model, {}).setdefault(key, fresh)
    except TypeError:  # a loss that cannot be hashed
        return fresh
