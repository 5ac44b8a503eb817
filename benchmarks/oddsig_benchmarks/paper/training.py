"""A stack of runs as one compiled function: an epoch of steps, then the validation accuracy.

Arrays of runs have the axes (seeds, methods, ...): the methods of a seed share its batches, which
are gathered once for them. The hidden layers of all runs are one array, scanned over. What is
computed is what a Keras model does (`tests/test_benchmark_paper.py` compares them). Imports JAX.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

BATCH = 64
RATE = 1e-4
# Keras's own of BatchNormalization and LayerNormalization.
EPSILON = 1e-3
MOMENTUM = 0.99
# Validation images that are looked at together: a divisor of 9,000 and of 7,500.
LOOK = 1_500
# On a GPU a layer takes as long as its kernels take to launch; unrolled, several are one graph.
UNROLL = {"gpu": 10}


class Weights(NamedTuple):
    """What is trained: (seeds, methods, ...), of the hidden layers (layers, seeds, methods, ...).

    Attributes:
        kernels, biases: Of the hidden layers behind the first.
        scales, offsets: Of the normalizations of all hidden layers; None without.
    """

    first: Any
    first_bias: Any
    kernels: Any
    biases: Any
    last: Any
    last_bias: Any
    scales: Any = None
    offsets: Any = None


class Moving(NamedTuple):
    """The averages that batch normalization keeps for its predictions; None without."""

    means: Any = None
    variances: Any = None


def stacked(draws: Sequence[Sequence[Sequence[np.ndarray]]], structure: str) -> Weights:
    """The weights of runs, from lists of arrays as of `get_weights`, by seed and method."""
    lists = [[list(one) for one in of_seed] for of_seed in draws]

    def each(number: int) -> np.ndarray:
        return np.array([[one[number] for one in of_seed] for of_seed in lists], "float32")

    layers = len(lists[0][0]) // 2  # the output among them
    seeds, methods, width = each(1).shape
    hidden = [range(start, 2 * layers - 2, 2) for start in (2, 3)]
    units = each(2 * layers - 2).shape[-2]
    shapes = [(seeds, methods, units, units), (seeds, methods, units)]
    kernels, biases = (
        np.array([each(i) for i in numbers], "float32").reshape(len(numbers), *shape)
        for numbers, shape in zip(hidden, shapes, strict=True)
    )
    plain = Weights(each(0), each(1), kernels, biases, each(2 * layers - 2), each(2 * layers - 1))
    if structure == "plain":
        return plain
    ones = np.ones((layers - 1, seeds, methods, width), "float32")
    return plain._replace(scales=ones, offsets=np.zeros_like(ones))


def moving_of(weights: Weights, structure: str) -> Moving:
    """The averages before the first step."""
    if structure != "batchnorm":
        return Moving()
    return Moving(np.zeros_like(weights.scales), np.ones_like(weights.scales))


# ----------------------------------------------------------------------------------
# The network
# ----------------------------------------------------------------------------------


def _unroll() -> int:
    return UNROLL.get(jax.default_backend(), 1)


@jax.custom_vjp
def hidden_layers(h: Any, kernels: Any, biases: Any) -> Any:
    """tanh layers, one after the other."""
    return _through(h, kernels, biases)[0]


def _through(h: Any, kernels: Any, biases: Any) -> tuple[Any, Any]:
    """The last layer's output, and what each layer saw."""

    def layer(h: Any, weights: Any) -> tuple[Any, Any]:
        kernel, bias = weights
        return jnp.tanh(h @ kernel + bias[..., None, :]), h

    return jax.lax.scan(layer, h, (kernels, biases), unroll=_unroll())


def _forward(h: Any, kernels: Any, biases: Any) -> tuple[Any, Any]:
    last, seen = _through(h, kernels, biases)
    return last, (seen, last, kernels)


