"""`keras-oddsig solve`: what the initializers would use, and what the theory predicts.

No backend is imported here.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras_oddsig.cli.messages import HEALTHY, unusable

if TYPE_CHECKING:
    from keras_oddsig.solver import OrthogonalGain


def solve(args: argparse.Namespace) -> int:
    from keras_oddsig import _arguments, _functions, solver

    with unusable("", ValueError):
        _arguments.integer("--depth", args.depth, at_least=1)
        _arguments.integer("--width", args.width, at_least=1)
        _arguments.input_std("--input-std", args.input_std)
        _arguments.real("--negative-rate", args.negative_rate, above=0, below=0.5)
        if args.noise_scale is not None:
            _arguments.real("--noise-scale", args.noise_scale, at_least=0)
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
        if args.inputs is not None and not 1 <= args.inputs <= 8:
            raise ValueError(f"--inputs must be from 1 to 8. Received: {args.inputs}")
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
    if args.inputs is not None:
        numbers |= _derivatives(function.reference, args.depth, args.inputs, noise, point, first)
        numbers["smooth_gain"] = solver.smooth_gain(args.depth)
    if args.json:
        names = ("activation", "depth", "width", "input_std")
        asked = {name: getattr(args, name) for name in names}
        print(json.dumps({**asked, **numbers}, indent=2, allow_nan=False))
    else:
        title = f"{args.activation}, {args.depth} layers of {args.width} units"
        _print_numbers(title, numbers, args.input_std)
    return HEALTHY


def _derivatives(
    function: Callable[[Any], Any],
    depth: int,
    inputs: int,
    noise: float,
    point: OrthogonalGain,
    first_gain: float,
) -> dict[str, float]:
    """Of the kernels that know the number of inputs (smooth), and of those that do not.

    Root mean squares at the last layer, over inputs and 64 points spread over the domain; of the
    diagonal kernel every so many, for a second of work.
    """
    from scipy.stats import qmc

    from keras_oddsig import solver
    from keras_oddsig.solver.derivatives import LAWS

    points = 2 * qmc.Sobol(inputs, seed=0).random(64) - 1
    few = points[:: math.ceil(len(points) * depth * inputs / LAWS)]
    axes, gain, smooth_gain = range(inputs), point.gain, solver.smooth_gain(depth)
    slopes = math.sqrt(inputs)  # the gain of entries of standard deviation omega
    with unusable("--depth: ", ValueError, MemoryError):
        found = {
            "diagonal": [
                solver.derivatives_diagonal(function, depth, noise, few, axis) for axis in axes
            ],
            "orthogonal": [
                solver.derivatives_orthogonal(function, depth, gain, points, axis, first_gain)
                for axis in axes
            ],
            "smooth": [
                solver.derivatives_orthogonal(function, depth, smooth_gain, points, axis, slopes)
                for axis in axes
            ],
        }
    return {
        f"{kernel}_{order}_derivative": math.sqrt(
            sum(getattr(each, order)[-1] ** 2 for each in by_axis) / inputs
        )
        for kernel, by_axis in found.items()
        for order in ("first", "second")
    }


def _print_numbers(title: str, numbers: dict[str, float], input_std: float) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    # The initializer that uses them, and what each is in words.
    rows = {
        "critical_gain": "critical gain, 1 / f'(0)",
        "OddSigmoidInit": "",
        "noise_scale": "  noise scale, kappa / sqrt(L)",
        "kernel_noise_std": "  standard deviation of the kernel's noise",
        "predicted_spread": "  predicted spread at the last layer",
        "predicted_negative_rate": "  predicted negative rate at the last layer",
        "diagonal_first_derivative": "  predicted first derivative by an input, there",
        "diagonal_second_derivative": "  predicted second derivative",
        "OddSigmoidOrthogonal": "",
        "orthogonal_gain": "  gain, relative to the critical gain",
        "orthogonal_kernel_std": "  standard deviation of the kernel",
        "orthogonal_spread": "  predicted spread at every layer",
        "orthogonal_chi": "  chi, growth of a squared gradient by layer",
        "first_layer_gain": "  gain of the first layer, for inputs of standard deviation "
        f"{input_std:g}",
        "orthogonal_first_derivative": "  predicted first derivative by an input, behind that one",
        "orthogonal_second_derivative": "  predicted second derivative",
    }
    if "smooth_gain" in numbers:
        rows |= {
            "OddSigmoidOrthogonal with input_dim": "",
            "smooth_gain": "  gain, relative to the critical gain",
            "smooth_first_derivative": "  predicted first derivative by an input, there",
            "smooth_second_derivative": "  predicted second derivative",
        }
    for name, words in rows.items():
        if words and name not in numbers:
            continue
        if words:
            table.add_row(words, f"{numbers[name]:.5g}")
        else:
            table.add_section()
            table.add_row(Text(name, style="bold"))
    Console().print(table)
