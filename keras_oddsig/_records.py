"""Where the rows of a training go: a table of CSV, and TensorBoard's files.

Here belongs what is done with files while a model trains. A process may be killed at any moment,
and a disk fill up: what has been written stays whole, and what could not be is written later.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import itertools
import math
import os
import socket
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from keras_oddsig import plotting
from keras_oddsig.signal.measurement import Measured
from keras_oddsig.signal.statistics import BINS

_HEADER: Final = ",".join(plotting.COLUMNS).encode()
_BLOCK: Final = 2**16  # bytes that are read at a time


class Table:
    """A CSV file that gets rows as they come, of the columns `plotting.COLUMNS`.

    Args:
        path: The file. If it exists, rows are appended.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[dict[str, Any]] = []
        self._is_ready = False

    def prepare(self, seen: Sequence[dict[str, Any]] = ()) -> None:
        """Writes the header of a new file, and makes ready an old one for more rows.

        Args:
            seen: All rows until now, which a new file is to get.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If it holds another table.
        """
        self._is_ready = False
        if not self.path.exists():
            self._waiting = list(seen)
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+", buffering=0) as file:
            size = _size(file)
            found = b""
            if size > 0:  # which a device has not
                file.seek(0)
                found = file.read(min(size, _BLOCK)).partition(b"\n")[0]
            if found.strip() == _HEADER and len(found) == size:
                file.truncate(0)  # without an end it would take in the first row
                size = 0
            if size == 0:
                _write(file, _HEADER + b"\n")
            elif found.strip() != _HEADER:
                beginning = found[:80].decode(errors="replace").strip()
                raise ValueError(
                    f"`csv_path` must be a new file, or one of the columns "
                    f"{', '.join(plotting.COLUMNS)}. Received: csv_path={str(self.path)!r}, which "
                    f"begins with {beginning!r:.90}"
                )
            else:
                # A run that was killed may have left half a row.
                file.truncate(_end_of_lines(file, size))
        self._is_ready = True

    def append(self, rows: Sequence[dict[str, Any]], seen: Sequence[dict[str, Any]]) -> bool:
        """Writes rows, and before them those that could not be written.

        Args:
            rows: The new ones.
            seen: All until now, the new ones among them: what a file gets whose forerunner is gone.

        Returns:
            Whether the file was gone.

        Raises:
            OSError, ValueError: As `prepare`. The rows are kept for the next time.
        """
        self._waiting += rows
        is_gone = self._is_ready and not self.path.exists()
        if is_gone or not self._is_ready:
            self.prepare(seen)
        if self._waiting:
            self._write_waiting()
        return is_gone

    def _write_waiting(self) -> None:
        text = io.StringIO(newline="")
        csv.DictWriter(text, plotting.COLUMNS, lineterminator="\n").writerows(
            {**row, "layer": " ".join(str(row["layer"]).splitlines())} for row in self._waiting
        )
        try:
            with open(self.path, "ab", buffering=0) as file:
                _write(file, text.getvalue().encode(errors="backslashreplace"))
        except OSError:
            self._is_ready = False
            raise
        self._waiting = []


def _write(file: io.FileIO, content: bytes) -> None:
    """Appends the whole content, or nothing."""
    size = _size(file)
    try:
        while content:  # a disk that fills up takes a part
            content = content[file.write(content) :]
    except OSError:
        with contextlib.suppress(OSError):
            file.truncate(size)
        raise


def _size(file: io.FileIO) -> int:
    found = os.fstat(file.fileno())
    if stat.S_ISFIFO(found.st_mode):  # which waits until someone reads
        raise OSError(errno.EINVAL, "it is a pipe")
    return found.st_size


def _end_of_lines(file: io.FileIO, size: int) -> int:
    """Where the last whole line of a file ends, that of its first line at least."""
    while True:
        start = max(size - _BLOCK, 0)
        file.seek(start)
        end = file.read(size - start).rfind(b"\n")
        if end >= 0 or start == 0:
            return start + end + 1
        size = start


class Board:
    """TensorBoard's files in a folder: one for each training, under a name of its own.

    Args:
        folder: The folder, which is made if need be.

    Raises:
        ImportError: If tensorboardX is not installed.
        OSError: If the file cannot be written.
    """

    _numbers = itertools.count()

    def __init__(self, folder: Path) -> None:
        self._event = require_tensorboardx()
        from tensorboardX.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        # Not tensorboardX's own writer: its thread ends when the disk is full, and the training
        # stands still; and its files of one second have one name.
        place = f"{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{next(self._numbers)}"
        self._path = folder / f"events.out.tfevents.{place}"
        self._file = RecordWriter(str(self._path))
        self._size = 0  # of what was written whole
        self._write(file_version="brain.Event:2")

    def append(self, step: int, rows: Sequence[dict[str, Any]], measured: Measured) -> None:
        """Writes scalars and histograms of a step.

        Raises:
            OSError: If they cannot be written. What was written before stays, and what comes
                later is for a new `Board`.
        """
        from tensorboardX import summary

        for row in rows:
            # NaN is what is undefined here; it would only make a warning there.
            if math.isfinite(row["value"]):
                tag = f"{row['statistic']}/{row['layer']}"
                self._write(step=step, summary=summary.scalar(tag, row["value"]))
        assert measured.histograms is not None
        for i, call in enumerate(measured.calls):
            low, high, mean, rms = (measured.table[k][i] for k in ("min", "max", "mean", "rms"))
            if math.isfinite(low) and math.isfinite(high):
                number = float(measured.values[i])
                limits = np.linspace(low, high, BINS + 1)[1:].tolist()
                histogram = summary.histogram_raw(
                    call.name,
                    min=low,
                    max=high,
                    num=number,
                    sum=number * mean,
                    sum_squares=number * rms**2,
                    bucket_limits=limits,
                    bucket_counts=measured.histograms[i].tolist(),
                )
                self._write(step=step, summary=histogram)
        self._file.flush()
        self._size = self._path.stat().st_size

    def exists(self) -> bool:
        """Whether what is written still has a place in a folder."""
        return self._path.exists()

    def close(self) -> None:
        """Ends the file with the last step that was written whole; without any, removes it."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            os.truncate(self._path, self._size)
            if not self._size:
                self._path.unlink()

    def _write(self, **what: Any) -> None:
        self._file.write(self._event(wall_time=time.time(), **what).SerializeToString())


def require_tensorboardx() -> Any:
    """The class of TensorBoard's events.

    Raises:
        ImportError: If tensorboardX is not installed.
    """
    try:
        import tensorboardX  # noqa: F401  (which may be blocked, and its parts not)
        from tensorboardX.proto.event_pb2 import Event
    except ImportError as error:
        raise ImportError(
            "`log_dir` needs tensorboardX: pip install 'keras-oddsig[tensorboard]'"
        ) from error
    return Event
