"""Training every run of a method at once, on JAX, and the rows about it.

One function is compiled for each model: the weights, the learning rate and the order of the
batches go in as arrays, whatever initialized the weights. Adam with a cosine decay of its rate, and
the same batches for every method.
"""

from __future__ import annotations

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

import keras_oddsig as ko

from ..results import Row, rounded
from ..starts import batches, one_by_one
from . import tasks
from .catalogue import CATALOGUE
from .entries import Entry
from .runs import Group

SHOWN = 256  # samples that `tailor` and `signal_report` look at


class Training:
    """One run of an entry, as functions of its weights."""

    def __init__(self, entry: Entry, steps: int) -> None:
        self.steps = steps
        self.task = tasks.load(entry.task)
        self.model = entry.build()
        self._fixed = [variable.value for variable in self.model.non_trainable_variables]
        self._optimizer = keras.optimizers.Adam(1e-3)
        self._optimizer.build(self.model.trainable_variables)
        self._factors = (0.5 * (1 + np.cos(np.pi * np.arange(steps) / steps))).astype("float32")
        over = jax.vmap if entry.stacked else one_by_one
        self.runs = jax.jit(over(self._run))

    def _function(self, weights: list[Any]) -> tasks.Function:
        return lambda x: self.model.stateless_call(weights, self._fixed, x)[0]

    def _run(self, weights: list[Any], rate: Any, order: Any) -> tuple[Any, Any]:
        """The loss over the last tenth of the steps, and the score on data held out."""
        x, y = jax.tree.map(jnp.asarray, self.task.train)

        def step(carry: Any, inputs: Any) -> tuple[Any, Any]:
            weights, memory = carry
            batch, factor = inputs
            picked = jax.tree.map(lambda each: each[batch], (x, y))
            loss, gradients = jax.value_and_grad(
                lambda weights: self.task.loss(self._function(weights), *picked)
            )(weights)
            memory = [
                rate * factor if variable is self._optimizer.learning_rate else each
                for variable, each in zip(self._optimizer.variables, memory, strict=True)
            ]
            return self._optimizer.stateless_apply(memory, gradients, weights), loss

        memory = [variable.value for variable in self._optimizer.variables]
        (weights, _), losses = jax.lax.scan(step, (weights, memory), (order, self._factors))
        score = self.task.score(self._function(weights), *self.task.test)
        return jnp.mean(losses[-max(1, self.steps // 10) :]), score


@functools.lru_cache(maxsize=1)
def _training(name: str, steps: int) -> Training:
    return Training(CATALOGUE[name], steps)


def _initialized(entry: Entry, task: tasks.Task, method: str, seed: int) -> tuple[Any, Row]:
    """A model's weights before training, and what the row says of it."""
    keras.utils.set_random_seed(seed)
    model = entry.build()
    x = jax.tree.map(lambda each: each[:SHOWN], task.train[0])
    about: Row = {}
    if method == "tailored":
        report = ko.tailor(model, x, seed=seed)
        about = {"kernels": [report.tailored, len(report.kernels)]}
    elif method == "without data":
        ko.tailor(model, seed=seed)
    elif method == "by hand":
        assert entry.by_hand is not None
        entry.by_hand(model, seed)
    about["verdict"] = ko.signal_report(model, x).verdict
    return [np.asarray(variable.value) for variable in model.trainable_variables], about


def train(group: Group) -> list[Row]:
    """The rows of a group's runs."""
    entry, steps = CATALOGUE[group.cell.model], group.cell.steps
    ready = _training(group.cell.model, steps)
    task = ready.task
    start = {seed: _initialized(entry, task, group.method, seed) for seed in group.seeds}
    batch = min(entry.batch, task.samples)
    order = {seed: batches(seed, steps, batch, task.samples) for seed in group.seeds}
    stack = (
        jax.tree.map(lambda *each: jnp.stack(each), *(start[seed][0] for _, seed in group.runs)),
        jnp.asarray([rate for rate, _ in group.runs], "float32"),
        jnp.asarray(np.stack([order[seed] for _, seed in group.runs])),
    )
    began = time.perf_counter()
    losses, scores = jax.block_until_ready(ready.runs(*stack))
    seconds = (time.perf_counter() - began) / len(group.runs)
    return [
        {
            "key": group.key(rate, seed),
            "model": group.cell.model,
            "steps": steps,
            "method": group.method,
            "learning_rate": rate,
            "seed": seed,
            "metric": task.metric,
            "higher": task.higher,
            "score": rounded(score),
            "loss": rounded(loss),
            **start[seed][1],
            "seconds": float(f"{seconds:.3g}"),
        }
        for (rate, seed), loss, score in zip(group.runs, losses, scores, strict=True)
    ]
