"""The command line: what to run, on how many cores, into which file.

Which runs an option chooses is `grids`'s, how they are trained `training`'s; here options are
read, checked, and handed on.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
from pathlib import Path

import scipy
from rich.console import Console

from .. import arguments as types
from ..environment import device, of_machine, require_jax
from ..processes import in_processes
from ..progress import run_missing
from ..results import Results
from .cells import GRIDS
from .equations import EQUATIONS
from .grids import DOUBLED, Group, Program, groups_of
from .methods import METHODS

SEEDS = {"smoke": 2, "standard": 3, "longer": 3, "full": 5}
NETWORKS = tuple(dict.fromkeys(cell.network for grid in GRIDS.values() for cell in grid()))


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Which initialization lets a physics-informed network solve its equation?"
    )
    grid = parser.add_mutually_exclusive_group(required=True)
    for name, text in (
        ("smoke", "a small cell of each equation: two minutes"),
        ("standard", "about two hours on two cores"),
        ("longer", "two cells of those, with 2,000 iterations of L-BFGS"),
        ("full", "the paper's table: for bigger machines"),
    ):
        grid.add_argument(f"--{name}", dest="grid", action="store_const", const=name, help=text)
    for name, known in (
        ("equations", tuple(EQUATIONS)),
        ("networks", NETWORKS),
        ("methods", tuple(METHODS)),
    ):
        parser.add_argument(
            f"--{name}", type=types.names_of(known), help=f"of the grid: {'; '.join(known)}"
        )
    parser.add_argument(
        "--rates", type=types.positive_numbers, default=(1e-3,), help="Adam's, such as 1e-3;3e-3"
    )
    parser.add_argument("--seeds", type=int, help="runs of each method")
    parser.add_argument("--first-seed", type=int, default=0, help="the others follow (%(default)s)")
    types.add_results(parser)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--estimate", action="store_true", help="how long would it take?")
    args = parser.parse_args(argv)
    args.seeds = args.seeds if args.seeds is not None else SEEDS[args.grid]
    precision = "-float64" if DOUBLED else ""
    args.results = args.results or Path(f"pinn-{args.grid}{precision}.jsonl")
    types.require_at_least(1, parser, args, "seeds", "jobs")
    types.require_at_least(0, parser, args, "first_seed")
    args.groups = groups_of(
        args.grid,
        range(args.first_seed, args.first_seed + args.seeds),
        args.rates,
        equations=args.equations,
        networks=args.networks,
        methods=args.methods,
    )
    if not args.groups:
        parser.error(f"no cell of --{args.grid} passes these filters")
    require_jax(parser)
    return args


def chunks_of(groups: list[Group], jobs: int) -> list[list[Group]]:
    """Groups that share a program, a process's work each; the largest first.

    A process gets at most its share of a program's groups, at the cost of one more compilation.
    """
    by_program: dict[Program, list[Group]] = {}
    for group in groups:
        by_program.setdefault(group.program, []).append(group)
    chunks = []
    for shared in by_program.values():
        size = math.ceil(len(shared) / jobs)
        chunks += [shared[first : first + size] for first in range(0, len(shared), size)]
    return sorted(chunks, key=lambda chunk: -sum(group.amount for group in chunk))


def main(argv: list[str] | None = None) -> Path | float:
    args = arguments(argv)
    # Not before the backend is known to be JAX.
    from .estimate import estimate
    from .training import train

    console = Console()
    if args.estimate:
        return estimate(args.groups, args.jobs, console)
    about = of_machine(args.jobs) | {"device": device()}
    about["versions"]["scipy"] = scipy.__version__
    results = Results(args.results, about)
    work = functools.partial(in_processes, work=train, jobs=args.jobs)
    run_missing(args.groups, results, lambda todo: work(chunks_of(todo, args.jobs)), console)
    return args.results
