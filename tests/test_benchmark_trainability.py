"""The trainability benchmark, small: networks, tasks, both ways of training, resuming."""

import dataclasses
import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import keras_oddsig as ko
from oddsig_benchmarks.data import MissingDataError
from oddsig_benchmarks.results import read
from oddsig_benchmarks.trainability import command, estimate, grids, methods, networks, tasks
from oddsig_benchmarks.trainability.recipe import batches
from oddsig_benchmarks.trainability.training import train

JAX = keras.backend.backend() == "jax"
ROOT = Path(__file__).parent.parent


def cell(task="digits", activation="tanh", depth=4, width="8", **options):
    options = {"steps": 20, "batch": 16, **options}
    return grids.Cell(task, activation, depth, width, **options)


@pytest.mark.skipif(not JAX, reason="the fast path is JAX's")
@pytest.mark.parametrize(
    ("method", "setting"),
    [
        ("gaussian, edge of chaos", {"width": "8/4", "optimizer": "sgd"}),
        ("glorot + batchnorm", {"samples": 30}),
        ("diagonal .3", {"task": "rnn", "depth": 9}),
        ("diagonal .3, rotated first", {"task": "cnn", "depth": 3, "width": "4"}),
    ],
)
def test_fast_path_equals_keras_training(method, setting):
    if setting.get("task") == "cnn":
        try:
            tasks.load("cnn", 3)
        except MissingDataError as error:
            pytest.skip(str(error))
    group = grids.Group(cell(**setting), method, (1e-3, 3e-3), (1,))
    fast, plain = train(group, plain=False), train(group, plain=True)
    assert len({row["loss"] for row in fast}) == 2  # a rate of its own each
    for a, b in zip(fast, plain, strict=True):
        assert a["key"] == b["key"]
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
        assert a["curve"] == pytest.approx(b["curve"], abs=0.004)  # a sample of 287
        assert a["test"] == pytest.approx(b["test"], abs=0.003)


@pytest.mark.parametrize(("task", "method"), [("digits", "tailored"), ("rnn", "hartley")])
def test_training_learns_and_repeats(task, method):
    setting = {"steps": 40} | ({"depth": 9, "width": "16"} if task == "rnn" else {})
    group = grids.Group(cell(task, **setting), method, (1e-2,), (3,))
    (row,), (again,) = train(group, plain=True), train(group, plain=True)
    same = ("key", "test", "validation", "loss", "curve")
    assert [row[name] for name in same] == [again[name] for name in same]
    assert row["test"] > 2 * row["chance"]
    assert row["curve_steps"] == [20, 40]


def test_every_method_initializes_every_structure():
    setting = cell(activation="bipolar_sigmoid", depth=6, width="8/4")
    task = tasks.load("digits", 6)
    for name, method in methods.METHODS.items():
        if method.tailored:  # has a test of its own
            continue
        net = networks.network(setting, method.structure, task)
        weights = networks.draw(net, method, setting, task, seed=1)
        shapes = [w.shape for part in weights for w in part if w.ndim == 2]
        assert shapes == [(64, 8), *[(8, 4), (4, 8)] * 2, (8, 4), (4, 10)], name
        kernels = [w for part in weights for w in part if w.ndim == 2]
        assert all(np.isfinite(k).all() and k.any() for k in kernels), name
        repeats = [a for a, b in zip(kernels[1:3], kernels[3:5], strict=True) if (a == b).all()]
        assert bool(repeats) == (name == "identity"), name  # no two layers share a draw
        again, other = (networks.draw(net, method, setting, task, seed) for seed in (1, 2))
        np.testing.assert_array_equal(weights[1][0], again[1][0])
        assert (weights[1][0] != other[1][0]).any() == (name != "identity"), name


def test_what_the_readme_recommends_knows_of_a_bottleneck_where_there_is_one():
    task = tasks.load("digits", 6)
    for width, kept in (("8/4", True), ("8", False)):
        setting = cell(activation="tanh", depth=6, width=width)
        net = networks.network(setting, "plain", task)
        singular = {}
        for name in ("hartley, scaled input", "hartley, scaled input, no bottleneck"):
            parts = networks.draw(net, methods.METHODS[name], setting, task, seed=1)
            kernels = [w for part in parts[1:-1] for w in part if w.ndim == 2]
            values = np.linalg.svd(np.linalg.multi_dot(kernels), compute_uv=False)
            singular[name] = values[3] / values[0]
        ours, other = singular.values()
        assert ours == pytest.approx(1, abs=1e-5)
        assert other < 0.7 if kept else other == pytest.approx(1, abs=1e-5)


