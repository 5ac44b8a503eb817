"""The command line: which results become which page."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...results import read
from ..cells import standard
from .page import page_of
from .scores import cells_of


def main(argv: list[str] | None = None) -> Path:
    parser = argparse.ArgumentParser(
        description="Scores the runs of the benchmark of physics-informed networks, for a page."
    )
    parser.add_argument("results", nargs="+", type=Path, help="of pinn.py")
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks/pinn.md"))
    parser.add_argument(
        "--choice", nargs="*", type=Path, default=[], help="results on the seeds that chose"
    )
    parser.add_argument("--reading", type=Path, help="Markdown that the page takes in")
    args = parser.parse_args(argv)
    for path in (*args.results, *args.choice, *filter(None, (args.reading,))):
        if not path.exists():
            parser.error(f"no such file. Received: {path}")
    rows, environments = read(args.results)
    if not rows:
        parser.error("these files hold no runs")
    if len({"float64" in row["key"].partition("|")[0] for row in rows}) > 1:
        parser.error("runs in float32 and in float64 do not go on one page")
    methods = len({row["method"] for row in rows})
    choice = cells_of(read(args.choice)[0], standard()) if args.choice else []
    reading = args.reading.read_text().strip() if args.reading else ""
    grid = standard()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    cells = cells_of(rows, grid)
    args.output.write_text(page_of(cells, environments, grid, methods, reading, choice))
    print(args.output)
    return args.output
