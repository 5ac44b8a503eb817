"""Threads at once, and models made one after another: nothing is mixed up, and nothing is kept."""

import gc
import threading
import weakref

import keras
import numpy as np
import pytest
from keras import ops

import keras_oddsig as ko
from keras_oddsig import _backend
from keras_oddsig.layers.unrolled import unrolled
from keras_oddsig.signal import recording
from keras_oddsig.signal.measurement import measurement
from reliability.threads import together

BACKEND = keras.backend.backend()


def network(seed=0, compiled=False):
    """With a stack, and a rate that is a weight."""

    def dense(activation):
        init = ko.OddSigmoidOrthogonal("tanh", depth=3, seed=seed)
        return keras.layers.Dense(4, activation, kernel_initializer=init)

    layers = [ko.LayerStack(dense("tanh"), 2), dense(None), ko.Tanh(trainable_rate=True)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("sgd", "mse", run_eagerly=not compiled)
    return model


def data(seed=0):
    return np.random.default_rng(seed).standard_normal((16, 4)).astype("float32")


def weights(model):
    return [ops.convert_to_numpy(each).tobytes() for each in model.weights]


def look(seed):
    """All that is done with a model, and the numbers that come of it."""
    keras.utils.set_random_seed(0)
    model, x = network(seed), data(seed)
    ko.tailor(model, x, seed=seed)
    watch = ko.ActivationSpread(x)
    model.fit(x, x, batch_size=8, shuffle=False, verbose=0, callbacks=[watch])
    report = ko.signal_report(model, x, x)
    rows = [list(row.statistics.values()) for row in report.layers]
    watched = [row["value"] for row in watch.history.rows]
    return weights(model), np.array(rows).tobytes(), np.array(watched).tobytes()


def test_threads_make_what_one_makes_alone():
    alone = [look(seed) for seed in range(2)]
    assert together(look, 2) == alone


def test_a_callback_and_a_report_do_not_wait_for_one_another():
    first, second = network(), network()
    begun = threading.Event()

    def begin():
        begun.set()
        measurement(second)

    thread = threading.Thread(target=begin, daemon=True)
    with unrolled(first):  # as a report has it, before it takes the other lock
        thread.start()
        begun.wait()
        thread.join(0.2)
        assert recording.one_at_a_time.acquire(timeout=5)
        recording.one_at_a_time.release()
    thread.join(60)
    assert not thread.is_alive()


def test_a_stack_that_another_thread_has_open_is_waited_for():
    model, inside = network(), []
    stack = model.layers[0]

    def enter():
        with unrolled(model):
            inside.append(stack._inside.active is not None)

    thread = threading.Thread(target=enter, daemon=True)
    with unrolled(model):
        thread.start()
        thread.join(0.2)
        assert inside == []
    thread.join(60)
    assert inside == [True]


def test_a_model_goes_when_it_has_been_tailored_watched_and_reported():
    model = network(compiled=True)
    x = data()
    ko.tailor(model, x)
    model.fit(x, x, verbose=0, callbacks=[ko.ActivationSpread(x)])
    ko.signal_report(model, x)
    alive = weakref.ref(model)
    del model
    keras.utils.clear_session()
    gc.collect()
    assert alive() is None


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch compiles no initializer")
@pytest.mark.parametrize("input_std", [lambda i: 1.0 + i, lambda i: [1.0 + i, 2.0]])
def test_other_numbers_are_no_other_code(input_std):
    known = _backend.compiled.cache_info().misses
    for i in range(4):
        ko.OddSigmoidOrthogonal("tanh", depth=5 + i, input_std=input_std(i), seed=i)((2, 9))
    assert _backend.compiled.cache_info().misses <= known + 1


def test_a_loss_that_is_known_is_not_compiled_again(monkeypatch):
    model, compiled = network(), []
    compile_model = keras.Model.compile
    monkeypatch.setattr(
        keras.Model,
        "compile",
        lambda *args, **kwargs: compiled.append(compile_model(*args, **kwargs)),
    )
    for seed in range(3):
        ko.signal_report(model, data(), data(seed), "mse")
    assert len(compiled) == 1
