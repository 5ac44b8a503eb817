"""The benchmark of transformers: its tasks, its methods, its training, scores and page."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from oddsig_benchmarks.transformers import command, methods, models, runs, scores, tasks
from oddsig_benchmarks.transformers.page import page_of

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "benchmarks" / "results" / "transformers-jax.jsonl.gz"
JAX = keras.backend.backend() == "jax"
needs_jax = pytest.mark.skipif(not JAX, reason="the benchmark trains on JAX")
CELL = runs.Cell("digits", 2, 8, 4, 16)


def row(method, seed, score, rate=1e-3, loss=None, metric="accuracy", time=1.0, **cell):
    """Of a run; `loss` is the validation's cross entropy, None of a run that has diverged."""
    place = {"task": "digits", "blocks": 4, "width": 32, "steps": 300, "batch": 64} | cell
    group = runs.Group(runs.Cell(**place), method, (rate,), (seed,))
    return {
        "key": group.keys[0], **place, "method": method, "learning_rate": rate, "seed": seed,
        "metric": metric, "chance": 0.1, "validation": {"crossentropy": loss}, "loss": 1.0,
        "test": {metric: score}, "curve": [[50, loss], [100, loss]], "step_seconds": 9.0,
        "step_processor_seconds": time, "environment": "ab",
    }  # fmt: skip


def compared(metric="accuracy", **others):
    """A comparison of methods whose scores are given by seed."""
    rows = []
    for method, values in others.items():
        name = {"norm": "LayerNorm", "dyt": methods.TANH, "ours": "tailored DyT"}[method]
        rows.append(row(name, runs.CHOOSING, 0.5, loss=1.0, metric=metric))
        rows += [row(name, s, v, loss=1.0, metric=metric) for s, v in enumerate(values)]
    (found,) = scores.comparisons_of(rows)
    return found


# ----------------------------------------------------------------------------------
# The tasks
# ----------------------------------------------------------------------------------


def test_characters_ask_for_the_next_one_and_parts_share_no_text():
    task = tasks.load("characters")
    x, y = task.train
    assert x.shape[1] == tasks.CONTEXT
    assert np.array_equal(x[:, 1:], y[:, :-1])
    assert task.causal
    assert 90 < task.classes < 110
    assert task.chance == pytest.approx(np.log(task.classes))
    assert len(task.validation[0]) == len(task.test[0]) == tasks.WINDOWS
    held_out = {window.tobytes() for window in task.validation[0]}
    assert len(held_out & {window.tobytes() for window in task.test[0]}) <= 2  # boilerplate


def test_patches_are_squares_of_the_image():
    x = np.arange(2 * 4 * 4 * 3).reshape(2, 4, 4, 3)
    found = tasks.patches(x, 2)
    assert found.shape == (2, 4, 12)
    assert np.array_equal(found[1, 1].reshape(2, 2, 3), x[1, :2, 2:])
    assert np.array_equal(found[1, 2].reshape(2, 2, 3), x[1, 2:, :2])


# ----------------------------------------------------------------------------------
# The methods and the training
# ----------------------------------------------------------------------------------


def test_a_character_sees_only_those_before_it():
    task = tasks.load("characters")
    cell = runs.Cell("characters", 2, 8, 4, 4)
    model = models.network(cell, task, methods.METHODS["LayerNorm"].norm, stacked=False)
    x = task.train[0][:1].copy()
    first = keras.ops.convert_to_numpy(model(x))
    x[0, 40] = (x[0, 40] + 1) % task.classes
    changed = np.abs(keras.ops.convert_to_numpy(model(x)) - first).max(axis=-1)[0] > 1e-6
    assert not changed[:40].any()
    assert changed[40:].all()


@needs_jax
def test_methods_differ_in_what_normalizes_alone():
    from oddsig_benchmarks.transformers import training

    common = training.drawn(CELL, 3)
    for name, method in methods.METHODS.items():
        if method.afterwards is None:
            program = training.Program(CELL, name)
            weights = program.start(CELL, 3)
            variables = program.model.trainable_variables
            others = [w for w, v in zip(weights, variables, strict=True) if not training.of_norm(v)]
            assert all(map(np.array_equal, others, common)), name
            number = {"LayerNorm": 2, "RMSNorm": 1, "none": 0, methods.TANH: 3, methods.ERF: 4}
            assert len(weights) - len(others) == 3 * number[name]


@needs_jax
@pytest.mark.parametrize(
    ("task", "method"),
    [("characters", "LayerNorm"), ("characters", "tailored DyT"), ("digits", "tailored Derf")],
)
def test_a_stack_computes_what_its_blocks_do_one_by_one(task, method):
    """As it begins, tailored or not."""
    from oddsig_benchmarks.transformers import training

    cell = runs.Cell(task, 3, 8, 4, 4)
    program, x = training.Program(cell, method), tasks.load(task).train[0][:5]
    program.start(cell, 3)
    keras.utils.set_random_seed(3)
    known = methods.METHODS[method]
    model = models.network(cell, program.task, known.norm, stacked=False)
    if known.afterwards is not None:
        known.afterwards(model, program.task.shown(training.SHOWN), 3)
    assert np.allclose(program.model(x), model(x), rtol=1e-3, atol=1e-4)


