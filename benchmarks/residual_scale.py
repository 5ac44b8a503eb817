"""How is the end of a residual branch to be scaled: not at all, by the number of blocks, or by 0?

    KERAS_BACKEND=jax python benchmarks/residual_scale.py

For whoever works on the rules of `tailor`; long, and less with fewer `--seeds` and `--blocks`.
Networks of many blocks, each of which adds a branch to what it reads, on digits; with `--cnn`, of
convolutions on CIFAR-10 (TensorFlow Datasets, `TFDS_DATA_DIR`). Kernels are those of `tailor`, but
the last one of each branch is

- *undivided*: at the gain of any other kernel;
- *1/sqrt(blocks)*: divided so that all branches together bring what one does;
- *zero*: each block is the identity at the start, as in SkipInit.

Three blocks: `h + tanh(W h)`; `h + V tanh(W h)`; and `tanh(h + V tanh(W h))`. Each way has the same
kernels otherwise, the same batches, and its own best learning rate. Prints a Markdown table: of the
seeds the mean accuracy, the smallest and the largest.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import layers

import keras_oddsig as ko
from oddsig_benchmarks import data, starts
from oddsig_benchmarks.arguments import integers, positive_numbers
from oddsig_benchmarks.environment import require_jax

Task = tuple[tuple[Any, Any], tuple[Any, Any]]
BLOCKS = ("h + tanh(W h)", "h + V tanh(W h)", "tanh(h + V tanh(W h))")
# The factor on the kernel at the end of a branch, of what `tailor` would make it without division.
WAYS: dict[str, Callable[[int], float]] = {
    "undivided": lambda blocks: 1.0,
    "1/sqrt(blocks)": lambda blocks: 1 / math.sqrt(blocks),
    "zero": lambda blocks: 0.0,
}


def digits() -> Task:
    found = data.digits()
    return (found.x_train, found.y_train), (found.x_test, found.y_test)


def cifar10() -> Task:
    """Of the training set 10,000 images, of the test set 1,000."""
    found = data.cifar10(10_000, 1_000)
    return (found.x_train, found.y_train), (found.x_test, found.y_test)


def network(block: str, blocks: int, shape: tuple[int, ...]) -> keras.Model:
    """Of which `tailor` draws the kernels."""

    def inner(activation: str | None) -> keras.Layer:
        if len(shape) == 1:
            return layers.Dense(32, activation)
        return layers.Conv2D(16, 3, padding="same", activation=activation)

    inputs = keras.Input(shape)
    patches = layers.Conv2D(16, 4, strides=4, activation="tanh")
    h = (layers.Dense(32, "tanh") if len(shape) == 1 else patches)(inputs)
    for _ in range(blocks):
        branch = inner("tanh")(h)
        if block != BLOCKS[0]:
            branch = inner(None)(branch)
        h = layers.Add()([h, branch])
        if block == BLOCKS[2]:
            h = layers.Activation("tanh")(h)
    return keras.Model(inputs, layers.Dense(10)(layers.Flatten()(h)))


def stacked(block: str, blocks: int, shape: tuple[int, ...], seed: int) -> list[np.ndarray]:
    """Weights of stem, blocks and output; those of the blocks along a new first axis."""
    keras.utils.set_random_seed(seed)
    model = network(block, blocks, shape)
    ko.tailor(model, seed=seed)
    first, *inside, last = [layer.get_weights() for layer in model.layers if layer.weights]
    each = len(inside) // blocks
    parts = [np.stack(w) for part in range(each) for w in zip(*inside[part::each], strict=True)]
    return [*first, *parts, *last]


def scaled(weights: list[np.ndarray], blocks: int, way: str) -> list[np.ndarray]:
    """With other kernels at the ends of branches, which `tailor` has divided by sqrt(blocks)."""
    *before, end, bias, kernel, last = weights
    return [*before, end * np.float32(math.sqrt(blocks) * WAYS[way](blocks)), bias, kernel, last]


def forward_of(block: str) -> starts.Forward:
    """The network as a loop over its blocks, which is compiled once."""

    def apply(x: Any, kernel: Any, bias: Any, stride: int = 1) -> Any:
        if kernel.ndim == 2:
            return x @ kernel + bias
        return keras.ops.conv(x, kernel, strides=stride, padding="same") + bias

    def one(h: Any, weights: Any) -> tuple[Any, None]:
        branch = jnp.tanh(apply(h, *weights[:2]))
        if block != BLOCKS[0]:
            branch = apply(branch, *weights[2:])
        h = h + branch
        return jnp.tanh(h) if block == BLOCKS[2] else h, None

    def forward(weights: Any, x: Any) -> Any:
        first, inside, last = weights[:2], weights[2:-2], weights[-2:]
        h, _ = jax.lax.scan(one, jnp.tanh(apply(x, *first, stride=4)), inside)
        return apply(h.reshape(len(h), -1), *last)

    return forward


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=integers, default=(0, 1, 2, 3, 4), help="as in 0;1;2")
    parser.add_argument("--rates", type=positive_numbers, default=(3e-4, 1e-3, 3e-3, 1e-2))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--blocks", type=integers, default=(10, 30, 100))
    parser.add_argument("--cnn", action="store_true")
    args = parser.parse_args()
    require_jax(parser)
    sets = cifar10() if args.cnn else digits()
    shape = sets[0][0].shape[1:]
    rows = {}
    for block in BLOCKS:
        for blocks in args.blocks:
            drawn = {seed: stacked(block, blocks, shape, seed) for seed in args.seeds}
            ways = {
                (way, seed): scaled(weights, blocks, way)
                for way in WAYS
                for seed, weights in drawn.items()
            }
            found = starts.scores(forward_of(block), ways, args.rates, args.steps, sets, 32)
            rows[f"`{block}`, {blocks} blocks"] = starts.best(found)
            print(f"{block}, {blocks} blocks", file=sys.stderr)
    print(starts.report(rows))


if __name__ == "__main__":
    main()
