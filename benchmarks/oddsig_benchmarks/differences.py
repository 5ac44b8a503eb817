"""By how much one method is better than another. No benchmark is known here."""

from __future__ import annotations

from typing import NamedTuple

SHOWN = 0.0005  # differences that a table of three digits does not show are none


class Difference(NamedTuple):
    """By how much a method is better than another, paired over seeds.

    Attributes:
        mean: Over the seeds.
        low, high: Between which it is taken to lie: an interval, or the seeds' own.
    """

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """It counts where `low` and `high` agree on its sign."""
        if abs(self.mean) < SHOWN:
            return "even"
        if self.low > 0:
            return "ahead"
        return "behind" if self.high < 0 else "even"