@needs_jax
def test_smoke_trains_as_keras_does_and_goes_on(tmp_path, capsys):
    from oddsig_benchmarks import starts

    path = tmp_path / "runs.jsonl"
    smoke = ["--smoke", "--cells", "ViT, digits", "--methods", methods.TANH]
    command.main([*smoke, "--results", str(path)])
    assert "| ViT, digits, 6 steps | " in capsys.readouterr().out
    written = path.read_text()
    rows = [json.loads(each) for each in written.splitlines()[1:]]
    assert len({row["loss"] for row in rows}) == len(rows) == 2 + 3  # rates, then seeds
    assert all(row["step_seconds"] > 0 for row in rows)

    command.main([*smoke, "--results", str(path)])  # goes on from a whole file: nothing to do
    assert path.read_text() == written
    lines = written.splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    command.main([*smoke, "--results", str(path)])
    assert json.loads(path.read_text().splitlines()[-1])["key"] == rows[-1]["key"]

    found, cell = rows[-1], runs.smoke()[0]
    task = tasks.load(cell.task)
    keras.utils.set_random_seed(found["seed"])
    model = models.network(cell, task, methods.METHODS[found["method"]].norm, stacked=False)
    model.compile(
        keras.optimizers.Adam(found["learning_rate"]),
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
    assert found["curve"] == [[cell.steps, found["validation"]["crossentropy"]]]


@needs_jax
def test_a_run_that_diverges_ends_there_and_has_no_scores():
    from oddsig_benchmarks.transformers import training

    group = runs.Group(CELL.lasting(30), "none", (1e25,), (0,))
    (found,) = training.train(group)
    assert found["test"] == {"crossentropy": None, "accuracy": None}
    assert found["curve"] == []


def test_bad_arguments_end_with_one_line(capsys):
    for arguments, said in {
        ("--smoke", "--steps", "0"): "--steps must be at least 1. Received: 0",
        ("--smoke", "--cells", "ViT"): "Received: ViT",
        ("--smoke", "--seeds", "0;100"): "--seeds must leave out 100",
        ("--report", "no.jsonl"): "no such file. Received: no.jsonl",
        **({} if JAX else {("--smoke",): "needs KERAS_BACKEND=jax"}),
    }.items():
        with pytest.raises(SystemExit):
            command.main(list(arguments))
        assert said in capsys.readouterr().err.splitlines()[-1]


# ----------------------------------------------------------------------------------
# The scores
# ----------------------------------------------------------------------------------


def test_one_seed_chooses_the_rate_and_the_others_are_shown():
    rows = [row("none", runs.CHOOSING, 0.9, 1e-3, loss=2.0)]
    rows += [row("none", runs.CHOOSING, 0.1, 3e-4, loss=1.0)]
    rows += [row("none", runs.CHOOSING, None, 3e-3, loss=None)]
    rows += [row("none", seed, 0.6 + seed / 10, 3e-4, loss=3.0) for seed in range(3)]
    rows += [row("none", 0, 0.99, 1e-3, loss=0.5)]  # of an earlier choice: not looked at
    (found,) = scores.comparisons_of(rows)
    score = found.scores["none"]
    assert (score.rate, score.edge) == (3e-4, True)
    assert score.values.tolist() == pytest.approx([0.6, 0.7, 0.8])
    assert scores.comparisons_of(rows[:3]) == []  # nothing to show yet


def test_what_diverged_has_learned_nothing_and_is_counted():
    found = compared(norm=(0.9, 0.9, 0.9), ours=(0.9, None, 0.9))
    assert found.scores["tailored DyT"].values.tolist() == [0.9, 0.1, 0.9]
    assert found.scores["tailored DyT"].diverged == 1


def test_of_nats_the_lower_is_the_better_and_differences_are_paired():
    found = compared(
        "crossentropy", norm=(2.0, 2.1, 2.2), dyt=(2.2, 2.3, 2.5), ours=(2.0, 2.2, 2.3)
    )
    over = found.over(methods.TANH)
    assert (over.mean, over.low, over.high) == pytest.approx((-0.7 / 3, -0.3, -0.2))
    assert over.verdict == "behind"
    assert found.over("tailored DyT").verdict == "even"  # one seed is as good
    assert found.over("tailored DyT", methods.TANH).verdict == "ahead"
    assert found.closed("tailored DyT") == pytest.approx(5 / 7)
    assert not found.near("tailored DyT")  # .067 behind
    better = compared("crossentropy", norm=(2.0, 2.1), dyt=(2.0, 2.1), ours=(1.9, 2.14))
    assert better.near("tailored DyT")
    assert better.closed("tailored DyT") is None  # there is no gap
    assert better.over("RMSNorm") is None  # not run


def test_a_claim_is_what_the_cells_say():
    rows = []
    for width, ours in ((32, 0.898), (64, 0.7)):
        for method, score, time in (
            ("LayerNorm", 0.9, 2.0), (methods.TANH, 0.8, 1.0), ("tailored DyT", ours, 1.5)
        ):  # fmt: skip
            cell = {"width": width, "time": time}
            rows += [row(method, s, score, loss=1.0, **cell) for s in (*runs.SEEDS, 100)]
    near, behind, closes, quick, steady, theirs, *_ = scores.claims_of(scores.comparisons_of(rows))
    assert near.text == "*tailored DyT* comes within 0.01 of LayerNorm (accuracy) everywhere."
    assert not near.holds
    assert near.numbers.startswith("in 1 of 2 cells; at worst -0.200")
    assert not behind.holds
    assert behind.numbers == "ahead in 1, even in 0, behind in 1 of 2 cells"
    assert closes.numbers.startswith("1 of 2 gaps; on average -1%, at least -100%")
    assert quick.holds
    assert quick.numbers == "0.75 to 0.75 of its time"
    assert steady.holds
    assert theirs.text.startswith(f"*{methods.TANH}* comes within 0.01")


# ----------------------------------------------------------------------------------
# The page
# ----------------------------------------------------------------------------------


def everything():
    """Rows of the standard grid, as if it had been run."""
    return [
        row(
            method, seed, 0.5, rate, loss=1.0 + rate, **dataclasses.asdict(cell),
            metric="crossentropy" if cell.task == "characters" else "accuracy",
        )
        for cell in runs.standard()
        for method in [name for name, known in methods.METHODS.items() if not known.part]
        for rate in runs.RATES
        for seed in (runs.CHOOSING, *(runs.SEEDS if rate == min(runs.RATES) else ()))
    ]  # fmt: skip


def test_what_the_grid_has_and_the_runs_have_not_is_named():
    rows = everything()
    assert scores.missing(rows) == []
    (line,) = scores.missing(rows[:-2])
    assert line == "ViT, digits, 300 steps: *tailored Derf* (2)"
    lines = scores.missing(rows[1:])  # the lowest rate, which was the best
    assert lines == [f"{runs.standard()[0].name}: *LayerNorm* (4)"]


def test_the_page_has_every_cell_its_picture_and_what_is_missing(tmp_path):
    environment = {
        "environment": "ab", "backend": "jax", "device": "cpu", "cpu": "a processor", "cores": 2,
        "jobs": 1, "python": "3.11", "versions": {}, "date": "2026-01-01",
    }  # fmt: skip
    path, page, reading = (tmp_path / name for name in ("r.jsonl", "the-page.md", "reading.md"))
    path.write_text("".join(json.dumps(each) + "\n" for each in [environment, *everything()[:-1]]))
    reading.write_text("## What it says\n\nThis.\n")
    command.main(["--report", str(path), "--page", str(page), "--reading", str(reading)])
    text = page.read_text()
    assert all(f"### {cell.name} of {cell.batch}" in text for cell in runs.standard())
    assert "\n\nThis.\n\n" in text
    assert "- ViT, digits, 300 steps: *tailored Derf* (1)" in text
    assert "(the_page.png)" in text
    assert (tmp_path / "the_page.png").stat().st_size > 1000


def test_methods_that_lack_a_part_have_a_table_of_their_own():
    cell = dataclasses.asdict(runs.parts()[0])
    part = next(name for name, known in methods.METHODS.items() if known.part)
    rows = [
        row(method, seed, 2.0, 1e-3, loss=1.0, **cell, metric="crossentropy")
        for method in ("LayerNorm", "tailored DyT", part)
        for seed in (runs.CHOOSING, *runs.SEEDS)
    ]
    text = page_of(scores.comparisons_of(rows), [])
    scored, parts = text.split("## What of it does it")
    assert part not in scored
    assert f"| LayerNorm | tailored DyT | {part} |" in parts
    assert not any(part in claim.text for claim in scores.claims_of(scores.comparisons_of(rows)))


@needs_jax
def test_a_part_that_is_left_out_is_as_it_was():
    from oddsig_benchmarks.transformers import training

    def begin(name):
        program = training.Program(CELL, name)
        program.start(CELL, 3)
        return {w.path: keras.ops.convert_to_numpy(w) for w in program.model.weights}

    whole, plain = begin("tailored DyT"), begin(methods.TANH)
    left = begin("DyT, tailored kernels")
    for path, value in left.items():
        other = plain if "norm" in path else whole
        assert np.allclose(value, other[path]), path
    left = begin("tailored but embeddings")
    first = next(iter(left))
    assert np.allclose(left[first], plain[first])
    assert not np.allclose(left[first], whole[first])


@pytest.mark.skipif(not RUNS.exists(), reason="the grid was not run")
def test_the_committed_page_is_that_of_the_committed_runs(tmp_path, load_example):
    page = tmp_path / "transformers.md"
    reading = ROOT / "benchmarks" / "results" / "transformers-reading.md"
    given = ["--reading", str(reading)] if reading.exists() else []
    load_example("transformers").main(["--report", str(RUNS), "--page", str(page), *given])
    assert page.read_text() == (ROOT / "docs" / "benchmarks" / page.name).read_text()
