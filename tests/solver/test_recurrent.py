"""One kernel for all steps, against sampled networks."""

import math

import numpy as np
import pytest
from solver_cases import TABLE, TANH

from keras_oddsig import solver
from keras_oddsig.solver import Profile


class TestRecurrent:
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
