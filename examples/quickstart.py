"""A 100-layer network without normalization or skip connections, on real data.

    python examples/quickstart.py
    python examples/quickstart.py --activation erf
    python examples/quickstart.py --dataset mnist

For a first look; about a minute on two cores. The same network is trained from four
initializations, with the same optimizer, learning rate, batches and number of steps: Glorot,
Keras's Orthogonal, and the two of this package. The script prints a table, draws `quickstart.png`
(accuracy by step, and the spread of the signal by layer at initialization), saves the best model
and loads it again. Any backend: set `KERAS_BACKEND`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import keras_oddsig as ko

BATCH = 128
CHUNK = 20  # steps between two evaluations

# The initializers of the first and of each further hidden layer, by the activation that
# follows and the depth. Keras's own must be new instances: one instance gives all layers
# the same kernel. The first layer of ours knows the spread of the data, which are standardized.
# It narrows: an identity pattern would pass on only the first pixels of each image, so
# OddSigmoidInit follows a rotation there.
Init = Callable[[str, int], keras.initializers.Initializer]


def first_of_ours(activation: str, depth: int) -> keras.initializers.Initializer:
    return ko.OddSigmoidOrthogonal(activation, depth, input_std=1.0)


METHODS: dict[str, tuple[Init, Init]] = {
    "GlorotUniform": (lambda *_: keras.initializers.GlorotUniform(),) * 2,
    "Orthogonal": (lambda *_: keras.initializers.Orthogonal(),) * 2,
    "OddSigmoidInit": (first_of_ours, ko.OddSigmoidInit),
    "OddSigmoidOrthogonal": (first_of_ours, ko.OddSigmoidOrthogonal),
}
COLORS = dict(zip(METHODS, ("#999999", "#E69F00", "#0072B2", "#009E73"), strict=True))


@dataclass
class Data:
    """Images as rows of standardized pixels, and their digits."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


@dataclass
class Run:
    """What one training run left behind."""

    method: str
    seed: int
    steps: list[int]
    accuracies: list[float]  # on the test set, after each of `steps`
    loss: float  # on the training batches of the last chunk
    seconds: float
    weights: list[np.ndarray]


def load_digits() -> Data:
    """scikit-learn's handwritten digits: 1,797 images of 8 x 8, a fifth held out."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.2, stratify=y, random_state=0
    )
    return standardized(x_train, y_train, x_test, y_test)


def load_mnist() -> Data:
    """MNIST from TensorFlow Datasets, which looks in `TFDS_DATA_DIR` first."""
    try:
        import tensorflow  # noqa: F401  reads the files, and is not installed with it
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise SystemExit(
            "--dataset mnist needs TensorFlow Datasets and TensorFlow: "
            f'pip install "keras-oddsig[datasets,tensorflow]" ({error})'
        ) from error
    try:
        train, test = tfds.load("mnist", split=["train", "test"], batch_size=-1)
    except Exception as error:
        where = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
        raise SystemExit(
            f"MNIST is not in {where} (TFDS_DATA_DIR) and could not be downloaded: {error}"
        ) from error
    train, test = tfds.as_numpy(train), tfds.as_numpy(test)
    return standardized(
        train["image"].reshape(-1, 784),
        train["label"],
        test["image"].reshape(-1, 784),
        test["label"],
    )


def standardized(x_train, y_train, x_test, y_test) -> Data:
    """Pixels shifted and scaled by the training set's mean and standard deviation."""
    mean, std = x_train.mean(), x_train.std()
    x_train, x_test = (((x - mean) / std).astype("float32") for x in (x_train, x_test))
    return Data(x_train, y_train.astype("int32"), x_test, y_test.astype("int32"))


def build(features: int, activation: str, depth: int, width: int, method: str) -> keras.Model:
    """`depth` hidden layers, each initialized by `method`, and ten logits."""
    first, further = METHODS[method]
    hidden = [
        keras.layers.Dense(
            width,
            activation=ko.get(activation),
            kernel_initializer=(further if layer > 1 else first)(activation, depth),
            name=f"hidden_{layer}",
        )
        for layer in range(1, depth + 1)
    ]
    return keras.Sequential([keras.Input((features,)), *hidden, keras.layers.Dense(10)])


