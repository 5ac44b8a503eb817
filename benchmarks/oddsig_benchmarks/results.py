"""The file of finished runs: JSON lines, appended to as runs finish, and read by the reports.

A row of a run has a "key", which says what was run; the others have an "environment", which
the rows of runs refer to. What else a row holds is each benchmark's own. No backend is imported
here: a report must not need one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Results:
    """A results file that is continued.

    Args:
        path: Of the file, which need not exist.
        about: The environment of the rows to come (`environment.of_machine`).
    """

    def __init__(self, path: Path, about: Row) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # interrupted in the middle of a line
            path.write_text(whole)
        self._done = {row.get("key", row.get("environment")) for row in _rows(path, whole)}
        self._environment = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:8]
        self._about = {"environment": self._environment, **about}

    def lacks(self, keys: Iterable[str]) -> bool:
        """Whether one of these runs is missing."""
        return any(key not in self._done for key in keys)

    def write(self, rows: Iterable[Row]) -> None:
        """Appends the rows of runs that the file does not have yet."""
        new = [row for row in rows if row["key"] not in self._done]
        with self.path.open("a") as file:
            if self._environment not in self._done:
                self._done.add(self._environment)
                file.write(json.dumps(self._about) + "\n")
            for row in new:
                file.write(json.dumps({**row, "environment": self._environment}) + "\n")
        self._done.update(row["key"] for row in new)


def read(paths: Iterable[Path]) -> tuple[list[Row], list[Row]]:
    """The rows of runs, each key once, and those of environments, of plain or gzipped files."""
    runs: dict[str, Row] = {}
    environments: dict[str, Row] = {}
    for path in paths:
        whole = path.read_bytes()
        text = (gzip.decompress(whole) if path.suffix == ".gz" else whole).decode()
        for row in _rows(path, text):
            if "key" in row:
                runs.setdefault(row["key"], row)
            else:
                environments[row["environment"]] = row
    return list(runs.values()), list(environments.values())


def used(environments: Iterable[Row], rows: Iterable[Row]) -> list[Row]:
    """The environments in which these rows were made."""
    names = {row["environment"] for row in rows}
    return [each for each in environments if each["environment"] in names]


def rounded(value: Any, digits: int = 6) -> float | None:
    """A number for a row; None, as JSON has it, for a run that has diverged."""
    return float(f"{float(value):.{digits}g}") if math.isfinite(float(value)) else None


def _rows(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        try:
            yield json.loads(line)
        except ValueError:
            if line.endswith("\n"):  # else the run was interrupted in the middle of this line
                raise SystemExit(
                    f"{path}, line {number} is not JSON: {line[:60].strip()}"
                ) from None
