"""What the command lines have in common: values that are checked, and refused with one line.

Types for `argparse` (lists are split at semicolons: the methods' names have commas), and
checks of what it has parsed. Which options there are, each command says.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path


def names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(";"))


def names_of(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """A type of names that must be known."""

    def parse(text: str) -> tuple[str, ...]:
        for name in names(text):
            if name not in known:
                raise argparse.ArgumentTypeError(f"must be of {'; '.join(known)}. Received: {name}")
        return names(text)

    return parse


def integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(value) for value in text.split(";"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be integers. Received: {text}") from None


def positive_numbers(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(value) for value in text.split(";"))
    except ValueError:
        numbers = ()
    if not numbers or not all(0 < number < math.inf for number in numbers):
        raise argparse.ArgumentTypeError(f"must be positive numbers. Received: {text}")
    return numbers


def require_at_least(
    least: int, parser: argparse.ArgumentParser, args: argparse.Namespace, *options: str
) -> None:
    """Ends the program if one of these options has a value below `least`."""
    for option in options:
        value = getattr(args, option)
        if value is not None and value < least:
            parser.error(
                f"--{option.replace('_', '-')} must be at least {least}. Received: {value}"
            )


def add_files(parser: argparse.ArgumentParser, runs: str, page: str) -> None:
    """The options `--output`, `--page` and `--reading`, with the defaults of the first two."""
    parser.add_argument(
        "--output", type=Path, default=Path(runs), help="is continued (%(default)s)"
    )
    parser.add_argument("--page", type=Path, default=Path(page), help="(%(default)s)")
    parser.add_argument("--reading", type=Path, help="Markdown that the page takes in")


def require_files(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Ends the program if a file that `--report` or `--reading` names is not there."""
    for path in (*(args.report or ()), *filter(None, [args.reading])):
        if not path.exists():
            parser.error(f"no such file. Received: {path}")
