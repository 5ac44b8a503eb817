"""The example of a physics-informed network, small; and that its mathematics is right."""

import importlib

import keras
import numpy as np
import pytest
from keras import ops

SMALL = ["--depth", "3", "--width", "8", "--adam", "5", "--lbfgs", "5", "--points", "100"]


@pytest.fixture(scope="module")
def pinn(load_example):
    return load_example("pinn_burgers")


@pytest.fixture(scope="module")
def trained(pinn, tmp_path_factory):
    """A small run with trainable rates, and the picture that it drew."""
    picture = tmp_path_factory.mktemp("burgers") / "new" / "burgers.png"
    return pinn.main([*SMALL, "--trainable-rate", "--output", str(picture)]), picture


def test_derivatives_are_those_of_a_known_function(pinn, to_numpy):
    points = np.random.default_rng(0).uniform((0, -1), (1, 1), (50, 2)).astype("float32")
    t, x = points[:, :1].astype(float), points[:, 1:].astype(float)

    def u(points):
        return ops.sin(2 * points[:, :1]) * ops.exp(points[:, 1:]) * points[:, 1:]

    found = pinn.derivatives(u, ops.convert_to_tensor(points))
    expected = (
        np.sin(2 * t) * np.exp(x) * x,
        2 * np.cos(2 * t) * np.exp(x) * x,
        np.sin(2 * t) * np.exp(x) * (1 + x),
        np.sin(2 * t) * np.exp(x) * (2 + x),
    )
    for one, other in zip(found, expected, strict=True):
        assert one.shape == (50, 1)
        np.testing.assert_allclose(to_numpy(one), other, atol=2e-6)


def test_the_exact_solution_solves_the_equation(pinn):
    # Away from the front, where differences over 1e-3 would not resolve it.
    t, x = np.meshgrid(np.linspace(0.1, 0.9, 9), np.linspace(0.2, 0.9, 8))
    h = 1e-3
    u, left, right = (pinn.exact(t, x + shift) for shift in (0, -h, h))
    u_t = (pinn.exact(t + h, x) - pinn.exact(t - h, x)) / (2 * h)
    u_x, u_xx = (right - left) / (2 * h), (right - 2 * u + left) / h**2
    assert np.abs(u_t + u * u_x - pinn.VISCOSITY * u_xx).max() < 1e-4
    points = pinn.sample(2, seed=0)
    np.testing.assert_allclose(pinn.exact(*points.border.T), points.values[:, 0], atol=1e-6)


def test_the_exact_solution_is_that_of_the_benchmark(pinn):
    burgers = importlib.import_module("oddsig_benchmarks.pinn.burgers")
    t, x = np.meshgrid(np.linspace(0, 1, 9), np.linspace(-1, 1, 33))
    np.testing.assert_allclose(pinn.exact(t, x), burgers.solution(t, x), atol=1e-12)


def test_the_loss_is_what_the_equation_and_the_border_leave(pinn, to_numpy):
    points = pinn.sample(20, seed=0)
    values, t, x = points.values[:, 0], *points.border.T

    def loss(u):
        return float(to_numpy(pinn.loss(u, points)))

    # u = 0 solves the equation; at the start it misses sin(pi x)^2, of mean 99/200 over these
    # 100 points, at a third of the points of the border.
    assert loss(lambda p: 0 * p[:, :1] * p[:, 1:]) == pytest.approx(0.495 / 3, rel=1e-5)
    # u = x / (1 + t) has no u_xx, and u_t + u u_x = 0: what is left is on the border.
    border = np.mean((x / (1 + t) - values) ** 2)
    assert loss(lambda p: p[:, 1:] / (1 + p[:, :1])) == pytest.approx(border, rel=1e-5)
    # u = x^2 leaves u u_x - viscosity u_xx = 2 x^3 - 2 viscosity.
    inside = np.mean((2 * points.inside[:, 1] ** 3 - 2 * pinn.VISCOSITY) ** 2)
    expected = inside + np.mean((x**2 - values) ** 2)
    assert loss(lambda p: p[:, 1:] ** 2) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_is_that_of_the_loss_for_every_weight(pinn):
    model = pinn.build(2, 4, "tanh", True, "OddSigmoidOrthogonal")
    objective = pinn.Objective(model, pinn.sample(20, seed=0))
    weights = objective.weights
    rates = [v.path for v in model.trainable_variables if v.path.endswith("rate")]
    assert weights.size == (2 * 4 + 4 + 1) + (4 * 4 + 4 + 1) + (4 + 1)
    assert len(rates) == 2
    _, gradient = objective(weights)
    for entry in range(weights.size):
        # In float32 a difference over 2e-2 is right to some 1e-4.
        step = 1e-2 * np.eye(weights.size)[entry]
        slope = (objective(weights + step)[0] - objective(weights - step)[0]) / 2e-2
        assert gradient[entry] == pytest.approx(slope, rel=5e-3, abs=1e-3)


