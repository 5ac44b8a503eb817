"""What counts as a row, and whose activation it is, on the backend that KERAS_BACKEND names."""

import importlib
import threading

import keras
import numpy as np
import pytest
from keras import ops
from keras.layers import Dense

import keras_oddsig as ko

BACKEND = keras.backend.backend()
OWN = {
    "jax": ["jax.numpy.tanh", "jax.nn.tanh", "jax.nn.soft_sign", "jax.lax.erf"],
    "tensorflow": ["tensorflow.tanh", "tensorflow.nn.tanh", "tensorflow.nn.softsign"],
    "torch": ["torch.tanh", "torch.nn.functional.softsign", "torch.erf", "torch.atan"],
}[BACKEND]


def data(units=8, samples=64):
    return np.random.default_rng(0).standard_normal((samples, units)).astype("float32")


def orthogonal(activation="tanh", depth=20):
    return ko.OddSigmoidOrthogonal(activation, depth=depth)


def names(report):
    return [layer.name for layer in report.layers]


class Block(keras.layers.Layer):
    """A dense layer and an activation, which a sum may follow."""

    def __init__(self, activation, residual=False, kernel_initializer=None, **kwargs):
        super().__init__(**kwargs)
        self.dense = Dense(8, kernel_initializer=kernel_initializer or orthogonal())
        self.activation = keras.activations.get(activation)
        self.residual = residual

    def call(self, x):
        h = self.activation(self.dense(x))
        return 3 * x + h if self.residual else h


