"""The initial weights of each method, drawn through Keras.

A draw is a list of arrays as of `Model.get_weights`: kernel and bias of each layer, the output
last. Biases are zero where `tailor` does not set them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_oddsig as ko

from ..fixed_noise import FixedNoise
from .cells import Cell
from .tasks import Pixels, floats

CLASSES = 10
Draw = Callable[[Cell, Pixels, np.ndarray, int], list[np.ndarray]]


def widths_of(cell: Cell, inputs: int) -> list[int]:
    """From the inputs to the outputs."""
    return [inputs, *[cell.width] * cell.depth, CLASSES]


def model_of(cell: Cell, inputs: int) -> keras.Model:
    """The network as a user writes it, with Keras's own weights."""
    layers = keras.layers
    hidden = [layers.Dense(cell.width, activation="tanh") for _ in range(cell.depth)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, layers.Dense(CLASSES)])


def _kernels(
    cell: Cell, inputs: int, first: Any, hidden: Any = None, last: Any = None
) -> list[np.ndarray]:
    """Kernels of these initializers (the others' is `first`), biases of zero."""
    widths = widths_of(cell, inputs)
    makers = [first, *[hidden or first] * (cell.depth - 1), last or first]
    drawn = []
    for maker, shape in zip(makers, itertools.pairwise(widths), strict=True):
        drawn += [keras.ops.convert_to_numpy(maker(shape)), np.zeros(shape[1], "float32")]
    return drawn


def _everywhere(make: Callable[[keras.random.SeedGenerator], Any]) -> Draw:
    def draw(cell: Cell, pixels: Pixels, chosen: np.ndarray, seed: int) -> list[np.ndarray]:
        return _kernels(cell, pixels.x.shape[1], make(keras.random.SeedGenerator(seed)))

    return draw


def _tailored(cell: Cell, pixels: Pixels, chosen: np.ndarray, seed: int) -> list[np.ndarray]:
    """What `ko.tailor` makes of Keras's own weights, with the run's own samples."""
    generator = keras.random.SeedGenerator(seed)
    model = model_of(cell, pixels.x.shape[1])
    default = keras.initializers.GlorotUniform(seed=generator)
    model.set_weights(_kernels(cell, pixels.x.shape[1], default))
    ko.tailor(model, floats(pixels.x[chosen[:256]]), seed=seed)
    return [np.asarray(value) for value in model.get_weights()]


def _recipe(cell: Cell, pixels: Pixels, chosen: np.ndarray, seed: int) -> list[np.ndarray]:
    """The guide's by hand: rotations, the first for the spread that the pixels have."""
    generator = keras.random.SeedGenerator(seed)
    options: dict[str, Any] = {"rotation": "hartley", "seed": generator}
    return _kernels(
        cell,
        pixels.x.shape[1],
        ko.OddSigmoidOrthogonal("tanh", cell.depth, input_std=pixels.rms, **options),
        ko.OddSigmoidOrthogonal("tanh", cell.depth, **options),
        keras.initializers.GlorotUniform(seed=generator),
    )


_XAVIER = _everywhere(lambda seed: keras.initializers.GlorotNormal(seed=seed))

DRAWS: dict[str, Draw] = {
    "xavier": _XAVIER,
    "xavier, uniform": _everywhere(lambda seed: keras.initializers.GlorotUniform(seed=seed)),
    # Their text divides the noise by the root of the inputs, their notebook by that of the
    # outputs; the notebook initializes the output layer so, too.
    "theirs, by inputs": _everywhere(
        lambda seed: ko.OddSigmoidInit("tanh", noise_scale=0.085, seed=seed)
    ),
    "theirs, by outputs": _everywhere(FixedNoise),
    "tailored": _tailored,
    "hartley, scaled input": _recipe,
    "xavier + BN": _XAVIER,
    "xavier + LN": _XAVIER,
}
