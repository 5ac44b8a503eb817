"""Puts broken and hostile files through every door of the package, and counts what happens.

    KERAS_BACKEND=torch nice -n 19 python benchmarks/reliability/fuzz.py --minutes 10 \
        --page docs/reliability.md

For maintainers, before a release and after a change of what reads files: ten minutes for each
format, an hour in all, on one core. Files are mutated by their structure (in `fuzzing`)
and kept where they reach new code, by atheris where that is installed (`pip install atheris`),
or else where they end in a new way. Each child process takes one file after another; the parent
sees it crash or hang. What is a failure:

- the process crashes, takes more than 60 seconds of processor time for one file, or five times as
  many of waiting;
- an error of another kind than `ValueError`, `TypeError` and `ImportError` whose last line, of
  those in this package and in Keras, is in this package; of the command any error at all;
- code of the file is run, a module that it names is imported, a process started;
- something is written elsewhere than where it is asked for, or a temporary file left behind.

The inputs of failures are kept in the folder `--folder`. The exit status is 1 if there were any.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import faulthandler
import hashlib
import importlib
import importlib.util
import json
import os
import pkgutil
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FORMATS = ("keras", "h5", "json", "npy", "csv", "solve")
NAMES = {
    "keras": "`.keras`: `load_model`, `signal_report`, `tailor`, the commands",
    "h5": "`.h5`, whole and weights: `load_model`, `load_weights`, the command",
    "json": "JSON configs of every class: `deserialize_keras_object`, `from_config`, `get`",
    "npy": "`.npy` and `.npz`: the commands",
    "csv": "CSV: an `ActivationSpread` that goes on with one",
    "solve": "arguments of `keras-oddsig solve`",
}
LIMIT = 60  # seconds of processor time for one file
MEMORY = 4 * 2**30  # bytes that a file may take beyond what the process had
INSTRUMENTED = ["keras_oddsig", "keras.src.saving", "keras.src.legacy.saving"]


@dataclass
class Tally:
    """What was tried, and what came of it.

    Attributes:
        inputs: How many files.
        outcomes: How often each way ended as it did.
        failures: The inputs of failures, by what failed.
        edges: How many branches were reached, as atheris counts them; 0 without it.
        left_behind: How many temporary folders Keras left.
        restarts: How often the child process ended before its time.
        minutes: For how long, the start of the child process apart.
    """

    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    edges: int = 0
    left_behind: int = 0
    restarts: int = 0
    minutes: float = 0.0

    def add(self, other: Tally) -> None:
        self.inputs += other.inputs
        self.outcomes += other.outcomes
        self.failures = {**other.failures, **self.failures}
        self.edges = max(self.edges, other.edges)
        self.left_behind += other.left_behind
        self.minutes += other.minutes

    def to_json(self) -> str:
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, text: str) -> Tally:
        found = json.loads(text)
        return cls(**{**found, "outcomes": Counter(found["outcomes"])})


class Trial:
    """Puts files through the doors of one format, and keeps the tally.

    Args:
        kind: One of `FORMATS`.
        folder: Where inputs of failures are kept, and where the doors may write.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        from reliability.fuzzing import doors, watch

        root = Path(tempfile.mkdtemp(dir=folder, prefix="sandbox-"))
        self._folder = folder
        self._sandbox = watch.Sandbox(root)
        self.door = doors.DOORS[kind](self._sandbox)
        self._broken = doors.BrokenError
        self.tally = Tally()

    def __call__(self, content: bytes) -> bool:
        """Tries one file; returns whether it ended in a new way."""
        words: Iterable[str] = ()
        with self._sandbox.watched() as seen:
            try:
                words = self.door(content)
            except self._broken as error:
                seen.append(str(error))
        self.tally.inputs += 1
        self.tally.left_behind = self._sandbox.left_behind
        new = any(word not in self.tally.outcomes for word in words)
        self.tally.outcomes.update(words)
        for what in seen:
            self._keep(what, content)
        return new

    def _keep(self, what: str, content: bytes) -> None:
        if what not in self.tally.failures:
            name = hashlib.sha256(what.encode(errors="replace")).hexdigest()[:12]
            (self._folder / name).write_bytes(content)
            self.tally.failures[what] = name


