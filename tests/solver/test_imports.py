"""Neither the solver nor a test of it imports a backend."""

import subprocess
import sys
from pathlib import Path

import pytest
from solver_cases import BACKENDS

HERE = Path(__file__).parent
TESTS = sorted(path.stem for path in HERE.glob("*.py") if path.stem != "conftest")


@pytest.mark.parametrize(
    "statement",
    ["import keras_oddsig.solver; from keras_oddsig import Profile", f"import {', '.join(TESTS)}"],
    ids=["solver", "tests"],
)
def test_importing_it_imports_no_backend(statement):
    code = f"import sys; {statement}; assert not {BACKENDS} & set(sys.modules), sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=HERE, check=True)


def test_importing_it_imports_of_scipy_only_what_is_used():
    heavy = {"matplotlib", "pandas", "scipy.interpolate", "scipy.optimize", "scipy.stats"}
    code = (
        f"import sys; import keras_oddsig.solver as s; assert not {heavy} & set(sys.modules); "
        "s.orthogonal_gain(lambda x: x / (1 + abs(x)), 10); assert 'scipy.optimize' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=HERE, check=True)