def _backward(saved: Any, gradient: Any) -> tuple[Any, Any, Any]:
    """As autodiff does it, but the kernels' gradients are one product, behind the loop.

    A GPU waits for each of the loop's steps in turn: of these there are two a layer, and not five.
    """
    seen, last, kernels = saved
    made = jnp.concatenate([seen[1:], last[None]]) if len(seen) else seen

    def layer(gradient: Any, each: Any) -> tuple[Any, Any]:
        kernel, h = each
        before = gradient * (1 - h**2)  # the tanh
        return before @ kernel.mT, before

    gradient, before = jax.lax.scan(
        layer, gradient, (kernels, made), reverse=True, unroll=_unroll()
    )
    return gradient, seen.mT @ before, before.sum(axis=-2)


hidden_layers.defvjp(_forward, _backward)


def network(
    structure: str, weights: Weights, moving: Moving, x: Any, shares: Any = None
) -> tuple[Any, Moving]:
    """Logits (seeds, methods, samples, classes), and the averages after it.

    Args:
        structure: "plain", "batchnorm" or "layernorm".
        weights, moving: Of the runs.
        x: Samples, of each seed (seeds, samples, features) or of all (samples, features).
        shares: In training, of each sample in the batch; they add up to one.
    """
    product = "sbd,smdn->smbn" if x.ndim == 3 else "bd,smdn->smbn"
    h = jnp.einsum(product, x, weights.first) + weights.first_bias[..., None, :]
    if structure == "plain":
        h = hidden_layers(jnp.tanh(h), weights.kernels, weights.biases)
    else:
        h, moving = _normalized_layers(structure, weights, moving, h, shares)
    return h @ weights.last + weights.last_bias[..., None, :], moving


def _normalized_layers(
    structure: str, weights: Weights, moving: Moving, z: Any, shares: Any
) -> tuple[Any, Moving]:
    """From the first layer's sums: a normalization, tanh, the next kernel, and so on."""

    def activated(z: Any, norm: Any) -> tuple[Any, Any]:
        scale, offset, moving = norm
        if structure == "layernorm":
            mean, variance = z.mean(-1, keepdims=True), z.var(-1, keepdims=True)
        elif shares is None:
            mean, variance = (each[..., None, :] for each in moving)
        else:
            mean = jnp.sum(shares[:, None] * z, axis=-2, keepdims=True)
            variance = jnp.sum(shares[:, None] * (z - mean) ** 2, axis=-2, keepdims=True)
            moving = jax.tree.map(
                lambda old, new: MOMENTUM * old + (1 - MOMENTUM) * new[..., 0, :],
                moving,
                Moving(mean, variance),
            )
        z = (z - mean) * jax.lax.rsqrt(variance + EPSILON)
        return jnp.tanh(z * scale[..., None, :] + offset[..., None, :]), moving

    def layer(h: Any, each: Any) -> tuple[Any, Any]:
        kernel, bias, norm = each
        return activated(h @ kernel + bias[..., None, :], norm)

    norms = (weights.scales, weights.offsets, moving)
    h, first = activated(z, jax.tree.map(lambda each: each[0], norms))
    behind = jax.tree.map(lambda each: each[1:], norms)
    h, others = jax.lax.scan(layer, h, (weights.kernels, weights.biases, behind), unroll=_unroll())
    return h, jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), first, others)


def _pixels(x: Any) -> Any:
    return x.astype("float32") / 255


# ----------------------------------------------------------------------------------
# An epoch
# ----------------------------------------------------------------------------------


