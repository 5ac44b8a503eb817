"""From the numbers to words: what is wrong, and where it starts. What to do, `advice` says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from keras_oddsig.signal import selection
from keras_oddsig.signal.measurement import Measured
from keras_oddsig.signal.predictions import Prediction, takes_mean_away
from keras_oddsig.signal.recording import Call

# The thresholds come from Dense networks of 10 to 100 layers, 32 to 256 wide, on Gaussian
# inputs and on scikit-learn's digits, 128 samples, tanh and softsign. The figures are of the
# last layer; "kept" is its spread (against the prediction, or the first row's) times its
# effective rank (against the first row's).
#
# | tanh, 60 layers     | kept         | spread | first gradient / last |
# |---------------------|--------------|--------|-----------------------|
# | GlorotUniform       | .007 to .09  | .1     | .1 to .4              |
# | Orthogonal          | .15 to .4    | .1     | .2 to .4              |
# | OddSigmoidInit      | .4 to 1      | .15    | .4 to .8              |
# | OddSigmoidOrthogonal| 1 to 1.3     | .35    | 1 to 1.4              |
# | HeNormal            | .15 to 1.6   | .55    | 13 to 23              |
# | VarianceScaling(4)  | .4 to .9     | .73    | 9000                  |

# Glorot's signal shrinks no faster than that of Keras's Orthogonal, which trains: what dies
# is the difference between samples, in all directions but one or two. Hence the product.
# Softsign with Orthogonal keeps .05 at 30 layers and .015 at 100, where it no longer trains.
COLLAPSED: Final = 0.05
# Half of the bound, kept up over 20 layers: for tanh a squared gradient then grows by 6% a
# layer or more. He's networks are at .55. At fewer layers so large a spread is what
# OddSigmoidOrthogonal chooses itself (.55 at 10).
LARGE: Final = 0.5
LARGE_FOR: Final = 20
# A mean over rows decides, for single narrow layers scatter by a tenth: rows down to this part of
# it belong to it.
SCATTER: Final = 0.8
# A spread that the initializer's own prediction foresees, within a quarter, is meant.
AS_MEANT: Final = 1.25
# Units beyond 0.97 sup f pass on a seventeenth of a gradient (tanh) or less, at any depth.
MOSTLY_SATURATED: Final = 0.3
# Of the units of one layer, wherever it stands: its kernel then gets next to no gradient. Our own
# kernels reach .11 of saturated units at 10 layers, .36 at 2 (standardized data, tanh).
DEAF: Final = 0.5
# All samples one direction; a set that begins with a common mean (digits: .77) is no alarm.
ALIKE: Final = 0.95
# Of the effective rank: all networks above that train keep .16 or more. Not more than this, for
# from there on as many train as do not (`benchmarks/reliability/rank.py`), and one draw scatters.
FORGOTTEN: Final = 0.05
# Of an effective rank: what few samples, and a curve in place of a line, add to 1.
ONE_DIRECTION: Final = 1.2
# Between the first row's gradient and the last's. Ours reach .04 (softsign, 100 layers), He's
# 120 (tanh, 100 layers).
GRADIENT: Final = 100.0

# Of the data's rms to the spread between samples, and of the cosine in the first row with it.
# 20 layers of tanh whose first knows the rms, on standardized digits plus a constant (better of
# two learning rates, 300 steps): + 0, accuracy .97; + 2 (2.2, cosine .85), .95; + 5 (5.1, .973),
# .79; + 10, .08.
OFFSET: Final = 5.0
BLIND: Final = 0.97

# Of the second derivative by the inputs, over their half-width squared (of inputs that cover
# [-1, 1], by itself). `u_xx = -pi**2 sin(pi x)`, networks of 3 to 10 layers, 2,160 runs: up to 4
# the median error is .9 of Glorot's or less, from 4 to 8 twice it, from 8 to 12 four times (three
# runs in four are worse than Glorot's median), from 20 on twelve times and more
# (`docs/benchmarks/pinn.md`).
ROUGH: Final = 8.0

# Root mean square of what enters the `f` of a `DynamicOddSigmoid`, and of what is left behind its
# `gamma`. Small transformers that begin with less in both learn less than with a normalization;
# with a gamma that makes up for it, nearly as much.
WEAK: Final = 0.1
# Root mean square of what enters such a layer which is too little to make up for by its rate.
SMALL: Final = 0.3

HEALTHY: Final = "healthy"


def judge(
    measured: Measured, predictions: Sequence[Prediction], derivatives: bool = False
) -> tuple[list[str], str, int]:
    """A verdict for each row, for the whole, and the row where that one starts.

    On roughness only if asked to judge `derivatives`: where none enters the loss, it is no fault.
    """
    table, count = measured.table, len(measured.calls)
    finite = np.isfinite(np.stack([table[k] for k in ("mean", "std", "min", "max")])).all(axis=0)
    dynamic = np.array([call.dynamic for call in measured.calls])
    if dynamic.any():  # whose output is finite though what enters it is not
        finite &= np.isfinite(table["preactivation_rms"]) | ~dynamic
    if not finite.all():
        start = int(np.argmin(finite))
        return [HEALTHY if ok else "not finite" for ok in finite], "not finite", start
    odd = np.array([in_chain(call) for call in measured.calls])
    # Comparisons are between rows of one sort: a softmax is small, a ReLU's samples alike.
    judged = np.flatnonzero(odd if odd.any() or dynamic.any() else ~odd)
    lasting = []
    if len(judged):
        wrong = _faults(measured, predictions, judged)
        # One unit has one direction, in which all samples lie: that it does is no news.
        several = judged[(measured.values / measured.samples)[judged] > 1]
        compared = several if len(several) else judged
        lasting = [(name, _final_run(wrong[name], compared)) for name in _FORWARD_VERDICTS]
    if derivatives:
        lasting.append(("rough", _final_run(roughness(measured) > ROUGH, judged)))
    if "activation_gradient" in table:
        # As it comes to the outputs of layers: none is known from behind a `gamma` of 0.
        gamma = np.array([_gamma(call) if call.dynamic else 1.0 for call in measured.calls])
        seen = np.flatnonzero(gamma)
        if len(seen):
            name, run = _gradient_verdict(table["activation_gradient"][seen] / gamma[seen])
            lasting.append((name, seen[run]))
    single = list(_anywhere(measured, judged))
    alone = list(_by_themselves(measured, np.flatnonzero(dynamic)))
    rows = [HEALTHY] * count
    for name, run in single + alone + lasting:
        for row in run:
            rows[row] = name if rows[row] == HEALTHY else rows[row]
    verdict, start = next(((n, _start(n, run)) for n, run in lasting if len(run)), (HEALTHY, count))
    if verdict.endswith("gradient") and any(len(run) for _, run in alone):
        start = count  # which follows from those
    for name, run in single + alone:
        if len(run) and run[0] < start:
            verdict, start = name, int(run[0])
    return rows, verdict, -1 if verdict == HEALTHY else start


def in_chain(call: Call) -> bool:
    """Whether a row is one of those through which a signal goes from one to the next.

    A `DynamicOddSigmoid` reads a stream that goes on beside it, and its rate sets its spread.
    """
    return call.activation is not None and not call.dynamic


def _faults(
    measured: Measured, predictions: Sequence[Prediction], judged: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Of each forward verdict, the rows that would deserve it if it lasted."""
    table, first = measured.table, judged[0]
    units = measured.values / measured.samples
    bounds = (None if c.activation is None else c.activation.profile.bound for c in measured.calls)
    bound = np.array([math.inf if each is None else each for each in bounds])
    predicted = np.array([math.nan if spread is None else spread for spread, _ in predictions])
    with np.errstate(divide="ignore", invalid="ignore"):
        size = table["std"] / np.where(np.isnan(predicted), table["std"][first], predicted)
        rank = table["effective_rank"] / np.minimum(table["effective_rank"][first], units)
        # Of one sample, or of equal ones, there is no rank to lose.
        rank = np.where(np.isnan(rank), 0.0 if math.isfinite(rank[first]) else 1.0, rank)
        size = np.where(np.isnan(size), 0.0, size)
        apart = (1 - table["cosine"]) / (1 - table["cosine"][first])
    alike = (table["cosine"] > ALIKE) & (apart < 1 - ALIKE)
    # What is small and alike has collapsed; what is of full size has forgotten.
    collapsing = np.minimum(size, 1) * np.minimum(rank, 1) < COLLAPSED
    collapsing &= ~(alike & (size > LARGE))
    saturating = table["saturated"] > MOSTLY_SATURATED
    share = np.where(table["std"] < AS_MEANT * predicted, 0.0, table["std"] / bound)
    if len(judged) >= LARGE_FOR and share[judged[-LARGE_FOR:]].mean() > LARGE:
        saturating |= share > SCATTER * LARGE
    forgetting = alike | (rank < FORGOTTEN)
    return {"collapsing": collapsing, "saturating": saturating, "forgetting": forgetting}


