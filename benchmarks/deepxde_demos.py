"""Does the initializer change what three of DeepXDE's own demonstrations reach?

    python benchmarks/deepxde_demos.py --seeds 1
    python benchmarks/deepxde_demos.py --results deepxde.jsonl

Network, points, optimizer and iterations are the demonstrations'; only the initializer differs.
A run takes about half a minute on one core, a seed of all of them six, and appends a line to the
results file as it finishes; started again, the script goes on where it stopped. The table has
DeepXDE's relative L2 error, median [min, max] over the seeds: at the end, and at the lowest
training loss of those that DeepXDE looks at, every 1,000 iterations (its "best model"). Needs
`pip install "keras-oddsig[pinn]"`; on DeepXDE's TensorFlow backend only.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["DDE_BACKEND"] = os.environ["KERAS_BACKEND"] = "tensorflow"

import deepxde as dde
import keras
import numpy as np
import tensorflow as tf

import keras_oddsig as ko
from oddsig_benchmarks.arguments import require_at_least
from oddsig_benchmarks.environment import of_machine
from oddsig_benchmarks.reporting import table
from oddsig_benchmarks.results import Results, Row, read

# ----------------------------------------------------------------------------------
# Demonstrations
# ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Demonstration:
    """One of DeepXDE's examples/pinn_forward, all of which train with Adam at 1e-3."""

    data: Callable[[], Any]  # DeepXDE's, of new random points
    inputs: int
    width: int  # of each of 3 hidden layers
    outputs: int
    iterations: int
    input_std: float  # root mean square of the inputs

    def sizes(self) -> list[int]:
        return [self.inputs, *[self.width] * HIDDEN, self.outputs]


HIDDEN = 3


def poisson() -> Any:
    """Poisson_Dirichlet_1d: -u_xx = pi^2 sin(pi x) on [-1, 1]."""

    def residual(x, u):
        return -dde.grad.hessian(u, x) - np.pi**2 * tf.sin(np.pi * x)

    def solution(x):
        return np.sin(np.pi * x)

    line = dde.geometry.Interval(-1, 1)
    ends = dde.icbc.DirichletBC(line, solution, on_boundary)
    return dde.data.PDE(line, residual, ends, 16, 2, solution=solution, num_test=100)


def diffusion() -> Any:
    """diffusion_1d: u_t = u_xx + forcing on [-1, 1] x [0, 1]."""

    def residual(x, u):
        u_t, u_xx = dde.grad.jacobian(u, x, j=1), dde.grad.hessian(u, x, j=0)
        wave = tf.sin(np.pi * x[:, :1])
        return u_t - u_xx + tf.exp(-x[:, 1:]) * (wave - np.pi**2 * wave)

    def solution(x):
        return np.sin(np.pi * x[:, :1]) * np.exp(-x[:, 1:])

    domain = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))
    conditions = [
        dde.icbc.DirichletBC(domain, solution, on_boundary),
        dde.icbc.IC(domain, solution, on_boundary),
    ]
    points = {"num_domain": 40, "num_boundary": 20, "num_initial": 10, "num_test": 10_000}
    return dde.data.TimePDE(domain, residual, conditions, solution=solution, **points)


def oscillator() -> Any:
    """ode_system: u' = v, v' = -u for a time of 10, far outside [-1, 1]."""

    def residual(t, y):
        u_t, v_t = (dde.grad.jacobian(y, t, i=i) for i in (0, 1))
        return [u_t - y[:, 1:], v_t + y[:, :1]]

    def solution(t):
        return np.hstack([np.sin(t), np.cos(t)])

    times = dde.geometry.TimeDomain(0, 10)
    # DeepXDE counts a condition's arguments, and NumPy's functions do not tell theirs.
    start = [
        dde.icbc.IC(times, lambda t: np.sin(t), on_boundary, component=0),
        dde.icbc.IC(times, lambda t: np.cos(t), on_boundary, component=1),
    ]
    return dde.data.PDE(times, residual, start, 35, 2, solution=solution, num_test=100)


def on_boundary(_, on_boundary):
    return on_boundary


DEMONSTRATIONS = {
    "Poisson_Dirichlet_1d": Demonstration(poisson, 1, 50, 1, 10_000, 1 / math.sqrt(3)),
    "diffusion_1d": Demonstration(diffusion, 2, 32, 1, 10_000, 1 / math.sqrt(3)),
    "ode_system": Demonstration(oscillator, 1, 50, 2, 20_000, 10 / math.sqrt(3)),
}

# ----------------------------------------------------------------------------------
# Initializers
# ----------------------------------------------------------------------------------

Init = Callable[[Demonstration, int], keras.initializers.Initializer]


