"""What the solver expects of each row: spread and negative rate at initialization."""

from __future__ import annotations

import itertools
import math
from typing import Any, Final

import keras
import numpy as np

from keras_oddsig import initializers, solver
from keras_oddsig.activations import OddSigmoid
from keras_oddsig.signal import selection
from keras_oddsig.signal.measurement import Measured
from keras_oddsig.signal.recording import Call


def initializer_of(call: Call) -> Any:
    """Our initializer of the kernel before an activation, if it was made for that one."""
    activation = call.activation
    layer = call.producer
    name = "recurrent_initializer" if isinstance(layer, keras.layers.RNN) else "kernel_initializer"
    initializer = getattr(selection.wrapped(layer) or layer, name, None)
    if activation is None or not isinstance(initializer, initializers.KernelInitializer):
        return None
    return initializer if _same(initializer.activation, activation) else None


def _same(one: OddSigmoid, other: OddSigmoid) -> bool:
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
    scale = (
        initializer.effective_noise_scale
        if isinstance(initializer, initializers.OddSigmoidInit)
        else initializer.effective_gain
    )
    return type(initializer), _formula(initializer.activation), scale


Prediction = tuple[float | None, float | None]


def predict(measured: Measured) -> list[Prediction]:
    """Spread and negative rate of each row, by the solver: at initialization.

    A chain of layers of one kind starts from the measured rms of what enters it. Negative
    rates, being relative to the first row, start from that row's.
    """
    found: list[Prediction] = []
    kinds = [(_kind(initializer_of(call)), call) for call in measured.calls]
    rms = [measured.source.rms, *measured.table["rms"]]
    for kind, group in itertools.groupby(kinds, key=lambda pair: pair[0]):
        chain = [call for _, call in group]
        start = len(found)
        if kind is None or not 0 < rms[start] < math.inf:
            found += [(None, None)] * len(chain)
        elif isinstance(chain[0].producer, keras.layers.RNN):
            found += [(_state_spread(initializer_of(call)), None) for call in chain]
        else:
            initializer = initializer_of(chain[0])
            spreads = _spreads(initializer, len(chain), rms[start])
            rates: list[float | None] = [None] * len(chain)
            if start <= 1 and 0 < rms[1] < math.inf:
                rates = _rates(initializer, start + len(chain) - 1, rms[1])[start:]
            found += zip(spreads, rates, strict=True)
    return [
        (spread, rate if math.isfinite(measured_rate) else None)
        for (spread, rate), measured_rate in zip(
            found, measured.table["negative_rate"], strict=True
        )
    ]


def _spreads(initializer: Any, depth: int, input_std: float) -> list[float]:
    f = initializer.activation.reference
    if isinstance(initializer, initializers.OddSigmoidInit):
        std = solver.propagate(f, depth, initializer.effective_noise_scale, input_std).std
    else:
        std = solver.propagate_orthogonal(f, depth, initializer.effective_gain, input_std)
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
