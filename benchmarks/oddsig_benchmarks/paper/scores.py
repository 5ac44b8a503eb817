"""What the runs of a method in a cell come to: the paper's score, and comparisons by seed.

No backend is imported here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..reporting import interval
from ..results import Row
from .cells import Cell

# The two variants of a method that the paper leaves open: the better one is compared with.
VARIANTS = {
    "xavier": ("xavier", "xavier, uniform"),
    "theirs": ("theirs, by inputs", "theirs, by outputs"),
}


@dataclass(frozen=True)
class Score:
    """The runs of a method in a cell, all with the same number of epochs.

    Attributes:
        rows: Of the results file.
    """

    method: str
    rows: tuple[Row, ...]

    @functools.cached_property
    def curves(self) -> np.ndarray:
        """Validation accuracy in %, (runs, epochs)."""
        return 100 * np.array([row["curve"] for row in self.rows])

    @functools.cached_property
    def values(self) -> np.ndarray:
        """Of each run, at the epoch with the best mean over the runs: the paper's score."""
        return self.curves[:, np.argmax(self.curves.mean(axis=0))]

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def deviation(self) -> float:
        return float(self.values.std(ddof=1)) if len(self.values) > 1 else 0.0

    @property
    def last(self) -> float:
        """The mean after the last epoch."""
        return float(self.curves[:, -1].mean())

    @property
    def epochs(self) -> int:
        return self.curves.shape[1]

    def ahead_of(self, other: Score) -> int:
        """1 or -1 if the 95% interval of the difference by seed is above or below 0, else 0."""
        mine, its = (
            dict(zip((row["seed"] for row in score.rows), score.values, strict=True))
            for score in (self, other)
        )
        seeds = sorted(mine.keys() & its.keys())
        if len(seeds) < 2:
            return 0
        low, high = interval(np.array([mine[seed] - its[seed] for seed in seeds]))
        return int(low > 0) - int(high < 0)


Scores = dict[Cell, dict[str, Score]]


def scores_of(rows: Iterable[Row]) -> Scores:
    """By cell and method; of runs with different numbers of epochs, those with the most."""
    names = tuple(Cell.__dataclass_fields__)
    found: dict[Cell, dict[str, dict[int, list[Row]]]] = {}
    for row in rows:
        cell = Cell(**{name: row[name] for name in names})
        by_epochs = found.setdefault(cell, {}).setdefault(row["method"], {})
        by_epochs.setdefault(row["epochs"], []).append(row)
    return {
        cell: {method: Score(method, tuple(each[max(each)])) for method, each in by_method.items()}
        for cell, by_method in found.items()
    }


def better(scores: dict[str, Score], name: str) -> Score | None:
    """The better of a method's variants; the method itself where it has none."""
    there = [scores[each] for each in VARIANTS.get(name, (name,)) if each in scores]
    return max(there, key=lambda score: score.mean, default=None)


@dataclass(frozen=True)
class Comparison:
    """One method with another, in the cells that have both."""

    ahead: Sequence[Cell]
    even: Sequence[Cell]
    behind: Sequence[Cell]

    @property
    def cells(self) -> int:
        return len(self.ahead) + len(self.even) + len(self.behind)


def compared(scores: Scores, one: str, other: str) -> Comparison:
    found: dict[int, list[Cell]] = {1: [], 0: [], -1: []}
    for cell, of_cell in scores.items():
        pair = better(of_cell, one), better(of_cell, other)
        if pair[0] and pair[1]:
            found[pair[0].ahead_of(pair[1])].append(cell)
    return Comparison(found[1], found[0], found[-1])
