"""What `tailor` makes of data: scales, means, outliers; and the run that rescales what is off."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_oddsig as ko
from keras_oddsig import solver
from keras_oddsig.tailoring import calibration
from keras_oddsig.tailoring.choice import rescaled
from keras_oddsig.tailoring.inputs import inputs_of

RNG = np.random.default_rng(0)
NORMAL = RNG.standard_normal((256, 24))
SCALES = 10.0 ** RNG.uniform(-3, 3, 24)
OUTLIERS = NORMAL + (RNG.random(NORMAL.shape) < 0.1) * RNG.standard_t(1.5, NORMAL.shape) * 9


def chain(features=24, depth=6, width=32, **kwargs):
    hidden = [layers.Dense(width, "tanh", **kwargs) for _ in range(depth)]
    return keras.Sequential([keras.Input((features,)), *hidden, layers.Dense(3)])


def first_spread(model, x):
    """Of the first layer's units, over samples, root mean square over units."""
    out = ops.convert_to_numpy(model.layers[0](ops.convert_to_tensor(x, "float32")))
    return float(np.sqrt(np.mean(np.std(out, axis=0) ** 2)))


class TestInputs:
    def test_standardized_data_are_left_alone(self):
        found = inputs_of(NORMAL)
        assert found.std == pytest.approx(1, rel=0.05)
        assert (found.stds, found.mean, found.remarks) == (None, None, ())

    def test_a_scale_is_common_where_features_are_alike(self):
        assert inputs_of(7 * NORMAL).std == pytest.approx(7 * inputs_of(NORMAL).std)

    @pytest.mark.parametrize("scale", [1e-35, 1e35, 1e-35 * SCALES], ids=["small", "large", "own"])
    def test_a_size_that_no_kernel_of_float32_lets_in_is_refused(self, scale):
        model = chain(NORMAL.shape[1], depth=2)
        before = [keras.ops.convert_to_numpy(weight) for weight in model.weights]
        with pytest.raises(ValueError, match=r"^`data` must be of a size .*Received: \S+e[-+]3\d$"):
            ko.tailor(model, (NORMAL * scale).astype("float32"))
        for weight, value in zip(model.weights, before, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)

    def test_a_feature_that_is_faint_beyond_float32_is_let_in_with_the_others(self):
        scales = np.where(np.arange(NORMAL.shape[1]) == 0, 1e-35, 1.0)
        found = inputs_of(NORMAL * scales)
        assert found.stds is None
        assert found.std == pytest.approx(np.sqrt(np.mean(scales**2)), rel=0.05)

    def test_a_faint_feature_of_a_scale_of_its_own_is_refused(self):
        scales = np.where(np.arange(NORMAL.shape[1]) % 2, 1e-35, 1.0)
        with pytest.raises(ValueError, match=r"^`data` must be of a size .*Received: \S+e-3\d$"):
            inputs_of(NORMAL * scales)

    def test_features_of_several_scales_have_each_their_own(self):
        found = inputs_of(NORMAL * SCALES)
        assert np.array(found.stds) / SCALES == pytest.approx(NORMAL.std(axis=0), rel=0.3)
        assert found.std == 1
        assert "each read by its own" in found.remarks[0]

    @pytest.mark.parametrize("scale", [1.0, SCALES], ids=["common", "own"])
    def test_a_mean_goes_that_would_saturate(self, scale):
        found = inputs_of((NORMAL + 5) * scale)
        assert found.mean / scale == pytest.approx(np.mean(NORMAL + 5, axis=0))
        assert np.mean(found.stds or found.std) == pytest.approx(np.mean(scale), rel=0.2)

    def test_without_a_bias_the_mean_is_part_of_the_scale(self):
        found = inputs_of(NORMAL + 5, biased=False)
        assert found.mean is None
        assert found.std == pytest.approx(np.sqrt(26), rel=0.02)

    def test_outliers_do_not_set_the_scale(self):
        found = inputs_of(OUTLIERS)
        assert found.rms > 5
        assert 0.8 < found.std < 2.5
        assert found.heavy
        assert "outliers" in found.remarks[0]

    def test_constant_features_are_counted_and_bring_no_variance(self):
        found = inputs_of(np.concatenate([NORMAL, np.full((256, 72), 50.0)], axis=1))
        assert found.std == pytest.approx(0.5, rel=0.05)
        assert found.remarks[0] == "72 of 96 features are constant"
        assert found.mean[-1] == 50

    def test_a_rare_feature_is_no_outlier_and_is_not_blown_up(self):
        rare = np.zeros((256, 24))
        rare[3, :12] = 1  # the margin of one picture
        pictures = np.where(np.arange(24) < 12, rare, RNG.random((256, 24)))
        found = inputs_of(pictures)
        assert found.stds is None
        assert not found.heavy

    def test_a_domain_keeps_its_mean_unless_it_lies_on_one_side_of_0(self):
        place, time = 2 * RNG.random((256, 1)) - 1, RNG.random((256, 1))
        points = np.concatenate([place, time], axis=1)
        assert inputs_of(points, few=True).mean is None
        assert inputs_of(points).mean is not None
        assert inputs_of(time, few=True).mean == pytest.approx([0.5], abs=0.1)

    def test_numbers_too_large_for_a_step_of_adam_are_told_of(self):
        pixels = 255 * RNG.random((256, 3072))
        assert "keras.layers.Rescaling" in inputs_of(pixels).remarks[-1]
        assert "Rescaling" not in "".join(inputs_of(pixels / 255).remarks)

    def test_nothing_is_known_of_zeros(self):
        assert inputs_of(np.zeros((4, 3))) is None

    def test_one_sample_has_no_scale_but_its_size(self):
        assert inputs_of(np.full((1, 3), 2.0)).std == 2


