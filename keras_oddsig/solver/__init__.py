"""The mathematics of odd-sigmoid networks, in NumPy and SciPy, float64.

No deep-learning backend is imported here: `from keras_oddsig import solver` costs
what SciPy costs. The letters are the papers': an activation `f` with critical
gain `omega = 1 / f'(0)`, in a network of `depth` layers `L` whose dense kernels are

    W = omega * (D + noise_scale * Z / sqrt(m)),        Z_ij ~ N(0, 1),

`m` inputs, `D` the rectangular identity and `noise_scale = kappa / sqrt(L)`. What is
written `T` below is `kappa**2 = L * noise_scale**2`, depth times noise variance.

References:

- [1] Lee, Choi, Kim, [Signal Preserving Weight Initialization for Odd-Sigmoid
  Activations](https://arxiv.org/abs/2509.23085), 2025: the class of activations,
  the critical gain, the kernel, and a noise scale set by a negative rate.
- [2] Lee, Choi, Kim, [Robust Weight Initialization for Tanh Neural Networks with
  Fixed Point Analysis](https://arxiv.org/abs/2410.02242), ICLR 2025.
- This project: the calibration of the noise (`noise_scale`, `negative_rate`), of the
  spread (`spread`, `stationary_spread`, `propagate`) and of the orthogonal variant
  (`orthogonal_gain`).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, interpolate, ndimage, optimize, special

from keras_oddsig import _arguments

__all__ = [
    "NotOddSigmoidError",
    "OrthogonalGain",
    "Profile",
    "SpreadProfile",
    "fixed_point",
    "negative_rate",
    "noise_scale",
    "orthogonal_gain",
    "orthogonal_spread",
    "profile_of",
    "propagate",
    "recurrent_noise_scale",
    "recurrent_spread",
    "spread",
    "stationary_spread",
    "surrogate_noise_scale",
]

Array: TypeAlias = NDArray[np.float64]
Function: TypeAlias = Callable[[Any], Any]
Condition: TypeAlias = Literal["finite", "odd", "increasing", "slope", "ratio", "bounded"]


# ----------------------------------------------------------------------------------
# The class of activations
# ----------------------------------------------------------------------------------


class NotOddSigmoidError(ValueError):
    """A function is not odd-sigmoid.

    Attributes:
        condition: The condition that failed: `"finite"`, `"odd"`, `"increasing"`,
            `"slope"` (0 < f'(0) < inf), `"ratio"` (f(x)/x strictly decreasing on
            x > 0) or `"bounded"`.
        witness: An input `x` that shows it.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> try:
    ...     solver.profile_of(np.sin)
    ... except solver.NotOddSigmoidError as error:
    ...     print(error.condition)
    increasing
    """

    def __init__(self, condition: Condition, witness: float, detail: str) -> None:
        super().__init__(
            f"`function` is not odd-sigmoid (condition {condition!r} fails): {detail}. "
            f"Received: a function that fails at x={witness:.6g}"
        )
        self.condition = condition
        self.witness = witness
        self._detail = detail

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.condition, self.witness, self._detail)


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
        """The profile of `amplitude * f(rate * x)`; both factors positive."""
        _arguments.real("amplitude", amplitude, above=0)
        _arguments.real("rate", rate, above=0)
        return Profile(
            slope=amplitude * rate * self.slope,
            order=self.order,
            curvature=self.curvature * amplitude ** (1.0 - self.order),
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
        ValueError: If the shape of what it returns is not that of its argument.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> profile = solver.profile_of(lambda x: 3 * np.arctan(x / 2))
    >>> print(f"{profile.slope:.4f} {profile.order:.2f} {profile.bound:.4f}")
    1.5000 3.00 4.7124

    Reference: [1], definition 1, for the conditions.
    """
    f = _Sampler(function)
    scale = _bend(f)
    grid = scale * np.unique(np.concatenate([np.logspace(-4, 4, 801), np.linspace(0.01, 30, 2999)]))
    x = np.concatenate([[0.0], grid])
    y, y_mirrored = f(x), f(-x)
    _require_finite(x, y, y_mirrored)

    # Rounding in a term of the size of f's range: what a correctly coded f may show.
    noise = 64 * f.epsilon * np.max(np.abs(y))
    _require_odd(f, x, y, y_mirrored, noise)
    _require_increasing(f, x, y, noise)
    slope, order, curvature = _expansion_at_zero(f, scale)
    _require_no_growing_ratio(f, grid, y[1:], noise)
    bound = _bound(f, scale)
    _require_no_constant_ratio(f, scale, order)
    return Profile(slope, order, curvature, bound)


