"""The solver, against closed forms, sampling and the tables of its derivation.

No test here imports a backend. Every closed form has a Monte Carlo test beside it, with a
fixed seed and a tolerance of five standard errors of what it estimates.
"""

import math
import pickle
import subprocess
import sys
from fractions import Fraction
from typing import ClassVar

import mpmath
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy import special

from keras_oddsig import solver
from keras_oddsig.solver import NotOddSigmoidError, Profile

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


def test_importing_the_solver_imports_no_backend():
    code = (
        "import sys; import keras_oddsig.solver; from keras_oddsig import Profile;"
        "assert not {'keras', 'jax', 'torch', 'tensorflow'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class TestProfile:
    def test_scaled_profile_is_that_of_the_scaled_function(self):
        expected = solver.profile_of(lambda x: 3 * np.arctan(x / 2))
        scaled = Profile(1.0, 3.0, 1 / 3, math.pi / 2).scaled(amplitude=3, rate=0.5)
        assert scaled.slope == pytest.approx(expected.slope, rel=1e-6)
        assert scaled.curvature == pytest.approx(expected.curvature, rel=1e-3)
        assert scaled.bound == pytest.approx(expected.bound, rel=1e-6)

    def test_critical_gain_is_the_reciprocal_slope(self):
        assert Profile(0.5, 3.0, 1 / 3, 1.0).critical_gain == 2.0

    @pytest.mark.parametrize(
        ("field", "value"),
        [("slope", 0.0), ("order", 1.0), ("curvature", -1.0), ("bound", math.inf)],
    )
    def test_a_number_outside_its_range_is_rejected(self, field, value):
        numbers = {"slope": 1.0, "order": 3.0, "curvature": 1.0, "bound": 1.0, field: value}
        with pytest.raises(ValueError, match=f"`{field}` must be .* Received: {field}={value}"):
            Profile(**numbers)

    @pytest.mark.parametrize("factor", ["amplitude", "rate"])
    def test_a_scale_that_is_not_positive_is_rejected(self, factor):
        with pytest.raises(ValueError, match=f"`{factor}`.*Received: {factor}=-1"):
            TANH.scaled(**{factor: -1})


class TestProfileOf:
    @pytest.mark.parametrize("name", TABLE)
    def test_finds_the_numbers_of_the_table(self, name):
        function, slope, order, curvature, bound = TABLE[name]
        profile = solver.profile_of(function)
        assert profile.slope == pytest.approx(slope, rel=1e-6)
        assert profile.order == pytest.approx(order, abs=0.02)
        assert profile.curvature == pytest.approx(curvature, rel=0.02)
        assert profile.bound == pytest.approx(bound, rel=1e-5)

    @given(
        name=st.sampled_from(sorted(TABLE)),
        amplitude=st.floats(-6, 6).map(lambda e: 10.0**e),
        rate=st.floats(-6, 6).map(lambda e: 10.0**e),
    )
    @example(name="bipolar sigmoid", amplitude=1e-6, rate=1e6)
    def test_scale_of_the_function_does_not_matter(self, name, amplitude, rate):
        function, slope, order, curvature, bound = TABLE[name]
        profile = solver.profile_of(lambda x: amplitude * function(rate * x))
        expected = Profile(slope, order, curvature, bound).scaled(amplitude, rate)
        assert profile.slope == pytest.approx(expected.slope, rel=1e-6)
        assert profile.order == pytest.approx(expected.order, abs=0.02)
        # An error of .001 in r is one of some percent in c at a small step: compare where
        # the amplitude does not magnify it.
        assert profile.curvature * amplitude ** (profile.order - 1) == pytest.approx(
            curvature, rel=0.02
        )
        assert profile.bound == pytest.approx(expected.bound, rel=1e-5)

    @given(
        first=st.sampled_from(sorted(TABLE)),
        second=st.sampled_from(sorted(TABLE)),
        weight=st.floats(0.1, 10),
    )
    @example(first="algebraic 3", second="langevin", weight=1.0)
    @example(first="gudermannian", second="algebraic 3", weight=10.0)
    @settings(max_examples=40)
    def test_the_class_is_closed_under_sums_and_composition(self, first, second, weight):
        f, slope_f, order_f, curvature_f, bound_f = TABLE[first]
        g, slope_g, order_g, curvature_g, bound_g = TABLE[second]
        # Orders that differ by less than one do not separate at steps floats can resolve.
        assume(order_f == order_g or abs(order_f - order_g) >= 1)
        # Of f = s (x - c s^(r-1) x^r), and of g so: the power of x that stays is the lower.
        power_f, power_g = curvature_f * slope_f**order_f, curvature_g * slope_g**order_g
        order = min(order_f, order_g)

        def lower(term_f, term_g):
            return term_f * (order_f == order) + term_g * (order_g == order)

        total = solver.profile_of(lambda x: f(x) + weight * g(x))
        slope = slope_f + weight * slope_g
        assert total.slope == pytest.approx(slope, rel=1e-6)
        assert total.order == pytest.approx(order, abs=0.02)
        curvature = lower(power_f, weight * power_g) / slope**order
        assert total.curvature == pytest.approx(curvature, rel=0.02)
        assert total.bound == pytest.approx(bound_f + weight * bound_g, rel=1e-5)

        composed = solver.profile_of(lambda x: g(f(x)))
        slope = slope_f * slope_g
        assert composed.slope == pytest.approx(slope, rel=1e-6)
        assert composed.order == pytest.approx(order, abs=0.02)
        curvature = lower(slope_g * power_f, power_g * slope_f**order_g) / slope**order
        assert composed.curvature == pytest.approx(curvature, rel=0.02)
        assert composed.bound == pytest.approx(g(np.array([float(bound_f)]))[0], rel=1e-5)

    @pytest.mark.parametrize(
        ("function", "slope", "curvature"),
        [
            (cancelling_bipolar_sigmoid, 1 / 2, 1 / 3),
            (cancelling_langevin, 1 / 3, 3 / 5),
            # u = 2 sigmoid(x) - 1 loses s^3 / 24 and L(u) the rest: 3/5 + 1/3 * 3^2.
            (lambda x: cancelling_langevin(cancelling_bipolar_sigmoid(x)), 1 / 6, 3 / 5 + 3),
        ],
        ids=["bipolar sigmoid", "langevin", "langevin of bipolar sigmoid"],
    )
    def test_a_formula_that_cancels_near_zero_is_read_all_the_same(
        self, function, slope, curvature
    ):
        profile = solver.profile_of(function)
        assert profile.slope == pytest.approx(slope, rel=1e-6)
        assert profile.order == pytest.approx(3, abs=0.02)
        assert profile.curvature == pytest.approx(curvature, rel=0.02)

    def test_a_function_of_one_float_serves(self):
        assert solver.profile_of(math.tanh).order == pytest.approx(3, abs=0.02)

    def test_a_float32_function_is_read_to_float32_precision(self):
        profile = solver.profile_of(lambda x: np.tanh(x.astype(np.float32)))
        assert profile.slope == pytest.approx(1, rel=1e-6)
        assert profile.order == pytest.approx(3, abs=0.02)

    @pytest.mark.parametrize(
        ("function", "condition"),
        [
            (lambda x: np.maximum(x, 0), "odd"),
            (special.expit, "odd"),
            (lambda x: np.tanh(x) + 1e-10, "odd"),
            (np.ones_like, "odd"),
            (np.sin, "increasing"),
            (lambda x: -np.tanh(x), "increasing"),
            (np.zeros_like, "increasing"),
            (lambda x: np.round(50 * np.tanh(x)) / 50, "increasing"),
            (lambda x: x**3, "slope"),
            (lambda x: x**3 / (1 + np.abs(x) ** 3), "slope"),
            (np.cbrt, "slope"),
            (np.sign, "slope"),
            (lambda x: x, "bounded"),
            (np.arcsinh, "bounded"),
            (lambda x: x + x**3, "ratio"),
            (lambda x: np.tanh(x + x**3), "ratio"),
            (lambda x: np.clip(x, -1, 1), "ratio"),
            (lambda x: np.full_like(x, np.nan), "finite"),
            (np.sqrt, "finite"),
            (lambda x: np.sinh(x) / np.cosh(x), "finite"),
        ],
    )
    def test_a_function_outside_the_class_is_rejected_with_a_witness(self, function, condition):
        with pytest.raises(NotOddSigmoidError, match="Received: ") as caught:
            solver.profile_of(function)
        assert caught.value.condition == condition
        x = np.array([caught.value.witness])
        with np.errstate(all="ignore"):
            here, mirrored, nearby = function(x), function(-x), function(x * 0.99)
        # The witness shows what it is said to show.
        if condition == "finite":
            assert not np.isfinite(here)
        elif condition == "odd":
            assert here + mirrored != 0
        elif condition == "increasing":
            assert here <= np.max(function(np.linspace(0.9, 1, 100) * x)[:-1])
        elif condition == "ratio":
            assert here / x >= nearby / (x * 0.99)
        elif condition == "slope":
            assert not 1e-3 < here / x < 1e3
        else:
            assert here > function(x / 10)

    def test_the_error_survives_pickling(self):
        error = NotOddSigmoidError("odd", 1.0, "f(x) + f(-x) = 1")
        copy = pickle.loads(pickle.dumps(error))
        assert (copy.condition, copy.witness, str(copy)) == ("odd", 1.0, str(error))

    @pytest.mark.parametrize(
        ("function", "error", "message"),
        [
            ("tanh", TypeError, "must be callable. Received: function='tanh'"),
            (lambda x: 1j * x, TypeError, "Received: a function that returns complex128"),
            (lambda x: np.sum(x), ValueError, r"Received: .* the shape \(\)"),
        ],
    )
    def test_what_is_no_function_of_arrays_is_rejected(self, function, error, message):
        with pytest.raises(error, match=message):
            solver.profile_of(function)


class TestFixedPoint:
    @given(gain=st.floats(1.0001, 50), name=st.sampled_from(sorted(TABLE)))
    def test_is_a_fixed_point_beyond_the_critical_gain(self, gain, name):
        function, slope, *_, bound = TABLE[name]
        gain /= slope
        xi = solver.fixed_point(function, gain)
        assert 0 < xi < bound * (1 + 1e-12)
        assert float(function(np.array([gain * xi]))[0]) == pytest.approx(xi, rel=1e-9)

    @pytest.mark.parametrize("gain", [1e-3, 0.5, 1.0])
    def test_is_zero_up_to_the_critical_gain(self, gain):
        assert solver.fixed_point(np.tanh, gain) == 0.0

    def test_grows_with_the_gain_to_the_bound(self):
        points = [solver.fixed_point(np.tanh, gain) for gain in (1.001, 1.1, 2.0, 10.0, 100.0)]
        assert points == sorted(points)
        assert points[-1] == pytest.approx(1.0)

    def test_near_the_critical_gain_it_follows_the_curvature(self):
        # a - 1 = c xi^(r-1) to first order, in critical units.
        assert solver.fixed_point(softsign, 1 + 1e-6) == pytest.approx(1e-6, rel=1e-5)

    def test_a_signal_iterated_from_anywhere_arrives_there(self):
        x = np.abs(np.random.default_rng(0).standard_normal(1000)) + 1e-3
        for _ in range(2000):
            x = np.tanh(1.3 * x)
        assert x == pytest.approx(solver.fixed_point(np.tanh, 1.3), rel=1e-9)

    def test_a_gain_that_is_not_positive_is_rejected(self):
        with pytest.raises(ValueError, match=r"`gain` must be greater than 0.*Received: gain=0"):
            solver.fixed_point(np.tanh, 0)


class TestNegativeRate:
    @given(rate=st.floats(0.001, 0.495), depth=st.integers(1, 10_000))
    def test_noise_scale_and_negative_rate_are_inverses(self, rate, depth):
        sigma = solver.noise_scale(depth, rate)
        assert solver.negative_rate(depth, sigma) == pytest.approx(rate, rel=1e-9)

    def test_is_monotone_through_both_its_forms(self):
        rates = solver.negative_rate(1, np.sqrt(np.linspace(0, 20, 20_001)))
        assert np.all(np.diff(rates) >= 0)
        assert rates[0] == 0
        assert rates[-1] == pytest.approx(0.5, abs=1e-4)

    def test_accepts_arrays_that_broadcast(self):
        sigma = solver.noise_scale([[10], [100]], [0.1, 0.3, 0.4])
        assert sigma.shape == (2, 3)
        assert sigma[1, 1] == solver.noise_scale(100, 0.3)
        assert isinstance(solver.noise_scale(100, 0.3), float)
        assert solver.negative_rate([10, 100], 0.1).shape == (2,)

    @pytest.mark.parametrize("order", [2, 3, 4, 6])
    def test_formula_is_near_the_diffusion_for_every_order(self, order):
        # Measured: .0056 at r = 2, T = .6; .0074 at r = 6, T = 4; .004 or less elsewhere.
        allowed = {2: 0.006, 3: 0.003, 4: 0.0045, 6: 0.008}[order]
        for time in (0.2, 0.4, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0):
            _, exact = solver._diffusion(float(order), time)
            assert solver.negative_rate(1, math.sqrt(time)) == pytest.approx(exact, abs=allowed)

    def test_rare_event_form_is_within_3_permille_of_the_table(self):
        # Rows T = .2, .4; columns r = 2, 3, 4, 6. At T = .4 the columns span .0085, so no
        # one curve can be within .003 of the last one, too.
        for time, table in (
            (0.2, (0.0017, 0.0021, 0.0028, 0.0035)),
            (0.4, (0.0230, 0.0258, 0.0286)),
        ):
            assert solver.negative_rate(1, math.sqrt(time)) == pytest.approx(
                np.array(table), abs=0.003
            )

    def test_default_gives_a_kappa_of_three_halves(self):
        assert solver.noise_scale(1) == pytest.approx(1.50, abs=0.005)

    @pytest.mark.parametrize("rate", [0, 0.5, -0.1, math.nan, [0.1, 0.6]])
    def test_a_rate_outside_its_range_is_rejected(self, rate):
        with pytest.raises(ValueError, match=r"`negative_rate`.*Received: negative_rate="):
            solver.noise_scale(100, rate)

    def test_a_depth_below_one_and_a_negative_scale_are_rejected(self):
        with pytest.raises(ValueError, match=r"`depth`.*Received: depth=0"):
            solver.noise_scale(0)
        with pytest.raises(ValueError, match=r"`noise_scale`.*Received: noise_scale=-1"):
            solver.negative_rate(10, -1)
        with pytest.raises(TypeError, match=r"`depth`.*Received: depth='ten'"):
            solver.noise_scale("ten")


class TestDiffusion:
    """The deterministic solution behind `spread`, and behind the fit of `negative_rate`."""

    @pytest.mark.parametrize(("order", "time"), [(2, 1.0), (3, 0.5), (3, 2.25), (6, 4.0)])
    def test_agrees_with_sampled_particles(self, order, time):
        particles = 40_000
        v = sample_diffusion(order, time, particles=particles)
        rms, flipped = solver._diffusion(float(order), time)
        rate_error = math.sqrt(flipped * (1 - flipped) / particles)
        assert np.mean(v < 0) == pytest.approx(flipped, abs=MONTE_CARLO * rate_error)
        # The particles drive their own noise: their error in E v^2 grows with time.
        square_error = np.std(v**2) / math.sqrt(particles) * math.exp(time / 2)
        assert np.mean(v**2) == pytest.approx(rms**2, abs=MONTE_CARLO * square_error)

    @pytest.mark.parametrize(
        ("order", "table"),
        [
            (3, {1: 0.711, 1.5: 0.609, 2: 0.558, 2.25: 0.541, 3: 0.510, 4: 0.493, 6: 0.481}),
            (2, {1: 1.058, 1.5: 0.753, 2: 0.609, 2.25: 0.562, 3: 0.474, 4: 0.415, 6: 0.368}),
        ],
    )
    def test_reproduces_the_tables_of_the_spread(self, order, table):
        for time, spread in table.items():
            assert solver._diffusion(float(order), float(time))[0] == pytest.approx(
                spread, abs=0.002
            )

    def test_is_converged_in_its_steps(self):
        for order in (2.0, 3.0, 6.0):
            assert solver._diffusion(order, 2.25) == pytest.approx(
                solver._diffusion(order, 2.25, steps=512), abs=3e-4
            )


class TestSpread:
    @pytest.mark.parametrize("name", ["tanh", "softsign", "erf", "algebraic 3"])
    def test_agrees_with_sampled_networks_at_the_target_layer(self, name):
        function, *numbers = TABLE[name]
        profile = Profile(*map(float, numbers))
        depth, sigma = 200, solver.noise_scale(200)
        bound = profile.bound
        std, _ = sample_networks(
            function,
            profile.critical_gain,
            depth,
            sigma,
            width=256,
            networks=6,
            inputs=lambda rng, shape: rng.uniform(0.5, 1.5, shape) * bound,
        )
        # Five standard errors of the mean over networks, and 3% for the finite depth.
        error = std[:, -1].std(ddof=1) / math.sqrt(len(std))
        predicted = solver.spread(profile, depth, sigma)
        assert std[:, -1].mean() == pytest.approx(
            predicted, abs=MONTE_CARLO * error + 0.03 * predicted
        )

    def test_without_noise_the_signal_only_shrinks(self):
        assert solver.spread(TANH, 100, 0.0) == pytest.approx((200 / 3) ** -0.5)
        assert solver.spread(TANH, 100, 1e-6) == pytest.approx((200 / 3) ** -0.5, rel=1e-3)

    def test_falls_to_the_stationary_spread(self):
        excess = [
            solver.spread(TANH, depth, 0.2) / solver.stationary_spread(TANH, 0.2) - 1
            for depth in (25, 50, 100, 200, 1000)
        ]
        assert excess == sorted(excess, reverse=True)
        assert excess[0] > 0.3
        assert abs(excess[-1]) < 1e-3

    @pytest.mark.parametrize("profile", [TANH, SOFTSIGN, Profile(1.0, 4.0, 1 / 3, 1.0)])
    def test_stationary_spread_is_that_of_the_stationary_law(self, profile):
        # Density exp(-2 c |u|^(r+1) / ((r+1) s^2 q)) whose own second moment is q.
        r, c, sigma = profile.order, profile.curvature, 0.1
        q = solver.stationary_spread(profile, sigma) ** 2
        scale = (2 * c / ((r + 1) * sigma**2 * q)) ** (-1 / (r + 1))

        def weight(u):
            return mpmath.exp(-((u / scale) ** (r + 1)))

        ends = [0, scale, 3 * scale, 10 * scale]
        second = mpmath.quad(lambda u: u**2 * weight(u), ends) / mpmath.quad(weight, ends)
        assert float(second) == pytest.approx(q, rel=1e-9)

    def test_stationary_spread_agrees_with_sampled_particles(self):
        particles = 20_000
        v = sample_diffusion(3, 12.0, particles=particles, steps=1200)
        error = np.std(v**2) / math.sqrt(particles) * math.exp(2)
        # The diffusion is the profile c = 1, noise 1.
        stationary = solver.stationary_spread(Profile(1.0, 3.0, 1.0, 1.0), 1.0)
        assert np.mean(v**2) == pytest.approx(stationary**2, abs=MONTE_CARLO * error)

    def test_stationary_spread_of_tanh_is_0828_noise_scales(self):
        assert solver.stationary_spread(TANH, 0.1) == pytest.approx(0.0828, abs=5e-5)

    def test_arguments_outside_their_range_are_rejected(self):
        with pytest.raises(ValueError, match=r"Received: depth=0"):
            solver.spread(TANH, 0, 0.1)
        with pytest.raises(ValueError, match=r"Received: noise_scale=-0.1"):
            solver.spread(TANH, 10, -0.1)
        with pytest.raises(ValueError, match=r"Received: noise_scale=nan"):
            solver.stationary_spread(TANH, math.nan)


class TestRecurrent:
    """One kernel for all steps."""

    @pytest.mark.parametrize("name", ["tanh", "softsign", "erf", "algebraic 3"])
    @pytest.mark.parametrize("rate", [0.1, 0.3, 0.4])
    def test_rate_and_spread_of_sampled_networks(self, name, rate):
        function, *numbers = TABLE[name]
        profile = Profile(*map(float, numbers))
        steps, width, networks = 100, 512, 6
        sigma = solver.recurrent_noise_scale(steps, rate)
        rng = np.random.default_rng(0)
        flipped, std = np.empty(networks), np.empty(networks)
        for network in range(networks):
            x = profile.bound * rng.uniform(0.5, 1.5, (32, width))
            noise = rng.standard_normal((width, width)) * (sigma / math.sqrt(width))
            for _ in range(steps):
                x = function(profile.critical_gain * (x + x @ noise))
            flipped[network], std[network] = np.mean(x < 0), math.sqrt(np.mean(x**2))
        error = flipped.std(ddof=1) / math.sqrt(networks)
        assert flipped.mean() == pytest.approx(rate, abs=0.03 + 2 * error)
        if steps * sigma > 1.5:
            assert std.mean() == pytest.approx(solver.recurrent_spread(profile, sigma), rel=0.2)

    def test_the_scale_for_layers_forgets_the_sign(self):
        # What makes a function of its own necessary.
        assert solver.recurrent_noise_scale(500) < solver.noise_scale(500) / 10

    def test_accepts_arrays(self):
        sigma = solver.recurrent_noise_scale([[10], [100]], [0.1, 0.3, 0.4])
        assert sigma.shape == (2, 3)
        assert sigma[1, 1] == solver.recurrent_noise_scale(100)

    @pytest.mark.parametrize("rate", [0.04, 0.46, math.nan])
    def test_a_rate_outside_its_range_is_rejected(self, rate):
        with pytest.raises(ValueError, match=f"Received: negative_rate={rate}"):
            solver.recurrent_noise_scale(100, rate)

    def test_steps_below_one_and_a_negative_scale_are_rejected(self):
        with pytest.raises(ValueError, match="Received: steps=0"):
            solver.recurrent_noise_scale(0)
        with pytest.raises(ValueError, match="Received: noise_scale=-1"):
            solver.recurrent_spread(TANH, -1)


class TestPropagate:
    @pytest.mark.parametrize("name", ["tanh", "softsign", "erf", "algebraic 3"])
    def test_agrees_with_sampled_networks_at_every_layer(self, name):
        function, slope, *_ = TABLE[name]
        predicted = {L: solver.propagate(function, L, solver.noise_scale(L)) for L in (30, 100)}
        for depth, signal in predicted.items():
            std, flipped = sample_networks(
                function,
                1 / slope,
                depth,
                solver.noise_scale(depth),
                width=512,
                networks=20,
                inputs=lambda rng, shape: rng.standard_normal(shape),
            )
            assert signal.std == pytest.approx(std.mean(axis=0), rel=0.03)
            assert signal.negative_rate == pytest.approx(flipped.mean(axis=0), abs=0.02)
            # The mean field is exact to much less: five standard errors over the networks.
            for mean_field, sampled in ((signal.std, std), (signal.negative_rate, flipped)):
                error = sampled.std(axis=0, ddof=1) / math.sqrt(len(sampled))
                z = (mean_field - sampled.mean(axis=0)) / np.maximum(error, 1e-4)
                assert np.sqrt(np.mean(z**2)) < MONTE_CARLO

    def test_shapes_are_one_entry_per_layer(self):
        signal = solver.propagate(np.tanh, 7, 0.1)
        assert signal.std.shape == signal.negative_rate.shape == (7,)

    def test_without_noise_it_is_the_function_iterated(self):
        z = np.linspace(-8, 8, 200_001)
        density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        x = 2.0 * z
        signal = solver.propagate(np.tanh, 20, 0.0, input_std=2.0)
        for layer in range(20):
            x = np.tanh(x)
            rms = math.sqrt(np.trapezoid(x**2 * density, z))
            assert signal.std[layer] == pytest.approx(rms, rel=2e-3)
        assert np.all(signal.negative_rate == 0)

    def test_scales_with_the_amplitude(self):
        plain = solver.propagate(np.tanh, 20, 0.2)
        scaled = solver.propagate(lambda x: 3 * np.tanh(2 * x), 20, 0.2, input_std=3.0)
        assert scaled.std == pytest.approx(3 * plain.std, rel=1e-4)
        assert scaled.negative_rate == pytest.approx(plain.negative_rate, abs=1e-4)

    @pytest.mark.parametrize("input_std", [1e-3, 1e3])
    def test_inputs_of_any_scale_arrive_at_the_same_spread(self, input_std):
        ordinary = solver.propagate(np.tanh, 300, 0.3)
        extreme = solver.propagate(np.tanh, 300, 0.3, input_std=input_std)
        # A tiny input first has to grow, by a factor e in 1 / (0.3^2 / 2) layers.
        assert extreme.std[-1] == pytest.approx(ordinary.std[-1], rel=0.01)

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"depth": 0}, "depth=0"),
            ({"depth": 1.5}, "depth=1.5"),
            ({"noise_scale": -1}, "noise_scale=-1"),
            ({"input_std": 0}, "input_std=0"),
            ({"noise_scale": True}, "noise_scale=True"),
        ],
    )
    def test_arguments_outside_their_range_are_rejected(self, arguments, error):
        with pytest.raises((TypeError, ValueError), match=f"Received: {error}"):
            solver.propagate(np.tanh, **{"depth": 10, "noise_scale": 0.1, **arguments})


