"""The command line: which grid to train, into which file; or which runs become the page."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from .. import arguments as types
from ..environment import device, of_machine, require_jax
from ..processes import pin
from ..progress import run_missing, trained
from ..results import Results, Row, read, used
from .methods import METHODS
from .page import page_of, tables_of
from .pictures import draw
from .runs import CHOOSING, GRIDS, RATES, SEEDS, Cell, Group, groups_of
from .scores import chosen_rate, comparisons_of, missing

NAMES = tuple(METHODS)
CELLS = tuple(dict.fromkeys(cell.short for grid in GRIDS.values() for cell in grid()))


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="How near does a tailored Dynamic Tanh come to LayerNorm in a transformer?"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    for grid, said in {
        "smoke": "two small cells, about a minute",
        "standard": "what the page shows, in hours",
        "longer": "one cell, trained four times as long",
        "parts": "what of `tailor` does it: three cells, half an hour",
    }.items():
        what.add_argument(f"--{grid}", dest="grid", action="store_const", const=grid, help=said)
    types.add_report(what)
    for name, known in (("cells", CELLS), ("methods", NAMES)):
        parser.add_argument(
            f"--{name}",
            type=types.names_of(known),
            default=known,
            help=f"of the grid: {'; '.join(known)}",
        )
    parser.add_argument("--rates", type=types.positive_numbers, help="to choose from: 1e-3;3e-3")
    parser.add_argument("--seeds", type=types.integers, help="to show: 0;1;2")
    parser.add_argument("--steps", type=int, help="of the optimizer, in place of the grid's")
    types.add_results(parser, "transformers.jsonl")
    types.add_page(parser, "docs/benchmarks/transformers.md")
    types.add_reading(parser)
    args = parser.parse_args(argv)
    types.require_at_least(1, parser, args, "steps")
    if CHOOSING in (args.seeds or ()):
        parser.error(f"--seeds must leave out {CHOOSING}, which chooses the rate")
    if not args.report:
        require_jax(parser)
    return args


def main(argv: list[str] | None = None) -> Path:
    args = arguments(argv)
    if args.report:
        return write_page(args.report, args.page, args.reading)
    pin()
    small = args.grid == "smoke"
    rates, seeds = args.rates or RATES[: 2 if small else None], args.seeds or SEEDS
    parts = args.grid == "parts"
    methods = [name for name in METHODS if name in args.methods and METHODS[name].part == parts]
    chosen = [cell for cell in GRIDS[args.grid]() if cell.short in args.cells]
    results = Results(args.results, of_machine(jobs=1) | {"device": device()})
    groups: list[Group] = []
    for cell in chosen:
        groups += run_cell(cell.lasting(args.steps), methods, rates, seeds, results)
    print(tables_of(comparisons_of(rows_of(groups, args.results))))
    return Path(args.results)


def run_cell(
    cell: Cell,
    methods: Iterable[str],
    rates: Iterable[float],
    seeds: Iterable[int],
    results: Results,
) -> list[Group]:
    """What the file lacks of a cell: of each method the choice of a rate, then what it brings."""
    from .training import train  # not before the backend is known to be JAX

    console = Console()
    choices = {name: groups_of(cell, name, rates, [CHOOSING]) for name in methods}
    groups = [group for each in choices.values() for group in each]
    run_missing(groups, results, lambda todo: trained(todo, train, console), console)
    shown = []
    for name, tried in choices.items():
        rows = rows_of(tried, results.path)
        shown += groups_of(cell, name, [chosen_rate(rows)], seeds) if rows else []
    run_missing(shown, results, lambda todo: trained(todo, train, console), console)
    return groups + shown


def rows_of(groups: Iterable[Group], path: Path) -> list[Row]:
    """Of a results file, the rows of these groups, as far as it has them."""
    keys = {key for group in groups for key in group.keys}
    return [row for row in read([path])[0] if row["key"] in keys] if path.exists() else []


def write_page(results: Iterable[Path], page: Path, reading: str) -> Path:
    rows, environments = read(results)
    comparisons = comparisons_of(rows)
    if not comparisons:
        raise SystemExit("these files hold no runs on seeds that are shown")
    machines = used(environments, rows)
    page.parent.mkdir(parents=True, exist_ok=True)
    picture = draw(comparisons, page)
    page.write_text(page_of(comparisons, machines, missing(rows), reading, picture))
    print(page)
    return page
