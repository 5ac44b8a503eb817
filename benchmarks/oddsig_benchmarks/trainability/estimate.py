"""How long a grid would take here: the first steps of each kind of network, timed.

Trains nothing that is kept, and writes no results.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from ..environment import BACKEND
from ..processes import pin
from .grids import EVERY, Group, Program
from .methods import METHODS
from .training import seconds_to_compile, train


class Seconds(NamedTuple):
    """Of a group of runs, on one core."""

    training: float
    initializing: float
    compiling: float


def estimate(groups: list[Group], jobs: int, plain: bool, console: Console) -> float:
    """Times a few steps of each kind of network; prints and returns the hours of the grid."""
    pin()
    by_kind: dict[Any, Seconds] = {}
    by_task: dict[str, list[Group]] = {}
    for group in groups:
        by_task.setdefault(group.cell.task, []).append(group)
    table = Table(title=f"Estimate on {jobs} cores, {BACKEND}")
    for column in ("task", "runs", "training, min", "initializing, min", "compiling, min", "h"):
        table.add_column(column, justify="left" if column == "task" else "right")
    hours = 0.0
    for task, of_task in by_task.items():
        for group in of_task:
            if _kind(group) not in by_kind:
                by_kind[_kind(group)] = _timed(group, plain)
        each = _sum([(group, by_kind[_kind(group)]) for group in of_task], jobs)
        hours += sum(each) / jobs / 3600
        table.add_row(
            task,
            str(sum(len(group.runs) for group in of_task)),
            *(f"{seconds / jobs / 60:.1f}" for seconds in each),
            f"{sum(each) / jobs / 3600:.2f}",
        )
    console.print(table)
    console.print(f"{hours:.2f} hours in all")
    return hours


def _kind(group: Group) -> Any:
    """What takes the same time, whatever the activation and the samples."""
    method = METHODS[group.method]
    cell = dataclasses.replace(group.cell, activation="", samples=0)
    return cell, method.structure, method.lsuv, method.tailored


def _timed(group: Group, plain: bool) -> Seconds:
    """A few steps of a group, and from them what all its steps would take."""
    few = dataclasses.replace(group, cell=dataclasses.replace(group.cell, steps=EVERY))
    compiling = seconds_to_compile(few, plain)
    start = time.perf_counter()
    per_step = train(few, plain)[0]["seconds_per_step"]
    seconds = time.perf_counter() - start
    runs = len(group.runs)
    return Seconds(
        training=per_step * group.cell.steps * runs,
        initializing=max(0.0, seconds - per_step * EVERY * runs),
        compiling=compiling,
    )


def _sum(timed: list[tuple[Group, Seconds]], jobs: int) -> Seconds:
    """Of all groups and processes; each process compiles each program once."""
    programs: dict[Program, float] = {}
    for group, seconds in timed:
        programs.setdefault(group.program, seconds.compiling)
    return Seconds(
        training=sum(seconds.training for _, seconds in timed),
        initializing=sum(seconds.initializing for _, seconds in timed),
        compiling=sum(programs.values()) * jobs,
    )
