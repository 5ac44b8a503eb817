"""Scores the runs of `benchmark_trainability.py` and writes the page about them.

    python examples/make_benchmark_report.py standard.jsonl
    python examples/make_benchmark_report.py one.jsonl another.jsonl.gz --reading what-it-says.md

Nothing here trains or imports a backend: the scores are functions of the rows. `--reading`
is a file of text, written by hand, that the page takes in: what the numbers mean.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import gzip
import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

CELL = ("task", "activation", "depth", "width", "optimizer", "samples", "steps", "batch")
FAMILIES = {
    "ours": ("#0072B2", "o"),
    "standard": ("#999999", "s"),
    "tuned": ("#E69F00", "^"),
    "structure": ("#CC79A7", "D"),
    "ablation": ("#56B4E9", "v"),
}
PLAIN = ("standard", "tuned")  # competitors without normalization or skip connections
Row = dict[str, Any]


# ----------------------------------------------------------------------------------
# Scores
# ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """One method in one cell, at the learning rate that the validation set chose.

    Attributes:
        test: By seed, in the order of `seeds`: accuracy or L2 error. A run that diverged
            counts as one that has learned nothing.
        loss: By seed; infinite where it diverged.
        validation: Its mean over seeds: accuracy, or loss.
        sensitivity: The share of learning rates whose mean test score is within .05 of
            this one's.
        failed: The share of all runs, at any rate, that diverged or stayed at chance.
        steps: The median over seeds of the steps to 90% of the accuracy of the cell's best
            method, on the validation set; infinite where most never come there.
        seconds: Per step.
    """

    method: str
    tags: tuple[str, ...]
    rate: float
    seeds: tuple[int, ...]
    test: np.ndarray
    loss: np.ndarray
    validation: float
    sensitivity: float
    failed: float
    seconds: float
    curves: np.ndarray = field(repr=False)
    steps: float = math.inf

    @property
    def mean(self) -> float:
        return float(np.mean(self.test))

    @property
    def interval(self) -> tuple[float, float]:
        return interval(self.test)


@dataclass(frozen=True)
class CellScores:
    """What the methods reached in one cell."""

    row: Row  # one of the cell, for what all its rows share
    scores: dict[str, Score]

    @property
    def name(self) -> str:
        row = self.row
        samples = f", {row['samples']} samples" if row["samples"] else ""
        return (
            f"{row['task']}, {row['activation']}, {row['depth']} x {row['width']}, "
            f"{row['optimizer']}{samples}"
        )

    @property
    def higher_is_better(self) -> bool:
        return bool(self.row["metric"] == "accuracy")

    def best(self, *tags: str, by: str = "validation") -> Score | None:
        """The best of the methods with one of these tags, as the validation set says."""
        found = [score for score in self.scores.values() if set(tags) & set(score.tags)]
        sign = 1 if self.higher_is_better else -1
        return max(found, key=lambda score: sign * getattr(score, by), default=None)

    def advantage(self, ours: Score, other: Score) -> tuple[float, float, float]:
        """By how much the first is better, over the seeds that both have: mean, interval."""
        pairs = [
            (ours.test[ours.seeds.index(seed)], other.test[other.seeds.index(seed)])
            for seed in ours.seeds
            if seed in other.seeds
        ]
        difference = np.array([a - b if self.higher_is_better else b - a for a, b in pairs])
        return float(np.mean(difference)), *interval(difference)

    def trains(self, score: Score) -> bool:
        """Whether it comes at least half the way from chance to the cell's best method."""
        best = self.best(*FAMILIES, by="mean")
        assert best is not None
        chance = self.row["chance"]
        reached, most = score.mean - chance, best.mean - chance
        return reached >= most / 2 if self.higher_is_better else reached <= most / 2


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95% interval of the mean, by bootstrap over the values."""
    if len(values) < 2 or np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = stats.bootstrap(
        (values,), np.mean, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return float(found.low), float(found.high)


def read(paths: Iterable[Path]) -> tuple[list[Row], list[Row]]:
    """The rows of runs, each key once, and those of environments."""
    rows: dict[str, Row] = {}
    environments: dict[str, Row] = {}
    for path in paths:
        whole = path.read_bytes()
        text = (gzip.decompress(whole) if path.suffix == ".gz" else whole).decode()
        lines = text.splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except ValueError:
                if line.endswith("\n"):
                    raise SystemExit(f"{path}, line {number} is not JSON") from None
                continue  # the run was interrupted in the middle of this line
            if "key" in row:
                rows.setdefault(row["key"], row)
            else:
                environments[row["environment"]] = row
    return list(rows.values()), list(environments.values())


def cells_of(rows: list[Row]) -> list[CellScores]:
    """The scores of every method in every cell."""
    by_cell: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        by_cell.setdefault(tuple(row[name] for name in CELL), []).append(row)
    cells = []
    for of_cell in by_cell.values():
        methods = dict.fromkeys(row["method"] for row in of_cell)
        scores = {m: _score([row for row in of_cell if row["method"] == m]) for m in methods}
        cells.append(CellScores(of_cell[0], _with_steps(of_cell[0], scores)))
    return sorted(cells, key=_order)


def _order(cell: CellScores) -> tuple[Any, ...]:
    """Digits first, as the file has its rows in the order in which they were finished."""
    row = cell.row
    return (
        row["task"] != "digits",
        row["metric"] != "accuracy",
        *(row[name] for name in ("task", "optimizer", "samples", "width", "depth", "activation")),
        row["steps"],
    )


def _score(rows: list[Row]) -> Score:
    """Of the runs of one method in one cell."""
    accuracy = rows[0]["metric"] == "accuracy"
    chance = rows[0]["chance"]

    def number(value: float | None, otherwise: float) -> float:
        return otherwise if value is None else value

    rates = sorted({row["learning_rate"] for row in rows})
    of_rate = {
        rate: sorted((r for r in rows if r["learning_rate"] == rate), key=lambda r: r["seed"])
        for rate in rates
    }
    validation = {
        rate: float(np.mean([number(r["validation"], 0 if accuracy else math.inf) for r in runs]))
        for rate, runs in of_rate.items()
    }
    test = {
        rate: np.array([number(r["test"], chance) for r in runs]) for rate, runs in of_rate.items()
    }
    best = max(rates, key=lambda rate: validation[rate] * (1 if accuracy else -1))
    runs = of_rate[best]

    def within(rate: float) -> bool:
        behind = test[best].mean() - test[rate].mean()
        return bool((behind if accuracy else -behind) <= 0.05)

    def failed(row: Row) -> bool:
        if row["test"] is None or row["loss"] is None:
            return True
        return bool(row["test"] <= chance + 0.05 if accuracy else row["test"] >= 0.95 * chance)

    return Score(
        method=rows[0]["method"],
        tags=tuple(rows[0]["tags"]),
        rate=best,
        seeds=tuple(r["seed"] for r in runs),
        test=test[best],
        loss=np.array([number(r["loss"], math.inf) for r in runs]),
        validation=validation[best],
        sensitivity=float(np.mean([within(rate) for rate in rates])),
        failed=float(np.mean([failed(row) for row in rows])),
        seconds=float(np.median([r["seconds_per_step"] for r in rows])),
        curves=np.array([[number(value, math.nan) for value in r["curve"]] for r in runs]),
    )


def _with_steps(row: Row, scores: dict[str, Score]) -> dict[str, Score]:
    """The scores with their `steps`, which depend on the best of them."""
    if row["metric"] != "accuracy":
        return scores
    mark = 0.9 * max(score.validation for score in scores.values())

    def steps(curve: np.ndarray) -> float:
        reached = np.flatnonzero(curve >= mark)
        return float(row["curve_steps"][reached[0]]) if len(reached) else math.inf

    return {
        name: dataclasses.replace(score, steps=float(np.median([*map(steps, score.curves)])))
        for name, score in scores.items()
    }


# ----------------------------------------------------------------------------------
# Claims
# ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """A sentence, whether it holds (None: not measured), and the numbers."""

    text: str
    holds: bool | None
    numbers: str


def claims_of(cells: list[CellScores]) -> list[Claim]:
    """Each thing that the method should do, against what was measured."""
    return [
        slopes(cells),
        not_worse(cells),
        half_the_steps(cells),
        as_good_as_normalized(cells),
        burgers(cells),
        few_samples(cells),
    ]


def _classified(cells: list[CellScores], low: int, high: float = math.inf) -> list[CellScores]:
    """The cells that are scored by accuracy, of a depth from `low` to `high`."""
    return [c for c in cells if c.higher_is_better and low <= c.row["depth"] <= high]


def slopes(cells: list[CellScores]) -> Claim:
    text = (
        "With slopes at 0 other than 1 and depths from 50 on, one of ours trains in at least "
        "95% of the cells, and no standard initializer in more than 50%."
    )
    cells = [c for c in _classified(cells, 50) if abs(c.row["slope"] - 1) > 1e-6]
    shares: dict[str, dict[str, float]] = {"ours": {}, "standard": {}}
    for family, share in shares.items():
        for method in dict.fromkeys(m for c in cells for m in c.scores):
            found = [c.scores[method] for c in cells if method in c.scores]
            if len(found) == len(cells) and any(family in score.tags for score in found):
                share[method] = float(np.mean([c.trains(c.scores[method]) for c in cells]))
    if not all(shares.values()):
        return Claim(text, None, "")
    (ours, most), (standard, theirs) = (
        max(share.items(), key=lambda item: item[1]) for share in shares.values()
    )
    return Claim(
        text,
        most >= 0.95 and theirs <= 0.5,
        f"{len(cells)} cells; of ours, {ours} trains in {most:.0%}; of the standard ones, "
        f"{standard} in {theirs:.0%}",
    )


def _paired(cells: list[CellScores]) -> list[tuple[CellScores, Score, Score]]:
    """The better of our two methods and the best competitor without normalization."""
    found = [(c, c.best("default"), c.best(*PLAIN)) for c in cells]
    return [(c, ours, other) for c, ours, other in found if ours and other]


def lost(cells: list[CellScores]) -> list[tuple[CellScores, Score, Score]]:
    """The cells in which ours is worse, paired over seeds, at 95%."""
    return [(c, a, b) for c, a, b in _paired(cells) if c.advantage(a, b)[2] < 0]


def not_worse(cells: list[CellScores]) -> Claim:
    text = (
        "The better of our two methods is not worse than the best competitor without "
        "normalization (paired, 95%) in at least 90% of the cells."
    )
    pairs = _paired(cells)
    if not pairs:
        return Claim(text, None, "")
    share = 1 - len(lost(cells)) / len(pairs)
    better = sum(c.advantage(a, b)[1] > 0 for c, a, b in pairs)
    return Claim(
        text,
        share >= 0.9,
        f"in {share:.0%} of {len(pairs)} cells; significantly better in {better}",
    )


def half_the_steps(cells: list[CellScores]) -> Claim:
    text = (
        "At depth 100 and more it reaches 90% of the best accuracy in at most half the steps "
        "of the best Gaussian competitor."
    )
    found = []
    for c in _classified(cells, 100):
        ours, gaussian = c.best("default"), c.best("gaussian")
        if ours and gaussian:
            found.append(
                (ours.steps, min(s.steps for s in c.scores.values() if "gaussian" in s.tags))
            )
    if not found:
        return Claim(text, None, "")
    fast = [a <= b / 2 for a, b in found if math.isfinite(a)]
    pairs = "; ".join(f"{_steps(a)} against {_steps(b)}" for a, b in found)
    holds = len(fast) == len(found) and all(fast)
    return Claim(text, holds, f"in {sum(fast)} of {len(found)} cells (steps: {pairs})")


def as_good_as_normalized(cells: list[CellScores]) -> Claim:
    text = (
        "Without normalization it comes within .01 of the best of LayerNorm, BatchNorm and "
        "residual at depth 50 to 100, at a lower time per step."
    )
    found = [(c.best("default"), c.best("structure")) for c in _classified(cells, 50, 100)]
    pairs = [(a, b) for a, b in found if a and b]
    if not pairs:
        return Claim(text, None, "")
    behind = [b.mean - a.mean for a, b in pairs]
    times = [a.seconds / b.seconds for a, b in pairs]
    return Claim(
        text,
        max(behind) <= 0.01 and max(times) < 1,
        f"within .01 in {sum(d <= 0.01 for d in behind)} of {len(pairs)} cells, ahead by "
        f"{-np.mean(behind):.3f} on average (worst {-max(behind):.3f}); time per step "
        f"{np.median(times):.2f} of theirs (median; at most {max(times):.2f})",
    )


def burgers(cells: list[CellScores]) -> Claim:
    text = (
        "Burgers, 30 layers of 16: the final loss of the better of our two methods is at most a "
        "tenth of Glorot's, and below that of the fixed .085."
    )
    for c in cells:
        row = c.row
        glorot = [s for name, s in c.scores.items() if name in ("glorot normal", "glorot uniform")]
        ours, fixed = c.best("default"), c.scores.get("fixed .085")
        if (row["task"], row["depth"], row["width"]) != ("burgers", 30, "16"):
            continue
        if not (ours and fixed and glorot):
            continue
        a, b, f = ours.loss.mean(), min(s.loss.mean() for s in glorot), fixed.loss.mean()
        return Claim(
            text,
            bool(a <= b / 10 and a < f),
            f"{ours.method} {a:.2g}, Glorot {b:.2g}, fixed .085 {f:.2g}",
        )
    return Claim(text, None, "")


def few_samples(cells: list[CellScores]) -> Claim:
    text = (
        "With 100 training samples at depth 50 it is ahead of every competitor without "
        "normalization."
    )
    pairs = _paired([c for c in cells if c.row["samples"] == 100 and c.row["depth"] == 50])
    if not pairs:
        return Claim(text, None, "")
    differences = []
    for c, ours, _ in pairs:
        # The best by the test set itself: ahead of every one of them.
        other = c.best(*PLAIN, by="mean")
        assert other is not None
        mean, low, high = c.advantage(ours, other)
        differences.append(
            (mean, f"{c.name}: {mean:+.3f} [{low:+.3f}, {high:+.3f}] on {other.method}")
        )
    return Claim(
        text, all(mean > 0 for mean, _ in differences), "; ".join(t for _, t in differences)
    )


# ----------------------------------------------------------------------------------
# The page
# ----------------------------------------------------------------------------------


def _steps(steps: float) -> str:
    return "never" if math.isinf(steps) else f"{steps:.0f}"


def table(header: list[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def cell_table(cell: CellScores) -> str:
    """All methods of a cell, the best first."""
    order = sorted(cell.scores.values(), key=lambda s: s.mean, reverse=cell.higher_is_better)
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
                _steps(score.steps) if cell.higher_is_better else "",
                f"{score.failed:.0%}",
                f"{1e3 * score.seconds:.2f}",
            ]
        )
    metric = "test accuracy" if cell.higher_is_better else "L2 error"
    header = [
        "method",
        metric,
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
    pairs = _paired(cells)
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
    """Each method over the cells that all methods have, of one metric, accuracy.

    Without a method that fewer than half of the cells have.
    """
    cells = [c for c in cells if c.higher_is_better]
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


def page(
    cells: list[CellScores],
    environments: list[Row],
    pictures: list[str],
    reading: str = "",
    fresh: Sequence[CellScores] = (),
) -> str:
    """The Markdown of the whole page.

    Args:
        cells: What was measured.
        environments: Where.
        pictures: Their files.
        reading: What the authors say of the numbers.
        fresh: Cells run with seeds that had no part in any choice.
    """
    verdicts = {True: "holds", False: "does not hold", None: "not measured"}
    runs = sum(len(s.seeds) for c in cells for s in c.scores.values())
    lost_cells = "; ".join(c.name for c, _, _ in lost(cells)) or "none"
    sections = [
        "# Benchmarks",
        "Written by `examples/make_benchmark_report.py` from the results of "
        "`examples/benchmark_trainability.py`; the methods are described in "
        "`examples/trainability_methods.py`, the tasks in `examples/trainability_tasks.py`.",
        "Every method has the same network, optimizer, batches, steps, learning rates and seeds. "
        "Scores are those of the learning rate that does best on a validation set: mean over "
        "seeds and its 95% interval by bootstrap. *Failed* is the share of runs, over all "
        "learning rates, that diverged or stayed at chance; a method *trains* where it comes at "
        "least half the way from chance to the best method of the cell, and only there *rates "
        "within .05* counts the learning rates that do about as well. Seconds per step are those "
        "of one run; where runs are trained as a stack, the stack's divided by their number.",
        "## Where this was run",
        table(
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
        ),
        f"{len(cells)} cells, {runs} runs at the chosen learning rates.",
        "## What was claimed, and what was found",
        table(
            ["claim", "verdict", "numbers"],
            [[c.text, f"**{verdicts[c.holds]}**", c.numbers] for c in claims_of(cells)],
        ),
        *([reading] if reading else []),
        "## Ours against the best of the others",
        "The better of our two methods against the best competitor, each chosen by the "
        "validation set, paired over seeds; bold where the 95% interval leaves 0 out. With so "
        "few seeds the intervals are rather too narrow than too wide.",
        comparison_table(cells),
        f"Cells in which we lose to a method without normalization: {lost_cells}.",
        *fresh_section(list(fresh)),
        "## Method by method",
        "Over the cells that every method has, scored by accuracy.",
        method_table(cells),
        *(f"![{Path(name).stem.replace('_', ' ')}]({name})" for name in pictures),
        "## Cell by cell",
        *itertools.chain.from_iterable((f"### {c.name}", cell_table(c)) for c in cells),
    ]
    return "\n\n".join(sections) + "\n"


# ----------------------------------------------------------------------------------
# Pictures
# ----------------------------------------------------------------------------------


def _family(score: Score) -> str:
    return next(family for family in FAMILIES if family in score.tags)


def draw_cells(cells: list[CellScores], path: Path) -> None:
    """Test accuracy of every method in every cell, by family; ours, as recommended, filled."""
    cells = [c for c in cells if c.higher_is_better]
    figure = Figure(figsize=(9, 1.4 + 0.36 * len(cells)), layout="constrained")
    axes = figure.subplots()
    for position, cell in enumerate(cells):
        for score in cell.scores.values():
            color, marker = FAMILIES[_family(score)]
            offset = 0.18 * (1.5 - list(FAMILIES).index(_family(score)))
            face = color if "default" in score.tags or _family(score) != "ours" else "none"
            axes.plot(
                score.mean, position - offset, marker, color=color, markerfacecolor=face, alpha=0.8
            )
    for family, (color, marker) in FAMILIES.items():
        axes.plot([], [], marker, color=color, label=family)
    axes.set(xlabel="test accuracy", xlim=(0, 1), yticks=range(len(cells)))
    axes.set_yticklabels([c.name for c in cells], fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=len(FAMILIES), fontsize=8)
    figure.savefig(path, dpi=130)


def draw_training(cells: list[CellScores], path: Path) -> None:
    """Validation score by step of the best of each family, in the cells of one setting."""
    shown = [c for c in cells if c.row["task"] == "digits" and c.row["optimizer"] == "adam"]
    shown = sorted(shown, key=lambda c: -c.row["depth"])[:4] or cells[:4]
    figure = Figure(figsize=(11, 3), layout="constrained")
    for axes, cell in zip(
        figure.subplots(1, len(shown), squeeze=False, sharey=True)[0], shown, strict=True
    ):
        for family, (color, marker) in FAMILIES.items():
            score = cell.best("default" if family == "ours" else family)
            if score is not None:
                steps = cell.row["curve_steps"]
                axes.plot(
                    steps, score.curves.mean(axis=0), marker=marker, markersize=3, color=color,
                    label=score.method,
                )  # fmt: skip
        axes.set_title(cell.name, fontsize=8)
        axes.set_xlabel("step")
        axes.legend(fontsize=6)
    figure.axes[0].set_ylabel("validation score")
    figure.savefig(path, dpi=130)


def draw_burgers(cells: list[CellScores], path: Path) -> bool:
    """Final loss of every method, each seed a point; whether there is something to draw."""
    cell = next((c for c in cells if not c.higher_is_better), None)
    if cell is None:
        return False
    order = sorted(cell.scores.values(), key=lambda s: float(np.mean(s.loss)))
    figure = Figure(figsize=(8, 0.8 + 0.26 * len(order)), layout="constrained")
    axes = figure.subplots()
    for position, score in enumerate(order):
        color, marker = FAMILIES[_family(score)]
        axes.plot(score.loss, [position] * len(score.loss), marker, color=color, alpha=0.8)
    axes.set(xscale="log", xlabel="final loss", title=cell.name, yticks=range(len(order)))
    axes.set_yticklabels([s.method for s in order], fontsize=8)
    axes.invert_yaxis()
    figure.savefig(path, dpi=130)
    return True


def main(argv: list[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="+", type=Path, help="of benchmark_trainability.py")
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--reading", type=Path, help="Markdown that the page takes in")
    parser.add_argument("--fresh", type=Path, help="results of other seeds, for a section")
    args = parser.parse_args(argv)
    for path in (*args.results, *filter(None, (args.reading, args.fresh))):
        if not path.exists():
            parser.error(f"no such file. Received: {path}")
    rows, environments = read(args.results)
    if not rows:
        parser.error("these files hold no runs")
    cells = cells_of(rows)
    fresh_rows, also = read([args.fresh]) if args.fresh else ([], [])
    environments += [each for each in also if each not in environments]
    fresh = cells_of(fresh_rows)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    stem = args.output.stem
    pictures = [f"{stem}_cells.png", f"{stem}_training.png"]
    if any(c.higher_is_better for c in cells):
        draw_cells(cells, args.output.parent / pictures[0])
    else:
        pictures.pop(0)
    draw_training(cells, args.output.parent / pictures[-1])
    if draw_burgers(cells, args.output.parent / f"{stem}_burgers.png"):
        pictures.append(f"{stem}_burgers.png")
    reading = args.reading.read_text().strip() if args.reading else ""
    args.output.write_text(page(cells, environments, pictures, reading, fresh))
    claims = claims_of(cells)
    for claim in claims:
        print({True: "holds        ", False: "does not hold", None: "not measured "}[claim.holds],
              claim.text, claim.numbers, sep=" | ")  # fmt: skip
    print(args.output)
    return claims


if __name__ == "__main__":
    main()
