"""The networks of the paper's tables, in the order of what they are worth, and their runs.

No backend is imported here: the page must not need one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from . import published

TABLES = ("depth", "width", "samples")
DATA = ("mnist", "cifar10")
EPOCHS = {"width": 20, "depth": 40, "samples": 100}
# What is trained together has one structure. By structure: the methods of `methods.METHODS`.
METHODS: dict[str, tuple[str, ...]] = {
    "plain": (
        "xavier",
        "xavier, uniform",
        "theirs, by inputs",
        "theirs, by outputs",
        "tailored",
        "hartley, scaled input",
    ),
    "batchnorm": ("xavier + BN",),
    "layernorm": ("xavier + LN",),
}


@dataclass(frozen=True)
class Cell:
    """A column of a table: hidden layers of one width, all samples (0) or a few."""

    table: str
    data: str
    depth: int
    width: int
    samples: int = 0

    @property
    def size(self) -> int:
        """What the table's columns differ in."""
        return {"width": self.width, "depth": self.depth, "samples": self.samples}[self.table]

    @property
    def label(self) -> str:
        few = f", {self.samples} samples" if self.samples else ""
        return f"{self.data}, {self.depth} x {self.width}{few}"


@dataclass(frozen=True)
class Group:
    """Runs that are trained together: each method of a structure from each seed."""

    cell: Cell
    structure: str
    seeds: tuple[int, ...]
    epochs: int

    @property
    def methods(self) -> tuple[str, ...]:
        return METHODS[self.structure]

    @property
    def label(self) -> str:
        return self.cell.label + ("" if self.structure == "plain" else f", {self.structure}")

    def key(self, method: str, seed: int, epochs: int | None = None) -> str:
        """What a row is known by; `epochs`: if it was trained for fewer than planned."""
        cell = "|".join(str(value) for value in dataclasses.astuple(self.cell))
        return f"paper|{cell}|{method}|{seed}|{epochs or self.epochs}"

    @property
    def keys(self) -> list[str]:
        return [self.key(method, seed) for seed in self.seeds for method in self.methods]

    @property
    def amount(self) -> float:
        """The layers that are computed one after the other."""
        return self.cell.depth * self.epochs * (800 if self.cell.samples == 0 else 20)


def cells_of(tables: Sequence[str], data: Sequence[str]) -> list[tuple[Cell, str]]:
    """Cells and structures; what says most comes first, as the time may not suffice.

    The widest networks take as long as all narrower ones together, and come late.
    """
    *narrow, wide = published.WIDTHS
    order = [
        *_by_size("mnist", narrow),
        *_few(published.SAMPLES_DEPTHS[0]),
        *_by_size("cifar10", narrow),
        *((Cell("width", name, 20, wide), "plain") for name in DATA),
        *_few(published.SAMPLES_DEPTHS[1]),
    ]
    return [each for each in order if each[0].table in tables and each[0].data in data]


def _by_size(data: str, widths: Sequence[int]) -> list[tuple[Cell, str]]:
    return [
        *((Cell("depth", data, depth, 64), "plain") for depth in (10, 50, 100, 3)),
        *((Cell("width", data, 20, width), "plain") for width in widths),
    ]


def _few(depth: int) -> list[tuple[Cell, str]]:
    """The networks with normalization behind the others."""
    return [
        (Cell("samples", "mnist", depth, 64, samples), structure)
        for structure in METHODS
        for samples in published.SAMPLES
    ]


def smoke(tables: Sequence[str]) -> list[tuple[Cell, str]]:
    """A small network of each kind, on data that are always there."""
    few = Cell("samples", "digits", 3, 8, 10)
    cells = [
        (Cell("depth", "digits", 4, 8), "plain"),
        (Cell("width", "digits", 3, 2), "plain"),
        *((few, structure) for structure in METHODS),
    ]
    return [(cell, structure) for cell, structure in cells if cell.table in tables]
