"""The runs in the cells: what is run, not how. Nothing here builds a network or trains one.

A run's key says whether it is done: a field that `Cell` gains, or a new `BUDGET`, makes every
results file start anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..groups import Program, Runs
from .cells import GRIDS
from .methods import METHODS

BUDGET = 1  # a number for what a run is: rows of another do not count as done
# JAX's own switch, in the words that it takes; read here without JAX.
DOUBLED = os.environ.get("JAX_ENABLE_X64", "").lower() in ("y", "yes", "t", "true", "on", "1")
SMOKE_METHODS = (
    "glorot uniform",
    "fixed .085, by outputs",
    "few inputs, rotation",
    "few inputs, diagonal",
    "tailored",
    "rotation",
    "glorot, pirate",
)


class Group(Runs):
    """The runs of one method in one cell."""

    PREFIX = f"pinn {BUDGET}{' float64' if DOUBLED else ''}"

    @property
    def program(self) -> Program:
        return Program(self.cell, METHODS[self.method].structure, len(self.runs))

    @property
    def label(self) -> str:
        return f"{self.cell.equation} {self.cell.network}, {self.method}"

    @property
    def amount(self) -> float:
        return self.cell.amount * len(self.runs)


def groups_of(
    grid: str,
    seeds: Sequence[int],
    rates: Sequence[float],
    *,
    equations: Sequence[str] | None = None,
    networks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
) -> list[Group]:
    """The runs of a grid, or of a part of it; neighbours share a program.

    Args:
        grid: Of `cells.GRIDS`.
        seeds, rates: Of each method: every rate with every seed.
        equations, networks, methods: Those wanted; by default the grid's.
    """
    judged = tuple(name for name, method in METHODS.items() if method.family != "candidate")
    known = methods or (SMOKE_METHODS if grid == "smoke" else judged)
    return [
        Group(cell, method, tuple(rates), tuple(seeds))
        for cell in GRIDS[grid]()
        if (not equations or cell.equation in equations)
        and (not networks or cell.network in networks)
        for method in sorted(known, key=lambda name: METHODS[name].structure != "plain")
    ]
