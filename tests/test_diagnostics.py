"""The statistics, the report and its verdicts, on the backend that KERAS_BACKEND names."""

import dataclasses
import gc
import json
import math
import threading
import weakref

import keras
import numpy as np
import pytest
from keras import ops
from keras.layers import Activation, Dense

import keras_oddsig as ko
from keras_oddsig.signal import recording, selection, statistics
from keras_oddsig.signal.measurement import Measurement

BACKEND = keras.backend.backend()


def data(samples=48, units=6, seed=0):
    return np.random.default_rng(seed).standard_normal((samples, units)).astype("float32")


def sequential(*layers, units=6, compiled=False):
    """A model that is run layer by layer, unless what is compiled is the matter."""
    model = keras.Sequential([keras.Input((units,)), *layers])
    if not compiled:
        model.compile(run_eagerly=True)
    return model


def deep(init, activation="tanh", layers=60, width=64):
    hidden = [Dense(width, activation, kernel_initializer=init) for _ in range(layers)]
    return sequential(*hidden, units=width)


def fresh(cls):
    """A Keras initializer that gives each layer its own kernel."""
    return cls(seed=keras.random.SeedGenerator(1))


def names(report):
    return [layer.name for layer in report.layers]


def outputs_of(model, x, layers):
    """What the layers of a functional model return, by a model that returns just that."""
    inner = keras.Model(model.inputs[0], [layer.output for layer in layers])
    found = inner(x, training=False)
    return [ops.convert_to_numpy(ops.cast(h, "float32")).astype("float64") for h in found]


def numpy_statistics(h, first, bound):
    """Each statistic from its definition, in float64."""
    h, first = h.reshape(len(h), -1), first.reshape(len(first), -1)
    few = h[:64]
    norm = np.linalg.norm(few, axis=1)
    cosines = few @ few.T / np.outer(norm, norm)
    centred = few - few.mean(axis=0)
    eigenvalues = np.linalg.eigvalsh(centred @ centred.T)
    spreads = np.quantile(h.std(axis=1), [0, 0.25, 0.5, 0.75, 1])
    same = h.shape == first.shape
    return {
        "mean": h.mean(),
        "std": h.std(),
        "rms": math.sqrt(np.mean(h**2)),
        "min": h.min(),
        "max": h.max(),
        "saturated": np.mean(np.abs(h) > 0.97 * bound) if bound else math.nan,
        "dead": np.mean(np.abs(h) < 1e-3 * math.sqrt(np.mean(first**2))),
        "negative_rate": np.mean(h * first < 0) if same else math.nan,
        "cosine": np.abs(cosines[~np.eye(len(few), dtype=bool)]).mean(),
        "effective_rank": eigenvalues.sum() ** 2 / np.sum(eigenvalues**2),
        "spread_min": spreads[0],
        "spread_q25": spreads[1],
        "spread_median": spreads[2],
        "spread_q75": spreads[3],
        "spread_max": spreads[4],
    }


