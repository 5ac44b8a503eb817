"""Does float32 hold through ten thousand layers?

    python docs/figures/precision.py

For readers of docs/theory.md, section 16: one random tanh network, 32 wide, of rotations at the
gain for 10,000 layers, computed in float32 and in float64; the difference by layer, relative to the
signal. Draws no picture. Some ten seconds.
"""

from __future__ import annotations

import numpy as np
from networks import rotation
from page import main, row, table

from keras_oddsig import solver

DEPTH, WIDTH, SAMPLES = 10_000, 32, 16
SHOWN = (10, 100, 1_000, 10_000)


def differences() -> list[float]:
    point = solver.orthogonal_gain(np.tanh, DEPTH)
    kernel, rng = rotation(point.gain), np.random.default_rng(0)
    exact = point.spread * rng.standard_normal((WIDTH, SAMPLES))
    rounded, found = exact.astype("float32"), []
    exact = rounded.astype("float64")
    for _ in range(DEPTH):
        weights = kernel(rng, 1, WIDTH)[0].astype("float32")
        rounded = np.tanh(weights @ rounded)
        exact = np.tanh(weights.astype("float64") @ exact)
        found.append(float(np.linalg.norm(rounded - exact) / np.linalg.norm(exact)))
    return found


def tables() -> dict[str, str]:
    found = differences()
    cells = (f"{found[depth - 1]:.0e}" for depth in SHOWN)
    head = ("layer", *(f"{depth:,}" for depth in SHOWN))
    return {"differences": table(head, [row("relative difference", *cells)])}


if __name__ == "__main__":
    main(__file__, tables)
