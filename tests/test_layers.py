"""A stack of equal layers: in all that it does the network in which they stand one by one."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_oddsig as ko
from keras_oddsig.layers.unrolled import unrolled
from keras_oddsig.signal import selection
from keras_oddsig.tailoring import application

BACKEND = keras.backend.backend()
WIDTH = 8


def dense(**kwargs):
    return layers.Dense(WIDTH, "tanh", **kwargs)


def block():
    """What a layer may hold: states, losses, constraints, several weights of one name."""
    return keras.Sequential(
        [
            layers.Dense(
                12,
                "tanh",
                kernel_regularizer=keras.regularizers.L2(0.1),
                kernel_constraint=keras.constraints.MaxNorm(1.0, axis=0),
            ),
            layers.BatchNormalization(momentum=0.5),
            layers.Dense(WIDTH, activity_regularizer=keras.regularizers.L2(0.1)),
        ]
    )


def residual():
    inputs = keras.Input((WIDTH,))
    return keras.Model(inputs, inputs + 0.5 * dense()(inputs))


def frozen_inside():
    return keras.Sequential([layers.Dense(WIDTH, trainable=False), dense()])


TEMPLATES = {"layer": dense, "block": block, "functional": residual, "frozen": frozen_inside}


def models(template, repeats=3, **kwargs):
    """A model of a stack, and that of the single layers with its weights."""
    stack = ko.LayerStack(template, repeats, **kwargs)
    model = keras.Sequential([keras.Input((WIDTH,)), stack, layers.Dense(3)])
    single = keras.Sequential([keras.Input((WIDTH,)), *stack.unstack(), layers.Dense(3)])
    single.layers[-1].set_weights(model.layers[-1].get_weights())
    return model, single


def batch(samples=16, width=WIDTH):
    return np.random.default_rng(0).standard_normal((samples, width)).astype("float32")


def outputs(model, training=False):
    return ops.convert_to_numpy(model(ops.convert_to_tensor(batch()), training=training))


def values(layer):
    return [ops.convert_to_numpy(v.value) for v in layer.variables]


def assert_equal_weights(stack, singles):
    for layer, single in zip(stack.unstack(), singles, strict=True):
        for one, other in zip(values(layer), values(single), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


# ----------------------------------------------------------------------------------
# The network in which the layers stand one by one
# ----------------------------------------------------------------------------------


@pytest.mark.parametrize("template", TEMPLATES)
def test_outputs_are_those_of_the_unrolled_network(template):
    model, single = models(TEMPLATES[template]())
    for training in (False, True):
        np.testing.assert_allclose(outputs(model, training), outputs(single, training), atol=1e-5)


@pytest.mark.parametrize("template", TEMPLATES)
def test_training_is_that_of_the_unrolled_network(template):
    # By gradient descent: a gradient that is off by 1e-4 shows in the weights.
    x, y = batch(), batch(width=3)
    losses = []
    both = models(TEMPLATES[template]())
    for model in both:
        # By XLA where there are most things to compile; elsewhere TensorFlow takes its time.
        jit = template == "block" if BACKEND == "tensorflow" else "auto"
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
        losses.append(model.fit(x, y, epochs=3, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert_equal_weights(both[0].layers[0], both[1].layers[:-1])
    np.testing.assert_allclose(*map(outputs, both), atol=1e-5)


def test_losses_of_weights_are_known_without_a_call():
    model, single = models(block())
    np.testing.assert_allclose(
        *(float(ops.convert_to_numpy(sum(m.losses))) for m in (model, single)), rtol=1e-5
    )


def test_dropout_has_a_state_for_each_repeat_that_training_advances():
    stack = ko.LayerStack(layers.Dropout(0.5), 4)
    x = ops.ones((2, WIDTH))
    assert np.all(ops.convert_to_numpy(stack(x)) == 1)
    (states,) = values(stack)
    assert len(np.unique(states[:, 0])) == 4
    assert stack.weights == []
    keras.utils.set_random_seed(1)  # PyTorch drops by that
    dropped = ops.convert_to_numpy(stack(x, training=True))
    singles = ko.LayerStack(layers.Dropout(0.5), 4)
    singles.build((2, WIDTH))
    singles.variables[0].assign(states)
    keras.utils.set_random_seed(1)
    y = x
    for layer in singles.unstack():
        y = layer(y, training=True)
    np.testing.assert_array_equal(dropped, ops.convert_to_numpy(y))
    if BACKEND != "torch":
        assert np.all(values(stack)[0][:, 1] == states[:, 1] + 1)


def test_half_precision_is_that_of_the_layers():
    policy = keras.DTypePolicy("mixed_bfloat16")
    model, single = models(layers.Dense(WIDTH, "tanh", dtype=policy))
    stack = model.layers[0]
    assert {w.dtype for w in stack.weights} == {"float32"}
    x = ops.convert_to_tensor(batch())
    assert keras.backend.standardize_dtype(stack(x).dtype) == "bfloat16"
    assert stack(keras.Input((WIDTH,))).dtype == "bfloat16"
    np.testing.assert_array_equal(*(ops.convert_to_numpy(m(x)) for m in (model, single)))


def test_masks_pass_through_and_are_seen_inside():
    recurrent = layers.SimpleRNN(2, return_sequences=True)
    stack = ko.LayerStack(recurrent, 3)
    x = np.array([[[1.0, 2], [3, 4], [0, 0]]], "float32")
    masked = layers.Masking()(ops.convert_to_tensor(x))
    found = stack(masked)
    expected = masked
    for layer in stack.unstack():
        expected = layer(expected)
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (found, expected)), atol=1e-6)
    assert ops.convert_to_numpy(found._keras_mask).tolist() == [[True, True, False]]


def test_freezing_a_stack_freezes_the_layers():
    model, _ = models(block())
    stack = model.layers[0]
    number = len(stack.trainable_variables)
    stack.trainable = False
    assert stack.trainable_variables == []
    before = values(stack)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.train_on_batch(batch(), batch(width=3))
    for one, other in zip(before, values(stack), strict=True):  # moving averages, too
        np.testing.assert_array_equal(one, other)
    stack.trainable = True
    assert len(stack.trainable_variables) == number
    assert not ko.LayerStack(dense(trainable=False), 2).trainable


def test_a_stack_of_stacks_is_a_network_too():
    model, single = models(keras.Sequential([dense(), ko.LayerStack(dense(), 2)]), 2)
    np.testing.assert_allclose(outputs(model), outputs(single), atol=1e-5)
    assert len(ko.signal_report(model, batch()).layers) == 6


class Noting(layers.Layer):
    """A number times a weight, plus another, that keeps what it was given."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones")
        self.term = self.add_weight(shape=(), initializer="zeros")
        self.seen = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.seen.assign(ops.mean(x))
        return x * self.factor + self.term


