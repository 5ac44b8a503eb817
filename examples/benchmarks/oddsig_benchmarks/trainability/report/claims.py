"""The claims made of the method, each against what was measured.

A claim is a function of the cells' scores; how it is printed is not its business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .scores import PLAIN, CellScores, Score


@dataclass(frozen=True)
class Claim:
    """A sentence, whether it holds (None: not measured), and the numbers."""

    text: str
    holds: bool | None
    numbers: str

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "does not hold", None: "not measured"}[self.holds]


def claims_of(cells: list[CellScores]) -> list[Claim]:
    """Each thing that the method should do, against what was measured."""
    return [
        slopes(cells),
        not_worse(cells),
        half_the_steps(cells),
        as_good_as_normalized(cells),
        few_samples(cells),
    ]


def _of_depth(cells: list[CellScores], low: int, high: float = math.inf) -> list[CellScores]:
    """The cells of a depth from `low` to `high`."""
    return [c for c in cells if low <= c.row["depth"] <= high]


def slopes(cells: list[CellScores]) -> Claim:
    text = (
        "With slopes at 0 other than 1 and depths from 50 on, one of ours trains in at least "
        "95% of the cells, and no standard initializer in more than 50%."
    )
    cells = [c for c in _of_depth(cells, 50) if abs(c.row["slope"] - 1) > 1e-6]
    shares: dict[str, dict[str, float]] = {"ours": {}, "standard": {}}
    for family, share in shares.items():
        for method in dict.fromkeys(m for c in cells for m in c.scores):
            found = [c.scores[method] for c in cells if method in c.scores]
            if len(found) == len(cells) and any(family in score.tags for score in found):
                share[method] = float(np.mean([c.trains(c.scores[method]) for c in cells]))
    if not all(shares.values()):
        return Claim(text, None, "")
    (ours, most), (standard, theirs) = (
        max(share.items(), key=lambda item: item[1]) for share in shares.values()
    )
    return Claim(
        text,
        most >= 0.95 and theirs <= 0.5,
        f"{len(cells)} cells; of ours, {ours} trains in {most:.0%}; of the standard ones, "
        f"{standard} in {theirs:.0%}",
    )


def pairs_of(cells: list[CellScores]) -> list[tuple[CellScores, Score, Score]]:
    """The better of our two methods and the best competitor without normalization."""
    found = [(c, c.best("default"), c.best(*PLAIN)) for c in cells]
    return [(c, ours, other) for c, ours, other in found if ours and other]


def lost(cells: list[CellScores]) -> list[tuple[CellScores, Score, Score]]:
    """The cells in which ours is worse, paired over seeds, at 95%."""
    return [(c, a, b) for c, a, b in pairs_of(cells) if c.advantage(a, b)[2] < 0]


def not_worse(cells: list[CellScores]) -> Claim:
    text = (
        "The better of our two methods is not worse than the best competitor without "
        "normalization (paired, 95%) in at least 90% of the cells."
    )
    pairs = pairs_of(cells)
    if not pairs:
        return Claim(text, None, "")
    share = 1 - len(lost(cells)) / len(pairs)
    better = sum(c.advantage(a, b)[1] > 0 for c, a, b in pairs)
    return Claim(
        text,
        share >= 0.9,
        f"in {share:.0%} of {len(pairs)} cells; significantly better in {better}",
    )


def half_the_steps(cells: list[CellScores]) -> Claim:
    text = (
        "At depth 100 and more it reaches 90% of the best accuracy in at most half the steps "
        "of the best Gaussian competitor."
    )
    found = []
    for c in _of_depth(cells, 100):
        ours, gaussian = c.best("default"), c.best("gaussian")
        if ours and gaussian:
            found.append(
                (ours.steps, min(s.steps for s in c.scores.values() if "gaussian" in s.tags))
            )
    if not found:
        return Claim(text, None, "")
    fast = [a <= b / 2 for a, b in found if math.isfinite(a)]
    pairs = "; ".join(f"{steps_in_words(a)} against {steps_in_words(b)}" for a, b in found)
    holds = len(fast) == len(found) and all(fast)
    return Claim(text, holds, f"in {sum(fast)} of {len(found)} cells (steps: {pairs})")


def steps_in_words(steps: float) -> str:
    return "never" if math.isinf(steps) else f"{steps:.0f}"


def as_good_as_normalized(cells: list[CellScores]) -> Claim:
    text = (
        "Without normalization it comes within .01 of the best of LayerNorm, BatchNorm and "
        "residual at depth 50 to 100, at a lower time per step."
    )
    found = [(c.best("default"), c.best("structure")) for c in _of_depth(cells, 50, 100)]
    pairs = [(a, b) for a, b in found if a and b]
    if not pairs:
        return Claim(text, None, "")
    behind = [b.mean - a.mean for a, b in pairs]
    times = [a.seconds / b.seconds for a, b in pairs]
    return Claim(
        text,
        max(behind) <= 0.01 and max(times) < 1,
        f"within .01 in {sum(d <= 0.01 for d in behind)} of {len(pairs)} cells, ahead by "
        f"{-np.mean(behind):.3f} on average (worst {-max(behind):.3f}); time per step "
        f"{np.median(times):.2f} of theirs (median; at most {max(times):.2f})",
    )


def few_samples(cells: list[CellScores]) -> Claim:
    text = (
        "With 100 training samples at depth 50 it is ahead of every competitor without "
        "normalization."
    )
    pairs = pairs_of([c for c in cells if c.row["samples"] == 100 and c.row["depth"] == 50])
    if not pairs:
        return Claim(text, None, "")
    differences = []
    for c, ours, _ in pairs:
        # The best by the test set itself: ahead of every one of them.
        other = c.best(*PLAIN, by="mean")
        assert other is not None
        mean, low, high = c.advantage(ours, other)
        differences.append(
            (mean, f"{c.name}: {mean:+.3f} [{low:+.3f}, {high:+.3f}] on {other.method}")
        )
    return Claim(
        text, all(mean > 0 for mean, _ in differences), "; ".join(t for _, t in differences)
    )
