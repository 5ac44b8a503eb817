"""The report's scores, on rows whose answers are known."""

import gzip
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from oddsig_benchmarks.reporting import interval
from oddsig_benchmarks.results import read
from oddsig_benchmarks.trainability.report import claims, command, tailored
from oddsig_benchmarks.trainability.report.page import (
    cell_table,
    comparison_table,
    details_of,
    method_table,
    page_of,
)
from oddsig_benchmarks.trainability.report.scores import cells_of

MACHINE = {
    "environment": "ab",
    "backend": "jax",
    "cpu": "a processor",
    "cores": 2,
    "jobs": 2,
    "python": "3.12",
    "versions": {"keras": "3.15"},
    "date": "2026-01-01",
}
TAGS = {
    "hartley": ["ours", "default"],
    "haar": ["ours"],
    "hartley, scaled input": ["ours", "default"],
    "tailored": ["ours"],
    "glorot normal": ["standard", "gaussian"],
    "lsuv": ["tuned"],
    "fixed .085": ["tuned"],
    "dks": ["tuned"],
    "glorot + layernorm": ["structure"],
    "glorot + residual": ["structure"],
    "tailored + residual": ["ours"],
    "normal noise": ["ablation", "noise"],
    "uniform noise": ["ablation", "noise"],
    "sparse noise, .1": ["ablation", "noise"],
}
SEEDS = range(5)


def row(method, seed, test, rate=1e-3, **options):
    """A run; its curve comes to `test` in three equal strides."""
    made = {
        "task": "digits",
        "activation": "erf",
        "slope": 1.128,
        "depth": 100,
        "width": "32",
        "optimizer": "adam",
        "samples": 0,
        "steps": 60,
        "batch": 64,
        "method": method,
        "tags": TAGS[method],
        "learning_rate": rate,
        "seed": seed,
        "metric": "accuracy",
        "chance": 0.1,
        "test": test,
        "validation": test,
        "loss": 1.0,
        "curve_steps": [20, 40, 60],
        "curve": [test / 3, 2 * test / 3, test] if test is not None else [None] * 3,
        "environment": "ab",
        "seconds_per_step": 0.002 if "structure" in TAGS[method] else 0.001,
        **options,
    }
    return {"key": json.dumps([made[k] for k in sorted(made) if k != "tags"]), **made}


def cell(**tests):
    """The scores of one cell from the test scores of each method, by seed."""
    rows = [
        row(method.replace("_", " "), seed, test)
        for method, values in tests.items()
        for seed, test in zip(SEEDS, values, strict=True)
    ]
    (found,) = cells_of(rows)
    return found


def test_learning_rate_is_chosen_on_the_validation_set():
    rows = [row("lsuv", s, 0.9, 1e-3, validation=0.5) for s in SEEDS]
    rows += [row("lsuv", s, 0.8, 1e-2, validation=0.6) for s in SEEDS]
    rows += [row("lsuv", s, 0.77, 1e-1, validation=0.1) for s in SEEDS]
    rows += [row("lsuv", s, 0.1, 1.0, validation=0.1) for s in SEEDS]
    score = cells_of(rows)[0].scores["lsuv"]
    assert score.rate == 1e-2
    assert score.mean == pytest.approx(0.8)
    # .9 and .77 are within .05 of .8 or above it, .1 is not; and .1 is chance.
    assert score.sensitivity == 0.75
    assert score.failed == 0.25


def test_a_diverged_run_has_learned_nothing():
    rows = [row("lsuv", s, None if s == 0 else 0.9, loss=None if s == 0 else 1.0) for s in SEEDS]
    score = cells_of(rows)[0].scores["lsuv"]
    assert score.test[0] == 0.1
    assert score.failed == 0.2
    assert math.isinf(score.loss[0])
    # The rate at which nothing diverged is chosen, though it is worse elsewhere.
    rows = [row("fixed .085", s, 0.3, 1e-2, loss=2.0) for s in SEEDS] + [
        row("fixed .085", s, None if s else 0.9, validation=None if s else 0.9) for s in SEEDS
    ]
    assert cells_of(rows)[0].scores["fixed .085"].rate == 1e-2


