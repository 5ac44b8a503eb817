"""The initializers, on the backend that KERAS_BACKEND names."""

import contextlib
import functools
import itertools
import json
import math
import shutil

import keras
import numpy as np
import pytest
from packaging.version import Version

import keras_oddsig as ko
from keras_oddsig import _draws, _scales, solver

SHAPES = [(1, 1), (1, 4), (4, 1), (2, 2), (5, 7), (7, 5), (64, 64), (33, 100), (100, 33)]
BOTH = [ko.OddSigmoidInit, ko.OddSigmoidOrthogonal]
# A way of its own to draw.
KEEPING = pytest.param(functools.partial(ko.OddSigmoidOrthogonal, bottleneck=3), id="bottleneck")
ACTIVATIONS = {
    "tanh": ko.Tanh(),
    "erf": ko.Erf(),
    "softsign": ko.Softsign(),
    "algebraic 3": ko.Algebraic(order=3),
    "3 arctan(x/2)": ko.Arctan(amplitude=3.0, rate=0.5),
}
SIGMAS = 5  # tolerance of a statistic, in standard errors


def pattern(m, n):
    """The rectangular identity, entry by entry from its definition."""
    if n < m:
        return np.eye(m, n)
    return np.array([[float(i == j % m) for j in range(n)] for i in range(m)])


class TestDiagonal:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_without_noise_it_is_the_rectangular_identity(self, shape, draw):
        kernel = draw(ko.OddSigmoidInit("erf", noise_scale=0.0), shape)
        assert kernel == pytest.approx(math.sqrt(math.pi) / 2 * pattern(*shape), rel=1e-6)

    def test_a_chain_that_widens_and_narrows_is_the_identity(self, draw):
        init = ko.OddSigmoidInit("tanh", noise_scale=0.0)
        chain = draw(init, (6, 16)) @ draw(init, (16, 40)) @ draw(init, (40, 6))
        assert chain == pytest.approx(np.eye(6))

    @pytest.mark.parametrize("noise", ["normal", "truncated_normal", "uniform", "rademacher"])
    @pytest.mark.parametrize("activation", ["tanh", "bipolar_sigmoid"])
    def test_noise_has_its_mean_and_standard_deviation(self, noise, activation, draw):
        init = ko.OddSigmoidInit(activation, depth=50, negative_rate=0.2, noise=noise)
        m, n = 400, 300
        omega = init.activation.profile.critical_gain
        noise_only = draw(init, (m, n)) - omega * pattern(m, n)
        std = omega * solver.noise_scale(50, 0.2) / math.sqrt(m)
        kurtosis = np.mean(noise_only**4) / np.mean(noise_only**2) ** 2
        assert noise_only.mean() == pytest.approx(0, abs=SIGMAS * std / math.sqrt(m * n))
        # Var of the sample variance: (kurtosis - 1) std^4 / N; rounding of omega + noise.
        error = std * math.sqrt(max(kurtosis - 1, 1e-6) / (4 * m * n))
        assert noise_only.std() == pytest.approx(std, abs=SIGMAS * error + 1e-6 * std)
        expected = {"normal": 3.0, "truncated_normal": 2.36, "uniform": 1.8, "rademacher": 1.0}
        assert kurtosis == pytest.approx(expected[noise], abs=0.06)
        # The diagonal carries noise, too: its mean is omega only on average.
        assert draw(init, (m, n)).diagonal().std() == pytest.approx(std, rel=0.3)

    def test_noise_scale_overrides_the_negative_rate(self, draw):
        kernel = draw(ko.OddSigmoidInit(noise_scale=2.0, negative_rate=0.01), (300, 300))
        assert (kernel - np.eye(300)).std() == pytest.approx(2 / math.sqrt(300), rel=0.02)

    @pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
    def test_kernels_of_two_activations_differ_by_a_factor(self, activation, draw):
        of_tanh, kernel = (
            draw(ko.OddSigmoidInit(f, 100, 0.1, seed=1), (32, 32)) for f in ("tanh", activation)
        )
        omega = activation.profile.critical_gain
        assert kernel == pytest.approx(omega * of_tanh, rel=1e-5, abs=1e-7)

    @pytest.mark.parametrize("rate", [0.1, 0.3, 0.4])
    def test_negative_rate_and_spread_hit_their_targets_at_the_target_layer(self, rate, draw):
        depth, width, seeds = 100, 256, 8
        init = ko.OddSigmoidInit("tanh", depth, rate)
        negative, spread = np.zeros((2, len(ACTIVATIONS), seeds))
        for seed in range(seeds):
            keras.utils.set_random_seed(seed)
            start = np.random.default_rng(seed).uniform(0.5, 1.5, (32, width))
            signals = [start * f.profile.bound for f in ACTIVATIONS.values()]
            for _ in range(depth):
                # One draw serves all, for their kernels differ by the critical gain alone.
                kernel = draw(init, (width, width))
                signals = [
                    f.reference(x @ kernel * f.profile.critical_gain)
                    for f, x in zip(ACTIVATIONS.values(), signals, strict=True)
                ]
            negative[:, seed] = [np.mean(x < 0) for x in signals]
            spread[:, seed] = [np.sqrt(np.mean(x**2)) for x in signals]
        for name, found, size in zip(ACTIVATIONS, negative, spread, strict=True):
            assert np.mean(found) == pytest.approx(rate, abs=0.03), name
            profile = ACTIVATIONS[name].profile
            if profile.order == 3:
                predicted = solver.spread(profile, depth, solver.noise_scale(depth, rate))
                assert np.mean(size) == pytest.approx(predicted, rel=0.05), name


