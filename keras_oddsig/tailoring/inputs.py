"""What data are like where a kernel reads them: their scale, mean, outliers, constant features.

Here belongs what follows from the numbers alone. What a kernel makes of it, `plan` decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from keras_oddsig import _arguments

# Features, from the tenth to the ninetieth in a hundred by scale, of which one is so many times
# another's are read each by its own; closer ones by a common scale, which keeps what is faint, as
# the margins of a picture are. 50 layers of 32 tanh, best of 7 rates, two seeds, common | own: wine
# (.1 to 300) .93 | .97, breast cancer (.003 to 570) .95 | .96, digits as they come .99 | .98.
UNEVEN: Final = 10.0
# The part of the mean square that is the mean's from which on a bias takes it away.
OFFSET: Final = 0.1
# The mean's square, over that of what is left, from which on points of a domain are taken to its
# centre: a place from 0 to 1 (3), not a time from 0 to 1 beside a place from -1 to 1 (.6). From one
# side alone all samples lie in one direction. A trial with the DeepONet of the gallery, relative
# error of three seeds at three rates: .163, .132, .161, without it .168, .145, .179.
ONE_SIDED: Final = 2.0
# Outliers are there if without what lies beyond four scales the root mean square is this part.
HEAVY: Final = 0.7
_BEYOND: Final = 4.0
# Of a normal distribution, with what lies beyond the tenth and ninetieth percentile moved there.
_WINSORIZED_STD: Final = 0.824
# Of the sum of a sample's features beyond which a step of Adam, which moves all weights alike,
# moves a unit too far. 50 layers of 32 tanh, 600 steps, rates down to 1e-6, beside standardized
# data: sums of 300 (digits) to 1,700 (tables) lose nothing, 26,000 (MNIST) little, at a rate 30
# times lower, 370,000 (CIFAR-10) .09 (`docs/benchmarks/tailor-gallery.md`).
LARGE: Final = 10_000.0
# Rows enough for a tenth percentile to a few per cent.
_ROWS: Final = 20_000
_ENOUGH: Final = 16  # rows, for any statistic of a single feature


@dataclass(frozen=True)
class Inputs:
    """A step's numbers, features last.

    Attributes:
        rms: Root mean square of all.
        std: The scale of what is left when the mean is gone, if it goes: that of the bulk where
            there are outliers.
        stds: Where features are of several scales, each one's; then `std` is 1.
        mean: Of each feature, where it is to be taken away; or None.
        heavy: Whether there are outliers: the root mean square then says little.
        one_hot: Whether each row is one of its features alone, or none: 1 there and 0 elsewhere.
        remarks: What a report should say.
    """

    rms: float
    std: float
    stds: tuple[float, ...] | None = None
    mean: NDArray[np.float64] | None = None
    heavy: bool = False
    one_hot: bool = False
    remarks: tuple[str, ...] = ()


def inputs_of(
    numbers: Any, few: bool = False, own: bool = True, biased: bool = True
) -> Inputs | None:
    """What numbers are like; None of those that are zero everywhere.

    Args:
        numbers: An array, finite, its features last.
        few: Whether they enter a function of few inputs, as of space and time. Its domain is no
            sample: a mean stays, unless the domain lies on one side of 0.
        own: Whether each feature can be read by a scale of its own.
        biased: Whether a bias can take a mean away.

    Raises:
        ValueError: If they are of a size for which no kernel can be.
    """
    x = np.asarray(numbers, dtype=np.float64)
    x = x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x.reshape(-1, 1)
    x = x[:: math.ceil(len(x) / _ROWS)]
    rms = math.sqrt(np.mean(x**2))
    if rms == 0:
        return None
    _require_size(rms)
    total = np.mean(np.abs(x).sum(axis=1))
    centre, scale = _bulk(x)
    varying = scale > 0
    if not varying.any() or len(x) < _ENOUGH:  # there is no scale but this
        return Inputs(rms, rms)
    remarks = []
    if not varying.all():
        remarks.append(f"{np.sum(~varying)} of {len(scale)} features are constant")
    apart = (x - centre)[:, varying] / scale[varying]
    near = np.clip(apart, -_BEYOND, _BEYOND)
    heavy = bool(np.mean(near**2) < HEAVY**2 * np.mean(apart**2))
    if heavy:
        share = 100 * np.mean(np.abs(apart) > _BEYOND)
        remarks.append(f"outliers ({share:.2g}% of the numbers): scaled by the bulk")
    centre = np.where(varying, centre, x[0]) if heavy else x.mean(axis=0)
    low, high = np.quantile(scale[varying], [0.1, 0.9])
    # Also a single one that would drown the others, if it is not merely rare.
    largest = np.minimum(scale, x.std(axis=0))[varying].max()
    most = largest > UNEVEN * np.median(scale[varying])
    uneven = own and (high > UNEVEN * low or most)
    low, high = scale[varying].min(), scale[varying].max()
    if uneven:
        _require_size(low, high)
    unit = np.where(varying, scale, np.median(scale[varying])) if uneven else np.ones(len(scale))
    around, whole = (x - centre) / unit, x / unit
    if heavy:
        limit = _BEYOND * np.where(varying, scale, 0.0) / unit
        around = np.clip(around, -limit, limit)
    square, offset = np.mean(around**2), np.mean((centre / unit) ** 2)
    tolerated = ONE_SIDED if few else OFFSET / (1 - OFFSET)
    # Of few rows the mean is chance: of n a part 1 / n.
    removed = biased and offset > (tolerated + 3 / len(x)) * square
    if removed:
        remarks.append("the bias takes the data's mean away")
        kept = square
    else:
        kept = square + offset if heavy else np.mean(whole**2)
    std = math.sqrt(kept)
    if uneven:
        remarks.append(f"features of scales from {low:.2g} to {high:.2g}: each read by its own")
    if total > LARGE:
        remarks.append(
            "numbers so large call for a low learning rate: keras.layers.Rescaling or "
            "Normalization before this layer is better"
        )
    return Inputs(
        rms,
        1.0 if uneven else std,
        tuple((unit * std).tolist()) if uneven else None,
        centre if removed else None,
        heavy,
        bool(np.all((x == 0) | (x == 1)) and np.all(x.sum(axis=1) <= 1)),
        tuple(remarks),
    )


def steps_of(numbers: Any) -> NDArray[Any]:
    """Those of sequences `(samples, steps, features)` that are not blank, as rows."""
    rows = np.asarray(numbers)
    rows = rows.reshape(-1, rows.shape[-1])
    seen = rows.any(axis=1)
    return rows[seen] if seen.any() else rows


def _require_size(*sizes: float) -> None:
    for size in sizes:
        if not _arguments.LEAST_STD <= size < _arguments.MOST_STD:
            raise ValueError(
                f"`data` must be of a size from {_arguments.LEAST_STD:g} to "
                f"{_arguments.MOST_STD:g}, for which float32 has a kernel. Received: {size:.3g}"
            )


def _bulk(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre and scale of each feature, which few outliers do not move; 0 of a constant one."""
    mean, std = x.mean(axis=0), x.std(axis=0)
    std = np.where(x.max(axis=0) > x.min(axis=0), std, 0.0)
    quantiles = np.quantile(x, [0.1, 0.3, 0.5, 0.7, 0.9], axis=0)
    # Where a fifth of all samples are equal, as at a picture's margin, or of a few codes, what is
    # not is no outlier; and a feature that is rarely other than 0 is not to be blown up.
    tied = (np.diff(quantiles, axis=0) == 0).any(axis=0)
    winsorized = np.clip(x, quantiles[0], quantiles[-1])
    # Not below a tenth of the deviation.
    bulk = np.maximum(winsorized.std(axis=0) / _WINSORIZED_STD, std / 10)
    rare = np.maximum(std, np.abs(x - mean).max(axis=0) / 3 * (std > 0))
    return np.where(tied, mean, winsorized.mean(axis=0)), np.where(tied, rare, bulk)
