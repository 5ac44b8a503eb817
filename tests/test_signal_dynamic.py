"""The signal in layers that stand where a normalization stood, on the backend of KERAS_BACKEND."""

import io
import json

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_oddsig as ko
from keras_oddsig.signal.measurement import Measurement

STATISTIC = "preactivation_rms"
SAMPLES = 64


def data(*shape, scale=1.0, samples=SAMPLES):
    x = scale * np.random.default_rng(0).standard_normal((samples, *(shape or (6,))))
    return x.astype("float32")


X, Y = data(), data(3)


def sequential(*parts, shape=(6,), compiled=False):
    model = keras.Sequential([keras.Input(shape), *parts])
    if not compiled:
        model.compile(run_eagerly=True)
    return model


def numbers(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, "float32")).astype("float64")


def give_values(layer, seed=1):
    """Weights that are all different, of either sign."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.uniform(1.5, 2.5, tuple(weight.shape)) * rng.choice([-1, 1]))
    return layer


def entering(layer, x):
    """What the layer's function is given, and what the function makes of it."""
    shift = 0 if layer.shift_weight is None else numbers(layer.shift_weight)
    z = numbers(layer.rate_weight) * x + shift
    return z, layer.activation.reference(z)


def root_mean_square(x):
    return float(np.sqrt(np.mean(x**2)))


def statistics(report):
    return {row.name: row.statistics for row in report.layers}


KINDS = {
    "tanh": lambda **kwargs: ko.DynamicTanh(**kwargs),
    "shift": lambda **kwargs: ko.DynamicErf(**kwargs),
    "scaled": lambda **kwargs: ko.DynamicOddSigmoid(
        ko.Arctan(amplitude=2.0, rate=9.0), shift=True, **kwargs
    ),
    "bare": lambda **kwargs: ko.DynamicTanh(center=False, scale=False, **kwargs),
}


class Affine(layers.Layer):
    def __init__(self, gamma, beta):
        super().__init__()
        self.gamma, self.beta = gamma, beta

    def call(self, x):
        return self.gamma * x + self.beta


# ----------------------------------------------------------------------------------
# Rows
# ----------------------------------------------------------------------------------


