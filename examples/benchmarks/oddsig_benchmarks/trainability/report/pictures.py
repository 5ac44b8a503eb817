"""Pictures of the scores, by family of methods.

Drawn with Matplotlib's `Figure`, without a display; nothing is scored here.
"""

from __future__ import annotations

from pathlib import Path

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
    """The pictures, beside their page; the names of their files."""
    drawn = {f"{page.stem}_cells.png": draw_cells, f"{page.stem}_training.png": draw_training}
    for name, make in drawn.items():
        make(cells, page.parent / name)
    return list(drawn)


def draw_cells(cells: list[CellScores], path: Path) -> None:
    """Test accuracy of every method in every cell, by family; ours, as recommended, filled."""
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


def draw_training(cells: list[CellScores], path: Path) -> None:
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


def _family(score: Score) -> str:
    return next(family for family in STYLES if family in score.tags)
