"""Noise scale and negative rate, against the diffusion, sampling and the fit's tables."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from solver_cases import MONTE_CARLO

from keras_oddsig import solver
from keras_oddsig.solver import diffusion


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
            _, exact = diffusion._diffusion(float(order), time)
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
