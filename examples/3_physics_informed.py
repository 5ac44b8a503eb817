# %% [markdown]
# # A physics-informed network for Burgers's equation
#
# You will train a network of 30 tanh layers to solve a differential equation, watch its derivatives
# before training, and see where its error is, beside the same network as Keras initializes it. It
# runs for one to three minutes on two cores.

# %%
# Installs what is missing: in Colab, in a checkout, anywhere. The backend may also be "tensorflow"
# or "torch".
import importlib.util
import os
from pathlib import Path

backend = os.environ.setdefault("KERAS_BACKEND", "jax")
needed = ["keras_oddsig", "matplotlib", "sklearn", "tensorboardX", backend]
missing = [name for name in needed if importlib.util.find_spec(name) is None]
if missing:
    checkout = [path for path in ("..", ".") if Path(path, "keras_oddsig", "__init__.py").exists()]
    extras = ",".join(["examples", "tensorboard", *(name for name in missing if name == backend)])
    package = f"{checkout[0] if checkout else 'keras-oddsig'}[{extras}]"
    # %pip install -q "{package}"

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops
from scipy import optimize

import keras_oddsig as ko

GREY, ORANGE, BLUE, GREEN = "#999999", "#E69F00", "#0072B2", "#009E73"
plt.rcParams.update(
    {"figure.figsize": (6, 3.6), "font.size": 12, "figure.constrained_layout.use": True}
)

# %% tags=["parameters"]
DEPTH = 30  # hidden layers
WIDTH = 16  # units of each
POINTS = 1000  # inside the domain, at which the equation must hold
ADAM_STEPS = 200
LBFGS_STEPS = 300
DRAWS = 3  # networks of which the derivatives are drawn

# %% [markdown]
# ## The equation
#
# Burgers's equation is the usual first test. A wave `u(t, x)` steepens until friction stops it:
#
#     u_t + u u_x = (0.01 / pi) u_xx,    u(0, x) = -sin(pi x),    u(t, -1) = u(t, 1) = 0
#
# Its exact solution is known, as an integral (the transformation of Cole and Hopf). The network
# never sees it; we need it to measure the error.

# %%
VISCOSITY = 0.01 / np.pi


def exact(t, x):
    z, weights = np.polynomial.hermite_e.hermegauss(120)
    y = x[..., None] - np.sqrt(2 * VISCOSITY * t)[..., None] * z
    exponent = -np.cos(np.pi * y) / (2 * np.pi * VISCOSITY)
    phi = weights * np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    return -(np.sin(np.pi * y) * phi).sum(axis=-1) / phi.sum(axis=-1)


t, x = np.meshgrid(np.linspace(0, 1, 101), np.linspace(-1, 1, 401), indexing="ij")
solution = exact(t, x)

plt.pcolormesh(t, x, solution, cmap="RdBu_r", vmin=-1, vmax=1)
plt.colorbar(label="u")
plt.xlabel("t")
plt.ylabel("x")
plt.title("The exact solution: a front at x = 0")
plt.show()

# %% [markdown]
# ## The loss is made of derivatives
#
# A physics-informed network takes a point `(t, x)` and returns `u`. Its loss is how far it is from
# obeying the equation at points inside, plus how far it is from the given values on the border. So
# it needs `u_t`, `u_x` and `u_xx` of the network, and then the gradient of all that by the weights.
#
# Keras has no common way to take derivatives by the inputs, so the next cell has three: read yours.
# `derivatives` returns `u`, `u_t`, `u_x` and `u_xx`; `with_gradient` makes a function that returns
# the loss and its gradients.

# %%
if backend == "jax":
    import jax
    import jax.numpy as jnp

    def derivatives(u, p):
        along_x = jnp.zeros_like(p).at[:, 1].set(1.0)
        slopes, bends = jax.jvp(jax.grad(lambda p: u(p).sum()), (p,), (along_x,))
        return u(p), slopes[:, :1], slopes[:, 1:], bends[:, 1:]

    def with_gradient(loss, model):
        def of_weights(weights):
            return loss(lambda p: model.stateless_call(weights, [], p)[0])

        compiled = jax.jit(jax.value_and_grad(of_weights))
        return lambda: compiled([variable.value for variable in model.trainable_variables])

