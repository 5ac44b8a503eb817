"""Kernels that are born sharded: `keras.distribution` on JAX, with eight devices.

    python examples/distributed/jax_parallel.py

For whoever trains on several devices with JAX; half a minute on two cores. The devices are virtual
ones of the CPU; with accelerators, leave out XLA_FLAGS. Each device draws its own part of a kernel,
with the values that one device alone would draw. The script shows the shards, the memory that the
compiled draw needs, and a few steps of training.
"""

from __future__ import annotations

import os
import warnings

os.environ["KERAS_BACKEND"] = "jax"
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")

import jax
import keras
import numpy as np
from keras import distribution

import keras_oddsig as ko

WIDTH, LAYERS = 256, 4


def initializers() -> list[keras.initializers.Initializer]:
    return [
        ko.OddSigmoidInit("tanh", depth=LAYERS, seed=7),
        ko.OddSigmoidOrthogonal("tanh", depth=LAYERS, seed=7),
    ]


def show_shards(init: keras.initializers.Initializer, layout: distribution.TensorLayout) -> None:
    """The kernel in parts, the same values, and no room taken for the whole of it."""
    whole = np.asarray(init((WIDTH, WIDTH)))
    layer = keras.layers.Dense(WIDTH, kernel_initializer=init)
    layer.build((None, WIDTH))
    kernel = layer.kernel.value
    parts = {shard.data.shape for shard in kernel.addressable_shards}
    difference = float(np.max(np.abs(np.asarray(kernel) - whole)))

    def draw() -> jax.Array:
        return init((WIDTH, WIDTH))

    compiled = jax.jit(draw, out_shardings=layout.backend_layout).lower().compile()
    memory = compiled.memory_analysis()
    held = (memory.temp_size_in_bytes + memory.output_size_in_bytes) / whole.nbytes
    print(
        f"{type(init).__name__:21} axes {layout.axes}: parts of {parts}, "
        f"{held:.2f} of the kernel in each device's memory, off by {difference:.0e}"
    )
    assert len(kernel.addressable_shards) == 8
    assert parts == {(WIDTH // 8, WIDTH) if layout.axes[0] else (WIDTH, WIDTH // 8)}
    assert held < 0.75
    assert difference < 1e-6


def train(strategy: distribution.DataParallel | distribution.ModelParallel) -> None:
    """A few steps of a deep network under a strategy."""
    distribution.set_distribution(strategy)
    init = ko.OddSigmoidOrthogonal("tanh", depth=LAYERS)
    hidden = [
        keras.layers.Dense(WIDTH, "tanh", kernel_initializer=init, name=f"hidden_{i}")
        for i in range(LAYERS)
    ]
    model = keras.Sequential([keras.Input((WIDTH,)), *hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    x = np.random.default_rng(0).standard_normal((512, WIDTH)).astype("float32")
    losses = model.fit(x, x[:, :1], batch_size=64, epochs=4, verbose=0).history["loss"]
    parts = hidden[0].kernel.value.addressable_shards[0].data.shape
    print(
        f"{type(strategy).__name__}: each device holds {parts} of each kernel, "
        f"loss {losses[0]:.3f} -> {losses[-1]:.3f}"
    )
    whole = isinstance(strategy, distribution.DataParallel)
    assert parts == (WIDTH, WIDTH if whole else WIDTH // 4)
    assert losses[-1] < losses[0] / 2
    distribution.set_distribution(None)


def tailor(strategy: distribution.ModelParallel) -> None:
    """A model that exists gets new kernels, and keeps the layout of each."""

    def tailored() -> keras.Sequential:
        hidden = [keras.layers.Dense(WIDTH, "tanh", name=f"hidden_{i}") for i in range(LAYERS)]
        model = keras.Sequential([keras.Input((WIDTH,)), *hidden])
        ko.tailor(model, seed=7)
        return model

    alone = [np.asarray(layer.kernel) for layer in tailored().layers]
    distribution.set_distribution(strategy)
    kernels = [layer.kernel for layer in tailored().layers]
    distribution.set_distribution(None)
    parts = {shard.data.shape for kernel in kernels for shard in kernel.value.addressable_shards}
    difference = max(
        float(np.max(np.abs(np.asarray(kernel) - whole)))
        for kernel, whole in zip(kernels, alone, strict=True)
    )
    print(f"tailor: parts of {parts} as before, off by {difference:.0e}")
    assert parts == {(WIDTH, WIDTH // 4)}
    assert difference < 1e-6


def main() -> None:
    # The same integer seed twice, on purpose: the two kernels are compared.
    warnings.filterwarnings("ignore", message=".*second kernel")
    keras.utils.set_random_seed(0)
    devices = distribution.list_devices()
    model_mesh = distribution.DeviceMesh((8,), ("model",), devices)
    for axes in ((None, "model"), ("model", None)):
        layout = distribution.TensorLayout(axes, model_mesh)
        layouts = distribution.LayoutMap(model_mesh)
        layouts[".*kernel"] = layout
        for init in initializers():
            distribution.set_distribution(distribution.ModelParallel(layout_map=layouts))
            show_shards(init, layout)
            distribution.set_distribution(None)

    mesh = distribution.DeviceMesh((2, 4), ("batch", "model"), devices)
    layouts = distribution.LayoutMap(mesh)
    layouts[".*hidden.*kernel"] = distribution.TensorLayout((None, "model"), mesh)
    train(distribution.DataParallel(devices=devices))
    strategy = distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")
    train(strategy)
    tailor(strategy)


if __name__ == "__main__":
    main()
