"""Running a model's own code to see which call reads which: a graph of steps.

On symbolic tensors Keras keeps with each what it was made of, so that operations between layers
are seen, too; a layer made of others is run as the code that it is. Where that code needs numbers,
it runs on data, and only the layers' calls are seen, in their order.

Here belongs what was called. What the steps mean is `graph`'s.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import keras
from keras import ops

from keras_oddsig.layers.dynamic import DynamicOddSigmoid
from keras_oddsig.signal import recording, selection
from keras_oddsig.signal.selection import Watch
from keras_oddsig.tailoring import kernels

# In place of an operation: one time step of a sequence, and the sequence of them.
ONE_OF_MANY: Final = "one of many"
ALL_OF_THEM: Final = "all of them"


@dataclass(eq=False)
class Step:
    """One call of a layer or an operation, or what enters the model.

    Attributes:
        operation: The layer, the operation of Keras, or the function that a block holds as its
            `activation`; None for what enters, and for what was not seen.
        inputs: The steps whose outputs it reads.
        tensor: Its first output.
        block: Of an activation function, the block that holds it.
        readers: The steps that read its output.
        number: Its place in the order of the calls.
    """

    operation: Any
    inputs: tuple[Step, ...]
    tensor: Any
    block: Any = None
    readers: list[Step] = field(default_factory=list)
    number: int = 0

    @property
    def enters(self) -> bool:
        """Whether nothing in the model made it."""
        return self.operation is None and not self.inputs


@dataclass(frozen=True)
class Trace:
    """A run of a model.

    Attributes:
        steps: In an order in which each comes after those that it reads.
        entries: The tensors that enter the model, in its own structure.
        outputs: The steps that made what it returns.
        source: `"graph"` where symbolic tensors were used, `"calls"` where data were.
    """

    steps: tuple[Step, ...]
    entries: Any
    outputs: tuple[Step, ...]
    source: str


class Tracer:
    """Sees calls go by, as `recording.recording` shows them.

    Args:
        watch: What is known of the model's layers.
        symbolic: Whether the tensors are symbolic.
    """

    def __init__(self, watch: Watch, symbolic: bool) -> None:
        self.watch = watch
        self.steps: list[Step] = []
        self._symbolic = symbolic
        self._asleep = False
        self._made: dict[int, tuple[Any, Step]] = {}  # with the tensors, lest an id be used again

    def enter(self, tensors: Any) -> None:
        """Takes down what enters the model."""
        for tensor in keras.tree.flatten(tensors):
            self._add(None, (), tensor)

    def run(self, call: Callable[..., Any], layer: Any, args: Any, kwargs: Any) -> Any:
        if self._asleep:
            return call(layer, *args, **kwargs)
        if self._symbolic and isinstance(layer, keras.layers.TimeDistributed):
            return self._each_step(call, layer, args, kwargs)
        if is_open(layer):
            if not self._symbolic:
                return call(layer, *args, **kwargs)
            try:
                return self._inside(layer, args, kwargs)
            except Exception:  # code for numbers; without kernels it need not be looked into
                if selection.kernels(layer):
                    raise
        sources = self._sources((args, kwargs)) or (self._add(None, (), None),)  # a constant
        self._asleep = True  # an overridden `__call__` comes by twice, and cells in loops
        try:
            result = call(layer, *args, **kwargs)
        finally:
            self._asleep = False
        inner = isinstance(layer, keras.layers.TimeDistributed)
        self._add(layer.layer if inner else layer, sources, result)
        return result

    def activate(self, block: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if self._asleep:
            return function(*args, **kwargs)
        sources = self._sources((args, kwargs))
        result = function(*args, **kwargs)
        self._add(function, sources, result, block)
        return result

    def step_of(self, tensor: Any) -> Step:
        """The step that made a tensor."""
        if id(tensor) in self._made:
            return self._made[id(tensor)][1]
        if not self._symbolic:
            # Made by operations that were not seen: from what was made last, it is to be assumed.
            last = tuple(self.steps[-1:])
            return self._add(None, last, tensor)
        operation, node_index, _ = getattr(tensor, "_keras_history", None) or (None, 0, 0)
        if operation is None:
            return self._add(None, (), tensor)
        node = operation._inbound_nodes[node_index]
        sources = tuple(self.step_of(each) for each in node.input_tensors)
        return self._add(operation, sources, node.outputs)

    def _inside(self, layer: Any, args: Any, kwargs: Any) -> Any:
        """Runs the code of a layer made of others, not as a layer of its own."""
        taken = inspect.signature(layer.call).parameters
        if "training" in taken:
            kwargs = {"training": False, **kwargs}
        elif not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken.values()):
            kwargs = {k: v for k, v in kwargs.items() if k != "training"}  # a model hands it on
        return layer.call(*args, **kwargs)

    def _each_step(self, call: Callable[..., Any], layer: Any, args: Any, kwargs: Any) -> Any:
        """`TimeDistributed`: its layer on one time step, which stands for all."""
        whole = args[0] if args else kwargs["inputs"]
        one = whole[:, 0]
        self._add(ONE_OF_MANY, (self.step_of(whole),), one)
        made = self.step_of(keras.tree.flatten(layer.layer(one))[0])
        self._asleep = True
        try:
            result = call(layer, *args, **kwargs)
        finally:
            self._asleep = False
        self._add(ALL_OF_THEM, (made,), result)
        return result

    def _sources(self, arguments: Any) -> tuple[Step, ...]:
        tensors = [each for each in keras.tree.flatten(arguments) if self._is_tensor(each)]
        return tuple(self.step_of(each) for each in tensors)

    def _is_tensor(self, value: Any) -> bool:
        return isinstance(value, keras.KerasTensor) if self._symbolic else ops.is_tensor(value)

    def _add(
        self, operation: Any, sources: tuple[Step, ...], result: Any, block: Any = None
    ) -> Step:
        tensors = [each for each in keras.tree.flatten(result) if self._is_tensor(each)]
        step = Step(operation, sources, tensors[0] if tensors else None, block)
        step.number = len(self.steps)
        for source in dict.fromkeys(sources):
            source.readers.append(step)
        self.steps.append(step)
        self._made.update({id(tensor): (tensor, step) for tensor in tensors})
        return step


_CLOSED: Final = (
    keras.layers.RNN,
    keras.layers.Activation,
    keras.layers.TimeDistributed,
    DynamicOddSigmoid,
)


def is_open(layer: Any) -> bool:
    """Whether a layer is the code that it runs: made of others, or a user's own without kernels."""
    if isinstance(layer, _CLOSED):
        return False
    parts = layer._flatten_layers(include_self=False, recursive=False)
    if any(selection.kernels(part) for part in parts):
        return True
    return is_users_own(layer) and not kernels.own_kernels(layer)