class TestRow:
    @pytest.mark.parametrize("loss", [None, "mse"])
    @pytest.mark.parametrize("compiled", [False, True])
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_the_function_before_gamma_and_beta(self, kind, compiled, loss):
        made = ko.OddSigmoidOrthogonal("tanh", depth=2)  # for tanh alone, with no rate between
        dense, layer = layers.Dense(5, kernel_initializer=made), KINDS[kind](name="d")
        model = sequential(dense, layer, layers.Dense(3), compiled=compiled)
        give_values(layer)
        x = numbers(dense(ops.convert_to_tensor(X)))
        z, f = entering(layer, x)
        (row,) = ko.signal_report(model, X, None if loss is None else Y, loss).layers
        assert row.name == "d"
        assert row.activation == {"shift": "erf", "scaled": "arctan"}.get(kind, "tanh")
        bound = layer.activation.profile.bound
        expected = {
            "mean": f.mean(),
            "std": f.std(),
            "rms": root_mean_square(f),
            "min": f.min(),
            "max": f.max(),
            "saturated": np.mean(np.abs(f) > 0.97 * bound),
            STATISTIC: root_mean_square(z),
        }
        found = {name: row.statistics[name] for name in expected}
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)
        assert 0 < expected["saturated"] < 1
        assert np.isnan([row.statistics["dead"], row.statistics["negative_rate"]]).all()
        assert row.predicted_spread is None

    def test_is_that_of_an_activation_and_an_affine_map(self):
        """Gradients too: with respect to what the function returns, and of the kernel before."""
        dense, layer, last = layers.Dense(5), ko.DynamicTanh(), layers.Dense(3)
        model = sequential(dense, layer, last)
        give_values(layer)
        rate, gamma, beta = (numbers(w) for w in (layer.rate_weight, layer.gamma, layer.beta))
        inputs = keras.Input((6,))
        f = layers.Activation("tanh")(layers.Rescaling(float(rate))(dense(inputs)))
        affine = Affine(ops.cast(gamma, "float32"), ops.cast(beta, "float32"))
        apart = keras.Model(inputs, last(affine(f)))
        apart.compile(run_eagerly=True)
        (row,) = ko.signal_report(model, X, Y, "mse").layers
        (same,) = ko.signal_report(apart, X, Y, "mse").layers
        shared = dict(row.statistics)
        assert shared.pop(STATISTIC) > 0
        for name in ("dead", "negative_rate", "kernel_gradient"):
            del shared[name]
        assert shared == pytest.approx({k: same.statistics[k] for k in shared}, rel=1e-3)
        assert row.statistics["kernel_gradient"] > 0

    @pytest.mark.parametrize("compiled", [False, True])
    def test_a_sample_of_several_tokens_is_one(self, compiled):
        """Whatever shape the layer computes in: directions, spreads, gradients are a sample's."""
        parts = [layers.Rescaling(2.0), layers.Activation("tanh")], [ko.DynamicTanh(rate=2.0)]
        last = layers.Dense(3)
        apart, model = (sequential(*p, last, shape=(4, 6), compiled=compiled) for p in parts)
        x, y = data(4, 6, samples=10), data(4, 3, samples=10)
        (row,) = ko.signal_report(model, x, y, "mse").layers
        (same,) = ko.signal_report(apart, x, y, "mse").layers
        names = ("std", "cosine", "effective_rank", "spread_min", "activation_gradient")
        found, expected = ({n: r.statistics[n] for n in names} for r in (row, same))
        assert found == pytest.approx(expected, rel=1e-3)

    def test_others_have_nothing_to_say_of_what_enters(self):
        parts = [layers.Dense(5, "tanh", name="a"), ko.DynamicTanh(name="d"), layers.Dense(4)]
        model = sequential(*parts, layers.Activation("relu", name="r"))
        found = statistics(ko.signal_report(model, X))
        assert list(found) == ["a", "d", "r"]
        assert np.isnan([found["a"][STATISTIC], found["r"][STATISTIC]]).all()
        assert found["d"][STATISTIC] > 0

    def test_without_such_a_layer_there_is_no_such_statistic(self):
        report = ko.signal_report(sequential(layers.Dense(5, "tanh")), X, data(5), "mse")
        assert STATISTIC not in report.layers[0].statistics

    def test_batches_are_pooled_as_root_mean_squares(self):
        x = np.concatenate([data(samples=256), data(samples=200, scale=5.0)])
        layer = ko.DynamicTanh()
        (row,) = ko.signal_report(sequential(layer), x).layers
        expected = 0.5 * root_mean_square(x.astype("float64"))
        assert row.statistics[STATISTIC] == pytest.approx(expected, rel=1e-4)

    def test_half_precision_is_measured_as_it_computes(self):
        layer = ko.DynamicTanh(rate=100.0, dtype="mixed_float16")
        model = sequential(layer, shape=(6,))
        x = data(scale=1e3)
        (row,) = ko.signal_report(model, x).layers
        # Squares of these do not fit into float16.
        expected = root_mean_square(100 * x.astype("float64"))
        assert row.statistics[STATISTIC] == pytest.approx(expected, rel=1e-2)

    def test_padding_that_is_masked_is_looked_at_as_the_rest(self):
        x = data(4, 6)
        x[:, 2:] = 0
        layer = ko.DynamicTanh(rate=2.0)
        masked = sequential(layers.Masking(), layer, shape=(4, 6))
        (row,) = ko.signal_report(masked, x).layers
        assert row.statistics[STATISTIC] == pytest.approx(2 * root_mean_square(x), rel=1e-4)

    def test_a_gamma_of_rank_two_is_no_kernel(self):
        layer = ko.DynamicTanh(axis=[1, 2])
        parts = [layers.Activation("tanh"), layers.Flatten(), layers.Dense(3, "tanh")]
        model = sequential(layer, *parts, shape=(4, 6))
        rows = ko.signal_report(model, data(4, 6), Y, "mse").layers
        gradients = [row.statistics["kernel_gradient"] for row in rows]
        assert np.isnan(gradients).tolist() == [True, True, False]

    def test_what_enters_the_model_is_not_what_enters_the_function(self):
        found = Measurement(sequential(ko.DynamicTanh(rate=7.0), layers.Dense(3)))(X)
        assert found.source.rms == pytest.approx(root_mean_square(X), rel=1e-4)