class TestStatistics:
    @pytest.mark.parametrize("samples", [2, 5, 100])
    def test_each_is_what_its_definition_says(self, samples):
        layers = [
            Dense(7, "tanh"),
            Dense(7, ko.Softsign(amplitude=2.0, rate=9.0), kernel_initializer="normal"),
            Dense(3, ops.erf, bias_initializer=keras.initializers.Constant([2.0, 0.0, -0.001])),
            Dense(7, "relu"),
        ]
        model = sequential(*layers, compiled=samples == 100)
        x = data(samples)
        # So that some units are saturated, some dead.
        layers[0].kernel.assign(3 * ops.convert_to_tensor(layers[0].kernel))
        layers[2].kernel.assign(1e-4 * ops.convert_to_tensor(layers[2].kernel))
        report = ko.signal_report(model, x, layers=Dense)
        outputs = outputs_of(model, x, layers)
        for row, h, bound in zip(report.layers, outputs, [1, 2, 1, None], strict=True):
            expected = numpy_statistics(h, outputs[0], bound)
            assert list(row.statistics) == list(expected)
            assert row.statistics == pytest.approx(expected, rel=2e-4, abs=2e-6, nan_ok=True)
        first, _, third, last = (row.statistics for row in report.layers)
        assert first["saturated"] > 0
        assert third["saturated"] == pytest.approx(1 / 3)
        assert last["dead"] > 0 or samples == 2
        assert 0 < report.layers[1].statistics["negative_rate"] < 1

    def test_units_of_a_feature_map_are_its_positions_and_channels(self):
        layers = [
            keras.layers.Conv2D(4, 3, activation="tanh", padding="same"),
            keras.layers.Conv2D(4, 3, activation="tanh", padding="same"),
        ]
        model = keras.Sequential([keras.Input((5, 5, 2)), *layers])
        x = np.random.default_rng(0).standard_normal((10, 5, 5, 2)).astype("float32")
        report = ko.signal_report(model, x)
        outputs = outputs_of(model, x, layers)
        for row, h in zip(report.layers, outputs, strict=True):
            expected = numpy_statistics(h, outputs[0], 1)
            assert row.statistics == pytest.approx(expected, rel=2e-4, abs=2e-6)

    @pytest.mark.parametrize(
        "dtype",
        [
            "float16",
            "bfloat16",
            "mixed_float16",
            pytest.param(
                "float64",
                marks=pytest.mark.skipif(BACKEND == "jax", reason="off by default in JAX"),
            ),
        ],
    )
    def test_they_are_as_precise_in_any_dtype(self, dtype):
        layers = [Dense(32, ko.Tanh(), dtype=dtype), Dense(32, "softsign", dtype=dtype)]
        model = sequential(*layers)
        x = data(200)
        report = ko.signal_report(model, x)
        outputs = outputs_of(model, x, layers)
        for row, h in zip(report.layers, outputs, strict=True):
            expected = numpy_statistics(h, outputs[0], 1)
            # As precise as the outputs: two runs of one model differ in their last bits.
            rel = {"float64": 1e-5, "bfloat16": 2e-2}.get(dtype, 2e-3)
            for name in ("std", "rms", "min", "max", "cosine", "effective_rank", "spread_median"):
                assert row.statistics[name] == pytest.approx(expected[name], rel=rel)

    @pytest.mark.skipif(BACKEND == "jax", reason="float64 is off by default in JAX")
    @pytest.mark.parametrize("dtypes", [("float64", "float32"), ("float32", "float64")])
    def test_layers_may_differ_in_precision(self, dtypes):
        layers = [Dense(6, "tanh", dtype=dtype) for dtype in dtypes]
        model = sequential(*layers)
        x, y = data(), data(seed=1)
        rows = ko.signal_report(model, x, y, "mse").layers
        first, last = outputs_of(model, x, layers)
        for row, h in zip(rows, (first, last), strict=True):
            expected = numpy_statistics(h, first, 1)
            for name in ("std", "cosine", "negative_rate"):
                assert row.statistics[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6)
            assert row.statistics["kernel_gradient"] > 0

    def test_squares_of_a_tiny_signal_do_not_underflow(self):
        layers = [Dense(6, "tanh"), Dense(6, "tanh")]
        model = sequential(*layers)
        layers[1].kernel.assign(1e-30 * ops.convert_to_tensor(layers[1].kernel))
        x = data()
        row = ko.signal_report(model, x).layers[1].statistics
        h = outputs_of(model, x, layers)[1]
        expected = numpy_statistics(h, h, 1)
        assert 0 < expected["std"] < 1e-28
        for name in ("std", "rms", "cosine", "effective_rank", "spread_median"):
            assert row[name] == pytest.approx(expected[name], rel=1e-3, abs=0), name

    def test_what_is_undefined_is_nan(self):
        model = sequential(Dense(4, "tanh", kernel_initializer="zeros"), Dense(3, "tanh"))
        dead, narrow = (row.statistics for row in ko.signal_report(model, data()).layers)
        assert dead["std"] == 0
        assert math.isnan(dead["cosine"])
        assert math.isnan(dead["effective_rank"])
        assert math.isnan(narrow["negative_rate"])
        one = ko.signal_report(sequential(Dense(4, "tanh")), data(1)).layers[0].statistics
        assert math.isnan(one["cosine"])
        assert one["std"] > 0

    def test_batches_are_pooled_as_if_they_were_one(self):
        layers = [Dense(7, "tanh"), Dense(7, "tanh")]
        model = sequential(*layers)
        x = np.concatenate([data(256), 3 * data(100, seed=1) + 1])
        report = ko.signal_report(model, x)
        for row, h in zip(report.layers, outputs_of(model, x, layers), strict=True):
            expected = numpy_statistics(h, h, 1)
            for name in ("mean", "std", "rms", "min", "max", "saturated", "spread_max"):
                assert row.statistics[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6)

    def test_histograms_count_every_value(self):
        layers = [Dense(7, "tanh"), Dense(4, "tanh")]
        model = sequential(*layers)
        x = data(200)
        measured = Measurement(model, histograms=True)(x)
        for counts, h in zip(measured.histograms, outputs_of(model, x, layers), strict=True):
            expected, _ = np.histogram(h, bins=statistics.BINS)
            # Rounding may put a value on an edge into the bin beside it.
            assert np.abs(np.cumsum(counts) - np.cumsum(expected)).max() <= 1
            assert counts.sum() == h.size


def squared(y, y_pred):
    return ops.mean(ops.square(y - y_pred), axis=-1)


