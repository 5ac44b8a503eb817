"""`tailor` on a few random models, and what has once gone wrong on one.

Hundreds of them: `benchmarks/reliability/models.py`.
"""

import keras
import numpy as np
import pytest
from keras import layers

import keras_oddsig as ko
from keras_oddsig.tailoring import fitting

MODELS = {"jax": 2, "tensorflow": 2, "torch": 5}[keras.backend.backend()]


@pytest.fixture(scope="module")
def models(load_example):
    return load_example("reliability.models")


def test_random_models_are_tailored_whole_or_left_alone(models):
    tally = models.try_models(MODELS, first=1000)
    assert tally.wrong == []
    assert tally.counts["tailored"] + tally.counts["refused, with a reason"] == MODELS


def test_a_report_that_fails_leaves_the_model_as_it_was(models, monkeypatch):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(8, "tanh"), layers.Dense(1)])
    before = models.state_of(model)

    def failing(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "_rows", failing)
    with pytest.raises(KeyboardInterrupt):
        ko.tailor(model)
    assert models.same(models.state_of(model), before)


def test_derivatives_are_expected_of_no_layer_behind_another_kind_of_kernel():
    init = ko.OddSigmoidInit("tanh", depth=3)
    x = keras.Input((2,))
    y = layers.Dense(16, "tanh", kernel_initializer=init)(x)
    y = layers.Dense(16, "tanh")(layers.Dense(16, "tanh")(y))
    model = keras.Model(x, layers.Dense(1)(y))
    data = np.random.default_rng(0).uniform(-1, 1, (32, 2)).astype("float32")
    report = ko.signal_report(model, data, derivatives=True)
    assert [row.predicted_first_derivative is None for row in report.layers] == [False, True, True]