class TestOrthogonal:
    # g: {activation: (spread, chi - 1)}, to the digits given.
    # Softsign's chi is not that of the Gauss-Hermite rule of 201 nodes (.00137, .00445,
    # .01467), which errs at the kink of f'^2 at 0: adaptive quadrature gives these.
    REFERENCE: ClassVar = {
        1.05: {
            "tanh": (0.220, 0.00288),
            "erf": (0.245, 0.00298),
            "softsign": (0.030, 0.00092),
            "algebraic 2": (0.181, 0.00278),
            "arctan": (0.225, 0.00269),
        },
        1.10: {
            "tanh": (0.305, 0.01019),
            "erf": (0.337, 0.01081),
            "softsign": (0.058, 0.00343),
            "algebraic 2": (0.254, 0.00963),
            "arctan": (0.318, 0.00917),
        },
        1.20: {
            "tanh": (0.416, 0.03350),
            "erf": (0.454, 0.03633),
            "softsign": (0.109, 0.01219),
            "algebraic 2": (0.352, 0.03095),
            "arctan": (0.446, 0.02894),
        },
    }

    @pytest.mark.parametrize("gain", REFERENCE)
    def test_reproduces_the_table_of_gains_to_its_digits(self, gain):
        for name, (spread, chi) in self.REFERENCE[gain].items():
            point = solver.orthogonal_spread(TABLE[name][0], gain)
            assert point.spread == pytest.approx(spread, abs=5.1e-4)
            assert point.chi - 1 == pytest.approx(chi, abs=5.1e-6)

    @pytest.mark.parametrize("gain", REFERENCE)
    def test_the_gain_for_a_depth_inverts_that_table(self, gain):
        for name in self.REFERENCE[gain]:
            chi = solver.orthogonal_spread(TABLE[name][0], gain).chi
            point = solver.orthogonal_gain(TABLE[name][0], 1 / (chi - 1))
            assert point.gain == pytest.approx(gain, abs=1e-6)

    @pytest.mark.parametrize("gain", [1.05, 1.2])
    def test_softsign_agrees_with_adaptive_quadrature(self, gain):
        def expectation(h):
            return 2 * mpmath.quad(lambda z: mpmath.npdf(z) * h(z), [0, 0.1, 1, 3, 8, 20])

        point = solver.orthogonal_spread(softsign, gain)
        a = gain * point.spread
        assert float(expectation(lambda z: (a * z / (1 + a * z)) ** 2)) == pytest.approx(
            point.spread**2, rel=1e-9
        )
        chi = gain**2 * expectation(lambda z: (1 + a * z) ** -4)
        assert float(chi) == pytest.approx(point.chi, rel=1e-8)

    @pytest.mark.parametrize("name", ["tanh", "erf", "softsign", "langevin", "bipolar sigmoid"])
    def test_operating_point_agrees_with_a_monte_carlo_average(self, name):
        function, slope, *_ = TABLE[name]
        point = solver.orthogonal_gain(function, 20)
        z = np.random.default_rng(0).standard_normal(400_000)
        x = point.gain / slope * point.spread * z
        square = function(x) ** 2
        error = square.std() / math.sqrt(z.size)
        assert square.mean() == pytest.approx(point.spread**2, abs=MONTE_CARLO * error)
        h = 1e-5
        growth = (point.gain / slope * (function(x + h) - function(x - h)) / (2 * h)) ** 2
        error = growth.std() / math.sqrt(z.size)
        assert growth.mean() == pytest.approx(point.chi, abs=MONTE_CARLO * error)

    @given(depth=st.floats(1, 1e6), name=st.sampled_from(sorted(TABLE)))
    @settings(max_examples=50)
    def test_chi_is_one_plus_the_reciprocal_depth(self, depth, name):
        function, _, order, *_ = TABLE[name]
        assume(order < 20)  # a power of 20 is a step: chi there is set by one layer's bend
        point = solver.orthogonal_gain(function, depth)
        assert point.gain > 1
        assert (point.chi - 1) * depth == pytest.approx(1, rel=1e-4)

    def test_gain_and_chi_do_not_depend_on_the_scale(self):
        plain = solver.orthogonal_gain(np.tanh, 50)
        scaled = solver.orthogonal_gain(lambda x: 3 * np.tanh(0.2 * x), 50)
        assert scaled.gain == pytest.approx(plain.gain, rel=1e-9)
        assert scaled.spread == pytest.approx(3 * plain.spread, rel=1e-9)

    def test_known_gains(self):
        assert solver.orthogonal_gain(np.tanh, 100).gain == pytest.approx(1.10, abs=0.005)
        assert solver.orthogonal_gain(np.tanh, 100).spread == pytest.approx(0.31, abs=0.01)
        assert solver.orthogonal_gain(np.tanh, 700).gain == pytest.approx(1.04, abs=0.01)

    def test_below_the_critical_gain_the_signal_dies(self):
        point = solver.orthogonal_spread(np.tanh, 0.9)
        assert (point.spread, point.chi) == (0.0, pytest.approx(0.81))

    @pytest.mark.parametrize("input_std", [0.1, 1, 30.0])
    def test_a_first_layer_lets_data_of_any_scale_in_at_half_the_spread(self, input_std):
        point = solver.orthogonal_gain(np.tanh, 300)
        z = np.random.default_rng(0).standard_normal(100_000)
        std = np.tanh(point.first_layer_gain(input_std) * input_std * z).std()
        assert std == pytest.approx(point.spread / 2, rel=0.04)  # g > 1 against tanh's bend

    def test_a_first_layer_needs_a_spread_to_begin_at(self):
        point = solver.orthogonal_spread(np.tanh, 0.9)
        with pytest.raises(ValueError, match=r"Received: input_std=1, gain=0.9"):
            point.first_layer_gain(1)
        for wrong, error in ((0, ValueError), (-1.0, ValueError), ("1", TypeError)):
            with pytest.raises(error, match=f"Received: input_std={wrong!r}"):
                point.first_layer_gain(wrong)

    @pytest.mark.parametrize("depth", [0, 0.5, -3, math.inf])
    def test_a_depth_below_one_is_refused(self, depth):
        with pytest.raises(ValueError, match=f"`depth` must be .* Received: depth={depth}"):
            solver.orthogonal_gain(np.tanh, depth)

    def test_a_gain_that_is_not_a_positive_number_is_refused(self):
        with pytest.raises(ValueError, match=r"Received: gain=0"):
            solver.orthogonal_spread(np.tanh, 0)
        with pytest.raises(TypeError, match=r"Received: gain=Fraction"):
            solver.orthogonal_spread(np.tanh, Fraction(11, 10))


class TestSurrogate:
    def test_hits_its_rate_when_gains_really_are_independent(self):
        # Five standard errors of a sampled product of signs of a ~ N(omega, s^2).
        rng = np.random.default_rng(0)
        paths, depth, rate = 20_000, 50, 0.3
        scale = solver.surrogate_noise_scale(depth, rate)
        gains = 1 + scale * rng.standard_normal((paths, depth))
        negative = np.mean(np.prod(np.sign(gains), axis=1) < 0)
        assert negative == pytest.approx(
            rate, abs=MONTE_CARLO * math.sqrt(rate * (1 - rate) / paths)
        )

    def test_overshoots_in_a_real_network(self):
        sigma = solver.surrogate_noise_scale(300, 0.3)
        assert sigma == pytest.approx(0.3375, abs=5e-5)
        assert solver.propagate(np.tanh, 300, sigma).negative_rate[-1] > 0.49

    @pytest.mark.parametrize("rate", [0, 0.5])
    def test_a_rate_outside_its_range_is_rejected(self, rate):
        with pytest.raises(ValueError, match=f"Received: negative_rate={rate}"):
            solver.surrogate_noise_scale(100, rate)