class TestFirstLayer:
    @pytest.mark.parametrize(
        "x",
        [NORMAL, 300 * NORMAL, NORMAL + 100, NORMAL * SCALES, (NORMAL + 4) * SCALES],
        ids=["standardized", "large", "offset", "scales", "scales and offset"],
    )
    def test_lets_all_data_in_alike(self, x):
        model = chain()
        first = ko.tailor(model, x, seed=0).kernels[0]
        point = ko.OddSigmoidOrthogonal("tanh", depth=6).operating_point
        begins = solver.propagate_orthogonal(np.tanh, 1, 1.0, point.gain * point.spread / 2)[0]
        assert first.predicted == pytest.approx(begins, rel=0.01)
        assert first_spread(model, x) == pytest.approx(begins, rel=0.1)
        assert ko.signal_report(model, x).verdict == "healthy"

    def test_a_report_foresees_what_enters_behind_its_bias(self):
        model = chain()
        rows = ko.tailor(model, NORMAL + 100, seed=0).kernels
        found = ko.signal_report(model, NORMAL + 100).layers
        foreseen = [layer.predicted_spread for layer in found]
        assert foreseen[:6] == pytest.approx([row.predicted for row in rows[:6]], rel=0.1)

    def test_outliers_leave_room_for_the_others(self):
        model = chain()
        report = ko.tailor(model, OUTLIERS, seed=0)
        assert "scaled by" not in report.kernels[0].reason.replace("scaled by the bulk", "")
        assert first_spread(model, NORMAL) > 0.1

    def test_a_saved_model_draws_what_its_bias_belongs_to(self, tmp_path):
        x, model = (NORMAL + 4) * SCALES, chain()
        ko.tailor(model, x)  # without a seed
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        fresh = keras.models.clone_model(loaded)
        for one, other in zip(model.layers[0].weights, fresh.layers[0].weights, strict=True):
            assert ops.convert_to_numpy(one) == pytest.approx(ops.convert_to_numpy(other))
        assert np.abs(ops.convert_to_numpy(fresh.layers[0].bias)).max() > 0.1

    def test_of_convolutions_has_a_scale_and_a_mean_for_each_channel(self):
        x = RNG.standard_normal((32, 8, 8, 3)) * [1, 20, 400] + [0, 100, 0]
        hidden = [layers.Conv2D(16, 3, padding="same", activation="tanh") for _ in range(4)]
        model = keras.Sequential([keras.Input((8, 8, 3)), *hidden])
        report = ko.tailor(model, x, seed=0)
        assert "input_std=[" in report.kernels[0].initializer
        assert "takes the data's mean away" in report.kernels[0].reason
        assert report.kernels[0].measured == pytest.approx(report.kernels[0].predicted, rel=0.1)

    @pytest.mark.parametrize("scale", [1.0, np.array([1e-3, 1, 100])], ids=["common", "own"])
    def test_of_a_recurrent_layer_keeps_the_norm_of_what_it_reads(self, scale):
        x = RNG.standard_normal((256, 12, 3))
        model = keras.Sequential([keras.Input((12, 3)), layers.SimpleRNN(16)])
        ko.tailor(model, (x + 5) * scale * 50, seed=0)
        cell = model.layers[0].cell
        kernel = ops.convert_to_numpy(cell.kernel) * np.reshape(scale, (-1, 1)) * 50
        assert kernel @ kernel.T == pytest.approx(np.eye(3), abs=0.1)
        entering = (x + 5) * scale * 50 @ ops.convert_to_numpy(cell.kernel)
        assert np.abs(entering.mean(axis=(0, 1)) + ops.convert_to_numpy(cell.bias)).max() < 0.02

    def test_of_a_recurrent_layer_does_not_count_blank_steps(self):
        x = np.zeros((256, 100, 8))
        x[:, :5] = RNG.standard_normal((256, 5, 8)) + 3
        model = keras.Sequential([keras.Input((100, 8)), layers.SimpleRNN(16)])
        report = ko.tailor(model, x, seed=0)
        kernel = ops.convert_to_numpy(model.layers[0].cell.kernel)
        assert kernel @ kernel.T == pytest.approx(np.eye(8) / 10, abs=0.01)
        assert not ops.convert_to_numpy(model.layers[0].cell.bias).any()
        assert "mean" not in report.kernels[0].reason

    def test_of_a_recurrent_layer_leaves_one_hot_steps_their_norm(self):
        x = np.eye(10)[np.where(RNG.random((256, 100)) < 0.1, RNG.integers(0, 9, (256, 100)), 9)]
        model = keras.Sequential([keras.Input((100, 10)), layers.SimpleRNN(16)])
        report = ko.tailor(model, x, seed=0)  # nearly all steps are the tenth symbol, the blank
        cell = model.layers[0].cell
        kernel, bias = ops.convert_to_numpy(cell.kernel), ops.convert_to_numpy(cell.bias)
        assert kernel @ kernel.T == pytest.approx(np.eye(10), abs=1e-5)
        assert "takes the data's mean away" in report.kernels[0].reason
        assert np.abs((x @ kernel).mean(axis=(0, 1)) + bias).max() < 0.01

    def test_without_a_bias_takes_the_mean_for_scale(self):
        model = chain(use_bias=False)
        report = ko.tailor(model, NORMAL + 5, seed=0)
        assert "mean" not in report.kernels[0].reason
        assert report.kernels[0].measured < 0.5

    def test_grouped_and_depthwise_kernels_have_a_common_scale(self):
        x = RNG.standard_normal((16, 8, 8, 4)) * [1, 1, 100, 100]
        for layer in (
            layers.Conv2D(8, 3, groups=2, activation="tanh"),
            layers.DepthwiseConv2D(3, depth_multiplier=2, activation="tanh"),
            layers.SeparableConv2D(8, 3, activation="tanh"),
        ):
            model = keras.Sequential([keras.Input((8, 8, 4)), layer, layers.Conv2D(8, 1)])
            report = ko.tailor(model, x, seed=0)
            assert "[" not in report.kernels[0].initializer.replace("_axes=[", "")


