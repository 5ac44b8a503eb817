"""How long `import keras_oddsig` takes beyond Keras's own import, and what comes with it.

    python benchmarks/reliability/import_time.py --page docs/reliability.md

For who starts many short processes, or imports the package in another one. In new processes, on
each backend that is installed, Keras is imported first, and then the package; in one more, without
Keras, the solver alone. Two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))
from reliability import page

BACKENDS = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}
HEAVY = ("matplotlib", "pandas", "scipy.stats", "tensorboardX", "rich")
LIMIT = 0.15  # seconds

# What one process does: a first import, a second one, and what only the second has brought.
CODE = """
import importlib, json, sys, time
times = []
for name in sys.argv[1:]:
    before = set(sys.modules)
    start = time.perf_counter()
    importlib.import_module(name)
    times.append(time.perf_counter() - start)
print(json.dumps([times, sorted(set(sys.modules) - before)]))
"""


def imported(names: list[str], backend: str | None) -> tuple[list[float], list[str]]:
    """Seconds for each import, in a new process, and the modules that the last has brought."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if backend is not None:
        environment["KERAS_BACKEND"] = backend
    command = [sys.executable, "-c", CODE, *names]
    # What a backend says to its log is of no interest here.
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    times, modules = json.loads(run.stdout.splitlines()[-1])
    return times, modules


def heavy(modules: list[str]) -> list[str]:
    """Those of a list that are slow to import, or seldom needed."""
    return [name for name in HEAVY if name in modules]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=5, help="on each backend")
    page.add_argument(parser)
    options = parser.parse_args(arguments)
    lines = [
        "## Import time",
        "",
        f"`import keras_oddsig` after `import keras`, the median of {options.processes} new "
        "processes (the fastest and the slowest), and what it brings beside its own modules: of "
        f"{', '.join(HEAVY)} nothing may be among it.",
        "",
        "| | `import keras` | `import keras_oddsig` | part | of these |",
        "|---|---|---|---|---|",
    ]
    rows: dict[str, tuple[list[str], str | None]] = {
        f"after Keras, {name}": (["keras", "keras_oddsig"], name)
        for name, module in BACKENDS.items()
        if find_spec(module)
    }
    rows["the solver, without Keras"] = (["numpy", "keras_oddsig.solver"], None)
    failures = []
    for title, (names, backend) in rows.items():
        runs = [imported(names, backend) for _ in range(options.processes)]
        first = statistics.median(times[0] for times, _ in runs)
        own = sorted(times[1] for times, _ in runs)
        median = statistics.median(own)
        found = heavy(runs[0][1])
        before, part = (f"{first:.2f} s", f"{median / first:.1%}") if backend else ("", "")
        took = f"{median:.3f} s ({own[0]:.3f} to {own[-1]:.3f})"
        lines.append(f"| {title} | {before} | {took} | {part} | {', '.join(found) or 'none'} |")
        if found or (backend and median > LIMIT):
            failures.append(f"{title}: {took}, {found}")
    page.publish("import time", "\n".join(lines), options.page)
    print(*failures, sep="\n", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
