"""The networks of the cells, and their initial weights.

A network here has no optimizer and no loss: it is built and drawn, whoever trains it.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

import keras_oddsig as ko

from .grids import Cell
from .methods import ACTIVATIONS, Method, Setting, activation_named
from .recipe import samples
from .tasks import Task
from .transformed import Constants, dks, tat

# Structures that change the activation.
TRANSFORMED: dict[str, Callable[[Any, float, int], Constants]] = {"dks": dks, "tat": tat}


@dataclass(frozen=True)
class Network:
    """`stem`, `repeats` times a block, `tail`; each a Keras model."""

    stem: keras.Model
    block: Callable[[], keras.Model]
    repeats: int
    tail: keras.Model

    @functools.cached_property
    def one_block(self) -> keras.Model:
        """A block, for those who keep the weights of all of them elsewhere."""
        return self.block()


def network(cell: Cell, structure: str, task: Task) -> Network:
    """The network of a cell, not yet initialized."""
    layers = _Layers(cell, structure, task)
    stem = _part(task.train[0].shape[1:], layers.first)
    shape = stem.output_shape[1:]
    return Network(
        stem, lambda: _part(shape, layers.block), layers.repeats, _part(shape, layers.last)
    )


def one_model(cell: Cell, structure: str, task: Task) -> keras.Model:
    """The same network as a user has it: the same layers in one model, without parts."""
    layers = _Layers(cell, structure, task)
    inputs = keras.Input(task.train[0].shape[1:])
    x = layers.first(inputs)
    for number in range(layers.repeats):
        x = layers.block(x, number)
    return keras.Model(inputs, layers.last(x, layers.repeats))


def _part(shape: tuple[int, ...], layers: Callable[[Any], Any]) -> keras.Model:
    inputs = keras.Input(shape)
    return keras.Model(inputs, layers(inputs))


@dataclass(frozen=True)
class _Layers:
    """The layers of a cell's network, as functions of symbolic tensors."""

    cell: Cell
    structure: str
    task: Task

    @property
    def repeats(self) -> int:
        """How many blocks there are; a recurrent network is one layer, whatever its depth."""
        return 0 if self.task.kind == "rnn" else (self.cell.depth - 1) // len(self.cell.widths)

    def first(self, x: Any) -> Any:
        if self.task.kind == "rnn":
            activation = ACTIVATIONS[self.cell.activation]()
            units = self.cell.widths[0]
            return keras.layers.SimpleRNN(units, activation=activation, name="first")(x)
        patches = {}
        if self.task.kind == "cnn":
            # 4 x 4 positions of patches are left of MNIST, 8 x 8 of CIFAR-10.
            side = 7 if x.shape[1] == 28 else 4
            patches = {"kernel_size": side, "strides": side}
        elif self.structure in (*TRANSFORMED, "unit norm"):
            # A mean square of 1 in each sample.
            x = keras.layers.UnitNormalization()(x) * math.sqrt(x.shape[-1])
        return self._hidden(x, "first", 0, **patches)

    def block(self, x: Any, number: int = 0) -> Any:
        """Layers of different widths repeat together; `number`: of the blocks before it."""
        y = self._chain(x, len(self.cell.widths), number)
        return x + y if self.structure == "residual" else y

    def last(self, x: Any, number: int = 0) -> Any:
        """The layers that fill no block, and the output."""
        left = 0 if self.task.kind == "rnn" else (self.cell.depth - 1) % len(self.cell.widths)
        x = self._chain(x, left, number)
        if self.task.kind == "cnn":
            x = keras.layers.Flatten()(x)
        return keras.layers.Dense(self.task.outputs, name="output")(x)

    def _chain(self, x: Any, layers: int, blocks_before: int) -> Any:
        for layer in range(1, layers + 1):
            number = blocks_before * len(self.cell.widths) + layer
            x = self._hidden(x, f"hidden_{number}", layer)
        return x

    def _hidden(self, x: Any, name: str, layer: int, **options: Any) -> Any:
        """A hidden layer: kernel, normalization if any, activation."""
        units = self.cell.widths[layer % len(self.cell.widths)]
        if self.task.kind == "cnn":
            options = {"kernel_size": 3, "padding": "same"} | options
            x = keras.layers.Conv2D(units, name=name, **options)(x)
        else:
            x = keras.layers.Dense(units, name=name)(x)
        if self.structure == "layernorm":
            x = keras.layers.LayerNormalization()(x)
        elif self.structure == "batchnorm":
            # Keras's momentum of .99 would leave the averages of a few hundred steps half made.
            x = keras.layers.BatchNormalization(momentum=0.9)(x)
        return self._activation()(x)

    def _activation(self) -> keras.layers.Layer:
        """Of a hidden layer: the cell's, or what the method makes of it."""
        make = ACTIVATIONS[self.cell.activation]
        if self.structure not in TRANSFORMED:
            return make()
        known = activation_named(self.cell.activation)
        omega = known.profile.critical_gain
        constants = TRANSFORMED[self.structure](known.reference, omega, self.cell.depth)
        return keras.layers.Activation(functools.partial(constants, make()))