class TestOrthogonal:
    @pytest.mark.parametrize("rotation", ["hartley", "haar"])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_is_semi_orthogonal_and_keeps_the_variance_per_unit(self, rotation, shape, draw):
        init = ko.OddSigmoidOrthogonal("langevin", depth=20, rotation=rotation)
        m, n = shape
        q = draw(init, shape) / (init.operating_point.gain * 3)
        gram = q.T @ q if n <= m else q @ q.T * (m / n)
        assert gram == pytest.approx(np.eye(min(m, n)), abs=1e-5)
        assert np.mean(q**2) == pytest.approx(1 / m, rel=1e-5)

    @pytest.mark.parametrize("rotation", ["hartley", "haar"])
    def test_entries_look_gaussian(self, rotation, draw):
        size, draws = 512, 8
        init = ko.OddSigmoidOrthogonal(rotation=rotation)
        q = np.stack([draw(init, (size, size)) for _ in range(draws)])
        q /= q.std()
        assert np.mean(q) == pytest.approx(0, abs=SIGMAS / math.sqrt(q.size))
        # The variance of the sample kurtosis of n Gaussians is 24 / n. Haar: n entries a
        # matrix. Hartley: an entry is the sum of one of N/2 cosines and one of N/2 sines,
        # each of whose kurtosis counts a quarter.
        error = math.sqrt(24) / size if rotation == "haar" else math.sqrt(2 * 48 / size) / 4
        assert np.mean(q**4) == pytest.approx(3, abs=SIGMAS * error / math.sqrt(draws) + 12 / size)

    def test_hartley_is_the_product_of_its_factors(self, to_numpy):
        size = 12
        k = np.arange(size)
        angle = 2 * np.pi * np.outer(k, k) / size
        H = (np.cos(angle) + np.sin(angle)) / math.sqrt(size)
        source = _draws.Source("float32", 3)
        q = to_numpy(_draws.hartley(_draws.Maps(1, size, size), 1.0, source)[0])
        signs = to_numpy(source.signs((1, 3 * size))[0])
        s, r, t = signs[:size], signs[size : 2 * size], signs[2 * size :]
        assert q == pytest.approx(np.diag(s) @ H @ np.diag(t) @ H @ np.diag(r), abs=1e-6)

    def test_hartley_keeps_the_signal_like_haar_in_a_deep_network(self, draw):
        spreads = {}
        for rotation in ("hartley", "haar"):
            init = ko.OddSigmoidOrthogonal("softsign", depth=100, rotation=rotation)
            last = []
            for seed in range(4):
                keras.utils.set_random_seed(seed)
                x = np.random.default_rng(seed).standard_normal((64, 128))
                for _ in range(100):
                    x = init.activation.reference(x @ draw(init, (128, 128)))
                last.append(x.std())
            spreads[rotation] = np.mean(last)
        target = init.operating_point.spread
        assert spreads["haar"] == pytest.approx(target, rel=0.1)
        assert spreads["hartley"] == pytest.approx(spreads["haar"], rel=0.1)

    def test_gain_is_the_solvers_and_can_be_given(self):
        init = ko.OddSigmoidOrthogonal(ko.Tanh(amplitude=2.0, rate=3.0), depth=30)
        point = solver.orthogonal_gain(lambda x: 2 * np.tanh(3 * x), 30)
        assert init.operating_point.gain == pytest.approx(point.gain, rel=1e-9)
        assert init.operating_point.spread == pytest.approx(point.spread, rel=1e-9)
        assert init.gain is None
        given = ko.OddSigmoidOrthogonal("tanh", gain=1.05)
        assert given.operating_point.gain == 1.05
        assert given.operating_point.spread == pytest.approx(0.220, abs=5e-4)

    @pytest.mark.parametrize("std", [1.0, 0.2])
    def test_a_first_layer_begins_at_half_the_spread_that_is_kept_up(self, draw, std):
        f = ko.Tanh(amplitude=2.0, rate=3.0)
        first, hidden = (
            ko.OddSigmoidOrthogonal(f, depth=100, input_std=s, seed=1) for s in (std, None)
        )
        point = hidden.operating_point
        assert first.operating_point == point
        x = std * np.random.default_rng(0).standard_normal((400, 96))
        y = f.reference(x @ draw(first, (96, 128)))
        assert y.std() == pytest.approx(point.gain * point.spread / 2, rel=0.05)
        expected = draw(hidden, (128, 128)) * point.spread / 2 / std
        assert draw(first, (128, 128)) == pytest.approx(expected, rel=1e-4, abs=1e-6)

    @pytest.mark.parametrize("dim", [None, 3])
    def test_features_of_several_scales_enter_alike(self, draw, dim):
        kwargs = {"depth": 20, "seed": 1, "input_dim": dim}
        scales = np.array([1e-3, 1.0, 1e3])
        each, one = (
            draw(ko.OddSigmoidOrthogonal("tanh", input_std=s, **kwargs), (3, 8))
            for s in (scales, 1.0)
        )
        assert each * scales[:, None] == pytest.approx(one, rel=1e-5)
        window = ko.OddSigmoidOrthogonal("tanh", input_std=list(scales), seed=1)
        kernel = draw(window, (3, 3, 3, 8))
        assert np.linalg.norm(kernel[1, 1], axis=1) * scales == pytest.approx(
            np.linalg.norm(kernel[1, 1, 1] * scales[1]), rel=1e-5
        )

    def test_other_kernels_of_a_few_inputs_have_no_features(self, draw):
        init = ko.OddSigmoidOrthogonal("tanh", input_dim=2, input_std=[1.0, 9.0], seed=1)
        assert draw(init, (8, 8)) == pytest.approx(
            draw(ko.OddSigmoidOrthogonal("tanh", input_dim=2, seed=1), (8, 8))
        )

    def test_a_number_for_each_feature_fits_the_kernel(self, draw):
        init = ko.OddSigmoidOrthogonal("tanh", input_std=[1.0, 2.0])
        with pytest.raises(ValueError, match=r"`input_std` must .* inputs, 4\. Received: 2 numb"):
            draw(init, (4, 8))

    def test_inputs_need_a_spread_to_begin_at(self):
        with pytest.raises(ValueError, match=r"`input_std` must .* input_std=1.0, gain=0.9"):
            ko.OddSigmoidOrthogonal("tanh", gain=0.9, input_std=1.0)

    def test_a_first_layer_keeps_no_directions(self):
        with pytest.raises(ValueError, match=r"`bottleneck` .* input_std=1.0, .* bottleneck=4$"):
            ko.OddSigmoidOrthogonal("tanh", input_std=1.0, bottleneck=4)

    def test_solver_runs_once_for_each_activation_and_depth(self, monkeypatch):
        calls = []
        solve = solver.orthogonal_gain
        monkeypatch.setattr(solver, "orthogonal_gain", lambda *a: calls.append(a) or solve(*a))
        _scales._gain_for_depth.cache_clear()
        for _ in range(3):
            ko.OddSigmoidOrthogonal("erf", depth=17)
            ko.OddSigmoidOrthogonal(ko.Erf(rate=2.0), depth=17)
            ko.OddSigmoidOrthogonal(ko.Algebraic(order=4), depth=17)
        assert len(calls) == 2


