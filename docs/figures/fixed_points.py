"""The fixed points of x -> f(a x): a pitchfork at the critical gain.

    python docs/figures/fixed_points.py

For readers of docs/theory.md, section 2. Draws `fixed_points.png`. A second.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from page import COLORS, FUNCTIONS, main

from keras_oddsig import solver


def draw() -> Figure:
    figure = Figure((7.2, 3.2), layout="constrained")
    axes = figure.subplots()
    gains = np.concatenate([np.linspace(0.5, 1, 20), 1 + np.linspace(0, 1, 200)[1:] ** 2 * 2])
    for (name, f), color in zip(FUNCTIONS.items(), COLORS, strict=False):
        omega = solver.profile_of(f).critical_gain
        bound = solver.profile_of(f).bound
        points = np.array([solver.fixed_point(f, gain * omega) for gain in gains]) / bound
        axes.plot(gains, points, color=color, label=name)
        axes.plot(gains, -points, color=color)
    axes.plot(gains, 0 * gains, color="black", linewidth=0.8)
    axes.set(xlabel="gain, in units of the critical gain", ylabel="fixed points / sup f")
    axes.legend(frameon=False, fontsize=8, loc="center right")
    return figure


if __name__ == "__main__":
    main(__file__, dict, draw)