class TestWhichSamples:
    def test_a_sorted_set_is_seen_as_a_whole(self):
        x = np.repeat([0.1, 10.0], 1000)[:, None] * RNG.standard_normal((2000, 24))
        model = chain()
        ko.tailor(model, x, seed=0)
        assert model.layers[0].kernel_initializer.input_std == pytest.approx(50**0.5, rel=0.1)

    def test_missing_values_are_refused_by_the_feature(self):
        x = NORMAL.copy()
        x[:64, 5] = np.nan
        with pytest.raises(ValueError, match=r"`data` must be .* in 25% of feature 5$"):
            ko.tailor(chain(), x)
        x[1:64, 5] = 0.0
        with pytest.raises(ValueError, match=r"in 0.391% of feature 5$"):  # one of 256 is not none
            ko.tailor(chain(), x)
        frame = type("Frame", (np.ndarray,), {"columns": [f"c{i}" for i in range(24)]})
        with pytest.raises(ValueError, match=r"of feature 5, 'c5'$"):
            ko.tailor(chain(), x.view(frame))


class TestCalibration:
    def gated(self, gate=0.25):
        inputs = x = keras.Input((24,))
        for _ in range(8):
            x = layers.Dense(32, "tanh")(x)
            x = layers.Rescaling(gate)(x)
        return keras.Model(inputs, x)

    def test_a_gate_is_made_up_for(self):
        model = self.gated()
        report = ko.tailor(model, NORMAL, seed=0)
        scaled = [row for row in report.kernels if "scaled by" in row.reason]
        assert len(scaled) == 7
        # The first layer begins at half the spread that the second is made for.
        assert re.search(r"scaled by 6.\d*: 0.16 of the expected size", scaled[0].reason)
        assert "0.25 of the expected size measured" in scaled[1].reason
        assert ko.signal_report(model, NORMAL).verdict == "healthy"
        assert all(row.measured == pytest.approx(row.predicted, rel=0.1) for row in scaled)

    def test_the_config_says_what_the_kernel_has(self):
        model = self.gated()
        ko.tailor(model, NORMAL, seed=0)
        for layer in model.layers:
            if isinstance(layer, layers.Dense):
                made = layer.kernel_initializer
                drawn = type(made)(**made.get_config())(layer.kernel.shape)
                kernel = ops.convert_to_numpy(layer.kernel)
                assert kernel == pytest.approx(ops.convert_to_numpy(drawn), rel=1e-3, abs=1e-5)

    def test_what_is_as_expected_stays(self):
        report = ko.tailor(chain(depth=30, width=16), NORMAL, seed=0)
        assert not any("scaled by" in row.reason for row in report.kernels)

    def test_an_activation_between_operations_is_measured_too(self):
        class Block(keras.Model):
            def __init__(self):
                super().__init__()
                self.parts = [layers.Dense(24) for _ in range(3)]

            def call(self, x):
                for part in self.parts:
                    x = ops.tanh(part(x))
                return x

        model = Block()
        model(NORMAL[:1])
        report = ko.tailor(model, NORMAL, seed=0)
        spread = float(np.std(ops.convert_to_numpy(model(ops.convert_to_tensor(NORMAL)))))
        assert report.kernels[-1].measured == pytest.approx(spread, rel=1e-3)

    def test_an_interruption_leaves_the_model_as_it_was(self, monkeypatch):
        model = self.gated()
        before = [ops.convert_to_numpy(w) for w in model.weights]
        initializers = [getattr(each, "kernel_initializer", None) for each in model.layers]

        def interrupted(fitting, factor):
            if factor > 3.99:
                raise KeyboardInterrupt
            return rescaled(fitting, factor)

        monkeypatch.setattr(calibration, "rescaled", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ko.tailor(model, NORMAL, seed=0)
        for value, weight in zip(before, model.weights, strict=True):
            assert np.array_equal(value, ops.convert_to_numpy(weight))
        assert initializers == [getattr(e, "kernel_initializer", None) for e in model.layers]
        assert callable(model.layers[1].activation)
        assert model.layers[1].activation is keras.activations.tanh

    def test_directions_pass_narrow_layers_by_way_of_a_concatenation(self):
        inputs = x = keras.Input((24,))
        x = layers.Dense(32, "tanh")(x)
        for _ in range(6):
            new = layers.Dense(8, "tanh")(x)
            x = layers.Concatenate()([x, new])
        model = keras.Model(inputs, layers.Dense(32, "tanh")(x))
        report = ko.tailor(model, NORMAL, seed=0)
        assert not any("bottleneck" in row.initializer for row in report.kernels)


class TestFoundByUsers:
    def test_channels_first(self):
        x = RNG.standard_normal((16, 3, 16, 16)) + np.array([0, 9, 0])[:, None, None]
        layer = layers.Conv2D(8, 3, activation="tanh", data_format="channels_first")
        model = keras.Sequential([keras.Input((3, 16, 16)), layer], name="planned")
        report = ko.tailor(model, x, dry_run=True)  # TensorFlow runs none on the CPU
        assert "takes the data's mean away" in report.kernels[0].reason

    def test_numbers_beyond_the_precision_are_refused_and_leave_the_model(self):
        policy = keras.DTypePolicy("mixed_float16")
        model = chain(depth=2, dtype=policy)
        before = ops.convert_to_numpy(model.layers[0].kernel)
        with pytest.raises(ValueError, match=r"`data` must leave .* finite"):
            ko.tailor(model, NORMAL * 10.0 ** np.linspace(-7, 4, 24), seed=0)
        assert np.array_equal(before, ops.convert_to_numpy(model.layers[0].kernel))

    def test_a_kernel_that_reads_data_and_activations_is_made_for_these(self):
        inputs = x = keras.Input((24,))
        tied = layers.Dense(24, "tanh")
        for _ in range(20):
            x = tied(x)
        model = keras.Model(inputs, x)
        row = ko.tailor(model, NORMAL + 3, seed=0).kernels[0]
        assert "input_std" not in row.initializer
        assert "called on data and on activations" in row.reason
        assert not ops.convert_to_numpy(tied.bias).any()

    @pytest.mark.parametrize("factor", [1e2, 1e4])
    def test_one_wild_feature_does_not_drown_the_others(self, factor):
        x = NORMAL * np.where(np.arange(24) == 5, factor, 1)
        model = chain(depth=3)
        ko.tailor(model, x, seed=0)
        without = np.where(np.arange(24) == 5, 0, x)
        assert first_spread(model, without) > 0.9 * first_spread(model, x)

    def test_a_layer_with_a_bias_and_no_initializer_for_it(self):
        class Own(layers.Layer):
            activation = staticmethod(keras.activations.tanh)

            def build(self, shape):
                self.kernel_initializer = keras.initializers.get("glorot_uniform")
                self.kernel = self.add_weight(shape=(shape[-1], 8), name="kernel")
                self.bias = self.add_weight(shape=(8,), initializer="ones", name="bias")

            def call(self, x):
                return self.activation(ops.matmul(x, self.kernel) + self.bias)

        class Without(Own):
            def build(self, shape):
                super().build(shape)
                self.bias = False

        for cls in (Own, Without):
            model = keras.Sequential([keras.Input((24,)), cls()])
            advice = ko.signal_report(model, NORMAL + 100).advice
            assert ("takes it away by a bias" in advice) == (cls is Own)
            ko.tailor(model, NORMAL, seed=0)
        assert model.layers[0].bias is False

    def test_data_of_more_than_the_model_takes(self):
        a = keras.Input((24,), name="a")
        model = keras.Model({"a": a}, layers.Dense(8, "tanh")(a))
        assert ko.tailor(model, {"a": NORMAL, "b": NORMAL[:, :2]}).tailored == 1

    def test_a_constraint_is_told_of(self):
        report = ko.tailor(chain(depth=2, kernel_constraint="non_neg"), NORMAL)
        assert "its constraint may undo this" in report.kernels[0].reason

    def test_a_recurrent_layer_made_of_a_cell(self):
        model = keras.Sequential([keras.Input((6, 4)), layers.RNN(layers.SimpleRNNCell(8))])
        assert ko.tailor(model).tailored == 2
        stacked = [layers.SimpleRNNCell(8), layers.SimpleRNNCell(8)]
        model = keras.Sequential([keras.Input((6, 4)), layers.RNN(stacked)])
        with pytest.warns(UserWarning, match="as it was: rnn.*: RNN of StackedRNNCells: not kn"):
            ko.tailor(model)

    @pytest.mark.parametrize("samples", [2, 4, 8])
    def test_the_mean_of_a_few_samples_is_chance(self, samples):
        report = ko.tailor(chain(depth=2), NORMAL[:samples])
        assert "mean" not in report.kernels[0].reason

    def test_blank_samples_are_left_out(self):
        x = np.zeros((256, 24))
        x[::10] = NORMAL[::10]
        report = ko.tailor(chain(), x, seed=0)
        assert not any("scaled by" in row.reason for row in report.kernels)
        assert report.kernels[0].measured == pytest.approx(report.kernels[0].predicted, rel=0.15)

    def test_padding_is_no_part_of_a_size(self):
        x = np.zeros((64, 50, 24))
        x[:, :6] = RNG.standard_normal((64, 6, 24))
        hidden = [layers.Dense(24, "tanh") for _ in range(4)]
        model = keras.Sequential([keras.Input((50, 24)), *hidden])
        report = ko.tailor(model, x, seed=0)
        assert not any("scaled by" in row.reason for row in report.kernels)
        assert model.layers[0].kernel_initializer.input_std == pytest.approx(1, rel=0.1)

    def test_data_that_join_other_signals_are_told_of(self):
        inputs = keras.Input((24,))
        x = layers.Dense(24, "tanh")(inputs)
        joined = layers.Dense(24, "tanh", name="joined")(layers.Concatenate()([x, inputs]))
        model = keras.Model(inputs, joined)
        reasons = {row.layer: row.reason for row in ko.tailor(model, NORMAL + 9).kernels}
        assert "come in with other signals" in reasons["joined"]
        reasons = {row.layer: row.reason for row in ko.tailor(model, NORMAL).kernels}
        assert "come in" not in reasons["joined"]

    def test_an_optimizer_of_ones_own(self):
        class Own(keras.optimizers.Adam):
            def __init__(self, speed):
                super().__init__(speed)

        model = chain(depth=2)
        model.compile(Own(0.25), "mse")
        model.fit(NORMAL[:64], NORMAL[:64, :3], verbose=0)
        with pytest.warns(UserWarning, match="trained for 2 steps"):
            ko.tailor(model, NORMAL)
        assert int(model.optimizer.iterations) == 0
        assert float(model.optimizer.learning_rate) == 0.25

    def test_float64_beyond_the_default_is_refused(self):
        with (
            np.errstate(over="ignore"),
            pytest.raises(ValueError, match="`data` must be finite"),
        ):
            ko.tailor(chain(depth=2), NORMAL * 1e300)

    def test_a_lambda_is_no_hindrance_to_saving(self, tmp_path):
        hidden = [layers.Dense(24, lambda x: ops.tanh(x)) for _ in range(2)]
        model = keras.Sequential([keras.Input((24,)), *hidden])
        report = ko.tailor(model, NORMAL)
        with pytest.warns(UserWarning, match="includes a `lambda`"):  # Keras's own
            model.save(tmp_path / "model.keras")
        assert '("tanh", ' in report.kernels[0].initializer

    def test_the_bias_of_gates_is_no_kernel(self):
        model = keras.Sequential([keras.Input((6, 4)), layers.GRU(8)])
        rows = ko.tailor(model, dry_run=True).kernels
        assert [row.kernel for row in rows] == ["kernel", "recurrent_kernel"]
