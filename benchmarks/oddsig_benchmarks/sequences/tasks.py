"""Sequences, of which something is asked at the end: in three parts, to train, choose and test.

Arrays and what is asked of them; networks and training know a task by its shapes alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import data

SYMBOLS = 8  # that a sequence to copy is made of


class Task(NamedTuple):
    """Sequences to classify, as a whole or at their last steps.

    Attributes:
        train, validation, test: Sequences `(samples, steps, features)` and classes, `(samples,)`
            or `(samples, answers)`: of the last steps.
        metric: What is scored: "accuracy" or "crossentropy".
        chance: The score of a network that has learned nothing.
    """

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    metric: str
    chance: float

    @property
    def shape(self) -> tuple[int, int]:
        """Steps and features."""
        steps, features = self.train[0].shape[1:]
        return steps, features

    @property
    def classes(self) -> int:
        return int(self.train[1].max()) + 1

    @property
    def answers(self) -> int | None:
        """At how many of the last steps a class is asked for; None: once, of the whole."""
        classes = self.train[1]
        return None if classes.ndim == 1 else classes.shape[1]


def digits(repeated: int = 1) -> Task:
    """Images pixel by pixel, in one random order for all: 1,150 to train on, 287 and 360 held out.

    Args:
        repeated: How often each row and each column is repeated, for 64 times its square steps.
    """
    found = data.digits()
    shuffled = np.random.default_rng(0).permutation(64 * repeated**2)

    def sequences(x: np.ndarray) -> np.ndarray:
        images = x.reshape(-1, 8, 8).repeat(repeated, axis=1).repeat(repeated, axis=2)
        return images.reshape(len(x), -1, 1)[:, shuffled]

    order = np.random.default_rng(0).permutation(len(found.x_train))
    held_out, kept = np.split(order, [len(order) // 5])
    x, y = sequences(found.x_train), found.y_train
    chance = np.bincount(found.y_test).max() / len(found.y_test)
    return Task(
        (x[kept], y[kept]),
        (x[held_out], y[held_out]),
        (sequences(found.x_test), found.y_test),
        "accuracy",
        float(chance),
    )


def copy(blanks: int, symbols: int = 10, samples: int = 8192) -> Task:
    """Symbols, so many blank steps of which the last is a mark, and steps to repeat the symbols in.

    Inputs are one-hot: 8 symbols, the blank, the mark. Only the answers are scored: a network
    without memory has a cross entropy of ln 8 there.

    Reference: Hochreiter and Schmidhuber, 1997; in this form Arjovsky, Shah, Bengio, 2016 (arXiv
    1511.06464).
    """
    rng = np.random.default_rng(0)
    rows = samples + 1024  # 512 to choose by, and 512 to test on
    shown = rng.integers(0, SYMBOLS, (rows, symbols))
    codes = np.full((rows, symbols + blanks + symbols), SYMBOLS)
    codes[:, :symbols] = shown
    codes[:, symbols + blanks - 1] = SYMBOLS + 1
    x, y = np.eye(SYMBOLS + 2, dtype="float32")[codes], shown.astype("int32")
    parts = zip(np.split(x, [samples, -512]), np.split(y, [samples, -512]), strict=True)
    train, validation, test = parts
    return Task(train, validation, test, "crossentropy", math.log(SYMBOLS))


TASKS: dict[str, Callable[[], Task]] = {
    "digits, 64 steps": digits,
    "digits, 256 steps": functools.partial(digits, 2),
    "copy, 100 blanks": functools.partial(copy, 100),
    "copy, 10 blanks": functools.partial(copy, 10, symbols=3, samples=1024),
}


@functools.lru_cache
def load(name: str) -> Task:
    return TASKS[name]()