@pytest.mark.parametrize("repeats", [1009, 1024])  # with and without some that fill no block
def test_a_long_stack_is_the_network_in_states_and_gradients_too(repeats):
    stack = ko.LayerStack(Noting(), repeats)
    model = keras.Sequential([keras.Input((1,)), stack])
    factors = np.linspace(0.99, 1.01, repeats)
    stack.set_weights([factors, np.zeros(repeats), np.zeros(repeats)])
    model.compile(keras.optimizers.SGD(1.0), lambda _, y: ops.mean(y))
    model.train_on_batch(np.full((4, 1), 2.0), np.zeros((4, 1)))

    entering = 2 * np.cumprod([1.0, *factors[:-1]])
    following = np.cumprod([1.0, *factors[:0:-1]])[::-1]  # the gradient by each one's output
    expected = [factors - entering * following, -following, entering]
    for found, wanted in zip(stack.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch compiles no program here")
def test_the_program_does_not_grow_with_the_repeats():
    def size(repeats):
        stack = ko.LayerStack(dense(), repeats)
        stack.build((None, WIDTH))
        x = ops.convert_to_tensor(batch())
        if BACKEND == "jax":
            import jax

            def loss(weights):
                return stack.stateless_call(weights, [], x)[0].sum()

            text = str(jax.make_jaxpr(jax.grad(loss))([w.value for w in stack.weights]))
            return len(text.splitlines())
        import tensorflow as tf

        @tf.function
        def gradient():
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(stack(x))
            return tape.gradient(loss, [w.value for w in stack.trainable_weights])

        graph = gradient.get_concrete_function().graph.as_graph_def()
        return len(graph.node) + sum(len(f.node_def) for f in graph.library.function)

    assert size(3) == size(60)


# ----------------------------------------------------------------------------------
# What the repeats begin with
# ----------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="tests")
class Own(keras.initializers.Initializer):
    def __init__(self, seed=3):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        return keras.random.normal(shape, dtype=dtype, seed=self.seed)

    def get_config(self):
        return {"seed": self.seed}


INITIALIZERS = {
    "ours": lambda: ko.OddSigmoidOrthogonal("tanh"),
    "ours of an integer": lambda: ko.OddSigmoidInit("tanh", seed=3),
    "ours of a generator": lambda: ko.OddSigmoidInit("tanh", seed=keras.random.SeedGenerator(3)),
    "Keras's": lambda: keras.initializers.GlorotUniform(),
    "Keras's of an integer": lambda: keras.initializers.Orthogonal(seed=3),
    "Keras's of a generator": lambda: keras.initializers.HeNormal(keras.random.SeedGenerator(3)),
    "a user's own": Own,
}


def kernels_of(make, repeats=5):
    stack = ko.LayerStack(dense(kernel_initializer=make()), repeats)
    stack.build((None, WIDTH))
    return values(stack)[0]


@pytest.mark.parametrize("name", INITIALIZERS)
def test_each_repeat_draws_its_own_kernel_and_a_seed_repeats_them_all(name):
    keras.utils.set_random_seed(5)
    kernels = kernels_of(INITIALIZERS[name])
    assert len(np.unique(kernels.round(6), axis=0)) == 5
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(kernels, kernels_of(INITIALIZERS[name]))
    keras.utils.set_random_seed(6)
    again = np.array_equal(kernels, kernels_of(INITIALIZERS[name]))
    assert again == ("integer" in name or "generator" in name or "own" in name)


def test_each_kernel_is_one_that_the_initializer_draws():
    for kernel in kernels_of(lambda: ko.OddSigmoidOrthogonal("tanh", gain=1.25), 3):
        np.testing.assert_allclose(kernel.T @ kernel, 1.25**2 * np.eye(WIDTH), atol=1e-5)
    scales = np.std(kernels_of(lambda: keras.initializers.RandomNormal(stddev=0.3), 200), axis=0)
    np.testing.assert_allclose(scales, 0.3, rtol=0.25)


def test_what_is_compiled_for_one_initializer_serves_its_equals_alone():
    normal = keras.initializers.RandomNormal
    for stddev in (0.3, 3.0, 0.3):  # the same seeds
        kernels = kernels_of(lambda stddev=stddev: normal(stddev=stddev, seed=3), 50)
        assert np.std(kernels) == pytest.approx(stddev, rel=0.1)
    one, other = (kernels_of(lambda seed=seed: normal(seed=seed)) for seed in (3, 4))
    assert not np.isin(one, other).any()


def test_one_integer_seed_gives_the_weights_of_a_layer_values_of_their_own():
    init = ko.OddSigmoidOrthogonal("tanh", seed=3)
    stack = ko.LayerStack(
        keras.Sequential([dense(kernel_initializer=init), dense(kernel_initializer=init)]), 2
    )
    stack.build((None, WIDTH))
    kernels = [value for value in values(stack) if value.ndim == 3]
    assert len(np.unique(np.concatenate(kernels).round(6), axis=0)) == 4


def test_the_template_is_copied_and_its_weights_are_nobodys():
    layer = dense(name="hidden")
    stack = ko.LayerStack(layer, 3)
    stack.build((None, WIDTH))
    assert not layer.built
    assert [(w.name, tuple(w.shape)) for w in stack.weights] == [
        ("kernel", (3, WIDTH, WIDTH)),
        ("bias", (3, WIDTH)),
    ]
    assert stack.count_params() == 3 * (WIDTH * WIDTH + WIDTH)
    assert [layer.name for layer in stack.unstack()] == ["hidden_0", "hidden_1", "hidden_2"]


# ----------------------------------------------------------------------------------
# Saving
# ----------------------------------------------------------------------------------


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_saved_model_is_the_same_model(template, tmp_path):
    model, _ = models(TEMPLATES[template]())
    expected = outputs(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(outputs(loaded), expected)
    model.save_weights(tmp_path / "model.weights.h5")
    clone = keras.models.clone_model(model)
    assert not np.allclose(outputs(clone), expected)
    clone.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(outputs(clone), expected)


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_a_config_runs_no_code_of_the_file():
    config = ko.LayerStack(dense(), 2).get_config()
    config["layer"]["config"]["activation"] = keras.saving.serialize_keras_object(lambda x: 1 / 0)
    with pytest.raises((TypeError, ValueError), match=r"disallowed by default"):
        ko.LayerStack.from_config(config)


# ----------------------------------------------------------------------------------
# What is refused
# ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((ops.tanh, 2), TypeError, "`layer` must be a `keras.Layer`"),
        ((layers.Dense(4), 0), ValueError, "`repeats` must be at least 1"),
        ((layers.Dense(4), 2.0), TypeError, "`repeats` must be an integer"),
        ((layers.Dense(4, lambda x: x), 2), ValueError, "`layer` must be one that can be made"),
    ],
)
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=f"{message}.*Received: "):
        ko.LayerStack(*arguments)


