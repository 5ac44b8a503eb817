"""Where a signal may not be well after `tailor`, its report says so; elsewhere it is healthy."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_oddsig as ko


def samples(features, seed, scale=1.0):
    x = np.random.default_rng(seed).standard_normal((128, features))
    return (scale * x).astype("float32")


def tailored(*activations, scale=1.0, **kwargs):
    """A chain, the report of `tailor`, and that of the signal on samples it has not seen."""
    hidden = [layers.Dense(32, activation) for activation in activations]
    model = keras.Sequential([keras.Input((16,)), *hidden, layers.Dense(3)])
    report = ko.tailor(model, samples(16, 0, scale), seed=0, **kwargs)
    return report, ko.signal_report(model, samples(16, 1, scale))


@pytest.mark.parametrize(
    "activations",
    [
        (ko.Algebraic(amplitude=2.0, rate=0.7), ko.Erf()),
        (ko.Tanh(amplitude=3.0), ko.Tanh(), ko.Tanh()),
        tuple([ko.Tanh(), ko.Softsign()] * 4),
    ],
    ids=["algebraic, erf", "amplitudes", "in turn"],
)
def test_each_kernel_reads_what_the_activation_before_it_keeps_up(activations):
    report, signal = tailored(*activations)
    assert signal.healthy
    assert not any("scaled by" in row.reason for row in report.kernels)
    assert max(row.statistics["saturated"] for row in signal.layers) < 0.25
    point = ko.OddSigmoidOrthogonal(activations[-1], depth=len(activations)).operating_point
    assert signal.layers[-1].statistics["std"] == pytest.approx(point.spread, rel=0.2)


def test_a_depth_that_is_less_than_the_chain_s_is_named():
    report, signal = tailored("tanh", "tanh", "tanh", "tanh", depth=1)
    assert signal.verdict == "saturating"
    words = "made for a depth of 1, as asked, in a chain of 4"
    assert [words in row.reason for row in report.kernels] == [True] * 4 + [False]
    for depth in ("auto", 4, 30):
        report, _ = tailored("tanh", "tanh", "tanh", "tanh", depth=depth)
        assert not any("made for a depth" in row.reason for row in report.kernels)


def test_a_mean_that_another_activation_brings_is_named():
    report, _ = tailored("tanh", "sigmoid", "tanh", "tanh")
    said = ["behind sigmoid, whose output may have a mean" in row.reason for row in report.kernels]
    assert said == [False, False, True, False, False]


def test_a_chain_without_any_of_that_has_no_remark():
    report, signal = tailored(*["tanh"] * 6, scale=7.0)
    assert signal.healthy
    assert [row.reason for row in report.kernels[:-1]] == [""] * 6


@pytest.mark.parametrize("method", ["auto", "diagonal"])
@pytest.mark.parametrize("layer", [layers.Conv1D(8, 3, activation="tanh"), layers.SimpleRNN(8)])
def test_without_data_the_first_kernel_says_what_is_assumed(method, layer):
    layer = type(layer).from_config(layer.get_config())
    model = keras.Sequential([keras.Input((6, 4)), layer])
    first, *others = ko.tailor(model, method=method).kernels
    assert "an input of root mean square 1 is assumed" in first.reason
    assert not any("assumed" in row.reason for row in others)
    data = np.random.default_rng(0).standard_normal((64, 6, 4)).astype("float32")
    assert "assumed" not in ko.tailor(model, data, method=method).kernels[0].reason
