"""The distribution of the signal under noise that is new in each layer, in the mean field.

Its evolution belongs here: layer by layer for a given function (`propagate`), and in the limit
of many layers, where the order is all that is left of it (`spread`, `stationary_spread`).
The noise itself is chosen in `calibration`; kernels that all steps share are in `recurrent`, and
rotations in `rotation`.

Reference: [1] of `keras_oddsig.solver`.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy

from keras_oddsig import _arguments
from keras_oddsig._arguments import Array
from keras_oddsig.solver.profile import Profile, check_profile, profile_of
from keras_oddsig.solver.sampling import Function, Sampler


@dataclass(frozen=True)
class SpreadProfile:
    """The signal layer by layer, as `propagate` predicts it.

    Attributes:
        std: Shape `(depth,)`. `std[l - 1]` is the standard deviation of the activations
            of layer `l`, in the units of `f`.
        negative_rate: Shape `(depth,)`. The fraction of activations of layer `l` whose
            sign differs from that of the same unit's input.
    """

    std: Array
    negative_rate: Array


def propagate(
    function: Function, depth: int, noise_scale: float, input_std: float = 1.0
) -> SpreadProfile:
    """Evolves the distribution of the signal through the layers, in the mean field.

    One unit of an infinitely wide network follows
    `x -> f(omega * (x + N(0, noise_scale**2 * E x**2)))`. The distribution of `x` is kept
    as a cumulative distribution function on a grid that follows it: the noise is a
    convolution (a product in Fourier space), the activation a change of variable. No
    sampling, the same answer each time.

    Args:
        function: An odd-sigmoid function of NumPy arrays.
        depth: Number of layers, an integer of at least 1.
        noise_scale: Relative noise per layer, at least 0.
        input_std: Standard deviation of the Gaussian inputs, 1e-30 to 1e30. By symmetry the
            result is that for half-normal inputs of one sign, too. A unit that starts
            near 0 flips sooner than `negative_rate`, which assumes inputs above the
            final spread, says.

    Returns:
        A `SpreadProfile` of `depth` layers.

    Raises:
        NotOddSigmoidError: If `function` is not odd-sigmoid.
        TypeError: If `depth` is not an integer.
        ValueError: If a number is outside its range.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> signal = solver.propagate(np.tanh, depth=100, noise_scale=0.15)
    >>> print(f"{signal.std[0]:.3f} {signal.std[-1]:.3f} {signal.negative_rate[-1]:.2f}")
    0.631 0.137 0.33

    Reference: this project; the recursion is the mean field of [1], equation 3.
    """
    _arguments.integer("depth", depth, at_least=1)
    _arguments.real("noise_scale", noise_scale, at_least=0)
    _arguments.input_std("input_std", input_std)
    omega = profile_of(function).critical_gain
    f = Sampler(function)
    # The sign of the input is divided out: x > 0 at the start, and x < 0 is a flip.
    edges = np.linspace(-10 * input_std, 10 * input_std, _CELLS + 1)
    law = _Law(edges, scipy.special.erf(np.maximum(edges, 0) / (input_std * math.sqrt(2))))
    std, flipped = np.empty(depth), np.empty(depth)

    def activation(x: Array) -> Array:
        return f(omega * x)

    for layer in range(depth):
        law = law.add_noise(noise_scale * law.rms()).push(activation)
        std[layer], flipped[layer] = law.rms(), law.below_zero()
    return SpreadProfile(std, flipped)


def stationary_spread(profile: Profile, noise_scale: float) -> float:
    """The spread that a constant noise keeps up in an infinitely deep network.

    `[G**((r+1)/2) (r+1) sigma**2 / (2 c)]**(1/(r-1))` with
    `G = Gamma(3/(r+1)) / Gamma(1/(r+1))` and `sigma = noise_scale`: the second moment of
    the stationary law of the mean-field diffusion, proportional to
    `exp(-2 c |u|**(r+1) / ((r+1) sigma**2 E u**2))`. For tanh it is `0.828 sigma`.

    Args:
        profile: Of the activation.
        noise_scale: Relative noise per layer, at least 0.

    Returns:
        The standard deviation of the activations, in the units of `f`. The
        approximation is for small noise.

    Raises:
        TypeError: If `profile` is no `Profile`.
        ValueError: If `noise_scale` is negative.

    Example:

    >>> import numpy as np
    >>> from keras_oddsig import solver
    >>> tanh = solver.Profile(slope=1.0, order=3.0, curvature=1 / 3, bound=1.0)
    >>> round(solver.stationary_spread(tanh, 1.0), 3)
    0.828

    Reference: this project.
    """
    check_profile(profile)
    _arguments.real("noise_scale", noise_scale, at_least=0)
    r, c = profile.order, profile.curvature
    ratio = scipy.special.gamma(3 / (r + 1)) / scipy.special.gamma(1 / (r + 1))
    return float((ratio ** ((r + 1) / 2) * (r + 1) * noise_scale**2 / (2 * c)) ** (1 / (r - 1)))


def spread(profile: Profile, depth: float, noise_scale: float) -> float:
    """The standard deviation of the activations at the target layer.

    `S_r(T) * (T / (c L))**(1/(r-1))` with `T = L * noise_scale**2`. `S_r(T)` is the root
    mean square, at time `T`, of the diffusion `dv = -sgn(v)|v|**r dt + sqrt(E v**2) dB`
    that starts at infinity; it is computed once for each pair of `r` and `T`. As `T`
    grows it falls to the `stationary_spread`.

    Args:
        profile: Of the activation.
        depth: The target layer `L >= 1`.
        noise_scale: Relative noise per layer, at least 0. At 0 the signal shrinks
            undisturbed, to `(c (r-1) L)**(-1/(r-1))`.

    Returns:
        The spread in the units of `f`, for inputs above it. `propagate` follows a given
        function and input layer by layer, without the assumption of a large depth.

    Raises:
        TypeError: If `profile` is no `Profile`.
        ValueError: If a number is outside its range, or floats cannot hold what is computed: of
            noise beyond 1e100 or so, and for an order below 1.1.

    Example:

    >>> from keras_oddsig import solver
    >>> tanh = solver.Profile(slope=1.0, order=3.0, curvature=1 / 3, bound=1.0)
    >>> round(solver.spread(tanh, 100, solver.noise_scale(100)), 2)
    0.14

    Reference: this project.
    """
    check_profile(profile)
    _arguments.real("depth", depth, at_least=1)
    _arguments.real("noise_scale", noise_scale, at_least=0)
    power = 1 / (profile.order - 1)
    try:
        # Of so little noise the spread is that of none, to 2e-7 up to order 200.
        if math.sqrt(depth) * noise_scale < 1e-4:
            return float((profile.curvature * (profile.order - 1) * depth) ** -power)
        # Stationary to 1e-5 from T = 24 on.
        time = min(math.sqrt(depth) * noise_scale, math.sqrt(24.0)) ** 2
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            universal, _ = _diffusion(profile.order, time)
        return float(universal * (noise_scale**2 / profile.curvature) ** power)
    except (OverflowError, FloatingPointError):  # of enormous noise, or an order of almost 1
        raise ValueError(
            "`noise_scale` and `depth` must have a spread that floats can hold for `profile`. "
            f"Received: noise_scale={noise_scale}, depth={depth}, profile={profile}"
        ) from None


@functools.lru_cache(maxsize=1024)
def _diffusion(order: float, time: float, steps: int | None = None) -> tuple[float, float]:
    """Root mean square and sign-flip probability of the mean-field diffusion.

    `dv = -sgn(v)|v|**r dt + sqrt(E v**2) dB`, `v(0) = inf`, at `time`. Strang's splitting:
    the drift alone is solved exactly, `v -> v / (1 + (r-1) dt |v|**(r-1))**(1/(r-1))`, and
    the noise alone is a convolution. The first steps, where the drift is stiff, are short.
    """
    k = order - 1
    if steps is None:  # within 3e-4 of the limit
        steps = max(128, math.ceil(24 * time))

    def drift(duration: float) -> Callable[[Array], Array]:
        return lambda v: v * (1 + k * duration * np.abs(v) ** k) ** (-1 / k)

    # Step boundaries t_i = T (i/n)^2, noise in the middle of each.
    boundaries = time * (np.arange(steps + 1) / steps) ** 2
    durations = np.diff(boundaries)
    start = (k * durations[0] / 2) ** (-1 / k)  # the drift from infinity, for half a step
    noise = start * math.sqrt(math.expm1(durations[0]))
    edges = start + noise * np.linspace(-8, 8, _CELLS + 1)
    law = _Law(edges, scipy.special.ndtr((edges - start) / noise))
    for this, following in itertools.pairwise(durations):
        law = law.push(drift((this + following) / 2))
        std = law.rms() * math.sqrt(math.expm1(following))
        if not math.isfinite(std):
            raise FloatingPointError("the law's width is not finite")
        law = law.add_noise(std)
    law = law.push(drift(durations[-1] / 2))
    return law.rms(), law.below_zero()


# Cells of the grid. The noise is `noise_scale` times the spread, the grid some 12
# spreads wide: noise scales down to 0.01 are resolved by 3 cells or more.
_CELLS: Final = 4096
_TAIL: Final = 1e-10
_CELLS_OF_NOISE: Final = 256  # of a standard deviation, at the least


class _Law:
    """A probability law on the line: its cumulative distribution on a uniform grid."""

    def __init__(self, edges: Array, cdf: Array) -> None:
        self.edges, self.cdf = edges, cdf

    def rms(self) -> float:
        """Root mean square, exact for a law that is uniform within each cell."""
        left, right = self.edges[:-1], self.edges[1:]
        square = (left * left + left * right + right * right) / 3
        return math.sqrt(float(np.diff(self.cdf) @ square))

    def below_zero(self) -> float:
        return float(np.interp(0.0, self.edges, self.cdf))

    def add_noise(self, std: float) -> _Law:
        """The law of x + N(0, std**2)."""
        if std == 0:
            return self
        cell = max(self.edges[1] - self.edges[0], std / _CELLS_OF_NOISE)
        # A grid as coarse as the noise allows, lest much of that need millions of cells.
        cells = math.ceil((self.edges[-1] - self.edges[0]) / cell - 1e-6)
        edges = self.edges[0] + cell * np.arange(cells + 1)
        # Room for the noise on both sides, lest the periodic convolution wrap around.
        room = math.ceil(8 * std / cell)
        mass = np.pad(np.diff(np.interp(edges, self.edges, self.cdf)), room)
        size = scipy.fft.next_fast_len(mass.size, real=True)
        spectrum = scipy.ndimage.fourier_gaussian(scipy.fft.rfft(mass, size), std / cell, n=size)
        mass = np.maximum(scipy.fft.irfft(spectrum, size)[: mass.size], 0)
        cdf = np.concatenate([[0.0], np.cumsum(mass)])
        start = self.edges[0] - room * cell
        return _Law(start + cell * np.arange(cdf.size), cdf / cdf[-1])

    def push(self, function: Callable[[Array], Array]) -> _Law:
        """The law of function(x), for an increasing function, on a grid that fits it."""
        # Saturated, f has few distinct values left, and pchip wants them to increase.
        image = np.maximum.accumulate(function(self.edges))
        if np.any(np.diff(image) <= 0):
            image += 1e-11 * np.max(np.abs(image)) * np.linspace(-1, 1, image.size)
        low = np.searchsorted(self.cdf, _TAIL, side="right") - 1
        high = np.searchsorted(self.cdf, 1 - _TAIL)
        edges = np.linspace(image[low], image[high], _CELLS + 1)
        return _Law(
            edges, np.clip(scipy.interpolate.pchip_interpolate(image, self.cdf, edges), 0, 1)
        )
