"""`tailor` on layers that stand for normalizations: their rates, and the streams that they read."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_oddsig as ko
from keras_oddsig.tailoring import rates

WIDTH, STEPS, SYMBOLS = 16, 12, 20


class Positions(layers.Layer):
    """What a user writes to add positions."""

    def build(self, shape):
        self.positions = self.add_weight(shape=shape[1:], initializer="uniform", name="positions")

    def call(self, x):
        return x + self.positions


class PositionsWithInitializer(layers.Layer):
    """The same, with an initializer that is kept."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.begins = keras.initializers.get("glorot_uniform")

    def build(self, shape):
        self.w = self.add_weight(shape=(1, *shape[1:]), initializer=self.begins, name="w")

    def call(self, x):
        return x + self.w


class TokensAndPlaces(layers.Layer):
    """As Keras's own examples of transformers write it."""

    def build(self, shape):
        self.tokens = layers.Embedding(SYMBOLS, WIDTH)
        self.places = layers.Embedding(STEPS, WIDTH)
        self.tokens.build(shape)
        self.places.build((STEPS,))

    def call(self, x):
        return self.tokens(x) + self.places(ops.arange(0, STEPS))


def symbols(number=64):
    return np.random.default_rng(0).integers(0, SYMBOLS, (number, STEPS))


