"""The tasks of `benchmark_trainability.py`: data, loss and scores."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops
from quickstart import Data, load_digits, load_mnist, standardized

Forward = Callable[[Any], Any]
VISCOSITY = 0.01 / math.pi


class MissingDataError(Exception):
    """A data set is not on this machine."""


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
            burgers_loss(forward, x) if self.metric == "l2_error" else crossentropy(y, forward(x))
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


# ----------------------------------------------------------------------------------
# Classification
# ----------------------------------------------------------------------------------


def _task(data: Data, share: float, **options: Any) -> Task:
    """A share of the training set becomes the validation set."""
    order = np.random.default_rng(0).permutation(len(data.x_train))
    cut = round(share * len(order))
    x, y = data.x_train[order], data.y_train[order]
    return Task(
        (x[cut:], y[cut:]),
        (x[:cut], y[:cut]),
        (data.x_test, data.y_test),
        int(data.y_train.max()) + 1,
        **options,
    )


def digits() -> Task:
    """scikit-learn's digits, 8 x 8 pixels: 1,150 to train on, 287 and 360 held out."""
    return _task(load_digits(), 0.2)


def mnist() -> Task:
    """MNIST: 59,000 to train on, 1,000 to validate, 10,000 to test."""
    try:
        return _task(load_mnist(), 1 / 60)
    except SystemExit as error:  # what the quickstart stops with
        raise MissingDataError(str(error)) from error


def tabular() -> Task:
    """Breast cancer: the largest table that scikit-learn bundles for classification.

    569 rows of 30 measurements, each standardized, two classes; 114 rows held out.
    """
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.2, stratify=y, random_state=0
    )
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    scaled = ((x_train - mean) / std, y_train, (x_test - mean) / std, y_test)
    return _task(standardized(*scaled), 0.2)


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


# ----------------------------------------------------------------------------------
# Burgers's equation
# ----------------------------------------------------------------------------------


def burgers_solution(t: Any, x: Any, viscosity: float = VISCOSITY) -> np.ndarray:
    """The exact u(t, x) of `u_t + u u_x = viscosity u_xx` with `u(0, x) = -sin(pi x)`.

    By Cole and Hopf, u = -2 viscosity (log phi)_x, and phi solves the heat equation from
    `phi(0, y) = exp(-cos(pi y) / (2 pi viscosity))`, a convolution with a Gaussian:

        u = -E[sin(pi y) phi(0, y)] / E[phi(0, y)],    y = x - sqrt(2 viscosity t) z.

    Reference: Basdevant et al., [Spectral and finite difference solutions of the Burgers
    equation](https://doi.org/10.1016/0045-7930(86)90036-8), 1986.
    """
    t, x = np.broadcast_arrays(np.asarray(t, float), np.asarray(x, float))
    z, weight = np.polynomial.hermite_e.hermegauss(120)
    y = x[..., None] - np.sqrt(2 * viscosity * t)[..., None] * z
    exponent = -np.cos(np.pi * y) / (2 * np.pi * viscosity)
    # phi reaches exp(50): its maximum in each sum is divided out.
    phi = weight * np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    return -(np.sin(np.pi * y) * phi).sum(axis=-1) / phi.sum(axis=-1)


def burgers() -> Task:
    """Points of (t, x) in [0, 1] x [-1, 1]; the test set is the exact solution on a grid."""
    rng = np.random.default_rng(0)

    def points(number: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.uniform([0, -1], [1, 1], (number, 2)).astype("float32")
        return x, np.zeros(number, "float32")

    t, x = np.meshgrid(np.linspace(0, 1, 41), np.linspace(-1, 1, 101), indexing="ij")
    grid = np.stack([t.ravel(), x.ravel()], axis=1).astype("float32")
    exact = burgers_solution(t, x).reshape(-1, 1).astype("float32")
    return Task(points(8192), points(512), (grid, exact), 1, metric="l2_error")


@functools.lru_cache
def _conditions() -> tuple[np.ndarray, np.ndarray]:
    """Points at t = 0 and at x = +-1, and u there."""
    x, t = np.linspace(-1, 1, 32), np.linspace(0, 1, 16)
    start = np.stack([np.zeros_like(x), x], axis=1)
    walls = np.stack([np.tile(t, 2), np.repeat([-1.0, 1.0], 16)], axis=1)
    values = np.concatenate([-np.sin(np.pi * x), np.zeros(32)])[:, None]
    return np.concatenate([start, walls]).astype("float32"), values.astype("float32")


def burgers_loss(forward: Forward, tx: Any) -> Any:
    """Mean squared residual at `tx`, plus those of the initial and boundary conditions."""
    tx = ops.convert_to_tensor(tx)
    u, u_t, u_x, u_xx = derivatives(forward, tx[:, :1], tx[:, 1:])
    residual = u_t + u * u_x - VISCOSITY * u_xx
    where, values = _conditions()
    miss = ops.square(forward(ops.convert_to_tensor(where)) - ops.convert_to_tensor(values))
    return ops.mean(ops.square(residual)) + ops.mean(miss[:32]) + ops.mean(miss[32:])


def derivatives(forward: Forward, t: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """`u, u_t, u_x, u_xx` of a network that treats each row by itself, as the backend can."""

    def u(t: Any, x: Any) -> Any:
        return forward(ops.concatenate([t, x], axis=1))

    match keras.backend.backend():
        case "jax":
            import jax

            one = ops.ones_like(x)

            def along_x(x: Any) -> tuple[Any, Any]:
                return jax.jvp(lambda x: u(t, x), (x,), (one,))

            (value, u_x), (_, u_xx) = jax.jvp(along_x, (x,), (one,))
            return value, jax.jvp(lambda t: u(t, x), (t,), (one,))[1], u_x, u_xx
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as inner:
                    inner.watch([t, x])
                    value = u(t, x)
                u_t, u_x = inner.gradient(value, [t, x])
            return value, u_t, u_x, outer.gradient(u_x, x)
        case _:
            import torch

            with torch.enable_grad():
                t, x = (each.detach().requires_grad_() for each in (t, x))
                value = u(t, x)
                u_t, u_x = torch.autograd.grad(value.sum(), [t, x], create_graph=True)
                (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
            return value, u_t, u_x, u_xx


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
