"""What is learned: data in three parts, what is minimized on them, and how it is scored.

The arrays are those of `data`; networks and training know a task by its shape alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from .. import data


@dataclass(frozen=True)
class Task:
    """Data in three parts, to be classified: `crossentropy` is minimized, `accuracy` scored.

    Attributes:
        train, validation, test: `(x, y)` each.
        outputs: Units of the output layer.
        kind: The network: "dense", "rnn" or "cnn".
    """

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    outputs: int
    kind: str = "dense"

    @functools.cached_property
    def input_std(self) -> float:
        """The root mean square of the inputs, as a user would measure it."""
        return float(np.sqrt(np.mean(np.square(self.train[0], dtype="float64"))))

    @property
    def chance(self) -> float:
        """The test score of a network that has learned nothing: a constant output."""
        return float(np.bincount(self.test[1]).max() / len(self.test[1]))


def crossentropy(y: Any, logits: Any) -> Any:
    return ops.mean(ops.sparse_categorical_crossentropy(y, logits, from_logits=True))


def accuracy(y: Any, logits: Any) -> Any:
    hits = ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), y)
    # A network that has diverged to NaN has no answer, and not the first class.
    return ops.mean(ops.cast(ops.logical_and(hits, ops.all(logits == logits, axis=-1)), "float32"))


def _task(arrays: data.Data, share: float, **options: Any) -> Task:
    """A share of the training set becomes the validation set."""
    order = np.random.default_rng(0).permutation(len(arrays.x_train))
    cut = round(share * len(order))
    x, y = arrays.x_train[order], arrays.y_train[order]
    return Task(
        (x[cut:], y[cut:]),
        (x[:cut], y[:cut]),
        (arrays.x_test, arrays.y_test),
        int(arrays.y_train.max()) + 1,
        **options,
    )


def digits() -> Task:
    """8 x 8 pixels: 1,150 to train on, 287 and 360 held out."""
    return _task(data.digits(), 0.2)


def mnist() -> Task:
    """59,000 to train on, 1,000 to validate, 10,000 to test."""
    return _task(data.mnist(), 1 / 60)


def tabular() -> Task:
    """Breast cancer: 364 to train on, 91 and 114 held out."""
    return _task(data.breast_cancer(), 0.2)


def rnn(steps: int) -> Task:
    """Digits row by row, the rows in one random order, then blank steps up to `steps`.

    The state must carry the image over the blank steps, in which nothing new comes in.
    """
    if steps < 8:
        raise ValueError(f"--depths of rnn must be at least 8, the rows. Received: {steps}")
    rows = np.random.default_rng(0).permutation(8)

    def sequence(part: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        x = np.zeros((len(part[0]), steps, 8), "float32")
        x[:, :8] = part[0].reshape(-1, 8, 8)[:, rows]
        return x, part[1]

    task = digits()
    return replace(
        task,
        train=sequence(task.train),
        validation=sequence(task.validation),
        test=sequence(task.test),
        kind="rnn",
    )


def _images(task: Task, shape: tuple[int, ...], validation: int, test: int) -> Task:
    """Rows as images; of the held-out ones, as many as a convolution has time for."""

    def images(part: tuple[np.ndarray, np.ndarray], most: int | None) -> Any:
        return part[0][:most].reshape(-1, *shape), part[1][:most]

    return replace(
        task,
        train=images(task.train, None),
        validation=images(task.validation, validation),
        test=images(task.test, test),
        kind="cnn",
    )


def cnn() -> Task:
    """MNIST as images, for a CPU."""
    return _images(mnist(), (28, 28, 1), 256, 1_000)


def cifar10() -> Task:
    """Colour images as rows: 49,000 to train on, 1,000 to validate, 10,000 to test."""
    arrays = data.cifar10(50_000, 10_000)
    x_train, x_test = (x.reshape(len(x), -1) for x in (arrays.x_train, arrays.x_test))
    return _task(arrays._replace(x_train=x_train, x_test=x_test), 1 / 50)


def cifar10_cnn() -> Task:
    """CIFAR-10 as images."""
    return _images(cifar10(), (32, 32, 3), 1_000, 4_000)


IMAGES = ("mnist", "cnn", "cifar10", "cifar10_cnn")  # those that are not in scikit-learn
TASKS = ("digits", "tabular", "rnn", *IMAGES)


@functools.lru_cache
def load(name: str, depth: int) -> Task:
    """The task; of a recurrent one, with `depth` steps. Raises `MissingDataError`."""
    makers: dict[str, Callable[[], Task]] = {
        "digits": digits,
        "mnist": mnist,
        "tabular": tabular,
        "rnn": functools.partial(rnn, depth),
        "cnn": cnn,
        "cifar10": cifar10,
        "cifar10_cnn": cifar10_cnn,
    }
    return makers[name]()
