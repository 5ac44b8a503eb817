"""An odd sigmoid in place of a normalization: its values, and what a layer of Keras must do."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_oddsig as ko
from keras_oddsig import activations

BACKEND = keras.backend.backend()


@keras.saving.register_keras_serializable(package="tests_dynamic")
def tanh_and_softsign(x):
    return ops.tanh(x) + ops.softsign(x)


NAMED = {
    **{name: cls() for name, cls in activations.CLASSES.items()},
    "scaled": ko.Arctan(amplitude=2.0, rate=0.5),
    "own": ko.OddSigmoid(tanh_and_softsign),
}
# Layers of every kind that a config has to describe, each made anew.
MADE = {
    "tanh": lambda **kwargs: ko.DynamicTanh(**kwargs),
    "erf": lambda **kwargs: ko.DynamicErf(rate=0.3, **kwargs),
    "function": lambda **kwargs: ko.DynamicOddSigmoid(
        tanh_and_softsign, center=False, gamma_initializer=keras.initializers.Constant(2), **kwargs
    ),
    "scaled": lambda **kwargs: ko.DynamicOddSigmoid(
        ko.Algebraic(order=3, amplitude=2.0), axis=[1, 2], shift=True, scale=False, **kwargs
    ),
}


def batch(*shape):
    return np.random.default_rng(0).standard_normal(shape or (4, 3, 6)).astype("float32")


def give_values(layer):
    """Weights that are all different; returns them by name."""
    rng = np.random.default_rng(1)
    values = {w.name: rng.uniform(0.5, 1.5, tuple(w.shape)) for w in layer.weights}
    for weight in layer.weights:
        weight.assign(values[weight.name])
    return values


def outputs(layer, x):
    return ops.convert_to_numpy(layer(ops.convert_to_tensor(x)))


def model_of(layer):
    return keras.Sequential([keras.Input((3, 6)), layer, layers.Dense(2)])


# ----------------------------------------------------------------------------------
# Values and weights
# ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMED)
def test_it_is_gamma_f_of_rate_x_and_shift_and_beta(name):
    layer = ko.DynamicOddSigmoid(NAMED[name], shift=True)
    x = batch()
    layer.build(x.shape)
    w = give_values(layer)
    expected = w["gamma"] * NAMED[name].reference(w["rate"] * x + w["shift"]) + w["beta"]
    np.testing.assert_allclose(outputs(layer, x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("made", "name", "shift"), [(ko.DynamicTanh, "tanh", False), (ko.DynamicErf, "erf", True)]
)
def test_those_of_the_papers_are_of_their_function_and_begin_as_theirs_do(made, name, shift):
    layer, x = made(), batch()
    np.testing.assert_allclose(outputs(layer, x), NAMED[name].reference(0.5 * x), atol=1e-6)
    assert activations.name_of(layer.activation) == name
    assert layer.activation.profile == NAMED[name].profile
    assert [w.name for w in layer.weights] == ["gamma", "beta", "rate", *["shift"] * shift]
    assert "activation" not in layer.get_config()


@pytest.mark.parametrize("axis", [-1, 1, [1], [-1, -2], (2, 1), [1, 3], [-1, 1]])
def test_gamma_and_beta_lie_along_their_axes(axis):
    x = batch(2, 3, 4, 5)
    layer = ko.DynamicTanh(axis=axis)
    layer.build((None, 3, 4, 5))
    w = give_values(layer)
    axes = sorted(np.atleast_1d(axis) % 4)
    shape = [size if i in axes else 1 for i, size in enumerate(x.shape)]
    assert w["gamma"].shape == w["beta"].shape == tuple(x.shape[i] for i in axes)
    expected = w["gamma"].reshape(shape) * np.tanh(w["rate"] * x) + w["beta"].reshape(shape)
    np.testing.assert_allclose(outputs(layer, x), expected, atol=1e-5)
    assert layer.get_config()["axis"] == (list(axis) if isinstance(axis, tuple) else axis)


@pytest.mark.parametrize("axis", [-1, 1, [1, 2], [-2, -1], [1, 3]])
def test_the_weights_of_layer_normalization_fit_by_name_and_by_order(axis):
    normalization, layer = layers.LayerNormalization(axis=axis), ko.DynamicErf(axis=axis)
    for each in (normalization, layer):
        each.build((None, 3, 4, 5))
    values = give_values(normalization)
    by_name = {weight.name: weight for weight in layer.weights}
    for name, value in values.items():
        by_name[name].assign(value)
    for own, other in zip(layer.weights, normalization.weights, strict=False):
        np.testing.assert_array_equal(*(ops.convert_to_numpy(w.value) for w in (own, other)))


def test_center_scale_and_shift_say_which_weights_there_are():
    for center in (True, False):
        for scale in (True, False):
            layer = ko.DynamicOddSigmoid(center=center, scale=scale)
            layer.build((None, 6))
            assert [w.name for w in layer.weights] == [
                *["gamma"] * scale,
                *["beta"] * center,
                "rate",
            ]
            assert (layer.gamma is None, layer.beta is None) == (not scale, not center)


def test_initializers_regularizers_and_constraints_are_of_gamma_and_beta():
    layer = ko.DynamicTanh(
        gamma_initializer=keras.initializers.Constant(3.0),
        beta_initializer=keras.initializers.Constant(-1.0),
        gamma_regularizer=keras.regularizers.L1(0.5),
        beta_regularizer=keras.regularizers.L2(0.25),
        gamma_constraint=keras.constraints.MaxNorm(1.0),
        beta_constraint=keras.constraints.NonNeg(),
    )
    np.testing.assert_allclose(outputs(layer, np.zeros((2, 4), "float32")), -np.ones((2, 4)))
    losses = sorted(float(ops.convert_to_numpy(loss)) for loss in layer.losses)
    assert losses == pytest.approx([0.25 * 4, 0.5 * 12])
    assert layer.gamma.constraint is layer.gamma_constraint
    assert layer.beta.constraint is layer.beta_constraint
    assert layer.rate_weight.regularizer is layer.rate_weight.constraint is None


def test_any_rank_and_any_size_of_the_other_axes():
    layer = ko.DynamicTanh()
    for shape in [(2, 5), (3, 7, 5), (2, 1, 2, 3, 5), (0, 5)]:
        assert outputs(layer, batch(*shape)).shape == shape
    assert ko.DynamicTanh().compute_output_shape((None, None, 5)) == (None, None, 5)
    assert layers.Input((None, 5)).shape == ko.DynamicTanh()(keras.Input((None, 5))).shape


@pytest.mark.parametrize("axis", [-1, [2, 3], 2])
def test_sizes_that_only_a_call_shows(axis):
    model = keras.Sequential([keras.Input((None, 4, 5)), ko.DynamicErf(axis=axis)])
    give_values(model.layers[0])
    for steps in (3, 1):
        x = batch(2, steps, 4, 5)
        predicted = model.predict(x, verbose=0)
        np.testing.assert_allclose(predicted, outputs(model, x), atol=1e-6)
        assert predicted.shape == x.shape


def test_the_start_of_the_rate_can_be_set_before_it_is_built_and_is_what_a_clone_begins_with():
    layer = ko.DynamicTanh()
    layer.rate, layer.gamma_initializer = 0.125, keras.initializers.Constant(2.0)
    model = model_of(layer)
    clone = keras.models.clone_model(model)
    for each in (layer, clone.layers[0]):
        assert float(ops.convert_to_numpy(each.rate_weight.value)) == each.rate == 0.125
        np.testing.assert_array_equal(ops.convert_to_numpy(each.gamma.value), 2.0)


# ----------------------------------------------------------------------------------
# What a layer of Keras must do
# ----------------------------------------------------------------------------------


def test_masks_go_through():
    x = np.array([[1, 2, 0, 0], [3, 0, 0, 0]])
    embedded = layers.Embedding(5, 6, mask_zero=True)(ops.convert_to_tensor(x))
    read = []

    class Reader(layers.Layer):
        supports_masking = True

        def call(self, inputs, mask=None):
            read.append(ops.convert_to_numpy(mask))
            return inputs

    Reader()(ko.DynamicTanh()(embedded))
    np.testing.assert_array_equal(read[0], x != 0)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16"])
def test_half_precision_is_computed_in_float32_and_the_rate_has_a_finite_gradient(dtype, to_numpy):
    # The gradient of the rate is a sum of 400,000 entries: in float16 it would be infinite.
    x = np.abs(batch(4096, 100)) + 1
    model = keras.Sequential([keras.Input((100,)), ko.DynamicErf(rate=0.1, dtype=dtype)])
    exact = keras.Sequential([keras.Input((100,)), ko.DynamicErf(rate=0.1)])
    before = float(to_numpy(model.layers[0].rate_weight.value))
    half = model(ops.convert_to_tensor(x))
    assert keras.backend.standardize_dtype(half.dtype) == dtype.removeprefix("mixed_")
    np.testing.assert_allclose(to_numpy(half), to_numpy(exact(x)), atol=4e-3)
    if dtype.startswith("mixed"):
        assert all(w.dtype == "float32" for w in model.weights)
        for each in (model, exact):
            # A loss that is a sum, and so small a step that nothing else is seen of it.
            each.compile(keras.optimizers.SGD(1e-7), lambda y, p: ops.sum(ops.cast(p, "float32")))
            each.train_on_batch(x, x)
        moved = [float(to_numpy(m.layers[0].rate_weight.value)) - before for m in (model, exact)]
        assert moved[0] == pytest.approx(moved[1], rel=0.02)
        assert abs(moved[0]) > 65504 * 1e-7


@pytest.mark.parametrize("dtype", ["int32", "float64", "float16", "uint8"])
def test_inputs_of_any_dtype_come_out_in_that_of_the_layer(dtype, to_numpy):
    x = np.arange(6).reshape(2, 3)
    y = ko.DynamicTanh()(ops.convert_to_tensor(x.astype(dtype)))
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(y), np.tanh(0.5 * x), atol=1e-6)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX computes in float32 unless jax_enable_x64 is set")
def test_float64_is_computed_in_float64(to_numpy):
    x = batch().astype("float64")
    y = ko.DynamicTanh(dtype="float64")(ops.convert_to_tensor(x))
    np.testing.assert_allclose(to_numpy(y), np.tanh(0.5 * x), rtol=1e-14)


def test_training_moves_every_weight_and_none_of_a_frozen_layer():
    x, y = batch(32, 3, 6), batch(32, 3, 2)
    for trainable in (True, False):
        layer = ko.DynamicErf(trainable=trainable)
        model = model_of(layer)
        before = layer.get_weights()
        model.compile("adam", "mse")
        model.fit(x, y, epochs=1, verbose=0)
        moved = [
            not np.array_equal(*each) for each in zip(before, layer.get_weights(), strict=True)
        ]
        assert moved == [trainable] * 4
        assert len(layer.trainable_weights) == (4 if trainable else 0)


def test_gradients_are_those_of_the_formula():
    # Central differences in float64 by NumPy, of the sum of squares.
    x = batch()
    layer = ko.DynamicErf()
    layer.build(x.shape)
    values = give_values(layer)
    f = NAMED["erf"].reference

    def loss(**changed):
        w = {**values, **changed}
        argument = w["rate"] * x.astype("float64") + w["shift"]
        return np.sum((w["gamma"] * f(argument) + w["beta"]) ** 2)

    model = keras.Sequential([keras.Input((3, 6)), layer])
    model.compile(keras.optimizers.SGD(1e-3), lambda y, p: ops.sum(ops.square(p)))
    model.train_on_batch(x, x)
    for weight in layer.weights:
        name, step = weight.name, 1e-6
        found = (values[name] - ops.convert_to_numpy(weight.value)) / 1e-3
        expected = np.empty_like(found)
        for index in np.ndindex(found.shape):
            e = np.zeros_like(values[name])
            e[index] = step
            sides = [loss(**{name: values[name] + sign * e}) for sign in (1, -1)]
            expected[index] = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("jit", [False, True])
def test_compiled_and_not_it_computes_the_same(jit):
    if jit and BACKEND == "torch":
        pytest.skip("torch.compile takes its time, and needs a compiler")
    x = batch(8, 3, 6)
    model = model_of(ko.DynamicErf())
    model.compile("sgd", "mse", jit_compile=jit, run_eagerly=not jit)
    np.testing.assert_allclose(model.predict(x, verbose=0), outputs(model, x), atol=1e-6)


def test_within_a_stack_each_has_a_rate_of_its_own():
    block = keras.Sequential([ko.DynamicTanh(rate=0.25), layers.Dense(6)])
    stack = ko.LayerStack(block, 3)
    x = batch(4, 6)
    model = keras.Sequential([keras.Input((6,)), stack])
    rates = next(w for w in stack.weights if w.name.endswith("rate"))
    np.testing.assert_array_equal(ops.convert_to_numpy(rates.value), [0.25] * 3)
    rates.assign([0.1, 0.2, 0.3])
    single = keras.Sequential([keras.Input((6,)), *stack.unstack()])
    found = [float(ops.convert_to_numpy(b.layers[0].rate_weight.value)) for b in single.layers]
    assert found == pytest.approx([0.1, 0.2, 0.3])
    np.testing.assert_allclose(outputs(model, x), outputs(single, x), atol=1e-5)


# ----------------------------------------------------------------------------------
# Saved, cloned, exported
# ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MADE)
def test_saved_and_loaded_it_is_the_same(name, tmp_path):
    model, x = model_of(MADE[name]()), batch()
    give_values(model.layers[0])
    expected = outputs(model, x)
    # Of several axes the legacy format forgets which they are, those of LayerNormalization too.
    for ending in ("keras", "h5") if name != "scaled" else ("keras",):
        path = tmp_path / f"model.{ending}"
        model.save(path)
        loaded = keras.models.load_model(path)
        assert type(loaded.layers[0]) is type(model.layers[0])
        assert loaded.layers[0].get_config() == model.layers[0].get_config()
        np.testing.assert_allclose(outputs(loaded, x), expected, atol=1e-6)
    model.save_weights(tmp_path / "model.weights.h5")
    for other in (keras.models.clone_model(model), type(model).from_config(model.get_config())):
        other.load_weights(tmp_path / "model.weights.h5")
        np.testing.assert_allclose(outputs(other, x), expected, atol=1e-6)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras exports a SavedModel on TensorFlow and JAX")
# jax2tf, which Keras's export calls, announces its own end.
@pytest.mark.filterwarnings("ignore:.*(jax2tf|native_serialization):DeprecationWarning")
def test_exported_it_serves_the_same_outputs(tmp_path):
    tf = pytest.importorskip("tensorflow", reason="Keras exports through TensorFlow")
    model, x = model_of(MADE["function"]()), batch()
    model.export(str(tmp_path / "served"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(x).numpy(), outputs(model, x), atol=1e-6)


def test_the_config_holds_a_name_as_a_name_and_a_function_needs_to_be_registered():
    assert ko.DynamicOddSigmoid("arctan").get_config()["activation"] == "arctan"
    layer = ko.DynamicOddSigmoid(lambda x: ops.tanh(x) + ops.softsign(x))
    assert outputs(layer, batch()).shape == (4, 3, 6)
    with pytest.raises(ValueError, match="must be registered"):
        layer.get_config()


def test_it_takes_no_number_from_the_names_of_other_layers():
    keras.utils.clear_session()
    ko.DynamicTanh()
    assert [ko.DynamicTanh().name, ko.Tanh().name] == ["dynamic_tanh_1", "tanh"]


# ----------------------------------------------------------------------------------
# What is refused
# ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"rate": 0.0}, ValueError, "`rate` must be greater than 0"),
        ({"rate": -1}, ValueError, "`rate`.*Received: rate=-1"),
        ({"rate": float("inf")}, ValueError, "`rate` must be finite"),
        ({"rate": float("nan")}, ValueError, "`rate`"),
        ({"rate": "0.5"}, TypeError, "`rate` must be a real number"),
        ({"rate": True}, TypeError, "`rate`"),
        ({"axis": 1.5}, TypeError, "`axis` must be an integer or a list.*Received: axis=1.5"),
        ({"axis": None}, TypeError, "`axis`"),
        ({"axis": True}, TypeError, "`axis`"),
        ({"axis": [1, "2"]}, TypeError, "`axis`"),
        ({"axis": []}, ValueError, "`axis` must name axes"),
        ({"axis": [1, 1]}, ValueError, "each of them once"),
        ({"center": 1}, TypeError, "`center` must be a boolean"),
        ({"scale": "yes"}, TypeError, "`scale`"),
        ({"shift": 0.5}, TypeError, "`shift` must be a boolean. Received: shift=0.5"),
        ({"activation": "relu"}, ValueError, "`activation` must name one of"),
        ({"activation": 3}, TypeError, "`activation` must be the name"),
        ({"activation": ops.relu}, ko.NotOddSigmoidError, "`activation`"),
        ({"activation": ko.Tanh(trainable_rate=True)}, ValueError, "no trainable rate"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused_by_its_name(arguments, error, words):
    with pytest.raises(error, match=words):
        ko.DynamicOddSigmoid(**arguments)


def test_axes_that_the_input_does_not_have_are_refused_by_what_was_received():
    for axis, shape in [(3, (None, 4, 5)), (-4, (None, 4, 5)), ([1, -2], (None, 4, 5))]:
        with pytest.raises(ValueError, match=r"of the input\. Received: axis="):
            ko.DynamicTanh(axis=axis).build(shape)
        with pytest.raises(ValueError, match="different axes of the input"):
            ko.DynamicTanh(axis=axis).compute_output_shape(shape)
    with pytest.raises(ValueError, match=r"sizes are known\. Received: axis=1 for an input"):
        ko.DynamicTanh(axis=1).build((None, None, 5))


@pytest.mark.parametrize("shape", [{"a": (None, 4)}, 3, None])
def test_what_is_no_tensor_is_refused(shape):
    with pytest.raises(TypeError, match=r"must be one tensor\. Received: input_shape="):
        ko.DynamicTanh().build_from_config({"input_shape": shape})
