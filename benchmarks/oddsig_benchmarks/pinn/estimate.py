"""How long a grid would take here: the first steps of each kind of network, timed.

Trains nothing that is kept, and writes no results.
"""

from __future__ import annotations

import dataclasses

from rich.console import Console
from rich.table import Table

from ..processes import pin
from .grids import Group, Program
from .training import compiled, train

STEPS = 10  # of each optimizer, timed
CALLS = 1.15  # of the loss in an iteration of L-BFGS; measured: 1.05 to 1.2


def estimate(groups: list[Group], jobs: int, console: Console) -> float:
    """Times a few steps of each kind of network; prints and returns the hours of the grid."""
    pin()
    table = Table(title=f"Estimate on {jobs} cores")
    for column in ("cell", "runs", "compiling, min", "training, min", "h"):
        table.add_column(column, justify="left" if column == "cell" else "right")
    by_program: dict[Program, list[Group]] = {}
    for group in groups:
        by_program.setdefault(group.program, []).append(group)
    hours, rows = 0.0, {}
    for program, of_program in by_program.items():
        compiling, per_run = _timed(of_program[0])
        runs = sum(len(group.runs) for group in of_program)
        before = rows.get(program.cell, (0, 0.0, 0.0))
        each = (runs, compiling * jobs, per_run * runs)  # each process compiles
        rows[program.cell] = tuple(a + b for a, b in zip(before, each, strict=True))
    for cell, (runs, *seconds) in rows.items():
        hours += sum(seconds) / jobs / 3600
        table.add_row(
            cell.name,
            str(runs),
            *(f"{value / jobs / 60:.1f}" for value in seconds),
            f"{sum(seconds) / jobs / 3600:.2f}",
        )
    console.print(table)
    console.print(f"{hours:.2f} hours in all")
    return hours


def _timed(group: Group) -> tuple[float, float]:
    """Seconds to compile a group's program, and those of one of its runs."""
    cell = group.cell
    few = dataclasses.replace(
        group, cell=dataclasses.replace(cell, adam=STEPS, lbfgs=min(STEPS, cell.lbfgs))
    )
    compiling = compiled(few.program).seconds
    train(few)  # warms up
    rows = train(few)
    adam = sum(row["seconds_adam"] for row in rows) / len(rows) / STEPS
    calls = sum(row["evaluations"] for row in rows)
    lbfgs = sum(row["seconds_lbfgs"] for row in rows) / max(1, calls)
    return compiling, adam * cell.adam + lbfgs * CALLS * cell.lbfgs
