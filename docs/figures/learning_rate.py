"""What limits depth in training: the largest learning rate that trains, by depth.

    python docs/figures/learning_rate.py

For readers of docs/theory.md, section 16. Reads the committed runs of the trainability benchmark:
tanh networks of rotations, 32 wide, on the digits, Adam. Draws `learning_rate.png`. A second.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from page import COLORS, main, row, table

RUNS = Path(__file__).parent.parent.parent / "benchmarks/results/trainability-jax.jsonl.gz"
METHODS = ("orthogonal, scaled input", "hartley, scaled input")  # the same rule; the deep one


@cache
def accuracies() -> dict[tuple[int, float], tuple[float, int]]:
    """The mean accuracy on the validation set, and of how many runs, by depth and rate."""
    found: dict[tuple[int, float], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(RUNS, "rt", encoding="utf-8") as lines:
        for line in lines:
            run = json.loads(line)
            network = [run.get(key) for key in ("task", "activation", "optimizer", "width")]
            network += [run.get("samples"), run.get("steps")]
            wanted = ["digits", "tanh", "adam", "32", 0, 400]  # all samples, 400 steps
            if network == wanted and run["method"] in METHODS:
                cell = found[run["depth"], run["learning_rate"]]
                cell[run["method"]].append(run["validation"])
    return {
        cell: (float(np.mean(runs)), len(runs))
        for cell, methods in found.items()
        for runs in [next(methods[method] for method in METHODS if method in methods)]
    }


def rates() -> list[float]:
    return sorted({rate for _, rate in accuracies()})


def depths() -> list[int]:
    return sorted({depth for depth, _ in accuracies()})


def tables() -> dict[str, str]:
    cells = accuracies()
    rows = []
    for depth in depths():
        shown = [
            f"{cells[depth, rate][0]:.2f}" if (depth, rate) in cells else "" for rate in rates()
        ]
        rows.append(row(f"{depth:,}", *shown))
    return {"accuracy": table(("depth", *(f"{rate:g}" for rate in rates())), rows)}


def draw() -> Figure:
    figure = Figure((7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    for depth, color, style in zip(depths(), 2 * COLORS, 7 * ["-"] + 7 * ["--"], strict=False):
        points = [
            (rate, accuracies()[depth, rate][0])
            for rate in rates()
            if (depth, rate) in accuracies()
        ]
        rate, accuracy = np.array(points).T
        axes.semilogx(depth * rate, accuracy, style, color=color, marker="o", label=f"{depth:,}")
    axes.set(xlabel=r"depth $\times$ learning rate", ylabel="accuracy, validation set")
    axes.legend(frameon=False, fontsize=8, title="depth")
    return figure


if __name__ == "__main__":
    main(__file__, tables, draw)
