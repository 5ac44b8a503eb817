"""`tailor` on models as they are used: compiled, in mixed precision, of several parts, saved."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_oddsig as ko

WIDTH = 24


def samples(*shape, number=64, scale=1.0):
    return (scale * np.random.default_rng(0).standard_normal((number, *shape))).astype("float32")


def chain(depth=12, **kwargs):
    hidden = [layers.Dense(WIDTH, "tanh", **kwargs) for _ in range(depth)]
    return keras.Sequential([keras.Input((WIDTH,)), *hidden, layers.Dense(3, **kwargs)])


def quick(model):
    """Compiling a whole takes longer than running it, except where each operation is compiled."""
    model.compile(run_eagerly=keras.backend.backend() != "jax")
    return model


def values(model):
    return [ops.convert_to_numpy(weight) for weight in model.weights]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


class TestCompiled:
    def test_a_step_of_a_compiled_model_begins_at_the_new_kernels(self):
        model = chain(4)
        model.compile("sgd", "mse", jit_compile=keras.backend.backend() != "torch")
        x, y = samples(WIDTH), samples(3)
        before = model.train_on_batch(x, y)  # what is compiled has seen the old ones
        with pytest.warns(UserWarning, match="trained for 1 steps"):
            ko.tailor(model, x, seed=0)
        expected = np.mean((ops.convert_to_numpy(model(x)) - y) ** 2)
        kernels = values(model)
        model.reset_metrics()  # or an older Keras returns the mean of both steps
        after = model.train_on_batch(x, y)
        assert after == pytest.approx(expected, rel=1e-4)
        assert after != pytest.approx(before, rel=1e-4)
        assert not same(values(model), kernels)
        assert ko.signal_report(model, x).healthy


class TestMixedPrecision:
    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_kernels_stay_whole_and_the_signal_is_healthy(self, policy):
        model = chain(20, dtype=policy, kernel_initializer="he_normal")
        quick(model)
        x = samples(WIDTH, scale=20.0)
        assert not ko.signal_report(model, x).healthy
        report = ko.tailor(model, x, seed=0)
        assert ko.signal_report(model, x).healthy
        assert {w.dtype for w in model.weights} == {"float32"}
        whole = chain(20)
        ko.tailor(whole, x, seed=0)
        assert same(values(model)[:-2], values(whole)[:-2])  # but for the output layer
        assert all(k.measured == pytest.approx(k.predicted, rel=0.1) for k in report.kernels[:-1])


class TestSeveralParts:
    def model(self, structure):
        a, b = keras.Input((WIDTH,), name="a"), keras.Input((WIDTH,), name="b")
        h = layers.Add()([layers.Dense(WIDTH, "tanh", name=f"of_{x.name}")(x) for x in (a, b)])
        for _ in range(8):
            h = layers.Dense(WIDTH, "tanh", kernel_initializer="he_normal")(h)
        ends = {name: layers.Dense(2, name=name)(h) for name in ("left", "right")}
        inputs, ends = ([a, b], list(ends.values())) if structure is list else (
            {"a": a, "b": b}, ends)  # fmt: skip
        model = keras.Model(inputs, ends)
        return quick(model)

    @pytest.mark.parametrize("structure", [list, dict])
    def test_inputs_each_have_their_scale_and_outputs_are_left(self, structure):
        model = self.model(structure)
        x = {"a": samples(WIDTH, scale=40.0), "b": samples(WIDTH, scale=0.5)}
        x = x if structure is dict else list(x.values())
        assert ko.signal_report(model, x).verdict == "saturating"
        report = ko.tailor(model, x, seed=0)
        assert ko.signal_report(model, x).healthy
        rows = {row.layer: row for row in report.kernels}
        assert "output layer" in rows["left"].reason
        assert "output layer" in rows["right"].reason
        first = [rows[name].measured for name in ("of_a", "of_b")]
        assert first[0] == pytest.approx(first[1], rel=0.05)


@pytest.mark.parametrize(
    "make",
    [
        lambda: chain(3),
        lambda: keras.Sequential(
            [
                keras.Input((6, 6, WIDTH)),
                layers.DepthwiseConv2D(3, activation="tanh"),
                layers.SeparableConv2D(8, 3, activation=ko.Erf()),
                layers.Flatten(),
                layers.Dense(8, ko.Arctan(rate=2.0)),
            ]
        ),
    ],
    ids=["dense", "convolutional"],
)
def test_saved_loaded_and_tailored_again(make, tmp_path):
    model = make()
    x = samples(*model.input_shape[1:], number=16)
    first = ko.tailor(model, x, seed=3)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert same(values(model), values(loaded))
    predictions = [ops.convert_to_numpy(m(x)) for m in (model, loaded)]
    assert predictions[0] == pytest.approx(predictions[1], abs=1e-6)
    for mine, its in zip(model.layers, loaded.layers, strict=True):
        for name in ("kernel_initializer", "depthwise_initializer", "pointwise_initializer"):
            held, found = (getattr(layer, name, None) for layer in (mine, its))
            assert type(held) is type(found)
            assert held is None or str(held.get_config()) == str(found.get_config())
    assert (
        sum(
            isinstance(v, ko.OddSigmoidOrthogonal)
            for each in loaded.layers
            for v in vars(each).values()
        )
        == first.tailored
    )
    before = values(loaded)
    again = ko.tailor(loaded, x, seed=3)
    assert [k.initializer for k in again.kernels] == [k.initializer for k in first.kernels]
    assert same(values(loaded), before)
    ko.tailor(loaded, x, seed=4)
    assert not same(values(loaded), before)


class Same(layers.Layer):
    """In the place of a normalization."""

    def call(self, x, mask=None, training=None):
        return x


@pytest.fixture
def drawn_by_numpy(monkeypatch):
    """Models of many shapes are built in a second: nothing is compiled for each."""
    rng = np.random.default_rng(0)

    def glorot(self, shape, dtype=None, **kwargs):
        field = int(np.prod(shape[:-2]))
        limit = np.sqrt(6 / (field * sum(shape[-2:])))
        return rng.uniform(-limit, limit, shape).astype("float32")

    monkeypatch.setattr(keras.initializers.GlorotUniform, "__call__", glorot)
    for name, fill in (("Zeros", np.zeros), ("Ones", np.ones)):
        monkeypatch.setattr(
            getattr(keras.initializers, name),
            "__call__",
            lambda self, shape, dtype=None, fill=fill, **kwargs: fill(shape, "float32"),
        )


APPLICATIONS = {
    "MobileNet": (
        lambda: keras.applications.MobileNetV2(
            alpha=0.35, weights=None, input_shape=(32, 32, 3), classes=10
        ),
        "block_3_project_BN",
        "saturating",
        {"block_3_project"},  # the end of this part of it
    ),
    "ResNet": (
        lambda: keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=10),
        "conv2_block3_out",
        "forgetting",  # max pooling gives all samples a common mean
        set(),
    ),
}


# Each on one backend; on JAX it takes minutes, for each shape of each operation is compiled.
@pytest.mark.parametrize(
    "name", {"tensorflow": ["MobileNet"], "torch": ["ResNet"]}.get(keras.backend.backend(), [])
)
def test_models_of_keras_applications_with_tanh_in_place_of_what_they_have(name, drawn_by_numpy):
    make, last, verdict, untouched = APPLICATIONS[name]
    whole = make()
    start = keras.Model(whole.input, whole.get_layer(last).output)

    def with_tanh(layer):
        if isinstance(layer, layers.BatchNormalization):
            return Same(name=layer.name)
        if isinstance(layer, layers.ReLU | layers.Activation):
            return layers.Activation("tanh", name=layer.name)
        return type(layer).from_config(layer.get_config())

    model = keras.models.clone_model(start, clone_function=with_tanh)
    quick(model)
    x = samples(32, 32, 3, number=16, scale=10.0)
    assert ko.signal_report(model, x).verdict == verdict
    report = ko.tailor(model, x, seed=0)
    assert ko.signal_report(model, x).healthy
    left = {row.layer: row.reason for row in report.kernels if row.initializer is None}
    assert set(left) == untouched


class Weighed:
    """A function of two inputs: what one branch makes weighs what the other makes."""

    def __init__(self, both_linear=False):
        self.inputs = [keras.Input((12,)), keras.Input((9,))]
        h, self.basis = [layers.Dense(24, "tanh")(each) for each in self.inputs]
        self.weights = layers.Dense(20, name="weights")(layers.Dense(24, "tanh")(h))
        last = None if both_linear else "tanh"
        self.basis = layers.Dense(20, last, name="basis")(self.basis)

    def model(self, outputs):
        return keras.Model(self.inputs, outputs)


class TestOneSignalWeighsAnother:
    REASON = "linear: weighs another signal in the output"

    @pytest.mark.parametrize(
        "outputs",
        [
            lambda w, b: layers.Dot(1)([w, b]),
            lambda w, b: ops.sum(w * b, axis=-1, keepdims=True),
            lambda w, b: layers.Dropout(0.1)(ops.sum(w * b, axis=-1, keepdims=True) + 1.0),
        ],
        ids=["dot", "sum", "bias"],
    )
    def test_the_weights_are_those_of_an_output_layer(self, outputs):
        parts = Weighed()
        model = parts.model(outputs(parts.weights, parts.basis))
        x = [samples(12, number=512), samples(9, number=512)]
        (row,) = [r for r in ko.tailor(model, x, seed=0).kernels if r.layer == "weights"]
        assert row.reason.startswith(self.REASON)
        weights = ops.convert_to_numpy(keras.Model(parts.inputs, parts.weights)(x))
        assert np.mean(weights**2) == pytest.approx(1 / 20, rel=0.25)

    @pytest.mark.parametrize(
        "outputs",
        [lambda w, b: w * b, lambda w, b: layers.Dense(2)(w * b)],
        ids=["no sum", "another layer"],
    )
    def test_not_where_the_product_is_not_summed_at_the_end(self, outputs):
        parts = Weighed()
        report = ko.tailor(parts.model(outputs(parts.weights, parts.basis)), dry_run=True)
        (row,) = [r for r in report.kernels if r.layer == "weights"]
        assert row.initializer is None
        assert row.reason == "Multiply follows, which is no odd sigmoid"

    def test_of_two_linear_ones_only_the_first_is(self):
        parts = Weighed(both_linear=True)
        report = ko.tailor(parts.model(layers.Dot(1)([parts.basis, parts.weights])), dry_run=True)
        reasons = {row.layer: row.reason for row in report.kernels}
        assert reasons["basis"] == self.REASON
        assert reasons["weights"] == "Dot follows, which is no odd sigmoid"


class Block(layers.Layer):
    """A layer and a function in one, which `call` applies."""

    def __init__(self, activation):
        super().__init__()
        self.dense = layers.Dense(24)
        self.activation = keras.activations.get(activation)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.activation(self.dense(x))


class TestFunctionsOfBlocks:
    @staticmethod
    def model(activation):
        blocks = [Block(activation) for _ in range(6)]
        return keras.Sequential([keras.Input((16,)), *blocks, layers.Dense(2)])

    @pytest.mark.parametrize(
        ("activation", "name"),
        [("tanh", "tanh"), (lambda x: ops.tanh(x), "tanh"), (ops.erf, "erf")],
        ids=["name", "lambda", "operation"],
    )
    def test_one_of_the_class_counts_as_the_layers_activation(self, activation, name):
        x = samples(16, number=256)
        report = ko.tailor(self.model(activation), x, seed=0)
        assert [row.depth for row in report.kernels] == [6] * 6 + [None]
        for row in report.kernels[:-1]:
            assert row.initializer.startswith(f'OddSigmoidOrthogonal("{name}"')
            assert row.measured == pytest.approx(row.predicted, rel=0.1)

    def test_another_is_named(self):
        report = ko.tailor(self.model("gelu"), dry_run=True)
        assert [row.reason for row in report.kernels[:-1]] == ["gelu is no odd sigmoid"] * 6
