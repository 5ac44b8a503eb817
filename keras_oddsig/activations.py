"""Odd, saturating activations as Keras layers.

Each is a `keras.layers.Activation`: it stands in a model as a layer, or goes into
another layer as `Dense(activation=Tanh())`. Each computes
`amplitude * phi(rate * x)` for its own `phi`, in the dtype of its input, and carries the
`profile` that `keras_oddsig.solver` and the initializers read.

Reference: Lee, Choi, Kim, [Signal Preserving Weight Initialization for Odd-Sigmoid
Activations](https://arxiv.org/abs/2509.23085), 2025, for the class.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, ClassVar, Final, TypeVar

import keras
from keras import ops

from keras_oddsig import _arguments, _backend, _float32, _functions, _lookup, _tracing
from keras_oddsig._odd_sigmoid import PACKAGE, OddSigmoid

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
]  # and, for who builds on this package, `CLASSES`, `class_named`, `make`, `name_of`, `recognized`


# ----------------------------------------------------------------------------------
# The named activations
# ----------------------------------------------------------------------------------

_Class = TypeVar("_Class", bound=type[OddSigmoid])

# What the docstrings of the named activations end with; "Args:" stands before it.
_COMMON: Final = """
    amplitude: `A > 0`, the factor on the output.
    rate: `k > 0`, the factor on the input.
    trainable_rate: Whether the rate is a weight that starts at `rate`.
    **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

Input shape and output shape: any, the same; the output has the dtype of the input.

Raises:
    TypeError: If an argument has the wrong type.
    ValueError: If a number is not positive and finite.
"""


def _named(cls: _Class) -> _Class:
    """Registers a named activation with Keras, and completes its docstring."""
    if cls.__doc__ is not None:  # it is, under `python -OO`
        own = inspect.cleandoc(cls.__doc__)
        cls.__doc__ = own + ("" if "\nArgs:\n" in own else "\n\nArgs:") + _COMMON
    registered: _Class = keras.saving.register_keras_serializable(package=PACKAGE)(cls)
    return registered


class _Named(OddSigmoid):
    """An activation whose `phi` is known in closed form."""

    _UNIT: ClassVar[_functions.Unit]

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


# Bound here: a compiler that looks into a call need not follow how they are made.
_GUDERMANNIAN = _functions.GUDERMANNIAN.on(ops)
_SOFTSIGN = _functions.SOFTSIGN.on(ops)


def _arctan(x: Any) -> Any:
    if _tracing.fuses() and _functions.is_narrow(x, ops):
        return _functions.in_float32(_float32.arctan, x, ops)
    return ops.arctan(_backend.bounded(x))


def _gudermannian(x: Any) -> Any:
    if _tracing.fuses() and _functions.is_narrow(x, ops):
        return _functions.in_float32(_float32.gudermannian, x, ops)
    return _GUDERMANNIAN(x)


def _erf(x: Any) -> Any:
    return ops.erf(_backend.bounded(x))


def _softsign(x: Any) -> Any:
    return _SOFTSIGN(_backend.bounded(x))


@_named
class Tanh(_Named):
    """The hyperbolic tangent, `amplitude * tanh(rate * x)`.

    Slope 1, order 3, curvature 1/3, bound 1.

    Example:

    >>> import keras_oddsig as ko
    >>> ko.Tanh(amplitude=2.0, rate=0.5).profile.slope  # 2 tanh(x / 2)
    1.0
    """

    _UNIT = _functions.TANH.with_tensors(ops.tanh)


@_named
class Arctan(_Named):
    """The arcus tangent, `amplitude * arctan(rate * x)`, in radians.

    Slope 1, order 3, curvature 1/3, bound pi/2.

    Example:

    >>> import keras_oddsig as ko
    >>> round(ko.Arctan().profile.bound, 4)
    1.5708
    """

    _UNIT = _functions.ARCTAN.with_tensors(_arctan)


@_named
class Erf(_Named):
    """The error function, `amplitude * erf(rate * x)`.

    Slope 2/sqrt(pi), order 3, curvature pi/12, bound 1. The backend's own `erf`.

    Example:

    >>> import keras_oddsig as ko
    >>> round(ko.Erf().profile.critical_gain, 4)
    0.8862
    """

    _UNIT = _functions.ERF.with_tensors(_erf)


@_named
class Gudermannian(_Named):
    """The Gudermannian function, `amplitude * gd(rate * x)`, `gd(x) = 2 arctan(tanh(x/2))`.

    Slope 1, order 3, curvature 1/6, bound pi/2. Its derivative is `1 / cosh(x)`.

    Example:

    >>> import keras_oddsig as ko
    >>> round(ko.Gudermannian().profile.curvature, 4)
    0.1667
    """

    _UNIT = _functions.GUDERMANNIAN.with_tensors(_gudermannian)


@_named
class BipolarSigmoid(_Named):
    """The sigmoid made odd, `amplitude * (2 sigmoid(rate * x) - 1)`.

    Slope 1/2, order 3, curvature 1/3, bound 1. It is `tanh(x / 2)`: with a slope of 1/2, a
    kernel of unit gain halves the signal at each layer.

    Example:

    >>> import keras_oddsig as ko
    >>> ko.BipolarSigmoid().profile.critical_gain
    2.0
    """

    _UNIT = _functions.BIPOLAR_SIGMOID.with_tensors(_functions.BIPOLAR_SIGMOID.on(ops))


@_named
class Langevin(_Named):
    """The Langevin function, `amplitude * L(rate * x)`, `L(x) = coth(x) - 1/x`.

    Slope 1/3, order 3, curvature 3/5, bound 1. Near 0, where both terms are infinite, a
    rational form takes over, exact to rounding in value and gradient.

    Example:

    >>> import keras_oddsig as ko
    >>> round(ko.Langevin().profile.critical_gain, 6)
    3.0
    """

    _UNIT = _functions.LANGEVIN.with_tensors(_functions.LANGEVIN.on(ops))


@_named
class Algebraic(OddSigmoid):
    """The algebraic sigmoid, `amplitude * phi(rate * x)`, `phi(x) = x / (1 + |x|^k)^(1/k)`.

    Slope 1, order `k + 1`, curvature `1/k`, bound 1. `order=1` is softsign, `order=2` is
    `x / sqrt(1 + x^2)`. It has heavy tails: it nears its bound like `|x|^-k`. No input
    overflows.

    Unless the order is even, derivatives from the `k + 1`-th on jump at 0 or are infinite
    there; the backend gives one of the limits, or 0. For an order between the integers the
    function counts as linear within 1e-10 of 0 (1e-87 in float64), so that from order 1 on
    its derivatives up to the fourth are finite everywhere.

    Example:

    >>> import keras_oddsig as ko
    >>> ko.Algebraic(order=3).profile.order
    4.0

    Args:
        order: The exponent `k > 0`.
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
        known = _functions.algebraic(float(order))
        unit = known.with_tensors(_softsign if order == 1 else known.on(ops))
        super().__init__(unit, amplitude, rate, trainable_rate, **kwargs)
        self.order = order

    def get_config(self) -> dict[str, Any]:
        return {"order": self.order, **self._scaling_config()}


