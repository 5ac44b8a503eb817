"""The page, in Markdown: where the runs were made, tables of their scores, what is missing.

It says what was measured, the cells in which our kernels lose among it, and no more.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from ...reporting import table, table_of_environments
from ...results import Row
from ..cells import Cell
from . import paper
from .scores import FAMILIES, REFERENCE, CellScores, Score
from .tailored import tailored_section
from .wording import in_words, label_of, number

THEIRS = "fixed .085, by outputs"
RECOMMENDED = ("few inputs, rotation", "few inputs, diagonal")
ROOMS = "benchmarks/oddsig_benchmarks/pinn"


def page_of(
    cells: list[CellScores],
    environments: list[Row],
    grid: Sequence[Cell],
    methods: int,
    reading: str = "",
    choice: list[CellScores] | None = None,
) -> str:
    """The Markdown of the whole page.

    Args:
        cells: What was measured.
        environments: Where.
        grid: The cells that there should be.
        methods: How many there should be in each.
        reading: What the authors say of the numbers.
        choice: The runs, on seeds of their own, by which `input_dim` was decided.
    """
    runs = sum(score.seeds for c in cells for score in c.scores.values())
    devices = dict.fromkeys(e.get("device", "") for e in environments)
    sections = [
        "# Physics-informed networks",
        "Written by `benchmarks/pinn_report.py` from the results of "
        f"`benchmarks/pinn.py`; the methods are described in `{ROOMS}/methods.py`, the "
        f"equations, with what was chosen where the paper is unclear, in `{ROOMS}/equations.py`.",
        "Adam, then L-BFGS, in float32 on all collocation points at once; tanh; biases start at "
        "zero. The loss is the mean squared residual at all points plus the mean squared error on "
        "the border. Every method has the same network, points, steps, learning rate and seeds. "
        "Numbers over seeds are the median, and in brackets the smallest and the largest. *Error* "
        "is the relative L2 error on a grid against the exact solution, or one computed by this "
        "project (Allen-Cahn). *u_x* and *u_xx* are root mean squares over the domain at the "
        "start, for x the last input. *Fresh* is the final loss at points that the run has not "
        "seen.",
        "## Where this was run",
        table_of_environments(environments),
        f"{len(cells)} cells, {runs} runs. Device: {'; '.join(devices)}.",
        "## What is missing",
        missing(cells, grid, methods),
        *([reading] if reading else []),
        "## What is recommended",
        "*few inputs, rotation* is `OddSigmoidOrthogonal(activation, depth, input_dim=m)` in every "
        "layer, *few inputs, diagonal* `OddSigmoidInit` with the same arguments. *Error* and "
        f"*loss*: the median, and in brackets that of *{REFERENCE}* over it: above 1 ours is "
        "ahead. *Spread*: the largest final loss of the seeds over the smallest.",
        recommended(cells),
        *tailored_section(cells, environments),
        *how_it_was_chosen(choice or []),
        *roughness([*cells, *(choice or [])]),
        f"## Against {REFERENCE}",
        f"The median error of each method over that of *{REFERENCE}*; bold where it is larger. "
        "Below 1 is better. With so few seeds, and spreads as wide as in the tables further "
        "below, factors of less than about two say little.",
        ratios(cells, "error"),
        "The same of the median final loss:",
        ratios(cells, "loss"),
        "## Where ours lose",
        losing(cells),
        *beside_the_paper(cells),
        "## Cell by cell",
        *itertools.chain.from_iterable((f"### {c.cell.name}", cell_table(c)) for c in cells),
    ]
    return "\n\n".join(sections) + "\n"


def recommended(cells: list[CellScores]) -> str:
    """Ours with `input_dim` beside what people begin with, cell by cell."""
    rows = []
    for c in cells:
        for method in (REFERENCE, "orthogonal", THEIRS, *RECOMMENDED):
            if method not in c.scores:
                continue
            score = c.scores[method]
            row = [label_of(c.cell), method, score.seeds]
            for name in ("error", "loss"):
                ratio = c.ratio(score, name)
                ahead = f" ({number(1 / ratio)})" if ratio and method != REFERENCE else ""
                row.append(number(score.spread(name).median) + ahead)
            loss = score.spread("loss")
            rows.append([*row, number(loss.high / loss.low)])
    return table(["cell", "method", "seeds", "error", "loss", "spread"], rows)


def how_it_was_chosen(choice: list[CellScores]) -> list[str]:
    """The candidates, on other seeds than those of the other tables."""
    if not choice:
        return []
    seeds = sorted({row["seed"] for c in choice for s in c.scores.values() for row in s.rows})
    return [
        "## How it was chosen",
        f"On seeds {seeds[0]} to {seeds[-1]}, which no other table has: slopes of a standard "
        "deviation, a rotation of gain 1 + c / depth, and at the output another of that gain, or "
        f"Glorot's kernel. The median error over that of *{REFERENCE}*; bold where it is larger.",
        ratios(choice, "error"),
        "The same of the median final loss:",
        ratios(choice, "loss"),
    ]


ROUGHNESS = (0, 0.25, 1, 2, 4, 6, 8, 12, 20, 50, math.inf)
SMOOTH = "poisson1d"


def roughness(cells: list[CellScores]) -> list[str]:
    """Every run of a plain network on the smooth equation, by its u_xx at the start."""
    found: list[tuple[float, float]] = []
    glorot: dict[str, list[float]] = {}
    of_equation = [c for c in cells if c.cell.equation == SMOOTH and REFERENCE in c.scores]
    for c in of_equation:
        errors = [row["error"] for row in c.scores[REFERENCE].rows]
        glorot.setdefault(c.cell.network, []).extend(errors)
    for c in of_equation:
        typical = float(np.median(glorot[c.cell.network]))
        for score in c.scores.values():
            if score.family in ("structure", "paper"):
                continue
            for row in score.rows:
                error = math.inf if row["error"] is None else row["error"]
                found.append((row["u_xx"], error / typical))
    if not found:
        return []
    rows = []
    for low, high in itertools.pairwise(ROUGHNESS):
        ratio = [each for u_xx, each in found if low <= u_xx < high]
        if ratio:
            label = f"{low:g} to {high:g}" if high < math.inf else f"{low:g} and more"
            quartiles = np.quantile(ratio, [0.25, 0.5, 0.75], method="nearest")
            rows.append([label, len(ratio), *map(number, quartiles)])
    return [
        "## How rough a network may begin",
        f"All runs of plain networks on `{SMOOTH}`, those of Glorot's initializer among them and "
        "the paper's kernels left out, by the u_xx with which they began: their error over the "
        f"median of *{REFERENCE}* in the same network. The solution's own u_xx is 7.",
        table(["u_xx at the start", "runs", "lower quartile", "median", "upper quartile"], rows),
    ]


def missing(cells: list[CellScores], grid: Sequence[Cell], methods: int) -> str:
    """Cells without runs, methods without runs in a cell, and seeds."""
    found = {c.cell: c for c in cells}
    lines = [f"- {cell.name}: no run" for cell in grid if cell not in found]
    for c in cells:
        seeds = sorted({score.seeds for score in c.scores.values()})
        text = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
        lacks = methods - len(c.scores)
        of_methods = f"{lacks} of {methods} methods without runs" if lacks else f"{methods} methods"
        lines.append(f"- {c.cell.name}: {of_methods}, {text} seed{'s' * (text != '1')} each")
    return "\n".join(
        ["Of the `--standard` grid, and of it alone (the paper's table is `--full`):", "", *lines]
    )


def cell_table(cell: CellScores) -> str:
    """All methods of a cell, the lowest median error first."""
    adam_only = cell.cell.lbfgs == 0
    header = ["method", "seeds", "error", *([] if adam_only else ["error after Adam"]), "loss"]
    header += ["fresh", *([] if adam_only else ["loss after Adam"]), "loss at start"]
    header += ["u_x", "u_xx", "seconds"]
    rows = []
    for score in cell.scores.values():
        seconds = sum(score.spread(f"seconds_{each}").median for each in ("adam", "lbfgs"))
        medians = {
            name: number(score.spread(name).median)
            for name in ("error_adam", "loss_fresh", "loss_adam", "loss_start", "u_x", "u_xx")
        }
        rows.append(
            [
                score.method,
                score.seeds,
                in_words(score.spread("error")),
                *([] if adam_only else [medians["error_adam"]]),
                in_words(score.spread("loss")),
                medians["loss_fresh"],
                *([] if adam_only else [medians["loss_adam"]]),
                medians["loss_start"],
                medians["u_x"],
                medians["u_xx"],
                f"{seconds:.1f}",
            ]
        )
    return table(header, rows)


def ratios(cells: list[CellScores], name: str) -> str:
    """Each method's median over that of `REFERENCE`, cell by cell."""
    families = {method: score.family for c in cells for method, score in c.scores.items()}
    rows = []
    for method in sorted(families, key=lambda method: (FAMILIES.index(families[method]), method)):
        row = [method]
        for c in cells:
            found = c.ratio(c.scores[method], name) if method in c.scores else None
            text = "" if found is None else number(found)
            row.append(f"**{text}**" if found is not None and found > 1 else text)
        rows.append(row)
    names = [label_of(c.cell) for c in cells]
    return table(["method", *names], rows)


