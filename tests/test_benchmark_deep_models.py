"""The benchmark of deep networks, small: it measures what it says, and says where it could not."""

import json
import sys

import keras
import pytest


@pytest.fixture(scope="module")
def benchmark(load_example):
    return load_example("deep_models")


@pytest.fixture
def here(benchmark, monkeypatch):
    """Each network in this process, one of them too slow: a new one would import all anew."""

    def within(seconds, function, *cell):
        return None if cell[:3] == ("plain", 3, "GlorotUniform") else function(*cell)

    monkeypatch.setattr(benchmark.processes, "within", within)
    monkeypatch.setattr(benchmark.processes, "pin", lambda: None)
    monkeypatch.setattr(benchmark, "WIDTH", 4)


@pytest.mark.usefixtures("here")
def test_figures_are_printed_and_written(benchmark, tmp_path, capsys):
    path = tmp_path / "figures.json"
    arguments = ["--depths", "2;3", "--steps", "1", "--timeout", "9", "--output", str(path)]
    benchmark.main(arguments)
    report = json.loads(path.read_text())
    assert report["backend"] == keras.backend.backend()
    assert len(report["networks"]) == 8
    (late,) = [row for row in report["networks"] if row["figures"] is None]
    assert (late["network"], late["depth"]) == ("plain", 3)
    for row in report["networks"]:
        if row is not late:
            figures = row["figures"]
            assert min(figures[k] for k in ("build", "first step", "later step")) > 0
            assert figures["peak bytes"] > 1e7
    printed = capsys.readouterr().out
    assert "| 3 | plain | GlorotUniform | not within 9 s |" in printed
    assert "| 3 | LayerStack | OddSigmoidOrthogonal |" in printed


def test_where_keras_needs_more_recursion_the_table_says_so(benchmark, monkeypatch):
    limit = sys.getrecursionlimit()
    build, calls = benchmark.build, []

    def fails_once(network, depth, initializer):
        if depth > 1:
            calls.append(sys.getrecursionlimit())
        if len(calls) == 1:
            raise RecursionError
        return build(network, depth, initializer)

    monkeypatch.setattr(benchmark, "build", fails_once)
    try:
        figures = benchmark.measure("plain", 2, "GlorotUniform", 1)
    finally:
        sys.setrecursionlimit(limit)
    assert calls == [limit, 100 * limit]
    row = {"network": "plain", "depth": 2, "initializer": "GlorotUniform", "figures": figures}
    shown = benchmark.table_of({"networks": [row], "timeout": 9})
    assert "plain, recursion limit raised" in shown


def test_bad_arguments_end_with_one_line(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--timeout", "0"])
    assert "--timeout must be at least 1. Received: 0" in capsys.readouterr().err


def test_what_takes_too_long_is_ended_and_what_fails_is_an_error(load_example):
    processes = load_example("oddsig_benchmarks.processes")
    import time

    assert processes.within(60, max, 2, 3) == 3
    assert processes.within(0.01, time.sleep, 60) is None
    with pytest.raises(RuntimeError, match="ended with 1"):
        processes.within(60, sys.exit, 1)
