"""Does every activation meet its negative rate, in networks that are not infinite?

    python docs/figures/universality.py

For readers of docs/theory.md, section 7. Random networks of 100 layers, 128 wide, of six
activations: the fraction of units whose sign has changed, beside the target that set the noise;
and the scalar surrogate beside both. Draws `universality.png`. Some ten seconds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib.figure import Figure
from networks import diagonal, layers
from page import COLORS, FUNCTIONS, main, row, table

from keras_oddsig import solver

TARGETS = (0.1, 0.3, 0.4)
DEPTH, WIDTH, NETWORKS, SAMPLES = 100, 128, 4, 16


@cache
def measured(
    name: str, noise_scale: float, width: int = WIDTH, networks: int = NETWORKS
) -> np.ndarray:
    """The negative rate by layer (networks, depth), for inputs in [.5, 1.5] of the bound."""
    f = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    bound = float(f(np.array([1e8]))[0])
    size = (networks, width, SAMPLES)
    inputs = rng.uniform(0.5, 1.5, size) * bound * rng.choice([-1, 1], size)
    kernel = diagonal(noise_scale)
    changed = [h * inputs < 0 for _, _, h in layers(f, kernel, DEPTH, inputs, seed=1)]
    return np.array([each.mean(axis=(1, 2)) for each in changed]).T


def tables() -> dict[str, str]:
    rows = []
    for name in FUNCTIONS:
        cells = []
        for target in TARGETS:
            rates = measured(name, solver.noise_scale(DEPTH, target))[:, -1]
            cells.append(f"{rates.mean():.2f} ± {rates.std(ddof=1):.2f}")
        rows.append(row(name, *cells))
    scale = solver.surrogate_noise_scale(DEPTH, 0.3)
    surrogate = measured("tanh", scale)[:, -1].mean()
    return {
        "rates": table(("activation", *(f"target {t}" for t in TARGETS)), rows),
        "surrogate": f"The surrogate asks for {scale:.2f}, the formula for "
        f"{solver.noise_scale(DEPTH, 0.3):.2f}; the surrogate's networks have a rate of "
        f"{surrogate:.2f} in place of 0.30.",
    }


def draw() -> Figure:
    figure = Figure((7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    depths = np.arange(1, DEPTH + 1)
    for name, color in zip(FUNCTIONS, COLORS, strict=False):
        for target in TARGETS:
            rates = measured(name, solver.noise_scale(DEPTH, target)).mean(axis=0)
            axes.plot(depths, rates, color=color, label=name if target == TARGETS[0] else None)
    for target in TARGETS:
        scale = solver.noise_scale(DEPTH, target)
        axes.plot(depths, solver.negative_rate(depths, scale), color="black", linestyle=":")
        axes.plot(DEPTH, target, "o", color="black")
    axes.set(xlabel="layer", ylabel="negative rate", ylim=(0, 0.5))
    axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main(__file__, tables, draw)
