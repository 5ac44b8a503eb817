"""Replicas that start equal: `tf.distribute.MirroredStrategy` with two devices.

    python examples/distributed/tensorflow_mirrored.py

For whoever trains on several devices with TensorFlow; half a minute on two cores. The devices are
virtual ones of the CPU; with GPUs, leave `two_cpus` out.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

import keras_oddsig as ko

WIDTH, LAYERS = 32, 6


def two_cpus() -> list[str]:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return ["CPU:0", "CPU:1"]


def build(cls: type) -> keras.Model:
    init = cls("tanh", depth=LAYERS)
    hidden = [keras.layers.Dense(WIDTH, "tanh", kernel_initializer=init) for _ in range(LAYERS)]
    model = keras.Sequential([keras.Input((WIDTH,)), *hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    return model


def replicas_are_equal(strategy: tf.distribute.Strategy, model: keras.Model) -> bool:
    """Whether all devices hold the same value of each weight."""
    copies = [strategy.experimental_local_results(weight.value) for weight in model.weights]
    assert all(len(values) == strategy.num_replicas_in_sync for values in copies)
    return all(np.array_equal(values[0], value) for values in copies for value in values)


def main() -> None:
    keras.utils.set_random_seed(0)
    strategy = tf.distribute.MirroredStrategy(two_cpus())
    x = np.random.default_rng(0).standard_normal((512, WIDTH)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(64)
    for cls in (ko.OddSigmoidInit, ko.OddSigmoidOrthogonal):
        with strategy.scope():
            model = build(cls)
        at_start = replicas_are_equal(strategy, model)
        losses = model.fit(data, epochs=4, shuffle=False, verbose=0).history["loss"]
        after = replicas_are_equal(strategy, model)
        print(
            f"{cls.__name__}: {strategy.num_replicas_in_sync} replicas, equal at the start: "
            f"{at_start}, after training: {after}; loss {losses[0]:.3f} -> {losses[-1]:.3f}"
        )
        assert at_start
        assert after
        assert losses[-1] < losses[0] / 2


if __name__ == "__main__":
    main()
