"""Cells, in which all methods meet, and the grids of them. No backend is imported here."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """An equation, a network of `depth` layers of `width` units, and how long it is trained.

    Attributes:
        points: Collocation points inside the domain (`equations.sample`).
        adam: Steps of Adam.
        lbfgs: Iterations of L-BFGS after them.
    """

    equation: str
    depth: int
    width: int
    points: int
    adam: int = 300
    lbfgs: int = 300

    @property
    def network(self) -> str:
        return f"{self.depth}x{self.width}"

    @property
    def name(self) -> str:
        return (
            f"{self.equation}, {self.depth} x {self.width}, {self.points} points, "
            f"Adam {self.adam}, L-BFGS {self.lbfgs}"
        )

    @property
    def amount(self) -> float:
        """How much there is to compute for a run, roughly."""
        # A step costs something, however few its points.
        units = self.depth * self.width * (16 + self.width) * (50 + self.points)
        return units * (self.adam + 1.1 * self.lbfgs) / 1e9


TIME = ("burgers", "allen-cahn", "diffusion")


def _demonstration(steps: int = 3000, lbfgs: int = 0) -> list[Cell]:
    """DeepXDE's Poisson equation, at everyday sizes: Adam, as there."""
    return [
        Cell("poisson1d", depth, width, 16, steps, lbfgs)
        for depth, width in ((3, 20), (4, 50), (6, 32), (10, 20))
    ]


def smoke() -> list[Cell]:
    """One small cell of each equation."""
    return [
        dataclasses.replace(_demonstration(300)[0], lbfgs=30),
        *(Cell(equation, 3, 16, 120, 60, 40) for equation in (*TIME, "poisson")),
    ]


def standard() -> list[Cell]:
    """About two hours on two cores: a tenth of the paper's points, and of its depths three."""
    return [
        *_demonstration(),
        *(Cell("burgers", depth, width, 2000) for depth, width in ((5, 32), (30, 16), (60, 16))),
        *(Cell(equation, 30, 16, 2000) for equation in ("allen-cahn", "diffusion", "poisson")),
    ]


def longer() -> list[Cell]:
    """Two cells of the standard grid, trained on, as users go on."""
    return [Cell("burgers", depth, width, 2000, lbfgs=2000) for depth, width in ((5, 32), (30, 16))]


def full() -> list[Cell]:
    """The paper's table, and the same trained on, as users go on."""
    paper = [
        Cell(equation, depth, width, 20_000)
        for equation, width, depth in itertools.product(
            (*TIME, "poisson"), (16, 32), (5, 10, 20, 30, 40, 50, 60, 80)
        )
    ]
    trained_on = [
        dataclasses.replace(cell, lbfgs=2000)
        for cell in paper
        if (cell.depth, cell.width) in ((5, 32), (30, 16))
    ]
    return [*_demonstration(), *paper, *trained_on]


GRIDS = {"smoke": smoke, "standard": standard, "longer": longer, "full": full}