def test_steps_to_the_mark_of_the_best():
    scores = cell(hartley=[0.9] * 5, lsuv=[0.82] * 5, glorot_normal=[0.8] * 5).scores
    assert scores["hartley"].steps == 60
    assert scores["lsuv"].steps == 60  # .82 is above .9 * .9
    assert math.isinf(scores["glorot normal"].steps)
    curves = {"curve": [0.85, 0.86, 0.9]}
    rows = [row("hartley", s, 0.9, **(curves if s < 3 else {})) for s in SEEDS]
    assert cells_of(rows)[0].scores["hartley"].steps == 20  # the median


def test_interval_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(0.5, 0.1, 400)
    low, high = interval(values)
    assert (low, high) == pytest.approx(
        (values.mean() - 0.0098, values.mean() + 0.0098), abs=0.001
    )  # 1.96 * .1 / sqrt(400)
    assert interval(values) == (low, high)
    assert interval(np.array([0.3])) == (0.3, 0.3)
    assert interval(np.array([0.3, 0.3])) == (0.3, 0.3)


def test_comparison_is_paired():
    # The seeds differ far more than the methods, whose order is the same for each.
    noise = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    found = cell(hartley=noise - 0.02, lsuv=noise)
    mean, low, high = found.advantage(found.scores["hartley"], found.scores["lsuv"])
    assert mean == pytest.approx(-0.02)
    assert low <= mean <= high < 0
    assert [c.name for c, _, _ in claims.lost([found])] == ["digits, erf, 100 x 32, adam"]
    assert claims.not_worse([found]).holds is False
    better = cell(hartley=noise + 0.02, lsuv=noise)
    assert claims.lost([better]) == []
    assert claims.not_worse([better]).holds is True
    assert "1 cells; significantly better in 1" in claims.not_worse([better]).numbers


def test_rows_of_an_equation_in_an_older_file_are_left_out(tmp_path, capsys):
    options = {"task": "burgers", "metric": "l2_error", "chance": 1.0}
    older = [row("hartley", s, 0.3, **options) for s in SEEDS]
    rows = [row("hartley", s, 0.9) for s in SEEDS]
    assert [c.name for c in cells_of(older + rows)] == ["digits, erf, 100 x 32, adam"]
    path = tmp_path / "older.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in (MACHINE, *older)))
    with pytest.raises(SystemExit):
        command.main([str(path), "--page", str(tmp_path / "page.md")])
    assert "these files hold no runs" in capsys.readouterr().err


def test_slopes_count_cells_that_train():
    found = cell(hartley=[0.9] * 5, haar=[0.4] * 5, glorot_normal=[0.1] * 5)
    assert found.trains(found.scores["hartley"])
    assert not found.trains(found.scores["haar"])  # .3 of .8 above chance
    assert claims.slopes([found]).holds is True
    both = cell(hartley=[0.9] * 5, glorot_normal=[0.6] * 5)
    assert claims.slopes([both]).holds is False
    assert claims.slopes([found, both]).holds is True
    assert "of the standard ones, glorot normal in 50%" in claims.slopes([found, both]).numbers
    # Who is in some of the cells only does not count as training in all.
    other = cell(haar=[0.9] * 5, hartley=[0.3] * 5, glorot_normal=[0.1] * 5)
    only = cell(hartley=[0.9] * 5, glorot_normal=[0.1] * 5)
    assert claims.slopes([other, only]).holds is False


def test_speed_and_normalization():
    early = {"curve": [0.9, 0.9, 0.9]}
    rows = [row("hartley", s, 0.9, **early) for s in SEEDS]
    rows += [row("glorot normal", s, 0.88) for s in SEEDS]
    rows += [row("glorot + layernorm", s, 0.905) for s in SEEDS]
    cells = cells_of(rows)
    assert claims.half_the_steps(cells).holds is True  # 20 against 60
    assert claims.as_good_as_normalized(cells).holds is True
    rows += [row("glorot + layernorm", s, 0.95, 1e-2) for s in SEEDS]
    assert claims.as_good_as_normalized(cells_of(rows)).holds is False
    slow = [{**r, "curve": [0, 0.9, 0.9]} if r["method"] == "hartley" else r for r in rows]
    assert claims.half_the_steps(cells_of(slow)).holds is False  # 40 against 60


