"""Shared by the tests of every backend. Nothing here imports Keras at collection."""

import gc
import importlib
import os
from importlib.metadata import version

import pytest
from hypothesis import settings

# The same examples each time, on slow machines too.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# One worker process a backend; oneDNN's rounding notices and TensorFlow's device log say
# nothing about this package.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

# On a GPU products have the 24 bits of float32, as on a processor, and not TensorFloat-32's 11.
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")

# The tests compile much and run it once: what XLA does least to is ready soonest. Without its
# optimizations and its fusion, a new shape takes a sixth of the time on one core.
# OPTIMIZE_TESTS=1 tests what is compiled as users have it compiled.
if os.environ.get("KERAS_BACKEND") == "jax" and os.environ.get("OPTIMIZE_TESTS") != "1":
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    # XLA ends the process at a flag that it does not know; that of JAX 0.10 knows this one.
    if version("jaxlib").startswith("0.10."):
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_use_fusion_emitters=false".strip()


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
    """A function that imports a script of examples/ or benchmarks/ by its name."""
    return importlib.import_module


@pytest.fixture(autouse=True, scope="module")
def _what_stays_is_not_gone_through():
    """Takes what was imported, and what caches hold, out of the garbage collector's rounds.

    Keras asks for one each time that a session is cleared: they were half of the suites' time.
    """
    gc.collect()
    gc.freeze()