@pytest.mark.parametrize("rotation", ["hartley", "haar"])
class TestBottleneck:
    def test_what_has_passed_one_narrow_layer_passes_all(self, rotation, draw):
        widths = [4, 16, 16, 7, 33, 4] * 5
        shapes = list(itertools.pairwise(widths))
        told, untold = (
            ko.OddSigmoidOrthogonal("erf", 20, rotation=rotation, bottleneck=k) for k in (4, None)
        )
        gain = told.operating_point.gain * math.sqrt(math.pi) / 2
        product = np.linalg.multi_dot([draw(told, shape) / gain for shape in shapes])
        assert product @ product.T == pytest.approx(np.eye(4), abs=1e-4)
        assert not np.allclose(np.abs(product), np.eye(4), atol=0.1)  # and mixes what it keeps
        product = np.linalg.multi_dot([draw(untold, shape) for shape in shapes])
        values = np.linalg.svd(product, compute_uv=False)
        assert values[-1] < 0.01 * values[0]

    @pytest.mark.parametrize("shape", [*SHAPES, (4, 64), (64, 4)])
    def test_is_semi_orthogonal(self, rotation, shape, draw):
        init = ko.OddSigmoidOrthogonal("langevin", 20, rotation=rotation, bottleneck=4)
        m, n = shape
        q = draw(init, shape) / (init.operating_point.gain * 3)
        gram = q.T @ q if n <= m else q @ q.T
        assert gram == pytest.approx(n / m * np.eye(min(m, n)), abs=2e-5)
        if shape == (4, 64):  # an even number of waves: all units alike
            assert np.sum(q**2, axis=0) == pytest.approx(np.ones(64), rel=1e-4)

    def test_a_deep_chain_keeps_its_spread_and_its_rank(self, rotation, draw):
        told, untold = (
            ko.OddSigmoidOrthogonal("softsign", 60, rotation=rotation, bottleneck=k)
            for k in (16, None)
        )
        spread, rank = {}, {}
        for init in (told, untold):
            x = np.random.default_rng(0).standard_normal((256, 16)) / 4
            for shape in [(16, 64), (64, 64), (64, 16)] * 20:
                x = init.activation.reference(x @ draw(init, shape))
            values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
            spread[init], rank[init] = x.std(), values.sum() ** 2 / np.sum(values**2)
        assert spread[told] == pytest.approx(told.operating_point.spread, rel=0.2)
        assert rank[told] > 10
        assert rank[untold] < 3

    def test_convolutions_and_gates_are_as_without(self, rotation, draw):
        init = ko.OddSigmoidOrthogonal(rotation=rotation, bottleneck=3)
        centre, rest = centre_tap(draw(init, (3, 3, 6, 10)))
        gain = init.operating_point.gain
        assert centre @ centre.T == pytest.approx(gain**2 * 10 / 6 * np.eye(6), abs=1e-5)
        assert not rest.any()
        init = ko.OddSigmoidOrthogonal(rotation=rotation, bottleneck=3, gates=4)
        blocks = np.split(draw(init, (6, 24)), 4, axis=1)
        for block in blocks:
            assert block.T @ block == pytest.approx(gain**2 * np.eye(6), abs=1e-5)
        assert not np.allclose(blocks[0], blocks[1])


@pytest.mark.parametrize("cls", BOTH)
class TestFewInputs:
    """`input_dim`: a kernel's shape tells its place."""

    @pytest.mark.parametrize("inputs", [1, 2, 8])
    def test_first_are_slopes_of_which_no_two_are_alike(self, cls, inputs, draw):
        kernel = draw(cls("erf", depth=5, input_dim=inputs), (inputs, 400))
        omega = math.sqrt(math.pi) / 2
        error = omega / math.sqrt(2 * kernel.size)
        assert kernel.std() == pytest.approx(omega, abs=SIGMAS * error)
        assert len(np.unique(np.abs(kernel).round(6))) > 0.9 * kernel.size
        # Units of the activation then have slopes of standard deviation 1 at 0.
        assert cls("erf", input_dim=inputs).first_gain((inputs, 400)) == pytest.approx(
            math.sqrt(inputs)
        )

    @pytest.mark.parametrize("outputs", [1, 2, 8])
    def test_an_output_is_a_rotation_whatever_the_activation(self, cls, outputs, draw):
        kernel = draw(cls("bipolar_sigmoid", depth=5, input_dim=2), (32, outputs))
        assert kernel.T @ kernel == pytest.approx(np.eye(outputs), abs=1e-5)
        assert np.count_nonzero(np.abs(kernel) > 1e-4) > 0.9 * kernel.size  # and no identity

    @pytest.mark.parametrize("shape", [(16, 16), (8, 8), (2, 2), (3, 16), (16, 9)])
    def test_all_others_are_as_without(self, cls, shape, draw):
        if cls is ko.OddSigmoidInit:
            plain = cls("tanh", depth=5, negative_rate=0.1, seed=3)
        else:
            plain = cls("tanh", depth=5, gain=solver.smooth_gain(5), seed=3)
        told = cls("tanh", depth=5, input_dim=2, seed=3)
        assert draw(told, shape) == pytest.approx(draw(plain, shape), abs=1e-6)
        assert told.first_gain(shape) is None
        assert plain.first_gain((2, 16)) is None

    def test_one_instance_serves_a_deep_network_of_one_input(self, cls, draw):
        # At 30 layers: neither flat, nor rough, nor odd copies of one function.
        init = cls("tanh", depth=30, input_dim=1)
        h = x = np.linspace(-1, 1, 200)[:, None]
        for shape in [(1, 64), *[(64, 64)] * 29]:
            h = np.tanh(h @ draw(init, shape))
        values = np.linalg.svd(h, compute_uv=False)
        assert values[1] > 0.05 * values[0]
        u = h @ draw(init, (64, 1))
        curvature = np.gradient(np.gradient(u[:, 0], x[:, 0]), x[:, 0])
        assert 0.2 < np.sqrt(np.mean(curvature[2:-2] ** 2)) < 30

    def test_is_checked(self, cls):
        for wrong in (0, 9):
            with pytest.raises(ValueError, match=f"`input_dim` .* input_dim={wrong}$"):
                cls(input_dim=wrong)
        with pytest.raises(TypeError, match=r"`input_dim` .* input_dim=2.0$"):
            cls(input_dim=2.0)


