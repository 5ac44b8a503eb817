"""The matrix of versions: what it reads from pyproject.toml, and what it says. Nothing is run."""

import dataclasses
import json
import re
import sys

import pytest
from packaging.version import Version

import matrix

MADE_UP = {
    "name": "made-up",
    "dependencies": ["keras>=3.12", "numpy>=1.26,<3"],
    "optional-dependencies": {
        "torch": ["torch>=2.4"],
        "plot": ["matplotlib[some]>=3.8", "unbounded"],
        "test": ["made-up[plot]", "torch==2.13.0"],
    },
}


def test_bounds_follow_extras_that_name_extras():
    assert matrix.bounds(MADE_UP) == {"keras": Version("3.12"), "numpy": Version("1.26")}
    assert matrix.bounds(MADE_UP, ["test"]) == {
        "keras": Version("3.12"),
        "numpy": Version("1.26"),
        "matplotlib": Version("3.8"),
        "torch": Version("2.13.0"),
    }


def test_every_requirement_has_a_lower_bound():
    table = matrix.project()
    extras = table["optional-dependencies"]
    assert set(matrix.BACKENDS) < set(extras)
    names = {requirement.name for requirement in matrix.requirements(table, extras)}
    assert names == set(matrix.bounds(table, extras))


def test_the_page_on_installing_names_the_same_bounds():
    text = (matrix.ROOT / "docs" / "get-started.md").read_text()
    said = r"Python {0} or later, Keras {0} or later,\s+"
    said += r"JAX {0}, TensorFlow {0} or PyTorch {0} or later"
    python, *others = re.search(said.format(r"([\d.]+)"), text).groups()
    table = matrix.project()
    assert table["requires-python"] == f">={python}"
    bounds = matrix.bounds(table, matrix.BACKENDS)
    assert [bounds[name] for name in ("keras", *matrix.BACKENDS)] == list(map(Version, others))


def test_only_an_interpreter_that_starts_is_found(tmp_path):
    assert matrix.release(sys.executable) == ".".join(map(str, sys.version_info[:3]))
    assert matrix.release("python3.0") == ""
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert matrix.release(str(shim)) == ""


def test_the_table_says_what_failed_and_what_is_above_its_bound(tmp_path):
    results = tmp_path / "test-torch.xml"
    results.write_text(
        "<testsuites><testsuite>"
        '<testcase classname="tests.test_a" name="test_1"/>'
        '<testcase classname="tests.test_a" name="test_2[x]"><failure/></testcase>'
        '<testcase classname="tests.test_b" name="test_3"><error/></testcase>'
        '<testcase classname="tests.test_b" name="test_4"><skipped/></testcase>'
        "</testsuite></testsuites>"
    )
    versions = {"torch": "2.4.0+cpu", "keras": "3.12.0", "numpy": "2.0.0"}
    row = matrix.Row("3.13.0", "oldest", "torch", versions)
    matrix.count(results, row)
    table = {**MADE_UP, "optional-dependencies": {"torch": ["torch>=2.4"]}}
    text = matrix.section([row], ["python3.12"], {**table, "name": "made-up"})
    assert (
        "| 3.13.0 | oldest | torch 2.4.0+cpu, keras 3.12.0, numpy 2.0.0\\* | 1 | 2 | 1 "
        "| `tests.test_a::test_2[x]` |"
    ) in text.splitlines()
    assert text.endswith("not found: python3.12.")


@pytest.mark.parametrize("before", [0, 3])
def test_a_run_that_leaves_no_results_has_failed(tmp_path, before):
    row = matrix.Row("3.11.7", "newest", "jax", passed=before)
    matrix.count(tmp_path / "test-jax.xml", row)
    assert (row.passed, row.failed, row.first) == (before, 1, "test-jax did not end")


def test_a_report_is_of_what_was_kept_and_runs_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(matrix, "FOLDER", tmp_path)
    row = matrix.Row(matrix.release(sys.executable), "oldest", "torch", passed=1_234, failed=1)
    matrix.folder_of(row).mkdir()
    (matrix.folder_of(row) / "row.json").write_text(json.dumps(dataclasses.asdict(row)))
    page = tmp_path / "page.md"
    assert matrix.main(["--report", "--python", sys.executable, "--page", str(page)]) == 1
    assert "| oldest | torch | 1,234 | 1 | 0 |" in page.read_text()
    assert "newest |" not in page.read_text()


def test_a_part_of_the_tests_is_not_for_the_page(tmp_path, capsys):
    with pytest.raises(SystemExit):
        matrix.main(["--tests", "tests/test_seeds.py", "--page", str(tmp_path / "page.md")])
    assert "--page is for whole runs" in capsys.readouterr().err


def test_the_page_keeps_what_it_says_of_environments_that_were_not_run():
    versions = {"jax": "0.8.0", "keras": "3.12.0", "numpy": "2.0.0"}
    rows = [
        matrix.Row("3.12.1", "newest", "torch", {"torch": "2.13.0"}),
        matrix.Row("3.9.2", "oldest", "torch"),
        matrix.Row(
            "3.12.1", "newest", "jax", versions, failed=2, first="tests.test_a::test_1[x|y]"
        ),
        matrix.Row("3.12.1", "oldest", "tensorflow"),
    ]
    table = matrix.project()
    before = matrix.section(rows, [], table)
    again = matrix.Row("3.12.7", "newest", "jax", versions, passed=3)
    lines = [each for each in before.splitlines() if each.startswith("| 3.")]
    assert [matrix.place_of(each)[1:] for each in lines] == [(0, 2), (0, 1), (1, 0), (1, 2)]
    after = matrix.section([again], [], table, before).splitlines()
    lowest = matrix.bounds(table, matrix.BACKENDS)
    assert [each for each in after if each.startswith("| 3.")] == [
        *lines[:2],
        matrix.line(again, lowest),
        lines[3],
    ]
