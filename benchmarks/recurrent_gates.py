"""Do the rotations of this package help in `LSTM` and `GRU`, and in which of their gates?

    KERAS_BACKEND=jax python benchmarks/recurrent_gates.py

For whoever works on the rules of `tailor`; long, and less with fewer `--seeds` and `--rates`. Only
the candidate gate ends in tanh. Digits, read pixel by pixel or row by row, and the adding problem
(the sum of two marked numbers of a sequence), each way with the same batches, and with its own best
learning rate. Ways:

- *Keras*: its defaults.
- *candidate*: of the candidate gate, the recurrent kernel is the rotation for the steps, and the
  input kernel orthogonal; all else as in Keras.
- *recurrent candidate*: the recurrent kernel alone.
- *all gates*: a rotation for the steps in each gate of the recurrent kernel (`gates=`), an
  orthogonal input kernel in each.
- *recurrent, all gates*: the recurrent kernel alone.

Prints a Markdown table: of the seeds the mean, the smallest and the largest; accuracy, or the mean
squared error.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import keras_oddsig as ko
from oddsig_benchmarks import data, starts
from oddsig_benchmarks.arguments import integers, names_of, positive_numbers
from oddsig_benchmarks.environment import require_jax

UNITS = 32
CELLS = {"LSTM": (keras.layers.LSTM, 4, 2), "GRU": (keras.layers.GRU, 3, 2)}  # gates, candidate
Task = tuple[tuple[Any, Any], tuple[Any, Any]]
# Of the candidate only, or of all gates; of the input kernel, too, or the recurrent one alone.
WAYS = {
    "Keras": None,
    "candidate": (True, True),
    "recurrent candidate": (True, False),
    "all gates": (False, True),
    "recurrent, all gates": (False, False),
}


def digits(features: int) -> Task:
    found = data.digits()
    shape = (-1, 64 // features, features)
    return (found.x_train.reshape(shape), found.y_train), (
        found.x_test.reshape(shape),
        found.y_test,
    )


def adding(length: int, samples: int = 8192) -> Task:
    """Numbers in [0, 1], of which a mark in each half says which two to add."""
    rng = np.random.default_rng(0)
    numbers = rng.random((samples, length)).astype("float32")
    marks = np.zeros_like(numbers)
    rows, half = np.arange(samples), length // 2
    marks[rows, rng.integers(0, half, samples)] = 1
    marks[rows, rng.integers(half, length, samples)] = 1
    x, y = np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=1, keepdims=True)
    return (x[512:], y[512:]), (x[:512], y[:512])


TASKS: dict[str, tuple[Callable[[], Task], bool]] = {
    "digits, 64 pixels": (lambda: digits(1), False),
    "digits, 8 rows": (lambda: digits(8), False),
    "adding, 100 steps": (lambda: adding(100), True),
}


def network(cell: str, shape: tuple[int, ...], outputs: int) -> keras.Model:
    recurrent, _, _ = CELLS[cell]
    return keras.Sequential(
        [keras.Input(shape), recurrent(UNITS, name="gates"), keras.layers.Dense(outputs)]
    )


def start(way: str, cell: str, shape: tuple[int, ...], outputs: int, seed: int) -> list[Any]:
    """Initial weights."""
    keras.utils.set_random_seed(seed)
    model = network(cell, shape, outputs)
    chosen, (_, gates, candidate) = WAYS[way], CELLS[cell]
    kernel, recurrent, *others = model.get_weights()
    if chosen is not None:
        only, inputs_too = chosen
        rotation = ko.OddSigmoidOrthogonal("tanh", shape[0])
        orthogonal = keras.initializers.Orthogonal
        for gate in [candidate] if only else range(gates):
            columns = slice(gate * UNITS, (gate + 1) * UNITS)
            recurrent[:, columns] = rotation((UNITS, UNITS))
            if inputs_too:
                kernel[:, columns] = orthogonal(seed=seed + gate)((shape[1], UNITS))
    return [kernel, recurrent, *others]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=integers, default=(0, 1, 2), help="as in 0;1;2")
    parser.add_argument("--rates", type=positive_numbers, default=(1e-2, 3e-2, 1e-1))
    parser.add_argument("--steps", type=int, default=400)
    for option, known in {"tasks": TASKS, "cells": CELLS, "ways": WAYS}.items():
        parser.add_argument(f"--{option}", type=names_of(tuple(known)), default=tuple(known))
    args = parser.parse_args()
    require_jax(parser)
    for task in args.tasks:
        load, regression = TASKS[task]
        sets = load()
        shape, outputs = sets[0][0].shape[1:], 1 if regression else 10
        rows = {}
        for cell in args.cells:
            drawn = {
                (way, seed): start(way, cell, shape, outputs, seed)
                for way in args.ways
                for seed in args.seeds
            }
            forward = starts.of_model(network(cell, shape, outputs))
            found = starts.scores(forward, drawn, args.rates, args.steps, sets, 32, regression)
            rows[f"{task}, {cell}"] = starts.best(found, regression)
        print(starts.report(rows, 4 if regression else 3), flush=True)


if __name__ == "__main__":
    main()
