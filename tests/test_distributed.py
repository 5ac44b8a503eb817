"""The scripts of examples/distributed, each of which checks what it shows."""

import os
import subprocess
import sys
from pathlib import Path

import keras

BACKEND = keras.backend.backend()
SCRIPTS = {
    "jax": "jax_parallel.py",
    "tensorflow": "tensorflow_mirrored.py",
    "torch": "torch_ddp.py",
}
SHOWN = {
    "jax": ["OddSigmoidInit", "OddSigmoidOrthogonal", "DataParallel", "ModelParallel"],
    "tensorflow": ["OddSigmoidInit: 2 replicas, equal at the start: True", "OddSigmoidOrthogonal"],
    "torch": ["OddSigmoidInit: 2 ranks, equal at the start: True", "OddSigmoidOrthogonal"],
}


def test_kernels_agree_on_all_devices_and_training_runs():
    script = Path(__file__).parent.parent / "examples" / "distributed" / SCRIPTS[BACKEND]
    # A device count of the caller's would not be the script's.
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    for words in SHOWN[BACKEND]:
        assert words in done.stdout
