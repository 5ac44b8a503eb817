"""The benchmark of what stands in place of a normalization, small: it measures what it says."""

import json

import keras
import numpy as np
import pytest
from keras import ops

BACKEND = keras.backend.backend()


@pytest.fixture(scope="module")
def benchmark(load_example):
    return load_example("dynamic")


@pytest.fixture(scope="module")
def timing(load_example):
    return load_example("oddsig_benchmarks.timing")


@pytest.fixture
def small(benchmark, monkeypatch):
    """Without PyTorch's compiler, which takes its time; the activations' test runs it."""
    few = (benchmark.UNIT, "RMSNormalization", "DynamicTanh")
    monkeypatch.setattr(benchmark, "LAYERS", {name: benchmark.LAYERS[name] for name in few})
    monkeypatch.setattr(benchmark, "SHAPE", (2, 3, 4))
    ways = tuple(way for way in benchmark.WAYS[BACKEND] if way != "compiled")
    monkeypatch.setattr(benchmark, "WAYS", {BACKEND: ways})
    return benchmark


def test_figures_are_printed_and_written(small, tmp_path, capsys):
    path = tmp_path / "figures.json"
    small.main(["--runs", "1", "--output", str(path)])
    report = json.loads(path.read_text())
    assert report["backend"] == BACKEND
    assert set(report["times"]) == {
        f"{way}, {direction}" for way in small.ways() for direction in small.DIRECTIONS
    }
    for figures in report["times"].values():
        assert figures[small.UNIT] == 1
        assert figures["DynamicTanh"] > 0
    row = [f"{each['DynamicTanh']:.2f}" for each in report["times"].values()]
    assert f"| DynamicTanh | {' | '.join(row)} |" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["LayerNormalization", "RMSNormalization", "DynamicErf"])
def test_what_is_timed_is_the_output_and_the_gradients_of_input_and_weights(
    benchmark, timing, name
):
    rng = np.random.default_rng(0)
    x, gradient = (ops.convert_to_tensor(rng.standard_normal((2, 3, 4), "float32")) for _ in "xg")
    layer = benchmark.LAYERS[name]()
    layer.build((2, 3, 4))
    expected = ops.convert_to_numpy(layer(x))
    way = timing.WAYS[BACKEND][0]
    alone = timing.of_layer(layer, way, x)()
    y, gradients = timing.of_layer(layer, way, x, gradient)()
    for each in (alone, y):
        found = each.detach() if BACKEND == "torch" else each
        np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=1e-5)
    shapes = sorted(tuple(g.shape) for g in keras.tree.flatten(gradients))
    assert shapes == sorted([(2, 3, 4), *(tuple(w.shape) for w in layer.trainable_weights)])
    of_last = next(g for g in keras.tree.flatten(gradients) if tuple(g.shape) == (4,))
    assert np.any(ops.convert_to_numpy(of_last) != 0)


def test_bad_arguments_end_with_one_line(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--runs", "0"])
    assert "--runs must be at least 1. Received: 0" in capsys.readouterr().err
