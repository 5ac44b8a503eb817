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
    """A method of `BY_HAND`, and what it is compared with, in a cell."""

    cell: CellScores
    tailored: Score
    by_hand: Score

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


def pairs_of(cells: list[CellScores], method: str) -> list[Pair]:
    """The cells that have both."""
    other = BY_HAND[method]
    return [
        Pair(c, c.scores[method], c.scores[other])
        for c in cells
        if method in c.scores and other in c.scores
    ]


def tailored_section(cells: list[CellScores], environments: Sequence[Row]) -> list[str]:
    """Nothing, where `tailor` has not been run."""
    parts = []
    for method, other in BY_HAND.items():
        pairs = pairs_of(cells, method)
        if pairs:
            parts += [_introduction(method, other), _table(pairs), _summary(pairs)]
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
            ]
        )
    first = pairs[0]
    header = ["cell", first.tailored.method, first.by_hand.method, "difference", "verdict"]
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
