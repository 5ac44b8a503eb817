"""Whether the rank of the signal at the start tells the networks that train from the others.

    KERAS_BACKEND=torch python benchmarks/reliability/rank.py --page docs/guides/diagnose.md

For who asks what the verdict "collapsing" overlooks. It tests a product: the spread of the last
layer against the first's, times its effective rank against the first's. Here are networks that
keep enough of both together, by what they keep of the rank alone. On digits: those of the committed
runs of the trainability benchmark that are 32 wide and have 3 to 100 layers, their starts drawn
again. On 1 to 8 inputs: four kernels of 32 tanh units, trained here by Adam on a sum of waves, at
two learning rates. A network has trained if its score on held-out data, at its best rate, is 0.8 of
the best of its task. About ten minutes of one core.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_oddsig import solver
from keras_oddsig.signal.verdicts import COLLAPSED

sys.path.append(str(Path(__file__).parent.parent))
from oddsig_benchmarks.reporting import table
from oddsig_benchmarks.trainability import grids, networks, tasks
from oddsig_benchmarks.trainability.methods import METHODS, activation_named
from reliability.page import add_argument, publish

RUNS = Path(__file__).parent.parent / "results/trainability-jax.jsonl.gz"
WIDTH, SAMPLES, HELD_OUT, STEPS, EVERY = 32, 128, 128, 200, 20
DEPTHS, INPUTS, SEEDS = (20, 50, 100), (1, 2, 4, 8), 3
RATES = (3e-4, 1e-3)
KERNELS = ("Glorot", "Orthogonal", "OddSigmoidInit", "OddSigmoidOrthogonal")
MEASURED = 64  # samples, as `signal_report` takes for the rank
TRAINED = 0.8  # of the best score of a task
PARTS = (0.0, 0.15, 0.2, 0.3, 0.5, math.inf)  # of the first layer's rank


@dataclass(frozen=True)
class Network:
    """One network at its start, and what became of it.

    Attributes:
        task: "digits", or how many inputs.
        name: Its kernel or method, its activation, its depth.
        rank: Of the last layer, against the first's.
        kept: That times the spread, against the first's; neither is more than 1.
        score: On held-out data, over the best of the task; with a seed of its own for each target.
    """

    task: str
    name: str
    rank: float
    kept: float
    score: float


def start(rows: Sequence[np.ndarray]) -> tuple[float, float]:
    """Of the layers' outputs: the part of the rank that the last keeps, and `kept`."""
    first, last = rows[0], rows[-1]
    known = _rank(first)
    rank = _rank(last) / min(known, last.shape[1]) if known else 0.0
    size = last.std() / first.std() if first.std() else 0.0
    return rank, min(size, 1.0) * min(rank, 1.0)


def _rank(x: np.ndarray) -> float:
    z = x - x.mean(axis=0)
    size = np.abs(z).max()
    if size < 1e-300:
        return 0.0
    gram = (z / size) @ (z / size).T
    return float(np.trace(gram) ** 2 / np.sum(gram**2))


# ----------------------------------------------------------------------------------
# Digits: the committed runs
# ----------------------------------------------------------------------------------


