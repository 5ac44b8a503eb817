"""The examples of the README and of the docstrings run."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("block", range(len(BLOCKS)))
def test_readme_block_runs_and_prints_what_it_says(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(BLOCKS[block], {})
    printed = capsys.readouterr().out.splitlines()
    for said in re.findall(r"^print\(.*\)  # (healthy|<.*>)$", BLOCKS[block], re.MULTILINE):
        assert said in printed


def test_readme_has_blocks_and_they_save_a_model():
    assert len(BLOCKS) == 6
    assert "load_model" in BLOCKS[0]


@pytest.mark.parametrize(
    "module",
    [
        "solver",
        "activations",
        "initializers",
        "signal",
        "tailoring",
        "callbacks",
        "plotting",
        "cli",
        "layers",
    ],
)
def test_docstring_examples_print_what_they_say(module):
    import keras

    attempted = 0
    for source in _with_submodules(importlib.import_module(f"keras_oddsig.{module}")):
        results = doctest.testmod(source, extraglobs={"keras": keras})
        assert results.failed == 0
        attempted += results.attempted
    assert attempted > 5 or module in ("initializers", "cli", "layers")


def _with_submodules(module):
    """A module and, if it is a package, every module in it: doctest reads one at a time."""
    inside = pkgutil.walk_packages(getattr(module, "__path__", []), f"{module.__name__}.")
    return [module, *(importlib.import_module(each.name) for each in inside)]


def test_page_and_docstring_say_alike_which_initializer_when():
    from keras_oddsig import initializers

    section = (ROOT / "docs" / "guides" / "initializers.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    docstring = " ".join(initializers.__doc__.split())
    said = [f"- {network}: {kernels}" for network, kernels in rows[2:8]]
    assert rows[0] == ["network", "initialize with"]
    assert all(each in docstring for each in said), said