@_named
class Softsign(_Named):
    """The softsign, `amplitude * phi(rate * x)`, `phi(x) = x / (1 + |x|)`.

    Slope 1, order 2, curvature 1, bound 1. Its order is the lowest here: in a deep network
    the signal shrinks like `1/L`, where that of tanh shrinks like `1/sqrt(L)`.

    Example:

    >>> import keras_oddsig as ko
    >>> ko.Softsign().profile.order
    2.0
    """

    _UNIT = _functions.SOFTSIGN.with_tensors(_softsign)


# ----------------------------------------------------------------------------------
# Look-up
# ----------------------------------------------------------------------------------

# The named activations, by the names that `get` knows.
CLASSES: Final[dict[str, type[OddSigmoid]]] = {
    "tanh": Tanh,
    "arctan": Arctan,
    "erf": Erf,
    "algebraic": Algebraic,
    "softsign": Softsign,
    "gudermannian": Gudermannian,
    "bipolar_sigmoid": BipolarSigmoid,
    "langevin": Langevin,
}
# The same functions under Keras's own names; `_backend` knows the backend's.
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
            another function of Keras or of the running backend that has a class here, any
            function of tensors in the class, or a `keras.layers.Activation` of one of these.

    Returns:
        An `OddSigmoid`; the same object where `identifier` is one.

    Raises:
        NotOddSigmoidError: If a function is outside the class.
        TypeError: If `identifier` is none of these.
        ValueError: If no activation has that name, or a config is not of one.
    """
    return make(identifier)


def recognized(function: Any) -> type[OddSigmoid] | None:
    """The class here that computes the same as a function of Keras or of the backend.

    Functions are compared by identity; one that is wrapped or bound is another.

    Example:

    >>> from keras_oddsig import activations
    >>> activations.recognized(keras.activations.tanh).__name__
    'Tanh'
    >>> activations.recognized(keras.activations.relu) is None
    True

    Args:
        function: A function, or a `keras.layers.Activation` of one.

    Returns:
        The class, or `None` where none is known.
    """
    return _known().recognized(function)


def name_of(activation: Any) -> str | None:
    """The name from which `get` makes an activation's class.

    Example:

    >>> from keras_oddsig import activations
    >>> activations.name_of(activations.BipolarSigmoid(rate=2.0))
    'bipolar_sigmoid'

    Args:
        activation: An instance of one of the named activations, or anything else.

    Returns:
        Its name, such as `"tanh"`; `None` for a function of your own and for anything else.
    """
    return next((name for name, cls in CLASSES.items() if type(activation) is cls), None)


def make(identifier: Any, argument: str = "identifier", **kwargs: Any) -> OddSigmoid:
    """`get`, for what `argument` of another function means: its errors name that.

    Args:
        identifier: As for `get`.
        argument: The name of the argument.
        **kwargs: Keyword arguments of the layer, where one is made from a bare name, class or
            function.

    Returns:
        As `get`.

    Raises:
        NotOddSigmoidError, TypeError, ValueError: As `get`.
    """
    return _known().make(identifier, argument, **kwargs)


def class_named(name: str, argument: str = "identifier") -> type[OddSigmoid]:
    """The class of an activation's name, or the one that Keras has registered under it.

    Raises:
        ValueError: If there is none.
    """
    return _known().class_named(name, argument)


@functools.cache
def _known() -> _lookup.Catalogue:
    # Not at import, when `_lookup` may be half imported (`_registration`).
    return _lookup.Catalogue(OddSigmoid, CLASSES, _EQUIVALENTS)
