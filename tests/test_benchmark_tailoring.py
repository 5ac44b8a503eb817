"""The benchmark of `tailor`, small: it measures what it says, and writes it down."""

import json

import keras
import pytest


@pytest.fixture(scope="module")
def benchmark(load_example):
    return load_example("tailoring")


def test_figures_are_printed_and_written(benchmark, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "MODELS", {"small": lambda: benchmark.dense(2, 8)})
    path = tmp_path / "figures.json"
    benchmark.main(["--runs", "1", "--output", str(path)])
    report = json.loads(path.read_text())
    assert report["backend"] == keras.backend.backend()
    assert report["models"]["small"]["seconds"].keys() == set(benchmark.WAYS)
    assert min(report["models"]["small"]["seconds"].values()) > 0
    seconds = report["models"]["small"]["seconds"]
    bound = 3 * seconds["predict"] + seconds["draws"]
    assert report["models"]["small"]["ratio"] == pytest.approx(seconds["tailor"] / bound)
    assert "small" in capsys.readouterr().out


def test_bad_arguments_end_with_one_line(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--runs", "0"])
    assert "--runs must be at least 1. Received: 0" in capsys.readouterr().err
