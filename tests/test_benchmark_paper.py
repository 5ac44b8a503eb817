"""The paper's tables: what is trained is the paper's network, and the page has its numbers."""

import itertools
import types
from pathlib import Path

import keras
import numpy as np
import pytest

from oddsig_benchmarks.results import read

on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="they are trained on JAX")


@pytest.fixture
def paper(load_example):
    """A room of the benchmark by its name."""
    return lambda room: load_example(f"oddsig_benchmarks.paper.{room}")


@pytest.fixture
def pixels(paper):
    """Images of ten classes: fewer than two batches to train on, and some to look at."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (120, 20)).astype("uint8")
    y = rng.integers(0, 10, 120).astype("int32")
    return paper("tasks").Pixels(x[:100], y[:100], x[100:], y[100:])


def keras_model(structure, depth, width, inputs, weights):
    """The network as a user would write it, behind these kernels and biases."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((inputs,))])
    for _ in range(depth):
        model.add(layers.Dense(width))
        if structure != "plain":
            norms = {"batchnorm": layers.BatchNormalization, "layernorm": layers.LayerNormalization}
            model.add(norms[structure]())
        model.add(layers.Activation("tanh"))
    model.add(layers.Dense(10))
    dense = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    for layer, kernel, bias in zip(dense, weights[::2], weights[1::2], strict=True):
        layer.set_weights([kernel, bias])
    return model, dense


@on_jax
@pytest.mark.parametrize("structure", ["plain", "batchnorm", "layernorm"])
def test_a_stack_of_runs_trains_as_keras_trains_each(structure, paper, pixels, monkeypatch):
    import jax

    training, depth, width, epochs = paper("training"), 3, 8, 2
    monkeypatch.setattr(training, "RATE", 1e-2)  # that weights move by more than the tolerance
    rng = np.random.default_rng(1)
    widths = [20, *[width] * depth, 10]
    draws = [
        [
            [
                (rng.standard_normal(shape) * 0.3).astype("float32")
                for m, n in itertools.pairwise(widths)
                for shape in ((m, n), (n,))
            ]
            for _ in range(2)
        ]
        for _ in range(2)
    ]
    weights = training.stacked(draws, structure)
    moving = training.moving_of(weights, structure)
    orders = [
        [training.order_of(seed, epoch, np.arange(100)) for seed in range(2)]
        for epoch in range(epochs)
    ]
    batches = [
        (np.stack([order for order, _ in of_seeds], axis=1), of_seeds[0][1]) for of_seeds in orders
    ]
    epoch, memory = training.compiled.__wrapped__(
        structure, training.shapes_of((weights, moving, *batches[0], tuple(pixels)))
    )
    carry = jax.device_put((weights, moving, memory))
    for batch in batches:
        *carry, (loss, accuracy) = epoch(*carry, *batch, tuple(pixels))
    trained = jax.device_get(carry[0])

    x, x_validation = (each.astype("float32") / 255 for each in (pixels.x, pixels.x_validation))
    for seed, method in ((0, 1), (1, 0)):
        start = draws[seed][method]
        model, dense = keras_model(structure, depth, width, 20, start)
        model.compile(keras.optimizers.Adam(1e-2), training_loss())
        for of_seeds in orders:
            order = of_seeds[seed][0].ravel()[:100]
            losses = []
            for part in (order[:64], order[64:]):
                model.reset_metrics()  # an older Keras gives the mean since then
                losses.append(float(model.train_on_batch(x[part], pixels.y[part])))
        values = [value for layer in dense for value in layer.get_weights()]
        assert np.abs(values[2] - start[2]).max() > 1e-2
        run = (seed, method)
        ours = [trained.first[run], trained.first_bias[run]]
        for kernel, bias in zip(trained.kernels, trained.biases, strict=True):
            ours += [kernel[run], bias[run]]
        ours += [trained.last[run], trained.last_bias[run]]
        # Batch normalization takes the biases before it away: Adam moves them by rounding errors.
        compared = slice(None, None, 2 if structure == "batchnorm" else 1)
        for mine, other in zip(ours[compared], values[compared], strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-5)
        assert loss[run] == pytest.approx(np.mean(losses), abs=1e-5)
        right = model.predict(x_validation, verbose=0).argmax(axis=1) == pixels.y_validation
        assert accuracy[run] == pytest.approx(right.mean())


def training_loss():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@on_jax
def test_a_command_goes_on_where_it_stopped(paper, tmp_path):
    path = tmp_path / "paper.jsonl"
    command = ["--smoke", "--tables", "depth", "--results", str(path)]
    paper("command").main([*command, "--seeds", "1"])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][:20])  # as if stopped in its last line
    paper("command").main([*command, "--seeds", "2"])
    after = path.read_text().splitlines(keepends=True)
    assert after[: len(lines) - 1] == lines[:-1]
    rows, _ = read([path])
    methods = paper("cells").METHODS["plain"]
    assert sorted((row["method"], row["seed"]) for row in rows) == sorted(
        itertools.product(methods, range(2))
    )
    assert all(len(row["curve"]) == 2 and max(row["curve"]) > 0 for row in rows)
    assert len({tuple(row["curve"]) for row in rows}) > len(methods)  # seeds differ, and methods