def test_lsuv_gives_each_layer_unit_variance():
    setting = cell(activation="bipolar_sigmoid", depth=5)
    task, method = tasks.load("digits", 5), methods.METHODS["lsuv"]
    net = networks.network(setting, "plain", task)
    x = task.train[0][:256]
    for kernel, bias in networks.draw(net, method, setting, task, seed=0):
        z = x @ kernel + bias
        assert abs(np.var(z) - 1) < 0.1
        x = np.tanh(z / 2)


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_sparse_noise_has_its_share_and_the_deviation_of_the_whole(share):
    activation = methods.activation_named("bipolar_sigmoid")
    seed = keras.random.SeedGenerator(1)
    sparse = methods.SparseNoise(activation, 0.2, share, seed)
    for shape in ((400, 400), (100, 900)):
        m, n = shape
        pattern = ops.convert_to_numpy(ko.OddSigmoidInit(activation, noise_scale=0.0)(shape))
        noise = ops.convert_to_numpy(sparse(shape)) - pattern
        assert noise[pattern != 0].any()
        assert np.mean(noise != 0) == pytest.approx(share, rel=0.05)
        sigma = 2 * 0.2 / np.sqrt(m)  # the critical gain is 2
        assert noise.mean() == pytest.approx(0, abs=4 * sigma / np.sqrt(m * n))
        assert noise.std() == pytest.approx(sigma, rel=0.05)
        kept = noise[noise != 0] / (sigma / np.sqrt(share))
        assert np.mean(kept**4) == pytest.approx(3, rel=0.1)  # normal, and not a constant


def test_methods_of_the_noise_differ_in_its_distribution_alone():
    setting = cell(activation="tanh", depth=60, width="64/16")
    task = tasks.load("digits", 60)
    kurtosis = {"normal noise": 3, "truncated normal noise": 2.37, "uniform noise": 1.8,
                "rademacher noise": 1, "sparse noise, .5": 6, "sparse noise, .1": 30}  # fmt: skip
    assert tuple(kurtosis) == grids.GRIDS["noise"].methods
    for name, expected in kurtosis.items():
        method = methods.METHODS[name]
        net = networks.network(setting, method.structure, task)
        weights = networks.draw(net, method, setting, task, seed=1)
        kernels = [w for part in weights[:-1] for w in part if w.ndim == 2]
        assert len(kernels) >= 59
        noise = []
        for kernel in kernels:
            m, n = kernel.shape
            pattern = np.equal.outer(np.arange(m), np.arange(n) % m)
            noise.append((np.sqrt(60 * m) * (kernel - pattern)).ravel())
        noise = np.concatenate(noise)
        # kappa of a negative rate of .3
        assert noise.std() == pytest.approx(np.sqrt(60) * ko.noise_scale(60, 0.3), rel=0.03), name
        assert np.mean(noise**4) / np.var(noise) ** 2 == pytest.approx(expected, rel=0.1), name


@pytest.mark.parametrize("depth", [10, 100])
def test_dks_and_tat_find_the_constants_of_their_authors_program(depth):
    # What dks 0.1.2 prints: input scale and shift, output shift and scale.
    known = {
        ("dks", 10): (0.29665010, 0.65280361, -0.54249616, 4.96460017),
        ("dks", 100): (0.09043794, 0.56010669, -0.50500438, 14.90252581),
        ("tat", 10): (0.18463840, -0.55736658, 0.51054451, 7.23495648),
        ("tat", 100): (0.05764084, 0.52181066, -0.47959549, 22.50694667),
    }
    for name, solve in networks.TRANSFORMED.items():
        found = dataclasses.astuple(solve(np.tanh, 1.0, depth))
        # Shifts of the other sign give the same network, mirrored.
        side = math.copysign(1, found[1] * known[name, depth][1])
        mirrored = (found[0], side * found[1], side * found[2], found[3])
        assert mirrored == pytest.approx(known[name, depth], rel=2e-6), name
        half = solve(lambda x: np.tanh(x / 2), 2.0, depth)  # the same function of x / 2
        assert half(lambda x: np.tanh(x / 2), 0.7) == pytest.approx(
            solve(np.tanh, 1.0, depth)(np.tanh, 0.7)
        )


@pytest.mark.parametrize("name", ["tanh", "softsign", "tanh(2x)"])
def test_edge_of_chaos_is_critical_and_keeps_its_variance(name):
    activation = methods.ACTIVATIONS[name]()
    w, b = methods.edge_of_chaos(activation, 100)
    rng = np.random.default_rng(0)
    z = rng.standard_normal(2_000_000)
    q = 1.0
    for _ in range(60):  # the variance settles by itself
        q = w**2 * np.mean(activation.reference(np.sqrt(q) * z[:20_000]) ** 2) + b**2
    u, h = np.sqrt(q) * z, 1e-4
    slope = (activation.reference(u + h) - activation.reference(u - h)) / (2 * h)
    assert w**2 * np.mean(slope**2) == pytest.approx(1, abs=0.02)
    assert 0 < b < w


