"""Sees what an input does beyond its result: code run, files written elsewhere, files left behind.

Python's audit events tell of what goes through Python; a folder of its own shows what HDF5 or an
archive writes. What an error means is judged here, too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import keras

import keras_oddsig
from reliability.fuzzing.mutations import CANARY

_RUNS: Final = frozenset(
    {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn"}
    | {"socket.connect", "urllib.Request", "pickle.find_class", "webbrowser.open"}
)
_CHANGES: Final = frozenset(
    {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate"}
    | {"shutil.move", "shutil.copyfile", "shutil.rmtree", "shutil.unpack_archive"}
)
_PACKAGES: Final = tuple(
    str(Path(module.__file__ or "").parent) + os.sep for module in (keras_oddsig, keras)
)
# What an error of this package's own may be, whatever a file holds.
EXPECTED: Final = (ValueError, TypeError, ImportError)


class Sandbox:
    """A folder in which an input may write to `target` and `temp`, and nowhere else.

    Args:
        root: An empty folder.

    Attributes:
        target: Where inputs and outputs are.
        mark: What hostile inputs would leave.
        outside: What hostile inputs would write.
        left_behind: How many temporary files and folders were left where they belong.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.target, self._temp, modules = root / "target", root / "temp", root / "modules"
        self.mark, self.outside = root / "mark", root / "outside"
        for folder in (self.target, self._temp, modules):
            folder.mkdir()
        (modules / f"{CANARY}.py").write_text(
            f"open({str(self.mark)!r}, 'w').close()\ndef boom(*args, **kwargs): ...\n"
        )
        self._modules = modules
        self._known = set(os.listdir(root))
        self._seen: list[str] = []
        self.left_behind = 0
        self._active = False
        sys.addaudithook(self._audit)  # for as long as the process lives

    @contextmanager
    def watched(self) -> Iterator[list[str]]:
        """Gives a list that holds, afterwards, what went wrong within."""
        before, path, writes = tempfile.tempdir, list(sys.path), sys.dont_write_bytecode
        tempfile.tempdir, sys.dont_write_bytecode = str(self._temp), True
        sys.path.insert(0, str(self._modules))
        found = self._seen = []
        self._active = True
        try:
            yield found
        finally:
            self._active = False
            tempfile.tempdir, sys.dont_write_bytecode = before, writes
            sys.path[:] = path
            found += self._left()

    def _left(self) -> list[str]:
        found = []
        if CANARY in sys.modules:
            found.append("a module that a file names was imported")
            del sys.modules[CANARY]
        for name in set(os.listdir(self._root)) - self._known:
            found.append("code of a file was run" if name == self.mark.name else f"wrote {name}")
            _remove(self._root / name)
        for name in os.listdir(self._temp):
            self.left_behind += 1
            _remove(self._temp / name)
        return found

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._active:
            return
        if event in _RUNS:
            self._seen.append(f"{event} {str(arguments)[:100]}")
        elif event == "exec" and getattr(arguments[0], "co_filename", "") == "canary":
            self._seen.append("code of a file was run")
        elif event == "open" and isinstance(arguments[2], int):
            writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            if arguments[2] & writes and not self._inside(arguments[0]):
                self._seen.append(f"opened {str(arguments[0])[:100]} for writing")
        elif event in _CHANGES and not all(map(self._inside, _paths_of(arguments))):
            self._seen.append(f"{event} {str(arguments)[:100]}")

    def _inside(self, path: Any) -> bool:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, str | os.PathLike):
            return True  # a file that is open, a mode
        path = os.path.abspath(path)
        allowed = (str(self.target), str(self._temp))
        return path in (os.devnull, *allowed) or path.startswith(
            tuple(each + os.sep for each in allowed)
        )


def _paths_of(arguments: tuple[Any, ...]) -> list[Any]:
    """The paths in an event's arguments, of which one may be told from an open folder."""
    paths = [each for each in arguments if isinstance(each, str | bytes | os.PathLike)]
    folders = [each for each in arguments if type(each) is int and each > 2]
    if folders and not os.path.isabs(os.fsdecode(paths[0])):
        with contextlib.suppress(OSError):
            return [
                os.path.join(os.readlink(f"/proc/self/fd/{folders[-1]}"), os.fsdecode(paths[0]))
            ]
    return paths


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def place(error: BaseException) -> str:
    """The last line of this package or of Keras that an error passed, and its type."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        for package in _PACKAGES:
            if frame.filename.startswith(package):
                name = os.path.basename(package.rstrip(os.sep))
                inner = frame.filename.removeprefix(package)
                return f"{type(error).__name__} {name}/{inner}:{frame.lineno}"
    return f"{type(error).__name__} elsewhere"


def unexpected(error: BaseException) -> bool:
    """Whether an error is of this package's own making, and of no kind that it promises."""
    memory = isinstance(error, MemoryError) or "allocate memory" in str(error)  # as PyTorch says it
    return not memory and not isinstance(error, EXPECTED) and " keras_oddsig/" in place(error)
