"""The activations, on the backend that KERAS_BACKEND names."""

import copy
import inspect
import pickle
import re

import keras
import mpmath
import numpy as np
import pytest
from keras import ops

import keras_oddsig as ko
from keras_oddsig import activations, solver

BACKEND = keras.backend.backend()
NAMES = sorted(activations.CLASSES)
# Every activation, at its defaults and scaled; orders on both sides of 1.
VARIANTS = {
    **{name: cls() for name, cls in activations.CLASSES.items()},
    **{f"{name} scaled": cls(amplitude=3.0, rate=0.5) for name, cls in activations.CLASSES.items()},
    "algebraic 1/2": ko.Algebraic(order=0.5),
    "algebraic 1": ko.Algebraic(order=1),
    "algebraic 3": ko.Algebraic(order=3),
    "algebraic 10": ko.Algebraic(order=10),
}
EXACT = {
    "tanh": mpmath.tanh,
    "arctan": mpmath.atan,
    "erf": mpmath.erf,
    "softsign": lambda x: x / (1 + abs(x)),
    "gudermannian": lambda x: 2 * mpmath.atan(mpmath.tanh(x / 2)),
    "bipolar_sigmoid": lambda x: 2 / (1 + mpmath.exp(-x)) - 1,
    "langevin": lambda x: mpmath.coth(x) - 1 / x if x else mpmath.mpf(0),
}
FLOATS = ["float16", "bfloat16", "float32"]


def exact(activation):
    """The function in 50 digits, from its definition."""
    if isinstance(activation, ko.Algebraic):
        k = mpmath.mpf(activation.order)

        def phi(x):
            return x / (1 + abs(x) ** k) ** (1 / k)
    else:
        name = next(n for n, cls in activations.CLASSES.items() if type(activation) is cls)
        phi = EXACT[name]
    amplitude, rate = mpmath.mpf(activation.amplitude), mpmath.mpf(activation.rate)
    return lambda x: amplitude * phi(rate * x)


def value_and_gradient(function, x):
    """f(x) and f'(x) elementwise, by the backend's own differentiation."""
    x = ops.convert_to_tensor(x)
    match keras.backend.backend():
        case "jax":
            import jax

            return function(x), jax.grad(lambda v: ops.sum(function(v)))(x)
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                tape.watch(x)
                y = function(x)
            return y, tape.gradient(y, x)
        case "torch":
            import torch

            x = x.detach().requires_grad_(True)
            y = function(x)
            return y, torch.autograd.grad(y.sum(), x)[0]


def derivatives(function, x, number, forward=False):
    """f, f', ... elementwise, each by differentiating the one before: reverse, or forward, mode."""
    x = ops.convert_to_tensor(x)
    match keras.backend.backend():
        case "jax":
            import jax

            functions, differentiate = [function], jax.jacfwd if forward else jax.grad
            for _ in range(number):
                functions.append(differentiate(functions[-1]))
            return jax.jit(lambda x: [jax.vmap(each)(x) for each in functions])(x)
        case "tensorflow":
            import tensorflow as tf

            def nested(number):
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    results = nested(number - 1) if number > 1 else [function(x)]
                return [*results, tape.gradient(results[-1], x)]

            return nested(number)
        case "torch":
            import torch

            x = x.requires_grad_(True)
            results = [function(x)]
            for _ in range(number):
                results += torch.autograd.grad(results[-1].sum(), x, create_graph=True)
            return [each.detach() for each in results]


