"""Whether the same seed gives the same values, to the last bit, wherever and however it is drawn.

    KERAS_BACKEND=jax python benchmarks/reliability/determinism.py --page docs/reliability.md

For who has to repeat a run, elsewhere or on other devices. Kernels of every kind, a `LayerStack`,
a tailored model and a report are made twice in one process; in another process, with another
`PYTHONHASHSEED`; on one core; in eight threads at once; inside the backend's compiler; and on eight
devices (virtual ones of the CPU), as each backend has them. A few minutes a backend.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_oddsig as ko

sys.path.append(str(Path(__file__).parent.parent))
from reliability.page import add_argument, publish
from reliability.threads import together

BACKEND = keras.backend.backend()
DEVICES, VIRTUAL = 8, {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
WIDTH, LAYERS = 32, 4
Arrays = list[Any]
Shape = tuple[int, ...]

# Of each kind of kernel an initializer, from a seed, and a shape. All sizes can be split by 8.
KERNELS: dict[str, tuple[Callable[..., Any], dict[str, Any], Shape, str]] = {
    "noise, normal": (ko.OddSigmoidInit, {}, (24, 40), "float32"),
    "noise, truncated": (ko.OddSigmoidInit, {"noise": "truncated_normal"}, (40, 24), "float32"),
    "noise, uniform": (ko.OddSigmoidInit, {"noise": "uniform"}, (24, 40), "float32"),
    "noise, two values": (ko.OddSigmoidInit, {"noise": "rademacher"}, (24, 40), "float32"),
    "noise, a window": (ko.OddSigmoidInit, {}, (3, 3, 8, 16), "float32"),
    "noise, four gates": (ko.OddSigmoidInit, {"gates": 4}, (16, 64), "float32"),
    "noise, half precision": (ko.OddSigmoidInit, {}, (24, 40), "bfloat16"),
    "few inputs": (ko.OddSigmoidInit, {"input_dim": 2}, (2, 32), "float32"),
    "few inputs, the output": (ko.OddSigmoidInit, {"input_dim": 2}, (32, 8), "float32"),
    "rotation": (ko.OddSigmoidOrthogonal, {}, (24, 40), "float32"),
    "rotation, a window": (ko.OddSigmoidOrthogonal, {}, (3, 3, 8, 16), "float32"),
    "rotation, of data": (
        ko.OddSigmoidOrthogonal,
        {"input_std": [1.0 + i for i in range(24)]},
        (24, 40),
        "float32",
    ),
    "rotation, uniform (Haar)": (
        ko.OddSigmoidOrthogonal,
        {"rotation": "haar"},
        (24, 40),
        "float32",
    ),
    "rotation, a bottleneck": (ko.OddSigmoidOrthogonal, {"bottleneck": 4}, (24, 40), "float32"),
}
GENERATOR = "two draws of a `SeedGenerator`"
MODELS = ("`LayerStack`", "`tailor`", "`signal_report`")


def made(
    wrap: Callable[[str, Callable[[], Any], Shape, str], Any], models: bool = True
) -> dict[str, Arrays]:
    """All values, by their names.

    Args:
        wrap: From a name, a function that draws a kernel, its shape and dtype to the kernel.
        models: Whether to make what is no single kernel, too.
    """
    found = {}
    for name, (cls, arguments, shape, dtype) in KERNELS.items():
        init = cls("tanh", depth=20, seed=7, **arguments)
        found[name] = [_array(wrap(name, init, shape, dtype))]
    init = ko.OddSigmoidOrthogonal(seed=keras.random.SeedGenerator(7))
    found[GENERATOR] = [_array(wrap(GENERATOR, init, (24, 40), "float32")) for _ in range(2)]
    return found | _models() if models else found


def _models(scope: Callable[[], AbstractContextManager[Any]] = nullcontext) -> dict[str, Arrays]:
    """What is no single kernel: made under a scope, and reported on outside it."""
    with scope():
        stack, model, x = _tailored()
    report = ko.signal_report(model, x, x, "mse")
    rows = [np.array(list(row.statistics.values())) for row in report.layers]
    found = (map(_array, stack.weights), map(_array, model.weights), rows)
    return dict(zip(MODELS, map(list, found), strict=True))


def _tailored() -> tuple[ko.LayerStack, keras.Model, Any]:
    init = ko.OddSigmoidOrthogonal("tanh", depth=LAYERS, seed=7)
    dense = keras.layers.Dense(WIDTH, "tanh", kernel_initializer=init)
    stack = ko.LayerStack(dense, LAYERS)
    stack.build((None, WIDTH))
    layers = [keras.layers.Dense(WIDTH, "tanh", name=f"hidden_{i}") for i in range(LAYERS)]
    model = keras.Sequential([keras.Input((WIDTH,)), *layers])
    x = np.random.default_rng(0).standard_normal((64, WIDTH)).astype("float32")
    ko.tailor(model, x, seed=7)
    return stack, model, x


def _array(tensor: Any) -> Any:
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def eagerly(_: str, init: Any, shape: Shape, dtype: str) -> Any:
    return init(shape, dtype=dtype)


def compiled(_: str, init: Any, shape: Shape, dtype: str) -> Any:
    """Inside a function of the user's that the backend compiles, with more in it."""

    def function() -> Any:
        kernel = init(shape, dtype=dtype)
        return 2 * keras.ops.square(kernel), kernel

    match BACKEND:
        case "jax":
            import jax

            return jax.jit(function)()[1]
        case "tensorflow":
            import tensorflow as tf

            return tf.function(function)()[1]
        case _:
            import torch

            torch._dynamo.reset()  # which would give up compiling after a few of one code
            return torch.compile(function)()[1]