def test_the_vector_of_weights_goes_back_to_where_it_came_from(pinn):
    model = pinn.build(2, 4, "erf", True, "glorot_uniform")
    objective = pinn.Objective(model, pinn.sample(2, seed=0))
    before = model.get_weights()
    vector = objective.weights
    objective.weights = vector + 1
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_allclose(now, then + 1, rtol=1e-6)
    np.testing.assert_allclose(objective.weights, vector + 1, rtol=1e-6)


def test_the_first_step_of_adam_moves_each_weight_by_the_learning_rate(pinn):
    model = pinn.build(1, 4, "tanh", True, "OddSigmoidOrthogonal")
    objective = pinn.Objective(model, pinn.sample(20, seed=0))
    before = objective.weights
    _, gradient = objective(before)
    pinn.train_adam(objective, 1, 1e-2, watch=lambda value: None)
    # Keras adds its epsilon, 1e-7, before the second moment's bias of 1 - .999 is taken out.
    expected = before - 1e-2 * gradient / (np.abs(gradient) + 1e-7 / np.sqrt(1e-3))
    np.testing.assert_allclose(objective.weights, expected, atol=1e-5)


def test_lbfgs_leaves_the_weights_at_the_minimum_not_where_it_looked_last(pinn):
    class Bowl:
        weights = np.array([3.0, -2.0])

        def __call__(self, vector):
            return np.sum((vector - 1) ** 2), 2 * (vector - 1)

    bowl, seen = Bowl(), []
    assert pinn.train_lbfgs(bowl, 20, seen.append)
    np.testing.assert_allclose(bowl.weights, [1, 1], atol=1e-6)
    assert seen[-1] < 1e-12


def test_both_optimizers_lower_the_loss_and_train_the_rates(trained):
    result, _ = trained
    assert result.adam == 5
    assert len(result.losses) == 10
    assert result.losses[4] < result.losses[0]
    assert result.loss < 0.7 * result.losses[4]
    # The model has the weights of the last iteration.
    assert result.loss == pytest.approx(result.losses[-1], rel=1e-5)
    rates = [float(layer.activation.get_weights()[0]) for layer in result.model.layers[:-1]]
    assert len(rates) == 3
    assert min(abs(rate - 1) for rate in rates) > 1e-4


def test_the_report_comes_from_before_the_training(trained):
    result, _ = trained
    assert result.report.verdict == "healthy"
    last = result.report.layers[-1]
    assert last.statistics["second_derivative"] > 0
    assert last.predicted_second_derivative is not None


def test_the_picture_is_drawn_and_the_saved_model_is_the_trained_one(pinn, trained):
    result, picture = trained
    assert picture.read_bytes().startswith(b"\x89PNG")
    loaded = keras.saving.load_model(picture.with_suffix(".keras"))
    u = pinn.predict(loaded)
    np.testing.assert_allclose(u, pinn.predict(result.model), atol=1e-6)
    exact = pinn.exact(*pinn.grid())
    assert result.error == pytest.approx(np.sqrt(np.mean((u - exact) ** 2) / np.mean(exact**2)))


def test_bad_arguments_end_with_one_line(pinn, capsys):
    for arguments in (["--activation", "relu"], ["--depth", "0"], ["--initializer", "none_such"]):
        with pytest.raises(SystemExit) as stopped:
            pinn.main(arguments)
        assert stopped.value.code == 2
        assert arguments[1] in capsys.readouterr().err
