"""Normalizations replaced by odd sigmoids: what stays, what is exchanged, and what cannot be."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from packaging.version import Version

import keras_oddsig as ko

BACKEND = keras.backend.backend()
NORMALIZATIONS = (layers.LayerNormalization, layers.RMSNormalization)
WIDTH, STEPS = 6, 4


def batch(*shape):
    shape = shape or (3, STEPS, WIDTH)
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def outputs(model, x):
    return ops.convert_to_numpy(model(ops.convert_to_tensor(x), training=False))


def number(weights):
    """Gives weights values that are all different."""
    rng = np.random.default_rng(1)
    for weight in weights:
        weight.assign(rng.uniform(0.5, 1.5, tuple(weight.shape)))


def inside(model, *classes):
    found = model._flatten_layers(include_self=False)
    return [layer for layer in found if isinstance(layer, classes)]


def by_hand(x, layer, rate, f=np.tanh):
    """What stands in the place of a normalization of the last axis computes."""
    rms = isinstance(layer, layers.RMSNormalization)
    gamma, beta = (layer.scale, None) if rms else (layer.gamma, layer.beta)
    y = f(rate * x) if gamma is None else ops.convert_to_numpy(gamma) * f(rate * x)
    return y if beta is None else y + ops.convert_to_numpy(beta)


# ----------------------------------------------------------------------------------
# Models of all kinds
# ----------------------------------------------------------------------------------


class Block(layers.Layer):
    """As transformers are written: what it holds, its constructor makes."""

    def __init__(self, width, normalization="layer", **kwargs):
        super().__init__(**kwargs)
        self.width, self.normalization = width, normalization
        made = {"layer": layers.LayerNormalization, "rms": layers.RMSNormalization}[normalization]
        self.norm = made(name="norm")
        self.attention = layers.MultiHeadAttention(2, 3)
        self.tail = [made(), layers.Dense(2 * width, "gelu"), layers.Dense(width)]
        self.named = {"last": (made(), layers.Dropout(0.1))}

    def build(self, shape):
        self.norm.build(shape)
        self.attention.build(shape, shape)
        for layer in self.tail:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.named["last"][0].build(shape)

    def call(self, x):
        y = self.norm(x)
        x = x + self.attention(y, y)
        y = x
        for layer in self.tail:
            y = layer(y)
        norm, dropout = self.named["last"]
        return dropout(norm(x + y))

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "normalization": self.normalization,
        }


class Whole(keras.Model):
    """A model of a class of its own, which Keras can make anew from its arguments."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.blocks = [Block(width), Block(width, "rms")]
        self.feed = keras.Sequential([layers.LayerNormalization(), layers.Dense(width)])
        self.head = layers.Dense(2)

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(self.feed(x))

    def get_config(self):
        return {"width": self.width, "name": self.name}


class Late(layers.Layer):
    """Makes its normalization when it is built."""

    def build(self, shape):
        self.norm = layers.LayerNormalization(name="late_norm")
        self.norm.build(shape)

    def call(self, x):
        return self.norm(x)


def sequential():
    return keras.Sequential(
        [
            keras.Input((STEPS, WIDTH)),
            layers.LayerNormalization(name="first"),
            layers.Dense(WIDTH, "gelu"),
            layers.BatchNormalization(),
            layers.RMSNormalization(name="second"),
            layers.Dense(2),
        ]
    )


def functional():
    inputs = keras.Input((STEPS, WIDTH), name="data")
    shared = layers.LayerNormalization(name="shared")
    x = inputs
    for i in range(2):  # called twice, at one place and at another
        y = shared(x)
        x = x + layers.MultiHeadAttention(2, 3, name=f"attention_{i}")(y, y)
        x = x + layers.Dense(WIDTH, "gelu")(layers.RMSNormalization(name=f"rms_{i}")(x))
    return keras.Model(inputs, {"out": layers.Dense(2)(x)}, name="transformer")


def nested():
    inner_inputs = keras.Input((STEPS, WIDTH))
    inner = keras.Model(
        inner_inputs, layers.Dense(WIDTH)(layers.LayerNormalization()(inner_inputs)), name="inner"
    )
    chain = keras.Sequential([layers.LayerNormalization(), layers.Dense(WIDTH)], name="chain")
    inputs = keras.Input((STEPS, WIDTH))
    outputs = layers.Dense(2)(inner(chain(inner(inputs))))
    return keras.Model(inputs, outputs)


def of_blocks():
    return keras.Sequential(
        [keras.Input((STEPS, WIDTH)), Block(WIDTH, name="a"), Block(WIDTH, "rms", name="b")]
    )


def wrapped():
    norm = layers.TimeDistributed(layers.LayerNormalization(name="in_time"))
    return keras.Sequential([keras.Input((STEPS, WIDTH)), norm, layers.Dense(2)])