def test_few_inputs_of_another_scale_have_slopes_for_it(draw):
    init = ko.OddSigmoidOrthogonal("tanh", depth=5, input_dim=1, input_std=5.8)
    assert draw(init, (1, 2000)).std() == pytest.approx(1 / math.sqrt(3) / 5.8, rel=0.1)
    assert init.effective_gain == solver.smooth_gain(5)
    assert init.first_gain((1, 2000)) == pytest.approx(1 / 3 / 5.8 * math.sqrt(3))
    with pytest.raises(ValueError, match=r"`bottleneck` .* input_dim=2, bottleneck=4$"):
        ko.OddSigmoidOrthogonal(input_dim=2, bottleneck=4)


def test_noise_is_less_for_few_inputs_unless_it_is_given():
    assert ko.OddSigmoidInit().negative_rate == 0.3
    assert ko.OddSigmoidInit(input_dim=2).negative_rate == 0.1
    assert ko.OddSigmoidInit(input_dim=2, negative_rate=0.3).negative_rate == 0.3


def centre_tap(kernel):
    """The matrix on the tap (k - 1) // 2 of each axis, and the kernel without it."""
    index = tuple((size - 1) // 2 for size in kernel.shape[:-2])
    rest = kernel.copy()
    rest[index] = 0
    return kernel[index], rest


class TestConvolutions:
    """Kernels of shape (*window, m, n)."""

    @pytest.mark.parametrize("window", [(3,), (4,), (3, 4), (2, 1), (3, 2, 4)])
    def test_without_noise_a_convolution_is_the_identity(self, window, to_numpy):
        conv = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}
        layer = conv[len(window)](
            5, window, padding="same", kernel_initializer=ko.OddSigmoidInit(noise_scale=0.0)
        )
        x = np.random.default_rng(0).standard_normal((2, *(6,) * len(window), 5))
        assert to_numpy(layer(x.astype("float32"))) == pytest.approx(x, abs=1e-6)

    @pytest.mark.parametrize("window", [(3,), (4,), (3, 4)])
    def test_without_noise_a_transposed_convolution_is_the_identity(self, window, to_numpy):
        if (
            keras.backend.backend() == "torch"
            and 4 in window
            and Version(keras.__version__) < Version("3.15")
        ):
            pytest.skip("an older Keras pads no even window on PyTorch")
        conv = {1: keras.layers.Conv1DTranspose, 2: keras.layers.Conv2DTranspose}
        init = ko.OddSigmoidInit(noise_scale=0.0, input_axes=[-1], output_axes=[-2])
        layer = conv[len(window)](5, window, padding="same", kernel_initializer=init)
        x = np.random.default_rng(0).standard_normal((2, *(6,) * len(window), 5))
        assert to_numpy(layer(x.astype("float32"))) == pytest.approx(x, abs=1e-6)

    @pytest.mark.parametrize("shape", [(3, 3, 6, 10), (3, 3, 10, 6), (4, 5, 7)])
    def test_pattern_sits_on_the_centre_tap(self, shape, draw):
        centre, rest = centre_tap(draw(ko.OddSigmoidInit("langevin", noise_scale=0.0), shape))
        assert centre == pytest.approx(3 * pattern(*shape[-2:]), rel=1e-6)
        assert not rest.any()

    def test_noise_covers_all_taps_with_the_whole_fan_in(self, draw):
        init = ko.OddSigmoidInit("bipolar_sigmoid", depth=50)
        kernel = draw(init, (3, 5, 40, 60))
        kernel[1, 2] -= 2 * pattern(40, 60)
        std = 2 * solver.noise_scale(50) / math.sqrt(3 * 5 * 40)
        per_tap = kernel.std(axis=(2, 3))
        assert per_tap == pytest.approx(np.full((3, 5), std), rel=SIGMAS / math.sqrt(2 * 40 * 60))
        assert kernel.std() == pytest.approx(std, rel=SIGMAS / math.sqrt(2 * kernel.size))

    @pytest.mark.parametrize("rotation", ["hartley", "haar"])
    @pytest.mark.parametrize("shape", [(3, 3, 6, 10), (3, 3, 10, 6), (4, 8, 8)])
    def test_rotation_sits_on_the_centre_tap(self, rotation, shape, draw):
        init = ko.OddSigmoidOrthogonal(depth=20, rotation=rotation)
        centre, rest = centre_tap(draw(init, shape))
        q, (m, n) = centre / init.operating_point.gain, shape[-2:]
        gram = q.T @ q if n <= m else q @ q.T * (m / n)
        assert gram == pytest.approx(np.eye(min(m, n)), abs=1e-5)
        assert not rest.any()

    @pytest.mark.parametrize("cls", BOTH)
    def test_each_group_of_a_grouped_convolution_has_its_own(self, cls, draw, to_numpy):
        # Its kernel is (*window, m / groups, n): the groups of outputs, side by side.
        layer = keras.layers.Conv1D(
            8, 3, padding="same", groups=2, kernel_initializer=cls(gates=2, seed=1)
        )
        x = np.random.default_rng(0).standard_normal((2, 6, 8)).astype("float32")
        layer(x)
        kernel = to_numpy(layer.kernel)
        assert kernel.shape == (3, 4, 8)
        assert not np.allclose(kernel[1, :, :4], kernel[1, :, 4:])
        if cls is ko.OddSigmoidInit:
            assert kernel[1, :, :4].diagonal() == pytest.approx(np.ones(4), abs=0.4)
            assert kernel[1, :, 4:].diagonal() == pytest.approx(np.ones(4), abs=0.4)
        else:
            for block in (kernel[1, :, :4], kernel[1, :, 4:]):
                assert block.T @ block == pytest.approx(
                    cls().operating_point.gain ** 2 * np.eye(4), abs=1e-5
                )

    @pytest.mark.parametrize("multiplier", [1, 3])
    def test_a_depthwise_kernel_has_one_input_for_each_output(self, multiplier, draw, to_numpy):
        axes = {"input_axes": [], "output_axes": [-2, -1]}
        layer = keras.layers.DepthwiseConv2D(
            3,
            padding="same",
            depth_multiplier=multiplier,
            depthwise_initializer=ko.OddSigmoidInit("langevin", noise_scale=0.0, **axes),
        )
        x = np.random.default_rng(0).standard_normal((2, 5, 5, 4))
        expected = np.repeat(3 * x, multiplier, axis=-1)
        assert to_numpy(layer(x.astype("float32"))) == pytest.approx(expected, abs=1e-5)

        init = ko.OddSigmoidInit("langevin", depth=20, **axes)
        kernel = draw(init, (3, 3, 300, multiplier))
        kernel[1, 1] -= 3
        std = 3 * solver.noise_scale(20) / 3  # nine taps, one input
        assert kernel.std() == pytest.approx(std, rel=SIGMAS / math.sqrt(2 * kernel.size))

        init = ko.OddSigmoidOrthogonal("langevin", depth=20, **axes)
        centre, rest = centre_tap(draw(init, (3, 3, 300, multiplier)))
        assert np.abs(centre) == pytest.approx(
            np.full((300, multiplier), 3 * init.operating_point.gain), rel=1e-6
        )
        assert abs(np.sign(centre).mean()) < SIGMAS / math.sqrt(centre.size)
        assert not rest.any()


