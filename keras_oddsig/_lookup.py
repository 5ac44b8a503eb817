"""Finds the activation that a name, a function or a config means."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import keras

from keras_oddsig import _backend, _foreign
from keras_oddsig._odd_sigmoid import OddSigmoid

# What Keras's own `Layer.get_config` writes.
_LAYER_KEYS: Final = frozenset({"name", "trainable", "dtype", "activity_regularizer"})
# Keras's names of functions that are large on one side, for which it has an initializer.
RELU_LIKE: Final = frozenset(
    ("relu", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "swish", "softplus")
)
# From here on a name is taken for another misspelled: "tahn" is, "hard_sigmoid" is not.
_CLOSE: Final = 0.75


@dataclass(frozen=True)
class Catalogue:
    """The classes to look among.

    Attributes:
        base: What the class of every activation descends from.
        classes: Those with a name.
        equivalents: Keras's functions, each with the class that computes it.
    """

    base: type[OddSigmoid]
    classes: Mapping[str, type[OddSigmoid]]
    equivalents: tuple[tuple[Any, type[OddSigmoid]], ...]

    def make(self, identifier: Any, argument: str, **kwargs: Any) -> OddSigmoid:
        """The activation that the argument of this name means.

        `kwargs` go to the layer where one is made from a bare name, class or function.
        """
        identifier = _unwrapped(identifier)
        if isinstance(identifier, self.base):
            return identifier
        if isinstance(identifier, dict):
            return self._from_config(identifier, argument)
        if isinstance(identifier, str):
            return self.class_named(identifier, argument)(**kwargs)
        if isinstance(identifier, type) and issubclass(identifier, self.base):
            return identifier(**kwargs)
        if callable(identifier) and not isinstance(identifier, type | keras.layers.Layer):
            cls = self.recognized(identifier)
            if cls is None:
                return self.base(_foreign.unit(identifier, argument), **kwargs)
            return cls(**kwargs)
        raise TypeError(
            f"`{argument}` must be the name of an activation, an `OddSigmoid`, its config, or a "
            f"function of tensors. Received: {argument}={identifier!r}"
        )

    def recognized(self, function: Any) -> type[OddSigmoid] | None:
        """The class that computes the same as a function of Keras or of the running backend."""
        function = _unwrapped(function)
        for name, own in _backend.own_functions().items():
            if any(function is each for each in own):
                return self.classes[name]
        return next((cls for known, cls in self.equivalents if function is known), None)

    def class_named(self, name: str, argument: str) -> type[OddSigmoid]:
        """The class of that name, or the one that Keras has registered under it."""
        by_class_name = {cls.__name__: cls for cls in self.classes.values()}
        found = self.classes.get(name) or by_class_name.get(name)
        found = found or keras.saving.get_registered_object(name)
        if not (isinstance(found, type) and issubclass(found, self.base)):
            raise ValueError(
                f"`{argument}` must name one of the activations "
                f"{', '.join(sorted(self.classes))}. {self._hint(name)}"
                f"Received: {argument}={name!r}"
            )
        return found

    def _hint(self, name: str) -> str:
        """What may help who gave a name that is not known; empty where nothing is known to."""
        lower = name.lower()
        if lower in RELU_LIKE:
            return (
                f"{name} is not odd and bounded, as these are: for it and its like there is "
                "keras.initializers.HeNormal, which is made for relu. "
            )
        if lower == "sigmoid":
            return 'sigmoid is not odd: its odd form, 2 sigmoid(x) - 1, is "bipolar_sigmoid". '
        close = difflib.get_close_matches(lower, self.classes, n=1, cutoff=_CLOSE)
        return f'Did you mean "{close[0]}"? ' if close else ""

    def _from_config(self, config: dict[str, Any], argument: str) -> OddSigmoid:
        """Rebuilds an activation from `keras.saving.serialize_keras_object`'s dictionary.

        Only registered classes answer: a config comes from a file, and may be hostile.
        """
        name = config.get("registered_name") or config.get("class_name")
        arguments = config.get("config")
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise ValueError(
                f"`{argument}`, as a config, must have the keys `registered_name` (or "
                f"`class_name`) and `config`. Received: {argument}={config!r}"
            )
        cls = self.class_named(name, argument)
        unknown = [key for key in arguments if key not in self._keys(cls)]
        if unknown:
            raise ValueError(
                f"`{argument}`, as a config of `{cls.__name__}`, has the unknown key "
                f"{unknown[0]!r}. Received: {argument}={config!r}"
            )
        activation: OddSigmoid = cls.from_config(arguments)
        return activation

    def _keys(self, cls: type[OddSigmoid]) -> set[str]:
        """The arguments of the constructor, and of those to which it hands its `**kwargs`."""
        keys = set(_LAYER_KEYS)
        for each in cls.__mro__[: cls.__mro__.index(self.base) + 1]:
            if "__init__" in vars(each):
                _, *parameters = inspect.signature(vars(each)["__init__"]).parameters.values()
                keys.update(p.name for p in parameters if p.kind is not p.VAR_KEYWORD)
        return keys


def _unwrapped(identifier: Any) -> Any:
    """The function or activation in a plain `keras.layers.Activation`; all else as it is."""
    return identifier.activation if type(identifier) is keras.layers.Activation else identifier
