"""The state before training, when a network has read its sequence: what is left to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import keras
import numpy as np

from ..reporting import table
from .methods import METHODS
from .runs import Cell
from .tasks import load
from .training import network, start

SAMPLES = 200
SATURATED = 0.9  # of what tanh can reach


def directions(states: np.ndarray) -> float:
    """In how many directions samples differ: the participation ratio of their covariance.

    `(sum of the eigenvalues)**2 / sum of their squares`: 1 on a line, `n` if all alike.
    """
    eigenvalues = np.linalg.eigvalsh(np.cov(states.T))
    return float(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def states(cell: Cell, method: str, seed: int) -> np.ndarray:
    """`(samples, units)`, of test sequences, before the first answer."""
    task = load(cell.task)
    x = task.test[0][:SAMPLES]
    model = network(cell)
    model.set_weights(start(cell, method, seed))
    layer = model.layers[0]
    before = x if task.answers is None else x[:, : -task.answers]
    found = keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(before)))
    return np.asarray(found if found.ndim == 2 else found[:, -1])


def states_table(cells: Iterable[Cell], seeds: Sequence[int]) -> str:
    """Means over seeds."""
    rows = []
    for cell in cells:
        for method in METHODS[cell.layer]:
            found = [states(cell, method, seed) for seed in seeds]
            rows.append(
                [
                    cell.name,
                    method,
                    f"{np.mean([directions(each) for each in found]):.1f}",
                    f"{np.mean([np.abs(each) > SATURATED for each in found]):.0%}",
                ]
            )
    return table(["cell", "method", "directions of the state", f"beyond {SATURATED:g}"], rows)
