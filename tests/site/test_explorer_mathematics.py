"""The explorer's mathematics, in a browser, against the solver; and its lines of Python run."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import qmc

from keras_oddsig import solver

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"

# As the page has them: name, amplitude, rate, order.
ACTIVATIONS = {
    "tanh": ("tanh", 1, 1, 2),
    "arctan": ("arctan", 1, 1, 2),
    "erf": ("erf", 1, 1, 2),
    "softsign": ("softsign", 1, 1, 2),
    "algebraic": ("algebraic", 1, 1, 2),
    "algebraic, order 1.5": ("algebraic", 1, 1, 1.5),
    "algebraic, order 5": ("algebraic", 1, 1, 5),
    "gudermannian": ("gudermannian", 1, 1, 2),
    "bipolar_sigmoid": ("bipolar_sigmoid", 1, 1, 2),
    "langevin": ("langevin", 1, 1, 2),
    "2 tanh(x / 4)": ("tanh", 2, 0.25, 2),
    "softsign(3 x) / 2": ("softsign", 0.5, 3, 2),
}


def reference(name):
    """The same function of NumPy arrays, and its profile."""
    from keras_oddsig import _functions  # no backend

    activation, amplitude, rate, order = ACTIVATIONS[name]
    known = _functions.NAMED[activation]
    if activation == "algebraic":
        known = _functions.algebraic(float(order))
    return (
        lambda x: amplitude * known.reference(rate * x),
        known.profile.scaled(amplitude, rate),
    )


@pytest.fixture(scope="module")
def computed(browser, serve):
    """A function that evaluates an expression of the modules `M` and `P` and of `cases`."""
    page = browser.new_page()
    page.goto(serve(DOCS / "javascripts" / "explorer"))

    def evaluate(expression, cases=None):
        return page.evaluate(
            """async ([expression, cases, activations]) => {
                const M = await import("/mathematics.js");
                const P = await import("/predictions.js");
                const named = (name) => M.activation(...activations[name]);
                return new Function("M", "P", "named", "cases", `return ${expression}`)(
                    M, P, named, cases);
            }""",
            [expression, cases, ACTIVATIONS],
        )

    yield evaluate
    page.close()


class TestMathematics:
    @pytest.mark.parametrize("name", ACTIVATIONS)
    def test_activations_are_those_of_the_package(self, computed, name):
        f, profile = reference(name)
        sizes = np.concatenate([np.logspace(-4, 3, 60), [0.39, 0.41, 0.99, 1.01]])
        v = np.concatenate([-sizes, [0.0], sizes])
        found = computed(
            """cases.map((v) => {
                const jet = new Float64Array(3);
                f.jet(v, jet);
                return [...jet];
            })""".replace("f.jet", f"named({json.dumps(name)}).jet"),
            v.tolist(),
        )
        amplitude = ACTIVATIONS[name][1]
        value, first, second = np.array(found).T

        def g(v):
            return f(v * amplitude * profile.critical_gain) / amplitude

        assert value == pytest.approx(g(v), rel=1e-8, abs=1e-10)
        h = 1e-5 * np.abs(v)
        beside = v != 0
        slope = (g(v + h) - g(v - h))[beside] / (2 * h[beside])
        assert first[beside] == pytest.approx(slope, rel=1e-5, abs=1e-5)
        assert first[~beside] == pytest.approx(1)
        # The second derivative through the first, which is known by now.
        step = 1e-5 * sizes
        rises = computed(
            """cases.map(([v, h]) => {
                const [a, b] = [new Float64Array(3), new Float64Array(3)];
                f.jet(v + h, a);
                f.jet(v - h, b);
                return (a[1] - b[1]) / (2 * h);
            })""".replace("f.jet", f"named({json.dumps(name)}).jet"),
            np.stack([sizes, step], axis=1).tolist(),
        )
        assert second[-len(sizes) :] == pytest.approx(rises, rel=1e-3, abs=1e-5)
        assert second[: len(sizes)] == pytest.approx(-second[-len(sizes) :])

        numbers = computed(
            "(({ slope, order, curvature, bound, criticalGain }) => "
            f"[slope, order, curvature, bound, criticalGain])(named({json.dumps(name)}))"
        )
        known = (profile.slope, profile.order, profile.curvature, profile.bound)
        assert numbers == pytest.approx([*known, profile.critical_gain])

    def test_all_named_activations_are_there(self, computed):
        from keras_oddsig import _functions  # no backend

        assert computed("Object.keys(M.ACTIVATIONS)") == list(_functions.NAMED)

    def test_noise_scale(self, computed):
        cases = [(L, p) for L in (2, 30, 310, 1000) for p in (0.01, 0.039, 0.041, 0.1, 0.3, 0.49)]
        found = computed("cases.map(([depth, p]) => M.noiseScale(depth, p))", cases)
        assert found == pytest.approx([solver.noise_scale(*each) for each in cases], rel=1e-12)

    def test_operating_points_of_rotations(self, computed):
        cases = [(name, L) for name in ACTIVATIONS for L in (2, 30, 1000)]
        found = computed("cases.map(([name, L]) => M.orthogonalGain(named(name), L))", cases)
        for (name, depth), point in zip(cases, found, strict=True):
            known = solver.orthogonal_gain(reference(name)[0], depth)
            assert point["gain"] == pytest.approx(known.gain, rel=1e-5)
            assert point["spread"] == pytest.approx(known.spread, rel=1e-4)
            assert point["chi"] == pytest.approx(known.chi, rel=1e-7)
        cases = [(name, gain) for name in ("tanh", "softsign") for gain in (0.9, 1.01, 1.5)]
        found = computed("cases.map(([name, g]) => M.orthogonalSpread(named(name), g))", cases)
        for (name, gain), point in zip(cases, found, strict=True):
            known = solver.orthogonal_spread(reference(name)[0], gain)
            assert point["spread"] == pytest.approx(known.spread, rel=1e-4)
            assert point["chi"] == pytest.approx(known.chi, rel=1e-6)
        smooth = computed("[2, 50].map(M.smoothGain)")
        assert smooth == pytest.approx([solver.smooth_gain(2), solver.smooth_gain(50)])

    def test_signal_under_rotations(self, computed):
        cases = [
            (name, gain, std)
            for name in ACTIVATIONS
            for gain, std in ((1.1, 1.0), (0.9, 0.01), (3.0, 100.0))
        ]
        found = computed(
            "cases.map(([name, gain, std]) => "
            "M.propagateOrthogonal(named(name), 50, gain, std).std)",
            cases,
        )
        for (name, gain, std), ours in zip(cases, found, strict=True):
            known = solver.propagate_orthogonal(reference(name)[0], 50, gain, std)
            assert ours == pytest.approx(known, rel=1e-5)

    def test_gradient_under_rotations_grows_by_chi(self, computed):
        growth = computed("M.propagateOrthogonal(named('erf'), 400, 1.1, 1).growth")
        chi = solver.orthogonal_spread(reference("erf")[0], 1.1).chi
        assert growth[0] == 1
        assert growth[-1] / growth[-2] == pytest.approx(chi, rel=1e-6)

    def test_signal_under_identity_plus_noise(self, computed):
        cases = [
            (name, depth, p, std)
            for name in ("tanh", "softsign", "erf", "algebraic, order 5", "2 tanh(x / 4)")
            for depth, p, std in (
                (2, 0.3, 1.0),
                (10, 0.01, 0.02),
                (30, 0.1, 20.0),
            )
        ]
        cases += [("erf", 100, 0.3, 1.0), ("tanh", 300, 0.02, 1.0), ("langevin", 30, 0.49, 3.0)]
        found = computed(
            "cases.map(([name, L, p, std]) => "
            "M.propagate(named(name), L, M.noiseScale(L, p), std))",
            cases,
        )
        for (name, depth, p, std), ours in zip(cases, found, strict=True):
            sigma = solver.noise_scale(depth, p)
            known = solver.propagate(reference(name)[0], depth, sigma, std)
            assert ours["std"] == pytest.approx(known.std, rel=0.005)
            assert ours["negativeRate"] == pytest.approx(known.negative_rate, abs=0.002)

    def test_derivatives_under_rotations(self, computed):
        points = [[0.6], [0.01]], [[0.6, 0.3, 0.1], [0.0, 0.9, -0.5], [0.001, 0.002, 0.0]]
        cases = [(name, each) for name in ACTIVATIONS for each in points]
        found = computed(
            """cases.map(([name, points]) => {
                const rule = { points, weights: points.map(() => 1 / points.length) };
                return M.derivativesOrthogonal(named(name), 30, 1.05, rule, 0.8);
            })""",
            cases,
        )
        for (name, each), ours in zip(cases, found, strict=True):
            known = solver.derivatives_orthogonal(
                reference(name)[0], 30, 1.05, each, first_gain=0.8
            )
            # The solver takes derivatives by differences.
            assert _values(ours) == pytest.approx(_values(vars(known)), rel=0.003)

    def test_derivatives_under_identity_plus_noise(self, computed):
        cases = [
            (name, depth, p, point)
            for name, depth, p, point in (
                ("tanh", 10, 0.1, [0.6]),
                ("tanh", 60, 0.02, [0.6, 0.3]),
                ("softsign", 10, 0.3, [0.05, 0.02]),
                ("2 tanh(x / 4)", 10, 0.1, [0.9]),
                ("langevin", 10, 0.1, [0.5, 0.5, 0.5]),
            )
        ]
        found = computed(
            """cases.map(([name, L, p, point]) => M.derivativesDiagonal(
                named(name), L, M.noiseScale(L, p), { points: [point], weights: [1] },
                M.slopesGain(point.length)))""",
            cases,
        )
        for (name, depth, p, point), ours in zip(cases, found, strict=True):
            sigma = solver.noise_scale(depth, p)
            gain = math.sqrt(len(point))
            known = solver.derivatives_diagonal(
                reference(name)[0], depth, sigma, point, first_gain=gain
            )
            assert _values(ours) == pytest.approx(_values(vars(known)), rel=0.01)

    @pytest.mark.parametrize("inputs", [1, 2, 3, 8])
    def test_few_points_stand_for_the_whole_domain(self, computed, inputs):
        rule = computed(f"M.domainRule({inputs})")
        assert sum(rule["weights"]) == pytest.approx(1)
        assert len(rule["points"]) <= 22
        arguments = np.tanh, 6, 1.05
        points = 2 * qmc.Sobol(inputs, seed=0).random(512) - 1
        known = _values(vars(solver.derivatives_orthogonal(*arguments, points)))[:, -1]
        squares = [
            _values(vars(solver.derivatives_orthogonal(*arguments, point)))[:, -1] ** 2
            for point in rule["points"]
        ]
        ours = np.sqrt(np.tensordot(rule["weights"], squares, 1))
        assert ours == pytest.approx(known, rel=0.02)

    def test_keras_kernels(self, computed):
        gains = computed("M.kerasGains(named('bipolar_sigmoid'), 30, 2)")
        omega = reference("bipolar_sigmoid")[1].critical_gain
        # Entries of GlorotUniform have the variance 2 / (inputs + outputs).
        assert gains["gain"] * omega / math.sqrt(30) == pytest.approx(math.sqrt(2 / 60))
        assert gains["first"] * omega / math.sqrt(2) == pytest.approx(math.sqrt(2 / 32))


def _values(derivatives):
    return np.array([derivatives[name] for name in ("value", "first", "second")])


# ----------------------------------------------------------------------------------
# The lines of Python
# ----------------------------------------------------------------------------------

SETTINGS = [
    {"activation": "tanh", "depth": 8},
    {"activation": "tanh", "rate": 2, "depth": 8, "input_std": 25},
    {"activation": "erf", "amplitude": 1.5, "depth": 5, "input_std": 1e-3},
    {"activation": "softsign", "depth": 12},
    {"activation": "algebraic", "order": 3, "depth": 2},
    {"activation": "algebraic", "order": 1.5, "rate": 0.25, "depth": 5},
    {"activation": "bipolar_sigmoid", "kernel": "diagonal", "depth": 8},
    {"activation": "langevin", "kernel": "diagonal", "depth": 5, "negative_rate": 0.02},
    {"activation": "gudermannian", "kernel": "diagonal", "depth": 8, "input_std": 4},
    {"activation": "arctan", "input": "few", "depth": 5, "inputs": 1},
    {"activation": "tanh", "amplitude": 0.5, "rate": 2, "input": "few", "depth": 8, "inputs": 3},
    {"activation": "tanh", "kernel": "diagonal", "input": "few", "negative_rate": 0.1, "depth": 8},
]

# Runs the lines of each, and measures what comes of them.
RUN = """
import json, sys
import keras
import numpy as np

