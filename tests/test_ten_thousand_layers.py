"""The demonstration, with fewer layers: it trains, and the solver knows its signal."""

import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def script(load_example):
    return load_example("ten_thousand_layers")


def test_ours_trains_and_keeps_the_spread_that_the_solver_predicts(script, tmp_path):
    layers = 20 if keras.backend.backend() == "torch" else 60
    options = {"layers": layers, "learning-rate": 2e-3, "steps": 60, "output": tmp_path}
    found = script.main([f"--{name}={value}" for name, value in options.items()])
    assert found.accuracies[-1] > 0.8
    assert found.steps[-1] >= 60
    assert found.predicted.shape == (layers,)
    ours = found.spreads["OddSigmoidOrthogonal"]
    # 32 units scatter about what infinitely many would do.
    np.testing.assert_allclose(ours, found.predicted, rtol=0.25)
    assert found.spreads["GlorotUniform"][-1] < 0.7 * ours[-1]
    assert (tmp_path / "ten_thousand_layers.png").stat().st_size > 10_000


def test_bad_arguments_end_with_one_line(script, capsys):
    for arguments in (["--activation", "relu"], ["--layers", "1"]):
        with pytest.raises(SystemExit) as stopped:
            script.main(arguments)
        assert stopped.value.code == 2
        assert "Received: " in capsys.readouterr().err
