"""The command `keras-oddsig`: what to expect of a network, and what goes on in a saved one.

    keras-oddsig solve --activation erf --depth 100 --negative-rate 0.3
    keras-oddsig inspect model.keras --data x.npy --plot signal.png

The exit status is 0 where all is well, 1 where `inspect` finds the signal unhealthy, and 2
where the arguments or a file are of no use, with one line on the standard error that says
why. With `--json` the standard output holds one JSON object and nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import io
import json
import math
import os
import sys
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

__all__ = ["main"]

_HEALTHY: Final = 0
_UNHEALTHY: Final = 1
_UNUSABLE: Final = 2
_MAGIC: Final = b"\x93NUMPY"
_CHARACTERS: Final = 300  # of a message, which may quote a file


class _UnusableError(Exception):
    """The arguments or a file are of no use; the message says why."""


class _Parser(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(_UNUSABLE, f"{self.prog}: error: {_one_line(message)}\n")


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
    except _UnusableError as error:
        _say(f"error: {error}")
        return _UNUSABLE
    except BrokenPipeError:  # who reads, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _UNUSABLE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="keras-oddsig", description="Deep networks of odd, saturating activations in Keras."
    )
    commands = parser.add_subparsers(required=True, metavar="{solve,inspect}")

    solve = commands.add_parser(
        "solve",
        help="scales and predictions for an activation and a depth",
        description="Computes what the initializers would use, and what the theory predicts.",
    )
    solve.set_defaults(run=_solve)
    solve.add_argument(
        "--activation",
        default="tanh",
        help="tanh, erf, arctan, softsign, algebraic, ... (%(default)s)",
    )
    solve.add_argument("--depth", type=int, default=100, help="layers to cross (%(default)s)")
    solve.add_argument("--width", type=int, default=256, help="inputs of a kernel (%(default)s)")
    solve.add_argument(
        "--input-std",
        type=float,
        default=1.0,
        help="standard deviation of the network's inputs (%(default)s: standardized)",
    )
    noise = solve.add_mutually_exclusive_group()
    noise.add_argument(
        "--negative-rate",
        type=float,
        default=0.3,
        help="sign flips to allow at the last layer, between 0 and 0.5 (%(default)s)",
    )
    noise.add_argument("--noise-scale", type=float, help="in place of a negative rate")
    solve.add_argument("--json", action="store_true", help="print a JSON object")

    report = commands.add_parser(
        "inspect",
        help="the signal in a saved model, layer by layer",
        description="Runs a saved model on data and reports on the signal in each layer. The "
        "model is loaded in Keras's safe mode: code in the file is not run.",
    )
    report.set_defaults(run=_inspect)
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
        "--samples", type=int, default=256, help="how many, from the first on (%(default)s)"
    )
    report.add_argument("--plot", type=Path, help="draw the spread by layer into this file")
    report.add_argument("--json", action="store_true", help="print a JSON object")
    return parser


# ----------------------------------------------------------------------------------
# solve
# ----------------------------------------------------------------------------------


def _solve(args: argparse.Namespace) -> int:
    from keras_oddsig import _arguments, _functions, solver

    with _unusable("", ValueError):
        _arguments.integer("depth", args.depth, at_least=1)
        _arguments.integer("width", args.width, at_least=1)
        if args.activation not in _functions.NAMED:
            raise ValueError(
                f"--activation must be one of {', '.join(sorted(_functions.NAMED))}. "
                f"Received: {args.activation!r}"
            )
        function = _functions.NAMED[args.activation]
        noise = args.noise_scale
        if noise is None:
            noise = solver.noise_scale(args.depth, args.negative_rate)
        spread = solver.spread(function.profile, args.depth, noise)
        rate = solver.negative_rate(args.depth, noise)
        point = solver.orthogonal_gain(function.reference, args.depth)
        first = point.first_layer_gain(args.input_std)
    omega, root = function.profile.critical_gain, math.sqrt(args.width)
    numbers = {
        "critical_gain": omega,
        "noise_scale": noise,
        "kernel_noise_std": omega * noise / root,
        "predicted_spread": spread,
        "predicted_negative_rate": rate,
        "orthogonal_gain": point.gain,
        "orthogonal_kernel_std": point.gain * omega / root,
        "orthogonal_spread": point.spread,
        "orthogonal_chi": point.chi,
        "first_layer_gain": first,
    }
    if args.json:
        names = ("activation", "depth", "width", "input_std")
        asked = {name: getattr(args, name) for name in names}
        print(json.dumps({**asked, **numbers}, indent=2, allow_nan=False))
    else:
        title = f"{args.activation}, {args.depth} layers of {args.width} units"
        _print_numbers(title, numbers, args.input_std)
    return _HEALTHY


def _print_numbers(title: str, numbers: dict[str, float], input_std: float) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    # The initializer that uses them, and what each is in words.
    for name, words in {
        "critical_gain": "critical gain, 1 / f'(0)",
        "OddSigmoidInit": "",
        "noise_scale": "  noise scale, kappa / sqrt(L)",
        "kernel_noise_std": "  standard deviation of the kernel's noise",
        "predicted_spread": "  predicted spread at the last layer",
        "predicted_negative_rate": "  predicted negative rate at the last layer",
        "OddSigmoidOrthogonal": "",
        "orthogonal_gain": "  gain, relative to the critical gain",
        "orthogonal_kernel_std": "  standard deviation of the kernel",
        "orthogonal_spread": "  predicted spread at every layer",
        "orthogonal_chi": "  chi, growth of a squared gradient by layer",
        "first_layer_gain": "  gain of the first layer, for inputs of standard deviation "
        f"{input_std:g}",
    }.items():
        if words:
            table.add_row(words, f"{numbers[name]:.5g}")
        else:
            table.add_section()
            table.add_row(Text(name, style="bold"))
    Console().print(table)


# ----------------------------------------------------------------------------------
# inspect
# ----------------------------------------------------------------------------------


def _inspect(args: argparse.Namespace) -> int:
    # What costs nothing is checked first; a model may take minutes.
    if (args.y is None) != (args.loss is None):
        raise _UnusableError("--y and --loss must be given together")
    if args.from_logits and args.loss is None:
        raise _UnusableError("--from-logits must be given with --loss")
    if args.samples < 1:
        raise _UnusableError(f"--samples must be at least 1. Received: {args.samples}")
    data, length = _data(args.data, args.samples)
    y, targets = (None, length) if args.y is None else _array(args.y, args.samples)
    if targets != length:
        raise _UnusableError(
            f"{args.y} must hold a target for each of the {length} inputs of {args.data}. "
            f"Received: {targets}"
        )
    if args.plot is not None:
        _check_picture(args.plot)

    # Keras and its backends print and warn; the standard output is the report's.
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = None if args.loss is None else _loss(args.loss, args.from_logits)
        model = _model(args.model)
        with _unusable(f"{args.model} cannot be run on {args.data}: ", Exception):
            from keras_oddsig.signal import signal_report

            report = signal_report(model, _inputs(model, data, args), y, loss)

    if args.json:
        print(json.dumps(report.to_dict(), indent=2, allow_nan=False))
    report = _printable(report)
    if not args.json:
        report.print()
    if args.plot is not None:
        _draw(report, args.plot)
    if report.healthy:
        _say(f"{args.model} is healthy")
        return _HEALTHY
    _say(f"{args.model} is not healthy: {report.verdict}, from {report.start}. {report.advice}")
    return _UNHEALTHY


def _data(path: Path, samples: int) -> tuple[Any, int]:
    """The first rows of an array, or of several by name, and how many there are."""
    if path.suffix != ".npz":
        return _array(path, samples)
    with _unusable(f"{path} cannot be read as a .npz file: ", Exception):
        if not zipfile.is_zipfile(path):
            raise ValueError("it does not begin as one" if path.is_file() else "it is not a file")
        with np.load(path, allow_pickle=False) as file:
            found = {name: _rows(file[name], samples) for name in file.files}
        lengths = {length for _, length in found.values()}
        if len(lengths) != 1:
            raise ValueError(f"it holds arrays of {sorted(lengths)} samples")
        return {name: array for name, (array, _) in found.items()}, lengths.pop()


def _array(path: Path, samples: int) -> tuple[Any, int]:
    """The first rows of a file of numbers, no more than is needed, and how many there are."""
    with _unusable(f"{path} cannot be read as a .npy file: ", Exception):
        with open(path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ValueError("it does not begin as one")
        return _rows(np.load(path, mmap_mode="r", allow_pickle=False), samples)


def _rows(rows: Any, samples: int) -> tuple[Any, int]:
    """The first rows of an array that is of use, and how many there are."""
    if not isinstance(rows, np.ndarray):
        raise ValueError("it holds more than arrays")
    if rows.dtype.kind not in "biuf":
        raise ValueError(f"it holds {rows.dtype}, not real numbers")
    if rows.ndim == 0 or rows.size == 0:
        raise ValueError(f"it holds no samples, but the shape {rows.shape}")
    array = np.array(rows[:samples])
    if not np.isfinite(array).all():
        raise ValueError("it holds numbers that are not finite")
    return array, len(rows)


def _model(path: Path) -> Any:
    # No directory, no older format and no address that Keras would download from: the safe
    # mode is that of .keras files.
    if not path.is_file():
        raise _UnusableError(f"{path} is not a file")
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise _UnusableError(f"{path} is not a .keras file, or not a whole one")
    keras = _keras()
    # A file may hold anything, and make Keras raise anything.
    with _unusable(f"{path} cannot be loaded as a Keras model: ", Exception):
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        if not isinstance(model, keras.Model):
            raise ValueError(f"it holds no model, but an object of {type(model).__name__}")
    return model


def _keras() -> Any:
    _quiet_tensorflow()
    with _unusable("Keras cannot be imported (KERAS_BACKEND selects its backend): ", Exception):
        import keras

        import keras_oddsig  # noqa: F401  (registers the classes)
    return keras


def _quiet_tensorflow() -> None:
    """TensorFlow's notices would come between the lines of the report."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _loss(name: str, from_logits: bool) -> Any:
    keras = _keras()
    with _unusable("--loss: ", ValueError):
        loss = keras.losses.get(name)
        if not from_logits:
            return loss
        # An instance of a loss is made anew, a function is told at each call.
        made: Any = type(loss) if isinstance(loss, keras.losses.Loss) else loss
        if "from_logits" not in inspect.signature(made).parameters:
            raise ValueError(f"{name} knows no logits")
        return partial(loss, from_logits=True) if made is loss else made(from_logits=True)


