"""Any arguments that the two initializers take, any shape: what holds for all of them."""

import json
import math

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import keras_oddsig as ko

# Each shape is compiled anew where a backend compiles.
EXAMPLES = {"jax": 12, "tensorflow": 15, "torch": 100}[keras.backend.backend()]
EPSILON = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-20, "float64": 2**-20}
SIGMAS = 6
CLASSES = [
    ko.Tanh,
    ko.Arctan,
    ko.Erf,
    ko.Softsign,
    ko.Gudermannian,
    ko.BipolarSigmoid,
    ko.Langevin,
    ko.Algebraic,
]
NAMES = ["tanh", "arctan", "erf", "softsign", "algebraic", "gudermannian", "bipolar_sigmoid"]
DEPTHS = st.floats(0, 7).map(lambda exponent: round(10**exponent))
KURTOSIS = {"normal": 3.0, "truncated_normal": 2.2, "uniform": 1.8, "rademacher": 1.0}
# Keras draws a number beyond two standard deviations anew, on PyTorch four times at most.
FARTHEST = {"normal": 8.0, "truncated_normal": 6.0, "uniform": 1.733, "rademacher": 1.001}


def powers(low, high):
    return st.floats(low, high).map(lambda exponent: 10.0**exponent)


@st.composite
def activations(draw):
    if draw(st.booleans()):
        return draw(st.sampled_from(NAMES))
    cls = draw(st.sampled_from(CLASSES))
    arguments = {"amplitude": draw(powers(-1, 1)), "rate": draw(powers(-1, 1))}
    if cls is ko.Algebraic:
        arguments["order"] = draw(st.floats(0.5, 8))
    return cls(trainable_rate=draw(st.booleans()), **arguments)


@st.composite
def shapes(draw):
    """Ranks 2 to 5, sides 1 to 64, few elements."""
    sides = draw(st.lists(st.integers(1, 64), min_size=2, max_size=5))
    while math.prod(sides) > 20_000:
        largest = int(np.argmax(sides))
        sides[largest] = sides[largest] // 2
    return tuple(sides)


@st.composite
def seeds(draw):
    kind = draw(st.sampled_from(["none", "integer", "generator"]))
    number = draw(st.integers(0, 2**32 - 1))
    if kind == "generator":
        return keras.random.SeedGenerator(number % 2**31)  # Keras's own limit on PyTorch
    return None if kind == "none" else number


@st.composite
def shared(draw):
    """A shape, and the arguments that both take."""
    shape = draw(shapes())
    arguments = {"activation": draw(activations()), "depth": draw(DEPTHS), "seed": draw(seeds())}
    inputs, outputs = [len(shape) - 2], [len(shape) - 1]
    if draw(st.booleans()):
        order = draw(st.permutations(range(len(shape))))
        several = draw(st.integers(1, len(shape)))
        outputs, rest = list(order[:several]), list(order[several:])
        inputs = rest[: draw(st.integers(0, len(rest)))]
        negative = draw(st.booleans())
        arguments["input_axes"] = [axis - len(shape) * negative for axis in inputs]
        arguments["output_axes"] = outputs
    n = math.prod(shape[axis] for axis in outputs)
    if inputs:
        divisors = [each for each in (1, 1, 2, 3, 4) if n % each == 0]
        arguments["gates"] = draw(st.sampled_from(divisors))
    return shape, arguments, inputs, outputs


def dtypes():
    # JAX computes in float64 where it is told to only.
    return st.sampled_from([each for each in EPSILON if each != "float64" or EXAMPLES > 12])


@st.composite
def diagonals(draw):
    shape, arguments, inputs, outputs = draw(shared())
    arguments["negative_rate"] = draw(st.none() | st.floats(1e-6, 0.4999))
    arguments["noise"] = draw(st.sampled_from(list(KURTOSIS)))
    arguments["noise_scale"] = draw(st.none() | st.just(0.0) | powers(-3, 0.5))
    arguments["input_dim"] = draw(st.none() | st.integers(1, 8))
    return ko.OddSigmoidInit(**arguments), shape, inputs, outputs