class TestGradients:
    def test_norms_are_those_of_finite_differences(self):
        layers = [Dense(4, "tanh"), Dense(3), Activation("tanh"), Dense(2)]
        model = sequential(*layers, units=3, compiled=True)
        x, y = data(5, 3), data(5, 2, seed=1)
        rows = ko.signal_report(model, x, y, squared).layers

        # The same network in NumPy, from the first, the second or the third kernel on.
        kernels = [ops.convert_to_numpy(layers[i].kernel).astype("float64") for i in (0, 1, 3)]

        def loss(h, kernels):
            for kernel in kernels[:-1]:
                h = np.tanh(h @ kernel)
            return np.mean((h @ kernels[-1] - y) ** 2)

        def norm_of_gradient(function, at, step=1e-5):
            shifts = step * np.eye(at.size).reshape(at.size, *at.shape)
            slopes = [(function(at + d) - function(at - d)) / (2 * step) for d in shifts]
            return np.linalg.norm(slopes)

        h = x.astype("float64")
        for i, row in enumerate(rows):
            expected = norm_of_gradient(
                lambda w, h=h, i=i: loss(h, [w, *kernels[i + 1 :]]), kernels[i]
            )
            assert row.statistics["kernel_gradient"] == pytest.approx(expected, rel=1e-4)
            h = np.tanh(h @ kernels[i])
            expected = norm_of_gradient(lambda h, i=i: loss(h, kernels[i + 1 :]), h)
            expected *= math.sqrt(len(y))
            assert row.statistics["activation_gradient"] == pytest.approx(expected, rel=1e-4)

    def test_every_form_of_a_loss_gives_the_same(self):
        model = sequential(Dense(5, "tanh"), Dense(2))
        x, y = data(), data(48, 2, seed=1)
        model.compile(loss="mse", run_eagerly=True)
        losses = ["mse", keras.losses.MeanSquaredError(), squared, None]
        values = [
            ko.signal_report(model, x, y, loss).layers[0].statistics["kernel_gradient"]
            for loss in losses
        ]
        assert values == pytest.approx([values[0]] * 4)
        assert values[0] > 0

    def test_losses_of_several_outputs_add_up(self):
        inputs = keras.Input((6,))
        h = Dense(5, "tanh")(inputs)
        model = keras.Model(inputs, [Dense(2)(h), Dense(3)(h)])
        single = [keras.Model(inputs, output) for output in model.outputs]
        x, y = data(), [data(48, 2, seed=1), data(48, 3, seed=2)]
        zero = [0 * a for a in y]
        both = ko.signal_report(model, x, y, ["mse", "mae"]).layers[0].statistics
        alone = ko.signal_report(single[0], x, y[0], "mse").layers[0].statistics
        none = ko.signal_report(model, x, [y[0], zero[1]], ["mse", None]).layers[0].statistics
        assert none["kernel_gradient"] == pytest.approx(alone["kernel_gradient"])
        assert both["kernel_gradient"] != pytest.approx(alone["kernel_gradient"])

    def test_a_layer_that_the_loss_does_not_see_has_none(self):
        inputs = keras.Input((6,))
        pair = [Dense(2, "tanh", name=name)(inputs) for name in ("seen", "unseen")]
        model = keras.Model(inputs, pair)
        y = [data(48, 2), data(48, 2)]
        report = ko.signal_report(model, data(), y, ["mse", None])
        seen, unseen = sorted(report.layers, key=lambda row: row.name)
        assert seen.statistics["kernel_gradient"] > 0
        assert unseen.statistics["kernel_gradient"] == 0
        assert unseen.statistics["activation_gradient"] == 0

    def test_frozen_kernels_have_a_gradient_too(self):
        model = sequential(Dense(5, "tanh"), Dense(2))
        free = ko.signal_report(model, data(), data(48, 2), "mse").layers[0].statistics
        model.trainable = False
        frozen = ko.signal_report(model, data(), data(48, 2), "mse").layers[0].statistics
        assert frozen == pytest.approx(free)
        assert frozen["kernel_gradient"] > 0

    def test_masks_survive(self):
        model = keras.Sequential(
            [
                keras.Input((7,), dtype="int32"),
                keras.layers.Embedding(5, 4, mask_zero=True),
                Activation("tanh"),
                keras.layers.LSTM(3),
            ]
        )
        x = np.array([[1, 2, 3, 0, 0, 0, 0], [4, 1, 1, 2, 0, 0, 0]])
        forward = ko.signal_report(model, x).layers[-1].statistics
        backward = ko.signal_report(model, x, data(2, 3), "mse").layers[-1].statistics
        assert backward["std"] == pytest.approx(forward["std"])
        expected = ops.convert_to_numpy(model(x)).std()
        assert forward["std"] == pytest.approx(expected, rel=1e-4)


class Branches(keras.Model):
    """Subclassed, with layers in a list and in a dictionary, and one that is called twice."""

    def __init__(self):
        super().__init__()
        self.first = [Dense(4, "tanh", name="a"), Dense(4, ko.Erf(), name="b")]
        self.last = {"shared": Dense(4, name="c"), "after": ko.Softsign(name="d")}

    def call(self, x):
        for layer in self.first:
            x = layer(x)
        for _ in range(2):
            x = self.last["after"](self.last["shared"](x))
        return x


