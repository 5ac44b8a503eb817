"""The few things that each backend does in its own way.

No other module but `_tracing`, which is a part of it, asks which one it is.

The initializers draw through `compiled`, so that no more than the kernel itself is held in
memory: JAX and TensorFlow fuse and reuse, and PyTorch works in place.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np
from keras import ops

from keras_oddsig import _tracing

_BACKEND: Final = keras.backend.backend()


@functools.lru_cache(maxsize=64)  # a small kernel's code takes JAX 2.6 MB
def compiled(function: Callable[..., Any], *static: Any) -> Callable[..., Any]:
    """`(seed, *sizes) -> function(*static, seed, *sizes)`, compiled once for the static ones.

    Sizes are numbers, or tuples of them, which the function gets as tensors where it is compiled.
    """
    # A partial is an object of its own for each function and arguments. TensorFlow counts traces
    # by the Python code where there is one, and would take five kernels for one that is retraced.
    call = functools.partial(_with_seed, function, static)
    compiler: Callable[..., Any]
    match _BACKEND:
        case "jax":
            import jax

            compiler = jax.jit
        case "tensorflow":
            import tensorflow as tf

            # Autograph would read the source of this package to no purpose.
            compiler = functools.partial(tf.function, autograph=False)
        case _:
            return call
    run = compiler(call)
    return lambda seed, *sizes: run(seed, *map(np.asarray, sizes))


def _with_seed(
    function: Callable[..., Any], static: tuple[Any, ...], seed: Any, *sizes: Any
) -> Any:
    return function(*static, DrawnSeed(seed), *sizes)


def sharded(draw: Callable[[], Any], layout: Any) -> Any:
    """`draw()` in `layout`: each device makes its own part, and none ever holds the whole.

    Keras gives initializers a layout on JAX only.
    """
    import jax

    sharding = getattr(layout, "backend_layout", layout)
    if jax.sharding.get_abstract_mesh().empty:
        return jax.jit(draw, out_shardings=sharding)()
    # Keras calls under explicit axes, in which a draw would be a whole one on each device.
    return jax.sharding.auto_axes(draw, out_sharding=sharding.spec)()


class DrawnSeed(keras.random.SeedGenerator):
    """A seed that has been drawn, as the only kind of object that takes one to `keras.random`."""

    def __init__(self, value: Any) -> None:
        # Not super().__init__: it would make a variable.
        self._value = value

    def next(self, ordered: bool = True) -> Any:
        return self._value


def seed_of(integer: Any, count: Any = 0) -> Any:
    """What Keras makes of an integer seed after so many draws; of several, a row each."""
    # PyTorch adds the two and TensorFlow takes the rest of a division: both need the room.
    dtype = "uint32" if _BACKEND == "jax" else "int64"
    return np.stack([np.asarray(integer, dtype), np.asarray(count, dtype)], axis=-1)


# Reading a generator's state and writing the next are two steps.
_advancing: Final = threading.Lock()


def advance(generator: keras.random.SeedGenerator) -> Any:
    """A new seed from a generator."""
    if _BACKEND != "jax":
        with _advancing:
            return generator.next()
    # The generator's state is a side effect, which `jax.jit` would turn into a leaked
    # tracer (Keras's own initializers do).
    with _advancing, _tracing.outside_traces():
        return np.asarray(generator.next())


def add_at(tensor: Any, entries: Any, value: float) -> Any:
    """`tensor` with `value` added at `entries`, an array of indices (number, rank), each once.

    `tensor` may be overwritten.
    """
    match _BACKEND:
        case "jax":
            return tensor.at[tuple(entries.T)].add(value)
        case "tensorflow":
            import tensorflow as tf

            values = tf.fill((len(entries),), tf.cast(value, tensor.dtype))
            return tf.tensor_scatter_nd_add(tensor, entries, values)
        case _:
            index = ops.convert_to_tensor(entries).T
            return tensor.index_put_(tuple(index), tensor.new_tensor(value), accumulate=True)


def sum_table(vector: Any, rows: int, columns: int, start: int = 0) -> Any:
    """The matrix of `vector[(start + i + j) mod N]`, neither side above N, `0 <= start < N`.

    On PyTorch a view, no copy.
    """
    size = vector.shape[0]
    match _BACKEND:
        case "jax":
            # XLA makes each entry where it is used, and each device its own.
            return vector[(ops.arange(rows)[:, None] + ops.arange(start, start + columns)) % size]
        case "torch":
            return vector.repeat(3)[start:].unfold(0, columns, 1)[:rows]
        case _ if rows > columns:  # the other way round, lest all N columns be made
            return ops.transpose(sum_table(vector, columns, rows, start))
        case _:
            # No index arithmetic: the vector repeated, in rows of N + 1, moves by one each row.
            # The vector is rolled, for a slice of the table from `start` on would copy it all.
            repeats = -(-rows * (size + 1) // size)
            tiled = ops.tile(ops.roll(vector, -start), (repeats,))[: rows * (size + 1)]
            return ops.reshape(tiled, (rows, size + 1))[:, :columns]


# ----------------------------------------------------------------------------------
# Layers that repeat
# ----------------------------------------------------------------------------------


# Each step of TensorFlow's gradient copies the list of all rows, so that ten times the steps take a
# hundred times as long: 1.8 s at 4,000 layers of 32, and 0.5 s in blocks; at 1,000, 0.17 and 0.10.
_LONG: Final = 1000


def repeated(
    step: Callable[[Any, list[Any], list[Any]], tuple[Any, list[Any]]],
    carry: list[Any],
    weights: list[Any],
    states: list[Any],
    repeats: int,
) -> tuple[list[Any], list[Any]]:
    """A compiled loop over slices of weights and states, in time and code that one step takes.

    `keras.ops.scan` would do, if on TensorFlow what a step puts out could be of other shapes than
    what it hands on.

    Args:
        step: From what is handed on, the step's weights and states, to the next and new states.
        carry: What the first step gets: tensors.
        weights: Tensors, of which the first axis counts the steps.
        states: The same, of what a step may change.
        repeats: The number of steps.

    Returns:
        What the last step hands on, and the states.
    """
    match _BACKEND:
        case "jax":
            import jax

            return jax.lax.scan(lambda c, x: step(c, *x), carry, (weights, states), length=repeats)
        case "tensorflow" if repeats >= _LONG:
            return _in_blocks(step, carry, weights, states, repeats)
        case "tensorflow":
            import tensorflow as tf

            # An array of rows, for the gradient of indices into a tensor is of the tensor's size.
            rows, held = (
                [_rows(tf, x, repeats).unstack(x) for x in xs] for xs in (weights, states)
            )
            new = [_rows(tf, x, repeats) for x in states]

            def body(i: Any, carry: list[Any], new: list[Any]) -> Any:
                entering = [[array.read(i) for array in arrays] for arrays in (rows, held)]
                handed, changed = step(carry, *entering)
                for before, after in zip(carry, handed, strict=True):
                    after.set_shape(before.shape)
                return i + 1, handed, [a.write(i, x) for a, x in zip(new, changed, strict=True)]

            # XLA takes gradients only where it knows the number of steps.
            _, carry, new = tf.while_loop(
                lambda i, *_: i < repeats, body, (0, carry, new), maximum_iterations=repeats
            )
            return carry, [array.stack() for array in new]
        case _:
            # Not by indices, whose gradients are each of the whole tensor's size.
            slices = ([list(x.unbind()) for x in xs] for xs in (weights, states))
            steps = [list(zip(*xs, strict=True)) or [()] * repeats for xs in slices]
            changed: list[list[Any]] = []
            for row, held in zip(*steps, strict=True):
                carry, after = step(carry, list(row), list(held))
                changed.append(after)
            return carry, [ops.stack(rows) for rows in zip(*changed, strict=True)]


def _in_blocks(
    step: Callable[[Any, list[Any], list[Any]], tuple[Any, list[Any]]],
    carry: list[Any],
    weights: list[Any],
    states: list[Any],
    repeats: int,
) -> tuple[list[Any], list[Any]]:
    """The same as a loop of loops, as many as each has steps, and one of what is left over."""
    block = math.isqrt(repeats)
    whole = repeats - repeats % block

    def blocks(xs: list[Any]) -> list[Any]:
        return [ops.reshape(x[:whole], (-1, block, *x.shape[1:])) for x in xs]

    def one_block(carry: Any, weights: list[Any], states: list[Any]) -> tuple[Any, list[Any]]:
        return repeated(step, carry, weights, states, block)

    carry, new = repeated(one_block, carry, blocks(weights), blocks(states), whole // block)
    new = [ops.reshape(x, (whole, *x.shape[2:])) for x in new]
    if whole < repeats:
        rows, held = ([x[whole:] for x in xs] for xs in (weights, states))
        carry, last = repeated(step, carry, rows, held, repeats - whole)
        new = [ops.concatenate(each) for each in zip(new, last, strict=True)]
    return carry, new


def _rows(tf: Any, tensor: Any, number: int) -> Any:
    return tf.TensorArray(tensor.dtype, size=number, element_shape=tensor.shape[1:])


# ----------------------------------------------------------------------------------
# Activations
# ----------------------------------------------------------------------------------


def bounded(x: Any) -> Any:
    """`x`, kept from where products of it overflow; for functions that are constant there.

    Differentiated four times, arctan and erf multiply their vanishing slope by powers of x,
    and 0 times infinity is no number. JAX computes the bound along with the function; a pass
    over memory of its own, which it is elsewhere, would double the time of erf. There such
    an x (1e19 in float32) is left as it is.
    """
    if _BACKEND != "jax":
        return x
    import jax.numpy as jnp

    # Its cube is finite; or, in half precision, arctan is pi/2 there to the last digit.
    finfo: Any = jnp.finfo
    numbers = finfo(x.dtype)
    limit = max(float(numbers.max) ** 0.3, 4 / float(numbers.eps))
    return jnp.clip(x, -limit, limit)


def scaled_and_shifted(x: Any, scale: Any, shift: Any) -> Any:
    """`scale * x + shift`, of tensors of one dtype whose sum has the shape of `x`."""
    product = ops.multiply(x, scale)
    # PyTorch runs each operation by itself. In place, for no gradient needs the product, the sum
    # costs half of what it would: no new memory.
    return product.add_(shift) if _BACKEND == "torch" else ops.add(product, shift)


def as_rows(x: Any, size: int) -> Any:
    """`x` as rows of `size` entries, its last axes, where what all rows share gains by it; or `x`.

    Its gradient is a sum over their axis then: on PyTorch, and by TensorFlow's XLA, in half the
    time of one over several axes. JAX takes as long either way, and would have to gather axes that
    lie on several devices.
    """
    return x if _BACKEND == "jax" or len(x.shape) < 3 else ops.reshape(x, (-1, size))


@functools.cache
def own_functions() -> dict[str, tuple[Callable[..., Any], ...]]:
    """The backend's own functions under the names of the activations that they compute."""
    match _BACKEND:
        case "jax":
            import jax
            from jax.scipy.special import erf

            return {
                "tanh": (jax.nn.tanh, jax.numpy.tanh, jax.lax.tanh),
                "arctan": (jax.numpy.arctan, jax.numpy.atan, jax.lax.atan),
                "erf": (erf, jax.lax.erf),
                "softsign": (jax.nn.soft_sign,),
            }
        case "tensorflow":
            import tensorflow as tf

            return {
                "tanh": (tf.math.tanh, tf.nn.tanh, tf.tanh),
                "arctan": (tf.math.atan, tf.atan),
                "erf": (tf.math.erf,),
                "softsign": (tf.nn.softsign, tf.math.softsign),
            }
        case _:
            import torch
            from torch.nn import functional

            tensor = torch.Tensor
            return {
                "tanh": (torch.tanh, functional.tanh, tensor.tanh),
                "arctan": (torch.atan, torch.arctan, tensor.atan, tensor.arctan),
                "erf": (torch.erf, torch.special.erf, tensor.erf),
                "softsign": (functional.softsign,),
            }


