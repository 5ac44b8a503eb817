"""Losses in every form of `fit`, data in every form, and numbers that are not floating."""

import keras
import numpy as np
import pytest
from keras import ops
from keras.layers import Dense

import keras_oddsig as ko
from keras_oddsig.signal import measurement

BACKEND = keras.backend.backend()


def data(units=6, samples=48, seed=0):
    return np.random.default_rng(seed).standard_normal((samples, units)).astype("float32")


X, Y = data(), data(3, seed=1)


def two_outputs(structure):
    """A model of outputs p and q, 3 wide, in a list or a dict."""
    inputs = keras.Input((6,))
    h = Dense(5, "tanh", name="h")(inputs)
    p, q = (Dense(3, name=name)(h) for name in ("p", "q"))
    model = keras.Model(inputs, [p, q] if structure is list else {"p": p, "q": q})
    model.compile(run_eagerly=True)
    return model


def gradient(model, y, loss=None):
    return ko.signal_report(model, X, y, loss).layers[0].statistics["kernel_gradient"]


def norm_by_fit(model, y):
    """The norm of the first kernel's gradient, from one step of plain SGD by `fit`."""
    before = ops.convert_to_numpy(model.get_layer("h").kernel)
    model.fit(X, y, batch_size=len(X), verbose=0)
    step = ops.convert_to_numpy(model.get_layer("h").kernel) - before
    return float(np.linalg.norm(step) / 0.01)


class TestLosses:
    @pytest.mark.parametrize("targets", [list, dict])
    @pytest.mark.parametrize(
        "loss", ["mse", ["mse", "mae"], {"p": "mse", "q": "mae"}, {"q": "mae", "p": "mse"}]
    )
    @pytest.mark.parametrize("structure", [list, dict])
    def test_every_form_that_fit_takes_gives_the_gradient_of_fit(self, structure, loss, targets):
        model = two_outputs(structure)
        y = [Y, 2 * Y] if targets is list else {"p": Y, "q": 2 * Y}
        model.compile(keras.optimizers.SGD(0.01), loss, loss_weights=None, run_eagerly=True)
        try:
            model.fit(X, y, verbose=0, epochs=1, batch_size=len(X))
        except Exception:
            with pytest.raises(ValueError, match=r"`loss` must be.*Received: outputs of"):
                gradient(model, y)
            return
        found = gradient(model, y)
        assert gradient(model, y, loss) == pytest.approx(found)
        assert norm_by_fit(model, y) == pytest.approx(found, rel=1e-3)

    @pytest.mark.parametrize("weights", [[1.0, 0.0], [0.0, 1.0], [2.0, 0.5]])
    def test_loss_weights_of_compile_count(self, weights):
        model = two_outputs(list)
        model.compile(keras.optimizers.SGD(0.01), ["mse"] * 2, weights, run_eagerly=True)
        found = gradient(model, [Y, 2 * Y])
        assert norm_by_fit(model, [Y, 2 * Y]) == pytest.approx(found, rel=1e-3)

    def test_one_loss_for_two_outputs_is_that_of_both(self):
        model = two_outputs(list)
        assert gradient(model, [Y, 2 * Y], "mse") == pytest.approx(
            gradient(model, [Y, 2 * Y], ["mse", "mse"])
        )

    def test_batches_of_two_sizes_and_compiled(self):
        model = two_outputs(dict)
        eager = ko.signal_report(model, X, {"p": Y, "q": Y}, "mse").layers[0].statistics
        model.run_eagerly = False
        x, y = np.repeat(X, 6, axis=0), np.repeat(Y, 6, axis=0)  # 288 samples: 256 and 32
        found = ko.signal_report(model, x, {"p": y, "q": y}, "mse").layers[0].statistics
        assert found["kernel_gradient"] > 0
        again = ko.signal_report(model, X, {"p": Y, "q": Y}, "mse").layers[0].statistics
        assert again["kernel_gradient"] == pytest.approx(eager["kernel_gradient"], rel=1e-4)

    @pytest.mark.parametrize(
        ("y", "loss"), [([Y], "mse"), ([Y, Y], {"p": "mse", "z": "mse"}), (Y, ["mse"] * 3)]
    )
    def test_what_fits_no_output_is_refused_in_one_line_of_ours(self, y, loss):
        with pytest.raises(ValueError, match=r"`loss` must be one for all outputs.*Received: out"):
            gradient(two_outputs(list), y, loss)

    def test_the_users_model_is_not_renamed(self):
        model = two_outputs(list)
        gradient(model, [Y, Y], "mse")
        number = keras.Sequential().name.removeprefix("sequential")
        gradient(model, [Y, Y], ["mse", "mae"])
        assert keras.Sequential().name.removeprefix("sequential_") == str(
            int(number.removeprefix("_") or 0) + 1
        )


