"""The page, in Markdown: claims first, then a table for each cell. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..claims import Claim, claims_table
from ..differences import Difference
from ..reporting import from_to, interval, table, table_of_environments
from ..results import Row
from .methods import KERAS, METHODS
from .scores import Comparison

ROOMS = "benchmarks/oddsig_benchmarks/sequences"


def cell_table(each: Comparison) -> str:
    """A line for each method; bold where the interval of the difference leaves 0 out."""
    metric = next(iter(each.scores.values())).metric
    header = ["method", "rate", f"validation, {metric}", f"test, {metric}"]
    header += ["better than Keras's default by", "training loss"]
    if metric != "accuracy":
        header.insert(4, "test, accuracy")
    rows = []
    for name, score in each.scores.items():
        over = "" if name == KERAS or KERAS not in each.scores else _over(each.over(name))
        row = [name, f"{score.rate:g}{' *' if score.edge else ''}", f"{score.validation:.3f}"]
        row.append(_mean(score.values()))
        if metric != "accuracy":
            row.append(_mean(score.values(measure="accuracy")))
        rows.append([*row, over, f"{score.loss:.3f}"])
    return table(header, rows)


def _mean(values: np.ndarray) -> str:
    low, high = interval(values)
    return f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]"


def _over(found: Difference) -> str:
    text = f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    return text if found.verdict == "even" else f"**{text}**"


def page_of(
    comparisons: Sequence[Comparison],
    claims: Sequence[Claim],
    environments: Sequence[Row],
    missing: Sequence[str] = (),
    reading: str = "",
) -> str:
    """The Markdown of the whole page.

    Args:
        comparisons: The cells.
        claims: What is said of them.
        environments: Where they were run.
        missing: What of the standard grid was not.
        reading: What the numbers mean, written by hand.
    """
    methods = [
        f"- {layer}, *{name}*: {method.says}"
        for layer, known in METHODS.items()
        for name, method in known.items()
        if any(each.cell.layer == layer and name in each.scores for each in comparisons)
    ]
    seeds = [len(score.rows) for each in comparisons for score in each.scores.values()]
    sections = [
        "# Recurrent networks on long sequences",
        "Written by `benchmarks/sequences.py --report` from its own runs; the tasks are "
        f"in `{ROOMS}/tasks.py`, the methods in `{ROOMS}/methods.py`. In a cell every method has "
        f"the same network, {_budget(comparisons)}, Adam with a cosine decay, gradients clipped "
        "at a norm of 1, the same batches for a seed, and the same learning rates, of which the "
        "mean on the validation set chooses one. Numbers are means over "
        f"{from_to(seeds)} seeds on the test set, with 95% bootstrap intervals; differences "
        "are paired over seeds. *Ahead* and *behind* are differences whose interval leaves 0 out, "
        "all others are *even*; over so few seeds such an interval is rather too narrow.",
        claims_table(claims),
        reading,
        "## Methods",
        "What is not named is as Keras has it, biases (`unit_forget_bias` among them) and the "
        "output layer, too.",
        "\n".join(methods),
        "## Every cell",
        "A star marks a rate at the end of the grid. The training loss is that of the last tenth "
        "of the steps.",
        *(part for each in comparisons for part in (f"### {each.cell.name}", cell_table(each))),
        "## What is missing" if missing else "",
        "Of the `--standard` grid these runs:" if missing else "",
        "\n".join(f"- {line}" for line in missing),
        "## Where this was run",
        table_of_environments(environments),
        f"Device: {'; '.join(dict.fromkeys(e['device'] for e in environments))}.",
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _budget(comparisons: Sequence[Comparison]) -> str:
    batches = sorted({(c.cell.steps, c.cell.batch) for c in comparisons})
    return " or ".join(f"{steps:,} batches of {size}" for steps, size in batches)