# ----------------------------------------------------------------------------------
# Running a model to look at it
# ----------------------------------------------------------------------------------


class UnknownShapeError(Exception):
    """A traced function was given tensors of shapes that only its execution will show."""


def measuring(function: Callable[[Any, Any], Any], eagerly: bool, xla: bool) -> Callable[..., Any]:
    """`function(values, data)` as the backend runs inference: compiled, or without gradients."""
    match _BACKEND:
        case "jax":
            import jax

            return function if eagerly else jax.jit(function)
        case "tensorflow":
            import tensorflow as tf

            if eagerly:
                return function
            graph = tf.function(function, autograph=False, jit_compile=xla)

            def run(values: Any, data: Any) -> Any:
                try:
                    # By the concrete function: the other way warns of retracing whoever looks
                    # at several models in turn.
                    concrete = graph.get_concrete_function(values, data)
                except UnknownShapeError:  # behind layers such as TextVectorization
                    return function(values, data)
                return concrete(values, data)

            return run
        case _:
            import torch

            return torch.no_grad()(function)


def knows_strings() -> bool:
    """Whether tensors may hold strings, and rows of unequal lengths."""
    return bool(_BACKEND == "tensorflow")


def values_of(variables: list[keras.Variable]) -> list[Any]:
    """What a compiled function must be given to see the variables' present values."""
    # JAX would bake them in as constants; the others refer to the variable.
    return [variable.value for variable in variables] if _BACKEND == "jax" else []