def test_few_samples_beat_every_competitor_by_the_test_set():
    options = {"samples": 100, "depth": 50}
    rows = [row("hartley", s, 0.6, **options) for s in SEEDS]
    rows += [row("lsuv", s, 0.7, validation=0.1, **options) for s in SEEDS]
    rows += [row("glorot normal", s, 0.2, **options) for s in SEEDS]
    assert claims.few_samples(cells_of(rows)).holds is False
    fewer = cells_of([r for r in rows if r["method"] != "lsuv"])
    assert claims.few_samples(fewer).holds is True


def test_comparison_names_the_best_of_each_kind_and_marks_what_is_significant():
    noise = np.array([0.1, 0.3, 0.5, 0.6, 0.8])
    found = cell(
        hartley=noise,
        haar=noise + 0.1,  # ours, and not the one we recommend
        lsuv=noise - 0.1,
        **{"fixed .085": noise - 0.2},
        **{"glorot + layernorm": noise + 0.1 * np.array([1, -1, 1, -1, 0])},
    )
    assert comparison_table([found]).splitlines()[-1] == (
        "| digits, erf, 100 x 32, adam | hartley 0.460 | lsuv 0.360 | **+0.100 [+0.100, +0.100]** "
        "| glorot + layernorm 0.460 | +0.000 [-0.080, +0.080] |"
    )
    rows = {line.split(" | ")[0]: line for line in cell_table(found).splitlines()}
    assert "| +0.100 [+0.100, +0.100] |" in rows["| hartley"].replace("*", "")
    assert " | 0.360 [" in rows["| lsuv"]
    assert "| 100% | " in rows["| lsuv"]
    assert " |  | " in rows["| lsuv"]  # not compared with itself


def test_methods_are_compared_on_the_cells_that_all_have():
    easy = [row(m, s, 0.9) for m in ("hartley", "lsuv") for s in SEEDS]
    hard = [row("hartley", s, 0.3, depth=300) for s in SEEDS]
    table = method_table(cells_of(easy + hard))
    assert "| hartley | 1 | 100% | 0.900 |" in table
    assert "| lsuv | 1 | 100% | 0.900 |" in table
    # One that is for few cells only does not restrict the others to them.
    more = [row(m, s, 0.9, depth=50) for m in ("hartley", "lsuv") for s in SEEDS]
    few = [row("haar", s, 0.8) for s in SEEDS]
    table = method_table(cells_of(easy + few + hard + more))
    assert "| hartley | 2 | 100% | 0.900 |" in table
    assert "haar" not in table


def test_cells_come_in_order_whatever_the_files():
    rows = [
        row("lsuv", 0, 0.5, **options)
        for options in (
            {"task": "tabular"},
            {"task": "mnist"},
            {"samples": 100},
            {"depth": 300},
            {"depth": 50},
        )
    ]
    names = [c.name.removeprefix("digits, erf, ") for c in cells_of(rows)]
    assert names == [
        "50 x 32, adam",
        "300 x 32, adam",
        "100 x 32, adam, 100 samples",
        "mnist, erf, 100 x 32, adam",
        "tabular, erf, 100 x 32, adam",
    ]


def section(rows, environments=(MACHINE,), fresh=()):
    return "\n".join(tailored.tailored_section(cells_of(rows), environments, fresh))


