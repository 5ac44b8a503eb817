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
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from page import COLORS, main, row, table

RUNS = Path(__file__).parent.parent.parent / "benchmarks/results/trainability-jax.jsonl.gz"
METHODS = ("orthogonal, scaled input", "hartley, scaled input")  # the same rule; the deep one
DIGITS = ("digits", "tanh", "32")
# Others of layers of one width, all samples: 50 layers or more of their own kernels.
ELSEWHERE = (
    *(("digits", activation, "32") for activation in ("erf", "softsign", "bipolar_sigmoid")),
    ("mnist", "tanh", "32"),
    ("tabular", "tanh", "32"),
    ("cifar10", "tanh", "64"),
)

Network = tuple[str, str, str]  # task, activation, width


@cache
def runs() -> dict[tuple[Network, str, int], dict[float, list[float]]]:
    """The accuracies on the validation set, by network, method, depth and learning rate."""
    found: dict[Any, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(RUNS, "rt", encoding="utf-8") as lines:
        for line in lines:
            run = json.loads(line)
            if run.get("optimizer") == "adam" and run["samples"] == 0:
                network = (run["task"], run["activation"], run["width"])
                cell = found[network, run["method"], run["depth"]]
                cell[run["learning_rate"]].append(run["validation"])
    return dict(found)


@cache
def accuracies() -> dict[tuple[int, float], float]:
    """On the digits, by depth and learning rate: means over the seeds."""
    found = {}
    for depth in sorted({depth for network, _, depth in runs() if network == DIGITS}):
        of = next(m for m in METHODS if (DIGITS, m, depth) in runs())
        for rate, each in runs()[DIGITS, of, depth].items():
            found[depth, rate] = float(np.mean(each))
    return found


def best_and_largest(network: Network, depth: int) -> tuple[float, float]:
    """The best learning rate, and the largest within .02 of its accuracy."""
    cell = runs()[network, "hartley, scaled input", depth]
    means = {rate: float(np.mean(each)) for rate, each in cell.items()}
    best = max(means, key=means.__getitem__)
    return best, max(rate for rate, mean in means.items() if mean >= means[best] - 0.02)


def rates() -> list[float]:
    return sorted({rate for _, rate in accuracies()})


def depths() -> list[int]:
    return sorted({depth for depth, _ in accuracies()})


def tables() -> dict[str, str]:
    cells = accuracies()
    rows = []
    for depth in depths():
        shown = [f"{cells[depth, rate]:.2f}" if (depth, rate) in cells else "" for rate in rates()]
        rows.append(row(f"{depth:,}", *shown))
    others = []
    for network, method, depth in sorted(runs()):
        if network in ELSEWHERE and method == "hartley, scaled input" and depth >= 50:
            products = (f"{depth * rate:.2g}" for rate in best_and_largest(network, depth))
            task, activation, width = network
            others.append(row(f"{task}, {activation}, {width} wide", f"{depth:,}", *products))
    head = ("network", "depth", "best rate times depth", "largest within .02 of it")
    return {
        "accuracy": table(("depth", *(f"{rate:g}" for rate in rates())), rows),
        "elsewhere": table(head, others),
    }


def draw() -> Figure:
    figure = Figure((7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    for depth, color, style in zip(depths(), 2 * COLORS, 7 * ["-"] + 7 * ["--"], strict=False):
        points = [
            (rate, accuracies()[depth, rate]) for rate in rates() if (depth, rate) in accuracies()
        ]
        rate, accuracy = np.array(points).T
        axes.semilogx(depth * rate, accuracy, style, color=color, marker="o", label=f"{depth:,}")
    axes.set(xlabel=r"depth $\times$ learning rate", ylabel="accuracy, validation set")
    axes.legend(frameon=False, fontsize=8, title="depth")
    return figure


if __name__ == "__main__":
    main(__file__, tables, draw)
