"""Writes a script's section into a page, and leaves the rest of the page alone.

A section lies between `<!-- NAME -->` and `<!-- end -->`; one that is not there yet is added at
the end.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The option that all scripts of this folder have."""
    parser.add_argument("--page", type=Path, help="write the section into this Markdown page")


def publish(name: str, section: str, page: Path | None) -> None:
    """Prints a section and, if a page is given, writes it there."""
    print(section)
    if page is not None:
        write_section(page, name, section)


def write_section(page: Path, name: str, section: str) -> None:
    """Puts a section in place of the one of that name."""
    start, end = f"<!-- {name} -->", "<!-- end -->"
    text = page.read_text() if page.exists() else "# Reliability\n"
    block = f"{start}\n\n{section.strip()}\n\n{end}"
    before, found, after = text.partition(start)
    after = after.partition(end)[2] if found else "\n"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text((before if found else text.rstrip() + "\n\n") + block + after)