class TestSelection:
    @pytest.fixture
    def model(self):
        return sequential(layers.Dense(6, "tanh", name="a"), ko.DynamicTanh(name="d"))

    @pytest.mark.parametrize(
        "wanted", ["d", ko.DynamicTanh, ko.DynamicOddSigmoid, lambda each: each.name == "d"]
    )
    def test_one_that_is_asked_for_is_the_row_it_is_by_default(self, model, wanted):
        whole = statistics(ko.signal_report(model, X))["d"]
        (row,) = ko.signal_report(model, X, layers=wanted).layers
        names = ("std", "saturated", STATISTIC)
        assert row.name == "d"
        assert {n: row.statistics[n] for n in names} == pytest.approx({n: whole[n] for n in names})

    def test_the_function_inside_can_be_asked_for_by_itself(self, model):
        (row,) = ko.signal_report(model, X, layers="activation").layers
        assert row.name == "activation"
        assert STATISTIC not in row.statistics

    def test_all_layers_are_a_row_each_but_for_the_function_inside(self, model):
        report = ko.signal_report(model, X, layers=lambda layer: True)
        assert list(statistics(report)) == ["a", "d"]

    def test_a_second_call_is_a_row_too(self):
        layer = ko.DynamicTanh(name="d")
        x = keras.Input((6,))
        model = keras.Model(x, layer(layers.Dense(6)(layer(x))))
        model.compile(run_eagerly=True)
        assert list(statistics(ko.signal_report(model, X))) == ["d", "d#2"]

    def test_in_a_loop_the_layer_around_is_the_row_of_no_known_bound(self):
        around = layers.TimeDistributed(ko.DynamicTanh(rate=50.0), name="td")
        (row,) = ko.signal_report(sequential(around, shape=(4, 6)), data(4, 6)).layers
        assert (row.name, row.activation) == ("td", None)
        assert np.isnan(row.statistics["saturated"])

    @pytest.mark.parametrize("wanted", [None, "own"])
    def test_what_calls_the_function_in_its_own_way_is_a_row_as_a_whole(self, wanted):
        class Own(ko.DynamicTanh):
            def call(self, inputs):
                return self.gamma * ops.tanh(inputs)

        (row,) = ko.signal_report(sequential(Own(name="own")), X, layers=wanted).layers
        assert row.statistics["std"] == pytest.approx(np.tanh(X).std(), rel=1e-3)
        assert STATISTIC not in row.statistics

    def test_a_stack_shows_them_one_by_one(self):
        parts = [keras.Input((6,)), ko.DynamicTanh(name="d"), layers.Dense(6, "gelu", name="e")]
        stack = ko.LayerStack(keras.Sequential(parts, name="block"), 3, name="stack")
        model = sequential(stack)
        rates = next(w for w in stack.weights if w.name.endswith("rate"))
        rates.assign([0.5, 1.0, 2.0])
        found = statistics(ko.signal_report(model, X))
        assert len(found) == 3
        assert all(name.startswith(f"stack.{i}") for i, name in enumerate(found))
        first, *others = (row[STATISTIC] for row in found.values())
        assert first == pytest.approx(0.5 * root_mean_square(X), rel=1e-4)
        assert np.isfinite(others).all()


