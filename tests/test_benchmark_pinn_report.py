"""The report on physics-informed networks: scores, on rows whose answers are known."""

import dataclasses
import gzip
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oddsig_benchmarks.pinn import cells
from oddsig_benchmarks.pinn.report import command, page, paper, scores, tailored

FAMILIES = {
    "glorot uniform": "standard",
    "orthogonal": "standard",
    "rotation 1": "rotation",
    "few inputs, rotation": "few inputs",
    "candidate": "candidate",
    "tailored": "tailored",
}


def row(method, seed, error, equation="burgers", rate=1e-3, **options):
    setting = dataclasses.asdict(cells.Cell(equation, 5, 32, 2000))
    columns = ("loss_start", "u_x", "u_xx", "loss_adam", "error_adam", "loss", "loss_fresh")
    made = {
        **setting, "method": method, "family": FAMILIES[method], "learning_rate": rate,
        "seed": seed, **dict.fromkeys(columns, error), "error": error,
        "seconds_adam": 1.0, "seconds_lbfgs": 2.0, **options,
    }  # fmt: skip
    return {"key": f"{equation}|{method}|{rate}|{seed}", "environment": "ab", **made}


ROWS = [
    *(row("glorot uniform", seed, error) for seed, error in enumerate((0.1, 0.4, 0.2))),
    *(row("orthogonal", seed, error) for seed, error in enumerate((0.3, None, None))),
    *(row("rotation 1", seed, error) for seed, error in enumerate((0.3, 0.5, 0.4))),
    row("rotation 1", 0, 0.1, equation="diffusion"),
    row("glorot uniform", 0, 0.2, equation="diffusion"),
]


def test_scores_are_medians_over_seeds_and_what_diverges_is_worst():
    of_burgers, _ = scores.cells_of(ROWS)
    assert list(of_burgers.scores) == ["glorot uniform", "rotation 1", "orthogonal"]
    spread = of_burgers.scores["glorot uniform"].spread("error")
    assert spread == (0.2, 0.1, 0.4)
    assert of_burgers.scores["orthogonal"].spread("error").median == math.inf
    assert of_burgers.ratio(of_burgers.scores["rotation 1"], "error") == pytest.approx(2)
    assert of_burgers.best("error", lambda score: score.ours).method == "rotation 1"


def test_a_method_is_scored_at_its_best_rate():
    rows = [row("rotation 1", seed, 0.5, rate=1e-2) for seed in range(3)]
    (scored,) = scores.cells_of([*rows, row("rotation 1", 0, 0.1)])
    assert scored.scores["rotation 1"].spread("error").median == 0.1


def test_the_page_says_where_ours_lose_what_is_missing_and_what_the_paper_has(tmp_path):
    machine = {
        "environment": "ab", "backend": "jax", "cpu": "a processor", "cores": 2, "jobs": 1,
        "python": "3.12", "versions": {"keras": "3.15"}, "date": "2026-01-01", "device": "cpu",
    }  # fmt: skip
    results, path = tmp_path / "results.jsonl.gz", tmp_path / "page.md"
    text = "\n".join(json.dumps(each) for each in (machine, *ROWS))
    results.write_bytes(gzip.compress(text.encode()))
    command.main([str(results), "--page", str(path)])
    said = path.read_text()
    assert "best of the other plain networks *glorot uniform* with 0.2: rotation 1 0.4" in said
    assert "*glorot uniform* with 0.2: none of ours has a larger error" in said
    assert "| rotation 1 | **2** | 0.5 |" in said
    assert "- poisson, 30 x 16, 2000 points, Adam 300, L-BFGS 300: no run" in said
    assert "- burgers, 5 x 32, 2000 points, Adam 300, L-BFGS 300: 3 methods, 3 seeds each" in said
    assert "- diffusion, 5 x 32, 2000 points, Adam 300, L-BFGS 300: 1 of 3 methods" in said
    assert "| burgers 5x32 | 0.011 | 0.0041 | 2000 | 0.2 [0.1, 0.4] |  | rotation 1: " in said


def test_what_is_recommended_stands_beside_what_people_begin_with():
    rows = [row("glorot uniform", seed, 0.2) for seed in range(2)]
    rows += [row("few inputs, rotation", seed, error) for seed, error in enumerate((0.02, 0.08))]
    said = page.recommended(scores.cells_of(rows))
    assert "| burgers 5x32 | few inputs, rotation | 2 | 0.05 (4) | 0.05 (4) | 4 |" in said
    assert "| burgers 5x32 | glorot uniform | 2 | 0.2 | 0.2 | 1 |" in said


