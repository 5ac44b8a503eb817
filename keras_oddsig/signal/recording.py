"""Taking down what layers return while the Python code of a model runs, eagerly or traced.

What is done with the outputs is not this module's matter.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import keras
from keras import ops

from keras_oddsig import _keras, _tracing
from keras_oddsig.activations import OddSigmoid
from keras_oddsig.layers.dynamic import DynamicOddSigmoid
from keras_oddsig.signal import selection
from keras_oddsig.signal.selection import Watch


@dataclass(frozen=True)
class Call:
    """One output that was taken down: a row.

    Attributes:
        name: Unique among the calls.
        layer: The layer that returned it, or inside which its activation did; None for the
            model itself, which what is measured may not keep alive.
        producer: The layer whose kernel made the input of the activation, or itself; None
            where that is not known.
        follows: Whether what entered the producer is the output of the row before; True of the
            first.
        activation: The odd-sigmoid activation that made it, or None.
        activation_name: What to call its activation; None without one.
        shape: Of the output.
        dynamic: Whether the layer is a `DynamicOddSigmoid`, of which this is what its activation
            returned.
    """

    name: str
    layer: Any
    producer: Any
    follows: bool
    activation: OddSigmoid | None
    activation_name: str | None
    shape: tuple[int, ...]
    dynamic: bool = False


class Listener(Protocol):
    """Through whom calls go while `recording` is on: a `Recorder`, or another of its kind."""

    watch: Watch

    def run(self, call: Callable[..., Any], layer: Any, args: Any, kwargs: Any) -> Any:
        """Calls a layer."""

    def activate(self, block: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Calls the activation of a block, a function."""


