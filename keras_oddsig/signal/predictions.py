"""What the solver expects of each row: spread and negative rate at initialization."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from keras_oddsig import initializers, solver
from keras_oddsig._kernel_initializer import KernelInitializer
from keras_oddsig.activations import OddSigmoid
from keras_oddsig.signal import selection
from keras_oddsig.signal.measurement import Measured
from keras_oddsig.signal.recording import Call
from keras_oddsig.solver.derivatives import LAWS


def initializer_of(call: Call) -> Any:
    """Our initializer of the kernel before an activation, if it was made for that one."""
    activation = None if call.dynamic else call.activation  # a rate of its own comes between
    layer = call.producer
    name = "recurrent_initializer" if isinstance(layer, keras.layers.RNN) else "kernel_initializer"
    initializer = getattr(selection.unwrapped(layer), name, None)
    if activation is None or not isinstance(initializer, KernelInitializer):
        return None
    return initializer if alike(initializer.activation, activation) else None


def _first_gain(call: Call) -> float | None:
    """The gain of a kernel that its initializer takes for the first of a function of few inputs."""
    layer = selection.unwrapped(call.producer)
    kernel = getattr(layer, "kernel", None)
    return None if kernel is None else initializer_of(call).first_gain(kernel.shape)


def alike(one: OddSigmoid, other: OddSigmoid) -> bool:
    """Whether two activations compute the same: a library's tanh is not the backend's own."""
    if _formula(one) == _formula(other):
        return True
    # To the precision of the backend; no two of the named ones agree to 1% there.
    return bool(np.allclose(one.reference(_POINTS), other.reference(_POINTS), rtol=1e-5))


_POINTS: Final = np.linspace(0.1, 4, 16)


def _formula(activation: OddSigmoid) -> tuple[Any, ...]:
    """Equal for activations that compute the same."""
    return activation.unit_reference, activation.amplitude, activation.rate


def _kind(initializer: Any) -> Any:
    """Equal for initializers whose layers make one chain; `None` without a prediction."""
    if initializer is None or getattr(initializer, "bottleneck", None) is not None:
        return None  # what of a signal is in the directions that are kept, none can say
    if isinstance(initializer.input_std, tuple):
        return None  # one number does not say what features of several scales are like
    scale = (
        initializer.effective_noise_scale
        if isinstance(initializer, initializers.OddSigmoidInit)
        else initializer.effective_gain
    )
    return type(initializer), _formula(initializer.activation), scale, initializer.input_dim


Prediction = tuple[float | None, float | None]


def predict(measured: Measured) -> list[Prediction]:
    """Spread and negative rate of each row, by the solver: at initialization.

    A chain of layers of one kind starts from the measured rms of what enters it, which is known
    where that is the output of the row before: behind a sum there is no prediction. Negative
    rates, being relative to the first row, start from that row's.
    """
    found: list[Prediction] = []
    source = measured.source
    entering = source.spread if takes_mean_away(measured.calls[0]) else source.rms
    rms = [entering, *measured.table["rms"]]
    for (kind, _, follows), group in itertools.groupby(
        _links(measured.calls), lambda each: each[0]
    ):
        chain = [call for _, call in group]
        start = len(found)
        recurrent = isinstance(chain[0].producer, keras.layers.RNN)
        entered = rms[start] if follows or recurrent else math.nan
        if kind is None or not 0 < entered < math.inf:
            found += [(None, None)] * len(chain)
        elif recurrent:
            found += [(_state_spread(initializer_of(call)), None) for call in chain]
        else:
            initializer = initializer_of(chain[0])
            first_gain = _first_gain(chain[0])
            spreads = _spreads(initializer, len(chain), rms[start], first_gain)
            rates: list[float | None] = [None] * len(chain)
            before = measured.calls[: start + 1]
            unbroken = all(call.follows and not call.dynamic for call in before)
            if start <= 1 and unbroken and 0 < rms[1] < math.inf:
                rates = _rates(initializer, start + len(chain) - 1, rms[1])[start:]
            found += zip(spreads, rates, strict=True)
    return [
        (spread, rate if math.isfinite(measured_rate) else None)
        for (spread, rate), measured_rate in zip(
            found, measured.table["negative_rate"], strict=True
        )
    ]


def takes_mean_away(call: Call) -> bool:
    """Whether the bias was set for the data, as `tailor` does where a mean would saturate."""
    layer = selection.unwrapped(call.producer)
    start = getattr(layer, "bias_initializer", None)
    return isinstance(start, keras.initializers.Constant) and np.ndim(start.value) > 0


def _links(calls: Sequence[Call]) -> Iterator[tuple[tuple[Any, int, bool], Call]]:
    """Each row with what it shares with its chain: kind, number, whether it follows a row.

    What enters one that does not, as behind a sum, was not measured: it stands alone.
    """
    number = 0
    for before, call in zip([None, *calls], calls, strict=False):
        number += not (call.follows and (before is None or before.follows))
        yield (_kind(initializer_of(call)), number, call.follows), call


def _spreads(
    initializer: Any, depth: int, input_std: float, first_gain: float | None
) -> list[float]:
    """Of a chain of layers, from what enters it; the first kernel's gain may be another."""
    f = initializer.activation.reference
    if isinstance(initializer, initializers.OddSigmoidInit):
        noise = initializer.effective_noise_scale
        if first_gain is not None:
            input_std *= first_gain / math.hypot(1, noise)
        std = solver.propagate(f, depth, noise, input_std).std
    else:
        gain = initializer.effective_gain
        if first_gain is not None:
            input_std *= first_gain / gain
        std = solver.propagate_orthogonal(f, depth, gain, input_std)
    return [float(s) for s in std]