def exact_derivatives(f, x, number=4):
    """The same at positive points by central differences in 300 digits."""
    stencils = [[1], [-1, 0, 1], [1, -2, 1], [-1, 2, 0, -2, 1], [1, -4, 6, -4, 1]]
    divisors = [1, 2, 1, 2, 1]
    results = np.empty((number + 1, len(x)))
    for column, point in enumerate(x):
        with mpmath.workdps(300):
            point = mpmath.mpf(float(point))
            h = point * mpmath.mpf(10) ** -30
            values = [f(point + step * h) for step in range(-2, 3)]
            for n in range(number + 1):
                around = values[2 - len(stencils[n]) // 2 : 3 + len(stencils[n]) // 2]
                total = sum(w * v for w, v in zip(stencils[n], around, strict=True))
                results[n, column] = float(total / (divisors[n] * h**n))
    return results


def points():
    """Float32 inputs: through 0, both sides of every change of branch, and far out."""
    around = np.array([0.5, 1.0, 1.5, 2.0, 3.0])
    positive = np.concatenate(
        [np.logspace(-30, 2, 65), around, around * (1 - 1e-6), around * (1 + 1e-6)]
    )
    return np.concatenate([[0.0], positive, -positive]).astype("float32")


@pytest.mark.parametrize("name", VARIANTS)
class TestNumbers:
    def test_value_and_gradient_agree_with_exact_arithmetic(self, name, to_numpy):
        activation, x = VARIANTS[name], points()
        f = exact(activation)
        with mpmath.workdps(50):
            value = np.array([float(f(mpmath.mpf(float(v)))) for v in x])
            slope = np.array(
                [float(mpmath.diff(f, mpmath.mpf(float(abs(v))))) if v else None for v in x[1:]]
            )
        y, gradient = map(to_numpy, value_and_gradient(activation, x))
        tolerance = 1e-6 * max(1.0, activation.amplitude)
        assert y == pytest.approx(value, abs=tolerance)
        assert gradient[1:] == pytest.approx(slope.astype(float), abs=tolerance)
        assert y[0] == 0
        assert gradient[0] == pytest.approx(activation.profile.slope, rel=1e-6)

    def test_small_inputs_keep_their_relative_precision(self, name, to_numpy):
        x = np.logspace(-30, -4, 27).astype("float32")
        ratio = to_numpy(VARIANTS[name](x)) / VARIANTS[name].reference(x)
        assert ratio == pytest.approx(np.ones_like(ratio), rel=2e-6)

    def test_extreme_inputs_give_the_bound_and_no_nan(self, name, to_numpy):
        activation = VARIANTS[name]
        x = np.array([1e16, 1e30, 3e38], dtype="float32")
        y, gradient = map(to_numpy, value_and_gradient(activation, np.concatenate([x, -x])))
        bound = np.full(3, activation.profile.bound)
        assert y == pytest.approx(np.concatenate([bound, -bound]), rel=1e-6)
        assert gradient == pytest.approx(np.zeros(6), abs=1e-6)

    def test_float64_reference_agrees_with_exact_arithmetic(self, name):
        activation, x = VARIANTS[name], points().astype("float64")
        with mpmath.workdps(120):
            value = np.array([float(exact(activation)(mpmath.mpf(v))) for v in x])
        assert activation.reference(x) == pytest.approx(value, rel=2e-14, abs=1e-300)

    def test_closed_form_profile_is_the_measured_one(self, name):
        activation = VARIANTS[name]
        measured, profile = solver.profile_of(activation.reference), activation.profile
        assert measured.slope == pytest.approx(profile.slope, rel=1e-6)
        assert measured.order == pytest.approx(profile.order, abs=0.02)
        assert measured.curvature == pytest.approx(profile.curvature, rel=0.02)
        assert measured.bound == pytest.approx(profile.bound, rel=1e-6)

    @pytest.mark.parametrize("dtype", FLOATS)
    def test_output_has_the_dtype_of_the_input(self, name, dtype, to_numpy):
        x = ops.cast(np.array([-60000.0, -2.0, -0.3, 0.0, 1e-3, 1.0, 60000.0]), dtype)
        y, gradient = value_and_gradient(VARIANTS[name], x)
        assert keras.backend.standardize_dtype(y.dtype) == dtype
        assert VARIANTS[name](keras.KerasTensor((7,), dtype=dtype)).dtype == dtype
        tolerance = {"float16": 3e-3, "bfloat16": 3e-2, "float32": 1e-6}[dtype]
        reference = VARIANTS[name].reference(to_numpy(x))
        assert to_numpy(y) == pytest.approx(reference, rel=tolerance, abs=1e-4)
        assert np.all(np.isfinite(to_numpy(gradient)))


# Those that have a form of their own in float32 (`_float32`), on one backend or on all.
IN_FLOAT32 = {
    "arctan": ko.Arctan(),
    "gudermannian": ko.Gudermannian(),
    "langevin": ko.Langevin(),
    "algebraic 3": ko.Algebraic(3),
}


@pytest.mark.parametrize("name", IN_FLOAT32)
class TestInFloat32:
    def values(self, name, to_numpy):
        x = np.unique(np.concatenate([np.linspace(0, 12, 40_001), np.logspace(-8, 12, 20_001)]))
        x = x.astype("float32")
        activation = IN_FLOAT32[name]
        y = to_numpy(activation(x))
        assert np.array_equal(to_numpy(activation(-x)), -y)
        return x.astype("float64"), y, activation

    def test_values_are_exact_to_a_few_roundings_and_rise_to_the_bound(self, name, to_numpy):
        x, y, activation = self.values(name, to_numpy)
        roundings = np.finfo("float32").eps * np.maximum(np.abs(activation.reference(x)), 1e-30)
        # Of tanh XLA loses as many.
        assert np.max(np.abs(y - activation.reference(x)) / roundings) < 4
        assert np.all(np.diff(y) >= -6 * roundings[1:])
        assert np.max(y) <= np.float32(activation.profile.bound)

    def test_infinities_and_the_sign_of_0_are_kept(self, name):
        x = np.array([-0.0, 0.0, np.inf, -np.inf], "float32")
        y = ops.convert_to_numpy(IN_FLOAT32[name](x))
        bound = IN_FLOAT32[name].profile.bound
        assert y == pytest.approx([0, 0, bound, -bound], rel=2e-7)
        assert np.signbit(y).tolist() == [True, False, False, True]

    def test_half_precision_loses_its_last_rounding_only(self, name, to_numpy):
        x = ops.cast(np.linspace(-8, 8, 257), "float16")
        exact_value = IN_FLOAT32[name].reference(to_numpy(x))
        # Half a unit in the last of 11 digits, and a rounding of float32 before it.
        if BACKEND == "jax" or name in ("langevin", "algebraic 3"):
            assert to_numpy(IN_FLOAT32[name](x)) == pytest.approx(exact_value, rel=2**-11 + 1e-6)

    def test_infinities_have_no_slope(self, name, to_numpy):
        x = np.array([np.inf, -np.inf], "float32")
        assert np.all(to_numpy(value_and_gradient(IN_FLOAT32[name], x)[1]) == 0)


@pytest.mark.skipif(BACKEND != "jax", reason="on JAX, XLA compiles all")
@pytest.mark.parametrize("name", ["arctan", "gudermannian", "langevin", "algebraic 3"])
def test_nothing_that_xla_is_slow_at_is_left_in_float32(name):
    import jax

    for dtype in FLOATS:
        x = jax.numpy.ones(3, dtype)
        program = str(jax.make_jaxpr(jax.grad(lambda x: ops.sum(IN_FLOAT32[name](x))))(x))
        assert not any(f" {slow} " in program for slow in ("atan", "atan2", "log1p", "exp", "pow"))
    assert "mul" in program


@pytest.mark.skipif(BACKEND != "tensorflow", reason="of the one that runs with XLA and without")
@pytest.mark.parametrize("name", ["arctan", "gudermannian"])
def test_tensorflow_computes_an_arctangent_itself_except_under_xla(name, to_numpy):
    import tensorflow as tf

    def function(x):
        y = IN_FLOAT32[name](x)
        operations[:] = [each.type for each in tf.compat.v1.get_default_graph().get_operations()]
        return y

    operations = []
    x = np.linspace(-20, 20, 401, dtype="float32")
    for xla in (False, True):
        y = tf.function(function, jit_compile=xla, autograph=False)(x)
        assert ("Atan" in operations) != xla
        assert to_numpy(y) == pytest.approx(IN_FLOAT32[name].reference(x), abs=5e-7)


# Near 0, at ordinary inputs, on both sides of each change of branch, and far out.
DISTANT = [20.0, 1e4, 1e10, 1e15, 1e20, 3e38]
DIFFERENTIATED = [1e-30, 1e-10, 1e-3, 0.3, 0.7, 1 - 1e-6, 1.0, 1 + 1e-6, 1.5 - 1e-6, 1.5, 2.5, 6.0]
ORDERS = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 7.3]
SMOOTH = {
    **{name: cls() for name, cls in activations.CLASSES.items() if name != "algebraic"},
    **{f"algebraic {order}": ko.Algebraic(order) for order in ORDERS},
}


