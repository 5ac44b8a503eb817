"""Training as a user would do it: one Keras model at a time, on any backend.

The measure for `stacked`, which must give the same; nothing here is particular to a backend.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from .grids import EVERY, Cell
from .methods import Method
from .networks import draw, network
from .recipe import Outcome, batches, optimizer, schedule
from .tasks import Task, accuracy, crossentropy


def train_plain(cell: Cell, method: Method, task: Task, rate: float, seed: int) -> Outcome:
    """One run of a Keras model, as `compile` and `train_on_batch` do it; any backend."""
    net = network(cell, method.structure, task)
    model = keras.Sequential(
        [net.stem, *(net.block() for _ in range(net.repeats)), net.tail], name="network"
    )
    for part, weights in zip(model.layers, draw(net, method, cell, task, seed), strict=True):
        part.set_weights(weights)
    model.compile(optimizer=optimizer(cell), loss=crossentropy)
    order, factors = batches(cell, task, seed), schedule(cell.steps)
    outcome = Outcome([], [], math.nan)
    for first in range(0, cell.steps, EVERY):
        losses = []
        for step in range(first, first + EVERY):
            model.optimizer.learning_rate.assign(rate * factors[step])
            x, y = (each[order[step]] for each in task.train)
            model.reset_metrics()  # an older Keras gives the mean since then
            losses.append(float(model.train_on_batch(x, y)))
        outcome.losses.append(float(np.mean(losses)))
        outcome.curve.append(_score(model, *task.validation))
    outcome.test = _score(model, *task.test)
    return outcome


def _score(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    logits = model(ops.convert_to_tensor(x), training=False)
    value = accuracy(ops.convert_to_tensor(y), logits)
    return float(ops.convert_to_numpy(ops.stop_gradient(value)))
