"""Competitors that change the activation and leave the kernels alone: DKS and TAT.

Both make of `f` the function `c (f(a x + b) + d)`, with constants for which mean-field theory
promises a network that trains. Numbers alone; the network's layer for it is `networks`'s.

References: Martens, Ballard, Desjardins, Swirszcz, Dalibard, Sohl-Dickstein, Schoenholz,
[Rapid training of deep neural networks without skip connections or normalization layers using
Deep Kernel Shaping](https://arxiv.org/abs/2110.01765), 2021; Zhang, Botev, Martens, [Deep
Learning without Shortcuts: Shaping the Kernel with Tailored
Rectifiers](https://arxiv.org/abs/2203.08120), 2022, section 4.3, for smooth activations.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import optimize, special

Function = Callable[[np.ndarray], np.ndarray]

SLOPE = 1.5  # zeta, of the whole network's map of correlations at 1: the authors' default
BEND = 0.3  # tau, its second derivative there: likewise
_NODES, _WEIGHTS = special.roots_hermitenorm(201)
_WEIGHTS = _WEIGHTS / np.sqrt(2 * np.pi)
_STARTS = tuple(itertools.product((0.1, 0.5, 1.0), (0.0, 1.0, -1.0)))  # of a and b
_STEP = 1e-3


@dataclass(frozen=True)
class Constants:
    """Of `output_scale * (f(input_scale * x + input_shift) + output_shift)`."""

    input_scale: float
    input_shift: float
    output_shift: float
    output_scale: float

    def __call__(self, function: Callable[[Any], Any], x: Any) -> Any:
        inner = function(self.input_scale * x + self.input_shift)
        return self.output_scale * (inner + self.output_shift)

    def in_critical_units(self, omega: float) -> Constants:
        """Those of `f`, from those of `u -> f(omega u)`."""
        return replace(
            self, input_scale=omega * self.input_scale, input_shift=omega * self.input_shift
        )


@functools.lru_cache
def dks(function: Function, omega: float, depth: int) -> Constants:
    """Deep Kernel Shaping: `Q(1) = 1, Q'(1) = 1, C(0) = 0, C'(1) = zeta^(1/depth)`.

    Q and C are a layer's maps of the mean square and of the correlation of its inputs,

        Q(q) = E f(sqrt(q) z)^2,    C(c) = E f(z) f(z'),    E z z' = c,

    for the transformed f and z, z' ~ N(0, 1); a chain's slope at c = 1 is the product of
    its layers'.

    Args:
        function: A NumPy function.
        omega: Its critical gain, in which the search for the constants begins.
        depth: Layers of the network that have the activation.

    Raises:
        ValueError: If no constants are found.
    """

    unit = _in_units(function, omega)

    def made(scale: float, shift: float) -> Constants:
        mean = _mean(unit(scale * _NODES + shift))
        return _of_unit_square(unit, scale, shift, -mean)  # C(0) = (E f)^2 = 0

    def errors(p: np.ndarray) -> list[float]:
        moments = _Moments(unit, made(*p))
        return [moments.square_slope - 1, moments.slope - SLOPE ** (1 / depth)]

    return made(*_solved(errors, _STARTS)).in_critical_units(omega)


@functools.lru_cache
def tat(function: Function, omega: float, depth: int) -> Constants:
    """Tailored transformation, smooth: `Q(1) = Q'(1) = C'(1) = 1, C''(1) = tau / depth`.

    With a slope of 1 in each layer the second derivatives at c = 1 add up over them.

    Args and Raises: as `dks`.
    """

    unit = _in_units(function, omega)

    def made(scale: float, shift: float, raised: float) -> Constants:
        return _of_unit_square(unit, scale, shift, raised)

    def errors(p: np.ndarray) -> list[float]:
        moments = _Moments(unit, made(*p))
        return [moments.square_slope - 1, moments.slope - 1, moments.bend * depth / BEND - 1]

    starts = tuple((*start, raised) for start in _STARTS for raised in (0.0, 1.0, -1.0))
    return made(*_solved(errors, starts)).in_critical_units(omega)


def _in_units(function: Function, omega: float) -> Function:
    """Of slope 1 at 0, so that a scaled activation gets the constants of the plain one."""
    return lambda u: function(omega * u)


class _Moments:
    """What the conditions are about, of a transformed function."""

    def __init__(self, function: Function, constants: Constants) -> None:
        below, here, above = (constants(function, _NODES + step) for step in (-_STEP, 0, _STEP))
        slope, bend = (above - below) / (2 * _STEP), (above - 2 * here + below) / _STEP**2
        self.square_slope = _mean(here * slope * _NODES)  # Q'(1)
        self.slope = _mean(slope**2)  # C'(1)
        self.bend = _mean(bend**2)  # C''(1)


def _of_unit_square(function: Function, scale: float, shift: float, raised: float) -> Constants:
    """The one whose mean square is 1: Q(1) = 1."""
    inner = function(scale * _NODES + shift) + raised
    # Where a search strays to a constant function the root is 0, and what follows is no number.
    return Constants(scale, shift, raised, float(1 / np.sqrt(_mean(inner**2))))


def _mean(values: np.ndarray) -> float:
    """The mean over a standard normal variable, from values at the nodes."""
    return float(_WEIGHTS @ values)


def _solved(
    errors: Callable[[np.ndarray], list[float]], starts: tuple[tuple[float, ...], ...]
) -> tuple[float, ...]:
    """Of the solutions that are found the one of the least shift, and of two alike the positive.

    Of least shift are those of their authors' program. Which a search finds first depends on the
    version of SciPy.
    """
    solutions = []
    for start in starts:
        with np.errstate(all="ignore"):
            found = optimize.root(errors, start)
        if found.success and np.max(np.abs(errors(found.x))) < 1e-6 and found.x[0] > 0:
            solutions.append(tuple(float(value) for value in found.x))
    if not solutions:
        raise ValueError("no constants meet the conditions")
    return min(solutions, key=lambda each: (round(abs(each[1]), 4), each[1] < 0))
