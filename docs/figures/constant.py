"""Why the constant 0.085 works for tanh at 300 layers, and not elsewhere.

    python docs/figures/constant.py

For readers of docs/theory.md, section 8: the negative rate of a fixed noise scale by depth, in the
formula and in random tanh networks of 128 units. Draws `constant.png`. A few seconds.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from networks import diagonal, layers
from page import COLORS, main, row, table

from keras_oddsig import solver

CONSTANT = 0.085  # Lee, Choi and Kim, ICLR 2025, for tanh
DEPTHS = (10, 30, 100, 300, 1000, 3000)


def measured(noise_scale: float, depths: tuple[int, ...]) -> list[float]:
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0.5, 1.5, (2, 128, 16)) * rng.choice([-1, 1], (2, 128, 16))
    kernel = diagonal(noise_scale)
    rates = [
        float(np.mean(h * inputs < 0))
        for _, _, h in layers(np.tanh, kernel, max(depths), inputs, 1)
    ]
    return [rates[depth - 1] for depth in depths]


def tables() -> dict[str, str]:
    depths = np.array(DEPTHS)
    fixed, found = solver.negative_rate(depths, CONSTANT), measured(CONSTANT, DEPTHS)
    scales = solver.noise_scale(depths, 0.3)
    rows = [
        row("negative rate of 0.085, by the formula", *(f"{p:.3f}" for p in fixed)),
        row("measured", *(f"{p:.2f}" for p in found)),
        row("noise scale for a rate of 0.3", *(f"{s:.3f}" for s in scales)),
    ]
    return {"rates": table(("depth", *DEPTHS), rows)}


def draw() -> Figure:
    figure = Figure((7.2, 3.2), layout="constrained")
    axes = figure.subplots()
    depths = np.geomspace(10, 3000, 200)
    found = measured(CONSTANT, DEPTHS)
    axes.semilogx(depths, solver.negative_rate(depths, CONSTANT), color=COLORS[0], label="formula")
    axes.semilogx(DEPTHS, found, "o", color=COLORS[1], label="measured, tanh, 128 wide")
    axes.axhline(0.3, color="black", linestyle=":", label="the package's target, at every depth")
    axes.set(xlabel="depth", ylabel="negative rate of the scale 0.085", ylim=(0, 0.52))
    axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main(__file__, tables, draw)
