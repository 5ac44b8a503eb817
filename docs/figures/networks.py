"""Random networks in NumPy, for the figures of docs/theory.md: kernels, signals, Jacobians.

Kernels are written out here from their definition, apart from the package's own code, so that the
theory is compared with something else than the package. Signals are arrays (networks, units,
samples): many networks at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Function = Callable[[Any], Any]
Kernel = Callable[[np.random.Generator, int, int], np.ndarray]  # (generator, networks, width)


def diagonal(noise_scale: float) -> Kernel:
    """The identity plus noise, in units of the critical gain."""

    def draw(rng: np.random.Generator, networks: int, width: int) -> np.ndarray:
        noise = rng.standard_normal((networks, width, width))
        return np.eye(width) + noise_scale / math.sqrt(width) * noise

    return draw


def rotation(gain: float) -> Kernel:
    """A random rotation times the gain.

    One of eight that are uniform over all rotations, its rows and columns in a new order with new
    signs: factorizing a matrix for each layer takes most of the time of these scripts.
    """
    pool: dict[int, np.ndarray] = {}

    def draw(rng: np.random.Generator, networks: int, width: int) -> np.ndarray:
        if width not in pool:
            pool[width] = np.linalg.qr(rng.standard_normal((8, width, width)))[0]
        order = rng.permuted(np.tile(np.arange(width), (2, networks, 1)), axis=-1)
        signs = rng.choice([-1.0, 1.0], (2, networks, width))
        rows = pool[width][rng.integers(8), order[0][:, :, None], order[1][:, None, :]]
        return gain * signs[0][:, :, None] * rows * signs[1][:, None, :]

    return draw


def gaussian(gain: float) -> Kernel:
    """Independent entries, as of Glorot's and He's: gain 1 and sqrt(2), where f'(0) = 1."""

    def draw(rng: np.random.Generator, networks: int, width: int) -> np.ndarray:
        return gain / math.sqrt(width) * rng.standard_normal((networks, width, width))

    return draw


def slope(f: Function, x: np.ndarray) -> np.ndarray:
    """f'(x), by a central difference."""
    step = 1e-5
    return (f(x + step) - f(x - step)) / (2 * step)


def critical_gain(f: Function) -> float:
    return 1 / float(slope(f, np.zeros(1))[0])


def layers(
    f: Function, kernel: Kernel, depth: int, signal: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Kernel, pre-activation and activation of each layer, from the first on."""
    rng, omega = np.random.default_rng(seed), critical_gain(f)
    networks, width, _ = signal.shape
    for _ in range(depth):
        weights = omega * kernel(rng, networks, width)
        before = weights @ signal
        signal = f(before)
        yield weights, before, signal
