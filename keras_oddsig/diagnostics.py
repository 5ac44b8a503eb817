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

| name | definition |
|---|---|
| `mean` | `mean(x)` over samples and units |
| `std` | the spread, `sqrt(mean((x - mean(x))**2))` |
| `rms` | `sqrt(mean(x**2))` |
| `min`, `max` | the least and the greatest `x` |
| `saturated` | fraction of `abs(x) > 0.97 sup abs(f)`; NaN unless the activation is odd-sigmoid |
| `dead` | fraction of `abs(x) < 0.001 rms_1`, `rms_1` being the rms of the first row |
| `negative_rate` | fraction of units whose sign differs from that of the same unit of the same sample in the first row; NaN where the shapes differ. A rotation moves the signal between units: with one the rate is 1/2 from the next row on, and says nothing |
| `cosine` | mean of `abs(x_i . x_j) / (norm(x_i) norm(x_j))` over pairs of samples, none of them 0; NaN without a pair. 1 when all samples have become one direction |
| `effective_rank` | participation ratio `(tr G)**2 / tr(G**2)`, `G = x x^T`: 1 when all samples are one direction, `n` when they are `n` orthogonal ones of a length |
| `spread_min`, `spread_q25`, `spread_median`, `spread_q75`, `spread_max` | quantiles over the samples of a sample's own spread, the standard deviation over its units |
| `kernel_gradient` | with a loss: norm of its gradient with respect to the kernels (all weights of rank 2 or more) of the layer, or of the one whose output it activates |
| `activation_gradient` | with a loss: `sqrt(B) norm(dloss/dx)`, which for a mean over samples is the root mean square of the norms of their own gradients |

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

from keras_oddsig import _backend, activations, initializers, solver
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
            return initializers._activation(cls.__name__)
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


def _check_selection(layers: Any) -> None:
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
    _check_selection(layers)
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
        if seen or not _backend.trace_level() == self._level:
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
