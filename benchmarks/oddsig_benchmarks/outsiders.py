"""Random functions outside the class of odd sigmoids.

Each breaks one condition of the class, by an amount that a caller may choose: what makes it takes a
random number generator and the size of the violation. NumPy alone: no backend.

Here belongs which functions there are. What is asked of them is for the scripts and the tests.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import special

from .functions import Function, Rng, leaf

Breaker = Callable[[Rng, float], Function]


@dataclass(frozen=True)
class Kind:
    """A way to leave the class.

    Attributes:
        break_: From a random number generator and a size, a function.
        least: The least size that is to be seen; None where a size makes no sense.
    """

    break_: Breaker
    least: float | None = None

    def draw(self, rng: Rng) -> Function:
        """A function of a size between the least and 1."""
        return self.break_(rng, 1.0 if self.least is None else self.least ** float(rng.random()))


def base(rng: Rng) -> tuple[Function, float, float]:
    """A member of a random scale, and its height and width, by which violations are measured."""
    made = leaf(rng)
    amplitude, width = (float(10 ** rng.uniform(-3, 3)) for _ in range(2))
    f = made.function
    return (
        lambda x: amplitude * f(x / width),
        amplitude * made.profile.bound,
        width / made.profile.slope * made.profile.bound,
    )


def _somewhere(rng: Rng, width: float, decades: float = 1.5) -> float:
    return width * float(10 ** rng.uniform(-decades, decades))


def _shifted(rng: Rng, size: float) -> Function:
    f, height, _ = base(rng)
    return lambda x: f(x) + size * height


def _moved(rng: Rng, size: float) -> Function:
    f, _, width = base(rng)
    return lambda x: f(x + size * width)


def _lopsided(rng: Rng, size: float) -> Function:
    f, *_ = base(rng)
    return lambda x: np.where(x > 0, 1 + size, 1) * f(x)


def _even_bump(rng: Rng, size: float) -> Function:
    f, height, width = base(rng)
    place = _somewhere(rng, width)
    return lambda x: f(x) + size * height * np.exp(-(((np.abs(x) - place) / (0.3 * place)) ** 2))


def _one_sided(rng: Rng, size: float) -> Function:
    rate = 10 ** rng.uniform(-3, 3)
    functions = [
        lambda x: np.maximum(x, 0),
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda x: np.logaddexp(0, x),
        lambda x: x * special.expit(x),
        lambda x: x * special.ndtr(x),
        special.expit,
        lambda x: np.exp(-(x**2)),
        np.abs,
    ]
    function = functions[rng.integers(len(functions))]
    return lambda x: function(rate * x)


def _wave(rng: Rng, size: float) -> Function:
    f, height, width = base(rng)
    place = _somewhere(rng, width, 1.0)
    # It falls where f is flat: by more than f rises over a wave.
    return lambda x: (
        f(x) + size * height * np.sin(x / place) * np.minimum(np.abs(x) / width, 1) ** 2
    )


def _returns(rng: Rng, size: float) -> Function:
    f, _, width = base(rng)
    power = rng.uniform(1, 4)
    return lambda x: f(x) / (1 + size * np.abs(x / width) ** power)


def _dip(rng: Rng, size: float) -> Function:
    f, height, width = base(rng)
    place = _somewhere(rng, 10 * width, 1.0)

    def function(x: Any) -> Any:
        dip = np.exp(-(((np.abs(x) - place) / (0.1 * place)) ** 2))
        return f(x) - np.sign(x) * size * height * dip

    return function


def _falling(rng: Rng, size: float) -> Function:
    f, *_ = base(rng)
    return lambda x: -f(x)


def _flat_stretch(rng: Rng, size: float) -> Function:
    f, _, width = base(rng)
    start = _somewhere(rng, width, 0.5)
    end = start * (1 + size)

    def function(x: Any) -> Any:
        size_of_x = np.abs(x)
        moved = np.where(size_of_x > end, size_of_x - (end - start), np.minimum(size_of_x, start))
        return np.sign(x) * f(moved)

    return function


def _flat_end(rng: Rng, size: float) -> Function:
    f, _, width = base(rng)
    start = width * float(10 ** rng.uniform(-1, 0))
    return lambda x: f(np.clip(x, -start, start))


def _rounded(rng: Rng, size: float) -> Function:
    f, height, _ = base(rng)
    unit = 0.2 * size * height
    return lambda x: np.round(f(x) / unit) * unit


def _constant(rng: Rng, size: float) -> Function:
    value = float(rng.choice([0.0, 1.0, -3.0]))
    return lambda x: np.full_like(x, value)


def _convex(rng: Rng, size: float) -> Function:
    # A positive term of lower order than the negative one of tanh: it rules near 0.
    width = float(10 ** rng.uniform(-3, 3))
    power = rng.uniform(1.3, 2.7)

    def f(x: Any) -> Any:
        return np.tanh(x / width)

    return lambda x: f(x * (1 + size * np.abs(x / width) ** (power - 1)))


def _clipped(rng: Rng, size: float) -> Function:
    rate = 10 ** rng.uniform(-3, 3)
    return lambda x: np.clip(rate * x, -1, 1)


def _straight_stretch(rng: Rng, size: float) -> Function:
    # f up to a place, then the ray through it for a while: f(x)/x is constant there.
    f, _, width = base(rng)
    start = _somewhere(rng, width, 0.5)
    end = start * (1 + size)

    def function(x: Any) -> Any:
        size_of_x = np.abs(x)
        ray = f(np.full_like(x, start)) / start * np.minimum(size_of_x, end)
        beyond = ray + f(np.maximum(size_of_x - end, 0.0)) * 1e-3
        return np.sign(x) * np.where(size_of_x <= start, f(size_of_x), beyond)

    return function


def _second_rise(rng: Rng, size: float) -> Function:
    f, height, width = base(rng)
    place = _somewhere(rng, 10 * width, 0.7)
    steep = rng.uniform(5, 30) / size

    def function(x: Any) -> Any:
        rise = np.tanh(np.minimum(np.abs(x) / place, 1e3) ** steep)
        return f(x) + np.sign(x) * size * height * rise

    return function


def _straight(rng: Rng, size: float) -> Function:
    rate = 10 ** rng.uniform(-3, 3)
    return lambda x: rate * x


def _with_a_line(rng: Rng, size: float) -> Function:
    f, height, width = base(rng)
    return lambda x: f(x) + size * height / width * x


def _growing(rng: Rng, size: float) -> Function:
    rate = 10 ** rng.uniform(-3, 3)
    power = rng.uniform(0.05, 0.95)
    functions = [
        np.arcsinh,
        lambda x: np.sign(x) * np.log1p(np.abs(x)),
        lambda x: np.sign(x) * np.log1p(np.log1p(np.abs(x))),
        lambda x: np.sign(x) * np.log1p(np.log1p(np.log1p(np.abs(x)))),
        lambda x: np.sign(x) * np.sqrt(np.log1p(np.abs(x))) * np.sqrt(np.minimum(np.abs(x), 1)),
        lambda x: x / (1 + np.abs(x)) ** (1 - power),
        lambda x: x / np.log(math.e + np.abs(x)),
        lambda x: x / np.sqrt(1 + np.abs(x)),
    ]
    function = functions[rng.integers(len(functions))]
    return lambda x: function(rate * x)


def _with_a_logarithm(rng: Rng, size: float) -> Function:
    f, height, width = base(rng)
    return lambda x: f(x) + size * height * np.arcsinh(x / width)


def _power(rng: Rng, size: float) -> Function:
    # |f|^p: the slope at 0 is 0 for p > 1, infinite for p < 1.
    f, height, _ = base(rng)
    power = 1 + size * float(rng.choice([-0.9, 1.0]))
    return lambda x: np.sign(x) * height * (np.abs(f(x)) / height) ** power


def _logarithmic_slope(rng: Rng, size: float) -> Function:
    # Slopes that go to 0 or infinity like a power of a logarithm.
    f, _, width = base(rng)
    power = size * float(rng.choice([-1.0, 1.0]))

    def function(x: Any) -> Any:
        with np.errstate(divide="ignore"):
            near = np.log(math.e + width / np.abs(x)) ** power
        return np.where(x == 0, 0.0, f(x) * np.where(x == 0, 1.0, near))

    return function


def _sign(rng: Rng, size: float) -> Function:
    f, height, _ = base(rng)
    return lambda x: f(x) + size * height * np.sign(x)


def _step_up(rng: Rng, size: float) -> Function:
    f, height, width = base(rng)
    place = _somewhere(rng, width)
    return lambda x: f(x) + size * height * np.sign(x) * (np.abs(x) > place)


def _step_down(rng: Rng, size: float) -> Function:
    f, height, width = base(rng)
    place = _somewhere(rng, width)
    return lambda x: f(x) - size * height * np.sign(x) * (np.abs(x) > place)


def _not_a_number(rng: Rng, size: float) -> Function:
    f, _, width = base(rng)
    bad = float(rng.choice([math.nan, math.inf, -math.inf]))
    place = _somewhere(rng, width)
    match int(rng.integers(5)):
        case 0:
            return lambda x: np.full_like(x, bad)
        case 1:
            return lambda x: np.where(np.abs(x) > place, bad, f(x))
        case 2:
            return lambda x: np.where(x < -place, bad, f(x))
        case 3:
            return lambda x: np.where(np.abs(x) < place, bad, f(x))
        case _:
            return lambda x: np.where(x == 0, bad, f(x))


def _no_floats(rng: Rng, size: float) -> Function:
    f, *_ = base(rng)
    functions: list[Function] = [
        lambda x: f(x) + 0j,
        lambda x: 1j * f(x),
        lambda x: f(x).astype(int),
        lambda x: f(x) > 0,
        lambda x: f(x).astype(object),
        lambda x: f(x).astype(str),
        lambda x: None,
        lambda x: "tanh",
        lambda x: {"y": f(x)},
        lambda x: f,
    ]
    return functions[rng.integers(len(functions))]


def _wrong_shape(rng: Rng, size: float) -> Function:
    f, *_ = base(rng)
    functions: list[Function] = [
        lambda x: np.sum(f(x)),
        lambda x: f(x)[:-1],
        lambda x: f(x)[None],
        lambda x: np.outer(f(x), f(x)),
        lambda x: np.concatenate([f(x), f(x)]),
        lambda x: [f(x), f(x)],
        lambda x: f(x)[..., None],
        lambda x: 0.0,
        lambda x: [],
    ]
    return functions[rng.integers(len(functions))]


def _stateful(rng: Rng, size: float) -> Function:
    f, height, _ = base(rng)
    calls = itertools.count()
    match int(rng.integers(4)):
        case 0:
            return lambda x: (1 + size * next(calls)) * f(x)
        case 1:
            return lambda x: f((1 + size * (next(calls) % 2)) * x)
        case 2:
            return lambda x: f(x) * (1 + size * rng.standard_normal())
        case _:
            return lambda x: f(x) + size * height * rng.standard_normal(np.shape(x))


def _by_its_neighbours(rng: Rng, size: float) -> Function:
    f, *_ = base(rng)
    functions: list[Function] = [
        lambda x: f(x / (1e-300 + np.max(np.abs(x)))),
        lambda x: f(x) / (1e-300 + np.sqrt(np.mean(f(x) ** 2))),
        lambda x: f(x - np.mean(x)),
        lambda x: f(x) * (1 + size * np.linspace(0, 1, np.size(x)).reshape(np.shape(x))),
        lambda x: f(np.sort(x, axis=-1)),
        lambda x: f(x * (1 + size * (np.size(x) % 2))),
        lambda x: special.softmax(x),
    ]
    return functions[rng.integers(len(functions))]


_ERRORS: Final = (
    ValueError,
    TypeError,
    ZeroDivisionError,
    OverflowError,
    RuntimeError,
    KeyError,
    RecursionError,
    MemoryError,
    AttributeError,
    StopIteration,
)


def _raising(rng: Rng, size: float) -> Function:
    f, _, width = base(rng)
    error = _ERRORS[rng.integers(len(_ERRORS))]
    place = _somewhere(rng, width)
    last = int(rng.integers(1, 8))
    calls = itertools.count()

    def stop() -> Any:
        raise error("no")

    functions: list[Function] = [
        lambda x: stop(),
        lambda x: stop() if np.any(np.abs(x) > place) else f(x),
        lambda x: stop() if np.any(x == 0) else f(x),
        lambda x: stop() if np.any(x < 0) else f(x),
        lambda x: stop() if next(calls) >= last else f(x),
        lambda: 0.0,
        lambda x, y: f(x),
        lambda x: math.sinh(x) / math.cosh(x),
        lambda x: x / abs(x) if x else 1 / x,
    ]
    return functions[rng.integers(len(functions))]


def _no_function(rng: Rng, size: float) -> Any:
    things: list[Any] = [None, "tanh", 1.0, [np.tanh], {"f": np.tanh}, np.ones(3), ..., b"tanh"]
    return things[rng.integers(len(things))]


KINDS: Final = {
    "shifted up": Kind(_shifted, 1e-8),
    "shifted sideways": Kind(_moved, 1e-8),
    "two amplitudes": Kind(_lopsided, 1e-8),
    "even bump": Kind(_even_bump, 1e-8),
    "one-sided (ReLU and its kind)": Kind(_one_sided),
    "falling": Kind(_falling),
    "a wave on it": Kind(_wave, 1e-2),
    "a dip": Kind(_dip, 1e-2),
    "returns to 0": Kind(_returns, 1e-2),
    "flat for a stretch": Kind(_flat_stretch, 0.1),
    "flat from a place on": Kind(_flat_end),
    "rounded to steps": Kind(_rounded, 1e-2),
    "constant": Kind(_constant),
    "convex near 0": Kind(_convex, 1e-2),
    "clipped line": Kind(_clipped),
    "on a ray for a stretch": Kind(_straight_stretch, 0.1),
    "a second rise": Kind(_second_rise, 0.1),
    "a line": Kind(_straight),
    "a line added": Kind(_with_a_line, 1e-3),
    "unbounded, slowly": Kind(_growing),
    "a logarithm added": Kind(_with_a_logarithm, 1e-3),
    "slope 0 or infinite at 0": Kind(_power, 0.05),
    "slope 0 or infinite, by a logarithm": Kind(_logarithmic_slope, 0.5),
    "a jump at 0": Kind(_sign, 1e-3),
    "a jump up": Kind(_step_up, 1e-2),
    "a jump down": Kind(_step_down, 1e-2),
    "NaN or infinite": Kind(_not_a_number),
    "no floating numbers": Kind(_no_floats),
    "of another shape": Kind(_wrong_shape),
    "of another value each time": Kind(_stateful, 1e-3),
    "of its neighbours": Kind(_by_its_neighbours, 1e-2),
    "raising": Kind(_raising),
    "no function": Kind(_no_function),
}
