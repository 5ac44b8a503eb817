"""`keras-oddsig tailor`: a saved model, initialized, into another file.

What is done to it is `keras_oddsig.tailoring`'s; how files are read, `files`'.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_oddsig import _arguments
from keras_oddsig.cli.files import data_of, inputs_of, model_of
from keras_oddsig.cli.messages import (
    HEALTHY,
    UNHEALTHY,
    UnusableError,
    one_line,
    say,
    unusable,
)


def tailor_model(args: argparse.Namespace) -> int:
    # What costs nothing is checked first; a model may take minutes.
    _check_output(args)
    if args.samples < 1:
        raise UnusableError(f"--samples must be at least 1. Received: {args.samples}")
    with unusable("", ValueError):
        if args.depth is not None:
            _arguments.integer("--depth", args.depth, at_least=1)
        if args.seed is not None:
            _arguments.seed("--seed", args.seed)
    data = None if args.data is None else data_of(args.data, args.samples)[0]

    # Keras and its backends print and warn; the standard output is the report's.
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = model_of(args.model)
        with unusable(f"{args.model} cannot be tailored: ", Exception):
            from keras_oddsig.tailoring import tailor

            x = None if data is None else inputs_of(model, data, args)
            depth = "auto" if args.depth is None else args.depth
            report = tailor(
                model, x, method=args.method, depth=depth, dry_run=args.dry_run, seed=args.seed
            )
        changed = report.tailored or report.rated
        if changed and not args.dry_run:
            _save(model, args.output)

    if args.json:
        print(json.dumps(report.to_dict(), indent=2, allow_nan=False))
    else:
        _printable(report).print()
    if not (changed or (args.dry_run and report.rates)):
        say(f"{args.model} has no kernel for `tailor`: nothing is written")
        return UNHEALTHY
    if not args.dry_run:
        say(f"{args.output} is written")
    return HEALTHY


def _check_output(args: argparse.Namespace) -> None:
    if args.output is None:
        if args.dry_run:
            return
        raise UnusableError("-o must be given, or --dry-run")
    if args.output.suffix != ".keras":
        raise UnusableError(f"-o must name a .keras file. Received: {args.output}")
    if args.output.exists() and not args.overwrite:
        raise UnusableError(f"{args.output} exists: name another file, or give --overwrite")
    if not args.output.absolute().parent.is_dir():
        raise UnusableError(f"{args.output.absolute().parent} is not a directory")


def _save(model: Any, path: Path) -> None:
    """Writes beside the file first: whoever stops it half-way keeps what was there."""
    with unusable(f"{path} cannot be written: ", Exception):
        folder = path.absolute().parent
        with tempfile.TemporaryDirectory(dir=folder, prefix=".tailor-") as beside:
            whole = Path(beside) / path.name
            model.save(whole)
            os.replace(whole, path)


def _printable(report: Any) -> Any:
    """The report with names that do not steer a terminal: a file may hold any."""
    kernels = tuple(
        replace(row, layer=one_line(row.layer), reason=one_line(row.reason))
        for row in report.kernels
    )
    rates = tuple(replace(row, layer=one_line(row.layer)) for row in report.rates)
    return replace(report, kernels=kernels, rates=rates)
