"""Pre-norm transformers of Keras's own layers; what normalizes in them is handed in.

Nothing here knows a method or trains.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

import keras_oddsig as ko

from .runs import Cell
from .tasks import Task

NORM = "norm"  # what the names of all layers that normalize begin with
HEADS = 4
KL = keras.layers

Norm = Callable[[str], Any]  # from a name to a layer


@keras.saving.register_keras_serializable(package="oddsig_benchmarks")
class Positions(KL.Layer):
    """Adds a learned vector to each token, drawn as those of `keras.layers.Embedding` are."""

    def build(self, input_shape: Any) -> None:
        self.positions = self.add_weight(
            name="positions", shape=tuple(input_shape[1:]), initializer="uniform"
        )

    def call(self, inputs: Any) -> Any:
        return inputs + self.positions


def block(
    shape: tuple[int, int], norm: Norm, causal: bool, kernels: str, name: str = "block"
) -> keras.Model:
    """Attention, then two dense layers, each after a normalization and beside a skip.

    Args:
        shape: Tokens, and how wide they are.
        norm: Makes each normalization.
        causal: Whether tokens see only those before them.
        kernels: The initializer of all kernels.
        name: Of the block.
    """
    x, width = keras.Input(shape), shape[1]
    attention = KL.MultiHeadAttention(
        HEADS, width // HEADS, use_bias=False, kernel_initializer=kernels, name="attention"
    )
    read = norm(f"{NORM}_attention")(x)
    y = KL.Add(name="add_attention")([x, attention(read, read, use_causal_mask=causal)])
    up = KL.Dense(4 * width, "gelu", kernel_initializer=kernels, name="up")
    down = KL.Dense(width, kernel_initializer=kernels, name="down")
    z = down(up(norm(f"{NORM}_dense")(y)))
    return keras.Model(x, KL.Add(name="add_dense")([y, z]), name=name)


def network(cell: Cell, task: Task, norm: Norm, stacked: bool = True) -> keras.Model:
    """From a cell's samples to logits.

    Args:
        cell: How many blocks, how wide.
        task: What it reads, and how many classes it knows.
        norm: Makes each normalization.
        stacked: Whether the blocks are a `LayerStack`, which JAX compiles as a loop, and of which
            the kernels are zeros, for they are to be those of a network that is drawn without it:
            they stand one by one otherwise, as Keras initializes them.
    """
    shape = (task.train[0].shape[1], cell.width)
    tokens, *features = task.train[0].shape[1:]
    if features:
        inputs = keras.Input((tokens, *features))
        x = KL.Dense(cell.width, name="patches")(inputs)
    else:
        inputs = keras.Input((tokens,), dtype="int32")
        x = KL.Embedding(task.classes, cell.width, name="characters")(inputs)
    x = Positions(name="positions")(x)
    if stacked:
        x = ko.LayerStack(block(shape, norm, task.causal, "zeros"), cell.blocks, name="blocks")(x)
    else:
        for number in range(cell.blocks):
            x = block(shape, norm, task.causal, "glorot_uniform", f"block_{number}")(x)
    x = norm(f"{NORM}_end")(x)
    if not task.causal:
        x = KL.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(inputs, KL.Dense(task.classes, name="head")(x))
