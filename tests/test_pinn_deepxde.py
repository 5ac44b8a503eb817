"""The example for DeepXDE and its benchmark, small, in processes of their own.

DeepXDE must be told its backend before it is imported, and warns where this suite permits none.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parent.parent
BACKEND = keras.backend.backend()
NEEDED = {
    "tensorflow": ["deepxde", "tensorflow_probability", "tf_keras"],
    "torch": ["deepxde"],
    "jax": ["deepxde", "flax", "optax"],
}[BACKEND]
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_deepxde = pytest.mark.skipif(
    bool(MISSING), reason=f"on {BACKEND}, DeepXDE needs {', '.join(MISSING)}: not installed"
)


def run(*arguments):
    environment = {
        **os.environ,
        "DDE_BACKEND": {"torch": "pytorch"}.get(BACKEND, BACKEND),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "examples"), *filter(None, sys.path)]),
    }
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def example(*arguments):
    return run(ROOT / "examples" / "pinn_deepxde.py", "--width", 20, *arguments)


def error_of(done):
    assert done.returncode == 0, done.stderr
    return float(re.search(r"relative L2 error: (\S+)", done.stdout)[1])


@needs_deepxde
def test_a_small_network_finds_the_solution():
    assert error_of(example("--iterations", 1500)) < 0.03


@needs_deepxde
@pytest.mark.skipif(BACKEND == "jax", reason="DeepXDE trains its own weights alone on JAX")
def test_a_rate_is_trained():
    done = example("--iterations", 50, "--trainable-rate")
    error_of(done)
    rate = float(re.search(r"rate of tanh: 1 -> (\S+)", done.stdout)[1])
    assert 0.9 < rate < 1.1
    assert rate != 1


KERNELS = """
import numpy as np
from pinn_deepxde import adapted, dde, keras, ko

def kernels(initializer):
    net = dde.nn.FNN([1, 20, 20, 20, 1], "tanh", initializer)
    match dde.backend.backend_name:
        case "tensorflow":
            net(np.zeros((1, 1), "float32"))
            found = [layer.kernel for layer in net.denses]
        case "pytorch":
            found = [layer.weight.T for layer in net.linears]
        case "jax":
            import jax
            weights = net.init(jax.random.PRNGKey(0), np.zeros((1, 1), "float32"))["params"]
            found = [weights[f"denses_{number}"]["kernel"] for number in range(4)]
    return [keras.ops.convert_to_numpy(kernel) for kernel in found]

keras.utils.set_random_seed(0)
init = ko.OddSigmoidOrthogonal("tanh", 3, input_dim=1)
first, second, third, output = kernels(adapted(init))
"""


@needs_deepxde
def test_every_layer_gets_the_kernel_of_its_place():
    done = run(
        "-c",
        KERNELS
        + """
assert 0.6 < first.std() < 1.4, first
for kernel in (second, third):
    np.testing.assert_allclose(kernel.T @ kernel, init.effective_gain**2 * np.eye(20), atol=1e-5)
assert not np.array_equal(second, third)
np.testing.assert_allclose(output.T @ output, [[1]], atol=1e-5)
""",
    )
    assert done.returncode == 0, done.stderr


@needs_deepxde
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a matter of Keras's own initializers")
def test_deepxdes_own_name_gives_all_hidden_layers_one_kernel():
    """Said by the example, and why the benchmark has two of Glorot's."""
    done = run(
        "-c",
        KERNELS
        + """
_, second, third, _ = kernels("Glorot uniform")
np.testing.assert_array_equal(second, third)
keras.utils.set_random_seed(1)
np.testing.assert_array_equal(kernels("Glorot uniform")[1], second)
""",
    )
    assert done.returncode == 0, done.stderr


@needs_deepxde
@pytest.mark.skipif(BACKEND != "tensorflow", reason="the benchmark is on TensorFlow")
def test_the_benchmark_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "results.jsonl"
    small = ["--seeds", 1, "--iterations", 3, "--results", path]
    script = ROOT / "benchmarks" / "deepxde_demos.py"
    done = run(script, *small)
    assert done.returncode == 0, done.stderr
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    assert "ode_system | OddSigmoidOrthogonal(input_dim, input_std) | 1 |" in done.stdout
    assert run(script, *small).returncode == 0
    again = path.read_text().splitlines()
    assert again[:-1] == lines[:-1]
    row, repeated = json.loads(lines[-1]), json.loads(again[-1])
    assert repeated["error"] == pytest.approx(row["error"], rel=1e-4)
    assert len(lines) == 1 + 3 + 3 + 4


@needs_deepxde
def test_bad_arguments_end_with_one_line():
    done = example("--iterations", 0)
    assert done.returncode == 2
    assert "--iterations must be at least 1. Received: 0" in done.stderr.splitlines()[-1]


@needs_deepxde
@pytest.mark.skipif(BACKEND != "jax", reason="elsewhere it is trained")
def test_a_rate_that_would_not_be_trained_is_refused():
    done = example("--trainable-rate")
    assert done.returncode == 2
    assert "Received: DDE_BACKEND=jax" in done.stderr.splitlines()[-1]