class TestOthers:
    """Rows of other layers are compared with each other, whatever stands between them."""

    def test_the_first_of_them_is_what_they_are_compared_with(self):
        hidden = [layers.Dense(6, "tanh", name=f"h{i}") for i in range(3)]
        dynamic = ko.DynamicTanh(rate=1e-4)
        model = sequential(dynamic, *hidden)
        dynamic.gamma.assign(1e4 * np.ones(6))
        rest = keras.Sequential([keras.Input((6,)), *hidden])
        rest.compile(run_eagerly=True)
        found = statistics(ko.signal_report(model, X))
        expected = statistics(ko.signal_report(rest, numbers(dynamic(X)).astype("float32")))
        for name, row in expected.items():
            same = {key: found[name][key] for key in row}
            assert same == pytest.approx(row, rel=1e-3, abs=1e-6)
        assert 0 < expected["h1"]["negative_rate"] < 1

    def test_a_chain_that_collapses_does_so_behind_one_that_does_not(self):
        small = keras.initializers.RandomNormal(stddev=0.05, seed=keras.random.SeedGenerator(1))
        hidden = [layers.Dense(32, "tanh", kernel_initializer=small) for _ in range(9)]
        x = data(32)
        alone = ko.signal_report(sequential(*hidden, shape=(32,)), x)
        found = ko.signal_report(sequential(ko.DynamicTanh(rate=1.0), *hidden, shape=(32,)), x)
        assert alone.verdict == found.verdict == "collapsing"
        assert found.start in [layer.name for layer in hidden]
        assert "rate" not in found.advice
        assert "ko.tailor(model, x)" in found.advice

    def test_data_are_not_blamed_for_what_lies_behind_one(self):
        large = keras.initializers.RandomNormal(stddev=9.0, seed=keras.random.SeedGenerator(1))
        hidden = layers.Dense(32, "tanh", kernel_initializer=large)
        model = sequential(ko.DynamicTanh(rate=0.02), hidden, shape=(32,))
        report = ko.signal_report(model, data(32, scale=50.0))
        assert (report.verdict, report.start) == ("saturating", hidden.name)
        assert "data" not in report.advice

    def test_where_no_other_is_odd_none_is_judged(self):
        weak = keras.initializers.RandomNormal(stddev=1e-4)
        gelu = [layers.Activation("gelu") for _ in range(2)]
        weakened = layers.Dense(6, kernel_initializer=weak)
        assert not ko.signal_report(sequential(gelu[0], weakened, gelu[1]), X).healthy
        beside = sequential(gelu[0], ko.DynamicTanh(rate=1.0), weakened, gelu[1])
        assert ko.signal_report(beside, X).healthy

    def test_the_depth_of_a_chain_does_not_count_them(self):
        hidden = [layers.Dense(32, "tanh", kernel_initializer="zeros") for _ in range(4)]
        dynamic = ko.DynamicTanh(rate=1.0)
        report = ko.signal_report(sequential(*hidden, dynamic, shape=(32,)), data(32))
        assert "depth=4" in report.advice


# ----------------------------------------------------------------------------------
# Verdicts
# ----------------------------------------------------------------------------------

