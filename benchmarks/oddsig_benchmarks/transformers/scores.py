"""From rows to comparisons with LayerNorm, and what is claimed of them.

Functions of the rows alone; how they are printed is not their business.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..claims import Claim
from ..differences import Difference
from ..results import Row
from .methods import LAYER_NORM, METHODS
from .runs import CHOOSING, RATES, SEEDS, Cell, groups_of, standard

NEAR = {"crossentropy": 0.05, "accuracy": 0.01}  # as good as LayerNorm
GAP = {"crossentropy": 0.01, "accuracy": 0.005}  # of which a share is worth telling
NOISE = 1.05  # of times, as a ratio: equal programs differ by that much
TIME = "step_processor_seconds"
UNITS = {"crossentropy": "nats", "accuracy": "accuracy"}
HALF = 0.5


@dataclass(frozen=True)
class Score:
    """A method in a cell, at the learning rate that one seed chose.

    Attributes:
        rows: Its runs at that rate on the other seeds, in their order.
        edge: Whether that is the lowest or the highest rate that was tried.
        step_seconds: The processor's, for a step: the median of all its runs.
    """

    rows: tuple[Row, ...]
    edge: bool
    step_seconds: float

    @property
    def rate(self) -> float:
        return float(self.rows[0]["learning_rate"])

    @property
    def values(self) -> np.ndarray:
        """On the test set, by seed. A run that has diverged counts as one that learned nothing."""
        metric, chance = self.rows[0]["metric"], self.rows[0]["chance"]
        found = [row["test"][metric] for row in self.rows]
        return np.array([chance if value is None else value for value in found], dtype=float)

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def diverged(self) -> int:
        return sum(row["test"][row["metric"]] is None for row in self.rows)

    @property
    def loss(self) -> float:
        """On the training set in the end, of the runs that have not diverged."""
        found = [row["loss"] for row in self.rows if row["loss"] is not None]
        return float(np.mean(found)) if found else math.nan

    @property
    def curve(self) -> list[tuple[int, float]]:
        """Steps, and the mean validation loss after them, as far as no run has diverged."""
        curves = [row["curve"] for row in self.rows]
        return [
            (at[0][0], float(np.mean([loss for _, loss in at])))
            for at in zip(*curves, strict=False)
            if all(loss is not None for _, loss in at)
        ]


@dataclass(frozen=True)
class Comparison:
    """What the methods reached in a cell."""

    cell: Cell
    metric: str
    scores: dict[str, Score]

    def over(self, method: str, other: str = LAYER_NORM) -> Difference | None:
        """Between the seeds' smallest and largest; None where one, or a common seed, is missing."""
        if not {method, other} <= self.scores.keys():
            return None
        one, two = (self._by_seed(name) for name in (method, other))
        sign = 1 if self.metric == "accuracy" else -1
        found = [sign * (value - two[seed]) for seed, value in one.items() if seed in two]
        return Difference(float(np.mean(found)), min(found), max(found)) if found else None

    def _by_seed(self, method: str) -> dict[int, float]:
        score = self.scores[method]
        return dict(zip((row["seed"] for row in score.rows), score.values.tolist(), strict=True))

    def near(self, method: str) -> bool | None:
        """Whether a method is at most that little behind LayerNorm."""
        found = self.over(method)
        return None if found is None else found.mean >= -NEAR[self.metric]

    def closed(self, method: str) -> float | None:
        """The share of the gap to LayerNorm that a method closes, of the one it improves on.

        None where there is no gap worth the name, or nothing to compare.
        """
        base = METHODS[method].of
        if base is None:
            return None
        gap, left = self.over(LAYER_NORM, base), self.over(LAYER_NORM, method)
        if gap is None or left is None or gap.mean < GAP[self.metric]:
            return None
        return 1 - left.mean / gap.mean

    def time(self, method: str) -> float | None:
        """Of a step, over LayerNorm's."""
        if not {method, LAYER_NORM} <= self.scores.keys():
            return None
        return self.scores[method].step_seconds / self.scores[LAYER_NORM].step_seconds


def chosen_rate(rows: Sequence[Row]) -> float:
    """Of one seed's runs, the rate whose loss on the validation set is the lowest."""

    def loss(row: Row) -> float:
        found = row["validation"]["crossentropy"]
        return math.inf if found is None else float(found)

    return float(min(rows, key=lambda row: (loss(row), row["learning_rate"]))["learning_rate"])


def comparisons_of(rows: Iterable[Row]) -> list[Comparison]:
    """The cells and methods whose runs on other seeds than the choice's rows hold."""
    names = [field.name for field in dataclasses.fields(Cell)]
    runs: dict[Cell, dict[str, list[Row]]] = {}
    for row in rows:
        cell = Cell(*(row[name] for name in names))
        runs.setdefault(cell, {}).setdefault(row["method"], []).append(row)
    known = standard()

    def place(cell: Cell) -> tuple[bool, int, int]:
        return cell not in known, known.index(cell) if cell in known else 0, cell.steps

    comparisons = []
    for cell in sorted(runs, key=place):
        found = {name: _score(runs[cell][name]) for name in METHODS if name in runs[cell]}
        scores = {name: score for name, score in found.items() if score is not None}
        if scores:
            metric = next(iter(scores.values())).rows[0]["metric"]
            comparisons.append(Comparison(cell, metric, scores))
    return comparisons


