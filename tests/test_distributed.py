"""The scripts of examples/distributed, each of which checks what it shows; and the diagnostics
under a `tf.distribute` strategy, whose variables are not numbers."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_oddsig as ko

BACKEND = keras.backend.backend()
SCRIPTS = {
    "jax": "jax_parallel.py",
    "tensorflow": "tensorflow_mirrored.py",
    "torch": "torch_ddp.py",
}
SHOWN = {
    "jax": ["OddSigmoidInit", "OddSigmoidOrthogonal", "DataParallel", "ModelParallel", "tailor:"],
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


@pytest.mark.skipif(BACKEND != "tensorflow", reason="`tf.distribute` is TensorFlow's")
@pytest.mark.parametrize(
    ("frequency", "steps"),
    [("epoch", [4, 8, 12]), ("train_begin", [0, 8]), (3, [0, 3, 6, 9, 12])],
)
@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
def test_the_signal_is_watched_under_a_strategy(frequency, steps, inside, tmp_path):
    import tensorflow as tf

    x = np.random.default_rng(0).standard_normal((32, 4)).astype("float32")
    paths = {"csv_path": tmp_path / "spread.csv", "log_dir": tmp_path / "logs"}
    # Of one device: a second one must be made before TensorFlow begins.
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, "tanh", name="a")])
        model.compile("adam", "mse")
        if inside:
            watch = ko.ActivationSpread(x, frequency=frequency, **paths)
    if not inside:
        watch = ko.ActivationSpread(x, frequency=frequency, **paths)
    for epochs in (2, 1):
        model.fit(x, x, batch_size=8, epochs=epochs, verbose=0, callbacks=[watch])
    rows = [row for row in watch.history.rows if row["statistic"] == "std"]
    assert [row["step"] for row in rows] == steps
    assert len(paths["csv_path"].read_text().splitlines()) == 1 + len(watch.history)
    with strategy.scope():
        report = ko.signal_report(model, x, x)
    assert report.layers[0].name == "a"
    if steps[-1] == 12:
        assert rows[-1]["value"] == pytest.approx(report.layers[0].statistics["std"])
