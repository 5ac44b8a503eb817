"""The networks: functions of points, their derivatives, and their initial weights. On JAX.

A network is `first`, some equal `block`s, and `output`, each a function of its parameters and of
what came before. The blocks' parameters are stacked, and one loop runs over them: compiling takes
as long for 80 layers as for 5.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

import keras_oddsig as ko

from .cells import Cell
from .equations import EQUATIONS, sample
from .methods import Method, Setting

# Doubled by JAX's own switch, JAX_ENABLE_X64=1.
FLOAT = "float64" if jax.config.jax_enable_x64 else "float32"
Parameters = dict[str, Any]
Draw = Callable[[str, tuple[int, int]], np.ndarray]  # a role and a shape


class Jet(NamedTuple):
    """A value, its first derivatives by each input, and its second ones (or None)."""

    value: Any
    first: tuple[Any, ...]
    second: tuple[Any, ...]


def seed_of(points: Any, orders: tuple[int, ...]) -> Jet:
    """The inputs themselves, with their derivatives by themselves."""
    zero = jnp.zeros_like(points)
    return Jet(
        points,
        tuple(zero.at[:, axis].set(1.0) for axis in range(len(orders))),
        tuple(zero if order == 2 else None for order in orders),
    )


def push(function: Callable[[Any], Any], jet: Jet) -> Jet:
    """The jet of `function(value)`: forward-mode derivatives of a part of a network.

    Part by part, lest the derivatives of the whole carry the first ones twice.
    """

    def along(value: Any, tangent: Any) -> tuple[Any, Any]:
        return jax.jvp(function, (value,), (tangent,))

    result, firsts, seconds = None, [], []
    for first, second in zip(jet.first, jet.second, strict=True):
        if second is None:
            result, first = along(jet.value, first)
        else:
            (result, first), (_, second) = jax.jvp(along, (jet.value, first), (first, second))
        firsts.append(first)
        seconds.append(second)
    return Jet(result, tuple(firsts), tuple(seconds))


# ----------------------------------------------------------------------------------
# Structures
# ----------------------------------------------------------------------------------


class Plain:
    """Dense layers with tanh, and a dense output."""

    layers_per_block = 1

    def dense(self, draw: Draw, role: str, shape: tuple[int, int]) -> Parameters:
        return {"kernel": draw(role, shape), "bias": np.zeros(shape[1], FLOAT)}

    def layer(self, draw: Draw, role: str, shape: tuple[int, int]) -> Parameters:
        return self.dense(draw, role, shape)

    def draw_first(self, draw: Draw, shape: tuple[int, int]) -> Any:
        return self.layer(draw, "first", shape)

    def draw_block(self, draw: Draw, width: int) -> Any:
        return self.layer(draw, "hidden", (width, width))

    def linear(self, p: Parameters, x: Any) -> Any:
        return x @ p["kernel"] + p["bias"]

    def activation(self, p: Parameters, z: Any) -> Any:
        return jnp.tanh(z)

    def first(self, p: Parameters, x: Any) -> Any:
        return self.activation(p, self.linear(p, x))

    def block(self, p: Parameters, x: Any) -> Any:
        return self.activation(p, self.linear(p, x))

    def output(self, p: Parameters, x: Any) -> Any:
        return self.linear(p, x)[:, 0]


class Scaled(Plain):
    """`2 tanh(x / 2)`: twice the range, the same slope at 0."""

    def activation(self, p: Parameters, z: Any) -> Any:
        return 2 * jnp.tanh(z / 2)


class TrainableRate(Plain):
    """`tanh(k x)` with a rate k for each layer, 1 at the start, trained with the weights."""

    def layer(self, draw: Draw, role: str, shape: tuple[int, int]) -> Parameters:
        return self.dense(draw, role, shape) | {"rate": np.ones((), FLOAT)}

    def activation(self, p: Parameters, z: Any) -> Any:
        return jnp.tanh(p["rate"] * z)


class LayerNorm(Plain):
    """Each hidden layer is normalized before its tanh, with Keras's epsilon."""

    def layer(self, draw: Draw, role: str, shape: tuple[int, int]) -> Parameters:
        ones, zeros = np.ones(shape[1], FLOAT), np.zeros(shape[1], FLOAT)
        return self.dense(draw, role, shape) | {"gamma": ones, "beta": zeros}

    def first(self, p: Parameters, x: Any) -> Any:
        z = self.linear(p, x)
        z = z - jnp.mean(z, axis=-1, keepdims=True)
        z = z / jnp.sqrt(jnp.mean(z * z, axis=-1, keepdims=True) + 1e-3)
        return jnp.tanh(z * p["gamma"] + p["beta"])

    block = first


class Residual(Plain):
    """Each hidden layer but the first adds to what it got."""

    def block(self, p: Parameters, x: Any) -> Any:
        return x + super().block(p, x)


class Factorized(Plain):
    """Random weight factorization: each column of a kernel is a scale times a direction.

    The network is the plain one at the start; its training is another. The logarithms of the
    scales are drawn from N(1, .1).

    Reference: Wang et al., 2022 (arXiv 2210.01274).
    """

    def dense(self, draw: Draw, role: str, shape: tuple[int, int]) -> Parameters:
        p = super().dense(draw, role, shape)
        log_scale = 1 + 0.1 * draw("log_scale", (1, shape[1]))
        return {"direction": p["kernel"] / np.exp(log_scale), "log_scale": log_scale} | {
            "bias": p["bias"]
        }

    def linear(self, p: Parameters, x: Any) -> Any:
        return x @ (p["direction"] * jnp.exp(p["log_scale"])) + p["bias"]


