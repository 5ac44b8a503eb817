"""The rows of a group of runs, trained on the way that suits the backend.

A row says what was run and what came of it; how it was trained is `plain`'s or `stacked`'s,
and where it is written is `results`'s.
"""

from __future__ import annotations

import dataclasses
import time
import warnings

from ..environment import BACKEND
from ..results import Row, rounded
from .grids import EVERY, Group
from .methods import METHODS, activation_named
from .plain import train_plain
from .recipe import Outcome
from .tasks import load

if BACKEND == "jax":
    from .stacked import compiled, train_stacked


def train(group: Group, plain: bool) -> list[Row]:
    """The rows of a group's runs; `plain`: one Keras model at a time on JAX, too."""
    warnings.filterwarnings("ignore", message=".*second kernel")
    outcomes, seconds = _trained_plain(group) if _one_by_one(plain) else train_stacked(group)
    per_step = seconds / len(outcomes) / group.cell.steps
    return [
        _row(group, run, outcome, per_step)
        for run, outcome in zip(group.runs, outcomes, strict=True)
    ]


def seconds_to_compile(group: Group, plain: bool) -> float:
    """What precedes the first run of a program, measured once; 0 where it is not apart."""
    return 0.0 if _one_by_one(plain) else compiled(group.program).seconds


def _one_by_one(plain: bool) -> bool:
    return plain or BACKEND != "jax"


def _trained_plain(group: Group) -> tuple[list[Outcome], float]:
    cell, method = group.cell, METHODS[group.method]
    task = load(cell.task, cell.depth)
    start = time.perf_counter()
    outcomes = [train_plain(cell, method, task, rate, seed) for rate, seed in group.runs]
    return outcomes, time.perf_counter() - start


def _row(group: Group, run: tuple[float, int], outcome: Outcome, per_step: float) -> Row:
    cell, (rate, seed) = group.cell, run
    task = load(cell.task, cell.depth)
    return {
        "key": group.key(rate, seed),
        **dataclasses.asdict(cell),
        "method": group.method,
        "tags": METHODS[group.method].tags,
        "learning_rate": rate,
        "seed": seed,
        "slope": round(activation_named(cell.activation).profile.slope, 6),
        "metric": "accuracy",
        "chance": round(task.chance, 5),
        "test": rounded(outcome.test),
        "validation": rounded(outcome.curve[-1]),
        "loss": rounded(outcome.losses[-1]),
        "curve_steps": list(range(EVERY, cell.steps + 1, EVERY)),
        "curve": [rounded(value) for value in outcome.curve],
        "seconds_per_step": float(f"{per_step:.3g}"),
    }
