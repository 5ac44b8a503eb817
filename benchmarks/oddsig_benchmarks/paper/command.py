"""The command line: which tables to train in how much time, or which runs become the page."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console

from .. import arguments as types
from ..data import MissingDataError
from ..environment import device, of_machine, require_jax
from ..progress import run_missing
from ..results import Results, Row, read
from .cells import DATA, EPOCHS, TABLES, Group, cells_of, smoke
from .page import page_of


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="The classification tables of the ICLR 2025 paper, with ours beside theirs."
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    for name in ("depths", "widths"):
        parser.add_argument(f"--{name}", type=types.integers, help="of these alone, such as 8;32")
    parser.add_argument("--seeds", type=int, help="runs of each method (default: 10)")
    parser.add_argument(
        "--epochs-share", type=float, default=1.0, help="of the paper's epochs (%(default)s)"
    )
    parser.add_argument("--budget", type=float, help="seconds in which to be done")
    parser.add_argument("--smoke", action="store_true", help="tiny networks on digits: seconds")
    types.add_results(parser, "paper-tables.jsonl")
    types.add_report(parser)
    types.add_page(parser, "docs/benchmarks/paper.md")
    types.add_reading(parser)
    args = parser.parse_args(argv)
    args.seeds = args.seeds if args.seeds is not None else 2 if args.smoke else 10
    types.require_at_least(1, parser, args, "seeds")
    if not 0 < args.epochs_share <= 1:
        parser.error(f"--epochs-share must be in (0, 1]. Received: {args.epochs_share}")
    if not args.report:
        require_jax(parser)
    return args


def groups_of(args: argparse.Namespace, results: Results) -> list[Group]:
    """What was asked for; of a cell, the seeds that the file does not have yet."""
    groups = []
    for cell, structure in smoke(args.tables) if args.smoke else cells_of(args.tables, args.data):
        if cell.depth not in (args.depths or [cell.depth]):
            continue
        if cell.width not in (args.widths or [cell.width]):
            continue
        epochs = 2 if args.smoke else max(1, round(args.epochs_share * EPOCHS[cell.table]))
        each = [Group(cell, structure, (seed,), epochs) for seed in range(args.seeds)]
        seeds = tuple(group.seeds[0] for group in each if results.lacks(group.keys))
        if seeds:
            groups.append(Group(cell, structure, seeds, epochs))
    return groups


def train_all(
    groups: list[Group], deadline: float, console: Console
) -> Iterator[tuple[Group, list[Row]]]:
    """Each group and its rows, while there is time; a group's weights are drawn ahead of it."""
    from . import runs  # not before the backend is known to be JAX

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    with ThreadPoolExecutor(1) as ahead:
        drawn: dict[Group, Any] = {}
        for group, following in zip(groups, [*groups[1:], None], strict=True):
            if time.perf_counter() > deadline:
                say(f"the time is up before {group.label}")
                return
            try:
                draws = (drawn.pop(group, None) or ahead.submit(runs.draw, group)).result()
                # Of the same data: those of one set are in memory at a time.
                if following and following.cell.data == group.cell.data:
                    drawn[following] = ahead.submit(runs.draw, following)
                rows = runs.train(group, draws, deadline, say)
            except MissingDataError as error:
                say(f"{group.label}: left out: {error}")
                continue
            except runs.Interrupted as stopped:
                yield group, stopped.rows
                raise KeyboardInterrupt from None
            if rows:
                yield group, rows


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> Path:
    start = time.perf_counter()
    args = arguments(argv)
    console = Console()
    if args.report:
        return write_page(args)
    deadline = start + args.budget if args.budget else float("inf")
    results = Results(args.results, of_machine(jobs=1) | {"device": device()})
    groups = groups_of(args, results)
    before = signal.signal(signal.SIGTERM, _interrupt)  # of `timeout`, say
    try:
        run_missing(groups, results, lambda todo: train_all(todo, deadline, console), console)
    finally:
        signal.signal(signal.SIGTERM, before)
    return Path(args.results)


def write_page(args: argparse.Namespace) -> Path:
    rows, environments = read(args.report)
    if not rows:
        raise SystemExit("these files hold no runs")
    args.page.parent.mkdir(parents=True, exist_ok=True)
    args.page.write_text(page_of(rows, environments, args.reading))
    print(args.page)
    return Path(args.page)
