"""How far a network of finite width is from the theory: the scatter of its gradients.

    python docs/figures/width.py

For readers of docs/theory.md, section 17: the logarithm of the growth of a random tangent through
random tanh networks, its standard deviation over networks, by depth and width, for independent
entries and for rotations of the same gain, and for the identity plus noise. Draws `width.png`. Some
ten seconds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib.figure import Figure
from networks import Kernel, diagonal, gaussian, layers, rotation, slope
from page import COLORS, main, row, table

from keras_oddsig import solver

DEPTHS = (10, 30, 100, 300)
WIDTHS = (16, 64)
NETWORKS = 48


def kernels(depth: int) -> dict[str, tuple[Kernel, float]]:
    point = solver.orthogonal_gain(np.tanh, depth)
    return {
        "rotation": (rotation(point.gain), point.spread),
        "independent entries, same gain": (gaussian(point.gain), point.spread),
        "identity plus noise": (diagonal(solver.noise_scale(depth)), 1.0),
    }


@cache
def scatter(name: str, depth: int, width: int) -> float:
    """Standard deviation over networks of log10 |J v|, v a random direction of the input."""
    kernel, spread = kernels(depth)[name]
    rng = np.random.default_rng(0)
    inputs = spread * rng.standard_normal((NETWORKS, width, 1))
    tangent = rng.standard_normal((NETWORKS, width, 1))
    for weights, before, _ in layers(np.tanh, kernel, depth, inputs, seed=1):
        tangent = slope(np.tanh, before) * (weights @ tangent)
    return float(np.std(np.log10(np.linalg.norm(tangent[..., 0], axis=-1)), ddof=1))


def tables() -> dict[str, str]:
    rows = [
        row(name, width, *(f"{scatter(name, depth, width):.2f}" for depth in DEPTHS))
        for name in kernels(10)
        for width in WIDTHS
    ]
    return {"scatter": table(("kernel", "width", *(f"{d} layers" for d in DEPTHS)), rows)}


def draw() -> Figure:
    figure = Figure((7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    for name, color in zip(kernels(10), COLORS, strict=False):
        for width, style in zip(WIDTHS, ("-", "--"), strict=True):
            found = [scatter(name, depth, width) for depth in DEPTHS]
            axes.loglog(
                DEPTHS, found, style, color=color, marker="o", label=f"{name}, {width} wide"
            )
    axes.set(xlabel="depth", ylabel="scatter of the gradient, in powers of 10")
    axes.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    main(__file__, tables, draw)
