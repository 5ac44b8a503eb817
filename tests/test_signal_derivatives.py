"""Derivatives by few inputs: as measured, and as the solver expects them."""

import keras
import numpy as np
import pytest
from keras import ops
from keras.layers import Dense

import keras_oddsig as ko


def points(inputs, samples=64):
    return np.random.default_rng(0).uniform(-1, 1, (samples, inputs)).astype("float32")


def network(*kernels, inputs=2, width=256, activation="tanh"):
    layers = [Dense(width, activation, kernel_initializer=kernel) for kernel in kernels]
    model = keras.Sequential([keras.Input((inputs,)), *layers, Dense(1)])
    model.compile(run_eagerly=True)
    return model


@pytest.mark.parametrize("inputs", [1, 3])
@pytest.mark.parametrize("eagerly", [False, True])
def test_they_are_those_of_the_function_that_the_network_is(inputs, eagerly):
    normal = keras.initializers.RandomNormal(stddev=1.5, seed=1)
    model = network(normal, inputs=inputs, width=20)
    model.run_eagerly = eagerly
    x = points(inputs)
    (row,) = ko.signal_report(model, x).layers
    kernel = ops.convert_to_numpy(model.layers[0].kernel).astype("float64")
    z = (x.astype("float64") @ kernel)[:, None]
    # h = tanh(z): h' = w / cosh(z)^2, h'' = -2 w^2 tanh(z) / cosh(z)^2.
    first = kernel / np.cosh(z) ** 2
    second = -2 * kernel**2 * np.tanh(z) / np.cosh(z) ** 2
    found = row.statistics
    assert found["first_derivative"] == pytest.approx(np.sqrt(np.mean(first**2)), rel=1e-3)
    assert found["second_derivative"] == pytest.approx(np.sqrt(np.mean(second**2)), rel=1e-3)
    assert row.predicted_second_derivative is None


def test_they_do_not_hang_on_the_points_of_another_report():
    model = network("normal", "normal", width=8)
    model.run_eagerly = False
    x = points(2)
    first = ko.signal_report(model, x).layers[0].statistics
    ko.signal_report(model, x[:20])
    again = ko.signal_report(model, x).layers[0].statistics
    assert again["second_derivative"] == first["second_derivative"]


@pytest.mark.parametrize("activation", ["tanh", "softsign"])
@pytest.mark.parametrize(
    "kind", ["rotation", "small first", "identity", "few inputs", "few inputs, identity"]
)
def test_predictions_come_true_layer_by_layer(kind, activation):
    hidden = ko.OddSigmoidOrthogonal(activation, depth=20)
    first = hidden
    if kind == "identity":
        first = hidden = ko.OddSigmoidInit(activation, depth=20, negative_rate=0.1)
    if kind == "few inputs":
        first = hidden = ko.OddSigmoidOrthogonal(activation, depth=20, input_dim=2)
    if kind == "few inputs, identity":
        first = hidden = ko.OddSigmoidInit(activation, depth=20, input_dim=2)
    if kind == "small first":
        first = ko.OddSigmoidOrthogonal(activation, depth=20, input_std=0.58)
    model = network(first, *[hidden] * 9, activation=ko.get(activation))
    rows = ko.signal_report(model, points(2, 25)).layers
    for name in ("first_derivative", "second_derivative"):
        measured = np.array([row.statistics[name] for row in rows])
        predicted = np.array([getattr(row, f"predicted_{name}") for row in rows])
        assert measured == pytest.approx(predicted, rel=0.2), name
    if kind.startswith("few inputs"):
        spread = np.array([row.statistics["std"] for row in rows])
        assert spread == pytest.approx([row.predicted_spread for row in rows], rel=0.15)


