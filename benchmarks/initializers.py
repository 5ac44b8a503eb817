"""What the initializers and the activations cost, beside Keras's own.

    KERAS_BACKEND=jax python benchmarks/initializers.py

For whoever asks what they cost; three minutes on one core. Every figure is a ratio: two things
timed in turn in one process, by the medians of several runs after a warm-up. The script prints
Markdown tables and, with `--output`, writes the figures to a JSON file. Kernels are compared with
`keras.initializers.RandomNormal` on the same shape, activations with `keras.activations.tanh`, a
model with one that is initialized by `GlorotUniform`. Time and memory alone: what a network learns
is for `trainability.py`.
"""

from __future__ import annotations

import argparse
import functools
import gc
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_oddsig as ko
from oddsig_benchmarks import processes
from oddsig_benchmarks.arguments import add_output, require_at_least
from oddsig_benchmarks.environment import BACKEND, device, of_device
from oddsig_benchmarks.reporting import table, write_figures
from oddsig_benchmarks.timing import compiled, forward_and_backward, medians, wait

LAYERS = 100  # of the model that is built
LIMIT = 600  # seconds for a process that measures memory
LARGEST = (4096, 4096)
SHAPES = [(784, 512), (1024, 1024), (3, 3, 512, 512), LARGEST]
INITIALIZERS: dict[str, Callable[[], keras.initializers.Initializer]] = {
    "RandomNormal": lambda: keras.initializers.RandomNormal(seed=1),
    "OddSigmoidInit": lambda: ko.OddSigmoidInit(seed=1),
    "OddSigmoidOrthogonal": lambda: ko.OddSigmoidOrthogonal(seed=1),
    "Orthogonal": lambda: keras.initializers.Orthogonal(seed=1),
}
ACTIVATIONS: dict[str, Callable[[], Callable[[Any], Any]]] = {
    "keras tanh": lambda: keras.activations.tanh,
    "Tanh": ko.Tanh,
    "BipolarSigmoid": ko.BipolarSigmoid,
    "Softsign": ko.Softsign,
    "Algebraic(2)": ko.Algebraic,
    "Algebraic(3)": lambda: ko.Algebraic(3),
    "Arctan": ko.Arctan,
    "Gudermannian": ko.Gudermannian,
    "Erf": ko.Erf,
    "Langevin": ko.Langevin,
    "keras erf": lambda: ops.erf,
    "keras arctan": lambda: ops.arctan,
}


def benchmark_kernels(runs: int) -> list[dict[str, Any]]:
    rows = []
    for shape in SHAPES:
        eager = {name: functools.partial(make(), shape) for name, make in INITIALIZERS.items()}
        modes = {"eager": eager}
        if compiled(len) is not None:
            modes["compiled"] = {
                name: compiled(f) for name, f in eager.items() if name != "Orthogonal"
            }
        for mode, functions in modes.items():
            times = medians(functions, runs)
            rows.append(
                {
                    "shape": list(shape),
                    "mode": mode,
                    "RandomNormal seconds": times["RandomNormal"],
                    **{name: t / times["RandomNormal"] for name, t in times.items()},
                }
            )
    return rows


def peak_memory(name: str) -> float | None:
    """The most memory held at once while a kernel is drawn, in kernels; None where unknown.

    For a process of its own: allocators keep what they once had.
    """
    init = INITIALIZERS[name]()
    wait(init((64, 64)))
    gc.collect()
    kernel_bytes = 4 * math.prod(LARGEST)
    match BACKEND:
        case "torch" if "cpu" not in device():
            import torch

            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            wait(init(LARGEST))
            return (torch.cuda.max_memory_allocated() - before) / kernel_bytes
        case "jax" if "cpu" not in device():
            import jax

            before = jax.devices()[0].memory_stats()["bytes_in_use"]
            wait(init(LARGEST))
            return (jax.devices()[0].memory_stats()["peak_bytes_in_use"] - before) / kernel_bytes
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if "cpu" not in device() or not reset.exists():
        return None

    def field(name: str) -> int:
        line = next(line for line in status.read_text().splitlines() if line.startswith(name))
        return 1024 * int(line.split()[1])

    before = field("VmRSS")
    reset.write_text("5")  # the peak is counted from here on
    wait(init(LARGEST))
    return (field("VmHWM") - before) / kernel_bytes


def benchmark_memory() -> dict[str, float | None]:
    names = [name for name in INITIALIZERS if name != "Orthogonal"]
    return {name: processes.within(LIMIT, peak_memory, name) for name in names}


def benchmark_activations(runs: int) -> dict[str, float]:
    x = ops.convert_to_tensor(
        np.random.default_rng(0).standard_normal((4096, 1024)).astype("float32")
    )
    steps = {
        name: functools.partial(forward_and_backward(make()), x)
        for name, make in ACTIVATIONS.items()
    }
    times = medians(steps, runs)
    return {name: t / times["keras tanh"] for name, t in times.items()}


def build_model(init: Callable[[], keras.initializers.Initializer]) -> None:
    hidden = [keras.layers.Dense(64, "tanh", kernel_initializer=init()) for _ in range(LAYERS)]
    keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])


def benchmark_model(runs: int) -> dict[str, float]:
    makers: dict[str, Callable[[], keras.initializers.Initializer]] = {
        "GlorotUniform": keras.initializers.GlorotUniform,
        "OddSigmoidInit": lambda: ko.OddSigmoidInit("tanh", depth=LAYERS),
        "OddSigmoidOrthogonal": lambda: ko.OddSigmoidOrthogonal("tanh", depth=LAYERS),
    }
    times = medians(
        {name: functools.partial(build_model, make) for name, make in makers.items()}, runs
    )
    return {name: t / times["GlorotUniform"] for name, t in times.items()}


def print_tables(report: dict[str, Any]) -> None:
    kernels = [
        [
            " x ".join(map(str, row["shape"])),
            row["mode"],
            f"{1e3 * row['RandomNormal seconds']:.2f}",
            *(f"{row[name]:.2f}" if name in row else "" for name in list(INITIALIZERS)[1:]),
        ]
        for row in report["kernels"]
    ]
    print(f"Kernels: time of RandomNormal = 1 ({BACKEND} on {report['device']}):\n")
    print(table(["shape", "mode", "RandomNormal, ms", *list(INITIALIZERS)[1:]], kernels))
    for heading, key in (
        ("Peak memory at (4096, 4096), in kernels", "memory"),
        ("Forward and backward on (4096, 1024), compiled: tanh of Keras = 1", "activations"),
        (f"Building {LAYERS} layers of 64: with GlorotUniform = 1", "model"),
    ):
        shown = {
            name: "unknown" if value is None else f"{value:.2f}"
            for name, value in report[key].items()
        }
        print(f"\n{heading}:\n\n{table(list(shown), [shown.values()])}")


def main(argv: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=11, help="of which the median is taken")
    add_output(parser)
    args = parser.parse_args(argv)
    require_at_least(1, parser, args, "runs")
    # The same seed many times, on purpose.
    warnings.filterwarnings("ignore", message=".*second kernel")

    report = {
        **of_device(),
        "runs": args.runs,
        "memory": benchmark_memory(),
        "kernels": benchmark_kernels(args.runs),
        "activations": benchmark_activations(args.runs),
        "model": benchmark_model(max(3, args.runs // 2)),
    }
    print_tables(report)
    write_figures(args.output, report)
    return report


if __name__ == "__main__":
    main()
