"""From the numbers to words: what is wrong, where it starts, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from keras_oddsig import activations
from keras_oddsig.signal import predictions, selection
from keras_oddsig.signal.measurement import Measured
from keras_oddsig.signal.predictions import Prediction

#
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
# Units beyond 0.97 sup f pass on a seventeenth of a gradient (tanh) or less, at any depth.
MOSTLY_SATURATED: Final = 0.3
# All samples one direction; a set that begins with a common mean (digits: .77) is no alarm.
ALIKE: Final = 0.95
# Of the effective rank: all networks above that train keep .16 or more.
FORGOTTEN: Final = 0.05
# Between the first row's gradient and the last's. Ours reach .04 (softsign, 100 layers), He's
# 120 (tanh, 100 layers).
GRADIENT: Final = 100.0

HEALTHY: Final = "healthy"


def judge(measured: Measured, predictions: Sequence[Prediction]) -> tuple[list[str], str, int]:
    """A verdict for each row, for the whole, and the row where that one starts."""
    table, count = measured.table, len(measured.calls)
    finite = np.isfinite(np.stack([table[k] for k in ("mean", "std", "min", "max")])).all(axis=0)
    if not finite.all():
        start = int(np.argmin(finite))
        return [HEALTHY if ok else "not finite" for ok in finite], "not finite", start
    activation = [selection.activation_of(call.layer) for call in measured.calls]
    odd = np.array([f is not None for f in activation])
    # Comparisons are between rows of one sort: a softmax is small, a ReLU's samples alike.
    judged = np.flatnonzero(odd if odd.any() else ~odd)
    wrong = {name: np.zeros(count, dtype=bool) for name in _FORWARD_VERDICTS}
    first = judged[0]
    units = measured.values / measured.samples
    bound = np.array([math.inf if f is None else f.profile.bound for f in activation])
    predicted = np.array([math.nan if p[0] is None else p[0] for p in predictions])
    with np.errstate(divide="ignore", invalid="ignore"):
        size = table["std"] / np.where(np.isnan(predicted), table["std"][first], predicted)
        rank = table["effective_rank"] / np.minimum(table["effective_rank"][first], units)
        # Of one sample, or of equal ones, there is no rank to lose.
        rank = np.where(np.isnan(rank), 0.0 if math.isfinite(rank[first]) else 1.0, rank)
        size = np.where(np.isnan(size), 0.0, size)
        apart = (1 - table["cosine"]) / (1 - table["cosine"][first])
    wrong["collapsing"] = np.minimum(size, 1) * np.minimum(rank, 1) < COLLAPSED
    wrong["saturating"] = table["saturated"] > MOSTLY_SATURATED
    share = np.where(table["std"] < 1.25 * predicted, 0.0, table["std"] / bound)
    if len(judged) >= LARGE_FOR and share[judged[-LARGE_FOR:]].mean() > LARGE:
        # On the average: single narrow layers scatter by a tenth.
        wrong["saturating"] |= share > 0.8 * LARGE
    alike = (table["cosine"] > ALIKE) & (apart < 1 - ALIKE)
    wrong["forgetting"] = alike | (rank < FORGOTTEN)
    rows = [HEALTHY] * count
    verdict, start = HEALTHY, -1
    # What is small and alike has collapsed; what is of full size has forgotten.
    wrong["collapsing"] &= ~(alike & (size > LARGE))
    for name in _FORWARD_VERDICTS:
        run = _final_run(wrong[name], judged)
        for row in run:
            rows[row] = name if rows[row] == HEALTHY else rows[row]
        if len(run) and verdict == HEALTHY:
            verdict, start = name, int(run[0])
    if "activation_gradient" in table:
        name, run = _gradient_verdict(table["activation_gradient"])
        for row in run:
            rows[row] = name if rows[row] == HEALTHY else rows[row]
        if len(run) and verdict == HEALTHY:
            verdict, start = name, int(run[-1])
    return rows, verdict, start


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


def advice_on(measured: Measured, verdict: str, start: int) -> str:
    if verdict == HEALTHY:
        return "Nothing to do."
    call = measured.calls[start]
    activations_ = [f for f in map(selection.activation_of, (c.layer for c in measured.calls)) if f]
    if verdict == "not finite":
        return (
            f"Look at what enters {call.name}: its input, its weights, and the learning rate "
            "that made them."
        )
    if not activations_:
        return (
            "None of these activations is odd-sigmoid: the initializers of this package are not "
            "for them."
        )
    narrow = _bottleneck(measured)
    made = [each for each in map(predictions.initializer_of, measured.calls) if each is not None]
    untold = narrow is not None and all(getattr(m, "bottleneck", None) is None for m in made)
    if made and not (untold and verdict in ("collapsing", "forgetting")):
        return (
            "The kernels were made for this activation: compare `depth` with the "
            f"{len(activations_)} layers here, and the scale of the input (rms "
            f"{measured.source:.2g}) with 1; after training, lower the learning rate."
        )
    activation = selection.activation_of(call.layer) or activations_[0]
    name = (
        selection.activation_name(activation)
        if activation.amplitude == activation.rate == 1
        else None
    )
    shown = f'"{name}"' if name in activations._CLASSES else "the activation"
    arguments = f"{shown}, depth={len(activations_)}"
    told = f"{arguments}, bottleneck={narrow}" if narrow is not None else arguments
    first = ""
    if 0 < measured.source < math.inf:
        first = (
            f", the first with OddSigmoidOrthogonal({arguments}, input_std={measured.source:.2g})"
        )
    return f"Initialize the kernels with OddSigmoidOrthogonal({told}){first}."


def _bottleneck(measured: Measured) -> int | None:
    """The width of the narrowest dense layer that lies between wider ones, if one does."""
    if not all(isinstance(call.producer, keras.layers.Dense) for call in measured.calls):
        return None
    widths = [call.producer.units for call in measured.calls]
    between = [
        width
        for row, width in enumerate(widths)
        if width < max(widths[:row], default=0) and width < max(widths[row + 1 :], default=0)
    ]
    return min(between, default=None)
