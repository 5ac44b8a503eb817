"""The rates of dynamic layers: how much each is to squash, and what it then multiplies by.

Here belongs what a rate should be. How the root mean square of what enters is measured is
`calibration`'s.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import scipy
from keras import ops

from keras_oddsig import solver
from keras_oddsig.activations import OddSigmoid
from keras_oddsig.layers.dynamic import DynamicOddSigmoid
from keras_oddsig.signal.verdicts import SMALL
from keras_oddsig.tailoring.choice import rounded

# Of tanh, rate times the root mean square of what enters. Twice as much does as well where it was
# run, with up to 8 blocks (`docs/benchmarks/transformers.md`); each block bends a stream once more.
TANH: Final = 0.25


@dataclass(eq=False)
class Rating:
    """What a dynamic layer is to get.

    Attributes:
        layer: The layer.
        reason: Why nothing; or what was met with; or "".
        rms: The root mean square of what enters, once it is known.
        rate: The rate.
        gamma: What all entries of `gamma` become; None where it has none.
    """

    layer: Any
    reason: str = ""
    rms: float | None = None
    rate: float | None = None
    gamma: float | None = None

    @functools.cached_property
    def drive(self) -> float:
        """Rate times the root mean square of what enters, as it is to be."""
        return drive_of(self.layer.activation)

    def measured(self, rms: float, squashed: float) -> None:
        """Sets rate and gamma.

        Args:
            rms: The root mean square of what enters.
            squashed: That of what the function makes of it.
        """
        if not (rms > 0 and squashed > 0):
            self.reason = "only zeros enter"
            return
        self.rms, self.rate = rms, rounded(self.drive / rms)
        if rms < SMALL:
            self.reason = "little enters: as it grows in training, this rate may be left behind"
        if self.layer.gamma is not None:
            self.gamma = rounded(1 / squashed)


def ratings_of(layers: Sequence[Any], measured: bool) -> list[Rating]:
    """A `Rating` for each dynamic layer among others.

    Args:
        layers: Of a model.
        measured: Whether the model will be run on data.
    """
    found = {id(layer): layer for layer in layers if isinstance(layer, DynamicOddSigmoid)}
    return [Rating(layer, _unfit(layer, measured)) for layer in found.values()]


def _unfit(layer: Any, measured: bool) -> str:
    weights = (layer.rate_weight, layer.gamma, layer.beta, layer.shift_weight)
    if not (layer.trainable and all(w.trainable for w in weights if w is not None)):
        return "frozen: not trainable"
    return "" if measured else "set by the data that enter, in a run"


def drive_of(function: OddSigmoid) -> float:
    """The standard deviation at which a function squashes Gaussian numbers as tanh does at 1/4.

    That is where the mean square of what it makes of them is the same part of what its slope at 0
    alone would make.
    """
    return _drive(function.unit_reference, TANH) / function.rate


@functools.lru_cache(maxsize=64)
def _drive(reference: solver.Function, tanh: float) -> float:
    goal = _left(np.tanh, tanh)
    low, high = _BRACKET
    log_gain = scipy.optimize.brentq(lambda t: _left(reference, math.exp(t)) - goal, low, high)
    return math.exp(log_gain) * float(solver.profile_of(reference).critical_gain)


def _left(reference: solver.Function, gain: float) -> float:
    """How much of a standard deviation a function leaves, of what its slope would make of it."""
    return float(solver.propagate_orthogonal(reference, 1, gain)[0]) / gain


_BRACKET: Final = (math.log(1e-6), math.log(1e3))


def give_rates(ratings: Sequence[Rating]) -> None:
    """Gives dynamic layers what was found: the weights their values, the configs their starts.

    `beta` and the shift become zero. Within `application.applied`, which knows what changes.
    """
    for rating in ratings:
        layer = rating.layer
        if rating.rate is None:
            continue
        layer.rate = rating.rate
        layer.rate_weight.assign(rating.rate)
        if rating.gamma is not None:
            layer.gamma_initializer = keras.initializers.Constant(rating.gamma)
            layer.gamma.assign(ops.full(layer.gamma.shape, rating.gamma, layer.gamma.dtype))
        if layer.beta is not None:
            layer.beta_initializer = keras.initializers.Zeros()
        for weight in (layer.beta, layer.shift_weight):
            if weight is not None:
                weight.assign(ops.zeros_like(weight.value))


def changed(ratings: Sequence[Rating]) -> tuple[list[Any], list[tuple[Any, str]]]:
    """The weights, and the attributes of layers, that `give_rates` may change."""
    layers = [rating.layer for rating in ratings if not rating.reason]
    weights = [
        weight
        for layer in layers
        for weight in (layer.rate_weight, layer.gamma, layer.beta, layer.shift_weight)
        if weight is not None
    ]
    names = ("rate", "gamma_initializer", "beta_initializer")
    return weights, [(layer, name) for layer in layers for name in names]
