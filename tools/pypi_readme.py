"""Leads the README's links and pictures to the repository, for PyPI, which shows it alone.

    GITHUB_REPOSITORY=someone/something python tools/pypi_readme.py v1.2.3

For the release workflow, before it builds; rewrites README.md in place, at once.
"""

from __future__ import annotations

import re
import sys
from typing import Final

from site_pages import ROOT, repository

_LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\((?![\w+]+:|#)([^)\s]+)\)")


def led(text: str, address: str, tag: str) -> str:
    """A text whose relative links lead to the files of the repository at a tag."""

    def lead(match: re.Match[str]) -> str:
        picture, said, path = match.groups()
        return f"{picture}[{said}]({address}/{'raw' if picture else 'blob'}/{tag}/{path})"

    return _LINK.sub(lead, text)


def main(tag: str) -> None:
    address = repository()
    if address is None:
        raise SystemExit("GITHUB_REPOSITORY must name the repository, as in someone/something")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(led(text, address, tag), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
