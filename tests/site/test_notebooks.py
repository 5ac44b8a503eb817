"""The tutorials: each notebook is made from its source, was run, and runs on one backend."""

from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

import notebooks

# The backend of each, in turn, and how much shorter it runs here.
RUNS = {
    "1_hundred_layers": (
        "jax",
        {"DEPTH": 60, "EPOCHS": 3, "VERY_DEEP": 300, "VERY_DEEP_EPOCHS": 3},
    ),
    "2_watch_the_signal": ("torch", {"EPOCHS": 4}),
    "3_physics_informed": (
        "jax",
        {"DEPTH": 10, "POINTS": 100, "ADAM_STEPS": 20, "LBFGS_STEPS": 20, "DRAWS": 1},
    ),
    "4_sequences": ("tensorflow", {"DRAWS": 1, "BATCHES": 2, "SEEDS": 1}),
    "5_your_own_activation": ("torch", {"DEPTH": 20, "WIDTH": 128, "EPOCHS": 1}),
    "6_your_own_model": ("tensorflow", {"EPOCHS": 4}),
}
SOURCES = notebooks.sources()
each = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)


def committed(source):
    return nbformat.read(source.with_suffix(".ipynb"), as_version=4)


def without_outputs(notebook):
    return [(c.id, c.cell_type, c.source, c.metadata) for c in notebook.cells], notebook.metadata


@each
def test_the_notebook_is_what_its_source_makes(source):
    assert without_outputs(committed(source)) == without_outputs(notebooks.made_from(source))


@each
def test_it_was_run_whole_and_is_small(source):
    notebook = committed(source)
    assert notebooks.problems(notebook) == []
    assert any(cell.get("outputs") for cell in notebook.cells)


@each
def test_it_begins_with_a_title_and_the_install_cell(source):
    first, second = committed(source).cells[:2]
    assert first.source.startswith("# ")
    assert second.source == notebooks.INSTALL.rstrip("\n")


@each
def test_it_runs(source, tmp_path, monkeypatch):
    backend, parameters = RUNS[source.stem]
    if backend == "jax":  # as in the suite of the package: what XLA does least to is ready soonest
        monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    notebook = notebooks.made_from(source)
    if parameters:
        notebook = notebooks.with_parameters(notebook, parameters)
    notebooks.execute(notebook, backend, tmp_path, OMP_NUM_THREADS="1")
    assert notebooks.problems(notebook) == []
    assert any("assert " in cell.source for cell in notebook.cells)


def small(tmp_path, code):
    path = tmp_path / "small.py"
    path.write_text('# %% tags=["parameters"]\nN = 400\n\n# %%\n' + code)
    return notebooks.made_from(path)


def test_a_claim_that_does_not_hold_fails(tmp_path):
    notebook = notebooks.with_parameters(small(tmp_path, "assert N == 400"), {"N": 4})
    with pytest.raises(CellExecutionError, match="AssertionError"):
        notebooks.execute(notebook, "torch", tmp_path)


def test_outputs_that_warn_or_differ_are_seen(tmp_path):
    code = "import sys, warnings\nprint(object())\nwarnings.warn('no')\nprint(1, file=sys.stderr)"
    notebook = small(tmp_path, code)
    notebooks.execute(notebook, "torch", tmp_path)
    found = " ".join(notebooks.problems(notebook))
    assert "an address" in found
    assert "UserWarning: no" in found


def test_parameters_must_be_there(tmp_path):
    with pytest.raises(ValueError, match=r"Received: \['STEPS'\]"):
        notebooks.with_parameters(small(tmp_path, "N"), {"STEPS": 1})
    notebook = small(tmp_path, "N")
    del notebook.cells[0]
    with pytest.raises(ValueError, match="Received: 0"):
        notebooks.with_parameters(notebook, {"N": 1})


def test_the_install_cell_installs_nothing_where_all_is_there(tmp_path):
    code = notebooks.INSTALL.replace("    %pip", "    # %pip") + "assert not missing"
    notebooks.execute(small(tmp_path, code), "torch", tmp_path)


def test_the_install_cell_finds_a_checkout(tmp_path):
    """From its root and from `examples`; elsewhere it takes the index."""
    lines = notebooks.INSTALL.replace("%pip install -q", "chosen =").replace(
        '"{package}"', "package"
    )
    lines = lines.replace('"matplotlib"', '"no_such_package"')
    found = []
    for folder in (notebooks.ROOT, notebooks.EXAMPLES, tmp_path):
        notebook = small(tmp_path, lines + "print(chosen)")
        notebooks.execute(notebook, "torch", Path(folder))
        found.append(notebook.cells[-1].outputs[0].text.strip())
    assert found == [f"{place}[examples,tensorboard]" for place in (".", "..", "keras-oddsig")]
