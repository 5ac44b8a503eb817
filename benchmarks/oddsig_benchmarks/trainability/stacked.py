"""Training all runs of a group at once, on JAX: one compiled function, whatever the method.

Imports JAX, and is imported where that is the backend. The network's equal blocks are a loop
over their stacked weights, the runs are stacked in turn, and the learning rate is an input: a
cell is compiled once for every method of a structure, whatever its depth.

Weights are nested alike wherever they stand: a list by part (stem, blocks, tail) of lists of
arrays. A leading axis of the blocks' arrays counts the blocks, one before it the runs.
"""

from __future__ import annotations

import functools
import itertools
import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from .grids import EVERY, Group, Program
from .methods import METHODS
from .networks import Network, Weights, draw, network
from .recipe import Outcome, batches, optimizer, schedule
from .tasks import Task, accuracy, crossentropy, load

# On a GPU, too, products have the 24 bits of float32, and not the 11 of TensorFloat-32.
jax.config.update("jax_default_matmul_precision", "float32")


@dataclass(frozen=True)
class _Part:
    """A Keras model as a function of its weights: `repeats` in a row, or one (None)."""

    model: keras.Model
    repeats: int | None = None

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of its weights, those of the repeats stacked."""
        stack = () if self.repeats is None else (self.repeats,)
        return [(*stack, *weight.shape) for weight in self.model.weights]

    def split(self, weights: list[Any]) -> tuple[list[Any], list[Any]]:
        """The trainable ones of its weights, and its state: moving averages."""
        pairs = list(zip(self.model.weights, weights, strict=True))
        return (
            [value for weight, value in pairs if weight.trainable],
            [value for weight, value in pairs if not weight.trainable],
        )

    def stacked(self, runs: list[Weights]) -> list[np.ndarray]:
        """The weights of several runs, which are given as a list for each of the repeats."""
        return [
            np.array([[one[i] for one in run] for run in runs], "float32").reshape(
                len(runs), *shape
            )
            for i, shape in enumerate(self.shapes)
        ]

    def __call__(self, x: Any, parameters: Any, state: Any, training: bool) -> tuple[Any, Any]:
        """Its output, and its state after it."""
        if self.repeats is None:
            return self._once(x, parameters, state, training)
        if self.repeats == 0:
            return x, state
        return jax.lax.scan(
            lambda x, weights: self._once(x, *weights, training), x, (parameters, state)
        )

    def _once(self, x: Any, parameters: Any, state: Any, training: bool) -> tuple[Any, Any]:
        """`stateless_call`, whose state here is that of the weights: no seeds (of a dropout)."""
        weights = {id(weight) for weight in self.model.weights}
        variables = self.model.non_trainable_variables
        kept = [id(variable) in weights for variable in variables]
        values = iter(state)
        full = [
            next(values) if keep else variable.value
            for variable, keep in zip(variables, kept, strict=True)
        ]
        y, after = self.model.stateless_call(parameters, full, x, training=training)
        return y, [value for value, keep in zip(after, kept, strict=True) if keep]


class _Training:
    """One run of a program, as functions of its weights."""

    def __init__(self, program: Program) -> None:
        cell = program.cell
        self.depth = cell.depth
        self.task = load(cell.task, cell.depth)
        self.net = network(cell, program.structure, self.task)
        self.parts = [
            _Part(self.net.stem),
            _Part(self.net.one_block, self.net.repeats),
            _Part(self.net.tail),
        ]
        self.optimizer = optimizer(cell)
        parameters, _ = self.split([part.shapes for part in self.parts])
        self.optimizer.build(
            [keras.Variable(np.zeros(shape, "float32")) for shape in _flat(parameters)]
        )

    def split(self, weights: list[list[Any]]) -> tuple[list[list[Any]], list[list[Any]]]:
        """Parameters and state."""
        pairs = [part.split(each) for part, each in zip(self.parts, weights, strict=True)]
        return [parameters for parameters, _ in pairs], [state for _, state in pairs]

    def forward(self, parameters: Any, state: Any, x: Any, training: bool) -> tuple[Any, Any]:
        """The network's output, and its state after it."""
        after = []
        for part, trained, kept in zip(self.parts, parameters, state, strict=True):
            x, kept = part(x, trained, kept, training)
            after.append(kept)
        return x, after

    def loss(self, parameters: Any, state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        """The loss on a batch, and the state after it."""
        logits, state = self.forward(parameters, state, x, True)
        return crossentropy(y, logits), state

    def step(self, carry: Any, rate: Any, x: Any, y: Any) -> tuple[Any, Any]:
        """One step of the optimizer: what is carried on, and the loss."""
        parameters, state, memory = carry
        (value, state), gradient = jax.value_and_grad(self.loss, has_aux=True)(
            parameters, state, x, y
        )
        memory = [
            rate if variable is self.optimizer.learning_rate else each
            for variable, each in zip(self.optimizer.variables, memory, strict=True)
        ]
        moved, memory = self.optimizer.stateless_apply(memory, _flat(gradient), _flat(parameters))
        parameters = jax.tree.unflatten(jax.tree.structure(parameters), moved)
        return (parameters, state, memory), value

    def run(
        self, parameters: Any, state: Any, rate: Any, order: Any, factors: Any, data: Any
    ) -> tuple[Any, Any, Any]:
        """Loss and validation score at each look (every `EVERY` steps), and the test score."""
        (x, y), validation, test = data

        def score(carry: Any, x: Any, y: Any) -> Any:
            parameters, state, _ = carry
            return accuracy(y, self.forward(parameters, state, x, False)[0])

        def one_step(carry: Any, inputs: Any) -> tuple[Any, Any]:
            batch, factor = inputs
            return self.step(carry, rate * factor, x[batch], y[batch])

        def until_look(carry: Any, inputs: Any) -> tuple[Any, Any]:
            carry, losses = jax.lax.scan(one_step, carry, inputs)
            return carry, (jnp.mean(losses), score(carry, *validation))

        memory = [variable.value for variable in self.optimizer.variables]
        carry = (parameters, state, memory)
        carry, (losses, curve) = jax.lax.scan(until_look, carry, (order, factors))
        return losses, curve, score(carry, *test)

    def runs(
        self, parameters: Any, state: Any, rates: Any, orders: Any, factors: Any, data: Any
    ) -> tuple[Any, Any, Any]:
        """`run` of each of several; the factors and the data are common to them."""
        # Convolutions with a kernel for each run are grouped ones, slow; so are, on a CPU, small
        # matrices, twice as slow as one after the other. Up to 300 layers that is no matter, and
        # the rounding stays that of the committed results.
        if self.task.kind == "cnn" or (self.depth >= 1_000 and jax.default_backend() == "cpu"):
            return jax.lax.map(
                lambda each: self.run(*each, factors, data), (parameters, state, rates, orders)
            )
        return jax.vmap(self.run, in_axes=(0, 0, 0, 0, None, None))(
            parameters, state, rates, orders, factors, data
        )


def _flat(parts: list[list[Any]]) -> list[Any]:
    return list(itertools.chain(*parts))


class Compiled:
    """A program, compiled for its number of runs.

    Attributes:
        net, task: What is trained, on what.
        seconds: That compiling took.
    """

    def __init__(self, program: Program) -> None:
        self._training = training = _Training(program)
        self.net: Network = training.net
        self.task: Task = training.task
        cell, runs = program.cell, program.runs
        self._looks = (cell.steps // EVERY, EVERY)
        self._common = (
            jnp.asarray(schedule(cell.steps)).reshape(self._looks),
            jax.tree.map(jnp.asarray, (self.task.train, self.task.validation, self.task.test)),
        )

        def shaped(shape: tuple[int, ...], dtype: str = "float32") -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((runs, *shape), dtype)

        start = time.perf_counter()
        self._compiled = (
            jax.jit(training.runs)
            .lower(
                *training.split([[shaped(each) for each in p.shapes] for p in training.parts]),
                shaped(()),
                shaped((*self._looks, cell.batch), "int32"),
                *self._common,
            )
            .compile()
        )
        self.seconds = time.perf_counter() - start

    def run(self, weights: list[Weights], rates: list[float], orders: list[np.ndarray]) -> Any:
        """`_Training.run` of each run, from its initial weights, learning rate and batches."""
        stem, blocks, tail = self._training.parts
        parameters, state = self._training.split(
            [
                stem.stacked([each[:1] for each in weights]),
                blocks.stacked([each[1:-1] for each in weights]),
                tail.stacked([each[-1:] for each in weights]),
            ]
        )
        order = np.stack(orders)
        order = order.reshape(len(orders), *self._looks, order.shape[-1])
        return jax.block_until_ready(
            self._compiled(
                parameters, state, jnp.asarray(rates, "float32"), jnp.asarray(order), *self._common
            )
        )


@functools.lru_cache(maxsize=4)
def compiled(program: Program) -> Compiled:
    return Compiled(program)


def train_stacked(group: Group) -> tuple[list[Outcome], float]:
    """All runs of a group at once; and the seconds they took, compilation apart."""
    cell, method = group.cell, METHODS[group.method]
    ready = compiled(group.program)
    weights = {seed: draw(ready.net, method, cell, ready.task, seed) for seed in group.seeds}
    orders = {seed: batches(cell, ready.task, seed) for seed in group.seeds}
    start = time.perf_counter()
    losses, curves, tests = ready.run(
        [weights[seed] for _, seed in group.runs],
        [rate for rate, _ in group.runs],
        [orders[seed] for _, seed in group.runs],
    )
    seconds = time.perf_counter() - start
    outcomes = [
        Outcome([float(v) for v in curve], [float(v) for v in loss], float(test))
        for curve, loss, test in zip(curves, losses, tests, strict=True)
    ]
    return outcomes, seconds
