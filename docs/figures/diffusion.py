"""Where the constants 0.31 and 0.473 come from, and how universal the negative rate is.

    python docs/figures/diffusion.py

For readers of docs/theory.md, sections 5 to 7. Solves the mean-field diffusion

    dw = -sgn(w) |w|^r ds + sqrt(E w^2) dB,    w = infinity at s = 0

for four orders r by finite volumes, with no sampling; computes the slowest odd mode of its
stationary operator; fits the formula of the package anew; and draws `diffusion.png`. The package's
own solution (`keras_oddsig.solver.diffusion`) is another: a distribution pushed through many
layers. A few seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib.figure import Figure
from page import COLORS, main, row, table
from scipy import linalg, optimize, special

from keras_oddsig import solver

ORDERS = (2, 3, 4, 6)
TIMES = (0.2, 0.4, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
CELLS = 1500
START = 0.02  # the time at which the numerical solution begins, see `solution`
STEP = 0.004


@dataclass
class Solution:
    """The diffusion of one order, at the times `s`."""

    s: np.ndarray
    negative_rate: np.ndarray
    rms: np.ndarray


@cache
def solution(order: int) -> Solution:
    """By finite volumes on w > 0, where the law is the sum of an even and an odd part.

    With w > 0 at the start, let E(w) = P(w) + P(-w) and O(w) = P(w) - P(-w) for w > 0. Both obey
    the equation of P; nothing passes 0 of E, and O vanishes there. E alone decides E w^2; the
    negative rate is (1 - integral of O) / 2.

    Near s = 0 noise is small beside the drift: w = ((r - 1) s)^(-1/(r-1)), and the relative
    variance rho about it obeys rho' = 1 - 2 rho / s, so rho = s / 3. The solution begins at
    `START` with that.
    """
    centre = ((order - 1) * START) ** (-1 / (order - 1))
    edges = _edges(2.2 * centre)
    w, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    even = np.exp(-((w / centre - 1) ** 2) / (2 * START / 3))
    even /= even @ widths
    odd, s = even.copy(), START
    times, rates, rms = [], [], []
    while s < max(TIMES) + STEP:
        square = float(even * widths @ w**2)
        times.append(s)
        rates.append((1 - odd @ widths) / 2)
        rms.append(math.sqrt(square))
        step = min(STEP, s / 20)
        # E w^2 in the middle of the step, from an explicit half of it.
        drift = even @ (-2 * widths * w ** (order + 1)) + square
        square += step / 2 * drift
        even = _advance(even, edges, order, square, step, absorbs=False)
        odd = _advance(odd, edges, order, square, step, absorbs=True)
        s += step
    return Solution(np.array(times), np.array(rates), np.array(rms))


def _edges(end: float) -> np.ndarray:
    """Fine near 0, where signs change, and wider further out."""
    x = np.linspace(0, 1, CELLS + 1)
    return end * (0.1 * x + 0.9 * x**3)


def _operator(edges: np.ndarray, order: int, square: float, absorbs: bool) -> np.ndarray:
    """The three diagonals of d/ds of the cells' densities, by Scharfetter and Gummel's fluxes."""
    w, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    gaps = np.diff(w)
    # The exact flux of a constant drift and diffusion between two centres; Bernoulli's function.
    peclet = np.clip(edges[1:-1] ** order * gaps * 2 / square, 1e-12, 600)
    rate = square / 2 / gaps
    from_above, from_below = rate * peclet / -np.expm1(-peclet), rate * peclet / np.expm1(peclet)
    diagonals = np.zeros((3, w.size))
    diagonals[0, 1:] = from_above / widths[:-1]
    diagonals[2, :-1] = from_below / widths[1:]
    diagonals[1, 1:] -= from_above / widths[1:]
    diagonals[1, :-1] -= from_below / widths[:-1]
    if absorbs:  # the odd part is 0 at the edge, half a cell from the first centre
        diagonals[1, 0] -= square / 2 / (w[0] * widths[0])
    return diagonals


def _advance(
    density: np.ndarray, edges: np.ndarray, order: int, square: float, step: float, absorbs: bool
) -> np.ndarray:
    """A step of Crank and Nicolson's."""
    matrix = _operator(edges, order, square, absorbs) * (step / 2)
    explicit = density + matrix[1] * density
    explicit[:-1] += matrix[0, 1:] * density[1:]
    explicit[1:] += matrix[2, :-1] * density[:-1]
    implicit = -matrix
    implicit[1] += 1
    return linalg.solve_banded((1, 1), implicit, explicit)