class Recording(keras.layers.Layer):
    """Does to itself what a layer should not do, and counts how often its code runs."""

    runs = 0

    def call(self, x):
        type(self).runs += 1
        self.seen = x
        self.add_loss(ops.sum(x))
        return ops.tanh(x)


class OwnCall(Dense):
    """Overrides `__call__`."""

    def __call__(self, x):
        return 2 * super().__call__(x)


class TestModels:
    @pytest.mark.parametrize("eagerly", [False, True])
    def test_a_subclassed_model(self, eagerly):
        model = Branches()
        model(data())
        model.compile(loss="mse", run_eagerly=eagerly)
        report = ko.signal_report(model, data(), data(48, 4))
        assert names(report) == ["a", "b", "d", "d#2"]
        assert [row.activation for row in report.layers] == ["tanh", "erf", "softsign", "softsign"]
        twice = [report.layers[i].statistics["kernel_gradient"] for i in (2, 3)]
        # The kernel is that of the shared layer before.
        assert twice[0] == twice[1] > 0
        assert report.layers[2].statistics["std"] != report.layers[3].statistics["std"]

    def test_nested_and_shared_models(self):
        inner = keras.Sequential([keras.Input((6,)), Dense(6, "tanh", name="h")], name="inner")
        other = keras.Sequential([keras.Input((6,)), Dense(6, "tanh", name="h")], name="other")
        inputs = keras.Input((6,))
        model = keras.Model(inputs, Activation("tanh", name="end")(other(inner(inner(inputs)))))
        report = ko.signal_report(model, data())
        assert names(report) == ["inner/h", "inner/h#2", "other/h", "end"]
        h = inner(inner(data()))
        assert report.layers[1].statistics["std"] == pytest.approx(
            ops.convert_to_numpy(h).std(), rel=1e-5
        )

    def test_several_inputs_and_outputs(self):
        inputs = [keras.Input((6,), name="a"), keras.Input((4,), name="b")]
        h = [Dense(4, "tanh")(each) for each in inputs]
        model = keras.Model(inputs, [Activation("tanh")(h[0] + h[1]), h[0]])
        assert len(ko.signal_report(model, [data(), data(48, 4)]).layers) == 3
        model = keras.Model({"a": inputs[0], "b": inputs[1]}, h)
        assert len(ko.signal_report(model, {"a": data(), "b": data(48, 4)}).layers) == 2

    @pytest.mark.parametrize("loss", [None, "mse"])
    def test_a_recurrent_layer_is_one_row(self, loss):
        rnn = keras.layers.SimpleRNN(
            4, kernel_initializer="normal", recurrent_initializer=ko.OddSigmoidInit("tanh", 9)
        )
        model = keras.Sequential(
            [
                keras.Input((9, 6)),
                keras.layers.TimeDistributed(Dense(6, "tanh"), name="each_step"),
                keras.layers.Bidirectional(
                    keras.layers.LSTM(3, return_sequences=True, name="lstm")
                ),
                rnn,
                Dense(1),
            ]
        )
        x = np.random.default_rng(0).standard_normal((12, 9, 6)).astype("float32")
        report = ko.signal_report(model, x, data(12, 1) if loss else None, loss)
        # The layer inside `TimeDistributed` is not called as a layer: what is around it is a row.
        assert names(report) == ["each_step", "forward_lstm", "backward_lstm", rnn.name]
        assert report.layers[0].activation == "tanh"
        last = report.layers[-1]
        expected = ko.recurrent_spread(ko.Tanh().profile, ko.noise_scale(9))
        assert last.predicted_spread == pytest.approx(expected)
        h = keras.Model(model.inputs[0], rnn.output)(x)
        assert last.statistics["std"] == pytest.approx(ops.convert_to_numpy(h).std(), rel=1e-5)
        if loss:
            assert last.statistics["kernel_gradient"] > 0

    def test_of_what_the_backend_traces_on_its_own_the_layer_around_is_the_row(self):
        class Mapped(keras.layers.Layer):
            def __init__(self):
                super().__init__(name="c")
                self.inside = Dense(4, "tanh", name="inside")

            def build(self, shape):
                self.inside.build(shape)

            def call(self, x):
                return ops.vectorized_map(lambda row: self.inside(row[None])[0], x)

        model = sequential(Dense(4, "tanh", name="b"), Mapped(), Activation("tanh", name="a"))
        report = ko.signal_report(model, data())
        assert names(report) == ["b", "c", "a"]
        # What such a layer does with it, none can know.
        assert report.layers[1].activation is None

    def test_rematerialized_layers_are_seen(self):
        with keras.RematScope("full"):
            model = sequential(Dense(4, "tanh"), Dense(4, "tanh"))
        report = ko.signal_report(model, data(), data(48, 4), "mse")
        assert len(report.layers) == 2
        assert report.layers[0].statistics["kernel_gradient"] > 0

    def test_an_overridden_call_is_seen_whole_and_once(self):
        layer = OwnCall(4, "tanh")
        layer.build((None, 6))
        model = Wrapped(layer)
        model(data())
        report = ko.signal_report(model, data())
        assert len(report.layers) == 1
        assert report.layers[0].statistics["max"] > 1

    def test_an_activation_is_not_counted_twice(self):
        shared = ko.Erf(name="shared")
        model = sequential(Dense(4, shared, name="a"), Dense(4, name="b"), shared)
        assert names(ko.signal_report(model, data())) == ["a", "shared"]
        # Unless it is asked for, and its layer is not.
        assert names(ko.signal_report(model, data(), layers=shared)) == ["shared", "shared#2"]


