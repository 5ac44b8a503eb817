"""Cells, in which all methods meet, the grids of them, and the runs. No backend is imported here.

What the methods are is `methods`'s, which imports one: their names are handed in.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from ..groups import Runs

RATES = (3e-4, 1e-3, 3e-3)
CHOOSING = 100  # the seed on which the rate is chosen
SEEDS = (0, 1, 2)  # on which it is shown


@dataclass(frozen=True)
class Cell:
    """A task, a transformer, and how long it is trained.

    Attributes:
        task: Of `TASKS`.
        blocks, width: Of the transformer.
        steps: Of the optimizer.
        batch: Samples of a step.
    """

    task: str
    blocks: int
    width: int
    steps: int
    batch: int

    @property
    def short(self) -> str:
        if self.task == "characters":
            return f"characters {self.blocks} x {self.width}"
        return f"ViT, {self.task}"

    @property
    def name(self) -> str:
        return f"{self.short}, {self.steps:,} steps"

    def lasting(self, steps: int | None) -> Cell:
        """The same with another number of steps, or itself."""
        return dataclasses.replace(self, steps=steps or self.steps)


def smoke() -> list[Cell]:
    return [Cell("digits", 2, 8, 6, 16), Cell("characters", 2, 8, 6, 4)]


def standard() -> list[Cell]:
    """What was run for the page."""
    return [
        Cell("characters", 8, 64, 300, 8),
        Cell("characters", 24, 64, 300, 8),
        Cell("characters", 8, 128, 300, 8),
        Cell("characters", 24, 128, 150, 8),
        Cell("CIFAR-10", 6, 64, 400, 64),
        Cell("digits", 4, 32, 300, 64),
    ]


def longer() -> list[Cell]:
    """Four times as long, where it is cheapest."""
    return [Cell("characters", 8, 64, 1200, 8)]


def parts() -> list[Cell]:
    """Where what makes `tailor` work is left out, part by part."""
    return [cell for cell in standard() if cell.task != "characters" or cell == standard()[0]]


GRIDS = {"smoke": smoke, "standard": standard, "longer": longer, "parts": parts}


class Group(Runs):
    """One run: each is written down as it finishes."""

    PREFIX = "transformers"

    @property
    def label(self) -> str:
        (rate, seed), *_ = self.runs
        return f"{self.cell.name}, {self.method}, {rate:g}, seed {seed}"

    @property
    def amount(self) -> float:
        """How much there is to compute, roughly."""
        tokens = 64 if self.cell.task == "characters" else 16
        weights = self.cell.blocks * self.cell.width**2
        return float(self.cell.steps * self.cell.batch * tokens * weights)


def groups_of(cell: Cell, method: str, rates: Iterable[float], seeds: Iterable[int]) -> list[Group]:
    """A group for each rate and seed."""
    return [Group(cell, method, (rate,), (seed,)) for rate, seed in itertools.product(rates, seeds)]
