"""What the initializers make of a seed: in calls, in copies, in saved models."""

import copy
import functools
import gc
import json
import pickle
import threading
import time
import warnings
import weakref

import keras
import numpy as np
import pytest
from keras import ops

import keras_oddsig as ko

BOTH = [ko.OddSigmoidInit, ko.OddSigmoidOrthogonal]
# A way of its own to draw.
KEEPING = pytest.param(functools.partial(ko.OddSigmoidOrthogonal, bottleneck=3), id="bottleneck")


def compiled(function):
    """The backend's compiler around a function of no arguments."""
    match keras.backend.backend():
        case "jax":
            import jax

            return jax.jit(function)
        case "tensorflow":
            import tensorflow as tf

            return tf.function(function)
        case "torch":
            return function  # Keras never compiles an initializer there


@pytest.mark.parametrize("cls", [*BOTH, KEEPING])
class TestSeeds:
    def test_one_unseeded_instance_gives_a_hundred_layers_different_kernels(self, cls):
        init = cls("tanh")
        model = keras.Sequential(
            [
                keras.Input((8,)),
                *(keras.layers.Dense(8, kernel_initializer=init) for _ in range(100)),
            ]
        )
        kernels = {ops.convert_to_numpy(layer.kernel).tobytes() for layer in model.layers}
        assert len(kernels) == 100

    def test_set_random_seed_decides_what_none_draws(self, cls, draw):
        def two():
            keras.utils.set_random_seed(7)
            init = cls()
            return draw(init, (4, 4)), draw(init, (4, 4))

        first, second = two(), two()
        assert np.array_equal(first, second)
        assert not np.array_equal(*first)

    def test_an_integer_repeats_and_warns_once(self, cls, draw):
        init = cls(seed=3)
        first = draw(init, (4, 4))
        draw(init, (4, 5))  # another shape is no repetition
        with pytest.warns(UserWarning, match=r"second kernel of shape \(4, 4\)"):
            assert np.array_equal(draw(init, (4, 4)), first)
        with warnings.catch_warnings(record=True) as caught:
            assert np.array_equal(draw(init, (4, 4)), first)
        assert not [warning for warning in caught if "second kernel" in str(warning.message)]
        assert np.array_equal(draw(cls(seed=3), (4, 4)), first)
        assert not np.array_equal(draw(cls(seed=4), (4, 4)), first)

    def test_an_integer_does_not_warn_of_a_layer_that_is_built_by_tracing(self, cls):
        class Net(keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = keras.layers.Dense(4, kernel_initializer=cls(seed=3))

            def call(self, x):
                return self.dense(x)

        Net()(np.ones((2, 4), "float32"))  # warnings are errors
        Net()(keras.Input((4,)))

    def test_a_seed_generator_advances(self, cls, draw):
        def two():
            init = cls(seed=keras.random.SeedGenerator(5))
            return draw(init, (4, 4)), draw(init, (4, 4))

        first, second = two(), two()
        assert np.array_equal(first, second)
        assert not np.array_equal(*first)

    def test_works_inside_the_backends_compiler(self, cls, draw, to_numpy):
        init = cls("erf", seed=11)
        eager = draw(init, (6, 9))
        assert to_numpy(compiled(lambda: cls("erf", seed=11)((6, 9)))()) == pytest.approx(
            eager, abs=1e-6
        )

        unseeded = cls("erf")
        layers = [to_numpy(compiled(lambda: unseeded((6, 9)))()) for _ in range(3)]
        assert len({layer.tobytes() for layer in layers}) == 3

        generator = keras.random.SeedGenerator(5)
        generated = cls("erf", seed=generator)
        layers = [to_numpy(compiled(lambda: generated((6, 9)))()) for _ in range(2)]
        assert not np.array_equal(*layers)
        # The generator itself came through unharmed, and has moved on.
        assert ops.convert_to_numpy(generator.state)[1] == 2

    @pytest.mark.skipif(
        keras.backend.backend() != "jax", reason="Keras shards at creation on JAX only"
    )
    def test_works_as_keras_shards_it_on_jax(self, cls, to_numpy):
        import jax

        mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("model",))
        sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, "model"))
        init, kernels = cls(), []
        for _ in range(3):  # as JaxVariable does, one new jit for each variable
            create = jax.jit(
                init.__call__, out_shardings=sharding, static_argnames=["shape", "dtype"]
            )
            kernels.append(to_numpy(create(shape=(16, 16), dtype="float32")).tobytes())
        assert len(set(kernels)) == 3

    @pytest.mark.parametrize("seed", [-1, 2**32])
    def test_an_integer_outside_32_bits_is_rejected(self, cls, seed):
        with pytest.raises(ValueError, match=f"`seed` must lie .* Received: seed={seed}"):
            cls(seed=seed)

    @pytest.mark.parametrize("seed", [1.0, "one", True, {"class_name": "Dense", "config": {}}])
    def test_what_is_no_seed_is_rejected(self, cls, seed):
        with pytest.raises(TypeError, match=r"`seed` must be .* Received: seed="):
            cls(seed=seed)


