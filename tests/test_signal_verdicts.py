"""Verdicts on data as they come: scikit-learn's tables, raw and standardized."""

import keras
import numpy as np
import pytest
from keras.layers import Dense
from sklearn import datasets
from sklearn.preprocessing import scale

import keras_oddsig as ko

TABLES = {
    "breast_cancer": datasets.load_breast_cancer,
    "diabetes": lambda: datasets.load_diabetes(scaled=False),
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "linnerud": datasets.load_linnerud,
    "wine": datasets.load_wine,
}


@pytest.fixture(params=TABLES)
def table(request):
    return TABLES[request.param]().data[:200]


def network(units, init=ko.OddSigmoidOrthogonal, first=None, layers=10):
    hidden = init("tanh", depth=layers)
    kernels = [first or hidden] + [hidden] * (layers - 1)
    model = keras.Sequential(
        [keras.Input((units,)), *[Dense(32, "tanh", kernel_initializer=k) for k in kernels]]
    )
    model.compile(run_eagerly=True)
    return model


def report(x, **kwargs):
    return ko.signal_report(network(x.shape[1], **kwargs), x)


@pytest.mark.parametrize("init", [ko.OddSigmoidInit, ko.OddSigmoidOrthogonal])
class TestTables:
    def test_raw_data_saturate_the_first_layer_though_the_others_recover(self, table, init):
        found = report(table.astype("float32"), init=init)
        assert found.verdict == "saturating"
        assert found.start == found.layers[0].name
        assert found.layers[-1].verdict == "healthy"
        assert "standard deviation 1 (keras.layers.Normalization)" in found.advice

    def test_standardized_data_are_healthy(self, table, init):
        assert report(scale(table).astype("float32"), init=init).healthy


class TestFeatures:
    @pytest.fixture
    def x(self):
        return np.random.default_rng(0).standard_normal((128, 16)).astype("float32")

    def test_a_feature_that_is_always_0_does_no_harm(self, x):
        assert report(np.pad(x, ((0, 0), (0, 4)))).healthy

    def test_a_large_constant_feature_does(self, x):
        found = report(np.pad(x, ((0, 0), (0, 1)), constant_values=1000))
        assert found.verdict == "saturating"
        assert "The mean of the data (rms 2.4e+02) dwarfs" in found.advice
        assert "(standard deviation 0.97)" in found.advice

    def test_a_mean_that_dwarfs_the_spread_is_seen_behind_a_small_first_kernel_too(self, x):
        first = ko.OddSigmoidOrthogonal("tanh", depth=10, input_std=30.0)
        found = report(x + 30, first=first)
        assert (found.verdict, found.start) == ("forgetting", found.layers[0].name)
        assert "The mean of the data (rms 30) dwarfs" in found.advice
        assert report(x + 1, first=first).healthy

    def test_one_input_is_one_direction_by_nature(self, x):
        assert report(x[:, :1]).healthy

    def test_one_input_whose_mean_a_bias_takes_away_is_no_news_either(self, x):
        hidden = [Dense(32, "tanh") for _ in range(3)]
        model = keras.Sequential([keras.Input((1,)), *hidden])
        found = ko.signal_report(model, x[:, :1] + 30)
        assert found.verdict in ("forgetting", "saturating")
        ko.tailor(model, x[:, :1] + 30, seed=0)
        assert ko.signal_report(model, x[:, :1] + 30).healthy

    def test_advice_names_the_scale_where_all_features_have_one(self, x):
        found = report(50 * x)
        scale = float(np.sqrt(np.mean((50 * x) ** 2)))
        assert f'OddSigmoidOrthogonal("tanh", depth=10, input_std={scale:.2g})' in found.advice
        first = ko.OddSigmoidOrthogonal("tanh", depth=10, input_std=scale)
        assert report(50 * x, first=first).healthy

    def test_units_that_do_not_answer_are_a_fault_wherever_they_are(self, x):
        model = network(16)
        kernel = np.array(keras.ops.convert_to_numpy(model.layers[4].kernel))
        kernel[:, :20] = 0
        model.layers[4].kernel.assign(kernel)
        found = ko.signal_report(model, x)
        assert (found.verdict, found.start) == ("collapsing", model.layers[4].name)
        assert found.layers[-1].verdict == "healthy"

    def test_zeros_of_a_relu_are_no_dead_units(self, x):
        relu = [Dense(32, "relu", bias_initializer=keras.initializers.Constant(-0.5))]
        model = keras.Sequential([keras.Input((16,)), *relu, Dense(4)])
        found = ko.signal_report(model, x, layers=Dense)
        assert found.layers[0].statistics["dead"] > 0.5
        assert found.healthy

    def test_the_margin_of_a_picture_is_no_dead_unit(self):
        init = ko.OddSigmoidOrthogonal("tanh", depth=4)
        layers = [
            keras.layers.Conv2D(8, 3, padding="same", activation="tanh", kernel_initializer=init)
            for _ in range(4)
        ]
        model = keras.Sequential([keras.Input((12, 12, 2)), *layers])
        x = np.zeros((32, 12, 12, 2), "float32")
        x[:, 5:7, 5:7] = 3 * np.random.default_rng(0).standard_normal((32, 2, 2, 2))
        found = ko.signal_report(model, x)
        assert found.layers[0].statistics["dead"] > 0.5
        assert found.healthy


class TestOneUnit:
    """In one unit all samples lie in one direction, whatever the network."""

    @pytest.fixture
    def x(self):
        return np.random.default_rng(0).standard_normal((128, 24)).astype("float32")

    def with_one_at_the_end(self, init, x):
        model = network(24, first=init, init=lambda *args, **kwargs: init, layers=60)
        model.add(Dense(1, "tanh"))
        return ko.signal_report(model, x)

    def test_is_no_fault(self, x):
        assert self.with_one_at_the_end(ko.OddSigmoidOrthogonal("tanh", depth=60), x).healthy

    def test_hides_none(self, x):
        found = self.with_one_at_the_end("glorot_uniform", x)
        assert found.verdict == "collapsing"

    def test_that_all_passes_through_it_is_the_model_s_own(self, x):
        widths = (32, 32, 1, 32, 32)
        model = keras.Sequential([keras.Input((24,)), *[Dense(n, "tanh") for n in widths]])
        report = ko.tailor(model, x, seed=0)
        assert all("bottleneck=1" in row.initializer for row in report.kernels[1:])
        found = ko.signal_report(model, x)
        assert found.verdict == "forgetting"
        narrow = model.layers[2].name
        assert found.advice.startswith(f"{narrow} has one unit: all that comes behind")