@pytest.fixture(scope="module")
def rnn():
    """States of a SimpleRNN after each of 500 steps without input, by its kernel."""
    width, steps = 256, 500
    layer = keras.layers.SimpleRNN(width, return_sequences=True)
    inputs, state = keras.Input((steps, 1)), keras.Input((width,))
    model = keras.Model([inputs, state], layer(inputs, initial_state=state))

    def run(init, seed):
        keras.utils.set_random_seed(seed)
        layer.cell.recurrent_kernel.assign(init((width, width)))
        start = np.random.default_rng(seed).uniform(0.5, 1.5, (32, width)).astype("float32")
        empty = np.zeros((32, steps, 1), "float32")
        return model.predict([empty, start], verbose=0, batch_size=32)

    return run


class TestRecurrent:
    def test_diagonal_keeps_the_state_dispersed_over_500_steps(self, rnn):
        scale = solver.recurrent_noise_scale(500, 0.3)
        init = ko.OddSigmoidInit("tanh", noise_scale=scale)
        last = np.stack([rnn(init, seed)[:, -1] for seed in range(4)])
        # A matrix of this width scatters by .03 around the rate.
        assert np.mean(last < 0) == pytest.approx(0.3, abs=0.06)
        predicted = solver.recurrent_spread(init.activation.profile, scale)
        assert np.sqrt(np.mean(last**2)) == pytest.approx(predicted, rel=0.15)

    def test_the_scale_for_layers_keeps_it_dispersed_and_forgets_its_sign(self, rnn):
        last = rnn(ko.OddSigmoidInit("tanh", depth=500), 0)[:, -1]
        assert np.mean(last < 0) == pytest.approx(0.5, abs=0.05)
        assert 0.2 < np.sqrt(np.mean(last**2)) < 0.5

    def test_rotation_keeps_the_spread_that_the_solver_says(self, rnn):
        init = ko.OddSigmoidOrthogonal("tanh", depth=500)
        for step, tolerance in ((250, 0.1), (499, 0.05)):
            spread = rnn(init, 0)[:, step].std()
            assert spread == pytest.approx(init.operating_point.spread, rel=tolerance)

    @pytest.mark.parametrize(
        ("layer", "gates"), [(keras.layers.LSTM, 4), (keras.layers.GRU, 3)], ids=["LSTM", "GRU"]
    )
    def test_each_gate_has_its_own_pattern(self, layer, gates, to_numpy):
        cell = layer(
            6,
            kernel_initializer=ko.OddSigmoidInit(noise_scale=0.0, gates=gates),
            recurrent_initializer=ko.OddSigmoidOrthogonal(gates=gates),
        )
        cell.build((None, 5, 9))
        kernel, recurrent = to_numpy(cell.cell.kernel), to_numpy(cell.cell.recurrent_kernel)
        assert kernel == pytest.approx(np.tile(pattern(9, 6), (1, gates)))
        blocks = np.split(recurrent, gates, axis=1)
        for block in blocks:
            gain = ko.OddSigmoidOrthogonal().operating_point.gain
            assert block.T @ block == pytest.approx(gain**2 * np.eye(6), abs=1e-5)
        assert not np.allclose(blocks[0], blocks[1])

    def test_without_gates_a_fused_kernel_is_one_map(self, draw):
        # What the documentation says: outputs copy the inputs in turn, across the gates.
        assert draw(ko.OddSigmoidInit(noise_scale=0.0), (9, 24)) == pytest.approx(pattern(9, 24))