def test_edge_of_chaos_is_that_of_the_unscaled_function():
    w, b = methods.edge_of_chaos(methods.ACTIVATIONS["tanh"](), 50)
    w2, b2 = methods.edge_of_chaos(methods.ACTIVATIONS["tanh(2x)"](), 50)
    assert (w2, b2) == pytest.approx((w / 2, b / 2), rel=1e-3)


def test_a_network_of_nan_is_never_right():
    logits = ops.convert_to_tensor(np.array([[np.nan, np.nan], [1, 0]], "float32"))
    y = ops.convert_to_tensor(np.array([0, 0], "int32"))
    assert float(tasks.accuracy(y, logits)) == 0.5


def test_batches_come_from_the_chosen_samples_and_the_seed():
    setting = cell(samples=100, steps=40)
    task = tasks.load("digits", 4)
    order = batches(setting, task, seed=1)
    assert order.shape == (40, 16)
    assert len(np.unique(order)) == 100
    np.testing.assert_array_equal(order, batches(setting, task, seed=1))
    assert (order != batches(setting, task, seed=2)).any()


SMALL = [
    *("--smoke", "--tasks", "digits", "--widths", "16/4", "--jobs", "1", "--steps", "20"),
    *("--seeds", "1", "--methods", "hartley;orthogonal", "--rates", "1e-3;3e-3"),
]


def test_a_run_goes_on_where_it_stopped(monkeypatch, tmp_path):
    small = dataclasses.replace(grids.GRIDS["smoke"], cells=lambda: [cell(width="16/4")], rates={})
    monkeypatch.setitem(grids.GRIDS, "smoke", small)
    path = tmp_path / "new" / "results.jsonl"
    assert command.main([*SMALL, "--results", str(path)]) == path
    whole = path.read_text()
    lines = whole.splitlines()
    assert len(lines) == 1 + 2 * 2  # the environment, two methods by two rates
    about = json.loads(lines[0])
    assert about["versions"]["keras"] == keras.__version__
    assert json.loads(lines[1])["environment"] == about["environment"]

    trained = []
    monkeypatch.setattr(
        command, "train", lambda group, plain: trained.append(group) or train(group, plain)
    )
    path.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:40])  # stopped in the last line
    command.main([*SMALL, "--results", str(path)])
    assert [group.method for group in trained] == [json.loads(lines[-1])["method"]]

    def numbers(text):
        rows = (json.loads(line) for line in text.splitlines())
        return sorted((r["key"], r["test"], r["loss"]) for r in rows if "key" in r)

    assert numbers(path.read_text()) == numbers(whole)
    command.main([*SMALL, "--results", str(path)])
    assert len(trained) == 1


@pytest.mark.skipif(not JAX, reason="one backend's start-up will do")
def test_command_finds_its_rooms_from_any_folder(tmp_path):
    script = ROOT / "benchmarks" / "trainability.py"
    done = subprocess.run(
        [sys.executable, script, "--smoke", "--depths", "7"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert "no cell of --smoke passes these filters" in done.stderr
    assert done.returncode == 2


@pytest.mark.skipif(not JAX, reason="the committed results are JAX's")
def test_committed_results_count_as_done():
    names = ("trainability", "noise")
    paths = [ROOT / "benchmarks" / "results" / f"{name}-jax.jsonl.gz" for name in names]
    done = {row["key"] for row in read(paths)[0]}
    known = {grid: command.arguments([f"--{grid}"]).groups for grid in grids.GRIDS}
    # The standard grid and the noise's whole, of the others some groups, and none in part.
    for grid in known:
        for group in known[grid]:
            has = done & set(group.keys)
            assert has in (set(), set(group.keys)), group.label
            # Skip connections with our kernels are in the grid of chains.
            whole = grid in ("standard", "noise") and group.method != "tailored + residual"
            assert has or not whole, group.label
    assert done <= {key for groups in known.values() for group in groups for key in group.keys}


@pytest.mark.skipif(not JAX, reason="one backend's start-up will do")
def test_processes_give_what_one_process_gives(tmp_path):
    def rows(jobs):
        path = tmp_path / f"{jobs}.jsonl"
        command.main(
            ["--smoke", "--tasks", "tabular", "--steps", "20", "--seeds", "1", "--methods",
             "hartley;glorot + residual", "--jobs", str(jobs), "--results", str(path)]
        )  # fmt: skip
        found = [json.loads(line) for line in path.read_text().splitlines()]
        return {
            r["key"]: (r["test"], r["curve"], pytest.approx(r["loss"], rel=1e-4))
            for r in found
            if "key" in r
        }

    one, two = rows(1), rows(2)
    assert len(one) == 2 * 2
    assert two == one


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--smoke", "--methods", "xavier"], "Received: xavier"),
        (["--smoke", "--tasks", "cifar"], "Received: cifar"),
        (["--smoke", "--activations", "relu"], "Received: relu"),
        (["--smoke", "--depths", "deep"], "Received: deep"),
        (["--smoke", "--seeds", "0"], "Received: 0"),
        (["--smoke", "--first-seed", "-1"], "Received: -1"),
        (["--smoke", "--rates", "1e-3;0"], "Received: 1e-3;0"),
        (["--smoke", "--rates", "low"], "Received: low"),
        (["--smoke", "--depths", "7"], "no cell of --smoke passes"),
        ([], "one of the arguments --smoke --standard --everyday --deep --skips --colour"),
    ],
)
def test_bad_arguments_end_with_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_file_that_holds_no_results_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("nothing of the kind\n")
    with pytest.raises(SystemExit, match="line 1 is not JSON"):
        command.main([*SMALL, "--results", str(path)])
    assert path.read_text() == "nothing of the kind\n"


