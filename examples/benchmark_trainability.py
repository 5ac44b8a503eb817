"""Which initialization trains a deep network of odd, saturating activations?

    KERAS_BACKEND=jax python examples/benchmark_trainability.py --smoke
    KERAS_BACKEND=jax python examples/benchmark_trainability.py --standard --results standard.jsonl
    python examples/make_benchmark_report.py standard.jsonl

Every method (`trainability_methods.py`) gets the same task (`trainability_tasks.py`), network,
optimizer, batches, steps, learning rates and seeds. A run appends one line to the results
file as it finishes; started again, the script goes on where it stopped. `--estimate` times
the first steps of each kind of network and says how long the grid would take.

On JAX, all seeds and learning rates of a method are one compiled function: the network's
equal layers are a loop over their stacked weights, the runs are stacked in turn, and the
learning rate is an input, so that a cell is compiled once for every method of its structure,
whatever its depth. TensorFlow, PyTorch and `--plain` train one Keras model at a time, with
`train_on_batch`. The same seed gives the same numbers on the same backend.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import datetime
import functools
import hashlib
import importlib.metadata
import itertools
import json
import math
import multiprocessing
import os
import platform
import queue
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from trainability_methods import ACTIVATIONS, METHODS, Method, Setting
from trainability_tasks import TASKS, MissingDataError, Task, load

import keras_oddsig as ko

BUDGET = 1  # a number for what a run is: rows of another do not count as done
EVERY = 20  # steps between two looks at the validation set
BACKEND = keras.backend.backend()
RATES = {"adam": (3e-4, 1e-3, 3e-3, 1e-2), "sgd": (3e-3, 1e-2, 3e-2, 1e-1)}


@dataclass(frozen=True)
class Cell:
    """A setting in which all methods meet.

    Attributes:
        width: "32", or "16/4" for layers of 16 and 4 in turn.
        samples: Of the training set; 0 for all.
        steps: A multiple of `EVERY`.
    """

    task: str
    activation: str
    depth: int
    width: str
    optimizer: str = "adam"
    samples: int = 0
    steps: int = 400
    batch: int = 64

    @property
    def widths(self) -> list[int]:
        return [int(width) for width in self.width.split("/")]


@dataclass(frozen=True)
class Group:
    """The runs of one method in one cell: every learning rate and seed."""

    cell: Cell
    method: str
    rates: tuple[float, ...]
    seeds: tuple[int, ...]

    @property
    def runs(self) -> list[tuple[float, int]]:
        return list(itertools.product(self.rates, self.seeds))

    def key(self, rate: float, seed: int) -> str:
        """What a row in the results file is known by."""
        cell = "|".join(str(value) for value in dataclasses.astuple(self.cell))
        return f"{BUDGET}|{BACKEND}|{cell}|{self.method}|{rate:g}|{seed}"


# ----------------------------------------------------------------------------------
# Networks
# ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """`stem`, `repeats` times a block, `tail`; each a Keras model."""

    stem: keras.Model
    block: Callable[[], keras.Model]
    repeats: int
    tail: keras.Model


def _hidden(
    x: Any, name: str, units: int, cell: Cell, kind: str, structure: str, **options: Any
) -> Any:
    """A hidden layer: kernel, normalization if any, activation."""
    if kind == "cnn":
        options = {"kernel_size": 3, "padding": "same"} | options
        x = keras.layers.Conv2D(units, name=name, **options)(x)
    else:
        x = keras.layers.Dense(units, name=name)(x)
    if structure == "layernorm":
        x = keras.layers.LayerNormalization()(x)
    elif structure == "batchnorm":
        # Keras's momentum of .99 would leave the averages of a few hundred steps half made.
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
    return ACTIVATIONS[cell.activation]()(x)


def network(cell: Cell, structure: str, task: Task) -> Network:
    """The network of a cell, not yet initialized."""
    shape, widths = task.train[0].shape[1:], cell.widths

    def hidden(x: Any, name: str, layer: int, **options: Any) -> Any:
        units = widths[layer % len(widths)]
        return _hidden(x, name, units, cell, task.kind, structure, **options)

    inputs = keras.Input(shape)
    if task.kind == "rnn":
        activation = ACTIVATIONS[cell.activation]()
        x = keras.layers.SimpleRNN(widths[0], activation=activation, name="first")(inputs)
        repeats, left = 0, 0
    else:
        # Patches of 7 x 7 pixels leave 4 x 4 positions of MNIST.
        patches = {"kernel_size": 7, "strides": 7} if task.kind == "cnn" else {}
        x = hidden(inputs, "first", 0, **patches)
        # Layers of different widths repeat together; those left over go into the tail.
        repeats, left = divmod(cell.depth - 1, len(widths))
    stem = keras.Model(inputs, x)

    def block() -> keras.Model:
        inputs = x = keras.Input(stem.output_shape[1:])
        for layer in range(1, len(widths) + 1):
            x = hidden(x, f"hidden_{layer}", layer)
        return keras.Model(inputs, inputs + x if structure == "residual" else x)

    inputs = x = keras.Input(stem.output_shape[1:])
    for layer in range(1, left + 1):
        x = hidden(x, f"hidden_{layer}", layer)
    if task.kind == "cnn":
        x = keras.layers.Flatten()(x)
    tail = keras.Model(inputs, keras.layers.Dense(task.outputs, name="output")(x))
    return Network(stem, block, repeats, tail)


Weights = list[list[np.ndarray]]  # of each part, in the order of its `weights`


def draw(net: Network, method: Method, cell: Cell, task: Task, seed: int) -> Weights:
    """The initial weights of stem, each block, and tail."""
    setting = Setting(
        _activation(cell.activation),
        cell.depth,
        keras.random.SeedGenerator(seed),
        recurrent=task.kind == "rnn",
        patches=task.kind == "cnn",
        input_std=task.input_std,
        bottleneck=min(cell.widths) if len(cell.widths) > 1 else None,
    )
    makers = {"first": method.first(setting), "hidden": method.hidden(setting)}
    bias = keras.initializers.RandomNormal(
        stddev=method.bias(setting) if method.bias else 0.0, seed=setting.seed
    )
    output = keras.initializers.GlorotUniform(seed=setting.seed)

    def initial(weight: keras.Variable) -> Any:
        role = weight.path.split("/")[0].split("_")[0]
        if weight.name == "recurrent_kernel":
            return makers["hidden"](weight.shape)
        if weight.name == "kernel":
            return makers.get(role, output)(weight.shape)
        if weight.name == "bias" and role != "output" and method.bias:
            return bias(weight.shape)
        if weight.name in ("gamma", "moving_variance"):
            return np.ones(weight.shape, "float32")
        return np.zeros(weight.shape, "float32")

    x = task.train[0][:256] if method.lsuv else None
    weights: Weights = []
    for part in [net.stem, *[_one_block(net)] * net.repeats, net.tail]:
        drawn = [np.asarray(ops.convert_to_numpy(initial(weight))) for weight in part.weights]
        if x is not None:
            part.set_weights(drawn)
            x = _unit_variance(part, x)
            drawn = part.get_weights()
        weights.append(drawn)
    return weights


@functools.lru_cache
def _activation(name: str) -> ko.OddSigmoid:
    return ACTIVATIONS[name]()


@functools.lru_cache(maxsize=4)
def _one_block(net: Network) -> keras.Model:
    return net.block()


def _unit_variance(part: keras.Model, x: Any) -> Any:
    """Scales the kernels of a chain of layers, one after the other; returns its output on x.

    Reference: Mishkin, Matas, [All you need is a good init](https://arxiv.org/abs/1511.06422),
    2016, algorithm 1, with its tolerance of .1 and at most ten trials a layer.
    """
    for layer in part.layers[1:]:
        for _ in range(10):
            y = layer(x)
            variance = float(np.var(ops.convert_to_numpy(y)))
            if not hasattr(layer, "kernel") or variance == 0 or abs(variance - 1) < 0.1:
                break
            layer.kernel.assign(layer.kernel / math.sqrt(variance))
        x = layer(x)
    return x


# ----------------------------------------------------------------------------------
# Training
# ----------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What a run left behind; `curve` is the validation score after each part of the steps."""

    curve: list[float]
    losses: list[float]
    test: float


def optimizer(cell: Cell) -> keras.optimizers.Optimizer:
    if cell.optimizer == "adam":
        return keras.optimizers.Adam(1e-3)
    return keras.optimizers.SGD(1e-2, momentum=0.9)


def schedule(steps: int) -> np.ndarray:
    """The factor on the learning rate at each step: a cosine decay."""
    return (0.5 * (1 + np.cos(np.pi * np.arange(steps) / steps))).astype("float32")


def batches(cell: Cell, task: Task, seed: int) -> np.ndarray:
    """Indices of the samples of each step, `(steps, batch)`; the same for every method."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(task.train[0]))[: cell.samples or None]
    epochs = -(-cell.steps * cell.batch // len(chosen))
    order = np.concatenate([rng.permutation(chosen) for _ in range(epochs)])
    return order[: cell.steps * cell.batch].reshape(cell.steps, cell.batch).astype("int32")


def train_plain(cell: Cell, method: Method, task: Task, rate: float, seed: int) -> Outcome:
    """One run of a Keras model, as `compile` and `train_on_batch` do it; any backend."""
    net = network(cell, method.structure, task)
    model = _Plain([net.stem, *(net.block() for _ in range(net.repeats)), net.tail], name="network")
    for part, weights in zip(model.layers, draw(net, method, cell, task, seed), strict=True):
        part.set_weights(weights)
    model.task = task
    model.compile(
        optimizer=optimizer(cell), loss=lambda y, logits: task.loss(lambda _: logits, 0, y)
    )
    order, factors = batches(cell, task, seed), schedule(cell.steps)
    outcome = Outcome([], [], math.nan)
    for first in range(0, cell.steps, EVERY):
        losses = []
        for step in range(first, first + EVERY):
            model.optimizer.learning_rate.assign(rate * factors[step])
            x, y = (each[order[step]] for each in task.train)
            losses.append(float(model.train_on_batch(x, y)))
        outcome.losses.append(float(np.mean(losses)))
        outcome.curve.append(model.score(task.validate, task.validation))
    outcome.test = model.score(task.score, task.test)
    return outcome


class _Plain(keras.Sequential):
    """A chain of models whose loss may need derivatives by the input."""

    task: Task

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        if self.task.metric == "l2_error":
            return self.task.loss(self, x, y)
        return super().compute_loss(x, y, y_pred, *args, **kwargs)

    def score(self, metric: Callable[..., Any], data: tuple[np.ndarray, np.ndarray]) -> float:
        x, y = (ops.convert_to_tensor(each) for each in data)
        value = metric(lambda x: self(x, training=False), x, y)
        return float(ops.convert_to_numpy(ops.stop_gradient(value)))


@dataclass
class _Compiled:
    """A cell on JAX: `run` trains a stack of runs, and `seconds` is what compiling it took."""

    net: Network
    task: Task
    run: Callable[..., Any]
    seconds: float


def _call(module: keras.Model, parameters: Any, state: Any, x: Any, training: bool) -> Any:
    """`stateless_call`, whose state here is that of the weights: no seeds (of a dropout)."""
    weights = {id(weight) for weight in module.weights}
    kept = [id(variable) in weights for variable in module.non_trainable_variables]
    values = iter(state)
    full = [
        next(values) if keep else variable.value
        for variable, keep in zip(module.non_trainable_variables, kept, strict=True)
    ]
    y, after = module.stateless_call(parameters, full, x, training=training)
    return y, [value for value, keep in zip(after, kept, strict=True) if keep]


@functools.lru_cache(maxsize=4)
def _compiled(cell: Cell, structure: str, runs: int) -> _Compiled:
    """Compiles the training of `runs` runs of a cell, whatever their method."""
    import jax
    import jax.numpy as jnp

    task = load(cell.task, cell.depth)
    net = network(cell, structure, task)
    modules = [net.stem, _one_block(net), net.tail]
    splits = [[weight.trainable for weight in module.weights] for module in modules]
    stacked = [() if i != 1 else (net.repeats,) for i in range(3)]
    variables = [
        keras.Variable(np.zeros((*stack, *weight.shape), "float32"))
        for module, stack in zip(modules, stacked, strict=True)
        for weight in module.trainable_variables
    ]
    adam = optimizer(cell)
    adam.build(variables)
    counts = [sum(split) for split in splits]

    def forward(parameters: list[Any], state: list[Any], x: Any, training: bool) -> Any:
        """The network's output, and its state (moving averages) after it."""
        stem, blocks, tail = (
            parameters[: counts[0]],
            parameters[counts[0] : counts[0] + counts[1]],
            parameters[counts[0] + counts[1] :],
        )

        def one(x: Any, values: Any) -> Any:
            return _call(modules[1], *values, x, training)

        x, first = _call(modules[0], stem, state[0], x, training)
        if net.repeats:
            x, middle = jax.lax.scan(one, x, (blocks, state[1]))
        else:
            middle = state[1]
        x, last = _call(modules[2], tail, state[2], x, training)
        return x, [first, middle, last]

    def run(parameters: Any, state: Any, rate: Any, order: Any, factors: Any, data: Any) -> Any:
        """One run: the losses and validation scores of each part, and the test score."""
        (x_train, y_train), validation, test = data

        def loss(parameters: Any, state: Any, batch: Any) -> Any:
            states = []

            def network(x: Any) -> Any:
                y, after = forward(parameters, state, x, True)
                states.append(after)
                return y

            value = task.loss(network, x_train[batch], y_train[batch])
            # Without averages nothing is kept: a PINN calls the network in several ways.
            return value, states[0] if jax.tree.leaves(state) else state

        def step(carry: Any, inputs: Any) -> Any:
            parameters, state, memory = carry
            batch, factor = inputs
            (value, state), gradient = jax.value_and_grad(loss, has_aux=True)(
                parameters, state, batch
            )
            memory = [
                rate * factor if variable is adam.learning_rate else each
                for variable, each in zip(adam.variables, memory, strict=True)
            ]
            parameters, memory = adam.stateless_apply(memory, gradient, parameters)
            return (parameters, state, memory), value

        def part(carry: Any, inputs: Any) -> Any:
            carry, losses = jax.lax.scan(step, carry, inputs)
            score = task.validate(lambda x: forward(*carry[:2], x, False)[0], *validation)
            return carry, (jnp.mean(losses), score)

        memory = [variable.value for variable in adam.variables]
        carry, (losses, curve) = jax.lax.scan(part, (parameters, state, memory), (order, factors))
        return losses, curve, task.score(lambda x: forward(*carry[:2], x, False)[0], *test)

    def all_runs(
        parameters: Any, state: Any, rates: Any, order: Any, factors: Any, data: Any
    ) -> Any:
        # Convolutions with a kernel for each run are grouped ones, slow on a CPU.
        if task.kind == "cnn":
            return jax.lax.map(
                lambda each: run(*each, factors, data), (parameters, state, rates, order)
            )
        return jax.vmap(run, in_axes=(0, 0, 0, 0, None, None))(
            parameters, state, rates, order, factors, data
        )

    number = cell.steps // EVERY

    def shaped(shape: tuple[int, ...], dtype: str = "float32") -> Any:
        return jax.ShapeDtypeStruct((runs, *shape), dtype)

    data = jax.tree.map(jnp.asarray, (task.train, task.validation, task.test))
    arguments = (
        [shaped(variable.shape) for variable in variables],
        [
            [
                shaped((*stack, *weight.shape))
                for weight, trainable in zip(module.weights, split, strict=True)
                if not trainable
            ]
            for module, stack, split in zip(modules, stacked, splits, strict=True)
        ],
        shaped(()),
        shaped((number, EVERY, cell.batch), "int32"),
        jnp.asarray(schedule(cell.steps)).reshape(number, EVERY),
        data,
    )
    start = time.perf_counter()
    compiled = jax.jit(all_runs).lower(*arguments).compile()
    seconds = time.perf_counter() - start

    def call(weights: list[Weights], rates: list[float], orders: list[np.ndarray]) -> Any:
        """Weights, learning rate and batches of each run, to what `run` returns of all."""
        parts = [
            [np.stack(each) for each in zip(*(w[0] for w in weights), strict=True)],
            [
                np.stack([np.stack(layers) for layers in run])
                for run in zip(*(zip(*w[1:-1], strict=True) for w in weights), strict=True)
            ],
            [np.stack(each) for each in zip(*(w[-1] for w in weights), strict=True)],
        ]
        if not net.repeats:
            parts[1] = [np.zeros((runs, 0, *w.shape), "float32") for w in modules[1].weights]
        parameters = [
            each
            for part, split in zip(parts, splits, strict=True)
            for each, trainable in zip(part, split, strict=True)
            if trainable
        ]
        state = [
            [each for each, trainable in zip(part, split, strict=True) if not trainable]
            for part, split in zip(parts, splits, strict=True)
        ]
        order = np.stack(orders).reshape(runs, number, EVERY, cell.batch)
        rates = jnp.asarray(rates, "float32")
        return jax.block_until_ready(
            compiled(parameters, state, rates, jnp.asarray(order), *arguments[4:])
        )

    return _Compiled(net, task, call, seconds)


def train_stacked(group: Group) -> tuple[list[Outcome], float]:
    """All runs of a group at once, on JAX; and the seconds they took, compilation apart."""
    cell, method = group.cell, METHODS[group.method]
    # The number of samples is in the batches alone.
    compiled = _compiled(dataclasses.replace(cell, samples=0), method.structure, len(group.runs))
    task = compiled.task
    weights = {s: draw(compiled.net, method, cell, task, s) for s in group.seeds}
    orders = {s: batches(cell, task, s) for s in group.seeds}
    start = time.perf_counter()
    losses, curves, tests = compiled.run(
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


def train(group: Group, plain: bool) -> list[dict[str, Any]]:
    """The rows of a group's runs."""
    warnings.filterwarnings("ignore", message=".*second kernel")
    task = load(group.cell.task, group.cell.depth)
    if BACKEND == "jax" and not plain:
        outcomes, seconds = train_stacked(group)
    else:
        start = time.perf_counter()
        outcomes = [
            train_plain(group.cell, METHODS[group.method], task, rate, seed)
            for rate, seed in group.runs
        ]
        seconds = time.perf_counter() - start
    per_step = seconds / len(outcomes) / group.cell.steps
    return [
        {
            "key": group.key(rate, seed),
            **dataclasses.asdict(group.cell),
            "method": group.method,
            "tags": METHODS[group.method].tags,
            "learning_rate": rate,
            "seed": seed,
            "slope": round(_activation(group.cell.activation).profile.slope, 6),
            "metric": task.metric,
            "chance": round(task.chance, 5),
            "test": _finite(outcome.test),
            "validation": _finite(outcome.curve[-1]),
            "loss": _finite(outcome.losses[-1]),
            "curve_steps": list(range(EVERY, group.cell.steps + 1, EVERY)),
            "curve": [_finite(value) for value in outcome.curve],
            "seconds_per_step": float(f"{per_step:.3g}"),
        }
        for (rate, seed), outcome in zip(group.runs, outcomes, strict=True)
    ]


def _finite(value: float) -> float | None:
    """Rounded; None, as JSON has it, for a run that has diverged."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


# ----------------------------------------------------------------------------------
# Grids
# ----------------------------------------------------------------------------------


def smoke() -> list[Cell]:
    """One small cell of each task."""
    small = {"steps": 60, "batch": 32}
    return [
        Cell("digits", "bipolar_sigmoid", 20, "16", **small),
        Cell("digits", "tanh", 20, "16/4", **small),
        Cell("mnist", "tanh", 10, "16", **small),
        Cell("tabular", "tanh", 10, "16", **small),
        Cell("burgers", "tanh", 5, "16", steps=120, batch=64),
        Cell("rnn", "tanh", 16, "16", **small),
        Cell("cnn", "tanh", 5, "4", steps=20, batch=32),
    ]


def standard() -> list[Cell]:
    """What the README's claims rest on."""
    two = ("tanh", "bipolar_sigmoid")
    return [
        *(
            Cell("digits", activation, depth, "32")
            for activation in ("tanh", "erf", "softsign", "bipolar_sigmoid")
            for depth in (50, 100)
        ),
        *(Cell("digits", activation, 300, "32") for activation in two),
        *(Cell("digits", activation, 50, "16/4") for activation in two),
        *(Cell("digits", activation, 50, "32", "sgd") for activation in two),
        *(Cell("digits", activation, 50, "32", samples=100) for activation in two),
        Cell("mnist", "tanh", 50, "32"),
        Cell("tabular", "tanh", 50, "32", steps=160),
        Cell("burgers", "tanh", 30, "16", steps=2500, batch=128),
        Cell("rnn", "tanh", 64, "32"),
        Cell("cnn", "tanh", 20, "16", steps=160, batch=32),
    ]


def full() -> list[Cell]:
    """Every combination on digits, and each other task with every activation and depth."""
    cells = [
        Cell("digits", activation, depth, width, optimizer, samples, steps=600)
        for activation, depth, width, optimizer, samples in itertools.product(
            ACTIVATIONS, (10, 50, 100, 300), ("16", "64", "16/4"), RATES, (100, 500, 0)
        )
    ]
    for activation, depth in itertools.product(ACTIVATIONS, (10, 50, 100)):
        cells += [
            Cell("mnist", activation, depth, "64", steps=1800),
            Cell("tabular", activation, depth, "32", steps=600),
            Cell("burgers", activation, depth, "16", steps=6000, batch=512),
            Cell("rnn", activation, max(depth, 16), "64", steps=1800),
            Cell("cnn", activation, depth, "16", steps=1800),
        ]
    return cells


GRIDS = {"smoke": smoke, "standard": standard, "full": full}
SMOKE_METHODS = (
    "glorot normal",
    "orthogonal",
    "gaussian, edge of chaos",
    "lsuv",
    "glorot + residual",
    "diagonal .3, scaled input",
    "hartley, scaled input",
)


def groups_of(args: argparse.Namespace) -> list[Group]:
    """The grid that the arguments ask for; neighbours share a compiled function."""
    filters = {
        "task": args.tasks,
        "activation": args.activations,
        "depth": args.depths,
        "width": args.widths,
        "optimizer": args.optimizers,
        "samples": args.samples,
    }
    cells = [
        dataclasses.replace(cell, steps=args.steps or cell.steps)
        for cell in GRIDS[args.grid]()
        if all(not wanted or getattr(cell, name) in wanted for name, wanted in filters.items())
    ]
    methods = args.methods or (SMOKE_METHODS if args.grid == "smoke" else tuple(METHODS))
    seeds = tuple(range(args.first_seed, args.first_seed + args.seeds))
    groups = []
    for cell in cells:
        rates = args.rates or RATES[cell.optimizer]
        if args.grid == "smoke" and not args.rates:
            rates = rates[1:3]
        applicable = [
            name
            for name in methods
            if cell.task not in METHODS[name].without
            and (len(cell.widths) > 1 or not METHODS[name].chains)
        ]
        for method in sorted(applicable, key=lambda m: METHODS[m].structure):
            groups.append(Group(cell, method, tuple(rates), seeds))
    return groups


# ----------------------------------------------------------------------------------
# Running a grid
# ----------------------------------------------------------------------------------


def work(group: Group) -> float:
    """How much there is to compute, roughly: what the progress bar counts."""
    cell = group.cell
    # A derivative of second order, and 49 positions of 9 taps.
    factor = {"burgers": 6.0, "cnn": 200.0}.get(cell.task, 1.0)
    units = cell.depth * (32 + float(np.mean(cell.widths))) * cell.batch
    return factor * units * cell.steps * len(group.runs) / 1e6


class Results:
    """The results file: a JSON line for each environment and each finished run."""

    def __init__(self, path: Path, jobs: int) -> None:
        self.path = path
        self.done: set[str] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # interrupted in the middle of a line
            path.write_text(whole)
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                row = json.loads(line)
            except ValueError:
                raise SystemExit(f"{path}, line {number} is not JSON: {line[:60]}") from None
            self.done.add(row.get("key", row.get("environment")))
        about = environment(jobs)
        self.environment = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:8]
        self._about = {"environment": self.environment, **about}

    def remaining(self, group: Group) -> bool:
        return any(group.key(*run) not in self.done for run in group.runs)

    def write(self, rows: list[dict[str, Any]]) -> None:
        new = [{**row, "environment": self.environment} for row in rows]
        if self.environment not in self.done:
            self.done.add(self.environment)
            new.insert(0, self._about)
        with self.path.open("a") as file:
            for row in new:
                if row.get("key") not in self.done:
                    file.write(json.dumps(row) + "\n")
        self.done.update(row["key"] for row in rows)


def environment(jobs: int) -> dict[str, Any]:
    """The machine, the versions and the date."""
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    package = {"tensorflow": ("tensorflow", "tensorflow-cpu")}.get(BACKEND, (BACKEND,))
    versions = {"keras": keras.__version__, "keras_oddsig": ko.__version__}
    for name in package:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[BACKEND] = importlib.metadata.version(name)
    return {
        "backend": BACKEND,
        "cpu": cpu,
        "cores": os.cpu_count(),
        "jobs": jobs,
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.date.today().isoformat(),
    }


def pin(core: Any = None) -> None:
    """Keeps this process to one core, so that its backend starts no more threads."""
    if not hasattr(os, "sched_setaffinity"):  # not on macOS
        return
    cores = sorted(os.sched_getaffinity(0))
    with core.get_lock() if core is not None else contextlib.nullcontext():
        number = core.value if core is not None else 0
        if core is not None:
            core.value += 1
    os.sched_setaffinity(0, {cores[number % len(cores)]})


CHUNK = 12  # methods, at most, that one process trains in turn with what it has compiled


def chunks_of(groups: list[Group], jobs: int) -> list[list[Group]]:
    """Groups that share a compiled function, a process's work each; the largest first.

    No chunk holds more than a job's share of the groups: the rest of a single cell is spread
    over the cores, too, at the cost of one more compilation.
    """
    size = min(CHUNK, math.ceil(len(groups) / jobs))
    programs: dict[Any, list[Group]] = {}
    for group in groups:
        cell = dataclasses.replace(group.cell, samples=0)
        programs.setdefault((cell, METHODS[group.method].structure), []).append(group)
    chunks = [
        program[first : first + size]
        for program in programs.values()
        for first in range(0, len(program), size)
    ]
    return sorted(chunks, key=lambda chunk: -sum(map(work, chunk)))


def in_processes(groups: list[Group], jobs: int, plain: bool) -> Iterator[tuple[Group, Any]]:
    """Each group and its rows, as they finish."""
    chunks = chunks_of(groups, jobs)
    if jobs == 1:
        for group in itertools.chain(*chunks):
            yield group, train(group, plain)
        return
    context = multiprocessing.get_context("spawn")
    with (
        context.Manager() as manager,
        concurrent.futures.ProcessPoolExecutor(
            min(jobs, len(chunks) or 1), context, pin, (context.Value("i", 0),)
        ) as pool,
    ):
        finished = manager.Queue()
        futures = [pool.submit(_train_chunk, chunk, plain, finished) for chunk in chunks]
        try:
            while futures or not finished.empty():
                with contextlib.suppress(queue.Empty):
                    yield finished.get(timeout=0.5)
                for future in [future for future in futures if future.done()]:
                    future.result()  # raises what the process raised
                    futures.remove(future)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _train_chunk(groups: list[Group], plain: bool, finished: Any) -> None:
    parent = multiprocessing.parent_process()
    for group in groups:
        if parent is not None and not parent.is_alive():  # killed: nobody reads what comes
            return
        finished.put((group, train(group, plain)))


def train_remotely(group: dict[str, Any], plain: bool) -> list[dict[str, Any]]:
    """`train` in a worker of Ray, which has this folder and imports the module anew."""
    import benchmark_trainability as module

    cell = module.Cell(**group.pop("cell"))
    return list(module.train(module.Group(cell, **group), plain))


def on_ray(groups: list[Group], address: str | None, plain: bool) -> Iterator[tuple[Group, Any]]:
    """Each group and its rows, from a cluster whose machines have `keras_oddsig` installed."""
    import ray

    folder = Path(__file__).parent
    variables = {
        name: os.environ[name] for name in ("TFDS_DATA_DIR", "PYTHONPATH") if name in os.environ
    }
    threads = {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    ray.init(
        address=address,
        runtime_env={
            "working_dir": str(folder),
            "env_vars": {"KERAS_BACKEND": BACKEND, **threads, **variables},
        },
    )
    remote = ray.remote(num_cpus=1)(train_remotely)
    running = {remote.remote(dataclasses.asdict(group), plain): group for group in groups}
    try:
        while running:
            (ready, *_), _ = ray.wait(list(running))
            yield running.pop(ready), ray.get(ready)
    finally:
        ray.shutdown()


def run(groups: list[Group], results: Results, args: argparse.Namespace, console: Console) -> None:
    """Trains what the results file does not have yet."""
    todo = [group for group in groups if results.remaining(group)]
    runs = sum(len(group.runs) for group in todo)
    if len(todo) < len(groups):
        console.print(f"{args.results}: {len(groups) - len(todo)} groups of runs are there already")
    finish = (
        on_ray(todo, args.ray_address, args.plain)
        if args.ray
        else in_processes(todo, args.jobs, args.plain)
    )
    start, finished = time.perf_counter(), 0
    columns = (TextColumn("{task.description:>40}"), BarColumn(), TextColumn("{task.fields[runs]}"))
    with Progress(
        *columns, TimeRemainingColumn(elapsed_when_finished=True), console=console
    ) as bar:
        line = bar.add_task("compiling", total=sum(map(work, todo)), runs=f"0/{runs} runs")
        for group, rows in finish:
            results.write(rows)
            finished += len(rows)
            cell = group.cell
            bar.update(
                line,
                advance=work(group),
                description=f"{cell.task} {cell.activation} {cell.depth}, {group.method}",
                runs=f"{finished}/{runs} runs",
            )
    seconds = time.perf_counter() - start
    rate = finished / seconds if finished else 0
    console.print(f"{args.results}: {finished} runs in {seconds:.0f} s, {rate:.2f} runs a second")


def estimate(groups: list[Group], args: argparse.Namespace, console: Console) -> float:
    """Times a few steps of each kind of network; prints and returns the hours of the grid."""
    pin()
    kinds: dict[Any, tuple[float, float, float]] = {}

    def kind(group: Group) -> Any:
        cell = dataclasses.replace(group.cell, activation="", samples=0)
        return cell, METHODS[group.method].structure, METHODS[group.method].lsuv

    def timed(group: Group) -> tuple[float, float, float]:
        """Seconds a step and run, and of a group's initialization and compilation."""
        few = dataclasses.replace(group, cell=dataclasses.replace(group.cell, steps=EVERY))
        compiling = 0.0
        if BACKEND == "jax" and not args.plain:
            cell = dataclasses.replace(few.cell, samples=0)
            program = _compiled(cell, METHODS[group.method].structure, len(group.runs))
            compiling = program.seconds
        start = time.perf_counter()
        per_step = train(few, args.plain)[0]["seconds_per_step"]
        seconds = time.perf_counter() - start
        return per_step, max(0.0, seconds - per_step * EVERY * len(group.runs)), compiling

    table = Table(title=f"Estimate on {args.jobs} cores, {BACKEND}")
    for column in ("task", "runs", "training, min", "initializing, min", "compiling, min", "h"):
        table.add_column(column, justify="left" if column == "task" else "right")
    hours = 0.0
    for task in dict.fromkeys(group.cell.task for group in groups):
        training = initializing = compiling = 0.0
        of_task = [group for group in groups if group.cell.task == task]
        seen = set()
        for group in of_task:
            if kind(group) not in kinds:
                kinds[kind(group)] = timed(group)
            per_step, initialize, compile_ = kinds[kind(group)]
            training += per_step * group.cell.steps * len(group.runs)
            initializing += initialize
            program = (dataclasses.replace(group.cell, samples=0), METHODS[group.method].structure)
            if program not in seen:  # by each process
                seen.add(program)
                compiling += compile_ * args.jobs
        each = [training, initializing, compiling]
        hours += sum(each) / args.jobs / 3600
        runs = sum(len(group.runs) for group in of_task)
        table.add_row(
            task,
            str(runs),
            *(f"{seconds / args.jobs / 60:.1f}" for seconds in each),
            f"{sum(each) / args.jobs / 3600:.2f}",
        )
    console.print(table)
    console.print(f"{hours:.2f} hours in all")
    return hours


# ----------------------------------------------------------------------------------
# Command line
# ----------------------------------------------------------------------------------


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    grid = parser.add_mutually_exclusive_group(required=True)
    for name, text in (
        ("smoke", "a small cell of each task: two minutes"),
        ("standard", "about two hours on two cores"),
        ("full", "every combination: for bigger machines"),
    ):
        grid.add_argument(f"--{name}", dest="grid", action="store_const", const=name, help=text)
    for name, known in (
        ("tasks", TASKS),
        ("activations", tuple(ACTIVATIONS)),
        ("methods", tuple(METHODS)),
        ("optimizers", tuple(RATES)),
    ):
        parser.add_argument(
            f"--{name}", type=_list_of(name, known), help=f"of the grid: {'; '.join(known)}"
        )
    parser.add_argument("--depths", type=_integers, help="of the grid, such as 50;100")
    parser.add_argument("--samples", type=_integers, help="of the grid; 0 for all")
    parser.add_argument("--widths", type=lambda text: text.split(";"), help="of the grid")
    parser.add_argument("--rates", type=_rates, help="in place of the grid's, such as 3e-5;1e-4")
    parser.add_argument("--seeds", type=int, help="runs of each learning rate")
    parser.add_argument("--first-seed", type=int, default=0, help="the others follow (%(default)s)")
    parser.add_argument("--steps", type=int, help="of each run, in place of the grid's")
    parser.add_argument("--results", type=Path, help="a file of JSON lines, which is continued")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument(
        "--plain", action="store_true", help="one Keras model at a time on JAX, too"
    )
    parser.add_argument("--estimate", action="store_true", help="how long would it take?")
    parser.add_argument("--ray", action="store_true", help="on a Ray cluster (extra `ray`)")
    parser.add_argument("--ray-address", help="of the cluster; by default one on this machine")
    args = parser.parse_args(argv)
    args.seeds = args.seeds if args.seeds is not None else {"smoke": 2}.get(args.grid, 5)
    args.results = args.results or Path(f"trainability-{args.grid}.jsonl")
    if args.steps:
        args.steps = -(-args.steps // EVERY) * EVERY
    for name in ("seeds", "jobs", "steps"):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be at least 1. Received: {value}")
    if args.first_seed < 0:
        parser.error(f"--first-seed must be at least 0. Received: {args.first_seed}")
    if args.ray:
        try:
            import ray  # noqa: F401
        except ImportError:
            parser.error('--ray needs Ray: pip install "keras-oddsig[ray]"')
    args.groups = groups_of(args)
    if not args.groups:
        parser.error(f"no cell of --{args.grid} passes these filters")
    return args


def _list_of(name: str, known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    # Split at semicolons: the methods' names have commas.
    def parse(text: str) -> tuple[str, ...]:
        values = tuple(value.strip() for value in text.split(";"))
        for value in values:
            if value not in known:
                raise argparse.ArgumentTypeError(
                    f"must be of {'; '.join(known)}. Received: {value}"
                )
        return values

    return parse


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(value) for value in text.split(";"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be integers. Received: {text}") from None


def _rates(text: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(value) for value in text.split(";"))
    except ValueError:
        rates = ()
    if not rates or not all(0 < rate < math.inf for rate in rates):
        raise argparse.ArgumentTypeError(f"must be positive numbers. Received: {text}")
    return rates


def main(argv: list[str] | None = None) -> Path | float:
    args = arguments(argv)
    console = Console()
    groups = args.groups
    for task in dict.fromkeys(group.cell.task for group in groups):
        if task in ("mnist", "cnn"):
            try:
                load(task, 1)
            except MissingDataError as error:
                console.print(f"{task} is left out: {error}")
                groups = [group for group in groups if group.cell.task != task]
    if args.estimate:
        return estimate(groups, args, console)
    results = Results(args.results, args.jobs)
    try:
        run(groups, results, args, console)
    except KeyboardInterrupt:
        raise SystemExit(f"stopped; the same command goes on from {args.results}") from None
    return args.results


if __name__ == "__main__":
    main()
