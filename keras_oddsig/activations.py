"""Odd, saturating activations as Keras layers.

Each is a `keras.layers.Activation`: it stands in a model as a layer, or goes into
another layer as `Dense(activation=Tanh())`. Each computes
`amplitude * phi(rate * x)` for its own `phi`, in the dtype of its input, and carries the
`profile` that `keras_oddsig.solver` and the initializers read.

Reference: Lee, Choi, Kim, [Signal Preserving Weight Initialization for Odd-Sigmoid
Activations](https://arxiv.org/abs/2509.23085), 2025, for the class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_oddsig import _arguments, _functions, solver
from keras_oddsig.solver import Profile

__all__ = [
    "Algebraic",
    "Arctan",
    "BipolarSigmoid",
    "Erf",
    "Gudermannian",
    "Langevin",
    "OddSigmoid",
    "Softsign",
    "Tanh",
    "get",
]

_PACKAGE: Final = "keras_oddsig"


@dataclass(frozen=True)
class _Unit:
    """A function `phi` of the class: on tensors, on float64 NumPy arrays, in numbers."""

    function: Callable[[Any], Any]
    reference: Callable[[Any], Any]
    profile: Profile

    @classmethod
    def of(cls, function: Callable[[Any], Any]) -> _Unit:
        """Measures a foreign function; raises NotOddSigmoidError if it is none."""
        reference = _Evaluated(function)
        return cls(function, reference, solver.profile_of(reference))

    @classmethod
    def named(
        cls, known: _functions.Function, function: Callable[[Any], Any] | None = None
    ) -> _Unit:
        """One whose profile is known; `function`, unless the reference's formula serves tensors."""
        return cls(function or known.on(ops), known.reference, known.profile)


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


@keras.saving.register_keras_serializable(package=_PACKAGE)
class OddSigmoid(keras.layers.Activation):
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
            instance of its own.
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
        function: Callable[[Any], Any] | str | _Unit,
        amplitude: float = 1.0,
        rate: float = 1.0,
        trainable_rate: bool = False,
        **kwargs: Any,
    ) -> None:
        _arguments.real("amplitude", amplitude, above=0)
        _arguments.real("rate", rate, above=0)
        if not isinstance(trainable_rate, bool):
            raise TypeError(
                f"`trainable_rate` must be a boolean. Received: trainable_rate={trainable_rate!r}"
            )
        unit = function if isinstance(function, _Unit) else _Unit.of(_resolve(function))
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

    def get_config(self) -> dict[str, Any]:
        return {"function": _registered_name(self._unit.function), **self._scaling_config()}

    def _scaling_config(self) -> dict[str, Any]:
        # Not Activation's config: its `activation` is the bare `phi`, no argument here.
        return {
            **keras.layers.Layer.get_config(self),
            "amplitude": self.amplitude,
            "rate": self.rate,
            "trainable_rate": self.trainable_rate,
        }


