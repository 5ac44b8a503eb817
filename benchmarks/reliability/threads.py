"""Eight threads at once, forked processes, spawned ones: what they make is what one makes alone.

    KERAS_BACKEND=jax python benchmarks/reliability/threads.py --page docs/reliability.md

For who builds, tunes or serves models in threads or by `multiprocessing`. Each thread draws kernels
of every kind, builds a model with a `LayerStack`, tailors it, reports on it, and trains it with
`ActivationSpread`, from seeds of its own; the numbers must be, to the last bit, those of the same
work done one after another. Then all threads report on one model, and draw from one initializer.
Then processes do it: forked before the backend was used, forked after, and spawned; one that uses
no core for a while has come to a standstill. Two or three minutes a backend on two cores.
"""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_oddsig as ko
from keras_oddsig import solver

sys.path.append(str(Path(__file__).parent.parent))
from reliability.page import add_argument, publish
from reliability.standstill import spent

WIDTH, LAYERS, SAMPLES = 12, 3, 32
BACKEND = keras.backend.backend()

Arrays = list[Any]


# ----------------------------------------------------------------------------------
# What is done
# ----------------------------------------------------------------------------------


def initializers(seed: Any) -> list[tuple[Any, tuple[int, ...]]]:
    """One of each kind of kernel, with a shape for it."""
    square, wide = (WIDTH, WIDTH), (WIDTH, 2 * WIDTH)
    return [
        (ko.OddSigmoidInit(seed=seed), square),
        (ko.OddSigmoidInit(seed=seed, noise="rademacher"), (3, *wide)),
        (ko.OddSigmoidInit(seed=seed, input_dim=2), (2, WIDTH)),
        (ko.OddSigmoidOrthogonal(seed=seed), wide),
        (ko.OddSigmoidOrthogonal(seed=seed, rotation="haar"), square),
        (ko.OddSigmoidOrthogonal(seed=seed, bottleneck=3), wide),
    ]


def network(seed: int) -> keras.Model:
    """A model with a stack, dropout, and an activation whose rate is a weight."""
    seeds = iter(range(100 * seed, 100 * seed + 100))

    def dense(activation: str | None) -> keras.layers.Layer:
        init = ko.OddSigmoidOrthogonal("tanh", depth=LAYERS, seed=next(seeds))
        return keras.layers.Dense(WIDTH, activation, kernel_initializer=init)

    layers = [
        dense("tanh"),
        ko.LayerStack(dense("tanh"), LAYERS),
        keras.layers.Dropout(0.2, seed=seed),
        dense(None),
        ko.Tanh(trainable_rate=True),
        dense(None),
    ]
    model = keras.Sequential([keras.Input((WIDTH,)), *layers])
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    return model