def test_tailor_stands_beside_the_recipe_with_a_verdict_for_each_cell():
    noise = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    rows = []
    for depth, by in ((50, 0.004), (100, -0.02), (300, 0.032)):
        for s, value in zip(SEEDS, noise, strict=True):
            rows.append(row("hartley, scaled input", s, value, depth=depth))
            rows.append(row("tailored", s, value + by, depth=depth))
    # Behind on average, by one seed alone.
    rows += [row("hartley, scaled input", s, 0.5, depth=9) for s in SEEDS]
    rows += [row("tailored", s, 0.51 if s else 0.42, depth=9) for s in SEEDS]
    said = section(rows)
    ends = {line.split(" |")[0]: line.split(" | ")[-2:] for line in said.splitlines()}
    assert ends["| digits, erf, 50 x 32, adam"] == ["within .005", " |"]
    assert ends["| digits, erf, 100 x 32, adam"] == ["**behind**", " |"]
    assert ends["| digits, erf, 300 x 32, adam"] == ["**ahead**", " |"]
    assert ends["| digits, erf, 9 x 32, adam"] == ["behind, not significantly", " |"]
    assert "| digits, erf, 100 x 32, adam | 0.480 | 0.500 | -0.020 [-0.020, -0.020] |" in said
    assert "Within .005 or ahead in 2 of 4 cells, +0.002 on average over all of them" in said
    assert "behind, in 1 of these significantly: digits, erf, 9 x 32, adam (-0.008)" in said
    assert "was run on" not in said


def test_what_the_seeds_alone_do_to_the_recipe_stands_beside_it():
    rows, fresh = [], []
    for depth, by in ((50, 0.002), (100, -0.03)):
        rows += [row("hartley, scaled input", s, 0.5, depth=depth) for s in SEEDS]
        rows += [row("tailored", s, 0.5, depth=depth) for s in SEEDS]
        fresh += [row("hartley, scaled input", s + 5, 0.5 + by, depth=depth) for s in SEEDS]
    said = section(rows, fresh=cells_of(fresh))
    assert "| within .005 | 0.470 |" in said
    assert (
        "is 0.016 away from the table on average over 2 cells, and by more than .005 in 1." in said
    )
    assert "away from the table" not in section(rows)


def test_there_is_no_section_on_tailor_before_it_was_run():
    rows = [row("hartley, scaled input", s, 0.5) for s in SEEDS]
    assert section(rows) == ""
    assert "`tailor`" not in details_of(cells_of(rows), [MACHINE], [], "page.md")
    rows += [row("tailored", s, 0.5) for s in SEEDS]
    said = details_of(cells_of(rows), [MACHINE], [], "page.md")
    assert "## `tailor` against the recipe by hand" in said


def test_the_page_says_when_tailor_was_run_on_another_machine():
    rows = [row("hartley, scaled input", s, 0.5) for s in SEEDS]
    rows += [row("tailored", s, 0.5, environment="cd") for s in SEEDS]
    later = {**MACHINE, "environment": "cd", "date": "2026-02-02"}
    assert "was run on" not in section(rows, (MACHINE, later))
    said = section(rows, (MACHINE, {**later, "cpu": "another processor"}))
    assert "*tailored* was run on another processor (keras 3.15), *hartley, scaled" in said
    assert "input* on a processor (keras 3.15): the same seed" in said


def by_depth(task, **tests):
    """Cells of one task, from test scores by depth and method."""
    rows = [
        row(method, s, value + 0.001 * s, task=task, depth=depth)
        for method, depths in tests.items()
        for depth, value in depths.items()
        for s in SEEDS
    ]
    return cells_of(rows)


def test_everyday_networks_are_compared_with_whoever_is_best():
    ours = {3: 0.95, 20: 0.95, 50: 0.2}
    level = by_depth("digits", **{"hartley": ours, "glorot + layernorm": {3: 0.955, 20: 0.9}})
    assert claims.everyday(level).holds is True
    assert "in 2 of 2; at worst 0.005 behind *glorot + layernorm*" in claims.everyday(level).numbers
    behind = by_depth("digits", **{"hartley": ours, "glorot + layernorm": {3: 0.98, 20: 0.9}})
    assert claims.everyday(behind).holds is False


def test_a_thousand_layers_are_measured_by_a_hundred():
    deep = {100: 0.96, 1_000: 0.95, 10_000: 0.945}
    found = by_depth("digits", hartley=deep, lsuv={1_000: 0.7, 10_000: 0.6})
    assert claims.very_deep(found).holds is True
    assert (
        "erf, 10,000: 0.947 (100 layers: 0.962), +0.345 on lsuv" in claims.very_deep(found).numbers
    )
    ahead = by_depth("digits", hartley=deep, lsuv={1_000: 0.7, 10_000: 0.95})
    assert claims.very_deep(ahead).holds is False
    less = by_depth("digits", hartley={**deep, 10_000: 0.9}, lsuv={1_000: 0.7, 10_000: 0.6})
    assert claims.very_deep(less).holds is False
    assert claims.very_deep(by_depth("digits", hartley=deep)).holds is None