class Wrapped(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return self.layer(x)


class Raises(keras.layers.Layer):
    broken = False

    def call(self, x):
        if self.broken:
            raise ArithmeticError("half-way")
        return x


def state_of(model):
    layers = model._flatten_layers()
    values = [ops.convert_to_numpy(v.value) for v in model.variables]
    attributes = [dict(vars(layer)) for layer in layers]
    losses = [(list(layer._losses), set(layer._loss_ids)) for layer in layers]
    methods = [keras.Layer.__call__, keras.Layer.rematerialized_call]
    return values, attributes, losses, methods


def assert_same(before, after):
    for a, b in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(before[1], after[1], strict=True):
        assert a.keys() == b.keys()
        assert all(a[name] is b[name] for name in a)
    assert before[2:] == after[2:]


class TestUnchanged:
    @pytest.fixture
    def model(self):
        model = sequential(
            keras.layers.Dropout(0.5, seed=3),
            Dense(4, "tanh"),
            keras.layers.BatchNormalization(),
            Recording(),
            keras.layers.GaussianNoise(1.0),
            Raises(),
            Dense(4, ko.Tanh(trainable_rate=True), activity_regularizer="l2"),
        )
        model.compile("adam", "mse", metrics=["mae"], run_eagerly=True)
        model.fit(data(), data(48, 4), verbose=0)
        return model

    @pytest.mark.parametrize("eagerly", [False, True])
    @pytest.mark.parametrize("loss", [None, "mse"])
    def test_by_a_report(self, model, loss, eagerly):
        model.run_eagerly = eagerly
        before = state_of(model)
        rows = ko.signal_report(model, data(), data(48, 4) if loss else None, loss).layers
        assert len(rows) == 2
        assert_same(before, state_of(model))

    @pytest.mark.parametrize("loss", [None, "mse"])
    def test_by_a_report_that_fails_half_way(self, model, loss):
        layer = model.layers[-2]
        layer.broken = True
        before = state_of(model)
        with pytest.raises(ArithmeticError, match="half-way"):
            ko.signal_report(model, data(), data(48, 4) if loss else None, loss)
        assert_same(before, state_of(model))
        layer.broken = False
        assert len(ko.signal_report(model, data()).layers) == 2

    def test_training_goes_on_as_it_would_have(self):
        weights = []
        for look in (False, True):
            keras.utils.set_random_seed(0)
            model = sequential(keras.layers.Dropout(0.5), Dense(4, "tanh"), Dense(1))
            model.compile("sgd", "mse", run_eagerly=True)
            model.fit(data(), data(48, 1), verbose=0)
            if look:
                ko.signal_report(model, data(), data(48, 1))
            model.fit(data(), data(48, 1), verbose=0)
            weights.append(model.get_weights())
        for a, b in zip(*weights, strict=True):
            np.testing.assert_array_equal(a, b)

    def test_another_thread_passes_through(self):
        layer = Dense(4, "tanh")
        model = Wrapped(layer)
        model(data())
        recorder = recording.Recorder(selection.watch(model))
        with recording.recording(recorder, [layer]):
            thread = threading.Thread(target=lambda: layer(data()))
            thread.start()
            thread.join()
            assert recorder.calls == []
            layer(data())
        assert len(recorder.calls) == 1


class TestCompilation:
    def test_once_a_model(self):
        model = sequential(Recording(), Dense(4, "tanh"), compiled=True)
        ko.signal_report(model, data())
        runs = Recording.runs
        ko.signal_report(model, data(seed=1))
        assert (Recording.runs - runs) == (1 if BACKEND == "torch" else 0)

    def test_new_weights_are_seen(self):
        model = sequential(Dense(4, "tanh"), compiled=True)
        before = ko.signal_report(model, data()).layers[0].statistics["std"]
        model.set_weights([0.1 * w for w in model.get_weights()])
        after = ko.signal_report(model, data()).layers[0].statistics["std"]
        assert after == pytest.approx(ops.convert_to_numpy(model(data())).std(), rel=1e-5)
        assert after < 0.5 * before

    def test_a_new_activation_is_seen(self):
        model = sequential(Dense(4, "tanh"), compiled=True)
        ko.signal_report(model, data())
        model.layers[0].activation = keras.activations.softsign
        row = ko.signal_report(model, data()).layers[0]
        assert row.activation == "softsign"
        expected = ops.convert_to_numpy(model(data())).std()
        assert row.statistics["std"] == pytest.approx(expected, rel=1e-5)

    def test_nothing_keeps_a_model_alive(self):
        model = sequential(Dense(4, "tanh"), compiled=True)
        ko.signal_report(model, data(), data(48, 4), "mse")
        alive = weakref.ref(model)
        del model
        keras.utils.clear_session(free_memory=True)
        gc.collect()
        assert alive() is None


class TestPredictions:
    @pytest.mark.parametrize("activation", ["tanh", "softsign"])
    @pytest.mark.parametrize("cls", [ko.OddSigmoidInit, ko.OddSigmoidOrthogonal])
    def test_spread_and_negative_rate_come_true_layer_by_layer(self, cls, activation):
        model = deep(cls(activation, depth=30), ko.get(activation), layers=30, width=256)
        rows = ko.signal_report(model, data(64, 256)).layers
        measured = np.array([row.statistics["std"] for row in rows])
        predicted = np.array([row.predicted_spread for row in rows])
        assert measured == pytest.approx(predicted, rel=0.1)
        measured = np.array([row.statistics["negative_rate"] for row in rows])
        predicted = np.array([row.predicted_negative_rate for row in rows])
        assert measured == pytest.approx(predicted, abs=0.08)
        assert predicted[0] == 0
        assert predicted[-1] > 0.25

    def test_a_first_layer_for_data_has_a_prediction_of_its_own(self):
        first, hidden = (
            ko.OddSigmoidOrthogonal("tanh", depth=30, input_std=std) for std in (1.0, None)
        )
        kernels = [first] + [hidden] * 9
        model = sequential(*(Dense(256, "tanh", kernel_initializer=k) for k in kernels), units=256)
        rows = ko.signal_report(model, data(64, 256)).layers
        measured = [row.statistics["std"] for row in rows]
        assert measured == pytest.approx([row.predicted_spread for row in rows], rel=0.1)
        point = hidden.operating_point
        z, weight = np.polynomial.hermite_e.hermegauss(40)
        square = np.tanh(point.gain * point.spread / 2 * z) ** 2 @ weight / weight.sum()
        assert measured[0] == pytest.approx(np.sqrt(square), rel=0.02)
        assert measured[0] < measured[-1] < point.spread

    def test_a_bottleneck_is_passed_where_the_kernels_know_of_it(self):
        def report(k):
            first = ko.OddSigmoidOrthogonal("tanh", depth=40, input_std=1.0)
            hidden = ko.OddSigmoidOrthogonal("tanh", depth=40, bottleneck=k)
            layers = [
                Dense(4 if layer % 2 else 16, "tanh", kernel_initializer=hidden if layer else first)
                for layer in range(40)
            ]
            return ko.signal_report(sequential(*layers, units=16), data(128, 16))

        told = report(4)
        assert told.verdict == "healthy"
        assert told.layers[-1].statistics["effective_rank"] > 3
        # How much of a signal is in the directions kept, the solver does not know.
        assert told.layers[-1].predicted_spread is None
        untold = (report(None) for _ in range(6))  # one in six is lucky
        untold = next(each for each in untold if each.verdict == "forgetting")
        assert untold.layers[-1].predicted_spread is not None
        assert '"tanh", depth=40, bottleneck=4)' in untold.advice

    def test_an_activation_layer_reads_the_kernel_before_it(self):
        init = ko.OddSigmoidOrthogonal(ko.Tanh(rate=2.0), depth=5)
        inside = sequential(*[Dense(32, ko.Tanh(rate=2.0), kernel_initializer=init)] * 1, units=32)
        apart = sequential(Dense(32, kernel_initializer=init), ko.Tanh(rate=2.0), units=32)
        expected = ko.signal_report(inside, data(64, 32)).layers[0].predicted_spread
        row = ko.signal_report(apart, data(64, 32)).layers[0]
        assert row.predicted_spread == pytest.approx(expected)
        assert row.statistics["std"] == pytest.approx(expected, rel=0.05)

    def test_none_behind_a_sum_and_the_chain_goes_on_from_there(self):
        init = ko.OddSigmoidOrthogonal("tanh", depth=10)
        x = inputs = keras.Input((256,))
        for layer in range(4):
            h = Dense(256, "tanh", kernel_initializer=init)(x)
            x = x + 2 * h if layer == 1 else h
        model = keras.Model(inputs, x)
        rows = ko.signal_report(model, data(64, 256)).layers
        assert [row.predicted_spread is None for row in rows] == [False, False, True, False]
        assert rows[3].statistics["std"] == pytest.approx(rows[3].predicted_spread, rel=0.05)
        assert rows[3].predicted_negative_rate is None

    def test_none_where_the_solver_cannot_know(self):
        init = ko.OddSigmoidOrthogonal("tanh", depth=5)
        cases = [
            [Dense(8, "softsign", kernel_initializer=init)],  # made for another activation
            [Dense(8, ko.Tanh(amplitude=2.0), kernel_initializer=init)],
            [
                Dense(8, kernel_initializer=init),
                keras.layers.BatchNormalization(),
                Activation("tanh"),
            ],
            [Dense(8, "tanh")],
        ]
        for layers in cases:
            (row,) = ko.signal_report(sequential(*layers), data()).layers
            assert row.predicted_spread is None
            assert row.predicted_negative_rate is None


def wrapped_tanh(x):
    return ops.tanh(x)


class TestPredictionsForFunctions:
    @pytest.mark.parametrize("given", ["tanh", wrapped_tanh])
    def test_functions_that_compute_the_same_are_the_same(self, given):
        """Such as the tanh of a library, which is a function around the backend's."""
        init = ko.OddSigmoidOrthogonal(given, depth=5)
        hidden = [Dense(6, wrapped_tanh, kernel_initializer=init) for _ in range(2)]
        rows = ko.signal_report(sequential(*hidden), data()).layers
        assert all(row.predicted_spread is not None for row in rows)

    def test_functions_that_differ_are_not(self):
        hidden = Dense(6, wrapped_tanh, kernel_initializer=ko.OddSigmoidOrthogonal("erf", 5))
        assert ko.signal_report(sequential(hidden), data()).layers[0].predicted_spread is None


class TestVerdicts:
    def test_glorot_collapses_at_60_layers_of_tanh(self):
        report = ko.signal_report(deep(fresh(keras.initializers.GlorotUniform)), data(128, 64))
        assert report.verdict == "collapsing"
        assert not report.healthy
        start = names(report).index(report.start)
        assert 2 < start < 50
        verdicts = [row.verdict for row in report.layers]
        assert verdicts == ["healthy"] * start + ["collapsing"] * (60 - start)
        assert 'kernels with OddSigmoidOrthogonal("tanh", depth=60), the first' in report.advice

    def test_he_saturates_at_60_layers_of_tanh(self):
        report = ko.signal_report(deep(fresh(keras.initializers.HeNormal)), data(128, 64))
        assert report.verdict == "saturating"
        assert report.start == names(report)[0]

    @pytest.mark.parametrize("layers", [10, 60, 100])
    @pytest.mark.parametrize("activation", ["tanh", "softsign", "erf"])
    @pytest.mark.parametrize("cls", [ko.OddSigmoidInit, ko.OddSigmoidOrthogonal])
    def test_ours_are_healthy(self, cls, activation, layers):
        init = cls(activation, depth=layers)
        model = deep(init, ko.get(activation), layers=layers)
        report = ko.signal_report(model, data(128, 64))
        assert report.healthy, report
        assert report.start is None

    def test_a_rotation_by_keras_is_healthy_where_its_gain_is_the_critical_one(self):
        init = fresh(keras.initializers.Orthogonal)
        assert ko.signal_report(deep(init), data(128, 64)).healthy
        # The slope of 2 sigmoid(x) - 1 is 1/2: half of the signal is lost at each layer.
        report = ko.signal_report(deep(init, ko.BipolarSigmoid(), layers=30), data(128, 64))
        assert report.verdict == "collapsing"
        assert names(report).index(report.start) < 10

    def test_a_large_gain_saturates_at_once(self):
        model = sequential(Dense(32, "tanh", kernel_initializer=keras.initializers.RandomNormal()))
        assert ko.signal_report(model, data(64)).healthy
        assert ko.signal_report(model, 1e4 * data(64)).verdict == "saturating"

    def test_biases_make_a_network_forget(self):
        model = deep(fresh(keras.initializers.Orthogonal), layers=12)
        for layer in model.layers:
            layer.bias.assign(np.random.default_rng(0).standard_normal(64))
        report = ko.signal_report(model, data(128, 64))
        assert report.verdict == "forgetting"
        assert report.layers[-1].statistics["cosine"] > 0.95
        assert report.layers[-1].statistics["std"] > 0.3

    @pytest.mark.parametrize(
        ("scale", "verdict"), [(20.0, "exploding gradient"), (0.05, "vanishing gradient")]
    )
    def test_a_gradient_out_of_proportion_is_named(self, scale, verdict):
        model = sequential(*[GradientTimes(scale) for _ in range(6)])
        report = ko.signal_report(model, data(), data(seed=1), "mse", layers=GradientTimes)
        assert report.verdict == verdict
        # 20, 400, ... going back from the last: more than 100 from the fourth on.
        assert report.start == names(report)[3]
        assert [row.verdict for row in report.layers] == [verdict] * 4 + ["healthy"] * 2

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_what_is_not_finite_is_named_where_it_starts(self, value):
        model = deep(fresh(keras.initializers.Orthogonal), layers=4, width=6)
        bias = np.zeros(6)
        bias[2] = value
        model.layers[2].activation = keras.activations.linear
        model.layers[2].bias.assign(bias)
        report = ko.signal_report(model, data(), layers=Dense)
        assert report.verdict == "not finite"
        assert report.start == model.layers[2].name
        assert report.to_dict()["layers"][2]["statistics"]["std"] is None

    def test_one_sample_or_one_layer_raises_no_alarm(self):
        assert ko.signal_report(sequential(Dense(4, "tanh")), data(1)).healthy
        assert ko.signal_report(sequential(Dense(4, "tanh"), Dense(4, "tanh")), data(2)).healthy


class GradientTimes(keras.layers.Layer):
    """The identity, but for its gradient."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def call(self, x):
        return self.scale * x + ops.stop_gradient(x - self.scale * x)


class TestReport:
    @pytest.fixture
    def report(self):
        layers = [Dense(6, "tanh"), Dense(4, "relu")]
        return ko.signal_report(sequential(*layers), data(), layers=Dense)

    def test_its_dictionary_is_clean_json(self, report, tmp_path):
        found = report.to_dict()
        assert list(found) == ["verdict", "start", "advice", "layers"]
        assert found["layers"][1]["statistics"]["saturated"] is None
        assert found["layers"][0]["predicted_spread"] is None
        report.to_json(tmp_path / "report.json")
        text = (tmp_path / "report.json").read_text()
        assert "NaN" not in text
        assert json.loads(text) == found

    def test_it_prints_within_80_columns(self, report):
        from rich.console import Console

        console = Console(width=80, record=True)
        report.print(console)
        text = console.export_text()
        for row in report.layers:
            assert row.name in text
            assert f"{row.statistics['std']:.3g}" in text
        assert "healthy. Nothing to do." in text
        assert "…" not in text

    def test_a_name_that_looks_like_markup_is_printed_as_it_is(self, report):
        from rich.console import Console

        console = Console(width=80, record=True)
        layer = dataclasses.replace(report.layers[0], name="[bold]a[/bold]")
        dataclasses.replace(report, layers=(layer,)).print(console)
        assert "[bold]a[/bold]" in console.export_text()

    def test_layers_are_selected_in_every_way(self):
        model = Branches()
        model(data())
        a, b = model.first
        assert names(ko.signal_report(model, data(), layers="b")) == ["b"]
        assert names(ko.signal_report(model, data(), layers=[b, "a"])) == ["a", "b"]
        assert names(ko.signal_report(model, data(), layers=Dense)) == ["a", "b", "c", "c#2"]
        chosen = ko.signal_report(model, data(), layers=lambda layer: layer.name < "c")
        assert names(chosen) == ["a", "b"]
        assert a is not b


class TestErrors:
    def test_an_unbuilt_model(self):
        with pytest.raises(ValueError, match=r"`model` must be built.*Received: model="):
            ko.signal_report(Branches(), data())

    def test_no_model(self):
        with pytest.raises(TypeError, match=r"`model` must be.*Received: model='m'"):
            ko.signal_report("m", data())

    def test_layers(self):
        model = sequential(Dense(4, "tanh", name="here"))
        with pytest.raises(ValueError, match=r"which has here\. Received: 'there'"):
            ko.signal_report(model, data(), layers=["here", "there"])
        with pytest.raises(TypeError, match=r"`layers` must be.*Received: layers=3"):
            ko.signal_report(model, data(), layers=3)
        with pytest.raises(TypeError, match=r"`layers` must be.*Received: layers=\[\]"):
            ko.signal_report(model, data(), layers=[])
        with pytest.raises(ValueError, match=r"none has an odd-sigmoid activation.*relu"):
            ko.signal_report(sequential(Dense(4, "relu", name="relu")), data())

    def test_layers_that_are_not_called(self):
        class Lazy(Branches):
            lazy = False

            def call(self, x):
                return self.first[0](x) if self.lazy else super().call(x)

        model = Lazy()
        model(data())
        model.lazy = True
        with pytest.raises(ValueError, match="None of them was called"):
            ko.signal_report(model, data(), layers="b")

    def test_loss_and_targets(self):
        model = sequential(Dense(4, "tanh"))
        with pytest.raises(ValueError, match=r"`y` must be given.*Received: y=None"):
            ko.signal_report(model, data(), loss="mse")
        with pytest.raises(ValueError, match=r"not compiled with one. Received: loss=None"):
            ko.signal_report(model, data(), data(48, 4))
        with pytest.raises(ValueError, match=r"`loss` must be.*Received: loss='no such'"):
            ko.signal_report(model, data(), data(48, 4), "no such")

    def test_data(self):
        model = sequential(Dense(4, "tanh"))
        with pytest.raises(TypeError, match=r"`x` must be an array.*Received: x='x'"):
            ko.signal_report(model, "x")
        with pytest.raises(ValueError, match=r"at least 1. Received: arrays of \[0\] samples"):
            ko.signal_report(model, data(0))
        with pytest.raises(ValueError, match=r"one number of samples.*\[5, 48\]"):
            ko.signal_report(model, data(), data(5, 4), "mse")
