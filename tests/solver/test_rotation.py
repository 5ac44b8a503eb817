"""The orthogonal variant, against quadrature, sampling and the table of its derivation."""

import math
from fractions import Fraction
from typing import ClassVar

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import linalg, special
from solver_cases import MONTE_CARLO, TABLE, softsign

from keras_oddsig import solver


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

    @pytest.mark.parametrize("depth", [1, 5, 100])
    def test_the_smooth_gain_bounds_squared_derivatives_over_the_depth(self, depth):
        gain = solver.smooth_gain(depth)
        assert gain ** (2 * depth) == pytest.approx(math.e)
        assert gain <= solver.orthogonal_gain(np.tanh, depth).gain
        # Near 0, where nothing saturates, the bound is met: e, and no more.
        first = solver.derivatives_orthogonal(np.tanh, depth, gain, [1e-6]).first
        assert first[-1] ** 2 == pytest.approx(math.e, rel=1e-4)
        with pytest.raises(ValueError, match=r"`depth` .* depth=0.5$"):
            solver.smooth_gain(0.5)

    @pytest.mark.parametrize("inputs", [1, 2])
    def test_the_smooth_gain_keeps_second_derivatives_in_range_at_any_depth(self, inputs):
        points = np.random.default_rng(0).uniform(-1, 1, (300, inputs))
        for depth in (3, 10, 30, 100):
            gain = solver.smooth_gain(depth)
            u = solver.derivatives_orthogonal(
                np.tanh, depth, gain, points, first_gain=math.sqrt(inputs)
            )
            assert 1 < u.second[-1] < 6

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
        wrongs = {0: ValueError, -1.0: ValueError, 1e-320: ValueError, "1": TypeError}
        for wrong, error in wrongs.items():
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


class TestPropagateOrthogonal:
    @pytest.mark.parametrize("name", ["tanh", "softsign", "erf", "algebraic 3"])
    @pytest.mark.parametrize("input_std", [0.01, 10.0])
    def test_arrives_at_the_spread_that_keeps_itself(self, name, input_std):
        function = TABLE[name][0]
        std = solver.propagate_orthogonal(function, 1000, 1.1, input_std)
        assert std[-1] == pytest.approx(solver.orthogonal_spread(function, 1.1).spread, rel=1e-9)

    @pytest.mark.parametrize("input_std", [0.01, 1.0, 30.0])
    def test_of_erf_it_is_an_arcsine_at_every_layer(self, input_std):
        # E erf(a z)^2 = (2 / pi) arcsin(2 a^2 / (1 + 2 a^2)): Williams, 1997.
        q, omega = input_std**2, math.sqrt(math.pi) / 2
        for std in solver.propagate_orthogonal(special.erf, 5, 1.1, input_std):
            double = 2 * (1.1 * omega) ** 2 * q
            q = 2 / math.pi * math.asin(double / (1 + double))
            assert std == pytest.approx(math.sqrt(q), rel=1e-6)

    @pytest.mark.parametrize("name", ["tanh", "softsign", "bipolar sigmoid"])
    def test_agrees_with_sampled_networks_at_every_layer(self, name):
        function, slope, *_ = TABLE[name]
        gain, depth, networks, width = 1.2, 10, 10, 200
        rng = np.random.default_rng(0)
        sampled = np.empty((networks, depth))
        for std in sampled:
            x = rng.choice([-1.0, 1.0], (32, width))  # far from Gaussian
            for layer in range(depth):
                rotation = linalg.qr(rng.standard_normal((width, width)))[0]
                x = function(gain / slope * x @ rotation)
                std[layer] = math.sqrt(np.mean(x**2))
        predicted = solver.propagate_orthogonal(function, depth, gain)
        error = sampled.std(axis=0, ddof=1) / math.sqrt(networks)
        assert predicted == pytest.approx(sampled.mean(axis=0), rel=0.01)
        assert np.all(np.abs(predicted - sampled.mean(axis=0)) < MONTE_CARLO * error)

    def test_up_to_the_critical_gain_the_signal_dies(self):
        std = solver.propagate_orthogonal(np.tanh, 200, 0.9)
        assert std[-1] / std[-2] == pytest.approx(0.9, rel=1e-9)

    def test_scales_with_the_amplitude(self):
        plain = solver.propagate_orthogonal(np.tanh, 20, 1.3)
        scaled = solver.propagate_orthogonal(lambda x: 3 * np.tanh(2 * x), 20, 1.3, input_std=3.0)
        assert scaled == pytest.approx(3 * plain, rel=1e-6)

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"depth": 0}, "depth=0"),
            ({"depth": 1.5}, "depth=1.5"),
            ({"gain": 0}, "gain=0"),
            ({"input_std": -1}, "input_std=-1"),
        ],
    )
    def test_arguments_outside_their_range_are_rejected(self, arguments, error):
        with pytest.raises((TypeError, ValueError), match=f"Received: {error}"):
            solver.propagate_orthogonal(np.tanh, **{"depth": 10, "gain": 1.1, **arguments})