class TestHigherDerivatives:
    """What the loss of a physics-informed network is made of."""

    # Forward mode is JAX's, and float64 (without a switch) the others'.
    @pytest.mark.parametrize(
        ("dtype", "forward"),
        [("float32", False), ("float32", True) if BACKEND == "jax" else ("float64", False)],
    )
    @pytest.mark.parametrize("name", SMOOTH)
    def test_up_to_the_fourth_they_agree_with_exact_arithmetic(
        self, name, dtype, forward, to_numpy
    ):
        activation = SMOOTH[name]
        distant = DISTANT
        if BACKEND != "jax" and name in ("arctan", "erf"):
            distant = distant[:4]  # `_backend.bounded`
        x = np.array(DIFFERENTIATED + distant, dtype)
        exact_values = exact_derivatives(exact(activation), x)
        found = derivatives(activation, np.concatenate([x, -x]), 4, forward)
        # The terms of a fourth derivative are larger than their sum. The rational form that
        # Langevin has up to 1.5 is cut where it is exact in value: here, to 2e-12.
        cut = (name, dtype) == ("langevin", "float64")
        tolerance = (1e4 if cut else 200) * float(np.finfo(dtype).eps)
        with np.errstate(over="ignore"):
            finite = np.isfinite(exact_values.astype("float32"))
        for n, (values, exact_n) in enumerate(zip(map(to_numpy, found), exact_values, strict=True)):
            assert np.all(np.isfinite(values)), n
            # Within 1e-10 of 0 an order between the integers is linear, in float32.
            order = getattr(activation, "order", 1)
            told = finite[n] & (
                (order % 1 == 0) | (dtype == "float64") | (n < order + 1) | (x > 1e-9)
            )
            positive, negative = np.split(values, 2)
            expected = exact_n[told]
            assert positive[told] == pytest.approx(expected, rel=tolerance, abs=tolerance), n
            assert negative[told] == pytest.approx(
                (-1) ** (n + 1) * expected, rel=tolerance, abs=tolerance
            ), n

    @pytest.mark.parametrize("name", SMOOTH)
    def test_at_0_they_are_exact_where_they_exist_and_else_finite(self, name, to_numpy):
        activation = SMOOTH[name]
        found = [to_numpy(each)[0] for each in derivatives(activation, np.zeros(1, "float32"), 4)]
        assert found[0] == 0
        assert found[1] == pytest.approx(activation.profile.slope, rel=1e-6)
        assert np.all(np.isfinite(found))
        # f = u - curvature u^order + ..., u = slope x
        profile = activation.profile
        if profile.order >= 3:
            assert found[2] == 0
            third = -6 * profile.slope**3 * profile.curvature if profile.order == 3 else 0
            # Of algebraic 3 it is the difference of a 3 and a 3 in float32 (`_float32`).
            rounding = 2e-7 if name == "algebraic 3" else 0
            assert found[3] == pytest.approx(third, rel=1e-5, abs=rounding)
        if profile.order == 3 or profile.order > 4:
            assert found[4] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_inside_a_layer_the_output_has_the_layers_compute_dtype(name, policy):
    layer = keras.layers.Dense(3, activation=ko.get(name), dtype=policy)
    outputs = layer(np.ones((2, 4), "float32"))
    assert keras.backend.standardize_dtype(outputs.dtype) == policy.removeprefix("mixed_")
    assert layer(keras.KerasTensor((2, 4))).dtype == policy.removeprefix("mixed_")


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX computes in float32 unless jax_enable_x64 is set"
)
@pytest.mark.parametrize("name", NAMES)
def test_float64_stays_float64(name, to_numpy):
    activation, x = ko.get(name), points().astype("float64")
    y, gradient = value_and_gradient(activation, x)
    assert keras.backend.standardize_dtype(y.dtype) == "float64"
    assert to_numpy(y) == pytest.approx(activation.reference(x), abs=1e-14)
    assert to_numpy(gradient)[0] == pytest.approx(activation.profile.slope, rel=1e-12)


