"""The command line: which models to train, into which file; or which runs become the page."""

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
from . import unscaled
from .entries import ENTRIES
from .page import page_of, table_of
from .runs import groups_of
from .scores import Comparison, comparisons_of
from .unscaled import SEEDS, UNSCALED

SMOKE = ("policy", "towers", "subclassed")  # small ones, one of them with a recipe by hand
TITLES = {name: entry.title for name, entry in ENTRIES.items()}


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Does `tailor` help models that others write, and does it ever harm?"
    )
    parser.add_argument(
        "--models", nargs="+", choices=tuple(ENTRIES), metavar="NAME", help=", ".join(ENTRIES)
    )
    parser.add_argument(
        "--unscaled",
        action="store_true",
        help="one deep network, on data as they come and standardized",
    )
    parser.add_argument(
        "--seeds", type=int, help=f"runs at each learning rate (3; with --unscaled {SEEDS})"
    )
    parser.add_argument("--steps", type=int, help="in place of each model's own")
    parser.add_argument("--smoke", action="store_true", help="three models, under a minute")
    types.add_results(parser, "gallery.jsonl")
    types.add_report(parser)
    types.add_page(parser, "docs/benchmarks/tailor-gallery.md")
    args = parser.parse_args(argv)
    types.require_at_least(1, parser, args, "seeds", "steps")
    if not args.report:
        require_jax(parser)
    if args.unscaled:
        if args.models or args.smoke:
            parser.error("--unscaled has models of its own: without --models and --smoke")
        args.models, args.seeds = tuple(UNSCALED), args.seeds or SEEDS
    args.rates = 2 if args.smoke else None
    if args.smoke:
        args.models, args.seeds, args.steps = args.models or SMOKE, args.seeds or 1, args.steps or 5
    args.seeds = args.seeds or 3
    return args


def main(argv: list[str] | None = None) -> Path:
    args = arguments(argv)
    console = Console()
    if args.report:
        return write_page(args.report, args.page)
    from .training import train  # not before the backend is known to be JAX

    pin()
    groups = groups_of(args.models or tuple(ENTRIES), args.seeds, args.steps, args.rates)
    results = Results(args.results, of_machine(jobs=1) | {"device": device()})
    run_missing(groups, results, lambda todo: trained(todo, train, console), console)
    keys = {key for group in groups for key in group.keys}
    rows = [row for row in read([args.results])[0] if row["key"] in keys]
    print(unscaled.table_of(rows) if args.unscaled else table_of(_compared(rows), TITLES))
    return Path(args.results)


def _compared(rows: Iterable[Row]) -> list[Comparison]:
    return comparisons_of((row for row in rows if row["model"] in ENTRIES), tuple(ENTRIES))


def write_page(results: list[Path], page: Path) -> Path:
    rows, environments = read(results)
    if not rows:
        raise SystemExit("these files hold no runs")
    machines = used(environments, rows)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        page_of(_compared(rows), machines, TITLES, unscaled.table_of(rows), unscaled.behind(rows))
    )
    print(page)
    return page
