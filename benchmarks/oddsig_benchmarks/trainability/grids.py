"""Cells, in which all methods meet, the runs in a cell, and the grids of them.

What is run, not how: nothing here builds a network or trains one. A run's key says whether it
is done: a field that `Cell` gains, or a new `BUDGET`, makes every results file start anew.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..environment import BACKEND
from ..groups import Program, Runs
from .methods import ACTIVATIONS, METHODS, applies

BUDGET = 1  # a number for what a run is: rows of another do not count as done
EVERY = 20  # steps between two looks at the validation set
RATES = {"adam": (3e-4, 1e-3, 3e-3, 1e-2), "sgd": (3e-3, 1e-2, 3e-2, 1e-1)}


@dataclass(frozen=True)
class Cell:
    """A setting in which all methods meet.

    Attributes:
        width: "32", or "16/4" for layers of 16 and 4 in turn.
        samples: Of the training set; 0 for all.
        steps: A multiple of `EVERY`.
    """

    task: str
    activation: str
    depth: int
    width: str
    optimizer: str = "adam"
    samples: int = 0
    steps: int = 400
    batch: int = 64

    @property
    def widths(self) -> list[int]:
        return [int(width) for width in self.width.split("/")]


class Group(Runs):
    """The runs of one method in one cell."""

    PREFIX = f"{BUDGET}|{BACKEND}"

    @property
    def program(self) -> Program:
        # The number of samples is in the batches alone.
        cell = dataclasses.replace(self.cell, samples=0)
        return Program(cell, METHODS[self.method].structure, len(self.runs))

    @property
    def label(self) -> str:
        return f"{self.cell.task} {self.cell.activation} {self.cell.depth}, {self.method}"

    @property
    def amount(self) -> float:
        """How much there is to compute, roughly."""
        cell = self.cell
        # 16 positions of 9 taps, run by run; colour images have 64 of them.
        factor = {"cnn": 200.0, "cifar10_cnn": 800.0}.get(cell.task, 1.0)
        units = cell.depth * (32 + float(np.mean(cell.widths))) * cell.batch
        return factor * units * cell.steps * len(self.runs) / 1e6


# ----------------------------------------------------------------------------------
# Grids
# ----------------------------------------------------------------------------------


def smoke() -> list[Cell]:
    """One small cell of each task."""
    small = {"steps": 60, "batch": 32}
    return [
        Cell("digits", "bipolar_sigmoid", 20, "16", **small),
        Cell("digits", "tanh", 20, "16/4", **small),
        Cell("mnist", "tanh", 10, "16", **small),
        Cell("tabular", "tanh", 10, "16", **small),
        Cell("rnn", "tanh", 16, "16", **small),
        Cell("cnn", "tanh", 5, "4", steps=20, batch=32),
    ]


def standard() -> list[Cell]:
    """What the page's claims rest on."""
    two = ("tanh", "bipolar_sigmoid")
    return [
        *(
            Cell("digits", activation, depth, "32")
            for activation in ("tanh", "erf", "softsign", "bipolar_sigmoid")
            for depth in (50, 100)
        ),
        *(Cell("digits", activation, 300, "32") for activation in two),
        *(Cell("digits", activation, 50, "16/4") for activation in two),
        *(Cell("digits", activation, 50, "32", "sgd") for activation in two),
        *(Cell("digits", activation, 50, "32", samples=100) for activation in two),
        Cell("mnist", "tanh", 50, "32"),
        Cell("tabular", "tanh", 50, "32", steps=160),
        Cell("rnn", "tanh", 64, "32"),
        Cell("cnn", "tanh", 20, "16", steps=160, batch=32),
    ]


