"""The page, in Markdown: what holds, then the paper's tables with our runs below its figures.

Nothing is computed here but what a sentence says of the scores; no backend is imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..reporting import from_to, table, table_of_environments
from ..results import Row, used
from . import published
from .cells import EPOCHS, METHODS, Cell
from .scores import VARIANTS, Score, Scores, better, compared, scores_of

ROOMS = "benchmarks/oddsig_benchmarks/paper"
OURS = ("tailored", "hartley, scaled input")
LABELS = {"mnist": "MNIST", "cifar10": "CIFAR-10 (JPEG copy)"}
NEAR = 1.0  # points: a mean of ten runs of another program is not nearer to the paper's


def page_of(rows: Sequence[Row], environments: Sequence[Row], reading: str = "") -> str:
    """The Markdown of the whole page.

    Args:
        rows: Of the runs.
        environments: Where they were made.
        reading: What the authors of this project say of the numbers.
    """
    scores = {cell: each for cell, each in scores_of(rows).items() if cell.data in LABELS}
    machines = used(environments, rows)
    devices = dict.fromkeys(each["device"] for each in machines)
    sections = [
        "# The tables of the ICLR 2025 paper",
        "Written by `benchmarks/paper_tables.py --report` from its own runs. The paper is "
        f"{published.SOURCE}; its figures are in `{ROOMS}/published.py`. Plain tanh networks, "
        "pixels over 255, Adam at 1e-4 without decay, batches of 64, 15% of the training set for "
        "validation. A number is the validation accuracy in %, the mean over the seeds at the "
        "epoch at which that mean is best, as the paper has it; ours have the seeds' standard "
        "deviation behind it, and in brackets the mean after the last epoch.",
        "## What holds",
        "*Ahead* and *behind*: the 95% interval of the difference, seed by seed, is above or "
        "below 0. A claim holds if it is ahead in every cell that was run. Of Xavier (normal, "
        "uniform) and of theirs (noise by inputs, as the text says, by outputs, as the notebook "
        "does) the variant that is better in a cell is compared with.",
        claims(scores),
        *([reading] if reading else []),
        "## The tables",
        "*theirs, by inputs* divides the noise of .085 by the root of the inputs, *by outputs* by "
        "that of the outputs; both initialize the output layer so, too. *tailored* is Keras's own "
        "network behind `ko.tailor(model, x)`, x being 256 of the run's own training samples (or "
        "as many as it has), "
        "*hartley, scaled input* [the guide's](../guides/initializers.md) recipe: "
        "`OddSigmoidOrthogonal` in every hidden layer, in the first with `input_std`, the root "
        "mean square of the pixels. Bold is the best mean of ours and theirs here.",
        *tables(scores),
        "## Where our Xavier is not the paper's",
        xavier(scores),
        "## What differs in the protocol",
        protocol(scores),
        "## What is missing",
        missing(scores),
        "## Where this was run",
        table_of_environments(machines),
        f"{len(rows)} runs. Device: {'; '.join(devices)}.",
    ]
    return "\n\n".join(sections) + "\n"


def claims(scores: Scores) -> str:
    """Each claim, whether it holds, in how many cells, and where it does not."""
    rows = []
    pairs = [("theirs", "xavier"), *((ours, other) for ours in OURS for other in VARIANTS)]
    for one, other in pairs:
        found = compared(scores, one, other)
        counts = (
            f"ahead in {len(found.ahead)} of {found.cells} cells, even in {len(found.even)}, "
            f"behind in {len(found.behind)}"
        )
        behind = "; ".join(cell.label for cell in found.behind)
        rows.append(
            [
                f"*{one}* is ahead of *{other}*",
                _verdict(len(found.ahead), found.cells),
                counts + (f": {behind}" if behind else ""),
            ]
        )
    for name in VARIANTS:
        whole = [
            abs(score.mean - paper) <= NEAR
            for cell, score, paper in beside_the_paper(scores, name)
            if score.epochs == EPOCHS[cell.table]
        ]
        rows.append(
            [
                f"*{name}* reaches what the paper reports, to {NEAR:g} point",
                _verdict(sum(whole), len(whole)),
                f"{sum(whole)} of {len(whole)} cells with all epochs",
            ]
        )
    return table(["claim", "verdict", "found"], rows)


def _verdict(holding: int, cells: int) -> str:
    if cells == 0:
        return "not tried"
    return "**holds**" if holding == cells else "does not hold"


def figures(cell: Cell) -> dict[str, float]:
    """The paper's of a cell, by method."""
    sizes = {
        "width": published.WIDTHS,
        "depth": published.DEPTHS,
        "samples": published.SAMPLES,
    }[cell.table]
    by_method = published.ACCURACIES.get((cell.table, cell.data), {})
    return {method: row[sizes.index(cell.size)] for method, row in by_method.items()}


def beside_the_paper(scores: Scores, name: str) -> Iterator[tuple[Cell, Score, float]]:
    """Cells, the score of the better variant there, and the paper's."""
    for cell, of_cell in scores.items():
        score = better(of_cell, name)
        if score:
            yield cell, score, figures(cell)[name]


def paper_tables() -> Iterator[tuple[str, list[Cell]]]:
    """Each of the paper's tables: its title and its columns."""
    for data in LABELS:
        yield (
            f"{LABELS[data]}, 64 wide, by hidden layers",
            [Cell("depth", data, depth, 64) for depth in published.DEPTHS],
        )
        yield (
            f"{LABELS[data]}, 20 hidden layers, by width",
            [Cell("width", data, 20, width) for width in published.WIDTHS],
        )
    for depth in published.SAMPLES_DEPTHS:
        yield (
            f"MNIST, {depth} hidden layers of 64, by training samples",
            [Cell("samples", "mnist", depth, 64, samples) for samples in published.SAMPLES],
        )


