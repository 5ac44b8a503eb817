"""Cells, in which all methods meet, the grids of them, and the runs. No backend is imported here.

What the methods are is `methods`'s, which imports one: their names are handed in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..groups import Runs

# Steps and rates were chosen with seeds from 100 on.
RATES = {"SimpleRNN": (3e-4, 1e-3, 3e-3, 1e-2), "LSTM": (1e-2, 3e-2, 1e-1)}
SEEDS = (0, 1, 2, 3, 4)
GATES = {"SimpleRNN": 1, "LSTM": 4}


@dataclass(frozen=True)
class Cell:
    """A task, a recurrent layer, and how long it is trained.

    Attributes:
        task: Of `TASKS`.
        layer: Of `METHODS`.
        steps: Of the optimizer.
        units: Of the layer.
        batch: Samples of a step.
    """

    task: str
    layer: str
    steps: int
    units: int = 32
    batch: int = 32

    @property
    def name(self) -> str:
        return f"{self.task}, {self.layer} of {self.units}, {self.steps:,} batches"


def smoke() -> list[Cell]:
    return [
        Cell("digits, 64 steps", "LSTM", 4, 8),
        Cell("copy, 10 blanks", "SimpleRNN", 20, 8),
    ]


def standard() -> list[Cell]:
    """What was run for the page."""
    digits = {"digits, 64 steps": 1000, "digits, 256 steps": 600}
    copies = {"SimpleRNN": 1500, "LSTM": 500}  # an LSTM takes three times as long
    return [
        Cell(task, layer, steps)
        for layer in GATES
        for task, steps in {**digits, "copy, 100 blanks": copies[layer]}.items()
    ]


GRIDS = {"smoke": smoke, "standard": standard}


class Group(Runs):
    """The runs of one method in one cell."""

    PREFIX = "sequences"

    @property
    def label(self) -> str:
        return f"{self.cell.task}, {self.cell.layer}, {self.method}"

    @property
    def amount(self) -> float:
        """How much there is to compute, roughly."""
        length = next(int(word) for word in self.cell.task.split() if word.isdigit())
        units = self.cell.units**2 * GATES[self.cell.layer]
        return float(len(self.runs) * self.cell.steps * length * units)


def groups_of(
    cells: Sequence[Cell],
    methods: Mapping[str, Sequence[str]],
    rates: Mapping[str, Sequence[float]],
    seeds: Sequence[int],
    steps: int | None = None,
) -> list[Group]:
    """The runs of these cells; neighbours share a program.

    Args:
        cells: Of a grid.
        methods, rates: Of each layer.
        seeds: Of each method and rate.
        steps: In place of the cells'.
    """
    chosen = [dataclasses.replace(cell, steps=steps or cell.steps) for cell in cells]
    return [
        Group(cell, method, tuple(rates[cell.layer]), tuple(seeds))
        for cell in chosen
        for method in methods[cell.layer]
    ]
