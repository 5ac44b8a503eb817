"""The few things that each backend does in its own way; no other module asks which one it is.

The initializers draw through `compiled`, so that no more than the kernel itself is held in
memory: JAX and TensorFlow fuse and reuse, and PyTorch works in place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np
from keras import ops

_BACKEND: Final = keras.backend.backend()


@functools.lru_cache(maxsize=1024)
def compiled(function: Callable[..., Any], *static: Any) -> Callable[[Any], Any]:
    """`seed -> function(*static, seed)`, compiled once for each function and arguments."""

    def call(seed: Any) -> Any:
        return function(*static, DrawnSeed(seed))

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
    return compiler(call)


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


def seed_of(integer: int) -> Any:
    """What Keras makes of an integer seed."""
    # PyTorch adds the two and TensorFlow takes the rest of a division: both need the room.
    return np.array([integer, 0], dtype="uint32" if _BACKEND == "jax" else "int64")


def advance(generator: keras.random.SeedGenerator) -> Any:
    """A new seed from a generator."""
    if _BACKEND != "jax":
        return generator.next()
    # The generator's state is a side effect, which `jax.jit` would turn into a leaked
    # tracer (Keras's own initializers do): advance it outside the trace, if there is one,
    # and outside the mesh in which Keras creates a sharded variable.
    import jax

    no_mesh = jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), ()))
    with jax.ensure_compile_time_eval(), no_mesh:
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


def sum_table(vector: Any, rows: int, columns: int) -> Any:
    """The matrix of `vector[(i + j) mod N]`, of that shape, neither side above N.

    On PyTorch a view, no copy.
    """
    size = vector.shape[0]
    match _BACKEND:
        case "jax":
            # XLA makes each entry where it is used, and each device its own.
            return vector[(ops.arange(rows)[:, None] + ops.arange(columns)) % size]
        case "torch":
            return ops.tile(vector, (2,)).unfold(0, columns, 1)[:rows]
        case _ if rows > columns:  # the other way round, lest all N columns be made
            return ops.transpose(sum_table(vector, columns, rows))
        case _:
            # No index arithmetic: the vector repeated, in rows of N + 1, moves by one each row.
            repeats = -(-rows * (size + 1) // size)
            tiled = ops.tile(vector, (repeats,))[: rows * (size + 1)]
            return ops.reshape(tiled, (rows, size + 1))[:, :columns]