def test_a_cell_of_another_budget_is_told_apart_and_not_compared_with_the_paper():
    rows = [row("glorot uniform", 0, 0.2), row("glorot uniform", 0, 0.1, lbfgs=2000)]
    found = scores.cells_of(rows)
    assert "| glorot uniform | 1 | 1 |" in page.ratios(found, "error")
    assert "| method | burgers 5x32 | burgers 5x32, L-BFGS 2000 |" in page.ratios(found, "error")
    assert sum("| burgers 5x32 |" in each for each in page.beside_the_paper(found)) == 1
    assert not any("L-BFGS 2000" in each for each in page.beside_the_paper(found))


def test_runs_of_two_precisions_are_not_mixed(tmp_path, capsys):
    path = tmp_path / "results.jsonl"
    doubled = {**row("glorot uniform", 0, 0.1), "key": "pinn 1 float64|burgers|0"}
    path.write_text("\n".join(json.dumps(each) for each in (ROWS[0], doubled)) + "\n")
    with pytest.raises(SystemExit):
        command.main([str(path), "--page", str(tmp_path / "page.md")])
    assert "float32 and in float64" in capsys.readouterr().err


def test_errors_are_sorted_by_the_roughness_of_the_start():
    smooth = {"equation": "poisson1d"}
    rows = [row("glorot uniform", seed, 0.2, **smooth, u_xx=0.1) for seed in range(3)]
    rows += [row("rotation 1", seed, 0.8, **smooth, u_xx=9.0) for seed in range(3)]
    rows += [row("rotation 1", 9, None, **smooth, u_xx=70.0)]
    said = "\n".join(page.roughness(scores.cells_of([*ROWS, *rows])))
    assert "| 0 to 0.25 | 3 | 1 | 1 | 1 |" in said
    assert "| 8 to 12 | 3 | 4 | 4 | 4 |" in said
    assert "| 50 and more | 1 | inf | inf | inf |" in said


def test_what_was_chosen_is_shown_with_the_seeds_that_chose(tmp_path):
    choice = scores.cells_of([row("glorot uniform", 100, 0.2), row("candidate", 101, 0.1)])
    said = "\n".join(page.how_it_was_chosen(choice))
    assert "On seeds 100 to 101" in said
    assert "| candidate | 0.5 |" in said


def test_the_papers_figures_are_looked_up_by_network():
    assert paper.losses("burgers", 30, 16) == (9.71e-3, 9.31e-4)
    assert paper.losses("poisson", 80, 16) == (2.55e-1, 6.01e-2)
    assert paper.losses("poisson", 80, 32) is None
    assert paper.losses("burgers", 7, 16) is None
    assert all(len(row) == 8 for rows in paper.LOSSES.values() for row in rows)


def test_tailor_stands_beside_the_initializers_with_a_verdict_for_each_cell():
    machine = {"environment": "ab", "cpu": "a processor", "versions": {"keras": "3.15"}}
    other = {**machine, "environment": "cd", "cpu": "another"}
    rows = []
    for equation, loss in (("burgers", 0.3), ("diffusion", 0.01), ("poisson", 0.9)):
        for seed, by_hand in enumerate((0.1, 0.2, 0.4)):
            rows.append(row("few inputs, rotation", seed, by_hand, equation=equation))
            rows.append(row("tailored", seed, 0.1, equation=equation, loss=loss))
    said = "\n".join(tailored.tailored_section(scores.cells_of(rows), [machine]))
    assert "| burgers 5x32 | 3 | 0.3 [0.3, 0.3] | 0.2 [0.1, 0.4] | 1.5 | 0.5 | within the" in said
    assert "| 0.05 | 0.5 | **below them** |" in said
    assert "| 4.5 | 0.5 | **above them** |" in said
    assert "Within the seeds or below them in 2 of 3 cells; above: poisson 5x32 (4.5)." in said
    assert "was run on" not in said
    rows = [{**r, "environment": "cd"} if r["method"] == "tailored" else r for r in rows]
    said = "\n".join(tailored.tailored_section(scores.cells_of(rows), [machine, other]))
    assert "*tailored* was run on another (keras 3.15), *few inputs, rotation* on a proc" in said


def test_there_is_no_section_on_tailor_before_it_was_run():
    found = scores.cells_of([row("few inputs, rotation", 0, 0.1)])
    assert tailored.tailored_section(found, []) == []
    assert "`tailor`" not in page.page_of(found, [], [], 1)


@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") != "jax", reason="once will do")
def test_a_report_needs_no_backend():
    code = (
        "import sys; from oddsig_benchmarks.pinn.report.command import main\n"
        "assert not {'keras', 'jax', 'torch', 'tensorflow'} & set(sys.modules)"
    )
    benchmarks = Path(__file__).parent.parent / "benchmarks"
    subprocess.run([sys.executable, "-c", code], cwd=benchmarks, check=True)
