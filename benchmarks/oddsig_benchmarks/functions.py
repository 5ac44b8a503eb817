"""Random functions of the class of odd sigmoids; those outside it are in `outsiders`.

They are trees of the package's own activations, their scalings, sums and compositions, each with
the profile that the rules of composition give it. NumPy alone: no backend.

Here belongs which functions there are. What is asked of them is for the scripts and the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from keras_oddsig import _functions
from keras_oddsig.solver import Profile

Function = Callable[[Any], Any]
Rng = np.random.Generator

ORDERS: Final = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 8.0, 12.0, 20.0)


@dataclass(frozen=True)
class Member:
    """A function of the class, how it is made, and its profile by the rules of composition."""

    name: str
    function: Function
    profile: Profile

    def shows_its_order(self) -> bool:
        """Whether the first correction is what is left of `1 - f(x)/(s x)` where that is 1e-6.

        In a sum of a steep and a flat function of different orders the lower order may rule in a
        neighbourhood of 0 alone that is too small for floats, and for any network.
        """
        p = self.profile
        x = (1e-6 / p.curvature) ** (1 / (p.order - 1)) / p.slope
        return abs((1 - float(self.function(np.array([x]))[0]) / (p.slope * x)) / 1e-6 - 1) < 1e-2


def named(name: str) -> Member:
    """One of the package's, by its name; `algebraic[k]` of any order."""
    base, _, order = name.partition("[")
    found = _functions.algebraic(float(order[:-1])) if order else _functions.NAMED[base]
    return Member(name, found.reference, found.profile)


def leaf(rng: Rng) -> Member:
    """A random one of the package's."""
    if rng.random() < 0.4:
        return named(f"algebraic[{rng.choice(ORDERS):g}]")
    return named(str(rng.choice(list(_functions.NAMED))))


def scaled(member: Member, amplitude: float, rate: float) -> Member:
    """`A f(k x)`."""
    f = member.function
    name = f"{amplitude:.3g} {member.name}({rate:.3g} x)"
    return Member(name, lambda x: amplitude * f(rate * x), member.profile.scaled(amplitude, rate))


def added(one: Member, other: Member) -> Member:
    """`f + g`: of `f = s x - a x^r`, slopes add up, and so do the `a` of the lower order."""
    f, g, p, q = one.function, other.function, one.profile, other.profile
    order = min(p.order, q.order)
    term = _term(p, order) + _term(q, order)
    profile = _profile(p.slope + q.slope, order, term, p.bound + q.bound)
    return Member(f"({one.name} + {other.name})", lambda x: f(x) + g(x), profile)


def composed(inner: Member, outer: Member) -> Member:
    """`g(f)`: `t (s x - a x^r) - b (s x)^r`, of which the lower order stays."""
    f, g, p, q = inner.function, outer.function, inner.profile, outer.profile
    order = min(p.order, q.order)
    term = q.slope * _term(p, order) + _term(q, order) * p.slope**order
    bound = float(g(np.array([p.bound]))[0])
    profile = _profile(p.slope * q.slope, order, term, bound)
    return Member(f"{outer.name} of {inner.name}", lambda x: g(f(x)), profile)


def _term(profile: Profile, order: float) -> float:
    """The `a` of `f = s x - a x^order`: the curvature is in units of `s x`."""
    return profile.curvature * profile.slope**order if profile.order == order else 0.0


def _profile(slope: float, order: float, term: float, bound: float) -> Profile:
    return Profile(slope, order, term / slope**order, bound)


def member(rng: Rng, depth: int = 4) -> Member:
    """A random tree of at most `depth` operations above each activation."""
    if depth == 0 or rng.random() < 0.15:
        return leaf(rng)
    match int(rng.integers(3)):
        case 0:
            return scaled(member(rng, depth - 1), *(10 ** rng.uniform(-3, 3, 2)).tolist())
        case 1:
            return added(member(rng, depth - 1), member(rng, depth - 1))
        case _:
            return composed(member(rng, depth - 1), member(rng, depth - 1))
