"""What `ActivationSpread` costs a training.

    KERAS_BACKEND=jax python benchmarks/callback.py

For whoever asks what it costs; three minutes on one core. Trains one compiled model of 50 layers,
256 wide, for an epoch without the callback, with it at the end of the epoch, and with it at every
tenth step, in turn, after a warm-up that compiles all three. Every figure is a ratio of medians;
targets are 1.03 and 1.25. Prints a Markdown table and, with `--output`, writes the figures to a
JSON file. Time alone: whether the callback measures rightly is for the tests.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_oddsig as ko
from oddsig_benchmarks.arguments import add_output, require_at_least
from oddsig_benchmarks.environment import BACKEND, of_device
from oddsig_benchmarks.reporting import table, write_figures

TARGETS = {"every epoch": 1.03, "every 10 steps": 1.25}


def build_model(layers: int, width: int) -> keras.Model:
    init = ko.OddSigmoidOrthogonal("tanh", depth=layers)
    hidden = [keras.layers.Dense(width, "tanh", kernel_initializer=init) for _ in range(layers)]
    model = keras.Sequential([keras.Input((width,)), *hidden, keras.layers.Dense(10)])
    model.compile(
        keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def benchmark(args: argparse.Namespace) -> dict[str, Any]:
    keras.utils.set_random_seed(0)
    model = build_model(args.layers, args.width)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((args.steps * args.batch_size, args.width), dtype="float32")
    y = rng.integers(0, 10, len(x))
    sample = x[: args.batch_size]
    ways: dict[str, Callable[[], list[Any]]] = {
        "without": list,
        "every epoch": lambda: [ko.ActivationSpread(sample)],
        "every 10 steps": lambda: [ko.ActivationSpread(sample, frequency=10)],
    }

    def seconds(callbacks: list[Any]) -> float:
        start = time.perf_counter()
        # Not shuffled: the same work each time.
        model.fit(x, y, batch_size=args.batch_size, verbose=0, shuffle=False, callbacks=callbacks)
        return time.perf_counter() - start

    for way in ways.values():
        seconds(way())
    times: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(args.runs):
        # In turn, and in either direction, lest one way always follow the same other.
        names = list(ways) if run % 2 else list(reversed(ways))
        for name in names:
            times[name].append(seconds(ways[name]()))
    medians = {name: statistics.median(each) for name, each in times.items()}
    # Ratios within a round: what else the machine does changes from round to round.
    ratios = {
        name: statistics.median(
            mine / without for mine, without in zip(times[name], times["without"], strict=True)
        )
        for name in TARGETS
    }
    return {"seconds": medians, "ratios": ratios}


def main(argv: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=11, help="of which the median is taken")
    parser.add_argument("--layers", type=int, default=50)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=50, help="an epoch")
    add_output(parser)
    args = parser.parse_args(argv)
    require_at_least(1, parser, args, "runs", "layers", "width", "batch_size", "steps")

    report = {
        **of_device(),
        **{k: v for k, v in vars(args).items() if k != "output"},
        **benchmark(args),
    }
    rows = []
    for name, value in report["seconds"].items():
        ratio = f"{report['ratios'][name]:.3f}" if name in TARGETS else ""
        rows.append([name, f"{value:.3f}", ratio, TARGETS.get(name, "")])
    print(f"An epoch of {args.steps} steps ({BACKEND} on {report['device']}):\n")
    print(table(["ActivationSpread", "seconds", "without = 1", "target"], rows))
    write_figures(args.output, report)
    return report


if __name__ == "__main__":
    main()