def is_users_own(layer: Any) -> bool:
    """Whether a layer's class is neither Keras's nor of this package."""
    return type(layer).__module__.partition(".")[0] not in ("keras", "keras_oddsig")


@contextmanager
def tracing(model: Any, watch: Watch, data: Any) -> Iterator[Trace]:
    """A run of the model's code, on symbolic tensors if they will do, or else on the data.

    Args:
        model: A built Keras model.
        watch: What is known of its layers.
        data: Its inputs on the device, or None.

    Yields:
        The `Trace`. Within the context its symbolic tensors make a `keras.Function`; afterwards
        the model is as it was.

    Raises:
        ValueError: If only data would do, and there are none.
    """
    layers = model._flatten_layers()
    with recording.unchanged(layers), _without_new_nodes(layers):
        try:
            entries = _entries(model, data)
            trace = _traced(model, watch, entries, layers, symbolic=True)
        except Exception as error:  # a user's code, which may do anything with a tensor
            if data is None:
                raise ValueError(
                    "`data` must be given, for the model cannot be run on symbolic tensors "
                    f"({_first_line(error)}): a batch of its inputs. Received: data=None"
                ) from error
            trace = _traced(model, watch, data, layers, symbolic=False)
        yield trace


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _traced(model: Any, watch: Watch, entries: Any, layers: Sequence[Any], symbolic: bool) -> Trace:
    tracer = Tracer(watch, symbolic)
    tracer.enter(entries)
    with recording.recording(tracer, layers):
        if symbolic:
            result = model(entries) if not is_open(model) else tracer._inside(model, (entries,), {})
        else:
            with keras.StatelessScope():
                result = model(entries, training=False)
    outputs = tuple(
        tracer.step_of(each) for each in keras.tree.flatten(result) if tracer._is_tensor(each)
    )
    return Trace(tuple(tracer.steps), entries, outputs, "graph" if symbolic else "calls")


def structure_of(model: Any) -> Any:
    """The symbolic inputs of a model, as it takes them; None of a subclassed one."""
    # `Sequential` keeps a functional model inside.
    return getattr(getattr(model, "_functional", None) or model, "_inputs_struct", None)


def _entries(model: Any, data: Any) -> Any:
    """Symbolic tensors like those that enter the model, in its own structure."""
    known = structure_of(model) if data is None else data
    if known is not None:
        return keras.tree.map_structure(_symbolic, known)
    shapes = dict(model._build_shapes_dict or {})
    if len(shapes) != 1:
        raise ValueError("the shape of its inputs is not known")
    shape = next(iter(shapes.values()))
    return keras.tree.map_shape_structure(
        lambda s: keras.KerasTensor((None, *s[1:]), keras.config.floatx()), shape
    )


def _symbolic(tensor: Any) -> Any:
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return keras.KerasTensor((None, *tensor.shape[1:]), dtype)


@contextmanager
def _without_new_nodes(layers: Sequence[Any]) -> Iterator[None]:
    """Takes away what a symbolic call leaves on layers and operations: a node of a graph."""
    parts = {id(layer): layer for layer in layers}
    for layer in layers:
        parts |= {id(each): each for each in getattr(layer, "operations", None) or ()}
        functional = getattr(layer, "_functional", None)  # inside `Sequential`
        if functional is not None:
            parts |= {id(each): each for each in (functional, *functional.operations)}
    before = [
        (each, len(each._inbound_nodes), len(each._outbound_nodes)) for each in parts.values()
    ]
    try:
        yield
    finally:
        for each, inbound, outbound in before:
            del each._inbound_nodes[inbound:]
            del each._outbound_nodes[outbound:]