Weights = list[list[np.ndarray]]  # of each part, in the order of its `weights`


def draw(net: Network, method: Method, cell: Cell, task: Task, seed: int) -> Weights:
    """The initial weights of stem, each block, and tail."""
    initial = _initializer(method, _setting(cell, task, seed))
    x = task.train[0][:256] if method.lsuv else None
    weights: Weights = []
    for part in [net.stem, *[net.one_block] * net.repeats, net.tail]:
        drawn = [np.asarray(ops.convert_to_numpy(initial(weight))) for weight in part.weights]
        if x is not None:
            part.set_weights(drawn)
            x = _unit_variance(part, x)
            drawn = part.get_weights()
        weights.append(drawn)
    return _tailored(weights, method, cell, task, seed) if method.tailored else weights


def _tailored(weights: Weights, method: Method, cell: Cell, task: Task, seed: int) -> Weights:
    """What `ko.tailor` makes of them, with the run's own samples; biases and all."""
    model = one_model(cell, method.structure, task)
    model.set_weights(list(itertools.chain(*weights)))
    # It looks at no more of them.
    x = task.train[0][samples(cell, task, np.random.default_rng(seed))[:256]]
    ko.tailor(model, x, seed=seed)
    values = iter(model.get_weights())
    return [[next(values) for _ in part] for part in weights]


def _setting(cell: Cell, task: Task, seed: int) -> Setting:
    return Setting(
        activation_named(cell.activation),
        cell.depth,
        keras.random.SeedGenerator(seed),
        recurrent=task.kind == "rnn",
        patches=task.kind == "cnn",
        input_std=task.input_std,
        bottleneck=min(cell.widths) if len(cell.widths) > 1 else None,
    )


def _initializer(method: Method, setting: Setting) -> Callable[[keras.Variable], Any]:
    """The values of a weight, by the names of its layer and its own."""
    makers = {"first": method.first(setting), "hidden": method.hidden(setting)}
    bias = keras.initializers.RandomNormal(
        stddev=method.bias(setting) if method.bias else 0.0, seed=setting.seed
    )
    output = keras.initializers.GlorotUniform(seed=setting.seed)

    def initial(weight: keras.Variable) -> Any:
        role = weight.path.split("/")[0].split("_")[0]
        if weight.name == "recurrent_kernel":
            return makers["hidden"](weight.shape)
        if weight.name == "kernel":
            return makers.get(role, output)(weight.shape)
        if weight.name == "bias" and role != "output" and method.bias:
            return bias(weight.shape)
        if weight.name in ("gamma", "moving_variance"):
            return np.ones(weight.shape, "float32")
        return np.zeros(weight.shape, "float32")

    return initial


def _unit_variance(part: keras.Model, x: Any) -> Any:
    """Scales the kernels of a chain of layers, one after the other; returns its output on x.

    Reference: Mishkin, Matas, [All you need is a good init](https://arxiv.org/abs/1511.06422),
    2016, algorithm 1, with its tolerance of .1 and at most ten trials a layer.
    """
    for layer in part.layers[1:]:
        for _ in range(10):
            y = layer(x)
            variance = float(np.var(ops.convert_to_numpy(y)))
            if not hasattr(layer, "kernel") or variance == 0 or abs(variance - 1) < 0.1:
                break
            layer.kernel.assign(layer.kernel / math.sqrt(variance))
        x = layer(x)
    return x
