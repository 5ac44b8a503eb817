# %% [markdown]
# # Bring your own activation
#
# You will take a function of your own, check whether the theory holds for it, predict what a deep
# network makes of it, compare the predictions with a real network, and train and save one. It runs
# for about a minute on two cores.

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
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import keras_oddsig as ko

GREY, ORANGE, BLUE, GREEN = "#999999", "#E69F00", "#0072B2", "#009E73"
plt.rcParams.update(
    {"figure.figsize": (6, 3.6), "font.size": 12, "figure.constrained_layout.use": True}
)

# %% tags=["parameters"]
DEPTH = 60  # layers
WIDTH = 256  # units of the random networks that are measured
EPOCHS = 10  # of training

# %% [markdown]
# ## A function of your own
#
# Write it with `keras.ops`, so that it runs on every backend. This one is steep in the middle, and
# has the slow tails of the arctan. Registering it gives it a name that a saved model can ask for.


# %%
@keras.saving.register_keras_serializable(package="tutorial")
def snap(x):
    return ops.tanh(2 * x) + 0.5 * ops.arctan(x)


f = ko.OddSigmoid(snap)
f.profile

# %% [markdown]
# `OddSigmoid` has checked the function, and measured the four numbers that the theory needs: its
# **slope** at 0; its **bound**; and how it bends away from its tangent, by a power (the **order**)
# with a factor (the **curvature**).
#
# What is checked: the function must be odd, `f(-x) = -f(x)`, bounded, strictly increasing, with a
# finite slope at 0, and `f(x) / x` must only fall as `x` grows.

# %%
x = np.linspace(-4, 4, 400)
plt.plot(x, f.reference(x), color=GREEN, label="f(x)")
plt.plot(x, f.reference(x) / x, color=ORANGE, label="f(x) / x")
plt.plot(x, np.tanh(x), color=GREY, label="tanh(x), to compare")
plt.xlabel("x")
plt.legend()
plt.show()

# %% [markdown]
# A function outside the class is refused. The error names the condition that fails, and an `x` that
# shows it.

# %%
foreign = {
    "sin(x)": ops.sin,
    "relu(x)": ops.relu,
    "tanh(x) + x / 10": lambda x: ops.tanh(x) + x / 10,
    "tanh(x**3)": lambda x: ops.tanh(x**3),
    "clip(x, -1, 1)": lambda x: ops.clip(x, -1, 1),
}
for name, function in foreign.items():
    try:
        ko.OddSigmoid(function)
    except ko.NotOddSigmoidError as error:
        print(f"{name}\n    {error}\n")

# %% [markdown]
# ## Sums and compositions
#
# The class is closed: a function of it that is scaled, added to another one or put into another one
# is in it again. So you can build functions without asking.

# %%
made = {
    "f(x)": snap,
    "3 f(x / 2)": lambda x: 3 * snap(x / 2),
    "f(x) + erf(x)": lambda x: snap(x) + ops.erf(x),
    "tanh(f(x))": lambda x: ops.tanh(snap(x)),
    "f(f(x))": lambda x: snap(snap(x)),
}
print("function        slope  order  curvature  bound")
for name, function in made.items():
    p = ko.OddSigmoid(function).profile
    print(f"{name:14}  {p.slope:5.2f}  {p.order:5.2f}  {p.curvature:9.3f}  {p.bound:5.2f}")

# %% [markdown]
# Slopes multiply when functions are composed, and add when they are added. You need no Keras for
# these numbers: `ko.profile_of` takes any function of NumPy arrays.
#
# ## Why the slope decides
#
# Put `f` behind itself again and again, with a gain `a` in between: `x`, `f(a x)`, `f(a f(a x))`,
# and so on. Up to the **critical gain**, 1 over the slope, everything dies. Above it a signal comes
# to rest at a **fixed point**.

# %%
critical = f.profile.critical_gain
for factor, color in ((0.9, GREY), (1.0, ORANGE), (1.2, GREEN)):
    values = [1.0]
    for _ in range(DEPTH):
        values.append(float(f.reference(factor * critical * values[-1])))
    plt.semilogy(values, color=color, label=f"{factor:g} times the critical gain")
plt.axhline(ko.fixed_point(f.reference, 1.2 * critical), color="black", linestyle=":")
plt.xlabel("layer")
plt.ylabel("signal")
plt.legend(fontsize=10)
plt.show()