@dataclass
class Recorder:
    """Takes down what layers return while the Python code of a model runs.

    Attributes:
        watch: Which layers.
        tap: What an output passes through before the model goes on with it.
        outputs: The tensors, one a row.
        calls: The rows, under the names of their layers.
        source: The first tensor that enters a layer with a kernel, or else a watched one.
        preactivations: What entered the activation, of each row of a `DynamicOddSigmoid`.
    """

    watch: Watch
    tap: Callable[[Any], Any] | None = None
    outputs: list[Any] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    source: Any = None
    preactivations: list[Any] = field(default_factory=list)
    _owners: list[Any] = field(default_factory=list)
    _stack: list[Any] = field(default_factory=list)
    _entering: list[Any] = field(default_factory=list)  # what enters each layer of the stack
    # The last tensor that a kernel made, by which layer, and from what; the last that an
    # activation inside a block made, and which.
    _produced: tuple[Any, Any, Any] = (None, None, None)
    _activated: tuple[Any, Any] = (None, None)
    _level: Any = field(default_factory=_tracing.trace_level)

    def run(self, call: Callable[..., Any], layer: Any, args: Any, kwargs: Any) -> Any:
        """Calls a layer, and records what comes back."""
        outer = self._stack[-1] if self._stack else None
        # An overridden `__call__` comes by twice.
        seen = outer is layer or isinstance(outer, keras.layers.RNN)
        if seen or _tracing.trace_level() != self._level:
            return call(layer, *args, **kwargs)
        watched, dynamic = id(layer) in self.watch.layers, False
        holder = selection.unwrapped(outer)  # `TimeDistributed` runs its layer's `call`
        if getattr(holder, "activation", None) is layer:
            dynamic = id(outer) in self.watch.dynamic
            if id(outer) in self.watch.layers:
                watched = id(outer) in self.watch.blocks
        source = args[0] if args else None
        reads = watched or id(layer) in self.watch.dynamic
        if not self.calls and (id(layer) in self.watch.kernels or (reads and self.source is None)):
            self.source = first_float(source)
        before = len(self.calls)
        self._stack.append(layer)
        self._entering.append(source)
        try:
            result = call(layer, *args, **kwargs)
        finally:
            self._stack.pop()
            self._entering.pop()
        # What is inside may be hidden in a loop, or called in a way of its own.
        if dynamic:
            result = self._record_dynamic(result, outer, source)
        elif watched or (id(layer) in self.watch.around and len(self.calls) == before):
            result = self._record(result, layer, source)
        if id(layer) in self.watch.kernels:
            self._produced = (result, layer, source)
        if isinstance(layer, keras.layers.Activation):
            self._activated = (result, layer)
        return result

    def activate(self, block: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Calls the activation of a block, a function, and records what comes back."""
        result = function(*args, **kwargs)
        if block not in self._stack or _tracing.trace_level() != self._level:
            return result
        if id(block) in self.watch.inside:
            result = self._record(result, block, args[0] if args else None, of=block)
        self._activated = (result, block)
        return result

    def _record(
        self, result: Any, layer: Any, source: Any, of: Any = None, preactivation: Any = None
    ) -> Any:
        """Records an output of `layer`, made from `source` by the activation of `of`.

        Of a `DynamicOddSigmoid` with what entered the activation itself.
        """
        output = first_float(result)
        if output is None or len(output.shape) == 0:
            return result
        tapped = output
        if self.tap is not None:
            tapped = self.tap(output)
            _keras.copy_mask(output, tapped)
            result = keras.tree.map_structure(lambda t: tapped if t is output else t, result)
        produced, producer, entered = self._produced
        if source is not produced:
            producer, entered = None, source
        if of is None:
            of, producer = self._activation_at_the_end(output, layer, producer)
        if producer is layer:
            entered = source
        follows = not self.outputs or entered is self.outputs[-1]
        activation = name = None
        if of is not None:
            activation, name = self.watch.activations[id(of)], self.watch.names[id(of)]
        self.outputs.append(tapped)
        dynamic = preactivation is not None
        if dynamic:
            self.preactivations.append(preactivation)
        shape = tuple(output.shape)
        whole = layer is self._stack[0] if self._stack else False
        holder = None if whole else layer
        self.calls.append(
            Call(layer.name, holder, producer, follows, activation, name, shape, dynamic)
        )
        self._owners.append(layer)
        return result

    def _record_dynamic(self, result: Any, layer: Any, source: Any) -> Any:
        """Records what the activation of a `DynamicOddSigmoid` makes of `source`."""
        entering, source = first_float(self._entering[-1]), first_float(source)
        rows = None if entering is None else ops.shape(result)
        if rows is None or len(rows) == len(entering.shape):
            return self._record(result, layer, entering, layer, source)
        # The layer may read its input as rows, of which a sample is several.
        whole = ops.reshape(result, ops.shape(entering))
        return ops.reshape(self._record(whole, layer, entering, layer, source), rows)

    def _activation_at_the_end(self, output: Any, layer: Any, producer: Any) -> tuple[Any, Any]:
        """The layer whose activation made an output, and the one whose kernel did, or None."""
        inner = selection.wrapped(layer)
        if isinstance(inner, DynamicOddSigmoid):
            return None, None  # behind `gamma` and `beta` no bound is known
        if inner is not None:
            return layer, inner if id(layer) not in self.watch.kernels else layer
        if id(layer) in self.watch.blocks:
            activated, by = self._activated
            return (by if activated is output else None), None
        if id(layer) not in self.watch.layers:
            return None, None
        return layer, layer if id(layer) in self.watch.kernels else producer

    def named_calls(self) -> list[Call]:
        """The calls under unique names: of the layer, or its path if another has its name."""
        by_name: dict[str, set[int]] = {}
        for layer in self._owners:
            by_name.setdefault(layer.name, set()).add(id(layer))
        counts: Counter[str] = Counter()
        calls = []
        for call, layer in zip(self.calls, self._owners, strict=True):
            name = layer.name if len(by_name[layer.name]) == 1 else layer.path
            counts[name] += 1
            number = f"#{counts[name]}" if counts[name] > 1 else ""
            calls.append(replace(call, name=name + number))
        return calls


def first_float(structure: Any) -> Any:
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
def recording(recorder: Listener, layers: Sequence[Any]) -> Iterator[None]:
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
        with _activations_recorded([each for each in layers if id(each) in recorder.watch.blocks]):
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


@contextmanager
def _activations_recorded(blocks: Sequence[Any]) -> Iterator[None]:
    """Within it, the functions that blocks hold as `activation` go through the recorder."""
    replaced = []
    for block in blocks:
        function = vars(block).get("activation")
        if callable(function) and not isinstance(function, keras.Layer):
            # Not by setattr, which Keras looks at.
            vars(block)["activation"] = _recorded_activation(block, function)
            replaced.append((block, function))
    try:
        yield
    finally:
        for block, function in replaced:
            vars(block)["activation"] = function


def _recorded_activation(block: Any, function: Any) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        recorder = getattr(_current, "recorder", None)
        if recorder is None:
            return function(*args, **kwargs)
        return recorder.activate(block, function, args, kwargs)

    return functools.update_wrapper(call, function, updated=())


def _owner(cls: type, name: str) -> type:
    """The class that defines a method."""
    return next(base for base in cls.__mro__ if name in vars(base))


@contextmanager
def unchanged(layers: Sequence[Any]) -> Iterator[None]:
    """Puts back the attributes that the layers' own code sets while it runs.

    One thread at a time: another would take what is set meanwhile for what was there before.
    """
    with one_at_a_time:
        yield from _put_back(layers)


one_at_a_time: Final = threading.RLock()


def _put_back(layers: Sequence[Any]) -> Iterator[None]:
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