def train(
    model: keras.Model, data: Data, method: str, seed: int, steps: int, advance: Callable[[], None]
) -> Run:
    """Trains the compiled model from its present weights, on batches that `seed` shuffles."""
    for variable in model.optimizer.variables:  # a new run: no momentum left of the last one
        if variable is not model.optimizer.learning_rate:
            variable.assign(np.zeros(variable.shape, variable.dtype))
    rng = np.random.default_rng(seed)
    epochs = -(-steps * BATCH // len(data.x_train))
    order = np.concatenate([rng.permutation(len(data.x_train)) for _ in range(epochs)])
    done, accuracies = [], []
    start = time.perf_counter()
    for first in range(0, steps, CHUNK):
        batch = order[first * BATCH : (first + CHUNK) * BATCH]
        history = model.fit(
            data.x_train[batch], data.y_train[batch], batch_size=BATCH, shuffle=False, verbose=0
        )
        loss = history.history["loss"][-1]
        done.append(first + CHUNK)
        accuracies.append(accuracy(model, data.x_test[:1000], data.y_test[:1000]))
        advance()
    seconds = time.perf_counter() - start
    accuracies[-1] = accuracy(model, data.x_test, data.y_test)
    return Run(method, seed, done, accuracies, loss, seconds, model.get_weights())


def accuracy(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """The fraction of digits that the model gets right."""
    return float(np.mean(np.argmax(model.predict(x, batch_size=500, verbose=0), axis=1) == y))


def print_table(console: Console, title: str, runs: list[Run]) -> None:
    table = Table(title=title)
    table.add_column("initializer")
    for column in ("test accuracy", "final loss", "seconds a run"):
        table.add_column(column, justify="right")
    for method in METHODS:
        of_method = [run for run in runs if run.method == method]
        final = [run.accuracies[-1] for run in of_method]
        loss = np.mean([run.loss for run in of_method])
        seconds = np.mean([run.seconds for run in of_method])
        table.add_row(
            method, f"{np.mean(final):.3f} ± {np.std(final):.3f}", f"{loss:.3f}", f"{seconds:.1f}"
        )
    console.print(table)


def draw(
    path: Path, title: str, runs: list[Run], reports: dict[str, ko.SignalReport], chance: float
) -> None:
    """Accuracy by step, and the spread by layer at initialization beside its prediction."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(title)
    for method, color in COLORS.items():
        of_method = [run for run in runs if run.method == method]
        curves = np.array([run.accuracies for run in of_method])
        steps = of_method[0].steps
        left.plot(steps, curves.mean(axis=0), color=color, label=method)
        left.fill_between(steps, curves.min(axis=0), curves.max(axis=0), color=color, alpha=0.2)
        signal = reports[method].layers
        layers = range(1, len(signal) + 1)
        measured = [max(layer.statistics["std"], 1e-12) for layer in signal]
        predicted = [layer.predicted_spread or np.nan for layer in signal]  # for ours only
        right.plot(layers, measured, color=color, label=method)
        right.plot(layers, predicted, color="black", linestyle=":", linewidth=1.5)
    right.plot([], [], color="black", linestyle=":", label="the solver's prediction")
    left.axhline(chance, color="black", linewidth=0.8, linestyle="--")
    left.annotate("chance", (left.get_xlim()[1], chance), ha="right", va="bottom", fontsize=8)
    left.set(xlabel="step", ylabel="test accuracy", ylim=(0, 1), title="Training")
    right.set(xlabel="layer", ylabel="spread (std of activations)", yscale="log")
    right.set(ylim=(1e-8, 3), title="Signal at initialization")
    left.legend(loc="center right", fontsize=8)
    right.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=130)


def main(argv: list[str] | None = None) -> list[Run]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--activation", default="bipolar_sigmoid", help="a name of keras_oddsig")
    parser.add_argument("--dataset", default="digits", choices=["digits", "mnist"])
    parser.add_argument("--depth", type=int, default=100, help="hidden layers")
    parser.add_argument("--width", type=int, default=32, help="units of each")
    parser.add_argument("--steps", type=int, default=220, help="training steps of each run")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each method")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="peak of a cosine decay")
    parser.add_argument("--output", type=Path, default=Path("quickstart-output"))
    args = parser.parse_args(argv)
    for name in ("depth", "width", "steps", "seeds"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1. Received: {getattr(args, name)}")
    args.steps = -(-args.steps // CHUNK) * CHUNK
    try:
        ko.get(args.activation)
    except ValueError as error:
        parser.error(f"--activation: {error}")

    console = Console()
    data = load_digits() if args.dataset == "digits" else load_mnist()
    features = data.x_train.shape[1]
    title = (
        f"{args.dataset}, {args.depth} layers of {args.width}, {args.activation}, "
        f"{args.steps} steps of Adam, {args.seeds} seeds, {keras.backend.backend()}"
    )
    console.print(title)

    def initialized(method: str) -> keras.Model:
        return build(features, args.activation, args.depth, args.width, method)

    # One model is compiled, once; each run starts it from another initialization.
    model = initialized("OddSigmoidInit")
    schedule = keras.optimizers.schedules.CosineDecay(args.learning_rate, args.steps)
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    runs, reports = [], {}
    columns = (TextColumn("{task.description:>32}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        total = len(METHODS) * args.seeds * args.steps
        task = progress.add_task("compiling", total=total)
        for method in METHODS:
            for seed in range(args.seeds):
                keras.utils.set_random_seed(seed)
                fresh = initialized(method)
                model.set_weights(fresh.get_weights())
                if seed == 0:
                    hidden = fresh.layers[:-1]
                    reports[method] = ko.signal_report(fresh, data.x_train[:500], layers=hidden)
                progress.update(task, description=f"{method}, seed {seed}")
                runs.append(
                    train(
                        model, data, method, seed, args.steps, lambda: progress.advance(task, CHUNK)
                    )
                )

    print_table(console, title, runs)
    args.output.mkdir(parents=True, exist_ok=True)
    picture, saved = args.output / "quickstart.png", args.output / "best.keras"
    chance = float(np.bincount(data.y_test).max() / len(data.y_test))
    draw(picture, title, runs, reports, chance)

    best = min(runs, key=lambda run: run.loss)  # by training loss: the test set chooses nothing
    model.set_weights(best.weights)
    model.save(saved)
    again = accuracy(keras.saving.load_model(saved), data.x_test, data.y_test)
    if abs(again - best.accuracies[-1]) > 1e-3:
        raise SystemExit(
            f"{saved} gives {again:.3f}, not the {best.accuracies[-1]:.3f} it was saved at"
        )
    console.print(f"{picture}: accuracy by step, and the signal by layer")
    console.print(f"{saved}: {best.method}, seed {best.seed}; loaded again, accuracy {again:.3f}")
    return runs


if __name__ == "__main__":
    main()
