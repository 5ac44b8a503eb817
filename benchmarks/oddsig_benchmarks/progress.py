"""Running what a results file lacks, and showing how far it is.

Which runs there are and who trains them, the caller says: a group of runs here is only a
label, keys and an amount of work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .data import MissingDataError
from .results import Results, Row


class Group(Protocol):
    """Runs that are trained together."""

    @property
    def label(self) -> str:
        """What the progress bar says of it."""

    @property
    def keys(self) -> list[str]:
        """Of the rows that its runs will have in the results file."""

    @property
    def amount(self) -> float:
        """How much there is to compute, in any unit: what the progress bar counts."""


AnyGroup = TypeVar("AnyGroup", bound=Group)


def run_missing(
    groups: list[AnyGroup],
    results: Results,
    train_all: Callable[[list[AnyGroup]], Iterable[tuple[AnyGroup, list[Row]]]],
    console: Console,
) -> None:
    """Trains the groups that the results file does not have whole, and writes their rows.

    Args:
        groups: All that the file should have in the end.
        results: The file.
        train_all: Trains groups, and gives each one with its rows when it has finished.
        console: Where to say so.

    Raises:
        SystemExit: If it is interrupted; the rows of what has finished are written.
    """
    todo = [group for group in groups if results.lacks(group.keys)]
    runs = sum(len(group.keys) for group in todo)
    if len(todo) < len(groups):
        console.print(f"{results.path}: {len(groups) - len(todo)} groups of runs are there already")
    start, finished = time.perf_counter(), 0
    columns = (TextColumn("{task.description:>40}"), BarColumn(), TextColumn("{task.fields[runs]}"))
    progress = Progress(*columns, TimeRemainingColumn(elapsed_when_finished=True), console=console)
    try:
        with progress as bar:
            total = sum(group.amount for group in todo)
            line = bar.add_task("compiling", total=total, runs=f"0/{runs} runs")
            for group, rows in train_all(todo):
                results.write(rows)
                finished += len(rows)
                bar.update(
                    line,
                    advance=group.amount,
                    description=group.label,
                    runs=f"{finished}/{runs} runs",
                )
    except KeyboardInterrupt:
        raise SystemExit(f"stopped; the same command goes on from {results.path}") from None
    seconds = time.perf_counter() - start
    rate = finished / seconds if finished else 0
    console.print(f"{results.path}: {finished} runs in {seconds:.0f} s, {rate:.2f} runs a second")


def trained(
    groups: Iterable[AnyGroup], train: Callable[[AnyGroup], list[Row]], console: Console
) -> Iterator[tuple[AnyGroup, list[Row]]]:
    """Each group and its rows; without those whose data are not on this machine."""
    for group in groups:
        try:
            yield group, train(group)
        except MissingDataError as error:
            console.print(f"{group.label}: left out: {error}", markup=False)
