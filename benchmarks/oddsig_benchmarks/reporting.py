"""What reports have in common: intervals, Markdown tables, files of figures.

What is scored and said, each report's own rooms know. No backend is imported here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95% interval of the mean, by bootstrap over the values."""
    if len(values) < 2 or np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = stats.bootstrap(
        (values,), np.mean, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return float(found.low), float(found.high)


def table(header: list[str], rows: Iterable[Iterable[Any]]) -> str:
    """In Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def from_to(numbers: Iterable[int]) -> str:
    """The least and the greatest; the one that all are; nothing of none."""
    known = set(numbers)
    return " to ".join(map(str, sorted({min(known), max(known)}))) if known else ""


def table_of_environments(environments: Iterable[dict[str, Any]]) -> str:
    """Where the runs of some results files were made (`environment.of_machine`)."""
    return table(
        ["date", "backend", "machine", "processes", "Python", "versions"],
        [
            [
                e["date"],
                e["backend"],
                _accelerator(e) or f"{e['cpu']}, {e['cores']} cores",
                e["jobs"],
                e["python"],
                ", ".join(f"{name} {version}" for name, version in e["versions"].items()),
            ]
            for e in environments
        ],
    )


def elsewhere(
    method: str,
    of_method: Iterable[str],
    other: str,
    of_other: Iterable[str],
    environments: Iterable[dict[str, Any]],
) -> list[str]:
    """A line where two methods were run on different machines or versions, or nothing.

    Args:
        method, other: Their names.
        of_method, of_other: What their rows name as their environment.
        environments: Of all rows.
    """
    known = {e["environment"]: e for e in environments}
    one, two = (
        sorted({_where(known[name]) for name in names if name in known})
        for names in (of_method, of_other)
    )
    if one == two:
        return []
    return [
        f"*{method}* was run on {' and '.join(one)}, *{other}* on {' and '.join(two)}: the same "
        "seed has the same samples in the same order there, but not the same rounding."
    ]


def _where(environment: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    return f"{_accelerator(environment) or environment['cpu']} ({versions})"


def _accelerator(environment: dict[str, Any]) -> str:
    """What was computed on, if not on the processor."""
    device = str(environment.get("device", ""))
    return "" if "CPU cores" in device else device


def write_figures(path: Path | None, figures: dict[str, Any]) -> None:
    """A JSON file, in a folder that need not exist; nothing without a path."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n")
