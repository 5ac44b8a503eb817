"""Pictures of the scores, by family of methods.

Drawn with Matplotlib's `Figure`, without a display; nothing is scored here. Each function
says whether it had something to draw.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .scores import CellScores, Score

STYLES = {  # color and marker of each of `FAMILIES`, in the legend's order
    "ours": ("#0072B2", "o"),
    "standard": ("#999999", "s"),
    "tuned": ("#E69F00", "^"),
    "structure": ("#CC79A7", "D"),
    "ablation": ("#56B4E9", "v"),
}


def draw(cells: list[CellScores], page: Path) -> list[str]:
    """The pictures for which there are cells, beside their page; the names of their files."""
    drawn = {"cells": draw_cells, "training": draw_training, "burgers": draw_burgers}
    names = {kind: f"{page.stem}_{kind}.png" for kind in drawn}
    return [names[kind] for kind, make in drawn.items() if make(cells, page.parent / names[kind])]


def draw_cells(cells: list[CellScores], path: Path) -> bool:
    """Test accuracy of every method in every cell, by family; ours, as recommended, filled."""
    cells = [c for c in cells if c.higher_is_better]
    if not cells:
        return False
    figure = Figure(figsize=(9, 1.4 + 0.36 * len(cells)), layout="constrained")
    axes = figure.subplots()
    for position, cell in enumerate(cells):
        for score in cell.scores.values():
            color, marker = STYLES[_family(score)]
            offset = 0.18 * (1.5 - list(STYLES).index(_family(score)))
            face = color if "default" in score.tags or _family(score) != "ours" else "none"
            axes.plot(
                score.mean, position - offset, marker, color=color, markerfacecolor=face, alpha=0.8
            )
    for family, (color, marker) in STYLES.items():
        axes.plot([], [], marker, color=color, label=family)
    axes.set(xlabel="test accuracy", xlim=(0, 1), yticks=range(len(cells)))
    axes.set_yticklabels([c.name for c in cells], fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(STYLES), fontsize=8)
    figure.savefig(path, dpi=130)
    return True


def draw_training(cells: list[CellScores], path: Path) -> bool:
    """Validation score by step of the best of each family, in the cells of one setting."""
    shown = [c for c in cells if c.row["task"] == "digits" and c.row["optimizer"] == "adam"]
    shown = sorted(shown, key=lambda c: -c.row["depth"])[:4] or cells[:4]
    figure = Figure(figsize=(11, 3), layout="constrained")
    for axes, cell in zip(
        figure.subplots(1, len(shown), squeeze=False, sharey=True)[0], shown, strict=True
    ):
        for family, (color, marker) in STYLES.items():
            score = cell.best("default" if family == "ours" else family)
            if score is not None:
                steps = cell.row["curve_steps"]
                axes.plot(
                    steps, score.curves.mean(axis=0), marker=marker, markersize=3, color=color,
                    label=score.method,
                )  # fmt: skip
        axes.set_title(cell.name, fontsize=8)
        axes.set_xlabel("step")
        axes.legend(fontsize=6)
    figure.axes[0].set_ylabel("validation score")
    figure.savefig(path, dpi=130)
    return True


def draw_burgers(cells: list[CellScores], path: Path) -> bool:
    """Final loss of every method, each seed a point."""
    cell = next((c for c in cells if not c.higher_is_better), None)
    if cell is None:
        return False
    order = sorted(cell.scores.values(), key=lambda s: float(np.mean(s.loss)))
    figure = Figure(figsize=(8, 0.8 + 0.26 * len(order)), layout="constrained")
    axes = figure.subplots()
    for position, score in enumerate(order):
        color, marker = STYLES[_family(score)]
        axes.plot(score.loss, [position] * len(score.loss), marker, color=color, alpha=0.8)
    axes.set(xscale="log", xlabel="final loss", title=cell.name, yticks=range(len(order)))
    axes.set_yticklabels([s.method for s in order], fontsize=8)
    axes.invert_yaxis()
    figure.savefig(path, dpi=130)
    return True


def _family(score: Score) -> str:
    return next(family for family in STYLES if family in score.tags)
