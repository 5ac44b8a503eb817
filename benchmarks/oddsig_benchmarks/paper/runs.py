"""The runs of a group, epoch by epoch, until they are done or the time is up: the rows of a file.

Imports JAX, by way of `training`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ..results import Row, rounded
from .cells import Group
from .methods import DRAWS
from .tasks import Pixels, load
from .training import (
    chosen_of,
    compiled,
    moving_of,
    on_cpu,
    order_of,
    shapes_of,
    stacked,
)

# Of the epochs: what fewer of them show is another thing, and the time is better spent elsewhere.
LEAST = 0.25

Say = Callable[[str], None]


def draw(group: Group) -> list[list[list[np.ndarray]]]:
    """The initial weights, by seed and method. Raises `MissingDataError`."""
    pixels = load(group.cell.data)
    with on_cpu():
        return [
            [
                DRAWS[method](group.cell, pixels, _chosen(group, seed, pixels), seed)
                for method in group.methods
            ]
            for seed in group.seeds
        ]


def train(
    group: Group, draws: list[list[list[np.ndarray]]], deadline: float, say: Say
) -> list[Row] | None:
    """The rows of the runs; with fewer epochs than planned where the time does not suffice.

    Args:
        group: What to train.
        draws: The initial weights.
        deadline: Of `time.perf_counter`: no epoch begins that would end after it.
        say: Told of each epoch.

    Returns:
        The rows, of which each says how many epochs it had; None if it was not worth beginning.
    """
    state, pixels = _Stack(group, draws), load(group.cell.data)
    say(f"{group.label}: compiled in {state.seconds_to_compile:.0f} s")
    seconds = 0.0
    try:
        while state.epochs < group.epochs and time.perf_counter() + seconds <= deadline:
            start = time.perf_counter()
            state.train_epoch()
            seconds = time.perf_counter() - start
            if state.epochs == 1:
                fit = 1 + max(0.0, deadline - time.perf_counter()) // seconds
                if fit < LEAST * group.epochs:
                    say(f"{group.label}: left out, {seconds:.1f} s an epoch, {fit:.0f} would fit")
                    return None
            say(state.progress)
    except KeyboardInterrupt:  # what there is, is kept; whoever asked for the rows stops
        say(f"{group.label}: interrupted")
        state.interrupted = True
    rows = state.rows(len(pixels.x))
    if state.interrupted:
        raise Interrupted(rows)
    return rows if state.epochs else None


class Interrupted(KeyboardInterrupt):
    """Someone has stopped the runs; these rows are of what they had done."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self.rows = rows


class _Stack:
    """A group's runs in the middle of their training."""

    def __init__(self, group: Group, draws: list[list[list[np.ndarray]]]) -> None:
        pixels = load(group.cell.data)
        self._group = group
        self._chosen = [_chosen(group, seed, pixels) for seed in group.seeds]
        self._data = jax.device_put(tuple(pixels))
        weights = stacked(draws, group.structure)
        start = (weights, moving_of(weights, group.structure))
        shapes = shapes_of((*start, *self._order(0), self._data))
        before = time.perf_counter()
        self._epoch, memory = compiled(group.structure, shapes)
        self.seconds_to_compile = time.perf_counter() - before
        self._carry = jax.device_put((*start, memory))
        self._losses: list[Any] = []
        self._curves: list[Any] = []
        self._seconds = 0.0
        self.interrupted = False

    def _order(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        pairs = [
            order_of(seed, epoch, chosen)
            for seed, chosen in zip(self._group.seeds, self._chosen, strict=True)
        ]
        return np.stack([order for order, _ in pairs], axis=1), pairs[0][1]

    @property
    def epochs(self) -> int:
        return len(self._curves)

    def train_epoch(self) -> None:
        start = time.perf_counter()
        *carry, found = self._epoch(*self._carry, *self._order(self.epochs), self._data)
        loss, accuracy = jax.device_get(found)
        self._carry = carry
        self._losses.append(loss)
        self._curves.append(accuracy)
        self._seconds += time.perf_counter() - start

    @property
    def progress(self) -> str:
        means = zip(self._group.methods, self._curves[-1].mean(axis=0), strict=True)
        return (
            f"{self._group.label}: epoch {self.epochs} of {self._group.epochs}, "
            f"{self._seconds / self.epochs:.2f} s each: "
            + ", ".join(f"{method} {100 * mean:.1f}" for method, mean in means)
        )

    def rows(self, there: int) -> list[Row]:
        group = self._group
        steps = self.epochs * len(self._order(0)[0])
        per_step = self._seconds / max(1, steps)
        curves, losses = (np.array(each) for each in (self._curves, self._losses))
        return [
            {
                "key": group.key(method, seed, self.epochs),
                **dataclasses.asdict(group.cell),
                "method": method,
                "seed": seed,
                "epochs": self.epochs,
                "planned": group.epochs,
                "training_samples": group.cell.samples or there,
                "curve": [round(float(value), 5) for value in curves[:, i, k]],
                "loss": rounded(losses[-1, i, k], digits=5),
                "seconds_per_step": float(f"{per_step:.3g}"),  # of all runs of the group
            }
            for i, seed in enumerate(group.seeds)
            for k, method in enumerate(group.methods)
            if self.epochs
        ]


def _chosen(group: Group, seed: int, pixels: Pixels) -> np.ndarray:
    return chosen_of(seed, group.cell.samples, len(pixels.x))
