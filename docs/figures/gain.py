"""The gain of a rotation by depth, its spread, and the closed forms for many layers.

    python docs/figures/gain.py

For readers of docs/theory.md, section 11: what chi(g) = 1 + 1/L gives for six activations, beside
the expansion g = 1 + a / sqrt(L), spread = (b / L)^(1/(2(r-1))) that the page derives. Draws
`gain.png`. A few seconds.
"""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from page import COLORS, FUNCTIONS, main, row, table
from scipy import special

from keras_oddsig import solver

DEPTHS = (10, 30, 100, 1_000, 10_000, 1_000_000)
SHOWN = ("tanh", "softsign", "algebraic, order 4")


def moment(k: float) -> float:
    """E |z|^k of a standard normal z."""
    return float(2 ** (k / 2) * special.gamma((k + 1) / 2) / math.sqrt(math.pi))


def expected_gain(order: float, depth: float) -> float:
    """1 + mu_(r+1) / ((r - 1) sqrt(mu_(2r-2) L)): the same for all functions of an order."""
    return 1 + moment(order + 1) / ((order - 1) * math.sqrt(moment(2 * order - 2) * depth))


def expected_spread(profile: solver.Profile, depth: float) -> float:
    """((r - 1)^2 mu_(2r-2) c^2 L)^(-1/(2(r-1))): the pre-activation's, in the critical unit."""
    r, c = profile.order, profile.curvature
    return float(((r - 1) ** 2 * moment(2 * r - 2) * c**2 * depth) ** (-1 / (2 * (r - 1))))


def tables() -> dict[str, str]:
    rows = []
    for name in SHOWN:
        f = FUNCTIONS[name]
        profile = solver.profile_of(f)
        points = [solver.orthogonal_gain(f, depth) for depth in DEPTHS]
        rows.append(row(f"{name}: gain", *(f"{p.gain:.4f}" for p in points)))
        rows.append(row("expansion", *(f"{expected_gain(profile.order, d):.4f}" for d in DEPTHS)))
        rows.append(row(f"{name}: spread", *(f"{p.spread:.4f}" for p in points)))
        rows.append(row("expansion", *(f"{expected_spread(profile, d):.4f}" for d in DEPTHS)))
    growth = [
        row(f"{gain}", *(f"{solver.orthogonal_spread(f, gain).chi - 1:.5f}" for f in shown()))
        for gain in (1.02, 1.05, 1.1, 1.2)
    ]
    return {
        "depths": table(("depth", *(f"{d:,}" for d in DEPTHS)), rows),
        "growth": table(("gain", *(f"chi - 1, {name}" for name in SHOWN)), growth),
    }


def shown() -> list[object]:
    return [FUNCTIONS[name] for name in SHOWN]


def draw() -> Figure:
    figure = Figure((7.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    depths = np.geomspace(3, 10_000, 25)
    for name, color in zip(FUNCTIONS, COLORS, strict=False):
        f = FUNCTIONS[name]
        points = [solver.orthogonal_gain(f, depth) for depth in depths]
        left.loglog(depths, [p.gain - 1 for p in points], color=color, label=name)
        right.loglog(depths, [p.spread for p in points], color=color, label=name)
    for order, style in ((2, "--"), (3, ":")):
        expected = [expected_gain(order, d) - 1 for d in depths]
        left.loglog(
            depths, expected, color="black", linestyle=style, label=f"expansion, r = {order}"
        )
    left.set(xlabel="depth", ylabel="gain $-$ 1")
    right.set(xlabel="depth", ylabel="spread, in the units of f")
    left.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    main(__file__, tables, draw)