def by_outcomes(trial: Trial, rng: random.Random, until: Callable[[], bool]) -> None:
    """Mutates what ended in a new way, until it is told to end."""
    kept = trial.door.seeds()
    for content in kept:
        trial(content)
    while not until():
        content = trial.door.mutated(rng.choice(kept), rng)
        if trial(content) and len(content) < 2**20:
            kept.append(content)


def by_coverage(trial: Trial, seed: int, seconds: float, corpus: Path) -> None:
    """Mutates what reached new code; atheris ends the process."""
    import atheris  # type: ignore[import-not-found,unused-ignore]

    corpus.mkdir(exist_ok=True)
    for content in trial.door.seeds():
        (corpus / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)

    def mutated(content: bytes, limit: int, number: int) -> bytes:
        try:
            found = trial.door.mutated(bytes(content), random.Random(number))
        except Exception:  # atheris would not end of it, but stand still
            traceback.print_exc()
            return bytes(content)
        return found if len(found) <= limit else bytes(content)

    def attempt(content: bytes) -> None:
        trial(bytes(content))

    options = {"max_total_time": max(int(seconds), 1), "seed": seed + 1, "max_len": 2**21}
    # Crashes and hangs are the parent's to see, memory is limited below.
    options |= {f"handle_{name}": 0 for name in ("segv", "bus", "abrt", "ill", "fpe", "int")}
    options |= {
        "mutate_depth": 2,
        "report_slow_units": 10**6,
        "rss_limit_mb": 0,
        "timeout": 10 * LIMIT,
        "verbosity": 1,
    }
    flags = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], attempt, custom_mutator=mutated)
    atheris.Fuzz()


# ----------------------------------------------------------------------------------
# The child
# ----------------------------------------------------------------------------------


def child(args: argparse.Namespace) -> None:
    """Tries files until time is up; writes the tally every second."""
    guided = has_atheris()
    with instrumented() if guided else contextlib.nullcontext():
        trial = Trial(args.child, args.folder)
    faulthandler.enable()
    limit_memory()
    watched = Watched(trial, args.folder)
    atexit.register(watched.save)
    end = time.monotonic() + args.seconds
    if guided:
        by_coverage(watched, args.seed, args.seconds, args.folder / "corpus")  # type: ignore[arg-type]
    else:
        by_outcomes(watched, random.Random(args.seed), lambda: time.monotonic() > end)  # type: ignore[arg-type]


def limit_memory() -> None:
    """Keeps a file that asks for terabytes from taking the machine's memory."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(
        resource.RLIMIT_AS, (used + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1])
    )


class Watched:
    """A trial whose every input is on the disk before it is tried, and has a limit of time."""

    def __init__(self, trial: Trial, folder: Path) -> None:
        self._trial = trial
        self.door = trial.door
        self._folder = folder
        self._start = self._saved = time.monotonic()
        # Of processor time: writes where the process is, and ends it.
        faulthandler.register(signal.SIGPROF, chain=True)

    def __call__(self, content: bytes) -> bool:
        import keras

        keras.utils.clear_session(free_memory=False)  # or its names would be ever longer
        (self._folder / "current").write_bytes(content)
        signal.setitimer(signal.ITIMER_PROF, LIMIT)
        try:
            return self._trial(content)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            if time.monotonic() - self._saved > 1:
                self.save()

    def save(self) -> None:
        self._trial.tally.minutes = (time.monotonic() - self._start) / 60
        beside = self._folder / "tally.new"
        beside.write_text(self._trial.tally.to_json())
        os.replace(beside, self._folder / "tally.json")
        self._saved = time.monotonic()


def has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


@contextlib.contextmanager
def instrumented() -> Any:
    """Imports, within, what atheris is to follow."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        ko = importlib.import_module("keras_oddsig")
        for module in pkgutil.walk_packages(ko.__path__, "keras_oddsig."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
        yield


# ----------------------------------------------------------------------------------
# The parent
# ----------------------------------------------------------------------------------


def fuzz(kind: str, minutes: float, seed: int, folder: Path) -> Tally:
    """Runs children of one format, one after another, until time is up."""
    folder.mkdir(parents=True, exist_ok=True)
    total = Tally()
    while total.minutes < 0.98 * minutes and total.restarts < 100:
        for name in ("tally.json", "current"):
            (folder / name).unlink(missing_ok=True)
        log = folder / f"log-{total.restarts}"
        command = [sys.executable, __file__, "--child", kind, "--folder", str(folder)]
        seconds = 60 * (minutes - total.minutes)
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command, "--seconds", str(seconds), "--seed", str(seed + total.restarts)],
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            status = _wait(process, folder / "current")
        if (folder / "tally.json").exists():
            total.add(Tally.from_json((folder / "tally.json").read_text()))
        text = log.read_text(errors="replace")
        total.edges = max([total.edges, *map(int, re.findall(r"cov: (\d+)", text))])
        if total.minutes < 0.98 * minutes:
            what = _end(status, text)
            kept = folder / f"ended-{total.restarts}"
            if (folder / "current").exists():
                kept.write_bytes((folder / "current").read_bytes())
            total.failures.setdefault(what, kept.name)
            total.restarts += 1
    return total


