"""The ends of an odd-sigmoid function: its expansion at zero, its bound at infinity.

Extrapolation of sampled values belongs here, and the error where it does not settle. How the
samples are taken is `sampling`'s, what they are for is `profile`'s.
"""

from __future__ import annotations

import math

import numpy as np

from keras_oddsig._arguments import Array
from keras_oddsig.solver.conditions import (
    NotOddSigmoidError,
    require_finite,
    require_rise,
    require_slope,
)
from keras_oddsig.solver.sampling import Sampler, ratio_with_noise


def expansion_at_zero(f: Sampler, scale: float) -> tuple[float, float, float]:
    """Slope, order and curvature, from `R(h) = f(h)/h = s (1 - c (s h)^(r-1) + ...)`."""
    octaves = 2 * scale * 2.0 ** -np.arange(int(-math.log2(f.smallest)), dtype=np.float64)
    # The finer ladder sees high orders, which bend abruptly.
    fine = 2 * scale * 2.0 ** (-np.arange(60) / 4)
    ladders = [(h, *ratio_with_noise(f, h)) for h in (octaves, fine)]
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


def _slope_at_zero(h: Array, ratio: Array, noise: Array, f: Sampler) -> float:
    """`R(0)`, by Richardson extrapolation from the step where its error is least."""
    reliable = np.logical_and.accumulate(noise < max(1e-5, 32 * f.epsilon) * np.abs(ratio))
    require_slope(h, ratio, reliable)
    rise, rise_noise = np.diff(ratio), noise[:-1] + noise[1:]
    visible = rise > 4 * rise_noise
    require_rise(h, ratio, rise_noise, reliable)
    best, least, before = math.nan, math.inf, math.inf
    for j in np.flatnonzero(reliable[:-1] & reliable[1:]).tolist():
        slope, error = float(ratio[j + 1]), rise_noise[j] + abs(rise[j])
        factor = math.inf
        if j > 0 and visible[j] and visible[j - 1] and rise[j - 1] > rise[j]:
            # R(h) = s - a h^k: the geometric series of the rises still to come. It is one where
            # the factor stays what it was, and not where the steps leave a saturated region.
            factor = rise[j - 1] / rise[j]
            slope += float(rise[j] / (factor - 1))
            error = rise_noise[j] + abs(slope - ratio[j + 1] - rise[j] / (before - 1))
            error += rise[j] * abs(slope - ratio[j + 1]) / slope
        before = factor
        if error < least:
            best, least = slope, error
    if not least < max(1e-4, 1e3 * f.epsilon) * best:
        raise NotOddSigmoidError(
            "slope", float(h[-1]), "f(x)/x does not settle to a finite slope as x -> 0"
        )
    return best


def bound_at_infinity(f: Sampler, scale: float) -> float:
    """`sup f`, from values a decade apart and Aitken's extrapolation of a power tail."""
    x = scale * np.logspace(4, 8, 5)
    y = f(x)
    require_finite(x, y, -y)
    # Further out for as long as the formula holds: a naive one overflows there.
    for decade in range(9, int(-math.log10(f.smallest) / 2)):
        further = scale * 10.0**decade
        value = f.at(further)
        if not y[-1] <= value < math.inf:
            break
        x, y = np.append(x, further), np.append(y, value)
    steps = np.diff(y)
    if steps[-1] <= 64 * f.epsilon * y[-1]:
        return float(y.max())
    # A bounded power tail shrinks the steps by a factor; a logarithm keeps them.
    tail = steps[-1] / steps[-2]
    if not tail <= 0.9:
        raise NotOddSigmoidError(
            "bounded", float(x[-1]), f"it is not bounded: f still grows, to {y[-1]:.6g}"
        )
    return float(y[-1] + steps[-1] * tail / (1 - tail))