def test_colour_images_transformed_activations_and_skip_connections():
    found = by_depth("cifar10", hartley={50: 0.5}, lsuv={50: 0.45}, dks={50: 0.4})
    assert claims.colour(found).holds is True
    assert claims.transformed(found).holds is True
    assert "in 1 of 1 comparisons; significantly better in 1" in claims.transformed(found).numbers
    worse = by_depth("cifar10", hartley={50: 0.5}, lsuv={50: 0.55}, dks={50: 0.6})
    assert claims.colour(worse).holds is False
    assert claims.transformed(worse).holds is False
    for theirs, holds in ((0.8, True), (0.9, False)):
        rows = [row("glorot + residual", s, theirs, width="16/4") for s in SEEDS]
        rows += [row("tailored + residual", s, 0.85, width="16/4") for s in SEEDS]
        assert claims.with_skips(cells_of(rows)).holds is holds


def test_where_it_was_run_names_an_accelerator_before_the_processor():
    cells = cells_of([row("lsuv", s, 0.5) for s in SEEDS])
    for device, named in (("cpu, 2 CPU cores", "a processor, 2 cores"), ("a GPU", "a GPU")):
        page = page_of(cells, [{**MACHINE, "device": device}], "a.png", "b.md")
        assert f"| jax | {named} |" in page


def test_what_was_not_run_is_not_claimed():
    found = cell(lsuv=[0.5] * 5)
    assert [claim.holds for claim in claims.claims_of([found])] == [None] * 10


def test_page_says_what_the_rows_say(tmp_path, capsys):
    path, page = tmp_path / "runs.jsonl.gz", tmp_path / "docs" / "page.md"
    reading = tmp_path / "reading.md"
    reading.write_text("## What it means\n\nThis and that.\n")
    rows = [row(method, s, 0.5 + 0.01 * s) for method in TAGS for s in SEEDS]
    lines = [json.dumps(each) for each in (MACHINE, *rows, rows[0])]
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n" + lines[1][:30]).encode()))
    command.main([str(path), "--page", str(page), "--reading", str(reading)])
    text = page.read_text()
    assert "a processor, 2 cores" in text
    assert "\n\n## What it means\n\nThis and that.\n\n## Ours against" in text
    assert "lose to a method without normalization: none." in text
    assert text.count("**not measured**") == 5
    assert "(page-cells.md)" in text
    tables = (page.parent / "page-cells.md").read_text()
    assert "### digits, erf, 100 x 32, adam" in tables
    assert "| lsuv | 0.520 [" in tables
    assert "(page.md)" in tables
    for name, where in (
        ("page_depth.png", text),
        ("page_cells.png", tables),
        ("page_training.png", tables),
    ):
        assert f"({name})" in where
        assert (page.parent / name).stat().st_size > 5_000
    assert "does not hold" in capsys.readouterr().out


@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") != "jax", reason="once is enough")
def test_the_committed_page_is_that_of_the_committed_results():
    root = Path(__file__).parent.parent
    docs, results = root / "docs" / "benchmarks", root / "benchmarks" / "results"
    page = (docs / "trainability.md").read_text()
    rows, environments = read([results / "trainability-jax.jsonl.gz"])
    cells = cells_of(rows)
    first, *others = pictures = [
        f"trainability_{name}.png" for name in ("depth", "cells", "training")
    ]
    assert all((docs / name).exists() for name in pictures)
    reading = (results / "trainability-reading.md").read_text().strip()
    fresh, also = read([results / "fresh-seeds-jax.jsonl.gz"])
    environments += [each for each in also if each not in environments]
    assert not {(r["method"], r["seed"]) for r in fresh} & {(r["method"], r["seed"]) for r in rows}
    fresh = cells_of(fresh)
    noisy, also = read([results / "noise-jax.jsonl.gz"])
    environments += [each for each in also if each not in environments]
    noisy = cells_of(noisy)
    tables = (docs / "trainability-cells.md").read_text()
    assert page_of(cells, environments, first, "trainability-cells.md", reading, noisy) == page
    assert details_of(cells, environments, others, "trainability.md", fresh) == tables
    # Each loss has its reason.
    assert all(f"- *{c.name}*" in reading for c, _, _ in claims.lost(cells))


