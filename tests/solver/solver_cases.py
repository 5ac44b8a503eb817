"""What the solver's tests share: functions of the class with their numbers, and samplers.

Every closed form has a Monte Carlo test beside it, with a fixed seed and a tolerance of five
standard errors of what it estimates.
"""

import math

import numpy as np
from scipy import special

from keras_oddsig.solver import Profile

BACKENDS = {"keras", "jax", "tensorflow", "torch"}  # none of which is imported here
MONTE_CARLO = 5  # standard errors


def algebraic(k):
    def f(x):
        size = np.abs(x)
        inner = np.minimum(size, 1.0)
        outer = np.maximum(size, 1.0)
        value = np.where(size <= 1, inner * (1 + inner**k) ** (-1 / k), (1 + outer**-k) ** (-1 / k))
        return np.sign(x) * value

    return f


def softsign(x):
    return x / (1 + np.abs(x))


def langevin(x):
    # coth(x) - 1/x is i1(x) / i0(x), modified spherical Bessel functions, without its
    # cancellation near 0.
    size = np.abs(x)
    middle, far = np.clip(size, 1e-2, 2), np.maximum(size, 2)
    near = size / 3 - size**3 / 45 + 2 * size**5 / 945
    value = special.spherical_in(1, middle) / special.spherical_in(0, middle)
    far = 1 / np.tanh(far) - 1 / far
    return np.sign(x) * np.where(size < 1e-2, near, np.where(size < 2, value, far))


def bipolar_sigmoid(x):
    fall = np.exp(-np.abs(x))
    return np.sign(x) * -np.expm1(-np.abs(x)) / (1 + fall)


# As most would write these two: wrong by 1e-16, and by 1e-16 / |x|.
def cancelling_bipolar_sigmoid(x):
    return 2 * special.expit(x) - 1


def cancelling_langevin(x):
    with np.errstate(all="ignore"):
        return np.where(x == 0, 0.0, 1 / np.tanh(x) - 1 / x)


# name: (function, slope, order, curvature, bound), as in the design's table.
TABLE = {
    "tanh": (np.tanh, 1, 3, 1 / 3, 1),
    "arctan": (np.arctan, 1, 3, 1 / 3, math.pi / 2),
    "erf": (special.erf, 2 / math.sqrt(math.pi), 3, math.pi / 12, 1),
    "softsign": (softsign, 1, 2, 1, 1),
    "algebraic 2": (algebraic(2), 1, 3, 1 / 2, 1),
    "algebraic 3": (algebraic(3), 1, 4, 1 / 3, 1),
    "algebraic 5": (algebraic(5), 1, 6, 1 / 5, 1),
    "algebraic 1/2": (algebraic(0.5), 1, 1.5, 2, 1),
    "algebraic 20": (algebraic(20), 1, 21, 1 / 20, 1),
    "gudermannian": (lambda x: 2 * np.arctan(np.tanh(x / 2)), 1, 3, 1 / 6, math.pi / 2),
    "bipolar sigmoid": (bipolar_sigmoid, 1 / 2, 3, 1 / 3, 1),
    "langevin": (langevin, 1 / 3, 3, 3 / 5, 1),
}
TANH = Profile(slope=1.0, order=3.0, curvature=1 / 3, bound=1.0)
SOFTSIGN = Profile(slope=1.0, order=2.0, curvature=1.0, bound=1.0)


def sample_networks(function, omega, depth, noise_scale, *, width, networks, inputs, seed=0):
    """Standard deviation and negative rate by layer, per network, in (networks, depth)."""
    rng = np.random.default_rng(seed)
    std, flipped = np.empty((networks, depth)), np.empty((networks, depth))
    for network in range(networks):
        x = inputs(rng, (32, width))
        sign = np.sign(x)
        for layer in range(depth):
            noise = rng.standard_normal((width, width)) * (noise_scale / math.sqrt(width))
            x = function(omega * (x + x @ noise))
            std[network, layer] = math.sqrt(np.mean(x**2))
            flipped[network, layer] = np.mean(np.sign(x) != sign)
    return std, flipped


def sample_diffusion(order, time, *, particles, steps=400, seed=0):
    """Particles of dv = -sgn(v)|v|^r dt + sqrt(E v^2) dB from infinity, at `time`."""
    rng = np.random.default_rng(seed)
    k = order - 1
    boundaries = time * (np.arange(steps + 1) / steps) ** 2
    durations = np.diff(boundaries)
    v = np.full(particles, (k * durations[0] / 2) ** (-1 / k))
    for i, duration in enumerate(durations):
        kick = math.sqrt(np.mean(v**2) * math.expm1(duration))
        v = v + kick * rng.standard_normal(particles)
        drift = (duration + durations[i + 1]) / 2 if i + 1 < steps else duration / 2
        v = v * (1 + k * drift * np.abs(v) ** k) ** (-1 / k)
    return v
