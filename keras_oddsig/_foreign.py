"""Functions that a user brings, as an activation takes, measures and saves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_oddsig import _functions, _tracing
from keras_oddsig.solver import NotOddSigmoidError
from keras_oddsig.solver.profile import profile_of_sampled
from keras_oddsig.solver.sampling import Sampler


@dataclass(frozen=True)
class _Evaluated:
    """A function of tensors as a function of NumPy arrays, as precise as the backend."""

    function: Callable[[Any], Any]

    def __call__(self, x: Any) -> NDArray[Any]:
        # Half precision, which NumPy may not know, is exact in float32.
        y = self.function(ops.convert_to_tensor(x))
        if keras.backend.standardize_dtype(y.dtype) in ("float16", "bfloat16"):
            y = ops.cast(y, "float32")
        return np.asarray(ops.convert_to_numpy(y))


def unit(function: Any, argument: str = "function") -> _functions.Unit:
    """Measures a function or a registered one's name; NotOddSigmoidError if out of the class.

    Errors speak of the argument of that name.
    """
    function = _resolve(function, argument)
    reference = _Evaluated(function)
    try:
        profile = profile_of_sampled(Sampler(reference, argument))
    except NotOddSigmoidError as error:
        raise error.naming(argument) from None
    try:
        _tracing.require_trainable(function)
    except Exception as error:  # each backend raises its own
        raise TypeError(
            f"`{argument}` must be made of functions of tensors, such as those of `keras.ops`: "
            "NumPy's, for one, cannot be compiled or have no gradient. "
            f"Received: {argument}={function!r}, which ends in a {type(error).__name__}"
        ) from error
    return _functions.Unit(function, reference, profile)


def _resolve(function: Any, argument: str = "function") -> Callable[[Any], Any]:
    """The function that an argument, of `OddSigmoid` or another, means.

    A saved model brings a name; only what the running program has registered, or Keras
    itself ships, answers to it. No module is imported because a file names it.
    """
    if isinstance(function, str):
        found = keras.saving.get_registered_object(function)
        if found is None:
            try:
                found = keras.activations.get(function)
            except ValueError:
                raise ValueError(
                    f"`{argument}` must be registered with "
                    "`keras.saving.register_keras_serializable` before it is asked for by "
                    f"name. Received: {argument}={function!r}"
                ) from None
        function = found
    unsuitable = isinstance(function, type | keras.layers.Layer) or function.__hash__ is None
    if not callable(function) or unsuitable:
        raise TypeError(
            f"`{argument}` must be a function of tensors, or the name of a registered one. "
            f"Received: {argument}={function!r}"
        )
    resolved: Callable[[Any], Any] = function
    return resolved


def registered_name(function: Any) -> str:
    """The name from which `_resolve` finds the function again."""
    name = keras.saving.get_registered_name(function) if hasattr(function, "__name__") else ""
    try:
        if name and _resolve(name) is function:
            return name
    except (TypeError, ValueError):
        pass
    raise ValueError(
        "`function` must be registered with `keras.saving.register_keras_serializable` for "
        "its layer or initializer to be saved, cloned or turned into a config. "
        f"Received: function={function!r}"
    )