def differentiate(
    forward: Callable[[list[Any], Callable[[Any], Any]], tuple[Any, list[Any], Any]],
    parameters: list[Any],
) -> tuple[list[Any], Any, list[Any], list[Any]]:
    """Outputs, and the gradients of a loss with respect to them and to parameters.

    Args:
        forward: From the parameters, and a function to pass each output of interest
            through before it is used, to the loss, those outputs as passed on, in order,
            and anything more that is made of tensors.
        parameters: Tensors.

    Returns:
        The outputs, what is more, the gradients of the outputs and those of the
        parameters; zeros where the loss does not depend on one.
    """
    match _BACKEND:
        case "jax":
            import jax
            import jax.numpy as jnp

            def probed(parameters: Any, probes: Any) -> tuple[Any, Any]:
                # A gradient with respect to a zero added is that with respect to the sum.
                remaining = iter(probes)
                loss, *others = forward(parameters, lambda output: output + next(remaining))
                return loss, others

            def plain(parameters: Any) -> Any:
                return forward(parameters, lambda output: output)[1]

            probes = [jnp.zeros(s.shape, s.dtype) for s in jax.eval_shape(plain, parameters)]
            gradients, others = jax.grad(probed, argnums=(0, 1), has_aux=True)(parameters, probes)
            return others[0], others[1], gradients[1], gradients[0]
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape(watch_accessed_variables=False) as tape:
                parameters = [tf.identity(p) for p in parameters]
                tape.watch(parameters)

                def watched(output: Any) -> Any:
                    output = tf.identity(output)
                    tape.watch(output)
                    return output

                loss, outputs, other = forward(parameters, watched)
            gradients = tape.gradient(
                loss, [outputs, parameters], unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            # The gradient of an embedding or of a slice comes as its rows.
            dense = ([tf.convert_to_tensor(g) for g in each] for each in gradients)
            return outputs, other, *dense
        case _:
            import torch

            with torch.enable_grad():
                parameters = [p.detach().requires_grad_() for p in parameters]

                def leaf(output: Any) -> Any:
                    return output if output.requires_grad else output.detach().requires_grad_()

                loss, outputs, other = forward(parameters, leaf)
                inputs = [*outputs, *parameters]
                found = torch.autograd.grad(loss, inputs, allow_unused=True)
            all_gradients = [
                torch.zeros_like(i) if g is None else g for i, g in zip(inputs, found, strict=True)
            ]
            of_outputs = all_gradients[: len(outputs)]
            of_parameters = all_gradients[len(outputs) :]
            return [o.detach() for o in outputs], other, of_outputs, of_parameters


def register_weights(layer: keras.Layer) -> None:
    """Shows PyTorch the weights that a layer has before it is built, when Keras would do so."""
    if _BACKEND == "torch":
        layer._track_variables()
