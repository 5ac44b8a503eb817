"""The named activations as functions of NumPy arrays, and their profiles: no backend.

A formula of more than one call is written once, for NumPy and for `keras.ops`, whose
functions have the same names: `xp` is either of them.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy

from keras_oddsig import _float32
from keras_oddsig.solver import Profile


@dataclass(frozen=True)
class Formula:
    """A formula bound to an array namespace; equal where the formula is the same."""

    formula: Callable[..., Any]
    namespace: Any
    constants: tuple[float, ...]

    def __call__(self, x: Any) -> Any:
        return self.formula(x, self.namespace, *self.constants)


@dataclass(frozen=True)
class Function:
    """A function `phi` of the class whose profile is known: on float64 NumPy arrays.

    Attributes:
        reference: The function; a `Formula` where `keras.ops` can compute it, too.
        profile: Its profile.
    """

    reference: Callable[[Any], Any]
    profile: Profile

    def on(self, namespace: Any) -> Formula:
        """The formula on arrays of another namespace."""
        assert isinstance(self.reference, Formula)
        return Formula(self.reference.formula, namespace, self.reference.constants)

    def with_tensors(self, function: Callable[[Any], Any]) -> Unit:
        """The same, together with `function`, which computes it on tensors."""
        return Unit(function, self.reference, self.profile)


@dataclass(frozen=True)
class Unit:
    """A function `phi` of the class: on tensors, on float64 NumPy arrays, in numbers."""

    function: Callable[[Any], Any]
    reference: Callable[[Any], Any]
    profile: Profile


def _function(formula: Callable[..., Any], profile: Profile, *constants: float) -> Function:
    return Function(Formula(formula, np, constants), profile)


def _gudermannian(x: Any, xp: Any) -> Any:
    return 2 * xp.arctan(xp.tanh(x / 2))


def _bipolar_sigmoid(x: Any, xp: Any) -> Any:
    return xp.tanh(x / 2)  # 2 sigmoid(x) - 1, without its cancellation near 0


def _erf(x: Any) -> Any:
    return scipy.special.erf(x)  # SciPy imports its modules when they are first used


# Within 4e-16 of the function below the edge, with no subtraction.
_LANGEVIN_SMALL: Final = 1.5
_LANGEVIN_NUMERATOR, _LANGEVIN_DENOMINATOR = _float32.langevin_fraction(19)


def _langevin(x: Any, xp: Any) -> Any:
    if is_narrow(x, xp):
        return in_float32(_float32.langevin, x, xp)
    # Both branches see only inputs that they can serve, lest the unused one's gradient
    # (0/0 at 0, infinite far out) reach the result as a NaN.
    small = xp.abs(x) < _LANGEVIN_SMALL
    near = xp.where(small, x, xp.zeros_like(x))
    far = xp.where(small, xp.ones_like(x), x)
    square = near * near
    ratio = _float32.horner(_LANGEVIN_NUMERATOR, square) / _float32.horner(
        _LANGEVIN_DENOMINATOR, square
    )
    return xp.where(small, near * ratio, 1 / xp.tanh(far) - 1 / far)


def _softsign(x: Any, xp: Any) -> Any:
    return x / (1 + xp.abs(x))


def _algebraic(x: Any, xp: Any, order: float) -> Any:
    if order == 1:
        return _softsign(x, xp)
    if order == 2:
        return in_float32(_square_algebraic, x, xp)
    if order == 3 and is_narrow(x, xp):
        return in_float32(_float32.cubic_algebraic, x, xp)
    return in_float32(functools.partial(_any_algebraic, order=order), x, xp)


def is_narrow(x: Any, xp: Any) -> bool:
    """Whether tensors are of float32 or less, which a form of `_float32` serves."""
    return xp is not np and _dtype(x, xp) != "float64"


def in_float32(form: Callable[[Any, Any], Any], x: Any, xp: Any) -> Any:
    """`form(x, xp)`; half precision, whose squares overflow at 256, by way of float32."""
    if _dtype(x, xp) not in ("float16", "bfloat16"):
        return form(x, xp)
    return xp.cast(form(xp.cast(x, "float32"), xp), x.dtype)


def _dtype(x: Any, xp: Any) -> str:
    if xp is np:
        return str(x.dtype)
    import keras  # loaded long since: `xp` is its `ops`

    return str(keras.backend.standardize_dtype(x.dtype))


def _square_algebraic(x: Any, xp: Any) -> Any:
    # Beyond 1e15 it is 1 to the last digit. One root and no branch: a fifth of the time.
    bounded = xp.clip(x, -1e15, 1e15)
    return bounded / xp.sqrt(1 + bounded * bounded)


def _any_algebraic(x: Any, xp: Any, order: float) -> Any:
    # x / (1 + |x|^k)^(1/k), and sgn(x) / (1 + |x|^-k)^(1/k) beyond 1: nothing overflows, and
    # one power and one root serve both. By `where`, not `minimum`, whose gradient at a tie is
    # halved by some backends.
    size = xp.abs(x)
    small = size <= 1
    one = xp.ones_like(x)
    inverse = one / xp.where(small, one, size)
    power = _power(xp.where(small, size, inverse), order, xp)
    return xp.where(small, x, xp.sign(x)) * xp.exp(xp.log1p(power) / -order)


def _power(x: Any, exponent: float, xp: Any) -> Any:
    """x^exponent for 0 <= x <= 1, four times differentiable in the backend's arithmetic."""
    whole, part = divmod(exponent, 1)
    if part:
        floor = xp.full_like(x, _floor(exponent, _dtype(x, xp)))
        x = xp.where(x > floor, x, floor)
    if part in (0, 0.5) and whole <= 4:
        # A general power costs as much as ten of tanh.
        root = [xp.sqrt(x)] if part else []
        return functools.reduce(operator.mul, [x] * int(whole) + root)
    # Not exp(k log x): the derivatives of the logarithm overflow where the power's do not.
    return x**exponent


