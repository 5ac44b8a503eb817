"""The demo, small: the whole script on a short run."""

import os

import keras
import pytest

ON_JAX = keras.backend.backend() == "jax"


@pytest.fixture(scope="module")
def quickstart(load_example):
    return load_example("quickstart")


@pytest.mark.skipif(not ON_JAX, reason="`make demo` runs on JAX")
def test_ours_learns_where_the_baselines_stay_at_chance(quickstart, tmp_path):
    # 30 layers: enough to kill a slope of 1/2, and soon compiled.
    runs = quickstart.main(
        ["--depth", "30", "--steps", "60", "--seeds", "1", "--output", str(tmp_path)]
    )
    accuracy = {run.method: run.accuracies[-1] for run in runs}
    assert accuracy["GlorotUniform"] < 0.2
    assert accuracy["Orthogonal"] < 0.2
    assert accuracy["OddSigmoidInit"] > 0.6
    assert accuracy["OddSigmoidOrthogonal"] > 0.8
    assert (tmp_path / "quickstart.png").stat().st_size > 10_000
    assert (tmp_path / "best.keras").exists()


def test_bad_arguments_end_with_one_line(quickstart, capsys):
    for arguments in (["--activation", "relu"], ["--depth", "0"]):
        with pytest.raises(SystemExit) as stopped:
            quickstart.main(arguments)
        assert stopped.value.code == 2
        assert "Received: " in capsys.readouterr().err


@pytest.mark.skipif(
    "TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set: MNIST is absent"
)
@pytest.mark.skipif(not ON_JAX, reason="the files are read without a backend")
# TensorFlow Datasets and what it imports are not ours to mend.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_mnist_loads_standardized(quickstart):
    pytest.importorskip("tensorflow", reason="TensorFlow reads the files")
    data = quickstart.load_mnist()
    assert data.x_train.shape == (60_000, 784)
    assert data.x_test.shape == (10_000, 784)
    assert abs(float(data.x_train.mean())) < 1e-3
    assert abs(float(data.x_train.std()) - 1) < 1e-3
    assert set(data.y_test) == set(range(10))
