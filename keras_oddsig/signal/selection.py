"""Which layers of a model to watch, and what is known of each: its activation, its kernels.

Nothing here runs a model.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras

from keras_oddsig import _keras, activations
from keras_oddsig._scales import shared_activation
from keras_oddsig.activations import OddSigmoid
from keras_oddsig.layers.dynamic import DynamicOddSigmoid


def activation_of(layer: Any) -> OddSigmoid | None:
    """The odd-sigmoid activation of a layer, if it has one: itself, or its `activation`.

    Of a wrapper such as `TimeDistributed`, which returns what its layer returns, that one's.
    A function that is not known is checked by the solver, once; outside of traced code only.
    """
    if isinstance(layer, OddSigmoid):
        return layer
    inner = wrapped(layer)
    if inner is not None:
        return activation_of(inner)
    function = getattr(layer, "activation", None)
    if function is None or isinstance(function, OddSigmoid):
        return function
    known = activations.recognized(function)
    return _checked(function) if known is None else shared_activation(known.__name__)


def wrapped(layer: Any) -> Any:
    """The layer inside one that returns what that returns, step by step; None of any other."""
    if isinstance(layer, keras.layers.TimeDistributed):
        return layer.layer
    # `SimpleRNN` and its like hold the cell's arguments themselves.
    return layer.cell if type(layer) is keras.layers.RNN else None


def unwrapped(layer: Any) -> Any:
    """The layer inside a wrapper; any other one itself."""
    return wrapped(layer) or layer


def bias_of(layer: Any) -> Any:
    """The bias of a layer, if it has one that is trained; or None."""
    bias = getattr(layer, "bias", None)
    return bias if isinstance(bias, keras.Variable) and bias.trainable else None


def normalizes(layer: Any) -> bool:
    """Whether a layer sets the scale of a signal by itself; of data it does not count.

    A `DynamicOddSigmoid` does not: it squashes what is large, and passes on what is small as it is.
    """
    name = type(layer).__name__
    return name.endswith("Normalization") and not isinstance(layer, keras.layers.Normalization)


def _checked(function: Any) -> OddSigmoid | None:
    """An activation of a function of the class; None of one outside, or that cannot be checked."""
    if not callable(function) or isinstance(function, type | keras.Layer):
        return None  # a layer may hold weights, and would be built
    try:
        if function not in _checks:
            _checks[function] = _check(function)
        return _checks[function]
    except TypeError:  # neither hashed nor held weakly
        return _check(function)


_checks: Final[weakref.WeakKeyDictionary[Any, OddSigmoid | None]] = weakref.WeakKeyDictionary()


def _check(function: Any) -> OddSigmoid | None:
    try:
        # By a weak reference, lest the cache keep alive what it is keyed by.
        held = weakref.proxy(function)
        return OddSigmoid(lambda x: held(x), name="activation")
    except Exception:  # it may be any function, and do anything
        return None


def activation_name(layer: Any) -> str | None:
    """What to call a layer's activation: the name that `keras_oddsig.get` knows, or its own."""
    inner = wrapped(layer)
    if inner is not None:
        return activation_name(inner)
    function = layer if isinstance(layer, OddSigmoid) else getattr(layer, "activation", None)
    if function is None or function is keras.activations.linear:
        return None
    known = activations.recognized(function)
    name = activations.name_of(function if known is None else shared_activation(known.__name__))
    return name or str(getattr(function, "__name__", None) or type(function).__name__.lower())


def is_block(layer: Any) -> bool:
    """Whether a layer is made of others with kernels: its `activation` may be anywhere inside."""
    if isinstance(layer, keras.layers.RNN):
        return False
    activation = getattr(layer, "activation", None)
    parts = layer._flatten_layers(include_self=False, recursive=False)
    return activation is not None and any(kernels(p) for p in parts if p is not activation)


@dataclass(frozen=True)
class Watch:
    """What of a model to look at; layers by their identities.

    Attributes:
        layers: Those of which each call is a row.
        blocks: Those made of others: their `activation` may be anywhere inside.
        inside: Blocks of which each call of their `activation`, a function, is a row.
        dynamic: Each a `DynamicOddSigmoid` of which each call of its `activation`, a layer, is a
            row: what it is before `gamma` and `beta`.
        around: Those whose call is a row where of what is watched inside nothing is seen.
        activations: The activation of every layer of the model, if odd-sigmoid.
        names: The names of the activations.
        kernels: Layers with kernels of their own.
    """

    layers: frozenset[int]
    blocks: frozenset[int]
    inside: frozenset[int]
    dynamic: frozenset[int]
    around: frozenset[int]
    activations: Mapping[int, OddSigmoid | None]
    names: Mapping[int, str | None]
    kernels: frozenset[int]


