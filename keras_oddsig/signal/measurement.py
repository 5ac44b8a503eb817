"""Runs a model on a batch in one compiled function, and pools the numbers of several.

What the numbers mean, `predictions` and `verdicts` say.
"""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_oddsig import _arguments, _backend
from keras_oddsig.layers.unrolled import unrolled
from keras_oddsig.signal import recording, selection, statistics
from keras_oddsig.signal.data import check_batch, to_device
from keras_oddsig.signal.derivatives import InputDerivatives
from keras_oddsig.signal.losses import Loss
from keras_oddsig.signal.recording import Call, Recorder
from keras_oddsig.signal.statistics import (
    BACKWARD,
    DYNAMIC,
    FORWARD,
    SOMETIMES_UNDEFINED,
    dtype_of,
    norm_of,
)


@dataclass(frozen=True)
class Source:
    """What enters the first layer that is measured, or that has a kernel.

    Attributes:
        rms: Root mean square.
        spread: Standard deviation over the samples, root mean square over the features.
    """

    rms: float
    spread: float


_UNKNOWN: Final = Source(math.nan, math.nan)


@dataclass(frozen=True)
class Measured:
    """What one batch says.

    Attributes:
        calls: The rows.
        table: Statistics by name, each of shape `(rows,)`.
        histograms: Counts of shape `(rows, BINS)`, if asked for.
        source: What enters.
        samples: How many samples the batch had.
        values: How many values each row had, shape `(rows,)`.
    """

    calls: tuple[Call, ...]
    table: dict[str, NDArray[Any]]
    histograms: NDArray[Any] | None
    source: Source
    samples: int
    values: NDArray[Any]


