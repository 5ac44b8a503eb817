"""What `tailor` costs, beside a first `predict` on the same batch and the drawing of the kernels.

    KERAS_BACKEND=jax python benchmarks/tailoring.py

For whoever asks what it costs; two minutes on one core with JAX. Of new models, in turn: the first
`predict` on 256 samples, with what the backend compiles for it; the kernels drawn, as `tailor`
draws them; `ko.tailor(model, x)`; and `ko.tailor(model, x, dry_run=True)`, which plans only. The
target is `tailor` <= 3 `predict` + draws; the last column is `tailor` in units of that. Prints a
Markdown table and, with `--output`, writes the figures to a JSON file.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

import keras_oddsig as ko
from oddsig_benchmarks.arguments import add_output, require_at_least
from oddsig_benchmarks.environment import BACKEND, of_device
from oddsig_benchmarks.reporting import table, write_figures

SAMPLES = 256
WAYS = ("predict", "draws", "dry run", "tailor")


def dense(depth: int, width: int) -> keras.Model:
    hidden = [layers.Dense(width, "tanh") for _ in range(depth)]
    return keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10)])


def convolutional(depth: int, width: int) -> keras.Model:
    hidden = [layers.Conv2D(width, 3, padding="same", activation="tanh") for _ in range(depth)]
    return keras.Sequential([keras.Input((32, 32, 3)), *hidden, layers.Flatten(), layers.Dense(10)])


MODELS: dict[str, Callable[[], keras.Model]] = {
    "50 dense layers of 32": lambda: dense(50, 32),
    "50 dense layers of 1024": lambda: dense(50, 1024),
    "20 convolutions of 16": lambda: convolutional(20, 16),
}


def seconds_of(build: Callable[[], keras.Model]) -> dict[str, float]:
    """Of each way, on models of its own."""
    found = {}
    for way in WAYS:
        model = build()
        x = np.random.default_rng(0).standard_normal((SAMPLES, *model.input_shape[1:]), "float32")
        start = time.perf_counter()
        if way == "predict":
            model.predict(x, batch_size=SAMPLES, verbose=0)
        elif way == "draws":
            for layer in model.layers:
                if layer.weights and layer is not model.layers[-1]:
                    kernel = layer.kernel
                    draw = ko.OddSigmoidOrthogonal("tanh", len(model.layers) - 1)
                    keras.ops.convert_to_numpy(draw(kernel.shape, kernel.dtype)[..., :1, :1])
        else:
            ko.tailor(model, x, dry_run=way == "dry run")
        found[way] = time.perf_counter() - start
    return found


def benchmark(runs: int) -> dict[str, Any]:
    figures = {}
    for name, build in MODELS.items():
        seconds_of(build)  # what is imported, and compiled for any model
        rounds = [seconds_of(build) for _ in range(runs)]
        medians = {way: statistics.median(each[way] for each in rounds) for way in WAYS}
        ratio = statistics.median(r["tailor"] / (3 * r["predict"] + r["draws"]) for r in rounds)
        figures[name] = {"seconds": medians, "ratio": ratio}
    return figures


def main(argv: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of which the median is taken")
    add_output(parser)
    args = parser.parse_args(argv)
    require_at_least(1, parser, args, "runs")

    report = {**of_device(), "runs": args.runs, "models": benchmark(args.runs)}
    rows = [
        [name, *(f"{each['seconds'][way]:.3f}" for way in WAYS), f"{each['ratio']:.2f}"]
        for name, each in report["models"].items()
    ]
    print(f"Seconds, {SAMPLES} samples ({BACKEND} on {report['device']}):\n")
    print(table(["model", *WAYS, "target = 1"], rows))
    write_figures(args.output, report)
    return report


if __name__ == "__main__":
    main()
