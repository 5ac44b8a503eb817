"""The statistics of outputs, on the device: tensors in, one tensor of numbers out.

What each is, `keras_oddsig.signal` says. No model and no layer is known here.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

_SPREADS: Final = ("spread_min", "spread_q25", "spread_median", "spread_q75", "spread_max")
FORWARD: Final = (
    "mean",
    "std",
    "rms",
    "min",
    "max",
    "saturated",
    "dead",
    "negative_rate",
    "cosine",
    "effective_rank",
    *_SPREADS,
)
# Of the layers that stand where a normalization stood, and only in their company.
DYNAMIC: Final = ("preactivation_rms",)
BACKWARD: Final = ("kernel_gradient", "activation_gradient")

# Those that a batch may leave undefined. None is negative: there the device writes -1, for a
# NaN made on purpose would stop those who have their backend stop at the first one.
SOMETIMES_UNDEFINED: Final = ("cosine", "effective_rank")

SATURATED: Final = 0.97  # of the bound: there tanh has 1/17 of its slope at 0
DEAD: Final = 1e-3  # of the rms of the first row
# Samples whose cosines are taken: 2016 pairs say what the mean is to 2%, and cost less than
# the layer itself.
_PAIRED: Final = 64
# Elements that are reduced together. More would hold copies of large feature maps.
_TOGETHER: Final = 2**24


def statistics(outputs: list[Any], bounds: list[float | None], first_row: int = 0) -> Any:
    """The forward statistics of outputs (B, ...), shape (outputs, statistics).

    `saturated` is 0 where the bound is None, `negative_rate` where the shape is not the first's,
    which is that of `first_row`.
    """
    matrices = [matrix(output) for output in outputs]
    groups: dict[Any, list[list[int]]] = {}
    for i, x in enumerate(matrices):
        parts = groups.setdefault((tuple(x.shape), keras.backend.standardize_dtype(x.dtype)), [[]])
        if len(parts[-1]) * math.prod(x.shape) > _TOGETHER:
            parts.append([])
        parts[-1].append(i)
    begin = matrices[first_row]
    rms = root_mean_square(begin)
    rows: list[Any] = [None] * len(outputs)
    for part in itertools.chain.from_iterable(groups.values()):
        x = ops.stack([matrices[i] for i in part])
        first = begin if x.shape[1:] == begin.shape else None
        bound = np.array([math.inf if bounds[i] is None else bounds[i] for i in part])
        block = _block(x, bound, first, ops.cast(rms, x.dtype))
        for row, i in enumerate(part):
            rows[i] = (block, row)
    return _in_order(rows)


def _in_order(rows: list[tuple[Any, int]]) -> Any:
    """Rows of blocks as one array; a block that holds them all in order is the array."""
    blocks = list({id(block): block for block, _ in rows}.values())
    dtype = "float64" if any(dtype_of(block) == "float64" for block in blocks) else "float32"
    start, offsets = 0, {}
    for block in blocks:
        offsets[id(block)] = start
        start += block.shape[0]
    order = [offsets[id(block)] + row for block, row in rows]
    blocks = [ops.cast(block, dtype) for block in blocks]
    table = blocks[0] if len(blocks) == 1 else ops.concatenate(blocks)
    return table if order == list(range(start)) else ops.take(table, np.array(order), axis=0)


def dtype_of(tensor: Any) -> str:
    return str(keras.backend.standardize_dtype(tensor.dtype))


def matrix(output: Any) -> Any:
    """(B, U), in float32 at least."""
    if dtype_of(output) != "float64":
        output = ops.cast(output, "float32")
    return ops.reshape(output, (output.shape[0], math.prod(output.shape[1:])))


def _unit_size(x: Any, axis: Any) -> tuple[Any, Any]:
    """`x` over its greatest magnitude, and that: squares then neither under- nor overflow."""
    size = ops.max(ops.abs(x), axis=axis, keepdims=True)
    return x / ops.where(size > 0, size, ops.ones_like(size)), size


def root_mean_square(x: Any) -> Any:
    scaled, size = _unit_size(x, None)
    return ops.reshape(size, ()) * ops.sqrt(ops.mean(ops.square(scaled)))


def norm_of(x: Any) -> Any:
    return ops.cast(root_mean_square(matrix(x)) * math.sqrt(math.prod(x.shape)), "float32")


def _block(x: Any, bound: NDArray[Any], first: Any, first_rms: Any) -> Any:
    """The statistics of outputs of one shape, (outputs, B, U)."""
    samples = x.shape[1]
    low, high = ops.min(x, axis=(1, 2)), ops.max(x, axis=(1, 2))
    size = ops.maximum(ops.abs(low), ops.abs(high))
    scaled = x / ops.where(size > 0, size, ops.ones_like(size))[:, None, None]
    means = ops.mean(scaled, axis=2)
    variances = ops.mean(ops.square(scaled - means[:, :, None]), axis=2)
    mean = ops.mean(means, axis=1)
    # The law of total variance: nothing cancels.
    variance = ops.mean(variances, axis=1) + ops.mean(ops.square(means - mean[:, None]), axis=1)

    def fraction(condition: Any) -> Any:
        return ops.mean(ops.cast(condition, x.dtype), axis=(1, 2))

    # Not infinite: checks of numerics stop at that, too.
    limit = np.minimum(SATURATED * bound, np.finfo("float32").max).astype("float32")
    limits = ops.cast(ops.convert_to_tensor(limit), x.dtype)
    saturated = fraction(ops.abs(x) > limits[:, None, None])
    negative = ops.zeros_like(mean)
    if first is not None:  # which may be of another precision
        negative = fraction(x * ops.cast(ops.sign(first), x.dtype) < 0)
    cosine, rank = _directions(scaled[:, :_PAIRED])
    spreads = _quantiles(size[:, None] * ops.sqrt(variances), samples)
    numbers = {
        "mean": size * mean,
        "std": size * ops.sqrt(variance),
        "rms": size * ops.sqrt(variance + ops.square(mean)),
        "min": low,
        "max": high,
        "saturated": saturated,
        "dead": fraction(ops.abs(x) < DEAD * first_rms),
        "negative_rate": negative,
        "cosine": cosine,
        "effective_rank": rank,
        **dict(zip(_SPREADS, spreads, strict=True)),
    }
    return ops.stack([numbers[name] for name in FORWARD], axis=1)


def _directions(x: Any) -> tuple[Any, Any]:
    """Mean absolute cosine and participation ratio of samples, (outputs, samples, U)."""
    length = ops.sqrt(ops.sum(ops.square(x), axis=2))
    there = ops.cast(length > 0, x.dtype)
    units = x / ops.where(length > 0, length, ops.ones_like(length))[:, :, None]
    cosines = ops.matmul(units, ops.transpose(units, (0, 2, 1)))
    # Of each sample with itself the cosine is 1: left out without a mask.
    count = ops.sum(there, axis=1)
    pairs = count * (count - 1)
    one, undefined = ops.ones_like(count), -ops.ones_like(count)
    total = ops.sum(ops.abs(cosines), axis=(1, 2)) - count
    # Rounding may leave the sum of no cosines just below 0.
    mean = ops.maximum(total, 0 * one) / ops.maximum(pairs, one)
    cosine = ops.where(pairs > 0, mean, undefined)
    # Centred, and scaled anew, lest the squares of squares underflow.
    centred, size = _unit_size(x - ops.mean(x, axis=1, keepdims=True), (1, 2))
    gram = ops.matmul(centred, ops.transpose(centred, (0, 2, 1)))
    trace = ops.sum(ops.square(centred), axis=(1, 2))
    squares = ops.sum(ops.square(gram), axis=(1, 2))
    # What is left of equal samples is the rounding of their mean: `x` is at most 1.
    differ = ops.reshape(size, (-1,)) > 4 * np.finfo(dtype_of(x)).eps
    rank = ops.where(differ, ops.square(trace) / ops.where(differ, squares, one), undefined)
    # A NaN compares as false above, and must not look like an absent pair.
    return cosine + 0 * trace, rank + 0 * trace


def sizes_of(tensors: list[Any], rows: list[int], count: int, dtype: str) -> Any:
    """Root mean squares of tensors, one of each of `rows`, 0 in the others: shape (count, 1)."""
    found = [ops.zeros((), dtype)] * count
    for row, tensor in zip(rows, tensors, strict=True):
        found[row] = ops.cast(root_mean_square(matrix(tensor)), dtype)
    return ops.stack(found)[:, None]


def source_of(tensor: Any, dtype: str) -> Any:
    """Root mean square of a tensor, and its spread over the samples: shape (2,)."""
    x = matrix(tensor)
    scaled, size = _unit_size(x, None)
    apart = scaled - ops.mean(scaled, axis=0, keepdims=True)
    spread = ops.reshape(size, ()) * ops.sqrt(ops.mean(ops.square(apart)))
    return ops.cast(ops.stack([root_mean_square(x), spread]), dtype)


def _quantiles(spreads: Any, samples: int) -> list[Any]:
    """The five of `_SPREADS` of (outputs, B), by linear interpolation."""
    ordered = ops.sort(spreads, axis=1)
    found = []
    for quantile in (0.0, 0.25, 0.5, 0.75, 1.0):
        place = quantile * (samples - 1)
        below = math.floor(place)
        part = place - below
        value = ordered[:, below]
        if part > 0:
            value = (1 - part) * value + part * ordered[:, below + 1]
        found.append(value)
    return found


BINS: Final = 30


def histograms(outputs: list[Any]) -> Any:
    """Counts in `BINS` equal bins from the least to the greatest value, (outputs, BINS)."""
    counts = []
    for output in outputs:
        x = ops.reshape(matrix(output), (-1,))
        low = ops.min(x)
        width = ops.max(x) - low
        place = BINS * (x - low) / ops.where(width > 0, width, ops.ones_like(width))
        finite = ops.isfinite(place)
        place = ops.where(finite, place, ops.zeros_like(place))
        bins = ops.cast(ops.clip(ops.floor(place), 0, BINS - 1), "int32")
        counts.append(ops.segment_sum(ops.cast(finite, "float32"), bins, num_segments=BINS))
    return ops.stack(counts)
