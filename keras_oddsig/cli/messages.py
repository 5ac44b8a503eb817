"""What the command says where something is of no use: one line, which may quote a file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Final

HEALTHY: Final = 0
UNHEALTHY: Final = 1
UNUSABLE: Final = 2
_CHARACTERS: Final = 300  # of a message


class UnusableError(Exception):
    """The arguments or a file are of no use; the message says why."""


@contextlib.contextmanager
def unusable(what: str, *errors: type[Exception]) -> Iterator[None]:
    """Turns the errors into one that says what is of no use, and why."""
    try:
        yield
    except UnusableError:
        raise
    except errors as error:
        text = (isinstance(error, OSError) and error.strerror) or str(error)
        # Keras quotes the whole config before it comes to the point.
        reason = text.rpartition("Exception encountered: ")[2].strip().partition("\n")[0]
        if isinstance(error, KeyError) and " " not in reason:  # but a name
            reason = f"{reason} is missing"
        raise UnusableError(what + (reason.rstrip(",:") or type(error).__name__)) from error


def say(message: str, characters: int = _CHARACTERS) -> None:
    print(f"keras-oddsig: {one_line(message, characters)}", file=sys.stderr)


def one_line(message: str, characters: int = _CHARACTERS) -> str:
    """A message that may quote a file, without what would steer a terminal."""
    line = "".join(c if c.isprintable() else " " for c in message)
    return line if len(line) <= characters else line[:characters] + "…"
