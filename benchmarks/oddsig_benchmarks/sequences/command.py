"""The command line: which grid to train, into which file; or which runs become the page."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from .. import arguments as types
from ..claims import claims_table
from ..environment import device, of_machine, require_jax
from ..processes import pin
from ..progress import run_missing
from ..results import Results, read, used
from .methods import METHODS
from .page import cell_table, page_of
from .runs import GRIDS, RATES, SEEDS, groups_of
from .scores import claims_of, comparisons_of, missing

LAYERS = tuple(METHODS)
NAMES = tuple(dict.fromkeys(name for known in METHODS.values() for name in known))
TASKS = tuple(dict.fromkeys(cell.task for grid in GRIDS.values() for cell in grid()))


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Whose kernels let a recurrent network learn long sequences?"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--smoke", dest="grid", action="store_const", const="smoke", help="seconds: two small cells"
    )
    what.add_argument(
        "--standard", dest="grid", action="store_const", const="standard", help="half an hour"
    )
    types.add_report(what)
    parser.add_argument(
        "--states", action="store_true", help="trains nothing: prints the state at the start"
    )
    for name, known in (("tasks", TASKS), ("layers", LAYERS), ("methods", NAMES)):
        parser.add_argument(
            f"--{name}",
            type=types.names_of(known),
            default=known,
            help=f"of the grid: {'; '.join(known)}",
        )
    parser.add_argument("--rates", type=types.positive_numbers, help="as in 1e-3;3e-3")
    parser.add_argument("--seeds", type=types.integers, help="as in 0;1;2")
    parser.add_argument("--steps", type=int, help="of the optimizer, in place of the grid's")
    types.add_results(parser, "sequences.jsonl")
    types.add_page(parser, "docs/benchmarks/sequences.md")
    types.add_reading(parser)
    args = parser.parse_args(argv)
    types.require_at_least(1, parser, args, "steps")
    if not args.report:
        require_jax(parser)
    return args


def main(argv: list[str] | None = None) -> Path | None:
    args = arguments(argv)
    if args.report:
        return write_page(args.report, args.page, args.reading)
    from .training import train  # not before the backend is known to be JAX

    pin()
    small = args.grid == "smoke"
    chosen = [c for c in GRIDS[args.grid]() if c.task in args.tasks and c.layer in args.layers]
    groups = groups_of(
        chosen,
        {layer: [n for n in METHODS[layer] if n in args.methods] for layer in LAYERS},
        {layer: args.rates or RATES[layer][: 2 if small else None] for layer in LAYERS},
        args.seeds or SEEDS[: 2 if small else None],
        args.steps,
    )
    if args.states:
        from .states import states_table

        print(states_table(chosen, args.seeds or SEEDS))
        return None
    results = Results(args.results, of_machine(jobs=1) | {"device": device()})
    run_missing(groups, results, lambda todo: ((g, train(g)) for g in todo), Console())
    keys = {key for group in groups for key in group.keys}
    comparisons = comparisons_of(row for row in read([args.results])[0] if row["key"] in keys)
    for each in comparisons:
        print(f"{each.cell.name}\n\n{cell_table(each)}\n")
    print(claims_table(claims_of(comparisons)))
    return Path(args.results)


def write_page(results: Iterable[Path], page: Path, reading: str) -> Path:
    rows, environments = read(results)
    if not rows:
        raise SystemExit("these files hold no runs")
    comparisons = comparisons_of(rows)
    machines, claims = used(environments, rows), claims_of(comparisons)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(page_of(comparisons, claims, machines, missing(rows), reading))
    print(page)
    return page
