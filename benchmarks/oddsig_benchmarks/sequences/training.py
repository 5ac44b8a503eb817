"""The rows of a group of runs: one Keras network, drawn by a method, trained on JAX."""

from __future__ import annotations

import dataclasses
import functools

import keras
import numpy as np

import keras_oddsig as ko

from ..results import Row, rounded
from ..starts import Training, accuracy, crossentropy, of_model, one_by_one
from .methods import METHODS, Setting
from .runs import Cell, Group
from .tasks import Task, load

SHOWN = 256  # samples that `tailor` looks at
MEASURES = {"accuracy": accuracy, "crossentropy": crossentropy}  # what a row has of a part
LAYERS = {"SimpleRNN": keras.layers.SimpleRNN, "LSTM": keras.layers.LSTM}


def network(cell: Cell) -> keras.Model:
    """As Keras initializes it."""
    task = load(cell.task)
    steps, _ = task.shape
    layer = LAYERS[cell.layer](cell.units, return_sequences=task.answers is not None)
    end = [] if task.answers is None else [keras.layers.Cropping1D((steps - task.answers, 0))]
    dense = keras.layers.Dense(task.classes)
    return keras.Sequential([keras.Input(task.shape), layer, *end, dense])


def start(cell: Cell, method: str, seed: int) -> list[np.ndarray]:
    """Initial weights: of all methods the same but for what they are about."""
    task, chosen = load(cell.task), METHODS[cell.layer][method]
    keras.utils.set_random_seed(seed)
    model = network(cell)
    if chosen.tailored:
        ko.tailor(model, task.train[0][:SHOWN], seed=seed)
    kernel, recurrent, *others = model.get_weights()
    setting = Setting(task.shape[0], keras.random.SeedGenerator(seed))
    kernel, recurrent = (
        weight if make is None else keras.ops.convert_to_numpy(make(setting)(weight.shape))
        for make, weight in ((chosen.kernel, kernel), (chosen.recurrent, recurrent))
    )
    if chosen.centred:
        bias, *others = others
        mean = task.train[0][:SHOWN].mean(axis=(0, 1))
        others = [bias - mean @ kernel, *others]
    return [kernel, recurrent, *others]


@functools.lru_cache(maxsize=1)
def _training(cell: Cell) -> Training:
    """Compiled for all methods of a cell; run one by one, in .6 to .7 of the time of `vmap`."""
    task: Task = load(cell.task)
    return Training(
        of_model(network(cell)),
        cell.steps,
        (task.train, task.validation, task.test),
        cell.batch,
        measures=tuple(MEASURES.values()),
        over=one_by_one,
    )


def train(group: Group) -> list[Row]:
    """The rows of a group's runs."""
    starts = {(group.method, s): start(group.cell, group.method, s) for s in group.seeds}
    outcomes = _training(group.cell)(starts, group.rates)
    task = load(group.cell.task)
    rows = []
    for rate, seed in group.runs:
        outcome = outcomes[group.method, seed, rate]
        parts = ({n: rounded(v) for n, v in zip(MEASURES, p, strict=True)} for p in outcome.scores)
        validation, test = parts
        rows.append(
            {
                "key": group.key(rate, seed),
                **dataclasses.asdict(group.cell),
                "method": group.method,
                "learning_rate": rate,
                "seed": seed,
                "metric": task.metric,
                "chance": float(f"{task.chance:.6g}"),
                "validation": validation,
                "test": test,
                "loss": rounded(outcome.loss),
            }
        )
    return rows
