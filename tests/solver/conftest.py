"""The solver's tests run once, without a backend."""

import sys

import pytest

BACKENDS = {"keras", "jax", "tensorflow", "torch"}


@pytest.fixture(autouse=True)
def _seeded():
    """In place of Keras's seed: no test here imports a backend, or Keras."""
    before = BACKENDS & set(sys.modules)
    yield
    assert BACKENDS & set(sys.modules) == before