def test_an_integer_input_is_computed_in_the_layers_dtype(to_numpy):
    y = ko.Tanh()(ops.convert_to_tensor([0, 1, 2], dtype="int32"))
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    assert to_numpy(y) == pytest.approx(np.tanh([0, 1, 2]), abs=1e-6)


def test_is_a_layer_and_a_function():
    assert issubclass(ko.OddSigmoid, keras.layers.Activation)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(4, activation=ko.Erf())(ko.Tanh()(inputs))
    assert keras.Model(inputs, outputs)(np.ones((2, 4), "float32")).shape == (2, 4)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="a matter of PyTorch's modules")
def test_pytorch_sees_a_trainable_rate_before_any_call():
    import torch

    net = torch.nn.Sequential(torch.nn.Linear(3, 3), ko.Tanh(trainable_rate=True))
    assert [name for name, _ in net.named_parameters() if "rate" in name]


class TestTrainableRate:
    def test_is_a_weight_of_the_layer_that_uses_it(self):
        layer = keras.layers.Dense(2, activation=ko.Tanh(rate=0.7, trainable_rate=True))
        layer.build((None, 3))
        assert [weight.name for weight in layer.trainable_weights] == ["kernel", "bias", "rate"]
        assert float(ops.convert_to_numpy(layer.trainable_weights[2])) == pytest.approx(0.7)
        assert ko.Tanh().weights == []

    @pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
    def test_trains(self, policy):
        # The target is tanh(2 x): only the rate can reach it.
        x = np.linspace(-2, 2, 64, dtype="float32")[:, None]
        activation = ko.Tanh(trainable_rate=True, dtype=policy)
        model = keras.Sequential([keras.Input((1,)), activation])
        model.compile(keras.optimizers.Adam(0.1), "mse")
        model.fit(x, np.tanh(2 * x), batch_size=64, epochs=60, verbose=0)
        assert float(ops.convert_to_numpy(activation.rate_weight)) == pytest.approx(2, abs=0.05)
        assert activation.rate == 1.0  # the argument stays what it was

    def test_saves_and_loads(self, tmp_path):
        model = keras.Sequential(
            [keras.Input((1,)), keras.layers.Dense(2, activation=ko.Erf(trainable_rate=True))]
        )
        model.layers[0].activation.rate_weight.assign(3.0)
        for name in ("model.keras", "model.h5"):
            model.save(tmp_path / name)
            loaded = keras.saving.load_model(tmp_path / name)
            assert float(ops.convert_to_numpy(loaded.layers[0].activation.rate_weight)) == 3.0


