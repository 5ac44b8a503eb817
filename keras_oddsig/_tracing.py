"""In which trace a line runs, if in any, and which functions can be traced, as each backend tells.

A part of `_backend`, below the rest of it: what else they do each in its own way is there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import keras
from keras import ops

_BACKEND: Final = keras.backend.backend()


@contextlib.contextmanager
def outside_traces() -> Iterator[None]:
    """What is computed or made here outlives the function that is being traced, if one is."""
    match _BACKEND:
        case "jax":
            import jax

            # And outside the mesh in which Keras creates a sharded variable.
            no_mesh = jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), ()))
            with jax.ensure_compile_time_eval(), no_mesh:
                yield
        case "tensorflow":
            import tensorflow as tf

            with tf.init_scope():
                yield
        case _:
            yield


def is_tracing() -> bool:
    """Whether tensors are symbolic here: in a jitted function, or in shape inference."""
    try:
        ops.convert_to_numpy(ops.zeros(()))
    except Exception:  # each backend raises its own
        return True
    return False


def trace_level() -> Any:
    """Equal at two moments in which tensors may be used together.

    Inside a loop or a mapped function that the backend traces on its own, tensors are of
    that function only.
    """
    match _BACKEND:
        case "jax":
            try:
                from jax.extend.core import get_opaque_trace_state
            except ImportError:  # before JAX 0.10
                from jax.core import get_opaque_trace_state

            return get_opaque_trace_state()
        case "tensorflow":
            import tensorflow as tf

            if tf.executing_eagerly():
                return None
            graph = tf.compat.v1.get_default_graph()
            # `tf.vectorized_map` traces into the same graph, in a name scope of its own.
            return id(graph), graph.get_name_scope().count("loop_body")
        case _:
            import torch

            interpreter = torch._C._functorch.peek_interpreter_stack()
            return None if interpreter is None else interpreter.level()


def fuses() -> bool:
    """Whether a formula of many operations costs about one pass over memory: under XLA.

    On a CPU that takes some twenty times as long for an arcus tangent as for tanh
    (`benchmarks/activations.py`). Elsewhere it takes no longer, and each operation is a
    pass.
    """
    match _BACKEND:
        case "jax":
            return True
        case "tensorflow":
            import tensorflow as tf

            # TensorFlow has no public name for being traced with `jit_compile`.
            try:
                from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext
            except ImportError:  # slower, and right
                return False
            return bool(GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))
        case _:
            return False


def require_trainable(function: Callable[[Any], Any]) -> None:
    """Raises an error, of any kind, where a function of a tensor is none to train a model with."""
    x = ops.ones((2,))
    match _BACKEND:
        case "jax":
            import jax

            # Not the function itself: JAX must hold it weakly, and ends the process at NumPy's.
            jax.eval_shape(lambda x: function(x), x)
        case "tensorflow":
            import tensorflow as tf

            tf.function(function, autograph=False).get_concrete_function(x)
        case _:
            import torch

            with torch.enable_grad():
                if not function(x.requires_grad_()).requires_grad:
                    raise ValueError("It has no gradient.")
