"""The competitors: what the input kernel and the recurrent one of a layer are drawn from.

Everything else, the biases and the output layer among it, is as Keras has it, and the same for all.
Nothing here builds a network or knows a task.
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
    """What an initializer may know."""

    steps: int
    seed: keras.random.SeedGenerator


Maker = Callable[[Setting], Any]


@dataclass(frozen=True)
class Method:
    """One competitor.

    Attributes:
        says: What the page says of it.
        kernel, recurrent: The initializers; None leaves Keras's.
        ours: Whether it is of this package.
        centred: Whether the bias takes the data's mean away, at each step.
        tailored: Whether to call `ko.tailor` on the network and its training data.
    """

    says: str
    kernel: Maker | None = None
    recurrent: Maker | None = None
    ours: bool = False
    centred: bool = False
    tailored: bool = False


def _rotation(gates: int) -> Maker:
    return lambda s: ko.OddSigmoidOrthogonal("tanh", s.steps, gates=gates, seed=s.seed)


def _diagonal(gates: int) -> Maker:
    return lambda s: ko.OddSigmoidInit(
        "tanh", noise_scale=ko.recurrent_noise_scale(s.steps), gates=gates, seed=s.seed
    )


def _orthogonal(s: Setting) -> Any:
    return KI.Orthogonal(seed=s.seed)


KERAS = "keras"  # the one that the others are compared with
_DEFAULT = Method("Keras's default: kernel `GlorotUniform`, recurrent `Orthogonal`")

METHODS: dict[str, dict[str, Method]] = {
    "SimpleRNN": {
        KERAS: _DEFAULT,
        "glorot": Method(
            "recurrent `GlorotUniform`", recurrent=lambda s: KI.GlorotUniform(seed=s.seed)
        ),
        "identity": Method(
            "recurrent `Identity`, as in the IRNN", recurrent=lambda s: KI.Identity()
        ),
        "fixed .085": Method(
            "recurrent identity plus noise of .085 (ICLR 2025)",
            recurrent=lambda s: FixedNoise(s.seed),
        ),
        "orthogonal": Method("both `Orthogonal`: our input kernel alone", kernel=_orthogonal),
        "rotation": Method(
            "kernel `Orthogonal`, recurrent `OddSigmoidOrthogonal(steps)`: the advised recipe",
            _orthogonal,
            _rotation(1),
            ours=True,
        ),
        # Tried with seeds from 100 on, after `tailor` had lost where the inputs are one-hot.
        "rotation, centred": Method(
            "*rotation*, with a bias that takes the data's mean away, as `tailor` sets it",
            _orthogonal,
            _rotation(1),
            ours=True,
            centred=True,
        ),
        "diagonal": Method(
            "kernel `Orthogonal`, recurrent `OddSigmoidInit` with `recurrent_noise_scale(steps)`",
            _orthogonal,
            _diagonal(1),
            ours=True,
        ),
        "tailored": Method("`ko.tailor(model, x)`", ours=True, tailored=True),
    },
    "LSTM": {
        KERAS: _DEFAULT,
        "rotations": Method(
            "both kernels `OddSigmoidOrthogonal(steps, gates=4)`",
            _rotation(4),
            _rotation(4),
            ours=True,
        ),
        "rotations, recurrent": Method(
            "recurrent `OddSigmoidOrthogonal(steps, gates=4)`", recurrent=_rotation(4), ours=True
        ),
        "diagonal": Method(
            "recurrent `OddSigmoidInit(gates=4)` with `recurrent_noise_scale(steps)`",
            recurrent=_diagonal(4),
            ours=True,
        ),
    },
}
# Ours that the claims begin with; docs/guides/initializers.md advises the first.
ADVISED = {"SimpleRNN": "rotation", "LSTM": "rotations"}
CALLED = {"SimpleRNN": "as advised, ", "LSTM": "in all gates, "}