@pytest.fixture
def clocked(paper, monkeypatch):
    """`runs.train` of a group whose every epoch takes a second; of 40 epochs."""
    runs, now = paper("runs"), [0.0]

    class Stack:
        seconds_to_compile, progress, interrupted, epochs = 0.0, "", False, 0

        def __init__(self, group, draws):
            pass

        def train_epoch(self):
            now[0] += 1
            self.epochs += 1

        def rows(self, there):
            return [self.epochs]

    monkeypatch.setattr(runs, "_Stack", Stack)
    monkeypatch.setattr(runs, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))
    cells = paper("cells")
    group = cells.Group(cells.Cell("depth", "digits", 3, 8), "plain", (0,), 40)
    return lambda deadline: runs.train(group, [], deadline, lambda text: None)


@on_jax
@pytest.mark.parametrize(
    ("deadline", "rows"), [(100, [40]), (40, [40]), (25.5, [25]), (9, None), (-1, None)]
)
def test_a_cell_that_does_not_fit_is_shortened_or_left_out(deadline, rows, clocked):
    assert clocked(deadline) == rows


def rows_of(cell, accuracies, seeds=3):
    """Made-up runs of a cell: each method's accuracy, the same in both of two epochs."""
    return [
        {
            "table": cell.table,
            "data": cell.data,
            "depth": cell.depth,
            "width": cell.width,
            "samples": cell.samples,
            "method": method,
            "seed": seed,
            "epochs": 2,
            "curve": [accuracy + 0.001 * seed] * 2,
            "environment": "e",
        }
        for method, accuracy in accuracies.items()
        for seed in range(seeds)
    ]


def test_the_score_is_the_best_mean_and_not_the_mean_of_the_best(paper):
    cell = paper("cells").Cell("depth", "mnist", 10, 64)
    rows = rows_of(cell, {"xavier": 0.5}, seeds=2)
    rows[0]["curve"], rows[1]["curve"] = [0.9, 0.6], [0.1, 0.6]
    score = paper("scores").scores_of(rows)[cell]["xavier"]
    assert score.mean == pytest.approx(60)
    rows[0]["curve"], rows[1]["curve"] = [0.9, 0.6], [0.5, 0.6]
    score = paper("scores").scores_of(rows)[cell]["xavier"]
    assert (score.mean, score.last) == (pytest.approx(70), pytest.approx(60))


def test_the_page_has_every_number_of_the_paper_and_compares_with_the_better_variant(paper):
    cells = [paper("cells").Cell("depth", "mnist", depth, 64) for depth in (10, 50)]
    theirs = {"xavier": 0.91, "xavier, uniform": 0.95, "theirs, by outputs": 0.96}
    rows = rows_of(cells[0], {**theirs, "tailored": 0.97, "hartley, scaled input": 0.955})
    rows += rows_of(cells[1], {**theirs, "tailored": 0.98, "hartley, scaled input": 0.93})
    page = paper("page").page_of(rows, [])
    for figures in paper("published").ACCURACIES.values():
        for method, row in figures.items():
            line = f"| paper: {method} | " + " | ".join(f"{value:.2f}" for value in row) + " |"
            assert line in page
    lines = page.splitlines()

    def verdict(claim):
        return next(line.split(" | ")[1:] for line in lines if line.startswith(f"| {claim} "))

    assert verdict("*tailored* is ahead of *theirs*")[0] == "**holds**"
    found = verdict("*hartley, scaled input* is ahead of *xavier*")
    assert found[0] == "does not hold"
    assert "ahead in 1 of 2 cells" in found[1]
    assert "mnist, 50 x 64" in found[1]
    assert "here: tailored |  | **97.10** ± 0.10 (97.10) | **98.10** ± 0.10 (98.10) |" in page
    lacks = "3, 100: not run; 10, 50: without theirs, by inputs"
    assert any(line.startswith(f"- MNIST, 64 wide, by hidden layers: {lacks}") for line in lines)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="once is enough")
def test_the_committed_page_is_that_of_the_committed_runs(tmp_path, load_example):
    root = Path(__file__).parent.parent
    results = root / "benchmarks" / "results"
    page = tmp_path / "page.md"
    load_example("paper_tables").main(
        ["--report", str(results / "paper-jax.jsonl.gz"), "--page", str(page),
         "--reading", str(results / "paper-reading.md")]
    )  # fmt: skip
    assert page.read_text() == (root / "docs" / "benchmarks" / "paper.md").read_text()