@cache
def slowest_odd_mode(order: int) -> float:
    """The first eigenvalue of the odd part of the stationary operator.

    With E w^2 = M the stationary density is exp(-2 w^(r+1) / ((r+1) M)), and M = E w^2 fixes
    M^((r-1)/(r+1)) = (2 / (r+1))^(-2/(r+1)) Gamma(3/(r+1)) / Gamma(1/(r+1)). The tridiagonal
    operator has a symmetric form, whose off-diagonal is the geometric mean of its two.
    """
    square = stationary_rms(order) ** 2
    diagonals = _operator(_edges(6 * math.sqrt(square)), order, square, absorbs=True)
    between = np.sqrt(diagonals[0, 1:] * diagonals[2, :-1])
    values = linalg.eigh_tridiagonal(-diagonals[1], -between, select="i", select_range=(0, 0))
    return float(values[0][0])


def stationary_rms(order: int) -> float:
    """From the same moments as `solver.stationary_spread`, with c = 1 and sigma = 1."""
    k = order + 1
    ratio = special.gamma(3 / k) / special.gamma(1 / k)
    return float((ratio ** (k / 2) * k / 2) ** (1 / (order - 1)))


def at(order: int, times: tuple[float, ...], what: str) -> np.ndarray:
    found = solution(order)
    return np.interp(times, found.s, getattr(found, what))


def offset(order: int) -> float:
    """T0 of the order's own formula, (1 - exp(-lambda (T - T0))) / 2, at late times."""
    mode, late = slowest_odd_mode(order), 6.0
    rate = float(at(order, (late,), "negative_rate")[0])
    return late + math.log(1 - 2 * rate) / mode


def common_fit() -> tuple[float, float, float]:
    """Decay, offset and worst error of one formula for all orders, where p is .04 or more."""
    times = np.linspace(0.5, 6, 200)
    rates = np.array([at(order, tuple(times), "negative_rate") for order in ORDERS])

    def worst(parameters: np.ndarray) -> float:
        decay, delay = parameters
        misses = np.abs((1 - np.exp(-decay * (times - delay))) / 2 - rates)
        return float(misses[rates >= 0.04].max())

    found = optimize.minimize(worst, (0.46, 0.3), method="Nelder-Mead", options={"maxiter": 400})
    return (*(float(each) for each in found.x), float(found.fun))


def tables() -> dict[str, str]:
    rates = [
        row(f"r = {order}", *(f"{p:.4f}" for p in at(order, TIMES, "negative_rate")))
        for order in ORDERS
    ]
    formula = solver.negative_rate(1, np.sqrt(np.array(TIMES)))
    rates.append(row("formula", *(f"{p:.4f}" for p in formula)))
    modes = [
        row(order, f"{slowest_odd_mode(order):.3f}", f"{offset(order):.2f}", f"{miss(order):.4f}")
        for order in ORDERS
    ]
    spreads = [
        row(
            f"r = {order}",
            *(f"{s:.3f}" for s in at(order, TIMES[3:], "rms")),
            f"{stationary_rms(order):.3f}",
        )
        for order in ORDERS
    ]
    decay, delay, worst = common_fit()
    return {
        "rates": table(("T", *map(str, TIMES)), rates),
        "modes": table(
            ("order r", "decay of the slowest odd mode", "its offset", "worst miss of the formula"),
            modes,
        ),
        "fit": f"Decay {decay:.3f}, offset {delay:.2f}, worst miss {worst:.4f}.",
        "spreads": table(("T", *map(str, TIMES[3:]), "stationary"), spreads),
    }


def miss(order: int) -> float:
    """Of the package's formula, over the times at which the rate is .04 or more."""
    times = np.linspace(0.4, 6, 300)
    rates = at(order, tuple(times), "negative_rate")
    return float(np.abs(solver.negative_rate(1, np.sqrt(times)) - rates)[rates >= 0.04].max())


def draw() -> Figure:
    figure = Figure((7.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    times = np.linspace(0.05, 6, 400)
    for order, color in zip(ORDERS, COLORS, strict=False):
        rates = at(order, tuple(times), "negative_rate")
        left.plot(times, rates, color=color, label=f"r = {order}")
        right.semilogy(times, 1 - 2 * rates, color=color, label=f"r = {order}")
    formula = solver.negative_rate(1, np.sqrt(times))
    left.plot(times, formula, color="black", linestyle=":", label="formula")
    right.semilogy(times, 1 - 2 * formula, color="black", linestyle=":", label="formula")
    left.set(
        xlabel=r"$T$ = depth $\times$ noise variance", ylabel="negative rate $p$", ylim=(0, 0.5)
    )
    right.set(xlabel="$T$", ylabel="$1 - 2p$: what is left of the sign")
    left.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main(__file__, tables, draw)
