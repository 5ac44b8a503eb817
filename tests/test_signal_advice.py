"""What the advice says is done, and the report after it is healthy: of every verdict."""

import re

import keras
import numpy as np
import pytest
from keras import initializers, layers

import keras_oddsig as ko

WIDTH = 32


def samples(*shape, number=64, scale=1.0):
    return (scale * np.random.default_rng(0).standard_normal((number, *shape))).astype("float32")


def dense(units=WIDTH, activation="tanh", **kwargs):
    return layers.Dense(units, activation, **kwargs)


def chain(depth, inputs=WIDTH, activation="tanh", **kwargs):
    hidden = [dense(activation=activation, **kwargs) for _ in range(depth)]
    return sequential((inputs,), *hidden, layers.Dense(3))


def sequential(shape, *parts):
    return run_layer_by_layer(keras.Sequential([keras.Input(shape), *parts]))


def run_layer_by_layer(model):
    """Compiling takes longer than running, here."""
    model.compile(run_eagerly=True)
    return model


def normal(stddev):
    """Kernels that differ from layer to layer."""
    return initializers.RandomNormal(stddev=stddev, seed=keras.random.SeedGenerator(1))


def scaled(gain):
    return initializers.VarianceScaling(gain**2, seed=keras.random.SeedGenerator(1))


def too_few_directions():
    """Rotations through narrow layers that do not lie upon one another."""
    widths = [WIDTH, *[3 if layer % 2 else WIDTH for layer in range(40)]]
    model = sequential((WIDTH,), *[dense(units) for units in widths[1:]])
    gain = ko.OddSigmoidOrthogonal("tanh", depth=40).effective_gain
    rng = np.random.default_rng(7)  # the same kernels on every backend, for some draws are lucky
    for layer, reads in zip(model.layers, widths[:-1], strict=True):
        rotation = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0][:reads, : layer.units]
        layer.kernel.assign(gain * max(1, layer.units / reads) ** 0.5 * rotation)
    return model, samples(WIDTH)


def deaf_units():
    model = chain(6)
    kernel = np.array(keras.ops.convert_to_numpy(model.layers[3].kernel))
    kernel[:, :20] = 0
    model.layers[3].kernel.assign(kernel)
    return model, samples(WIDTH)


def biased():
    kinds = {"kernel_initializer": "orthogonal", "bias_initializer": normal(1.0)}
    return chain(12, **kinds), samples(WIDTH)


def weak_branch():
    """A linear kernel lets next to nothing through, beside one that carries the signal."""
    x = keras.Input((WIDTH,))
    weak = layers.Dense(WIDTH, kernel_initializer=normal(1e-4))(dense()(x))
    y = layers.Activation("tanh")(weak + layers.Dense(WIDTH)(x))
    return run_layer_by_layer(keras.Model(x, layers.Dense(3)(y))), samples(WIDTH)


def convolutional():
    hidden = [
        layers.Conv2D(8, 3, padding="same", activation="tanh", kernel_initializer=scaled(0.7))
        for _ in range(12)
    ]
    return sequential((6, 6, 8), *hidden), samples(6, 6, 8)


def recurrent():
    kinds = {"kernel_initializer": scaled(0.3), "recurrent_initializer": scaled(0.1)}
    hidden = [layers.SimpleRNN(8, return_sequences=True, **kinds) for _ in range(5)]
    return sequential((6, 8), *hidden), samples(6, 8)


def residual():
    x = keras.Input((WIDTH,))
    h = dense()(x)
    for _ in range(24):
        h = h + dense(kernel_initializer="he_normal")(h)
    return run_layer_by_layer(keras.Model(x, layers.Dense(3)(h))), samples(WIDTH)


def bottleneck():
    widths = [WIDTH, WIDTH, 4, WIDTH, WIDTH]
    hidden = [dense(units, kernel_initializer=scaled(0.4)) for units in widths]
    return sequential((WIDTH,), *hidden, layers.Dense(WIDTH)), samples(WIDTH)


