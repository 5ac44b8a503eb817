"""The mean field, against sampled networks and sampled particles."""

import math

import mpmath
import numpy as np
import pytest
from scipy import integrate
from solver_cases import MONTE_CARLO, SOFTSIGN, TABLE, TANH, sample_diffusion, sample_networks

from keras_oddsig import solver
from keras_oddsig.solver import Profile, diffusion


class TestDiffusion:
    """The deterministic solution behind `spread`, and behind the fit of `negative_rate`."""

    @pytest.mark.parametrize(("order", "time"), [(2, 1.0), (3, 0.5), (3, 2.25), (6, 4.0)])
    def test_agrees_with_sampled_particles(self, order, time):
        particles = 40_000
        v = sample_diffusion(order, time, particles=particles)
        rms, flipped = diffusion._diffusion(float(order), time)
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
            assert diffusion._diffusion(float(order), float(time))[0] == pytest.approx(
                spread, abs=0.002
            )

    def test_is_converged_in_its_steps(self):
        for order in (2.0, 3.0, 6.0):
            assert diffusion._diffusion(order, 2.25) == pytest.approx(
                diffusion._diffusion(order, 2.25, steps=512), abs=3e-4
            )


@pytest.mark.parametrize("wrong", [np.tanh, "tanh", None])
def test_what_is_no_profile_is_refused_with_where_to_find_one(wrong):
    calls = [
        lambda: solver.spread(wrong, 50, 0.1),
        lambda: solver.stationary_spread(wrong, 0.1),
        lambda: solver.recurrent_spread(wrong, 0.1),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"`profile_of\(function\)` are. Received: profile="):
            call()


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
                width=256,
                networks=20,
                inputs=lambda rng, shape: rng.standard_normal(shape),
            )
            assert signal.std == pytest.approx(std.mean(axis=0), rel=0.01)
            assert signal.negative_rate == pytest.approx(flipped.mean(axis=0), abs=0.005)
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
            rms = math.sqrt(integrate.trapezoid(x**2 * density, z))
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


@pytest.mark.parametrize("order", [1.02, 2.0, 3.0, 7.0])
@pytest.mark.parametrize("depth", [1, 100, 10**7, 2**63])
@pytest.mark.parametrize("noise_scale", [1e-320, 1e-12, 1e-4, 0.1, 1e6, 1e308])
def test_extremes_have_a_spread_or_are_refused(order, depth, noise_scale):
    profile = Profile(slope=1.0, order=order, curvature=0.5, bound=1.0)
    try:
        found = solver.spread(profile, depth, noise_scale)
    except ValueError as error:
        assert "Received: noise_scale=" in str(error)  # noqa: PT017
        assert order < 1.1 or noise_scale == 1e308
    else:
        assert 0 <= found < math.inf


def test_of_hardly_any_noise_the_spread_is_that_of_none():
    for profile in (SOFTSIGN, TANH):
        for noise_scale in (1e-320, 9e-6, 1.1e-5):
            found = solver.spread(profile, 100, noise_scale)
            assert found == pytest.approx(solver.spread(profile, 100, 0), rel=1e-6)
