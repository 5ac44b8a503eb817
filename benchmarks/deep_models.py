"""What a network of 100 layers costs, and of 1,000: built plainly, and as a `LayerStack`.

    KERAS_BACKEND=jax python benchmarks/deep_models.py

For whoever asks what it costs; minutes, of which `--timeout` bounds those of each network. Seconds
until the model is built, of the first step of training, which compiles it as `fit` does by default,
and of a later one; and the most memory that the process has held. Each network and initializer has
a process of its own, on one core; one that takes longer than `--timeout` is ended, and the table
says so. Where Python's recursion limit does not let Keras build a network, that is raised, and the
table says that, too. Layers of 32 tanh units, 64 samples, Adam. Prints a Markdown table and, with
`--output`, writes the figures to a JSON file.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers
from rich.progress import track

import keras_oddsig as ko
from oddsig_benchmarks import processes
from oddsig_benchmarks.arguments import add_output, integers, require_at_least
from oddsig_benchmarks.environment import BACKEND, of_machine
from oddsig_benchmarks.reporting import table, write_figures

DEPTHS = (100, 1000)
WIDTH = 32
SAMPLES = 64
CLASSES = 10
Make = Callable[[int], keras.initializers.Initializer]
INITIALIZERS: dict[str, Make] = {
    "GlorotUniform": lambda depth: keras.initializers.GlorotUniform(),
    "OddSigmoidOrthogonal": lambda depth: ko.OddSigmoidOrthogonal("tanh", depth=depth),
}


def plain(depth: int, make: Make) -> list[layers.Layer]:
    return [layers.Dense(WIDTH, "tanh", kernel_initializer=make(depth)) for _ in range(depth)]


def stacked(depth: int, make: Make) -> list[layers.Layer]:
    return [ko.LayerStack(layers.Dense(WIDTH, "tanh", kernel_initializer=make(depth)), depth)]


NETWORKS = {"plain": plain, "LayerStack": stacked}


def measure(network: str, depth: int, initializer: str, steps: int) -> dict[str, Any]:
    """Seconds and bytes of one network, in a process where nothing else has run."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((SAMPLES, WIDTH)).astype("float32")
    y = rng.integers(CLASSES, size=SAMPLES)
    # What is imported, by the backend and by Keras, and compiled for any model. At a config Keras
    # imports TensorFlow, where it is installed, whatever the backend.
    warm, _ = build("plain", 1, initializer)
    warm.get_config()
    warm.train_on_batch(x, y)

    limit = sys.getrecursionlimit()
    try:
        model, built = build(network, depth, initializer)
    except RecursionError:  # a functional model is searched step by step, each in the last
        sys.setrecursionlimit(100 * limit)
        model, built = build(network, depth, initializer)

    def seconds_of_a_step() -> float:
        start = time.perf_counter()
        float(model.train_on_batch(x, y))
        return time.perf_counter() - start

    first = seconds_of_a_step()
    later = statistics.median(seconds_of_a_step() for _ in range(steps))
    memory = processes.peak_memory()
    return {
        "build": built,
        "first step": first,
        "later step": later,
        "peak bytes": memory,
        "recursion limit": sys.getrecursionlimit() if limit < sys.getrecursionlimit() else None,
    }


def build(network: str, depth: int, initializer: str) -> tuple[keras.Model, float]:
    """The model, ready to be trained, and the seconds until it was."""
    start = time.perf_counter()
    between = NETWORKS[network](depth, INITIALIZERS[initializer])
    model = keras.Sequential([keras.Input((WIDTH,)), *between, layers.Dense(CLASSES)])
    model.compile(
        keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model, time.perf_counter() - start


def benchmark(depths: tuple[int, ...], steps: int, timeout: int) -> list[dict[str, Any]]:
    cells = [(n, d, i) for d in depths for n in NETWORKS for i in INITIALIZERS]
    rows = []
    for network, depth, initializer in track(cells, "Networks", transient=True):
        figures = processes.within(timeout, measure, network, depth, initializer, steps)
        rows.append(
            {"network": network, "depth": depth, "initializer": initializer, "figures": figures}
        )
    return rows


def table_of(report: dict[str, Any]) -> str:
    """In Markdown."""
    rows = []
    for row in report["networks"]:
        figures = row["figures"]
        if figures is None:
            shown = [f"not within {report['timeout']} s", "", "", ""]
        else:
            shown = [f"{figures[name]:.3g}" for name in ("build", "first step", "later step")]
            shown.append(f"{figures['peak bytes'] / 1e6:.0f}")
        raised = figures is not None and figures["recursion limit"] is not None
        name = f"{row['network']}, recursion limit raised" if raised else row["network"]
        rows.append([f"{row['depth']:,}", name, row["initializer"], *shown])
    heading = ["layers", "network", "initializer", "build, s", "first step, s", "later step, s"]
    return table([*heading, "peak memory, MB"], rows)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depths", type=integers, default=DEPTHS, help="split at semicolons")
    parser.add_argument("--steps", type=int, default=5, help="of which the median is taken")
    parser.add_argument("--timeout", type=int, default=300, help="seconds that one may take")
    add_output(parser)
    args = parser.parse_args(argv)
    require_at_least(1, parser, args, "steps", "timeout")
    processes.pin()  # and with this one those that it starts

    report = {
        **of_machine(1),
        "timeout": args.timeout,
        "networks": benchmark(args.depths, args.steps, args.timeout),
    }
    print(f"{BACKEND} {report['versions'][BACKEND]}, one core of {report['cpu']}\n")
    print(table_of(report))
    write_figures(args.output, report)
    return report


if __name__ == "__main__":
    main()