def _wait(process: subprocess.Popen[bytes], current: Path) -> int:
    """Waits for a child, and ends one that stands still where its own limit does not see it."""
    while process.poll() is None:
        time.sleep(0.5)
        if current.exists() and time.time() - current.stat().st_mtime > 5 * LIMIT:
            process.kill()
    return process.wait()


def _end(status: int, log: str) -> str:
    """What ended a child, and the innermost lines of its trace."""
    lines = re.findall(r'File "(?:.*site-packages/)?([^"]*)", line (\d+) in (\w+)', log)
    where = " < ".join(f"{file}:{line}" for file, line, _ in lines[:2])
    if status in (-signal.SIGPROF, -signal.SIGKILL):
        return f"hang: {where}"
    if status < 0:
        return f"crash, {signal.Signals(-status).name}: {where}"
    return f"ended with {status}: {' '.join(log.splitlines()[-1:])[:120]}"


def section(tallies: dict[str, Tally], seed: int) -> str:
    """What the page says."""
    import keras

    from oddsig_benchmarks.environment import of_device

    found = of_device()
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    guide = "code reached (atheris)" if has_atheris() else "ways to end"
    lines = [
        "## Broken and hostile files",
        "",
        "Files were mutated by their structure, put through every door that reads them, and "
        f"mutated on by {guide}; seed {seed}, backend {keras.backend.backend()}, {versions}, "
        f"{found['date']}. A failure is a crash, a hang, an error of this package's that is no "
        "`ValueError`, `TypeError` or `ImportError`, code of the file that ran, a module that it "
        "names imported, a file written elsewhere.",
        "",
        "| format and doors | minutes | files | ways to end | branches reached | failures |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for kind, tally in tallies.items():
        edges = f"{tally.edges:,}" if tally.edges else "not counted"
        lines.append(
            f"| {NAMES[kind]} | {tally.minutes:.1f} | {tally.inputs:,} "
            f"| {len(tally.outcomes):,} | {edges} | {len(tally.failures)} |"
        )
    failures = [(kind, what) for kind, tally in tallies.items() for what in tally.failures]
    if failures:
        lines += ["", "Failures:", "", *(f"- {kind}: `{what}`" for kind, what in failures)]
    left = sum(tally.left_behind for tally in tallies.values())
    if left:
        lines += ["", f"Keras left {left} temporary folders of models that it could not load."]
    lines += ["", "Again: `python benchmarks/reliability/fuzz.py --minutes 10`."]
    return "\n".join(lines)


def main() -> int:
    from reliability import page

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--format", choices=FORMATS, action="append", help="by default each")
    parser.add_argument("--minutes", type=float, default=10.0, help="for each (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keeps what failed; by default a new one")
    parser.add_argument("--report", action="store_true", help="of the runs in --folder; no other")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    page.add_argument(parser)
    args = parser.parse_args()
    if args.child:
        child(args)
        return 0
    folder = args.folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
    print(f"Inputs of failures are kept in {folder}", file=sys.stderr)
    tallies = {}
    for kind in args.format or FORMATS:
        total = folder / kind / "total.json"
        if not args.report:
            total.parent.mkdir(parents=True, exist_ok=True)
            total.write_text(fuzz(kind, args.minutes, args.seed, folder / kind).to_json())
        tallies[kind] = Tally.from_json(total.read_text())
        print(f"{kind}: {tallies[kind].inputs} files", file=sys.stderr)
    page.publish("fuzz", section(tallies, args.seed), args.page)
    return int(any(tally.failures for tally in tallies.values()))


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parent.parent)
    sys.exit(main())
