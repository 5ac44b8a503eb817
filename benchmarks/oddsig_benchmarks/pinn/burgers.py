"""Burgers's equation: its viscosity, and its exact solution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

VISCOSITY = 0.01 / math.pi


def solution(t: Any, x: Any, viscosity: float = VISCOSITY) -> np.ndarray:
    """The exact u(t, x) of `u_t + u u_x = viscosity u_xx` with `u(0, x) = -sin(pi x)`.

    By Cole and Hopf, u = -2 viscosity (log phi)_x, and phi solves the heat equation from
    `phi(0, y) = exp(-cos(pi y) / (2 pi viscosity))`, a convolution with a Gaussian:

        u = -E[sin(pi y) phi(0, y)] / E[phi(0, y)],    y = x - sqrt(2 viscosity t) z.

    Reference: Basdevant et al., [Spectral and finite difference solutions of the Burgers
    equation](https://doi.org/10.1016/0045-7930(86)90036-8), 1986.
    """
    t, x = np.broadcast_arrays(np.asarray(t, float), np.asarray(x, float))
    z, weight = np.polynomial.hermite_e.hermegauss(120)
    y = x[..., None] - np.sqrt(2 * viscosity * t)[..., None] * z
    exponent = -np.cos(np.pi * y) / (2 * np.pi * viscosity)
    # phi reaches exp(50): its maximum in each sum is divided out.
    phi = weight * np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    return -(np.sin(np.pi * y) * phi).sum(axis=-1) / phi.sum(axis=-1)
