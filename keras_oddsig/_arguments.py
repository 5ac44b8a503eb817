"""Checks of arguments that every module makes alike: the error names what the user wrote.

What only one module takes, that module checks. No backend is imported here.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]


def real(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
) -> None:
    """Checks that an argument is a finite real number within its limits."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"`{name}` must be a real number. Received: {name}={shown(value)}")
    limits = {
        f"greater than {above}": above is None or value > above,
        f"at least {at_least}": at_least is None or value >= at_least,
        f"less than {below}": below is None or value < below,
        "finite": _is_finite(value),
    }
    for limit, holds in limits.items():
        if not holds:
            raise ValueError(f"`{name}` must be {limit}. Received: {name}={shown(value)}")


# Of data: float32 holds them, and a kernel that lets them in.
LEAST_STD: Final = 1e-30
MOST_STD: Final = 1e30


def input_std(name: str, value: Any) -> None:
    """Checks the standard deviation of data."""
    real(name, value, above=0, at_least=LEAST_STD, below=MOST_STD)


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def integer(name: str, value: Any, *, at_least: int) -> None:
    """Checks that an argument is an integer within its limit."""
    _require_integer(name, value)
    real(name, value, at_least=at_least)


def _require_integer(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be an integer. Received: {name}={shown(value)}")


def seed(name: str, value: Any) -> None:
    """Checks that an argument is an integer from which every backend can draw."""
    _require_integer(name, value)
    if not 0 <= value < 2**32:
        raise ValueError(f"`{name}` must lie in [0, 2**32). Received: {name}={shown(value)}")


def boolean(name: str, value: Any) -> None:
    """Checks that an argument is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"`{name}` must be a boolean. Received: {name}={shown(value)}")


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Checks that an argument is one of a few words."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}. "
            f"Received: {name}={shown(value)}"
        )


def array(name: str, value: ArrayLike, *, at_least: float | None = None) -> Array:
    """Checks that an argument is a number or an array of numbers within its limit."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"`{name}` must be a number or an array of numbers. Received: {name}={shown(value)}"
        ) from None
    if not np.all(np.isfinite(array)) or (at_least is not None and np.any(array < at_least)):
        limit = "finite" if at_least is None else f"finite and at least {at_least}"
        raise ValueError(f"`{name}` must be {limit}. Received: {name}={shown(value)}")
    return array


def scalar(array: Any) -> Any:
    """A float for a number, the array itself otherwise."""
    return float(array) if np.ndim(array) == 0 else array


def shown(value: Any) -> str:
    """What was received, as an error shows it: of long data the beginning."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_SHOWN: Final = 200  # characters
