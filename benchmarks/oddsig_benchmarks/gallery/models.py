"""The networks of the field, as a user builds them: without a word about initialization.

Plain Keras on any backend. Each function returns a new model with Keras's default initializers.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def burgers() -> keras.Model:
    """A physics-informed network: u(t, x)."""
    hidden = [layers.Dense(16, "tanh") for _ in range(30)]
    return keras.Sequential([keras.Input((2,)), *hidden, layers.Dense(1)])


def convolutional() -> keras.Model:
    """Twenty convolutions on color images; the first three halve them."""
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for layer in range(20):
        strides = 2 if layer < 3 else 1
        model.add(layers.Conv2D(16, 3, strides, padding="same", activation="tanh"))
    model.add(layers.Flatten())
    model.add(layers.Dense(10))
    return model


def recurrent() -> keras.Model:
    """Eight numbers a step, 200 steps; Keras's activation of a SimpleRNN is tanh."""
    return keras.Sequential([keras.Input((200, 8)), layers.SimpleRNN(32), layers.Dense(10)])


def deeponet() -> keras.Model:
    """A function by its values at 50 sensors, and a place: the value of its image there."""
    function, place = keras.Input((50,), name="function"), keras.Input((1,), name="place")
    branch, trunk = function, place
    for _ in range(6):
        branch = layers.Dense(40, "tanh")(branch)
        trunk = layers.Dense(40, "tanh")(trunk)
    branch = layers.Dense(40)(branch)
    return keras.Model([function, place], layers.Dot(axes=1)([branch, trunk]))


def autoencoder() -> keras.Model:
    """784-256-64-4-64-256-784, pixels from 0 to 1."""
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(256, "tanh"),
            layers.Dense(64, "tanh"),
            layers.Dense(4, name="latent"),
            layers.Dense(64, "tanh"),
            layers.Dense(256, "tanh"),
            layers.Dense(784, "sigmoid"),
        ]
    )


def chain() -> keras.Model:
    """Fifty layers of 16 and 4 in turn."""
    hidden = [layers.Dense(4 if layer % 2 else 16, "tanh") for layer in range(50)]
    return keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10)])


def chain_with_skips() -> keras.Model:
    """The same with a sum over every two layers."""
    inputs = keras.Input((64,))
    x = layers.Dense(16, "tanh")(inputs)
    for _ in range(24):
        y = layers.Dense(4, "tanh")(x)
        y = layers.Dense(16, "tanh")(y)
        x = layers.Add()([x, y])
    return keras.Model(inputs, layers.Dense(10)(x))


def policy() -> keras.Model:
    """Cosine, sine and speed of a pendulum: the torque, from -1 to 1."""
    return keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(64, "tanh"),
            layers.Dense(64, "tanh"),
            layers.Dense(1, "tanh"),
        ]
    )


def towers() -> keras.Model:
    """Two ways of different length from the same input, concatenated."""
    inputs = keras.Input((64,))
    short, long = inputs, inputs
    for _ in range(4):
        short = layers.Dense(32, "tanh")(short)
    for _ in range(24):
        long = layers.Dense(32, "tanh")(long)
    x = layers.Concatenate()([short, long])
    x = layers.Dense(32, "tanh")(x)
    return keras.Model(inputs, layers.Dense(10)(x))


def several() -> keras.Model:
    """An image and a row of numbers in, a class and a number out."""
    image, sums = keras.Input((8, 8, 1), name="image"), keras.Input((16,), name="sums")
    x, y = image, sums
    for _ in range(3):
        x = layers.Conv2D(8, 3, padding="same", activation="tanh")(x)
    x = layers.Dense(32, "tanh")(layers.Flatten()(x))
    for _ in range(3):
        y = layers.Dense(32, "tanh")(y)
    z = layers.Concatenate()([x, y])
    for _ in range(8):
        z = layers.Dense(32, "tanh")(z)
    digit = layers.Dense(10, name="digit")(layers.Dense(32, "tanh")(z))
    ink = layers.Dense(1, name="ink")(layers.Dense(16, "tanh")(z))
    return keras.Model({"image": image, "sums": sums}, {"digit": digit, "ink": ink})


class Stack(keras.Model):
    """A model of one's own, whose layers sit in a list."""

    def __init__(self, depth: int, width: int, outputs: int) -> None:
        super().__init__()
        self.hidden = [layers.Dense(width, "tanh") for _ in range(depth)]
        self.out = layers.Dense(outputs)

    def call(self, x: Any) -> Any:
        for layer in self.hidden:
            x = layer(x)
        return self.out(x)


def subclassed() -> keras.Model:
    """Fifty layers of 32."""
    model = Stack(50, 32, 10)
    model(keras.ops.zeros((1, 64)))
    return model
