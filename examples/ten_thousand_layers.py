"""Ten thousand tanh layers, with neither normalization nor skip connections: do they train?

    KERAS_BACKEND=jax python examples/ten_thousand_layers.py
    KERAS_BACKEND=jax python examples/ten_thousand_layers.py --layers 1000 --learning-rate 1e-4

For those who doubt it, and for a lecture. The network reads scikit-learn's handwritten digits
through 10,000 layers of 32 units: `keras_oddsig.LayerStack` holds their weights as one tensor and
runs them as a compiled loop, `OddSigmoidOrthogonal` initializes them for their number. The script
trains it for 400 steps of Adam, and draws `ten_thousand_layers.png`: accuracy by step, and the
spread of the signal by layer before training, beside the solver's prediction and what
`GlorotUniform` and Keras's `Orthogonal` make of it. Two and a half minutes on two cores with JAX;
the other backends run it, too, PyTorch layer by layer and much slower.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure
from quickstart import Data, load_digits
from rich.console import Console

import keras_oddsig as ko

WIDTH, BATCH = 32, 64
COLORS = {"GlorotUniform": "#999999", "Orthogonal": "#E69F00", "OddSigmoidOrthogonal": "#009E73"}


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        steps, accuracies: On the test set, in the course of training.
        spreads: Standard deviation of each layer's outputs before training, by initializer.
        predicted: The solver's, for `OddSigmoidOrthogonal`.
        seconds: Of training.
    """

    steps: list[int]
    accuracies: list[float]
    spreads: dict[str, np.ndarray]
    predicted: np.ndarray
    seconds: float


def build(layers: int, activation: str, initializer: str, features: int) -> keras.Model:
    """The first layer, which lets the data in; all others as a stack; and the output."""
    if initializer == "OddSigmoidOrthogonal":
        first = ko.OddSigmoidOrthogonal(activation, layers, input_std=1.0)  # standardized data
        others = ko.OddSigmoidOrthogonal(activation, layers)
    else:
        first, others = (getattr(keras.initializers, initializer)() for _ in range(2))

    def hidden(kernel: keras.initializers.Initializer) -> keras.layers.Layer:
        return keras.layers.Dense(WIDTH, ko.get(activation), kernel_initializer=kernel)

    return keras.Sequential(
        [
            keras.Input((features,)),
            hidden(first),
            ko.LayerStack(hidden(others), repeats=layers - 1, name="stack"),
            keras.layers.Dense(10, name="digits"),
        ]
    )


def spread_by_layer(model: keras.Model, activation: str, x: np.ndarray) -> np.ndarray:
    """The standard deviation of each hidden layer's outputs, from the weights alone."""
    f = ko.get(activation).reference
    first, stack = (
        [keras.ops.convert_to_numpy(weight) for weight in layer.weights]
        for layer in model.layers[:2]
    )
    kernels, biases = stack
    x = f(x @ first[0] + first[1])
    spreads = [x.std()]
    for kernel, bias in zip(kernels, biases, strict=True):
        x = f(x @ kernel + bias)
        spreads.append(x.std())
    return np.asarray(spreads)


def train(model: keras.Model, data: Data, args: argparse.Namespace) -> tuple[list, list, float]:
    """As any Keras model: `compile` and `fit`."""
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(args.learning_rate, args.steps)
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    per_epoch = len(data.x_train) // BATCH
    whole = per_epoch * BATCH  # batches of one size are compiled once
    epochs = -(-args.steps // per_epoch)
    start = time.perf_counter()
    history = model.fit(
        data.x_train[:whole],
        data.y_train[:whole],
        batch_size=BATCH,
        epochs=epochs,
        validation_data=(data.x_test, data.y_test),
        validation_batch_size=len(data.x_test),
        verbose=2,
    )
    steps = [per_epoch * (epoch + 1) for epoch in range(epochs)]
    return steps, history.history["val_accuracy"], time.perf_counter() - start


def draw(path: Path, title: str, found: Outcome) -> None:
    """Two panels: training, and the signal before it."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title, fontsize=10)
    left, right = figure.subplots(1, 2)
    left.plot(found.steps, found.accuracies, marker="o", markersize=3, color="#009E73")
    left.axhline(0.1, color="black", linewidth=0.8, linestyle="--")
    left.annotate("chance", (left.get_xlim()[1], 0.1), ha="right", va="bottom", fontsize=8)
    left.set(xlabel="step", ylabel="test accuracy", ylim=(0, 1), title="Training")
    layers = np.arange(1, len(found.predicted) + 1)
    for name, spreads in found.spreads.items():
        right.plot(layers, np.maximum(spreads, 1e-12), color=COLORS[name], label=name)
    right.plot(layers, found.predicted, "k:", linewidth=1.5, label="the solver's prediction")
    right.set(xlabel="layer", ylabel="spread (std of activations)", title="Signal before training")
    right.set(xscale="log", yscale="log", ylim=(1e-6, 2))
    right.legend(loc="lower left", fontsize=8)
    figure.savefig(path, dpi=130)


def main(argv: list[str] | None = None) -> Outcome:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=10_000, help="hidden ones (%(default)s)")
    parser.add_argument("--activation", default="tanh", help="a name of keras_oddsig")
    parser.add_argument("--steps", type=int, default=400, help="of training, at least")
    parser.add_argument("--learning-rate", type=float, default=1e-5, help="peak of a cosine decay")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("."), help="a folder")
    args = parser.parse_args(argv)
    for name, least in (("layers", 2), ("steps", 1)):
        if getattr(args, name) < least:
            parser.error(f"--{name} must be at least {least}. Received: {getattr(args, name)}")
    try:
        f = ko.get(args.activation)
    except ValueError as error:
        parser.error(f"--activation: {error}")
    console = Console()
    data = load_digits()
    keras.utils.set_random_seed(args.seed)
    spreads = {}
    for name in COLORS:
        start = time.perf_counter()
        model = build(args.layers, args.activation, name, data.x_train.shape[1])
        spreads[name] = spread_by_layer(model, args.activation, data.x_train[:256])
        console.print(
            f"{name}: {args.layers:,} layers drawn in {time.perf_counter() - start:.1f} s; "
            f"spread {spreads[name][0]:.2g} in the first, {spreads[name][-1]:.2g} in the last"
        )
    known = ko.orthogonal_gain(f, args.layers)
    predicted = ko.propagate_orthogonal(
        f, args.layers - 1, known.gain, input_std=spreads["OddSigmoidOrthogonal"][0]
    )
    console.print(f"the solver: gain {known.gain:.4f}, spread {known.spread:.3g} where it settles")
    steps, accuracies, seconds = train(model, data, args)
    line = np.concatenate([spreads["OddSigmoidOrthogonal"][:1], predicted])
    found = Outcome(steps, accuracies, spreads, line, seconds)
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "ten_thousand_layers.png"
    title = (
        f"{args.layers:,} layers of {WIDTH}, {args.activation}, digits, "
        f"{keras.backend.backend()}: test accuracy {accuracies[-1]:.3f}"
    )
    draw(path, title, found)
    console.print(f"test accuracy {accuracies[-1]:.3f} after {steps[-1]} steps, {seconds:.0f} s")
    console.print(f"{path}: accuracy by step, and the signal by layer")
    return found


if __name__ == "__main__":
    main()
