"""What an odd sigmoid costs in place of a normalization.

    KERAS_BACKEND=jax python benchmarks/dynamic.py

For whoever asks what it costs; a minute on one core with JAX. Every figure is a ratio to
`keras.layers.LayerNormalization`: all layers are timed in turn in one process, on 16 sequences of
128 steps of 512 features in float32, forward alone and forward with the gradients of the input and
of all weights, by the fastest tenth of many runs after a warm-up. On JAX under `jit`; on TensorFlow
by XLA and as a graph without it; on PyTorch eagerly, as Keras runs it there unless told otherwise,
and compiled, where there is a C++ compiler. Prints a Markdown table and, with `--output`, writes
the figures to a JSON file.
"""

from __future__ import annotations

import argparse
import shutil
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_oddsig as ko
from oddsig_benchmarks.arguments import add_output, require_at_least
from oddsig_benchmarks.environment import BACKEND, of_device
from oddsig_benchmarks.reporting import table, write_figures
from oddsig_benchmarks.timing import WAYS, of_layer, undisturbed

SHAPE = (16, 128, 512)
UNIT = "LayerNormalization"


def own(x: Any) -> Any:
    """An odd sigmoid that the package does not know."""
    return ops.tanh(x) + 0.5 * ops.softsign(x)


LAYERS = {
    UNIT: keras.layers.LayerNormalization,
    "RMSNormalization": keras.layers.RMSNormalization,
    "DynamicTanh": ko.DynamicTanh,
    "DynamicErf": ko.DynamicErf,
    "DynamicOddSigmoid, softsign": lambda: ko.DynamicOddSigmoid("softsign"),
    "DynamicOddSigmoid, one's own": lambda: ko.DynamicOddSigmoid(own),
}
DIRECTIONS = ("forward", "forward and backward")


def ways() -> list[str]:
    """How the backend can run a layer here."""
    without_compiler = shutil.which("g++") is None
    return [way for way in WAYS[BACKEND] if way != "compiled" or not without_compiler]


def benchmark(runs: int) -> dict[str, dict[str, float]]:
    """The ratios, by way and direction, and name, and the seconds of the unit."""
    rng = np.random.default_rng(0)
    x, gradient = (ops.convert_to_tensor(rng.standard_normal(SHAPE, "float32")) for _ in range(2))
    layers = {name: made() for name, made in LAYERS.items()}
    for layer in layers.values():
        layer.build(SHAPE)
    figures = {}
    for way in ways():
        for direction, given in zip(DIRECTIONS, (None, gradient), strict=True):
            steps = {name: of_layer(layer, way, x, given) for name, layer in layers.items()}
            times = undisturbed(steps, runs)
            figures[f"{way}, {direction}"] = {
                **{name: t / times[UNIT] for name, t in times.items()},
                "seconds": times[UNIT],
            }
    return figures


def main(argv: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=201, help="of which the fastest tenth counts")
    add_output(parser)
    args = parser.parse_args(argv)
    require_at_least(1, parser, args, "runs")

    report = {**of_device(), "runs": args.runs, "shape": SHAPE, "times": benchmark(args.runs)}
    times = report["times"]
    shape = " x ".join(map(str, SHAPE))
    print(f"Time of {UNIT} = 1, {shape} numbers ({BACKEND} on {report['device']}):\n")
    print(
        table(
            ["", *times],
            [
                *([name, *(f"{each[name]:.2f}" for each in times.values())] for name in LAYERS),
                [f"{UNIT}, ms", *(f"{1e3 * each['seconds']:.2f}" for each in times.values())],
            ],
        )
    )
    write_figures(args.output, report)
    return report


if __name__ == "__main__":
    main()