elif backend == "tensorflow":
    import tensorflow as tf

    def derivatives(u, p):
        with tf.GradientTape() as outer:
            outer.watch(p)
            with tf.GradientTape() as inner:
                inner.watch(p)
                value = u(p)
            slopes = inner.gradient(value, p)
            u_x = slopes[:, 1:]
        return value, slopes[:, :1], u_x, outer.gradient(u_x, p)[:, 1:]

    def with_gradient(loss, model):
        weights = [variable.value for variable in model.trainable_variables]

        @tf.function(autograph=False)
        def compiled():
            with tf.GradientTape() as tape:
                value = loss(model)
            return value, tape.gradient(value, weights)

        return compiled

else:
    import torch

    def derivatives(u, p):
        p = p.detach().requires_grad_()
        value = u(p)
        (slopes,) = torch.autograd.grad(value.sum(), p, create_graph=True)
        u_x = slopes[:, 1:]
        (bends,) = torch.autograd.grad(u_x.sum(), p, create_graph=True)
        return value, slopes[:, :1], u_x, bends[:, 1:]

    def with_gradient(loss, model):
        weights = [variable.value for variable in model.trainable_variables]

        def eager():
            value = loss(model)
            return value.detach(), torch.autograd.grad(value, weights)

        return eager


# %% [markdown]
# The points are drawn once: `POINTS` of them inside, and 100 on each of the three borders.

# %%
rng = np.random.default_rng(0)
inside = rng.uniform((0, -1), (1, 1), (POINTS, 2)).astype("float32")
line = np.linspace(0, 1, 100)
border = np.concatenate(
    [
        np.stack([0 * line, 2 * line - 1], axis=1),
        np.stack([line, 0 * line - 1], axis=1),
        np.stack([line, 0 * line + 1], axis=1),
    ]
).astype("float32")
given = exact(border[:, :1], border[:, 1:]).astype("float32")


def loss(u):
    value, u_t, u_x, u_xx = derivatives(u, ops.convert_to_tensor(inside))
    residual = u_t + value * u_x - VISCOSITY * u_xx
    miss = u(ops.convert_to_tensor(border)) - ops.convert_to_tensor(given)
    return ops.mean(ops.square(residual)) + ops.mean(ops.square(miss))


# %% [markdown]
# ## The network, and its derivatives before training
#
# The network is plain: 30 `Dense` layers of 16 units, and one output. We compare three ways to
# initialize all its kernels:
#
# - `glorot_uniform`, Keras's default;
# - `OddSigmoidOrthogonal("tanh", DEPTH)`, made for networks of many inputs;
# - the same with `input_dim=2`: this is a function of two inputs, and its derivatives count. One
#   instance serves all layers. It tells the first kernel and the output's by their shapes.


# %%
def network(initializer, activation=ko.Tanh):
    layers = [
        keras.layers.Dense(WIDTH, activation(), kernel_initializer=initializer)
        for _ in range(DEPTH)
    ]
    output = keras.layers.Dense(1, kernel_initializer=initializer)
    return keras.Sequential([keras.Input((2,)), *layers, output])


starts = {
    "glorot_uniform": "glorot_uniform",
    "without input_dim": ko.OddSigmoidOrthogonal("tanh", DEPTH),
    "input_dim=2": ko.OddSigmoidOrthogonal("tanh", DEPTH, input_dim=2),
}
colors = {"glorot_uniform": GREY, "without input_dim": ORANGE, "input_dim=2": GREEN}

reports = {name: [] for name in starts}
for name, initializer in starts.items():
    for seed in range(DRAWS):
        keras.utils.set_random_seed(seed)
        model = network(initializer)
        hidden = model.layers[:DEPTH]
        report = ko.signal_report(model, inside, layers=hidden, derivatives=True)
        reports[name].append(report)

# %% [markdown]
# `signal_report(..., derivatives=True)` measures the first and the second derivative of each layer
# by the inputs, and says what the solver expects of them, where the initializer is one of ours.


# %%
def of(report, name):
    return [getattr(layer, name, layer.statistics.get(name)) for layer in report.layers]


