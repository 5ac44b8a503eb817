"""A claim, and whether the runs bear it out. No benchmark is known here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .reporting import table


@dataclass(frozen=True)
class Claim:
    """A sentence, whether it holds (None: not measured), and the numbers."""

    text: str
    holds: bool | None
    numbers: str

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "does not hold", None: "not measured"}[self.holds]


def claims_table(claims: Iterable[Claim], verdict: str = "") -> str:
    """In Markdown; `verdict` is the heading of the column that has it."""
    rows = [[claim.text, f"**{claim.verdict}**", claim.numbers] for claim in claims]
    return table(["claim", verdict, "numbers"], rows)
