"""The claims made of the method, each against what was measured.

A claim is a function of the cells' scores; how it is printed is not its business.
"""

from __future__ import annotations

import math

import numpy as np

from ...claims import Claim
from .scores import FAMILIES, PLAIN, CellScores, Score


def claims_of(cells: list[CellScores]) -> list[Claim]:
    """Each thing that the method should do, against what was measured."""
    return [
        slopes(cells),
        not_worse(cells),
        half_the_steps(cells),
        as_good_as_normalized(cells),
        few_samples(cells),
        everyday(cells),
        very_deep(cells),
        colour(cells),
        transformed(cells),
        with_skips(cells),
    ]


def _of_depth(cells: list[CellScores], low: int, high: float = math.inf) -> list[CellScores]:
    """The cells of a depth from `low` to `high`."""
    return [c for c in cells if low <= c.depth <= high]


def slopes(cells: list[CellScores]) -> Claim:
    text = (
        "With slopes at 0 other than 1 and depths from 50 on, one of ours trains in at least "
        "95% of the cells, and no standard initializer in more than 50%."
    )
    # Those that Keras's own were run in.
    cells = [c for c in _of_depth(cells, 50) if abs(c.row["slope"] - 1) > 1e-6]
    cells = [c for c in cells if any("standard" in s.tags for s in c.scores.values())]
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


def pairs_of(cells: list[CellScores]) -> list[tuple[CellScores, Score, Score]]:
    """The better of our two methods and the best competitor without normalization."""
    found = [(c, c.best("default"), c.best(*PLAIN)) for c in cells]
    return [(c, ours, other) for c, ours, other in found if ours and other]


def lost(cells: list[CellScores]) -> list[tuple[CellScores, Score, Score]]:
    """The cells in which ours is worse, paired over seeds, at 95%."""
    return [(c, a, b) for c, a, b in pairs_of(cells) if c.advantage(a, b)[2] < 0]


def not_worse(cells: list[CellScores]) -> Claim:
    text = (
        "The better of our two methods is not worse than the best competitor without "
        "normalization (paired, 95%) in at least 90% of the cells."
    )
    pairs = pairs_of(cells)
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
    for c in _of_depth(cells, 100):
        ours, gaussian = c.best("default"), c.best("gaussian")
        if ours and gaussian:
            found.append(
                (ours.steps, min(s.steps for s in c.scores.values() if "gaussian" in s.tags))
            )
    if not found:
        return Claim(text, None, "")
    fast = [a <= b / 2 for a, b in found if math.isfinite(a)]
    pairs = "; ".join(f"{steps_in_words(a)} against {steps_in_words(b)}" for a, b in found)
    holds = len(fast) == len(found) and all(fast)
    return Claim(text, holds, f"in {sum(fast)} of {len(found)} cells (steps: {pairs})")


def steps_in_words(steps: float) -> str:
    return "never" if math.isinf(steps) else f"{steps:.0f}"


def as_good_as_normalized(cells: list[CellScores]) -> Claim:
    text = (
        "Without normalization it comes within .01 of the best of LayerNorm, BatchNorm and "
        "residual at depth 50 to 100, at a lower time per step."
    )
    found = [(c.best("default"), c.best("structure")) for c in _of_depth(cells, 50, 100)]
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


def few_samples(cells: list[CellScores]) -> Claim:
    text = (
        "With 100 training samples at depth 50 it is ahead of every competitor without "
        "normalization."
    )
    pairs = pairs_of([c for c in cells if c.row["samples"] == 100 and c.row["depth"] == 50])
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


def everyday(cells: list[CellScores]) -> Claim:
    text = (
        "In networks of 3 to 20 layers nobody is worse off: it comes within .01 of the best of all "
        "methods in at least 90% of the cells."
    )
    small = [c for c in _of_depth(cells, 3, 20) if c.row["task"] in ("digits", "tabular")]
    pairs = [(c, c.best("default"), c.best(*FAMILIES)) for c in small]
    behind = [(c, b.mean - a.mean, b.method) for c, a, b in pairs if a and b]
    if not behind:
        return Claim(text, None, "")
    near = sum(d <= 0.01 for _, d, _ in behind)
    return Claim(text, near >= 0.9 * len(behind), f"in {near} of {len(behind)}{_worst(behind)}")