def stacked():
    block = keras.Sequential([layers.LayerNormalization(), layers.Dense(WIDTH, "gelu")])
    return keras.Sequential([keras.Input((STEPS, WIDTH)), ko.LayerStack(block, 3), layers.Dense(2)])


def whole():
    model = Whole(WIDTH)
    model(batch())
    return model


# And how many normalizations there are.
MODELS = {
    "sequential": (sequential, 2),
    "functional": (functional, 3),
    "nested": (nested, 2),
    "blocks": (of_blocks, 6),
    "wrapped": (wrapped, 1),
    "stacked": (stacked, 0),  # none that Keras sees
    "whole": (whole, 7),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_normalization_is_exchanged_and_every_other_weight_is_kept(name):
    made, normalizations = MODELS[name]
    model, x = made(), batch()
    number(model.weights)
    before = [ops.convert_to_numpy(w.value) for w in model.weights]
    expected = keras.tree.map_structure(ops.convert_to_numpy, model(x))

    new = ko.replace_normalization(model, "erf", rate=0.25, shift=True)

    assert len(inside(model, *NORMALIZATIONS)) == normalizations
    assert not inside(new, *NORMALIZATIONS)
    dynamic = inside(new, ko.DynamicOddSigmoid)
    assert len(dynamic) == normalizations
    # Apart from rates and shifts, the weights are those of the model, in its order.
    kept = [w for w in new.weights if not w.name.endswith(("rate", "shift"))]
    assert len(kept) == len(before)
    assert len(new.weights) == len(before) + 2 * (normalizations or 1)
    for weight, value in zip(kept, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight.value), value)
    for layer in dynamic:
        assert float(ops.convert_to_numpy(layer.rate_weight.value)) == layer.rate == 0.25
        assert float(ops.convert_to_numpy(layer.shift_weight.value)) == 0
    # The model is as it was.
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight.value), value)
    after = keras.tree.map_structure(ops.convert_to_numpy, model(x))
    keras.tree.map_structure(np.testing.assert_array_equal, expected, after)
    assert new.name == model.name
    assert type(new) is type(model)


@pytest.mark.parametrize("name", ["functional", "blocks", "stacked"])
def test_the_new_model_is_trained_and_the_old_one_is_not(name):
    model = MODELS[name][0]()
    new = ko.replace_normalization(model)
    before = model.get_weights()
    x = batch()
    new.compile("sgd", "mse", jit_compile=False)
    y = keras.tree.map_structure(lambda t: np.zeros(t.shape, "float32"), new(x))
    started = new.get_weights()
    new.fit(x, y, epochs=2, verbose=0)
    moved = [not np.array_equal(*each) for each in zip(started, new.get_weights(), strict=True)]
    assert np.mean(moved) > 0.8  # but for states and biases that nothing reaches
    assert any(m and w.name.endswith("rate") for m, w in zip(moved, new.weights, strict=True))
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_in_place_computes_from_the_values_of_the_normalization():
    model, x = sequential(), batch()
    number(model.weights)
    new = ko.replace_normalization(model, rate=0.3)
    first, second = (model.get_layer(name) for name in ("first", "second"))
    np.testing.assert_allclose(
        outputs(new.get_layer("first"), x), by_hand(x, first, 0.3), atol=1e-6
    )
    np.testing.assert_allclose(
        outputs(new.get_layer("second"), x), by_hand(x, second, 0.3), atol=1e-6
    )
    # And the whole one, from layer to layer.
    y = x
    for layer in model.layers:
        y = by_hand(y, layer, 0.3) if isinstance(layer, NORMALIZATIONS) else outputs(layer, y)
    np.testing.assert_allclose(outputs(new, x), y, atol=1e-5)