TOKENS = np.random.default_rng(0).integers(0, 20, (32, 8))
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def transformer(rate, width=16, blocks=2):
    """Of small embeddings, which a LayerNormalization would bring to size 1."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((8,), dtype="int32")
    small = keras.initializers.RandomNormal(stddev=0.03)
    h = layers.Embedding(20, width, embeddings_initializer=small)(tokens)
    for i in range(blocks):
        a = ko.DynamicTanh(rate, name=f"attention{i}")(h)
        h = h + layers.MultiHeadAttention(2, width // 2)(a, a, use_causal_mask=True)
        a = ko.DynamicTanh(rate, name=f"dense{i}")(h)
        h = h + layers.Dense(width)(layers.Activation("gelu")(layers.Dense(2 * width)(a)))
    h = ko.DynamicTanh(rate, name="last")(h)
    model = keras.Model(tokens, layers.Dense(20)(h))
    model.compile(run_eagerly=True)
    return model


def fit_to_the_signal(model, x, product):
    """Gives each layer the rate that makes `product` of what enters, and a gamma that makes 1."""
    dynamic = [layer for layer in model.layers if isinstance(layer, ko.DynamicOddSigmoid)]
    for layer in dynamic:
        found = statistics(ko.signal_report(model, x))[layer.name][STATISTIC]
        layer.rate_weight.assign(float(numbers(layer.rate_weight)) * product / found)
        found = statistics(ko.signal_report(model, x))[layer.name]["rms"]
        layer.gamma.assign(np.ones(tuple(layer.gamma.shape)) / found)


@pytest.mark.parametrize("targets", [None, TOKENS])
class TestTransformer:
    """Two rates are wrong, and any is right that gamma makes up for."""

    def report(self, model, targets):
        return ko.signal_report(model, TOKENS, targets, None if targets is None else LOSS)

    def test_a_rate_too_small_collapses(self, targets):
        report = self.report(transformer(0.5), targets)
        assert (report.verdict, report.start) == ("collapsing", "attention0")
        size = report.layers[0].statistics[STATISTIC]
        assert report.advice == (
            f"The root mean square of what enters attention0, times its rate, is {size:.2g}, so "
            "small that it passes on next to nothing. Initialize with ko.tailor(model, x), which "
            "sets the rate and gamma of each such layer by what enters it; or by hand so that "
            "embeddings or data have a root mean square of 1."
        )
        faults = {row.name: row.verdict for row in report.layers}
        assert faults.pop("activation", "healthy") == "healthy"  # gelu's small numbers are its own
        assert faults["last"] == "collapsing"

    def test_a_rate_too_large_saturates(self, targets):
        report = self.report(transformer(50.0), targets)
        assert report.verdict == "saturating"
        start = next(row for row in report.layers if row.name == report.start)
        assert start.statistics["saturated"] > 0.5
        assert "so large that most of it is saturated" in report.advice
        assert "ko.tailor(model, x)" in report.advice

    @pytest.mark.parametrize("product", [1.0, 0.01])
    def test_one_of_size_1_behind_gamma_is_healthy(self, targets, product):
        model = transformer(0.5)
        fit_to_the_signal(model, TOKENS, product)
        report = self.report(model, targets)
        assert report.healthy, report.advice
        row = report.layers[0].statistics
        assert row[STATISTIC] == pytest.approx(product, rel=1e-3)


class TestVerdict:
    def test_an_infinite_number_that_enters_is_seen_though_none_comes_out(self):
        x = X.copy()
        x[3, 2] = np.inf
        report = ko.signal_report(sequential(ko.DynamicTanh(name="d"), layers.Dense(3)), x)
        assert (report.verdict, report.start) == ("not finite", "d")

    @pytest.mark.parametrize(("rate", "verdict"), [(20.0, "healthy"), (1.0, "collapsing")])
    def test_a_rate_of_the_function_counts_as_the_layer_s_does(self, rate, verdict):
        gamma = keras.initializers.Constant(0.1)
        layer = ko.DynamicOddSigmoid(ko.Tanh(rate=rate), rate=0.05, gamma_initializer=gamma)
        assert ko.signal_report(sequential(layer), X).verdict == verdict

    def chain(self, weak=0.0005, gamma=2000.0, deaf=0, gain=1.0):
        """Two such layers, of which the first is linear; of the second some units are deaf."""
        first, last = ko.DynamicTanh(weak, name="first"), ko.DynamicTanh(1.0, name="last")
        between = layers.Dense(6, use_bias=False)
        model = sequential(first, between, last)
        first.gamma.assign(gamma * np.ones(6))
        between.kernel.assign(np.diag([50.0] * deaf + [gain] * (6 - deaf)))
        return model

    def test_gamma_is_no_growth_of_a_gradient(self):
        report = ko.signal_report(self.chain(), X, data(6), "mse")
        first, last = (row.statistics["activation_gradient"] for row in report.layers)
        assert first > 100 * last
        assert report.healthy

    def test_nor_is_a_gamma_of_0_its_end(self):
        report = ko.signal_report(self.chain(weak=1.0, gamma=0.0), X, data(6), "mse")
        assert report.layers[0].statistics["activation_gradient"] == 0
        assert report.layers[0].verdict == "healthy"
        assert "gradient" not in report.verdict

    def test_a_gradient_that_explodes_from_a_saturated_layer_on_is_that_one_s_fault(self):
        model = self.chain(weak=1.0, gamma=1.0, deaf=4, gain=3000.0)
        x = X * np.array([1.0] * 4 + [0.0003] * 2, "float32")
        report = ko.signal_report(model, x, data(6), "mse")
        first, last = (row.statistics["activation_gradient"] for row in report.layers)
        assert first > 100 * last
        assert (report.verdict, report.start) == ("saturating", "last")

    def test_one_that_explodes_behind_them_is_for_tailor_too(self):
        large = keras.initializers.RandomNormal(stddev=1e3, seed=keras.random.SeedGenerator(1))
        dense = layers.Dense(6, "linear", kernel_initializer=large)
        model = sequential(ko.DynamicTanh(1.0), dense, layers.Activation("gelu"))
        report = ko.signal_report(model, X, data(6), "mse")
        assert report.verdict == "exploding gradient"
        assert report.advice == (
            "Initialize with ko.tailor(model, x), which sets the rate and gamma of each such layer "
            "by what enters it."
        )

    def test_without_gamma_nothing_makes_up_for_a_small_rate(self):
        model = sequential(ko.DynamicTanh(0.01, scale=False))
        assert ko.signal_report(model, X).verdict == "collapsing"

    def test_what_is_frozen_is_set_by_hand(self):
        model = sequential(ko.DynamicTanh(0.01, name="d", trainable=False))
        advice = ko.signal_report(model, X).advice
        rate = 1 / root_mean_square(X.astype("float64"))
        assert advice.endswith(f" Initialize by hand with rate={rate:.2g} there.")

    def test_of_nothing_that_enters_no_rate_is_named(self):
        report = ko.signal_report(sequential(ko.DynamicTanh()), 0 * X)
        assert report.verdict == "collapsing"
        assert "by hand" not in report.advice

    def test_it_sets_no_scale_by_itself(self):
        from keras_oddsig.signal import selection

        assert not selection.normalizes(ko.DynamicTanh())
        assert selection.normalizes(layers.LayerNormalization())


# ----------------------------------------------------------------------------------
# What is made of it
# ----------------------------------------------------------------------------------


class TestReport:
    def test_the_dictionary_and_the_table_show_it(self, tmp_path):
        from rich.console import Console

        model = sequential(ko.DynamicTanh(), layers.Dense(4, "tanh"))
        report = ko.signal_report(model, X)
        report.to_json(tmp_path / "report.json")
        rows = json.loads((tmp_path / "report.json").read_text())["layers"]
        assert rows[0]["statistics"][STATISTIC] == report.layers[0].statistics[STATISTIC]
        assert rows[1]["statistics"][STATISTIC] is None
        console = Console(width=80, record=True, file=io.StringIO())
        report.print(console)
        assert "rms in" in console.export_text()

    def test_a_table_without_such_a_layer_has_no_such_column(self):
        from rich.console import Console

        console = Console(width=80, record=True, file=io.StringIO())
        ko.signal_report(sequential(layers.Dense(4, "tanh")), X).print(console)
        assert "rms in" not in console.export_text()

    def test_it_is_drawn(self):
        from matplotlib.figure import Figure

        model = sequential(layers.Dense(6, "tanh"), ko.DynamicTanh(0.01, name="d"))
        report = ko.signal_report(model, X)
        ax = report.plot(Figure().subplots())
        assert ax.get_title() == "Signal by layer: collapsing"
        assert [label.get_text() for label in ax.get_xticklabels()][1] == "d"

    def test_derivatives_by_few_inputs_are_those_of_the_row(self):
        layer = ko.DynamicTanh(rate=1.0, name="d")
        model = sequential(layer, layers.Dense(1), shape=(2,))
        x = data(2)
        (row,) = ko.signal_report(model, x).layers
        slope = 1 / np.cosh(x.astype("float64")) ** 2
        expected = np.sqrt(np.mean(slope**2) / 2)  # of two inputs each unit reads one
        assert row.statistics["first_derivative"] == pytest.approx(expected, rel=1e-2)


class TestActivationSpread:
    def test_training_records_what_enters_and_what_is_saturated(self, tmp_path):
        from matplotlib.figure import Figure

        layer = ko.DynamicTanh(rate=3.0, name="d")
        model = sequential(layers.Dense(6, "tanh", name="h"), layer, layers.Dense(3))
        give_values(layer)
        model.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=True)
        watch = ko.ActivationSpread(X, csv_path=tmp_path / "rows.csv")
        logs = model.fit(X, Y, epochs=2, batch_size=32, verbose=0, callbacks=[watch]).history
        found = {
            (row["epoch"], row["layer"], row["statistic"]): row["value"]
            for row in watch.history.rows
        }
        h = model.get_layer("h")
        z, f = entering(layer, numbers(h(ops.convert_to_tensor(X))))
        assert found[1, "d", STATISTIC] == pytest.approx(root_mean_square(z), rel=1e-3)
        saturated = np.mean(np.abs(f) > 0.97)
        assert found[1, "d", "saturated"] == pytest.approx(saturated, abs=0.01)
        assert logs["saturated_max"][1] >= found[1, "d", "saturated"] > 0
        assert found[0, "d", STATISTIC] != found[1, "d", STATISTIC]
        assert np.isnan(found[0, "h", STATISTIC])
        text = (tmp_path / "rows.csv").read_text()
        assert text.count(f"d,{STATISTIC}") == 2
        assert watch.plot(Figure().subplots()).get_title() == "Signal over training"