class _Sampler:
    """Evaluates a user's function on float64 arrays and remembers its precision."""

    def __init__(self, function: Function) -> None:
        if not callable(function):
            raise TypeError(f"`function` must be callable. Received: function={function!r}")
        self._function = function
        probe = np.array([0.25, 0.5])
        try:
            answer = function(probe)
        except TypeError:  # a function of one float, such as math.tanh
            self._function = np.vectorize(function, otypes=[np.float64])
            answer = self._function(probe)
        answer = np.asarray(answer)
        if not np.issubdtype(answer.dtype, np.floating):
            raise TypeError(
                "`function` must return real floating-point numbers. "
                f"Received: a function that returns {answer.dtype}"
            )
        self.epsilon = float(np.finfo(answer.dtype).eps)
        self.smallest = 1e-250 if self.epsilon < 1e-12 else 1e-30

    def __call__(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            y = np.asarray(self._function(x), dtype=np.float64)
        if y.shape != x.shape:
            raise ValueError(
                "`function` must return an array of the shape of its argument, "
                f"{x.shape}. Received: a function that returns the shape {y.shape}"
            )
        return y


def _bend(f: _Sampler) -> float:
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


def _require_finite(x: Array, y: Array, y_mirrored: Array) -> None:
    for inputs, outputs in ((x, y), (-x, y_mirrored)):
        bad = ~np.isfinite(outputs)
        if bad.any():
            i = int(np.argmax(bad))
            raise NotOddSigmoidError("finite", float(inputs[i]), f"f(x) = {outputs[i]}")


def _require_odd(f: _Sampler, x: Array, y: Array, y_mirrored: Array, noise: float) -> None:
    gap = np.abs(y + y_mirrored)
    suspect = np.flatnonzero(gap > noise)
    where = np.maximum(x[suspect], x[1])  # f(0) is judged as its neighbour is
    guilty = suspect[gap[suspect] > where * _ratio_rounding(f, where)]
    if guilty.size:
        i = int(guilty[np.argmax(gap[guilty] > np.max(gap[guilty]) / 2)])
        raise NotOddSigmoidError(
            "odd", float(x[i]), f"it is not odd: f(x) + f(-x) = {y[i] + y_mirrored[i]:.6g}, not 0"
        )


def _require_increasing(f: _Sampler, x: Array, y: Array, noise: float) -> None:
    step = np.diff(y)
    # Where f is rounded to its bound, or to 0, a tie says nothing.
    inner = (y[:-1] < y.max() * (1 - 1e4 * f.epsilon)) & (y[1:] > noise)
    suspect = np.flatnonzero((step < -noise) | ((step <= 0) & inner) | (y[1:] <= 0))
    fall = np.maximum(-step, -y[1:])[suspect]
    above = x[suspect + 1]
    guilty = suspect[fall >= above * _ratio_rounding(f, above)]
    if guilty.size:
        i = int(guilty[0])
        raise NotOddSigmoidError(
            "increasing",
            float(x[i + 1]),
            f"it is not strictly increasing: f({x[i + 1]:.6g}) <= f({x[i]:.6g})",
        )


def _require_no_growing_ratio(f: _Sampler, x: Array, y: Array, noise: float) -> None:
    ratio = y / x
    growth = np.diff(ratio)
    suspect = np.flatnonzero(growth > 64 * f.epsilon * ratio[:-1] + noise / x[:-1])
    rounding = np.maximum(_ratio_rounding(f, x[suspect]), _ratio_rounding(f, x[suspect + 1]))
    guilty = suspect[growth[suspect] > rounding]
    if guilty.size:
        i = int(guilty[0])
        raise NotOddSigmoidError(
            "ratio",
            float(x[i + 1]),
            f"f(x)/x grows from {ratio[i]:.6g} at {x[i]:.6g} to {ratio[i + 1]:.6g} "
            f"at {x[i + 1]:.6g}, where it must strictly decrease",
        )


def _ratio_rounding(f: _Sampler, x: Array) -> Array:
    """What rounding may add to f(x)/x, as measured there.

    Asked for where a check fails at the tolerance of a correctly rounded f: a formula that
    cancels, as `coth(x) - 1/x` does near 0, rounds worse, and is in the class all the same.
    """
    return 8 * _smoothed_ratio(f, x)[1]


def _require_no_constant_ratio(f: _Sampler, scale: float, order: float) -> None:
    x = np.array([scale / 2, scale])
    near, far = f(x) / x
    if near - far <= 32 * f.epsilon * near or math.isnan(order):
        raise NotOddSigmoidError(
            "ratio",
            scale,
            f"f(x)/x is constant, {near:.6g}, from {x[0]:.6g} to {x[1]:.6g}, where it must "
            "strictly decrease",
        )


def _bound(f: _Sampler, scale: float) -> float:
    """`sup f`, from values a decade apart and Aitken's extrapolation of a power tail."""
    x = scale * np.logspace(4, 8, 5)
    y = f(x)
    _require_finite(x, y, -y)
    # Further out for as long as the formula holds: a naive one overflows there.
    for decade in range(9, int(-math.log10(f.smallest) / 2)):
        further = float(f(np.array([scale * 10.0**decade]))[0])
        if not y[-1] <= further < math.inf:
            break
        x, y = np.append(x, scale * 10.0**decade), np.append(y, further)
    steps = np.diff(y)
    if steps[-1] <= 64 * f.epsilon * y[-1]:
        return float(y.max())
    # A bounded power tail shrinks the steps by a factor; a logarithm keeps them.
    tail = steps[-1] / steps[-2]
    if tail > 0.9:
        raise NotOddSigmoidError(
            "bounded", float(x[-1]), f"it is not bounded: f still grows, to {y[-1]:.6g}"
        )
    return float(y[-1] + steps[-1] * tail / (1 - tail))


def _expansion_at_zero(f: _Sampler, scale: float) -> tuple[float, float, float]:
    """Slope, order and curvature, from `R(h) = f(h)/h = s (1 - c (s h)^(r-1) + ...)`."""
    octaves = 2 * scale * 2.0 ** -np.arange(int(-math.log2(f.smallest)), dtype=np.float64)
    # The finer ladder sees high orders, which bend abruptly.
    fine = 2 * scale * 2.0 ** (-np.arange(60) / 4)
    ladders = [(h, *_ratio_with_noise(f, h)) for h in (octaves, fine)]
    slope = _slope_at_zero(*ladders[0], f)

    h, k, error, rise, factor = map(
        np.concatenate, zip(*(_local_orders(*ladder) for ladder in ladders), strict=True)
    )
    # At an extremum of the local exponent its neighbours agree by chance. What shows it is
    # that the exponents at smaller h differ by more than their noise.
    disagreement = np.maximum(np.abs(k[:, None] - k) - 3 * error, 0)
    disagreement[h >= h[:, None]] = 0
    error = error + disagreement.max(axis=1, initial=0)
    if not k.size:
        return slope, math.nan, math.nan  # the ratio is constant to rounding
    best = int(np.argmin(error))
    # A small error in r is a large one in c, by (s h)^-r. Where the whole number nearby is
    # as likely, it is the order: so it is for any function with a series in |x|.
    power = float(k[best])
    if abs(power - round(power)) < error[best] < 0.1:
        power = float(round(power))
    curvature = rise[best] / (slope * (slope * h[best]) ** power * (1 - factor[best] ** -power))
    return slope, 1 + power, float(curvature)


def _local_orders(h: Array, ratio: Array, noise: Array) -> tuple[Array, ...]:
    """Steps h, exponents `r - 1` seen there, their errors, rises of R, and the ladder's factor.

    `R(h / factor) - R(h)` falls with h like `h^(r-1)`: its logarithmic derivative, Aitken's
    estimate, is the exponent. Its change since the step before tells the truncation error,
    taken to fall at least like h: the rest of a geometric series.
    """
    factor = h[0] / h[1]
    rise, rise_noise = np.diff(ratio), noise[:-1] + noise[1:]
    relative = rise_noise / np.where(rise > 0, rise, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        k = np.log(rise[:-1] / rise[1:]) / math.log(factor)
    rounding = np.hypot(relative[:-1], relative[1:]) / math.log(factor)
    error = np.abs(np.diff(k)) / (factor - 1) + rounding[1:]
    visible = relative < 1 / 4
    usable = np.flatnonzero(visible[:-2] & visible[1:-1] & visible[2:] & (k[1:] > 0))
    return (
        h[usable + 2],
        k[usable + 1],
        error[usable],
        rise[usable + 2],
        np.full(usable.size, factor),
    )


def _slope_at_zero(h: Array, ratio: Array, noise: Array, f: _Sampler) -> float:
    """`R(0)`, by Richardson extrapolation from the step where its error is least."""
    reliable = np.logical_and.accumulate(noise < max(1e-5, 32 * f.epsilon) * np.abs(ratio))
    _require_slope(h, ratio, reliable)
    rise, rise_noise = np.diff(ratio), noise[:-1] + noise[1:]
    visible = rise > 4 * rise_noise
    best, least = math.nan, math.inf
    for j in np.flatnonzero(reliable[:-1] & reliable[1:]).tolist():
        slope, error = float(ratio[j + 1]), rise_noise[j] + abs(rise[j])
        if j > 0 and visible[j] and visible[j - 1] and rise[j - 1] > rise[j]:
            # R(h) = s - a h^k: the geometric series of the rises still to come.
            slope += float(rise[j] / (rise[j - 1] / rise[j] - 1))
            error = rise_noise[j] + rise[j] * abs(slope - ratio[j + 1]) / slope
        if error < least:
            best, least = slope, error
    if not least < max(1e-4, 1e3 * f.epsilon) * best:
        raise NotOddSigmoidError(
            "slope", float(h[-1]), "f(x)/x does not settle to a finite slope as x -> 0"
        )
    return best


def _smoothed_ratio(f: _Sampler, h: Array) -> tuple[Array, Array]:
    """`f(h)/h`, smoothed over a tight cluster about each h, and its rounding noise."""
    offsets = np.linspace(-1.0, 1.0, 12)
    x = h[:, None] * (1 + 1e-3 * offsets)
    ratio = f(x) / x
    # A cubic through each cluster is the function; what it leaves over is rounding.
    basis = np.polynomial.polynomial.polyvander(offsets, 3)
    coefficients = ratio @ np.linalg.pinv(basis).T
    return coefficients[:, 0], np.max(np.abs(ratio - coefficients @ basis.T), axis=1)


def _ratio_with_noise(f: _Sampler, h: Array) -> tuple[Array, Array]:
    """`f(h)/h` for falling h, and its rounding noise, which does not fall as h does."""
    centre, noise = _smoothed_ratio(f, h)
    # A cluster on a kink stands out from its neighbours; it is no noise.
    noise = np.minimum(noise, np.append(noise[1:], noise[-1]))
    # Never better than one rounding, and no better at a smaller h than at a larger:
    # 2 sigmoid(h) - 1 is exactly 0 below 1e-16, which is noise, not precision.
    noise = np.maximum.accumulate(np.maximum(noise, f.epsilon * np.abs(centre)))
    return centre, noise


def _require_slope(h: Array, ratio: Array, reliable: NDArray[np.bool_]) -> None:
    """Rejects a ratio f(h)/h that goes to 0 or to infinity like a power of h."""
    last = int(reliable.sum()) - 1
    if last < 4:
        raise NotOddSigmoidError("slope", float(h[0]), "f(x)/x is not smooth near 0")
    first = last - 4  # the smallest steps that can be trusted: larger ones may be saturated
    power = math.log2(ratio[last] / ratio[first]) / (last - first)  # R ~ h^-power
    if power < -0.01:
        raise NotOddSigmoidError("slope", float(h[last]), "its slope at 0 is 0")
    if power > 0.01:
        raise NotOddSigmoidError("slope", float(h[last]), "its slope at 0 is infinite")


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
    f = _Sampler(function)

    def excess(log_x: float) -> float:  # strictly decreasing, as f(x)/x is
        x = math.exp(log_x)
        return float(f(np.array([gain * x]))[0]) / x - 1.0

    high = math.log(2 * profile.bound)
    low = high
    while excess(low) <= 0:
        low -= 1.0
        if low < high - 200:  # the gain exceeds the critical one by rounding alone
            return 0.0
    return math.exp(optimize.brentq(excess, low, high, xtol=1e-15))


# ----------------------------------------------------------------------------------
# Noise scale and negative rate
# ----------------------------------------------------------------------------------

# p(T) = (1 - exp(-_DECAY (T - _DELAY))) / 2, fitted to the sign-flip probability of the
# mean-field diffusion dv = -sgn(v)|v|^r dt + sqrt(E v^2) dB that starts at infinity
# (Monte Carlo, 400,000 paths; the slowest odd mode decays at .482, .463, .450, .435 for
# r = 2, 3, 4, 6). Within .006 for r = 2, 3, 4 and .008 for r = 6: tests/test_solver.py
# compares it with a deterministic solution.
_DECAY: Final = 0.473
_DELAY: Final = 0.31
# Below p = .04 a flip is a rare event, p = .04 exp(-_RARE (1/T - 1/T(.04))): the form of
# a first passage, whose rate the same diffusion fits at r = 3 (p(.2) = .0021, p(.4) = .0258).
_RARE: Final = 0.99
_RARE_RATE: Final = 0.04
_RARE_TIME: Final = _DELAY - math.log(1 - 2 * _RARE_RATE) / _DECAY


def noise_scale(depth: ArrayLike, negative_rate: ArrayLike = 0.3) -> Any:
    """The noise scale that gives a negative rate at the target layer.

    `noise_scale = sqrt(T(p) / L)`, with `T(p) = 0.31 + ln(1 / (1 - 2 p)) / 0.473` for
    `p >= 0.04` and a rare-event form below. It is the standard deviation of the noise
    that a unit receives per layer, relative to the root mean square of the signal: before
    the critical gain, and before the division by `sqrt(m)` for a kernel of `m` inputs.

    Args:
        depth: The target layer `L >= 1`. A number or an array.
        negative_rate: `p`, the fraction of activations at layer `L` whose sign differs
            from the input's, `0 < p < 0.5`. A number or an array.

    Returns:
        A float, or an array of the broadcast shape.

    Raises:
        ValueError: If `depth` or `negative_rate` is outside its range.

    Example:

    >>> from keras_oddsig import solver
    >>> round(solver.noise_scale(100, negative_rate=0.3), 4)
    0.1499
    >>> round(solver.noise_scale(310), 3)  # the constant that [2] tuned by hand
    0.085

    Reference: this project's calibration of the idea in [1], section 4.
    """
    depth, p = (
        _arguments.array("depth", depth, at_least=1),
        _arguments.array("negative_rate", negative_rate),
    )
    if not np.all((p > 0) & (p < 0.5)):
        raise ValueError(
            "`negative_rate` must lie strictly between 0 and 0.5. "
            f"Received: negative_rate={negative_rate!r}"
        )
    common = _DELAY - np.log1p(-2 * np.maximum(p, _RARE_RATE)) / _DECAY
    rare = 1 / (1 / _RARE_TIME + np.log(_RARE_RATE / np.minimum(p, _RARE_RATE)) / _RARE)
    return _arguments.scalar(np.sqrt(np.where(p >= _RARE_RATE, common, rare) / depth))


def negative_rate(depth: ArrayLike, noise_scale: ArrayLike) -> Any:
    """The negative rate at the target layer: the inverse of `noise_scale`.

    `p = (1 - exp(-0.473 (T - 0.31))) / 2` with `T = L * noise_scale**2`, for every
    odd-sigmoid activation to within 0.006 (0.008 at order 6), for inputs above the final
    spread.

    Args:
        depth: The target layer `L >= 1`. A number or an array.
        noise_scale: Relative noise per layer, at least 0. A number or an array.

    Returns:
        `p` in `[0, 0.5]`: a float, or an array of the broadcast shape. 0 means that
        nothing has mixed yet, 1/2 that the sign of the input is forgotten.

    Raises:
        ValueError: If `depth` or `noise_scale` is outside its range.

    Example:

    >>> from keras_oddsig import solver
    >>> round(solver.negative_rate(100, solver.noise_scale(100, 0.3)), 6)
    0.3

    Reference: this project's calibration of the idea in [1], section 4.
    """
    depth, sigma = (
        _arguments.array("depth", depth, at_least=1),
        _arguments.array("noise_scale", noise_scale, at_least=0),
    )
    time = depth * sigma**2
    common = -np.expm1(-_DECAY * (np.maximum(time, _RARE_TIME) - _DELAY)) / 2
    with np.errstate(divide="ignore"):
        rare = _RARE_RATE * np.exp(-_RARE * (1 / np.minimum(time, _RARE_TIME) - 1 / _RARE_TIME))
    return _arguments.scalar(np.where(time >= _RARE_TIME, common, rare))


def surrogate_noise_scale(depth: float, negative_rate: float) -> float:
    """The noise scale of the scalar surrogate: for comparison only.

    It treats all units as equally large: a unit's gain is `a ~ N(omega, s**2)`, its sign
    flips with probability `q = Phi(-omega / s)` at each layer, and
    `p = (1 - (1 - 2 q)**L) / 2`. In a real network it overshoots: at `p = 0.3`, `L = 300`
    it asks for 0.34 (and `noise_scale` for 0.09), and the negative rate is 0.50.
    `noise_scale` is the calibration to use.

    Args:
        depth: The target layer `L >= 1`.
        negative_rate: `p`, with `0 < p < 0.5`.

    Returns:
        `s / omega`, the counterpart of `noise_scale`.

    Raises:
        ValueError: If `depth` or `negative_rate` is outside its range.

    Example:

    >>> from keras_oddsig import solver
    >>> round(solver.surrogate_noise_scale(300, 0.3), 2)
    0.34

    Reference: our reading of the calibration in [1], section 4.
    """
    _arguments.real("depth", depth, at_least=1)
    _arguments.real("negative_rate", negative_rate, above=0, below=0.5)
    flip = -math.expm1(math.log1p(-2 * negative_rate) / depth) / 2
    return float(-1 / special.ndtri(flip))


# ----------------------------------------------------------------------------------
# Spread
# ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class SpreadProfile:
    """The signal layer by layer, as `propagate` predicts it.

    Attributes:
        std: Shape `(depth,)`. `std[l - 1]` is the standard deviation of the activations
            of layer `l`, in the units of `f`.
        negative_rate: Shape `(depth,)`. The fraction of activations of layer `l` whose
            sign differs from that of the same unit's input.
    """

    std: Array
    negative_rate: Array


def propagate(
    function: Function, depth: int, noise_scale: float, input_std: float = 1.0
) -> SpreadProfile:
    """Evolves the distribution of the signal through the layers, in the mean field.

    One unit of an infinitely wide network follows
    `x -> f(omega * (x + N(0, noise_scale**2 * E x**2)))`. The distribution of `x` is kept
    as a cumulative distribution function on a grid that follows it: the noise is a
    convolution (a product in Fourier space), the activation a change of variable. No
    sampling, the same answer each time.

    Args:
        function: An odd-sigmoid function of NumPy arrays.
        depth: Number of layers, an integer of at least 1.
        noise_scale: Relative noise per layer, at least 0.
        input_std: Standard deviation of the Gaussian inputs, positive. By symmetry the
            result is that for half-normal inputs of one sign, too. A unit that starts
            near 0 flips sooner than `negative_rate`, which assumes inputs above the
            final spread, says.

    Returns:
        A `SpreadProfile` of `depth` layers.

    Raises:
        NotOddSigmoidError: If `function` is not odd-sigmoid.
        TypeError: If `depth` is not an integer.
        ValueError: If a number is outside its range.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> signal = solver.propagate(np.tanh, depth=100, noise_scale=0.15)
    >>> print(f"{signal.std[0]:.3f} {signal.std[-1]:.3f} {signal.negative_rate[-1]:.2f}")
    0.631 0.137 0.33

    Reference: this project; the recursion is the mean field of [1], equation 3.
    """
    _arguments.integer("depth", depth, at_least=1)
    _arguments.real("noise_scale", noise_scale, at_least=0)
    _arguments.real("input_std", input_std, above=0)
    omega = profile_of(function).critical_gain
    f = _Sampler(function)
    # The sign of the input is divided out: x > 0 at the start, and x < 0 is a flip.
    edges = np.linspace(-10 * input_std, 10 * input_std, _CELLS + 1)
    law = _Law(edges, special.erf(np.maximum(edges, 0) / (input_std * math.sqrt(2))))
    std, flipped = np.empty(depth), np.empty(depth)
    for layer in range(depth):
        law = law.add_noise(noise_scale * law.rms()).push(lambda x: f(omega * x))
        std[layer], flipped[layer] = law.rms(), law.below_zero()
    return SpreadProfile(std, flipped)


# Cells of the grid. The noise is `noise_scale` times the spread, the grid some 12
# spreads wide: noise scales down to 0.01 are resolved by 3 cells or more.
_CELLS: Final = 4096
_TAIL: Final = 1e-10


class _Law:
    """A probability law on the line: its cumulative distribution on a uniform grid."""

    def __init__(self, edges: Array, cdf: Array) -> None:
        self.edges, self.cdf = edges, cdf

    def rms(self) -> float:
        """Root mean square, exact for a law that is uniform within each cell."""
        left, right = self.edges[:-1], self.edges[1:]
        square = (left * left + left * right + right * right) / 3
        return math.sqrt(float(np.diff(self.cdf) @ square))

    def below_zero(self) -> float:
        return float(np.interp(0.0, self.edges, self.cdf))

    def add_noise(self, std: float) -> _Law:
        """The law of x + N(0, std**2)."""
        if std == 0:
            return self
        cell = self.edges[1] - self.edges[0]
        # Room for the noise on both sides, lest the periodic convolution wrap around.
        room = math.ceil(8 * std / cell)
        mass = np.pad(np.diff(self.cdf), room)
        size = fft.next_fast_len(mass.size, real=True)
        spectrum = ndimage.fourier_gaussian(fft.rfft(mass, size), std / cell, n=size)
        mass = np.maximum(fft.irfft(spectrum, size)[: mass.size], 0)
        cdf = np.concatenate([[0.0], np.cumsum(mass)])
        start = self.edges[0] - room * cell
        return _Law(start + cell * np.arange(cdf.size), cdf / cdf[-1])

    def push(self, function: Callable[[Array], Array]) -> _Law:
        """The law of function(x), for an increasing function, on a grid that fits it."""
        # Saturated, f has few distinct values left: one point for each, as pchip wants.
        image, last = np.unique(function(self.edges)[::-1], return_index=True)
        cdf = self.cdf[::-1][last]
        inside = np.flatnonzero((cdf > _TAIL) & (cdf < 1 - _TAIL))
        low, high = max(inside[0] - 1, 0), min(inside[-1] + 1, cdf.size - 1)
        edges = np.linspace(image[low], image[high], _CELLS + 1)
        return _Law(edges, np.clip(interpolate.pchip_interpolate(image, cdf, edges), 0, 1))


def stationary_spread(profile: Profile, noise_scale: float) -> float:
    """The spread that a constant noise keeps up in an infinitely deep network.

    `[G**((r+1)/2) (r+1) sigma**2 / (2 c)]**(1/(r-1))` with
    `G = Gamma(3/(r+1)) / Gamma(1/(r+1))` and `sigma = noise_scale`: the second moment of
    the stationary law of the mean-field diffusion, proportional to
    `exp(-2 c |u|**(r+1) / ((r+1) sigma**2 E u**2))`. For tanh it is `0.828 sigma`.

    Args:
        profile: Of the activation.
        noise_scale: Relative noise per layer, at least 0.

    Returns:
        The standard deviation of the activations, in the units of `f`. The
        approximation is for small noise.

    Raises:
        ValueError: If `noise_scale` is negative.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> tanh = solver.Profile(slope=1.0, order=3.0, curvature=1 / 3, bound=1.0)
    >>> round(solver.stationary_spread(tanh, 1.0), 3)
    0.828

    Reference: this project.
    """
    _arguments.real("noise_scale", noise_scale, at_least=0)
    r, c = profile.order, profile.curvature
    ratio = special.gamma(3 / (r + 1)) / special.gamma(1 / (r + 1))
    return float((ratio ** ((r + 1) / 2) * (r + 1) * noise_scale**2 / (2 * c)) ** (1 / (r - 1)))


def spread(profile: Profile, depth: float, noise_scale: float) -> float:
    """The standard deviation of the activations at the target layer.

    `S_r(T) * (T / (c L))**(1/(r-1))` with `T = L * noise_scale**2`. `S_r(T)` is the root
    mean square, at time `T`, of the diffusion `dv = -sgn(v)|v|**r dt + sqrt(E v**2) dB`
    that starts at infinity; it is computed once for each pair of `r` and `T`. As `T`
    grows it falls to the `stationary_spread`.

    Args:
        profile: Of the activation.
        depth: The target layer `L >= 1`.
        noise_scale: Relative noise per layer, at least 0. At 0 the signal shrinks
            undisturbed, to `(c (r-1) L)**(-1/(r-1))`.

    Returns:
        The spread in the units of `f`, for inputs above it. `propagate` follows a given
        function and input layer by layer, without the assumption of a large depth.

    Raises:
        ValueError: If a number is outside its range.

    Example:

    >>> from keras_oddsig import solver
    >>> tanh = solver.Profile(slope=1.0, order=3.0, curvature=1 / 3, bound=1.0)
    >>> round(solver.spread(tanh, 100, solver.noise_scale(100)), 2)
    0.14

    Reference: this project.
    """
    _arguments.real("depth", depth, at_least=1)
    _arguments.real("noise_scale", noise_scale, at_least=0)
    power = 1 / (profile.order - 1)
    if noise_scale == 0:
        return float((profile.curvature * (profile.order - 1) * depth) ** -power)
    # Stationary to 1e-5 from T = 24 on.
    universal, _ = _diffusion(profile.order, min(depth * noise_scale**2, 24.0))
    return float(universal * (noise_scale**2 / profile.curvature) ** power)


@functools.lru_cache(maxsize=1024)
def _diffusion(order: float, time: float, steps: int | None = None) -> tuple[float, float]:
    """Root mean square and sign-flip probability of the mean-field diffusion.

    `dv = -sgn(v)|v|**r dt + sqrt(E v**2) dB`, `v(0) = inf`, at `time`. Strang's splitting:
    the drift alone is solved exactly, `v -> v / (1 + (r-1) dt |v|**(r-1))**(1/(r-1))`, and
    the noise alone is a convolution. The first steps, where the drift is stiff, are short.
    """
    k = order - 1
    if steps is None:  # within 3e-4 of the limit
        steps = max(128, math.ceil(24 * time))

    def drift(duration: float) -> Callable[[Array], Array]:
        return lambda v: v * (1 + k * duration * np.abs(v) ** k) ** (-1 / k)

    # Step boundaries t_i = T (i/n)^2, noise in the middle of each.
    boundaries = time * (np.arange(steps + 1) / steps) ** 2
    durations = np.diff(boundaries)
    start = (k * durations[0] / 2) ** (-1 / k)  # the drift from infinity, for half a step
    noise = start * math.sqrt(math.expm1(durations[0]))
    edges = start + noise * np.linspace(-8, 8, _CELLS + 1)
    law = _Law(edges, special.ndtr((edges - start) / noise))
    for this, following in itertools.pairwise(durations):
        law = law.push(drift((this + following) / 2))
        law = law.add_noise(law.rms() * math.sqrt(math.expm1(following)))
    law = law.push(drift(durations[-1] / 2))
    return law.rms(), law.below_zero()


# ----------------------------------------------------------------------------------
# One kernel for all steps
# ----------------------------------------------------------------------------------

# A recurrent kernel meets the state with the same noise at each step, so that its kicks add
# up like t and not like sqrt(t): the steps become time steps of dv/dt = -sgn(v)|v|^r + G v,
# G_ij ~ N(0, 1/m), at the time steps * noise_scale, in which f has scaled out but for r.
# Sampled from infinity (m = 1000, 6 matrices, 48 states each, standard error .006 in p):
#
#   time     1.0   1.5   2.0   2.5   3.0   4.0   5.0
#   p, r=2  .074  .176  .260  .323  .368  .422  .461      S  1.07  .82  .73  .69  .68  .69  .70
#   p, r=3  .082  .184  .265  .321  .362  .414  .446      S   .74  .68  .67  .69  .71  .74  .75
#   p, r=4  .086  .189  .265  .319  .358  .407  .440      S   .72  .69  .70  .72  .74  .77  .78
#   p, r=6  .094  .197  .265  .318  .352  .400  .432      S   .73  .72  .74  .76  .78  .80  .81
_RECURRENT_DECAY: Final = 0.53
_RECURRENT_DELAY: Final = 0.6
_RECURRENT_SPREAD: Final = 0.7


def recurrent_noise_scale(steps: ArrayLike, negative_rate: ArrayLike = 0.3) -> Any:
    """The noise scale of a recurrent kernel, which all steps share.

    `noise_scale` is for layers that each have their own noise. Noise that is the same at
    each step adds up faster, like the number of steps and not its root; with the scale for
    layers, a recurrent network forgets the sign of its state. Here
    `noise_scale = (0.6 + ln(1 / (1 - 2 p)) / 0.53) / steps`.

    Args:
        steps: The target step, at least 1. A number or an array.
        negative_rate: `p`, the fraction of units whose sign after that many steps differs
            from the first state's, from 0.05 to 0.45. A number or an array.

    Returns:
        A float, or an array of the broadcast shape: the `noise_scale` of
        `OddSigmoidInit`. The rate is met to within 0.03 for orders from 2 to 6, for states
        that start above the final spread, and no input on the way.

    Raises:
        ValueError: If `steps` or `negative_rate` is outside its range.

    Example:

    >>> import keras_oddsig as ko
    >>> round(ko.recurrent_noise_scale(500), 5)
    0.00466
    >>> init = ko.OddSigmoidInit("tanh", noise_scale=ko.recurrent_noise_scale(500))
    >>> layer = keras.layers.SimpleRNN(32, recurrent_initializer=init)

    Reference: this project.
    """
    steps, p = (
        _arguments.array("steps", steps, at_least=1),
        _arguments.array("negative_rate", negative_rate),
    )
    if not np.all((p >= 0.05) & (p <= 0.45)):
        raise ValueError(
            "`negative_rate` must lie between 0.05 and 0.45. "
            f"Received: negative_rate={negative_rate!r}"
        )
    return _arguments.scalar((_RECURRENT_DELAY - np.log1p(-2 * p) / _RECURRENT_DECAY) / steps)


def recurrent_spread(profile: Profile, noise_scale: float) -> float:
    """The standard deviation of the state of a recurrent network with `OddSigmoidInit`.

    `0.7 * (noise_scale / c)**(1/(r-1))`: a state that starts above it comes down to it, and
    there it stays. The state of `OddSigmoidOrthogonal` has that initializer's own spread.

    Args:
        profile: Of the activation.
        noise_scale: Of the kernel that all steps share, at least 0.

    Returns:
        The spread in the units of `f`, to within 20% from `1.5 / noise_scale` steps on, for
        orders from 2 to 6.

    Raises:
        ValueError: If `noise_scale` is negative.

    Example:

    >>> from keras_oddsig import solver
    >>> tanh = solver.Profile(slope=1.0, order=3.0, curvature=1 / 3, bound=1.0)
    >>> round(solver.recurrent_spread(tanh, solver.recurrent_noise_scale(500)), 2)
    0.08

    Reference: this project.
    """
    _arguments.real("noise_scale", noise_scale, at_least=0)
    power = 1 / (profile.order - 1)
    return float(_RECURRENT_SPREAD * (noise_scale / profile.curvature) ** power)


# ----------------------------------------------------------------------------------
# The orthogonal variant
# ----------------------------------------------------------------------------------


_ENTRY: Final = 0.5  # where a first layer lets data in, in units of the spread


@dataclass(frozen=True)
class OrthogonalGain:
    """The operating point of a network of kernels `g * omega * Q`, `Q` a rotation.

    Attributes:
        gain: `g`, relative to the critical gain.
        spread: `sqrt(q)`, the standard deviation of the activations that keeps itself:
            `E f(g omega sqrt(q) z)**2 = q`, `z ~ N(0, 1)`. In the units of `f`.
        chi: `g**2 omega**2 E f'(g omega sqrt(q) z)**2`, the mean squared growth of a
            gradient per layer.
    """

    gain: float
    spread: float
    chi: float

    def first_layer_gain(self, input_std: float) -> float:
        """The gain with which a first layer lets data in at half the spread.

        `g * spread / (2 s)`: the data begin where the signal of the next layers is still
        almost linear, and grow to the spread that keeps itself. At the gain `g` itself,
        standardized data are three times that spread in 100 layers of tanh, and saturate the
        first layers.

        Args:
            input_std: The standard deviation `s > 0` of the network's inputs, 1 if they are
                standardized.

        Returns:
            The gain, relative to the critical gain.

        Raises:
            TypeError: If `input_std` is not a number.
            ValueError: If it is not positive, or the gain is at most 1, where the signal keeps
                up no spread to begin at.

        Example:

        >>> import numpy as np
        >>> from keras_oddsig import solver
        >>> point = solver.orthogonal_gain(np.tanh, depth=100)
        >>> print(f"{point.first_layer_gain(1.0):.2f}")
        0.17

        Reference: this project; the half is an empirical choice, and `docs/benchmarks.md`
        says with what it was made.
        """
        _arguments.real("input_std", input_std, above=0)
        if self.spread == 0:
            raise ValueError(
                "`input_std` must come with a gain above 1: at this one the signal keeps up no "
                f"spread to begin at. Received: input_std={input_std!r}, gain={self.gain!r}"
            )
        return self.gain * _ENTRY * self.spread / input_std


def orthogonal_gain(function: Function, depth: float) -> OrthogonalGain:
    """The gain of the orthogonal variant for a network of a given depth.

    The largest dispersion whose squared gradient grows by at most a factor e over the
    depth: the gain that solves `chi(g) = 1 + 1 / L`.

    Args:
        function: An odd-sigmoid function of NumPy arrays.
        depth: The number of layers `L >= 1`.

    Returns:
        The `OrthogonalGain`. It does not depend on the scale of the activation: for
        `A f(k x)` the gain and `chi` are those of `f`, and the spread is `A` times its.

    Raises:
        NotOddSigmoidError: If `function` is not odd-sigmoid.
        ValueError: If `depth` is less than 1.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> point = solver.orthogonal_gain(np.tanh, depth=100)
    >>> print(f"{point.gain:.2f} {point.spread:.2f} {point.chi:.2f}")
    1.10 0.30 1.01

    Reference: this project; `q` and `chi` are those of mean-field theory, as in Poole
    et al., [Exponential expressivity in deep neural networks through transient
    chaos](https://arxiv.org/abs/1606.05340), 2016.
    """
    _arguments.real("depth", depth, at_least=1)
    f, omega = _Sampler(function), profile_of(function).critical_gain

    def excess(log_gain: float) -> float:
        return _operating_point(f, omega, math.exp(log_gain)).chi - 1 - 1 / depth

    # chi - 1 is 0 at g = 1 and grows like (g - 1)**2: double until the root is inside.
    high = 0.01 / math.sqrt(depth)
    while excess(high) < 0:
        high *= 2
    return _operating_point(f, omega, math.exp(optimize.brentq(excess, high / 1e3, high)))


def orthogonal_spread(function: Function, gain: float) -> OrthogonalGain:
    """The spread and the gradient growth of the orthogonal variant at a given gain.

    Args:
        function: An odd-sigmoid function of NumPy arrays.
        gain: `g`, relative to the critical gain, positive. At `g <= 1` the signal dies:
            the spread is 0 and `chi = g**2`.

    Returns:
        The `OrthogonalGain`.

    Raises:
        NotOddSigmoidError: If `function` is not odd-sigmoid.
        ValueError: If `gain` is not a positive number.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> point = solver.orthogonal_spread(np.tanh, gain=1.05)
    >>> print(f"{point.spread:.3f} {point.chi - 1:.5f}")
    0.220 0.00288

    Reference: as for `orthogonal_gain`.
    """
    _arguments.real("gain", gain, above=0)
    return _operating_point(_Sampler(function), profile_of(function).critical_gain, gain)


def _orthogonal_path(function: Function, depth: int, gain: float, input_std: float) -> Array:
    """The spread layer by layer on its way to that of `orthogonal_spread`, shape `(depth,)`.

    `q -> E f(g omega sqrt(q) z)**2`: what a rotation mixes is Gaussian, of any input.
    """
    f, steepness = _Sampler(function), gain * profile_of(function).critical_gain
    std = np.empty(depth)
    for layer in range(depth):
        input_std = std[layer] = math.sqrt(float(_WEIGHT @ f(steepness * input_std * _Z) ** 2))
    return std


def _half_normal_rule() -> tuple[Array, Array]:
    """Nodes z > 0 and weights with sum(w * h(z)) = E h(|z|), z ~ N(0, 1).

    Gauss-Legendre in panels that narrow towards 0, so that neither a kink at 0 (softsign)
    nor a steep activation (a large gain) costs precision, as it does Gauss-Hermite.
    """
    panels = np.concatenate([[0.0], np.logspace(-4, 0, 9), [2.0, 3.0, 4.5, 6.0, 8.0, 10.0]])
    nodes, weights = np.polynomial.legendre.leggauss(24)
    half = np.diff(panels)[:, None] / 2
    z = (panels[:-1, None] + half * (nodes + 1)).ravel()
    w = (half * weights).ravel() * np.exp(-(z**2) / 2) * math.sqrt(2 / math.pi)
    return z, w


_Z, _WEIGHT = _half_normal_rule()


def _operating_point(f: _Sampler, omega: float, gain: float) -> OrthogonalGain:
    if gain <= 1:
        return OrthogonalGain(gain, 0.0, gain**2)
    steepness = gain * omega

    def excess(log_spread: float) -> float:  # decreases, as f(x)/x does
        root_q = math.exp(log_spread)
        return float(_WEIGHT @ f(steepness * root_q * _Z) ** 2) / root_q**2 - 1

    high = math.log(2 * float(f(np.array([1e8 * omega]))[0]))
    low = high - 1
    while excess(low) <= 0:
        low -= 1
    root_q = math.exp(optimize.brentq(excess, low, high, xtol=1e-13))
    x = steepness * root_q * _Z
    # Fourth-order central differences; on one side of 0, where f may have a kink in f''.
    h = x * f.epsilon**0.2 / 2
    slope = (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)
    return OrthogonalGain(gain, root_q, float(steepness**2 * (_WEIGHT @ slope**2)))
