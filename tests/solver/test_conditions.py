"""What is not odd-sigmoid is rejected, with the condition and an input that shows it."""

import pickle

import numpy as np
import pytest
from scipy import special

from keras_oddsig import solver
from keras_oddsig.solver import NotOddSigmoidError


@pytest.mark.parametrize(
    ("function", "condition"),
    [
        (lambda x: np.maximum(x, 0), "odd"),
        (special.expit, "odd"),
        (lambda x: np.tanh(x) + 1e-10, "odd"),
        (np.ones_like, "odd"),
        (np.sin, "increasing"),
        (lambda x: -np.tanh(x), "increasing"),
        (np.zeros_like, "increasing"),
        (lambda x: np.round(50 * np.tanh(x)) / 50, "increasing"),
        (lambda x: x**3, "slope"),
        (lambda x: x**3 / (1 + np.abs(x) ** 3), "slope"),
        (np.cbrt, "slope"),
        (np.sign, "slope"),
        (lambda x: x, "bounded"),
        (np.arcsinh, "bounded"),
        (lambda x: x + x**3, "ratio"),
        (lambda x: np.tanh(x + x**3), "ratio"),
        (lambda x: np.clip(x, -1, 1), "ratio"),
        (lambda x: np.full_like(x, np.nan), "finite"),
        (np.sqrt, "finite"),
        (lambda x: np.sinh(x) / np.cosh(x), "finite"),
    ],
)
def test_a_function_outside_the_class_is_rejected_with_a_witness(function, condition):
    with pytest.raises(NotOddSigmoidError, match="Received: ") as caught:
        solver.profile_of(function)
    assert caught.value.condition == condition
    x = np.array([caught.value.witness])
    with np.errstate(all="ignore"):
        here, mirrored, nearby = function(x), function(-x), function(x * 0.99)
    # The witness shows what it is said to show.
    if condition == "finite":
        assert not np.isfinite(here)
    elif condition == "odd":
        assert here + mirrored != 0
    elif condition == "increasing":
        assert here <= np.max(function(np.linspace(0.9, 1, 100) * x)[:-1])
    elif condition == "ratio":
        assert here / x >= nearby / (x * 0.99)
    elif condition == "slope":
        assert not 1e-3 < here / x < 1e3
    else:
        assert here > function(x / 10)


def test_the_error_survives_pickling():
    error = NotOddSigmoidError("odd", 1.0, "f(x) + f(-x) = 1")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.condition, copy.witness, str(copy)) == ("odd", 1.0, str(error))


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        ("tanh", TypeError, "must be callable. Received: function='tanh'"),
        (lambda x: 1j * x, TypeError, "Received: a function that returns complex128"),
        (lambda x: np.sum(x), ValueError, r"Received: .* the shape \(\)"),
    ],
)
def test_what_is_no_function_of_arrays_is_rejected(function, error, message):
    with pytest.raises(error, match=message):
        solver.profile_of(function)