def _score(rows: Sequence[Row]) -> Score | None:
    tried = [row for row in rows if row["seed"] == CHOOSING]
    if not tried:
        return None
    rate, rates = chosen_rate(tried), {row["learning_rate"] for row in tried}
    shown = [r for r in rows if r["seed"] != CHOOSING and r["learning_rate"] == rate]
    if not shown:
        return None
    times = [row[TIME] for row in rows if row[TIME] is not None]
    return Score(
        tuple(sorted(shown, key=lambda row: row["seed"])),
        edge=len(rates) > 1 and rate in (min(rates), max(rates)),
        step_seconds=float(np.median(times)) if times else math.nan,
    )


def missing(rows: Sequence[Row]) -> list[str]:
    """What the standard grid has, and rows have not: of each cell the methods, runs left out."""
    done = {row["key"]: row for row in rows}
    lines = []
    for cell in standard():
        lacking = []
        for method in (name for name, known in METHODS.items() if not known.part):
            keys = [group.keys[0] for group in groups_of(cell, method, RATES, [CHOOSING])]
            tried = [done[key] for key in keys if key in done]
            number = len(keys) - len(tried) + len(SEEDS)
            if tried:
                shown = groups_of(cell, method, [chosen_rate(tried)], SEEDS)
                number -= sum(group.keys[0] in done for group in shown)
            if number:
                lacking.append(f"*{method}* ({number})")
        if lacking:
            lines.append(f"{cell.name}: {', '.join(lacking)}")
    return lines


def claims_of(comparisons: Sequence[Comparison]) -> list[Claim]:
    """What one would like to say, ours first, as far as it was run beside LayerNorm."""
    ours = [name for name, method in METHODS.items() if method.of is not None]
    others = [
        name
        for name, method in METHODS.items()
        if name not in (*ours, LAYER_NORM) and not method.part
    ]
    claims = []
    for name in [*ours, *others]:
        found = [each for each in comparisons if name in each.scores]
        claims += [_near(name, metric, found) for metric in NEAR]
        if name in ours:
            claims += [_not_behind(name, found), _closes(name, found), _quick(name, found)]
        if found:
            claims.append(_steady(name, found))
    return [claim for claim in claims if claim is not None]


def _near(name: str, metric: str, cells: Sequence[Comparison]) -> Claim | None:
    found = [(c.over(name), c.cell.name) for c in cells if c.metric == metric]
    means = [(each.mean, cell) for each, cell in found if each is not None]
    if not means:
        return None
    good = sum(mean >= -NEAR[metric] for mean, _ in means)
    worst, where = min(means)
    return Claim(
        f"*{name}* comes within {NEAR[metric]:g} of LayerNorm ({UNITS[metric]}) everywhere.",
        good == len(means),
        f"in {good} of {len(means)} cells; at worst {worst:+.3f} ({where})",
    )


def _not_behind(name: str, cells: Sequence[Comparison]) -> Claim | None:
    base = METHODS[name].of
    assert base is not None
    found = [each for each in (c.over(name, base) for c in cells) if each is not None]
    if not found:
        return None
    verdicts = [each.verdict for each in found]
    numbers = ", ".join(f"{word} in {verdicts.count(word)}" for word in ("ahead", "even", "behind"))
    return Claim(
        f"*{name}* is nowhere behind *{base}*.",
        "behind" not in verdicts,
        f"{numbers} of {len(found)} cells",
    )


def _closes(name: str, cells: Sequence[Comparison]) -> Claim | None:
    found = [(c.closed(name), c.cell.name) for c in cells]
    known = [(share, cell) for share, cell in found if share is not None]
    if not known:
        return None
    shares = [share for share, _ in known]
    least, where = min(known)
    return Claim(
        f"*{name}* closes at least half of the gap between *{METHODS[name].of}* and LayerNorm "
        "wherever there is one.",
        least >= HALF,
        f"{sum(share >= HALF for share in shares)} of {len(shares)} gaps; on average "
        f"{np.mean(shares):.0%}, at least {least:.0%} ({where})",
    )


def _quick(name: str, cells: Sequence[Comparison]) -> Claim | None:
    ratios = [ratio for ratio in (c.time(name) for c in cells) if ratio is not None]
    ratios = [ratio for ratio in ratios if math.isfinite(ratio)]
    if not ratios:
        return None
    return Claim(
        f"A step of *{name}* takes no longer than one of LayerNorm.",
        max(ratios) <= NOISE,
        f"{min(ratios):.2f} to {max(ratios):.2f} of its time",
    )


def _steady(name: str, cells: Sequence[Comparison]) -> Claim:
    scores = [c.scores[name] for c in cells]
    bad, runs = sum(s.diverged for s in scores), sum(len(s.rows) for s in scores)
    return Claim(f"No run of *{name}* diverges.", bad == 0, f"{bad} of {runs} runs")