@dataclass(frozen=True)
class _Layout:
    """What of a measurement does not depend on numbers: known once the model was traced.

    Attributes:
        calls: The rows.
        names: The statistics.
        known: Which statistics are defined, shape `(rows, statistics)`.
        source: Whether anything is known to enter.
    """

    calls: tuple[Call, ...]
    names: tuple[str, ...]
    known: NDArray[np.bool_]
    source: bool


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
        self, model: Any, layers: Any = None, loss: Loss | None = None, histograms: bool = False
    ) -> None:
        _check_model(model)
        self._model = weakref.ref(model)
        # What another records is not itself. The locks in the order in which a run takes them.
        with unrolled(model), recording.one_at_a_time:
            self.watch: selection.Watch = selection.watch(model, layers)
        self._loss = loss
        self._histograms = histograms
        self._layouts: dict[Any, _Layout] = {}
        self._function = _backend.measuring(self._run, *selection.execution(model))

    @functools.cached_property
    def derivatives(self) -> InputDerivatives:
        """Those of the same rows by the model's inputs."""
        return InputDerivatives(self._model(), self.watch)

    def __call__(self, x: Any, y: Any = None) -> Measured:
        with unrolled(self._model()):
            return self._measured(x, y)

    def _measured(self, x: Any, y: Any) -> Measured:
        model: Any = self._model()
        data = (to_device(x), None if self._loss is None else to_device(y))
        check_batch(model, data[0])
        if self._loss is not None and not self._loss.ready(data[1]):
            self._prepare_loss(model, data)
        numbers = ops.convert_to_numpy(
            self._function(_backend.values_of(model.variables), data)
        ).astype("float64")
        layout = self._layouts[_shapes(data)]
        names = layout.names
        table, last = numbers[:-1], numbers[-1]
        # No NaN is made on the device, where a user may be hunting one: see `statistics`.
        statistic = np.where(layout.known, table[:, : len(names)], math.nan)
        columns = {name: statistic[:, i] for i, name in enumerate(names)}
        for name in SOMETIMES_UNDEFINED:
            columns[name] = _defined(columns[name])
        return Measured(
            layout.calls,
            columns,
            table[:, len(names) :] if self._histograms else None,
            Source(float(last[0]), float(last[1])) if layout.source else _UNKNOWN,
            next(t.shape[0] for t in keras.tree.flatten(data[0]) if t is not None),
            np.array([math.prod(call.shape) for call in layout.calls]),
        )

    def _prepare_loss(self, model: Any, data: Any) -> None:
        """Shows a loss of several outputs the structure of targets and predictions."""
        assert self._loss is not None
        x, y = keras.tree.map_structure(lambda tensor: tensor[:1], data)
        with recording.unchanged(model._flatten_layers()), keras.StatelessScope():
            prediction = model(x, training=False)
        self._loss(y, prediction)

    def _run(self, values: list[Any], data: Any) -> Any:
        """All numbers in one array: a row a call, and a last one for the source."""
        model: Any = self._model()
        layers = model._flatten_layers()
        state = list(zip(model.variables, values, strict=True)) if values else []
        gradients = None
        with recording.unchanged(layers):
            if self._loss is None:
                recorder = Recorder(self.watch)
                with keras.StatelessScope(state), recording.recording(recorder, layers):
                    model(data[0], training=False)
                outputs, source = recorder.outputs, recorder.source
                preactivations = recorder.preactivations
            else:
                recorder, outputs, (source, preactivations), gradients = self._differentiate(
                    self._loss, model, layers, state, data
                )
        if not outputs:
            raise ValueError(
                "`layers` must select layers that the model calls, outside of loops and of "
                "functions that the backend traces on its own. None of them was called."
            )
        if any(None in tuple(each.shape) for each in (*outputs, source) if each is not None):
            raise _backend.UnknownShapeError
        calls = tuple(recorder.named_calls())
        columns = [
            statistics.statistics(outputs, [_bound(call) for call in calls], _first_row(calls))
        ]
        names: tuple[str, ...] = FORWARD
        by_owner: dict[int, Any] = {}
        if preactivations:
            rows = [row for row, call in enumerate(calls) if call.dynamic]
            columns.append(
                statistics.sizes_of(preactivations, rows, len(calls), dtype_of(columns[0]))
            )
            names += DYNAMIC
        if gradients is not None:
            of_outputs, by_owner = gradients
            columns.append(_gradient_norms(calls, of_outputs, by_owner))
            names += BACKWARD
        if self._histograms:
            columns.append(statistics.histograms(outputs))
        self._layouts[_shapes(data)] = _Layout(
            calls, names, _known(calls, names, by_owner), source is not None
        )
        dtype = dtype_of(columns[0])
        table = ops.concatenate([ops.cast(column, dtype) for column in columns], axis=1)
        last = ops.zeros((2,), dtype) if source is None else statistics.source_of(source, dtype)
        return ops.concatenate([table, ops.pad(last, (0, table.shape[1] - 2))[None]])

    def _differentiate(
        self, compute_loss: Loss, model: Any, layers: Any, state: Any, data: Any
    ) -> Any:
        """The recorder, outputs, source and preactivations, and gradients.

        These are of outputs, and of kernels by their layer.
        """
        # Integers, as in a quantized layer, have no gradient.
        kernels = [k for k in selection.kernels(model) if keras.backend.is_float_dtype(k.dtype)]
        recorder = None

        def forward(parameters: list[Any], tap: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
            nonlocal recorder
            recorder = Recorder(self.watch, tap)
            mapped = [*state, *zip(kernels, parameters, strict=True)]
            with keras.StatelessScope(mapped):
                with recording.recording(recorder, layers):
                    prediction = model(data[0], training=False)
                loss = compute_loss(data[1], prediction)
            return loss, recorder.outputs, (recorder.source, recorder.preactivations)

        mapping = {id(variable): value for variable, value in state}
        parameters = [mapping.get(id(kernel), kernel.value) for kernel in kernels]
        outputs, more, of_outputs, of_kernels = _backend.differentiate(forward, parameters)
        by_kernel = {id(kernel): g for kernel, g in zip(kernels, of_kernels, strict=True)}
        assert recorder is not None
        by_owner = {}
        for owner in filter(None, map(_owner, recorder.calls)):
            held = selection.kernels(owner)
            # What an integer kernel is scaled with is trained no more than that itself.
            quantized = any(id(k) not in by_kernel for k in held)
            learning = [k for k in held if k.trainable] if quantized else held
            found = [by_kernel[id(k)] for k in learning if id(k) in by_kernel]
            if found and id(owner) not in by_owner:
                by_owner[id(owner)] = norm_of(ops.stack([norm_of(each) for each in found])[None])
        return recorder, outputs, more, (of_outputs, by_owner)


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model):
        inside = isinstance(model, keras.Layer)
        hint = ": put the layer into one, as in `keras.Sequential([layer])`" * inside
        shown = _arguments.shown(model)
        raise TypeError(f"`model` must be a `keras.Model`{hint}. Received: model={shown}")
    if model.built:
        return
    selection.check_call(model, model)
    raise ValueError(
        "`model` must be built: call it on data once, or give it an input shape. "
        f"Received: model={model!r}"
    )


def _first_row(calls: Sequence[Call]) -> int:
    """The row with which others are compared; one of a `DynamicOddSigmoid` stands for itself."""
    return next((row for row, call in enumerate(calls) if not call.dynamic), 0)


def _bound(call: Call) -> float | None:
    return None if call.activation is None else call.activation.profile.bound


def _owner(call: Call) -> Any:
    """The layer whose kernels belong to a row, or None."""
    if call.dynamic:  # whose `gamma` may be of rank 2
        return call.producer
    inside = call.layer is not None and selection.kernels(call.layer)
    return call.producer if call.producer is not None or not inside else call.layer


