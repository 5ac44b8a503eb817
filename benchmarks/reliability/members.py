"""Who is let into the class of odd sigmoids, and who is not, by the thousand.

    python benchmarks/reliability/members.py --page docs/reliability.md

For who wants to know how far `profile_of`, and with it `OddSigmoid(your_function)`, can be trusted.
Tries random functions of the class, trees of the package's activations, which must be accepted
with the profile that the rules of composition give; and random functions outside it, of many
kinds, which must be refused with a reason. A third part halves violations until they are
accepted: what floating-point numbers cannot show is found there. About eight minutes.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parent.parent))
from keras_oddsig import solver
from oddsig_benchmarks import functions, outsiders
from reliability import page

LIMIT = 5.0  # seconds for one check, on a busy machine, too; a hundredth of it is usual


@dataclass
class Tally:
    """What became of one kind of functions."""

    tried: int = 0
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises TimeoutError within, where it takes longer; a hang must not hang the script."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"over {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def check(function: Any, tally: Tally) -> Any:
    """The profile of a function, None where it was refused; counted."""
    start = time.perf_counter()
    tally.tried += 1
    profile = None
    try:
        # What a function itself warns of, or prints, is its own affair.
        with limited(LIMIT), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            profile = solver.profile_of(function)
        tally.accepted += 1
    except solver.NotOddSigmoidError as error:
        tally.reasons[error.condition] += 1
    except (TypeError, ValueError) as error:
        if "Received: " in str(error):
            tally.reasons["no function of numbers"] += 1
        else:
            tally.wrong.append(f"{type(error).__name__} without a reason: {error}")
    except BaseException as error:
        tally.wrong.append(f"{type(error).__name__}: {error}")
    tally.slowest = max(tally.slowest, time.perf_counter() - start)
    return profile


def agrees(profile: Any, member: functions.Member) -> list[str]:
    """In what a measured profile differs from the one that the rules of composition give."""
    expected, wrong = member.profile, []
    if abs(profile.slope / expected.slope - 1) > 1e-6:
        wrong.append("slope")
    if abs(profile.bound / expected.bound - 1) > 1e-5:
        wrong.append("bound")
    if member.shows_its_order():
        # An error in the order is one in the curvature by the power of the step: compared is the
        # correction itself, at the step where it is a thousandth.
        step = (1e-3 / expected.curvature) ** (1 / (expected.order - 1))
        correction = profile.curvature * step ** (profile.order - 1)
        if abs(profile.order - expected.order) > 0.02:
            wrong.append("order")
        elif abs(correction / 1e-3 - 1) > 0.02:
            wrong.append("curvature")
    return wrong


def try_members(number: int, seed: int) -> tuple[Tally, int]:
    """Random members; and how many of them show their order to floating-point numbers."""
    rng, tally, shown = np.random.default_rng(seed), Tally(), 0
    for _ in range(number):
        member = functions.member(rng)
        profile = check(member.function, tally)
        shown += member.shows_its_order()
        if profile is not None:
            tally.wrong += [f"{name} of {member.name}" for name in agrees(profile, member)]
    return tally, shown


def try_others(number: int, seed: int) -> dict[str, Tally]:
    """Random non-members, equally many of each kind, by kind."""
    tallies = {}
    for place, (name, kind) in enumerate(outsiders.KINDS.items()):
        rng, tally = np.random.default_rng([seed, place]), Tally()
        for _ in range(math.ceil(number / len(outsiders.KINDS))):
            check(kind.draw(rng), tally)
        tallies[name] = tally
    return tallies


def limits(each: int, seed: int) -> dict[str, float]:
    """By kind, the least power of ten at which violations and all larger ones were refused."""
    found = {}
    for name, kind in outsiders.KINDS.items():
        if kind.least is None:
            continue
        least = math.nan
        for exponent in range(16):
            rng, tally = np.random.default_rng([seed, exponent]), Tally()
            for _ in range(each):
                check(kind.break_(rng, 10.0**-exponent), tally)
            if tally.accepted:
                break
            least = 10.0**-exponent
        found[name] = least
    return found


def far_out() -> dict[str, tuple[int, int]]:
    """From which power of ten to which a violation of tanh at one place is seen."""

    def beyond(place: float, otherwise: Callable[[Any], Any]) -> Any:
        return lambda x: np.where(np.abs(x) > place, otherwise(x), np.tanh(x))

    def within(place: float, otherwise: Callable[[Any], Any]) -> Any:
        return lambda x: np.where(np.abs(x) < place, otherwise(x), np.tanh(x))

    kinds: dict[str, Callable[[float], Any]] = {
        "NaN further out": lambda p: beyond(p, lambda x: np.full_like(x, math.nan)),
        "a jump of 10%": lambda p: beyond(p, lambda x: 1.1 * np.tanh(x)),
        "asymmetric further out": lambda p: beyond(p, lambda x: np.tanh(x) + 0.1 * (x > 0)),
        "falls to 0 further out": lambda p: lambda x: np.tanh(x) / (1 + (x / p) ** 2),
        "a line further out": lambda p: beyond(p, lambda x: np.tanh(x) + x / p - np.sign(x)),
        "constant further in": lambda p: within(p, np.zeros_like),
    }
    found = {}
    for name, kind in kinds.items():
        seen = []
        for exponent in range(-12, 13):
            tally = Tally()
            check(kind(10.0**exponent), tally)
            if not tally.accepted:
                seen.append(exponent)
        found[name] = (min(seen), max(seen))
    return found


def section(
    members: Tally,
    shown: int,
    others: dict[str, Tally],
    least: dict[str, float],
    places: dict[str, tuple[int, int]],
    seed: int,
) -> str:
    tried = sum(tally.tried for tally in others.values())
    accepted = sum(tally.accepted for tally in others.values())
    wrong = sum(len(tally.wrong) for tally in others.values())
    slowest = max(tally.slowest for tally in (*others.values(), members))
    lines = [
        f"`benchmarks/reliability/members.py`, seed {seed}, NumPy {np.__version__}.",
        "",
        f"- Functions of the class tried: {members.tried:,}; accepted: {members.accepted:,}; with "
        f"a wrong slope, bound, order or curvature: {len(members.wrong):,}. (Order and curvature "
        f"are compared for the {shown:,} in which they show to floating-point numbers.)",
        f"- Functions outside it tried: {tried:,}; accepted: {accepted:,}; refused without a "
        f"reason, or by another error: {wrong:,}.",
        f"- The slowest check took {slowest:.2f} s; the limit was {LIMIT:g} s.",
        "",
        "| outside, because | tried | accepted | refused as | slowest |",
        "|---|---|---|---|---|",
    ]
    for name, tally in others.items():
        reasons = ", ".join(f"{reason} {n}" for reason, n in tally.reasons.most_common())
        lines.append(
            f"| {name} | {tally.tried} | {tally.accepted} | {reasons} | {tally.slowest:.2f} s |"
        )
    lines += [
        "",
        "How small a violation may be and still be seen each time, relative to the function's own "
        "height and width: half a wave's height, say, or the length of a flat stretch. Smaller "
        "ones are seen at some places and not at others.",
        "",
        "| outside, because | seen down to |",
        "|---|---|",
        *(f"| {name} | {size:.0e} |" for name, size in least.items()),
        "",
        "Where it is looked for, in units of the width of tanh: what lies nearer to 0 or further "
        "out is taken on trust.",
        "",
        "| outside, because | seen from | to |",
        "|---|---|---|",
        *(f"| {name} | 1e{first:+03d} | 1e{last:+03d} |" for name, (first, last) in places.items()),
        "",
        "A function that never returns is not stopped: its call is its own.",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--number", type=int, default=10_000, help="of each of the two sides")
    parser.add_argument("--each", type=int, default=30, help="of each kind and size, for limits")
    parser.add_argument("--seed", type=int, default=0)
    page.add_argument(parser)
    options = parser.parse_args(arguments)
    members, shown = try_members(options.number, options.seed)
    others = try_others(options.number, options.seed)
    least = limits(options.each, options.seed)
    text = section(members, shown, others, least, far_out(), options.seed)
    page.publish("members", text, options.page)
    failures = [*members.wrong, *(w for tally in others.values() for w in tally.wrong)]
    failures += [f"refused: a member, as {reason}" for reason in members.reasons]
    failures += [f"accepted: {name}" for name, tally in others.items() if tally.accepted]
    print(*failures[:20], sep="\n", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
