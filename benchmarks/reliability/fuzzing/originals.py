"""What honest files hold: models and configs of every class of the package, to begin from."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np

import keras_oddsig as ko

WIDTH = 16  # of every model, and of the doors' data


def network() -> keras.Model:
    """A small model of layers that the doors' data fit."""
    init = ko.OddSigmoidOrthogonal("tanh", depth=3)
    hidden = [keras.layers.Dense(WIDTH, ko.Tanh(), kernel_initializer=init) for _ in range(3)]
    return keras.Sequential([keras.Input((WIDTH,)), *hidden, keras.layers.Dense(2)])


def models() -> list[keras.Model]:
    """Small models that hold every class of the package that a file may hold."""
    entry = keras.Input((WIDTH,))
    stack = ko.LayerStack(keras.layers.Dense(WIDTH, "tanh"), repeats=3)
    branch = ko.DynamicTanh()(keras.layers.Dense(WIDTH, ko.Erf(trainable_rate=True))(entry))
    init = ko.OddSigmoidInit(ko.Algebraic(order=3), seed=5)
    other = keras.layers.Dense(WIDTH, ko.Algebraic(order=3), kernel_initializer=init)(entry)
    merged = keras.layers.Add()([branch, other, entry])
    graph = keras.Model(entry, keras.layers.Dense(2)(ko.DynamicErf()(merged)))
    stacked = keras.Sequential([keras.Input((WIDTH,)), stack, keras.layers.Dense(2)])
    compiled = network()
    compiled.compile("adam", "mse")
    compiled.fit(np.ones((4, WIDTH)), np.ones((4, 2)), verbose=0)
    return [network(), graph, stacked, compiled]


def classes() -> dict[str, Any]:
    """The package's classes that a config may name."""
    names = (
        *("Tanh", "Arctan", "Erf", "Gudermannian", "BipolarSigmoid", "Langevin", "Algebraic"),
        *("Softsign", "OddSigmoid", "OddSigmoidInit", "OddSigmoidOrthogonal", "LayerStack"),
        *("DynamicOddSigmoid", "DynamicTanh", "DynamicErf"),
    )
    return {name: getattr(ko, name) for name in names}


def objects() -> list[Any]:
    """One and more of every class."""
    dense = keras.layers.Dense(WIDTH, "tanh", kernel_initializer=ko.OddSigmoidInit(depth=3))
    named = ("Tanh", "Arctan", "Erf", "Gudermannian", "BipolarSigmoid", "Langevin", "Softsign")
    return [
        *(classes()[name](amplitude=1.5, rate=0.5) for name in named),
        ko.Tanh(trainable_rate=True),
        ko.Algebraic(order=3),
        ko.OddSigmoid("tanh"),
        ko.OddSigmoidInit("erf", depth=7, negative_rate=0.2, noise="uniform"),
        ko.OddSigmoidInit(ko.Algebraic(order=3), noise_scale=0.1, seed=5, gates=2),
        ko.OddSigmoidInit(seed=keras.random.SeedGenerator(4), input_axes=[0], output_axes=[1]),
        ko.OddSigmoidOrthogonal(ko.Arctan(rate=3.0), gain=1.2, rotation="haar"),
        ko.OddSigmoidOrthogonal("tanh", depth=5, input_dim=2, input_std=0.3),
        ko.OddSigmoidOrthogonal("tanh", depth=5, input_std=[0.5, 1.0, 2.0, 4.0]),
        ko.OddSigmoidOrthogonal("softsign", depth=12, bottleneck=4),
        ko.DynamicOddSigmoid("softsign", rate=0.25, shift=True, gamma_regularizer="l2"),
        ko.DynamicOddSigmoid(ko.Algebraic(order=3), axis=[1], beta_constraint="max_norm"),
        ko.DynamicTanh(),
        ko.DynamicErf(),
        ko.LayerStack(dense, repeats=3),
        ko.LayerStack(keras.Sequential([keras.Input((WIDTH,)), dense]), repeats=2),
    ]


def configs() -> list[dict[str, Any]]:
    """The configs of `objects`, as a file holds them."""
    found = [json.loads(json.dumps(keras.saving.serialize_keras_object(o))) for o in objects()]
    stack = next(each for each in found if each["class_name"] == "LayerStack")
    runs = [[number, stack["config"]["layer"]] for number in (1, 2)]
    return [*found, {**stack, "config": {**stack["config"], "runs": runs}}]
