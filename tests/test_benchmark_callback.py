"""The benchmark of the callback, small: it measures what it says, and writes it down."""

import json

import keras
import pytest


@pytest.fixture(scope="module")
def benchmark(load_example):
    return load_example("callback")


def test_figures_are_printed_and_written(benchmark, tmp_path, capsys):
    path = tmp_path / "figures" / "here.json"
    small = ["--layers", "2", "--width", "8", "--steps", "12", "--batch-size", "4", "--runs", "1"]
    benchmark.main([*small, "--output", str(path)])
    report = json.loads(path.read_text())
    assert report["backend"] == keras.backend.backend()
    assert report["versions"]["keras"] == keras.__version__
    assert report["ratios"].keys() == benchmark.TARGETS.keys()
    assert min(report["seconds"].values()) > 0
    assert "every 10 steps" in capsys.readouterr().out


def test_bad_arguments_end_with_one_line(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--batch-size", "0"])
    assert "--batch-size must be at least 1. Received: 0" in capsys.readouterr().err
