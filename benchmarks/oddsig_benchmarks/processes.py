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
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
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


def within(seconds: float, function: Callable[..., Outcome], *args: Any) -> Outcome | None:
    """What a function returns in a process of its own; None if it takes longer.

    Raises:
        RuntimeError: If the process ends without a result: it has said why.
    """
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sending, function, args), daemon=True)
    process.start()
    sending.close()
    try:
        if not receiving.poll(seconds):
            return None
        outcome: Outcome = receiving.recv()
        return outcome
    except EOFError:
        process.join()
        raise RuntimeError(f"{function.__name__}{args} ended with {process.exitcode}") from None
    finally:
        process.kill()
        process.join()


def _send(connection: Any, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    connection.send(function(*args))


def peak_memory() -> int:
    """The most bytes that this process has held in memory."""
    status = Path("/proc/self/status")
    if status.exists():  # what `getrusage` tells includes the parent's before the start
        lines = status.read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _do_chunk(chunk: list[Any], work: Callable[[Any], Any], finished: Any) -> None:
    parent = multiprocessing.parent_process()
    for item in chunk:
        if parent is not None and not parent.is_alive():  # killed: nobody reads what comes
            return
        finished.put((item, work(item)))
