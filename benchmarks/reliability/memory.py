"""Whether a process grows over a thousand reports, watched trainings and tailored models.

    KERAS_BACKEND=torch python benchmarks/reliability/memory.py --page docs/reliability.md

For who makes model after model in one process, as a search does, or looks at one again and again.
Each kind of cycle runs in a process of its own, whose memory is read after 100 cycles and after
the last. Keras and the backend keep things, too: the same cycles without this package stand beside
it. A quarter of an hour on PyTorch, an hour where each new model is compiled.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What is compiled is run once: as the tests have it, without JAX's optimizations.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import keras
import numpy as np

import keras_oddsig as ko

sys.path.append(str(Path(__file__).parent.parent))
from reliability.page import add_argument, publish

WIDTH, LAYERS, SAMPLES = 8, 2, 16
EARLY = 100  # cycles, when caches have begun to fill
ALLOWED = 20.0  # MB from then on, above what Keras alone takes


def data(cycle: int) -> Any:
    """Another scale each time, as no two users' data have one."""
    rng = np.random.default_rng(cycle)
    return (rng.uniform(0.5, 2) * rng.standard_normal((SAMPLES, WIDTH))).astype("float32")


def network() -> keras.Model:
    hidden = [keras.layers.Dense(WIDTH, "tanh") for _ in range(LAYERS)]
    model = keras.Sequential([keras.Input((WIDTH,)), *hidden])
    model.compile("sgd", "mse")
    return model


def fit(model: keras.Model, x: Any, callbacks: list[Any]) -> None:
    model.fit(x, x, batch_size=SAMPLES, epochs=1, verbose=0, callbacks=callbacks)


def report(model: keras.Model, x: Any) -> None:
    ko.signal_report(model, x, x, "mse")


def watch(model: keras.Model, x: Any) -> None:
    fit(model, x, [ko.ActivationSpread(x)])


def tailor(model: keras.Model, x: Any) -> None:
    ko.tailor(model, x)


def keras_predicts(model: keras.Model, x: Any) -> None:
    model.predict(x, verbose=0)


def keras_fits(model: keras.Model, x: Any) -> None:
    fit(model, x, [])


# What is done in a cycle, and the same of Keras alone.
CYCLES: dict[str, tuple[Callable[[Any, Any], None], Callable[[Any, Any], None]]] = {
    "`signal_report`": (report, keras_predicts),
    "`fit` with `ActivationSpread`": (watch, keras_fits),
    "`tailor`": (tailor, keras_predicts),
}


def resident() -> float:
    """MB that this process holds, without what is only waiting to be freed."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def cycles(work: Callable[[Any, Any], None], number: int, anew: bool, clear: bool) -> list[float]:
    """MB after the first hundred, and at the end."""
    model = network()
    found = []
    for cycle in range(number):
        if anew:
            if clear:
                keras.utils.clear_session(free_memory=False)
            model = network()
        work(model, data(cycle))
        if cycle % 10 == 0:
            gc.collect()
        if cycle + 1 in (EARLY, number):
            found.append(resident())
    return found


def in_process(*arguments: Any) -> list[float]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(cycles, arguments)


def section(rows: list[tuple[str, str, list[float], list[float]]], number: int, clear: bool) -> str:
    session = "`clear_session` before each new model" if clear else "without `clear_session`"
    lines = [
        f"`benchmarks/reliability/memory.py`: Keras {keras.__version__} on "
        f"{keras.backend.backend()}, {session}. Data of another scale in each cycle. MB in memory.",
        "",
        f"| {number:,} cycles of | | after {EARLY} | at the end | a cycle | Keras alone: after "
        f"{EARLY} | at the end | a cycle |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, which, ours, alone in rows:
        cells = []
        for early, late in (ours, alone):
            each = (late - early) / (number - EARLY)
            cells += [f"{early:.0f}", f"{late:.0f}", f"{each:+.3f}"]
        lines.append(f"| {name} | {which} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--number", type=int, default=1000, help="of cycles")
    parser.add_argument("--keep-session", action="store_true", help="never `clear_session`")
    parser.add_argument("--only", choices=("one", "new"), help="one model, or new ones")
    add_argument(parser)
    options = parser.parse_args(arguments)
    clear = not options.keep_session
    rows, known = [], {}
    for which in [options.only] if options.only else ["one", "new"]:
        for name, (ours, alone) in CYCLES.items():
            found = in_process(ours, options.number, which == "new", clear)
            print(f"{name} {which}: {found}", file=sys.stderr, flush=True)
            if (alone, which) not in known:
                known[alone, which] = in_process(alone, options.number, which == "new", clear)
                print(f"{alone.__name__} {which}: {known[alone, which]}", file=sys.stderr)
            label = "one model" if which == "one" else "a new model each"
            rows.append((name, label, found, known[alone, which]))
    publish(f"memory-{keras.backend.backend()}", section(rows, options.number, clear), options.page)
    grown = [(ours[1] - ours[0]) - max(0, alone[1] - alone[0]) for _, _, ours, alone in rows]
    return 0 if all(each < ALLOWED for each in grown) else 1


if __name__ == "__main__":
    sys.exit(main())