def data(seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((SAMPLES, WIDTH)).astype("float32")


def weights(model: keras.Model) -> Arrays:
    return [keras.ops.convert_to_numpy(each) for each in model.weights]


def solved(seed: int) -> Arrays:
    """The solver's answers, of arguments that no other seed asks for."""
    depth = 20 + seed
    gain = solver.orthogonal_gain(np.tanh, depth)
    curve = solver.propagate(np.tanh, depth, solver.noise_scale(depth, 0.2))
    return [np.array([gain.gain, gain.spread, gain.chi]), curve.std, curve.negative_rate]


def drawn(seed: int) -> Arrays:
    return [keras.ops.convert_to_numpy(init(shape)) for init, shape in initializers(seed)]


def built(seed: int) -> Arrays:
    return weights(network(seed))


def tailored(seed: int) -> Arrays:
    model = network(seed)
    ko.tailor(model, data(seed), seed=seed)
    return weights(model)


def numbers(report: ko.SignalReport) -> Arrays:
    return [np.array(list(row.statistics.values())) for row in report.layers]


def reported(seed: int) -> Arrays:
    return numbers(ko.signal_report(network(seed), data(seed), data(seed), "mse"))


def trained(seed: int) -> Arrays:
    model, x = network(seed), data(seed)
    watch = ko.ActivationSpread(x)
    model.fit(x, x, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[watch])
    return [*weights(model), np.array([row["value"] for row in watch.history.rows])]


PARTS: dict[str, Callable[[int], Arrays]] = {
    "the solver": solved,
    "kernels": drawn,
    "a model built": built,
    "`tailor`": tailored,
    "`signal_report`": reported,
    "`fit` with `ActivationSpread`": trained,
}


def difference(one: Arrays, other: Arrays) -> float:
    """The largest between two results; 0 only where all bits agree."""
    pairs = list(zip(one, other, strict=True))
    if all(a.tobytes() == b.tobytes() for a, b in pairs):
        return 0.0
    return max(float(np.nanmax(np.abs(a - b), initial=0)) for a, b in pairs)


# ----------------------------------------------------------------------------------
# Threads
# ----------------------------------------------------------------------------------


def together(work: Callable[[int], Any], number: int) -> list[Any]:
    """What `work` makes of 0, 1, ... in as many threads that begin at one moment, or its error."""
    found: list[Any] = [None] * number
    begin = threading.Barrier(number)

    def run(i: int) -> None:
        begin.wait()
        try:
            found[i] = work(i)
        except Exception as error:
            traceback.print_exc()
            found[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def in_threads(alone: list[dict[str, Arrays]], rounds: int) -> dict[str, str]:
    """Of each part what became of it in all threads and rounds."""

    def all_parts(seed: int) -> dict[str, Any]:
        names = list(PARTS)
        turned = names[seed % len(names) :] + names[: seed % len(names)]  # all at once, not in step
        return {name: _tried(PARTS[name], seed) for name in turned}

    worst = dict.fromkeys(PARTS, "")
    for _ in range(rounds):
        for seed, made in enumerate(together(all_parts, len(alone))):
            for name in PARTS:
                worst[name] = max(worst[name], verdict(made[name], alone[seed][name]))
    return worst


def _tried(part: Callable[[int], Arrays], seed: int) -> Arrays | Exception:
    try:
        return part(seed)
    except Exception as error:
        traceback.print_exc()
        return error


def verdict(made: Any, alone: Arrays) -> str:
    """One of words of which the worse is the greater."""
    if isinstance(made, Exception):
        return f"the error {type(made).__name__}"
    off = difference(made, alone)
    return "same" if not off else f"wrong by {off:.0e}"


def verdicts(made: dict[str, Any], alone: dict[str, Arrays]) -> dict[str, str]:
    """Of each part of a process that may not have got to all of them."""
    return {
        name: verdict(made[name], alone[name]) if name in made else "a standstill" for name in PARTS
    }


def sharing(number: int) -> dict[str, bool]:
    """What holds where threads share a model, or an initializer."""
    model, x = network(0), data(0)
    one = numbers(ko.signal_report(model, x))
    reports = together(lambda _: numbers(ko.signal_report(model, x)), number)
    fresh = network(0)
    first = together(lambda _: numbers(ko.signal_report(fresh, x)), number)

    def kernels(seed: Any) -> Callable[[int], list[bytes]]:
        init = ko.OddSigmoidInit(seed=seed)
        return lambda _: [np.asarray(init((4, 4))).tobytes() for _ in range(10)]

    def as_one(make: Callable[[], Any]) -> bool:
        """Whether threads draw, in whatever order, what one draws that makes as many calls."""
        draw = kernels(make())
        expected = sorted(kernel for i in range(number) for kernel in draw(i))
        found = sorted(kernel for each in together(kernels(make()), number) for kernel in each)
        return found == expected and len(set(found)) == 10 * number

    def seeded() -> None:
        keras.utils.set_random_seed(3)

    return {
        "`signal_report` on one model, in all threads": all(
            not isinstance(each, Exception) and not difference(each, one)
            for each in (*reports, *first)
        ),
        "one initializer with a `SeedGenerator`: each kernel once": as_one(
            lambda: keras.random.SeedGenerator(3)
        ),
        "one initializer without a seed, after `set_random_seed`: each kernel once": as_one(seeded),
    }


def of_keras() -> dict[str, bool]:
    """What Keras itself keeps for each thread, or for all."""

    def in_another(function: Callable[[], Any]) -> Any:
        return together(lambda _: function(), 1)[0]

    keras.config.set_dtype_policy("mixed_float16")
    seen = in_another(keras.config.dtype_policy).name == "mixed_float16"
    keras.config.set_dtype_policy("float32")
    variable = keras.Variable(np.zeros(1, "float32"))
    with keras.StatelessScope():
        in_another(keras.utils.clear_session)
        variable.assign([1.0])  # in the scope it would stay as it is
    changed = bool(keras.ops.convert_to_numpy(variable.value)[0])
    return {
        "the dtype policy that one thread sets holds in others": seen,
        "`clear_session` in one thread ends the scopes in which others are": changed,
    }


# ----------------------------------------------------------------------------------
# Processes
# ----------------------------------------------------------------------------------


def in_process(method: str, names: list[str], seed: int, patience: float) -> dict[str, Any]:
    """Parts done in a process; those that it did not get to are missing."""
    context: Any = multiprocessing.get_context(method)
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sending, names, seed), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forking, which is what is tried
        process.start()
    sending.close()
    made: dict[str, Any] = {}
    before, since = spent(process.pid), time.monotonic()
    try:
        while len(made) < len(names) and time.monotonic() - since < patience:
            if receiving.poll(1):
                made.update(receiving.recv())
            now = spent(process.pid)
            if now != before:
                before, since = now, time.monotonic()
    except EOFError:  # it has ended
        process.join()
    if process.is_alive() and len(made) < len(names):
        os.kill(process.pid, signal.SIGUSR1)  # says where it stands
        time.sleep(2)
    process.kill()
    process.join()
    return made


def _send(connection: Any, names: list[str], seed: int) -> None:
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    for name in names:
        connection.send({name: _tried(PARTS[name], seed)})


def in_processes(method: str, alone: dict[str, Arrays], patience: float) -> dict[str, str]:
    """Of each part what became of it in a process of its own."""
    made: dict[str, Any] = {}
    for name in PARTS:
        made |= in_process(method, [name], 0, patience)
    return verdicts(made, alone)


# ----------------------------------------------------------------------------------
# The section
# ----------------------------------------------------------------------------------


def section(
    columns: dict[str, dict[str, str]], held: dict[str, bool], keras_holds: dict[str, bool]
) -> str:
    lines = [
        f"`benchmarks/reliability/threads.py`: Keras {keras.__version__} on {BACKEND}, "
        f"{os.cpu_count()} cores. Compared with the same work of one thread, one after another.",
        "",
        f"| | {' | '.join(columns)} |",
        "|---|" + "---|" * len(columns),
        *(f"| {name} | {' | '.join(c[name] for c in columns.values())} |" for name in PARTS),
        "",
        *(f"- {what}: {'holds' if holds else '**does not hold**'}" for what, holds in held.items()),
        "",
        "Of Keras itself:",
        "",
        *(f"- {what}: {'yes' if holds else 'no'}" for what, holds in keras_holds.items()),
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--patience", type=float, default=20, help="seconds in which a process must have moved"
    )
    add_argument(parser)
    options = parser.parse_args(arguments)
    # What comes to a standstill in threads ends the script, and says where it stood.
    faulthandler.dump_traceback_later(3600, exit=True)
    first = in_process("spawn", list(PARTS), 0, options.patience)
    before = in_processes("fork", first, options.patience)
    alone = [{name: part(seed) for name, part in PARTS.items()} for seed in range(options.threads)]
    sys.setswitchinterval(1e-4)  # threads take turns fifty times as often
    columns = {f"{options.threads} threads": in_threads(alone, options.rounds)}
    held = sharing(options.threads)
    sys.setswitchinterval(5e-3)
    columns["forked before use"] = before
    columns["forked after use"] = in_processes("fork", alone[0], options.patience)
    columns["spawned"] = verdicts(first, alone[0])
    publish(f"threads-{BACKEND}", section(columns, held, of_keras()), options.page)
    words = {*columns[f"{options.threads} threads"].values(), *columns["spawned"].values()}
    return 0 if words == {"same"} and all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
