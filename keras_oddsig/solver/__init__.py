"""The mathematics of odd-sigmoid networks, in NumPy and SciPy, float64.

No deep-learning backend is imported here: `from keras_oddsig import solver` costs
what SciPy costs. The letters are the papers': an activation `f` with critical
gain `omega = 1 / f'(0)`, in a network of `depth` layers `L` whose dense kernels are

    W = omega * (D + noise_scale * Z / sqrt(m)),        Z_ij ~ N(0, 1),

`m` inputs, `D` the rectangular identity and `noise_scale = kappa / sqrt(L)`. What is
written `T` below is `kappa**2 = L * noise_scale**2`, depth times noise variance.

References:

- [1] Lee, Choi, Kim, [Signal Preserving Weight Initialization for Odd-Sigmoid
  Activations](https://arxiv.org/abs/2509.23085), 2025: the class of activations,
  the critical gain, the kernel, and a noise scale set by a negative rate.
- [2] Lee, Choi, Kim, [Robust Weight Initialization for Tanh Neural Networks with
  Fixed Point Analysis](https://arxiv.org/abs/2410.02242), ICLR 2025.
- This project: the calibration of the noise (`noise_scale`, `negative_rate`), of the
  spread (`spread`, `stationary_spread`, `propagate`), of the orthogonal variant
  (`orthogonal_gain`, `smooth_gain`), and of derivatives (`derivatives_orthogonal`,
  `derivatives_diagonal`).
"""

from keras_oddsig._arguments import Array as Array
from keras_oddsig.solver.calibration import negative_rate, noise_scale, surrogate_noise_scale
from keras_oddsig.solver.conditions import Condition as Condition
from keras_oddsig.solver.conditions import NotOddSigmoidError
from keras_oddsig.solver.derivatives import (
    Derivatives,
    derivatives_diagonal,
    derivatives_orthogonal,
)
from keras_oddsig.solver.diffusion import SpreadProfile, propagate, spread, stationary_spread
from keras_oddsig.solver.profile import Profile, fixed_point, profile_of
from keras_oddsig.solver.recurrent import recurrent_noise_scale, recurrent_spread
from keras_oddsig.solver.rotation import (
    OrthogonalGain,
    orthogonal_gain,
    orthogonal_spread,
    propagate_orthogonal,
    smooth_gain,
)
from keras_oddsig.solver.sampling import Function as Function

__all__ = [
    "Derivatives",
    "NotOddSigmoidError",
    "OrthogonalGain",
    "Profile",
    "SpreadProfile",
    "derivatives_diagonal",
    "derivatives_orthogonal",
    "fixed_point",
    "negative_rate",
    "noise_scale",
    "orthogonal_gain",
    "orthogonal_spread",
    "profile_of",
    "propagate",
    "propagate_orthogonal",
    "recurrent_noise_scale",
    "recurrent_spread",
    "smooth_gain",
    "spread",
    "stationary_spread",
    "surrogate_noise_scale",
]
