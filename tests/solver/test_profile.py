"""The profile of a function and its fixed points, against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from solver_cases import TABLE, TANH, cancelling_bipolar_sigmoid, cancelling_langevin, softsign

from keras_oddsig import solver
from keras_oddsig.solver import Profile


class TestProfile:
    def test_a_scale_that_float64_cannot_take_is_refused_by_its_name(self):
        with pytest.raises(ValueError, match=r"`amplitude` must be larger.*amplitude=0\.1, order="):
            Profile(1.0, 1e6, 1.0, 1.0).scaled(amplitude=0.1)

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