def _inputs(model: Any, data: Any, args: argparse.Namespace) -> Any:
    """The data as the model takes them; says what it takes, where the backend would fail."""
    tensors = {tensor.name: tensor for tensor in getattr(model, "inputs", None) or ()}
    if isinstance(getattr(model, "input", None), dict) and len(model.input) == len(tensors):
        # The names under which the model takes them, which need not be those of the tensors.
        tensors = dict(sorted(model.input.items()))
    if isinstance(data, dict) and len(data) == 1 and len(tensors) < 2:
        data = next(iter(data.values()))  # of one input nobody need know the name
    if not isinstance(data, dict):
        if len(tensors) > 1:
            raise _UnusableError(
                f"{args.model} takes {len(tensors)} inputs, and {args.data} holds one: give a "
                f".npz file of {', '.join(tensors)}"
            )
        for tensor in tensors.values():
            _check_shape(tensor, data, args)
        return data
    if not tensors:
        return data  # a class of its own, which may well take a dictionary
    if data.keys() != tensors.keys():
        raise _UnusableError(
            f"{args.model} takes {', '.join(tensors)}, and {args.data} holds {', '.join(data)}"
        )
    for name, tensor in tensors.items():
        _check_shape(tensor, data[name], args, f" as {name}")
    return _keras().tree.pack_sequence_as(model.input, [data[name] for name in tensors])


