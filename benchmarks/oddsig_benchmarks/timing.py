"""Functions timed beside one another, compiled as the backend compiles them."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

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


# ----------------------------------------------------------------------------------
# Layers, whose weights have gradients, too
# ----------------------------------------------------------------------------------

# How a backend runs a layer: as Keras does by itself where it trains, and otherwise.
WAYS: Final[dict[str, tuple[str, ...]]] = {
    "jax": ("jit",),
    "tensorflow": ("XLA", "graph"),
    "torch": ("eager", "compiled"),
}


def of_layer(layer: Any, way: str, x: Any, gradient: Any = None) -> Callable[[], Any]:
    """A call of a built layer, in one of `WAYS`; with a gradient of its output, that of all else.

    Args:
        layer: A Keras layer without state, apart from its weights.
        way: One of the backend's.
        x: The input.
        gradient: Of the output; from it those of the input and the weights are computed.
    """
    match BACKEND:
        case "jax":
            return _layer_on_jax(layer, x, gradient)
        case "tensorflow":
            return _layer_on_tensorflow(layer, way == "XLA", x, gradient)
        case _:
            return _layer_on_torch(layer, way == "compiled", x, gradient)


def _layer_on_jax(layer: Any, x: Any, gradient: Any) -> Callable[[], Any]:
    import jax

    def call(weights: Any, x: Any) -> Any:
        return layer.stateless_call(weights, [], x)[0]

    def with_gradients(weights: Any, x: Any, gradient: Any) -> Any:
        y, pull = jax.vjp(call, weights, x)
        return y, pull(gradient)

    weights = [weight.value for weight in layer.trainable_variables]
    if gradient is None:
        return functools.partial(jax.jit(call), weights, x)
    return functools.partial(jax.jit(with_gradients), weights, x, gradient)


def _layer_on_tensorflow(layer: Any, xla: bool, x: Any, gradient: Any) -> Callable[[], Any]:
    import tensorflow as tf

    def with_gradients(x: Any, gradient: Any) -> Any:
        weights = [weight.value for weight in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return y, tape.gradient(y, [x, *weights], output_gradients=gradient)

    if gradient is None:
        return functools.partial(tf.function(layer, jit_compile=xla), x)
    return functools.partial(tf.function(with_gradients, jit_compile=xla), x, gradient)


def _layer_on_torch(layer: Any, compile_it: bool, x: Any, gradient: Any) -> Callable[[], Any]:
    import torch

    function = _fused(layer) if compile_it else layer
    weights = [weight.value for weight in layer.trainable_variables]

    def with_gradients() -> Any:
        inputs = [x.detach().requires_grad_(True), *weights]
        y = function(inputs[0])
        return y, torch.autograd.grad(y, inputs, gradient)

    if gradient is None:
        return functools.partial(torch.no_grad()(function), x)
    return with_gradients
