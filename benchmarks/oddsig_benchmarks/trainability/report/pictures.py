"""Pictures of the scores, by family of methods.

Drawn with Matplotlib's `Figure`, without a display; nothing is scored here.
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

OURS = "hartley, scaled input"
LINES = {  # label, color and marker of the methods that the picture by depth shows
    OURS: ("OddSigmoidOrthogonal, first layer scaled", "#0072B2", "o"),
    "glorot uniform": ("GlorotUniform (Keras's default)", "#999999", "s"),
    "orthogonal, critical": ("Orthogonal, gain 1 / slope", "#E69F00", "^"),
    "fixed .085": ("identity + .085 noise (ICLR 2025)", "#009E73", "v"),
    "dks": ("DKS", "#D55E00", "P"),
    "glorot + residual": ("Glorot + skip connections", "#CC79A7", "D"),
}
_ORDER = ("tanh", "bipolar_sigmoid", "erf", "softsign")
_LINE = 4  # depths at least, to draw an activation


def draw(cells: list[CellScores], page: Path) -> list[str]:
    """The pictures, beside their page; the names of their files."""
    drawn = {
        f"{page.stem}_depth.png": draw_depth,
        f"{page.stem}_cells.png": draw_cells,
        f"{page.stem}_training.png": draw_training,
    }
    for name, make in drawn.items():
        make(cells, page.parent / name)
    return list(drawn)


def draw_depth(cells: list[CellScores], path: Path) -> None:
    """Test accuracy by depth, of whoever is worth a line, on the digits in layers of one width."""
    shown = [
        c
        for c in cells
        if c.row["task"] == "digits"
        and "/" not in c.row["width"]
        and not c.row["samples"]
        and c.row["optimizer"] == "adam"
    ]
    depths = {a: sorted(c.depth for c in shown if c.row["activation"] == a) for a in _ORDER}
    wanted = [a for a in depths if len(depths[a]) >= _LINE] or [shown[0].row["activation"]]
    figure = Figure(figsize=(5.2 * len(wanted), 3.8), layout="constrained")
    for axes, activation in zip(
        figure.subplots(1, len(wanted), squeeze=False, sharey=True)[0], wanted, strict=True
    ):
        of_it = sorted((c for c in shown if c.row["activation"] == activation), key=_depth)
        for method, (label, color, marker) in LINES.items():
            found = [(c.depth, c.scores[method]) for c in of_it if method in c.scores]
            if found:
                axes.plot(
                    [depth for depth, _ in found], [score.mean for _, score in found],
                    marker=marker, markersize=5, color=color, label=label,
                    linewidth=2.5 if method == OURS else 1.2, zorder=3 if method == OURS else 2,
                )  # fmt: skip
                if method == OURS:
                    ends = np.array([score.interval for _, score in found]).T
                    axes.fill_between([d for d, _ in found], *ends, color=color, alpha=0.2)
        axes.set(xscale="log", xlabel="layers", title=activation.replace("_", " "), ylim=(0, 1))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("test accuracy, digits")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    figure.savefig(path, dpi=130)


def _depth(cell: CellScores) -> int:
    return cell.depth


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
