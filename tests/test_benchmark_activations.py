"""The benchmark of the activations, small: it measures what it says, and writes it down."""

import json
import shutil

import keras
import pytest


@pytest.fixture(scope="module")
def benchmark(load_example):
    return load_example("activations")


# PyTorch's compiler warns of PyTorch.
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
def test_figures_are_printed_and_written(benchmark, tmp_path, monkeypatch, capsys):
    if keras.backend.backend() == "torch" and shutil.which("g++") is None:
        pytest.skip("PyTorch's compiler needs a C++ compiler")
    few = {name: benchmark.FUNCTIONS[name] for name in (benchmark.UNIT, "Softsign")}
    monkeypatch.setattr(benchmark, "FUNCTIONS", few)
    monkeypatch.setattr(benchmark, "SIZE", 64)
    path = tmp_path / "figures.json"
    benchmark.main(["--runs", "1", "--output", str(path)])
    report = json.loads(path.read_text())
    assert report["backend"] == keras.backend.backend()
    for figures in report["times"].values():
        assert figures[benchmark.UNIT] == 1
        assert figures["Softsign"] > 0
    printed = capsys.readouterr().out
    assert f"| Softsign | {report['times']['forward']['Softsign']:.2f} |" in printed


def test_bad_arguments_end_with_one_line(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--runs", "0"])
    assert "--runs must be at least 1. Received: 0" in capsys.readouterr().err