figure, axes = plt.subplots(2, 1, sharex=True, figsize=(6, 6))
numbers = range(1, DEPTH + 1)
for ax, which in zip(axes, ("first_derivative", "second_derivative"), strict=True):
    for name, found in reports.items():
        for report in found:
            ax.semilogy(numbers, of(report, which), color=colors[name], linewidth=1)
        ax.plot([], [], color=colors[name], label=name)
        if name != "glorot_uniform":
            ax.semilogy(numbers, of(found[0], f"predicted_{which}"), "k:")
    ax.set_ylabel(which.replace("_", " "))
axes[0].plot([], [], "k:", label="the solver's")
axes[0].legend(fontsize=10, loc="lower left")
axes[1].set_xlabel("layer")
plt.show()

# %% [markdown]
# Each line is one network. Under Glorot the derivatives are left to chance: with another seed they
# end elsewhere. The rotation for many inputs makes the function rougher with each layer; on smooth
# equations that does harm. With `input_dim` all draws keep the second derivative up, none lets it
# grow, and they follow the dotted lines, which the solver computed for infinitely wide layers
# without seeing these networks.

# %%
print("the second derivative in the last hidden layer")
for name, found in reports.items():
    ends = [of(report, "second_derivative")[-1] for report in found]
    expected = of(found[0], "predicted_second_derivative")[-1]
    shown = "" if expected is None else f"predicted {expected:.2g}"
    print(f"{name:>18}:", *(f"{end:.2g}" for end in ends), shown)
    if name == "input_dim=2":
        assert 0.5 * expected < min(ends) <= max(ends) < 2 * expected

# %% [markdown]
# ## Adam, then L-BFGS
#
# Such networks are trained on all points at once: Adam finds the valley, and L-BFGS, which learns
# the curvature of the loss as it goes, walks down it. SciPy has one. It wants the loss as a
# function of one vector that holds all weights.


# %%
def flat(tensors):
    return np.concatenate([ops.convert_to_numpy(each).ravel() for each in tensors]).astype(float)


def train(model):
    """The loss at each step: first Adam's, then those of L-BFGS."""
    variables = model.trainable_variables
    compiled = with_gradient(loss, model)

    def objective(vector):
        start = 0
        for variable in variables:
            shape = tuple(variable.shape)
            stop = start + int(np.prod(shape))
            variable.assign(vector[start:stop].reshape(shape))
            start = stop
        value, gradients = compiled()
        return float(value), flat(gradients)

    losses = []
    optimizer = keras.optimizers.Adam(1e-3)
    weights = keras.Variable(flat(v.value for v in variables), dtype="float32")
    for _ in range(ADAM_STEPS):
        value, gradient = objective(ops.convert_to_numpy(weights.value))
        optimizer.apply([ops.convert_to_tensor(gradient, "float32")], [weights])
        losses.append(value)

    found = optimize.minimize(
        objective,
        ops.convert_to_numpy(weights.value).astype(float),
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: losses.append(intermediate_result.fun),
        options={"maxiter": LBFGS_STEPS, "maxcor": 50, "maxls": 50, "ftol": 1e-15, "gtol": 0.0},
    )
    objective(found.x)  # which leaves these weights in the model
    return losses


def error_of(model):
    """u at each point of the grid, and the relative error: 0 is exact, 1 as bad as u = 0."""
    grid = np.stack([t.ravel(), x.ravel()], axis=1).astype("float32")
    u = model.predict(grid, batch_size=4096, verbose=0).reshape(t.shape)
    return u, np.linalg.norm(u - solution) / np.linalg.norm(solution)


# %%
histories, answers = {}, {}


def run(name, initializer, activation=ko.Tanh):
    keras.utils.set_random_seed(0)
    model = network(initializer, activation)
    histories[name] = train(model)
    answers[name], error = error_of(model)
    print(f"{name:>18}: loss {histories[name][-1]:.2g}, relative error {error:.2g}")
    return model


run("glorot_uniform", starts["glorot_uniform"])
model = run("input_dim=2", starts["input_dim=2"])

# %%
for name, losses in histories.items():
    plt.semilogy(losses, color=colors[name], label=name)
