"""How the site reads docstrings: an extension of Griffe, which reads the code and does not run it.

The docstrings are written as Keras writes them, and for `help`. Here they become Markdown.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from pathlib import Path
from typing import Any, Final

import griffe

_EXAMPLE: Final = re.compile(r"(?:^Example:\n\n)?(^>>> (?:.+\n?)+)", re.MULTILINE)
_INTERNAL: Final = re.compile(r"\n\nHere belong.*", re.DOTALL)  # for who works on the module
_PAGE: Final = re.compile(r"`docs/([\w/-]+)\.md`")
_NAME: Final = re.compile(r"`keras_oddsig\.(?:[a-z]+\.)?(\w+)`")
_INIT: Final = Path(__file__).parent.parent / "keras_oddsig" / "__init__.py"


class Docstrings(griffe.Extension):
    """Completes and rewrites each docstring once."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        # Decorators `_named` add what many classes have in common when they are imported.
        if cls.docstring and any(str(each.value) == "_named" for each in cls.decorators):
            common = ast.literal_eval(str(cls.module["_COMMON"].value))
            own, *reference = inspect.cleandoc(cls.docstring.value).split("\n\nReference:")
            own += ("" if "\nArgs:\n" in own else "\n\nArgs:") + common
            cls.docstring.value = "\n\nReference:".join([own, *reference])

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = rewritten(obj.docstring.value)


def rewritten(text: str) -> str:
    """A docstring in Markdown: examples as code, pages and public names as links."""

    def name(match: re.Match[str]) -> str:
        known = match[1] in public_names()
        return f"[{match[0]}][keras_oddsig.{match[1]}]" if known else match[0]

    text = _INTERNAL.sub("\n", inspect.cleandoc(text))
    # The pages of the reference lie in a folder of their own.
    text = _PAGE.sub(lambda match: f"[{match[1]}](../{match[1]}.md)", text)
    text = _NAME.sub(name, text)
    return _EXAMPLE.sub(lambda match: f"```pycon\n{match[1].rstrip()}\n```\n", text)


@functools.cache
def public_names() -> frozenset[str]:
    """What the package exports."""
    tree = ast.parse(_INIT.read_text()).body
    lists = [each.value for each in tree if isinstance(each, ast.Assign)]
    return frozenset(ast.literal_eval(next(e for e in lists if isinstance(e, ast.List))))
