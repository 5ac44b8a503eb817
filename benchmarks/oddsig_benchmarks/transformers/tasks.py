"""What the transformers learn: samples of tokens, in three parts, to train, choose and test.

Arrays alone; models and training know a task by what it says of itself.
"""

from __future__ import annotations

import functools
import math
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import data
from ..trainability import tasks as images

CONTEXT = 64  # characters that a sample has
WINDOWS = 6 * 32  # samples that a part of the text which is held out is scored on

Part = tuple[np.ndarray, np.ndarray]


class Task(NamedTuple):
    """Samples and their classes.

    Attributes:
        train, validation, test: Inputs, codes `(samples, tokens)` or patches `(samples, tokens,
            features)`, and classes, `(samples, tokens)` or `(samples,)`.
        classes: How many.
        metric: What is shown of it: "crossentropy", in nats, or "accuracy".
        chance: The metric of a network that has learned nothing.
        together: How many samples are scored at once.
    """

    train: Part
    validation: Part
    test: Part
    classes: int
    metric: str
    chance: float
    together: int

    @property
    def causal(self) -> bool:
        """Whether each token is asked for the next one, and must not see it."""
        return self.train[1].ndim == 2

    def shown(self, samples: int) -> np.ndarray:
        """So many inputs of the training set, evenly spaced, or all that there are."""
        x = self.train[0]
        return x[:: max(1, len(x) // samples)][:samples]


def characters() -> Task:
    """The next character of the Python sources that ship with Python, after up to 64.

    The modules of the standard library, in one random order: the first 90% to train on, of the rest
    the first half to choose by and the second to test on, 192 windows of 64 characters each. What
    is not ASCII is a question mark. Which text it is depends on the version of Python.

    Raises:
        MissingDataError: If the standard library is not there as files.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(folder.glob("*.py"))
    if not files:
        raise data.MissingDataError(f"{folder} holds no Python sources")
    order = np.random.default_rng(0).permutation(len(files))
    texts = [
        files[i].read_text("utf-8", errors="replace").encode("ascii", "replace") for i in order
    ]
    symbols, codes = np.unique(np.frombuffer(b"".join(texts), "uint8"), return_inverse=True)
    length = len(codes)
    train, *held_out = np.split(codes.astype("int32"), [length * 9 // 10, length * 19 // 20])
    classes = len(symbols)
    return Task(
        _windows(train),
        *(_spaced(_windows(part)) for part in held_out),
        classes,
        "crossentropy",
        math.log(classes),
        together=64,
    )


def _windows(codes: np.ndarray) -> Part:
    """Text cut into samples, and the character that follows each of theirs."""
    number = (len(codes) - 1) // CONTEXT
    x, y = codes[: number * CONTEXT], codes[1 : number * CONTEXT + 1]
    return x.reshape(number, CONTEXT), y.reshape(number, CONTEXT)


def _spaced(part: Part) -> Part:
    chosen = np.linspace(0, len(part[0]) - 1, WINDOWS).astype(int)
    return part[0][chosen], part[1][chosen]


def patches(x: np.ndarray, size: int) -> np.ndarray:
    """Images `(samples, height, width, colours)` as `(samples, patches, features)`, row by row."""
    samples, height, width, colours = x.shape
    cut = x.reshape(samples, height // size, size, width // size, size, colours)
    return cut.swapaxes(2, 3).reshape(samples, -1, size * size * colours)


def cifar10() -> Task:
    """CIFAR-10 in 16 patches of 8 x 8: 25,600 images to train on, 1,000 and 2,000 held out."""
    return _of_images(images.cifar10_cnn(), 8, train=25_600, test=2_000)


def digits() -> Task:
    """8 x 8 pixels in 16 patches of 2 x 2: 1,150 to train on, 287 and 360 held out."""
    found = images.digits()
    rows = (found.train, found.validation, found.test)
    train, validation, test = ((x.reshape(-1, 8, 8, 1), y) for x, y in rows)
    return _of_images(images.Task(train, validation, test, found.outputs), 2)


def _of_images(
    found: images.Task, size: int, train: int | None = None, test: int | None = None
) -> Task:
    parts = ((found.train, train), (found.validation, None), (found.test, test))
    cut = [(patches(x[:most], size), y[:most]) for (x, y), most in parts]
    chance = np.bincount(cut[2][1]).max() / len(cut[2][1])
    return Task(*cut, found.outputs, "accuracy", float(chance), together=250)


TASKS: dict[str, Callable[[], Task]] = {
    "characters": characters,
    "CIFAR-10": cifar10,
    "digits": digits,
}


@functools.lru_cache(maxsize=1)
def load(name: str) -> Task:
    """Raises `MissingDataError`."""
    return TASKS[name]()
