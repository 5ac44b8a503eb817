"""Scores of methods in cells, from the rows of their runs.

Numbers only: what is claimed of them, written and drawn is in other rooms.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...reporting import interval
from ...results import Row

CELL = ("task", "activation", "depth", "width", "optimizer", "samples", "steps", "batch")
FAMILIES = ("ours", "standard", "tuned", "structure", "ablation")  # a method's tags have one
USUAL_STEPS = 400  # at most; a cell with more of them says so
PLAIN = ("standard", "tuned")  # competitors without normalization or skip connections


@dataclass(frozen=True)
class Score:
    """One method in one cell, at the learning rate that the validation set chose.

    Attributes:
        test: By seed, in the order of `seeds`: accuracy. A run that diverged counts as one
            that has learned nothing.
        loss: By seed; infinite where it diverged.
        validation: The accuracy on the validation set, its mean over seeds.
        sensitivity: The share of learning rates whose mean test score is within .05 of
            this one's.
        failed: The share of all runs, at any rate, that diverged or stayed at chance.
        steps: The median over seeds of the steps to 90% of the accuracy of the cell's best
            method, on the validation set; infinite where most never come there.
        seconds: Per step.
        environments: What the runs name as theirs.
    """

    method: str
    tags: tuple[str, ...]
    rate: float
    seeds: tuple[int, ...]
    test: np.ndarray
    loss: np.ndarray
    validation: float
    sensitivity: float
    failed: float
    seconds: float
    environments: tuple[str, ...]
    curves: np.ndarray = field(repr=False)
    steps: float = math.inf

    @property
    def mean(self) -> float:
        return float(np.mean(self.test))

    @property
    def interval(self) -> tuple[float, float]:
        return interval(self.test)


@dataclass(frozen=True)
class CellScores:
    """What the methods reached in one cell."""

    row: Row  # one of the cell, for what all its rows share
    scores: dict[str, Score]

    @property
    def name(self) -> str:
        row = self.row
        samples = f", {row['samples']} samples" if row["samples"] else ""
        steps = f", {row['steps']:,} steps" if row["steps"] > USUAL_STEPS else ""
        return (
            f"{row['task']}, {row['activation']}, {row['depth']} x {row['width']}, "
            f"{row['optimizer']}{samples}{steps}"
        )

    @property
    def depth(self) -> int:
        return int(self.row["depth"])

    def best(self, *tags: str, by: str = "validation") -> Score | None:
        """The best of the methods with one of these tags, as the validation set says."""
        found = [score for score in self.scores.values() if set(tags) & set(score.tags)]
        return max(found, key=lambda score: getattr(score, by), default=None)

    def advantage(self, ours: Score, other: Score) -> tuple[float, float, float]:
        """By how much the first is better, over the seeds that both have: mean, interval."""
        difference = np.array(
            [
                ours.test[ours.seeds.index(seed)] - other.test[other.seeds.index(seed)]
                for seed in ours.seeds
                if seed in other.seeds
            ]
        )
        return float(np.mean(difference)), *interval(difference)

    def trains(self, score: Score) -> bool:
        """Whether it comes at least half the way from chance to the cell's best method."""
        best = self.best(*FAMILIES, by="mean")
        assert best is not None
        chance = self.row["chance"]
        return score.mean - chance >= (best.mean - chance) / 2


def cells_of(rows: list[Row]) -> list[CellScores]:
    """The scores of every method in every cell."""
    # Older files have rows of a differential equation, which was scored by its error.
    rows = [row for row in rows if row["metric"] == "accuracy"]
    by_cell: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        by_cell.setdefault(tuple(row[name] for name in CELL), []).append(row)
    cells = []
    for of_cell in by_cell.values():
        methods = dict.fromkeys(row["method"] for row in of_cell)
        scores = {m: _score([row for row in of_cell if row["method"] == m]) for m in methods}
        cells.append(CellScores(of_cell[0], _with_steps(of_cell[0], scores)))
    return sorted(cells, key=_order)


def _order(cell: CellScores) -> tuple[Any, ...]:
    """Digits first, as the file has its rows in the order in which they were finished."""
    row = cell.row
    return (
        row["task"] != "digits",
        *(row[name] for name in ("task", "optimizer", "samples", "width", "depth", "activation")),
        row["steps"],
    )


def _score(rows: list[Row]) -> Score:
    """Of the runs of one method in one cell."""
    chance = rows[0]["chance"]

    def number(value: float | None, otherwise: float) -> float:
        return otherwise if value is None else value

    rates = sorted({row["learning_rate"] for row in rows})
    of_rate = {
        rate: sorted((r for r in rows if r["learning_rate"] == rate), key=lambda r: r["seed"])
        for rate in rates
    }
    validation = {
        rate: float(np.mean([number(r["validation"], 0) for r in runs]))
        for rate, runs in of_rate.items()
    }
    test = {
        rate: np.array([number(r["test"], chance) for r in runs]) for rate, runs in of_rate.items()
    }
    best = max(rates, key=lambda rate: validation[rate])
    runs = of_rate[best]

    def within(rate: float) -> bool:
        return bool(test[best].mean() - test[rate].mean() <= 0.05)

    def failed(row: Row) -> bool:
        if row["test"] is None or row["loss"] is None:
            return True
        return bool(row["test"] <= chance + 0.05)

    return Score(
        method=rows[0]["method"],
        tags=tuple(rows[0]["tags"]),
        rate=best,
        seeds=tuple(r["seed"] for r in runs),
        test=test[best],
        loss=np.array([number(r["loss"], math.inf) for r in runs]),
        validation=validation[best],
        sensitivity=float(np.mean([within(rate) for rate in rates])),
        failed=float(np.mean([failed(row) for row in rows])),
        seconds=float(np.median([r["seconds_per_step"] for r in rows])),
        environments=tuple(dict.fromkeys(row["environment"] for row in rows)),
        curves=np.array([[number(value, math.nan) for value in r["curve"]] for r in runs]),
    )


def _with_steps(row: Row, scores: dict[str, Score]) -> dict[str, Score]:
    """The scores with their `steps`, which depend on the best of them."""
    mark = 0.9 * max(score.validation for score in scores.values())

    def steps(curve: np.ndarray) -> float:
        reached = np.flatnonzero(curve >= mark)
        return float(row["curve_steps"][reached[0]]) if len(reached) else math.inf

    return {
        name: dataclasses.replace(score, steps=float(np.median([*map(steps, score.curves)])))
        for name, score in scores.items()
    }
