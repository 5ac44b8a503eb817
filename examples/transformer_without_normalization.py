"""A small language model without a normalization layer, begun in two ways.

    python examples/transformer_without_normalization.py
    python examples/transformer_without_normalization.py --blocks 24 --steps 600

For whoever has replaced LayerNorm by Dynamic Tanh (DyT) and seen it train badly. A transformer of
8 blocks reads Python sources, the ones that ship with Python, and learns to say the next character.
It is written with LayerNorm; `ko.replace_normalization` makes it one of Dynamic Tanh. As the paper
begins, with a rate of .5 everywhere, it stays far behind. `ko.tailor(model, x)`, one line, sets
every rate for what enters there, and what the stream of the residual blocks begins with and gains.

One to two minutes on one core. Any backend: set `KERAS_BACKEND`.
"""

from __future__ import annotations

import argparse
import sysconfig
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from rich.console import Console
from rich.table import Table

import keras_oddsig as ko

CONTEXT, WIDTH, HEADS, BATCH = 64, 64, 4, 8
RATE = 1e-3  # of Adam, for all


def characters() -> tuple[np.ndarray, int]:
    """The modules of Python's standard library as one row of codes; and how many codes."""
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    if not files:
        raise SystemExit("this Python has no sources of its standard library to read")
    order = np.random.default_rng(0).permutation(len(files))
    text = b"".join(
        files[i].read_text("utf-8", errors="replace").encode("ascii", "replace") for i in order
    )
    symbols, codes = np.unique(np.frombuffer(text, "uint8"), return_inverse=True)
    return codes.astype("int32"), len(symbols)


def windows(codes: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of the text, and of each character the next one."""
    pieces = codes[starts[:, None] + np.arange(CONTEXT + 1)]
    return pieces[:, :-1], pieces[:, 1:]


class Positions(layers.Layer):
    """Adds to each place of a sequence a vector that is learned."""

    def build(self, input_shape: Any) -> None:
        self.vectors = self.add_weight(shape=input_shape[1:], initializer="uniform", name="vectors")

    def call(self, x: Any) -> Any:
        return x + self.vectors


def transformer(blocks: int, symbols: int) -> keras.Model:
    """As it is usually written: LayerNorm before each attention, each MLP, and at the end."""
    inputs = keras.Input((CONTEXT,), dtype="int32")
    x = Positions()(layers.Embedding(symbols, WIDTH)(inputs))
    for _ in range(blocks):
        y = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(y, y, use_causal_mask=True)
        y = layers.LayerNormalization()(x)
        x = x + layers.Dense(WIDTH)(layers.Dense(4 * WIDTH, "gelu")(y))
    return keras.Model(inputs, layers.Dense(symbols)(layers.LayerNormalization()(x)))


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description="A language model without normalization.")
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    for name in ("blocks", "steps"):
        if getattr(args, name) < 1:
            parser.error(f"--{name} must be at least 1. Received: {getattr(args, name)}")

    codes, symbols = characters()
    cut = len(codes) * 9 // 10
    random = np.random.default_rng(args.seed)
    x, y = windows(codes[:cut], random.integers(0, cut - CONTEXT - 1, args.steps * BATCH))
    held_out = windows(codes[cut:], np.linspace(0, len(codes) - cut - CONTEXT - 2, 128).astype(int))

    keras.utils.set_random_seed(args.seed)
    normalized = transformer(args.blocks, symbols)
    plain = ko.replace_normalization(normalized, "tanh", rate=0.5)
    tailored = ko.replace_normalization(normalized, "tanh")
    report = ko.tailor(tailored, x[:256], seed=args.seed)

    console = Console()
    console.print(f"{report}, of which the first rates are:")
    for row in report.rates[:4]:
        console.print(f"  {row.layer}: {row.rate:.3g}, for what enters has an rms of {row.rms:.3g}")
    models = {"LayerNorm": normalized, "Dynamic Tanh, rate .5": plain, "tailored": tailored}
    losses = {}
    for name, model in models.items():
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(RATE), loss)
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)  # every batch once
        losses[name] = float(model.evaluate(*held_out, verbose=0))
        console.print(f"{name} has been trained")

    table = Table("in the place of LayerNorm", "loss, nats a character", title="On held-out text")
    for name, loss in losses.items():
        table.add_row(name, f"{loss:.3f}")
    console.print(table)
    return losses


if __name__ == "__main__":
    main()
