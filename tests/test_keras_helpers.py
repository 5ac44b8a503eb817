"""Keras's own test helpers, on every class of the package that a saved model may hold."""

import keras
import pytest
from keras import layers, ops
from keras.src.testing import TestCase

import keras_oddsig as ko

HELPERS = TestCase("run_layer_test")


@keras.saving.register_keras_serializable(package="tests_helpers")
def a_sum(x):
    return ops.tanh(x) + 0.5 * ops.softsign(x)


SCALED = {"amplitude": 1.5, "rate": 0.5}
# Classes with arguments other than their defaults, and how many weights they then have.
LAYERS = [
    (ko.OddSigmoid, {"function": a_sum, **SCALED}, 0),
    *[
        (cls, SCALED, 0)
        for cls in (ko.Arctan, ko.Erf, ko.Softsign, ko.Gudermannian, ko.BipolarSigmoid, ko.Langevin)
    ],
    (ko.Algebraic, {"order": 4, **SCALED}, 0),
    (ko.Tanh, {"trainable_rate": True, **SCALED}, 1),
    (ko.DynamicTanh, {}, 3),
    (ko.DynamicErf, {"rate": 0.3}, 4),
    (
        ko.DynamicOddSigmoid,
        {
            "activation": a_sum,
            "center": False,
            "gamma_initializer": keras.initializers.Constant(2),
        },
        2,
    ),
    (
        ko.DynamicOddSigmoid,
        {
            "activation": ko.Algebraic(order=3, amplitude=2.0),
            "axis": [1, 2],
            "shift": True,
            "scale": False,
        },
        3,
    ),
    (ko.LayerStack, {"layer": layers.Dense(6, "tanh"), "repeats": 3}, 2),
]
INITIALIZERS = [
    ko.OddSigmoidInit("erf", depth=7, negative_rate=0.2, noise="uniform", seed=3),
    ko.OddSigmoidOrthogonal(ko.Algebraic(order=4), depth=9, bottleneck=4),
]


@pytest.mark.parametrize(
    ("cls", "arguments", "weights"), LAYERS, ids=[f"{cls.__name__}" for cls, *_ in LAYERS]
)
@pytest.mark.filterwarnings("ignore:.*shuffle=True:UserWarning")  # of Keras's own helper
def test_keras_finds_a_layer_as_it_should_be(cls, arguments, weights):
    HELPERS.run_layer_test(
        cls,
        init_kwargs=arguments,
        input_shape=(4, 3, 6),
        expected_output_shape=(4, 3, 6),
        expected_num_trainable_weights=weights,
        expected_num_non_trainable_weights=0,
        expected_num_seed_generators=0,
        expected_num_losses=0,
        supports_masking=True,
        run_training_check=weights > 0,
    )


@pytest.mark.parametrize("initializer", INITIALIZERS, ids=lambda each: type(each).__name__)
def test_keras_finds_an_initializer_as_it_should_be(initializer):
    HELPERS.run_class_serialization_test(initializer)


def test_every_class_that_a_saved_model_may_hold_is_tried():
    exported = {getattr(ko, name) for name in ko.__all__}
    saved = {each for each in exported if hasattr(each, "get_config")}
    registered = {
        each
        for name, each in keras.saving.get_custom_objects().items()
        if name.startswith("keras_oddsig>") and each.__module__.startswith("keras_oddsig.")
    }
    assert registered == saved
    assert saved == {cls for cls, *_ in LAYERS} | {type(each) for each in INITIALIZERS}
