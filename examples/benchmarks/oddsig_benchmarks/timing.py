"""Functions timed beside one another, compiled as the backend compiles them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from oddsig_benchmarks.environment import BACKEND


def wait(result: Any) -> None:
    """Returns when the result is there: the accelerators compute ahead of Python."""
    match BACKEND:
        case "jax":
            import jax

            jax.block_until_ready(result)
        case "torch":
            import torch

            if torch.cuda.is_available():
                torch.cuda.synchronize()


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    wait(function())
    return time.perf_counter() - start


def in_turn(
    functions: dict[str, Callable[[], Any]], runs: int, long: float = 2.0
) -> dict[str, list[float]]:
    """Seconds of each run of each function, run in turn; one that takes `long` runs three times."""
    warm = {name: (seconds(f), seconds(f))[1] for name, f in functions.items()}
    times: dict[str, list[float]] = {name: [] for name in functions}
    for run in range(runs):
        for name, function in functions.items():
            if run < 3 or warm[name] < long:
                times[name].append(seconds(function))
    return times


def medians(functions: dict[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Median seconds of each function, run in turn."""
    return {name: statistics.median(each) for name, each in in_turn(functions, runs).items()}


def undisturbed(functions: dict[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Seconds of each function in the fastest tenth of its runs, in turn.

    For what takes milliseconds: whatever else a machine does adds a multiple of that.
    """
    rounds = in_turn(functions, runs)
    return {name: sorted(each)[len(each) // 10] for name, each in rounds.items()}


def compiled(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """By the backend's compiler; None where Keras itself does not compile such a function."""
    match BACKEND:
        case "jax":
            import jax

            return jax.jit(function)
        case "tensorflow":
            import tensorflow as tf

            return tf.function(function, jit_compile=True)
    return None


def forward(activation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`x -> f(x)`, compiled."""
    return compiled(activation) or _without_gradients(activation)


def _without_gradients(activation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import torch

    return torch.no_grad()(_fused(activation))


def _fused(activation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import torch

    # The layers share one `__call__`: after eight of its versions they would run eagerly.
    torch._dynamo.config.recompile_limit = 256
    return torch.compile(activation)


def forward_and_backward(activation: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`x -> (f(x), f'(x))`, compiled."""
    match BACKEND:
        case "jax":
            import jax

            def step(x: Any) -> Any:
                y, pull = jax.vjp(activation, x)
                return y, pull(jax.numpy.ones_like(y))

            return jax.jit(step)
        case "tensorflow":
            import tensorflow as tf

            @tf.function(jit_compile=True)
            def step_tf(x: Any) -> Any:
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    y = activation(x)
                return y, tape.gradient(y, x)

            return step_tf
        case _:
            import torch

            fused = _fused(activation)

            def step_torch(x: Any) -> Any:
                x = x.detach().requires_grad_(True)
                y = fused(x)
                y.backward(torch.ones_like(y))
                return y, x.grad

            return step_torch