def test_names_policies_axes_and_arguments_are_those_of_each_normalization():
    def norm(**kwargs):
        return layers.LayerNormalization(**kwargs)

    regularizer, constraint = keras.regularizers.L2(0.1), keras.constraints.NonNeg()
    model = keras.Sequential(
        [
            keras.Input((4, 5, 6)),
            norm(name="a", axis=[1, 2], gamma_regularizer=regularizer, beta_constraint=constraint),
            norm(name="b", axis=1, center=False, dtype="mixed_float16"),
            norm(name="c", scale=False, trainable=False, beta_initializer="ones"),
            norm(name="d", center=False, scale=False),
            layers.RMSNormalization(name="e", axis=[-2, -1], dtype="bfloat16"),
        ]
    )
    new = ko.replace_normalization(model, ko.Arctan(rate=2.0))
    for layer, its_new in zip(model.layers, new.layers, strict=True):
        assert its_new.name == layer.name
        assert its_new.dtype_policy == layer.dtype_policy
        assert its_new.trainable == layer.trainable
        assert its_new.activation.profile == ko.Arctan(rate=2.0).profile
    a, b, c, d, e = new.layers
    assert [layer.axis for layer in new.layers] == [[1, 2], 1, -1, -1, [-2, -1]]
    assert [tuple(w.shape) for w in a.weights] == [(4, 5), (4, 5), ()]
    assert a.gamma_regularizer is regularizer
    assert a.beta_constraint is constraint
    assert [w.name for w in b.weights] == ["gamma", "rate"]
    assert [w.name for w in c.weights] == ["beta", "rate"]
    assert not c.trainable_weights
    np.testing.assert_array_equal(ops.convert_to_numpy(c.beta.value), 1)
    assert [w.name for w in d.weights] == ["rate"]
    assert [(w.name, tuple(w.shape), w.dtype) for w in e.weights] == [
        ("gamma", (5, 6), "bfloat16"),
        ("rate", (), "bfloat16"),
    ]


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
def test_rms_scaling_of_old_has_gamma_and_no_beta():
    model = keras.Sequential(
        [keras.Input((WIDTH,)), layers.LayerNormalization(rms_scaling=True, scale=False)]
    )
    number(model.weights)
    (layer,) = ko.replace_normalization(model).layers
    assert [w.name for w in layer.weights] == ["gamma", "rate"]
    np.testing.assert_array_equal(
        *(ops.convert_to_numpy(each.gamma.value) for each in (layer, model.layers[0]))
    )


def test_axes_from_either_end_have_the_values_that_broadcast_alike():
    # Keras sorts such axes as they are written; the layer in place, as they lie.
    model = keras.Sequential([keras.Input((3, 4, 5)), layers.LayerNormalization(axis=[1, -1])])
    number(model.weights)
    x = batch(2, 3, 4, 5)
    (layer,), (old,) = ko.replace_normalization(model).layers, model.layers
    gamma, beta = (ops.convert_to_numpy(w.value).reshape(3, 1, 5) for w in (old.gamma, old.beta))
    np.testing.assert_allclose(outputs(layer, x), gamma * np.tanh(0.5 * x) + beta, atol=1e-6)


def test_options_come_before_what_the_normalization_has():
    model = keras.Sequential(
        [keras.Input((WIDTH,)), layers.LayerNormalization(gamma_regularizer="l2")]
    )
    (layer,) = ko.replace_normalization(model, shift=True, gamma_regularizer="l1").layers
    assert isinstance(layer.gamma_regularizer, keras.regularizers.L1)
    assert layer.shift


def test_shared_layers_and_layers_called_twice_stay_one():
    model = functional()
    new = ko.replace_normalization(model)
    assert [layer.name for layer in new.layers] == [layer.name for layer in model.layers]
    shared = new.get_layer("shared")
    assert len(shared._inbound_nodes) == 2
    inner = ko.replace_normalization(nested()).get_layer("inner")
    assert len(inner._inbound_nodes) == len(nested().get_layer("inner")._inbound_nodes) == 2


def test_what_is_frozen_inside_a_layer_stays_so():
    model = of_blocks()
    model.layers[0].norm.trainable = False
    model.layers[0].attention.trainable = False
    model.layers[1].trainable = False
    new = ko.replace_normalization(model)
    assert len(new.trainable_weights) == len(model.trainable_weights) + 2
    assert not new.layers[0].norm.trainable
    assert not new.layers[0].attention.trainable
    assert new.layers[0].tail[0].trainable
    assert not new.layers[1].trainable_weights


def test_a_compiled_model_is_replaced_by_one_that_is_not_compiled():
    inputs = keras.Input((WIDTH,))
    inner = keras.Sequential([layers.LayerNormalization(), layers.Dense(WIDTH)])
    models = [
        keras.Model(inputs, inner(inputs)),
        keras.Sequential([keras.Input((WIDTH,)), layers.LayerNormalization()]),
    ]
    for model in models:
        model.compile("adam", loss=lambda y, p: ops.mean(p))
        nodes = [len(layer._inbound_nodes) for layer in model.layers]
        new = ko.replace_normalization(model)
        assert model.compiled
        assert not new.compiled
        assert nodes == [len(layer._inbound_nodes) for layer in model.layers]


def test_a_class_built_from_inputs_and_outputs_is_kept():
    class Own(keras.Model):
        def answer(self):
            return 42

    inputs = keras.Input((WIDTH,))
    for compiled in (False, True):
        model = Own(inputs, layers.LayerNormalization()(inputs))
        if compiled:
            model.compile("sgd", "mse")
        assert ko.replace_normalization(model).answer() == 42


def test_a_model_that_is_not_built_yet_is_replaced_by_one_that_is_not():
    model = keras.Sequential([layers.LayerNormalization(), layers.Dense(3)])
    new = ko.replace_normalization(model)
    assert not new.built
    assert outputs(new, batch(2, 5)).shape == (2, 3)
    new = ko.replace_normalization(Whole(WIDTH))
    assert outputs(new, batch()).shape == (3, STEPS, 2)
    assert len(inside(new, ko.DynamicOddSigmoid)) == 7