def _rates(initializer: Any, depth: int, input_std: float) -> list[float | None]:
    """Negative rates of the first row and of `depth` more."""
    rates = [0.5] * depth
    if depth and isinstance(initializer, initializers.OddSigmoidInit):
        f = initializer.activation.reference
        signal = solver.propagate(f, depth, initializer.effective_noise_scale, input_std)
        rates = [float(rate) for rate in signal.negative_rate]
    return [0.0, *rates]


def _state_spread(initializer: Any) -> float | None:
    if isinstance(initializer, initializers.OddSigmoidInit):
        profile = initializer.activation.profile
        return float(solver.recurrent_spread(profile, initializer.effective_noise_scale))
    return float(initializer.operating_point.spread)


def predict_derivatives(
    measured: Measured, points: NDArray[Any]
) -> list[tuple[float, float] | None]:
    """Of each row the derivatives by an input that the solver expects, first and second.

    For a chain of one kind that reads the points themselves; its first kernel may have another
    gain, as a rotation or random slopes.
    """
    calls = measured.calls
    unknown: list[tuple[float, float] | None] = [None] * len(calls)
    first, *others = (initializer_of(call) for call in calls)
    inputs = points.shape[1]
    if first is None or _kind(first) is None:
        return unknown
    kind = (_kind(others[0]) if others else None) or _kind(first)
    rest = zip(calls[1:], others, strict=True)
    alike = itertools.takewhile(lambda each: each[0].follows and _kind(each[1]) == kind, rest)
    depth = 1 + sum(1 for _ in alike)
    made = others[0] if depth > 1 else first
    rotation = isinstance(first, initializers.OddSigmoidOrthogonal)
    gain = _first_gain(calls[0])
    if gain is None and rotation and _kind(first) != kind:
        gain = first.effective_gain
    if isinstance(made, initializers.OddSigmoidOrthogonal):
        if not rotation and gain is None:  # an identity before rotations: not computed
            return unknown
        solve: Any = solver.derivatives_orthogonal
        scale = made.effective_gain
    else:
        solve, scale = solver.derivatives_diagonal, made.effective_noise_scale
        points = points[:: math.ceil(len(points) * depth * inputs / LAWS)]
    try:
        f = made.activation.reference
        axes = [solve(f, depth, scale, points, axis, gain) for axis in range(inputs)]
    except ValueError:  # of an order below 2, or without any noise
        return unknown
    squares = [np.mean([getattr(d, n) ** 2 for d in axes], axis=0) for n in ("first", "second")]
    found = [(float(a), float(b)) for a, b in np.sqrt(squares).T]
    return [*found, *unknown[depth:]]
