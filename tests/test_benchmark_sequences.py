"""The benchmark of recurrent networks: its tasks, its methods, its training, scores and page."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from oddsig_benchmarks.sequences import command, methods, runs, scores, tasks

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "benchmarks" / "results" / "sequences-jax.jsonl.gz"
JAX = keras.backend.backend() == "jax"
needs_jax = pytest.mark.skipif(not JAX, reason="the benchmark trains on JAX")


def row(method, seed, score, rate=1e-2, validation=None, metric="accuracy", layer="LSTM", **cell):
    place = {"task": "digits, 64 steps", "layer": layer, "steps": 9, "units": 32, "batch": 32}
    return {
        "key": f"{method}|{rate}|{seed}", **place, **cell, "method": method,
        "learning_rate": rate, "seed": seed, "metric": metric, "chance": 0.1, "loss": 1.0,
        "validation": {metric: score if validation is None else validation},
        "test": {metric: score}, "environment": "ab",
    }  # fmt: skip


def compared(metric="accuracy", **values):
    rows = [
        row(method, seed, score, metric=metric)
        for method, each in values.items()
        for seed, score in enumerate(each)
    ]
    (found,) = scores.comparisons_of(rows)
    return found


# ----------------------------------------------------------------------------------
# The tasks
# ----------------------------------------------------------------------------------


def test_pixels_come_in_one_order_and_repeated_ones_four_times():
    once, (x, y) = tasks.load("digits, 64 steps"), tasks.load("digits, 256 steps").train
    assert once.shape == (64, 1)
    assert x.shape[1:] == (256, 1)
    assert np.array_equal(once.train[1], y)
    for small, large in zip(once.train[0][:5], x[:5], strict=True):
        assert np.array_equal(np.sort(small.repeat(4)), np.sort(large.ravel()))


def test_the_parts_of_a_task_share_no_sample():
    for name in ("digits, 64 steps", "copy, 100 blanks"):
        task = tasks.load(name)
        seen = {x.tobytes() for x in task.train[0]}
        for part in (task.validation, task.test):
            assert not any(x.tobytes() in seen for x in part[0])


def test_what_is_to_be_copied_comes_first_and_is_asked_for_last():
    task = tasks.copy(blanks=20, symbols=4, samples=16)
    (x, y), symbols = task.train, tasks.SYMBOLS
    codes = x.argmax(axis=-1)
    assert task.shape == (28, symbols + 2)
    assert task.answers == 4
    assert np.array_equal(codes[:, :4], y)
    assert np.all(codes[:, 23] == symbols + 1)  # the mark, before the first answer
    assert np.all(np.delete(codes[:, 4:], 19, axis=1) == symbols)
    assert task.chance == pytest.approx(np.log(8))


# ----------------------------------------------------------------------------------
# The methods and the training
# ----------------------------------------------------------------------------------

CELL = {layer: runs.Cell("digits, 64 steps", layer, 4, units=8) for layer in ("SimpleRNN", "LSTM")}


@needs_jax
@pytest.mark.parametrize("layer", list(CELL))
def test_methods_differ_in_what_they_are_about_alone(layer):
    from oddsig_benchmarks.sequences import training

    default = training.start(CELL[layer], methods.KERAS, 3)
    for name, method in methods.METHODS[layer].items():
        found = training.start(CELL[layer], name, 3)
        changed = [not np.array_equal(a, b) for a, b in zip(default, found, strict=True)]
        kernels = [method.kernel is not None, method.recurrent is not None]
        kernels = [True, True] if method.tailored else kernels
        assert changed == [*kernels, method.centred, False, False]
    if layer == "LSTM":
        assert np.array_equal(default[2][8:16], np.ones(8))  # unit_forget_bias


@needs_jax
def test_a_centred_start_takes_in_what_differs_from_the_mean():
    from oddsig_benchmarks.sequences import training

    cell = runs.Cell("copy, 100 blanks", "SimpleRNN", 4, units=16)
    kernel, _, bias, *_ = training.start(cell, "rotation, centred", 3)
    x = tasks.load(cell.task).train[0][: training.SHOWN]
    assert np.abs((x @ kernel + bias).mean(axis=(0, 1))).max() < 1e-5
    assert np.abs((x @ kernel).mean(axis=(0, 1))).max() > 0.1


@needs_jax
def test_tailor_leaves_an_lstm_as_it_is():
    """So that Keras's default is `tailor`'s row, too."""
    import keras_oddsig as ko
    from oddsig_benchmarks.sequences import training

    model = training.network(CELL["LSTM"])
    before = model.get_weights()
    with pytest.warns(UserWarning, match="left the model as it was"):
        ko.tailor(model, tasks.load("digits, 64 steps").train[0][:32])
    assert all(map(np.array_equal, before, model.get_weights()))


@needs_jax
def test_smoke_trains_as_keras_does_and_goes_on(tmp_path, capsys):
    from oddsig_benchmarks import starts
    from oddsig_benchmarks.sequences import training

    path = tmp_path / "runs.jsonl"
    smoke = ["--smoke", "--layers", "LSTM", "--methods", "keras;rotations", "--results", str(path)]
    command.main(smoke)
    assert "| rotations | " in capsys.readouterr().out
    written = path.read_text()
    rows = [json.loads(each) for each in written.splitlines()[1:]]
    assert len({row["loss"] for row in rows}) == len(rows) == 8  # methods, rates, seeds

    command.main(smoke)  # goes on from a whole file: nothing to do
    assert path.read_text() == written

    found, cell = rows[-1], runs.smoke()[0]
    task = tasks.load(cell.task)
    model = training.network(cell)
    model.set_weights(training.start(cell, "rotations", found["seed"]))
    schedule = keras.optimizers.schedules.CosineDecay(found["learning_rate"], cell.steps)
    model.compile(
        keras.optimizers.Adam(schedule, global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    x, y = task.train
    for batch in starts.batches(found["seed"], cell.steps, cell.batch, len(x)):
        model.train_on_batch(x[batch], y[batch])
    for part in ("validation", "test"):
        loss, accuracy = model.evaluate(*getattr(task, part), verbose=0)
        assert found[part]["crossentropy"] == pytest.approx(loss, rel=1e-3)
        assert found[part]["accuracy"] == pytest.approx(accuracy, abs=0.003)


@needs_jax
def test_only_the_answers_of_a_copy_are_scored():
    from oddsig_benchmarks import starts
    from oddsig_benchmarks.sequences import training

    cell = runs.smoke()[1]
    model = training.network(cell)
    x, y = (part[:6] for part in tasks.load(cell.task).test)
    made = np.asarray(model(x))
    assert made.shape == (6, 3, tasks.SYMBOLS)
    loss = keras.losses.sparse_categorical_crossentropy(y, made, from_logits=True)
    assert float(starts.crossentropy(made, y)) == pytest.approx(float(np.mean(loss)), rel=1e-5)
    assert float(starts.accuracy(made, made.argmax(axis=-1))) == 1


@needs_jax
def test_states_are_those_before_the_first_answer(capsys):
    """Of identity kernels and one feature there are fewer directions than of rotations."""
    from oddsig_benchmarks.sequences import states, training

    line, ball = (
        np.outer(np.arange(50.0), np.ones(4)),
        np.random.default_rng(0).normal(size=(9000, 4)),
    )
    assert states.directions(line) == pytest.approx(1)
    assert states.directions(ball) == pytest.approx(4, rel=0.01)

    cell = runs.smoke()[1]
    model = training.network(cell)
    model.set_weights(training.start(cell, "rotation", 0))
    every = np.asarray(model.layers[0](tasks.load(cell.task).test[0][: states.SAMPLES]))
    found = states.states(cell, "rotation", 0)
    assert np.allclose(found, every[:, -4], atol=1e-6)  # three answers follow

    cell = runs.Cell("digits, 64 steps", "SimpleRNN", 1)
    identity, rotation = (
        states.directions(states.states(cell, method, 100)) for method in ("identity", "rotation")
    )
    assert rotation > 3 * identity


def test_bad_arguments_end_with_one_line(capsys):
    for arguments, said in {
        ("--smoke", "--steps", "0"): "--steps must be at least 1. Received: 0",
        ("--smoke", "--tasks", "adding"): "Received: adding",
        ("--report", "no.jsonl"): "no such file. Received: no.jsonl",
        **({} if JAX else {("--smoke",): "needs KERAS_BACKEND=jax"}),
    }.items():
        with pytest.raises(SystemExit):
            command.main(list(arguments))
        assert said in capsys.readouterr().err.splitlines()[-1]


# ----------------------------------------------------------------------------------
# The scores
# ----------------------------------------------------------------------------------


def test_differences_are_paired_over_seeds():
    found = compared(keras=(0.1, 0.5, 0.9), rotations=(0.12, 0.53, 0.91), diagonal=(0.5, 0.5, 0.5))
    difference = found.over("rotations")
    assert difference.mean == pytest.approx(0.02)
    assert difference.verdict == "ahead"
    assert found.over("diagonal").verdict == "even"  # better, worse and as good
    assert found.over("keras", "rotations").verdict == "behind"
    assert (
        compared(keras=(0.1, 0.5), rotations=(0.1002, 0.5002)).over("rotations").verdict == "even"
    )


def test_of_a_cross_entropy_the_lower_is_the_better():
    found = compared("crossentropy", keras=(2.0, 2.1), rotations=(1.0, 1.2))
    assert found.over("rotations").mean == pytest.approx(0.95)
    assert found.over("rotations").verdict == "ahead"


def test_the_validation_set_chooses_the_rate_and_what_diverged_has_learned_nothing():
    rows = [row("keras", seed, 0.9, rate=1e-2, validation=0.3) for seed in range(2)]
    rows += [row("keras", seed, 0.5, rate=1e-3, validation=0.4) for seed in range(2)]
    diverged = row("keras", 1, 0.5, rate=3e-2)
    diverged["validation"]["accuracy"] = diverged["test"]["accuracy"] = None
    rows += [row("keras", 0, 0.65, rate=3e-2), diverged]  # .65 and .1
    (found,) = scores.comparisons_of(rows)
    assert found.scores["keras"].rate == 1e-3
    assert found.scores["keras"].edge
    (found,) = scores.comparisons_of([each for each in rows if each["learning_rate"] > 1e-3])
    assert found.scores["keras"].values().tolist() == [0.65, 0.1]


def test_a_claim_is_what_the_cells_say():
    good, bad = (0.9, 0.91, 0.92), (0.5, 0.52, 0.51)
    rows = [
        row(method, seed, score, layer="SimpleRNN", task=task)
        for task, values in {
            "digits, 64 steps": {"keras": bad, "orthogonal": bad, "rotation": good},
            "digits, 256 steps": {"keras": bad, "orthogonal": good, "rotation": bad},
        }.items()
        for method, each in values.items()
        for seed, score in enumerate(each)
    ]
    default, best = scores.claims_of(scores.comparisons_of(rows))
    assert default.holds
    assert default.numbers == "ahead in 1, even in 1, behind in 0 of 2 cells"
    assert not best.holds
    assert best.numbers == "behind in 1 of 2 cells: digits, 256 steps (*orthogonal*)"


# ----------------------------------------------------------------------------------
# The page
# ----------------------------------------------------------------------------------


def test_the_committed_page_is_that_of_the_committed_runs(tmp_path, load_example):
    page, reading = tmp_path / "page.md", ROOT / "benchmarks" / "results" / "sequences-reading.md"
    load_example("sequences").main(
        ["--report", str(RUNS), "--page", str(page), "--reading", str(reading)]
    )
    assert "What is missing" not in page.read_text()
    assert page.read_text() == (ROOT / "docs" / "benchmarks" / "sequences.md").read_text()


def test_what_the_grid_has_and_the_runs_have_not_is_named():
    known = {layer: list(each) for layer, each in methods.METHODS.items()}
    groups = runs.groups_of(runs.standard(), known, runs.RATES, runs.SEEDS)
    rows = [{"key": key} for group in groups for key in group.keys]
    assert scores.missing(rows) == []
    last = groups[-1]
    (line,) = scores.missing(rows[:-2])
    assert line == f"{last.cell.name}: *{last.method}* (2)"