# %% [markdown]
# The dotted line is `ko.fixed_point(f.reference, gain)`. (`f.reference` is the same function of
# NumPy arrays, for the solver.) A kernel that knows nothing of `f` is too small or too large by the
# factor of its slope, in each layer again. Initializers of this package divide by the slope, and
# leave you a dial.
#
# ## Dials
#
# `OddSigmoidInit` copies the signal and adds noise. Its dial is the **negative rate**: of a signal
# that starts positive everywhere, the fraction that has become negative in the last layer. At 0
# nothing has mixed; at 1/2 the sign is forgotten. The solver turns it into a noise scale, and tells
# the spread (the standard deviation of the activations) that comes of it.

# %%
targets = {0.1: BLUE, 0.3: GREEN, 0.45: ORANGE}
print("negative rate  noise scale  spread in the last layer")
for target in targets:
    noise = ko.noise_scale(DEPTH, target)
    print(f"{target:13g}  {noise:11.3f}  {ko.spread(f.profile, DEPTH, noise):24.3f}")

# %% [markdown]
# `OddSigmoidOrthogonal` rotates the signal. Its dial is the gain: a little above the critical one,
# and the spread keeps itself up. How much above depends on the depth, for behind it waits the
# gradient, which grows, too. `ko.orthogonal_gain` chooses (the dots); `gain=` chooses otherwise.

# %%
gains = np.linspace(1.001, 1.5, 60)
spreads = [ko.orthogonal_spread(f.reference, gain).spread for gain in gains]
plt.plot(gains, spreads, color=GREEN)
for layers in (10, DEPTH, 1000):
    point = ko.orthogonal_gain(f.reference, layers)
    plt.plot(point.gain, point.spread, "ko")
    plt.annotate(f"  {layers} layers", (point.gain, point.spread), va="top", fontsize=11)
plt.xlim(right=1.55)
plt.xlabel("gain, in units of the critical gain")
plt.ylabel("spread")
plt.show()

# %% [markdown]
# ## The predictions, and a network
#
# Does it hold? We build three random networks, one for each negative rate, send positive inputs
# through them, and count. The dotted lines are the solver's: `ko.propagate` follows one unit of an
# infinitely wide network through the layers, and has seen none of these kernels. Single networks,
# of a few hundred units, scatter around it.


# %%
def random_network(initializer):
    layers = [
        keras.layers.Dense(WIDTH, f, kernel_initializer=initializer, name=f"layer_{number}")
        for number in range(1, DEPTH + 1)
    ]
    return keras.Sequential([keras.Input((WIDTH,)), *layers])


keras.utils.set_random_seed(0)
size = 3 * f.profile.bound
positive = size * np.abs(np.random.default_rng(0).normal(size=(64, WIDTH))).astype("float32")
layers = range(1, DEPTH + 1)
last = {}

for target, color in targets.items():
    network = random_network(ko.OddSigmoidInit(f, DEPTH, negative_rate=target))
    outputs = keras.Model(network.inputs, [layer.output for layer in network.layers])
    activations = outputs.predict(positive, verbose=0)
    last[target] = activations[-1].ravel()
    measured = [np.mean(each < 0) for each in activations]
    predicted = ko.propagate(f.reference, DEPTH, ko.noise_scale(DEPTH, target), size)
    plt.plot(layers, measured, color=color, label=f"target {target:g}")
    plt.plot(layers, predicted.negative_rate, "k:")
    print(f"target {target:g}: measured {measured[-1]:.3f} in the last layer")
    assert abs(measured[-1] - target) < 0.1
plt.plot([], [], "k:", label="the solver's")
plt.xlabel("layer")
plt.ylabel("negative rate")
plt.legend(fontsize=10)
plt.show()

# %% [markdown]
# What arrives in the last layer, then, from inputs that were positive all of them:

# %%
for target, color in targets.items():
    plt.hist(
        last[target],
        80,
        histtype="step",
        density=True,
        color=color,
        linewidth=1.5,
        label=f"target {target:g}",
    )
plt.axvline(0, color="black", linewidth=0.8)
plt.xlabel("activation in the last layer")
plt.ylabel("density")
plt.legend(fontsize=10)
plt.show()

