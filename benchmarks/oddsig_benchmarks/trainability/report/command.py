"""The command line: which results become which page.

Reading, scoring, writing and drawing are in the other rooms.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ... import arguments as types
from ...claims import Claim
from ...results import Row, read
from .claims import claims_of
from .page import details_of, page_of
from .pictures import draw
from .scores import CellScores, cells_of


def main(argv: list[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(
        description="Scores the runs of the trainability benchmark and writes the page about them."
    )
    parser.add_argument("results", nargs="+", type=types.existing, help="of trainability.py")
    types.add_page(parser, "docs/benchmarks/trainability.md")
    types.add_reading(parser)
    for name, said in (("fresh", "of other seeds"), ("noise", "of the grid --noise")):
        parser.add_argument(
            f"--{name}", type=types.existing, metavar="FILE", help=f"results {said}, for a section"
        )
    args = parser.parse_args(argv)
    rows, environments = read(args.results)
    cells = cells_of(rows)
    if not cells:
        parser.error("these files hold no runs")
    fresh, noise = (_also(path, environments) for path in (args.fresh, args.noise))
    page: Path = args.page
    page.parent.mkdir(parents=True, exist_ok=True)
    first, *others = draw(cells, page)
    details = page.with_stem(f"{page.stem}-cells")
    page.write_text(page_of(cells, environments, first, details.name, args.reading, noise))
    details.write_text(details_of(cells, environments, others, page.name, fresh))
    claims = claims_of(cells)
    for claim in claims:
        print(f"{claim.verdict:13}", claim.text, claim.numbers, sep=" | ")
    print(page)
    return claims


def _also(path: Path | None, environments: list[Row]) -> list[CellScores]:
    """The cells of a file for a section, if any; its environments join the others."""
    rows, also = read([path]) if path else ([], [])
    environments += [each for each in also if each not in environments]
    return cells_of(rows)
