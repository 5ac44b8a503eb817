"""Work spread over the machines of a Ray cluster, which have `keras_oddsig` installed.

Like `processes`, this knows neither what is trained nor where the rows go. The folder of the
benchmarks is sent along: a worker imports from it, with the backend of this process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from .environment import BACKEND

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def on_ray(
    items: list[Item], work: Callable[[Item], Outcome], address: str | None
) -> Iterator[tuple[Item, Outcome]]:
    """Each item and what `work` made of it, as they finish.

    Args:
        items: What to call `work` on; sent by their classes' names.
        work: A function of a module in this folder, or a `functools.partial` of one.
        address: Of the cluster; None starts one on this machine.
    """
    import ray

    # The parent of the package: the worker finds it by the name that the items' classes have.
    folder = Path(__file__).parent.parent
    variables = {
        name: os.environ[name] for name in ("TFDS_DATA_DIR", "PYTHONPATH") if name in os.environ
    }
    threads = {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    ray.init(
        address=address,
        runtime_env={
            "working_dir": str(folder),
            "env_vars": {"KERAS_BACKEND": BACKEND, **threads, **variables},
        },
    )
    remote = ray.remote(num_cpus=1)(_call)
    running = {remote.remote(work, item): item for item in items}
    try:
        while running:
            (ready, *_), _ = ray.wait(list(running))
            yield running.pop(ready), ray.get(ready)
    finally:
        ray.shutdown()


def _call(work: Callable[[Item], Outcome], item: Item) -> Outcome:
    return work(item)
