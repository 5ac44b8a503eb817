"""What a gradient meets on its way back: the singular values of whole networks.

    python docs/figures/jacobian.py

For readers of docs/theory.md, section 12: the derivative of the last layer by the first in random
tanh networks of 100 layers, 128 wide, under both of the package's kernels and under Keras's
defaults. Draws `jacobian.png`. A few seconds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib.figure import Figure
from networks import diagonal, gaussian, layers, rotation, slope
from page import COLORS, main, row, table

from keras_oddsig import solver

DEPTH, WIDTH, NETWORKS = 100, 128, 2
POINT = solver.orthogonal_gain(np.tanh, DEPTH)
# Kernel, and the spread of its first signal: that which it keeps up, or 1.
KERNELS = {
    "OddSigmoidInit": (diagonal(solver.noise_scale(DEPTH)), 1.0),
    "OddSigmoidOrthogonal": (rotation(POINT.gain), POINT.spread),
    "Glorot": (gaussian(1.0), 1.0),
    "Keras's Orthogonal": (rotation(1.0), 1.0),
    "He": (gaussian(np.sqrt(2)), 1.0),
}


@cache
def singular_values(name: str) -> np.ndarray:
    """Of d h_L / d h_0, sorted (networks, width)."""
    kernel, spread = KERNELS[name]
    inputs = spread * np.random.default_rng(0).standard_normal((NETWORKS, WIDTH, 1))
    jacobian = np.broadcast_to(np.eye(WIDTH), (NETWORKS, WIDTH, WIDTH))
    for weights, before, _ in layers(np.tanh, kernel, DEPTH, inputs, seed=1):
        jacobian = slope(np.tanh, before) * (weights @ jacobian)
    return np.linalg.svd(jacobian, compute_uv=False)


def tables() -> dict[str, str]:
    rows = []
    for name in KERNELS:
        values = singular_values(name)
        rms = np.sqrt(np.mean(values**2))
        above = np.mean(values > 0.01)
        rows.append(row(name, f"{rms:.2g}", f"{values[:, 0].mean():.2g}", f"{above:.2f}"))
    rows.append(row("OddSigmoidOrthogonal, theory", f"{POINT.chi ** (DEPTH / 2):.2g}", "", ""))
    head = ("kernel", "root mean square", "largest", "share above 0.01")
    return {"values": table(head, rows)}


def draw() -> Figure:
    figure = Figure((7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    share = (np.arange(WIDTH) + 0.5) / WIDTH
    for name, color in zip(KERNELS, COLORS, strict=False):
        values = np.exp(np.log(singular_values(name) + 1e-30).mean(axis=0))
        axes.semilogy(share, values, color=color, label=name)
    axes.set(xlabel="share of directions", ylabel="singular value", ylim=(1e-8, 1e3))
    axes.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    main(__file__, tables, draw)