def watch(model: Any, layers: Any = None) -> Watch:
    """What of a model `layers` means."""
    parts = [model, *layers_of(model)]
    found = {id(layer): activation_of(layer) for layer in parts}
    chosen = set(map(id, _select(parts, layers, found)))
    blocks = {id(layer) for layer in parts if is_block(layer)}
    dynamic = {id(layer) for layer in parts if isinstance(layer, DynamicOddSigmoid)}
    inside, around = set(), set()
    if layers is None:
        inside = chosen & blocks
        chosen -= blocks
        around = {id(layer) for layer in parts[1:] if _contains(layer, chosen)} | inside
    whole = chosen - dynamic
    around |= chosen & dynamic
    return Watch(
        frozenset(whole),
        frozenset(blocks),
        frozenset(inside),
        frozenset(chosen & dynamic),
        frozenset(around - whole - {id(model)}),
        found,
        {id(layer): activation_name(layer) for layer in parts},
        frozenset(id(p) for p in parts if id(p) not in dynamic and has_own_kernels(p)),
    )


def _contains(layer: Any, layers: set[int]) -> bool:
    return any(id(part) in layers for part in layer._flatten_layers(include_self=False))


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


def _select(parts: list[Any], layers: Any, found: Mapping[int, OddSigmoid | None]) -> list[Any]:
    """Of a model and its layers, those that `layers` means; `found` holds their activations."""
    check_selection(layers)
    every = parts[1:]
    if layers is None:
        chosen = [
            layer
            for layer in parts
            if isinstance(layer, keras.layers.Activation) or found[id(layer)] is not None
        ]
        if not chosen:
            raise ValueError(
                "`layers` must say which layers to watch: none has an odd-sigmoid activation. "
                f"{_what_to_type(every)}"
                f"The model has the layers {', '.join(layer.name for layer in every)}. "
                "Received: layers=None"
            )
        return chosen
    if isinstance(layers, str) or callable(layers):
        layers = [layers]
    picked: set[int] = set()
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
        picked |= set(map(id, matches))
    return [layer for layer in every if id(layer) in picked]


def _what_to_type(layers: Sequence[Any]) -> str:
    """What to do about layers none of which is watched by default."""
    trained = [layer for layer in layers if has_own_kernels(layer)]
    if not trained:
        return ""
    classes = [type(layer) for layer in trained]
    cls = keras.layers.Dense if keras.layers.Dense in classes else classes[0]
    known = getattr(keras.layers, cls.__name__, None) is cls
    choice = f"keras.layers.{cls.__name__}" if known else repr(trained[0].name)
    forgotten = ""
    if all(activation_name(layer) is None for layer in layers):
        forgotten = 'No layer has an activation: was one, such as activation="tanh", forgotten? '
    return f"{forgotten}To watch them all the same, give for instance layers={choice}. "


def layers_of(model: Any) -> list[Any]:
    """Every layer inside a model, however nested, without the model itself."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if not isinstance(layer, keras.layers.InputLayer)
    ]


# From here on what is run once or twice is done sooner than it is compiled. Of 300 layers of 32
# tanh units a report with gradients takes 27 s on JAX and 44 s on TensorFlow compiled (then 0.3 s
# each), uncompiled 5 s and 4 s, of 1,000 layers 6 s and 8 s. Of 100 it is 16 s and 23 s, then
# 0.2 s and 0.6 s, which serves a callback better that looks at each epoch.
DEEP: Final = 200


def execution(model: Any) -> tuple[bool, bool]:
    """How to run a model when it is looked at: whether uncompiled, and whether by XLA.

    Uncompiled on request, or if it is deep.
    """
    eagerly = bool(model.run_eagerly) or len(layers_of(model)) > DEEP
    return eagerly, getattr(model, "_jit_compile", None) is True


def check_call(model: Any, received: Any) -> None:
    """Raises ValueError where a model cannot be called, as one of parts with a `train_step`."""
    cls = type(model)
    if cls.call is not keras.Model.call or cls.__call__ is not keras.Model.__call__:
        return
    held = _keras.attributes(model)
    parts = [name for name, part in held.items() if isinstance(part, keras.Model)]
    raise ValueError(
        f"`model` must be a model with a `call`, and {cls.__name__} has none: give one of those "
        f"inside it ({', '.join(parts) or 'there is none'}). Received: model={received!r}"
    )


def kernels(layer: Any) -> list[Any]:
    """The weights of rank 2 or more, of the layers inside it, too."""
    return [weight for weight in layer.weights if len(weight.shape) >= 2]


def has_own_kernels(layer: Any) -> bool:
    """Whether a layer holds kernels itself; a recurrent one owns its cell's."""
    return isinstance(layer, keras.layers.RNN) or bool(own_kernels(layer))


def own_kernels(layer: Any) -> list[Any]:
    """The kernels that a layer holds itself, and no layer inside it."""
    inside = {
        id(weight)
        for part in layer._flatten_layers(include_self=False, recursive=False)
        for weight in part.weights
    }
    return [kernel for kernel in kernels(layer) if id(kernel) not in inside]