class TestRough:
    """A verdict on request, on networks as they begin."""

    @pytest.fixture
    def rough(self):
        init = ko.OddSigmoidOrthogonal("tanh", depth=30)
        return network(*[init] * 30, width=32, inputs=1)

    @pytest.fixture
    def smooth(self):
        init = ko.OddSigmoidOrthogonal("tanh", depth=30, input_dim=1)
        return network(*[init] * 30, width=32, inputs=1)

    def test_is_said_with_the_cure_and_the_cure_is_healthy(self, rough, smooth):
        found = ko.signal_report(rough, points(1), derivatives=True)
        assert found.verdict == "rough"
        assert found.start != found.layers[0].name
        assert 'OddSigmoidOrthogonal("tanh", depth=30, input_dim=m)' in found.advice
        found = ko.signal_report(smooth, points(1), derivatives=True)
        assert (found.verdict, found.advice) == ("healthy", "Nothing to do.")

    def test_is_advice_where_it_was_not_asked_for(self, rough):
        found = ko.signal_report(rough, points(1))
        assert found.verdict == "healthy"
        assert found.advice.startswith("Nothing to do, unless derivatives enter the loss")
        found = ko.signal_report(rough, points(1), derivatives=False)
        assert found.advice == "Nothing to do."

    def test_is_told_of_the_last_odd_sigmoid_whatever_follows(self, rough):
        flat = keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros")
        end = keras.layers.Activation("sigmoid")
        model = keras.Sequential([keras.Input((1,)), *rough.layers[:-1], flat, end])
        model.compile(run_eagerly=True)
        found = ko.signal_report(model, points(1), derivatives=True)
        assert found.verdict == "rough"
        assert "input_dim=m" in found.advice

    def test_is_in_units_of_the_domain(self, smooth):
        first = smooth.layers[0]
        first.kernel.assign(first.kernel * 10)
        assert ko.signal_report(smooth, points(1), derivatives=True).verdict == "rough"
        assert ko.signal_report(smooth, points(1) / 10, derivatives=True).verdict == "healthy"

    def test_is_not_said_of_a_network_that_is_trained(self, rough):
        rough.layers[3].bias.assign(rough.layers[3].bias + 0.01)
        assert ko.signal_report(rough, points(1), derivatives=True).verdict == "healthy"

    def test_where_a_signal_dies_the_cure_for_few_inputs_is_named_too(self):
        small = keras.initializers.RandomNormal(stddev=0.01)
        found = ko.signal_report(network(*[small] * 4, width=16), points(2))
        assert found.verdict == "collapsing"
        assert "If derivatives enter the loss, with OddSigmoidOrthogonal(" in found.advice


def test_a_chain_ends_where_the_kind_of_kernel_changes():
    init = ko.OddSigmoidOrthogonal("tanh", depth=4)
    model = network(init, init, "glorot_uniform", init, width=16)
    rows = ko.signal_report(model, points(2)).layers
    known = [row.predicted_second_derivative is not None for row in rows]
    assert known == [True, True, False, False]
    # A kernel that does not read the points themselves.
    behind = keras.Sequential([keras.Input((2,)), Dense(2), *model.layers[:2]])
    assert all(
        row.predicted_second_derivative is None
        for row in ko.signal_report(behind, points(2)).layers
    )


def test_by_default_of_one_to_four_inputs_only():
    few, many = network("normal", inputs=4, width=8), network("normal", inputs=5, width=8)
    name = "second_derivative"
    assert name in ko.signal_report(few, points(4)).layers[0].statistics
    assert name not in ko.signal_report(few, points(4), derivatives=False).layers[0].statistics
    assert name not in ko.signal_report(many, points(5)).layers[0].statistics
    assert name in ko.signal_report(many, points(5), derivatives=True).layers[0].statistics


@pytest.mark.parametrize("case", ["picture", "half", "fixed batch"])
def test_where_they_cannot_be_taken_it_is_said(case):
    x = points(2)
    if case == "picture":
        model = keras.Sequential([keras.Input((2, 2)), Dense(4, "tanh")])
        x = x.reshape(-1, 2, 2)
    elif case == "half":
        layer = Dense(4, "tanh", dtype="float16")
        model = keras.Sequential([keras.Input((2,)), layer])
    else:
        model = keras.Sequential([keras.Input(batch_shape=(64, 2)), Dense(4, "tanh")])
    (row,) = ko.signal_report(model, x).layers
    assert "first_derivative" not in row.statistics
    with pytest.raises(
        ValueError, match=r"`derivatives` must be left out.*Received: derivatives=T"
    ):
        ko.signal_report(model, x, derivatives=True)


def test_the_table_shows_them_in_place_of_directions():
    from rich.console import Console

    init = ko.OddSigmoidInit("tanh", depth=3)
    report = ko.signal_report(network(init, init, init, width=8), points(2))
    console = Console(width=80, record=True)
    report.print(console)
    text = console.export_text()
    last = report.layers[-1]
    assert f"{last.statistics['second_derivative']:.3g}" in text
    assert f"{last.predicted_second_derivative:.3g}" in text
    assert "u_xx" in text
    assert "rank" not in text
    found = report.to_dict()["layers"][-1]
    assert found["predicted_second_derivative"] == last.predicted_second_derivative