def tables(scores: Scores) -> Iterator[str]:
    shown = set()
    for title, columns in paper_tables():
        # The paper has its few samples once, with a depth that its caption and its text differ in.
        kind = (columns[0].table, columns[0].data)
        if kind in shown and not any(cell in scores for cell in columns):
            continue
        shown.add(kind)
        yield f"### {title}"
        yield table_of(columns, scores)


def table_of(columns: Sequence[Cell], scores: Scores) -> str:
    """The paper's rows, then ours."""
    theirs = [figures(cell) for cell in columns]
    rows = [
        [f"paper: {method}", *(f"{of_cell[method]:.2f}" for of_cell in theirs)]
        for method in theirs[0]
    ]
    found = [scores.get(cell, {}) for cell in columns]
    best = [max((s.mean for s in each.values()), default=np.nan) for each in found]
    for method in (m for methods in METHODS.values() for m in methods):
        if not any(method in each for each in found):
            continue
        row = [f"here: {method}"]
        for each, most in zip(found, best, strict=True):
            score = each.get(method)
            if score is None:
                row.append("")
                continue
            mean = f"**{score.mean:.2f}**" if score.mean == most else f"{score.mean:.2f}"
            row.append(f"{mean} ± {score.deviation:.2f} ({score.last:.2f})")
        rows.append(row)
    if any(found):
        planned = EPOCHS[columns[0].table]
        epochs = [from_to(score.epochs for score in each.values()) for each in found]
        rows.append([f"epochs here (paper: {planned})", *epochs])
        rows.append(
            ["seeds here", *(from_to(len(score.rows) for score in each.values()) for each in found)]
        )
    return table(["", *(str(cell.size) for cell in columns)], rows)


def xavier(scores: Scores) -> str:
    """The cells in which it is another number, and what the reason cannot be."""
    apart = [
        f"- {cell.label}, {score.epochs} of {EPOCHS[cell.table]} epochs: {score.mean:.2f} here, "
        f"{paper:.2f} in the paper ({score.mean - paper:+.2f})"
        for cell, score, paper in beside_the_paper(scores, "xavier")
        if abs(score.mean - paper) > NEAR
    ]
    between = [
        abs(each["xavier"].mean - each["xavier, uniform"].mean)
        for each in scores.values()
        if {"xavier", "xavier, uniform"} <= each.keys()
    ]
    text = [
        "The paper does not say which of Glorot's two initializers it had, nor which images were "
        "held out, what became of a last, smaller batch, nor Adam's epsilon (1e-7 here, Keras's). "
        "At so low a rate most networks are still learning when the epochs end, and what speeds "
        "up the first ones shows."
    ]
    if between:
        text.append(
            f"The variant: normal and uniform, which have the same variance, are at most "
            f"{max(between):.2f} points apart in a cell, {np.median(between):.2f} in the median."
        )
    text.append(f"More than {NEAR:g} point from the paper's, the better variant:")
    text.append("\n".join(apart) or "No cell that was run.")
    return "\n\n".join(text)


def protocol(scores: Scores) -> str:
    seeds = from_to(len(score.rows) for each in scores.values() for score in each.values())
    return "\n".join(
        [
            f"- Seeds: {seeds or 'none'} here, 10 in the paper, 5 with few samples. The methods of "
            "a seed have the same batches, and all seeds the same validation set.",
            "- CIFAR-10 is a copy of the pictures in JPEG: pixels are within JPEG's error of the "
            "paper's.",
            "- With few samples the validation set is the same 15% of all training images; which "
            "samples a run has, its seed says. Batch normalization stands before tanh and has "
            "Keras's momentum of .99: in so few steps its averages are half made.",
            "- The first kernel of *theirs* takes the first pixels as they are (the pattern "
            "`D_ij = 1` where `i = j mod m`), and those of MNIST are blank: what a network sees "
            "comes through the noise.",
            "- All products are in full float32, on a GPU, too (no TF32).",
        ]
    )


def missing(scores: Scores) -> str:
    """Of each table the cells without runs, and those with fewer methods or epochs."""
    lines = []
    for title, columns in paper_tables():
        planned = EPOCHS[columns[0].table]
        wanted = [
            method
            for structure, methods in METHODS.items()
            for method in methods
            if structure == "plain" or columns[0].table == "samples"
        ]
        by_lack: dict[str, list[str]] = {}
        for cell in columns:
            of_cell = scores.get(cell, {})
            lacks = [method for method in wanted if method not in of_cell]
            fewer = sorted({s.epochs for s in of_cell.values() if s.epochs < planned})
            if not of_cell:
                by_lack.setdefault("not run", []).append(str(cell.size))
            elif lacks:
                by_lack.setdefault(f"without {', '.join(lacks)}", []).append(str(cell.size))
            if fewer:
                lack = f"{from_to(fewer)} of {planned} epochs"
                by_lack.setdefault(lack, []).append(str(cell.size))
        found = "; ".join(f"{', '.join(sizes)}: {lack}" for lack, sizes in by_lack.items())
        lines += [f"- {title}: {found}"] if found else []
    return "\n".join(lines) or "Nothing: every cell has all methods and all epochs."