class Own(keras.layers.Layer):
    """A kernel in a class that Keras does not know."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3))

    def call(self, x):
        return x @ self.kernel


class Both(keras.Model):
    def __init__(self, *parts):
        super().__init__()
        self.parts = list(parts)

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x


class Shared(keras.Model):
    """One activation for all of its layers."""

    def __init__(self, activation, layers=20):
        super().__init__(name="net")
        self.hidden = [Dense(8, kernel_initializer=orthogonal()) for _ in range(layers)]
        self.activation = activation

    def call(self, x):
        for layer in self.hidden:
            x = self.activation(layer(x))
        return x


class TestFunctionsOfABackend:
    @pytest.mark.parametrize("path", OWN)
    def test_they_are_what_they_compute(self, path):
        module, _, name = path.rpartition(".")
        function = getattr(importlib.import_module(module), name)
        model = keras.Sequential([keras.Input((8,)), Dense(8, function)])
        (row,) = ko.signal_report(model, 1e3 * data()).layers
        known = {"soft_sign": "softsign", "atan": "arctan"}.get(name, name)
        assert row.activation == known
        assert row.statistics["saturated"] > 0.8

    def test_the_same_weights_are_judged_the_same(self):
        own = importlib.import_module(OWN[0].rpartition(".")[0]).tanh
        models = [
            keras.Sequential(
                [keras.Input((8,)), *[Dense(8, f, kernel_initializer="he_normal")] * 1]
            )
            for f in ("tanh", own)
        ]
        models[1].set_weights(models[0].get_weights())
        first, second = (ko.signal_report(model, 50 * data()) for model in models)
        assert first.verdict == second.verdict == "saturating"
        assert first.advice == second.advice

    def test_an_unknown_function_of_the_class_is_found_out(self):
        def mine(x):
            return 2 * ops.tanh(x) + ops.softsign(x)

        model = keras.Sequential([keras.Input((8,)), Dense(8, mine), Dense(3, "relu")])
        (row,) = ko.signal_report(model, 1e4 * data()).layers
        assert row.activation == "mine"
        assert row.statistics["saturated"] > 0.8

    @pytest.mark.parametrize("function", [ops.relu, lambda x: 1 / 0, lambda x: x])
    def test_another_is_not_taken_for_one(self, function):
        model = keras.Sequential([keras.Input((8,)), Dense(8, "tanh")])
        model.layers[0].activation = function
        with pytest.raises(ValueError, match="none has an odd-sigmoid activation"):
            ko.signal_report(model, data())

    def test_where_there_is_none_the_error_says_what_to_type(self):
        model = keras.Sequential([keras.Input((8,)), Dense(8, "relu"), Dense(3)])
        with pytest.raises(
            ValueError, match=r"for instance layers=keras\.layers\.Dense\."
        ) as error:
            ko.signal_report(model, data())
        assert "forgotten" not in str(error.value)
        assert len(ko.signal_report(model, data(), layers=keras.layers.Dense).layers) == 2

    def test_where_there_is_none_the_error_says_that_one_may_be_forgotten(self):
        model = keras.Sequential([keras.Input((8,)), Dense(8), Block(None, name="own")])
        with pytest.raises(ValueError, match=r'activation="tanh", forgotten\?.*layers=keras'):
            ko.signal_report(model, data())
        model = keras.Sequential([keras.Input((8, 2)), Own(name="own")])
        with pytest.raises(ValueError, match="for instance layers='own'"):
            ko.signal_report(model, data()[..., None] * np.ones(2, "float32"))


class TestBlocks:
    @pytest.mark.parametrize("activation", ["tanh", ko.Tanh(name="t")])
    def test_the_activation_inside_is_the_row_not_the_sum_behind_it(self, activation):
        blocks = [Block(activation, residual=True, name=f"block{i}") for i in range(3)]
        model = keras.Sequential([keras.Input((8,)), *blocks])
        report = ko.signal_report(model, data())
        layer = isinstance(activation, keras.Layer)
        assert names(report) == (["t", "t#2", "t#3"] if layer else ["block0", "block1", "block2"])
        h = data()
        for block, row in zip(blocks, report.layers, strict=True):
            inside = np.tanh(h @ ops.convert_to_numpy(block.dense.kernel))
            assert row.statistics["max"] == pytest.approx(inside.max(), rel=1e-4)
            assert row.activation == "tanh"
            h = 3 * h + inside

    @pytest.mark.parametrize("activation", ["tanh", ko.Tanh()])
    def test_the_initializer_is_that_of_the_layer_inside(self, activation):
        model = keras.Sequential([keras.Input((8,)), *[Block(activation) for _ in range(20)]])
        flat = keras.Sequential(
            [
                keras.Input((8,)),
                *[Dense(8, "tanh", kernel_initializer=orthogonal()) for _ in range(20)],
            ]
        )
        flat.set_weights(model.get_weights())
        y = data(8)
        rows = ko.signal_report(model, data(), y, "mse").layers
        expected = ko.signal_report(flat, data(), y, "mse").layers
        assert len(rows) == 20
        for row, same in zip(rows, expected, strict=True):
            assert row.predicted_spread == pytest.approx(same.predicted_spread, rel=1e-4)
            assert row.statistics == pytest.approx(same.statistics, rel=1e-3, abs=1e-6)
            assert row.verdict == same.verdict == "healthy"

    @pytest.mark.parametrize("activation", [keras.activations.tanh, ko.Tanh(name="t")])
    def test_a_model_that_applies_one_activation_after_each_layer(self, activation):
        inputs = keras.Input((8,))
        inner = Shared(activation)
        model = keras.Model(inputs, Dense(1)(inner(inputs)))
        report = ko.signal_report(model, data())
        assert len(report.layers) == 20
        name = "t" if isinstance(activation, keras.Layer) else "net"
        assert names(report)[:2] == [name, f"{name}#2"]
        assert all(row.predicted_spread is not None for row in report.layers)
        assert names(ko.signal_report(inner, data())) == names(report)

    def test_a_model_inside_which_it_is_applied_is_not_kept_alive(self):
        import gc
        import weakref

        model = Shared(keras.activations.tanh, layers=2)
        model(data())
        ko.signal_report(model, data())
        alive = weakref.ref(model)
        del model
        keras.utils.clear_session(free_memory=True)
        gc.collect()
        assert alive() is None

    def test_a_block_that_is_asked_for_is_one_row(self):
        inside, sums = (Block("tanh", residual=r, name=f"b{r}") for r in (False, True))
        model = keras.Sequential([keras.Input((8,)), inside, sums])
        first, second = ko.signal_report(model, data(), layers=Block).layers
        assert (first.activation, second.activation) == ("tanh", None)
        expected = ops.convert_to_numpy(model(data())).std()
        assert second.statistics["std"] == pytest.approx(expected, rel=1e-4)

    def test_its_function_is_what_it_was_though_a_second_thread_looks_meanwhile(self):
        second_inside, first_done = threading.Event(), threading.Event()

        class Slow(keras.layers.Layer):
            """The second thread stays inside until the first is done, if it gets in."""

            def call(self, x):
                if threading.current_thread().name == "first":
                    second.start()
                    second_inside.wait(0.3)
                else:
                    second_inside.set()
                    first_done.wait(0.3)
                return x

        block = Block("tanh")
        inner = keras.Sequential([keras.Input((8,)), block])
        model = Both(Slow(), inner)
        model.built = True
        model.compile(run_eagerly=True)

        def look():
            ko.signal_report(model, data())
            if threading.current_thread().name == "first":
                first_done.set()

        first, second = (threading.Thread(target=look, name=name) for name in ("first", "second"))
        first.start()
        first.join()
        second.join()
        assert second_inside.is_set()
        assert block.activation is keras.activations.tanh

    def test_what_was_looked_at_by_default_is_not_taken_for_what_is_asked_for(self):
        model = keras.Sequential(
            [keras.Input((8,)), Block("tanh", name="block"), Dense(8, "tanh", name="dense")]
        )
        assert names(ko.signal_report(model, data())) == ["block", "dense"]
        assert names(ko.signal_report(model, data(), layers="dense")) == ["dense"]

    def test_its_function_is_what_it_was(self):
        block = Block("tanh")
        model = keras.Sequential([keras.Input((8,)), block])
        ko.signal_report(model, data(), data(8), "mse")
        assert block.activation is keras.activations.tanh


class TestAround:
    @pytest.mark.parametrize("steps", [5, None])
    def test_time_distributed_alone_is_a_row(self, steps):
        init = orthogonal(depth=1)
        inner = Dense(8, "tanh", kernel_initializer=init)
        model = keras.Sequential(
            [keras.Input((steps, 8)), keras.layers.TimeDistributed(inner, name="td")]
        )
        x = np.random.default_rng(0).standard_normal((64, 5, 8)).astype("float32")
        report = ko.signal_report(model, x, np.zeros((64, 5, 8), "float32"), "mse")
        (row,) = report.layers
        assert (row.name, row.activation) == ("td", "tanh")
        assert row.statistics["saturated"] > 0
        assert row.statistics["std"] == pytest.approx(row.predicted_spread, rel=0.1)
        assert row.statistics["kernel_gradient"] > 0

    def test_a_cell_in_a_loop(self):
        cell = keras.layers.SimpleRNNCell(4, recurrent_initializer=ko.OddSigmoidInit("tanh", 9))
        model = keras.Sequential([keras.Input((9, 8)), keras.layers.RNN(cell, name="loop")])
        x = np.random.default_rng(0).standard_normal((16, 9, 8)).astype("float32")
        (row,) = ko.signal_report(model, x).layers
        assert (row.name, row.activation) == ("loop", "tanh")
        assert row.predicted_spread == pytest.approx(
            ko.recurrent_spread(ko.Tanh().profile, ko.noise_scale(9))
        )
