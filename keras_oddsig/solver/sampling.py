"""A user's function on float64 arrays, and how precisely it is computed there.

What is read off the function's values belongs here: where it bends, the ratio `f(h)/h` and its
rounding noise. What follows from them is for `asymptotics` (numbers) and `conditions`
(judgements): nothing here knows the class.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from keras_oddsig._arguments import Array

Function: TypeAlias = Callable[[Any], Any]


class Sampler:
    """Evaluates a user's function on float64 arrays and remembers its precision.

    Attributes:
        epsilon: The relative rounding of the type in which the function answers.
        smallest: The least input at which it is sampled, far above what that type rounds to 0.
        argument: Under which name the user gave it: errors speak of that.
    """

    def __init__(self, function: Function, argument: str = "function") -> None:
        if not callable(function):
            raise TypeError(f"`{argument}` must be callable. Received: {argument}={function!r}")
        self._function = function
        self.argument = argument
        probe = np.array([0.25, 0.5])
        try:
            answer = np.asarray(function(probe))
        except TypeError:  # a function of one float, such as math.tanh
            self._function = np.vectorize(function, otypes=[np.float64])
            answer = self(probe)
        except Exception as error:
            raise self._raised(error, probe) from error
        if not np.issubdtype(answer.dtype, np.floating):
            raise TypeError(
                f"`{argument}` must return real floating-point numbers. "
                f"Received: a function that returns {answer.dtype}"
            )
        self.epsilon: float = float(np.finfo(answer.dtype).eps)
        self.smallest: float = 1e-250 if self.epsilon < 1e-12 else 1e-30

    def __call__(self, x: Array) -> Array:
        if not x.size:
            return np.zeros(x.shape)
        try:
            with np.errstate(all="ignore"):
                y = np.asarray(self._function(x), dtype=np.float64)
        except Exception as error:
            raise self._raised(error, x) from error
        if y.shape != x.shape:
            raise ValueError(
                f"`{self.argument}` must return an array of the shape of its argument, "
                f"{x.shape}. Received: a function that returns the shape {y.shape}"
            )
        return y

    def at(self, x: float) -> float:
        return float(self(np.array([x]))[0])

    def _raised(self, error: Exception, x: Array) -> ValueError:
        return ValueError(
            f"`{self.argument}` must answer for arrays of real numbers. Received: a function that "
            f"raises {type(error).__name__} for numbers from {x.min():.6g} to {x.max():.6g}: "
            f"{error}"
        )


def bend(f: Sampler) -> float:
    """Where doubling x multiplies f by sqrt(2): half-way from linear to saturated.

    1 if there is no such place (a power, say), so that the checks have a grid.
    """

    def doublings(x: float) -> float:
        low, high = f(np.array([x, 2 * x]))
        return math.log2(high / low) if 0 < low < math.inf and 0 < high < math.inf else math.nan

    upwards = doublings(1.0) > 0.5
    x = 1.0
    while 1e-30 < x < 1e30:
        x = 2 * x if upwards else x / 2
        gain = doublings(x)
        if math.isnan(gain):
            return 1.0
        if (gain > 0.5) != upwards:
            return x
    return 1.0


def smoothed_ratio(f: Sampler, h: Array) -> tuple[Array, Array]:
    """`f(h)/h`, smoothed over a tight cluster about each h, and its rounding noise."""
    offsets = np.linspace(-1.0, 1.0, 12)
    x = h[:, None] * (1 + 1e-3 * offsets)
    ratio = f(x) / x
    # A cubic through each cluster is the function; what it leaves over is rounding.
    basis = np.polynomial.polynomial.polyvander(offsets, 3)
    coefficients = ratio @ np.linalg.pinv(basis).T
    return coefficients[:, 0], np.max(np.abs(ratio - coefficients @ basis.T), axis=1)


def ratio_with_noise(f: Sampler, h: Array) -> tuple[Array, Array]:
    """`f(h)/h` for falling h, and its rounding noise, which does not fall as h does."""
    centre, noise = smoothed_ratio(f, h)
    # A cluster on a kink stands out from its neighbours; it is no noise.
    noise = np.minimum(noise, np.append(noise[1:], noise[-1]))
    # Never better than one rounding, and no better at a smaller h than at a larger:
    # 2 sigmoid(h) - 1 is exactly 0 below 1e-16, which is noise, not precision.
    noise = np.maximum.accumulate(np.maximum(noise, f.epsilon * np.abs(centre)))
    return centre, noise


def ratio_rounding(f: Sampler, x: Array) -> Array:
    """What rounding may add to f(x)/x, as measured there.

    Asked for where a check fails at the tolerance of a correctly rounded f: a formula that
    cancels, as `coth(x) - 1/x` does near 0, rounds worse, and is in the class all the same.
    """
    return 8 * smoothed_ratio(f, x)[1]
