"""What the models learn: data, what is minimized, and how it is scored on data held out.

`model` stands for a function from inputs to outputs, whoever calls it. Only the loss of
`burgers` differentiates by the inputs, and needs JAX for that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from .. import data
from ..pinn.equations import EQUATIONS, sample
from ..trainability.tasks import accuracy, crossentropy
from ..trainability.tasks import rnn as blank_steps

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Task:
    """Inputs as the model takes them, and targets; a row is a sample.

    Attributes:
        train, test: `(x, y)` each.
        loss: Of a model on a batch `(x, y)`.
        score: Of a model on the test part.
        metric: Its name.
        higher: Whether a higher score is better.
    """

    train: tuple[Any, Any]
    test: tuple[Any, Any]
    loss: Callable[[Function, Any, Any], Any]
    score: Callable[[Function, Any, Any], Any]
    metric: str = "accuracy"
    higher: bool = True

    @property
    def samples(self) -> int:
        return len(keras.tree.flatten(self.train[0])[0])


def classification(train: Any, test: Any) -> Task:
    """Of classes by their numbers."""
    return Task(
        train,
        test,
        lambda model, x, y: crossentropy(y, model(x)),
        lambda model, x, y: accuracy(y, model(x)),
    )


def _squared_error(model: Function, x: Any, y: Any) -> Any:
    return ops.mean(ops.square(model(x) - y))


def _relative_error(model: Function, x: Any, y: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(model(x) - y)) / ops.sum(ops.square(y)))


def _regression(train: Any, test: Any) -> Task:
    return Task(train, test, _squared_error, _relative_error, "relative L2 error", higher=False)


def digits() -> Task:
    """scikit-learn's digits, standardized: 1,437 to train on, 360 held out."""
    d = data.digits()
    return classification((d.x_train, d.y_train), (d.x_test, d.y_test))


def cifar() -> Task:
    """The first 10,000 images of CIFAR-10, and 1,000 of its test part, standardized."""
    d = data.cifar10(10_000, 1_000)
    return classification((d.x_train, d.y_train), (d.x_test, d.y_test))


def sequences() -> Task:
    """The benchmark's: digits row by row, then blank steps up to 200."""
    found = blank_steps(200)
    return classification(found.train, found.test)


def pixels() -> Task:
    """MNIST, pixels from 0 to 1, to be given back; scored against the mean image's error."""
    d = data.mnist()
    low, high = d.x_train.min(), d.x_train.max()
    train, test = ((each - low) / (high - low) for each in (d.x_train, d.x_test[:2000]))
    mean = train.mean(axis=0)

    def loss(model: Function, x: Any, y: Any) -> Any:
        return ops.mean(ops.binary_crossentropy(y, model(x)))

    def unexplained(model: Function, x: Any, y: Any) -> Any:
        return ops.mean(ops.square(model(x) - y)) / ops.mean(ops.square(y - mean))

    share = "unexplained variance"
    return Task((train, train), (test, test), loss, unexplained, share, higher=False)