def test_fresh_seeds_are_a_section_of_their_own(tmp_path):
    for name, seeds, ours in (("first", SEEDS, 0.9), ("fresh", range(5, 10), 0.7)):
        lines = [row("hartley", s, ours) for s in seeds] + [row("lsuv", s, 0.8) for s in seeds]
        lines.append({**MACHINE, "environment": name, "cpu": f"the {name} machine"})
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    command.main(
        [str(tmp_path / "first.jsonl"), "--fresh", str(tmp_path / "fresh.jsonl"),
         "--page", str(tmp_path / "page.md")]
    )  # fmt: skip
    page = (tmp_path / "page.md").read_text()
    assert "the first machine, 2 cores" in page
    assert "the fresh machine, 2 cores" in page
    assert "| hartley 0.900 | lsuv 0.800 | **+0.100" in page
    after = (tmp_path / "page-cells.md").read_text().split("## With fresh seeds\n")[1]
    section = after.split("## Method by method")[0]
    assert "seeds 5 to 9, with which nothing was chosen, of *hartley*, *lsuv*" in section
    assert "better than the best of these without normalization in 0 of 1 cells" in section
    assert "and worse in 1." in section
    assert "| hartley 0.700 | lsuv 0.800 | **-0.100" in section


def test_noise_is_compared_with_normal_noise_seed_by_seed(tmp_path):
    normal = (0.5, 0.6, 0.7, 0.8, 0.9)
    wrong = (0.1, -0.1, 0.1, -0.1, 0.05)
    rows = []
    for depth, worse in ((50, (-0.02, -0.02, -0.03, -0.03, -0.04)), (100, wrong)):
        for s in SEEDS:
            rows.append(row("normal noise", s, normal[s], depth=depth))
            rows.append(row("uniform noise", s, normal[s], depth=depth))
            rows.append(row("sparse noise, .1", s, normal[s] + worse[s], depth=depth))
    ours, noisy, page = (tmp_path / name for name in ("ours.jsonl", "noise.jsonl", "page.md"))
    noisy.write_text(
        "".join(json.dumps(r) + "\n" for r in [{**MACHINE, "environment": "n"}, *rows])
    )
    ours.write_text("".join(json.dumps(row("lsuv", s, 0.5)) + "\n" for s in SEEDS))
    command.main([str(ours), "--noise", str(noisy), "--page", str(page)])
    section = page.read_text().split("## Does the noise's distribution matter?\n")[1]
    assert "standard deviation over 5 seeds" in section
    assert "a processor, 2 cores" in section  # where it was run
    header, _, first, second, over = [x for x in section.splitlines() if x.startswith("|")][:5]
    assert header == "| cell | normal noise | uniform noise | sparse noise, .1 |"
    assert "| 0.700 ± 0.158 | 0.700 ± 0.158, +0.000 ± 0.000 |" in first
    assert "**-0.028 ± 0.004** |" in first
    assert ", +0.010 ± 0.046 |" in second
    assert over.endswith("|  | +0.000 ± 0.000 | -0.009 ± 0.019 |")
    assert "one by one: 1 of 4 differences, where chance alone would make 0.2." in section


@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") != "jax", reason="once is enough")
def test_command_imports_no_backend_and_runs_from_any_folder(tmp_path):
    folder = Path(__file__).parent.parent / "benchmarks"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", folder / "trainability_report.py", "none.jsonl"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert "no such file. Received: none.jsonl" in done.stderr
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "oddsig_benchmarks.trainability.report.scores" in imported
    assert not imported & {"keras", "jax", "keras_oddsig"}


def test_bad_files_end_with_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main([str(tmp_path / "none.jsonl")])
    assert "no such file" in capsys.readouterr().err
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{]\n{}\n")
    with pytest.raises(SystemExit, match="line 1 is not JSON"):
        command.main([str(broken)])
