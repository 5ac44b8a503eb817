"""What is learned: data in three parts, what is minimized on them, and how it is scored.

The arrays are those of `data`, the equation is that of `burgers`; networks and training know
a task by its shape and its functions alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from .. import burgers as equation
from .. import data
from ..burgers import Forward


@dataclass(frozen=True)
class Task:
    """Data in three parts, and what is minimized and scored on it.

    Attributes:
        train, validation, test: `(x, y)` each.
        outputs: Units of the output layer.
        metric: "accuracy", or "l2_error" of a solution. The learning rate is chosen by
            the accuracy, or the loss, on the validation part.
        kind: The network: "dense", "rnn" or "cnn".
    """

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    outputs: int
    metric: str = "accuracy"
    kind: str = "dense"

    @functools.cached_property
    def input_std(self) -> float:
        """The root mean square of the inputs, as a user would measure it."""
        return float(np.sqrt(np.mean(np.square(self.train[0], dtype="float64"))))

    @property
    def chance(self) -> float:
        """The test score of a network that has learned nothing: a constant output."""
        if self.metric == "l2_error":
            return 1.0
        return float(np.bincount(self.test[1]).max() / len(self.test[1]))

    def loss(self, forward: Forward, x: Any, y: Any) -> Any:
        return (
            equation.loss(forward, x) if self.metric == "l2_error" else crossentropy(y, forward(x))
        )

    def validate(self, forward: Forward, x: Any, y: Any) -> Any:
        return self.loss(forward, x, y) if self.metric == "l2_error" else accuracy(y, forward(x))

    def score(self, forward: Forward, x: Any, y: Any) -> Any:
        return l2_error(y, forward(x)) if self.metric == "l2_error" else accuracy(y, forward(x))


def crossentropy(y: Any, logits: Any) -> Any:
    return ops.mean(ops.sparse_categorical_crossentropy(y, logits, from_logits=True))


def accuracy(y: Any, logits: Any) -> Any:
    hits = ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), y)
    # A network that has diverged to NaN has no answer, and not the first class.
    return ops.mean(ops.cast(ops.logical_and(hits, ops.all(logits == logits, axis=-1)), "float32"))


def l2_error(exact: Any, u: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(u - exact)) / ops.sum(ops.square(exact)))


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


def cnn() -> Task:
    """MNIST as images; of the held-out ones, as many as a convolution on a CPU has time for."""

    def images(part: tuple[np.ndarray, np.ndarray], most: int) -> tuple[np.ndarray, np.ndarray]:
        return part[0][:most].reshape(-1, 28, 28, 1), part[1][:most]

    task = mnist()
    return replace(
        task,
        train=images(task.train, 59_000),
        validation=images(task.validation, 256),
        test=images(task.test, 1_000),
        kind="cnn",
    )


def burgers() -> Task:
    """Points of (t, x) in [0, 1] x [-1, 1]; the test set is the exact solution on a grid."""
    rng = np.random.default_rng(0)

    def points(number: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.uniform([0, -1], [1, 1], (number, 2)).astype("float32")
        return x, np.zeros(number, "float32")

    t, x = np.meshgrid(np.linspace(0, 1, 41), np.linspace(-1, 1, 101), indexing="ij")
    grid = np.stack([t.ravel(), x.ravel()], axis=1).astype("float32")
    exact = equation.solution(t, x).reshape(-1, 1).astype("float32")
    return Task(points(8192), points(512), (grid, exact), 1, metric="l2_error")


TASKS = ("digits", "mnist", "tabular", "burgers", "rnn", "cnn")


@functools.lru_cache
def load(name: str, depth: int) -> Task:
    """The task; of a recurrent one, with `depth` steps. Raises `MissingDataError`."""
    makers: dict[str, Callable[[], Task]] = {
        "digits": digits,
        "mnist": mnist,
        "tabular": tabular,
        "burgers": burgers,
        "rnn": functools.partial(rnn, depth),
        "cnn": cnn,
    }
    return makers[name]()
