"""The command line: which results become which page.

Reading, scoring, writing and drawing are in the other rooms.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...results import Row, read
from .claims import Claim, claims_of
from .page import details_of, page_of
from .pictures import draw
from .scores import CellScores, cells_of


def main(argv: list[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(
        description="Scores the runs of the trainability benchmark and writes the page about them."
    )
    parser.add_argument("results", nargs="+", type=Path, help="of trainability.py")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("docs/benchmarks/trainability.md"),
        help="the page; its long tables go beside it, into one that ends in -cells (%(default)s)",
    )
    parser.add_argument("--reading", type=Path, help="Markdown that the page takes in")
    parser.add_argument("--fresh", type=Path, help="results of other seeds, for a section")
    parser.add_argument("--noise", type=Path, help="results of the grid --noise, for a section")
    args = parser.parse_args(argv)
    for path in (*args.results, *filter(None, (args.reading, args.fresh, args.noise))):
        if not path.exists():
            parser.error(f"no such file. Received: {path}")
    rows, environments = read(args.results)
    cells = cells_of(rows)
    if not cells:
        parser.error("these files hold no runs")
    fresh, noise = (_also(path, environments) for path in (args.fresh, args.noise))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    first, *others = draw(cells, args.output)
    reading = args.reading.read_text().strip() if args.reading else ""
    details = args.output.with_stem(f"{args.output.stem}-cells")
    args.output.write_text(page_of(cells, environments, first, details.name, reading, noise))
    details.write_text(details_of(cells, environments, others, args.output.name, fresh))
    claims = claims_of(cells)
    for claim in claims:
        print(f"{claim.verdict:13}", claim.text, claim.numbers, sep=" | ")
    print(args.output)
    return claims


def _also(path: Path | None, environments: list[Row]) -> list[CellScores]:
    """The cells of a file for a section, if any; its environments join the others."""
    rows, also = read([path]) if path else ([], [])
    environments += [each for each in also if each not in environments]
    return cells_of(rows)
