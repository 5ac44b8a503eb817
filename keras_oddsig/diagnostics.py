"""What the signal does in a model: statistics by layer, and a verdict in words.

`signal_report` runs a model on data once and judges it; `keras_oddsig.ActivationSpread`
watches it during training. Both rest on `Measurement`, which computes the statistics on the
device, inside one compiled function, and brings one array of `layers x statistics` numbers to
the host. The model stays as it was.

**Which outputs.** Every call of a watched layer is a row, named after the layer; a second call
is `name#2`. Of an output of several tensors the first is measured. Its first axis counts the
`B` samples, everything else of one sample is its `U` units. An activation inside another
watched layer, as in `Dense(activation=Tanh())`, is that layer's. What a layer calls inside a
loop (the cell of an RNN), or inside a function that the backend traces on its own
(`keras.ops.scan`, `vectorized_map`), is not seen; the layer around it is.

**Which statistics**, of the output `x` of shape `(B, U)`, in float32 or float64:

- `mean`: over samples and units.
- `std`: the spread, `sqrt(mean((x - mean(x))**2))`.
- `rms`: `sqrt(mean(x**2))`.
- `min`, `max`: the least and the greatest `x`.
- `saturated`: fraction of `abs(x) > 0.97 sup abs(f)`; NaN unless `f` is odd-sigmoid.
- `dead`: fraction of `abs(x) < 0.001 rms_1`, `rms_1` being the `rms` of the first row.
- `negative_rate`: fraction of values whose sign differs from that of the same unit and sample
  in the first row; NaN where the shapes differ. A rotation moves the signal between units:
  with one the rate is 1/2 from the next row on, and says nothing.
- `cosine`: mean of `abs(x_i . x_j) / (norm(x_i) norm(x_j))` over pairs of samples that are not
  0; NaN without a pair. 1 when all samples have become one direction.
- `effective_rank`: the participation ratio `(tr G)**2 / tr(G**2)`, `G = z z^T`, `z` being `x`
  less its mean over the samples: in how many directions the samples differ. 1 when they all
  lie on a line, NaN when they do not differ.
- `spread_min`, `spread_q25`, `spread_median`, `spread_q75`, `spread_max`: quantiles over the
  samples of a sample's own spread, the standard deviation over its units.
- `kernel_gradient`, with a loss: norm of its gradient with respect to the kernels (all weights
  of rank 2 or more) of the layer, or of the one whose output it activates; NaN without one.
- `activation_gradient`, with a loss: `sqrt(B) norm(dloss/dx)`. Of a loss that is a mean over
  samples it is the root mean square of the norms of their own gradients.

`cosine` and `effective_rank` see the first 64 samples of a batch. Over several batches `mean`,
`std`, `rms`, the extremes and the fractions are those of all their samples; gradients are
combined as root mean squares, the rest as means, by the number of samples.

Reference for the participation ratio: Gao et al., [A theory of multineuronal dimensionality,
dynamics and measurement](https://doi.org/10.1101/214262), 2017.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_oddsig import _backend, _scales, activations, initializers, solver
from keras_oddsig.activations import OddSigmoid

__all__ = ["LayerSignal", "SignalReport", "signal_report"]

# ----------------------------------------------------------------------------------
# Which layers
# ----------------------------------------------------------------------------------


def _activation_of(layer: Any) -> OddSigmoid | None:
    """The odd-sigmoid activation at the end of a layer, if it has one."""
    if isinstance(layer, OddSigmoid):
        return layer
    function = getattr(layer, "activation", None)
    if isinstance(function, OddSigmoid):
        return function
    for known, cls in activations._EQUIVALENTS:
        if function is known:
            return _scales.shared_activation(cls.__name__)
    return None


def _activation_name(layer: Any) -> str | None:
    function = layer if isinstance(layer, OddSigmoid) else getattr(layer, "activation", None)
    if function is None or function is keras.activations.linear:
        return None
    for name, cls in activations._CLASSES.items():
        if type(function) is cls:
            return name
    return str(getattr(function, "__name__", None) or type(function).__name__.lower())


def _watched_by_default(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Activation) or _activation_of(layer) is not None


def check_selection(layers: Any) -> None:
    """Raises TypeError unless `layers` can select layers."""
    if layers is None or isinstance(layers, str) or callable(layers):
        return
    if isinstance(layers, Sequence) and not isinstance(layers, bytes):
        wrong = [each for each in layers if not isinstance(each, str) and not callable(each)]
        if layers and not wrong:
            return
    raise TypeError(
        "`layers` must be None, a name, a layer, a type of layers, a function of a layer, or a "
        f"sequence of these. Received: layers={layers!r}"
    )


def _select(model: Any, layers: Any) -> list[Any]:
    """The layers of a model that `layers` means, in the model's order."""
    check_selection(layers)
    every = _layers_of(model)
    if layers is None:
        chosen = [layer for layer in every if _watched_by_default(layer)]
        if not chosen:
            raise ValueError(
                "`layers` must say which layers to watch: none has an odd-sigmoid activation. "
                f"The model has the layers {', '.join(layer.name for layer in every)}. "
                "Received: layers=None"
            )
        return chosen
    if isinstance(layers, str) or callable(layers):
        layers = [layers]
    found: set[int] = set()
    for each in layers:
        if isinstance(each, str):
            matches = [layer for layer in every if layer.name == each]
        elif isinstance(each, keras.Layer):
            matches = [layer for layer in every if layer is each]
        elif isinstance(each, type):
            matches = [layer for layer in every if isinstance(layer, each)]
        else:
            matches = [layer for layer in every if each(layer)]
        if not matches:
            shown = each.name if isinstance(each, keras.Layer) else each
            raise ValueError(
                "`layers` must select layers of the model, which has "
                f"{', '.join(layer.name for layer in every)}. Received: {shown!r} among layers"
            )
        found |= set(map(id, matches))
    return [layer for layer in every if id(layer) in found]


