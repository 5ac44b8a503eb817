"""Work spread over the cores of this machine.

What the work is, the caller says: a function that a new process can import, and what to call
it on. Nothing here knows what is trained, nor where the rows go.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import queue
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def pin(core: Any = None) -> None:
    """Keeps this process to one core, so that its backend starts no more threads."""
    if not hasattr(os, "sched_setaffinity"):  # not on macOS
        return
    cores = sorted(os.sched_getaffinity(0))
    with core.get_lock() if core is not None else contextlib.nullcontext():
        number = core.value if core is not None else 0
        if core is not None:
            core.value += 1
    os.sched_setaffinity(0, {cores[number % len(cores)]})


def in_processes(
    chunks: list[list[Item]], work: Callable[[Item], Outcome], jobs: int
) -> Iterator[tuple[Item, Outcome]]:
    """Each item and what `work` made of it, as they finish; a chunk stays in one process."""
    if jobs == 1:
        for chunk in chunks:
            for item in chunk:
                yield item, work(item)
        return
    context = multiprocessing.get_context("spawn")
    with (
        context.Manager() as manager,
        concurrent.futures.ProcessPoolExecutor(
            min(jobs, len(chunks) or 1), context, pin, (context.Value("i", 0),)
        ) as pool,
    ):
        finished = manager.Queue()
        futures = [pool.submit(_do_chunk, chunk, work, finished) for chunk in chunks]
        try:
            while futures or not finished.empty():
                with contextlib.suppress(queue.Empty):
                    yield finished.get(timeout=0.5)
                for future in [future for future in futures if future.done()]:
                    future.result()  # raises what the process raised
                    futures.remove(future)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _do_chunk(chunk: list[Any], work: Callable[[Any], Any], finished: Any) -> None:
    parent = multiprocessing.parent_process()
    for item in chunk:
        if parent is not None and not parent.is_alive():  # killed: nobody reads what comes
            return
        finished.put((item, work(item)))
