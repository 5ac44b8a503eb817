"""What becomes of two samples: their correlation by layer.

    python docs/figures/correlation.py

For readers of docs/theory.md, section 14: two inputs of a given correlation in random tanh
networks, 128 wide and 100 deep, beside the mean-field map for rotations. Draws `correlation.png`.
A few seconds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib.figure import Figure
from networks import Kernel, diagonal, gaussian, layers, rotation
from page import COLORS, main, row, table

from keras_oddsig import solver

DEPTH, WIDTH, NETWORKS = 100, 128, 4
STARTS = (0.0, 0.5, 0.9, 0.99)
SHOWN = (1, 3, 10, 30, 100)
POINT = solver.orthogonal_gain(np.tanh, DEPTH)
KERNELS: dict[str, tuple[Kernel, float]] = {
    "OddSigmoidInit": (diagonal(solver.noise_scale(DEPTH)), 1.0),
    "OddSigmoidOrthogonal": (rotation(POINT.gain), POINT.spread),
    "Glorot": (gaussian(1.0), 1.0),
    "He": (gaussian(np.sqrt(2)), 1.0),
}


@cache
def measured(name: str) -> np.ndarray:
    """The cosine of the angle between two signals, by layer and start (depth, starts)."""
    kernel, spread = KERNELS[name]
    first, other = np.random.default_rng(0).standard_normal((2, NETWORKS, WIDTH, 1))
    # Exactly of the correlation `start`, and of the same size.
    first /= np.sqrt(np.mean(first**2, axis=1, keepdims=True))
    other -= first * np.mean(first * other, axis=1, keepdims=True)
    other /= np.sqrt(np.mean(other**2, axis=1, keepdims=True))
    starts = np.array(STARTS)
    inputs = spread * np.concatenate([first, starts * first + np.sqrt(1 - starts**2) * other], -1)
    cosines = []
    for _, _, h in layers(np.tanh, kernel, DEPTH, inputs, seed=1):
        unit = h / np.linalg.norm(h, axis=1, keepdims=True)
        cosines.append(np.sum(unit[..., :1] * unit[..., 1:], axis=1).mean(axis=0))
    return np.array(cosines)


def expected(start: float) -> np.ndarray:
    """The map rho -> E f(u) f(v) / q for rotations at the rule's gain, u and v of variance s^2."""
    z, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = np.outer(weight, weight) / (2 * np.pi)
    scale, rho, rhos = POINT.gain * POINT.spread, start, []
    for _ in range(DEPTH):
        u = np.tanh(scale * z)[:, None]
        v = np.tanh(scale * (rho * z[:, None] + np.sqrt(max(1 - rho**2, 0)) * z[None, :]))
        rho = float(np.sum(weight * u * v)) / POINT.spread**2
        rhos.append(rho)
    return np.array(rhos)


def tables() -> dict[str, str]:
    layers_shown = np.array(SHOWN) - 1
    rows = [
        row(name, start, *(f"{r:.2f}" for r in measured(name)[layers_shown, STARTS.index(start)]))
        for name in KERNELS
        for start in (0.5, 0.99)
    ]
    rows += [
        row("OddSigmoidOrthogonal, theory", s, *(f"{r:.2f}" for r in expected(s)[layers_shown]))
        for s in (0.5, 0.99)
    ]
    return {"layers": table(("kernel", "input", *(f"layer {n}" for n in SHOWN)), rows)}


def draw() -> Figure:
    figure = Figure((7.2, 5.6), layout="constrained")
    for axes, name in zip(
        figure.subplots(2, 2, sharex=True, sharey=True).flat, KERNELS, strict=True
    ):
        found = np.vstack([STARTS, measured(name)])
        for start, rhos, color in zip(STARTS, found.T, COLORS, strict=False):
            axes.plot(rhos, color=color, label=f"{start:g} at the input")
            if name == "OddSigmoidOrthogonal":
                axes.plot(np.concatenate([[start], expected(start)]), color="black", linestyle=":")
        axes.set_title(name, fontsize=10)
        axes.set(ylim=(-0.25, 1.02))
    figure.supxlabel("layer")
    figure.supylabel("correlation of two samples")
    figure.axes[2].legend(frameon=False, fontsize=8, loc="center right")
    return figure


if __name__ == "__main__":
    main(__file__, tables, draw)