class TestOddSigmoid:
    def test_takes_a_function_of_tensors(self, to_numpy):
        activation = ko.OddSigmoid(lambda x: ops.tanh(x) + ops.softsign(x), amplitude=2.0, rate=0.5)
        x = np.linspace(-4, 4, 9, dtype="float32")
        assert to_numpy(activation(x)) == pytest.approx(
            2 * (np.tanh(x / 2) + x / 2 / (1 + np.abs(x / 2))), abs=1e-6
        )
        assert activation.profile.slope == pytest.approx(2.0, rel=1e-5)
        assert activation.profile.order == pytest.approx(2.0, abs=0.05)
        assert activation.profile.bound == pytest.approx(4.0, rel=1e-5)

    @pytest.mark.parametrize(
        ("function", "condition"),
        [
            (ops.relu, "odd"),
            (ops.sin, "increasing"),
            (lambda x: x, "bounded"),
            (ops.sigmoid, "odd"),
        ],
    )
    def test_rejects_a_function_outside_the_class(self, function, condition):
        for make in (ko.OddSigmoid, ko.get):
            with pytest.raises(ko.NotOddSigmoidError) as caught:
                make(function)
            assert caught.value.condition == condition
            assert np.isfinite(caught.value.witness)

    def test_an_unregistered_function_works_and_says_so_when_it_is_saved(self):
        activation = ko.OddSigmoid(lambda x: ops.tanh(2 * x))
        with pytest.raises(
            ValueError, match=r"`function` must be registered .* Received: function="
        ):
            activation.get_config()

    def test_a_name_that_is_not_registered_is_rejected(self):
        with pytest.raises(ValueError, match="Received: function='os>system'"):
            ko.OddSigmoid("os>system")

    @pytest.mark.parametrize("function", [3, ko.Tanh, keras.layers.ReLU()])
    def test_what_is_no_function_of_tensors_is_rejected(self, function):
        with pytest.raises(TypeError, match=r"`function` must be .* Received: function="):
            ko.OddSigmoid(function)

    @pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # PyTorch's and NumPy's
    @pytest.mark.parametrize("function", [np.tanh, lambda x: np.arctan(x) + np.tanh(x)])
    def test_a_function_of_numpy_is_refused_before_a_model_is_trained(self, function):
        for make, name in ((ko.OddSigmoid, "function"), (ko.get, "identifier")):
            with pytest.raises(TypeError, match=rf"such as those of `keras.ops`: .*{name}=<"):
                make(function)

    @pytest.mark.parametrize("factor", ["amplitude", "rate"])
    @pytest.mark.parametrize("value", [0, -1.0, np.inf, np.nan])
    def test_a_factor_that_is_not_positive_and_finite_is_rejected(self, factor, value):
        with pytest.raises(ValueError, match=f"`{factor}` must be .* Received: {factor}="):
            ko.Tanh(**{factor: value})

    def test_wrong_types_are_rejected(self):
        with pytest.raises(TypeError, match="Received: rate='fast'"):
            ko.Tanh(rate="fast")
        with pytest.raises(TypeError, match="Received: trainable_rate=1"):
            ko.Tanh(trainable_rate=1)
        with pytest.raises(ValueError, match="Received: order=0"):
            ko.Algebraic(order=0)


