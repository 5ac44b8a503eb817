"""The competitors: what stands in the place of each normalization, and what is done to it then.

Everything else is as Keras has it, and the same for all. Nothing here knows a task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

import keras_oddsig as ko

from .models import Norm


def _tailor(model: keras.Model, x: Any, seed: int) -> None:
    ko.tailor(model, x, seed=seed)


@dataclass(frozen=True)
class Method:
    """One competitor.

    Attributes:
        says: What the page says of it.
        norm: Makes a layer, of a name.
        afterwards: What is done to the built model, with inputs of the training set and a seed.
        of: The method that it improves on, if it is ours.
    """

    says: str
    norm: Norm
    afterwards: Callable[[keras.Model, Any, int], None] | None = None
    of: str | None = None


LAYER_NORM = "LayerNorm"  # the one that the others are compared with
TANH, ERF = "DyT, rate .5", "Derf, rate .5"


def _tanh(name: str) -> Any:
    return ko.DynamicTanh(rate=0.5, name=name)


def _erf(name: str) -> Any:
    return ko.DynamicErf(rate=0.5, name=name)


METHODS: dict[str, Method] = {
    LAYER_NORM: Method(
        "`keras.layers.LayerNormalization`", lambda name: keras.layers.LayerNormalization(name=name)
    ),
    "RMSNorm": Method(
        "`keras.layers.RMSNormalization`", lambda name: keras.layers.RMSNormalization(name=name)
    ),
    "none": Method("nothing", lambda name: keras.layers.Identity(name=name)),
    TANH: Method("`ko.DynamicTanh(rate=0.5)`, as its paper begins", _tanh),
    ERF: Method("`ko.DynamicErf(rate=0.5)`, as its paper begins", _erf),
    "tailored DyT": Method("the same, and `ko.tailor(model, x)`", _tanh, _tailor, of=TANH),
    "tailored Derf": Method("the same, and `ko.tailor(model, x)`", _erf, _tailor, of=ERF),
}
