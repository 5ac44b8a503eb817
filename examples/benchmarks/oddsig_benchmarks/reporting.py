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


def table_of_environments(environments: Iterable[dict[str, Any]]) -> str:
    """Where the runs of some results files were made (`environment.of_machine`)."""
    return table(
        ["date", "backend", "machine", "processes", "Python", "versions"],
        [
            [
                e["date"],
                e["backend"],
                f"{e['cpu']}, {e['cores']} cores",
                e["jobs"],
                e["python"],
                ", ".join(f"{name} {version}" for name, version in e["versions"].items()),
            ]
            for e in environments
        ],
    )


def write_figures(path: Path, figures: dict[str, Any]) -> None:
    """A JSON file, in a folder that need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n")
