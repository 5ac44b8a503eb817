"""From rows to comparisons with Keras's default, and what is claimed of them.

Functions of the rows alone; how they are printed is not their business.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..claims import Claim
from ..differences import Difference
from ..reporting import interval
from ..results import Row
from .methods import ADVISED, CALLED, KERAS, METHODS
from .runs import RATES, SEEDS, Cell, groups_of, standard
from .tasks import TASKS


@dataclass(frozen=True)
class Score:
    """A method in a cell, at the learning rate that the validation set chose.

    Attributes:
        rows: Its runs at that rate, one a seed, in their order.
        edge: Whether that is the lowest or the highest rate of the grid.
    """

    rows: tuple[Row, ...]
    edge: bool = False

    @property
    def rate(self) -> float:
        return float(self.rows[0]["learning_rate"])

    @property
    def metric(self) -> str:
        return str(self.rows[0]["metric"])

    @property
    def higher(self) -> bool:
        return self.metric == "accuracy"

    def values(self, part: str = "test", measure: str | None = None) -> np.ndarray:
        """By seed. A run that has diverged counts as one that has learned nothing."""
        found = [row[part][measure or self.metric] for row in self.rows]
        chance = self.rows[0]["chance"]
        return np.array([chance if value is None else value for value in found], dtype=float)

    @property
    def validation(self) -> float:
        return float(np.mean(self.values("validation")))

    @property
    def loss(self) -> float:
        """On the training set in the end, of the runs that have not diverged."""
        found = [row["loss"] for row in self.rows if row["loss"] is not None]
        return float(np.mean(found)) if found else np.nan


@dataclass(frozen=True)
class Comparison:
    """What the methods reached in a cell."""

    cell: Cell
    scores: dict[str, Score]

    def over(self, method: str, other: str = KERAS) -> Difference:
        """With an interval of 95%."""
        one, two = self.scores[method], self.scores[other]
        theirs = dict(zip((row["seed"] for row in two.rows), two.values(), strict=True))
        paired = zip((row["seed"] for row in one.rows), one.values(), strict=True)
        sign = 1 if one.higher else -1
        found = np.array([sign * (v - theirs[seed]) for seed, v in paired if seed in theirs])
        return Difference(float(np.mean(found)), *interval(found))

    def best(self, ours: bool) -> str | None:
        """Of our methods, or of the others, the best one on the validation set."""
        known = METHODS[self.cell.layer]
        found = [name for name in self.scores if known[name].ours == ours]
        sign = 1 if self._any.higher else -1
        return max(found, key=lambda name: sign * self.scores[name].validation, default=None)

    @property
    def _any(self) -> Score:
        return next(iter(self.scores.values()))


def comparisons_of(rows: Iterable[Row]) -> list[Comparison]:
    """The cells and methods that rows hold, in the order of `METHODS` and `TASKS`."""
    names = [field.name for field in dataclasses.fields(Cell)]
    runs: dict[Cell, dict[str, dict[float, list[Row]]]] = {}
    for row in rows:
        cell = Cell(*(row[name] for name in names))
        by_rate = runs.setdefault(cell, {}).setdefault(row["method"], {})
        by_rate.setdefault(row["learning_rate"], []).append(row)

    def place(cell: Cell) -> tuple[int, ...]:
        return list(METHODS).index(cell.layer), list(TASKS).index(cell.task), cell.steps

    found = []
    for cell in sorted(runs, key=place):
        methods = [name for name in METHODS[cell.layer] if name in runs[cell]]
        found.append(Comparison(cell, {name: _best(runs[cell][name]) for name in methods}))
    return found


def _best(by_rate: dict[float, list[Row]]) -> Score:
    scores = [
        Score(
            tuple(sorted(rows, key=lambda row: row["seed"])),
            edge=len(by_rate) > 1 and rate in (min(by_rate), max(by_rate)),
        )
        for rate, rows in by_rate.items()
    ]
    sign = 1 if scores[0].higher else -1
    return max(scores, key=lambda score: sign * score.validation)


def missing(rows: Iterable[Row]) -> list[str]:
    """What the standard grid has, and rows have not: of each cell the methods, runs left out."""
    done = {row["key"] for row in rows}
    known = {layer: list(methods) for layer, methods in METHODS.items()}
    lacking: dict[Cell, list[str]] = {}
    for group in groups_of(standard(), known, RATES, SEEDS):
        number = sum(key not in done for key in group.keys)
        if number:
            lacking.setdefault(group.cell, []).append(f"*{group.method}* ({number})")
    return [f"{cell.name}: {', '.join(methods)}" for cell, methods in lacking.items()]


def claims_of(comparisons: Sequence[Comparison]) -> list[Claim]:
    """What one would like to say of our methods, as far as they were run beside Keras's default."""
    claims = []
    for layer, methods in METHODS.items():
        cells = [each for each in comparisons if each.cell.layer == layer and KERAS in each.scores]
        ours = [name for name, method in methods.items() if method.ours]
        for name in sorted(ours, key=lambda name: name != ADVISED[layer]):
            found = [each for each in cells if name in each.scores]
            if found:
                claims.append(_not_behind(layer, name, found))
        beaten = [each for each in cells if ADVISED[layer] in each.scores]
        if beaten:
            claims.append(_best_of_others(layer, beaten))
    return claims


def _not_behind(layer: str, name: str, cells: list[Comparison]) -> Claim:
    verdicts = [each.over(name).verdict for each in cells]
    numbers = ", ".join(f"{word} in {verdicts.count(word)}" for word in ("ahead", "even", "behind"))
    said = CALLED[layer] if name == ADVISED[layer] else ""
    text = f"{layer}: *{name}* ({said}ours) is nowhere behind Keras's default."
    return Claim(text, "behind" not in verdicts, f"{numbers} of {len(cells)} cells")


def _best_of_others(layer: str, cells: list[Comparison]) -> Claim:
    name = ADVISED[layer]
    behind = []
    for each in cells:
        other = each.best(ours=False)
        assert other is not None  # Keras's default is there
        if each.over(name, other).verdict == "behind":
            behind.append(f"{each.cell.task} (*{other}*)")
    where = f": {'; '.join(behind)}" if behind else ""
    return Claim(
        f"{layer}: *{name}* is nowhere behind the best of the others, as the validation set says.",
        not behind,
        f"behind in {len(behind)} of {len(cells)} cells{where}",
    )