def full() -> list[Cell]:
    """Every combination on digits, and each other task with every activation and depth."""
    cells = [
        Cell("digits", activation, depth, width, optimizer, samples, steps=600)
        for activation, depth, width, optimizer, samples in itertools.product(
            ACTIVATIONS, (10, 50, 100, 300), ("16", "64", "16/4"), RATES, (100, 500, 0)
        )
    ]
    for activation, depth in itertools.product(ACTIVATIONS, (10, 50, 100)):
        cells += [
            Cell("mnist", activation, depth, "64", steps=1800),
            Cell("tabular", activation, depth, "32", steps=600),
            Cell("rnn", activation, max(depth, 16), "64", steps=1800),
            Cell("cnn", activation, depth, "16", steps=1800),
        ]
    return cells


def everyday() -> list[Cell]:
    """Networks of the usual depth."""
    return [
        Cell(task, activation, depth, "32", steps=steps)
        for task, steps in (("digits", 400), ("tabular", 160))
        for activation in ("tanh", "bipolar_sigmoid")
        for depth in (3, 5, 10, 20)
    ]


def deep() -> list[Cell]:
    """A thousand layers and ten thousand."""
    return [
        Cell("digits", activation, depth, "32")
        for depth in (1_000, 10_000)
        for activation in ("tanh", "bipolar_sigmoid")
    ]


def skips() -> list[Cell]:
    """Chains of wide and narrow layers, which may have skip connections."""
    return [
        Cell("digits", activation, 50, width)
        for width in ("16/4", "32/16")
        for activation in ("tanh", "bipolar_sigmoid")
    ]


def colour() -> list[Cell]:
    """CIFAR-10, its pixels in a row."""
    return [Cell("cifar10", "tanh", depth, "64") for depth in (50, 100)]


def colour_long() -> list[Cell]:
    """The same for more than five epochs."""
    return [Cell("cifar10", "tanh", depth, "64", steps=4_000) for depth in (50, 100)]


def colour_conv() -> list[Cell]:
    """CIFAR-10 as images, in convolutional networks without anything else."""
    return [Cell("cifar10_cnn", "tanh", depth, "32") for depth in (20, 50)]


def noise() -> list[Cell]:
    """Some of the cells above, in which the papers' kernel trains."""
    return [
        Cell("digits", "tanh", 50, "32"),
        Cell("digits", "tanh", 300, "32"),
        Cell("digits", "bipolar_sigmoid", 100, "32"),
        Cell("digits", "softsign", 50, "32"),
        Cell("digits", "erf", 100, "64", steps=600),
        Cell("digits", "tanh", 50, "16/4"),
        Cell("digits", "bipolar_sigmoid", 50, "32/16"),
        Cell("mnist", "tanh", 50, "32"),
    ]


@dataclass(frozen=True)
class Grid:
    """Cells, and who meets in them.

    Attributes:
        cells: Makes them.
        about: What the command line says of it.
        methods: Of `METHODS`; all by default.
        seeds: Of each learning rate.
        rates: Learning rates in place of the optimizer's, by depth.
    """

    cells: Callable[[], list[Cell]]
    about: str
    methods: tuple[str, ...] | None = None
    seeds: int = 5
    rates: Mapping[int, tuple[float, ...]] = field(default_factory=dict)

    def rates_of(self, cell: Cell) -> tuple[float, ...]:
        return self.rates.get(cell.depth) or RATES[cell.optimizer]


_LEADERS = (
    "glorot uniform",
    "orthogonal",
    "critical, scaled input",
    "fixed .085",
    "dks",
    "tat",
    "glorot + layernorm",
    "glorot + batchnorm",
    "glorot + residual",
    "tailored",
    "hartley, scaled input",
)

_NOISE = tuple(name for name in METHODS if "noise" in METHODS[name].tags)
_OTHERS = tuple(name for name in METHODS if name not in _NOISE)