def glorot_as_named(_: Demonstration, seed: int) -> keras.initializers.Initializer:
    """What DeepXDE's "Glorot uniform" is here: one instance, made with DeepXDE's import.

    Keras 3 gives an instance one seed for life, so all hidden kernels are equal, and so are all
    networks of a process. Here the seed is the run's; the kernels of a network are equal still.
    """
    return keras.initializers.GlorotUniform(seed)


def glorot_per_layer(_: Demonstration, seed: int) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(keras.random.SeedGenerator(seed))


def ours(demonstration: Demonstration, _: int) -> keras.initializers.Initializer:
    return ko.OddSigmoidOrthogonal("tanh", HIDDEN, input_dim=demonstration.inputs)


def ours_scaled(demonstration: Demonstration, _: int) -> keras.initializers.Initializer:
    return ko.OddSigmoidOrthogonal(
        "tanh", HIDDEN, input_dim=demonstration.inputs, input_std=demonstration.input_std
    )


SCALED = "OddSigmoidOrthogonal(input_dim, input_std)"
METHODS: dict[str, Init] = {
    "Glorot uniform, by DeepXDE's name": glorot_as_named,
    "Glorot uniform, own kernels": glorot_per_layer,
    "OddSigmoidOrthogonal(input_dim)": ours,
    SCALED: ours_scaled,
}


def methods_of(name: str) -> list[str]:
    """Inputs that cover [-1, 1] have the `input_std` that is the default: there, no fourth."""
    return [method for method in METHODS if method != SCALED or name == "ode_system"]


# ----------------------------------------------------------------------------------
# Runs
# ----------------------------------------------------------------------------------


def key_of(name: str, method: str, iterations: int, seed: int) -> str:
    return f"{name}/{method}/{iterations}/{seed}"


def run(name: str, method: str, iterations: int, seed: int) -> Row:
    demonstration = DEMONSTRATIONS[name]
    keras.backend.clear_session()
    dde.config.set_random_seed(seed)
    keras.utils.set_random_seed(seed)  # NumPy's too, which draws the points
    start = time.perf_counter()
    initializer = METHODS[method](demonstration, seed)
    net = dde.nn.FNN(demonstration.sizes(), "tanh", initializer)
    model = dde.Model(demonstration.data(), net)
    model.compile("adam", lr=1e-3, metrics=["l2 relative error"], verbose=0)
    _, state = model.train(iterations=iterations, verbose=0)
    return {
        "key": key_of(name, method, iterations, seed),
        "demonstration": name,
        "method": method,
        "iterations": iterations,
        "seed": seed,
        "error": float(state.metrics_test[0]),
        "error_best": float(state.best_metrics[0]),
        "loss": float(np.sum(state.loss_train)),
        "loss_best": float(state.best_loss_train),
        "seconds": round(time.perf_counter() - start, 1),
    }


def table_of(rows: Iterable[Row]) -> str:
    rows, lines = list(rows), []
    for name in DEMONSTRATIONS:
        for method in methods_of(name):
            cell = [r for r in rows if (r["demonstration"], r["method"]) == (name, method)]
            if cell:
                errors = (spread([r[of] for r in cell]) for of in ("error", "error_best"))
                seconds = np.median([r["seconds"] for r in cell])
                lines.append([name, method, len(cell), *errors, f"{seconds:.0f}"])
    header = ["demonstration", "initializer", "seeds", "error at the end", "of the best model"]
    return table([*header, "seconds a run"], lines)


def spread(values: list[float]) -> str:
    return f"{np.median(values):.1e} [{min(values):.1e}, {max(values):.1e}]"


def main(argv: list[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="runs of each initializer")
    parser.add_argument("--iterations", type=int, help="fewer than the demonstrations have")
    parser.add_argument("--results", type=Path, default=Path("deepxde.jsonl"))
    args = parser.parse_args(argv)
    require_at_least(1, parser, args, "seeds", "iterations")

    about = of_machine(jobs=1)
    about["versions"]["deepxde"] = importlib.metadata.version("deepxde")
    results = Results(args.results, about)
    keys = []
    # Seeds outermost: a run that is stopped leaves whole tables of fewer seeds.
    for seed in range(args.seeds):
        for name, demonstration in DEMONSTRATIONS.items():
            iterations = args.iterations or demonstration.iterations
            for method in methods_of(name):
                keys.append(key_of(name, method, iterations, seed))
                if results.lacks(keys[-1:]):
                    results.write([run(name, method, iterations, seed)])
    found = [row for row in read([args.results])[0] if row["key"] in keys]
    print(table_of(found))
    return found


if __name__ == "__main__":
    main()