keras.utils.set_random_seed(0)
found = []
for case in json.load(sys.stdin):
    scope = {}
    exec(case["python"], scope)
    settings, init, hidden = case["settings"], scope["init"], scope["hidden"]
    if settings["input"] == "few":
        x = np.random.uniform(-1, 1, (512, settings["inputs"]))
    else:
        x = np.random.normal(0, settings["input_std"], (16, settings["width"]))
    numbers = {"layers": len(hidden), "critical_gain": init.activation.profile.critical_gain}
    if settings["kernel"] == "rotation":
        first = scope.get("first")
        numbers |= {"gain": init.effective_gain, "spread": init.operating_point.spread}
        numbers |= {"chi": init.operating_point.chi}
        if first is not None:
            numbers["first_gain"] = first.effective_gain
    else:
        numbers["noise_scale"] = init.effective_noise_scale
    std = []
    for layer in hidden:
        x = keras.ops.convert_to_numpy(layer(x))
        std.append(float(np.sqrt(np.mean(x.astype("float64") ** 2))))
    last = hidden[-1].kernel
    last = keras.ops.convert_to_numpy(last)
    if settings["kernel"] == "rotation":
        numbers["kernel_std"] = float(np.std(last))
    else:
        noise = last - numbers["critical_gain"] * np.eye(*last.shape)
        numbers["noise_std"] = float(np.std(noise))
    if settings["input"] == "few":
        first = keras.ops.convert_to_numpy(hidden[0].kernel)
        numbers["first_kernel_std"] = float(np.std(first))
        scope["model"](np.zeros((1, settings["inputs"])))
    found.append({"numbers": numbers, "std": std})
