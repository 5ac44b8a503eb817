"""The command line: which results become which page."""

from __future__ import annotations

import argparse
from pathlib import Path

from ... import arguments as types
from ...results import read
from ..cells import standard
from .page import page_of
from .scores import cells_of


def main(argv: list[str] | None = None) -> Path:
    parser = argparse.ArgumentParser(
        description="Scores the runs of the benchmark of physics-informed networks, for a page."
    )
    parser.add_argument("results", nargs="+", type=types.existing, help="of pinn.py")
    types.add_page(parser, "docs/benchmarks/pinn.md")
    parser.add_argument(
        "--choice",
        nargs="*",
        type=types.existing,
        default=[],
        metavar="FILE",
        help="results on the seeds that chose",
    )
    types.add_reading(parser)
    args = parser.parse_args(argv)
    rows, environments = read(args.results)
    if not rows:
        parser.error("these files hold no runs")
    if len({"float64" in row["key"].partition("|")[0] for row in rows}) > 1:
        parser.error("runs in float32 and in float64 do not go on one page")
    methods = len({row["method"] for row in rows})
    choice = cells_of(read(args.choice)[0], standard()) if args.choice else []
    grid, page = standard(), Path(args.page)
    page.parent.mkdir(parents=True, exist_ok=True)
    cells = cells_of(rows, grid)
    page.write_text(page_of(cells, environments, grid, methods, args.reading, choice))
    print(page)
    return page
