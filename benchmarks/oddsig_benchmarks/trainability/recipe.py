"""What training is, for every method alike: optimizer, schedule, batches, and what is left.

Both ways to train, `plain` and `stacked`, follow it; neither knows the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from .grids import Cell
from .tasks import Task


@dataclass
class Outcome:
    """What a run left behind; `curve` is the validation score after each part of the steps."""

    curve: list[float]
    losses: list[float]
    test: float


def optimizer(cell: Cell) -> keras.optimizers.Optimizer:
    if cell.optimizer == "adam":
        return keras.optimizers.Adam(1e-3)
    return keras.optimizers.SGD(1e-2, momentum=0.9)


def schedule(steps: int) -> np.ndarray:
    """The factor on the learning rate at each step: a cosine decay."""
    return (0.5 * (1 + np.cos(np.pi * np.arange(steps) / steps))).astype("float32")


def samples(cell: Cell, task: Task, rng: np.random.Generator) -> np.ndarray:
    """Indices of the samples that a run has, in an order of its own; the first of its draws."""
    return rng.permutation(len(task.train[0]))[: cell.samples or None]


def batches(cell: Cell, task: Task, seed: int) -> np.ndarray:
    """Indices of the samples of each step, `(steps, batch)`; the same for every method."""
    rng = np.random.default_rng(seed)
    chosen = samples(cell, task, rng)
    epochs = -(-cell.steps * cell.batch // len(chosen))
    order = np.concatenate([rng.permutation(chosen) for _ in range(epochs)])
    return order[: cell.steps * cell.batch].reshape(cell.steps, cell.batch).astype("int32")
