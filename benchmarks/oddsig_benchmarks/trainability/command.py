"""The command line: what to run, on how many cores or machines, into which file.

Which runs an option chooses is `grids`'s, how they are trained `training`'s; here options are
read, checked, and handed on.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
from pathlib import Path

from rich.console import Console

from .. import arguments as types
from ..cluster import on_ray
from ..data import MissingDataError
from ..environment import of_machine
from ..processes import in_processes
from ..progress import run_missing
from ..results import Results
from .estimate import estimate
from .grids import EVERY, GRIDS, RATES, Group, Program, groups_of
from .methods import ACTIVATIONS, METHODS
from .tasks import IMAGES, TASKS, load
from .training import train

CHUNK = 12  # methods, at most, that one process trains in turn with what it has compiled


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Which initialization trains a deep network of odd, saturating activations?"
    )
    _add_grid(parser)
    _add_running(parser)
    args = parser.parse_args(argv)
    args.seeds = args.seeds if args.seeds is not None else GRIDS[args.grid].seeds
    args.results = args.results or Path(f"trainability-{args.grid}.jsonl")
    if args.steps:
        args.steps = -(-args.steps // EVERY) * EVERY
    types.require_at_least(1, parser, args, "seeds", "jobs", "steps")
    types.require_at_least(0, parser, args, "first_seed")
    if args.ray:
        try:
            import ray  # noqa: F401
        except ImportError:
            parser.error('--ray needs Ray: pip install "keras-oddsig[ray]"')
    args.groups = groups_of(
        args.grid,
        range(args.first_seed, args.first_seed + args.seeds),
        wanted={
            "task": args.tasks,
            "activation": args.activations,
            "depth": args.depths,
            "width": args.widths,
            "optimizer": args.optimizers,
            "samples": args.samples,
        },
        methods=args.methods,
        rates=args.rates,
        steps=args.steps,
    )
    if not args.groups:
        parser.error(f"no cell of --{args.grid} passes these filters")
    return args


def _add_grid(parser: argparse.ArgumentParser) -> None:
    grid = parser.add_mutually_exclusive_group(required=True)
    for name, each in GRIDS.items():
        grid.add_argument(
            f"--{name}", dest="grid", action="store_const", const=name, help=each.about
        )
    for name, known in (
        ("tasks", TASKS),
        ("activations", tuple(ACTIVATIONS)),
        ("methods", tuple(METHODS)),
        ("optimizers", tuple(RATES)),
    ):
        parser.add_argument(
            f"--{name}", type=types.names_of(known), help=f"of the grid: {'; '.join(known)}"
        )
    parser.add_argument("--depths", type=types.integers, help="of the grid, such as 50;100")
    parser.add_argument("--samples", type=types.integers, help="of the grid; 0 for all")
    parser.add_argument("--widths", type=types.names, help="of the grid")
    parser.add_argument(
        "--rates", type=types.positive_numbers, help="in place of the grid's, such as 3e-5;1e-4"
    )
    parser.add_argument("--seeds", type=int, help="runs of each learning rate")
    parser.add_argument("--first-seed", type=int, default=0, help="the others follow (%(default)s)")
    parser.add_argument("--steps", type=int, help="of each run, in place of the grid's")


def _add_running(parser: argparse.ArgumentParser) -> None:
    types.add_results(parser)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument(
        "--plain", action="store_true", help="one Keras model at a time on JAX, too"
    )
    parser.add_argument("--estimate", action="store_true", help="how long would it take?")
    parser.add_argument("--ray", action="store_true", help="on a Ray cluster (extra `ray`)")
    parser.add_argument("--ray-address", help="of the cluster; by default one on this machine")


def chunks_of(groups: list[Group], jobs: int) -> list[list[Group]]:
    """Groups that share a program, a process's work each; the largest first.

    No chunk holds more than a job's share of the groups: the rest of a single cell is spread
    over the cores, too, at the cost of one more compilation.
    """
    size = min(CHUNK, math.ceil(len(groups) / jobs))
    by_program: dict[Program, list[Group]] = {}
    for group in groups:
        by_program.setdefault(group.program, []).append(group)
    chunks = [
        shared[first : first + size]
        for shared in by_program.values()
        for first in range(0, len(shared), size)
    ]
    return sorted(chunks, key=lambda chunk: -sum(group.amount for group in chunk))


def with_data(groups: list[Group], console: Console) -> list[Group]:
    """Those whose data are on this machine, or can be had."""
    for task in dict.fromkeys(group.cell.task for group in groups):
        if task in IMAGES:
            try:
                load(task, 1)
            except MissingDataError as error:
                console.print(f"{task} is left out: {error}")
                groups = [group for group in groups if group.cell.task != task]
    return groups


def main(argv: list[str] | None = None) -> Path | float:
    args = arguments(argv)
    console = Console()
    groups = with_data(args.groups, console)
    if args.estimate:
        return estimate(groups, args.jobs, args.plain, console)
    work = functools.partial(train, plain=args.plain)
    results = Results(args.results, of_machine(args.jobs))
    run_missing(
        groups,
        results,
        lambda todo: (
            on_ray(todo, work, args.ray_address)
            if args.ray
            else in_processes(chunks_of(todo, args.jobs), work, args.jobs)
        ),
        console,
    )
    return args.results
