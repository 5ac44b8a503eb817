"""The command `keras-oddsig`: what to expect of a network, and what goes on in a saved one.

    keras-oddsig solve --activation erf --depth 100 --negative-rate 0.3
    keras-oddsig inspect model.keras --data x.npy --plot signal.png
    keras-oddsig tailor model.keras --data x.npy -o tailored.keras

The exit status is 0 where all is well, 1 where `inspect` finds the signal unhealthy or `tailor`
no kernel of its own, and 2 where the arguments or a file are of no use, with one line on the
standard error that says why. With `--json` the standard output holds one JSON object and nothing
else.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from keras_oddsig.cli.inspection import inspect_model
from keras_oddsig.cli.messages import UNUSABLE, UnusableError, one_line, say
from keras_oddsig.cli.solve import solve
from keras_oddsig.cli.tailoring import tailor_model

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(UNUSABLE, f"{self.prog}: error: {one_line(message)}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: The arguments, by default those of the process.

    Returns:
        The exit status.

    Raises:
        SystemExit: After `--help`, and where the arguments cannot be parsed.

    Example:

    >>> from keras_oddsig.cli import main
    >>> main(["solve", "--activation", "erf", "--depth", "0"])
    2
    """
    args = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # whose encoding may lack a layer's letters
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except UnusableError as error:
        say(f"error: {error}")
        return UNUSABLE
    except BrokenPipeError:  # who reads, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNUSABLE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="keras-oddsig", description="Deep networks of odd, saturating activations in Keras."
    )
    commands = parser.add_subparsers(required=True, metavar="{solve,inspect,tailor}")

    numbers = commands.add_parser(
        "solve",
        help="scales and predictions for an activation and a depth",
        description="Computes what the initializers would use, and what the theory predicts.",
    )
    numbers.set_defaults(run=solve)
    numbers.add_argument(
        "--activation",
        default="tanh",
        help="tanh, erf, arctan, softsign, algebraic, ... (%(default)s)",
    )
    numbers.add_argument("--depth", type=int, default=100, help="layers to cross (%(default)s)")
    numbers.add_argument("--width", type=int, default=256, help="inputs of a kernel (%(default)s)")
    numbers.add_argument(
        "--input-std",
        type=float,
        default=1.0,
        help="standard deviation of the network's inputs (%(default)s: standardized)",
    )
    numbers.add_argument(
        "--inputs",
        type=int,
        help="predict the derivatives, too, of a function of so many inputs (1 to 8), on [-1, 1]",
    )
    noise = numbers.add_mutually_exclusive_group()
    noise.add_argument(
        "--negative-rate",
        type=float,
        default=0.3,
        help="sign flips to allow at the last layer, between 0 and 0.5 (%(default)s)",
    )
    noise.add_argument("--noise-scale", type=float, help="in place of a negative rate")
    numbers.add_argument("--json", action="store_true", help="print a JSON object")

    report = commands.add_parser(
        "inspect",
        help="the signal in a saved model, layer by layer",
        description="Runs a saved model on data and reports on the signal in each layer. The "
        "model is loaded in Keras's safe mode: code in the file is not run.",
    )
    report.set_defaults(run=inspect_model)
    report.add_argument("model", type=Path, help="a .keras file")
    report.add_argument(
        "--data",
        type=Path,
        required=True,
        help="inputs, a .npy file; of several, a .npz file that names them as the model does",
    )
    report.add_argument("--y", type=Path, help="targets, a .npy file; with --loss")
    report.add_argument("--loss", help="a Keras loss, for the gradients; with --y")
    report.add_argument(
        "--from-logits", action="store_true", help="the model's outputs are logits to the loss"
    )
    report.add_argument(
        "--derivatives",
        action="store_true",
        help="judge the derivatives by the inputs, too, as for a physics-informed network",
    )
    report.add_argument(
        "--samples", type=int, default=256, help="how many, from the first on (%(default)s)"
    )
    report.add_argument("--plot", type=Path, help="draw the spread by layer into this file")
    report.add_argument("--json", action="store_true", help="print a JSON object")

    _add_tailor(commands)
    return parser


def _add_tailor(commands: Any) -> None:
    kernels = commands.add_parser(
        "tailor",
        help="initializes a saved model, each kernel for its place",
        description="Initializes the kernels of a saved model that feed odd-sigmoid activations, "
        "and saves it without its optimizer. The model is loaded in Keras's safe mode: code in the "
        "file is not run.",
    )
    kernels.set_defaults(run=tailor_model)
    kernels.add_argument("model", type=Path, help="a .keras file")
    kernels.add_argument(
        "--data", type=Path, help="inputs, a .npy file; of several, a .npz file that names them"
    )
    kernels.add_argument("-o", "--output", type=Path, help="the .keras file to write")
    kernels.add_argument(
        "--overwrite", action="store_true", help="even if there is such a file, be it the model's"
    )
    kernels.add_argument(
        "--method",
        choices=("auto", "diagonal", "orthogonal"),
        default="auto",
        help="which kernels (%(default)s)",
    )
    kernels.add_argument("--depth", type=int, help="of all kernels; by default each one's own")
    kernels.add_argument("--seed", type=int, help="the same seed, the same kernels")
    kernels.add_argument(
        "--samples", type=int, default=256, help="how many, from the first on (%(default)s)"
    )
    kernels.add_argument("--dry-run", action="store_true", help="report, and write nothing")
    kernels.add_argument("--json", action="store_true", help="print a JSON object")