@st.composite
def rotations(draw):
    shape, arguments, inputs, outputs = draw(shared())
    m = math.prod(shape[axis] for axis in inputs)
    arguments["gain"] = draw(st.none() | st.floats(1.001, 3))
    arguments["rotation"] = draw(st.sampled_from(["hartley", "haar"]))
    extra = draw(st.sampled_from(["nothing", "input_std", "features", "bottleneck", "input_dim"]))
    if extra == "input_std":
        arguments["input_std"] = draw(powers(-1, 1))
    elif extra == "features":
        arguments["input_std"] = draw(st.lists(powers(-1, 1), min_size=m, max_size=m))
    elif extra == "bottleneck":
        arguments["bottleneck"] = draw(st.integers(1, 80))
    elif extra == "input_dim":
        arguments["input_dim"] = draw(st.integers(1, 8))
        arguments["input_std"] = draw(st.none() | powers(-1, 1))
    return ko.OddSigmoidOrthogonal(**arguments), shape, inputs, outputs


def as_matrices(kernel, inputs, outputs):
    """(taps, m, n), and the index of the centre tap."""
    window = [axis for axis in range(kernel.ndim) if axis not in inputs + outputs]
    sizes = [[kernel.shape[axis] for axis in kind] for kind in (window, inputs, outputs)]
    centre = [(side - 1) // 2 for side in sizes[0]]
    matrices = kernel.transpose(window + inputs + outputs).reshape([math.prod(s) for s in sizes])
    return matrices, np.ravel_multi_index(centre, sizes[0]) if centre else 0


def assert_is_noise(values, std, kind, rounding):
    """Mean 0, this standard deviation, nothing far out; honest to six standard errors."""
    values = values.ravel()
    assert np.abs(values).max() <= FARTHEST[kind] * std + rounding
    error = std / math.sqrt(values.size)
    assert abs(values.mean()) <= SIGMAS * error + rounding
    if values.size >= 100:
        spread = std**2 * math.sqrt((KURTOSIS[kind] - 1) / values.size)
        slack = SIGMAS * spread + rounding * (2 * std + rounding) + 1e-3 * std**2
        assert abs(np.mean(values**2) - std**2) <= slack


def drawn_and_restored(init, shape, dtype):
    """A kernel. Configs that a file keeps give an equal initializer, an integer seed its kernel."""
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(init)))
    copied = keras.saving.deserialize_keras_object(config)
    assert type(copied) is type(init)
    assert json.loads(json.dumps(keras.saving.serialize_keras_object(copied))) == config
    assert type(init).from_config(init.get_config()).get_config() == init.get_config()
    assert copied.activation.profile == init.activation.profile
    kernel = init(shape, dtype=dtype)
    assert keras.backend.standardize_dtype(kernel.dtype) == dtype
    assert tuple(kernel.shape) == shape
    if isinstance(init.seed, int):
        assert bool(keras.ops.all(copied(shape, dtype=dtype) == kernel))
    return kernel


def blocks_of(init, matrix, inputs):
    number = init.gates if inputs else matrix.shape[1]
    return np.split(matrix, number, axis=1)


def place_of(init, m, n):
    """Where a kernel stands, for a function of a few inputs."""
    if init.input_dim is None:
        return "inner"
    if m == init.input_dim and n > m:
        return "first"
    return "output" if n < min(m, 9) else "inner"


def assert_is_rotation(init, matrices, centre, gain, inputs, epsilon, kept_ratio=False):
    m = matrices.shape[1]
    assert np.all(np.delete(matrices, centre, axis=0) == 0)
    for block in blocks_of(init, matrices[centre] / gain, inputs):
        ratio = block.shape[1] / m
        product = block.T @ block if ratio <= 1 else block @ block.T
        scale = ratio if kept_ratio else max(1.0, ratio)
        error = np.abs(product - scale * np.eye(len(product))).max()
        assert error <= 20 * epsilon * max(scale, 1)