plt.axvline(ADAM_STEPS, color="black", linestyle=":", linewidth=1)
plt.text(ADAM_STEPS, plt.ylim()[1], " L-BFGS", va="top")
plt.xlabel("step")
plt.ylabel("loss")
plt.legend()
plt.show()

# %% [markdown]
# Same network, same points, same steps; only the first weights differ. This is one seed, and single
# seeds scatter. `docs/benchmarks/pinn.md` has the same comparison on four equations with three to
# ten seeds, and says where Glorot is level or ahead: in small networks.

# %%
assert histories["input_dim=2"][-1] < histories["glorot_uniform"][-1]

# %% [markdown]
# ## Where is the error?

# %%
figure, axes = plt.subplots(2, 1, sharex=True, figsize=(6, 6))
for ax, name in zip(axes, ("glorot_uniform", "input_dim=2"), strict=True):
    image = ax.pcolormesh(t, x, answers[name] - solution, cmap="RdBu_r", vmin=-1, vmax=1)
    ax.set_ylabel("x")
    ax.set_title(name)
axes[1].set_xlabel("t")
figure.colorbar(image, ax=axes, label="u of the network - exact u")
plt.show()

# %% [markdown]
# What is wrong lies at the front. The network smears it, or puts it a little aside, and few of the
# random points fall where `u` turns from one sign to the other.
#
# ## Scaled and adaptive activations
#
# Papers on physics-informed networks often use `tanh(rate * x)`, with a rate of their own choice or
# one that is trained along, a weight of each layer. Both are `ko.Tanh`. The initializer must know
# the rate: a steeper activation needs a smaller kernel. Hand it the activation, not the name.

# %%
for activation in (ko.Tanh(), ko.Tanh(rate=2.0), ko.Tanh(amplitude=2.0, rate=0.25)):
    initializer = ko.OddSigmoidOrthogonal(activation, DEPTH, input_dim=2)
    kernel = ops.convert_to_numpy(initializer((WIDTH, WIDTH)))
    print(
        f"{activation.amplitude:g} tanh({activation.rate:g} x): critical gain "
        f"{activation.profile.critical_gain:g}, entries of a kernel {kernel.std():.3f}"
    )

# %% [markdown]
# Now with a trainable rate in each layer, which starts at 1.

# %%
adaptive = run(
    "trainable rates", starts["input_dim=2"], activation=lambda: ko.Tanh(trainable_rate=True)
)
rates = [float(layer.activation.rate_weight.numpy()) for layer in adaptive.layers[:DEPTH]]

plt.plot(range(1, DEPTH + 1), rates, "o-", color=BLUE)
plt.axhline(1, color="black", linestyle=":", linewidth=1)
plt.xlabel("layer")
plt.ylabel("rate after training")
plt.show()

# %%
ratio = histories["trainable rates"][-1] / histories["input_dim=2"][-1]
print(f"the loss with trainable rates is {ratio:.2g} times that without")

# %% [markdown]
# The rates move, and the last line says what that brought. On five seeds it is no clear gain: less
# loss with some kernels and equations, more with others (`docs/benchmarks/pinn.md`). What the first
# weights are matters more.
#
# A trained rate is a weight like any other, and is saved with the model. No `custom_objects`:

# %%
adaptive.save("burgers.keras")
again = keras.saving.load_model("burgers.keras")
difference = np.abs(again.predict(inside, verbose=0) - adaptive.predict(inside, verbose=0)).max()
print(f"loaded again, predictions differ by {difference:.1e}")
assert difference < 1e-5

# %% [markdown]
# ## Exercise
#
# Take `ko.OddSigmoidInit("tanh", DEPTH, input_dim=2)`, the papers' kernel of identity plus noise,
# in place of the rotation. On this equation and at this depth the benchmark finds it ahead. Compare
# the two at the start (`signal_report`), and after 300 and 1,000 steps of L-BFGS, on three seeds
# each: how far do seeds scatter?
#
# ## Next
#
# - `1_hundred_layers`: train 100 layers without normalization
# - `2_watch_the_signal`: find out why a network does not train
# - `4_sequences`: a recurrent network over 200 steps
# - `5_your_own_activation`: bring a function of your own
# - `6_your_own_model`: `tailor` on a model that you have already