def _known(
    calls: Sequence[Call], names: Sequence[str], by_owner: dict[int, Any]
) -> NDArray[np.bool_]:
    """Which statistics are defined, as far as shapes and layers tell: (rows, statistics)."""
    known = {name: np.ones(len(calls), dtype=bool) for name in names}
    known["saturated"] = np.array([call.activation is not None for call in calls])
    first = calls[_first_row(calls)].shape
    known["negative_rate"] = np.array(
        [math.prod(call.shape[1:]) == math.prod(first[1:]) for call in calls]
    ) & np.array([call.shape[0] == first[0] for call in calls])
    dynamic = np.array([call.dynamic for call in calls])
    known["dead"] &= ~dynamic
    known["negative_rate"] &= ~dynamic
    if DYNAMIC[0] in known:
        known[DYNAMIC[0]] = dynamic
    if "kernel_gradient" in known:
        known["kernel_gradient"] = np.array([id(_owner(call)) in by_owner for call in calls])
    return np.stack([known[name] for name in names], axis=1)


def _defined(values: NDArray[Any]) -> NDArray[Any]:
    """With NaN where the device wrote a negative number."""
    return np.where(values < 0, math.nan, values)


def _gradient_norms(calls: Sequence[Call], of_outputs: list[Any], by_owner: dict[int, Any]) -> Any:
    """Shape (rows, 2), in the order of `BACKWARD`; 0 where a row has no kernel."""
    none = ops.zeros((), "float32")
    return ops.stack(
        [
            ops.stack(
                [by_owner.get(id(_owner(call)), none), math.sqrt(call.shape[0]) * norm_of(gradient)]
            )
            for call, gradient in zip(calls, of_outputs, strict=True)
        ]
    )


def _shapes(data: Any) -> tuple[Any, ...]:
    return tuple(
        None if t is None else (tuple(t.shape), dtype_of(t)) for t in keras.tree.flatten(data)
    )


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

    def average_where_defined(values: NDArray[Any]) -> NDArray[Any]:
        # A last batch of one sample, or of equal ones, says nothing about directions.
        known = np.where(np.isnan(values), 0.0, weights[:, None])
        with np.errstate(invalid="ignore"):
            return np.asarray((known * np.nan_to_num(values)).sum(axis=0) / known.sum(axis=0))

    table = {name: average(values) for name, values in tables.items()}
    table["std"] = np.sqrt(average(tables["std"] ** 2 + (tables["mean"] - table["mean"]) ** 2))
    for name in ("rms", *DYNAMIC, *BACKWARD):
        if name in table:
            table[name] = root_mean_square(tables[name])
    for name in SOMETIMES_UNDEFINED:
        table[name] = average_where_defined(tables[name])
    for name in ("min", "spread_min"):
        table[name] = tables[name].min(axis=0)
    for name in ("max", "spread_max"):
        table[name] = tables[name].max(axis=0)
    rms, spread = root_mean_square(np.array([(m.source.rms, m.source.spread) for m in measured]))
    # The fractions are relative to the rms of the first row of their own batch.
    return Measured(
        first.calls,
        table,
        None,
        Source(float(rms), float(spread)),
        sum(m.samples for m in measured),
        np.sum([m.values for m in measured], axis=0),
    )


# Of who looks on and on with a new loss or function each time, the last few are kept.
_KEPT: Final = 8
# One compiled function a model and selection; gone with the model.
_cache: Final[weakref.WeakKeyDictionary[Any, dict[Any, Measurement]]] = weakref.WeakKeyDictionary()


def measurement(
    model: Any, layers: Any = None, loss: Loss | None = None, histograms: bool = False
) -> Measurement:
    """A `Measurement`, the same one for the same model, layers and loss as before.

    A layer added, or an activation, a policy or a sort of execution changed, makes a new one.
    """
    with unrolled(model), recording.one_at_a_time:
        return _measurement(model, layers, loss, histograms)


def _measurement(model: Any, layers: Any, loss: Loss | None, histograms: bool) -> Measurement:
    fresh = Measurement(model, layers, loss, histograms)
    state = [
        (id(layer), id(getattr(layer, "activation", None))) for layer in selection.layers_of(model)
    ]
    policies = [layer.dtype_policy.name for layer in selection.layers_of(model)]
    watch = fresh.watch
    selected = (watch.layers, watch.inside, watch.dynamic, watch.around)
    key = (*selected, loss, histograms, *state, *policies, bool(model.run_eagerly))
    kept = _cache.setdefault(model, {})
    try:
        found = kept.pop(key, fresh)
        kept[key] = found
    except TypeError:  # a loss that cannot be hashed
        return fresh
    while len(kept) > _KEPT:
        del kept[next(iter(kept))]
    return found
