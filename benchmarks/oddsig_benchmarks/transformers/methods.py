"""The competitors: what stands in the place of each normalization, and what is done to it then.

Everything else is as Keras has it, and the same for all. Nothing here knows a task.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import keras

import keras_oddsig as ko
from keras_oddsig.tailoring import rates

from .models import NORM, Norm


def _tailor(model: keras.Model, x: Any, seed: int) -> None:
    ko.tailor(model, x, seed=seed)


# ----------------------------------------------------------------------------------
# What of it does it: the same with a part left out
# ----------------------------------------------------------------------------------


def _tailor_kernels(model: keras.Model, x: Any, seed: int) -> None:
    """Of a model with normalizations: kernels and embeddings as `tailor` has them without."""
    tailored = ko.replace_normalization(model)
    ko.tailor(tailored, x, seed=seed)
    for mine, other in zip(_kernels(model), _kernels(tailored), strict=True):
        mine.assign(other.value)


def _tailor_but_rates(model: keras.Model, x: Any, seed: int) -> None:
    of_norms = [weight for weight in model.weights if of_norm(weight)]
    before = [keras.ops.copy(weight.value) for weight in of_norms]
    ko.tailor(model, x, seed=seed)
    for weight, value in zip(of_norms, before, strict=True):
        weight.assign(value)


def _tailor_but_embeddings(model: keras.Model, x: Any, seed: int) -> None:
    table = model.layers[1]  # the first after the input
    table.trainable = False
    ko.tailor(model, x, seed=seed)
    table.trainable = True


def _tailor_twice_as_bent(model: keras.Model, x: Any, seed: int) -> None:
    with mock.patch.object(rates, "TANH", 2 * rates.TANH):
        ko.tailor(model, x, seed=seed)


def of_norm(weight: Any) -> bool:
    """Whether a weight is of what normalizes: `norm_end/gamma`, `blocks/norm_dense_gamma`."""
    return any(part.startswith(NORM) for part in weight.path.split("/"))


def _kernels(model: keras.Model) -> list[Any]:
    return [weight for weight in model.weights if not of_norm(weight)]


@dataclass(frozen=True)
class Method:
    """One competitor.

    Attributes:
        says: What the page says of it.
        norm: Makes a layer, of a name.
        afterwards: What is done to the built model, with inputs of the training set and a seed.
        of: The method that it improves on, if it is ours.
        part: Whether it is there to show what does it, and is run in the grid of parts alone.
    """

    says: str
    norm: Norm
    afterwards: Callable[[keras.Model, Any, int], None] | None = None
    of: str | None = None
    part: bool = False


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
    "LayerNorm, tailored kernels": Method(
        "LayerNorm, with the kernels and embeddings of *tailored DyT*",
        lambda name: keras.layers.LayerNormalization(name=name),
        _tailor_kernels,
        part=True,
    ),
    "DyT, tailored kernels": Method(
        "*tailored DyT* with rates of .5 and gammas of 1", _tanh, _tailor_but_rates, part=True
    ),
    "tailored but embeddings": Method(
        "*tailored DyT*, the embeddings or patches left as Keras makes them",
        _tanh,
        _tailor_but_embeddings,
        part=True,
    ),
    "tailored, twice the rate": Method(
        "*tailored DyT*, every rate for twice as much",
        _tanh,
        _tailor_twice_as_bent,
        part=True,
    ),
}
