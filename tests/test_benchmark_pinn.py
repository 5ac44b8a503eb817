"""The benchmark of physics-informed networks, small: equations, networks, training, resuming."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy import integrate

from oddsig_benchmarks.pinn import allen_cahn, burgers, cells, command, grids, methods
from oddsig_benchmarks.pinn.equations import EQUATIONS, sample
from oddsig_benchmarks.results import read

JAX = keras.backend.backend() == "jax"
needs_jax = pytest.mark.skipif(not JAX, reason="networks of this benchmark are JAX functions")


def cell(equation="burgers", depth=3, width=8, points=40, adam=20, lbfgs=5):
    return cells.Cell(equation, depth, width, points, adam, lbfgs)


ROOT = Path(__file__).parent.parent
LONGER = cell(adam=60, lbfgs=30)  # compiled once for the tests that share it


def rng():
    return np.random.default_rng(0)


# ----------------------------------------------------------------------------------
# Equations
# ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EQUATIONS)
def test_a_solution_solves_its_equation(name):
    equation = EQUATIONS[name]
    # Off the shock of Burgers and the start of Allen-Cahn, and off the border.
    inside = rng().uniform(equation.low, equation.high, (400, equation.inputs)) * 0.8 + 0.1
    if name == "burgers":
        inside = inside[np.abs(inside[:, 1]) > 0.2]
    h = {"allen-cahn": 2e-3}.get(name, 1e-3)
    first, second = [], []
    for axis in range(equation.inputs):
        step = h * np.eye(equation.inputs)[axis]
        before, here, after = (equation.solution(inside + k * step) for k in (-1, 0, 1))
        first.append((after - before) / (2 * h))
        second.append((after - 2 * here + before) / h**2)
    residual = equation.operator(equation.solution(inside), first, second)
    residual = residual - equation.forcing(inside)
    assert np.abs(residual).max() < 5e-3 * max(np.abs(each).max() for each in first)


@pytest.mark.parametrize("name", EQUATIONS)
def test_a_solution_has_the_values_that_are_asked_for_on_the_border(name):
    equation = EQUATIONS[name]
    found = sample(equation, 400, rng())
    border = found.points[-len(found.values) :]
    np.testing.assert_allclose(equation.solution(border), found.values, atol=2e-5)
    assert len(border) == {1: 2}.get(equation.inputs, 40 if name == "poisson" else 30)
    np.testing.assert_allclose(found.forcing, equation.forcing(found.points))


def test_burgers_has_the_slope_at_the_shock_that_basdevant_found():
    # Basdevant et al., 1986, table 1: |u_x(0, t)| is largest, 152.00516, at t = 1.6037 / pi.
    h = 1e-6
    t = 1.6037 / math.pi
    slope = (burgers.solution(t, h) - burgers.solution(t, -h)) / (2 * h)
    assert slope == pytest.approx(-152.00516, abs=0.01)


def test_allen_cahn_is_what_another_method_finds():
    x = np.linspace(-1, 1, 401)[1:-1]
    h = x[1] - x[0]

    def rate(t, u):
        full = np.concatenate([[-1], u, [-1]])
        u_xx = (full[2:] - 2 * u + full[:-2]) / h**2
        return allen_cahn.DIFFUSIVITY * u_xx + allen_cahn.RATE * (u - u**3)

    found = integrate.solve_ivp(
        rate, (0, 1), x**2 * np.cos(np.pi * x), "LSODA", (0.5, 1.0), lband=1, uband=1, rtol=1e-7
    )
    for t, u in zip(found.t, found.y.T, strict=True):
        points = np.stack([np.full_like(x, t), x], axis=1)
        error = np.linalg.norm(u - allen_cahn.solution(points)) / np.linalg.norm(u)
        assert error < 5e-3  # that of 401 points


def test_allen_cahn_is_resolved_in_time_and_space():
    ways = ((2000, 1023), (1000, 1023), (2000, 511))
    fine, coarse_in_time, coarse_in_space = (allen_cahn.solve(*way, every=500)[2] for way in ways)
    np.testing.assert_allclose(fine[-1], coarse_in_time[-1], atol=1e-5)
    np.testing.assert_allclose(fine[-1][::2], coarse_in_space[-1], atol=1e-5)


def test_points_are_those_of_the_seed_and_fill_the_box():
    equation = EQUATIONS["diffusion"]
    one, again = (sample(equation, 4000, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.points, again.points)
    inside = one.points[:4000]
    np.testing.assert_allclose(inside.min(axis=0), equation.low, atol=0.01)
    np.testing.assert_allclose(inside.max(axis=0), equation.high, atol=0.01)
    measured = np.sqrt(np.mean(inside**2))
    assert equation.input_std == pytest.approx(measured, rel=0.02)


# ----------------------------------------------------------------------------------
# Methods and networks
# ----------------------------------------------------------------------------------


@needs_jax
@pytest.mark.parametrize("name", ["fixed .085, by outputs", "few inputs, diagonal"])
def test_kernels_are_what_the_initializers_draw(name):
    from oddsig_benchmarks.pinn import networks

    setting, method = cell("burgers", depth=4, width=6), methods.METHODS[name]
    found = networks.draw(setting, method, seed=5)
    given = methods.Setting(4, 2, EQUATIONS["burgers"].input_std, keras.random.SeedGenerator(5))
    first, hidden, output = (make(given) for make in (method.first, method.hidden, method.output))
    np.testing.assert_array_equal(found["first"]["kernel"], first((2, 6)))
    for kernel in found["blocks"]["kernel"]:
        np.testing.assert_array_equal(kernel, hidden((6, 6)))
    np.testing.assert_array_equal(found["output"]["kernel"], output((6, 1)))


def test_fixed_noise_is_divided_by_what_it_says():
    for by_outputs, fan in ((True, 400), (False, 100)):
        init = methods.FixedNoise(keras.random.SeedGenerator(0), by_outputs)
        kernel = np.asarray(keras.ops.convert_to_numpy(init((100, 400))))
        noise = kernel - np.tile(np.eye(100), 4)
        assert noise.std() == pytest.approx(0.085 / math.sqrt(fan), rel=0.02)


@needs_jax
def test_methods_draw_finite_kernels_of_their_own_in_each_layer():
    from oddsig_benchmarks.pinn import networks

    layered = [name for name, m in methods.METHODS.items() if m.structure != "plain"]
    # The others are these with other numbers, and each kernel takes a while to compile.
    for name in ("he normal", "diagonal .3", "slopes, rotation 1", *layered):
        method = methods.METHODS[name]
        setting = cell(depth=7 if method.structure == "pirate" else 3)
        parameters = networks.draw(setting, method, seed=1)
        blocks = parameters["blocks"]
        if method.structure == "pirate":
            blocks = blocks["layers"][0]
        kernels = blocks["direction" if method.structure == "factorized" else "kernel"]
        assert kernels.shape == (2, 8, 8), name
        assert np.isfinite(kernels).all(), name
        assert (kernels[0] != kernels[1]).any(), name


@needs_jax
@pytest.mark.parametrize("structure", ["layernorm", "pirate"])
def test_derivatives_are_those_of_the_whole_network(structure):
    import jax

    from oddsig_benchmarks.pinn import networks

    points = rng().uniform(-1, 1, (5, 2)).astype("float32")
    method = next(m for m in methods.METHODS.values() if m.structure == structure)
    parameters = networks.draw(cell(depth=4), method, seed=0)
    if structure == "pirate":
        parameters["blocks"]["alpha"] += 0.5  # at 0 the block is not seen

    def u(point):
        return networks.output_of(structure, parameters, point[None])[0]

    @jax.jit
    def both(points):
        jet = networks.jet_of(structure, parameters, points, (1, 2))
        return jet, [jax.vmap(each)(points) for each in (u, jax.grad(u), jax.hessian(u))]

    jet, (value, gradient, hessian) = both(points)
    np.testing.assert_allclose(jet.value, value, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.stack(jet.first, 1), gradient, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(jet.second[1], hessian[:, 1, 1], rtol=1e-3, atol=1e-5)
    assert jet.second[0] is None


@needs_jax
def test_a_factorized_network_and_a_pirate_begin_as_they_should():
    from oddsig_benchmarks.pinn import networks

    points = rng().uniform(-1, 1, (9, 2)).astype("float32")
    parameters = networks.draw(cell(), methods.METHODS["glorot, factorized"], seed=0)

    def whole(p):
        kernel = p["direction"] * np.exp(p["log_scale"])
        return {"kernel": kernel, "bias": p["bias"]}

    plain = {role: whole(p) for role, p in parameters.items()}
    np.testing.assert_allclose(
        networks.output_of("factorized", parameters, points),
        networks.output_of("plain", plain, points),
        rtol=1e-5,
    )
    # A rate that starts at 1 is none, and 2 tanh(x / 2) is not tanh.
    trained = networks.draw(cell(), methods.METHODS["few inputs, diagonal, trainable rates"], 0)
    rated, fixed, scaled = (
        networks.output_of(name, trained, points) for name in ("trainable rate", "plain", "scaled")
    )
    np.testing.assert_allclose(rated, fixed, rtol=1e-5)
    assert np.abs(scaled - fixed).max() > 1e-3
    assert trained["blocks"]["rate"].shape == (2,)  # one for each layer
    pirate = networks.draw(cell(), methods.METHODS["glorot, pirate"], seed=0)
    linear = np.tanh(points @ pirate["first"][0]["kernel"]) @ pirate["output"]["kernel"]
    np.testing.assert_allclose(
        networks.output_of("pirate", pirate, points), linear[:, 0], rtol=1e-5
    )


# ----------------------------------------------------------------------------------
# Training
# ----------------------------------------------------------------------------------


@needs_jax
@pytest.mark.parametrize("points", [40, 80])
def test_a_stack_of_runs_is_trained_like_one_run(points):
    import jax

    from oddsig_benchmarks.pinn.networks import draw
    from oddsig_benchmarks.pinn.training import FEW, Training, data_of

    assert 40 <= FEW < 80  # both ways to stack
    setting = cell(points=points)
    training = Training(setting, "plain")
    method = methods.METHODS["slopes, diagonal .1, glorot"]
    runs = [
        (
            jax.flatten_util.ravel_pytree(draw(setting, method, seed))[0],
            np.float32(rate),
            data_of(sample(training.equation, setting.points, np.random.default_rng(seed))),
        )
        for seed, rate in ((0, 1e-3), (1, 1e-2))
    ]
    together = jax.jit(training.adam_stacked)(*jax.tree.map(lambda *a: np.stack(a), *runs))
    alone = jax.jit(training.adam)
    for run, found in zip(runs, together, strict=True):
        np.testing.assert_allclose(found, alone(*run), atol=2e-5)
        assert np.abs(found - run[0]).max() > 0.01  # it has moved


@needs_jax
def test_adam_is_the_text_books():
    import jax

    from oddsig_benchmarks.pinn.networks import draw
    from oddsig_benchmarks.pinn.training import Training, data_of

    setting = cell(adam=3)
    training = Training(setting, "plain")
    data = data_of(sample(training.equation, setting.points, rng()))
    start = jax.flatten_util.ravel_pytree(draw(setting, methods.METHODS["glorot uniform"], 0))[0]
    gradient = jax.jit(jax.grad(training.loss))
    x, m, v = np.asarray(start, "float64"), 0.0, 0.0
    for step in (1, 2, 3):
        g = np.asarray(gradient(x.astype("float32"), data), "float64")
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        x = x - 3e-3 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-7)
    np.testing.assert_allclose(jax.jit(training.adam)(start, np.float32(3e-3), data), x, atol=1e-4)


@needs_jax
def test_lbfgs_goes_to_the_bottom_of_a_bowl():
    from oddsig_benchmarks.pinn.training import lbfgs

    steep = np.array([1.0, 30.0, 400.0])

    def bowl(x, data):
        return np.sum(steep * (x - data) ** 2), 2 * steep * (x - data)

    start = np.zeros(3, "float32")
    end = lbfgs(bowl, start, np.ones(3), 50)
    np.testing.assert_allclose(end.vector, 1, atol=1e-4)
    assert 3 <= end.iterations <= end.evaluations
    assert lbfgs(bowl, start, np.ones(3), 2).iterations == 2
    assert lbfgs(bowl, start, np.ones(3), 0).vector is start


@needs_jax
@pytest.mark.parametrize("name", ["glorot uniform", "tailored"])
def test_training_lowers_the_loss_and_repeats_and_seeds_differ(name):
    from oddsig_benchmarks.pinn.training import train

    group = grids.Group(LONGER, name, (1e-3,), (0, 1))
    rows, again = train(group), train(group)
    timed = ("seconds_adam", "seconds_lbfgs")
    for row, other in zip(rows, again, strict=True):
        assert {**row, **dict.fromkeys(timed)} == {**other, **dict.fromkeys(timed)}
        assert row["loss"] < row["loss_adam"] < row["loss_start"]
        assert row["loss"] < row["loss_fresh"]  # 40 points are learned by heart
        assert 0 < row["error"] < 1.5
    assert rows[0]["loss"] != rows[1]["loss"]


@needs_jax
def test_a_poisson_network_finds_its_solution():
    from oddsig_benchmarks.pinn.training import train

    group = grids.Group(cell("poisson1d", 3, 20, 16, 300, 100), "rotation 1", (1e-3,), (0,))
    (row,) = train(group)
    assert row["error"] < 0.02 < row["error_adam"]


# ----------------------------------------------------------------------------------
# Commands
# ----------------------------------------------------------------------------------


@needs_jax
def test_a_run_goes_on_where_it_stopped(monkeypatch, tmp_path):
    from oddsig_benchmarks.pinn import training

    monkeypatch.setitem(grids.GRIDS, "smoke", lambda: [LONGER])
    path = tmp_path / "new" / "results.jsonl"
    small = ["--smoke", "--methods", "orthogonal;glorot uniform", "--jobs", "1", "--seeds", "2"]
    small += ["--results", str(path)]
    assert command.main(small) == path
    lines = path.read_text().splitlines()
    assert len(lines) == 1 + 2 * 2  # the environment, two methods by two seeds

    trained, train = [], training.train
    monkeypatch.setattr(training, "train", lambda group: trained.append(group) or train(group))
    path.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:40])  # stopped in the last line
    command.main(small)
    assert [group.method for group in trained] == [json.loads(lines[-1])["method"]]
    before, after = (
        sorted((row["key"], row["loss"]) for row in rows)
        for rows in ((json.loads(line) for line in lines[1:]), read([path])[0])
    )
    assert before == after
    command.main(small)
    assert len(trained) == 1


def test_committed_results_count_as_done():
    rows, _ = read([ROOT / "benchmarks" / "results" / "pinn-jax.jsonl.gz"])
    groups = [
        group
        for grid in ("standard", "longer")
        for group in grids.groups_of(grid, range(10), (1e-3,))
    ]
    assert {row["key"] for row in rows} <= {key for group in groups for key in group.keys}
    assert len(rows) > 900


@needs_jax
def test_an_estimate_is_the_first_steps_times_their_number(monkeypatch, tmp_path, capsys):
    from oddsig_benchmarks.pinn import estimate

    def train(group):
        timed.append(group)
        steps = {"adam": group.cell.adam, "lbfgs": group.cell.lbfgs}
        assert steps == {"adam": 10, "lbfgs": 5}
        row = {"seconds_adam": 1.0, "seconds_lbfgs": 1.2, "evaluations": 6}
        return [row] * len(group.runs)

    timed = []
    monkeypatch.setattr(estimate, "pin", lambda: None)  # this process has more tests to run
    monkeypatch.setattr(estimate, "compiled", lambda program: SimpleNamespace(seconds=36.0))
    monkeypatch.setattr(estimate, "train", train)
    monkeypatch.setitem(grids.GRIDS, "smoke", lambda: [cell(adam=100)])
    path = tmp_path / "none.jsonl"
    hours = command.main(
        ["--smoke", "--methods", "orthogonal;he normal;glorot + residual", "--seeds", "3",
         "--jobs", "2", "--estimate", "--results", str(path)]
    )  # fmt: skip
    # Two structures, compiled by two processes; nine runs of 100 steps and 5 iterations.
    seconds = 2 * 2 * 36 + 9 * (100 * 0.1 + 5 * estimate.CALLS * 0.2)
    assert hours == pytest.approx(seconds / 2 / 3600)
    assert f"{hours:.2f} hours in all" in capsys.readouterr().out
    assert len(timed) == 2 * 2  # each warmed up
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--smoke", "--methods", "xavier"], "Received: xavier"),
        (["--smoke", "--equations", "heat"], "Received: heat"),
        (["--smoke", "--networks", "1x1"], "Received: 1x1"),
        (["--smoke", "--networks", "30x16"], "no cell of --smoke passes"),
        (["--smoke", "--seeds", "0"], "Received: 0"),
        (["--smoke", "--rates", "low"], "Received: low"),
        ([], "one of the arguments --smoke --standard --longer --full is required"),
    ],
)
def test_bad_arguments_end_with_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.skipif(JAX, reason="there it runs")
def test_another_backend_is_refused(capsys):
    with pytest.raises(SystemExit):
        command.main(["--smoke"])
    assert "needs KERAS_BACKEND=jax" in capsys.readouterr().err


def test_grids_hold_what_they_say():
    full = cells.full()
    paper = {(c.equation, c.width, c.depth) for c in full if c.lbfgs == 300}
    assert len(paper) == 4 * 2 * 8
    assert all(c.points == 20_000 and c.adam == 300 for c in full if c.equation != "poisson1d")
    assert {c.equation for c in cells.standard()} == set(EQUATIONS)
    demonstration = {c.network for c in cells.standard() if c.equation == "poisson1d"}
    assert demonstration == {"3x20", "4x50", "6x32", "10x20"}
    for grid in cells.GRIDS:
        groups = grids.groups_of(grid, range(2), (1e-3,))
        keys = [key for group in groups for key in group.keys]
        assert len(set(keys)) == len(keys)
        chunks = command.chunks_of(groups, jobs=2)
        assert sorted(map(repr, groups)) == sorted(repr(g) for chunk in chunks for g in chunk)
        assert all(len({g.program for g in chunk}) == 1 for chunk in chunks)
