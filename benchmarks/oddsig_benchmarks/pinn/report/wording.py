"""Cells and numbers as the page has them."""

from __future__ import annotations

from ..cells import Cell
from . import paper
from .scores import Spread


def label_of(cell: Cell) -> str:
    """Short, for a table: with the iterations of L-BFGS where they are not as usual."""
    longer = "" if cell.lbfgs in (0, paper.BUDGET[1]) else f", L-BFGS {cell.lbfgs}"
    return f"{cell.equation} {cell.network}{longer}"


def in_words(spread: Spread) -> str:
    return f"{number(spread.median)} [{number(spread.low)}, {number(spread.high)}]"


def number(value: float) -> str:
    return f"{value:.0f}" if 10 <= value < 1e5 else f"{value:.2g}"
