"""Derivatives by depth, against closed forms, quadrature and sampled networks."""

import functools
import math

import mpmath
import numpy as np
import pytest
from scipy import fft, integrate, special
from solver_cases import MONTE_CARLO, TABLE, algebraic, softsign

from keras_oddsig import solver
from keras_oddsig.solver import derivatives

POINTS = np.array([[0.6, 0.3], [0.3, 0.9], [0.1, 0.1], [0.9, -0.5]])
OMEGA_ERF = math.sqrt(math.pi) / 2


# f, f', f''
def tanh(x):
    t = np.tanh(x)
    return t, 1 - t**2, -2 * t * (1 - t**2)


def flat_tanh(x):  # 2 tanh(x / 2)
    value, first, second = tanh(x / 2)
    return 2 * value, first, second / 2


def erf(x):
    slope = np.exp(-(x**2)) / OMEGA_ERF
    return special.erf(x), slope, -2 * x * slope


def bent(x):
    size = 1 + np.abs(x)
    return x / size, size**-2, -2 * np.sign(x) * size**-3


# name: (f with its derivatives, omega)
JETS = {"tanh": (tanh, 1), "flat": (flat_tanh, 1), "erf": (erf, OMEGA_ERF), "softsign": (bent, 1)}


def function_of(jet):
    return lambda x: jet(x)[0]


def chain_rule(jet, v, v_x, v_xx):
    value, first, second = jet(v)
    return value, first * v_x, second * v_x**2 + first * v_xx


def measured(result):
    return np.stack([result.value, result.first, result.second])


