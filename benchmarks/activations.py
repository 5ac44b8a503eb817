"""What the activations cost, beside tanh and beside their formulas as one would write them.

    KERAS_BACKEND=jax python benchmarks/activations.py

For whoever asks what they cost; a minute on one core. Every figure is a ratio to `keras.ops.tanh`:
all are timed in turn in one process, compiled, on 2^20 numbers of float32, forward alone and
forward with the gradient, by the fastest tenth of many runs after a warm-up. Prints a Markdown
table and, with `--output`, writes the figures to a JSON file.

Under XLA, where `keras_oddsig._float32` serves, the target is 2. With its gradient on JAX,
Algebraic(3) misses it and Arctan stands at it. Most of their time is one root, which XLA keeps in
memory between the two directions, and for whose gradient it divides once more; a coefficient of
the polynomials is three operations more in the gradient.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

import keras_oddsig as ko
from oddsig_benchmarks.arguments import add_output, require_at_least
from oddsig_benchmarks.environment import BACKEND, of_device
from oddsig_benchmarks.reporting import table, write_figures
from oddsig_benchmarks.timing import forward, forward_and_backward, undisturbed

SIZE = 2**20
UNIT = "keras.ops.tanh"
Function = Callable[[Any], Any]
FUNCTIONS: dict[str, Function] = {
    UNIT: ops.tanh,
    "Tanh": ko.Tanh(),
    "Softsign": ko.Softsign(),
    "Algebraic(2)": ko.Algebraic(2),
    "Erf": ko.Erf(),
    "Arctan": ko.Arctan(),
    "Gudermannian": ko.Gudermannian(),
    "Langevin": ko.Langevin(),
    "Algebraic(3)": ko.Algebraic(3),
    "arctan(x)": ops.arctan,
    "2 arctan(tanh(x / 2))": lambda x: 2 * ops.arctan(ops.tanh(x / 2)),
    "1 / tanh(x) - 1 / x": lambda x: 1 / ops.tanh(x) - 1 / x,
    "x exp(-log(1 + abs(x^3)) / 3)": lambda x: x * ops.exp(ops.log1p(ops.abs(x * x * x)) / -3),
}
DIRECTIONS = {"forward": forward, "forward and backward": forward_and_backward}


def benchmark(runs: int) -> dict[str, dict[str, float]]:
    """The ratios, by direction and name, and the seconds of the unit."""
    x = ops.convert_to_tensor(np.random.default_rng(0).standard_normal(SIZE, "float32"))
    figures = {}
    for direction, compiler in DIRECTIONS.items():
        steps = {name: functools.partial(compiler(f), x) for name, f in FUNCTIONS.items()}
        times = undisturbed(steps, runs)
        figures[direction] = {name: t / times[UNIT] for name, t in times.items()}
        figures[direction]["seconds"] = times[UNIT]
    return figures


def main(argv: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=201, help="of which the fastest tenth counts")
    add_output(parser)
    args = parser.parse_args(argv)
    require_at_least(1, parser, args, "runs")

    report = {**of_device(), "runs": args.runs, "size": SIZE, "times": benchmark(args.runs)}
    times = report["times"]
    print(f"Time of {UNIT} = 1, {SIZE} numbers ({BACKEND} on {report['device']}):\n")
    print(
        table(
            ["", *DIRECTIONS],
            [[name, *(f"{times[way][name]:.2f}" for way in DIRECTIONS)] for name in FUNCTIONS],
        )
    )
    write_figures(args.output, report)
    return report


if __name__ == "__main__":
    main()
