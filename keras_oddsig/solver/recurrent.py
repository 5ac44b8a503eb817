"""One noisy kernel for all steps of a recurrent network.

Its noise scale and its spread belong here, by closed forms fitted to sampled networks. Layers
that each have their own noise are in `calibration` and `diffusion`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from keras_oddsig import _arguments
from keras_oddsig.solver.profile import Profile, check_profile

# A recurrent kernel meets the state with the same noise at each step, so that its kicks add
# up like t and not like sqrt(t): the steps become time steps of dv/dt = -sgn(v)|v|^r + G v,
# G_ij ~ N(0, 1/m), at the time steps * noise_scale, in which f has scaled out but for r.
# Sampled from infinity (m = 1000, 6 matrices, 48 states each, standard error .006 in p):
#
#   time     1.0   1.5   2.0   2.5   3.0   4.0   5.0
#   p, r=2  .074  .176  .260  .323  .368  .422  .461      S  1.07  .82  .73  .69  .68  .69  .70
#   p, r=3  .082  .184  .265  .321  .362  .414  .446      S   .74  .68  .67  .69  .71  .74  .75
#   p, r=4  .086  .189  .265  .319  .358  .407  .440      S   .72  .69  .70  .72  .74  .77  .78
#   p, r=6  .094  .197  .265  .318  .352  .400  .432      S   .73  .72  .74  .76  .78  .80  .81
_DECAY: Final = 0.53
_DELAY: Final = 0.6
_SPREAD: Final = 0.7


def recurrent_noise_scale(steps: ArrayLike, negative_rate: ArrayLike = 0.3) -> Any:
    """The noise scale of a recurrent kernel, which all steps share.

    `noise_scale` is for layers that each have their own noise. Noise that is the same at
    each step adds up faster, like the number of steps and not its root; with the scale for
    layers, a recurrent network forgets the sign of its state. Here
    `noise_scale = (0.6 + ln(1 / (1 - 2 p)) / 0.53) / steps`.

    Args:
        steps: The target step, at least 1. A number or an array.
        negative_rate: `p`, the fraction of units whose sign after that many steps differs
            from the first state's, from 0.05 to 0.45. A number or an array.

    Returns:
        A float, or an array of the broadcast shape: the `noise_scale` of
        `OddSigmoidInit`. The rate is met to within 0.03 for orders from 2 to 6, for states
        that start above the final spread, and no input on the way. That the sign is kept does
        not make a network learn: `docs/benchmarks/sequences.md`.

    Raises:
        ValueError: If `steps` or `negative_rate` is outside its range.

    Example:

    >>> import keras_oddsig as ko
    >>> round(ko.recurrent_noise_scale(500), 5)
    0.00466
    >>> init = ko.OddSigmoidInit("tanh", noise_scale=ko.recurrent_noise_scale(500))
    >>> layer = keras.layers.SimpleRNN(32, recurrent_initializer=init)

    Reference: this project.
    """
    steps = _arguments.array("steps", steps, at_least=1)
    p = _arguments.array("negative_rate", negative_rate)
    if not np.all((p >= 0.05) & (p <= 0.45)):
        raise ValueError(
            "`negative_rate` must lie between 0.05 and 0.45. "
            f"Received: negative_rate={negative_rate!r}"
        )
    return _arguments.scalar((_DELAY - np.log1p(-2 * p) / _DECAY) / steps)


def recurrent_spread(profile: Profile, noise_scale: float) -> float:
    """The standard deviation of the state of a recurrent network with `OddSigmoidInit`.

    `0.7 * (noise_scale / c)**(1/(r-1))`: a state that starts above it comes down to it, and
    there it stays. The state of `OddSigmoidOrthogonal` has that initializer's own spread.

    Args:
        profile: Of the activation.
        noise_scale: Of the kernel that all steps share, at least 0.

    Returns:
        The spread in the units of `f`, to within 20% from `1.5 / noise_scale` steps on, for
        orders from 2 to 6.

    Raises:
        TypeError: If `profile` is no `Profile`.
        ValueError: If `noise_scale` is negative.

    Example:

    >>> from keras_oddsig import solver
    >>> tanh = solver.Profile(slope=1.0, order=3.0, curvature=1 / 3, bound=1.0)
    >>> round(solver.recurrent_spread(tanh, solver.recurrent_noise_scale(500)), 2)
    0.08

    Reference: this project.
    """
    check_profile(profile)
    _arguments.real("noise_scale", noise_scale, at_least=0)
    power = 1 / (profile.order - 1)
    return float(_SPREAD * (noise_scale / profile.curvature) ** power)