def _start(name: str, run: NDArray[Any]) -> int:
    """Where a fault begins: that of a gradient, which goes backwards, at its last row."""
    return int(run[-1] if name.endswith("gradient") else run[0])


def _anywhere(measured: Measured, judged: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Faults of single rows, even if the rows behind recover: their kernels do not learn."""
    table = measured.table
    yield "saturating", judged[table["saturated"][judged] > DEAF]
    # Of a ReLU zeros are its nature, in a feature map they may be a picture's margin.
    dense = [call.activation is not None and len(call.shape) == 2 for call in measured.calls]
    yield "collapsing", judged[(np.array(dense) & (table["dead"] > DEAF))[judged]]
    if len(judged) and offset(measured) and table["cosine"][judged[0]] > BLIND:
        # In one direction all are alike by nature, also where a bias has taken their mean away.
        one = takes_mean_away(measured.calls[judged[0]])
        one = one and table["effective_rank"][judged[0]] < ONE_DIRECTION
        yield "forgetting", judged[: not one]


def _by_themselves(measured: Measured, rows: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Faults of rows of a `DynamicOddSigmoid`, each of which stands for itself."""
    table = measured.table
    yield "saturating", rows[table["saturated"][rows] > DEAF]
    weak = [
        argument(measured, row) < WEAK and _gamma(measured.calls[row]) * table["rms"][row] < WEAK
        for row in rows
    ]
    yield "collapsing", rows[np.array(weak, dtype=bool)]


def argument(measured: Measured, row: int) -> float:
    """Root mean square of what enters the function itself, behind an activation's own rate."""
    activation = measured.calls[row].activation
    rate = 1.0 if activation is None else activation.rate
    return float(rate * measured.table["preactivation_rms"][row])


def _gamma(call: Call) -> float:
    """Root mean square of a layer's `gamma`; 1 without one."""
    gamma = getattr(call.layer, "gamma", None)
    if gamma is None:
        return 1.0
    values = np.asarray(keras.ops.convert_to_numpy(gamma), dtype=float)
    return float(np.sqrt(np.mean(values**2)))


def offset(measured: Measured) -> bool:
    """Whether the mean of the data dwarfs what differs from sample to sample."""
    source = measured.source
    return source.spread > 0 and source.rms > OFFSET * source.spread


def roughness(measured: Measured) -> NDArray[Any]:
    """Of each row the second derivative by inputs in units of their half-width; 0 if unknown.

    After training it is that of the solution, whatever it is: known while biases are 0.
    """
    second = measured.table.get("second_derivative")
    if second is None or any(_has_bias(call) for call in measured.calls):
        return np.zeros(len(measured.calls))
    return np.nan_to_num(second * 3 * measured.source.spread**2)


def _has_bias(call: Call) -> bool:
    layer = selection.unwrapped(call.producer)
    bias = getattr(layer, "bias", None)
    return bias is not None and bool(np.any(keras.ops.convert_to_numpy(bias)))


# In this order: a cause before what follows from it.
_FORWARD_VERDICTS: Final = ("collapsing", "saturating", "forgetting")


def _final_run(wrong: NDArray[Any], judged: NDArray[Any]) -> NDArray[Any]:
    """The judged rows from which on all are wrong: what heals by itself is no fault."""
    right = np.flatnonzero(~wrong[judged])
    return judged[right[-1] + 1 :] if len(right) else judged


def _gradient_verdict(gradient: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    """The rows, from the first on, whose gradient is out of proportion to the last's."""
    if np.isnan(gradient).any():
        return "not finite", np.flatnonzero(np.isnan(gradient))
    last = gradient[-1]
    exploded, vanished = gradient > GRADIENT * last, gradient < last / GRADIENT
    if not gradient.any():
        vanished = np.ones(len(gradient), dtype=bool)
    elif np.isinf(gradient).any():
        exploded = np.isinf(gradient)
    for name, wrong in (
        ("exploding gradient", exploded),
        ("vanishing gradient", vanished),
    ):
        if wrong[0]:
            return name, np.arange(int(np.argmin(wrong)) or len(wrong))
    return HEALTHY, np.arange(0)