@pytest.mark.parametrize("cls", [*activations.CLASSES.values(), ko.OddSigmoid])
def test_a_class_in_the_place_of_an_instance_is_told_so(cls):
    message = rf"`activation` must be an instance, `{cls.__name__}\(\)`.*Received: activation="
    with pytest.raises(TypeError, match=message):
        keras.layers.Dense(4, activation=cls)(np.ones((2, 3), "float32"))
    for tensor in (keras.KerasTensor((2, 3)), np.ones((2, 3))):
        with pytest.raises(TypeError, match=message):
            cls(tensor)


class TestCopies:
    @pytest.mark.parametrize("copy", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
    @pytest.mark.parametrize("trainable_rate", [False, True])
    @pytest.mark.parametrize("name", NAMES)
    def test_an_activation_fresh_or_used_is_copied_with_its_rate(self, name, trainable_rate, copy):
        activation = activations.CLASSES[name](2.0, rate=0.5, trainable_rate=trainable_rate)
        x = np.linspace(-2, 2, 5, dtype="float32")
        for use in (False, True):
            if use:
                activation(x)
                for weight in activation.weights:
                    weight.assign(3.0)
            copied = copy(activation)
            assert copied is not activation
            assert type(copied) is type(activation)
            assert copied.get_config() == activation.get_config()
            assert [float(each) for each in copied.get_weights()] == activation.get_weights()
            assert np.array_equal(*(ops.convert_to_numpy(f(x)) for f in (copied, activation)))

    def test_an_activation_of_a_function_that_nobody_registered_is_deep_copied(self):
        activation = ko.OddSigmoid(lambda x: ops.tanh(2 * x), 2.0, trainable_rate=True)
        activation.rate_weight.assign(3.0)
        copied = copy.deepcopy([activation, activation])
        assert copied[0] is copied[1]
        assert copied[0] is not activation
        assert copied[0].profile == activation.profile
        assert float(ops.convert_to_numpy(copied[0].rate_weight)) == 3.0


class TestDocstrings:
    @pytest.mark.parametrize("name", NAMES)
    def test_each_is_complete_and_ends_alike(self, name):
        cls = activations.CLASSES[name]
        parameters = inspect.signature(cls).parameters
        assert cls.__doc__.count("Example:") == cls.__doc__.count("\nArgs:\n") == 1
        assert all(
            f"\n    {str(each).split(':')[0]}: " in cls.__doc__ for each in parameters.values()
        )
        assert "Input shape" in cls.__doc__
        assert "\nRaises:\n" in cls.__doc__

    def test_a_class_without_one_stays_without(self):
        # As all do under `python -OO`.
        bare = activations._named(type("Bare", (ko.Tanh,), {}))
        assert bare.__doc__ is None


class TestGet:
    @pytest.mark.parametrize("name", NAMES)
    def test_by_every_kind_of_identifier(self, name):
        cls = activations.CLASSES[name]
        instance = cls(amplitude=2.0)
        assert ko.get(instance) is instance
        for identifier in (name, cls.__name__, f"keras_oddsig>{cls.__name__}", cls):
            assert type(ko.get(identifier)) is cls
        again = ko.get(keras.saving.serialize_keras_object(instance))
        assert type(again) is cls
        assert again.get_config() == instance.get_config()

    @pytest.mark.parametrize(
        ("function", "cls"),
        [
            (keras.activations.tanh, ko.Tanh),
            (keras.activations.softsign, ko.Softsign),
            (ops.erf, ko.Erf),
            (ops.arctan, ko.Arctan),
        ],
    )
    def test_keras_functions_that_have_a_class_here(self, function, cls):
        assert type(ko.get(function)) is cls

    def test_the_backends_own_functions_that_have_a_class_here(self):
        tanh, arctan, erf, softsign = ko.Tanh, ko.Arctan, ko.Erf, ko.Softsign
        match BACKEND:
            case "jax":
                import jax

                known = {
                    tanh: [jax.nn.tanh, jax.numpy.tanh, jax.lax.tanh],
                    arctan: [jax.numpy.arctan, jax.lax.atan],
                    erf: [jax.scipy.special.erf, jax.lax.erf],
                    softsign: [jax.nn.soft_sign],
                }
            case "tensorflow":
                import tensorflow as tf

                known = {
                    tanh: [tf.nn.tanh, tf.math.tanh, tf.tanh],
                    arctan: [tf.math.atan, tf.atan],
                    erf: [tf.math.erf],
                    softsign: [tf.nn.softsign],
                }
            case "torch":
                import torch

                known = {
                    tanh: [torch.tanh, torch.nn.functional.tanh],
                    arctan: [torch.atan, torch.arctan],
                    erf: [torch.erf, torch.special.erf],
                    softsign: [torch.nn.functional.softsign],
                }
        for cls, functions in known.items():
            for function in functions:
                assert activations.recognized(function) is cls
                assert type(ko.get(function)) is cls
                # The class computes what the function does.
                x = ops.convert_to_tensor(np.linspace(-3, 3, 7, dtype="float32"))
                ours, its = (ops.convert_to_numpy(f(x)) for f in (cls(), function))
                assert ours == pytest.approx(its, abs=1e-6)

    @pytest.mark.parametrize(
        ("inner", "cls"),
        [("tanh", ko.Tanh), (keras.activations.softsign, ko.Softsign), (ops.erf, ko.Erf)],
    )
    def test_an_activation_layer_of_keras_is_what_it_applies(self, inner, cls):
        layer = keras.layers.Activation(inner)
        assert type(ko.get(layer)) is activations.recognized(layer) is cls
        assert ko.get(keras.layers.Activation(own := cls(rate=2.0))) is own

    def test_what_has_no_class_here_is_not_recognized(self):
        for function in (ops.relu, keras.activations.linear, lambda x: ops.tanh(x), None, "tanh"):
            assert activations.recognized(function) is None

    @pytest.mark.parametrize("name", NAMES)
    def test_name_of_an_activation_is_the_one_that_get_knows(self, name):
        assert activations.name_of(ko.get(name)) == name
        assert activations.name_of(ko.OddSigmoid(lambda x: ops.tanh(x))) is None
        assert activations.name_of(ops.tanh) is activations.name_of(None) is None

    @pytest.mark.parametrize("key", ["foo", "kwargs", "self"])
    def test_an_unknown_key_of_a_config_names_itself(self, key):
        config = keras.saving.serialize_keras_object(ko.Tanh())
        config["config"][key] = 1
        with pytest.raises(ValueError, match=f"unknown key '{key}'. Received: identifier="):
            ko.get(config)

    def test_an_error_speaks_of_the_argument_that_the_user_wrote(self):
        for identifier, error in (("relu", ValueError), (3.0, TypeError), ({}, ValueError)):
            with pytest.raises(error, match=r"`activation`.* Received: activation="):
                activations.make(identifier, argument="activation")

    @pytest.mark.parametrize(
        ("function", "words"),
        [
            (ops.sin, "is not odd-sigmoid"),
            (lambda x: 1 / 0, "ZeroDivisionError"),
            (lambda x: ops.sum(ops.tanh(x)), "of the shape"),
            (lambda x: ops.tanh(x) > 0, "floating-point"),
            (lambda x: ops.tanh(x) * ops.max(ops.abs(x)), "the same value"),
        ],
        ids=["sine", "raising", "shape", "booleans", "of the whole"],
    )
    def test_so_does_an_error_of_a_function(self, function, words):
        with pytest.raises((TypeError, ValueError), match=f"`activation`.*{words}") as caught:
            ko.OddSigmoidInit(function, depth=10)
        assert "`function`" not in str(caught.value)

    @pytest.mark.parametrize("identifier", ["relu", "", "os>system"])
    def test_an_unknown_name_is_rejected(self, identifier):
        with pytest.raises(ValueError, match=f"langevin.* Received: identifier='{identifier}'"):
            ko.get(identifier)

    @pytest.mark.parametrize(
        ("identifier", "hint"),
        [
            ("tahn", 'Did you mean "tanh"?'),
            ("TanH", 'Did you mean "tanh"?'),
            ("atan", 'Did you mean "arctan"?'),
            ("bipolar_sigmod", 'Did you mean "bipolar_sigmoid"?'),
            ("sigmoid", 'its odd form, 2 sigmoid(x) - 1, is "bipolar_sigmoid".'),
            ("swish", "swish is not odd and bounded"),
            ("leaky_relu", "keras.initializers.HeNormal, which is made for relu."),
        ],
    )
    def test_an_unknown_name_brings_a_hint(self, identifier, hint):
        with pytest.raises(ValueError, match=rf"{re.escape(hint)}.*Received: identifier="):
            ko.get(identifier)

    @pytest.mark.parametrize("identifier", ["hard_sigmoid", "log_sigmoid", "softmax", "linear"])
    def test_another_function_is_not_taken_for_a_misspelled_one(self, identifier):
        with pytest.raises(ValueError, match=r"tanh\. Received: identifier="):
            ko.get(identifier)

    @pytest.mark.parametrize("identifier", [None, 3.0, ["tanh"]])
    def test_what_is_no_identifier_is_rejected(self, identifier):
        with pytest.raises(TypeError, match=r"Received: identifier="):
            ko.get(identifier)

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {
                "class_name": "function",
                "config": "system",
                "module": "os",
                "registered_name": "system",
            },
            {"class_name": "Dense", "config": {"units": 3}, "module": "keras.layers"},
            {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}},
        ],
    )
    def test_a_config_of_anything_else_is_rejected_and_nothing_is_imported(self, config):
        with pytest.raises(ValueError, match="Received: identifier="):
            ko.get(config)
