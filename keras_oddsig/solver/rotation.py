"""The orthogonal variant: kernels that rotate, and add no noise.

Its operating point belongs here (the gain for a depth, the spread it keeps up, the growth of the
gradient), and the signal's way there. The rotations themselves are drawn by `initializers`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy

from keras_oddsig import _arguments
from keras_oddsig._arguments import Array
from keras_oddsig.solver.profile import profile_of
from keras_oddsig.solver.sampling import Function, Sampler

MOST_GAIN: Final = 1e100  # whose square float64 holds
_ENTRY: Final = 0.5  # where a first layer lets data in, in units of the spread


@dataclass(frozen=True)
class OrthogonalGain:
    """The operating point of a network of kernels `g * omega * Q`, `Q` a rotation.

    Attributes:
        gain: `g`, relative to the critical gain.
        spread: `sqrt(q)`, the standard deviation of the activations that keeps itself:
            `E f(g omega sqrt(q) z)**2 = q`, `z ~ N(0, 1)`. In the units of `f`.
        chi: `g**2 omega**2 E f'(g omega sqrt(q) z)**2`, the mean squared growth of a
            gradient per layer.
    """

    gain: float
    spread: float
    chi: float

    def first_layer_gain(self, input_std: float) -> float:
        """The gain with which a first layer lets data in at half the spread.

        `g * spread / (2 s)`: the data begin where the signal of the next layers is still
        almost linear, and grow to the spread that keeps itself. At the gain `g` itself,
        standardized data are three times that spread in 100 layers of tanh, and saturate the
        first layers.

        Args:
            input_std: The standard deviation `s > 0` of the network's inputs, 1 if they are
                standardized.

        Returns:
            The gain, relative to the critical gain.

        Raises:
            TypeError: If `input_std` is not a number.
            ValueError: If it is not from 1e-30 to 1e30, or the gain is at most 1, where the
                signal keeps up no spread to begin at.

        Example:

        >>> import numpy as np
        >>> from keras_oddsig import solver
        >>> point = solver.orthogonal_gain(np.tanh, depth=100)
        >>> print(f"{point.first_layer_gain(1.0):.2f}")
        0.17

        Reference: this project; the half is an empirical choice, and
        `docs/benchmarks/trainability.md` says with what it was made.
        """
        _arguments.input_std("input_std", input_std)
        if self.spread == 0:
            raise ValueError(
                "`input_std` must come with a gain above 1: at this one the signal keeps up no "
                f"spread to begin at. Received: input_std={input_std!r}, gain={self.gain!r}"
            )
        return self.gain * _ENTRY * self.spread / input_std


def orthogonal_gain(function: Function, depth: float) -> OrthogonalGain:
    """The gain of the orthogonal variant for a network of a given depth.

    The largest dispersion whose squared gradient grows by at most a factor e over the
    depth: the gain that solves `chi(g) = 1 + 1 / L`.

    Args:
        function: An odd-sigmoid function of NumPy arrays.
        depth: The number of layers `L >= 1`.

    Returns:
        The `OrthogonalGain`. It does not depend on the scale of the activation: for
        `A f(k x)` the gain and `chi` are those of `f`, and the spread is `A` times its.

    Raises:
        NotOddSigmoidError: If `function` is not odd-sigmoid.
        ValueError: If `depth` is less than 1.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> point = solver.orthogonal_gain(np.tanh, depth=100)
    >>> print(f"{point.gain:.2f} {point.spread:.2f} {point.chi:.2f}")
    1.10 0.30 1.01

    Reference: this project; `q` and `chi` are those of mean-field theory, as in Poole
    et al., [Exponential expressivity in deep neural networks through transient
    chaos](https://arxiv.org/abs/1606.05340), 2016.
    """
    _arguments.real("depth", depth, at_least=1)
    f, omega = Sampler(function), profile_of(function).critical_gain

    def excess(log_gain: float) -> float:
        return _operating_point(f, omega, math.exp(log_gain)).chi - 1 - 1 / depth

    # chi - 1 is 0 at g = 1 and grows like (g - 1)**2: double until the root is inside.
    high = 0.01 / math.sqrt(depth)
    while excess(high) < 0:
        high *= 2
    return _operating_point(f, omega, math.exp(scipy.optimize.brentq(excess, high / 1e3, high)))


def smooth_gain(depth: float) -> float:
    """The gain of the orthogonal variant for functions of a few inputs: `exp(1 / (2 L))`.

    `orthogonal_gain` counts on the activation's saturation: where the signal is small, as it is
    for inputs near 0, a squared derivative grows by `g**2` per layer, for `f'(x) <= f'(0)`
    everywhere, and a second derivative by the square of that. Here `g**(2 L) = e`: over the depth
    a squared first derivative grows by at most a factor e, wherever the input is.

    Args:
        depth: The number of layers `L >= 1`.

    Returns:
        The gain, relative to the critical gain, whatever the activation.

    Raises:
        TypeError: If `depth` is not a number.
        ValueError: If `depth` is less than 1.

    Example:

    >>> from keras_oddsig import solver
    >>> print(f"{solver.smooth_gain(5):.3f} {solver.smooth_gain(100):.3f}")
    1.105 1.005

    Reference: this project. `derivatives_orthogonal` computes what comes of it: behind a first
    layer of slopes of standard deviation 1, the second derivative of a tanh network of one or
    two inputs in [-1, 1] has a root mean square of 1 to 6 at any depth from 3 to 100.
    """
    _arguments.real("depth", depth, at_least=1)
    return math.exp(1 / (2 * depth))


def orthogonal_spread(function: Function, gain: float) -> OrthogonalGain:
    """The spread and the gradient growth of the orthogonal variant at a given gain.

    Args:
        function: An odd-sigmoid function of NumPy arrays.
        gain: `g`, relative to the critical gain, positive. At `g <= 1` the signal dies:
            the spread is 0 and `chi = g**2`.

    Returns:
        The `OrthogonalGain`.

    Raises:
        NotOddSigmoidError: If `function` is not odd-sigmoid.
        ValueError: If `gain` is not a positive number.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> point = solver.orthogonal_spread(np.tanh, gain=1.05)
    >>> print(f"{point.spread:.3f} {point.chi - 1:.5f}")
    0.220 0.00288

    Reference: as for `orthogonal_gain`.
    """
    _arguments.real("gain", gain, above=0, below=MOST_GAIN)
    return _operating_point(Sampler(function), profile_of(function).critical_gain, gain)


def propagate_orthogonal(
    function: Function, depth: int, gain: float, input_std: float = 1.0
) -> Array:
    """The spread layer by layer, on its way to that of `orthogonal_spread`.

    `q -> E f(g omega sqrt(q) z)**2`, `z ~ N(0, 1)`: what a rotation of many units mixes is
    Gaussian, whatever the distribution of the input. For kernels with noise there is
    `propagate`.

    Args:
        function: An odd-sigmoid function of NumPy arrays.
        depth: Number of layers, an integer of at least 1.
        gain: `g` of every layer, relative to the critical gain, positive.
        input_std: Root mean square of the inputs, from 1e-30 to 1e30.

    Returns:
        An array of shape `(depth,)`. Its entry `l - 1` is the standard deviation of the
        activations of layer `l`, in the units of `f`.

    Raises:
        NotOddSigmoidError: If `function` is not odd-sigmoid.
        TypeError: If `depth` is not an integer.
        ValueError: If a number is outside its range.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> std = solver.propagate_orthogonal(np.tanh, depth=100, gain=1.1)
    >>> print(f"{std[0]:.3f} {std[-1]:.3f}")
    0.655 0.305

    Reference: as for `orthogonal_gain`.
    """
    _arguments.integer("depth", depth, at_least=1)
    _arguments.real("gain", gain, above=0, below=MOST_GAIN)
    _arguments.input_std("input_std", input_std)
    f, steepness = Sampler(function), gain * profile_of(function).critical_gain
    std = [input_std]
    for _ in range(depth):
        std.append(math.sqrt(_mean_square(f, steepness * std[-1])))
    return np.array(std[1:])


def _mean_square(f: Sampler, scale: float) -> float:
    """`E f(scale z)**2`, `z ~ N(0, 1)`, for an odd function."""
    z, weight = half_normal_rule()
    return float(weight @ f(scale * z) ** 2)


@functools.cache
def half_normal_rule() -> tuple[Array, Array]:
    """Nodes z > 0 and weights with sum(w * h(z)) = E h(|z|), z ~ N(0, 1).

    Gauss-Legendre in panels that narrow towards 0, so that neither a kink at 0 (softsign)
    nor a steep activation (a large gain) costs precision, as it does Gauss-Hermite.
    """
    panels = np.concatenate([[0.0], np.logspace(-4, 0, 9), [2.0, 3.0, 4.5, 6.0, 8.0, 10.0]])
    nodes, weights = np.polynomial.legendre.leggauss(24)
    half = np.diff(panels)[:, None] / 2
    z = (panels[:-1, None] + half * (nodes + 1)).ravel()
    w = (half * weights).ravel() * np.exp(-(z**2) / 2) * math.sqrt(2 / math.pi)
    return z, w


def _operating_point(f: Sampler, omega: float, gain: float) -> OrthogonalGain:
    if gain <= 1:
        return OrthogonalGain(gain, 0.0, gain**2)
    steepness = gain * omega

    def excess(log_spread: float) -> float:  # decreases, as f(x)/x does
        root_q = math.exp(log_spread)
        return _mean_square(f, steepness * root_q) / root_q**2 - 1

    high = math.log(2 * f.at(1e8 * omega))  # above the bound, which f nears out there
    low = high - 1
    while excess(low) <= 0:
        low -= 1
    root_q = math.exp(scipy.optimize.brentq(excess, low, high, xtol=1e-13))
    z, weight = half_normal_rule()
    x = steepness * root_q * z
    # Fourth-order central differences; on one side of 0, where f may have a kink in f''.
    h = x * f.epsilon**0.2 / 2
    slope = (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)
    return OrthogonalGain(gain, root_q, float(steepness**2 * (weight @ slope**2)))