def kernels(model):
    """The kernels of a model, as bytes: matrices and no biases."""
    values = [ops.convert_to_numpy(weight) for weight in model.weights if "kernel" in weight.name]
    return [value.tobytes() for value in values]


def chain(seed, layers=4):
    """Layers of one width, one initializer for all."""
    init = ko.OddSigmoidOrthogonal(seed=seed)
    dense = [keras.layers.Dense(5, kernel_initializer=init) for _ in range(layers)]
    return keras.Sequential([keras.Input((5,)), *dense])


def attention(seed):
    """Query, key and value: equal shapes, drawn by copies of one initializer."""
    tokens, init = keras.Input((5, 6)), ko.OddSigmoidInit(seed=seed)
    heads = keras.layers.MultiHeadAttention(2, 3, use_bias=False, kernel_initializer=init)
    return keras.Model(tokens, heads(tokens, tokens))


def saved_and_loaded(model, path):
    model.save(path)
    return keras.saving.load_model(path)


COPIES = {
    "clone_model": lambda model, _: keras.models.clone_model(model),
    "from_config": lambda model, _: type(model).from_config(model.get_config()),
    "json": lambda model, _: keras.models.model_from_json(model.to_json()),
    "loaded, then cloned": lambda model, folder: keras.models.clone_model(
        saved_and_loaded(model, folder / "model.keras")
    ),
    "loaded from HDF5, then cloned": lambda model, folder: keras.models.clone_model(
        saved_and_loaded(model, folder / "model.h5")
    ),
}


@pytest.mark.parametrize("make", [chain, attention])
class TestCopiesOfAModel:
    @pytest.mark.parametrize("how", COPIES)
    def test_of_one_generator_have_new_kernels_in_every_layer(self, make, how, tmp_path):
        model = make(keras.random.SeedGenerator(0))
        clone = COPIES[how](model, tmp_path)
        found = kernels(model) + kernels(clone)
        assert len(found) == 8
        assert len(set(found)) == 8

    def test_are_reproducible(self, make):
        def program():
            keras.utils.clear_session()
            model = make(keras.random.SeedGenerator(0))
            return kernels(model) + kernels(keras.models.clone_model(model))

        assert program() == program()

    def test_from_a_file_do_not_hang_on_what_is_still_alive(self, make):
        text = make(keras.random.SeedGenerator(0)).to_json()

        def program(keep):
            keras.utils.clear_session()  # as a process that begins
            first = keras.models.model_from_json(text)
            found = kernels(first)
            if not keep:
                del first
                gc.collect()
            return found + kernels(keras.models.model_from_json(text))

        kept = program(keep=True)
        assert len(set(kept)) == 8
        assert program(keep=False) == kept


class TestIntegersInCopies:
    def test_equal_kernels_within_attention_are_told_once(self):
        with pytest.warns(UserWarning, match=r"second kernel of shape \(6, 2, 3\)") as caught:
            attention(3)
        assert len([each for each in caught if "second kernel" in str(each.message)]) == 1

    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    def test_a_model_that_is_loaded_is_not_warned_of(self, suffix, tmp_path):
        with pytest.warns(UserWarning, match="second kernel"):
            model = attention(3)
        loaded = saved_and_loaded(model, tmp_path / f"model{suffix}")  # warnings are errors
        assert kernels(loaded) == kernels(model)
        assert kernels(copy.deepcopy(model)) == kernels(model)

    def test_a_copy_that_is_meant_to_be_equal_is_not_warned_of(self):
        model = chain(3, layers=1)
        assert kernels(keras.models.clone_model(model)) == kernels(model)  # warnings are errors

    @pytest.mark.parametrize("change", [{"seed": 4}, {"depth": 7}, {"gates": 4}])
    def test_a_config_that_was_changed_is_not_warned_of(self, change):
        init = ko.OddSigmoidInit(seed=3)
        init((8, 8))
        ko.OddSigmoidInit.from_config({**init.get_config()} | change)((8, 8))
        config = init.get_config()
        config.update(change)
        ko.OddSigmoidInit.from_config(config)((8, 8))


