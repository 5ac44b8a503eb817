"""Burgers's equation: its exact solution, and the loss of a network that is to solve it.

A network here is any function of points `(t, x)`, `(rows, 2)` to `(rows, 1)`; how it is built
and trained is each benchmark's own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

Forward = Callable[[Any], Any]
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


@functools.lru_cache
def _conditions() -> tuple[np.ndarray, np.ndarray]:
    """Points at t = 0 and at x = +-1, and u there."""
    x, t = np.linspace(-1, 1, 32), np.linspace(0, 1, 16)
    start = np.stack([np.zeros_like(x), x], axis=1)
    walls = np.stack([np.tile(t, 2), np.repeat([-1.0, 1.0], 16)], axis=1)
    values = np.concatenate([-np.sin(np.pi * x), np.zeros(32)])[:, None]
    return np.concatenate([start, walls]).astype("float32"), values.astype("float32")


def loss(forward: Forward, tx: Any) -> Any:
    """Mean squared residual at `tx`, plus those of the initial and boundary conditions."""
    tx = ops.convert_to_tensor(tx)
    u, u_t, u_x, u_xx = derivatives(forward, tx[:, :1], tx[:, 1:])
    residual = u_t + u * u_x - VISCOSITY * u_xx
    where, values = _conditions()
    miss = ops.square(forward(ops.convert_to_tensor(where)) - ops.convert_to_tensor(values))
    return ops.mean(ops.square(residual)) + ops.mean(miss[:32]) + ops.mean(miss[32:])


def derivatives(forward: Forward, t: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """`u, u_t, u_x, u_xx` of a network that treats each row by itself, as the backend can."""

    def u(t: Any, x: Any) -> Any:
        return forward(ops.concatenate([t, x], axis=1))

    match keras.backend.backend():
        case "jax":
            import jax

            one = ops.ones_like(x)

            def along_x(x: Any) -> tuple[Any, Any]:
                return jax.jvp(lambda x: u(t, x), (x,), (one,))

            (value, u_x), (_, u_xx) = jax.jvp(along_x, (x,), (one,))
            return value, jax.jvp(lambda t: u(t, x), (t,), (one,))[1], u_x, u_xx
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as inner:
                    inner.watch([t, x])
                    value = u(t, x)
                u_t, u_x = inner.gradient(value, [t, x])
            return value, u_t, u_x, outer.gradient(u_x, x)
        case _:
            import torch

            with torch.enable_grad():
                t, x = (each.detach().requires_grad_() for each in (t, x))
                value = u(t, x)
                u_t, u_x = torch.autograd.grad(value.sum(), [t, x], create_graph=True)
                (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
            return value, u_t, u_x, u_xx
