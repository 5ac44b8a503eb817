"""Pixels from 0 to 255, flattened, 15% of the training set held out for validation."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from .. import data

SIZES = {"mnist": 60_000, "cifar10": 50_000}
HELD_OUT = 0.15


class Pixels(NamedTuple):
    """Images as rows of bytes, classes as integers."""

    x: np.ndarray
    y: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray

    @property
    def rms(self) -> float:
        """Of the pixels over 255."""
        return float(np.sqrt(np.mean((self.x / 255) ** 2)))


@functools.lru_cache(maxsize=1)
def load(name: str) -> Pixels:
    """The same division for every run. Raises `MissingDataError`."""
    if name == "digits":  # of 0 to 16, for the smoke test
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        x = x * (255 / 16)
    else:  # the test set stays unseen
        x, y, *_ = data.images(name, SIZES[name], 1)
    order = np.random.default_rng(0).permutation(len(x))
    cut = round(HELD_OUT * len(x))
    x, y = np.asarray(x)[order].astype("uint8"), np.asarray(y)[order].astype("int32")
    return Pixels(x[cut:], y[cut:], x[:cut], y[:cut])


def floats(x: np.ndarray) -> np.ndarray:
    """As a network reads them."""
    return x.astype("float32") / np.float32(255)
