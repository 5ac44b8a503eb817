"""Training one network from many initial weights at once, on JAX: for small experiments.

Imports JAX, and is imported where that is the backend. What the starts differ in (seeds, ways to
initialize), and what is made of the scores, each experiment says; nothing is kept in files. The
grids of `trainability` have a machinery of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from .reporting import table

Forward = Callable[[Any, Any], Any]  # from weights, a list of arrays, and inputs to outputs
# Initial weights, by way and seed.
Starts = Mapping[tuple[str, int], Sequence[Any]]
Scores = dict[tuple[str, int, float], float]  # by way, seed and learning rate


def of_model(model: keras.Model) -> Forward:
    """A Keras model, all of whose weights are trained, as a function of them."""
    kept = [variable.value for variable in model.non_trainable_variables]  # seeds

    def forward(weights: Any, x: Any) -> Any:
        return model.stateless_call(weights, kept, x)[0]

    return forward


def scores(
    forward: Forward,
    starts: Starts,
    rates: Sequence[float],
    steps: int,
    data: tuple[tuple[Any, Any], tuple[Any, Any]],
    batch: int = 64,
    regression: bool = False,
) -> Scores:
    """Trains from each start with each learning rate: Adam, cosine decay, gradients clipped at 1.

    A seed has the same batches with every way.

    Args:
        forward: The network.
        starts: Initial weights.
        rates: Peak learning rates.
        steps: Steps of the optimizer.
        data: Training and test set, as `(x, y)`.
        batch: Samples of a step.
        regression: Whether the score is the mean squared error, and not the accuracy.

    Returns:
        The scores on the test set; NaN for a run that has diverged.
    """
    (x, y), test = (tuple(map(jnp.asarray, part)) for part in data)
    optimizer = keras.optimizers.Adam(1.0, global_clipnorm=1.0)
    optimizer.build([keras.Variable(value) for value in next(iter(starts.values()))])
    factors = jnp.asarray(0.5 * (1 + np.cos(np.pi * np.arange(steps) / steps)), "float32")

    def loss(weights: Any, x: Any, y: Any) -> Any:
        made = forward(weights, x)
        if regression:
            return jnp.mean((made - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(made), y[:, None], axis=1))

    def one_step(carry: Any, inputs: Any) -> tuple[Any, None]:
        weights, memory, rate = carry
        chosen, factor = inputs
        gradient = jax.grad(loss)(weights, x[chosen], y[chosen])
        memory = [
            rate * factor if variable is optimizer.learning_rate else value
            for variable, value in zip(optimizer.variables, memory, strict=True)
        ]
        weights, memory = optimizer.stateless_apply(memory, gradient, weights)
        return (weights, memory, rate), None

    def run(weights: Any, rate: Any, order: Any) -> Any:
        memory = [variable.value for variable in optimizer.variables]
        (weights, *_), _ = jax.lax.scan(one_step, (weights, memory, rate), (order, factors))
        made = forward(weights, test[0])
        return jnp.mean((made - test[1]) ** 2) if regression else _accuracy(made, test[1])

    keys = [(*start, rate) for start in starts for rate in rates]
    weights = [
        jnp.asarray(np.stack(values))
        for values in zip(*(starts[way, seed] for way, seed, _ in keys), strict=True)
    ]
    orders = np.stack([_batches(key[1], steps, batch, len(x)) for key in keys])
    peaks = jnp.asarray([key[2] for key in keys], "float32")
    found = np.asarray(jax.jit(jax.vmap(run))(weights, peaks, jnp.asarray(orders)))
    return {key: float(score) for key, score in zip(keys, found, strict=True)}


def _accuracy(logits: Any, classes: Any) -> Any:
    right = jnp.mean(jnp.argmax(logits, axis=1) == classes)
    return jnp.where(jnp.all(jnp.isfinite(logits)), right, jnp.nan)


def _batches(seed: int, steps: int, batch: int, samples: int) -> np.ndarray:
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
