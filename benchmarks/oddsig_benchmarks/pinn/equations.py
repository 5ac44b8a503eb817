"""The equations: what must vanish inside the domain and on its border, and the solutions.

NumPy only. A network is judged by what it makes of `operator`, which is arithmetic on any
backend's arrays; the right-hand sides are numbers, computed here.

All but `poisson1d` are those of Lee, Choi, Kim, 2025 (arXiv 2410.02242). Where their text leaves
a choice, the entry says which one was made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import allen_cahn, burgers

SHARE_OF_BORDER = 40  # of 20,000 collocation points, 500 at the start and on each wall


@dataclass(frozen=True)
class Equation:
    """`operator(u, first, second) = forcing` in a box, and u given on (a part of) its border.

    Attributes:
        low, high: Corners of the box. Two inputs are (t, x) if there is a `start`, else (x, y).
        orders: The highest derivative by each input that the operator takes: 1 or 2.
        operator: Of u, its first derivatives by each input, and its second ones (None where the
            order is 1).
        forcing: The right-hand side at points `(rows, inputs)`.
        wall: u at the ends of every input but t.
        solution: u at points `(rows, inputs)`, exact or computed.
        start: u at t = 0, as a function of x; None where time is no input.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    orders: tuple[int, ...]
    operator: Callable[[Any, Any, Any], Any]
    forcing: Callable[[np.ndarray], np.ndarray]
    wall: float
    solution: Callable[[np.ndarray], np.ndarray]
    start: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def inputs(self) -> int:
        return len(self.orders)

    @property
    def input_std(self) -> float:
        """The root mean square of the inputs over the box, as a user would measure it."""
        low, high = np.array(self.low), np.array(self.high)
        return float(np.sqrt(np.mean((low**2 + low * high + high**2) / 3)))

    def grid(self) -> np.ndarray:
        """Points at which solutions are compared: 101 along each input, or 1,001 along one."""
        number = 1001 if self.inputs == 1 else 101
        axes = [
            np.linspace(low, high, number) for low, high in zip(self.low, self.high, strict=True)
        ]
        return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


@dataclass(frozen=True)
class Points:
    """Collocation points, and what is asked at them.

    Attributes:
        points: `(rows, inputs)`; those on the border, at which u is given, come last.
        forcing: At each of them.
        values: u on the border.
    """

    points: np.ndarray
    forcing: np.ndarray
    values: np.ndarray


def sample(equation: Equation, number: int, rng: np.random.Generator) -> Points:
    """`number` points in the box, and a fortieth of that at the start and on each wall.

    Uniform in the box. On an interval they stand evenly spaced, as DeepXDE's do: of 16 random ones
    the largest gap would decide. Its walls are its two ends.
    """
    low, high = np.array(equation.low), np.array(equation.high)
    if equation.inputs == 1:
        inside = low + (high - low) * (np.arange(number)[:, None] + 0.5) / number
        border = np.stack([low, high])
    else:
        inside = rng.uniform(low, high, (number, equation.inputs))
        sides = []
        for axis, end in _sides(equation):
            side = rng.uniform(low, high, (max(1, number // SHARE_OF_BORDER), equation.inputs))
            side[:, axis] = end
            sides.append(side)
        border = np.concatenate(sides)
    points = np.concatenate([inside, border])
    return Points(points, equation.forcing(points), _on_border(equation, border))


def _sides(equation: Equation) -> list[tuple[int, float]]:
    """Each side on which u is given: which input is constant there, and its value."""
    walls = range(1 if equation.start else 0, equation.inputs)
    sides = [(axis, end[axis]) for axis in walls for end in (equation.low, equation.high)]
    return [(0, equation.low[0]), *sides] if equation.start else sides


def _on_border(equation: Equation, border: np.ndarray) -> np.ndarray:
    values = np.full(len(border), equation.wall)
    if equation.start:
        at_start = border[:, 0] == equation.low[0]
        values[at_start] = equation.start(border[at_start, 1])
    return values


# ----------------------------------------------------------------------------------
# The table
# ----------------------------------------------------------------------------------


def _zero(points: np.ndarray) -> np.ndarray:
    return np.zeros(len(points))


def _burgers(u: Any, first: Any, second: Any) -> Any:
    return first[0] + u * first[1] - burgers.VISCOSITY * second[1]


def _allen_cahn(u: Any, first: Any, second: Any) -> Any:
    return first[0] - allen_cahn.DIFFUSIVITY * second[1] - allen_cahn.RATE * (u - u * u * u)


def _diffusion(points: np.ndarray) -> np.ndarray:
    t, x = points.T
    return (math.pi**2 - 1) * np.exp(-t) * np.sin(np.pi * x)


def _poisson(points: np.ndarray) -> np.ndarray:
    """The exact solution; the right-hand side is -2 pi^2 times it."""
    return -np.sin(np.pi * points[:, 0]) * np.sin(np.pi * points[:, 1])


_STRIP: dict[str, Any] = {"low": (0.0, -1.0), "high": (1.0, 1.0), "orders": (1, 2)}

EQUATIONS: dict[str, Equation] = {
    # The viscosity .01 / pi of the authors' notebook; their text says .01.
    "burgers": Equation(
        **_STRIP,
        operator=_burgers,
        forcing=_zero,
        start=lambda x: -np.sin(np.pi * x),
        wall=0.0,
        solution=lambda points: burgers.solution(points[:, 0], points[:, 1]),
    ),
    # The signs and the coefficient of the paper cannot be right as printed. Start and walls are
    # those of DeepXDE's demonstration, and so this is its equation.
    "allen-cahn": Equation(
        **_STRIP,
        operator=_allen_cahn,
        forcing=_zero,
        start=lambda x: x**2 * np.cos(np.pi * x),
        wall=-1.0,
        solution=allen_cahn.solution,
    ),
    # With the sign of the right-hand side that makes e^-t sin(pi x) the solution, as in DeepXDE's
    # demonstration; in the paper it is the other one.
    "diffusion": Equation(
        **_STRIP,
        operator=lambda u, first, second: first[0] - second[1],
        forcing=_diffusion,
        start=lambda x: np.sin(np.pi * x),
        wall=0.0,
        solution=lambda points: np.exp(-points[:, 0]) * np.sin(np.pi * points[:, 1]),
    ),
    "poisson": Equation(
        low=(0.0, 0.0),
        high=(1.0, 1.0),
        orders=(2, 2),
        operator=lambda u, first, second: second[0] + second[1],
        forcing=lambda points: -2 * math.pi**2 * _poisson(points),
        wall=0.0,
        solution=_poisson,
    ),
    # DeepXDE's demonstration, its boundary soft, as there: both ends are in the loss.
    "poisson1d": Equation(
        low=(-1.0,),
        high=(1.0,),
        orders=(2,),
        operator=lambda u, first, second: second[0],
        forcing=lambda points: -(math.pi**2) * np.sin(np.pi * points[:, 0]),
        wall=0.0,
        solution=lambda points: np.sin(np.pi * points[:, 0]),
    ),
}