@functools.cache
def _floor(exponent: float, dtype: str) -> float:
    """Below it `x^exponent` counts as constant: its derivatives are about to overflow.

    The fourth derivative of the root is 15/16 x^-3.5, that of any power the milder the larger
    its exponent; a factor of 1e3 is left for the terms which the chain rule puts before it.
    For low exponents the value comes first: there `x^k` is below the rounding of 1 + x^k.
    """
    numbers = np.finfo(dtype)
    overflow = (float(numbers.max) / 1e3) ** (-1 / 3.5)
    return float(min(overflow, (float(numbers.eps) / 8) ** (1 / exponent)))


TANH: Final = Function(np.tanh, Profile(slope=1.0, order=3.0, curvature=1 / 3, bound=1.0))
ARCTAN: Final = Function(
    np.arctan, Profile(slope=1.0, order=3.0, curvature=1 / 3, bound=math.pi / 2)
)
ERF: Final = Function(
    _erf,
    Profile(slope=2 / math.sqrt(math.pi), order=3.0, curvature=math.pi / 12, bound=1.0),
)
SOFTSIGN: Final = _function(_softsign, Profile(slope=1.0, order=2.0, curvature=1.0, bound=1.0))
GUDERMANNIAN: Final = _function(
    _gudermannian, Profile(slope=1.0, order=3.0, curvature=1 / 6, bound=math.pi / 2)
)
BIPOLAR_SIGMOID: Final = _function(
    _bipolar_sigmoid, Profile(slope=0.5, order=3.0, curvature=1 / 3, bound=1.0)
)
LANGEVIN: Final = _function(_langevin, Profile(slope=1 / 3, order=3.0, curvature=3 / 5, bound=1.0))


def algebraic(order: float) -> Function:
    """`x / (1 + |x|^k)^(1/k)`, `k` being the order."""
    profile = Profile(slope=1.0, order=order + 1, curvature=1 / order, bound=1.0)
    return _function(_algebraic, profile, order)


# Under the names that `keras_oddsig.get` knows.
NAMED: Final = {
    "tanh": TANH,
    "arctan": ARCTAN,
    "erf": ERF,
    "algebraic": algebraic(2.0),
    "softsign": SOFTSIGN,
    "gudermannian": GUDERMANNIAN,
    "bipolar_sigmoid": BIPOLAR_SIGMOID,
    "langevin": LANGEVIN,
}
