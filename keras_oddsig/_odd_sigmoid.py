"""The layer that all activations are: `amplitude * phi(rate * x)`, for a `phi` of the class."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_oddsig import _arguments, _backend, _foreign, _functions
from keras_oddsig.solver import Profile

PACKAGE: Final = "keras_oddsig"  # what Keras registers the classes under


class _Instance(keras.layers.Activation):
    """Says so where the class itself is taken for an activation."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Instance:
        # What `Dense(activation=Tanh)` comes to: the layer calls the class with its outputs.
        if args and _is_tensor(args[0]):
            raise TypeError(
                f"`activation` must be an instance, `{cls.__name__}()`, not the class, which "
                f"was called with a tensor. Received: activation={cls.__name__}"
            )
        instance: _Instance = super().__new__(cls, *args, **kwargs)
        return instance


def _is_tensor(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, keras.KerasTensor) or bool(ops.is_tensor(value))


@keras.saving.register_keras_serializable(package=PACKAGE)
class OddSigmoid(_Instance):
    """An odd-sigmoid activation of your own: `amplitude * function(rate * x)`.

    The base class of the activations here, and the way to bring another one: any odd,
    bounded, strictly increasing function with a finite slope at 0 and `f(x)/x` strictly
    decreasing on `x > 0`. The class is closed under scaling, sums and composition.

    The output has the dtype of the input (an integer input is taken as `dtype`), inside
    a layer of any `dtype` policy too; `dtype` sets the precision of a trainable rate.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> @keras.saving.register_keras_serializable(package="readme")
    ... def soft(x):
    ...     return keras.ops.tanh(x) + 0.5 * keras.ops.softsign(x)
    >>> activation = ko.OddSigmoid(soft)
    >>> print(f"{activation.profile.slope:.3f} {activation.profile.bound:.3f}")
    1.500 1.500
    >>> layer = keras.layers.Dense(8, activation=activation)

    Args:
        function: `phi`, a function of tensors made of `keras.ops`, elementwise; or the
            name under which it is registered (`"package>name"`). Register it with
            `keras.saving.register_keras_serializable`, or the model cannot be saved.
        amplitude: `A > 0`, the factor on the output.
        rate: `k > 0`, the factor on the input.
        trainable_rate: Whether the rate is a weight (a scalar, starting at `rate`), as
            in the adaptive activations of physics-informed networks. Give each layer an
            instance of its own: Keras cannot load a model in which two share one. A model
            with one inside `Bidirectional` can be saved as `.h5` once it has been called; a
            compiled one that came from a file, without its optimizer only.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape and output shape: any, the same.

    Raises:
        NotOddSigmoidError: If `function` is outside the class; the error names the
            condition that fails and an input that shows it.
        TypeError: If an argument has the wrong type.
        ValueError: If `amplitude` or `rate` is not positive and finite, or nothing is
            registered under a name.

    Reference:

    - [Lee, Choi, Kim, 2025](https://arxiv.org/abs/2509.23085), definition 1.
    - [Jagtap, Kawaguchi, Karniadakis, 2020](https://arxiv.org/abs/1906.01170), for the
      trainable rate.
    """

    def __init__(
        self,
        function: Callable[[Any], Any] | str | _functions.Unit,
        amplitude: float = 1.0,
        rate: float = 1.0,
        trainable_rate: bool = False,
        **kwargs: Any,
    ) -> None:
        _arguments.real("amplitude", amplitude, above=0)
        _arguments.real("rate", rate, above=0)
        _arguments.boolean("trainable_rate", trainable_rate)
        unit = function if isinstance(function, _functions.Unit) else _foreign.unit(function)
        # No autocasting: the dtype of the output is that of the input.
        super().__init__(unit.function, autocast=False, **kwargs)
        self.amplitude = float(amplitude)
        self.rate = float(rate)
        self.trainable_rate = trainable_rate
        self._unit = unit
        self.rate_weight = (
            self.add_weight(name="rate", initializer=keras.initializers.Constant(self.rate))
            if trainable_rate
            else None
        )
        self._has_parent = False
        if trainable_rate:
            with _lock:
                _TRAINABLE.add(self)
            _backend.register_weights(self)
        self.built = True

    def build(self, input_shape: Any = None) -> None:
        """Nothing to do: the only weight is made by the constructor, for use in a layer."""
        self.built = True

    @property
    def profile(self) -> Profile:
        """Slope, order, curvature and bound at the initial `amplitude` and `rate`."""
        return self._unit.profile.scaled(self.amplitude, self.rate)

    def reference(self, x: Any) -> NDArray[Any]:
        """The same function of a NumPy array, in float64 where `function` allows it.

        What `keras_oddsig.solver` evaluates; the rate is the initial one.
        """
        y = self._unit.reference(self.rate * np.asarray(x, dtype=np.float64))
        return np.asarray(self.amplitude * y)

    @property
    def unit_reference(self) -> Callable[[Any], Any]:
        """`phi` as a function of NumPy arrays: hashable, equal for equal functions."""
        return self._unit.reference

    def call(self, inputs: Any) -> Any:
        x = inputs
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
            x = ops.cast(x, self.compute_dtype)
        if self.rate_weight is not None:
            if not self._has_parent:
                self._has_parent = True
                _tell_from_twins(self)
            x = ops.multiply(x, ops.cast(self.rate_weight, x.dtype))
        elif self.rate != 1.0:
            x = ops.multiply(x, self.rate)
        y = self.activation(x)
        return y if self.amplitude == 1.0 else ops.multiply(y, self.amplitude)

    def compute_output_spec(self, inputs: Any, **kwargs: Any) -> keras.KerasTensor:
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if not keras.backend.is_float_dtype(dtype):
            dtype = self.compute_dtype
        return keras.KerasTensor(inputs.shape, dtype=dtype)

    def load_own_variables(self, store: Any) -> None:
        if self.rate_weight is not None and not store.keys():
            raise ValueError(
                f"The file holds no rate for {self.name!r}. Where two layers shared one trainable "
                "activation, give each an instance of its own before saving; to read this file, "
                "build the model in code as it was and call its `load_weights`. "
                "Received: trainable_rate=True"
            )
        super().load_own_variables(store)

    def __deepcopy__(self, memo: dict[int, Any]) -> OddSigmoid:
        # Keras copies through a file, for which a function of your own has to be registered.
        copied: OddSigmoid = (
            OddSigmoid(self._unit, **self._scaling_config())
            if type(self) is OddSigmoid
            else type(self).from_config(self.get_config())
        )
        copied.set_weights(self.get_weights())
        memo[id(self)] = copied
        return copied

    def get_config(self) -> dict[str, Any]:
        return {"function": _foreign.registered_name(self._unit.function), **self._scaling_config()}

    def _scaling_config(self) -> dict[str, Any]:
        # Not Activation's config: its `activation` is the bare `phi`, no argument here.
        return {
            **keras.layers.Layer.get_config(self),
            "amplitude": self.amplitude,
            "rate": self.rate,
            "trainable_rate": self.trainable_rate,
        }


# The activations whose rate is a weight, as long as they live.
_TRAINABLE: Final[weakref.WeakSet[OddSigmoid]] = weakref.WeakSet()
_lock: Final = threading.Lock()  # another thread may make one while this one looks through them


def _tell_from_twins(activation: OddSigmoid) -> None:
    """Makes the path of the rate its own within the model, as `.h5` and state trees need it.

    `Bidirectional` makes two layers from one config, hence two activations of one name. Which
    of them is which shows at the first call only, in the scope of the parent; the weight has
    to be there before, or a saved model could not be loaded. Where the parents are called
    alike, too, one model is a copy of the other, and the paths are to be the same.
    """
    weight: Any = activation.rate_weight
    with _lock:
        twins = list(_TRAINABLE)
    for twin in twins:
        if twin is activation or not twin._has_parent or twin.rate_weight is None:
            continue
        if twin.rate_weight.path == weight.path and twin._parent_path != activation._parent_path:
            weight._path = f"{activation._parent_path}/{weight.path}"
            return


# Its public home, which saved models and pickles name: this module may not be the first one
# that is imported (`_registration`).
OddSigmoid.__module__ = "keras_oddsig.activations"
