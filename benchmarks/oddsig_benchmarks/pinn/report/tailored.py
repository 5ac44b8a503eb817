"""`ko.tailor` beside the initializers that it stands for, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...reporting import elsewhere, table
from ...results import Row
from .scores import CellScores, Score
from .wording import in_words, label_of, number

BY_HAND = {"tailored": "few inputs, rotation", "tailored + residual": "glorot + residual"}


class Pair(NamedTuple):
    """A method of `BY_HAND`, and what it is compared with, in a cell."""

    cell: CellScores
    tailored: Score
    by_hand: Score

    def ratio(self, name: str) -> float:
        """Of the medians: below 1 `tailor` has less."""
        return self.tailored.spread(name).median / self.by_hand.spread(name).median

    @property
    def verdict(self) -> str:
        """By the loss, which all that was done aims at."""
        spread = self.by_hand.spread("loss")
        if spread.low <= self.tailored.spread("loss").median <= spread.high:
            return "within the seeds"
        return "**below them**" if self.ratio("loss") < 1 else "**above them**"


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
            ours, theirs = ([row["environment"] for s in each for row in s.rows] for each in scores)
            parts += elsewhere(method, ours, other, theirs, environments)
    return ["## `tailor` against the initializers by hand", *parts] if parts else []


def _introduction(method: str, other: str) -> str:
    made = (
        "is `ko.tailor(model, points)` on the network as Keras makes it, with the run's own "
        "points, of which it sees 256 at most"
        if method == "tailored"
        else "is the same with skip connections"
    )
    return (
        f"*{method}* {made}; beside it *{other}*. Medians of the final loss, with the smallest and "
        "the largest of the seeds; *ratio*, of the medians: below 1 `tailor` is ahead. *Within the "
        "seeds*: its median lies between the smallest and the largest loss of the other."
    )


def _table(pairs: list[Pair]) -> str:
    first = pairs[0]
    names = [first.tailored.method, first.by_hand.method]
    header = ["cell", "seeds", *names, "ratio", "ratio of the errors", "verdict"]
    rows = [
        [
            label_of(p.cell.cell),
            p.tailored.seeds
            if p.tailored.seeds == p.by_hand.seeds
            else f"{p.tailored.seeds} and {p.by_hand.seeds}",
            *(in_words(score.spread("loss")) for score in (p.tailored, p.by_hand)),
            number(p.ratio("loss")),
            number(p.ratio("error")),
            p.verdict,
        ]
        for p in pairs
    ]
    return table(header, rows)


def _summary(pairs: list[Pair]) -> str:
    kept = [p for p in pairs if "above" not in p.verdict]
    said = f"Within the seeds or below them in {len(kept)} of {len(pairs)} cells"
    above = "; ".join(
        f"{label_of(p.cell.cell)} ({number(p.ratio('loss'))})" for p in pairs if p not in kept
    )
    return f"{said}; above: {above}." if above else f"{said}."
