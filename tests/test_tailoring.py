"""`tailor`: which kernel gets what, what becomes of the model, and of the signal in it."""

import doctest
import io
import json
import re
import warnings

import keras
import numpy as np
import pytest
from keras import layers

import keras_oddsig as ko
from keras_oddsig.tailoring import application, calibration

WIDTH = 24


def dense(activation="tanh", units=WIDTH, **kwargs):
    return layers.Dense(units, activation, **kwargs)


def sequential(shape, *parts):
    return keras.Sequential([keras.Input(shape), *parts])


def chain(depth, inputs=16, outputs=3):
    return sequential((inputs,), *[dense() for _ in range(depth)], layers.Dense(outputs))


def samples(*shape, number=64, scale=1.0):
    """Normal numbers of the root mean square `scale`."""
    x = np.random.default_rng(0).standard_normal((number, *shape))
    return (scale * x / np.sqrt(np.mean(x**2))).astype("float32")


def planned(model, data=None, **kwargs):
    """The report of a dry run: initializers and reasons, kernel by kernel."""
    return ko.tailor(model, data, dry_run=True, **kwargs)


def initializers(report):
    return [row.initializer for row in report.kernels]


def values(model):
    return [np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


ROTATION = 'OddSigmoidOrthogonal("tanh", depth={})'


class Residual(keras.Model):
    """Layers in a list, an activation of their own, sums by operators."""

    def __init__(self, blocks=4, **kwargs):
        super().__init__(**kwargs)
        self.stem, self.hidden = layers.Dense(WIDTH), [layers.Dense(WIDTH) for _ in range(blocks)]
        self.activation, self.last = layers.Activation("tanh"), layers.Dense(2)

    def build(self, shape):
        self.stem.build(shape)
        for layer in [*self.hidden, self.last]:
            layer.build((None, WIDTH))

    def call(self, x):
        x = self.activation(self.stem(x))
        for layer in self.hidden:
            x = x + self.activation(layer(x))
        return self.last(x)


class ByOperations(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.last = [layers.Dense(WIDTH) for _ in range(3)], layers.Dense(2)

    def call(self, x):
        for layer in self.hidden:
            x = keras.ops.tanh(keras.ops.reshape(layer(x), (-1, WIDTH)))
        return self.last(x)


class WantsNumbers(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = [dense() for _ in range(3)]

    def call(self, x):
        for layer in self.hidden:
            x = layer(x)
            if isinstance(x, keras.KerasTensor):
                raise TypeError("no number in it")
        return x


class TestWhichKernels:
    def test_a_chain_gets_rotations_for_its_depth_the_first_for_data(self):
        report = planned(chain(5))
        assert initializers(report) == [
            'OddSigmoidOrthogonal("tanh", depth=5, input_std=1.0)',
            *[ROTATION.format(5)] * 4,
            None,
        ]
        assert "assumed" in report.kernels[0].reason
        assert "output layer" in report.kernels[-1].reason
        assert report.source == "graph"

    def test_the_scale_of_the_data_is_measured_where_they_enter(self):
        model = sequential((16,), layers.Rescaling(0.5), layers.Dropout(0.3), dense(), dense())
        report = planned(model, samples(16, scale=3.0))
        assert "input_std=1.5)" in initializers(report)[0]
        assert report.kernels[0].reason == ""

    @pytest.mark.parametrize(
        "between",
        [
            [layers.Reshape((6, 4)), layers.Permute((2, 1)), layers.Flatten()],
            [layers.Dropout(0.1), layers.ActivityRegularization(0.0)],
            [layers.RepeatVector(3), layers.Masking(), layers.GlobalAveragePooling1D()],
            [layers.Reshape((24, 1)), layers.ZeroPadding1D(1), layers.MaxPooling1D(2)],
        ],
        ids=lambda parts: type(parts[0]).__name__,
    )
    def test_an_activation_is_found_behind_what_moves_numbers_about(self, between):
        model = sequential(
            (16,), layers.Dense(24), *between, ko.Erf(), layers.Flatten(name="end"), dense()
        )
        first, second = planned(model).kernels
        assert (first.activation, first.depth) == ("erf", 2)
        assert second.activation == "tanh"

    def test_it_is_named_as_a_user_would_write_it(self):
        scaled = ko.Arctan(amplitude=2.0, rate=0.5)
        assert initializers(planned(sequential((16,), dense(), dense(scaled))))[1] == (
            "OddSigmoidOrthogonal(Arctan(amplitude=2, rate=0.5), depth=2, gain=6.659)"
        )

    @pytest.mark.parametrize(
        ("follower", "words"),
        [
            (layers.ReLU(), "ReLU"),
            (layers.Activation("gelu"), "gelu"),
            (layers.BatchNormalization(), "BatchNormalization"),
            (layers.LayerNormalization(), "LayerNormalization"),
            (dense(), "another kernel"),
        ],
        ids=lambda each: type(each).__name__,
    )
    def test_what_feeds_no_odd_sigmoid_is_left_with_a_reason(self, follower, words):
        model = sequential((16,), layers.Dense(WIDTH), follower, ko.Tanh(), dense())
        row = planned(model).kernels[0]
        assert row.initializer is None
        assert words in row.reason

    def test_embeddings_and_gates_are_left_with_a_reason(self):
        model = sequential((7,), layers.Embedding(9, 8), layers.LSTM(5), dense())
        embedding, *gates, last = planned(model).kernels
        assert "embedding" in embedding.reason
        assert all("gates" in row.reason for row in gates)
        assert last.initializer == ROTATION.format(2)

    def test_frozen_and_adapted_kernels_are_left_and_counted(self):
        model = chain(4)
        model.layers[1].trainable = False
        model.layers[2].enable_lora(2)
        first, frozen, adapted, *_ = planned(model).kernels
        assert first.depth == 4
        assert "frozen" in frozen.reason
        assert "LoRA" in adapted.reason
        before = values(model)
        ko.tailor(model)
        assert same(before[2:4], values(model)[2:4])

    def test_a_quantized_kernel_is_left_with_its_mode(self):
        model = chain(3)
        model.layers[1].quantize("int8")
        row = planned(model).kernels[1]
        assert row.initializer is None
        assert "int8" in row.reason

    def test_a_layer_that_is_not_called_is_told(self):
        class Half(Residual):
            def call(self, x):
                return self.activation(self.stem(x))

        model = Half(blocks=2)
        model.build((None, 16))
        stem, *others = planned(model).kernels
        assert stem.depth == 1
        assert [row.reason for row in others] == ["the model does not call it"] * 3


class TestWhere:
    def test_towers_count_their_own_depth_and_a_sum_the_variance_of_both(self):
        x = keras.Input((16,))
        long, short = x, x
        for _ in range(4):
            long = dense()(long)
        short = dense()(short)
        y = dense(name="behind")(layers.Add()([long, short]))
        report = planned(keras.Model(x, dense(name="last")(y)))
        rows = {row.layer: row for row in report.kernels}
        assert sorted(row.depth for row in report.kernels) == [3, 6, 6, 6, 6, 6, 6]
        gain = ko.OddSigmoidOrthogonal("tanh", 6).effective_gain / np.sqrt(2)
        assert rows["behind"].initializer == (
            f'OddSigmoidOrthogonal("tanh", depth=6, gain={float(f"{gain:.4g}")})'
        )
        assert rows["last"].initializer == ROTATION.format(6)

    def test_what_is_concatenated_keeps_its_variance(self):
        x = keras.Input((16,))
        y = layers.Concatenate()([dense()(x), dense(units=8)(x)])
        assert initializers(planned(keras.Model(x, dense()(y))))[2] == ROTATION.format(2)

    def test_kernels_that_are_added_before_their_activation_share_it(self):
        x = keras.Input((16,))
        h = dense()(x)
        y = layers.Activation("tanh")(layers.Dense(WIDTH)(h) + layers.Dense(WIDTH)(h))
        report = planned(keras.Model(x, y))
        gain = ko.OddSigmoidOrthogonal("tanh", 2).effective_gain / np.sqrt(2)
        shared = f'OddSigmoidOrthogonal("tanh", depth=2, gain={float(f"{gain:.4g}")})'
        assert initializers(report)[1:] == [shared] * 2

    @pytest.mark.parametrize("last", ["tanh", None])
    def test_the_last_kernel_of_a_residual_branch_is_divided(self, last):
        x = keras.Input((16,))
        h = dense()(x)
        for _ in range(4):
            h = layers.Add()([h, dense(last)(layers.Dropout(0.1)(dense()(h)))])
        report = planned(keras.Model(x, h))
        rows = initializers(report)
        depth = 9 if last else 5
        assert rows[1::2] == [ROTATION.format(depth)] * 4
        gain = ko.OddSigmoidOrthogonal("tanh", depth).effective_gain / 2
        end = f'"tanh", depth={depth}, gain={float(f"{gain:.4g}")}' if last else "depth=1, gain=0.5"
        assert rows[2::2] == [f"OddSigmoidOrthogonal({end})"] * 4

    def test_subclassed_models_are_read_as_the_code_that_they_are(self):
        model = Residual()
        model(samples(16))
        report = planned(model)
        assert report.source == "graph"
        assert [row.depth for row in report.kernels] == [5] * 5 + [None]
        gain = float(f"{ko.OddSigmoidOrthogonal('tanh', 5).effective_gain / 2:.4g}")
        branch = f'OddSigmoidOrthogonal("tanh", depth=5, gain={gain})'
        assert initializers(report)[1:5] == [branch] * 4

    def test_one_that_was_built_by_a_shape_needs_no_data(self):
        model = Residual()
        model.build((None, 16))
        assert planned(model).tailored == 5

    def test_activations_may_be_operations(self):
        model = ByOperations()
        model(samples(16))
        assert [row.activation for row in planned(model).kernels] == ["tanh"] * 3 + [None]

    def test_code_that_needs_numbers_is_read_by_the_order_of_its_calls(self):
        model = WantsNumbers()
        x = samples(16, scale=2.0)
        model(x)
        with pytest.raises(ValueError, match=r"`data` must be given.*no number in it"):
            planned(model)
        report = planned(model, x)
        assert report.source == "calls"
        assert [row.depth for row in report.kernels] == [3] * 3
        assert "input_std=2.0" in initializers(report)[0]

    def test_a_shared_layer_counts_at_each_call_and_gets_one_kernel(self):
        x = keras.Input((16,))
        shared, h = dense(), dense()(x)
        for _ in range(3):
            h = shared(h)
        report = planned(keras.Model(x, h))
        assert [row.depth for row in report.kernels] == [4, 4]

    def test_nested_models_are_looked_into(self):
        inner = sequential((WIDTH,), dense(), sequential((WIDTH,), dense()), name_of_it := dense())
        assert name_of_it in inner.layers
        x = keras.Input((16,))
        report = planned(keras.Model(x, inner(dense()(x))))
        assert [row.depth for row in report.kernels] == [4] * 4

    def test_time_steps_and_directions_are_looked_into(self):
        model = sequential(
            (7, 5),
            layers.TimeDistributed(sequential((5,), dense(), layers.Dense(WIDTH))),
            layers.Activation("tanh"),
            layers.Bidirectional(layers.SimpleRNN(WIDTH)),
            dense(),
        )
        rows = planned(model).kernels
        assert [row.kernel for row in rows[2:]] == ["kernel", "recurrent_kernel"] * 2 + ["kernel"]
        assert [row.depth for row in rows if row.kernel == "recurrent_kernel"] == [7, 7]
        assert [rows[i].initializer for i in (1, 2, 3)] == [
            ROTATION.format(4),
            "Orthogonal(gain=1.0)",
            ROTATION.format(7),
        ]

    def test_steps_that_no_shape_tells_are_assumed(self):
        model = sequential((None, 5), layers.SimpleRNN(6))
        assert "assumed" in planned(model).kernels[1].reason
        assert planned(model, samples(9, 5)).kernels[1].depth == 9

    @pytest.mark.parametrize(
        ("layer", "arguments"),
        [
            (layers.Conv2D(8, 3, groups=2), ", gates=2"),
            (layers.Conv2DTranspose(8, 3), ", input_axes=[-1], output_axes=[-2]"),
            (layers.DepthwiseConv2D(3), ", input_axes=[], output_axes=[-2, -1]"),
            (layers.SeparableConv2D(8, 3), ""),
            (layers.EinsumDense("abcd,def->abcef", (None, None, 2, 4)),
             ", input_axes=[0], output_axes=[1, 2]"),
        ],
        ids=lambda each: type(each).__name__,
    )  # fmt: skip
    def test_every_kernel_is_read_by_its_own_axes(self, layer, arguments):
        # A name that the layers above, made at collection, cannot have.
        first = layers.Conv2D(8, 3, activation="tanh", name="first")
        model = sequential((9, 9, 3), first, layer, layers.Dropout(0.1), ko.Tanh())
        rows = planned(model).kernels
        assert rows[-1].initializer == f'OddSigmoidOrthogonal("tanh", depth=2{arguments})'
        if len(rows) == 3:  # separable: two kernels, and no activation between
            assert "depth=1, gain=1.0" in rows[1].initializer

    def test_directions_are_kept_through_narrow_layers_between_wider_ones(self):
        widths = [32, 12, 6, 12, 32, 20]
        model = sequential((16,), *[dense(units=n) for n in widths], layers.Dense(2))
        first, *others, last = initializers(planned(model))
        assert "bottleneck" not in first
        assert others == [
            f'OddSigmoidOrthogonal("tanh", depth=6, bottleneck={kept})'
            for kept in (12, 6, 12, 6, 6)
        ]
        assert last is None

    @pytest.mark.parametrize(
        ("narrow", "kept"),
        [
            ((8, 8, 4, 4), [8] * 6 + [4] * 5),
            ((4, 4, 8, 8), [4] * 4 + [8] * 6 + [4]),
            ((8, 4, 8), [8] * 3 + [4] + [8] * 3 + [4]),
        ],
        ids=str,
    )
    def test_of_several_widths_each_kernel_keeps_what_comes_to_it_or_can_still_go_on(
        self, narrow, kept
    ):
        widths = [n for each in narrow for n in (32, each, 32)]
        model = sequential((16,), *[dense(units=n) for n in widths], layers.Dense(2))
        assert [f"bottleneck={k}" for k in kept] == [
            re.search(r"bottleneck=\d+", each)[0] for each in initializers(planned(model))[1:-1]
        ]

    def test_a_linear_latent_passes_directions_on(self):
        latent = layers.Dense(4, name="latent")
        model = sequential((16,), dense(), dense(), latent, dense(), dense(), layers.Dense(16))
        rows = planned(model).kernels
        assert rows[2].initializer == "OddSigmoidOrthogonal(depth=1, gain=1.0, bottleneck=4)"
        assert [row.depth for row in rows] == [4, 4, None, 4, 4, None]
        assert all("bottleneck=4" in rows[i].initializer for i in (1, 3, 4))

    def test_where_sums_carry_the_signal_past_narrow_layers_none_is_kept_through_them(self):
        x = keras.Input((16,))
        h = dense()(x)
        for _ in range(2):
            h = layers.Add()([h, dense()(dense(units=6)(h))])
        report = planned(keras.Model(x, dense()(h)))
        assert not any("bottleneck" in each for each in initializers(report))

    def test_a_network_that_only_narrows_has_no_bottleneck(self):
        model = sequential((16,), *[dense(units=n) for n in (32, 16, 8, 4)])
        assert not any("bottleneck" in each for each in initializers(planned(model)))

    def test_a_function_of_few_inputs_gets_one_initializer_and_its_output_too(self):
        model = sequential((2,), *[dense() for _ in range(3)], layers.Dense(1))
        assert (
            initializers(planned(model))
            == ['OddSigmoidOrthogonal("tanh", depth=3, input_dim=2)'] * 4
        )
        first = initializers(planned(model, samples(2, scale=2.0)))[0]
        assert "input_dim=2, input_std=" in first

    def test_the_embedding_of_one_number_is_no_function_of_few_inputs(self):
        model = sequential((1,), layers.Embedding(9, 8), layers.Flatten(), dense(), dense())
        assert "input_dim" not in initializers(planned(model))[1]

    def test_space_and_time_may_be_inputs_of_their_own(self):
        x, t = keras.Input((1,)), keras.Input((1,))
        y = layers.Dense(1)(dense()(dense()(layers.Concatenate()([x, t]))))
        assert all("input_dim=2" in each for each in initializers(planned(keras.Model([x, t], y))))


class TestAttention:
    """What softmax reads is left alone; the last projection is a kernel as any other."""

    @staticmethod
    def model(attention, residual):
        x = keras.Input((6, 16))
        h = dense(units=16)(x)
        y = attention(h, h)
        return keras.Model(x, ko.Tanh()(layers.Add()([h, y]) if residual else y))

    @pytest.mark.parametrize("residual", [False, True], ids=["chain", "residual"])
    @pytest.mark.parametrize(
        "attention",
        [
            lambda: layers.MultiHeadAttention(2, 8),
            lambda: layers.GroupQueryAttention(8, 4, 2),
        ],
        ids=["multi_head", "group_query"],
    )
    def test_the_projections_before_softmax_are_left_and_the_last_one_is_not(
        self, attention, residual
    ):
        first, *before, last = planned(self.model(attention(), residual)).kernels
        assert [row.initializer for row in before] == [None] * 3
        assert all("follows, which is no odd sigmoid" in row.reason for row in before)
        assert (first.depth, last.depth) == (2, 2)
        axes = "input_axes=[0, 1], output_axes=[2])"
        assert last.initializer == f'OddSigmoidOrthogonal("tanh", depth=2, {axes}'

    @pytest.mark.parametrize(
        "attention", [layers.Attention, layers.AdditiveAttention], ids=lambda each: each.__name__
    )
    def test_attention_without_kernels_ends_a_chain(self, attention):
        x = keras.Input((6, 16))
        h = layers.Dense(WIDTH)(x)
        model = keras.Model(x, dense()(attention()([h, dense()(h)])))
        linear, *others = planned(model).kernels
        assert linear.initializer is None
        assert [row.depth for row in others] == [2, 2]
        # A mean of what it reads, with weights that no shape tells.
        assert others[-1].predicted is None

    def test_values_are_saved_and_that_the_initializer_is_not_is_told(self, tmp_path):
        model = self.model(layers.MultiHeadAttention(2, 8, name="attention"), residual=True)
        report = ko.tailor(model, seed=0)
        model.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras")
        assert same(values(model), values(loaded))
        kinds = [
            type(each.get_layer("attention").output_dense.kernel_initializer)
            for each in (model, loaded)
        ]
        assert kinds == [ko.OddSigmoidOrthogonal, keras.initializers.GlorotUniform]
        told = [row.layer for row in report.kernels if "this initializer is not" in row.reason]
        assert told == ["attention_output"]

    def test_deep_the_signal_neither_dies_nor_grows(self):
        x = keras.Input((6, 16))
        h = dense(units=16)(x)
        for _ in range(6):
            h = layers.Add()([h, layers.MultiHeadAttention(2, 8)(h, h)])
            h = layers.Add()([h, layers.Dense(16)(dense()(h))])
        model = keras.Model(x, h)
        data = samples(6, 16)
        before = np.std(model.predict_on_batch(data))
        ko.tailor(model, data, seed=0)
        after = np.std(model.predict_on_batch(data))
        entering = np.std(keras.Model(x, model.layers[1].output).predict_on_batch(data))
        assert entering < after < 2 * entering < before


class TestOnesOwnLayers:
    def test_with_the_names_of_keras_they_need_no_word(self):
        class Own(keras.layers.Layer):
            kernel_initializer, activation = None, staticmethod(keras.activations.tanh)

            def build(self, shape):
                self.kernel = self.add_weight(shape=(shape[-1], WIDTH))

            def call(self, x):
                return self.activation(x @ self.kernel)

        model = sequential((16,), Own(), Own())
        assert initializers(planned(model))[1] == ROTATION.format(2)
        ko.tailor(model, samples(16))
        assert isinstance(model.layers[1].kernel_initializer, ko.OddSigmoidOrthogonal)

    def test_with_others_they_are_registered_and_so_are_subclasses(self):
        class Own(keras.layers.Layer):
            def __init__(self):
                super().__init__()
                self.start, self.function = None, ko.Erf()

            def build(self, shape):
                self.w = self.add_weight(shape=(WIDTH, shape[-1]))

            def call(self, x):
                return self.function(x @ keras.ops.transpose(self.w))

        class Derived(Own):
            pass

        model = sequential((16,), Own(), Derived())
        assert all("does not say" in row.reason for row in planned(model).kernels)
        ko.tailoring.register_layer(
            Own, kernel="w", initializer="start", activation="function",
            input_axes=[1], output_axes=[0],
        )  # fmt: skip
        assert [row.activation for row in planned(model).kernels] == ["erf", "erf"]
        ko.tailor(model)
        assert np.allclose(
            values(model)[1].T
            @ values(model)[1]
            / np.square(model.layers[1].start.effective_gain * np.sqrt(np.pi) / 2),
            np.eye(WIDTH),
            atol=1e-4,
        )

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [((dense,), "`cls`"), ((layers.Dense, {"kernel": 3}), "`kernel`")],
        ids=["function", "number"],
    )
    def test_what_is_no_class_or_name_is_refused(self, arguments, words):
        cls, *named = arguments
        with pytest.raises(TypeError, match=words):
            ko.tailoring.register_layer(cls, **(named[0] if named else {}))

    @pytest.mark.parametrize("arguments", [{"gates": 0}, {"input_axes": [0]}, {"output_axes": [1]}])
    def test_axes_that_no_kernel_has_are_refused(self, arguments):
        with pytest.raises(ValueError, match=f"`{next(iter(arguments))}`.* must be .*Received: "):
            ko.tailoring.register_layer(layers.Dense, **arguments)


class TestMethod:
    def test_diagonal_is_the_papers_kernel_but_where_a_first_one_narrows(self):
        wide = sequential((16,), dense(), dense())
        narrowing = sequential((64,), dense(), dense())
        papers = 'OddSigmoidInit("tanh", depth=2)'
        assert initializers(planned(wide, method="diagonal")) == [papers] * 2
        first, second = initializers(planned(narrowing, method="diagonal"))
        assert first == 'OddSigmoidOrthogonal("tanh", depth=2, input_std=1.0)'
        assert second == papers

    def test_a_depth_can_be_given(self):
        assert [row.depth for row in planned(chain(2), depth=50).kernels] == [50, 50, None]


class TestSignal:
    """Glorot's signal is sick, `tailor`'s is healthy, and of the spread that was foreseen."""

    @pytest.fixture
    def cured(self):
        def check(model, x, foreseen=0.1):
            assert not ko.signal_report(model, x).healthy
            report = ko.tailor(model, x, seed=0)
            after = ko.signal_report(model, x)
            assert after.healthy, after.advice
            known = [row for row in report.kernels if row.predicted and row.measured]
            assert all(r.measured == pytest.approx(r.predicted, rel=foreseen) for r in known)
            return known

        return check

    def test_of_a_deep_network_of_data_that_are_not_scaled(self, cured):
        model = sequential((32,), *[dense(units=32) for _ in range(30)])
        assert len(cured(model, samples(32, scale=20.0))) == 30

    def test_of_a_convolutional_one_whose_first_layer_reads_patches(self, cured):
        hidden = [layers.Conv2D(24, 3, padding="same", activation="tanh") for _ in range(20)]
        model = sequential((5, 5, 3), *hidden)
        # The padding of a patch at the margin brings no variance.
        assert len(cured(model, samples(5, 5, 3), foreseen=0.2)) == 20

    def test_of_a_subclassed_residual_one_whose_stream_begins_small(self):
        model = Residual(blocks=12)
        x = samples(16)
        model(x)
        report = ko.tailor(model, x, seed=0)
        assert ko.signal_report(model, x).healthy
        for row in report.kernels[:-1]:  # what is off by more is rescaled
            assert row.measured == pytest.approx(row.predicted, rel=0.2)


class TestInPlace:
    def test_a_dry_run_changes_nothing_and_says_the_same(self):
        model = chain(3)
        model.compile("adam", "mse")
        before, configs = values(model), json.dumps(model.get_config(), default=str)
        dry = planned(model, samples(16), seed=1)
        assert same(values(model), before)
        assert json.dumps(model.get_config(), default=str) == configs
        wet = ko.tailor(model, samples(16), seed=1)
        assert (dry.dry_run, wet.dry_run) == (True, False)
        assert initializers(dry) == initializers(wet)
        assert not same(values(model), before)

    def test_nothing_is_left_in_the_models_graph(self):
        def nodes(model):
            parts = [*model._flatten_layers(), *model.operations]
            return [(len(p._inbound_nodes), len(p._outbound_nodes)) for p in parts]

        x = keras.Input((16,))
        h = dense()(x)
        model = keras.Model(x, layers.Dense(2)(h + sequential((WIDTH,), dense())(h)))
        before = nodes(model)
        ko.tailor(model, samples(16))
        assert nodes(model) == before
        assert model(samples(16)).shape == (64, 2)
        subclassed = Residual()
        subclassed(samples(16))
        ko.tailor(subclassed)
        assert all(not p._inbound_nodes for p in subclassed._flatten_layers())

    def test_kernels_are_drawn_and_biases_zero(self):
        model = sequential((16,), dense(bias_initializer="ones"), dense(), dense("relu"))
        untouched = values(model)[4:]
        ko.tailor(model)
        _, bias, kernel, *rest = values(model)
        assert not bias.any()
        gain = ko.OddSigmoidOrthogonal("tanh", 2).effective_gain
        assert np.allclose(kernel @ kernel.T, gain**2 * np.eye(WIDTH), atol=1e-4)
        assert same(rest[1:], untouched)

    def test_the_same_seed_gives_the_same_weights_and_every_layer_its_own(self):
        models = [chain(3) for _ in range(3)]
        for model, seed in zip(models, (5, 5, 6), strict=True):
            ko.tailor(model, seed=seed)
        one, same_one, other = map(values, models)
        assert same(one[:-2], same_one[:-2])  # the output layer is not touched
        assert not same(one[:-2], other[:-2])
        assert not np.allclose(one[2], one[4])

    def test_without_a_seed_keras_decides(self):
        models = [chain(3) for _ in range(2)]
        for model in models:
            keras.utils.set_random_seed(3)
            ko.tailor(model)
        assert same(values(models[0])[:-2], values(models[1])[:-2])

    def test_a_reloaded_model_has_weights_and_initializers(self, tmp_path):
        x = keras.Input((7, 5))
        h = layers.Bidirectional(layers.SimpleRNN(6))(x)
        model = keras.Model(x, dense(ko.Erf())(h))
        report = ko.tailor(model, seed=0)
        model.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras")
        assert same(values(model), values(loaded))
        recurrent = loaded.layers[1].forward_layer.recurrent_initializer
        assert isinstance(recurrent, ko.OddSigmoidOrthogonal)
        assert recurrent.depth == 7
        last = loaded.layers[2].kernel_initializer
        assert last.activation.get_config()["amplitude"] == 1.0
        assert f"seed={last.seed})" in report.kernels[-1].initializer
        kernel = keras.ops.convert_to_numpy(last(model.layers[2].kernel.shape))
        assert np.allclose(kernel, values(model)[-2], atol=1e-6)

    def test_a_trained_model_is_warned_of_and_its_optimizer_reset(self):
        model = chain(2)
        model.compile(keras.optimizers.Adagrad(0.1), "mse")
        model.fit(samples(16), samples(3), epochs=1, verbose=0)
        fresh = keras.optimizers.Adagrad(0.1)
        fresh.build(model.trainable_variables)
        with pytest.warns(UserWarning, match="trained for 2 steps") as warned:
            ko.tailor(model)
        assert [w.filename for w in warned if w.category is UserWarning] == [__file__]
        assert same(*[[keras.ops.convert_to_numpy(v) for v in o.variables]
                      for o in (model.optimizer, fresh)])  # fmt: skip
        model.fit(samples(16), samples(3), epochs=1, verbose=0)
        assert int(model.optimizer.iterations) == 2

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    @pytest.mark.parametrize("number", [0, 3])
    def test_all_or_nothing(self, error, number, monkeypatch):
        model = chain(4)
        model.compile("adam", "mse")
        model.fit(samples(16), samples(3), epochs=1, verbose=0)
        before = values(model) + [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]
        before = [np.array(each) for each in before]
        kinds = [type(layer.kernel_initializer) for layer in model.layers]
        original, calls = keras.Variable.assign, []

        def failing(variable, value):
            calls.append(variable)
            if len(calls) == number + 1:
                raise error("stopped")
            return original(variable, value)

        monkeypatch.setattr(keras.Variable, "assign", failing)
        with pytest.raises(error, match="stopped"):
            ko.tailor(model)
        monkeypatch.undo()
        after = values(model) + [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]
        assert same(after, before)
        assert [type(layer.kernel_initializer) for layer in model.layers] == kinds

    def test_a_draw_that_fails_leaves_the_model_as_it_was(self, monkeypatch):
        model = chain(3)
        before = values(model)
        drawn = application._drawn

        def failing(fitting):
            if fitting.kernel.layer is model.layers[2]:
                raise MemoryError
            return drawn(fitting)

        monkeypatch.setattr(application, "_drawn", failing)
        with pytest.raises(MemoryError):
            ko.tailor(model)
        assert same(values(model), before)

    def test_a_measurement_that_fails_leaves_the_model_as_it_was(self, monkeypatch):
        def failing(*args):
            raise RuntimeError("no room")

        model = chain(2)
        before = values(model)
        monkeypatch.setattr(calibration, "calibrate", failing)
        with pytest.raises(RuntimeError, match="no room"):
            ko.tailor(model, samples(16))
        assert same(values(model), before)

    def test_who_turns_warnings_into_errors_has_the_model_as_it_was(self):
        model = chain(2)
        model.compile("sgd", "mse")
        model.fit(samples(16), samples(3), epochs=1, verbose=0)
        before = values(model)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            with pytest.raises(UserWarning, match="trained"):
                ko.tailor(model)
        assert same(values(model), before)

    def test_kernels_keep_the_dtype_of_the_layer(self):
        model = sequential((16,), dense(dtype="mixed_bfloat16"), dense(dtype="bfloat16"))
        ko.tailor(model, samples(16))
        assert [w.dtype for w in model.weights] == ["float32"] * 2 + ["bfloat16"] * 2


def left_on_screen(output):
    """What a terminal shows after all of its output: lines that are erased are gone."""
    lines, row = [""], 0
    for code, text in re.findall(r"(\x1b\[[?\d;]*[A-Za-z]|\r|\n)|([^\x1b\r\n]+)", output):
        if code == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif code == "\x1b[2K":
            lines[row] = ""
        elif code.endswith("A"):
            row -= int(code[2:-1])
        lines[row] += text
    return "".join(lines).strip()


class TestProgress:
    @pytest.fixture
    def console(self, monkeypatch):
        import rich

        def make(**kwargs):
            console = rich.console.Console(file=io.StringIO(), width=80, **kwargs)
            monkeypatch.setattr(rich, "_console", console)
            return console

        return make

    def test_of_fifty_kernels_a_bar_is_shown_and_then_gone(self, console):
        terminal = console(force_terminal=True, legacy_windows=False)
        ko.tailor(chain(49))
        assert terminal.file.getvalue() == ""
        ko.tailor(chain(50))
        output = terminal.file.getvalue()
        assert "Tailoring" in output
        assert "100%" in output
        assert left_on_screen(output) == ""

    def test_it_is_gone_and_the_cursor_back_where_a_draw_fails(self, console, monkeypatch):
        model, drawn = chain(50), application._drawn

        def failing(fitting):
            if fitting.kernel.layer is model.layers[40]:
                raise MemoryError
            return drawn(fitting)

        terminal = console(force_terminal=True, legacy_windows=False)
        monkeypatch.setattr(application, "_drawn", failing)
        with pytest.raises(MemoryError):
            ko.tailor(model)
        output = terminal.file.getvalue()
        assert "Tailoring" in output
        assert left_on_screen(output) == ""
        hidden, shown = "\x1b[?25l", "\x1b[?25h"
        assert output.rindex(hidden) < output.rindex(shown)

    def test_a_file_gets_none(self, console):
        file = console(force_terminal=False)
        ko.tailor(chain(50))
        assert file.file.getvalue() == ""

    def test_a_notebook_gets_none_and_no_warning_of_what_it_lacks(self, console):
        notebook = console(force_jupyter=True)
        ko.tailor(chain(50))
        assert notebook.file.getvalue() == ""


class TestReport:
    def test_it_is_what_json_knows(self):
        model = chain(2)
        report = ko.tailor(model, samples(16), seed=0)
        found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert found["tailored"] == 2
        assert found["kernels"][0]["initializer"] == report.kernels[0].initializer
        assert found["kernels"][2]["initializer"] is None

    def test_it_prints_every_kernel_and_why(self):
        from rich.console import Console

        console = Console(width=100, record=True, file=io.StringIO())
        report = planned(chain(2))
        report.print(console)
        text = console.export_text()
        assert all(row.layer in text for row in report.kernels)
        assert "output layer" in text
        assert "2 of 3 kernels would be tailored" in text

    def test_layers_of_one_name_are_told_apart(self):
        inner = [sequential((WIDTH,), dense(name="same")) for _ in range(2)]
        model = sequential((WIDTH,), *inner)
        names = [row.layer for row in planned(model).kernels]
        assert len(set(names)) == 2

    @pytest.mark.parametrize("name", ["tailor", "register_layer"])
    def test_examples_in_docstrings_run(self, name):
        (test,) = doctest.DocTestFinder().find(getattr(ko.tailoring, name), name, globs={})
        result = doctest.DocTestRunner().run(test)
        assert (result.failed, result.attempted > 3) == (0, True)


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            ({"method": "glorot"}, ValueError, "`method`.*Received: method='glorot'"),
            ({"depth": 0}, ValueError, "`depth`.*Received: depth=0"),
            ({"depth": "deep"}, ValueError, "`depth`.*Received: depth='deep'"),
            ({"seed": -1}, ValueError, "`seed`.*Received: seed=-1"),
            ({"seed": 2**32}, ValueError, "`seed`.*Received: seed=4294967296"),
            ({"seed": 0.5}, TypeError, "`seed`.*Received: seed=0.5"),
            ({"dry_run": 1}, TypeError, "`dry_run`.*Received: dry_run=1"),
            ({"data": "x.npy"}, TypeError, "`data`.*Received: data='x.npy'"),
            ({"data": samples(5)}, ValueError, "`data`.*shape"),
            ({"data": np.full((4, 16), np.nan)}, ValueError, "`data` must be finite"),
        ],
        ids=str,
    )
    def test_a_wrong_one_is_named(self, arguments, error, words):
        model = chain(1)
        before = values(model)
        with pytest.raises(error, match=words):
            ko.tailor(model, **arguments)
        assert same(values(model), before)

    def test_a_layer_is_no_model(self):
        with pytest.raises(TypeError, match=r"`model` must be a `keras.Model`"):
            ko.tailor(dense())

    def test_an_unbuilt_model_is_refused_with_the_call_that_builds_it(self):
        for model in (keras.Sequential([dense()]), Residual()):
            with pytest.raises(ValueError, match=r"`model` must be built.*model\(x\[:1\]\)"):
                ko.tailor(model)

    def test_data_may_be_whatever_fit_takes(self):
        class Batches(keras.utils.PyDataset):
            def __len__(self):
                return 1

            def __getitem__(self, index):
                return samples(16, scale=3.0), samples(3)

        for data in (
            Batches(),
            (samples(16, scale=3.0), samples(3)),
            iter([samples(16, scale=3.0)]),
        ):
            assert "input_std=3.0" in initializers(planned(chain(1), data))[0][:70]

    def test_several_inputs_each_have_their_scale(self):
        a, b = keras.Input((16,), name="a"), keras.Input((12,), name="b")
        y = layers.Concatenate()([dense()(a), dense()(b)])
        model = keras.Model({"a": a, "b": b}, y)
        data = {"a": np.full((8, 16), 2.0), "b": np.full((8, 12), 0.25)}
        assert [i.split("input_std=")[1] for i in initializers(planned(model, data))] == [
            "2.0)",
            "0.25)",
        ]

    def test_they_come_by_name_and_without_an_axis_of_one(self):
        a, b = keras.Input((1,), name="a"), keras.Input((12,), name="b")
        model = keras.Model([b, a], dense()(layers.Concatenate()([layers.Dense(WIDTH)(a), b])))
        data = {"a": np.full((8,), 2.0), "b": np.full((8, 12), 0.25)}
        by_name, listed = planned(model, data), planned(model, [data["b"], data["a"][:, None]])
        assert by_name == listed
        assert "input_std" in initializers(by_name)[1]

    def test_their_scale_is_seen_through_time_steps(self):
        model = sequential((7, 16), layers.TimeDistributed(sequential((16,), dense(), ko.Erf())))
        assert "input_std=2.5)" in initializers(planned(model, samples(7, 16, scale=2.5)))[0]


def test_the_names_are_public():
    assert {"tailor", "TailorReport", "TailoredKernel", "TailoredRate"} <= set(ko.__all__)
    assert ko.tailor.__module__.startswith("keras_oddsig.tailoring")
