"""This package in DeepXDE: one of its demonstrations, in which two lines differ.

    python examples/pinn_deepxde.py
    python examples/pinn_deepxde.py --initializer "Glorot uniform"
    python examples/pinn_deepxde.py --trainable-rate
    DDE_BACKEND=pytorch python examples/pinn_deepxde.py

For whoever solves equations with DeepXDE: `pip install "keras-oddsig[pinn]"`. The equation is
u_xx = -pi^2 sin(pi x) on [-1, 1] with u = 0 at both ends; 16 points, 3 layers of 50, 10,000
iterations of Adam at 1e-3. Prints the relative L2 error of u; about half a minute on one core.

DeepXDE's TensorFlow backend, the default here, takes initializers and activations as Keras has
them. Its PyTorch and JAX backends call an initializer in ways of their own, which `adapted`
bridges; for JAX, DeepXDE needs flax and optax, too. An activation's trainable rate is trained on
TensorFlow and PyTorch, not on JAX, where DeepXDE sees none but its own weights. One instance of
the activation is one rate for all layers; a list of instances, one more than there are hidden
layers, is one for each.

On TensorFlow DeepXDE's own initializers give all hidden layers one and the same kernel, in every
network of a process: it makes an instance of each by name, and Keras 3 gives that one seed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("DDE_BACKEND", "tensorflow")
# The tensors are one library's.
os.environ["KERAS_BACKEND"] = os.environ["DDE_BACKEND"].replace("pytorch", "torch")

import deepxde as dde
import keras
import numpy as np

import keras_oddsig as ko

BACKEND = dde.backend.backend_name


def equation(x, u):
    """What is 0 where u_xx = -pi^2 sin(pi x)."""
    u_xx = dde.grad.hessian(u, x)
    if BACKEND == "jax":
        u_xx, _ = u_xx  # and the function that it is a value of
    return u_xx + np.pi**2 * dde.backend.sin(np.pi * x)


def solution(x: np.ndarray) -> np.ndarray:
    return np.sin(np.pi * x)


def adapted(initializer: keras.initializers.Initializer) -> Callable[..., Any]:
    """A Keras initializer in the form that DeepXDE's backend calls."""
    match BACKEND:
        case "pytorch":
            import torch

            def fill(weight: torch.nn.Parameter) -> None:  # (outputs, inputs), in place
                with torch.no_grad():
                    weight.copy_(initializer(tuple(weight.shape[::-1])).T)

            return fill
        case "jax":
            # Keras's seed draws, not DeepXDE's key.
            return lambda key, shape, dtype: initializer(shape, dtype)
        case _:
            return initializer


def main(argv: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--initializer", default="ours", help="or a name of DeepXDE's")
    parser.add_argument(
        "--trainable-rate", action="store_true", help="tanh(rate * x), rate learned"
    )
    parser.add_argument("--depth", type=int, default=3, help="hidden layers")
    parser.add_argument("--width", type=int, default=50, help="units of each")
    parser.add_argument("--iterations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    for name in ("depth", "width", "iterations"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1. Received: {getattr(args, name)}")
    if args.trainable_rate and BACKEND == "jax":
        parser.error(
            "--trainable-rate needs DDE_BACKEND=tensorflow or pytorch: on JAX, DeepXDE trains no "
            "weight but its own. Received: DDE_BACKEND=jax"
        )

    dde.config.set_random_seed(args.seed)
    keras.utils.set_random_seed(args.seed)
    line = dde.geometry.Interval(-1, 1)
    ends = dde.icbc.DirichletBC(line, solution, lambda _, on_boundary: on_boundary)
    data = dde.data.PDE(line, equation, ends, 16, 2, solution=solution, num_test=100)

    # The demonstration has "Glorot uniform" and "tanh" here.
    initializer = adapted(ko.OddSigmoidOrthogonal("tanh", args.depth, input_dim=1))
    activation = ko.Tanh(trainable_rate=args.trainable_rate)

    if args.initializer != "ours":
        initializer = args.initializer
    net = dde.nn.FNN([1] + [args.width] * args.depth + [1], activation, initializer)
    model = dde.Model(data, net)
    model.compile("adam", lr=1e-3, metrics=["l2 relative error"])
    _, state = model.train(iterations=args.iterations)
    error = float(state.metrics_test[0])
    print(f"relative L2 error: {error:.2e}")
    if args.trainable_rate:
        rate = float(keras.ops.convert_to_numpy(activation.rate_weight))
        print(f"rate of tanh: 1 -> {rate:.4f}")
    return error


if __name__ == "__main__":
    main()
