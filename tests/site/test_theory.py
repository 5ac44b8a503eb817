"""The tables of docs/theory.md are what its scripts print, and each picture has its script."""

import importlib
import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent.parent / "docs"
FIGURES = DOCS / "figures"
PAGE = (DOCS / "theory.md").read_text(encoding="utf-8")
MARKS = re.findall(r"<!-- (\w+): (\w+) -->", PAGE)
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*(?:e[+-]\d+)?")


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(FIGURES))
    yield
    for path in FIGURES.glob("*.py"):
        sys.modules.pop(path.stem, None)


def last_digit(number: str) -> float:
    """What one unit in the last place is worth that is shown."""
    mantissa, _, exponent = number.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


@pytest.mark.parametrize("script", sorted({script for script, _ in MARKS}))
def test_tables_are_those_that_the_script_prints(script):
    page, module = importlib.import_module("page"), importlib.import_module(script)
    tables = module.tables()
    assert set(tables) == {name for each, name in MARKS if each == script}
    for name, printed in tables.items():
        shown = page.table_in(PAGE, f"{script}: {name}")
        assert NUMBER.sub("#", shown) == NUMBER.sub("#", printed)
        for there, here in zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True):
            # Rounding may differ between processors, and a random network amplifies it.
            expected = pytest.approx(float(here.replace(",", "")), abs=1.5 * last_digit(here))
            assert float(there.replace(",", "")) == expected, (name, there, here)


def test_each_picture_of_the_page_has_its_script_and_each_script_its_place():
    pictures = re.findall(r"\]\(figures/(\w+)\.png\)", PAGE)
    scripts = {p.stem for p in FIGURES.glob("*.py") if "    main(__file__" in p.read_text()}
    assert set(pictures) | {script for script, _ in MARKS} == scripts
    assert {path.stem for path in FIGURES.glob("*.png")} == set(pictures)
    assert all((FIGURES / f"{name}.py").exists() for name in pictures)
