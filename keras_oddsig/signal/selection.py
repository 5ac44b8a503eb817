"""Which layers of a model to watch, and what is known of each: its activation, its kernels.

Nothing here runs a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from keras_oddsig import activations, initializers
from keras_oddsig.activations import OddSigmoid


def activation_of(layer: Any) -> OddSigmoid | None:
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


def activation_name(layer: Any) -> str | None:
    function = layer if isinstance(layer, OddSigmoid) else getattr(layer, "activation", None)
    if function is None or function is keras.activations.linear:
        return None
    for name, cls in activations._CLASSES.items():
        if type(function) is cls:
            return name
    return str(getattr(function, "__name__", None) or type(function).__name__.lower())


def watched_by_default(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Activation) or activation_of(layer) is not None


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


def select(model: Any, layers: Any) -> list[Any]:
    """The layers of a model that `layers` means, in the model's order."""
    check_selection(layers)
    every = layers_of(model)
    if layers is None:
        chosen = [layer for layer in every if watched_by_default(layer)]
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


def layers_of(model: Any) -> list[Any]:
    """Every layer inside a model, however nested, without the model itself."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def kernels(layer: Any) -> list[Any]:
    """The weights of rank 2 or more, of the layers inside it, too."""
    return [weight for weight in layer.weights if len(weight.shape) >= 2]


def has_own_kernels(layer: Any) -> bool:
    """Whether a layer holds kernels itself; a recurrent one owns its cell's."""
    if isinstance(layer, keras.layers.RNN):
        return True
    inside = {
        id(weight)
        for part in layer._flatten_layers(include_self=False, recursive=False)
        for weight in part.weights
    }
    return any(id(kernel) not in inside for kernel in kernels(layer))
