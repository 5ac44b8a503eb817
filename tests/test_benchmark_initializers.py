"""The benchmark, small: it measures what it says, and writes it down."""

import json
import shutil

import keras
import pytest

from oddsig_benchmarks import processes

TWO = ["keras tanh", "Tanh"]


@pytest.fixture(scope="module")
def benchmark(load_example):
    module = load_example("initializers")
    module.SHAPES = [(8, 6), (3, 3, 4, 4)]
    return module


# PyTorch's compiler warns of PyTorch.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
def test_figures_are_printed_and_written(benchmark, tmp_path, monkeypatch, capsys):
    if keras.backend.backend() == "torch" and shutil.which("g++") is None:
        pytest.skip("PyTorch's compiler needs a C++ compiler")
    monkeypatch.setattr(benchmark, "LAYERS", 3)
    monkeypatch.setattr(
        benchmark, "ACTIVATIONS", {name: benchmark.ACTIVATIONS[name] for name in TWO}
    )
    # Three processes more, each of which imports the backend.
    monkeypatch.setattr(benchmark, "benchmark_memory", lambda: {"RandomNormal": None})
    path = tmp_path / "figures" / "here.json"
    benchmark.main(["--runs", "1", "--output", str(path)])
    report = json.loads(path.read_text())
    assert report["backend"] == keras.backend.backend()
    assert {tuple(row["shape"]) for row in report["kernels"]} == {(8, 6), (3, 3, 4, 4)}
    for row in report["kernels"]:
        assert row["RandomNormal"] == 1
        assert row["OddSigmoidInit"] > 0
    assert report["activations"]["keras tanh"] == 1
    assert report["model"]["OddSigmoidOrthogonal"] > 0
    printed = capsys.readouterr().out
    assert "OddSigmoidOrthogonal" in printed
    assert "unknown" in printed


def test_memory_is_that_of_the_kernel_at_least(benchmark):
    held = processes.within(60, benchmark.peak_memory, "OddSigmoidInit")
    assert held is None or 0.9 < held < 20


def test_bad_arguments_end_with_one_line(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--runs", "0"])
    assert "--runs must be at least 1. Received: 0" in capsys.readouterr().err