tells_axes = pytest.mark.skipif(
    Version(keras.__version__) < Version("3.15"),
    reason="Keras 3.15 is the first whose EinsumDense tells an initializer the kernel's axes",
)


class TestAxes:
    @tells_axes
    @pytest.mark.parametrize(
        ("equation", "inputs", "output_shape", "matrix"),
        [
            ("abc,cd->abd", (None, 3, 6), (None, 4), lambda k: k),
            ("abc,cde->abde", (None, 3, 8), (None, 2, 3), lambda k: k.reshape(8, 6)),
            ("abcd,cde->abe", (None, 5, 2, 3), (None, 8), lambda k: k.reshape(6, 8)),
            ("abc,dc->abd", (None, 3, 6), (None, 4), lambda k: k.T),
        ],
    )
    def test_einsum_dense_tells_which_axes_are_inputs(
        self, equation, inputs, output_shape, matrix, to_numpy
    ):
        init = ko.OddSigmoidInit(noise_scale=0.0)
        layer = keras.layers.EinsumDense(equation, output_shape, kernel_initializer=init)
        layer.build(inputs)
        found = matrix(to_numpy(layer.kernel))
        assert found == pytest.approx(pattern(*found.shape))

    @tells_axes
    @pytest.mark.parametrize("cls", BOTH)
    def test_every_kernel_of_multi_head_attention_is_a_matrix_of_its_own(self, cls, to_numpy):
        attention = keras.layers.MultiHeadAttention(2, 3, kernel_initializer=cls(depth=7))
        attention.build((None, 5, 6), (None, 5, 6))
        matrices = [
            to_numpy(layer.kernel).reshape(6, 6)
            for layer in (
                attention._query_dense,
                attention._key_dense,
                attention._value_dense,
                attention._output_dense,
            )
        ]
        assert len({matrix.tobytes() for matrix in matrices}) == 4
        for matrix in matrices:
            if cls is ko.OddSigmoidInit:
                assert matrix.diagonal() == pytest.approx(np.ones(6), abs=1)
            else:
                gain = cls(depth=7).operating_point.gain
                assert matrix.T @ matrix == pytest.approx(gain**2 * np.eye(6), abs=1e-5)

    def test_any_layout_is_read_by_its_axes(self, draw):
        # (outputs, window, inputs, inputs, outputs), from both ends.
        init = ko.OddSigmoidInit(noise_scale=0.0, input_axes=[3, 2], output_axes=[0, -1])
        kernel = draw(init, (2, 3, 4, 5, 6))
        matrix = kernel.transpose(1, 3, 2, 0, 4).reshape(3, 20, 12)
        assert matrix[1] == pytest.approx(pattern(20, 12))
        assert not matrix[[0, 2]].any()