class TestRepetition:
    """Who looks again and again, as in a loop of training, waits for one compilation."""

    def kept(self, model):
        return len(measurement._cache[model])

    def test_equal_losses_of_keras_are_one(self):
        model = two_outputs(list)
        for _ in range(3):
            gradient(model, [Y, Y], keras.losses.Huber(0.5))
        assert self.kept(model) == 1
        other = gradient(model, [Y, Y], keras.losses.Huber(0.1))
        assert self.kept(model) == 2
        assert other < gradient(model, [Y, Y], keras.losses.Huber(0.5))

    def test_losses_that_a_user_makes_count_each_for_itself(self):
        class Times(keras.losses.Loss):
            def __init__(self, factor):
                super().__init__()
                self.factor = factor

            def call(self, y, y_pred):
                return self.factor * ops.mean((y - y_pred) ** 2, axis=-1)

        model = two_outputs(list)
        single, double = (gradient(model, [Y, Y], Times(factor)) for factor in (1, 2))
        assert double == pytest.approx(2 * single)

    def test_new_functions_each_time_do_not_heap_up(self):
        model = two_outputs(list)
        for i in range(measurement._KEPT + 3):
            ko.signal_report(model, X, layers=lambda layer, i=i: layer.name == "h")
            gradient(model, [Y, Y], lambda y, y_pred: ops.mean((y - y_pred) ** 2))
        assert self.kept(model) == measurement._KEPT


class TestIntegers:
    @pytest.mark.parametrize("lora", [False, True])
    @pytest.mark.parametrize("mode", ["int8", "int4"])
    def test_quantized_kernels_have_no_gradient_and_no_more_than_that(self, mode, lora):
        layers = [Dense(8, "tanh"), Dense(8, "tanh"), Dense(3)]
        model = keras.Sequential([keras.Input((6,)), *layers])
        model.compile(loss="mse", run_eagerly=True)
        layers[1].quantize(mode)
        if lora:
            layers[1].enable_lora(2)
        rows = ko.signal_report(model, X, Y).layers
        assert rows[0].statistics["kernel_gradient"] > 0
        assert np.isnan(rows[1].statistics["kernel_gradient"]) != lora
        assert rows[1].statistics["activation_gradient"] > 0
        assert ko.signal_report(model, X).layers[1].statistics["std"] > 0


class Vae(keras.Model):
    """With a `train_step` of its own, and no `call`."""

    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential([keras.Input((6,)), Dense(4, "tanh")])


class TestModels:
    def test_one_without_a_call_is_refused_with_what_would_serve(self):
        vae = Vae()
        with pytest.raises(
            ValueError, match=r"Vae has none: give.*\(encoder\).*Received: model=<Vae"
        ):
            ko.signal_report(vae, X)
        assert len(ko.signal_report(vae.encoder, X).layers) == 1

    def test_a_layer_is_refused_with_what_would_serve(self):
        with pytest.raises(TypeError, match=r"must be a `keras.Model`: put the layer.*Received"):
            ko.signal_report(Dense(3, "tanh"), X)
        with pytest.raises(TypeError, match=r"must be a `keras.Model`\. Received: model='m.keras'"):
            ko.signal_report("m.keras", X)


