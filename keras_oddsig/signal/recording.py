"""Taking down what layers return while the Python code of a model runs, eagerly or traced.

What is done with the outputs is not this module's matter.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import keras
from keras import ops

from keras_oddsig import _backend


@dataclass(frozen=True)
class Call:
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
class Recorder:
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
            self.source = first_float(source)
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
        output = first_float(result)
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

    def named_calls(self) -> list[Call]:
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
            calls.append(Call(name + number, layer, producer))
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
def recording(recorder: Recorder, layers: Sequence[Any]) -> Iterator[None]:
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
def unchanged(layers: Sequence[Any]) -> Iterator[None]:
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
