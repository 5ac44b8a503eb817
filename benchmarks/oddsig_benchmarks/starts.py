"""Training one network from many initial weights at once, on JAX: for small experiments.

Imports JAX, and is imported where that is the backend. What the starts differ in (seeds, ways to
initialize), what is made of the scores, and whether they are kept in files, each experiment says.
The grids of `trainability` have a machinery of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from .reporting import table

Forward = Callable[[Any, Any], Any]  # from weights, a list of arrays, and inputs to outputs
Measure = Callable[[Any, Any], Any]  # from outputs and targets to a number
Part = tuple[Any, Any]  # inputs and targets
# Initial weights, by way and seed.
Starts = Mapping[tuple[str, int], Sequence[Any]]
Key = tuple[str, int, float]  # way, seed and learning rate
Scores = dict[Key, float]


def crossentropy(logits: Any, classes: Any) -> Any:
    """Of the classes along the last axis, its mean over all others."""
    found = jnp.take_along_axis(jax.nn.log_softmax(logits), classes[..., None], axis=-1)
    return -jnp.mean(found)


def accuracy(logits: Any, classes: Any) -> Any:
    """NaN of a network that has diverged: it has no answer, and not the first class."""
    right = jnp.mean(jnp.argmax(logits, axis=-1) == classes)
    return jnp.where(jnp.all(jnp.isfinite(logits)), right, jnp.nan)


def squared_error(made: Any, targets: Any) -> Any:
    return jnp.mean((made - targets) ** 2)


def one_by_one(run: Callable[..., Any]) -> Callable[..., Any]:
    """In place of `jax.vmap`, for runs that are large enough alone."""
    return lambda *stacks: jax.lax.map(lambda each: run(*each), stacks)


class Outcome(NamedTuple):
    """What came of a run.

    Attributes:
        loss: The training loss, its mean over the last tenth of the steps.
        scores: Each measure of each part that is held out, `(parts, measures)`.
    """

    loss: float
    scores: np.ndarray


def of_model(model: keras.Model) -> Forward:
    """A Keras model, all of whose weights are trained, as a function of them."""
    kept = [variable.value for variable in model.non_trainable_variables]  # seeds

    def forward(weights: Any, x: Any) -> Any:
        return model.stateless_call(weights, kept, x)[0]

    return forward


def descent(
    forward: Forward, loss: Measure, optimizer: keras.optimizers.Optimizer
) -> Callable[..., Any]:
    """A step of a built optimizer: from weights, its memory, a learning rate, inputs and targets.

    It gives the weights and the memory after the step, and the loss before it.
    """

    def step(weights: Any, memory: Any, rate: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
        value, gradient = jax.value_and_grad(lambda weights: loss(forward(weights, x), y))(weights)
        memory = [
            rate if variable is optimizer.learning_rate else each
            for variable, each in zip(optimizer.variables, memory, strict=True)
        ]
        return *optimizer.stateless_apply(memory, gradient, weights), value

    return step


class Training:
    """Trains from each start with each learning rate: Adam, cosine decay, gradients clipped at 1.

    A seed has the same batches with every way. Compiled once for as many runs.

    Args:
        forward: The network.
        steps: Steps of the optimizer.
        data: Training set, and the parts that are held out.
        batch: Samples of a step.
        loss: What is minimized.
        measures: What is found out on each part that is held out.
        over: How a run becomes all runs: `jax.vmap` or `one_by_one`.
    """

    def __init__(
        self,
        forward: Forward,
        steps: int,
        data: Sequence[Part],
        batch: int = 64,
        loss: Measure = crossentropy,
        measures: Sequence[Measure] = (accuracy,),
        over: Callable[..., Any] = jax.vmap,
    ) -> None:
        self.steps, self.batch = steps, batch
        self._forward, self._loss, self._measures = forward, loss, measures
        self._train, *self._held_out = (tuple(map(jnp.asarray, part)) for part in data)
        self._factors = jnp.asarray(0.5 * (1 + np.cos(np.pi * np.arange(steps) / steps)), "float32")
        self._optimizer = keras.optimizers.Adam(1.0, global_clipnorm=1.0)
        self._runs = jax.jit(over(self._run))

    def __call__(self, starts: Starts, rates: Sequence[float]) -> dict[Key, Outcome]:
        """Of each run, from initial weights and peak learning rates."""
        if not self._optimizer.built:
            self._optimizer.build([keras.Variable(value) for value in next(iter(starts.values()))])
        keys = [(*start, rate) for start in starts for rate in rates]
        weights = [
            jnp.asarray(np.stack(values))
            for values in zip(*(starts[way, seed] for way, seed, _ in keys), strict=True)
        ]
        samples = len(self._train[0])
        orders = np.stack([batches(key[1], self.steps, self.batch, samples) for key in keys])
        peaks = jnp.asarray([key[2] for key in keys], "float32")
        losses, found = self._runs(weights, peaks, jnp.asarray(orders))
        return {
            key: Outcome(float(loss), each)
            for key, loss, each in zip(keys, losses, np.asarray(found), strict=True)
        }

    def _run(self, weights: Any, rate: Any, order: Any) -> tuple[Any, Any]:
        x, y = self._train

        descend = descent(self._forward, self._loss, self._optimizer)

        def step(carry: Any, inputs: Any) -> tuple[Any, Any]:
            chosen, factor = inputs
            *carry, loss = descend(*carry, rate * factor, x[chosen], y[chosen])
            return tuple(carry), loss

        memory = [variable.value for variable in self._optimizer.variables]
        (weights, _), losses = jax.lax.scan(step, (weights, memory), (order, self._factors))
        scores = [
            [measure(made, targets) for measure in self._measures]
            for made, targets in ((self._forward(weights, x), y) for x, y in self._held_out)
        ]
        return jnp.mean(losses[-max(1, self.steps // 10) :]), jnp.asarray(scores)


def scores(
    forward: Forward,
    starts: Starts,
    rates: Sequence[float],
    steps: int,
    data: tuple[Part, Part],
    batch: int = 64,
    regression: bool = False,
) -> Scores:
    """What `Training` brings on a test set: accuracy, or the mean squared error.

    Args:
        forward: The network.
        starts: Initial weights.
        rates: Peak learning rates.
        steps: Steps of the optimizer.
        data: Training and test set.
        batch: Samples of a step.
        regression: Whether the loss and the score are the mean squared error.

    Returns:
        The scores on the test set; NaN for a run that has diverged.
    """
    loss, measure = (squared_error,) * 2 if regression else (crossentropy, accuracy)
    outcomes = Training(forward, steps, data, batch, loss, [measure])(starts, rates)
    return {key: float(outcome.scores[0, 0]) for key, outcome in outcomes.items()}


def batches(seed: int, steps: int, batch: int, samples: int) -> np.ndarray:
    """Indices of the samples of each step, `(steps, batch)`, each sample once an epoch."""
    rng = np.random.default_rng(seed)
    epochs = -(-steps * batch // samples)
    order = np.concatenate([rng.permutation(samples) for _ in range(epochs)])
    return order[: steps * batch].reshape(steps, batch)


def best(found: Scores, regression: bool = False) -> dict[str, tuple[float, np.ndarray]]:
    """Of each way, the learning rate that is best on average, and the scores of the seeds."""
    by_rate: dict[str, dict[float, list[float]]] = {}
    for (way, _, rate), score in found.items():
        by_rate.setdefault(way, {}).setdefault(rate, []).append(score)

    def worth(values: list[float]) -> float:
        mean = np.mean(values)
        return -np.inf if not np.isfinite(mean) else -mean if regression else mean

    chosen = {}
    for way, rates in by_rate.items():
        rate, values = max(rates.items(), key=lambda item: worth(item[1]))
        chosen[way] = (rate, np.asarray(values))
    return chosen


def report(rows: Mapping[str, dict[str, tuple[float, np.ndarray]]], digits: int = 3) -> str:
    """A Markdown table: a row for each model, a column for each way: mean, smallest to largest."""
    ways = list(next(iter(rows.values())))
    cells = [
        [name]
        + [
            f"{np.mean(values):.{digits}f} [{np.min(values):.{digits}f}, "
            f"{np.max(values):.{digits}f}] at {rate:g}"
            for rate, values in (row[way] for way in ways)
        ]
        for name, row in rows.items()
    ]
    return table(["", *ways], cells)
