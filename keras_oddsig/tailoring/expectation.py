"""What the solver expects of kernels that have their initializers: sizes before and behind.

Here belongs the arithmetic of mean squares through a graph. Which initializer a kernel gets is
`plan`'s, and what a run shows `calibration`'s.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from keras_oddsig import initializers, solver
from keras_oddsig.activations import OddSigmoid
from keras_oddsig.tailoring import streams
from keras_oddsig.tailoring.choice import Fitting, rounded
from keras_oddsig.tailoring.graph import KNOWN_KINDS, Graph, kind_of
from keras_oddsig.tailoring.trace import Step


def expect(
    fittings: Sequence[Fitting],
    graph: Graph,
    measured: Mapping[Step, float],
    steady: Mapping[Step, float],
    hold: bool,
) -> None:
    """Sets what is expected of rotations, by the mean-field equation of the solver.

    Args:
        fittings: Of all kernels, of which `predicted` and `goal` are set.
        graph: The kernels' places.
        measured: Root mean squares of data, as far as they are known; of others 1 is assumed.
        steady: Mean squares where every activation has the spread that its kernels keep up.
        hold: Whether kernels will be measured, and held to the size that is expected.
    """
    by_layer = {id(f.kernel.layer): f for f in fittings if f.kernel.role == "main"}
    places = {place.step: place for place in graph.places}
    ends = {p.end: p.activation for p in graph.places if p.activation is not None}
    outputs: dict[Step, float] = {}

    def square(step: Step, read: list[float]) -> float | None:
        if step in measured or step.enters:
            return measured.get(step, 1.0) ** 2
        if streams.is_dynamic(step):
            return 1.0  # as its gamma makes it
        place = places.get(step)
        if place is not None:
            fitting = by_layer.get(id(place.layer))
            known = read[0]
            if hold and not math.isfinite(known):
                # Behind a pool or a gate, or a kernel of which nothing is known: what it is made
                # for, and will be held to.
                known = steady[place.step.inputs[0]]
            outputs[step] = _output(fitting, known)
        entering = outputs.get(step, read[0])
        activation = ends.get(step)
        if activation is not None:
            return _activated(activation.function, entering)
        if place is not None:
            return entering
        seen = kind_of(step) in KNOWN_KINDS and not _POOLING.search(type(step.operation).__name__)
        return None if seen else math.nan

    squares = graph.fold(square)
    for fitting in fittings:
        place = fitting.place
        if fitting.initializer is not None and place is not None and place.activation is not None:
            fitting.predicted = _root(squares[place.end])
    for step, size in outputs.items():
        held = by_layer.get(id(places[step].layer))
        outliers = held is not None and held.inputs is not None and held.inputs.heavy
        if hold and held is not None and held.goal is None and not outliers:
            held.goal = _root(size)  # of several calls the first's


# What becomes of a signal there is not computed: both take means, of how many equal numbers?
_POOLING: Final = re.compile("Pool|Attention")


def _root(square: float) -> float | None:
    return math.sqrt(square) if 0 < square < math.inf else None


def _output(fitting: Fitting | None, read: float) -> float:
    """The mean square of what a kernel makes of what it reads, before an activation."""
    if fitting is None:
        return math.nan
    return _growth(fitting) * (read if fitting.inputs is None else fitting.inputs.std**2)


def _growth(fitting: Fitting) -> float:
    """By how much a kernel multiplies the mean square of what it reads; NaN if not known."""
    initializer = fitting.initializer
    if not isinstance(initializer, initializers.OddSigmoidOrthogonal):
        return math.nan
    gain = initializer.first_gain(tuple(fitting.kernel.variable.shape))
    if gain is None:
        gain = initializer.effective_gain
    omega = float(initializer.activation.profile.critical_gain)
    if initializer.bottleneck is not None:
        return math.nan  # what of a signal is in the directions that are kept, none can say
    return (gain * omega) ** 2


def _activated(function: OddSigmoid, square: float) -> float:
    """The mean square behind an activation of Gaussian numbers."""
    if not 0 < square < math.inf:
        return math.nan
    # To four digits, so that what a deep network settles at is computed once.
    unit = _unit_square(function.unit_reference, rounded(square * function.rate**2))
    return function.amplitude**2 * unit


@functools.lru_cache(maxsize=1024)
def _unit_square(reference: solver.Function, square: float) -> float:
    gain = 1 / solver.profile_of(reference).critical_gain  # by which the solver multiplies it
    std = solver.propagate_orthogonal(reference, 1, gain, math.sqrt(square))
    return float(std[0] ** 2)
