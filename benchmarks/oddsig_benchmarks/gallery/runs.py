"""The runs of the gallery: which there are, and what their rows are known by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..groups import Runs
from .catalogue import CATALOGUE

BUDGET = 1  # a number for what a run is: rows of another do not count as done


@dataclass(frozen=True)
class Cell:
    """A model, and how many steps it is trained."""

    model: str
    steps: int


class Group(Runs):
    """The runs of one method on one model."""

    PREFIX = f"gallery {BUDGET}"

    @property
    def label(self) -> str:
        return f"{self.cell.model}, {self.method}"

    @property
    def amount(self) -> float:
        return float(len(self.runs))


def groups_of(
    names: Sequence[str], seeds: int, steps: int | None, rates: int | None
) -> list[Group]:
    """The runs of these models; neighbours share a program.

    Args:
        names: Of `CATALOGUE`.
        seeds: Of each learning rate.
        steps: In place of the entries'.
        rates: How many of an entry's, from its second on; by default all.
    """
    found = []
    for name in names:
        entry = CATALOGUE[name]
        chosen = entry.rates if rates is None else entry.rates[1 : 1 + rates]
        for method in entry.methods:
            cell = Cell(name, steps or entry.steps)
            found.append(Group(cell, method, chosen, tuple(range(seeds))))
    return found