def order_of(seed: int, epoch: int, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of an epoch: the samples of each step, and the share of each in its step's loss.

    The last batch is smaller, as in `Model.fit`: what fills it up has a share of zero.
    """
    order = chosen[np.random.default_rng((seed, epoch)).permutation(len(chosen))]
    steps = -(-len(order) // BATCH)
    there = (np.arange(steps * BATCH) < len(order)).reshape(steps, BATCH)
    shares = there / there.sum(axis=1, keepdims=True)
    return np.resize(order, (steps, BATCH)).astype("int32"), shares.astype("float32")


def chosen_of(seed: int, samples: int, there: int) -> np.ndarray:
    """The samples that a seed trains on: all (0), or a few of its own."""
    return np.random.default_rng(seed).permutation(there)[: samples or None]


@dataclass(frozen=True)
class Program:
    """What is compiled for a stack of runs: `epoch`."""

    structure: str
    optimizer: keras.optimizers.Optimizer

    def step(self, carry: Any, x: Any, y: Any, shares: Any) -> tuple[Any, Any]:
        """One step of Adam of all runs, and their losses."""
        weights, moving, memory = carry

        def loss(weights: Weights) -> tuple[Any, Any]:
            logits, after = network(self.structure, weights, moving, x, shares)
            likely = jax.nn.log_softmax(logits)
            likely = jnp.take_along_axis(likely, y[:, None, :, None], axis=-1)[..., 0]
            losses = -jnp.sum(shares * likely, axis=-1)
            return losses.sum(), (losses, after)  # the runs do not share any weight

        (_, (losses, moving)), gradient = jax.value_and_grad(loss, has_aux=True)(weights)
        leaves, structure = jax.tree.flatten(weights)
        leaves, memory = self.optimizer.stateless_apply(memory, jax.tree.leaves(gradient), leaves)
        return (jax.tree.unflatten(structure, leaves), moving, memory), losses

    def accuracy(self, weights: Weights, moving: Moving, x: Any, y: Any) -> Any:
        """The share of samples that each run has right; a run without an answer has none."""
        look = LOOK if len(x) % LOOK == 0 else len(x)

        def right(part: Any) -> Any:
            x, y = part
            logits, _ = network(self.structure, weights, moving, _pixels(x))
            hits = (jnp.argmax(logits, -1) == y) & jnp.all(jnp.isfinite(logits), -1)
            return hits.sum(-1)

        parts = x.reshape(-1, look, x.shape[-1]), y.reshape(-1, look)
        return jax.lax.map(right, parts).sum(0) / len(x)

    def epoch(
        self, weights: Any, moving: Any, memory: Any, order: Any, shares: Any, data: Any
    ) -> Any:
        """Steps, then a look at the validation set.

        Args:
            weights, moving: Of the runs.
            memory: The optimizer's variables.
            order: The samples of each step, (steps, seeds, batch).
            shares: Of each of them in its step's loss, (steps, batch).
            data: Training set and validation set, `Pixels`.

        Returns:
            The first three after it, and the losses and validation accuracies of the runs.
        """
        x, y, *validation = data

        def step(carry: Any, inputs: Any) -> tuple[Any, Any]:
            batch, share = inputs
            return self.step(carry, _pixels(x[batch]), y[batch], share)

        carry, losses = jax.lax.scan(step, (weights, moving, memory), (order, shares))
        return *carry, (losses.mean(0), self.accuracy(*carry[:2], *validation))


@functools.lru_cache(maxsize=2)
def compiled(structure: str, shapes: Any) -> tuple[Any, Any]:
    """The compiled epoch, and the optimizer's variables to begin with.

    Args:
        structure: Of the network.
        shapes: Of weights, averages, order, shares and data, as `shapes_of` has them.
    """
    program = Program(structure, keras.optimizers.Adam(RATE))
    weights, moving, *rest = jax.tree.unflatten(
        shapes[0], [jax.ShapeDtypeStruct(*each) for each in shapes[1]]
    )
    with on_cpu():
        program.optimizer.build(
            [keras.Variable(np.zeros(each.shape, "float32")) for each in jax.tree.leaves(weights)]
        )
        memory = [np.asarray(variable.value) for variable in program.optimizer.variables]
    with jax.default_matmul_precision("highest"):  # not TF32
        epoch = jax.jit(program.epoch, donate_argnums=(0, 1, 2))
        return epoch.lower(weights, moving, memory, *rest).compile(), memory


def on_cpu() -> Any:
    """A context in which small things are computed without the GPU's latency."""
    try:
        return jax.default_device(jax.devices("cpu")[0])
    except RuntimeError:  # JAX_PLATFORMS names the GPU alone
        return contextlib.nullcontext()


def shapes_of(values: Any) -> Any:
    """The structure of nested arrays, and the shapes and types in it; hashable."""
    leaves, structure = jax.tree.flatten(values)
    return structure, tuple((each.shape, str(each.dtype)) for each in leaves)
