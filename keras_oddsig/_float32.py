"""What some activations compute in float32: short polynomials, where XLA's own forms are slow.

XLA takes some twenty times as long for an arcus tangent as for tanh on a CPU, and for a cube root a
logarithm and an exponential. Here are additions, products and one root, division or tanh, in one
formula from end to end or with a seam that no derivative sees: the backend differentiates them
as often as one likes. `xp` is `keras.ops`, and tensors are of float32.

The polynomials are made when this module is imported, from what the comment beside each says.
Their degrees are the least at which the fourth derivative, too, is within 200 roundings of the
exact one (`tests/test_activations.py`); values are within 1e-8 before rounding. What the forms
cost, `benchmarks/activations.py` measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

Coefficients = tuple[float, ...]  # the lowest power first


def horner(coefficients: Coefficients, x: Any) -> Any:
    """The polynomial at `x`."""
    total: Any = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total


def _interpolated(
    function: Callable[[NDArray[Any]], NDArray[Any]], end: float, number: int
) -> Coefficients:
    """The polynomial `1 + d q(d)` for a function that is 1 at 0, on the way from there to `end`.

    Exact at 0 and at `number` points: Chebyshev's nodes, moved apart until 0 and `end` are two
    of them, for there the activation starts and saturates.
    """
    nodes = np.cos((np.arange(number + 1) + 0.5) * np.pi / (number + 1))
    nodes = end / 2 * (1 + nodes[:-1] / nodes[0])
    fit = Chebyshev.fit(nodes, (function(nodes) - 1) / nodes, number - 1)
    return (1.0, *map(float, fit.convert(kind=Polynomial).coef))


def langevin_fraction(last: int) -> tuple[Coefficients, Coefficients]:
    """Langevin's function divided by x, as two polynomials in x^2 of which it is the ratio.

    coth x - 1/x = x / (3 + x^2 / (5 + x^2 / (7 + ...))), Gauss's continued fraction for
    I_{3/2} / I_{1/2}, cut after the term `last`. No coefficient is negative: nothing cancels.
    """
    numerator, denominator = [Fraction(1)], [Fraction(last)]
    for term in range(last - 2, 2, -2):
        below = [Fraction(0), *numerator]
        longer = denominator + [Fraction(0)] * (len(below) - len(denominator))
        below += [Fraction(0)] * (len(longer) - len(below))
        numerator, denominator = (
            denominator,
            [term * d + n for d, n in zip(longer, below, strict=True)],
        )
    first = denominator[0]
    return tuple(float(n / first) for n in numerator), tuple(float(d / first) for d in denominator)


# ----------------------------------------------------------------------------------
# On the circle: x = tan(angle) as cosine and sine, which need one root and have no seam
# ----------------------------------------------------------------------------------

# Beyond it every function here is constant to the last digit, and its square is finite.
_FAR: Final = 1e9


def _cosine_and_sine(x: Any, xp: Any) -> tuple[Any, Any]:
    near = xp.clip(x, -_FAR, _FAR)
    cosine = xp.rsqrt(1 + xp.square(near))
    return cosine, near * cosine


def _angle_by_sine(defect: NDArray[Any]) -> NDArray[Any]:
    sine = np.sqrt(defect * (2 - defect))
    return np.asarray(np.arctan2(sine, 1 - defect) / sine)


# angle / sine = 1 + d/3 + 2/15 d^2 + ..., d = 1 - cosine.
_ANGLE: Final = _interpolated(_angle_by_sine, 1.0, 10)


def arctan(x: Any, xp: Any) -> Any:
    """The arcus tangent."""
    cosine, sine = _cosine_and_sine(x, xp)
    angle = sine * horner(_ANGLE, 1 - cosine)
    # The sine may be rounded to more than 1. What is taken off for that is no part of the
    # derivative, and leaves -0.0 as it is.
    return angle - xp.stop_gradient(angle - xp.clip(angle, -math.pi / 2, math.pi / 2))


def _bend_of_root(d: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(((1 + d) ** (-1 / 3) - 1 + d / 3) / d**2 * 9 / 2)


# v^(-1/3) = 1 - d/3 + 2/9 d^2 - ..., d = v - 1, down to the least v, 2^(-1/2) at 45 degrees.
_CUBE_ROOT: Final = (
    1.0,
    -1 / 3,  # exactly: the third derivative at 0 is what is left of it and the sine's
    *(c * 2 / 9 for c in _interpolated(_bend_of_root, math.sqrt(0.5) - 1, 7)),
)


def cubic_algebraic(x: Any, xp: Any) -> Any:
    """`x / (1 + |x|^3)^(1/3)`: the sine by `(cosine^3 + |sine|^3)^(1/3)`, a root near 1."""
    cosine, sine = _cosine_and_sine(x, xp)
    # Not the size of the cube, whose sign is lost where it is rounded to 0.
    cubes = xp.square(cosine) * cosine + xp.square(sine) * xp.abs(sine)
    return sine * horner(_CUBE_ROOT, cubes - 1)


# ----------------------------------------------------------------------------------
# By tanh, or by a fraction
# ----------------------------------------------------------------------------------


# arctan(t) / t = 1 - z/3 + z^2/5 - ..., z = t^2.
_ARCTAN: Final = _interpolated(lambda z: np.arctan(np.sqrt(z)) / np.sqrt(z), 1.0, 9)
_TWICE_ARCTAN: Final = tuple(2 * coefficient for coefficient in _ARCTAN)


def gudermannian(x: Any, xp: Any) -> Any:
    """The Gudermannian function."""
    t = xp.tanh(x / 2)
    return t * horner(_TWICE_ARCTAN, xp.square(t))


# Beyond the edge it is 1 - 1/x to the last digit: 2 exp(-2 x) is lost.
_EDGE: Final = 9.5
_NUMERATOR, _DENOMINATOR = langevin_fraction(27)


def langevin(x: Any, xp: Any) -> Any:
    """The Langevin function. One division for both branches, each of which sees its own inputs."""
    small = xp.abs(x) < _EDGE
    one = xp.ones_like(x)
    near = xp.where(small, x, xp.zeros_like(x))
    square = xp.square(near)
    above = xp.where(small, near * horner(_NUMERATOR, square), -one)
    below = xp.where(small, horner(_DENOMINATOR, square), x)
    # A negative zero is what leaves every number, -0.0 too, as it is.
    return xp.where(small, -xp.zeros_like(x), xp.sign(x)) + above / below