def test_a_lambda_is_one_of_this_program_and_goes_along():
    model = keras.Sequential(
        [keras.Input((WIDTH,)), layers.LayerNormalization(), layers.Lambda(lambda x: 2 * x)]
    )
    new = ko.replace_normalization(model)
    x = batch(2, WIDTH)
    np.testing.assert_allclose(outputs(new, x), 2 * np.tanh(0.5 * x), atol=1e-6)


# ----------------------------------------------------------------------------------
# Saved
# ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sequential", "functional", "nested", "wrapped", "stacked"])
def test_the_new_model_is_saved_and_loaded(name, tmp_path):
    new, x = ko.replace_normalization(MODELS[name][0]()), batch()
    number(new.weights)
    new.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for one, other in zip(keras.tree.flatten(new(x)), keras.tree.flatten(loaded(x)), strict=True):
        np.testing.assert_allclose(*map(ops.convert_to_numpy, (one, other)), atol=1e-6)


@pytest.mark.skipif(
    Version(keras.__version__) < Version("3.15"),
    reason="an older Keras does not save the weights of a list within a dictionary",
)
@pytest.mark.parametrize("name", ["blocks", "whole"])
def test_weights_of_layers_that_make_their_normalizations_load_into_another_new_model(
    name, tmp_path
):
    made = MODELS[name][0]
    new, x = ko.replace_normalization(made()), batch()
    number(new.weights)
    new.save_weights(tmp_path / "model.weights.h5")
    other = ko.replace_normalization(made())
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(outputs(other, x), outputs(new, x), atol=1e-6)


# ----------------------------------------------------------------------------------
# What is refused
# ----------------------------------------------------------------------------------


def refused(model, error, words, **arguments):
    before = [] if not isinstance(model, keras.Model) else model.get_weights()
    with pytest.raises(error, match=words):
        ko.replace_normalization(model, **arguments)
    for one, other in zip(before, model.get_weights() if before else [], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_without_normalization_and_what_is_no_model_are_refused():
    model = keras.Sequential(
        [keras.Input((4, WIDTH)), layers.BatchNormalization(), layers.GroupNormalization(2)]
    )
    refused(model, ValueError, "`model` must have a LayerNormalization")
    refused(layers.LayerNormalization(), TypeError, "`model` must be a `keras.Model`")
    refused("model.keras", TypeError, "Received: model='model.keras'")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"rate": 0}, ValueError, "`rate` must be greater than 0"),
        ({"activation": "relu"}, ValueError, "`activation` must name"),
        ({"axis": 1}, TypeError, "`axis` must not be given: it is that of each"),
        ({"name": "norm"}, TypeError, "`name` must not be given"),
        ({"center": False}, TypeError, "`center`"),
        ({"epsilon": 1e-3}, ValueError, "epsilon"),
    ],
)
def test_arguments_are_refused_as_the_layer_refuses_them(arguments, error, words):
    refused(sequential(), error, words, **arguments)


def test_normalizations_that_remain_are_named():
    class Odd(layers.LayerNormalization):
        def call(self, x):
            return super().call(x) + 1

    late = keras.Sequential(
        [keras.Input((WIDTH,)), layers.LayerNormalization(), Late(name="late_block")]
    )
    refused(late, ValueError, r"There remain late_block/late_norm\. Received: model=<Sequential")
    odd = keras.Sequential(
        [keras.Input((WIDTH,)), Odd(name="odd"), layers.LayerNormalization(name="even")]
    )
    refused(odd, ValueError, r"There remain odd\. Received")
    # A stack makes its layer anew, and that its normalizations.
    stack = keras.Sequential(
        [keras.Input((STEPS, WIDTH)), ko.LayerStack(Block(WIDTH, name="block"), 2, name="stack")]
    )
    refused(stack, ValueError, r"There remain stack/block/norm, stack/block/")


def test_layers_that_cannot_be_made_anew_are_named():
    class Whole(keras.Model):
        def __init__(self, part):
            super().__init__(name="whole_model")
            self.part, self.norm = part, layers.LayerNormalization()

        def call(self, x):
            return self.norm(x)

        def get_config(self):
            raise NotImplementedError("no config here")

    refused(Whole(object()), ValueError, "'whole_model' ended in a NotImplementedError")

    class Fewer(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.norm = layers.LayerNormalization()

        def call(self, x):
            return self.norm(x)

    layer = Fewer(name="with_more")
    layer.more = layers.Dense(3)
    layer.more.build((None, WIDTH))
    model = keras.Sequential([keras.Input((WIDTH,)), layer])
    refused(model, ValueError, "'with_more' does not")