class TestNotebooks:
    """The last expression of a cell is shown by its `repr`."""

    def test_reports_and_histories_are_one_line(self):
        layers = [Dense(6, "tanh", kernel_initializer="zeros", name=f"h{i}") for i in range(40)]
        model = keras.Sequential([keras.Input((6,)), *layers])
        model.compile(loss="mse", run_eagerly=True)
        watch = ko.ActivationSpread(X)
        assert repr(watch.history) == "<SpreadHistory of 0 rows>"
        report = ko.signal_report(model, X)
        assert repr(report) == "<SignalReport of 40 layers: collapsing from h0 on>"


class TestNaN:
    """None is made on the device, where a user may be hunting one."""

    @pytest.fixture(autouse=True)
    def hunting(self):
        if BACKEND == "jax":
            import jax

            with jax.debug_nans(True):
                yield
        elif BACKEND == "tensorflow":
            import tensorflow as tf

            tf.debugging.enable_check_numerics()
            yield
            tf.debugging.disable_check_numerics()
        else:
            import torch

            with torch.autograd.detect_anomaly(check_nan=True):
                yield

    @pytest.mark.filterwarnings("ignore:Anomaly Detection")
    @pytest.mark.parametrize("eagerly", [False, True])
    @pytest.mark.parametrize("samples", [1, 48])
    def test_undefined_statistics_are_nan_on_the_host(self, samples, eagerly):
        layers = [
            Dense(4, "tanh", kernel_initializer="zeros"),
            Dense(3, "tanh", bias_initializer="ones"),
            keras.layers.Activation("relu"),
        ]
        model = keras.Sequential([keras.Input((6,)), *layers])
        model.compile(loss="mse", run_eagerly=eagerly)
        watch = ko.ActivationSpread(X[:samples])
        report = ko.signal_report(model, X[:samples], data(3, samples))
        model.fit(X, Y, verbose=0, callbacks=[watch])
        dead, constant, last = (row.statistics for row in report.layers)
        assert np.isnan([dead["cosine"], dead["effective_rank"], constant["effective_rank"]]).all()
        assert np.isnan([constant["negative_rate"], last["saturated"]]).all()
        assert np.isnan(constant["cosine"]) == (samples == 1)
        assert np.isfinite([dead["saturated"], constant["std"], last["max"]]).all()


class TestPooling:
    @pytest.mark.parametrize("tail", [1, 40])
    def test_a_batch_without_directions_does_not_hide_those_of_the_others(self, tail):
        layers = [Dense(6, "tanh", kernel_initializer="normal") for _ in range(2)]
        model = keras.Sequential([keras.Input((6,)), *layers])
        model.compile(run_eagerly=True)
        x = np.concatenate([data(samples=256), np.repeat(X[:1], tail, axis=0)])
        rows = ko.signal_report(model, x).layers
        for row, whole in zip(rows, ko.signal_report(model, x[:256]).layers, strict=True):
            rank = row.statistics["effective_rank"]
            assert rank == pytest.approx(whole.statistics["effective_rank"], rel=1e-6)
            assert np.isfinite(row.statistics["cosine"])

    def test_a_batch_that_is_not_finite_is_not_hidden(self):
        model = TestData().model()
        x = np.concatenate([data(samples=256), np.full((3, 6), np.nan, "float32")])
        assert ko.signal_report(model, x).verdict == "not finite"