def test_standard_holds_what_the_claims_rest_on():
    groups = command.arguments(["--standard"]).groups
    found = {
        (g.cell.activation, g.cell.depth, g.cell.width, g.cell.optimizer, g.cell.samples, g.method)
        for g in groups
        if g.cell.task == "digits"
    }
    for name, method in methods.METHODS.items():
        # Which ask for the reason of one loss, and have a grid of their own.
        if method.structure == "unit norm" or "noise" in method.tags:
            continue
        for activation in ("tanh", "bipolar_sigmoid"):
            assert (activation, 50, "16/4", "adam", 0, name) in found
        if method.chains:
            assert all(width == "16/4" for _, _, width, _, _, each in found if each == name)
            continue
        for activation in ("tanh", "erf", "softsign", "bipolar_sigmoid"):
            if method.smooth and activation == "softsign":  # whose second derivative jumps
                assert (activation, 50, "32", "adam", 0, name) not in found
                continue
            for depth in (50, 100):
                assert (activation, depth, "32", "adam", 0, name) in found
        for activation in ("tanh", "bipolar_sigmoid"):
            assert (activation, 300, "32", "adam", 0, name) in found
            assert (activation, 50, "32", "sgd", 0, name) in found
            assert (activation, 50, "32", "adam", 100, name) in found
    others = {g.cell.task for grid in grids.GRIDS for g in grids.groups_of(grid, [0])}
    assert others == set(tasks.TASKS) >= {g.cell.task for g in groups}
    assert all(len(g.rates) == 4 and len(g.seeds) == 5 for g in groups)
    assert all(g.cell.steps % grids.EVERY == 0 for g in groups)
    keys = [group.key(*run) for group in groups for run in group.runs]
    assert len(set(keys)) == len(keys)


def test_seeds_and_rates_are_those_that_are_asked_for():
    groups = command.arguments(["--smoke", "--seeds", "3", "--first-seed", "5"]).groups
    assert {group.seeds for group in groups} == {(5, 6, 7)}
    groups = command.arguments(["--standard", "--rates", "3e-5;1e-4"]).groups
    assert {group.rates for group in groups} == {(3e-5, 1e-4)}


def test_chunks_hold_every_group_once_and_share_a_program():
    groups = command.arguments(["--standard"]).groups
    chunks = command.chunks_of(groups, jobs=2)
    assert sorted(map(repr, (g for chunk in chunks for g in chunk))) == sorted(map(repr, groups))
    for chunk in chunks:
        cells = {dataclasses.replace(group.cell, samples=0) for group in chunk}
        assert len(cells) == len({methods.METHODS[g.method].structure for g in chunk}) == 1


def test_an_estimate_times_each_kind_of_network_and_trains_nothing(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(estimate, "pin", lambda: None)  # this process has more tests to run
    path = tmp_path / "none.jsonl"
    hours = command.main(
        ["--smoke", "--tasks", "tabular", "--seeds", "1", "--methods", "hartley;glorot + residual",
         "--jobs", "1", "--estimate", "--results", str(path)]
    )  # fmt: skip
    assert 0 < hours < 1
    printed = capsys.readouterr().out
    assert "tabular" in printed
    assert f"{hours:.2f} hours in all" in printed
    assert not path.exists() or not path.read_text()


def test_a_single_cell_is_work_for_every_core():
    groups = [g for g in command.arguments(["--standard"]).groups if g.cell.task == "tabular"]
    plain = [g for g in groups if methods.METHODS[g.method].structure == "plain"]
    for rest, jobs in itertools.product((plain[:9], plain[:14]), (2, 4)):
        sizes = [len(chunk) for chunk in command.chunks_of(rest, jobs)]
        assert max(sizes) == -(-len(rest) // jobs)
        assert sum(sizes) == len(rest)
    assert max(len(chunk) for chunk in command.chunks_of(plain, 1)) == command.CHUNK