def many_devices(name: str, init: Any, shape: Shape, dtype: str) -> Any:
    """A variable whose last axis is split, on JAX, or which each device has, on TensorFlow."""
    variable = keras.Variable(init, shape=shape, dtype=dtype, name="kernel")
    if BACKEND == "jax":
        parts = {shard.data.shape for shard in variable.value.addressable_shards}
        assert parts == {(*shape[:-1], shape[-1] // DEVICES)}, name
    return variable.value


def on_devices() -> dict[str, Arrays]:
    """All values, made as the backend has them on several devices."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * DEVICES
        tf.config.set_logical_device_configuration(cpu, parts)
        strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(DEVICES)])

        def mirrored(name: str, init: Any, shape: Shape, dtype: str) -> Any:
            with strategy.scope():
                values = many_devices(name, init, shape, dtype).values
            first, *others = [_array(tf.identity(each)) for each in values]
            assert len(others) == DEVICES - 1
            assert all(np.array_equal(first, other) for other in others)
            return first

        return made(mirrored, models=False) | _models(strategy.scope)
    mesh = keras.distribution.DeviceMesh((DEVICES,), ("model",))
    found: dict[str, Arrays] = {}

    def split(name: str, init: Any, shape: Shape, dtype: str) -> Any:
        layouts = keras.distribution.LayoutMap(mesh)
        layouts["kernel"] = keras.distribution.TensorLayout(
            (*[None] * (len(shape) - 1), "model"), mesh
        )
        keras.distribution.set_distribution(
            keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="model")
        )
        return many_devices(name, init, shape, dtype)

    found = made(split, models=False)
    layouts = keras.distribution.LayoutMap(mesh)
    layouts[".*hidden.*kernel"] = keras.distribution.TensorLayout((None, "model"), mesh)
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="model")
    )
    return found | _models()


def elsewhere(arguments: list[str], environment: Mapping[str, str]) -> dict[str, Arrays]:
    """All values as another process makes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "values.npz"
        command = [sys.executable, __file__, "--save", str(path), *arguments]
        subprocess.run(command, env={**os.environ, **environment}, check=True)
        with np.load(path) as file:
            found: dict[str, Arrays] = {}
            for key in file.files:
                found.setdefault(key.rpartition("#")[0], []).append(file[key])
    return found


def difference(one: Arrays, other: Arrays) -> float:
    """The largest, relative to the largest value of its array; 0 only where all bits agree."""
    pairs = list(zip(one, other, strict=True))
    if all(a.tobytes() == b.tobytes() for a, b in pairs):
        return 0.0
    return max(float(np.nanmax(np.abs(a - b)) / np.nanmax(np.abs(a))) for a, b in pairs)


def cell(found: dict[str, Arrays] | None, name: str, first: dict[str, Arrays]) -> str:
    if found is None or name not in found:
        return "-"
    off = difference(first[name], found[name])
    return "same" if off == 0 else f"{off:.0e}"


def section(first: dict[str, Arrays], ways: Mapping[str, dict[str, Arrays] | None]) -> str:
    lines = [
        f"`benchmarks/reliability/determinism.py`: Keras {keras.__version__} on {BACKEND}. Each "
        "cell compares with what one process draws first: the same to the last bit, or the largest "
        "difference, relative to the largest value.",
        "",
        f"| | {' | '.join(ways)} |",
        "|---|" + "---|" * len(ways),
    ]
    for name in first:
        cells = (cell(found, name, first) for found in ways.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def all_ways(number: int) -> tuple[dict[str, Arrays], dict[str, dict[str, Arrays] | None]]:
    first = made(eagerly)
    ways: dict[str, dict[str, Arrays] | None] = {"again": made(eagerly)}
    ways["another process"] = elsewhere([], {"PYTHONHASHSEED": "42"})
    ways["one core"] = elsewhere(["--one-core"], {"OMP_NUM_THREADS": "1"})
    threads = together(lambda _: made(eagerly), number)
    for each in threads:
        if isinstance(each, Exception):
            raise each
    ways[f"{number} threads"] = {
        name: max((each[name] for each in threads), key=lambda a: difference(first[name], a))
        for name in first
    }
    ways["compiled"] = made(compiled, models=False)
    ways[f"{DEVICES} devices"] = None if BACKEND == "torch" else elsewhere(["--devices"], VIRTUAL)
    return first, ways


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--save", type=Path, help="make the values once, into this file")
    parser.add_argument("--devices", action="store_true", help="on eight devices")
    parser.add_argument("--one-core", action="store_true")
    add_argument(parser)
    options = parser.parse_args(arguments)
    # One integer seed for many kernels, on purpose.
    warnings.filterwarnings("ignore", message=".*second kernel")
    if options.one_core and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if options.save is not None:
        found = on_devices() if options.devices else made(eagerly)
        named = {f"{name}#{i}": a for name, each in found.items() for i, a in enumerate(each)}
        np.savez(options.save, **named)
        return 0
    first, ways = all_ways(options.threads)
    publish(f"determinism-{BACKEND}", section(first, ways), options.page)
    cells = [cell(found, name, first) for found in ways.values() for name in first]
    return 0 if all(each in ("-", "same") or float(each) < 1e-5 for each in cells) else 1


if __name__ == "__main__":
    sys.exit(main())