class TestSampledNetworks:
    """Every function of `JETS` in the same random networks, 256 wide."""

    WIDTH, NETWORKS = 256, 20

    def sample(self, depth, first_kernel, kernel):
        """Mean squares of (h, h_x, h_xx), in (networks, depth, functions, 3)."""
        rng = np.random.default_rng(0)
        squares = np.empty((self.NETWORKS, depth, len(JETS), 3))
        inputs = np.stack([POINTS, [1.0, 0.0] + 0 * POINTS, 0 * POINTS])
        for network in squares:
            h = np.stack([inputs @ first_kernel(rng)] * len(JETS))
            for layer, square in enumerate(network):
                z = kernel(rng, h) if layer else h
                for i, (jet, omega) in enumerate(JETS.values()):
                    h[i] = chain_rule(jet, *(omega * z[i]))
                square[:] = np.mean(h**2, axis=(-2, -1))
        return squares

    def slopes(self, gain):
        return lambda rng: gain / math.sqrt(2) * rng.standard_normal((2, self.WIDTH))

    def check(self, squares, predict):
        mean = squares.mean(axis=0)
        error = squares.std(axis=0, ddof=1) / math.sqrt(self.NETWORKS)
        depth = len(mean)
        for i, (jet, _) in enumerate(JETS.values()):
            predicted = measured(predict(function_of(jet), depth)).T
            for layer in [each - 1 for each in (1, 5, 30, 100) if each <= depth]:
                assert predicted[layer] == pytest.approx(np.sqrt(mean[layer, i]), rel=0.1)
                excess = np.abs(predicted[layer] ** 2 - mean[layer, i])
                assert np.all(excess < MONTE_CARLO * error[layer, i])

    def test_of_rotations(self):
        def rotate(rng, x):  # two Hartley transforms behind random signs
            for _ in range(2):
                y = fft.fft(x * rng.choice([-1, 1], self.WIDTH))
                x = (y.real - y.imag) / math.sqrt(self.WIDTH)
            return 1.05 * x

        self.check(
            self.sample(100, self.slopes(0.7), rotate),
            lambda f, depth: solver.derivatives_orthogonal(f, depth, 1.05, POINTS, first_gain=0.7),
        )

    @pytest.mark.parametrize(("depth", "first_gain"), [(100, None), (30, 1.0)])
    def test_of_identity_plus_noise(self, depth, first_gain):
        sigma = solver.noise_scale(depth, 0.1)

        def add_noise(rng, x):
            return x + x @ rng.standard_normal((self.WIDTH, self.WIDTH)) * sigma / self.WIDTH**0.5

        def copies(rng):
            return np.tile(np.eye(2), self.WIDTH // 2) + self.slopes(sigma)(rng)

        self.check(
            self.sample(depth, self.slopes(first_gain) if first_gain else copies, add_noise),
            lambda f, depth: solver.derivatives_diagonal(
                f, depth, sigma, POINTS, first_gain=first_gain
            ),
        )


class TestClosedForms:
    def test_of_erf_they_are_derivatives_of_a_chain_of_arcsines(self):
        # E erf(z) erf(z') = (2 / pi) arcsin(2 k' / sqrt((1 + 2 k) (1 + 2 k''))): Williams, 1997.
        # E h_x h_x' is its derivative with respect to x and x', and so on.
        gain, depth, (x, t) = 1.3, 6, (0.5, 0.8)

        def kernel(x, other, layers):
            products = [x * x + t * t, x * other + t * t, other * other + t * t]
            k = [each / 2 for each in products]
            for _ in range(layers):
                a, b, c = (2 * (gain * OMEGA_ERF) ** 2 * each for each in k)
                k = [
                    mpmath.asin(u / mpmath.sqrt((1 + v) * (1 + w))) * 2 / mpmath.pi
                    for u, v, w in ((a, a, a), (b, a, c), (c, c, c))
                ]
            return k[1]

        predicted = measured(solver.derivatives_orthogonal(special.erf, depth, gain, [x, t]))
        with mpmath.workdps(30):
            for layer in range(1, depth + 1):
                mixed = functools.partial(kernel, layers=layer)
                exact = [mpmath.diff(mixed, (x, x), (order, order)) for order in range(3)]
                assert predicted[:, layer - 1] ** 2 == pytest.approx(
                    [float(each) for each in exact], rel=1e-7
                )

    @pytest.mark.parametrize("name", JETS)
    @pytest.mark.parametrize("kind", ["rotation", "slopes", "identity"])
    def test_one_layer_is_an_integral_over_two_weights(self, name, kind):
        jet, omega = JETS[name]
        # The weights along the point and across it; softsign's corner lies between two nodes.
        point, scale = np.array([0.4, 0.3]), {"rotation": 1.2, "slopes": 1.2, "identity": 0.5}[kind]
        centres = [(0.4, 1), (0.3, 0)] if kind == "identity" else [(0, 0)]
        across, weight = np.polynomial.hermite_e.hermegauss(20)
        along = np.linspace(-9, 9, 20_000)[:, None]
        density = np.exp(-(along**2) / 2) / math.sqrt(2 * math.pi) * weight / weight.sum()
        total = np.zeros(3)
        for centre, slope in centres:
            v = centre + scale / math.sqrt(2) * 0.5 * along
            v_x = slope + scale / math.sqrt(2) * (point[0] * along - point[1] * across) / 0.5
            h = chain_rule(jet, omega * v, omega * v_x, 0)
            squares = [np.broadcast_to(each, v_x.shape) ** 2 for each in h]
            each = [integrate.trapezoid((s * density).sum(1), along[:, 0]) for s in squares]
            total += np.array(each) / len(centres)
        if kind == "rotation":
            result = solver.derivatives_orthogonal(function_of(jet), 1, scale, point)
        else:
            first = scale if kind == "slopes" else None
            result = solver.derivatives_diagonal(function_of(jet), 1, scale, point, 0, first)
        assert measured(result)[:, 0] == pytest.approx(np.sqrt(total), rel=1e-4)

    def test_a_corner_of_the_slope_is_integrated_from_both_sides(self):
        # One input: softsign's f'' = -2 sgn(v) / (1 + |v|)**3 is all there is, no mass sits at 0.
        def square(w):
            return (2 * w**2 / (1 + abs(0.5 * w)) ** 3) ** 2 * math.exp(-(w**2) / 2)

        exact = 2 * integrate.quad(square, 0, 12)[0] / math.sqrt(2 * math.pi)
        for result in (
            solver.derivatives_orthogonal(softsign, 1, 1.0, [0.5]),
            solver.derivatives_diagonal(softsign, 1, 0.1, [0.5], first_gain=1.0),
        ):
            assert result.second[0] ** 2 == pytest.approx(exact, rel=1e-4)

    def test_without_much_noise_it_is_the_function_iterated(self):
        jet = (0.7, 1.0, 0.0)
        result = measured(solver.derivatives_diagonal(np.tanh, 10, 1e-3, [0.7]))
        for layer in range(10):
            jet = chain_rule(tanh, *jet)
            assert result[:, layer] == pytest.approx(np.abs(jet), rel=1e-3)

    @pytest.mark.parametrize("name", ["tanh", "softsign", "langevin", "algebraic 3"])
    @pytest.mark.parametrize("point", [[1e-7, 1e-7], [0.0, 0.0]])
    def test_small_signals_keep_the_slope_that_linear_layers_give(self, name, point):
        layers = np.arange(1, 31)
        result = solver.derivatives_orthogonal(TABLE[name][0], 30, 1.1, point)
        assert result.first == pytest.approx(1.1**layers / math.sqrt(2), rel=1e-4)
        result = solver.derivatives_diagonal(TABLE[name][0], 30, 0.2, point)
        assert result.first == pytest.approx(1.04 ** (layers / 2) / math.sqrt(2), rel=1e-4)


@pytest.mark.parametrize("name", ["tanh", "softsign", "erf", "algebraic 3"])
def test_a_chaotic_network_bends_by_chi_where_it_steepens_by_its_root(name):
    function = TABLE[name][0]
    chi = solver.orthogonal_spread(function, 1.6).chi
    result = solver.derivatives_orthogonal(function, 200, 1.6, [0.5, 0.5])
    assert result.first[-1] / result.first[-2] == pytest.approx(math.sqrt(chi), rel=1e-6)
    assert result.second[-1] / result.second[-2] == pytest.approx(chi, rel=1e-6)


BOTH = pytest.mark.parametrize(
    "predict",
    [
        lambda f, points, **kw: solver.derivatives_orthogonal(f, 8, 1.2, points, **kw),
        lambda f, points, **kw: solver.derivatives_diagonal(f, 8, 0.2, points, **kw),
    ],
    ids=["orthogonal", "diagonal"],
)


@BOTH
class TestBoth:
    def test_scale_with_the_amplitude(self, predict):
        # h(x) of A f(k x) is A times that of f at x / A.
        plain = predict(np.tanh, POINTS)
        scaled = predict(lambda x: 3 * np.tanh(2 * x), 3 * POINTS)
        assert scaled.value == pytest.approx(3 * plain.value, rel=1e-5)
        assert scaled.first == pytest.approx(plain.first, rel=1e-5)
        assert scaled.second == pytest.approx(plain.second / 3, rel=1e-5)

    def test_are_root_mean_squares_over_the_points(self, predict):
        single = [measured(predict(np.tanh, point)) for point in POINTS]
        assert measured(predict(np.tanh, POINTS)) == pytest.approx(
            np.sqrt(np.mean(np.square(single), axis=0)), rel=1e-9
        )

    def test_the_axis_says_which_input(self, predict):
        swapped = measured(predict(np.tanh, POINTS[:, ::-1], axis=1))
        assert swapped == pytest.approx(measured(predict(np.tanh, POINTS)), rel=1e-6)
        assert measured(predict(np.tanh, POINTS, axis=1)) != pytest.approx(swapped, rel=0.01)

    @pytest.mark.parametrize("signs", [(-1, -1), (-1, 1), (1, -1)])
    def test_do_not_depend_on_the_signs_of_the_inputs(self, predict, signs):
        mirrored = measured(predict(softsign, POINTS * signs))
        assert mirrored == pytest.approx(measured(predict(softsign, POINTS)), rel=1e-3)

    def test_the_spread_is_that_of_propagation(self, predict):
        # At a point whose coordinates are the inputs' rms, from a first layer of random slopes.
        value = predict(np.tanh, [0.8, 0.8], first_gain=1.2).value
        std = solver.propagate_orthogonal(np.tanh, 8, 1.2, 0.8)
        assert value[0] == pytest.approx(std[0], rel=1e-6)

    def test_a_float32_function_serves(self, predict):
        rounded = predict(lambda x: np.tanh(x.astype(np.float32)), POINTS)
        assert measured(rounded) == pytest.approx(measured(predict(np.tanh, POINTS)), rel=1e-4)

    @pytest.mark.parametrize("size", [1e-6, 1e-2, 1e2, 1e5])
    def test_points_of_any_size_serve(self, predict, size):
        result = measured(predict(np.tanh, size * POINTS))
        assert np.all(np.isfinite(result))
        assert np.all(result >= 0)

    def test_a_function_whose_second_derivative_is_infinite_is_refused(self, predict):
        with pytest.raises(ValueError, match=r"`function` must be of order 2 .* of order 1.5"):
            predict(algebraic(0.5), POINTS)

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"points": []}, r"points.shape=\(0,\)"),
            ({"points": 1.0}, r"points.shape=\(\)"),
            ({"points": [[[1.0]]]}, r"points.shape=\(1, 1, 1\)"),
            ({"points": [math.nan, 1]}, r"points=\[nan, 1\]"),
            ({"points": "here"}, "points='here'"),
            ({"axis": 2}, "axis=2"),
            ({"axis": -1}, "axis=-1"),
            ({"axis": 0.5}, "axis=0.5"),
            ({"first_gain": 0}, "first_gain=0"),
        ],
    )
    def test_arguments_outside_their_range_are_rejected(self, predict, arguments, error):
        with pytest.raises((TypeError, ValueError), match=f"Received: {error}"):
            predict(np.tanh, **{"points": POINTS, **arguments})


