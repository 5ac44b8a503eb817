"""Data as they come, and the same standardized: does `tailor` make the scaling unnecessary?

One network, 50 layers of 32 tanh units, on pixels from 0 to 16 and 0 to 255, tables with features
of scale .001 to 1,000 side by side, and digits spoiled by outliers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

import keras
import numpy as np
from keras import layers

from .. import data
from ..reporting import table
from ..results import Row
from . import tasks
from .entries import Entry
from .scores import Score, comparisons_of

STANDARDIZED = "standardized"
TOLERANCE = 0.02  # of what it reaches on standardized data
# Down to rates at which a weight moves little in units of a feature of scale 1,000.
RATES = (3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6)
STEPS = 600
SEEDS = 5


def _network(features: int, classes: int) -> keras.Model:
    hidden = [layers.Dense(32, "tanh") for _ in range(50)]
    return keras.Sequential([keras.Input((features,)), *hidden, layers.Dense(classes)])


def _digits() -> data.Data:
    from sklearn.datasets import load_digits

    return data.as_they_come(*load_digits(return_X_y=True))


def _scales() -> data.Data:
    """Digits whose pixels are multiplied each by its own number from .001 to 1,000."""
    plain = _digits()
    factors = 10.0 ** np.random.default_rng(0).uniform(-3, 3, plain.x_train.shape[1])
    return plain._replace(x_train=plain.x_train * factors, x_test=plain.x_test * factors)


def _outliers() -> data.Data:
    """Digits, of whose pixels one in ten has a number added that may be very large.

    Of Student's t with 1.5 degrees of freedom, in units of five standard deviations.
    """
    plain, rng = _digits(), np.random.default_rng(0)
    unit = 5 * plain.x_train.std()

    def spoiled(x: np.ndarray) -> np.ndarray:
        return np.asarray(x + (rng.random(x.shape) < 0.1) * rng.standard_t(1.5, x.shape) * unit)

    return plain._replace(x_train=spoiled(plain.x_train), x_test=spoiled(plain.x_test))


def _wine() -> data.Data:
    from sklearn.datasets import load_wine

    return data.as_they_come(*load_wine(return_X_y=True))


def _breast_cancer() -> data.Data:
    from sklearn.datasets import load_breast_cancer

    return data.as_they_come(*load_breast_cancer(return_X_y=True))


# How they are called, what they are, how many features and classes they have.
SETS: dict[str, tuple[str, Callable[[], data.Data], int, int]] = {
    "digits": ("digits, pixels from 0 to 16", _digits, 64, 10),
    "mnist": (
        "MNIST, from 0 to 255",
        lambda: data.images("mnist", 10_000, 2_000),
        784,
        10,
    ),
    "cifar10": (
        "CIFAR-10, from 0 to 255",
        lambda: data.images("cifar10", 10_000, 2_000),
        3072,
        10,
    ),
    "wine": ("wine, features of scale .1 to 300", _wine, 13, 3),
    "breast_cancer": ("breast cancer, .003 to 570", _breast_cancer, 30, 2),
    "outliers": ("digits, one number in ten an outlier", _outliers, 64, 10),
    "scales": ("digits, each pixel times .001 to 1,000", _scales, 64, 10),
}


def _task(name: str, standardized: bool) -> tasks.Task:
    d = SETS[name][1]()
    x_train, x_test = d.x_train, d.x_test
    if standardized:
        mean, std = x_train.mean(axis=0), x_train.std(axis=0)
        std = np.where(std > 0, std, 1.0)
        x_train, x_test = (x_train - mean) / std, (x_test - mean) / std
    return tasks.classification(
        (x_train.astype("float32"), d.y_train), (x_test.astype("float32"), d.y_test)
    )


def _entry(name: str, standardized: bool) -> Entry:
    title, _, features, classes = SETS[name]
    return Entry(
        title,
        functools.partial(_network, features, classes),
        functools.partial(_task, name, standardized),
        RATES,
        STEPS,
        compared=("tailored",) if standardized else ("tailored", "without data", "keras"),
    )


def _key(name: str, standardized: bool) -> str:
    return f"{name}, {STANDARDIZED}" if standardized else name


UNSCALED = {_key(name, std): _entry(name, std) for name in SETS for std in (True, False)}


def table_of(rows: Iterable[Row]) -> str:
    """A line for each data set that was run on both ways."""
    found = {each.model: each.scores for each in comparisons_of(rows)}
    lines = []
    for name, (title, *_) in SETS.items():
        scaled, plain = (found.get(_key(name, std), {}) for std in (True, False))
        if "tailored" not in scaled or "tailored" not in plain:
            continue
        behind = scaled["tailored"].mean - plain["tailored"].mean
        lines.append(
            [
                title,
                _shown(scaled["tailored"]),
                _shown(plain["tailored"]),
                f"{-behind:+.3f}" if behind <= TOLERANCE else f"**{-behind:+.3f}**",
                *(
                    _shown(plain[each]) if each in plain else ""
                    for each in ("without data", "keras")
                ),
            ]
        )
    header = [
        "data",
        "standardized, `tailor(model, x)`",
        "as they come, `tailor(model, x)`",
        "difference",
        "as they come, `tailor(model)`",
        "as they come, Keras's own",
    ]
    return table(header, lines)


def behind(rows: Iterable[Row]) -> list[str]:
    """What does not hold: the data sets that are trained worse as they come."""
    found = {each.model: each.scores for each in comparisons_of(rows)}
    lines = []
    for name, (title, *_) in SETS.items():
        scaled, plain = (found.get(_key(name, std), {}) for std in (True, False))
        if "tailored" in scaled and "tailored" in plain:
            missing = scaled["tailored"].mean - plain["tailored"].mean
            if missing > TOLERANCE:
                lines.append(f"{title}: {missing:.3f} behind standardized data")
    return lines


def _shown(score: Score) -> str:
    return f"{score.mean:.3f} ± {score.spread:.3f} ({score.rate:g})"


INTRODUCTION = (
    "A network of 50 layers of 32 tanh units, on data as they come and on the same with each "
    "feature standardized over the training set. `tailor(model, x)` looks at 256 samples; "
    "`tailor(model)` takes a root mean square of 1 for granted. Test accuracy, mean and standard "
    f"deviation of {SEEDS} seeds at the best of {len(RATES)} learning rates, from {RATES[0]:g} to "
    f"{RATES[-1]:g}, the same for all; {STEPS} steps of Adam. Bold: more than {TOLERANCE:g} behind "
    "standardized data."
)
