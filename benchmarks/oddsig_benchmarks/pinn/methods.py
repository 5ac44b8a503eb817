"""The competitors: an initializer for the first kernel, the hidden ones, and the output's.

Each draws a kernel when it is called with the kernel's shape `(m, n)`, as in a Keras layer.
Biases are zero. Nothing here builds a network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

import keras_oddsig as ko

from ..fixed_noise import FixedNoise

KI = keras.initializers


@dataclass(frozen=True)
class Setting:
    """What an initializer may know of the network, and its seeds."""

    depth: int
    inputs: int
    input_std: float
    seed: keras.random.SeedGenerator


Maker = Callable[[Setting], Any]


@dataclass(frozen=True)
class Method:
    """One competitor.

    Attributes:
        family: What the report groups by: "standard" (Keras's own), "paper" (fixed .085),
            "few inputs" (ours, with `input_dim`), "tailored" (the same by `ko.tailor`),
            "candidate" (tried before that was decided),
            "diagonal" and "rotation" (ours without, by the kernel), "structure" (changes the
            network).
        first, hidden, output: The makers of the initializers.
        structure: Of `networks.STRUCTURES`.
        tailored: Whether to call `ko.tailor` on the network and its points, in the end.
    """

    family: str
    first: Maker
    hidden: Maker
    output: Maker
    structure: str = "plain"
    tailored: bool = False


def _everywhere(family: str, make: Maker, structure: str = "plain", **options: Any) -> Method:
    return Method(family, make, make, make, structure, **options)


def _slopes_of(std: float) -> Maker:
    """Random slopes: no two units of the first layer are alike."""
    return lambda s: KI.RandomNormal(stddev=std, seed=s.seed)


_slopes = _slopes_of(1.0)


def _glorot(s: Setting) -> Any:
    return KI.GlorotUniform(seed=s.seed)


def _fixed(s: Setting) -> Any:
    return FixedNoise(s.seed, by_outputs=False)


def _diagonal(rate: float) -> Maker:
    return lambda s: ko.OddSigmoidInit("tanh", s.depth, negative_rate=rate, seed=s.seed)


def _rotation(gain: float | None = None) -> Maker:
    return lambda s: ko.OddSigmoidOrthogonal("tanh", s.depth, gain=gain, seed=s.seed)


def _scaled(s: Setting) -> Any:
    return ko.OddSigmoidOrthogonal("tanh", s.depth, input_std=s.input_std, seed=s.seed)


def _rotation_by_depth(c: float) -> Maker:
    """The gain 1 + c / depth: over the depth squares grow by exp(2 c)."""
    return lambda s: ko.OddSigmoidOrthogonal("tanh", s.depth, gain=1 + c / s.depth, seed=s.seed)


def _candidate(std: float, hidden: Maker, output: Maker) -> Method:
    return Method("candidate", _slopes_of(std), hidden, output)


def _rotation_of_few(s: Setting) -> Any:
    return ko.OddSigmoidOrthogonal("tanh", s.depth, input_dim=s.inputs, seed=s.seed)


def _diagonal_of_few(s: Setting) -> Any:
    return ko.OddSigmoidInit("tanh", s.depth, input_dim=s.inputs, seed=s.seed)


_SCALED = ko.Tanh(amplitude=2.0, rate=0.5)


def _rotation_of_few_scaled(s: Setting) -> Any:
    return ko.OddSigmoidOrthogonal(_SCALED, s.depth, input_dim=s.inputs, seed=s.seed)


def _diagonal_of_few_scaled(s: Setting) -> Any:
    return ko.OddSigmoidInit(_SCALED, s.depth, input_dim=s.inputs, seed=s.seed)


METHODS: dict[str, Method] = {
    # What the package recommends here: one initializer for all kernels, first and last.
    "few inputs, rotation": _everywhere("few inputs", _rotation_of_few),
    "few inputs, diagonal": _everywhere("few inputs", _diagonal_of_few),
    # The same with another activation.
    **{
        f"few inputs, {kernel}, {label}": _everywhere("few inputs", make, structure)
        for kernel, label, make, structure in (
            ("rotation", "2 tanh(x/2)", _rotation_of_few_scaled, "scaled"),
            ("diagonal", "2 tanh(x/2)", _diagonal_of_few_scaled, "scaled"),
            ("rotation", "trainable rates", _rotation_of_few, "trainable rate"),
            ("diagonal", "trainable rates", _diagonal_of_few, "trainable rate"),
        )
    },
    "glorot uniform": _everywhere("standard", _glorot),
    "glorot normal": _everywhere("standard", lambda s: KI.GlorotNormal(seed=s.seed)),
    "he normal": _everywhere("standard", lambda s: KI.HeNormal(seed=s.seed)),
    "lecun normal": _everywhere("standard", lambda s: KI.LecunNormal(seed=s.seed)),
    "orthogonal": _everywhere("standard", lambda s: KI.Orthogonal(seed=s.seed)),
    "fixed .085, by outputs": _everywhere("paper", lambda s: FixedNoise(s.seed)),
    "fixed .085, by inputs": _everywhere("paper", _fixed),
    # An identity into one unit passes the first of its inputs: is it the output that hurts?
    "fixed .085, by inputs, glorot": Method("paper", _fixed, _fixed, _glorot),
    **{
        f"diagonal {label}": _everywhere("diagonal", _diagonal(rate))
        for label, rate in {".03": 0.03, ".1": 0.1, ".2": 0.2, ".3": 0.3}.items()
    },
    "slopes, diagonal .1": Method("diagonal", _slopes, _diagonal(0.1), _diagonal(0.1)),
    "slopes, diagonal .1, glorot": Method("diagonal", _slopes, _diagonal(0.1), _glorot),
    "rotation": _everywhere("rotation", _rotation()),
    "rotation, scaled first": Method("rotation", _scaled, _rotation(), _rotation()),
    "rotation, scaled first, glorot": Method("rotation", _scaled, _rotation(), _glorot),
    "rotation 1": _everywhere("rotation", _rotation(1.0)),
    "rotation 1.05": _everywhere("rotation", _rotation(1.05)),
    "rotation 1.1": _everywhere("rotation", _rotation(1.1)),
    "slopes, rotation 1": Method("rotation", _slopes, _rotation(1.0), _rotation(1.0)),
    "glorot + layernorm": _everywhere("structure", _glorot, "layernorm"),
    "glorot + residual": _everywhere("structure", _glorot, "residual"),
    "glorot, factorized": _everywhere("structure", _glorot, "factorized"),
    "glorot, pirate": _everywhere("structure", _glorot, "pirate"),
    # One call for the whole network as Keras makes it, which is told nothing but the points.
    "tailored": _everywhere("tailored", _glorot, tailored=True),
    "tailored + residual": _everywhere("structure", _glorot, "residual", tailored=True),
}
# What `input_dim` was chosen from, on seeds of their own; in no grid unless they are named.
METHODS |= {
    **{
        f"slopes {std}, rotation c {c}": _candidate(
            std, _rotation_by_depth(c), _rotation_by_depth(c)
        )
        for std, c in ((1, 0), (1, 0.5), (1, 1), (1, 1.5), (1, 2), (1, 3), (2, 0), (2, 1))
    },
    **{
        f"slopes 1, rotation c {c}, glorot": _candidate(1, _rotation_by_depth(c), _glorot)
        for c in (0, 1)
    },
    **{
        f"slopes {std}, diagonal {rate}, rotation": _candidate(
            std, _diagonal(rate), _rotation_by_depth(0)
        )
        for std, rate in ((1, 0.1), (2, 0.1), (1, 0.03))
    },
}