def digits() -> Iterator[Network]:
    """Each method in each cell, as it was run; of its start one seed."""
    runs: dict[Any, dict[float, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    chance = 0.0
    with gzip.open(RUNS, "rt", encoding="utf-8") as lines:
        for run in map(json.loads, lines):
            if run.get("task") == "digits":
                key = (run["activation"], run["depth"], run["steps"], run["method"])
                if (run["width"], run["optimizer"], run["samples"]) == (str(WIDTH), "adam", 0):
                    chance = run["chance"]
                    runs[key][run["learning_rate"]].append((run["validation"], run["test"]))
    for cell in dict.fromkeys(grids.standard() + grids.everyday()):
        known = (cell.task, cell.width, cell.optimizer, cell.samples)
        if known != ("digits", str(WIDTH), "adam", 0) or cell.depth > 100:
            continue
        scores = {}
        for name in METHODS:
            rates = runs.get((cell.activation, cell.depth, cell.steps, name))
            if rates:
                best = max(rates.values(), key=lambda each: float(np.mean([v for v, _ in each])))
                scores[name] = float(np.mean([test for _, test in best])) - chance
        for name, score in scores.items():
            method = METHODS[name]
            if method.structure != "plain" or method.lsuv or method.tailored:
                continue
            rank, kept = start(_rows_of(cell, method))
            label = f"{name}, {cell.depth} layers of {cell.activation}"
            yield Network("digits", label, rank, kept, score / max(scores.values()))


def _rows_of(cell: Any, method: Any) -> list[np.ndarray]:
    task = tasks.load(cell.task, cell.depth)
    f = activation_named(cell.activation).reference
    drawn = networks.draw(networks.network(cell, "plain", task), method, cell, task, seed=0)
    weights = [each.astype(float) for part in drawn for each in part][:-2]  # without the output
    rows = [task.train[0][:MEASURED].astype(float)]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        rows.append(f(rows[-1] @ kernel + bias))
    return rows[1:]


# ----------------------------------------------------------------------------------
# Few inputs: trained here
# ----------------------------------------------------------------------------------


def data(inputs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a cube, and a sum of three waves in random directions; held-out ones behind."""
    rng = np.random.default_rng([seed, inputs])
    x = rng.uniform(-math.sqrt(3), math.sqrt(3), (SAMPLES + HELD_OUT, inputs))
    directions = rng.standard_normal((inputs, 3)) / math.sqrt(inputs)
    y = np.sin(x @ directions + rng.uniform(0, 2 * np.pi, 3)).sum(axis=1, keepdims=True)
    return x, (y - y.mean()) / y.std()


def kernels(kind: str, inputs: int, depth: int, seed: int) -> list[np.ndarray]:
    """Of all layers, the output's too."""
    rng = np.random.default_rng([seed, depth])
    point = solver.orthogonal_gain(np.tanh, depth)
    noise = solver.noise_scale(depth)
    made = []
    for m in [inputs] + [WIDTH] * (depth - 1):
        n = WIDTH
        size = max(m, n)
        rotation = np.linalg.qr(rng.standard_normal((size, size)))[0][:m, :n]
        rotation *= max(1.0, math.sqrt(n / m))
        if kind == "Glorot":
            made.append(rng.uniform(-1, 1, (m, n)) * math.sqrt(6 / (m + n)))
        elif kind == "Orthogonal":  # that of Keras: rows or columns of length 1
            made.append(rotation / max(1.0, math.sqrt(n / m)))
        elif kind == "OddSigmoidInit":
            identity = np.equal.outer(np.arange(m), np.arange(n) % m).astype(float)
            made.append(identity + noise / math.sqrt(m) * rng.standard_normal((m, n)))
        else:
            made.append(point.gain * rotation * (point.spread / 2 if m == inputs else 1.0))
    limit = math.sqrt(6 / (WIDTH + 1))
    return [*made, rng.uniform(-limit, limit, (WIDTH, 1))]


def trained(x: np.ndarray, y: np.ndarray, weights: list[np.ndarray], rates: np.ndarray) -> Any:
    """What part of the held-out variance is explained at best, of networks (runs, m, n)."""
    w = [each.astype("float32") for each in weights]
    b = [np.zeros((len(each), 1, each.shape[2]), "float32") for each in w]
    parameters = [*w, *b]
    first = [np.zeros_like(each) for each in parameters]
    second = [np.zeros_like(each) for each in parameters]
    x, y = x.astype("float32"), y.astype("float32")
    (x, x_new), (y, y_new) = (np.split(each, [SAMPLES], axis=1) for each in (x, y))
    rates = rates.astype("float32")[:, None, None]
    explained = np.full(len(x), -np.inf)

    def run(x: np.ndarray) -> list[np.ndarray]:
        rows = [x]
        for weight, bias in zip(w[:-1], b[:-1], strict=True):
            rows.append(np.tanh(rows[-1] @ weight + bias))
        return [*rows, rows[-1] @ w[-1] + b[-1]]

    for step in range(1, STEPS + 1):
        *rows, output = run(x)
        delta = 2 * (output - y) / SAMPLES
        for layer in range(len(w) - 1, -1, -1):
            gradients = (np.swapaxes(rows[layer], 1, 2) @ delta, delta.sum(axis=1, keepdims=True))
            if layer:
                delta = (delta @ np.swapaxes(w[layer], 1, 2)) * (1 - rows[layer] ** 2)
            scale = rates * np.float32(math.sqrt(1 - 0.999**step) / (1 - 0.9**step))
            for place, gradient in zip((layer, len(w) + layer), gradients, strict=True):
                first[place] += np.float32(0.1) * (gradient - first[place])
                second[place] += np.float32(0.001) * (gradient**2 - second[place])
                parameters[place] -= scale * first[place] / (np.sqrt(second[place]) + 1e-8)
        if step % EVERY == 0:
            now = 1 - np.mean((run(x_new)[-1] - y_new) ** 2, axis=(1, 2))
            explained = np.fmax(explained, now)
    return explained


def few(inputs: int, depths: Sequence[int] = DEPTHS) -> Iterator[Network]:
    """Networks of so many inputs: all kernels, depths and seeds."""
    made = [(kind, seed) for kind in KERNELS for seed in range(SEEDS)]
    rates = np.tile(RATES, len(made))
    found = []
    for depth in depths:
        weights = [kernels(kind, inputs, depth, seed) for kind, seed in made]
        points = [data(inputs, seed) for _, seed in made]
        stacks = [_stacked(each) for each in (*zip(*points, strict=True),)]
        layers = [_stacked(each) for each in zip(*weights, strict=True)]
        explained = trained(*stacks, layers, rates).reshape(len(made), len(RATES)).max(axis=1)
        for (kind, seed), (x, _), own, score in zip(made, points, weights, explained, strict=True):
            rows = [x[:MEASURED]]
            for kernel in own[:-1]:
                rows.append(np.tanh(rows[-1] @ kernel))
            found.append((seed, f"{kind}, {depth} layers of tanh", *start(rows[1:]), score))
    best = {seed: max(each[-1] for each in found if each[0] == seed) for seed in range(SEEDS)}
    for seed, name, rank, kept, score in found:
        yield Network(str(inputs), name, rank, kept, float(score / best[seed]))


def _stacked(each: Sequence[np.ndarray]) -> np.ndarray:
    return np.repeat(np.stack(each), len(RATES), axis=0)


# ----------------------------------------------------------------------------------
# The section
# ----------------------------------------------------------------------------------


def section(found: Sequence[Network]) -> str:
    """Of networks that pass the product: how many there are, and how many of them train."""
    passing = [each for each in found if each.kept >= COLLAPSED]
    names = list(dict.fromkeys(each.task for each in passing))
    rows = []
    for low, high in itertools.pairwise(PARTS):
        cells = []
        for task in names:
            here = [each for each in passing if each.task == task and low <= each.rank < high]
            right = sum(each.score >= TRAINED for each in here)
            cells.append(f"{right} of {len(here)}" if here else "")
        label = f"{low:g} to {high:g}" if high < math.inf else f"{low:g} and more"
        rows.append([f"under {high:g}" if low == 0 else label, *cells])
    heads = [task if task == "digits" else f"inputs: {task}" for task in names]
    lines = [table(["rank kept", *heads], rows), ""]
    for task, head in zip(names, heads, strict=True):
        own = [each for each in passing if each.task == task]
        good = min((e for e in own if e.score >= TRAINED), key=lambda e: e.rank, default=None)
        bad = [each for each in own if each.score < TRAINED]
        line = f"- {head}: "
        if good is not None:
            line += f"{good.rank:.2f} is the least with which one trains ({good.name})"
        if bad:
            worst = max(bad, key=lambda each: each.rank)
            line += f"; {worst.rank:.2f} the most with which one does not ({worst.name})"
        lines.append(line + ".")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_argument(parser)
    options = parser.parse_args()
    found = [*digits(), *(network for inputs in INPUTS for network in few(inputs))]
    publish("rank", section(found), options.page)


if __name__ == "__main__":
    main()
