"""Deep networks of odd, saturating activations, trainable without normalization layers.

Names are imported when they are first used, so that `keras_oddsig.solver` needs no
deep-learning backend. The classes register themselves with Keras as soon as both packages
are imported, in either order.
"""

from typing import TYPE_CHECKING, Any

from keras_oddsig import _registration

if TYPE_CHECKING:
    from keras_oddsig import (
        activations,
        callbacks,
        diagnostics,
        initializers,
        plotting,
        solver,
    )
    from keras_oddsig.activations import (
        Algebraic,
        Arctan,
        BipolarSigmoid,
        Erf,
        Gudermannian,
        Langevin,
        OddSigmoid,
        Softsign,
        Tanh,
        get,
    )
    from keras_oddsig.callbacks import ActivationSpread
    from keras_oddsig.diagnostics import LayerSignal, SignalReport, signal_report
    from keras_oddsig.initializers import OddSigmoidInit, OddSigmoidOrthogonal
    from keras_oddsig.plotting import plot_spread
    from keras_oddsig.solver import (
        NotOddSigmoidError,
        OrthogonalGain,
        Profile,
        SpreadProfile,
        fixed_point,
        negative_rate,
        noise_scale,
        orthogonal_gain,
        orthogonal_spread,
        profile_of,
        propagate,
        recurrent_noise_scale,
        recurrent_spread,
        spread,
        stationary_spread,
        surrogate_noise_scale,
    )

__version__ = "0.1.0"

__all__ = [
    "ActivationSpread",
    "Algebraic",
    "Arctan",
    "BipolarSigmoid",
    "Erf",
    "Gudermannian",
    "Langevin",
    "LayerSignal",
    "NotOddSigmoidError",
    "OddSigmoid",
    "OddSigmoidInit",
    "OddSigmoidOrthogonal",
    "OrthogonalGain",
    "Profile",
    "SignalReport",
    "Softsign",
    "SpreadProfile",
    "Tanh",
    "activations",
    "callbacks",
    "diagnostics",
    "fixed_point",
    "get",
    "initializers",
    "negative_rate",
    "noise_scale",
    "orthogonal_gain",
    "orthogonal_spread",
    "plot_spread",
    "plotting",
    "profile_of",
    "propagate",
    "recurrent_noise_scale",
    "recurrent_spread",
    "signal_report",
    "solver",
    "spread",
    "stationary_spread",
    "surrogate_noise_scale",
]


def __getattr__(name: str) -> Any:
    return _registration.load(name, __all__)


def __dir__() -> list[str]:
    return __all__


_registration.install()
