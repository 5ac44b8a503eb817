"""`replace_normalization`: a model with odd sigmoids where another has its normalizations.

Here belongs how a model is copied, and what of it is exchanged on the way. The layer that is put in
place is `dynamic`'s.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import keras
from keras import ops

from keras_oddsig import _arguments, _keras
from keras_oddsig.layers.dynamic import DynamicOddSigmoid
from keras_oddsig.layers.single import Run, take_values
from keras_oddsig.layers.stack import LayerStack
from keras_oddsig.layers.template import copy_of

# What each normalization decides for the layer in its place.
_DECIDED: Final = ("axis", "center", "scale", "name", "dtype", "trainable")


def replace_normalization(
    model: Any, activation: Any = "tanh", rate: float = 0.5, **options: Any
) -> Any:
    """A new model, in which a `DynamicOddSigmoid` stands wherever the model has a normalization.

    Each `keras.layers.LayerNormalization` and `keras.layers.RMSNormalization`, in nested models,
    shared layers, layers of your own and a `LayerStack` too, is replaced by a layer of the same
    axes, name, dtype policy and `trainable`, with its `gamma` (the `scale` of an RMSNormalization)
    and `beta`. All other weights are copied, and the model itself is left as it is. What is in
    place of a normalization computes something else: the new model is to be trained, at least for a
    while. `BatchNormalization`, `GroupNormalization` and others stay.

    The new model is not compiled. Of seed generators it has new ones. As of
    `keras.models.clone_model`, a class of your own that is built from inputs and outputs is kept if
    its constructor takes no more than these.

    A layer of your own is copied by its config, and what it holds as attributes, or in lists and
    dictionaries of these, is exchanged. If its constructor makes the normalizations, it makes them
    again when a saved model is loaded: save the weights instead, and load them into another model
    that this function has made.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> inputs = keras.Input((16, 32))
    >>> x = keras.layers.LayerNormalization(name="norm")(inputs)
    >>> x = inputs + keras.layers.MultiHeadAttention(4, 8)(x, x)
    >>> model = ko.replace_normalization(keras.Model(inputs, x), "erf", shift=True)
    >>> model.get_layer("norm").__class__.__name__
    'DynamicOddSigmoid'

    Args:
        model: A Keras model: functional, Sequential, or of a class of your own that can be made
            anew from its config.
        activation: The odd sigmoid, as of `DynamicOddSigmoid`.
        rate: What each rate begins with; `keras_oddsig.tailor(model, x)` sets each for what enters.
        **options: Other arguments of `DynamicOddSigmoid`, such as `shift`. Without them
            initializers, regularizers and constraints are those of each normalization.

    Returns:
        A model; built, if the other one is.

    Raises:
        NotOddSigmoidError, TypeError, ValueError: As `DynamicOddSigmoid`.
        TypeError: If `model` is no model, or an option is one that each normalization decides.
        ValueError: If there is no such normalization; if a layer cannot be made anew from its
            config; or if normalizations remain, which a layer makes when it is built, or which
            compute in a way of their own. The error names them.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a `keras.Model`. Received: model={model!r}")
    for name in options:
        if name in _DECIDED:
            raise TypeError(
                f"`{name}` must not be given: it is that of each normalization. "
                f"Received: {name}={_arguments.shown(options[name])}"
            )
    # What is wrong about the arguments is wrong whatever the model.
    DynamicOddSigmoid(activation, rate, name="options", **options)
    if not any(_normalizations(model)):
        raise ValueError(
            "`model` must have a LayerNormalization or RMSNormalization, and has none. Received: "
            f"model={model!r}"
        )
    copies = _Copies({"activation": activation, "rate": rate, **options})
    copy = copies.of(model)
    given = _Values(model)
    given.give(model, copy)
    remaining = list(_normalizations(copy))
    if remaining:
        raise ValueError(
            "`model` must hold its normalizations where they can be exchanged before they are "
            "built, as attributes of layers or in lists of these, and they must compute as Keras's "
            f"do. There remain {', '.join(remaining)}. Received: model={model!r}"
        )
    given.check(copy)
    return copy


# ----------------------------------------------------------------------------------
# What there is to be exchanged
# ----------------------------------------------------------------------------------


def _is_normalization(layer: Any) -> bool:
    return isinstance(layer, _CLASSES)


_CLASSES: Final = (keras.layers.LayerNormalization, keras.layers.RMSNormalization)


def _is_known(layer: Any) -> bool:
    """Whether a normalization computes, and holds weights, as Keras's own."""
    base: Any = next(cls for cls in _CLASSES if isinstance(layer, cls))
    return type(layer).call is base.call and type(layer).build is base.build


def _parts(layer: Any) -> list[Any]:
    """The layers that a layer holds itself; of a stack that which it repeats."""
    if isinstance(layer, LayerStack):
        template = layer._inside.template
        runs = [run.layer for run in layer._inside.runs]
        return runs if template is None else [template.layer]
    parts: list[Any] = layer._flatten_layers(include_self=False, recursive=False)
    return parts


