"""What the documentation lists is what there is. No backend is imported here."""

import argparse
import ast
import json
import re
from pathlib import Path

import pytest

import pypi_readme
from keras_oddsig import cli
from site_pages import page_of_notebook

ROOT = Path(__file__).parents[2]
EXAMPLES, BENCHMARKS, DOCS = ROOT / "examples", ROOT / "benchmarks", ROOT / "docs"


def listed(folder):
    text = (folder / "README.md").read_text()
    return sorted(re.findall(r"^\| \[[^\]]*\]\(([^)]*)\)", text, re.MULTILINE))


def test_every_example_is_listed():
    scripts = [*EXAMPLES.glob("[!0-9]*.py"), *EXAMPLES.glob("*/*.py"), *EXAMPLES.glob("*.ipynb")]
    assert listed(EXAMPLES) == sorted(path.relative_to(EXAMPLES).as_posix() for path in scripts)


def test_every_benchmark_is_listed():
    scripts = [*BENCHMARKS.glob("*.py"), *BENCHMARKS.glob("*.sh")]
    assert listed(BENCHMARKS) == sorted(path.name for path in scripts)


def test_no_script_is_over_450_lines():
    scripts = [path for folder in (EXAMPLES, BENCHMARKS, DOCS, ROOT / "tools")
               for path in folder.rglob("*.py")]  # fmt: skip
    assert len(scripts) > 100
    assert [path for path in scripts if len(path.read_text().splitlines()) > 450] == []


def test_on_pypi_the_readme_leads_to_the_repository():
    text = (ROOT / "README.md").read_text()
    address = "https://github.com/someone/something"
    led = pypi_readme.led(text, address, "v1.2.3")
    assert f"]({address}/raw/v1.2.3/docs/images/quickstart.png)" in led
    assert f"]({address}/blob/v1.2.3/docs/index.md#where-it-comes-from)" in led
    assert "](https://arxiv.org/abs/2509.23085)" in led
    assert re.findall(r"\]\((?!https://)", led) == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("[!0-9]*.py")), ids=lambda path: path.stem)
def test_a_script_says_for_whom_it_is_and_how_long_it_runs(path):
    said = ast.get_docstring(ast.parse(path.read_text()))
    assert re.search(r"For (a first look|who|those)", said), path
    assert re.search(r"(minute|second)s?\b", said), path


def test_the_reference_of_the_command_has_every_option():
    page = (DOCS / "api" / "command-line.md").read_text()
    sections = dict(re.findall(r"^## `keras-oddsig (\w+).*?`\n(.*?)(?=^## )", page, re.M | re.S))
    (commands,) = [
        action
        for action in cli._parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    ]
    assert sections.keys() == commands.choices.keys()
    for name, parser in commands.choices.items():
        options = [option for action in parser._actions for option in action.option_strings]
        rows = [
            line.split("|")[1] for line in sections[name].splitlines() if line.startswith("| `")
        ]
        assert sorted(re.findall(r"`(-[-\w]*)`", "".join(rows))) == sorted(
            set(options) - {"-h", "--help"}
        )


def test_the_table_of_activations_is_that_of_the_committed_figures():
    page = (DOCS / "benchmarks" / "index.md").read_text()
    rows = re.findall(r"^\| `([A-Z]\w+(?:\(\d\))?)` \| (.*) \|$", page, re.MULTILINE)
    assert len(rows) == 8
    for name, cells in rows:
        for backend, cell in zip(("jax", "tensorflow", "torch"), cells.split(" | "), strict=True):
            file = BENCHMARKS / "results" / f"activations-{backend}.json"
            times = json.loads(file.read_text())["times"].values()
            assert cell == " / ".join(f"{each[name]:.2f}" for each in times)


def test_a_notebook_becomes_a_page(tmp_path):
    picture = "iVBORw0KGgo="
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["\x1b[1ma\x1b[0m\n", "b\n"]},
        {"output_type": "display_data", "data": {"image/png": picture, "text/plain": "<Figure>"}},
        {"output_type": "execute_result", "data": {"text/plain": "3"}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "See [theory](../docs/faq.md)."]},
        {"cell_type": "code", "source": "1 + 2", "outputs": outputs},
        {"cell_type": "code", "source": "", "outputs": []},
    ]
    path = tmp_path / "7_some.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    text, pictures = page_of_notebook(path)
    assert text.startswith("# Title\nSee [theory](../faq.md).\n")
    assert '<a href="../7_some.ipynb" download>' in text
    assert "```python\n1 + 2\n```" in text
    assert "``` { .text .output }\na\nb\n```" in text
    assert "``` { .text .output }\n3\n```" in text
    assert list(pictures) == ["7_some_1_0.png"]
    assert "](7_some_1_0.png)" in text
