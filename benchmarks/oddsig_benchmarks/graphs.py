"""Random models: graphs of branches, sums, shared, frozen, nested and repeated layers.

Vectors, sequences and images enter; each step takes one signal and makes another of it, and what
was made before may come back as a branch. Small on purpose: a hundred a minute are to be looked at.

Here belongs which models there are. What is asked of them is for the scripts and the tests.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

import keras_oddsig as ko
from keras_oddsig.layers import DynamicErf, DynamicTanh, LayerStack

Signal = Any
ODD = ("tanh", "softsign", "erf", "arctan", "algebraic")
OTHERS = ("relu", "sigmoid", "gelu", None)


class Maker:
    """Makes one random model.

    Args:
        seed: Of all choices.
        steps: How many operations, at most.
    """

    def __init__(self, seed: int, steps: int = 8) -> None:
        self._random = random.Random(seed)
        self._steps = self._random.randint(1, steps)
        self._shared: dict[tuple[int, ...], Any] = {}

    def model(self) -> tuple[keras.Model, Any]:
        """A model, and the shapes of a sample of its inputs."""
        shapes = [self._shape() for _ in range(self._random.choice((1, 1, 1, 2)))]
        inputs = [keras.Input(shape) for shape in shapes]
        known = list(inputs)
        for _ in range(self._steps):
            known.append(self._step(self._random.choice(known[-3:]), known))
        ends = [known[-1]]
        if self._random.random() < 0.2:
            ends.append(self._random.choice(known))
        outputs = [self._end(each) for each in ends]
        return keras.Model(inputs, outputs), shapes

    def _shape(self) -> tuple[int, ...]:
        choose = self._random
        features = choose.choice((1, 2, 5, 16))
        kind = choose.choice(("vector", "vector", "sequence", "image"))
        if kind == "vector":
            return (features,)
        return (choose.randint(3, 6), features) if kind == "sequence" else (6, 6, min(features, 3))

    def _activation(self) -> Any:
        choose = self._random
        if choose.random() < 0.3:
            return choose.choice(OTHERS)
        name = choose.choice(ODD)
        if choose.random() < 0.3:
            cls = type(ko.get(name))
            return cls(
                amplitude=choose.uniform(0.5, 2),
                rate=choose.uniform(0.5, 2),
                trainable_rate=choose.random() < 0.3,
            )
        return name if name in ("tanh", "softsign") else ko.get(name)

    def _units(self) -> int:
        return self._random.choice((1, 3, 8, 8, 16, 16, 24))

    def _step(self, x: Signal, known: list[Signal]) -> Signal:
        steps: list[Callable[..., Signal]] = [
            self._dense,
            self._dense,
            self._dense,
            self._plain,
            self._residual,
            self._branches,
            self._again,
            self._frozen,
            self._nested,
            self._stack,
            self._operation,
        ]
        rank = len(x.shape)
        if rank == 2:
            steps += [self._joined, self._as_sequence]
        elif rank == 3:
            steps += [
                self._recurrent,
                self._convolution,
                self._attention,
                self._timed,
                self._pooled,
            ]
        else:
            steps += [self._image, self._image, self._pooled]
        return self._random.choice(steps)(x, known)

    def _dense(self, x: Signal, _: Any = None) -> Signal:
        return layers.Dense(self._units(), self._activation())(x)

    def _plain(self, x: Signal, _: Any) -> Signal:
        choose = self._random
        made: list[Callable[[], Any]] = [
            lambda: layers.Activation("tanh"),
            lambda: ko.Erf(),
            lambda: layers.Dropout(0.2),
            lambda: layers.GaussianNoise(0.1),
            lambda: layers.LayerNormalization(),
            lambda: layers.BatchNormalization(),
            lambda: layers.UnitNormalization(),
            lambda: layers.Rescaling(choose.uniform(0.1, 3)),
            lambda: layers.ReLU(),
            lambda: DynamicTanh(),
            lambda: DynamicErf(),
            lambda: layers.ActivityRegularization(),
            lambda: layers.Identity(),
        ]
        return choose.choice(made)()(x)

    def _residual(self, x: Signal, _: Any) -> Signal:
        y = x
        if self._random.random() < 0.3:
            y = DynamicTanh()(y)
        for _layer in range(self._random.randint(0, 2)):
            y = self._dense(y)
        y = layers.Dense(x.shape[-1], self._activation())(y)
        return layers.Add()([x, y]) if self._random.random() < 0.5 else x + y

    def _branches(self, x: Signal, _: Any) -> Signal:
        units, number = self._units(), self._random.randint(2, 3)
        parts = [layers.Dense(units, self._activation())(x) for _each in range(number)]
        merge = (layers.Add, layers.Concatenate, layers.Multiply, layers.Average, layers.Maximum)
        return self._random.choice(merge)()(parts)

    def _again(self, x: Signal, _: Any) -> Signal:
        """A layer that is called twice or more."""
        key = tuple(x.shape[1:])
        if key not in self._shared:
            self._shared[key] = layers.Dense(x.shape[-1], self._activation())
        shared = self._shared[key]
        return shared(shared(x))

    def _frozen(self, x: Signal, _: Any) -> Signal:
        return layers.Dense(self._units(), self._activation(), trainable=False)(x)

    def _nested(self, x: Signal, _: Any) -> Signal:
        inner = [
            layers.Dense(self._units(), self._activation())
            for _each in range(self._random.randint(1, 3))
        ]
        model = keras.Sequential([keras.Input(x.shape[1:]), *inner])
        y = model(x)
        return model(x) if self._random.random() < 0.2 else y

    def _stack(self, x: Signal, _: Any) -> Signal:
        layer = layers.Dense(x.shape[-1], self._random.choice(("tanh", "softsign")))
        return LayerStack(layer, self._random.randint(1, 5))(x)

    def _operation(self, x: Signal, _: Any) -> Signal:
        made: list[Callable[[Any], Any]] = [
            lambda x: 0.5 * x,
            lambda x: -x,
            lambda x: x - ops.mean(x, axis=-1, keepdims=True),
            lambda x: ops.tanh(x),
            lambda x: ops.sin(x),
            lambda x: x * x,
            lambda x: ops.softmax(x),
            lambda x: ops.concatenate([x, x], axis=-1),
        ]
        return self._random.choice(made)(x)

    def _joined(self, x: Signal, known: list[Signal]) -> Signal:
        """With another vector that is there."""
        others = [each for each in known if len(each.shape) == 2]
        other = self._random.choice(others)
        if other.shape == x.shape and self._random.random() < 0.5:
            return x * other
        return layers.Concatenate()([x, other])

    def _as_sequence(self, x: Signal, _: Any) -> Signal:
        width = x.shape[-1]
        if width > 64:
            return layers.Dense(8)(x)
        return layers.Reshape((width, 1))(x)

    def _recurrent(self, x: Signal, _: Any) -> Signal:
        choose = self._random
        cls = choose.choice((layers.SimpleRNN, layers.SimpleRNN, layers.LSTM, layers.GRU))
        layer = cls(choose.choice((3, 8)), return_sequences=choose.random() < 0.5)
        return layers.Bidirectional(layer)(x) if choose.random() < 0.3 else layer(x)

    def _convolution(self, x: Signal, _: Any) -> Signal:
        choose = self._random
        if choose.random() < 0.2:
            return layers.SeparableConv1D(8, 3, padding="same", activation="tanh")(x)
        if choose.random() < 0.2:
            return layers.Conv1DTranspose(8, 3, padding="same", activation="tanh")(x)
        return layers.Conv1D(8, 3, padding="same", activation=self._activation())(x)

    def _attention(self, x: Signal, _: Any) -> Signal:
        return x + layers.MultiHeadAttention(2, 4)(x, x)

    def _timed(self, x: Signal, _: Any) -> Signal:
        return layers.TimeDistributed(layers.Dense(8, self._activation()))(x)

    def _pooled(self, x: Signal, _: Any) -> Signal:
        if len(x.shape) == 3:
            return self._random.choice((layers.Flatten, layers.GlobalAveragePooling1D))()(x)
        return self._random.choice((layers.Flatten, layers.GlobalMaxPooling2D))()(x)

    def _image(self, x: Signal, _: Any) -> Signal:
        choose = self._random
        made: list[Callable[[], Any]] = [
            lambda: layers.Conv2D(8, 3, padding="same", activation=self._activation()),
            lambda: layers.Conv2D(4, 1, activation="tanh"),
            lambda: layers.DepthwiseConv2D(3, padding="same", activation="tanh"),
            lambda: layers.SeparableConv2D(8, 3, padding="same", activation="tanh"),
            lambda: layers.AveragePooling2D(2, padding="same"),
            lambda: layers.Conv2DTranspose(4, 3, padding="same", activation="tanh"),
        ]
        return choose.choice(made)()(x)

    def _end(self, x: Signal) -> Signal:
        if len(x.shape) > 2:
            x = layers.Flatten()(x)
        return layers.Dense(self._random.choice((1, 3)), self._random.choice((None, "softmax")))(x)
