"""The section about the papers' kernel under noise of several distributions.

Its numbers and its table; what is concluded from them, the reading says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ...reporting import table
from .scores import CellScores, Score

NORMAL = "normal noise"  # the one that the others are compared with


@dataclass(frozen=True)
class Difference:
    """A mean of paired differences, from the normal noise's accuracy.

    Attributes:
        mean: Positive where the other is better.
        error: Its standard error.
        number: Of pairs.
    """

    mean: float
    error: float
    number: int

    @property
    def significant(self) -> bool:
        """Whether Student's 95% interval leaves 0 out."""
        return abs(self.mean) > stats.t.ppf(0.975, self.number - 1) * self.error

    def __str__(self) -> str:
        text = f"{self.mean:+.3f} ± {self.error:.3f}"
        return f"**{text}**" if self.significant else text


def difference(values: Sequence[float] | np.ndarray) -> Difference:
    """Of paired differences."""
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    return Difference(float(np.mean(values)), float(error), len(values))


def noise_section(cells: Sequence[CellScores]) -> list[str]:
    """Nothing, where no noise but the normal one has been run.

    Args:
        cells: Those of the grid `--noise`.
    """
    others = dict.fromkeys(m for c in cells for m in c.scores if m != NORMAL)
    if not others:
        return []
    found = {
        other: [difference(c.scores[other].test - c.scores[NORMAL].test) for c in cells]
        for other in others
    }
    rows = [
        [
            cell.name,
            _spread(cell.scores[NORMAL]),
            *(f"{_spread(cell.scores[other])}, {found[other][i]}" for other in others),
        ]
        for i, cell in enumerate(cells)
    ]
    every = [each for of_other in found.values() for each in of_other]
    over = [str(difference([each.mean for each in found[other]])) for other in others]
    return [
        "## Does the noise's distribution matter?",
        "The papers leave other distributions than the normal one to future work. Here every "
        "kernel is `OddSigmoidInit`'s (*diagonal .3*), with each distribution of its noise, of the "
        "same standard deviation, and with sparse noise: normal in that share of the entries, "
        "scaled up, and 0 in the others. Test accuracy, its mean and standard deviation over "
        f"{_seeds(cells)} seeds; then the paired difference from *{NORMAL}* and its standard "
        "error, bold where Student's 95% interval leaves 0 out. Each is at the learning rate that "
        "the validation set chose.",
        table(
            ["cell", NORMAL, *others],
            [*rows, ["**mean difference, over the cells**", "", *over]],
        ),
        f"Significant one by one: {sum(each.significant for each in every)} of {len(every)} "
        f"differences, where chance alone would make {0.05 * len(every):g}. The last row's errors "
        "are those over the cells.",
    ]


def _spread(score: Score) -> str:
    return f"{score.mean:.3f} ± {np.std(score.test, ddof=1):.3f}"


def _seeds(cells: Sequence[CellScores]) -> str:
    numbers = sorted({len(score.seeds) for cell in cells for score in cell.scores.values()})
    return " or ".join(map(str, numbers))
