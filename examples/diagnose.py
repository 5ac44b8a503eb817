"""What a signal report says of a 60-layer tanh network, by how it was initialized.

    python examples/diagnose.py
    python examples/diagnose.py --epochs 15 --output docs/images/diagnose.png

For whoever has a network that does not train, and would know why; half a minute on two cores.
Glorot lets the signal collapse, He saturates it, and the two initializers of this package keep it
up. The script prints each report and draws the spread by layer of all four. With `--epochs` it also
trains the network from the first and the last of them on scikit-learn's digits, and draws the
spread by layer and epoch (`diagnose_training.png`). Any backend: set `KERAS_BACKEND`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import keras
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import keras_oddsig as ko
from keras_oddsig import SignalReport

# Keras's own must be new instances: one instance gives all layers the same kernel.
Init = Callable[[int], keras.initializers.Initializer]
METHODS: dict[str, Init] = {
    "GlorotNormal": lambda depth: keras.initializers.GlorotNormal(),
    "HeNormal": lambda depth: keras.initializers.HeNormal(),
    "OddSigmoidInit": lambda depth: ko.OddSigmoidInit("tanh", depth),
    "OddSigmoidOrthogonal": lambda depth: ko.OddSigmoidOrthogonal("tanh", depth),
}


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build(features: int, depth: int, width: int, method: str) -> keras.Model:
    """`depth` tanh layers of `width` units, and ten logits."""
    hidden = [
        keras.layers.Dense(
            width,
            activation=ko.Tanh(),
            kernel_initializer=METHODS[method](depth),
            name=f"hidden_{layer}",
        )
        for layer in range(1, depth + 1)
    ]
    return keras.Sequential([keras.Input((features,)), *hidden, keras.layers.Dense(10)])


def report_on(depth: int, width: int, samples: int, method: str) -> SignalReport:
    """The report on standard normal inputs and random labels."""
    keras.utils.set_random_seed(0)
    x = keras.random.normal((samples, width))
    y = keras.random.randint((samples,), 0, 10)
    return ko.signal_report(build(width, depth, width, method), x, y, LOSS)


def watch(depth: int, width: int, epochs: int, method: str) -> ko.ActivationSpread:
    """The signal in the network while it trains on handwritten digits."""
    from sklearn.datasets import load_digits
    from sklearn.preprocessing import scale

    keras.utils.set_random_seed(0)
    x, y = load_digits(return_X_y=True)
    x = scale(x).astype("float32")
    model = build(x.shape[1], depth, width, method)
    model.compile(keras.optimizers.Adam(3e-4), LOSS)
    spread = ko.ActivationSpread(x[:256])
    model.fit(x, y, batch_size=128, epochs=epochs, verbose=0, callbacks=[spread])
    return spread


def print_reports(console: Console, reports: dict[str, SignalReport]) -> None:
    table = Table(title="The signal at initialization")
    table.add_column("initializer", no_wrap=True)
    for column in ("spread", "at the end", "saturated", "cosine"):
        table.add_column(column, justify="right")
    table.add_column("verdict", no_wrap=True)
    for method, report in reports.items():
        first, last = report.layers[0].statistics, report.layers[-1].statistics
        cells = [first["std"], last["std"], last["saturated"], last["cosine"]]
        table.add_row(method, *(f"{cell:.2f}" for cell in cells), report.verdict)
    console.print(table)
    for method, report in reports.items():
        start = f"from {report.start}. " if report.start else ""
        console.print(f"{method}: {start}{report.advice}", highlight=False)


def draw(path: Path, reports: dict[str, SignalReport]) -> None:
    """One panel for each of the four reports, on one scale."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    panels = figure.subplots(2, 2, sharey=True).ravel()
    limits = []
    for ax, (method, report) in zip(panels, reports.items(), strict=True):
        report.plot(ax)
        ax.set_title(f"{method}: {report.verdict}")
        limits.append(ax.get_ylim())
    bottoms, tops = zip(*limits, strict=True)
    panels[0].set_ylim(min(bottoms), max(tops))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def draw_training(path: Path, depth: int, width: int, epochs: int) -> None:
    """Layer by epoch, from the first and from the last of the initializations."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    methods = list(METHODS)
    for ax, method in zip(figure.subplots(1, 2), (methods[0], methods[-1]), strict=True):
        ko.plot_spread(watch(depth, width, epochs, method), ax)
        ax.set_title(f"{method}, in training")
    figure.savefig(path, dpi=110)


def main(argv: list[str] | None = None) -> dict[str, SignalReport]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=60, help="hidden layers")
    parser.add_argument("--width", type=int, default=128, help="units of each")
    parser.add_argument("--samples", type=int, default=128, help="inputs of the report")
    parser.add_argument("--epochs", type=int, default=0, help="of training, none by default")
    parser.add_argument("--output", type=Path, default=Path("diagnose.png"))
    args = parser.parse_args(argv)
    for name in ("depth", "width", "samples"):
        if getattr(args, name) < 2:
            parser.error(f"--{name} must be at least 2. Received: {getattr(args, name)}")

    console = Console()
    reports = {
        method: report_on(args.depth, args.width, args.samples, method) for method in METHODS
    }
    print_reports(console, reports)
    draw(args.output, reports)
    console.print(f"{args.output}: the spread by layer")
    if args.epochs > 0:
        path = args.output.with_name(f"{args.output.stem}_training{args.output.suffix}")
        draw_training(path, args.depth, args.width, args.epochs)
        console.print(f"{path}: the spread by layer and epoch")
    return reports


if __name__ == "__main__":
    main()