COMMON = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(drawn=diagonals(), dtype=dtypes())
@COMMON
def test_identity_and_noise_whatever_the_arguments(drawn, dtype, to_numpy):
    init, shape, inputs, outputs = drawn
    kernel = to_numpy(drawn_and_restored(init, shape, dtype))
    assert np.isfinite(kernel).all()
    matrices, centre = as_matrices(kernel, inputs, outputs)
    taps, m, n = matrices.shape
    omega, epsilon = init.activation.profile.critical_gain, EPSILON[dtype]
    place = place_of(init, m, n)
    if place == "first":
        std = omega / math.sqrt(taps)
        assert_is_noise(matrices, std, "normal", 8 * epsilon * std)
    elif place == "output":
        assert_is_rotation(init, matrices, centre, 1.0, inputs, epsilon)
    else:
        for block in blocks_of(init, np.arange(n)[None], inputs):
            for column, output in enumerate(block[0]):
                matrices[centre, column % m, output] -= omega
        std = omega * init.effective_noise_scale / math.sqrt(taps * m)
        assert_is_noise(matrices, std, init.noise, epsilon * (omega + 8 * std))


@given(drawn=rotations(), dtype=dtypes())
@COMMON
def test_rotations_whatever_the_arguments(drawn, dtype, to_numpy):
    init, shape, inputs, outputs = drawn
    kernel = to_numpy(drawn_and_restored(init, shape, dtype))
    assert np.isfinite(kernel).all()
    matrices, centre = as_matrices(kernel, inputs, outputs)
    taps, m, n = matrices.shape
    omega, epsilon = init.activation.profile.critical_gain, EPSILON[dtype]
    place = place_of(init, m, n)
    if isinstance(init.input_std, tuple):
        matrices = matrices * np.array(init.input_std)[:, None]
    if place == "first":
        std = omega / math.sqrt(3 * taps) / (init.input_std or 1 / math.sqrt(3))
        assert_is_noise(matrices, std, "normal", 8 * epsilon * std)
    elif place == "output":
        assert_is_rotation(init, matrices, centre, 1.0, inputs, epsilon)
    else:
        gain = init.effective_gain * omega
        kept = init.bottleneck is not None
        if kept and m == n // len(blocks_of(init, matrices[centre], inputs)) == 1:
            kept = False  # a sign
        assert_is_rotation(init, matrices, centre, gain, inputs, epsilon, kept)


@pytest.mark.parametrize("depth", [1, 10**7])
@pytest.mark.parametrize("cls", [ko.OddSigmoidInit, ko.OddSigmoidOrthogonal])
def test_ends_of_the_depth_give_a_kernel_of_one_unit_too(cls, depth, to_numpy):
    for activation in ("tanh", "softsign", ko.Algebraic(order=0.5), ko.Algebraic(order=20)):
        assert np.isfinite(to_numpy(cls(activation, depth)((1, 1)))).all()


@pytest.mark.parametrize("axes", [[0, 1], [1]], ids=["all outputs", "a window of outputs"])
@pytest.mark.parametrize("cls", [ko.OddSigmoidInit, ko.OddSigmoidOrthogonal])
def test_a_kernel_of_two_axes_without_inputs_keeps_its_shape(cls, axes, to_numpy):
    init = cls("tanh", input_axes=[], output_axes=axes)
    kernel = to_numpy(init((3, 4)))
    assert kernel.shape == (3, 4)
    assert np.count_nonzero(np.abs(kernel) > 0.5) == (12 if axes == [0, 1] else 4)


@pytest.mark.parametrize("cls", [ko.OddSigmoidInit, ko.OddSigmoidOrthogonal])
def test_a_window_may_come_last(cls, to_numpy):
    kernel = to_numpy(cls("tanh", seed=0, input_axes=[0], output_axes=[1])((3, 4, 5)))
    usual = to_numpy(cls("tanh", seed=0)((5, 3, 4)))
    assert np.array_equal(kernel, usual.transpose(1, 2, 0))
