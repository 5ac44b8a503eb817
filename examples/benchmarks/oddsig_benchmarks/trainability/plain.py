"""Training as a user would do it: one Keras model at a time, on any backend.

The measure for `stacked`, which must give the same; nothing here is particular to a backend.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from .grids import EVERY, Cell
from .methods import Method
from .networks import draw, network
from .recipe import Outcome, batches, optimizer, schedule
from .tasks import Task


def train_plain(cell: Cell, method: Method, task: Task, rate: float, seed: int) -> Outcome:
    """One run of a Keras model, as `compile` and `train_on_batch` do it; any backend."""
    net = network(cell, method.structure, task)
    model = _Plain([net.stem, *(net.block() for _ in range(net.repeats)), net.tail], name="network")
    for part, weights in zip(model.layers, draw(net, method, cell, task, seed), strict=True):
        part.set_weights(weights)
    model.task = task
    model.compile(
        optimizer=optimizer(cell), loss=lambda y, logits: task.loss(lambda _: logits, 0, y)
    )
    order, factors = batches(cell, task, seed), schedule(cell.steps)
    outcome = Outcome([], [], math.nan)
    for first in range(0, cell.steps, EVERY):
        losses = []
        for step in range(first, first + EVERY):
            model.optimizer.learning_rate.assign(rate * factors[step])
            x, y = (each[order[step]] for each in task.train)
            losses.append(float(model.train_on_batch(x, y)))
        outcome.losses.append(float(np.mean(losses)))
        outcome.curve.append(model.score(task.validate, task.validation))
    outcome.test = model.score(task.score, task.test)
    return outcome


class _Plain(keras.Sequential):
    """A chain of models whose loss may need derivatives by the input."""

    task: Task

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        if self.task.metric == "l2_error":
            return self.task.loss(self, x, y)
        return super().compute_loss(x, y, y_pred, *args, **kwargs)

    def score(self, metric: Callable[..., Any], data: tuple[np.ndarray, np.ndarray]) -> float:
        x, y = (ops.convert_to_tensor(each) for each in data)
        value = metric(lambda x: self(x, training=False), x, y)
        return float(ops.convert_to_numpy(ops.stop_gradient(value)))