def block(x, dynamic=ko.DynamicTanh):
    h = dynamic()(x)
    h = layers.MultiHeadAttention(2, WIDTH // 2)(h, h, use_causal_mask=True)
    x = layers.Add()([x, h])
    h = layers.Dense(2 * WIDTH, "gelu")(dynamic()(x))
    return layers.Add()([x, layers.Dense(WIDTH)(h)])


def transformer(blocks=3, dynamic=ko.DynamicTanh, start=None, table=None):
    entry = keras.Input((STEPS,), dtype="int32")
    x = (table or layers.Embedding(SYMBOLS, WIDTH, name="table"))(entry)
    x = x if start is None else start(x)
    for _ in range(blocks):
        x = block(x, dynamic)
    return keras.Model(entry, layers.Dense(SYMBOLS)(dynamic()(x)))


def dynamic_layers(model):
    return [each for each in model._flatten_layers() if isinstance(each, ko.DynamicOddSigmoid)]


def rms(tensor):
    return float(np.sqrt(np.mean(ops.convert_to_numpy(tensor) ** 2)))


def inputs_and_outputs(model, x):
    """Of each dynamic layer of a functional model, what enters and what it makes, as numbers."""
    found = dynamic_layers(model)
    tensors = [tensor for each in found for tensor in (each.input, each.output)]
    numbers = keras.Function(model.inputs, tensors)([ops.convert_to_tensor(x)])
    numbers = [ops.convert_to_numpy(ops.cast(each, "float32")) for each in numbers]
    return [(each, *numbers[2 * i : 2 * i + 2]) for i, each in enumerate(found)]


def number(variable):
    return float(ops.convert_to_numpy(variable))


def values(model):
    return [ops.convert_to_numpy(weight) for weight in model.weights]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


class TestRates:
    def test_each_rate_is_of_what_enters_and_each_gamma_of_what_comes_out(self):
        model, x = transformer(), symbols()
        report = ko.tailor(model, x, seed=0)
        assert repr(report) == "<TailorReport: 7 of 20 kernels, 7 of 7 rates>"
        for (layer, entering, made), row in zip(
            inputs_and_outputs(model, x), report.rates, strict=True
        ):
            assert row.layer == layer.name
            assert row.rms == pytest.approx(rms(entering), rel=1e-3)
            assert number(layer.rate_weight) * rms(entering) == pytest.approx(rates.TANH, rel=1e-3)
            assert rms(made) == pytest.approx(1, rel=1e-3)
            assert row.rate == layer.rate == pytest.approx(number(layer.rate_weight))
            assert row.gamma == pytest.approx(number(layer.gamma[0]))

    @pytest.mark.parametrize("name", ["erf", "softsign", "langevin"])
    def test_any_function_is_driven_as_far_into_its_bend_as_tanh(self, name):
        z = np.random.default_rng(0).standard_normal(200_000)

        def left(function, drive):
            slope = (function(1e-4) - function(-1e-4)) / 2e-4
            return np.sqrt(np.mean(function(drive * z) ** 2)) / (slope * drive)

        function = ko.get(name)
        found = left(lambda v: function.reference(np.asarray(v)), rates.drive_of(function))
        assert found == pytest.approx(left(np.tanh, rates.TANH), rel=5e-3)

    def test_amplitude_and_rate_of_the_function_count(self):
        plain, scaled = ko.Tanh(), ko.Tanh(amplitude=3.0, rate=2.0)
        assert rates.drive_of(scaled) == pytest.approx(rates.drive_of(plain) / 2)
        entry = keras.Input((WIDTH,))
        model = keras.Model(entry, ko.DynamicOddSigmoid(scaled)(entry))
        x = np.random.default_rng(0).standard_normal((64, WIDTH)).astype("float32")
        ko.tailor(model, 7 * x)
        assert rms(model(7 * x)) == pytest.approx(1, rel=1e-3)

    def test_without_gamma_the_rate_alone(self):
        model = transformer(1, lambda: ko.DynamicErf(scale=False))
        report = ko.tailor(model, symbols(), seed=0)
        assert [row.gamma for row in report.rates] == [None] * 3
        assert all(row.rate is not None for row in report.rates)

    def test_beta_and_shift_become_zero(self):
        model, x = transformer(1, ko.DynamicErf), symbols()
        for layer in dynamic_layers(model):
            layer.beta.assign(np.full(WIDTH, 3.0))
            layer.shift_weight.assign(2.0)
        ko.tailor(model, x, seed=0)
        for layer, _, made in inputs_and_outputs(model, x):
            assert not ops.convert_to_numpy(layer.beta).any()
            assert number(layer.shift_weight) == 0
            assert rms(made) == pytest.approx(1, rel=1e-3)

    def test_of_padding_nothing_is_learned(self):
        entry = keras.Input((STEPS, WIDTH))
        model = keras.Model(entry, ko.DynamicTanh()(entry))
        x = np.random.default_rng(0).standard_normal((64, STEPS, WIDTH)).astype("float32")
        x[:, STEPS // 2 :] = 0
        (row,) = ko.tailor(model, x).rates
        assert row.rms == pytest.approx(1, rel=0.02)

    def test_channels_first(self):
        entry = keras.Input((4, 6, 6))
        model = keras.Model(entry, ko.DynamicTanh(axis=1)(entry))
        x = 5 * np.random.default_rng(0).standard_normal((32, 4, 6, 6)).astype("float32")
        ko.tailor(model, x)
        assert rms(model(x)) == pytest.approx(1, rel=1e-3)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_mixed_precision(self, policy):
        if policy == "mixed_float16" and keras.backend.backend() == "jax":
            pytest.skip("JAX has no attention in float16 on a CPU")
        keras.config.set_dtype_policy(policy)
        try:
            model, x = transformer(), symbols()
        finally:
            keras.config.set_dtype_policy("float32")
        ko.tailor(model, x, seed=0)
        for layer, entering, _ in inputs_and_outputs(model, x):
            assert number(layer.rate_weight) * rms(entering) == pytest.approx(rates.TANH, rel=0.03)

    def test_a_layer_that_is_called_twice_has_the_rate_of_the_first_call(self):
        entry, layer = keras.Input((WIDTH,)), ko.DynamicTanh()
        model = keras.Model(entry, layer(20 * layer(entry)))
        x = np.random.default_rng(0).standard_normal((64, WIDTH)).astype("float32")
        (row,) = ko.tailor(model, x).rates
        assert row.rms == pytest.approx(rms(x), rel=1e-3)


class TestStreams:
    def test_it_begins_at_one_and_ends_below_two(self):
        model, x = transformer(6), symbols()
        ko.tailor(model, x, seed=0)
        sizes = [rms(entering) for _, entering, _ in inputs_and_outputs(model, x)]
        assert sizes[0] == pytest.approx(1, rel=0.2)  # a table of 20 rows
        assert sizes[-1] < 2**0.5
        undivided = transformer(6)
        ratio = [rms(e) for _, e, _ in inputs_and_outputs(undivided, x)]
        assert ratio[0] < 0.05  # as Keras makes an embedding

    def test_terms_share_the_size(self):
        entry = keras.Input((STEPS,), dtype="int32")
        places = keras.Input((STEPS,), dtype="int32")
        table, other = layers.Embedding(SYMBOLS, WIDTH), layers.Embedding(STEPS, WIDTH)
        x = layers.Add()([table(entry), other(places)])
        model = keras.Model([entry, places], ko.DynamicTanh()(x))
        data = [symbols(), np.tile(np.arange(STEPS), (64, 1))]
        report = ko.tailor(model, data, seed=0)
        assert all("stddev=0.7071" in row.initializer for row in report.kernels)
        assert all(row.reason == "one of 2 that begin a stream" for row in report.kernels)
        assert report.rates[0].rms == pytest.approx(1, rel=0.2)

    @pytest.mark.parametrize("cls", [Positions, PositionsWithInitializer])
    def test_positions_of_the_users_own_are_a_term(self, cls):
        model, x = transformer(1, start=cls(name="places")), symbols()
        report = ko.tailor(model, x, seed=0)
        table, places = report.kernels[:2]
        assert (table.layer, places.layer) == ("table", "places")
        for row in (table, places):
            assert "stddev=0.7071" in row.initializer
            assert row.reason.startswith("one of 2 that begin a stream")
        assert report.rates[0].rms == pytest.approx(1, rel=0.2)
        kept = cls is PositionsWithInitializer
        assert ("keeps no initializer" in places.reason) is not kept
        again = model.get_layer("places")
        if kept:
            assert isinstance(again.begins, keras.initializers.RandomNormal)

    def test_tokens_and_places_in_one_layer(self):
        model, x = transformer(1, start=None, table=TokensAndPlaces(name="tokens")), symbols()
        report = ko.tailor(model, x, seed=0)
        assert [row.reason for row in report.kernels[:2]] == ["one of 2 that begin a stream"] * 2
        assert report.rates[0].rms == pytest.approx(1, rel=0.2)

    @pytest.mark.parametrize("shape", [(STEPS, 1), (WIDTH, WIDTH)])
    def test_what_is_no_table_of_places_is_none_of_its_terms(self, shape):
        class Own(layers.Layer):
            def build(self, input_shape):
                self.w = self.add_weight(shape=shape, name="w")

            def call(self, x):
                return x * self.w if shape[1] == 1 else x @ self.w

        model, x = transformer(1, start=Own()), symbols()
        report = ko.tailor(model, x, seed=0)
        assert [row.initializer for row in report.kernels[:2]] == [None, None]
        assert all(row.rate is not None for row in report.rates)

    @pytest.mark.parametrize("scale", [0.01, 200.0])
    def test_patches_begin_it_at_one_whatever_their_scale(self, scale):
        entry = keras.Input((8, 8, 3))
        x = layers.Conv2D(WIDTH, 4, 4)(entry)
        x = block(layers.Reshape((4, WIDTH))(x))
        model = keras.Model(entry, layers.Dense(3)(ko.DynamicTanh()(x)))
        images = scale * np.random.default_rng(0).standard_normal((64, 8, 8, 3))
        report = ko.tailor(model, images.astype("float32"), seed=0)
        assert report.kernels[0].reason == "begins a stream"
        assert report.rates[0].rms == pytest.approx(1, rel=0.2)

    def test_a_stream_of_many_ways_is_walked_once(self):
        entry = keras.Input((WIDTH,))
        x = layers.Dense(WIDTH)(entry)
        for _ in range(25):  # 2**25 ways
            x = layers.Add()([layers.Dropout(0.1)(x), layers.Identity()(x)])
        model = keras.Model(entry, ko.DynamicTanh()(x))
        report = ko.tailor(model)
        assert len(report.rates) == 1

    def test_an_embedding_elsewhere_stays_as_it_is(self):
        entry = keras.Input((STEPS,), dtype="int32")
        x = layers.LayerNormalization()(layers.Embedding(SYMBOLS, WIDTH)(entry))
        model = keras.Model(entry, layers.Dense(3)(x))
        before = values(model)
        with pytest.warns(UserWarning, match="left the model as it was"):
            report = ko.tailor(model, symbols())
        assert report.kernels[0].reason == "an embedding, which multiplies nothing"
        assert report.tailored == 0
        assert same(values(model), before)

    def test_a_frozen_embedding_stays_as_it_is_and_the_rate_fits_it(self):
        model, x = transformer(1), symbols()
        table = model.get_layer("table")
        table.trainable = False
        before = values(table)
        report = ko.tailor(model, x, seed=0)
        assert "frozen" in report.kernels[0].reason
        assert same(values(table), before)
        assert report.rates[0].rms == pytest.approx(rms(before[0][x]), rel=1e-3)
        assert report.rates[0].reason.startswith("little enters: as it grows in training")

    def test_a_kernel_of_tanh_behind_a_dynamic_layer_reads_numbers_of_size_one(self):
        entry = keras.Input((WIDTH,))
        hidden = layers.Dense(64, "tanh", name="hidden")
        model = keras.Model(entry, layers.Dense(2)(hidden(ko.DynamicTanh()(entry))))
        x = 30 * np.random.default_rng(0).standard_normal((64, WIDTH)).astype("float32")
        report = ko.tailor(model, x, seed=0)
        row = report.kernels[0]
        assert "input_std=1.0" in row.initializer
        assert row.measured == pytest.approx(row.predicted, rel=0.2)


class TestWhatStays:
    @pytest.mark.parametrize("how", ["no data", "dry run"])
    def test_rates_need_a_run(self, how):
        model, x = transformer(1), symbols()
        before = values(model)
        report = ko.tailor(model, x, dry_run=True) if how == "dry run" else ko.tailor(model)
        assert {row.reason for row in report.rates} == {"set by the data that enter, in a run"}
        assert {row.rate for row in report.rates} == {None}
        if how == "dry run":
            assert same(values(model), before)

    def test_frozen_layers(self):
        model, x = transformer(1), symbols()
        layer = dynamic_layers(model)[0]
        layer.trainable = False
        before = values(layer)
        report = ko.tailor(model, x, seed=0)
        assert [row.reason for row in report.rates][:2] == ["frozen: not trainable", ""]
        assert same(values(layer), before)

    def test_an_error_leaves_the_model_as_it_was(self):
        model = transformer(1)
        layer = dynamic_layers(model)[-1]
        model.get_layer("table").embeddings_constraint = None
        before = values(model)
        x = np.full((64, STEPS, WIDTH), 1e30, "float32")
        entry = keras.Input((STEPS, WIDTH))
        broken = keras.Model(entry, layers.Dense(3)(layer(entry) * 1e38 * 1e38))
        starts = layer.rate, layer.gamma_initializer
        with pytest.raises(ValueError, match="must leave the model's numbers finite"):
            ko.tailor(keras.Model(entry, ko.DynamicTanh()(broken(entry))), x)
        assert same(values(model), before)
        assert (layer.rate, layer.gamma_initializer) == starts

    def test_a_layer_that_is_not_called(self):
        class Own(keras.Model):
            def __init__(self):
                super().__init__()
                self.used, self.unused = ko.DynamicTanh(), ko.DynamicTanh()
                self.unused.build((None, WIDTH))
                self.unused.activation.build((None, WIDTH))

            def call(self, x):
                return self.used(x)

        model, x = Own(), np.random.default_rng(0).standard_normal((8, WIDTH)).astype("float32")
        model(x)
        used, unused = ko.tailor(model, x).rates
        assert used.rate == pytest.approx(rates.TANH / rms(x), rel=1e-3)
        assert (unused.rate, unused.reason) == (
            None,
            "not seen in a call: it is not called, or in a loop",
        )

    def test_a_layer_of_which_only_zeros_enter(self):
        entry = keras.Input((WIDTH,))
        model = keras.Model(entry, ko.DynamicTanh()(entry * 0))
        with pytest.warns(UserWarning, match="as it was: dynamic_tanh.*: only zeros"):
            (row,) = ko.tailor(model, np.ones((8, WIDTH), "float32")).rates
        assert (row.rate, row.reason) == (None, "only zeros enter")


class TestAfterwards:
    def test_a_clone_and_a_saved_model_begin_with_the_same_rates(self, tmp_path):
        model, x = transformer(), symbols()
        ko.tailor(model, x, seed=0)
        clone = keras.models.clone_model(model)
        for one, other in zip(dynamic_layers(model), dynamic_layers(clone), strict=True):
            assert same(values(one), values(other))
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        numbers = [ops.convert_to_numpy(each(x)) for each in (loaded, model)]
        np.testing.assert_allclose(*numbers, atol=1e-6)

    def test_a_stack_is_as_the_blocks_one_by_one(self):
        entry, inside = keras.Input((STEPS,), dtype="int32"), keras.Input((STEPS, WIDTH))
        table, x = layers.Embedding(SYMBOLS, WIDTH), symbols()
        stack = ko.LayerStack(keras.Model(inside, block(inside)), 3)
        stacked = keras.Model(entry, ko.DynamicTanh()(stack(table(entry))))
        report = ko.tailor(stacked, x, seed=0)
        assert len(report.rates) == 7
        numbers = table(ops.convert_to_tensor(x))
        for each, rows in zip(
            stack.unstack(), np.split(np.array(report.rates[:-1]), 3), strict=True
        ):
            found = inputs_and_outputs(each, numbers)
            for (_, entering, made), row in zip(found, rows, strict=True):
                assert row.rms == pytest.approx(rms(entering), rel=1e-3)
                assert rms(made) == pytest.approx(1, rel=1e-3)
            numbers = each(numbers)

    def test_the_optimizer_begins_anew_where_only_rates_are_set(self):
        entry = keras.Input((WIDTH,))
        model = keras.Model(entry, ko.DynamicTanh()(entry))
        model.compile("adam", "mse", run_eagerly=keras.backend.backend() != "jax")
        x = np.random.default_rng(0).standard_normal((64, WIDTH)).astype("float32")
        model.train_on_batch(x, x)
        with pytest.warns(UserWarning, match="trained for 1 steps"):
            ko.tailor(model, x)
        assert int(model.optimizer.iterations) == 0

    def test_the_report_says_it(self, capsys):
        report = ko.tailor(transformer(1), symbols(), seed=0)
        report.print()
        shown = capsys.readouterr().out
        assert "Rates" in shown
        assert "gamma" in shown
        rows = report.to_dict()["rates"]
        assert rows[0]["activation"] == "tanh"
        assert rows[0]["rate"] == report.rates[0].rate
