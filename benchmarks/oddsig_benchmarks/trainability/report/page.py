"""The page, in Markdown: the claims, and tables of the scores.

Nothing is computed here that another room would need, and nothing drawn.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...claims import claims_table
from ...reporting import table, table_of_environments
from ...results import Row
from .claims import claims_of, lost, pairs_of, steps_in_words
from .noise import noise_section
from .scores import PLAIN, CellScores, Score
from .tailored import tailored_section

ROOMS = "benchmarks/oddsig_benchmarks/trainability"


def cell_table(cell: CellScores) -> str:
    """All methods of a cell, the best first."""
    order = sorted(cell.scores.values(), key=lambda s: s.mean, reverse=True)
    best = cell.best(*PLAIN)
    rows = []
    for score in order:
        low, high = score.interval
        rows.append(
            [
                score.method,
                f"{score.mean:.3f} [{low:.3f}, {high:.3f}]",
                "" if best in (None, score) else _difference(cell, score, best),
                f"{score.loss.mean():.3g}",
                f"{score.rate:g}",
                f"{score.sensitivity:.0%}" if cell.trains(score) else "",
                steps_in_words(score.steps),
                f"{score.failed:.0%}",
                f"{1e3 * score.seconds:.2f}",
            ]
        )
    header = [
        "method",
        "test accuracy",
        f"against {best.method}" if best else "",
        "loss",
        "rate",
        "rates within .05",
        "steps to 90%",
        "failed",
        "ms/step",
    ]
    return table(header, rows)


def comparison_table(cells: list[CellScores]) -> str:
    """The better of our two methods against the best of the others, cell by cell."""
    rows = []
    for cell in cells:
        ours, plain, structure = (
            cell.best(*tags) for tags in (("default",), PLAIN, ("structure",))
        )
        if ours is None:
            continue
        row = [cell.name, f"{ours.method} {ours.mean:.3f}"]
        for other in (plain, structure):
            row.append(f"{other.method} {other.mean:.3f}" if other else "")
            row.append(_difference(cell, ours, other) if other else "")
        rows.append(row)
    return table(
        [
            "cell",
            "ours",
            "best without normalization",
            "ours is better by",
            "best with normalization or residual",
            "ours is better by",
        ],
        rows,
    )


def fresh_section(cells: list[CellScores]) -> list[str]:
    """The comparison once more, of the methods that were run with other seeds."""
    if not cells:
        return []
    seeds = sorted({seed for c in cells for s in c.scores.values() for seed in s.seeds})
    methods = dict.fromkeys(method for c in cells for method in c.scores)
    pairs = pairs_of(cells)
    better = sum(c.advantage(a, b)[1] > 0 for c, a, b in pairs)
    return [
        "## With fresh seeds",
        f"The same with the seeds {seeds[0]} to {seeds[-1]}, with which nothing was chosen, of "
        f"{', '.join(f'*{method}*' for method in methods)}. Ours is significantly better than "
        f"the best of these without normalization in {better} of {len(pairs)} cells, and worse "
        f"in {len(lost(cells))}.",
        comparison_table(cells),
    ]


def _difference(cell: CellScores, score: Score, other: Score) -> str:
    """By how much the first is better; bold where the interval leaves 0 out."""
    mean, low, high = cell.advantage(score, other)
    text = f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"**{text}**" if low > 0 or high < 0 else text


def method_table(cells: list[CellScores]) -> str:
    """Each method over the cells that all have; without one that fewer than half of them have."""
    number = collections.Counter(m for c in cells for m in c.scores)
    methods = [m for m in number if number[m] >= len(cells) / 2]
    cells = [c for c in cells if set(methods) <= set(c.scores)] or cells
    rows = []
    for method in methods:
        found = [(c, c.scores[method]) for c in cells if method in c.scores]
        rates = [s.sensitivity for c, s in found if c.trains(s)]
        rows.append(
            (
                np.mean([s.mean for _, s in found]),
                [
                    method,
                    len(found),
                    f"{np.mean([c.trains(s) for c, s in found]):.0%}",
                    f"{np.mean([s.mean for _, s in found]):.3f}",
                    f"{np.mean(rates):.0%}" if rates else "",
                    f"{np.mean([s.failed for _, s in found]):.0%}",
                ],
            )
        )
    rows.sort(key=lambda row: -row[0])
    header = ["method", "cells", "trains in", "mean accuracy", "rates within .05", "failed runs"]
    return table(header, [row for _, row in rows])


HOW = (
    "Every method has the same network, optimizer, batches, steps, learning rates and seeds. "
    "Scores are those of the learning rate that does best on a validation set: mean over seeds and "
    "its 95% interval by bootstrap."
)
TERMS = (
    "*Failed* is the share of runs, over all learning rates, that diverged or stayed at chance; a "
    "method *trains* where it comes at least half the way from chance to the best method of the "
    "cell, and only there *rates within .05* counts the learning rates that do about as well. "
    "Seconds per step are those of one run; where runs are trained as a stack, the stack's divided "
    "by their number."
)


def page_of(
    cells: list[CellScores],
    environments: list[Row],
    picture: str,
    details: str,
    reading: str = "",
    noise: Sequence[CellScores] = (),
) -> str:
    """The Markdown of the page to begin with.

    Args:
        cells: What was measured.
        environments: Where.
        picture: Its file.
        details: The file of the long tables.
        reading: What the authors say of the numbers.
        noise: Cells in which the papers' kernel has noise of several distributions.
    """
    runs = sum(len(s.seeds) for c in cells for s in c.scores.values())
    lost_cells = "; ".join(c.name for c, _, _ in lost(cells)) or "none"
    sections = [
        "# Trainability",
        "Which initialization trains a network of odd, saturating activations, how deep, and where "
        f"does ours lose? {HOW} {len(cells)} cells, {runs} runs at the chosen learning rates; "
        f"every method in every cell: [the tables]({details}).",
        f"![Test accuracy by depth]({picture})",
        "## What was claimed, and what was found",
        claims_table(claims_of(cells), "verdict"),
        *([reading] if reading else []),
        "## Ours against the best of the others",
        "The better of our two methods against the best competitor, each chosen by the "
        "validation set, paired over seeds; bold where the 95% interval leaves 0 out. With so "
        "few seeds the intervals are rather too narrow than too wide.",
        comparison_table(cells),
        f"Cells in which we lose to a method without normalization: {lost_cells}.",
        *noise_section(noise),
        "## Where this was run",
        table_of_environments(environments),
        "Written by `benchmarks/trainability_report.py` from the results of "
        "`benchmarks/trainability.py`; the methods are described in "
        f"`{ROOMS}/methods.py`, the tasks in `{ROOMS}/tasks.py`.",
    ]
    return "\n\n".join(sections) + "\n"


def details_of(
    cells: list[CellScores],
    environments: list[Row],
    pictures: list[str],
    page: str,
    fresh: Sequence[CellScores] = (),
) -> str:
    """The Markdown of the long tables.

    Args:
        cells: What was measured.
        environments: Where.
        pictures: Their files.
        page: The file of the page to begin with.
        fresh: Cells run with seeds that had no part in any choice.
    """
    sections = [
        "# Trainability: every method in every cell",
        f"Begin with [the page]({page}) that says what follows from these tables. {HOW} {TERMS}",
        *tailored_section(cells, environments, fresh),
        *fresh_section(list(fresh)),
        "## Method by method",
        "Over the cells that every method has.",
        method_table(cells),
        *(f"![{Path(name).stem.replace('_', ' ')}]({name})" for name in pictures),
        "## Cell by cell",
        *itertools.chain.from_iterable((f"### {c.name}", cell_table(c)) for c in cells),
    ]
    return "\n\n".join(sections) + "\n"
