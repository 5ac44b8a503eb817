"""The example, small: the whole script on a short run."""

import keras
import pytest


@pytest.fixture(scope="module")
def example(load_example):
    return load_example("transformer_without_normalization")


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="six blocks compiled, for one comparison of losses"
)
def test_the_tailored_model_learns_more_in_a_few_steps(example, capsys):
    losses = example.main(["--blocks", "2", "--steps", "30"])
    assert list(losses) == ["LayerNorm", "Dynamic Tanh, rate .5", "tailored"]
    assert losses["tailored"] < losses["Dynamic Tanh, rate .5"] - 0.1
    shown = capsys.readouterr().out
    assert "5 of 5 rates" in shown
    assert f"{losses['tailored']:.3f}" in shown


def test_bad_arguments_end_with_one_line(example, capsys):
    for arguments in (["--blocks", "0"], ["--steps", "-1"]):
        with pytest.raises(SystemExit) as stopped:
            example.main(arguments)
        assert stopped.value.code == 2
        assert "Received: " in capsys.readouterr().err