def test_a_layer_that_changes_the_shape_is_refused():
    with pytest.raises(ValueError, match=r"`layer` must make an output.*Received: layer="):
        ko.LayerStack(layers.Dense(WIDTH + 1), 2)(batch())


def test_runs_that_are_not_all_repeats_are_refused():
    config = ko.LayerStack(dense(), 3).get_config()
    with pytest.raises(ValueError, match=r"`config` must hold runs.*Received"):
        ko.LayerStack.from_config({**config, "runs": [[1, config["layer"]], [1, config["layer"]]]})


def test_a_stack_that_is_not_built_cannot_be_taken_apart():
    with pytest.raises(ValueError, match="must be built"):
        ko.LayerStack(dense(), 3).unstack()


# ----------------------------------------------------------------------------------
# Reports and tailoring
# ----------------------------------------------------------------------------------


def test_a_report_is_that_of_the_unrolled_network():
    init = ko.OddSigmoidOrthogonal("tanh", depth=6)
    model, single = models(dense(kernel_initializer=init), 4, name="stack")
    x, y = batch(), batch(width=3)
    before = values(model)
    found, expected = (ko.signal_report(m, x, y, "mse") for m in (model, single))
    assert [row.name for row in found.layers] == [f"stack.{i}" for i in range(4)]
    assert (found.verdict, found.advice) == (expected.verdict, expected.advice)
    for one, other in zip(found.layers, expected.layers, strict=True):
        assert one.predicted_spread == pytest.approx(other.predicted_spread, rel=1e-5)
        np.testing.assert_allclose(
            list(one.statistics.values()), list(other.statistics.values()), rtol=1e-3, atol=1e-5
        )
    assert ko.signal_report(model, x, y, "mse").layers == found.layers
    for one, other in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_report_sees_the_layers_inside_and_what_training_made_of_them():
    model, _ = models(keras.Sequential([dense(name="a"), dense(name="b")]), 2, name="stack")
    report = ko.signal_report(model, batch())
    assert [row.name for row in report.layers] == [
        "stack.0.a",
        "stack.0.b",
        "stack.1.a",
        "stack.1.b",
    ]
    for weight in model.layers[0].weights:
        weight.assign(0 * weight.value)
    assert ko.signal_report(model, batch()).layers[-1].statistics["std"] == 0