def several_inputs():
    a, b = keras.Input((WIDTH,), name="a"), keras.Input((WIDTH,), name="b")
    h = layers.Concatenate()([dense(16)(a), dense(16)(b)])
    for _ in range(4):
        h = dense()(h)
    model = run_layer_by_layer(keras.Model({"a": a, "b": b}, h))
    return model, {"a": samples(WIDTH), "b": samples(WIDTH, scale=50.0)}


GRADIENT = {"y": samples(3), "loss": "mse"}
POINTS = np.linspace(-1, 1, 64, dtype="float32")[:, None]
CURED = {
    "collapsing": (lambda: (chain(30), samples(WIDTH)), "collapsing", {}),
    "units that do not answer": (deaf_units, "collapsing", {}),
    "large kernels": (lambda: (chain(3, kernel_initializer=normal(1.0)), samples(WIDTH)),
                      "saturating", {}),
    "large over many layers": (lambda: (chain(20, kernel_initializer="he_normal"), samples(WIDTH)),
                               "saturating", {}),
    "unscaled data": (lambda: (chain(5), samples(WIDTH, scale=50.0)), "saturating", {}),
    "uneven data": (lambda: (chain(5), samples(WIDTH) * np.geomspace(1e-3, 1e3, WIDTH,
                                                                    dtype="float32")),
                    "saturating", {}),
    "a mean that dwarfs the data": (lambda: (chain(5), samples(WIDTH) + np.float32(30)),
                                    "saturating", {}),
    "a constant feature that does": (lambda: (chain(5), np.where(np.arange(WIDTH) == 3, 1e3,
                                                                 samples(WIDTH))),
                                     "saturating", {}),
    "biases": (biased, "forgetting", {}),
    "narrow layers": (too_few_directions, "forgetting", {}),
    "rough": (lambda: (chain(8, 1, kernel_initializer=normal(0.4)), POINTS), "rough",
              {"derivatives": True}),
    "few inputs that collapse": (lambda: (chain(4, 2, kernel_initializer=normal(0.01)),
                                          samples(2)), "collapsing", {}),
    "exploding": (lambda: (chain(19, activation=ko.Arctan(), kernel_initializer=scaled(4.0)),
                           samples(WIDTH)), "exploding gradient", GRADIENT),
    "vanishing": (weak_branch, "vanishing gradient", GRADIENT),
    "convolutional": (convolutional, "collapsing", {}),
    "recurrent": (recurrent, "collapsing", {}),
    "residual": (residual, "saturating", {}),
    "bottleneck": (bottleneck, "collapsing", {}),
    "several inputs": (several_inputs, "saturating", {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CURED)
def test_what_is_advised_cures(case):
    make, verdict, arguments = CURED[case]
    model, x = make()
    before = ko.signal_report(model, x, **arguments)
    assert before.verdict == verdict
    (call,) = re.findall(r"ko\.tailor\([\w, ]*\)", before.advice)
    eval(call, {"ko": ko, "model": model, "x": x})
    after = ko.signal_report(model, x, **arguments)
    assert after.healthy, after.advice


def advice(model, x, **arguments):
    found = ko.signal_report(model, x, **arguments)
    assert not found.healthy
    return found.advice


class TestWhatItSays:
    def test_of_a_chain_how_to_do_it_by_hand_too(self):
        assert advice(chain(30), samples(WIDTH)) == (
            'Initialize with ko.tailor(model, x); or by hand the kernels with '
            'OddSigmoidOrthogonal("tanh", depth=30), the first with '
            'OddSigmoidOrthogonal("tanh", depth=30, input_std=1).'
        )  # fmt: skip

    @pytest.mark.parametrize("make", [recurrent, residual, several_inputs])
    def test_of_other_models_not_for_no_one_depth_is_right_for_all(self, make):
        model, x = make()
        assert advice(model, x) == (
            "Initialize with ko.tailor(model, x), which makes each kernel for its place."
        )

    def test_of_few_inputs_that_they_are_treated_by_themselves(self):
        found = advice(chain(8, 1, kernel_initializer=normal(0.4)), POINTS, derivatives=True)
        assert "ko.tailor(model, x), which treats a function of few inputs by itself" in found
        assert "input_dim=m" in found

    def test_of_data_where_it_ends(self):
        found = advice(chain(5), samples(WIDTH, scale=50.0))
        assert found.startswith("Initialize with ko.tailor(model, x), which reads each feature by")
        assert "or scale each feature to mean 0" in found


class TestNotNamed:
    """Where it would cure nothing."""

    @pytest.fixture
    def frozen(self):
        model = chain(30)
        model.trainable = False
        return model

    def test_of_frozen_kernels(self, frozen):
        with pytest.warns(UserWarning, match="left the model as it was: dense.*: frozen"):
            ko.tailor(frozen, samples(WIDTH))
        assert advice(frozen, samples(WIDTH)).startswith("Initialize the kernels with")

    def test_of_gates(self):
        model = sequential((5, 8), layers.LSTM(8, kernel_initializer="zeros"))
        with pytest.warns(UserWarning, match="left the model as it was: lstm.*: LSTM: its gates"):
            ko.tailor(model, samples(5, 8))
        assert "ko.tailor" not in advice(model, samples(5, 8))

    def test_before_normalization(self):
        block = (lambda: dense(activation=None), layers.BatchNormalization, ko.Tanh)
        model = sequential((WIDTH,), *[make() for _ in range(30) for make in block])
        with pytest.warns(UserWarning, match="as it was: .*Normalization follows.*and so on"):
            ko.tailor(model, samples(WIDTH))
        assert "ko.tailor" not in advice(model, samples(WIDTH))

    def test_of_more_inputs_than_are_treated_by_themselves(self):
        model = chain(12, 6, kernel_initializer=normal(0.35))
        found = advice(model, samples(6), derivatives=True)
        assert "too rough" in found
        assert "ko.tailor" not in found

    def test_of_a_mean_that_no_bias_can_take_away(self):
        found = advice(chain(10, use_bias=False), samples(WIDTH) + np.float32(30))
        assert "keras.layers.Normalization" in found
        assert "ko.tailor" not in found

    def test_of_numbers_that_are_not_finite(self):
        model = chain(3)
        model.layers[1].bias.assign(np.full(WIDTH, np.nan))
        assert advice(model, samples(WIDTH)).startswith("Look at what enters")

    @pytest.mark.parametrize("number", [np.nan, np.inf])
    def test_of_data_that_are_not_finite(self, number):
        x = samples(WIDTH, number=300)
        x[280, 3] = number  # of which tanh makes 1, if it is infinite
        report = ko.signal_report(chain(3), x)
        found = report.advice
        assert (report.verdict, report.start) == ("not finite", report.layers[0].name)
        assert report.layers[0].verdict == "not finite"
        assert found.startswith("`x` holds numbers that are not finite, in 2.27% of feature 3: ")
        assert "Look at" not in found

    def test_of_other_activations(self):
        found = advice(
            chain(3, activation="relu", kernel_initializer=normal(1e-4)),
            samples(WIDTH),
            layers=layers.Dense,
        )
        assert "odd-sigmoid" in found
        assert "he_normal" in found
        assert "ko.tailor" not in found
        other = chain(3, activation="softmax", kernel_initializer=normal(1e-4))
        found = advice(other, samples(WIDTH), layers=layers.Dense)
        assert "odd-sigmoid" in found
        assert "he_normal" not in found

    def test_of_kernels_that_are_made_already(self):
        init = ko.OddSigmoidOrthogonal("tanh", depth=12)
        model = chain(12, kernel_initializer=init, bias_initializer=normal(1.0))
        assert advice(model, samples(WIDTH)).startswith("The kernels were made for this activation")
