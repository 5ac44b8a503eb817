"""A run: one Keras transformer, begun as a method says, trained on JAX by a compiled step."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import statistics
import time
from typing import Any, NamedTuple

import jax
import keras
import numpy as np

from ..results import Row, rounded
from ..starts import accuracy, batches, crossentropy, descent, of_model
from .methods import METHODS, of_norm
from .models import network
from .runs import Cell, Group
from .tasks import Part, Task, load

EVERY = 50  # steps between two looks at the validation set
SHOWN = 256  # samples that `tailor` looks at
MEASURES = {"crossentropy": crossentropy, "accuracy": accuracy}  # what a row has of a part

# On a GPU, too, products have the 24 bits of float32, and not the 11 of TensorFloat-32.
jax.config.update("jax_default_matmul_precision", "float32")


@functools.lru_cache(maxsize=8)
def drawn(cell: Cell, seed: int) -> list[np.ndarray]:
    """The weights that all methods have in common, those of the blocks stacked.

    Drawn block by block, as those of a network without a `LayerStack` are.
    """
    keras.utils.set_random_seed(seed)
    model = network(cell, load(cell.task), METHODS["none"].norm, stacked=False)
    owned = [[keras.ops.convert_to_numpy(w) for w in layer.weights] for layer in model.layers]
    blocks = [w for layer, w in zip(model.layers, owned, strict=True) if _is_block(layer)]
    inside = [np.stack(values) for values in zip(*blocks, strict=True)]
    first = next(i for i, layer in enumerate(model.layers) if _is_block(layer))
    before, after = owned[:first], owned[first + len(blocks) :]
    return list(itertools.chain(*before, inside, *after))


def _is_block(layer: Any) -> bool:
    return isinstance(layer, keras.Model)


class Program:
    """What is compiled for all runs of a method in a cell."""

    def __init__(self, cell: Cell, method: str) -> None:
        self.method, self.task = METHODS[method], load(cell.task)
        self.model = network(cell, self.task, self.method.norm)
        self._own = self.model.get_weights()
        forward = of_model(self.model)
        self._optimizer = keras.optimizers.Adam(1.0)
        self._optimizer.build(self.model.trainable_variables)
        self._memory = [np.asarray(variable.value) for variable in self._optimizer.variables]
        step = descent(forward, crossentropy, self._optimizer)
        self.step = jax.jit(step, donate_argnums=(0, 1))
        self._measure = jax.jit(
            lambda weights, x, y: [f(forward(weights, x), y) for f in MEASURES.values()]
        )

    def start(self, cell: Cell, seed: int) -> list[np.ndarray]:
        """Initial weights: of all methods the same but for what they are about."""
        common = iter(drawn(cell, seed))
        weights = zip(self.model.weights, self._own, strict=True)
        self.model.set_weights(
            [own if of_norm(weight) else next(common) for weight, own in weights]
        )
        if self.method.afterwards is not None:
            self.method.afterwards(self.model, self.task.shown(SHOWN), seed)
        return [np.asarray(variable.value) for variable in self.model.trainable_variables]

    def memory(self) -> list[np.ndarray]:
        """The optimizer's, before the first step."""
        return [value.copy() for value in self._memory]

    def scores(self, weights: Any, part: Part) -> dict[str, float]:
        """Each measure of a part that is held out."""
        x, y = part
        cuts = range(0, len(x), self.task.together)
        pieces = [(x[i : i + self.task.together], y[i : i + self.task.together]) for i in cuts]
        found = [self._measure(weights, *piece) for piece in pieces]
        sizes = [len(piece[0]) for piece in pieces]
        means = np.average(np.asarray(found, "float64"), axis=0, weights=sizes)
        return dict(zip(MEASURES, means.tolist(), strict=True))


@functools.lru_cache(maxsize=len(METHODS))
def _program(cell: Cell, method: str) -> Program:
    return Program(cell, method)


class Outcome(NamedTuple):
    """What came of a run.

    Attributes:
        losses: On the training batches, as far as it came.
        curve: Of the steps after which it was looked at, the cross entropy on the validation set.
        validation, test: Each measure, in the end.
        times: Seconds of each step: those that passed, and those of the processor, to which what
            else a machine does adds little.
    """

    losses: list[float]
    curve: list[tuple[int, float]]
    validation: dict[str, float]
    test: dict[str, float]
    times: list[tuple[float, float]]


def run(cell: Cell, method: str, rate: float, seed: int) -> Outcome:
    """Trains; a run whose loss is no number any more ends there, and has no scores."""
    program = _program(cell, method)
    task = program.task
    weights: Any = program.start(cell, seed)
    memory: Any = program.memory()
    losses: list[float] = []
    curve: list[tuple[int, float]] = []
    times: list[tuple[float, float]] = []
    validation = dict.fromkeys(MEASURES, math.nan)
    for number, chosen in enumerate(batches(seed, cell.steps, cell.batch, len(task.train[0])), 1):
        x, y = (each[chosen] for each in task.train)
        start = time.perf_counter(), time.process_time()
        weights, memory, loss = jax.block_until_ready(program.step(weights, memory, rate, x, y))
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        losses.append(float(loss))
        if not math.isfinite(losses[-1]):
            nothing = dict.fromkeys(MEASURES, math.nan)
            return Outcome(losses, curve, nothing, nothing, times)
        if number % EVERY == 0 or number == cell.steps:
            validation = program.scores(weights, task.validation)
            curve.append((number, validation["crossentropy"]))
    return Outcome(losses, curve, validation, program.scores(weights, task.test), times)


def train(group: Group) -> list[Row]:
    """The rows of a group's runs."""
    task: Task = load(group.cell.task)
    rows = []
    for rate, seed in group.runs:
        found = run(group.cell, group.method, rate, seed)
        times = found.times[1:] or [(math.nan, math.nan)]  # the first is the compiler's
        seconds, processor = (statistics.median(each) for each in zip(*times, strict=True))
        rows.append(
            {
                "key": group.key(rate, seed),
                **dataclasses.asdict(group.cell),
                "method": group.method,
                "learning_rate": rate,
                "seed": seed,
                "metric": task.metric,
                "chance": rounded(task.chance),
                "validation": {name: rounded(value) for name, value in found.validation.items()},
                "test": {name: rounded(value) for name, value in found.test.items()},
                "loss": rounded(float(np.mean(found.losses[-max(1, group.cell.steps // 10) :]))),
                "curve": [[step, rounded(value)] for step, value in found.curve],
                "step_seconds": rounded(seconds),
                "step_processor_seconds": rounded(processor),
            }
        )
    return rows
