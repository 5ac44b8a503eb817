"""The solver's tests run once, without a backend."""

import sys

import pytest
from solver_cases import BACKENDS


@pytest.fixture(autouse=True)
def _seeded():
    """In place of Keras's seed: no test here imports a backend."""
    before = BACKENDS & set(sys.modules)
    yield
    assert BACKENDS & set(sys.modules) == before
