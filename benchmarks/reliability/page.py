"""Writes what a script has printed into its place in a page.

    <!-- members -->
    what the script printed last
    <!-- end -->

A script prints a Markdown section, and with `--page docs/reliability.md` writes it between the
comment of its name and the next `<!-- end -->`; all else in the page stays as it is. Where the
page has no such place yet, one is added at its end.
"""

from __future__ import annotations

import argparse
from pathlib import Path

_END = "<!-- end -->"


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The option that all scripts of this folder have."""
    parser.add_argument("--page", type=Path, help="write the section into this Markdown page")


def place(text: str, name: str, section: str) -> str:
    """A page's text with a section in its place."""
    start = f"<!-- {name} -->"
    block = f"{start}\n{section.strip()}\n{_END}"
    before, found, after = text.partition(start)
    if not found:
        return f"{text.rstrip()}\n\n{block}\n".lstrip()
    _, ended, rest = after.partition(_END)
    if not ended:
        raise ValueError(f"The page must have {_END} behind {start}.")
    return before + block + rest


def section_of(text: str, name: str) -> str:
    """What stands in the place of that name; nothing where there is none."""
    return text.partition(f"<!-- {name} -->")[2].partition(_END)[0].strip()


def publish(name: str, section: str, page: Path | None) -> None:
    """Prints a section, and writes it into a page if there is one to write into."""
    print(section)
    if page is not None:
        text = page.read_text() if page.exists() else ""
        page.write_text(place(text, name, section))
