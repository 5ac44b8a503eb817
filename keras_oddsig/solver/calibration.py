"""Noise scale and negative rate: how much noise a network of a given depth needs.

The closed forms that say so belong here, for layers that each have a kernel of their own, and
they know no activation. How the whole distribution evolves is `diffusion`'s, from which the
constants are; one kernel for all steps is `recurrent`'s.

Reference: [1] of `keras_oddsig.solver`.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import scipy
from numpy.typing import ArrayLike

from keras_oddsig import _arguments

# p(T) = (1 - exp(-_DECAY (T - _DELAY))) / 2, fitted to the sign-flip probability of the
# mean-field diffusion dv = -sgn(v)|v|^r dt + sqrt(E v^2) dB that starts at infinity
# (Monte Carlo, 400,000 paths; the slowest odd mode decays at .482, .463, .450, .435 for
# r = 2, 3, 4, 6). Within .0065 for r = 2, 3, 4 and .008 for r = 6 (docs/theory.md, section 6):
# tests/solver/test_calibration.py compares it with a deterministic solution.
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
    depth = _arguments.array("depth", depth, at_least=1)
    p = _arguments.array("negative_rate", negative_rate)
    if not np.all((p > 0) & (p < 0.5)):
        raise ValueError(
            "`negative_rate` must lie strictly between 0 and 0.5. "
            f"Received: negative_rate={negative_rate!r}"
        )
    common = _DELAY - np.log1p(-2 * np.maximum(p, _RARE_RATE)) / _DECAY
    rare = 1 / (1 / _RARE_TIME + (math.log(_RARE_RATE) - np.log(np.minimum(p, _RARE_RATE))) / _RARE)
    return _arguments.scalar(np.sqrt(np.where(p >= _RARE_RATE, common, rare) / depth))


def negative_rate(depth: ArrayLike, noise_scale: ArrayLike) -> Any:
    """The negative rate at the target layer: the inverse of `noise_scale`.

    `p = (1 - exp(-0.473 (T - 0.31))) / 2` with `T = L * noise_scale**2`, for every
    odd-sigmoid activation to within 0.007 (0.008 at order 6), for inputs above the final
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
    depth = _arguments.array("depth", depth, at_least=1)
    sigma = _arguments.array("noise_scale", noise_scale, at_least=0)
    with np.errstate(divide="ignore", over="ignore"):  # both limits are right
        time = depth * sigma**2
        common = -np.expm1(-_DECAY * (np.maximum(time, _RARE_TIME) - _DELAY)) / 2
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
    return float(-1 / scipy.special.ndtri(flip))