# %% [markdown]
# With a low rate most of the signal is still on the side where it started: the network has mixed
# little. With a high one both sides are alike. The default, 0.3, lies between.
#
# `signal_report` makes such a comparison for any model: the spread by layer, and the solver's
# prediction where the initializer is one of ours. Here for the rotation, on inputs of both signs.

# %%
keras.utils.set_random_seed(0)
network = random_network(ko.OddSigmoidOrthogonal(f, DEPTH))
report = ko.signal_report(network, keras.random.normal((256, WIDTH)))
report.plot(plt.gca())
plt.show()

end = report.layers[-1]
print(
    f"in the last layer: spread {end.statistics['std']:.3f}, predicted {end.predicted_spread:.3f}"
)
assert report.healthy

# %% [markdown]
# ## Train with it
#
# Handwritten digits of 8 x 8 pixels, through 60 layers without normalization or skip connections.
# The first kernel reads data and not activations, so it is told their size: `input_std=1.0`. Beside
# it the same network as Keras initializes it.

# %%
digits, labels = load_digits(return_X_y=True)
digits = StandardScaler().fit_transform(digits).astype("float32")
train_x, test_x, train_y, test_y = train_test_split(digits, labels, test_size=360, random_state=0)


def classifier(first, others):
    layers = [
        keras.layers.Dense(32, f, kernel_initializer=kernel)
        for kernel in [first] + [others] * (DEPTH - 1)
    ]
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)])
    steps = EPOCHS * -(-len(train_x) // 64)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


starts = {
    "GlorotUniform": ("glorot_uniform", "glorot_uniform"),
    "OddSigmoidOrthogonal": (
        ko.OddSigmoidOrthogonal(f, DEPTH, input_std=1.0),
        ko.OddSigmoidOrthogonal(f, DEPTH),
    ),
}
models = {}
for name, color in (("GlorotUniform", GREY), ("OddSigmoidOrthogonal", GREEN)):
    keras.utils.set_random_seed(0)
    models[name] = classifier(*starts[name])
    history = models[name].fit(
        train_x, train_y, batch_size=64, epochs=EPOCHS, verbose=0, validation_data=(test_x, test_y)
    )
    accuracy = history.history["val_accuracy"]
    plt.plot(range(1, EPOCHS + 1), accuracy, "o-", markersize=4, color=color, label=name)
    print(f"{name:>20}: test accuracy {accuracy[-1]:.3f}")
plt.xlabel("epoch")
plt.ylabel("test accuracy")
plt.ylim(0, 1)
plt.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## Save and load
#
# The model holds the function's registered name, not its code. A program that loads it must have
# registered the function, too: put it in a module of your own, and import that first. In this
# program it is known.

# %%
model = models["OddSigmoidOrthogonal"]
model.save("snap.keras")
again = keras.saving.load_model("snap.keras")
same = np.abs(again.predict(test_x, verbose=0) - model.predict(test_x, verbose=0)).max()
print(f"loaded again, predictions differ by {same:.1e}")
assert same < 1e-5

# %% [markdown]
# Where it is not, hand it over under its full name, `"package>name"`. To see that, we make Keras
# forget it, as a new program has never known it.

# %%
keras.saving.get_custom_objects().pop("tutorial>snap")
try:
    keras.saving.load_model("snap.keras")
except Exception as error:
    print(str(error).splitlines()[-1], "\n")

again = keras.saving.load_model("snap.keras", custom_objects={"tutorial>snap": snap})
print("loaded with custom_objects:", again.layers[0].activation)

# %% [markdown]
# A function that was never registered, as a lambda, trains just as well, but its model cannot be
# saved: the error comes from `save`, and says what to do.
#
# ## Exercise
#
# Order 3 is what most smooth functions have: they bend like `x**3`. Make one of order 2, such as
# `ops.softsign(x) + ops.tanh(x)`, and one of order 5. Look at the spread that `ko.spread` predicts
# for 10, 100 and 1,000 layers: which signal dies sooner, and which lives longer?
#
# ## Next
#
# - `1_hundred_layers`: train 100 layers without normalization
# - `2_watch_the_signal`: find out why a network does not train
# - `3_physics_informed`: solve a differential equation
# - `4_sequences`: a recurrent network over 200 steps
# - `6_your_own_model`: `tailor` on a model that you have already