@pytest.mark.parametrize("cls", [*BOTH, KEEPING])
class TestPrecision:
    @pytest.fixture
    def policy(self, request):
        """Sets the global dtype policy; JAX has float64 only where it is enabled."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(request.param)
        wide = contextlib.nullcontext()
        if request.param == "float64" and keras.backend.backend() == "jax":
            import jax

            wide = jax.enable_x64(True)
        with wide:
            yield request.param
        keras.config.set_dtype_policy(before)

    @pytest.mark.parametrize(
        "policy", ["float32", "float64", "mixed_float16", "mixed_bfloat16"], indirect=True
    )
    @pytest.mark.parametrize("mode", ["jit_compile", "run_eagerly"])
    # PyTorch's compiler warns of itself.
    @pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
    @pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
    def test_a_layer_gets_the_dtype_of_its_policy_and_trains(self, cls, policy, mode, to_numpy):
        if mode == "jit_compile" and keras.backend.backend() == "torch":
            if policy != "float32" or cls is not ko.OddSigmoidInit:
                pytest.skip("one run of PyTorch's slow compiler is enough")
            if shutil.which("g++") is None:
                pytest.skip("PyTorch's compiler needs a C++ compiler")
        layer = keras.layers.Dense(128, ko.Erf(), kernel_initializer=cls("erf", 10, seed=3))
        model = keras.Sequential([keras.Input((128,)), layer, keras.layers.Dense(1)])
        assert layer.kernel.dtype == layer.variable_dtype
        drawn_in = "float64" if policy == "float64" else "float32"
        assert to_numpy(layer.kernel) == pytest.approx(
            to_numpy(cls("erf", 10, seed=3)((128, 128), dtype=drawn_in)), abs=1e-6
        )
        model.compile("sgd", "mse", **{mode: True})
        x = np.linspace(-1, 1, 8 * 128).reshape(8, 128).astype("float32")
        assert np.isfinite(model.train_on_batch(x, x[:, :1]))
        assert keras.backend.standardize_dtype(model(x).dtype) == layer.compute_dtype

    # Wider than float16's largest number, 65504; a sum over so many inputs overflows it.
    @pytest.mark.parametrize("shape", [(70_000, 3), (3, 70_000), (3, 3, 8_000, 2)])
    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_no_size_overflows_half_precision(self, cls, shape, dtype, draw):
        kernel = draw(cls("bipolar_sigmoid", seed=3), shape, dtype=dtype)
        rms = np.sqrt(np.mean(np.square(draw(cls("bipolar_sigmoid", seed=3), shape))))
        assert np.all(np.isfinite(kernel))
        assert np.sqrt(np.mean(kernel**2)) == pytest.approx(rms, rel=5e-3)

    @pytest.mark.parametrize("policy", ["float64"], indirect=True)
    def test_float64_is_drawn_in_float64(self, cls, policy, draw):
        kernel = draw(cls(), (50, 50), dtype=policy)
        assert kernel.dtype == "float64"
        assert not np.array_equal(kernel, kernel.astype("float32"))
        if cls is not ko.OddSigmoidInit:
            gram = kernel.T @ kernel
            assert gram / gram[0, 0] == pytest.approx(np.eye(50), abs=1e-14)

    def test_on_an_accelerator_a_kernel_is_drawn_there(self, cls):
        match keras.backend.backend():
            case "jax":
                import jax

                at_hand = jax.default_backend() != "cpu"
            case "tensorflow":
                import tensorflow as tf

                at_hand = bool(tf.config.list_logical_devices("GPU"))
            case _:
                import torch

                at_hand = torch.cuda.is_available()
        if not at_hand:
            pytest.skip("no GPU here")
        assert "cpu" not in str(cls()((64, 64)).device).lower()


@pytest.mark.parametrize("cls", BOTH)
class TestArguments:
    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", None])
    def test_kernel_has_the_dtype_asked_for_and_float32s_statistics(self, cls, dtype, to_numpy):
        kernel = cls(seed=1)((200, 200), dtype=dtype)
        assert keras.backend.standardize_dtype(kernel.dtype) == (dtype or "float32")
        with pytest.warns(UserWarning, match="second kernel"):  # noqa: PT031  (integer seeds, on purpose)
            init = cls(seed=1)
            init((200, 200))
            full = to_numpy(init((200, 200), dtype="float32"))
        resolution = {"float16": 2**-10, "bfloat16": 2**-7}.get(dtype, 1e-6)
        assert to_numpy(kernel) == pytest.approx(full, rel=resolution, abs=1e-6)

    def test_axes_say_which_one_holds_the_inputs(self, cls, draw):
        usual = draw(cls(seed=2), (5, 9))
        assert np.array_equal(draw(cls(seed=2, input_axes=[0], output_axes=[1]), (5, 9)), usual)
        turned = draw(cls(seed=2, input_axes=[-1], output_axes=[0]), (9, 5))
        assert np.array_equal(turned, usual.T)

    @pytest.mark.parametrize("shape", [(), (3,)])
    def test_a_shape_that_is_no_matrix_is_rejected_with_the_way_out(self, cls, shape):
        with pytest.raises(ValueError, match=r"`input_axes` and .* Received: shape=\("):
            cls()(shape)

    @pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 3, 4)])
    def test_an_empty_shape_is_rejected(self, cls, shape):
        with pytest.raises(ValueError, match=r"`shape` must be positive .* Received: shape=\("):
            cls()(shape)

    @pytest.mark.parametrize(
        "shape",
        [5, None, "ab", b"ab", (None, 4), (3.0, 4.0), (True, 3), ("3", 4), {3: 1}, np.ones((2, 2))],
        ids=repr,
    )
    def test_what_is_no_shape_is_rejected(self, cls, shape):
        with pytest.raises(TypeError, match=r"`shape` must be a sequence .* Received: shape="):
            cls()(shape)

    def test_a_tensor_is_no_shape(self, cls):
        for tensor in (keras.ops.ones((3, 4)), keras.KerasTensor((3, 4))):
            with pytest.raises(TypeError, match=r"`shape` must be .* Received: shape="):
                cls()(tensor)

    @pytest.mark.parametrize("shape", [[4, 6], (np.int64(4), np.int32(6)), np.array([4, 6])])
    def test_any_sequence_of_integers_is_a_shape(self, cls, shape, draw):
        assert np.array_equal(draw(cls(seed=1), shape), draw(cls(seed=1), (4, 6)))

    @pytest.mark.parametrize("kind", [np.int64, np.array, lambda axis: [np.int32(axis)]])
    def test_numpys_integers_are_axes(self, cls, kind, draw):
        usual = cls(seed=1, input_axes=[-1], output_axes=[0])
        init = cls(seed=1, input_axes=kind(-1), output_axes=kind(0))
        assert init.get_config() == usual.get_config()
        assert np.array_equal(draw(init, (4, 6)), draw(usual, (4, 6)))
        json.dumps(init.get_config())
        both = cls(input_axes=np.array([0, 1]), output_axes=(np.int64(2),))
        assert (both.input_axes, both.output_axes) == ([0, 1], [2])

    @pytest.mark.parametrize("dtype", ["int32", "banana", 3, ""])
    def test_a_dtype_that_is_not_floating_is_rejected(self, cls, dtype):
        with pytest.raises(ValueError, match=f"`dtype` must be .* Received: dtype={dtype!r}"):
            cls()((3, 3), dtype=dtype)

    def test_an_unknown_key_of_a_config_is_named(self, cls):
        config = keras.initializers.serialize(cls("erf"))
        config["config"]["foo"] = 1
        for read in (keras.initializers.get, lambda config: cls.from_config(config["config"])):
            with pytest.raises(ValueError, match=r"`config` must hold .* Received: foo=1$"):
                read(config)
        with pytest.raises(TypeError, match=r"`config` must be .* Received: config=\[\]"):
            cls.from_config([])

    @pytest.mark.parametrize(
        ("arguments", "error", "received"),
        [
            ({"depth": 0}, ValueError, "depth=0"),
            ({"depth": 10.0}, TypeError, "depth=10.0"),
            ({"activation": "relu"}, ValueError, "activation='relu'"),
            ({"activation": None}, TypeError, "activation=None"),
            ({"activation": {"config": {}}}, ValueError, "activation={'config': {}}"),
            ({"input_axes": "", "output_axes": [1]}, TypeError, "input_axes=''"),
            ({"input_axes": [True], "output_axes": [1]}, TypeError, r"input_axes=\[True\]"),
            ({"input_axes": [0]}, ValueError, r"input_axes=\[0\], output_axes=None"),
            ({"input_axes": ["a"], "output_axes": [1]}, TypeError, r"input_axes=\['a'\]"),
            ({"input_axes": [0], "output_axes": []}, ValueError, r"output_axes=\[\]"),
            ({"gates": 0}, ValueError, "gates=0"),
            ({"gates": 1.5}, TypeError, "gates=1.5"),
        ],
    )
    def test_bad_arguments_are_rejected_at_construction(self, cls, arguments, error, received):
        with pytest.raises(error, match=f"Received: {received}"):
            cls(**arguments)

    @pytest.mark.parametrize(
        ("inputs", "outputs"), [([0], [0]), ([0], [-2]), ([0], [2]), ([-3], [0])]
    )
    def test_axes_that_do_not_fit_are_rejected(self, cls, inputs, outputs):
        with pytest.raises(ValueError, match=r"Received: input_axes=\[.*output_axes=\[.*shape=\("):
            cls(input_axes=inputs, output_axes=outputs)((3, 3))

    def test_gates_must_divide_the_outputs(self, cls):
        with pytest.raises(ValueError, match=r"`gates` must divide .* 10. Received: gates=4"):
            cls(gates=4)((5, 10))

    @pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's own warning")
    def test_many_widths_are_no_retracing(self, cls, monkeypatch):
        from tensorflow.python.eager.polymorphic_function import polymorphic_function

        # One that has not yet warned twice, after which it is silent.
        manager = polymorphic_function._FrequentTracingDetectorManager()
        monkeypatch.setattr(polymorphic_function, "_frequent_tracing_detector_manager", manager)
        warned = []
        monkeypatch.setattr(
            polymorphic_function.logging, "warning", lambda *message: warned.append(message)
        )
        layers = [keras.layers.Dense(101 + i, kernel_initializer=cls()) for i in range(8)]
        keras.Sequential([keras.Input((100,)), *layers])
        assert not warned

    def test_leaves_keras_numbering_of_layers_alone(self, cls):
        keras.backend.clear_session()
        cls("tanh")
        assert ko.Tanh().name == "tanh"


@pytest.mark.parametrize(
    ("cls", "arguments", "error", "received"),
    [
        (ko.OddSigmoidInit, {"negative_rate": 0.5}, ValueError, "negative_rate=0.5"),
        (ko.OddSigmoidInit, {"noise": "cauchy"}, ValueError, "noise='cauchy'"),
        (ko.OddSigmoidInit, {"noise": np.array(["normal"])}, ValueError, "noise=array"),
        (ko.OddSigmoidInit, {"noise_scale": -0.1}, ValueError, "noise_scale=-0.1"),
        (ko.OddSigmoidInit, {"noise_scale": "big"}, TypeError, "noise_scale='big'"),
        (ko.OddSigmoidOrthogonal, {"gain": 0}, ValueError, "gain=0"),
        (ko.OddSigmoidOrthogonal, {"rotation": "givens"}, ValueError, "rotation='givens'"),
        (ko.OddSigmoidOrthogonal, {"rotation": None}, ValueError, "rotation=None"),
        (ko.OddSigmoidOrthogonal, {"gain": math.nan}, ValueError, "gain=nan"),
        (ko.OddSigmoidOrthogonal, {"gain": 1e308}, ValueError, r"gain=1e\+308"),
        (ko.OddSigmoidOrthogonal, {"input_std": 0}, ValueError, "input_std=0"),
        (ko.OddSigmoidOrthogonal, {"input_std": 1e-320}, ValueError, "input_std=1e-320"),
        (ko.OddSigmoidOrthogonal, {"input_std": [1.0, 1e38]}, ValueError, r"input_std=1e\+38"),
        (ko.OddSigmoidOrthogonal, {"input_std": "one"}, TypeError, "input_std='one'"),
        (ko.OddSigmoidOrthogonal, {"input_std": [1.0, 0]}, ValueError, "input_std=0"),
        (ko.OddSigmoidOrthogonal, {"input_std": []}, ValueError, r"input_std=\[\]"),
        (ko.OddSigmoidOrthogonal, {"bottleneck": 0}, ValueError, "bottleneck=0"),
        (ko.OddSigmoidOrthogonal, {"bottleneck": 4.0}, TypeError, "bottleneck=4.0"),
    ],
)
def test_arguments_of_one_initializer_are_checked(cls, arguments, error, received):
    with pytest.raises(error, match=f"`{received.split('=')[0]}` must .* Received: {received}"):
        cls(**arguments)


def test_a_function_outside_the_class_is_rejected():
    with pytest.raises(ko.NotOddSigmoidError, match="`activation` is not odd-sigmoid"):
        ko.OddSigmoidInit(keras.activations.relu)


def test_an_adjusted_activation_scales_the_kernel(draw):
    kernel = draw(ko.OddSigmoidInit(ko.Tanh(amplitude=0.5, rate=0.5), noise_scale=0.0), (3, 3))
    assert kernel == pytest.approx(4 * np.eye(3))


@pytest.mark.parametrize("kind", ["layer", "model", "class"])
def test_what_is_no_activation_is_refused_by_the_name_of_the_argument(kind):
    layer = keras.layers.Dense(3)
    wrong = {"layer": layer, "model": keras.Sequential([layer]), "class": keras.layers.Dense}[kind]
    with pytest.raises(TypeError, match=r"`activation` must be the name.*Received: activation=<"):
        ko.OddSigmoidInit(wrong)


def test_a_long_array_in_place_of_a_shape_is_not_shown_whole():
    """Some libraries give an initializer the kernel to be filled."""
    kernel = keras.ops.zeros((60, 60)) + 0.123456789
    with pytest.raises(TypeError, match=r"`shape` must be a sequence.*Received: shape=") as caught:
        ko.OddSigmoidInit()(kernel)
    assert len(str(caught.value)) < 300
