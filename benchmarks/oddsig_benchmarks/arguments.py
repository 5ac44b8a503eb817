"""What the command lines have in common: values that are checked, and refused with one line.

Types for `argparse` (lists are split at semicolons: the methods' names have commas), checks of
what it has parsed, and the options for files, which are called alike everywhere. Which others there
are, each command says.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any


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


def existing(text: str) -> Path:
    """A type of files that are there."""
    if not Path(text).exists():
        raise argparse.ArgumentTypeError(f"no such file. Received: {text}")
    return Path(text)


def text_of(name: str) -> str:
    """A type of text, given as the name of its file; argparse hands it the default "", too."""
    return existing(name).read_text().strip() if name else ""


def add_results(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """The option `--results`: the file that finished runs are appended to."""
    shown = "" if default is None else " (%(default)s)"
    path = None if default is None else Path(default)
    parser.add_argument(
        "--results", type=Path, default=path, help=f"JSON lines, which are continued{shown}"
    )


def add_report(options: Any) -> None:
    """The option `--report` of a script that trains and writes its page, too."""
    options.add_argument(
        "--report", nargs="+", type=existing, metavar="FILE", help="trains nothing: writes the page"
    )


def add_page(parser: argparse.ArgumentParser, default: str) -> None:
    """The option `--page`: where the page goes that is made of runs."""
    parser.add_argument("--page", type=Path, default=Path(default), help="(%(default)s)")


def add_reading(parser: argparse.ArgumentParser) -> None:
    """The option `--reading`: what the numbers mean, written by hand."""
    parser.add_argument(
        "--reading", type=text_of, default="", metavar="FILE", help="Markdown for the page"
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """The option `--output`: a file of figures (`reporting.write_figures`)."""
    parser.add_argument("--output", type=Path, help="where to write the figures, as JSON")