def image_and_sums() -> Task:
    """A digit's image, and the sums of its rows and columns as they come: class, and mean ink."""
    d = data.digits()

    def parts(x: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
        image = x.reshape(-1, 8, 8, 1)
        sums = np.concatenate([image.sum(axis=(1, 3)), image.sum(axis=(2, 3))], axis=1)
        ink = image.mean(axis=(1, 2))
        return {"image": image, "sums": sums}, {"digit": y, "ink": ink}

    def loss(model: Function, x: Any, y: Any) -> Any:
        found = model(x)
        ink = ops.mean(ops.square(found["ink"] - y["ink"]))
        return crossentropy(y["digit"], found["digit"]) + ink

    def score(model: Function, x: Any, y: Any) -> Any:
        return accuracy(y["digit"], model(x)["digit"])

    return Task(parts(d.x_train, d.y_train), parts(d.x_test, d.y_test), loss, score)


def antiderivatives() -> Task:
    """Random smooth functions at 50 sensors, a place, and their integral up to there.

    Sums of five sines and cosines on [0, 1] with normal amplitudes that fall with the frequency;
    2,000 functions at 10 places each to train on, 200 others held out.
    """
    rng = np.random.default_rng(0)
    sensors, waves = np.linspace(0, 1, 50), np.arange(1, 6)

    def part(functions: int, places: int) -> tuple[Any, Any]:
        a, b = rng.normal(size=(2, functions, 1, 5)) / waves
        y = rng.uniform(size=(functions, places, 1))
        u = np.sum(a * np.cos(waves * np.pi * sensors[:, None]), axis=-1)
        u += np.sum(b * np.sin(waves * np.pi * sensors[:, None]), axis=-1)
        integral = np.sum(
            (a * np.sin(waves * np.pi * y) + b * (1 - np.cos(waves * np.pi * y))) / waves / np.pi,
            axis=-1,
        )
        rows = [np.repeat(u, places, axis=0), y.reshape(-1, 1)]
        return [each.astype("float32") for each in rows], integral.reshape(-1, 1).astype("float32")

    return _regression(part(2_000, 10), part(200, 10))


def swing_up() -> Task:
    """The torque with which a pendulum is swung up, at states drawn over its phase space.

    Energy is pumped in until that of the upright state is reached; close to it a linear feedback
    catches the pendulum. The torque is bounded, at 1.
    """
    rng = np.random.default_rng(0)

    def part(number: int) -> tuple[np.ndarray, np.ndarray]:
        angle = rng.uniform(-np.pi, np.pi, number)  # 0 is upright
        speed = rng.uniform(-8, 8, number)
        missing = 10 * (1 - np.cos(angle)) - speed**2 / 2
        pump = np.tanh(0.3 * missing * speed)
        catch = -np.clip(8 * angle + 2 * speed, -1, 1)
        close = (np.abs(angle) < 0.5) & (np.abs(speed) < 2)
        state = np.stack([np.cos(angle), np.sin(angle), speed], axis=1)
        torque = np.where(close, catch, pump)[:, None]
        return state.astype("float32"), torque.astype("float32")

    return _regression(part(8_000), part(2_000))


def burgers() -> Task:
    """Burgers's equation: 2,000 points inside, 50 at the start and on each wall."""
    equation = EQUATIONS["burgers"]
    points = sample(equation, 2_000, np.random.default_rng(0))
    border = points.points[2_000:].astype("float32")
    values = points.values[:, None].astype("float32")
    inside, grid = points.points[:2_000].astype("float32"), equation.grid().astype("float32")

    def loss(model: Function, x: Any, y: Any) -> Any:
        u, first, second = _derivatives(model, x)
        residual = equation.operator(u, first, second) - y
        return ops.mean(ops.square(residual)) + _squared_error(model, border, values)

    forcing = points.forcing[:2_000, None].astype("float32")
    solution = equation.solution(equation.grid())[:, None].astype("float32")
    name = "relative L2 error"
    return Task((inside, forcing), (grid, solution), loss, _relative_error, name, higher=False)


def _derivatives(u: Function, points: Any) -> tuple[Any, tuple[Any, Any], tuple[None, Any]]:
    """u, its slopes by each of two inputs, and the second derivative by the last; on JAX."""
    import jax
    import jax.numpy as jnp

    def value_and_slopes(points: Any) -> tuple[Any, Any]:
        value, backwards = jax.vjp(u, points)
        return value, backwards(jnp.ones_like(value))[0]

    by_x = jnp.zeros_like(points).at[:, 1].set(1.0)
    (value, slopes), (_, bends) = jax.jvp(value_and_slopes, (points,), (by_x,))
    return value, (slopes[:, :1], slopes[:, 1:]), (None, bends[:, 1:])


@functools.lru_cache
def load(make: Callable[[], Task]) -> Task:
    """The task that `make` makes, once. Raises `MissingDataError`."""
    return make()