def _check_shape(tensor: Any, array: Any, args: argparse.Namespace, which: str = "") -> None:
    shapes = tuple(tensor.shape), array.shape
    if len(shapes[0]) == array.ndim and all(
        a in (None, b) for a, b in zip(shapes[0][1:], array.shape[1:], strict=True)
    ):
        return
    wanted, held = (
        " x ".join("any" if size is None else str(size) for size in shape[1:]) or "one number"
        for shape in shapes
    )
    raise _UnusableError(
        f"{args.model} takes samples of {wanted}{which}, and {args.data} holds {held}"
    )


def _check_picture(path: Path) -> None:
    with _unusable(f"{path} cannot be drawn without the extra `plot`: ", ImportError):
        from matplotlib.backend_bases import FigureCanvasBase
    with _unusable(f"{path} cannot be drawn: ", ValueError):
        formats = FigureCanvasBase.get_supported_filetypes()
        if path.suffix[1:].lower() not in formats:
            raise ValueError(f"its name must end in one of {', '.join(sorted(formats))}")
        if not path.absolute().parent.is_dir():
            raise ValueError(f"{path.absolute().parent} is not a directory")


def _draw(report: Any, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    report.plot(figure.subplots())
    with warnings.catch_warnings(), _unusable(f"{path} cannot be written: ", OSError):
        warnings.simplefilter("ignore")  # of letters that the font does not have
        figure.savefig(path, dpi=150)


def _printable(report: Any) -> Any:
    """The report with names that do not steer a terminal: a file may hold any."""
    layers = tuple(replace(layer, name=_one_line(layer.name)) for layer in report.layers)
    start = None if report.start is None else _one_line(report.start)
    return replace(report, layers=layers, start=start)


# ----------------------------------------------------------------------------------
# Messages
# ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _unusable(what: str, *errors: type[Exception]) -> Iterator[None]:
    """Turns the errors into one that says what is of no use, and why."""
    try:
        yield
    except _UnusableError:
        raise
    except errors as error:
        text = (isinstance(error, OSError) and error.strerror) or str(error)
        # Keras quotes the whole config before it comes to the point.
        reason = text.rpartition("Exception encountered: ")[2].strip().partition("\n")[0]
        raise _UnusableError(what + (reason.rstrip(",:") or type(error).__name__)) from error


def _say(message: str) -> None:
    print(f"keras-oddsig: {_one_line(message)}", file=sys.stderr)


def _one_line(message: str) -> str:
    """A message that may quote a file, without what would steer a terminal."""
    line = "".join(c if c.isprintable() else " " for c in message)
    return line if len(line) <= _CHARACTERS else line[:_CHARACTERS] + "…"
