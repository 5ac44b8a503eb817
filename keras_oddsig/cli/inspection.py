"""`keras-oddsig inspect`: a report on the signal in a saved model.

What is made of it is `signal`'s; how files are read, `files`'.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import shlex
import sys
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from keras_oddsig.cli.files import array_of, data_of, inputs_of, keras_module, model_of
from keras_oddsig.cli.messages import (
    HEALTHY,
    UNHEALTHY,
    UnusableError,
    one_line,
    say,
    unusable,
)


def inspect_model(args: argparse.Namespace) -> int:
    # What costs nothing is checked first; a model may take minutes.
    if (args.y is None) != (args.loss is None):
        raise UnusableError("--y and --loss must be given together")
    if args.from_logits and args.loss is None:
        raise UnusableError("--from-logits must be given with --loss")
    if args.samples < 1:
        raise UnusableError(f"--samples must be at least 1. Received: {args.samples}")
    data, length = data_of(args.data, args.samples)
    y, targets = (None, length) if args.y is None else array_of(args.y, args.samples)
    if targets != length:
        raise UnusableError(
            f"{args.y} must hold a target for each of the {length} inputs of {args.data}. "
            f"Received: {targets}"
        )
    if args.plot is not None:
        _check_picture(args.plot)

    # Keras and its backends print and warn; the standard output is the report's.
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = None if args.loss is None else _loss(args.loss, args.from_logits)
        model = model_of(args.model)
        with unusable(f"{args.model} cannot be run on {args.data}: ", Exception):
            from keras_oddsig.signal import signal_report
            from keras_oddsig.signal.advice import TAILOR

            x = inputs_of(model, data, args)
            report = signal_report(model, x, y, loss, derivatives=args.derivatives or None)
    # Who has a file has a command.
    report = replace(report, advice=report.advice.replace(TAILOR, _tailor(args)))

    if args.json:
        print(json.dumps(report.to_dict(), indent=2, allow_nan=False))
    report = _printable(report)
    if not args.json:
        report.print()
    if args.plot is not None:
        _draw(report, args.plot)
    if report.healthy:
        say(f"{args.model} is healthy")
        return HEALTHY
    what = f"{args.model} is not healthy: {report.verdict}, from {report.start}. "
    say(what + report.advice, characters=len(what) + len(report.advice))  # a command is told whole
    return UNHEALTHY


def _tailor(args: argparse.Namespace) -> str:
    """The command that does to a model's file what the advice does to a model."""
    model, data = (shlex.quote(str(path)) for path in (args.model, args.data))
    return f"keras-oddsig tailor {model} --data {data} -o tailored.keras"


def _loss(name: str, from_logits: bool) -> Any:
    keras = keras_module()
    with unusable("--loss: ", ValueError):
        loss = keras.losses.get(name)
        if not from_logits:
            return loss
        # An instance of a loss is made anew, a function is told at each call.
        made: Any = type(loss) if isinstance(loss, keras.losses.Loss) else loss
        if "from_logits" not in inspect.signature(made).parameters:
            raise ValueError(f"{name} knows no logits")
        return partial(loss, from_logits=True) if made is loss else made(from_logits=True)


def _check_picture(path: Path) -> None:
    with unusable(f"{path} cannot be drawn without the extra `plot`: ", ImportError):
        from matplotlib.backend_bases import FigureCanvasBase
    with unusable(f"{path} cannot be drawn: ", ValueError):
        formats = FigureCanvasBase.get_supported_filetypes()
        if path.suffix[1:].lower() not in formats:
            raise ValueError(f"its name must end in one of {', '.join(sorted(formats))}")
        if not path.absolute().parent.is_dir():
            raise ValueError(f"{path.absolute().parent} is not a directory")


def _draw(report: Any, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    report.plot(figure.subplots())
    with warnings.catch_warnings(), unusable(f"{path} cannot be written: ", OSError):
        warnings.simplefilter("ignore")  # of letters that the font does not have
        figure.savefig(path, dpi=150)


def _printable(report: Any) -> Any:
    """The report with names that do not steer a terminal: a file may hold any."""
    layers = tuple(replace(layer, name=one_line(layer.name)) for layer in report.layers)
    start = None if report.start is None else one_line(report.start)
    return replace(report, layers=layers, start=start)
