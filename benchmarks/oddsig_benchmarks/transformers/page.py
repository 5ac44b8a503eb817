"""The page, in Markdown: claims first, then the tables. Nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..claims import claims_table
from ..differences import Difference
from ..reporting import from_to, table, table_of_environments
from ..results import Row
from .methods import LAYER_NORM, METHODS, TANH
from .models import HEADS
from .runs import CHOOSING, RATES, Cell
from .scores import GAP, NEAR, NOISE, UNITS, Comparison, Score, claims_of

ROOMS = "benchmarks/oddsig_benchmarks/transformers"
NOTHING = "-"
WHOLE = (LAYER_NORM, TANH, "tailored DyT")  # between which the methods stand that lack a part


def summary(metric: str, comparisons: Sequence[Comparison], parts: bool = False) -> str:
    """Cells by methods, of one metric; bold where a method is near LayerNorm.

    Args:
        metric: Of the cells that are shown.
        comparisons: All cells.
        parts: Whether to show what of `tailor` does it: the methods that leave a part out, beside
            the whole and what it stands between; or all other methods.
    """
    shown = [each for each in comparisons if each.metric == metric]
    if parts:
        shown = [each for each in shown if any(METHODS[name].part for name in each.scores)]
    wanted = [n for n, method in METHODS.items() if method.part == parts or (parts and n in WHOLE)]
    names = [name for name in wanted if any(name in each.scores for each in shown)]
    rows = []
    for each in shown:
        row = [each.cell.name]
        for name in names:
            score = each.scores.get(name)
            text = NOTHING if score is None else _score(score)
            row.append(f"**{text}**" if name != LAYER_NORM and each.near(name) else text)
        rows.append(row)
    return table(["cell", *names], rows)


def _score(score: Score) -> str:
    low, high = min(score.values), max(score.values)
    text = f"{score.mean:.3f} [{low:.3f}, {high:.3f}] at {score.rate:g}{' *' if score.edge else ''}"
    return f"{text}, {score.diverged} diverged" if score.diverged else text


def cell_table(each: Comparison) -> str:
    """A line for each method."""
    unit = UNITS[each.metric]
    header = ["method", f"better than LayerNorm by, {unit}", f"within {NEAR[each.metric]:g}"]
    header += ["gap closed", "ms a step", "of LayerNorm's time", "training loss"]
    rows = []
    for name, score in each.scores.items():
        over, share, time = each.over(name), each.closed(name), each.time(name)
        beside = name != LAYER_NORM and over is not None
        rows.append(
            [
                name,
                _difference(over) if beside and over is not None else "",
                ("yes" if each.near(name) else "no") if beside else "",
                "" if share is None else f"{share:.0%}",
                _number(1000 * score.step_seconds, 1),
                _number(time, 2) if beside and time is not None else "",
                _number(score.loss, 3),
            ]
        )
    return table(header, rows)


def _difference(found: Difference) -> str:
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else NOTHING


def tables_of(comparisons: Sequence[Comparison]) -> str:
    """The tables of scores and claims, without the page around them."""
    parts = [summary(metric, comparisons) for metric in _metrics(comparisons)]
    return "\n\n".join([*parts, claims_table(claims_of(comparisons))])


def _metrics(comparisons: Sequence[Comparison]) -> list[str]:
    return [metric for metric in UNITS if any(each.metric == metric for each in comparisons)]


def page_of(
    comparisons: Sequence[Comparison],
    environments: Sequence[Row],
    missing: Sequence[str] = (),
    reading: str = "",
    picture: str | None = None,
) -> str:
    """The Markdown of the whole page.

    Args:
        comparisons: The cells.
        environments: Where they were run.
        missing: What of the standard grid was not.
        reading: What the numbers mean, written by hand.
        picture: The file with the curves, beside the page.
    """
    used = [name for name in METHODS if any(name in each.scores for each in comparisons)]
    seeds = [len(score.rows) for each in comparisons for score in each.scores.values()]
    metrics = _metrics(comparisons)
    some = [c for c in comparisons if any(METHODS[name].part for name in c.scores)]
    near = ", ".join(f"{NEAR[metric]:g} ({UNITS[metric]})" for metric in metrics)
    gaps = ", ".join(f"{GAP[metric]:g} ({UNITS[metric]})" for metric in metrics)
    sections = [
        "# Transformers without normalization",
        "How near does a Dynamic Tanh that `ko.tailor` has set come to LayerNorm?",
        "Written by `benchmarks/transformers.py --report` from its own runs; the tasks "
        f"are in `{ROOMS}/tasks.py`, the methods in `{ROOMS}/methods.py`. Pre-norm transformers of "
        f"{HEADS} heads, as Keras initializes them: *8 x 64* is 8 blocks of width 64. *Characters* "
        "asks for the next character of Python sources after up to 64; *ViT* classifies images in "
        "16 patches. In a cell every method has the same network but for what normalizes, for a "
        "seed the same initial weights of all else and the same batches, and Adam at a constant "
        f"rate. Of {', '.join(f'{rate:g}' for rate in RATES)} the loss on the validation set "
        f"chooses one, on seed {CHOOSING}; shown are other seeds, {from_to(seeds)} of them, on the "
        "test set: the mean, and in brackets the smallest and the largest. A run that has diverged "
        "counts as one that has learned nothing.",
        "## What holds, and what does not",
        "Computed from the runs. Differences are means, paired over seeds; *ahead* and *behind* "
        "are those on whose sign all seeds agree, all others are *even*. Of times, "
        f"{NOISE - 1:.0%} more is no longer: equal programs differ by that much.",
        claims_table(claims_of(comparisons)),
        reading,
        "## Scores",
        f"Bold is what comes within {near} of LayerNorm, or is better; a star marks a rate at the "
        "end of those that were tried.",
        *(
            part
            for metric in metrics
            for part in (
                "Loss in nats a character; lower is better."
                if metric == "crossentropy"
                else "Accuracy; higher is better.",
                summary(metric, comparisons),
            )
        ),
        *(
            part
            for part in (
                "## What of it does it",
                "*Tailored DyT* less one of its parts, and LayerNorm with the same kernels and "
                "embeddings: how a stream begins, and what each block adds to it, helps LayerNorm, "
                "too.",
                *(summary(metric, some, parts=True) for metric in _metrics(some)),
            )
            if some
        ),
        "## Methods",
        "In the place of each of the normalizations, two in each block and one at the end:",
        "\n".join(f"- *{name}*: {METHODS[name].says}" for name in used),
        "## Every cell",
        "*Gap closed* is the share of the gap between the same without tailoring and LayerNorm, "
        f"where it is at least {gaps}. The time is the processor's, the median over the steps "
        "without the first, on one core, where the blocks are a compiled loop. The training loss "
        "is that of the last tenth of the steps.",
        *(
            part
            for each in comparisons
            for part in (f"### {_described(each.cell)}", cell_table(each))
        ),
        "## How the loss falls" if picture else "",
        f"![Validation loss by step]({picture})" if picture else "",
        "## What is missing" if missing else "",
        "Of the `--standard` grid these runs:" if missing else "",
        "\n".join(f"- {line}" for line in missing),
        "## Where this was run",
        table_of_environments(environments),
        f"Device: {'; '.join(dict.fromkeys(e['device'] for e in environments))}.",
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _described(cell: Cell) -> str:
    return f"{cell.name} of {cell.batch}, {cell.blocks} blocks of width {cell.width}"