class TestData:
    def model(self, units=6):
        model = keras.Sequential([keras.Input((units,)), Dense(4, "tanh"), Dense(3)])
        model.compile(loss="mse", run_eagerly=True)
        return model

    @pytest.mark.parametrize("kind", ["csr_matrix", "coo_matrix", "csc_array"])
    def test_sparse_arrays_are_read_by_rows(self, kind):
        import scipy.sparse

        x = np.where(np.abs(data(samples=300)) > 1, data(samples=300), 0)
        sparse = getattr(scipy.sparse, kind)(x)
        model = self.model()
        found = ko.signal_report(model, sparse).layers[0].statistics
        assert found == pytest.approx(ko.signal_report(model, x).layers[0].statistics, rel=1e-5)
        model.fit(X, Y, verbose=0, callbacks=[ko.ActivationSpread(sparse)])

    def test_a_dict_of_one_dimensional_arrays(self):
        inputs = {name: keras.Input((1,), name=name) for name in "ab"}
        h = Dense(4, "tanh")(keras.layers.Concatenate()(list(inputs.values())))
        model = keras.Model(inputs, h)
        flat = ko.signal_report(model, {"a": X[:, 0], "b": X[:, 1]})
        columns = ko.signal_report(model, {"a": X[:, :1], "b": X[:, 1:2]})
        assert flat.to_dict() == columns.to_dict()

    def test_one_dimension_of_inputs_and_targets(self):
        model = keras.Sequential([keras.Input((1,)), Dense(4, "tanh"), Dense(1)])
        assert len(ko.signal_report(model, X[:, 0], Y[:, 0], "mse").layers) == 1

    def test_lists_of_numbers_are_refused_as_fit_does(self):
        with pytest.raises(TypeError, match=r"`x` must be an array.*Received: x=\[\[") as error:
            ko.signal_report(self.model(), X.tolist())
        assert len(str(error.value)) < 500

    def test_single_samples_are_told_from_batches(self):
        class Samples(keras.utils.PyDataset):
            def __len__(self):
                return 3

            def __getitem__(self, i):
                return X[i], Y[i]

        with pytest.raises(ValueError, match=r"\(None, 6\).*of the shape \(6,\).*batch the data"):
            ko.signal_report(self.model(), Samples())

    @pytest.mark.skipif(BACKEND != "tensorflow", reason="a dataset of TensorFlow")
    def test_an_unbatched_dataset(self):
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensor_slices((X, Y))
        with pytest.raises(ValueError, match=r"of the shape \(6,\).*dataset\.batch"):
            ko.signal_report(self.model(), dataset)
        assert len(ko.signal_report(self.model(), dataset.batch(16)).layers) == 1

    def test_an_error_names_the_argument_that_was_written(self):
        model = self.model()
        with pytest.raises(ValueError, match=r"`data` must hold batches of the shape \(None, 6\)"):
            model.fit(X, Y, verbose=0, callbacks=[ko.ActivationSpread(Y)])
        with pytest.raises(ValueError, match=r"`x` must hold arrays of one number of samples"):
            ko.signal_report(model, X[:0])

    def test_arrays_of_another_width_or_number_are_refused(self):
        match = r"shape \(None, 6\) for the model's one input\. Received.*\(48, 3\)"
        with pytest.raises(ValueError, match=match):
            ko.signal_report(self.model(), Y)
        match = r"`x` must hold 1 array for the model's one input\. Received: 2"
        with pytest.raises(ValueError, match=match):
            ko.signal_report(self.model(), [X, X])
        model = self.model()
        name = model.inputs[0].name
        with pytest.raises(ValueError, match=rf"the model's one input, {name}\. Received: other"):
            ko.signal_report(model, {"other": X})

    def test_arrays_are_cut_to_the_batch_that_a_stateful_model_fixes(self):
        rnn = keras.layers.SimpleRNN(4, stateful=True)
        model = keras.Sequential([keras.Input(batch_shape=(20, 2, 3)), rnn])
        x = X.reshape(48, 2, 3)
        with pytest.raises(ValueError, match=r"shape \(20, 2, 3\).*Received.*\(19, 2, 3\)"):
            ko.signal_report(model, x[:19])
        assert ko.signal_report(model, x) == ko.signal_report(model, x[:40])
        watch = ko.ActivationSpread(x, batches=3, frequency="train_begin")
        watch.set_model(model)
        watch.on_train_begin()
        watch.on_epoch_begin(0)
        assert watch.history.rows

    @pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict")
    @pytest.mark.parametrize("names", [("left", "right"), ("right", "left")])
    def test_a_dict_goes_by_the_keys_of_the_model_whatever_its_tensors_are_called(self, names):
        inputs = {"left": keras.Input((6,)), "right": keras.Input((3,))}
        h = Dense(4, "tanh")(keras.layers.Concatenate()([inputs["left"], inputs["right"]]))
        model = keras.Model(inputs, h)
        model.compile(run_eagerly=True)
        x = {name: {"left": X, "right": Y}[name] for name in names}
        assert len(ko.signal_report(model, x).layers) == 1
        with pytest.raises(ValueError, match=r"hold 2 arrays, left, right\. Received: left$"):
            ko.signal_report(model, {"left": X})

    @pytest.mark.filterwarnings("ignore:The structure of `inputs`")
    def test_a_dict_may_hold_more_than_a_model_of_one_named_input_takes(self):
        inputs = keras.Input((6,), name="a")
        model = keras.Model(inputs, Dense(4, "tanh")(inputs))
        model.compile(run_eagerly=True)
        assert len(ko.signal_report(model, {"id": np.arange(48), "a": X}).layers) == 1

    def test_an_optional_input_may_be_left_out(self):
        class Sum(keras.layers.Layer):
            def call(self, x, y=None):
                return x if y is None else x + y

            def compute_output_shape(self, x_shape, y_shape=None):
                return x_shape

        a, b = keras.Input((6,)), keras.Input((6,), optional=True)
        model = keras.Model([a, b], Dense(4, "tanh")(Sum()(a, b)))
        model.compile(run_eagerly=True)
        alone, zero = ko.signal_report(model, [X, None]), ko.signal_report(model, [X, 0 * X])
        assert alone.to_dict() == zero.to_dict()

    def strings(self):
        pytest.importorskip("tensorflow")  # Keras's layers of strings are TensorFlow's
        text = keras.layers.TextVectorization(16, output_sequence_length=4, vocabulary=["a", "b"])
        layers = [text, keras.layers.Embedding(16, 3), keras.layers.Flatten(), Dense(4, "tanh")]
        model = keras.Sequential([keras.Input((1,), dtype="string"), *layers, Dense(3)])
        return model, np.array([["a b"], ["b"], ["a a b"]], dtype=object)

    @pytest.mark.skipif(BACKEND != "tensorflow", reason="the others know no strings")
    def test_shapes_that_only_the_run_shows(self):
        """Behind layers of strings no shape of a traced tensor is known."""
        model, x = self.strings()
        model.compile(loss="mse")
        row = ko.signal_report(model, x, Y[:3]).layers[0]
        assert row.statistics["std"] > 0
        assert row.statistics["kernel_gradient"] > 0
        x = ops.convert_to_tensor(x)
        model.fit(x, Y[:3], verbose=0, callbacks=[ko.ActivationSpread(x)])

    def test_numbers_as_objects_are_refused_with_the_cure(self):
        x = X.astype(object)
        x[0, 0] = None  # as in a table with a gap
        with pytest.raises(TypeError, match=r'`x` must .* try `\.astype\("float32"\)`.* object$'):
            ko.signal_report(self.model(), x)
        assert np.isnan(x.astype("float32")[0, 0])

    @pytest.mark.skipif(BACKEND == "tensorflow", reason="it knows strings")
    def test_strings_are_refused_where_no_model_runs_on_them(self):
        model, x = self.strings()
        with pytest.raises(TypeError, match=r"`x` must hold numbers.*Received: an array of dtype"):
            ko.signal_report(model, x)
