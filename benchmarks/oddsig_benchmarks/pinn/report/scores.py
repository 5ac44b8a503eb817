"""What the runs of a method in a cell come to, over its seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...results import Row
from ..cells import Cell

REFERENCE = "glorot uniform"  # what DeepXDE, and most people, begin with
# Of `methods.Method`.
OURS = ("few inputs", "tailored", "candidate", "diagonal", "rotation")
FAMILIES = ("standard", "paper", *OURS, "structure")


class Spread(NamedTuple):
    """Of a number over the seeds; a run that has diverged counts as infinite."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """The runs of a method in a cell, at its best learning rate by the median of the losses."""

    method: str
    family: str
    rows: tuple[Row, ...]

    def spread(self, name: str) -> Spread:
        """Of a column of the results file."""
        values = [math.inf if row[name] is None else row[name] for row in self.rows]
        return Spread(float(np.median(values)), min(values), max(values))

    @property
    def seeds(self) -> int:
        return len(self.rows)

    @property
    def ours(self) -> bool:
        return self.family in OURS


@dataclass(frozen=True)
class CellScores:
    """What the methods reached in one cell, the lowest median error first."""

    cell: Cell
    scores: dict[str, Score]

    def ratio(self, score: Score, name: str) -> float | None:
        """Its median to that of `REFERENCE`; None without that, or where both diverge."""
        if REFERENCE not in self.scores:
            return None
        mine, theirs = (s.spread(name).median for s in (score, self.scores[REFERENCE]))
        return mine / theirs if math.isfinite(theirs) else None

    def best(self, name: str, wanted: Callable[[Score], bool]) -> Score | None:
        """Of those wanted, the one with the lowest median."""
        found = filter(wanted, self.scores.values())
        return min(found, key=lambda score: score.spread(name).median, default=None)


def cells_of(rows: list[Row], grid: Sequence[Cell] = ()) -> list[CellScores]:
    """The scores of every method in every cell; in the order of the grid, then of the rows."""
    names = tuple(Cell.__dataclass_fields__)
    by_cell: dict[Cell, dict[str, list[Row]]] = {}
    for row in rows:
        cell = Cell(**{name: row[name] for name in names})
        by_cell.setdefault(cell, {}).setdefault(row["method"], []).append(row)
    cells = []
    for cell, by_method in by_cell.items():
        scores = [_score(of_method) for of_method in by_method.values()]
        scores.sort(key=lambda score: score.spread("error").median)
        cells.append(CellScores(cell, {score.method: score for score in scores}))
    order = {cell: number for number, cell in enumerate(grid)}
    return sorted(cells, key=lambda each: order.get(each.cell, len(order)))


def _score(rows: list[Row]) -> Score:
    rates: dict[float, list[Row]] = {}
    for row in rows:
        rates.setdefault(row["learning_rate"], []).append(row)
    first = rows[0]
    scores = [Score(first["method"], first["family"], tuple(each)) for each in rates.values()]
    return min(scores, key=lambda score: score.spread("loss").median)
