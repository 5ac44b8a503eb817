"""The gallery of `tailor`: its models, its training, its marks, and its page."""

import gzip
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy import integrate

import keras_oddsig as ko
from oddsig_benchmarks.gallery import command, entries, runs, scores, tasks, unscaled

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "benchmarks" / "results" / "tailor-gallery-jax.jsonl.gz"
JAX = keras.backend.backend() == "jax"
needs_jax = pytest.mark.skipif(not JAX, reason="the gallery trains on JAX")
# Inputs of those whose data must come from elsewhere.
ELSEWHERE = {"convolutional": (32, 32, 3), "autoencoder": (784,)}


def row(method, seed, score, rate=1e-3, higher=True, **options):
    made = {
        "model": "chain", "steps": 400, "method": method, "learning_rate": rate, "seed": seed,
        "metric": "accuracy" if higher else "error", "higher": higher, "score": score,
        "loss": 1.0, "verdict": "healthy", "kernels": [50, 51], "environment": "ab", **options,
    }  # fmt: skip
    return {"key": f"{made['model']}|{method}|{rate}|{seed}", **made}


def compared(higher=True, **values):
    rows = [
        row(method.replace("_", " "), seed, score, higher=higher)
        for method, each in values.items()
        for seed, score in enumerate(each)
    ]
    (found,) = scores.comparisons_of(rows)
    return found


# ----------------------------------------------------------------------------------
# The models
# ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(entries.ENTRIES))
def test_a_model_takes_its_data_and_starts_as_keras_has_it(name):
    model = entries.ENTRIES[name].build()
    kernel = model.get_weights()[0]
    bound = np.sqrt(6 / (np.prod(kernel.shape[:-2]) * sum(kernel.shape[-2:])))
    assert 0.9 * bound < np.abs(kernel).max() <= bound  # GlorotUniform
    if name in ELSEWHERE:
        assert model.input_shape[1:] == ELSEWHERE[name]
        return
    x, y = tasks.load(entries.ENTRIES[name].task).train
    entering = keras.tree.map_structure(lambda a: keras.KerasTensor((None, *a.shape[1:])), x)
    for found, asked in zip(
        keras.tree.flatten(model(entering)), keras.tree.flatten(y), strict=True
    ):
        # A class's scores, or numbers as they are asked for.
        assert found.shape[1:] == (asked.shape[1:] or (10,))


@pytest.mark.parametrize("name", [n for n, e in entries.ENTRIES.items() if e.by_hand])
def test_the_recipe_by_hand_draws_what_tailor_draws(name):
    """But for the scale of the first kernel, which `tailor` has from the data."""
    entry = entries.ENTRIES[name]
    by_hand, tailored = entry.build(), entry.build()
    entry.by_hand(by_hand, 5)
    report = ko.tailor(tailored, seed=5)
    pairs = zip(by_hand.get_weights(), tailored.get_weights(), strict=True)
    kernels = [(a, b) for a, b in pairs if a.ndim > 1][: report.tailored]
    if name == "convolutional":
        del kernels[0]  # `tailor`'s reads a whole patch, the recipe's one pixel of it
    for number, (a, b) in enumerate(kernels):
        np.testing.assert_allclose(a, b, rtol=1e-3 if number else 0.05, atol=1e-5)


# ----------------------------------------------------------------------------------
# The training
# ----------------------------------------------------------------------------------