json.dump(found, sys.stdout)
"""


def test_lines_of_python_run_and_do_what_the_page_says(computed):
    defaults = computed("P.DEFAULTS")
    settings = [{**defaults, "width": 192, **each} for each in SETTINGS]
    said = computed(
        """cases.map((settings) => {
            let step = null;
            for (const work = P.predictions(settings); !(step = work.next()).done; );
            return { ...step.value, python: P.python(settings) };
        })""",
        settings,
    )
    cases = [
        {"settings": each, "python": shown["python"]}
        for each, shown in zip(settings, said, strict=True)
    ]
    environment = {"KERAS_BACKEND": "torch", "PYTHONPATH": str(ROOT)} | os.environ
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(cases),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for shown, measured in zip(said, json.loads(done.stdout), strict=True):
        curve = shown["curves"]["spread"]["ours"]
        numbers = measured["numbers"]
        assert numbers.pop("layers") == len(curve)
        for name in ("kernel_std", "noise_std", "first_kernel_std"):  # of a random kernel
            if name in numbers:
                drawn = numbers.pop(name)
                assert drawn == pytest.approx(shown["numbers"][name], rel=0.15)
        for name, value in numbers.items():
            assert shown["numbers"][name] == pytest.approx(value, rel=1e-4), shown["python"]
        assert measured["std"] == pytest.approx(curve, rel=0.25), shown["python"]