def test_from_units_that_all_saturate_the_spread_goes_on_and_the_derivatives_are_0():
    result = solver.derivatives_diagonal(np.tanh, 3, 0.01, [100.0, 100.0])
    assert result.value == pytest.approx([1, np.tanh(1), np.tanh(np.tanh(1))], rel=1e-4)
    assert result.first == pytest.approx(0)
    assert result.second == pytest.approx(0)


@pytest.mark.parametrize("noise_scale", [0, -0.1, math.inf, "0.1"])
def test_a_noise_scale_that_is_not_positive_is_rejected(noise_scale):
    with pytest.raises((TypeError, ValueError), match=f"Received: noise_scale={noise_scale!r}"):
        solver.derivatives_diagonal(np.tanh, 3, noise_scale, POINTS)


@pytest.mark.parametrize("gain", [0, -0.1, math.inf, "0.1"])
def test_a_gain_that_is_not_positive_is_rejected(gain):
    with pytest.raises((TypeError, ValueError), match=f"Received: gain={gain!r}"):
        solver.derivatives_orthogonal(np.tanh, 3, gain, POINTS)


@pytest.mark.parametrize("function", [np.tanh, softsign])
@pytest.mark.parametrize("noise_scale", [0.02, 0.4])
def test_the_grid_is_fine_enough(function, noise_scale, monkeypatch):
    def predict():
        return measured(solver.derivatives_diagonal(function, 20, noise_scale, [0.6, 0.1]))

    coarse = predict()
    monkeypatch.setattr(derivatives, "_CELLS", 4 * derivatives._CELLS)
    assert coarse == pytest.approx(predict(), rel=1e-3)


