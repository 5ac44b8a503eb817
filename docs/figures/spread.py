"""The spread by layer: the theory of both kernels beside random networks.

    python docs/figures/spread.py

For readers of docs/theory.md, sections 9 and 11: networks of 100 layers, 128 wide, that begin at a
spread of 1. Draws `spread.png`. A few seconds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib.figure import Figure
from networks import diagonal, gaussian, layers, rotation
from page import COLORS, FUNCTIONS, main, row, table

from keras_oddsig import solver

DEPTH, WIDTH, NETWORKS, SAMPLES = 100, 128, 2, 32
SHOWN = (1, 3, 10, 30, 100)
NAMES = ("tanh", "softsign")
SCALE = solver.noise_scale(DEPTH)


@cache
def measured(name: str, variant: str) -> np.ndarray:
    f = FUNCTIONS[name]
    kernel = {
        "identity plus noise": diagonal(SCALE),
        "rotation": rotation(solver.orthogonal_gain(f, DEPTH).gain),
        "Glorot": gaussian(1.0),
    }[variant]
    inputs = np.random.default_rng(0).standard_normal((NETWORKS, WIDTH, SAMPLES))
    return np.array([h.std() for _, _, h in layers(f, kernel, DEPTH, inputs, seed=1)])


@cache
def expected(name: str, variant: str) -> np.ndarray:
    f = FUNCTIONS[name]
    if variant == "identity plus noise":
        return solver.propagate(f, DEPTH, SCALE).std
    gain = solver.orthogonal_gain(f, DEPTH).gain if variant == "rotation" else 1.0
    return np.asarray(solver.propagate_orthogonal(f, DEPTH, gain))


VARIANTS = ("identity plus noise", "rotation", "Glorot")


def tables() -> dict[str, str]:
    at = np.array(SHOWN) - 1
    rows = []
    for name in NAMES:
        for variant in VARIANTS:
            for kind, found in (("theory", expected), ("measured", measured)):
                values = found(name, variant)[at]
                rows.append(row(f"{name}, {variant}", kind, *(f"{v:.3f}" for v in values)))
    return {"layers": table(("network", "", *(f"layer {n}" for n in SHOWN)), rows)}


def draw() -> Figure:
    figure = Figure((7.2, 3.4), layout="constrained")
    depths = np.arange(1, DEPTH + 1)
    for axes, name in zip(figure.subplots(1, 2, sharey=True), NAMES, strict=True):
        for variant, color in zip(VARIANTS, COLORS, strict=False):
            axes.loglog(depths, measured(name, variant), color=color, label=variant)
            axes.loglog(depths, expected(name, variant), color="black", linestyle=":")
        axes.set_title(name, fontsize=10)
        axes.set(xlabel="layer")
    figure.axes[0].set(ylabel="spread (dotted: theory)")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    main(__file__, tables, draw)
