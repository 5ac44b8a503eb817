"""The authors' kernel of ICLR 2025, with which several benchmarks compare."""

from __future__ import annotations

import math
from typing import Any

import keras

import keras_oddsig as ko


class FixedNoise(keras.initializers.Initializer):
    """Identity plus noise of 0.085, whatever activation and depth; a dense kernel's, (m, n).

    Reference: Lee, Choi, Kim, 2025 (arXiv 2410.02242). Their text divides the noise by the
    square root of the number of inputs, the code that they published by that of the outputs.
    """

    def __init__(self, seed: keras.random.SeedGenerator, by_outputs: bool = True) -> None:
        self.seed = seed
        self.by_outputs = by_outputs

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        m, n = math.prod(shape[:-1]), shape[-1]
        # OddSigmoidInit divides by the root of m.
        noise = 0.085 * math.sqrt(m / n) if self.by_outputs else 0.085
        return ko.OddSigmoidInit("tanh", noise_scale=noise, seed=self.seed)(shape, dtype)