def test_of_a_signal_that_shrinks_to_nothing_the_derivatives_are_0():
    result = solver.derivatives_orthogonal(np.tanh, 700, 0.5, [0.3, 0.2])
    assert result.first[-1] == result.second[-1] == result.value[-1] == 0


@pytest.mark.parametrize("value", [1e-320, 1e-30, 1e3, 1e8, 1e308])
def test_extremes_give_numbers_or_are_refused(value):
    for compute in (
        lambda: solver.derivatives_diagonal(np.tanh, 3, value, [0.3, 0.2]),
        lambda: solver.derivatives_diagonal(np.tanh, 3, 0.1, [0.3, 0.2], first_gain=value),
        lambda: solver.derivatives_orthogonal(np.tanh, 3, value, [0.3, 0.2]),
    ):
        try:
            found = compute()
        except ValueError as error:
            assert "Received: " in str(error)  # noqa: PT017
            assert not 1e-30 < value < 1e4
        else:
            assert np.isfinite([found.value, found.first, found.second]).all()


def test_near_the_origin_a_deep_network_turns_over():
    point = solver.derivatives_orthogonal(np.tanh, 30, 1.1, [0.6, 0.6]).second[-1]
    near = solver.derivatives_orthogonal(np.tanh, 30, 1.1, [0.06, 0.06]).second[-1]
    assert near > 5 * point
