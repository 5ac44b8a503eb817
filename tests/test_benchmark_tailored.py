"""`tailored`, a method of two benchmarks: nothing but what `ko.tailor` gives a user."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

import keras_oddsig as ko
from oddsig_benchmarks.pinn import cells
from oddsig_benchmarks.pinn import methods as of_pinn
from oddsig_benchmarks.pinn.equations import EQUATIONS, sample
from oddsig_benchmarks.trainability import grids, methods, networks, tasks
from oddsig_benchmarks.trainability.recipe import batches

needs_jax = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="networks of this benchmark are JAX functions"
)


def cell(task="digits", depth=4, width="8", samples=0):
    return grids.Cell(task, "tanh", depth, width, samples=samples, steps=20, batch=16)


def numbered(model, x, seed):
    """In place of `tailor`: the first weight is 0 everywhere, the next one 1, and so on."""
    model.set_weights([np.full(w.shape, i, "float32") for i, w in enumerate(model.weights)])


def images():
    """A task of few images, none of them from a file."""
    x = np.random.default_rng(0).normal(size=(300, 28, 28, 1)).astype("float32")
    part = (x, np.arange(300) % 10)
    return tasks.Task(part, part, part, 10, kind="cnn")


def by_hand(setting, task, residual=False):
    """A cell's network as a user writes it, with the activations in the layers."""
    inputs = keras.Input(task.train[0].shape[1:])
    width = setting.widths[0]
    match setting.task:
        case "rnn":
            x = keras.layers.SimpleRNN(width)(inputs)
        case "cnn":
            x = keras.layers.Conv2D(width, 7, strides=7, activation="tanh")(inputs)
            for _ in range(setting.depth - 1):
                x = keras.layers.Conv2D(width, 3, padding="same", activation="tanh")(x)
            x = keras.layers.Flatten()(x)
        case _:
            x = keras.layers.Dense(width, "tanh")(inputs)
            for layer in range(1, setting.depth):
                y = keras.layers.Dense(setting.widths[layer % len(setting.widths)], "tanh")(x)
                x = keras.layers.add([x, y]) if residual else y
    return keras.Model(inputs, keras.layers.Dense(10)(x))


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("tailored", {"width": "8/4", "samples": 30}),
        ("tailored + residual", {}),
        ("tailored", {"task": "rnn", "depth": 9}),
        ("tailored", {"task": "cnn", "depth": 3, "width": "4"}),
    ],
)
def test_tailored_is_what_tailor_makes_of_a_users_model(name, setting):
    setting, method = cell(**setting), methods.METHODS[name]
    task = images() if setting.task == "cnn" else tasks.load(setting.task, setting.depth)
    net = networks.network(setting, method.structure, task)
    drawn = [w for part in networks.draw(net, method, setting, task, seed=3) for w in part]
    model = by_hand(setting, task, residual=method.structure == "residual")
    seen = np.unique(batches(setting, task, seed=3)) if setting.samples else None
    if seen is None:  # the run's first 256, in its own order
        seen = np.random.default_rng(3).permutation(len(task.train[0]))[:256]
    assert len(seen) == (setting.samples or 256)
    ko.tailor(model, task.train[0][seen], seed=3)
    given = model.get_weights()
    for ours, theirs in zip(drawn[:-2], given[:-2], strict=True):  # the output's is Keras's draw
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert drawn[-2].shape == given[-2].shape


def test_all_that_tailor_sets_is_taken_over_biases_too(monkeypatch):
    monkeypatch.setattr(ko, "tailor", numbered)
    setting, task = cell(depth=6, width="8/4"), tasks.load("digits", 6)
    net = networks.network(setting, "plain", task)
    parts = networks.draw(net, methods.METHODS["tailored"], setting, task, seed=0)
    assert [len(part) for part in parts] == [2, 4, 4, 4]
    values = [w.flat[0] for part in parts for w in part]
    assert values == list(range(14))


@pytest.mark.parametrize("structure", ["residual", "batchnorm"])
def test_a_network_in_parts_is_the_same_in_one_model(structure):
    setting, task = cell(depth=6, width="8/4"), tasks.load("digits", 6)
    net = networks.network(setting, structure, task)
    method = dataclasses.replace(methods.METHODS["glorot + residual"], structure=structure)
    weights = networks.draw(net, method, setting, task, seed=0)
    x = y = task.train[0][:5]
    for part, values in zip(
        [net.stem, *(net.block() for _ in range(net.repeats)), net.tail], weights, strict=True
    ):
        part.set_weights(values)
        y = part(y)
    whole = networks.one_model(setting, structure, task)
    whole.set_weights([w for values in weights for w in values])
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (whole(x), y)), rtol=1e-5, atol=1e-6)


@needs_jax
@pytest.mark.parametrize("name", ["tailored", "tailored + residual"])
def test_of_a_physics_informed_network_too(name):
    from oddsig_benchmarks.pinn import networks as functions

    setting = cells.Cell("burgers", 4, 6, points=40)
    inputs = keras.Input((2,))
    x = keras.layers.Dense(6, "tanh")(inputs)
    for _ in range(3):
        y = keras.layers.Dense(6, "tanh")(x)
        x = keras.layers.add([x, y]) if "residual" in name else y
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    points = sample(EQUATIONS["burgers"], setting.points, np.random.default_rng(5)).points
    ko.tailor(model, points.astype("float32"), seed=5)
    found = functions.draw(setting, of_pinn.METHODS[name], seed=5)
    given = model.get_weights()
    np.testing.assert_array_equal(found["first"]["kernel"], given[0])
    np.testing.assert_array_equal(found["first"]["bias"], given[1])
    np.testing.assert_array_equal(found["blocks"]["kernel"], given[2:-2:2])
    np.testing.assert_array_equal(found["blocks"]["bias"], given[3:-2:2])
    np.testing.assert_array_equal(found["output"]["kernel"], given[-2])
    np.testing.assert_array_equal(found["output"]["bias"], given[-1])
    # What is trained is that model.
    u = functions.output_of(of_pinn.METHODS[name].structure, found, points.astype("float32"))
    np.testing.assert_allclose(u, model(points)[:, 0], rtol=1e-5, atol=1e-6)


@needs_jax
def test_all_that_tailor_sets_in_a_physics_informed_network_is_taken_over(monkeypatch):
    from oddsig_benchmarks.pinn import networks as functions

    monkeypatch.setattr(ko, "tailor", numbered)
    found = functions.draw(
        cells.Cell("burgers", 3, 8, points=40), of_pinn.METHODS["tailored"], seed=0
    )
    values = {role: {k: np.unique(v).tolist() for k, v in p.items()} for role, p in found.items()}
    assert values == {
        "first": {"kernel": [0], "bias": [1]},
        "blocks": {"kernel": [2, 4], "bias": [3, 5]},
        "output": {"kernel": [6], "bias": [7]},
    }
