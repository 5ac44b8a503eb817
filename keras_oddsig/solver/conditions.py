"""The class of odd-sigmoid functions: its conditions, and the error of one that fails.

A check of what was sampled belongs here: it raises the error, or it passes and returns nothing.
Two conditions are judged in `asymptotics`, where an extrapolation fails to settle: that the
slope at 0 is finite and that the function is bounded.

Reference: [1] of `keras_oddsig.solver`, definition 1.
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

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


def require_increasing(f: Sampler, x: Array, y: Array, noise: float) -> None:
    step = np.diff(y)
    # Where f is rounded to its bound, or to 0, a tie says nothing.
    inner = (y[:-1] < y.max() * (1 - 1e4 * f.epsilon)) & (y[1:] > noise)
    suspect = np.flatnonzero((step < -noise) | ((step <= 0) & inner) | (y[1:] <= 0))
    fall = np.maximum(-step, -y[1:])[suspect]
    above = x[suspect + 1]
    guilty = suspect[fall >= above * ratio_rounding(f, above)]
    if guilty.size:
        i = int(guilty[0])
        raise NotOddSigmoidError(
            "increasing",
            float(x[i + 1]),
            f"it is not strictly increasing: f({x[i + 1]:.6g}) <= f({x[i]:.6g})",
        )


def require_no_growing_ratio(f: Sampler, x: Array, y: Array, noise: float) -> None:
    ratio = y / x
    growth = np.diff(ratio)
    suspect = np.flatnonzero(growth > 64 * f.epsilon * ratio[:-1] + noise / x[:-1])
    rounding = np.maximum(ratio_rounding(f, x[suspect]), ratio_rounding(f, x[suspect + 1]))
    guilty = suspect[growth[suspect] > rounding]
    if guilty.size:
        i = int(guilty[0])
        raise NotOddSigmoidError(
            "ratio",
            float(x[i + 1]),
            f"f(x)/x grows from {ratio[i]:.6g} at {x[i]:.6g} to {ratio[i + 1]:.6g} "
            f"at {x[i + 1]:.6g}, where it must strictly decrease",
        )


def require_no_constant_ratio(f: Sampler, scale: float, order: float) -> None:
    x = np.array([scale / 2, scale])
    near, far = f(x) / x
    if near - far <= 32 * f.epsilon * near or math.isnan(order):
        raise NotOddSigmoidError(
            "ratio",
            scale,
            f"f(x)/x is constant, {near:.6g}, from {x[0]:.6g} to {x[1]:.6g}, where it must "
            "strictly decrease",
        )


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
