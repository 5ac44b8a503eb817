"""From rows to comparisons: each method at its best rate, and whether `tailor` falls behind.

Functions of the rows alone; no backend is imported.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..results import Row

TOLERANCE = 0.005  # within which `tailor` must match the recipe by hand


@dataclass(frozen=True)
class Score:
    """A method on a model, at the rate that is best by its mean over the seeds.

    Attributes:
        rows: Its runs at that rate, one a seed.
    """

    rows: tuple[Row, ...]

    @property
    def rate(self) -> float:
        return float(self.rows[0]["learning_rate"])

    @property
    def values(self) -> np.ndarray:
        """A run that has diverged is as bad as can be."""
        worst = 0.0 if self.rows[0]["higher"] else math.inf
        return np.array([worst if row["score"] is None else row["score"] for row in self.rows])

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def spread(self) -> float:
        """The standard deviation over seeds, of the population that they are drawn from."""
        if len(self.rows) < 2:
            return 0.0
        return float(np.std(self.values, ddof=1)) if math.isfinite(self.mean) else math.inf

    @property
    def verdict(self) -> str:
        """That of the seeds; of several the most frequent, with how many have it."""
        (found, number), *others = Counter(row["verdict"] for row in self.rows).most_common()
        return f"{found} ({number} of {len(self.rows)})" if others else str(found)


@dataclass(frozen=True)
class Comparison:
    """The methods on one model, each at its best rate.

    Attributes:
        model: Its name.
        scores: By method.
    """

    model: str
    scores: dict[str, Score]

    @property
    def metric(self) -> str:
        return str(self._any["metric"])

    @property
    def higher(self) -> bool:
        return bool(self._any["higher"])

    @property
    def steps(self) -> int:
        return int(self._any["steps"])

    @property
    def kernels(self) -> tuple[int, int] | None:
        """How many kernels `tailor` has initialized, and how many there are."""
        if "tailored" not in self.scores:
            return None
        tailored, every = self.scores["tailored"].rows[0]["kernels"]
        return tailored, every

    @property
    def _any(self) -> Row:
        return next(iter(self.scores.values())).rows[0]

    def deficit(self, other: str) -> float:
        """By how much `tailor` is worse than another method; negative where it is better."""
        here, there = self.scores["tailored"].mean, self.scores[other].mean
        if not math.isfinite(here):
            return 0.0 if not math.isfinite(there) else math.inf
        return there - here if self.higher else here - there

    def pooled(self, other: str) -> float:
        """The standard deviation over seeds, of both methods together."""
        spreads = [self.scores[name].spread for name in ("tailored", other)]
        finite = [spread for spread in spreads if math.isfinite(spread)]
        return math.sqrt(np.mean(np.square(finite))) if finite else 0.0

    @property
    def marks(self) -> list[str]:
        """What does not hold of `tailor` on this model."""
        found = []
        if {"keras", "tailored"} <= set(self.scores):
            behind = self.deficit("keras")
            if behind > self.pooled("keras"):
                found.append(f"worse than before, by {behind:.3g}")
        if {"by hand", "tailored"} <= set(self.scores):
            behind = self.deficit("by hand")
            if behind > TOLERANCE:
                within = behind <= self.pooled("by hand")
                noise = ", within the seeds' spread" if within else ""
                found.append(f"behind the recipe, by {behind:.3g}{noise}")
        return found


def comparisons_of(rows: Iterable[Row], order: Sequence[str] = ()) -> list[Comparison]:
    """The comparisons that rows hold, models in an order if there is one."""
    runs: dict[str, dict[str, dict[float, list[Row]]]] = {}
    for row in rows:
        by_rate = runs.setdefault(row["model"], {}).setdefault(row["method"], {})
        by_rate.setdefault(row["learning_rate"], []).append(row)
    known = [name for name in order if name in runs] + [n for n in runs if n not in order]
    return [
        Comparison(
            name, {method: _best(list(rates.values())) for method, rates in runs[name].items()}
        )
        for name in known
    ]


def _best(rates: list[list[Row]]) -> Score:
    scores = [Score(tuple(sorted(rows, key=lambda row: row["seed"]))) for rows in rates]
    if scores[0].rows[0]["higher"]:
        return max(scores, key=lambda score: score.mean)
    return min(scores, key=lambda score: score.mean)
