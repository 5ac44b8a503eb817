"""The runs of one method in one cell, and what is compiled for them; no cell is known here."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Program:
    """What is compiled together: some number of runs of any method of a structure.

    Attributes:
        cell: A benchmark's cell, less what does not matter to the program.
        structure: Of `Method`.
        runs: How many are trained at once.
    """

    cell: Any
    structure: str
    runs: int


@dataclass(frozen=True)
class Runs:
    """The runs of one method in one cell: every learning rate and seed.

    Attributes:
        PREFIX: What the keys of a benchmark begin with.
        cell: A benchmark's cell, a dataclass.
    """

    PREFIX: ClassVar[str]
    cell: Any
    method: str
    rates: tuple[float, ...]
    seeds: tuple[int, ...]

    @property
    def runs(self) -> list[tuple[float, int]]:
        return list(itertools.product(self.rates, self.seeds))

    def key(self, rate: float, seed: int) -> str:
        """What a row in the results file is known by."""
        cell = "|".join(str(value) for value in dataclasses.astuple(self.cell))
        return f"{self.PREFIX}|{cell}|{self.method}|{rate:g}|{seed}"

    @property
    def keys(self) -> list[str]:
        return [self.key(*run) for run in self.runs]