class Pirate(Plain):
    """PirateNet's blocks of three layers: gates, and a skip that is all of the block at the start.

    Its Fourier features are off: a dense layer stands in their place, and the gates see it.

    Reference: Wang et al., 2024 (arXiv 2402.00326), with alpha = 0.
    """

    layers_per_block = 3

    def draw_first(self, draw: Draw, shape: tuple[int, int]) -> Any:
        _, width = shape
        return [
            self.layer(draw, "first", shape),
            *(self.layer(draw, "hidden", (width, width)) for _ in range(2)),
        ]

    def draw_block(self, draw: Draw, width: int) -> Any:
        layers = [self.layer(draw, "hidden", (width, width)) for _ in range(3)]
        return {"layers": layers, "alpha": np.zeros((), FLOAT)}

    def first(self, p: Any, x: Any) -> Any:
        x = jnp.tanh(self.linear(p[0], x))
        return x, *(jnp.tanh(self.linear(gate, x)) for gate in p[1:])

    def block(self, p: Any, state: Any) -> Any:
        x, one, other = state
        y = x
        for number, layer in enumerate(p["layers"]):
            y = jnp.tanh(self.linear(layer, y))
            if number < 2:
                y = y * one + (1 - y) * other
        return p["alpha"] * y + (1 - p["alpha"]) * x, one, other

    def output(self, p: Parameters, state: Any) -> Any:
        return super().output(p, state[0])


STRUCTURES: dict[str, Plain] = {
    "plain": Plain(),
    "scaled": Scaled(),
    "trainable rate": TrainableRate(),
    "layernorm": LayerNorm(),
    "residual": Residual(),
    "factorized": Factorized(),
    "pirate": Pirate(),
}


def jet_of(structure: str, parameters: Parameters, points: Any, orders: tuple[int, ...]) -> Jet:
    """The network's output at points `(rows, inputs)`, and its derivatives by the inputs."""
    net = STRUCTURES[structure]

    # What a layer needs for its gradient is computed again: cheaper than all of it kept.
    @functools.partial(jax.checkpoint, prevent_cse=False)
    def one_block(jet: Jet, p: Parameters) -> tuple[Jet, None]:
        return push(functools.partial(net.block, p), jet), None

    jet = push(functools.partial(net.first, parameters["first"]), seed_of(points, orders))
    jet, _ = jax.lax.scan(one_block, jet, parameters["blocks"])
    return push(functools.partial(net.output, parameters["output"]), jet)


def output_of(structure: str, parameters: Parameters, points: Any) -> Any:
    """The network's output alone."""
    net = STRUCTURES[structure]
    x = net.first(parameters["first"], points)
    x, _ = jax.lax.scan(lambda x, p: (net.block(p, x), None), x, parameters["blocks"])
    return net.output(parameters["output"], x)


def draw(cell: Cell, method: Method, seed: int) -> Parameters:
    """The initial weights: kernels as the method's initializers draw them, from input to output.

    Pirate's blocks are of three layers: `depth` is rounded to what they fill, and one there is.
    """
    equation, net = EQUATIONS[cell.equation], STRUCTURES[method.structure]
    generator = keras.random.SeedGenerator(seed)
    setting = Setting(cell.depth, equation.inputs, equation.input_std, generator)
    initializers = {
        "first": method.first(setting),
        "hidden": method.hidden(setting),
        "output": method.output(setting),
        "log_scale": keras.initializers.RandomNormal(stddev=1.0, seed=setting.seed),
    }

    def drawn(role: str, shape: tuple[int, int]) -> np.ndarray:
        return np.asarray(initializers[role](shape), FLOAT)

    first = net.draw_first(drawn, (equation.inputs, cell.width))
    repeats = max(1, round((cell.depth - 1) / net.layers_per_block))
    blocks = [net.draw_block(drawn, cell.width) for _ in range(repeats)]
    output = net.dense(drawn, "output", (cell.width, 1))
    if method.tailored:
        first, *blocks, output = _tailored([first, *blocks, output], cell, method.structure, seed)
    return {
        "first": first,
        "blocks": jax.tree.map(lambda *each: np.stack(each), *blocks),
        "output": output,
    }


def keras_model(cell: Cell, structure: str) -> keras.Model:
    """A network of dense layers as a user has it; "plain" or "residual"."""
    inputs = keras.Input((EQUATIONS[cell.equation].inputs,))
    x = keras.layers.Dense(cell.width, "tanh")(inputs)
    for _ in range(cell.depth - 1):
        y = keras.layers.Dense(cell.width, "tanh")(x)
        x = x + y if structure == "residual" else y
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def _tailored(
    layers: list[Parameters], cell: Cell, structure: str, seed: int
) -> list[dict[str, np.ndarray]]:
    """What `ko.tailor` makes of them, with the run's own points; biases and all."""
    model = keras_model(cell, structure)
    model.set_weights([layer[name] for layer in layers for name in ("kernel", "bias")])
    rng = np.random.default_rng(seed)
    points = sample(EQUATIONS[cell.equation], cell.points, rng).points
    ko.tailor(model, points.astype(keras.config.floatx()), seed=seed)
    values = (np.asarray(each, FLOAT) for each in model.get_weights())
    return [{"kernel": next(values), "bias": next(values)} for _ in layers]
