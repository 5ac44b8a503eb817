"""An odd-sigmoid function in four numbers, and its fixed points.

What the theory asks of a single function belongs here. A network, its depth and its noise do
not: those are `calibration`, `diffusion`, `recurrent` and `rotation`, which start from here.

References: [1] and [2] of `keras_oddsig.solver`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from keras_oddsig import _arguments
from keras_oddsig.solver.asymptotics import bound_at_infinity, expansion_at_zero
from keras_oddsig.solver.conditions import (
    require_elementwise,
    require_finite,
    require_increasing,
    require_no_constant_ratio,
    require_no_flat_stretch,
    require_no_growing_ratio,
    require_no_jump,
    require_odd,
)
from keras_oddsig.solver.sampling import Function, Sampler, bend


def check_profile(profile: Any) -> None:
    """Raises TypeError unless an argument is a `Profile`: an activation or function is none."""
    if not isinstance(profile, Profile):
        raise TypeError(
            "`profile` must be a `Profile`, as `activation.profile` and `profile_of(function)` "
            f"are. Received: profile={_arguments.shown(profile)}"
        )


@dataclass(frozen=True)
class Profile:
    """The four numbers of an odd-sigmoid function that the theory needs.

    With `omega = 1 / slope`, near 0: `f(omega * u) = u - curvature * |u|**order + ...`
    for `u > 0`.

    Attributes:
        slope: `f'(0)`, positive and finite.
        order: The exponent `r > 1` of the first correction to the linear regime.
        curvature: Its coefficient `c > 0`.
        bound: `sup f`.

    Raises:
        ValueError: If a number is outside the range above.

    Example:

    >>> from keras_oddsig import solver
    >>> tanh = solver.Profile(slope=1.0, order=3.0, curvature=1 / 3, bound=1.0)
    >>> tanh.scaled(amplitude=2.0, rate=3.0)  # 2 tanh(3 x)
    Profile(slope=6.0, order=3.0, curvature=0.08333333333333333, bound=2.0)

    Reference: [1], definition 1 (the class) and lemma 1 (the critical gain).
    """

    slope: float
    order: float
    curvature: float
    bound: float

    def __post_init__(self) -> None:
        for name, minimum in (("slope", 0), ("order", 1), ("curvature", 0), ("bound", 0)):
            _arguments.real(name, getattr(self, name), above=minimum)

    @property
    def critical_gain(self) -> float:
        """`omega = 1 / f'(0)`: `x -> f(a x)` leaves its fixed point 0 at `a = omega`."""
        return 1.0 / self.slope

    def scaled(self, amplitude: float = 1.0, rate: float = 1.0) -> Profile:
        """The profile of `amplitude * f(rate * x)`; both factors positive.

        Raises:
            TypeError: If a factor is not a number.
            ValueError: If a factor is not positive, or a value is too large or too small for
                float64.
        """
        _arguments.real("amplitude", amplitude, above=0)
        _arguments.real("rate", rate, above=0)
        try:
            curvature = self.curvature * amplitude ** (1.0 - self.order)
        except OverflowError:
            raise ValueError(
                f"`amplitude` must be larger, or the order smaller: {amplitude!r} to the power of "
                f"1 - order overflows. Received: amplitude={amplitude!r}, order={self.order!r}"
            ) from None
        return Profile(
            slope=amplitude * rate * self.slope,
            order=self.order,
            curvature=curvature,
            bound=amplitude * self.bound,
        )


def profile_of(function: Function) -> Profile:
    """Measures the profile of a callable, and checks that it is odd-sigmoid.

    The function is sampled over many decades around the place where it bends, so its
    scale need not be known. The order and the slope come from how `f(h) / h` rises as
    `h` falls, by Richardson extrapolation at the step where the truncation error and
    the function's own rounding noise, which is measured, balance. A function that
    answers in float32 is read as precisely as float32 allows.

    Args:
        function: `R -> R`, taking and returning a NumPy array elementwise (a function
            of one float, such as `math.tanh`, serves too).

    Returns:
        The `Profile`. For a function that is right to the rounding of float64: slope to
        1e-6 (relative), order to 0.02, curvature to 2%, for orders from 1.1 to 40.

    Raises:
        NotOddSigmoidError: If the function is not odd, continuous, bounded and strictly
            increasing with `0 < f'(0) < inf` and `f(x)/x` strictly decreasing on
            `x > 0`, as far as sampling can tell.
        TypeError: If `function` is not callable or does not return real numbers.
        ValueError: If it raises an error, if what it returns has not the shape of its argument,
            or if its value for a number is not the same each time.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> profile = solver.profile_of(lambda x: 3 * np.arctan(x / 2))
    >>> print(f"{profile.slope:.4f} {profile.order:.2f} {profile.bound:.4f}")
    1.5000 3.00 4.7124

    Reference: [1], definition 1, for the conditions.
    """
    return profile_of_sampled(Sampler(function))


def profile_of_sampled(f: Sampler) -> Profile:
    """What `profile_of` gives; errors about the function's values name its argument."""
    scale = bend(f)
    grid = np.sort(np.concatenate([np.logspace(-4, 4, 801), np.linspace(0.01, 30, 2999)]))
    grid = scale * grid[np.diff(grid, prepend=0.0) > 1e-4 * grid]  # where the two meet, one point
    x = np.concatenate([[0.0], grid])
    y, y_mirrored = f(x), f(-x)
    require_finite(x, y, y_mirrored)

    # Rounding in a term of the size of f's range: what a correctly coded f may show.
    noise = 64 * f.epsilon * np.max(np.abs(y))
    require_elementwise(f, x, y, noise)
    require_odd(f, x, y, y_mirrored, noise)
    require_increasing(f, x, y, noise)
    slope, order, curvature = expansion_at_zero(f, scale)
    require_no_growing_ratio(f, grid, y[1:], noise)
    bound = bound_at_infinity(f, scale)
    require_no_constant_ratio(f, grid, y[1:], noise, order)
    require_no_jump(f, grid, y[1:], noise)
    require_no_flat_stretch(f, grid, y[1:], noise)
    require_elementwise(f, x, y, noise)  # by now a function with a memory may answer otherwise
    return Profile(slope, order, curvature, bound)


def fixed_point(function: Function, gain: float) -> float:
    """The positive fixed point `xi_a` of `x -> f(a x)`.

    Args:
        function: An odd-sigmoid function of NumPy arrays.
        gain: `a > 0`.

    Returns:
        `xi_a > 0` with `f(a xi_a) = xi_a`, or 0.0 where `a` is at most the critical
        gain `1 / f'(0)` and 0 is the only fixed point. It grows with `a` to `sup f`.

    Raises:
        NotOddSigmoidError: If `function` is not odd-sigmoid.
        ValueError: If `gain` is not a positive number.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> round(solver.fixed_point(np.tanh, 2.0), 6)
    0.957504
    >>> solver.fixed_point(np.tanh, 1.0)
    0.0

    Reference: [1], lemma 2 and corollary 1; [2], lemma 2, for tanh.
    """
    _arguments.real("gain", gain, above=0)
    profile = profile_of(function)
    if gain * profile.slope <= 1.0:
        return 0.0
    f = Sampler(function)

    def excess(log_x: float) -> float:  # strictly decreasing, as f(x)/x is
        x = math.exp(log_x)
        return f.at(gain * x) / x - 1.0

    high = math.log(2 * profile.bound)
    low = high
    while excess(low) <= 0:
        low -= 1.0
        if low < high - 200:  # the gain exceeds the critical one by rounding alone
            return 0.0
    return math.exp(scipy.optimize.brentq(excess, low, high, xtol=1e-15))