def _normalizations(layer: Any, inside: str = "", seen: set[int] | None = None) -> Iterator[str]:
    """The names of the normalizations in a layer, after those of the layers that hold them."""
    seen = set() if seen is None else seen
    for part in _parts(layer):
        if id(part) not in seen:
            seen.add(id(part))
            name = f"{inside}{part.name}"
            if _is_normalization(part):
                yield name
            else:
                yield from _normalizations(part, f"{name}/", seen)


# ----------------------------------------------------------------------------------
# Copies of layers
# ----------------------------------------------------------------------------------


class _Copies:
    """Copies of layers, one of each, in which normalizations are exchanged.

    Args:
        arguments: Of each `DynamicOddSigmoid`.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._arguments = arguments
        # With the layer itself, lest another one be of the same identity after its end.
        self._made: dict[int, tuple[Any, Any]] = {}
        self._exchanged: dict[int, Any] = {}

    def of(self, layer: Any) -> Any:
        """The copy of a layer, or of an operation of `keras.ops`."""
        if id(layer) not in self._made:
            self._made[id(layer)] = layer, self._make(layer)
        return self._made[id(layer)][1]

    def _make(self, layer: Any) -> Any:
        if not isinstance(layer, keras.Layer):
            return type(layer).from_config(layer.get_config())
        if _is_normalization(layer) and _is_known(layer):
            return self._dynamic(layer)
        if isinstance(layer, keras.Sequential):
            return self._sequential(layer)
        if hasattr(layer, "_inputs_struct"):
            view = _keras.not_compiled(layer)
            inputs = keras.tree.map_structure(_input_like, layer.input)
            return keras.models.clone_model(view, inputs, clone_function=self.of)
        if isinstance(layer, LayerStack):
            return self._stack(layer)
        copy = _by_config(layer)
        self._exchange_inside(copy)
        return copy

    def _dynamic(self, layer: Any) -> DynamicOddSigmoid:
        if isinstance(layer, keras.layers.LayerNormalization):
            rms = layer.rms_scaling
            weights = {"center": layer.center and not rms, "scale": layer.scale or rms}
            for of in ("initializer", "regularizer", "constraint"):
                weights |= {f"{w}_{of}": getattr(layer, f"{w}_{of}") for w in ("beta", "gamma")}
        else:
            weights = {"center": False, "scale": True}
        if layer.activity_regularizer is not None:
            weights["activity_regularizer"] = layer.activity_regularizer
        axis = layer.axis
        several = isinstance(axis, list | tuple)  # as which a built one holds even one
        return DynamicOddSigmoid(
            **{**weights, **self._arguments},
            axis=axis[0] if several and len(axis) == 1 else axis,
            name=layer.name,
            dtype=layer.dtype_policy,
            trainable=layer.trainable,
        )

    def _sequential(self, model: Any) -> Any:
        layers = [self.of(layer) for layer in model.layers]
        # As `clone_model` does; but that compiles what was compiled.
        layers = [*map(_input_like, getattr(model, "inputs", ())), *layers]
        own = type(model).__init__ is not keras.Sequential.__init__
        cls = keras.Sequential if own else type(model)
        return cls(layers, name=model.name, trainable=model.trainable)

    def _stack(self, stack: LayerStack) -> LayerStack:
        runs = [Run(run.number, self.of(run.layer)) for run in stack._inside.runs]
        copy = LayerStack(
            runs[0].layer,
            stack.repeats,
            name=stack.name,
            trainable=stack.trainable,
            dtype=stack.dtype_policy,
        )
        copy._inside.runs = [Run(run.number, copy_of(run.layer)) for run in runs]
        return copy

    def _exchange_inside(self, holder: Any) -> None:
        """Exchanges the normalizations among what a new layer holds."""
        if id(holder) in self._exchanged or not any(_normalizations(holder)):
            return
        self._exchanged[id(holder)] = holder
        for name, value in _keras.attributes(holder).items():
            new = self._exchange(value, holder)
            if new is not value:
                setattr(holder, name, new)

    def _exchange(self, value: Any, holder: Any) -> Any:
        """What is to stand in place of a value of an attribute, or of what that contains."""
        match value:
            case keras.Layer():
                return self._exchange_layer(value, holder)
            case list():
                for i, each in enumerate(value):
                    value[i] = self._exchange(each, holder)
            case dict():
                for key, each in list(value.items()):
                    value[key] = self._exchange(each, holder)
            case tuple():
                new = [self._exchange(each, holder) for each in value]
                if any(one is not other for one, other in zip(new, value, strict=True)):
                    return value._make(new) if hasattr(value, "_make") else tuple(new)
        return value

    def _exchange_layer(self, layer: Any, holder: Any) -> Any:
        if not (_is_normalization(layer) or any(_normalizations(layer))):
            return layer
        known = _is_normalization(layer) and _is_known(layer)
        is_model = isinstance(layer, keras.Sequential) or hasattr(layer, "_inputs_struct")
        if known or is_model or isinstance(layer, LayerStack):
            new = self.of(layer)
            _keras.replace_part(holder, layer, new)
            return new
        self._exchange_inside(layer)
        return layer


def _input_like(tensor: Any) -> Any:
    """A new input of a model, of the name of another one."""
    layer = tensor._keras_history.operation
    return type(layer).from_config(layer.get_config()).output


def _by_config(layer: Any) -> Any:
    try:
        if isinstance(layer, keras.layers.Lambda):
            # The function is one of this program's own.
            return type(layer).from_config(layer.get_config(), safe_mode=False)
        return copy_of(layer)
    except Exception as error:  # a layer's own code, or that of what it holds
        raise ValueError(
            "`model` must be of layers that can be made anew from their configs, which of "
            f"{layer.name!r} ended in a {type(error).__name__}. Received: {layer!r}"
        ) from error


# ----------------------------------------------------------------------------------
# Values
# ----------------------------------------------------------------------------------


class _Values:
    """Gives the layers of a copy the values of the layers of a model, and remembers which.

    Args:
        model: What errors name.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._given: set[int] = set()
        self._seen: dict[int, Any] = {}

    def give(self, layer: Any, copy: Any) -> None:
        """Gives the values of a layer, and of what it holds, and makes as much of it trainable."""
        if id(copy) in self._seen:
            return
        self._seen[id(copy)] = copy
        if layer.built and not copy.built:
            copy.build_from_config(layer.get_build_config())
            copy.built = True  # a model of a class of its own does not say so
        if copy.trainable != layer.trainable:
            copy.trainable = layer.trainable
        if isinstance(copy, DynamicOddSigmoid) and _is_normalization(layer):
            self._give_to_dynamic(layer, copy)
        elif isinstance(copy, LayerStack):
            self._give_to_stack(layer, copy)
        else:
            self._assign(copy, _own_weights(layer), _own_weights(copy))
            for part, its_copy in self._pairs(layer, copy):
                self.give(part, its_copy)

    def _pairs(self, layer: Any, copy: Any) -> list[tuple[Any, Any]]:
        parts, copies = _parts(layer), _parts(copy)
        if hasattr(layer, "_inputs_struct"):
            # In a functional model names are all different, and the order is that of its graph.
            named = {each.name: each for each in copies}
            copies = [named[part.name] for part in parts]
        if len(parts) != len(copies):
            raise self._unlike(copy)
        return list(zip(parts, copies, strict=True))

    def _give_to_dynamic(self, layer: Any, copy: DynamicOddSigmoid) -> None:
        self._given |= {id(w) for w in (copy.rate_weight, copy.shift_weight) if w is not None}
        if layer.built:
            rms = not isinstance(layer, keras.layers.LayerNormalization)
            gamma, beta = (layer.scale, None) if rms else (layer.gamma, layer.beta)
            pairs = [(gamma, copy.gamma), (beta, copy.beta)]
            kept = [each for each in pairs if each[0] is not None]
            self._assign(copy, *([each[i] for each in kept] for i in (0, 1)))

    def _give_to_stack(self, layer: LayerStack, copy: LayerStack) -> None:
        if layer._inside.template is not None:
            singles = copy.unstack()
            for one, its_copy in zip(layer.unstack(), singles, strict=True):
                self.give(one, its_copy)
            take_values(singles, copy._inside.variables)
        self._given |= {id(weight) for weight in copy.weights}

    def _assign(self, copy: Any, weights: list[Any], own: list[Any]) -> None:
        if len(weights) != len(own):
            raise self._unlike(copy)
        for weight, its_copy in zip(weights, own, strict=True):
            # By way of NumPy, for on JAX a training step may end the life of what it was given.
            value = ops.convert_to_numpy(weight.value)
            shape = tuple(its_copy.shape)
            if value.size != math.prod(shape):
                raise self._unlike(copy)
            its_copy.assign(value.reshape(shape))
            self._given.add(id(its_copy))

    def check(self, copy: Any) -> None:
        """Raises ValueError if a weight of the copy was given no value."""
        if any(id(weight) not in self._given for weight in copy.weights):
            raise self._unlike(copy)

    def _unlike(self, copy: Any) -> ValueError:
        return ValueError(
            "`model` must be of layers that hold as many layers and weights when they are made "
            f"anew from their configs: {copy.name!r} does not. Received: model={self._model!r}"
        )


def _own_weights(layer: Any) -> list[Any]:
    """The weights of a layer that are not those of a layer inside it."""
    inside = {id(weight) for part in _parts(layer) for weight in part.weights}
    return [weight for weight in layer.weights if id(weight) not in inside]
