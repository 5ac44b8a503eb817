"""`ko.tailor` beside the recipes that it stands for, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...reporting import elsewhere, table
from ...results import Row
from .scores import CellScores, Score

BY_HAND = {"tailored": "hartley, scaled input", "tailored + residual": "glorot + residual"}
NEAR = 0.005  # of accuracy: two of the 360 test images of the digits


class Pair(NamedTuple):
    """A method of `BY_HAND`, and what it is compared with, in a cell.

    Attributes:
        fresh: The latter with other seeds, where it was run with them: what the seeds alone do.
    """

    cell: CellScores
    tailored: Score
    by_hand: Score
    fresh: Score | None

    @property
    def difference(self) -> tuple[float, float, float]:
        """By how much `tailor` is better: mean, and its interval."""
        return self.cell.advantage(self.tailored, self.by_hand)

    @property
    def verdict(self) -> str:
        mean, low, high = self.difference
        if abs(mean) <= NEAR:
            return "within .005"
        word = "ahead" if mean > 0 else "behind"
        return f"**{word}**" if low > 0 or high < 0 else f"{word}, not significantly"


def pairs_of(
    cells: Sequence[CellScores], method: str, fresh: Sequence[CellScores] = ()
) -> list[Pair]:
    """The cells that have both."""
    other = BY_HAND[method]
    again = {c.name: c.scores.get(other) for c in fresh}
    return [
        Pair(c, c.scores[method], c.scores[other], again.get(c.name))
        for c in cells
        if method in c.scores and other in c.scores
    ]


def tailored_section(
    cells: Sequence[CellScores], environments: Sequence[Row], fresh: Sequence[CellScores] = ()
) -> list[str]:
    """Nothing, where `tailor` has not been run.

    Args:
        cells: What was measured.
        environments: Where.
        fresh: The cells once more, with other seeds.
    """
    parts = []
    for method, other in BY_HAND.items():
        pairs = pairs_of(cells, method, fresh)
        if pairs:
            parts += [_introduction(method, other), _table(pairs), _summary(pairs), *_noise(pairs)]
            scores = [[getattr(p, side) for p in pairs] for side in ("tailored", "by_hand")]
            ours, theirs = ([e for s in each for e in s.environments] for each in scores)
            parts += elsewhere(method, ours, other, theirs, environments)
    return ["## `tailor` against the recipe by hand", *parts] if parts else []


def _introduction(method: str, other: str) -> str:
    made = (
        "is `ko.tailor(model, x)` on the network as Keras makes it, with the run's own samples, of "
        "which it sees 256 at most"
        if method == "tailored"
        else "is the same with skip connections"
    )
    return (
        f"*{method}* {made}; beside it *{other}*. Paired over seeds, each at the learning rate "
        "that the validation set chose; bold where the 95% interval leaves 0 out."
    )


def _table(pairs: list[Pair]) -> str:
    rows = []
    for pair in pairs:
        mean, low, high = pair.difference
        rows.append(
            [
                pair.cell.name,
                f"{pair.tailored.mean:.3f}",
                f"{pair.by_hand.mean:.3f}",
                f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]",
                pair.verdict,
                f"{pair.fresh.mean:.3f}" if pair.fresh else "",
            ]
        )
    first = pairs[0]
    header = ["cell", first.tailored.method, first.by_hand.method, "difference", "verdict"]
    header += [f"{first.by_hand.method}, fresh seeds"]
    return table(header, rows)


def _summary(pairs: list[Pair]) -> str:
    kept = [p for p in pairs if p.difference[0] >= -NEAR]
    behind = [p for p in pairs if p not in kept]
    mean = sum(p.difference[0] for p in pairs) / len(pairs)
    said = (
        f"Within .005 or ahead in {len(kept)} of {len(pairs)} cells, {mean:+.3f} on average over "
        "all of them"
    )
    if not behind:
        return f"{said}."
    names = "; ".join(f"{p.cell.name} ({p.difference[0]:+.3f})" for p in behind)
    worse = sum(p.difference[2] < 0 for p in behind)
    return f"{said}; behind, in {worse} of these significantly: {names}."


def _noise(pairs: list[Pair]) -> list[str]:
    """What the seeds alone do to the recipe: the measure for all differences of the table."""
    moved = [p.fresh.mean - p.by_hand.mean for p in pairs if p.fresh]
    if not moved:
        return []
    return [
        f"With its fresh seeds (the section below) *{pairs[0].by_hand.method}* itself is "
        f"{sum(map(abs, moved)) / len(moved):.3f} away from the table on average over "
        f"{len(moved)} cells, and by more than .005 in {sum(abs(m) > NEAR for m in moved)}."
    ]
