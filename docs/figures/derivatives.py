"""A network as a function of one of two inputs: its derivatives by depth.

    python docs/figures/derivatives.py

For readers of docs/theory.md, section 13: the root mean squares of h_x and h_xx over the square
[-1, 1] x [-1, 1] in random tanh networks 128 wide, beside the solver's. Draws `derivatives.png`.
Some ten seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from matplotlib.figure import Figure
from networks import Kernel, diagonal, gaussian, rotation
from page import COLORS, main, row, table

from keras_oddsig import solver

DEPTH, WIDTH, NETWORKS = 30, 128, 4
GRID = np.linspace(-0.9, 0.9, 4)
POINTS = np.stack(np.meshgrid(GRID, GRID), axis=-1).reshape(-1, 2)
SHOWN = (1, 3, 10, 30)
RULE = solver.orthogonal_gain(np.tanh, DEPTH)
SMOOTH = solver.smooth_gain(DEPTH)
NOISE = solver.noise_scale(DEPTH, 0.1)
# Slopes of standard deviation 1 in the first layer: entries of gain / sqrt(m) = 1.
STEEP = math.sqrt(2)

Expected = Callable[[], solver.Derivatives]
# Kernel, the gain of the first layer, and the theory.
NETS: dict[str, tuple[Kernel, float, Expected]] = {
    "rotation, gain of wide inputs": (
        rotation(RULE.gain),
        RULE.first_layer_gain(1.0),
        lambda: solver.derivatives_orthogonal(
            np.tanh, DEPTH, RULE.gain, POINTS, first_gain=RULE.first_layer_gain(1.0)
        ),
    ),
    "rotation, input_dim": (
        rotation(SMOOTH),
        STEEP,
        lambda: solver.derivatives_orthogonal(np.tanh, DEPTH, SMOOTH, POINTS, first_gain=STEEP),
    ),
    "identity plus noise, input_dim": (
        diagonal(NOISE),
        STEEP,
        lambda: solver.derivatives_diagonal(np.tanh, DEPTH, NOISE, POINTS, first_gain=STEEP),
    ),
    "Glorot": (
        gaussian(1.0),
        2 / math.sqrt(WIDTH),
        lambda: solver.derivatives_orthogonal(
            np.tanh, DEPTH, 1.0, POINTS, first_gain=2 / math.sqrt(WIDTH)
        ),
    ),
}


@cache
def measured(name: str) -> np.ndarray:
    """The root mean squares of h_x and h_xx (depth, 2)."""
    kernel, first_gain, _ = NETS[name]
    rng = np.random.default_rng(0)
    weights = first_gain / math.sqrt(2) * rng.standard_normal((NETWORKS, WIDTH, 2))
    h, h_x = POINTS.T, np.broadcast_to([[1.0], [0.0]], POINTS.T.shape)
    h_xx, sizes = np.zeros_like(h), []
    for layer in range(DEPTH):
        if layer:
            weights = kernel(rng, NETWORKS, WIDTH)
        z, z_x, z_xx = weights @ h, weights @ h_x, weights @ h_xx
        h = np.tanh(z)
        first, second = 1 - h**2, -2 * h * (1 - h**2)
        h_x, h_xx = first * z_x, second * z_x**2 + first * z_xx
        sizes.append([np.sqrt(np.mean(h_x**2)), np.sqrt(np.mean(h_xx**2))])
    return np.array(sizes)


@cache
def expected(name: str) -> np.ndarray:
    found = NETS[name][2]()
    return np.stack([found.first, found.second], axis=-1)


def tables() -> dict[str, str]:
    at = np.array(SHOWN) - 1
    rows = [
        row(name, kind, *(f"{a:.2f}, {b:.2f}" for a, b in found(name)[at]))
        for name in NETS
        for kind, found in (("theory", expected), ("measured", measured))
    ]
    head = ("kernel", "h_x, h_xx", *(f"layer {n}" for n in SHOWN))
    return {"layers": table(head, rows)}


def draw() -> Figure:
    figure = Figure((7.2, 3.6), layout="constrained")
    depths = np.arange(1, DEPTH + 1)
    for axes, column, label in zip(figure.subplots(1, 2), (0, 1), ("h_x", "h_xx"), strict=True):
        for name, color in zip(NETS, COLORS, strict=False):
            axes.semilogy(depths, measured(name)[:, column], color=color, label=name)
            axes.semilogy(depths, expected(name)[:, column], color="black", linestyle=":")
        axes.set(xlabel="layer", ylabel=f"root mean square of {label}")
    figure.axes[1].legend(frameon=False, fontsize=8, loc="center right", bbox_to_anchor=(1, 0.4))
    return figure


if __name__ == "__main__":
    main(__file__, tables, draw)