def losing(cells: list[CellScores]) -> str:
    """For each cell those of ours with a larger median error than the best of the others."""
    lines = []
    for c in cells:
        other = c.best("error", lambda score: not score.ours and score.family != "structure")
        if other is None:
            continue
        bound = other.spread("error").median
        worse = [s for s in c.scores.values() if s.ours and s.spread("error").median > bound]
        text = "; ".join(f"{s.method} {number(s.spread('error').median)}" for s in worse)
        lines.append(
            f"- {label_of(c.cell)}, the best of the other plain networks "
            f"*{other.method}* with {number(bound)}: {text or 'none of ours has a larger error'}"
        )
    return "\n".join(["Median errors; the networks with another structure apart.", "", *lines])


def beside_the_paper(cells: list[CellScores]) -> list[str]:
    """The paper's final losses, and ours of the same networks."""
    rows = []
    for c in cells:
        theirs = paper.losses(c.cell.equation, c.cell.depth, c.cell.width)
        if theirs is None or (c.cell.adam, c.cell.lbfgs) != paper.BUDGET:
            continue
        best = c.best("loss", lambda score: score.ours)
        rows.append(
            [
                label_of(c.cell),
                *map(number, theirs),
                c.cell.points,
                *(_loss(c, name) for name in (REFERENCE, THEIRS)),
                f"{best.method}: {in_words(best.spread('loss'))}" if best else "",
            ]
        )
    if not rows:
        return []
    header = ["network", "paper, Xavier", "paper, theirs", "points here", REFERENCE]
    header += [THEIRS, "the best of ours"]
    return [
        "## Beside the paper",
        "Final losses: the paper's are medians of five runs on 20,000 points, ours on as many as "
        "the table says. The method with the lowest loss of ours is chosen by these very seeds.",
        table(header, rows),
    ]


def _loss(cell: CellScores, method: str) -> str:
    score: Score | None = cell.scores.get(method)
    return in_words(score.spread("loss")) if score else ""