GRIDS = {
    "smoke": Grid(
        smoke,
        "a small cell of each task: two minutes",
        (
            "glorot normal",
            "orthogonal",
            "gaussian, edge of chaos",
            "lsuv",
            "glorot + residual",
            "diagonal .3, scaled input",
            "hartley, scaled input",
            "tailored",
        ),
        seeds=2,
        rates=dict.fromkeys((5, 10, 16, 20), RATES["adam"][1:3]),
    ),
    "standard": Grid(
        standard,
        "50 to 300 layers: almost two hours on two cores",
        tuple(name for name in _OTHERS if METHODS[name].structure != "unit norm"),
    ),
    "everyday": Grid(
        everyday,
        "3 to 20 layers",
        (
            "glorot normal",
            "he normal",
            "lecun normal",
            "orthogonal, critical",
            "orthogonal, scaled input",
            "gaussian, critical",
            "gaussian, edge of chaos",
            "identity",
            "lsuv",
            "diagonal .3, scaled input",
            *_LEADERS,
        ),
    ),
    "deep": Grid(
        deep,
        "1,000 and 10,000 layers",
        (
            "orthogonal, critical",
            "critical, scaled input",
            "fixed .085",
            "dks",
            "glorot + residual",
            "hartley, scaled input",
        ),
        seeds=3,
        rates={1_000: (1e-5, 1e-4, 1e-3), 10_000: (1e-6, 1e-5)},
    ),
    "skips": Grid(
        skips,
        "chains with and without skip connections",
        (
            "orthogonal, critical",
            "fixed .085",
            "glorot + batchnorm",
            "glorot + residual",
            "tailored + residual",
            "tailored",
            "hartley, scaled input",
        ),
    ),
    "colour": Grid(
        colour,
        "CIFAR-10, flattened",
        (
            "he normal",
            "lecun normal",
            "orthogonal, critical",
            "lsuv",
            "hartley, unit norm",
            *_LEADERS,
        ),
    ),
    "colour-long": Grid(
        colour_long,
        "the same for five epochs: for a GPU",
        _LEADERS,
        rates=dict.fromkeys((50, 100), (1e-4, 3e-4, 1e-3, 3e-3)),
    ),
    "colour-conv": Grid(
        colour_conv,
        "CIFAR-10, 20 and 50 convolutions: for a GPU",
        (
            "glorot uniform",
            "he normal",
            "orthogonal, critical",
            "glorot + residual",
            "tailored",
            "hartley, scaled input",
        ),
        seeds=3,
        rates=dict.fromkeys((20, 50), (3e-4, 1e-3, 3e-3)),
    ),
    "noise": Grid(
        noise,
        "the papers' kernel with noise of several distributions",
        _NOISE,
        rates={50: RATES["adam"][:3], 100: RATES["adam"][:3], 300: (1e-4, 3e-4, 1e-3)},
    ),
    "full": Grid(full, "every combination: for bigger machines", _OTHERS),
}


def groups_of(
    grid: str,
    seeds: Sequence[int],
    *,
    wanted: Mapping[str, Collection[Any] | None] | None = None,
    methods: Sequence[str] | None = None,
    rates: Sequence[float] | None = None,
    steps: int | None = None,
) -> list[Group]:
    """The runs of a grid, or of a part of it; neighbours share a program.

    Args:
        grid: Of `GRIDS`.
        seeds: Of each learning rate.
        wanted: Values by the name of a field of `Cell`; others are left out.
        methods: In place of the grid's.
        rates: Learning rates, in place of the optimizer's.
        steps: Of each run, in place of the cell's.
    """
    of = GRIDS[grid]
    groups = []
    for cell in of.cells():
        if not all(
            getattr(cell, name) in values for name, values in (wanted or {}).items() if values
        ):
            continue
        cell = dataclasses.replace(cell, steps=steps or cell.steps)
        applicable = [
            name
            for name in methods or of.methods or METHODS
            if applies(name, cell.task, cell.activation, len(cell.widths))
        ]
        tried = rates or of.rates_of(cell)
        for method in sorted(applicable, key=lambda name: METHODS[name].structure):
            groups.append(Group(cell, method, tuple(tried), tuple(seeds)))
    return groups