@needs_jax
def test_a_slope_of_the_equation_is_the_slope():
    points = np.random.default_rng(0).uniform(0.1, 1, (5, 2)).astype("float32")
    t, x = points[:, :1], points[:, 1:]
    value, (u_t, u_x), (_, u_xx) = tasks._derivatives(
        lambda p: p[:, :1] ** 2 * p[:, 1:] ** 3, points
    )
    for found, exact in zip(
        (value, u_t, u_x, u_xx), (t**2 * x**3, 2 * t * x**3, 3 * t**2 * x**2, 6 * t**2 * x),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(found, exact, rtol=1e-4)


def test_the_integrals_are_those_of_the_functions():
    (u, places), integrals = tasks.load(tasks.antiderivatives).test
    sensors = np.linspace(0, 1, 50)
    for row_, y, integral in zip(u[:40], places[:40, 0], integrals[:40, 0], strict=True):
        fine = np.linspace(0, y, 400)
        assert integrate.trapezoid(np.interp(fine, sensors, row_), fine) == pytest.approx(
            integral, abs=0.02
        )


@needs_jax
def test_smoke_prints_a_table_of_what_keras_training_gives(tmp_path, capsys):
    from oddsig_benchmarks.starts import batches

    path = tmp_path / "gallery.jsonl"
    smoke = ["--smoke", "--models", "policy", "--steps", "4", "--results", str(path)]
    command.main(smoke)
    (line,) = re.findall(r"^\| tanh policy.*$", capsys.readouterr().out, re.MULTILINE)
    assert len(re.findall(r"\d\.\d{3} ± 0\.000", line)) == 2

    written = path.read_text()
    rows = [json.loads(each) for each in written.splitlines()[1:]]
    assert len({row["score"] for row in rows}) == 4  # each method at two rates
    found = rows[-1]
    assert found["method"] == "tailored"
    entry = entries.ENTRIES["policy"]
    task = tasks.load(entry.task)
    keras.utils.set_random_seed(0)
    model = entry.build()
    ko.tailor(model, task.train[0][:256], seed=0)
    schedule = keras.optimizers.schedules.CosineDecay(found["learning_rate"], 4)
    model.compile(keras.optimizers.Adam(schedule), "mse")
    for batch in batches(0, 4, entry.batch, task.samples):
        model.reset_metrics()  # an older Keras gives the mean since then
        loss = model.train_on_batch(task.train[0][batch], task.train[1][batch])
    assert found["loss"] == pytest.approx(float(loss), rel=1e-4)
    assert found["score"] == pytest.approx(float(task.score(model, *task.test)), rel=1e-4)

    command.main(smoke)  # goes on from a whole file: nothing to do
    assert path.read_text() == written
    assert line in capsys.readouterr().out


def test_bad_arguments_end_with_one_line(capsys):
    for arguments, said in {
        ("--seeds", "0"): "--seeds must be at least 1. Received: 0",
        ("--models", "resnet"): "invalid choice: 'resnet'",
        ("--report", "no.jsonl"): "no such file. Received: no.jsonl",
        **({} if JAX else {(): "needs KERAS_BACKEND=jax"}),
    }.items():
        with pytest.raises(SystemExit):
            command.main(list(arguments))
        assert said in capsys.readouterr().err.splitlines()[-1]


# ----------------------------------------------------------------------------------
# The marks
# ----------------------------------------------------------------------------------


def test_worse_than_before_is_what_leaves_the_seeds_spread():
    # Pooled: the root of the mean of .02**2 and .04**2 is .0316.
    keras_s, tailored = (0.88, 0.90, 0.92), (0.83, 0.87, 0.91)
    found = compared(keras=keras_s, tailored=tailored)
    assert found.pooled("keras") == pytest.approx(0.0316, abs=1e-4)
    assert found.marks == []
    (mark,) = compared(keras=keras_s, tailored=[v - 0.003 for v in tailored]).marks
    assert mark == "worse than before, by 0.033"
    assert compared(keras=tailored, tailored=keras_s).marks == []


def test_of_errors_the_lower_is_the_better():
    low, high = (0.10, 0.11, 0.12), (0.20, 0.21, 0.22)
    assert compared(False, keras=high, tailored=low, by_hand=high).marks == []
    assert len(compared(False, keras=low, tailored=high, by_hand=low).marks) == 2


def test_behind_the_recipe_is_more_than_five_thousandths():
    same = (0.9, 0.9, 0.9)
    assert compared(keras=same, tailored=same, by_hand=(0.904,) * 3).marks == []
    (mark,) = compared(keras=same, tailored=same, by_hand=(0.906,) * 3).marks
    assert mark == "behind the recipe, by 0.006"
    (mark,) = compared(keras=same, tailored=(0.85, 0.9, 0.95), by_hand=(0.91,) * 3).marks
    assert mark == "behind the recipe, by 0.01, within the seeds' spread"


def test_what_diverges_is_worst_and_another_rate_is_chosen():
    rows = [row("tailored", seed, None if seed else 0.1, higher=False) for seed in range(3)]
    rows += [row("tailored", seed, 0.5, rate=1e-2, higher=False) for seed in range(3)]
    rows += [row("keras", seed, 0.6, higher=False) for seed in range(3)]
    (found,) = scores.comparisons_of(rows)
    assert found.scores["tailored"].rate == 1e-2
    assert found.marks == []
    (found,) = scores.comparisons_of([r for r in rows if r["learning_rate"] != 1e-2])
    assert found.marks == ["worse than before, by inf"]


def test_verdicts_that_differ_are_counted():
    rows = [row("keras", s, 0.9, verdict="healthy" if s else "collapsing") for s in range(3)]
    (found,) = scores.comparisons_of(rows)
    assert found.scores["keras"].verdict == "healthy (2 of 3)"


# ----------------------------------------------------------------------------------
# The page
# ----------------------------------------------------------------------------------


def test_the_committed_page_is_that_of_the_committed_runs(tmp_path, load_example):
    page = tmp_path / "page.md"
    load_example("tailor_gallery").main(["--report", str(RUNS), "--page", str(page)])
    assert page.read_text() == (ROOT / "docs" / "benchmarks" / "tailor-gallery.md").read_text()


def test_the_committed_runs_are_whole():
    lines = gzip.decompress(RUNS.read_bytes()).decode().splitlines()
    found = {json.loads(line).get("key") for line in lines}
    expected = {
        key for group in runs.groups_of(list(entries.ENTRIES), 3, None, 3) for key in group.keys
    }
    assert expected <= found


@pytest.mark.parametrize(("plain", "lines"), [(0.9, 1), (0.94, 0)])
def test_data_that_are_trained_worse_as_they_come_are_named(plain, lines):
    common = {"method": "tailored", "learning_rate": 1e-3, "seed": 0, "higher": True}
    rows = [
        {**common, "model": "wine, standardized", "score": 0.95},
        {**common, "model": "wine", "score": plain},
    ]
    found = unscaled.behind(rows)
    assert len(found) == lines
    assert all(line.endswith("0.050 behind standardized data") for line in found)
    assert ("**" in unscaled.table_of(rows)) == bool(lines)