def _resolve(function: Any) -> Callable[[Any], Any]:
    """The function that an argument of `OddSigmoid` means.

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
                    "`function` must be registered with "
                    "`keras.saving.register_keras_serializable` before it is asked for by "
                    f"name. Received: function={function!r}"
                ) from None
        function = found
    unsuitable = isinstance(function, type | keras.layers.Layer) or function.__hash__ is None
    if not callable(function) or unsuitable:
        raise TypeError(
            "`function` must be a function of tensors, or the name of a registered one. "
            f"Received: function={function!r}"
        )
    resolved: Callable[[Any], Any] = function
    return resolved


def _registered_name(function: Any) -> str:
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


# ----------------------------------------------------------------------------------
# The named activations
# ----------------------------------------------------------------------------------


class _Named(OddSigmoid):
    """An activation whose `phi` is known in closed form."""

    _UNIT: ClassVar[_Unit]

    def __init__(
        self,
        amplitude: float = 1.0,
        rate: float = 1.0,
        trainable_rate: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(self._UNIT, amplitude, rate, trainable_rate, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return self._scaling_config()


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Tanh(_Named):
    """The hyperbolic tangent, `amplitude * tanh(rate * x)`.

    Slope 1, order 3, curvature 1/3, bound 1.

    Example:

    >>> import keras_oddsig as ko
    >>> ko.Tanh(amplitude=2.0, rate=0.5).profile.slope  # 2 tanh(x / 2)
    1.0

    Args:
        amplitude: `A > 0`, the factor on the output.
        rate: `k > 0`, the factor on the input.
        trainable_rate: Whether the rate is a weight that starts at `rate`.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape and output shape: any, the same; the output has the dtype of the input.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a factor is not positive and finite.
    """

    _UNIT = _Unit.named(_functions.TANH, ops.tanh)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Arctan(_Named):
    """The arcus tangent, `amplitude * arctan(rate * x)`, in radians.

    Slope 1, order 3, curvature 1/3, bound pi/2.

    Example:

    >>> import keras_oddsig as ko
    >>> round(ko.Arctan().profile.bound, 4)
    1.5708

    Args:
        amplitude: `A > 0`, the factor on the output.
        rate: `k > 0`, the factor on the input.
        trainable_rate: Whether the rate is a weight that starts at `rate`.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape and output shape: any, the same; the output has the dtype of the input.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a factor is not positive and finite.
    """

    _UNIT = _Unit.named(_functions.ARCTAN, ops.arctan)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Erf(_Named):
    """The error function, `amplitude * erf(rate * x)`.

    Slope 2/sqrt(pi), order 3, curvature pi/12, bound 1. The backend's own `erf`.

    Example:

    >>> import keras_oddsig as ko
    >>> round(ko.Erf().profile.critical_gain, 4)
    0.8862

    Args:
        amplitude: `A > 0`, the factor on the output.
        rate: `k > 0`, the factor on the input.
        trainable_rate: Whether the rate is a weight that starts at `rate`.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape and output shape: any, the same; the output has the dtype of the input.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a factor is not positive and finite.
    """

    _UNIT = _Unit.named(_functions.ERF, ops.erf)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Gudermannian(_Named):
    """The Gudermannian function, `amplitude * gd(rate * x)`, `gd(x) = 2 arctan(tanh(x/2))`.

    Slope 1, order 3, curvature 1/6, bound pi/2. Its derivative is `1 / cosh(x)`.

    Example:

    >>> import keras_oddsig as ko
    >>> round(ko.Gudermannian().profile.curvature, 4)
    0.1667

    Args:
        amplitude: `A > 0`, the factor on the output.
        rate: `k > 0`, the factor on the input.
        trainable_rate: Whether the rate is a weight that starts at `rate`.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape and output shape: any, the same; the output has the dtype of the input.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a factor is not positive and finite.
    """

    _UNIT = _Unit.named(_functions.GUDERMANNIAN)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class BipolarSigmoid(_Named):
    """The sigmoid made odd, `amplitude * (2 sigmoid(rate * x) - 1)`.

    Slope 1/2, order 3, curvature 1/3, bound 1. It is `tanh(x / 2)`: with a slope of 1/2, a
    kernel of unit gain halves the signal at each layer.

    Example:

    >>> import keras_oddsig as ko
    >>> ko.BipolarSigmoid().profile.critical_gain
    2.0

    Args:
        amplitude: `A > 0`, the factor on the output.
        rate: `k > 0`, the factor on the input.
        trainable_rate: Whether the rate is a weight that starts at `rate`.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape and output shape: any, the same; the output has the dtype of the input.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a factor is not positive and finite.
    """

    _UNIT = _Unit.named(_functions.BIPOLAR_SIGMOID)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Langevin(_Named):
    """The Langevin function, `amplitude * L(rate * x)`, `L(x) = coth(x) - 1/x`.

    Slope 1/3, order 3, curvature 3/5, bound 1. Near 0, where both terms are infinite, a
    rational form takes over, exact to rounding in value and gradient.

    Example:

    >>> import keras_oddsig as ko
    >>> round(ko.Langevin().profile.critical_gain, 6)
    3.0

    Args:
        amplitude: `A > 0`, the factor on the output.
        rate: `k > 0`, the factor on the input.
        trainable_rate: Whether the rate is a weight that starts at `rate`.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape and output shape: any, the same; the output has the dtype of the input.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a factor is not positive and finite.
    """

    _UNIT = _Unit.named(_functions.LANGEVIN)


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Algebraic(OddSigmoid):
    """The algebraic sigmoid, `amplitude * phi(rate * x)`, `phi(x) = x / (1 + |x|^k)^(1/k)`.

    Slope 1, order `k + 1`, curvature `1/k`, bound 1. `order=1` is softsign, `order=2` is
    `x / sqrt(1 + x^2)`. It has heavy tails: it nears its bound like `|x|^-k`. No input
    overflows.

    Example:

    >>> import keras_oddsig as ko
    >>> ko.Algebraic(order=3).profile.order
    4.0

    Args:
        order: The exponent `k > 0`.
        amplitude: `A > 0`, the factor on the output.
        rate: The factor on the input, positive.
        trainable_rate: Whether the rate is a weight that starts at `rate`.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape and output shape: any, the same; the output has the dtype of the input.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If `order` or a factor is not positive and finite.
    """

    def __init__(
        self,
        order: float = 2,
        amplitude: float = 1.0,
        rate: float = 1.0,
        trainable_rate: bool = False,
        **kwargs: Any,
    ) -> None:
        _arguments.real("order", order, above=0)
        super().__init__(
            _Unit.named(_functions.algebraic(float(order))),
            amplitude,
            rate,
            trainable_rate,
            **kwargs,
        )
        self.order = order

    def get_config(self) -> dict[str, Any]:
        return {"order": self.order, **self._scaling_config()}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class Softsign(_Named):
    """The softsign, `amplitude * phi(rate * x)`, `phi(x) = x / (1 + |x|)`.

    Slope 1, order 2, curvature 1, bound 1. Its order is the lowest here: in a deep network
    the signal shrinks like `1/L`, where that of tanh shrinks like `1/sqrt(L)`.

    Example:

    >>> import keras_oddsig as ko
    >>> ko.Softsign().profile.order
    2.0

    Args:
        amplitude: `A > 0`, the factor on the output.
        rate: `k > 0`, the factor on the input.
        trainable_rate: Whether the rate is a weight that starts at `rate`.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape and output shape: any, the same; the output has the dtype of the input.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If a factor is not positive and finite.
    """

    _UNIT = _Unit.named(_functions.SOFTSIGN)


# ----------------------------------------------------------------------------------
# Look-up
# ----------------------------------------------------------------------------------

_CLASSES: Final[dict[str, type[OddSigmoid]]] = {
    "tanh": Tanh,
    "arctan": Arctan,
    "erf": Erf,
    "algebraic": Algebraic,
    "softsign": Softsign,
    "gudermannian": Gudermannian,
    "bipolar_sigmoid": BipolarSigmoid,
    "langevin": Langevin,
}
# The same functions under Keras's own names.
_EQUIVALENTS: Final[tuple[tuple[Any, type[OddSigmoid]], ...]] = (
    (keras.activations.tanh, Tanh),
    (keras.activations.softsign, Softsign),
    (ops.tanh, Tanh),
    (ops.arctan, Arctan),
    (ops.erf, Erf),
    (ops.softsign, Softsign),
)


def get(identifier: Any) -> OddSigmoid:
    """The odd-sigmoid activation that an identifier means.

    Example:

    >>> import keras_oddsig as ko
    >>> ko.get("bipolar_sigmoid").profile.slope
    0.5
    >>> ko.get(lambda x: 3 * keras.ops.arctan(x / 2)).profile.order > 2.99
    True

    Args:
        identifier: A name (`"tanh"`, `"arctan"`, `"erf"`, `"algebraic"`, `"softsign"`,
            `"gudermannian"`, `"bipolar_sigmoid"`, `"langevin"`, or a class's name), an
            `OddSigmoid` or a subclass, the config of one, `keras.activations.tanh` or
            another Keras function that has a class here, or any function of tensors in
            the class.

    Returns:
        An `OddSigmoid`; the same object where `identifier` is one.

    Raises:
        NotOddSigmoidError: If a function is outside the class.
        TypeError: If `identifier` is none of these.
        ValueError: If no activation has that name, or a config is not of one.
    """
    return _make(identifier)


def _make(identifier: Any, **kwargs: Any) -> OddSigmoid:
    """`get`, with keyword arguments for the layer where one is made from a bare name."""
    if isinstance(identifier, OddSigmoid):
        return identifier
    if isinstance(identifier, dict):
        return _from_config(identifier)
    if isinstance(identifier, str):
        return _class_named(identifier)(**kwargs)
    if isinstance(identifier, type) and issubclass(identifier, OddSigmoid):
        return identifier(**kwargs)
    if callable(identifier):
        for function, cls in _EQUIVALENTS:
            if identifier is function:
                return cls(**kwargs)
        return OddSigmoid(identifier, **kwargs)
    raise TypeError(
        "`identifier` must be the name of an activation, an `OddSigmoid`, its config, or a "
        f"function of tensors. Received: identifier={identifier!r}"
    )


def _class_named(name: str) -> type[OddSigmoid]:
    by_class_name = {cls.__name__: cls for cls in _CLASSES.values()}
    found = _CLASSES.get(name) or by_class_name.get(name)
    found = found or keras.saving.get_registered_object(name)
    if not (isinstance(found, type) and issubclass(found, OddSigmoid)):
        raise ValueError(
            f"`identifier` must name one of the activations {', '.join(sorted(_CLASSES))}. "
            f"Received: identifier={name!r}"
        )
    return found


def _from_config(config: dict[str, Any]) -> OddSigmoid:
    """Rebuilds an activation from `keras.saving.serialize_keras_object`'s dictionary.

    Only registered classes answer: a config comes from a file, and may be hostile.
    """
    name, arguments = (
        config.get("registered_name") or config.get("class_name"),
        config.get("config"),
    )
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise ValueError(
            "`identifier`, as a config, must have the keys `registered_name` (or `class_name`) "
            f"and `config`. Received: identifier={config!r}"
        )
    activation: OddSigmoid = _class_named(name).from_config(arguments)
    return activation
