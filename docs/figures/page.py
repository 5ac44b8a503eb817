"""What the figures of docs/theory.md share: colours, tables, and the way into the page.

A script of this folder draws one picture and prints the tables that the page shows, each between
two comments of Markdown, `<!-- script: name -->` and `<!-- end -->`. Run, it writes both anew.
`make figures` runs all; tests/site/test_theory.py compares the tables with the page.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import special

PAGE = Path(__file__).parent.parent / "theory.md"
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")

# Members of the class, of orders 3, 3, 3, 2, 3 and 5.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "arctan": np.arctan,
    "erf": special.erf,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "bipolar sigmoid": lambda x: np.tanh(x / 2),
    "algebraic, order 4": lambda x: x / (1 + x**4) ** 0.25,
}


def row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def table(head: Iterable[object], rows: Iterable[str]) -> str:
    head = list(head)
    return "\n".join([row(*head), "|" + "---|" * len(head), *rows])


def main(
    script: str, tables: Callable[[], dict[str, str]], draw: Callable[[], Figure] | None = None
) -> None:
    """Draws the picture beside the script, prints the tables and writes them into the page."""
    parser = argparse.ArgumentParser(description="Draws one figure of docs/theory.md.")
    parser.add_argument("--page", type=Path, default=PAGE, help="(%(default)s)")
    page = parser.parse_args().page
    path = Path(script)
    text = page.read_text(encoding="utf-8")
    for name, shown in tables().items():
        print(f"{name}\n\n{shown}\n")
        text = with_table(text, f"{path.stem}: {name}", shown)
    page.write_text(text, encoding="utf-8")
    if draw is not None:
        draw().savefig(path.with_suffix(".png"), dpi=130)


def with_table(text: str, mark: str, shown: str) -> str:
    """The page with the table in its place."""
    found = _between(mark).search(text)
    if found is None:
        raise ValueError(f"The page has no place for a table. Received: {mark}")
    return text[: found.start(1)] + f"\n\n{shown}\n\n" + text[found.end(1) :]


def table_in(text: str, mark: str) -> str:
    """The table as the page shows it."""
    found = _between(mark).search(text)
    return found[1].strip() if found else ""


def _between(mark: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- {re.escape(mark)} -->(.*?)<!-- end -->", re.DOTALL)
