"""The page, in Markdown: one table, and what does not hold. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence

from ..reporting import from_to, table, table_of_environments
from ..results import Row
from .scores import TOLERANCE, Comparison, Score
from .unscaled import INTRODUCTION

ROOMS = "benchmarks/oddsig_benchmarks/gallery"
HEADER = [
    "model",
    "kernels set",
    "signal, before and after",
    "metric",
    "Keras's own",
    "after `tailor`",
    "recipe by hand",
    "",
]


def table_of(comparisons: Sequence[Comparison], titles: dict[str, str]) -> str:
    """A line for each model; bold is the better of Keras's own and `tailor`."""
    rows = []
    for each in comparisons:
        found = each.scores
        verdicts = [found[m].verdict for m in ("keras", "tailored") if m in found]
        best = {"keras": False, "tailored": False}
        if best.keys() <= found.keys():
            behind, noise = each.deficit("keras"), each.pooled("keras")
            best = {"keras": behind > noise, "tailored": -behind > noise}
        rows.append(
            [
                titles.get(each.model, each.model),
                "{} of {}".format(*each.kernels) if each.kernels else "",
                " → ".join(verdicts),
                f"{each.metric} {'↑' if each.higher else '↓'}",
                *(_number(found.get(method), best[method]) for method in best),
                _number(found.get("by hand"), False),
                "; ".join(each.marks),
            ]
        )
    return table(HEADER, rows)


def _number(score: Score | None, bold: bool) -> str:
    if score is None:
        return ""
    text = f"{score.mean:.3f} ± {score.spread:.3f}"
    return f"{f'**{text}**' if bold else text} ({score.rate:g})"


def page_of(
    comparisons: Sequence[Comparison],
    environments: Sequence[Row],
    titles: dict[str, str],
    unscaled: str,
    behind: Sequence[str] = (),
) -> str:
    """The Markdown of the whole page.

    Args:
        comparisons: Of the models.
        environments: Where they were trained.
        titles: Of the models.
        unscaled: The table of data as they come.
        behind: What does not hold of these.
    """
    worse = [f"{titles.get(c.model, c.model)}: {mark}" for c in comparisons for mark in c.marks]
    for each in comparisons:
        score = each.scores.get("tailored")
        if score is not None and score.verdict != "healthy":
            title = titles.get(each.model, each.model)
            worse.append(f"{title}: the signal behind `tailor` is called {score.verdict}")
    worse += behind
    seeds = [len(s.rows) for c in comparisons for s in c.scores.values()]
    steps = [c.steps for c in comparisons]
    devices = dict.fromkeys(e["device"] for e in environments)
    sections = [
        "# `tailor` on models that others write",
        "Written by `benchmarks/tailor_gallery.py --report` from its own runs. The models "
        f"(`{ROOMS}/models.py`) are plain Keras and know nothing of this package; "
        f"the tasks are in `{ROOMS}/tasks.py`, the recipes by hand in `{ROOMS}/entries.py`.",
        "*Keras's own* is a model as it is built, *after `tailor`* the same behind "
        "`ko.tailor(model, x)`, *by hand* the same with the recipe of [the "
        "guide](../guides/initializers.md) for such a network, where it is one of the benchmarks, "
        "drawn from the seeds that `tailor` uses. All have the same batches, "
        f"{from_to(steps)} steps of Adam with a cosine decay, and three learning rates. "
        "A cell is the mean over "
        f"{from_to(seeds)} seeds, their standard deviation, and in brackets the rate, which is the "
        "one with the best mean; an arrow says which way the metric is better. Bold is better by "
        "more than the seeds' spread, which is the standard deviations of both, pooled. The last "
        "column says where `tailor` is worse by more than that, and where it is behind the recipe "
        f"by more than {TOLERANCE:g}. *Signal* is `signal_report`'s verdict before training.",
        table_of(comparisons, titles),
        "## Data as they come",
        INTRODUCTION,
        unscaled,
        "## What does not hold",
        "\n".join(f"- {line}" for line in worse) or "Nothing of it.",
        "## Where this was run",
        table_of_environments(environments),
        f"Device: {'; '.join(devices)}.",
    ]
    return "\n\n".join(sections) + "\n"