def _worst(behind: list[tuple[CellScores, float, str]]) -> str:
    cell, difference, method = max(behind, key=lambda each: each[1])
    if difference <= 0:
        return ""
    return f"; at worst {difference:.3f} behind *{method}* ({cell.name})"


def very_deep(cells: list[CellScores]) -> Claim:
    text = (
        "A thousand layers and ten thousand train like a hundred: within .02 of its own accuracy "
        "at 100 layers, and ahead of every competitor."
    )
    shallow = {
        c.row["activation"]: c.best("default")
        for c in _of_depth(cells, 100, 100)
        if c.row["task"] == "digits" and c.row["width"] == "32"
    }
    found, holds = [], True
    for c in _of_depth(cells, 1_000):
        ours, usual = c.best("default"), shallow.get(c.row["activation"])
        others = [s for s in c.scores.values() if not {"default", "ours"} & set(s.tags)]
        if not (ours and usual and others):
            continue
        other = max(others, key=lambda s: s.mean)
        mean, low, _ = c.advantage(ours, other)
        holds &= ours.mean >= usual.mean - 0.02 and low > 0
        found.append(
            f"{c.row['activation']}, {c.depth:,}: {ours.mean:.3f} (100 layers: {usual.mean:.3f}), "
            f"{mean:+.3f} on {other.method}"
        )
    return Claim(text, holds if found else None, "; ".join(found))


def colour(cells: list[CellScores]) -> Claim:
    text = "On CIFAR-10 it is ahead of every competitor without normalization."
    pairs = pairs_of([c for c in cells if c.row["task"].startswith("cifar10")])
    found, holds = [], True
    for c, ours, _ in pairs:
        other = c.best(*PLAIN, by="mean")
        assert other is not None
        mean, low, high = c.advantage(ours, other)
        holds &= low > 0
        found.append(
            f"{c.name}: {ours.mean:.3f}, {mean:+.3f} [{low:+.3f}, {high:+.3f}] on {other.method}"
        )
    return Claim(text, holds if pairs else None, "; ".join(found))


def transformed(cells: list[CellScores]) -> Claim:
    text = (
        "It is not worse than DKS and TAT, which transform the activation (paired, 95%), in at "
        "least 90% of the cells."
    )
    pairs = [
        (c, ours, c.scores[method])
        for c in cells
        for method in ("dks", "tat")
        if method in c.scores and (ours := c.best("default"))
    ]
    if not pairs:
        return Claim(text, None, "")
    differences = [c.advantage(a, b) for c, a, b in pairs]
    kept = sum(high >= 0 for _, _, high in differences)
    better = sum(low > 0 for _, low, _ in differences)
    return Claim(
        text,
        kept >= 0.9 * len(pairs),
        f"in {kept} of {len(pairs)} comparisons; significantly better in {better}",
    )


def with_skips(cells: list[CellScores]) -> Claim:
    text = (
        "Where narrow layers alternate with wide ones, skip connections and the kernels of "
        "`tailor` are at least level with skip connections and Glorot's (paired, 95%)."
    )
    pairs = [
        (c, c.advantage(c.scores["tailored + residual"], c.scores["glorot + residual"]))
        for c in cells
        if "/" in c.row["width"] and {"tailored + residual", "glorot + residual"} <= set(c.scores)
    ]
    found = "; ".join(
        f"{c.name}: {mean:+.3f} [{low:+.3f}, {high:+.3f}]" for c, (mean, low, high) in pairs
    )
    return Claim(text, all(high >= 0 for _, (_, _, high) in pairs) if pairs else None, found)
