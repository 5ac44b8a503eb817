"""The code of the README, of the documentation's pages and of the docstrings runs."""

import doctest
import importlib
import os
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
# The README, and every page that has code but those of the benchmarks, which are made from runs.
PAGES = [
    path
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
    if "```python" in path.read_text() and path.parent.name != "benchmarks"
]
# Each page on one backend, in turn; the README, which comes first, on all.
BACKENDS = ("jax", "tensorflow", "torch")
MINE = [PAGES[0], *PAGES[1 + BACKENDS.index(os.environ.get("KERAS_BACKEND", "jax")) :: 3]]


def blocks_of(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", MINE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_code_of_a_page_runs_and_prints_what_it_says(page, tmp_path, monkeypatch, capsys):
    import keras

    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    try:
        for block in blocks_of(page):
            exec(block, names)
    finally:
        keras.config.set_dtype_policy("float32")
    printed = capsys.readouterr().out.splitlines()
    # `print(...)  # what it prints`, or `# what it prints: what that means`.
    for said in re.findall(r"^ *print\(.*\)  # (.*)$", "".join(blocks_of(page)), re.MULTILINE):
        assert said in printed or said.split(": ")[0] in printed, said


def test_pages_have_code_and_say_what_it_prints():
    code = {page.name: "".join(blocks_of(page)) for page in PAGES}
    assert len(code) > 12
    assert "load_model" in code["saving.md"]


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

    section = (DOCS / "guides" / "initializers.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    docstring = " ".join(initializers.__doc__.split())
    said = [f"- {network}: {kernels}" for network, kernels in rows[2:8]]
    assert rows[0] == ["network", "initialize with"]
    assert all(each in docstring for each in said), said