def test_what_is_deep_is_measured_alike_uncompiled(monkeypatch):
    model, _ = models(dense(), 6)
    compiled = ko.signal_report(model, batch(), batch(width=3), "mse")
    monkeypatch.setattr(selection, "DEEP", 5)
    again = keras.Sequential([keras.Input((WIDTH,)), *model.layers])
    eager = ko.signal_report(again, batch(), batch(width=3), "mse")
    for one, other in zip(compiled.layers, eager.layers, strict=True):
        np.testing.assert_allclose(
            list(one.statistics.values()), list(other.statistics.values()), rtol=1e-4, atol=1e-6
        )


def test_a_callback_watches_the_repeats_of_a_model_that_trains():
    model, _ = models(dense(), 3, name="stack")
    model.compile("sgd", "mse")
    watch = ko.ActivationSpread(batch())
    model.fit(batch(), batch(width=3), epochs=2, verbose=0, callbacks=[watch])
    assert [row.name for row in ko.signal_report(model, batch()).layers][-1] == "stack.2"
    assert model.layers[0]._inside.active is None
    assert len(model.layers[0].trainable_variables) == 2


PLACES = {
    "in the middle": (dense, {}),
    "first": (dense, {"first": True}),
    "residual": (residual, {}),
    "blocks": (lambda: keras.Sequential([layers.Dense(16, "tanh"), dense()]), {}),
}