def _layers_of(model: Any) -> list[Any]:
    """Every layer inside a model, however nested, without the model itself."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def _kernels(layer: Any) -> list[Any]:
    """The weights of rank 2 or more, of the layers inside it, too."""
    return [weight for weight in layer.weights if len(weight.shape) >= 2]


# ----------------------------------------------------------------------------------
# Recording
# ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Call:
    """One call of a watched layer.

    Attributes:
        name: Unique among the calls.
        layer: The layer.
        producer: The layer whose kernel made the input of the activation, or itself; None
            where that is not known.
    """

    name: str
    layer: Any
    producer: Any


@dataclass
class _Recorder:
    """Takes down what layers return while the Python code of a model runs.

    Attributes:
        watched: Identities of the layers to record.
        kernels: Identities of the layers with kernels of their own.
        tap: What an output passes through before the model goes on with it.
    """

    watched: frozenset[int]
    kernels: frozenset[int]
    tap: Callable[[Any], Any] | None = None
    outputs: list[Any] = field(default_factory=list)
    calls: list[tuple[Any, Any]] = field(default_factory=list)
    source: Any = None
    _stack: list[Any] = field(default_factory=list)
    _produced: tuple[Any, Any] = (None, None)
    _level: Any = field(default_factory=_backend.trace_level)

    def run(self, call: Callable[..., Any], layer: Any, args: Any, kwargs: Any) -> Any:
        """Calls a layer, and records what comes back."""
        outer = self._stack[-1] if self._stack else None
        # An overridden `__call__` comes by twice.
        seen = outer is layer or isinstance(outer, keras.layers.RNN)
        if seen or _backend.trace_level() != self._level:
            return call(layer, *args, **kwargs)
        watched = id(layer) in self.watched
        if id(outer) in self.watched and getattr(outer, "activation", None) is layer:
            watched = False
        source = args[0] if args else None
        if not self.calls and (id(layer) in self.kernels or (watched and self.source is None)):
            self.source = _first_float(source)
        self._stack.append(layer)
        try:
            result = call(layer, *args, **kwargs)
        finally:
            self._stack.pop()
        if watched:
            produced, producer = self._produced
            result = self._record(result, layer, producer if source is produced else None)
        if id(layer) in self.kernels:
            self._produced = (result, layer)
        return result

    def _record(self, result: Any, layer: Any, producer: Any) -> Any:
        output = _first_float(result)
        if output is None or len(output.shape) == 0:
            return result
        tapped = output
        if self.tap is not None:
            tapped = self.tap(output)
            _backend.copy_mask(output, tapped)
            result = keras.tree.map_structure(lambda t: tapped if t is output else t, result)
        self.outputs.append(tapped)
        self.calls.append((layer, layer if id(layer) in self.kernels else producer))
        return result

    def named_calls(self) -> list[_Call]:
        """The calls under unique names: of the layer, or its path if another has its name."""
        by_name: dict[str, set[int]] = {}
        for layer, _ in self.calls:
            by_name.setdefault(layer.name, set()).add(id(layer))
        counts: Counter[str] = Counter()
        calls = []
        for layer, producer in self.calls:
            name = layer.name if len(by_name[layer.name]) == 1 else layer.path
            counts[name] += 1
            number = f"#{counts[name]}" if counts[name] > 1 else ""
            calls.append(_Call(name + number, layer, producer))
        return calls


def _first_float(structure: Any) -> Any:
    """The first floating tensor of a structure, if it has one."""
    for leaf in keras.tree.flatten(structure):
        if ops.is_tensor(leaf) and keras.backend.is_float_dtype(
            keras.backend.standardize_dtype(leaf.dtype)
        ):
            return leaf
    return None


# Calls go through the classes' own `__call__`, replaced while something is recorded: no
# instance is touched, and a model that calls its layers in any way is seen. Another thread
# that calls layers meanwhile passes through.
_current: Final = threading.local()
_lock: Final = threading.Lock()
_replaced: Final[dict[tuple[type, str], tuple[Any, int]]] = {}


def _recorded(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = getattr(_current, "recorder", None)
        if recorder is None:
            return original(self, *args, **kwargs)
        return recorder.run(original, self, args, kwargs)

    return call


def _without_remat(original: Callable[..., Any]) -> Callable[..., Any]:
    """Rematerialization hides a layer's inside in a trace of its own, and changes no value."""

    @functools.wraps(original)
    def rematerialized_call(self: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(_current, "recorder", None) is None:
            return original(self, function, *args, **kwargs)
        return function

    return rematerialized_call


@contextmanager
def _recording(recorder: _Recorder, layers: Sequence[Any]) -> Iterator[None]:
    """Within it, in this thread, calls of the layers go through the recorder."""
    methods = {(_owner(type(layer), "__call__"), "__call__"): _recorded for layer in layers}
    methods[(keras.Layer, "rematerialized_call")] = _without_remat
    with _lock:
        for (owner, name), wrapped in methods.items():
            original, users = _replaced.get((owner, name), (vars(owner)[name], 0))
            if not users:
                setattr(owner, name, wrapped(original))
            _replaced[owner, name] = (original, users + 1)
    outer, _current.recorder = getattr(_current, "recorder", None), recorder
    try:
        yield
    finally:
        _current.recorder = outer
        with _lock:
            for owner, name in methods:
                original, users = _replaced.pop((owner, name))
                if users > 1:
                    _replaced[owner, name] = (original, users - 1)
                else:
                    setattr(owner, name, original)


def _owner(cls: type, name: str) -> type:
    """The class that defines a method."""
    return next(base for base in cls.__mro__ if name in vars(base))


@contextmanager
def _unchanged(layers: Sequence[Any]) -> Iterator[None]:
    """Puts back the attributes that the layers' own code sets while it runs."""
    before = [
        (layer, dict(vars(layer)), list(layer._losses), set(layer._loss_ids)) for layer in layers
    ]
    try:
        yield
    finally:
        for layer, attributes, losses, loss_ids in before:
            now = vars(layer)
            for name in now.keys() - attributes.keys():
                del now[name]
            now.update(attributes)
            layer._losses[:] = losses
            layer._loss_ids.clear()
            layer._loss_ids.update(loss_ids)


# ----------------------------------------------------------------------------------
# Statistics
# ----------------------------------------------------------------------------------

_SPREADS: Final = ("spread_min", "spread_q25", "spread_median", "spread_q75", "spread_max")
FORWARD: Final = (
    "mean",
    "std",
    "rms",
    "min",
    "max",
    "saturated",
    "dead",
    "negative_rate",
    "cosine",
    "effective_rank",
    *_SPREADS,
)
BACKWARD: Final = ("kernel_gradient", "activation_gradient")

SATURATED: Final = 0.97  # of the bound: there tanh has 1/17 of its slope at 0
DEAD: Final = 1e-3  # of the rms of the first row
# Samples whose cosines are taken: 2016 pairs say what the mean is to 2%, and cost less than
# the layer itself.
_PAIRED: Final = 64
# Elements that are reduced together. More would hold copies of large feature maps.
_TOGETHER: Final = 2**24


def _statistics(outputs: list[Any], bounds: list[float]) -> Any:
    """The forward statistics of outputs (B, ...), shape (outputs, statistics)."""
    matrices = [_matrix(output) for output in outputs]
    groups: dict[Any, list[list[int]]] = {}
    for i, x in enumerate(matrices):
        parts = groups.setdefault((tuple(x.shape), keras.backend.standardize_dtype(x.dtype)), [[]])
        if len(parts[-1]) * math.prod(x.shape) > _TOGETHER:
            parts.append([])
        parts[-1].append(i)
    rms = _rms(matrices[0])
    rows: list[Any] = [None] * len(outputs)
    for part in itertools.chain.from_iterable(groups.values()):
        x = ops.stack([matrices[i] for i in part])
        first = matrices[0] if x.shape[1:] == matrices[0].shape else None
        bound = np.array([bounds[i] for i in part])
        block = _block(x, bound, first, ops.cast(rms, x.dtype))
        for row, i in enumerate(part):
            rows[i] = (block, row)
    return _in_order(rows)


def _in_order(rows: list[tuple[Any, int]]) -> Any:
    """Rows of blocks as one array; a block that holds them all in order is the array."""
    blocks = list({id(block): block for block, _ in rows}.values())
    dtype = "float64" if any(_dtype(block) == "float64" for block in blocks) else "float32"
    start, offsets = 0, {}
    for block in blocks:
        offsets[id(block)] = start
        start += block.shape[0]
    order = [offsets[id(block)] + row for block, row in rows]
    blocks = [ops.cast(block, dtype) for block in blocks]
    table = blocks[0] if len(blocks) == 1 else ops.concatenate(blocks)
    return table if order == list(range(start)) else ops.take(table, np.array(order), axis=0)


def _dtype(tensor: Any) -> str:
    return str(keras.backend.standardize_dtype(tensor.dtype))


def _matrix(output: Any) -> Any:
    """(B, U), in float32 at least."""
    if _dtype(output) != "float64":
        output = ops.cast(output, "float32")
    return ops.reshape(output, (output.shape[0], math.prod(output.shape[1:])))


def _unit_size(x: Any, axis: Any) -> tuple[Any, Any]:
    """`x` over its greatest magnitude, and that: squares then neither under- nor overflow."""
    size = ops.max(ops.abs(x), axis=axis, keepdims=True)
    return x / ops.where(size > 0, size, ops.ones_like(size)), size


def _rms(x: Any) -> Any:
    scaled, size = _unit_size(x, None)
    return ops.reshape(size, ()) * ops.sqrt(ops.mean(ops.square(scaled)))


def _norm(x: Any) -> Any:
    return ops.cast(_rms(_matrix(x)) * math.sqrt(math.prod(x.shape)), "float32")


def _block(x: Any, bound: NDArray[Any], first: Any, first_rms: Any) -> Any:
    """The statistics of outputs of one shape, (outputs, B, U)."""
    samples = x.shape[1]
    low, high = ops.min(x, axis=(1, 2)), ops.max(x, axis=(1, 2))
    size = ops.maximum(ops.abs(low), ops.abs(high))
    scaled = x / ops.where(size > 0, size, ops.ones_like(size))[:, None, None]
    means = ops.mean(scaled, axis=2)
    variances = ops.mean(ops.square(scaled - means[:, :, None]), axis=2)
    mean = ops.mean(means, axis=1)
    # The law of total variance: nothing cancels.
    variance = ops.mean(variances, axis=1) + ops.mean(ops.square(means - mean[:, None]), axis=1)
    nan = ops.full_like(mean, math.nan)

    def fraction(condition: Any) -> Any:
        return ops.mean(ops.cast(condition, x.dtype), axis=(1, 2))

    limit = SATURATED * np.where(np.isnan(bound), math.inf, bound)
    limit = ops.cast(ops.convert_to_tensor(limit.astype("float32")), x.dtype)
    saturated = fraction(ops.abs(x) > limit[:, None, None])
    unknown = ops.convert_to_tensor(np.isnan(bound))
    negative = nan if first is None else fraction(x * ops.sign(first) < 0)
    cosine, rank = _directions(scaled[:, :_PAIRED])
    return ops.stack(
        [
            size * mean,
            size * ops.sqrt(variance),
            size * ops.sqrt(variance + ops.square(mean)),
            low,
            high,
            ops.where(unknown, nan, saturated),
            fraction(ops.abs(x) < DEAD * first_rms),
            negative,
            cosine,
            rank,
            *_quantiles(size[:, None] * ops.sqrt(variances), samples),
        ],
        axis=1,
    )


def _directions(x: Any) -> tuple[Any, Any]:
    """Mean absolute cosine and participation ratio of samples, (outputs, samples, U)."""
    length = ops.sqrt(ops.sum(ops.square(x), axis=2))
    there = ops.cast(length > 0, x.dtype)
    units = x / ops.where(length > 0, length, ops.ones_like(length))[:, :, None]
    cosines = ops.matmul(units, ops.transpose(units, (0, 2, 1)))
    # Of each sample with itself the cosine is 1: left out without a mask.
    count = ops.sum(there, axis=1)
    pairs = count * (count - 1)
    nan = ops.full_like(count, math.nan)
    total = ops.sum(ops.abs(cosines), axis=(1, 2)) - count
    cosine = ops.where(pairs > 0, total / ops.maximum(pairs, ops.ones_like(pairs)), nan)
    # Centred, and scaled anew, lest the squares of squares underflow.
    centred, _ = _unit_size(x - ops.mean(x, axis=1, keepdims=True), (1, 2))
    gram = ops.matmul(centred, ops.transpose(centred, (0, 2, 1)))
    trace = ops.sum(ops.square(centred), axis=(1, 2))
    squares = ops.sum(ops.square(gram), axis=(1, 2))
    rank = ops.where(squares > 0, ops.square(trace) / squares, nan)
    # A NaN compares as false above, and must not look like an absent pair.
    return cosine + 0 * trace, rank + 0 * trace


def _quantiles(spreads: Any, samples: int) -> list[Any]:
    """The five of `_SPREADS` of (outputs, B), by linear interpolation."""
    ordered = ops.sort(spreads, axis=1)
    found = []
    for quantile in (0.0, 0.25, 0.5, 0.75, 1.0):
        place = quantile * (samples - 1)
        below = math.floor(place)
        part = place - below
        value = ordered[:, below]
        if part > 0:
            value = (1 - part) * value + part * ordered[:, below + 1]
        found.append(value)
    return found


BINS: Final = 30


def _histograms(outputs: list[Any]) -> Any:
    """Counts in `BINS` equal bins from the least to the greatest value, (outputs, BINS)."""
    counts = []
    for output in outputs:
        x = ops.reshape(_matrix(output), (-1,))
        low = ops.min(x)
        width = ops.max(x) - low
        place = BINS * (x - low) / ops.where(width > 0, width, ops.ones_like(width))
        finite = ops.isfinite(place)
        place = ops.where(finite, place, ops.zeros_like(place))
        bins = ops.cast(ops.clip(ops.floor(place), 0, BINS - 1), "int32")
        counts.append(ops.segment_sum(ops.cast(finite, "float32"), bins, num_segments=BINS))
    return ops.stack(counts)


# ----------------------------------------------------------------------------------
# The compiled function
# ----------------------------------------------------------------------------------


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

    calls: tuple[_Call, ...]
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
        self._watched = frozenset(map(id, _select(model, layers)))
        self._loss: Any = loss
        self._histograms = histograms
        self._layouts: dict[Any, tuple[tuple[_Call, ...], NDArray[Any]]] = {}
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
        own = frozenset(id(layer) for layer in layers if _has_own_kernels(layer))
        gradients = None
        with _unchanged(layers):
            if self._loss is None:
                recorder = _Recorder(self._watched, own)
                with keras.StatelessScope(state), _recording(recorder, layers):
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
        odd = [_activation_of(call.layer) for call in calls]
        bounds = [math.nan if f is None else f.profile.bound for f in odd]
        columns = [_statistics(outputs, bounds)]
        if gradients is not None:
            columns.append(_gradient_norms(calls, outputs, *gradients))
        if self._histograms:
            columns.append(_histograms(outputs))
        dtype = _dtype(columns[0])
        table = ops.concatenate([ops.cast(column, dtype) for column in columns], axis=1)
        source = ops.cast(math.nan if source is None else _rms(_matrix(source)), dtype)
        return ops.concatenate([table, ops.full((1, table.shape[1]), source, dtype)])

    def _differentiate(
        self, model: Any, layers: Any, own: frozenset[int], state: Any, data: Any
    ) -> Any:
        """The recorder, outputs, source, and the gradients: of outputs, of kernels by identity."""
        kernels = _kernels(model)
        recorder = None

        def forward(parameters: list[Any], tap: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
            nonlocal recorder
            recorder = _Recorder(self._watched, own, tap)
            mapped = [*state, *zip(kernels, parameters, strict=True)]
            with keras.StatelessScope(mapped), _recording(recorder, layers):
                prediction = model(data[0], training=False)
            loss = self._loss(data[1], prediction)
            return loss, recorder.outputs, recorder.source

        mapping = {id(variable): value for variable, value in state}
        parameters = [mapping.get(id(kernel), kernel.value) for kernel in kernels]
        outputs, source, of_outputs, of_kernels = _backend.differentiate(forward, parameters)
        by_kernel = {id(kernel): g for kernel, g in zip(kernels, of_kernels, strict=True)}
        return recorder, outputs, source, (of_outputs, by_kernel)


def _has_own_kernels(layer: Any) -> bool:
    """Whether a layer holds kernels itself; a recurrent one owns its cell's."""
    if isinstance(layer, keras.layers.RNN):
        return True
    inside = {
        id(weight)
        for part in layer._flatten_layers(include_self=False, recursive=False)
        for weight in part.weights
    }
    return any(id(kernel) not in inside for kernel in _kernels(layer))


def _gradient_norms(
    calls: Sequence[_Call], outputs: list[Any], of_outputs: list[Any], by_kernel: dict[int, Any]
) -> Any:
    """Shape (rows, 2), in the order of `BACKWARD`."""
    nan = ops.cast(math.nan, "float32")
    of_layer: dict[int, Any] = {}
    rows = []
    for call, output, gradient in zip(calls, outputs, of_outputs, strict=True):
        owner = call.layer if _kernels(call.layer) else call.producer
        norm = nan
        if owner is not None:
            if id(owner) not in of_layer:
                norms = [_norm(by_kernel[id(kernel)]) for kernel in _kernels(owner)]
                of_layer[id(owner)] = _norm(ops.stack(norms)[None])
            norm = of_layer[id(owner)]
        rows.append(ops.stack([norm, math.sqrt(output.shape[0]) * _norm(gradient)]))
    return ops.stack(rows)


def _shapes(data: Any) -> tuple[Any, ...]:
    return tuple((tuple(t.shape), _dtype(t)) for t in keras.tree.flatten(data) if t is not None)


def to_device(data: Any) -> Any:
    """Arrays as tensors, floating ones in Keras's default dtype, as `fit` takes them."""

    def convert(array: Any) -> Any:
        if array is None or ops.is_tensor(array):
            return array
        array = np.asarray(array)
        floating = np.issubdtype(array.dtype, np.floating)
        return ops.convert_to_tensor(array, dtype=keras.config.floatx() if floating else None)

    return keras.tree.map_structure(convert, data)


# ----------------------------------------------------------------------------------
# Data
# ----------------------------------------------------------------------------------

BATCH: Final = 256


def batches(data: Any, count: int | None = None, size: int = BATCH) -> Iterator[tuple[Any, Any]]:
    """The first `count` batches `(x, y)` of anything that `fit` takes; all of them by default.

    Arrays (and lists and dicts of them, for models of several inputs) are cut into batches
    of `size`. A tuple is `(x, y)` or `(x, y, sample_weight)`, the last of which is left out.
    """
    if isinstance(data, keras.utils.PyDataset):
        total = data.num_batches
        indices = itertools.count() if total is None else range(total)
        found: Iterator[Any] = (data[i] for i in indices)
    elif _is_arrays(data):
        leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
        samples = {int(leaf.shape[0]) for leaf in leaves}
        if len(samples) != 1 or samples == {0}:
            raise ValueError(
                "`data` must hold arrays of one number of samples, at least 1. "
                f"Received: arrays of {sorted(samples)} samples"
            )
        found = (_slice(data, i, i + size) for i in range(0, samples.pop(), size))
    else:
        found = iter(data)
    none = True
    for batch in itertools.islice(found, count):
        none = False
        if isinstance(batch, list) and not _is_arrays(data):
            batch = tuple(batch)  # a `DataLoader` collates pairs to lists
        x, y, *_ = (*batch, None) if isinstance(batch, tuple) else (batch, None)
        yield keras.tree.map_structure(_to_host, x), keras.tree.map_structure(_to_host, y)
    if none:
        raise ValueError(f"`data` must hold a batch. Received: data={data!r}, which is empty")


def _slice(data: Any, start: int, stop: int) -> Any:
    return keras.tree.map_structure(lambda a: None if a is None else a[start:stop], data)


def _is_arrays(data: Any) -> bool:
    """Whether `data` is an array or a structure of arrays, and not a series of batches."""
    if isinstance(data, tuple | list | dict):
        leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
        return bool(leaves) and all(_is_array(leaf) for leaf in leaves)
    return _is_array(data)


def _is_array(data: Any) -> bool:
    return hasattr(data, "shape") and hasattr(data, "__getitem__") and len(data.shape) > 0


def check_data(name: str, data: Any) -> None:
    """Raises TypeError unless `data` is something that `batches` takes."""
    if isinstance(data, str | bytes) or not (
        isinstance(data, keras.utils.PyDataset)
        or _is_arrays(data)
        or (hasattr(data, "__iter__") and not isinstance(data, tuple | list | dict))
    ):
        raise TypeError(
            f"`{name}` must be an array, a structure of arrays, a tuple (x, y), a "
            "`tf.data.Dataset`, a PyTorch `DataLoader` or a `keras.utils.PyDataset`. "
            f"Received: {name}={data!r}"
        )


def _to_host(tensor: Any) -> Any:
    """A tensor of any framework as an array, one of the backend's own as it is."""
    if tensor is None or ops.is_tensor(tensor):
        return tensor
    return np.asarray(tensor.detach().cpu() if hasattr(tensor, "detach") else tensor)


# ----------------------------------------------------------------------------------
# Several batches
# ----------------------------------------------------------------------------------


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


# ----------------------------------------------------------------------------------
# Predictions
# ----------------------------------------------------------------------------------


def _initializer_of(call: _Call) -> Any:
    """Our initializer of the kernel before an activation, if it was made for that one."""
    activation = _activation_of(call.layer)
    layer = call.producer
    name = "recurrent_initializer" if isinstance(layer, keras.layers.RNN) else "kernel_initializer"
    initializer = getattr(layer, name, None)
    if activation is None or not isinstance(initializer, initializers.KernelInitializer):
        return None
    same = _formula(initializer.activation) == _formula(activation)
    return initializer if same else None


def _formula(activation: OddSigmoid) -> tuple[Any, ...]:
    """Equal for activations that compute the same."""
    return activation.unit_reference, activation.amplitude, activation.rate


def _kind(initializer: Any) -> Any:
    """Equal for initializers whose layers make one chain; `None` without a prediction."""
    if initializer is None or getattr(initializer, "bottleneck", None) is not None:
        return None  # what of a signal is in the directions that are kept, none can say
    scale = (
        initializer.effective_noise_scale
        if isinstance(initializer, initializers.OddSigmoidInit)
        else initializer.effective_gain
    )
    return type(initializer), _formula(initializer.activation), scale


Prediction = tuple[float | None, float | None]


def _predictions(measured: Measured) -> list[Prediction]:
    """Spread and negative rate of each row, by the solver: at initialization.

    A chain of layers of one kind starts from the measured rms of what enters it. Negative
    rates, being relative to the first row, start from that row's.
    """
    found: list[Prediction] = []
    kinds = [(_kind(_initializer_of(call)), call) for call in measured.calls]
    rms = [measured.source, *measured.table["rms"]]
    for kind, group in itertools.groupby(kinds, key=lambda pair: pair[0]):
        chain = [call for _, call in group]
        start = len(found)
        if kind is None or not 0 < rms[start] < math.inf:
            found += [(None, None)] * len(chain)
        elif isinstance(chain[0].producer, keras.layers.RNN):
            found += [(_state_spread(_initializer_of(call)), None) for call in chain]
        else:
            initializer = _initializer_of(chain[0])
            spreads = _spreads(initializer, len(chain), rms[start])
            rates: list[float | None] = [None] * len(chain)
            if start <= 1 and 0 < rms[1] < math.inf:
                rates = _rates(initializer, start + len(chain) - 1, rms[1])[start:]
            found += zip(spreads, rates, strict=True)
    return [
        (spread, rate if math.isfinite(measured_rate) else None)
        for (spread, rate), measured_rate in zip(
            found, measured.table["negative_rate"], strict=True
        )
    ]


def _spreads(initializer: Any, depth: int, input_std: float) -> list[float]:
    f = initializer.activation.reference
    if isinstance(initializer, initializers.OddSigmoidInit):
        std = solver.propagate(f, depth, initializer.effective_noise_scale, input_std).std
    else:
        std = solver._orthogonal_path(f, depth, initializer.effective_gain, input_std)
    return [float(s) for s in std]


def _rates(initializer: Any, depth: int, input_std: float) -> list[float | None]:
    """Negative rates of the first row and of `depth` more."""
    rates = [0.5] * depth
    if depth and isinstance(initializer, initializers.OddSigmoidInit):
        f = initializer.activation.reference
        signal = solver.propagate(f, depth, initializer.effective_noise_scale, input_std)
        rates = [float(rate) for rate in signal.negative_rate]
    return [0.0, *rates]


def _state_spread(initializer: Any) -> float | None:
    if isinstance(initializer, initializers.OddSigmoidInit):
        profile = initializer.activation.profile
        return float(solver.recurrent_spread(profile, initializer.effective_noise_scale))
    return float(initializer.operating_point.spread)


# ----------------------------------------------------------------------------------
# Verdicts
# ----------------------------------------------------------------------------------
#
# The thresholds come from Dense networks of 10 to 100 layers, 32 to 256 wide, on Gaussian
# inputs and on scikit-learn's digits, 128 samples, tanh and softsign. The figures are of the
# last layer; "kept" is its spread (against the prediction, or the first row's) times its
# effective rank (against the first row's).
#
# | tanh, 60 layers     | kept         | spread | first gradient / last |
# |---------------------|--------------|--------|-----------------------|
# | GlorotUniform       | .007 to .09  | .1     | .1 to .4              |
# | Orthogonal          | .15 to .4    | .1     | .2 to .4              |
# | OddSigmoidInit      | .4 to 1      | .15    | .4 to .8              |
# | OddSigmoidOrthogonal| 1 to 1.3     | .35    | 1 to 1.4              |
# | HeNormal            | .15 to 1.6   | .55    | 13 to 23              |
# | VarianceScaling(4)  | .4 to .9     | .73    | 9000                  |

# Glorot's signal shrinks no faster than that of Keras's Orthogonal, which trains: what dies
# is the difference between samples, in all directions but one or two. Hence the product.
# Softsign with Orthogonal keeps .05 at 30 layers and .015 at 100, where it no longer trains.
COLLAPSED: Final = 0.05
# Half of the bound, kept up over 20 layers: for tanh a squared gradient then grows by 6% a
# layer or more. He's networks are at .55. At fewer layers so large a spread is what
# OddSigmoidOrthogonal chooses itself (.55 at 10).
LARGE: Final = 0.5
LARGE_FOR: Final = 20
# Units beyond 0.97 sup f pass on a seventeenth of a gradient (tanh) or less, at any depth.
MOSTLY_SATURATED: Final = 0.3
# All samples one direction; a set that begins with a common mean (digits: .77) is no alarm.
ALIKE: Final = 0.95
# Of the effective rank: all networks above that train keep .16 or more.
FORGOTTEN: Final = 0.05
# Between the first row's gradient and the last's. Ours reach .04 (softsign, 100 layers), He's
# 120 (tanh, 100 layers).
GRADIENT: Final = 100.0

_HEALTHY: Final = "healthy"


def _judge(measured: Measured, predictions: Sequence[Prediction]) -> tuple[list[str], str, int]:
    """A verdict for each row, for the whole, and the row where that one starts."""
    table, count = measured.table, len(measured.calls)
    finite = np.isfinite(np.stack([table[k] for k in ("mean", "std", "min", "max")])).all(axis=0)
    if not finite.all():
        start = int(np.argmin(finite))
        return [_HEALTHY if ok else "not finite" for ok in finite], "not finite", start
    activation = [_activation_of(call.layer) for call in measured.calls]
    odd = np.array([f is not None for f in activation])
    # Comparisons are between rows of one sort: a softmax is small, a ReLU's samples alike.
    judged = np.flatnonzero(odd if odd.any() else ~odd)
    wrong = {name: np.zeros(count, dtype=bool) for name in _FORWARD_VERDICTS}
    first = judged[0]
    units = measured.values / measured.samples
    bound = np.array([math.inf if f is None else f.profile.bound for f in activation])
    predicted = np.array([math.nan if p[0] is None else p[0] for p in predictions])
    with np.errstate(divide="ignore", invalid="ignore"):
        size = table["std"] / np.where(np.isnan(predicted), table["std"][first], predicted)
        rank = table["effective_rank"] / np.minimum(table["effective_rank"][first], units)
        # Of one sample, or of equal ones, there is no rank to lose.
        rank = np.where(np.isnan(rank), 0.0 if math.isfinite(rank[first]) else 1.0, rank)
        size = np.where(np.isnan(size), 0.0, size)
        apart = (1 - table["cosine"]) / (1 - table["cosine"][first])
    wrong["collapsing"] = np.minimum(size, 1) * np.minimum(rank, 1) < COLLAPSED
    wrong["saturating"] = table["saturated"] > MOSTLY_SATURATED
    share = np.where(table["std"] < 1.25 * predicted, 0.0, table["std"] / bound)
    if len(judged) >= LARGE_FOR and share[judged[-LARGE_FOR:]].mean() > LARGE:
        # On the average: single narrow layers scatter by a tenth.
        wrong["saturating"] |= share > 0.8 * LARGE
    alike = (table["cosine"] > ALIKE) & (apart < 1 - ALIKE)
    wrong["forgetting"] = alike | (rank < FORGOTTEN)
    rows = [_HEALTHY] * count
    verdict, start = _HEALTHY, -1
    # What is small and alike has collapsed; what is of full size has forgotten.
    wrong["collapsing"] &= ~(alike & (size > LARGE))
    for name in _FORWARD_VERDICTS:
        run = _final_run(wrong[name], judged)
        for row in run:
            rows[row] = name if rows[row] == _HEALTHY else rows[row]
        if len(run) and verdict == _HEALTHY:
            verdict, start = name, int(run[0])
    if "activation_gradient" in table:
        name, run = _gradient_verdict(table["activation_gradient"])
        for row in run:
            rows[row] = name if rows[row] == _HEALTHY else rows[row]
        if len(run) and verdict == _HEALTHY:
            verdict, start = name, int(run[-1])
    return rows, verdict, start


# In this order: a cause before what follows from it.
_FORWARD_VERDICTS: Final = ("collapsing", "saturating", "forgetting")


def _final_run(wrong: NDArray[Any], judged: NDArray[Any]) -> NDArray[Any]:
    """The judged rows from which on all are wrong: what heals by itself is no fault."""
    right = np.flatnonzero(~wrong[judged])
    return judged[right[-1] + 1 :] if len(right) else judged


def _gradient_verdict(gradient: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    """The rows, from the first on, whose gradient is out of proportion to the last's."""
    if np.isnan(gradient).any():
        return "not finite", np.flatnonzero(np.isnan(gradient))
    last = gradient[-1]
    exploded, vanished = gradient > GRADIENT * last, gradient < last / GRADIENT
    if not gradient.any():
        vanished = np.ones(len(gradient), dtype=bool)
    elif np.isinf(gradient).any():
        exploded = np.isinf(gradient)
    for name, wrong in (
        ("exploding gradient", exploded),
        ("vanishing gradient", vanished),
    ):
        if wrong[0]:
            return name, np.arange(int(np.argmin(wrong)) or len(wrong))
    return _HEALTHY, np.arange(0)


def _advice(measured: Measured, verdict: str, start: int) -> str:
    if verdict == _HEALTHY:
        return "Nothing to do."
    call = measured.calls[start]
    activations_ = [f for f in map(_activation_of, (c.layer for c in measured.calls)) if f]
    if verdict == "not finite":
        return (
            f"Look at what enters {call.name}: its input, its weights, and the learning rate "
            "that made them."
        )
    if not activations_:
        return (
            "None of these activations is odd-sigmoid: the initializers of this package are not "
            "for them."
        )
    narrow = _bottleneck(measured)
    made = [each for each in map(_initializer_of, measured.calls) if each is not None]
    untold = narrow is not None and all(getattr(m, "bottleneck", None) is None for m in made)
    if made and not (untold and verdict in ("collapsing", "forgetting")):
        return (
            "The kernels were made for this activation: compare `depth` with the "
            f"{len(activations_)} layers here, and the scale of the input (rms "
            f"{measured.source:.2g}) with 1; after training, lower the learning rate."
        )
    activation = _activation_of(call.layer) or activations_[0]
    name = _activation_name(activation) if activation.amplitude == activation.rate == 1 else None
    shown = f'"{name}"' if name in activations._CLASSES else "the activation"
    arguments = f"{shown}, depth={len(activations_)}"
    told = f"{arguments}, bottleneck={narrow}" if narrow is not None else arguments
    first = ""
    if 0 < measured.source < math.inf:
        first = (
            f", the first with OddSigmoidOrthogonal({arguments}, input_std={measured.source:.2g})"
        )
    return f"Initialize the kernels with OddSigmoidOrthogonal({told}){first}."


def _bottleneck(measured: Measured) -> int | None:
    """The width of the narrowest dense layer that lies between wider ones, if one does."""
    if not all(isinstance(call.producer, keras.layers.Dense) for call in measured.calls):
        return None
    widths = [call.producer.units for call in measured.calls]
    between = [
        width
        for row, width in enumerate(widths)
        if width < max(widths[:row], default=0) and width < max(widths[row + 1 :], default=0)
    ]
    return min(between, default=None)


# ----------------------------------------------------------------------------------
# The report
# ----------------------------------------------------------------------------------


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
    """

    name: str
    activation: str | None
    statistics: dict[str, float]
    predicted_spread: float | None
    predicted_negative_rate: float | None
    verdict: str


@dataclass(frozen=True)
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
        return self.verdict == "healthy"

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
                    "statistics": {k: _finite(v) for k, v in layer.statistics.items()},
                }
                for layer in self.layers
            ],
        }

    def to_json(self, path: str | Path) -> None:
        """Writes `to_dict()` to a file."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=2) + "\n")

    def print(self, console: Any = None) -> None:
        """Prints a table and the verdict.

        Args:
            console: A `rich.console.Console`; by default a new one.
        """
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = console or Console()
        # Of a terminal of 80 columns; the rest is in `to_dict()`.
        columns = {
            "spread": "std",
            "predicted": "",
            "saturated": "saturated",
            "cosine": "cosine",
            "rank": "effective_rank",
            "gradient": "activation_gradient",
        }
        known = ("", *self.layers[0].statistics)
        columns = {title: key for title, key in columns.items() if key in known}
        table = Table("layer", *columns, "verdict", title="Signal by layer")
        for column in table.columns[1:-1]:
            column.justify = "right"
        for layer in self.layers:
            numbers = {**layer.statistics, "": layer.predicted_spread}
            shown = [numbers[key] for key in columns.values()]
            table.add_row(
                Text(layer.name),  # which may look like markup
                *("" if v is None or math.isnan(v) else f"{v:.3g}" for v in shown),
                "" if layer.verdict == _HEALTHY else layer.verdict,
            )
        console.print(table)
        start = f", from {self.start} on" if self.start else ""
        console.print(f"{self.verdict}{start}. {self.advice}", markup=False, highlight=False)

    def plot(self, ax: Any = None) -> Any:
        """`keras_oddsig.plot_spread` of this report."""
        from keras_oddsig import plotting

        return plotting.plot_spread(self, ax)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


# One compiled function a model and selection; gone with the model.
_cache: Final[weakref.WeakKeyDictionary[Any, dict[Any, Measurement]]] = weakref.WeakKeyDictionary()


def measurement(
    model: Any, layers: Any = None, loss: Any = None, histograms: bool = False
) -> Measurement:
    """A `Measurement`, the same one for the same model, layers and loss as before.

    A layer added, or an activation, a policy or a sort of execution changed, makes a new one.
    """
    fresh = Measurement(model, layers, loss, histograms)
    state = [(id(layer), id(getattr(layer, "activation", None))) for layer in _layers_of(model)]
    policies = [layer.dtype_policy.name for layer in _layers_of(model)]
    key = (fresh._watched, loss, histograms, *state, *policies, bool(model.run_eagerly))
    try:
        return _cache.setdefault(model, {}).setdefault(key, fresh)
    except TypeError:  # a loss that cannot be hashed
        return fresh


def signal_report(
    model: Any, x: Any, y: Any = None, loss: Any = None, layers: Any = None
) -> SignalReport:
    """Looks at the signal in a model, layer by layer, and says whether it is healthy.

    Runs the model on the data as `predict` would (`training=False`), and leaves it as it was.
    With a loss it also takes gradients. What is wrong is one of

    - `"collapsing"`: what is left of the differences between samples has become too small, or
      too few directions;
    - `"saturating"`: most units are near the bound of the activation, or half-way there over
      many layers, so that differences, and gradients with them, grow without limit;
    - `"forgetting"`: all samples have become one direction;
    - `"exploding gradient"`, `"vanishing gradient"`: between the last row and the first the
      gradient changes by more than a factor 100;
    - `"not finite"`.

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
            takes for `x`. Arrays are run in batches of 256.
        y: The targets, if `x` does not bring them; used with a loss only.
        loss: The name of a Keras loss, a `keras.Loss`, a function of `(y, y_pred)` or, for
            a model of several outputs, a list or dict of these. Where targets are given, the
            loss with which the model was compiled by default.
        layers: Which layers to watch: a name, a layer, a type of layers, a function from
            a layer to a boolean, or a sequence of these. By default every layer with an
            odd-sigmoid activation, and every `keras.layers.Activation`.

    Returns:
        A `SignalReport`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If the model is not built, the data are empty, no layer is selected or
            called, or targets come without a loss, or a loss without targets.
    """
    check_data("x", x)
    data = (x, y) if y is not None else x
    function = None
    stream = batches(data)
    first = next(stream)
    if loss is not None or y is not None:
        if first[1] is None:
            raise ValueError("`y` must be given with a loss. Received: y=None")
        function = _loss_function(model, loss)
    measure = measurement(model, layers, function)
    # Batch by batch: a data set may be larger than the memory.
    return report_of(pooled([measure(*batch) for batch in itertools.chain([first], stream)]))


def report_of(measured: Measured) -> SignalReport:
    """The report on what was measured."""
    predictions = _predictions(measured)
    rows, verdict, start = _judge(measured, predictions)
    layers = tuple(
        LayerSignal(
            call.name,
            _activation_name(call.layer),
            {name: float(values[row]) for name, values in measured.table.items()},
            *predictions[row],
            rows[row],
        )
        for row, call in enumerate(measured.calls)
    )
    advice = _advice(measured, verdict, start)
    return SignalReport(layers, verdict, layers[start].name if start >= 0 else None, advice)


def _loss_function(model: Any, loss: Any) -> Callable[[Any, Any], Any]:
    """`(y, y_pred) -> scalar`, equal for equal arguments."""
    if loss is None:
        loss = getattr(model, "loss", None)
        if loss is None:
            raise ValueError(
                "`loss` must be given for a model that was not compiled with one. "
                "Received: loss=None"
            )
    try:
        return _Loss(keras.tree.map_structure(keras.losses.get, loss))
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`loss` must be the name of a Keras loss, a `keras.Loss`, or a function of "
            f"(y, y_pred). Received: loss={loss!r}"
        ) from error


class _Loss:
    """The sum of the mean losses of a model's outputs."""

    def __init__(self, losses: Any) -> None:
        self._losses = losses
        self._leaves = tuple(keras.tree.flatten(losses))

    def __call__(self, y: Any, y_pred: Any) -> Any:
        if callable(self._losses):
            return ops.mean(self._losses(y, y_pred))
        if isinstance(self._losses, dict):
            parts = [(f, y[k], y_pred[k]) for k, f in self._losses.items()]
        else:
            parts = list(zip(self._losses, y, y_pred, strict=True))
        return sum(ops.mean(f(a, b)) for f, a, b in parts if f is not None)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Loss) and self._leaves == other._leaves

    def __hash__(self) -> int:
        return hash(self._leaves)
