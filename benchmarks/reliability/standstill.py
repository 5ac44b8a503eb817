"""Shows where JAX stands still on a CPU of few cores, with nothing of this package in it.

    python benchmarks/reliability/standstill.py --page docs/reliability.md

For who sees a JAX program use no core any more. The ten lines below (`PROGRAM`) factorize several
batches of matrices in one compiled function. Each factorization of a batch waits, in a thread of
XLA's pool, for tasks that are to run in the same pool; as many of them at once as the pool has
threads (one a core) wait for good. What this package draws is written so that it does not happen:
one matrix after another. Linux; a few minutes for three tries of each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))
from reliability.page import add_argument, publish

PROGRAM = """
import jax
import jax.numpy as jnp

qr = jax.vmap(jnp.linalg.qr)
several = jax.jit(lambda x: [qr(x + i)[0] for i in range(32)])
x = jnp.ones((256, 48, 48)) + jnp.arange(48.0)
for _ in range(60):
    jax.block_until_ready(several(x))
"""
OURS = """
import os
os.environ["KERAS_BACKEND"] = "jax"
import jax, keras
import jax.numpy as jnp
import keras_oddsig as ko

haar = [ko.OddSigmoidOrthogonal(rotation="haar", seed=i) for i in range(8)]
several = jax.jit(lambda x: [jnp.sin(x + i).sum() * haar[i % 8]((48, 48)) for i in range(32)])
x = jnp.ones((256, 48, 48))
for _ in range(60):
    jax.block_until_ready(several(x))
dense = keras.layers.Dense(48, kernel_initializer=haar[0])
ko.LayerStack(dense, 256).build((None, 48))
"""
WAYS: dict[str, tuple[str, Mapping[str, str]]] = {
    "the program": (PROGRAM, {}),
    "with Cholesky's factorization instead": (
        PROGRAM.replace("jnp.linalg.qr", "lambda a: [jnp.linalg.cholesky(a @ a.T + jnp.eye(48))]"),
        {},
    ),
    "with `XLA_FLAGS=--xla_cpu_multi_thread_eigen=false`": (
        PROGRAM,
        {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"},
    ),
    "with `NPROC=1`, so that the pool has one thread": (PROGRAM, {"NPROC": "1"}),
    "with `jax.lax.map` instead of `jax.vmap`": (
        PROGRAM.replace("jax.vmap(jnp.linalg.qr)", "lambda x: jax.lax.map(jnp.linalg.qr, x)"),
        {},
    ),
    "kernels of this package, uniform rotations, alone and in a `LayerStack`": (OURS, {}),
}


def spent(process: int) -> float:
    """What changes while a process computes, or waits for a core only."""
    try:
        files = list(Path(f"/proc/{process}/task").glob("*/stat"))
        lines = [file.read_text().rpartition(")")[2].split() for file in files]
    except OSError:  # a thread that has ended meanwhile
        return time.monotonic()
    if any(line[0] in "RD" for line in lines):
        return time.monotonic()
    return float(sum(int(line[11]) + int(line[12]) for line in lines))


def ends(program: str, environment: Mapping[str, str], patience: float) -> bool:
    """Whether a program ends; not if it has used no core for so many seconds.

    Raises:
        RuntimeError: If it fails.
    """
    process = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, **environment})
    before, since = spent(process.pid), time.monotonic()
    try:
        while process.poll() is None:
            if time.monotonic() - since > patience:
                return False
            time.sleep(0.5)
            now = spent(process.pid)
            if now != before:
                before, since = now, time.monotonic()
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        raise RuntimeError(f"The program failed with {process.returncode}.")
    return True


def section(found: Mapping[str, list[bool]]) -> str:
    tries = len(next(iter(found.values())))
    lines = [
        f"`benchmarks/reliability/standstill.py`: JAX {version('jax')}, {os.cpu_count()} cores, "
        f"{tries} tries each.",
        "",
        "```text",  # no example: the code of pages is run
        PROGRAM.strip(),
        "```",
        "",
        "| | stood still |",
        "|---|---|",
        *(f"| {name} | {ended.count(False)} of {tries} |" for name, ended in found.items()),
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument(
        "--patience", type=float, default=10, help="seconds in which a program must have moved"
    )
    add_argument(parser)
    options = parser.parse_args(arguments)
    found = {
        name: [ends(*way, options.patience) for _ in range(options.tries)]
        for name, way in WAYS.items()
    }
    publish("standstill", section(found), options.page)
    return 0 if all(found[list(WAYS)[-1]]) else 1


if __name__ == "__main__":
    sys.exit(main())