@pytest.mark.parametrize("place", PLACES)
def test_tailor_sets_each_repeat_as_it_would_the_single_layer(place):
    make, kwargs = PLACES[place]
    stack = ko.LayerStack(make(), 3)
    stack.build((None, WIDTH))

    def around(inside):
        before = [] if kwargs else [layers.Dense(WIDTH, "tanh")]
        return keras.Sequential(
            [keras.Input((WIDTH,)), *before, *inside, layers.Dense(WIDTH, "tanh"), layers.Dense(3)]
        )

    singles = stack.unstack()
    x = 3 * batch(64)
    reports = [ko.tailor(m, x, seed=4) for m in (around([stack]), around(singles))]
    written = [[(k.initializer, k.depth, k.reason) for k in r.kernels] for r in reports]
    assert written[0] == written[1]
    assert_equal_weights(stack, singles)


def tailored(seed=4):
    model, _ = models(dense(), 4)
    x = batch(64) * np.geomspace(0.1, 10, WIDTH).astype("float32")
    ko.tailor(model, x, seed=seed)
    return model, x


def test_a_tailored_stack_tells_its_initializers(tmp_path):
    model, x = tailored()
    config = model.layers[0].get_config()
    assert [number for number, _ in config["runs"]] == [1, 3]
    inits = [layer["config"]["kernel_initializer"]["config"] for _, layer in config["runs"]]
    assert isinstance(inits[0]["input_std"], list)
    assert inits[1]["input_std"] is None
    model.save(tmp_path / "model.keras")
    for again in (keras.models.load_model(tmp_path / "model.keras"), model):
        assert again.layers[0].get_config() == config
    clone = keras.models.clone_model(model)
    first, second = values(clone.layers[0])[0][:2]
    spread = np.linalg.norm(first, axis=1)
    assert spread.max() > 20 * spread.min()  # each feature by its own scale
    assert np.ptp(np.linalg.norm(second, axis=1)) < 1e-4
    predictions = [
        [row.predicted_spread for row in ko.signal_report(m, x).layers] for m in (model, clone)
    ]
    assert predictions[0][0] is predictions[1][0] is None  # features of several scales
    assert predictions[0][1:] == pytest.approx(predictions[1][1:], rel=0.01)


def test_a_dry_run_and_an_error_leave_a_stack_as_it_was(monkeypatch):
    model, _ = models(dense(), 4)
    before, config = values(model), model.layers[0].get_config()
    report = ko.tailor(model, batch(), dry_run=True)
    assert report.tailored == 4

    def fail(*args):
        raise RuntimeError("interrupted")

    monkeypatch.setattr(application, "rescale", fail)
    with pytest.raises(RuntimeError, match="interrupted"):
        ko.tailor(model, batch())
    assert model.layers[0].get_config() == config
    for one, other in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_within_unrolled_a_model_consists_of_single_layers_and_after_it_does_not():
    model, _ = models(dense(), 3)
    stack = model.layers[0]
    weights = [id(w) for w in model.weights]
    with unrolled(model), unrolled(model):
        assert len(model.weights) == 2 * 3 + 2
        assert [layer.name for layer in stack._flatten_layers(include_self=False)] == [
            f"{stack.name}.{i}" for i in range(3)
        ]
    assert [id(w) for w in model.weights] == weights
