"""Shared by the tests of every backend. Nothing here imports Keras at collection."""

import importlib
import os

import pytest
from hypothesis import settings

# The same examples each time, on slow machines too.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# One worker process a backend; oneDNN's rounding notices and TensorFlow's device log say
# nothing about this package.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

# The tests compile much and run it once: without XLA's optimizations, JAX's suite takes a third
# less time. JAX_DISABLE_MOST_OPTIMIZATIONS=0 tests what is compiled as users have it compiled.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


@pytest.fixture(autouse=True)
def _seeded():
    """Every test that uses Keras draws the same numbers each time."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture
def to_numpy():
    """A tensor as float64, whatever its dtype."""
    import keras

    def convert(tensor):
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        tensor = tensor if dtype == "float64" else keras.ops.cast(tensor, "float32")
        return keras.ops.convert_to_numpy(tensor).astype("float64")

    return convert


@pytest.fixture
def draw(to_numpy):
    """A kernel of an initializer, as float64."""
    return lambda init, shape, **kwargs: to_numpy(init(shape, **kwargs))


@pytest.fixture(scope="session")
def load_example():
    """A function that imports a script of examples/ or its benchmarks/ by its name."""
    return importlib.import_module
