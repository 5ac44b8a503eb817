"""Deep networks of odd, saturating activations, trainable without normalization layers.

Names are imported when they are first used, so that `keras_oddsig.solver` needs no
deep-learning backend. The classes register themselves with Keras as soon as both packages
are imported, in either order.
"""

from typing import TYPE_CHECKING, Any

from keras_oddsig import _registration

if TYPE_CHECKING:
    # `as`, for `__all__` does not hold them.
    from keras_oddsig import activations as activations
    from keras_oddsig import callbacks as callbacks
    from keras_oddsig import diagnostics as diagnostics
    from keras_oddsig import initializers as initializers
    from keras_oddsig import layers as layers
    from keras_oddsig import plotting as plotting
    from keras_oddsig import solver as solver
    from keras_oddsig import tailoring as tailoring
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
    from keras_oddsig.initializers import OddSigmoidInit, OddSigmoidOrthogonal
    from keras_oddsig.layers import (
        DynamicErf,
        DynamicOddSigmoid,
        DynamicTanh,
        LayerStack,
        replace_normalization,
    )
    from keras_oddsig.plotting import plot_spread
    from keras_oddsig.signal import LayerSignal, SignalReport, signal_report
    from keras_oddsig.solver import (
        Derivatives,
        NotOddSigmoidError,
        OrthogonalGain,
        Profile,
        SpreadProfile,
        derivatives_diagonal,
        derivatives_orthogonal,
        fixed_point,
        negative_rate,
        noise_scale,
        orthogonal_gain,
        orthogonal_spread,
        profile_of,
        propagate,
        propagate_orthogonal,
        recurrent_noise_scale,
        recurrent_spread,
        smooth_gain,
        spread,
        stationary_spread,
        surrogate_noise_scale,
    )
    from keras_oddsig.tailoring import TailoredKernel, TailoredRate, TailorReport, tailor

__version__ = "0.1.0"

# Without the modules: `from keras_oddsig import *` would put them in the place of Keras's own
# `activations`, `callbacks` and `initializers`.
__all__ = [
    "ActivationSpread",
    "Algebraic",
    "Arctan",
    "BipolarSigmoid",
    "Derivatives",
    "DynamicErf",
    "DynamicOddSigmoid",
    "DynamicTanh",
    "Erf",
    "Gudermannian",
    "Langevin",
    "LayerSignal",
    "LayerStack",
    "NotOddSigmoidError",
    "OddSigmoid",
    "OddSigmoidInit",
    "OddSigmoidOrthogonal",
    "OrthogonalGain",
    "Profile",
    "SignalReport",
    "Softsign",
    "SpreadProfile",
    "TailorReport",
    "TailoredKernel",
    "TailoredRate",
    "Tanh",
    "derivatives_diagonal",
    "derivatives_orthogonal",
    "fixed_point",
    "get",
    "negative_rate",
    "noise_scale",
    "orthogonal_gain",
    "orthogonal_spread",
    "plot_spread",
    "profile_of",
    "propagate",
    "propagate_orthogonal",
    "recurrent_noise_scale",
    "recurrent_spread",
    "replace_normalization",
    "signal_report",
    "smooth_gain",
    "spread",
    "stationary_spread",
    "surrogate_noise_scale",
    "tailor",
]


def __getattr__(name: str) -> Any:
    return _registration.load(name, __all__)


def __dir__() -> list[str]:
    return _registration.listed(__all__)


_registration.install()
