"""The small experiments of benchmarks that train one network from many starts, on JAX."""

import sys

import keras
import numpy as np
import pytest

import keras_oddsig as ko

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="they are JAX's")


@pytest.fixture
def table_of(load_example, monkeypatch, capsys):
    """The cells of the table that a script prints, without its first column and the header."""

    def run(name, *arguments):
        script = load_example(name)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        script.main()
        header, _, *rows = capsys.readouterr().out.strip().splitlines()
        cells = [[cell.strip() for cell in row.strip("|").split("|")[1:]] for row in rows]
        return [cell.strip() for cell in header.strip("|").split("|")[1:]], cells

    return run


FEW = ("--steps", "8", "--seeds", "0;1", "--rates", "0.01")


def test_gates_are_trained_each_way(table_of):
    options = ("--tasks", "digits, 8 rows", "--cells", "GRU", "--ways", "Keras;all gates")
    ways, (cells,) = table_of("recurrent_gates", *options, *FEW)
    assert ways == ["Keras", "all gates"]
    assert all(0.05 < float(cell.split()[0]) < 1 for cell in cells)
    assert cells[0] != cells[1]


@pytest.mark.parametrize(("way", "touched"), [("Keras", []), ("recurrent candidate", [2]),
                                              ("recurrent, all gates", [0, 1, 2])])  # fmt: skip
def test_a_way_touches_the_gates_that_it_names(way, touched, load_example):
    script = load_example("recurrent_gates")
    one, other = (script.start(each, "GRU", (8, 8), 10, seed=3) for each in ("Keras", way))
    units = script.UNITS
    changed = [
        gate
        for gate in range(3)
        if (one[1] != other[1])[:, gate * units : (gate + 1) * units].any()
    ]
    assert changed == touched
    assert np.array_equal(one[0], other[0])


def test_residual_networks_are_those_that_tailor_draws(load_example):
    script = load_example("residual_scale")
    x = np.random.default_rng(0).standard_normal((4, 32, 32, 3)).astype("float32")
    for block, data in zip(script.BLOCKS, (x[:, 0, :, 0], x[:, 0, :, 1], x), strict=True):
        weights = script.stacked(block, 2, data.shape[1:], seed=7)
        keras.utils.set_random_seed(7)
        model = script.network(block, 2, data.shape[1:])
        ko.tailor(model, seed=7)
        made = script.forward_of(block)(script.scaled(weights, 2, "1/sqrt(blocks)"), data)
        assert np.allclose(made, model(data), atol=1e-5)


def test_branches_that_end_in_zero_pass_on_what_they_read(load_example):
    script = load_example("residual_scale")
    x = np.random.default_rng(0).standard_normal((4, 64)).astype("float32")
    weights = script.scaled(script.stacked(script.BLOCKS[1], 3, (64,), seed=7), 3, "zero")
    made = script.forward_of(script.BLOCKS[1])(weights, x)
    assert np.allclose(made, np.tanh(x @ weights[0]) @ weights[-2], atol=1e-5)


def test_ends_of_branches_are_trained_each_way(table_of):
    ways, cells = table_of("residual_scale", "--blocks", "3", *FEW)
    assert ways == ["undivided", "1/sqrt(blocks)", "zero"]
    assert len(cells) == 3
    assert all(0.05 < float(cell.split()[0]) < 1 for row in cells for cell in row)