class TestGeneratorsOfConfigs:
    def test_a_generator_goes_on_inside_the_backends_compiler(self, draw, to_numpy):
        config = json.loads(json.dumps(ko.OddSigmoidInit(seed=new_generator()).get_config()))
        keras.utils.clear_session()
        inside = to_numpy(compiled(lambda: ko.OddSigmoidInit.from_config(config)((4, 4)))())
        keras.utils.clear_session()
        generator = ko.OddSigmoidInit.from_config(config).seed
        assert inside == pytest.approx(draw(ko.OddSigmoidInit(seed=generator), (4, 4)), abs=1e-6)
        # The one that was made inside is no part of the function: it is of use outside.
        keras.utils.clear_session()
        compiled(lambda: ko.OddSigmoidInit.from_config(config)((4, 4)))()
        second = draw(ko.OddSigmoidInit.from_config(config), (4, 4))
        assert second == pytest.approx(draw(ko.OddSigmoidInit(seed=generator), (4, 4)), abs=1e-6)

    def test_each_thread_has_its_own(self):
        config = json.loads(json.dumps(ko.OddSigmoidInit(seed=new_generator()).get_config()))
        found = {}

        def work(number):
            copies = [ko.OddSigmoidInit.from_config(config) for _ in range(3)]
            found[number] = [ops.convert_to_numpy(init((4, 4))).tobytes() for init in copies]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found[0] == found[1] == found[2]
        assert len(set(found[0])) == 3

    def test_threads_that_share_one_take_turns(self):
        class Slow(keras.random.SeedGenerator):
            def next(self, ordered=True):
                inside.append(threading.get_ident())
                time.sleep(0.01)
                seed = super().next(ordered)
                inside.append(threading.get_ident())
                return seed

        init, inside = ko.OddSigmoidInit(seed=Slow(5)), []
        threads = [threading.Thread(target=init, args=((2, 2),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(inside) == 8
        assert inside[0::2] == inside[1::2]

    def test_none_is_kept_alive_when_the_session_is_cleared(self):
        generator = new_generator()
        init = ko.OddSigmoidInit(seed=generator)
        keras.models.clone_model(
            keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, kernel_initializer=init)])
        )
        alive = weakref.ref(generator)
        del generator, init
        keras.utils.clear_session()
        gc.collect()
        assert alive() is None

    def test_a_subclass_goes_on_where_it_is_known_and_is_not_made_from_a_file(self, draw):
        class Mine(keras.random.SeedGenerator):
            pass

        config = ko.OddSigmoidInit(seed=Mine(3)).get_config()
        copies = [ko.OddSigmoidInit.from_config(config) for _ in range(2)]
        assert isinstance(copies[0].seed, Mine)
        assert copies[0].seed is copies[1].seed
        keras.utils.clear_session()
        with pytest.raises(TypeError, match=r"`seed` must be .* Received: seed="):
            ko.OddSigmoidInit.from_config(config)


def new_generator():
    return keras.random.SeedGenerator(5)


def pickled(init):
    return pickle.loads(pickle.dumps(init))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("cls", [ko.OddSigmoidInit, KEEPING])
class TestCopiesOfAnInitializer:
    @pytest.mark.parametrize("used", [False, True])
    @pytest.mark.parametrize("seed", [lambda: None, lambda: 3, new_generator])
    def test_draw_as_a_fresh_one_of_the_same_config(self, cls, duplicate, seed, used, draw):
        def after(make):
            keras.utils.clear_session()
            keras.utils.set_random_seed(1)
            init = cls(ko.Erf(rate=2.0), depth=7, seed=seed(), gates=2)
            if used:
                init((4, 4))
            twin = make(init)
            assert twin.get_config() == init.get_config()
            # Twice, unless an integer seed would warn of that.
            return [draw(twin, (4, 8)) for _ in range(1 if init.seed == 3 else 2)]

        found = after(duplicate)
        expected = after(lambda init: type(init).from_config(init.get_config()))
        assert np.array_equal(found, expected)

    def test_share_a_function_that_has_no_name(self, cls, duplicate, draw):
        init = cls(lambda x: 2 * ops.tanh(x), seed=3)
        if duplicate is pickled:
            with pytest.raises(ValueError, match="`function` must be registered"):
                duplicate(init)
        else:
            twin = duplicate(init)
            assert twin.activation.profile == init.activation.profile
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # copy.copy shares what was drawn, too
                assert np.array_equal(draw(twin, (4, 4)), draw(init, (4, 4)))
