"""The class of odd-sigmoid functions: its conditions, and the error of one that fails.

A check of what was sampled belongs here: it raises the error, or it passes and returns nothing.
Two conditions are judged in `asymptotics`, where an extrapolation fails to settle: that the
slope at 0 is finite and that the function is bounded.

Reference: [1] of `keras_oddsig.solver`, definition 1.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keras_oddsig._arguments import Array
from keras_oddsig.solver.sampling import Sampler, ratio_rounding

Condition: TypeAlias = Literal["finite", "odd", "increasing", "slope", "ratio", "bounded"]


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

    def __init__(
        self, condition: Condition, witness: float, detail: str, argument: str = "function"
    ) -> None:
        super().__init__(
            f"`{argument}` is not odd-sigmoid (condition {condition!r} fails): {detail}. "
            f"Received: a function that fails at x={witness:.6g}"
        )
        self.condition = condition
        self.witness = witness
        self._detail = detail
        self._argument = argument

    def naming(self, argument: str) -> NotOddSigmoidError:
        """The same error about an argument of another name."""
        return type(self)(self.condition, self.witness, self._detail, argument)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.condition, self.witness, self._detail, self._argument)


def require_finite(x: Array, y: Array, y_mirrored: Array) -> None:
    for inputs, outputs in ((x, y), (-x, y_mirrored)):
        bad = ~np.isfinite(outputs)
        if bad.any():
            i = int(np.argmax(bad))
            raise NotOddSigmoidError("finite", float(inputs[i]), f"f(x) = {outputs[i]}")


def require_odd(f: Sampler, x: Array, y: Array, y_mirrored: Array, noise: float) -> None:
    gap = np.abs(y + y_mirrored)
    suspect = np.flatnonzero(gap > noise)
    where = np.maximum(x[suspect], x[1])  # f(0) is judged as its neighbour is
    guilty = suspect[gap[suspect] > where * ratio_rounding(f, where)]
    if guilty.size:
        i = int(guilty[np.argmax(gap[guilty] > np.max(gap[guilty]) / 2)])
        raise NotOddSigmoidError(
            "odd", float(x[i]), f"it is not odd: f(x) + f(-x) = {y[i] + y_mirrored[i]:.6g}, not 0"
        )


def require_elementwise(f: Sampler, x: Array, y: Array, noise: float) -> None:
    """Rejects a function with a memory, with chance in it, or of its argument as a whole."""
    backwards = np.arange(x.size - 2, 0, -3)
    odd = backwards[(backwards.size + 1) % 2 :]
    for some in (odd[::2], odd[1::2]):  # an odd and an even number of them
        gap = np.abs(f(x[some]) - y[some])
        suspect = ~(gap <= noise)
        where = x[some[suspect]]
        guilty = where[~(gap[suspect] <= where * ratio_rounding(f, where))]
        if guilty.size:
            raise ValueError(
                f"`{f.argument}` must give a number the same value each time, whatever other "
                "numbers are in the array. Received: a function with two values at "
                f"x={guilty[-1]:.6g}"
            )


def require_increasing(f: Sampler, x: Array, y: Array, noise: float) -> None:
    step = np.diff(y)
    suspect = np.flatnonzero((step < -noise) | (y[1:] <= 0))
    fall = np.maximum(-step, -y[1:])[suspect]
    above = x[suspect + 1]
    guilty = suspect[fall >= above * ratio_rounding(f, above)]
    if guilty.size:
        i = int(guilty[0])
        raise _not_increasing(x[i], x[i + 1])


def require_no_flat_stretch(f: Sampler, x: Array, y: Array, noise: float) -> None:
    step = np.diff(y)
    tie = step <= 4 * f.epsilon * y[1:]
    # Where f is rounded to its bound, what ends far from it is no rounding.
    bounded = y[:-1] > y.max() * (1 - 1e4 * f.epsilon)
    guilty = _abrupt(f, x, step, tie, np.where(bounded, 1e-4 * y.max(), noise), x[1:])
    if guilty.size:
        i = int(guilty[0])
        raise _not_increasing(x[i], x[i + 1])


def _not_increasing(low: float, high: float) -> NotOddSigmoidError:
    return NotOddSigmoidError(
        "increasing",
        float(high),
        f"it is not strictly increasing: f({high:.6g}) <= f({low:.6g})",
    )


def require_no_growing_ratio(f: Sampler, x: Array, y: Array, noise: float) -> None:
    ratio = y / x
    growth = np.diff(ratio)
    suspect = np.flatnonzero(growth > 64 * f.epsilon * ratio[:-1] + noise / x[:-1])
    rounding = np.maximum(ratio_rounding(f, x[suspect]), ratio_rounding(f, x[suspect + 1]))
    guilty = suspect[growth[suspect] > rounding]
    if guilty.size:
        i = int(guilty[0])
        raise _growing_ratio(x[i], x[i + 1], ratio[i], ratio[i + 1])


def _growing_ratio(low: float, high: float, before: float, after: float) -> NotOddSigmoidError:
    return NotOddSigmoidError(
        "ratio",
        float(high),
        f"f(x)/x grows from {before:.6g} at {low:.6g} to {after:.6g} at {high:.6g}, where it must "
        "strictly decrease",
    )


def require_no_constant_ratio(f: Sampler, x: Array, y: Array, noise: float, order: float) -> None:
    ratio = y / x
    fall = -np.diff(ratio)
    tie = fall <= 4 * f.epsilon * ratio[:-1]
    tolerance = 64 * f.epsilon * ratio[:-1] + noise / x[:-1]
    guilty = _abrupt(f, x, fall, tie, tolerance, np.ones_like(fall))
    if guilty.size or math.isnan(order):
        i = int(guilty[0]) if guilty.size else 0
        raise NotOddSigmoidError(
            "ratio",
            float(x[i + 1]),
            f"f(x)/x is constant, {ratio[i]:.6g}, from {x[i]:.6g} to {x[i + 1]:.6g}, where it must "
            "strictly decrease",
        )


def _abrupt(
    f: Sampler,
    x: Array,
    change: Array,
    tie: NDArray[np.bool_],
    tolerance: Array,
    unit: Array,
) -> NDArray[np.intp]:
    """The intervals on which a quantity stands still, and beside which it clearly moves.

    What rounding hides does not end at once: a smooth function that changes by less than one
    rounding here changes by a few of them next door.

    Args:
        f: The function.
        x: The ends of the intervals.
        change: Of the quantity, on each interval.
        tie: Where it stands still.
        tolerance: What a correctly rounded f may change the quantity by.
        unit: What the quantity is where f(x)/x is 1.
    """
    width = np.diff(x)
    place = np.arange(change.size)
    guilty = []
    for away in (-2, -1, 1, 2):
        beside = np.clip(place + away, 0, change.size - 1)
        expected = np.minimum(change[beside] / width[beside] * width, 4 * change[beside])
        suspect = np.flatnonzero(tie & (expected > tolerance))
        rounding = 4 * unit[suspect] * _rounding_about(f, x[suspect + 1])
        guilty.append(suspect[expected[suspect] > rounding])
    return np.unique(np.concatenate(guilty))


def _rounding_about(f: Sampler, x: Array) -> Array:
    """What rounding may add to f(x)/x beside each x: a jump or a kink, at x or there, is none."""
    below, above = (
        np.minimum(ratio_rounding(f, near * x), ratio_rounding(f, far * x))
        for near, far in ((0.98, 0.965), (1.02, 1.035))
    )
    return np.maximum(below, above)


def require_no_jump(f: Sampler, x: Array, y: Array, noise: float) -> None:
    """Rejects a jump between two samples, up or down, by halving the intervals around it.

    As f(x)/x must fall, f can rise on an interval by no more than the interval's own part of it.
    """
    for upwards in (True, False):
        low, high, before, after = _steepest(f, x, y, upwards)
        change = after / high - before / low if upwards else before - after
        unit = np.ones_like(low) if upwards else low
        suspect = np.flatnonzero(~(change <= 2 * noise / low * unit))
        guilty = suspect[~(change[suspect] <= unit[suspect] * _rounding_about(f, low[suspect]))]
        if guilty.size:
            i = int(guilty[0])
            if upwards:
                raise _growing_ratio(low[i], high[i], before[i] / low[i], after[i] / high[i])
            raise _not_increasing(low[i], high[i])


def _steepest(f: Sampler, x: Array, y: Array, upwards: bool) -> tuple[Array, ...]:
    """Within each interval a small one, in which f(x)/x grows most, or f falls most; and f there.

    A jump is what stays when an interval is halved, and nothing else is.
    """

    def quantity(x: Array, y: Array) -> Array:
        return y / x if upwards else -y

    low, high, before, after = x[:-1], x[1:], y[:-1], y[1:]
    for _ in range(min(16, int(-math.log2(64 * f.epsilon)))):
        middle = (low + high) / 2
        value = f(middle)
        reached = quantity(middle, value)
        left = reached - quantity(low, before) > quantity(high, after) - reached
        low, high = np.where(left, low, middle), np.where(left, middle, high)
        before, after = np.where(left, before, value), np.where(left, value, after)
    return low, high, before, after


def require_slope(h: Array, ratio: Array, reliable: NDArray[np.bool_]) -> None:
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


# Over the last octaves: what rises no slower than h^_LEAST_POWER falls has an end.
_OCTAVES: Final = 16
_LEAST_POWER: Final = 0.06


def require_rise(h: Array, ratio: Array, noise: Array, reliable: NDArray[np.bool_]) -> None:
    """Rejects a ratio f(h)/h that falls with falling h, or rises without an end as a logarithm."""
    rise = np.diff(ratio)
    falls = np.flatnonzero(reliable[1:] & (rise < -8 * noise))
    if falls.size:
        i = int(falls[0])
        raise _growing_ratio(h[i + 1], h[i], ratio[i + 1], ratio[i])
    # At the smallest h of all, h^(r-1) has gone under in rounding unless r is next to 1.
    before, last = rise[-_OCTAVES - 1], rise[-1]
    still = last > 4 * noise[-1] and last > before * 2 ** (-_LEAST_POWER * _OCTAVES)
    if reliable.all() and still:
        raise NotOddSigmoidError(
            "slope", float(h[-1]), "f(x)/x does not settle to a finite slope as x -> 0"
        )
