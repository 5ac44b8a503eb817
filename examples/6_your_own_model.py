# %% [markdown]
# # Your own model, and raw data
#
# Real models have branches, and real data come in all sizes. You will let `tailor` loose on a
# subclassed model with two inputs, residual blocks, a gate, a relu and a normalization, read its
# report row by row, and see what it does with features from .001 to 4,000. It runs for about one
# minute on two cores.

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
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import keras_oddsig as ko

# Pictures that can be read on a phone, too.
plt.rcParams.update({"figure.figsize": (6, 3.6), "figure.constrained_layout.use": True})

# %% tags=["parameters"]
DEPTH = 16  # layers of the longer branch
EPOCHS = 10

# %% [markdown]
# ## The data, as they come
#
# scikit-learn's breast cancer data: 569 tumours, described by 30 numbers, and whether they were
# benign. The numbers are radii, areas, smoothness and so on, and nobody has scaled them.

# %%
data = load_breast_cancer()
x, y = data.data.astype("float32"), data.target.astype("float32")
for name in ("mean radius", "area error", "smoothness error", "worst area"):
    column = x[:, list(data.feature_names).index(name)]
    print(f"{name:17} from {column.min():.3g} to {column.max():.4g}")

# %% [markdown]
# The first 20 numbers describe the average cell, the last 10 the worst ones. Our model reads them
# by two inputs.

# %%
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)


def inputs(x):
    return {"average": x[:, :20], "worst": x[:, 20:]}


# %% [markdown]
# ## The model
#
# An ordinary subclassed `keras.Model`, which knows nothing of this package: a chain of tanh layers
# for the average cell; residual blocks for the worst; a sigmoid gate by which the second branch
# weighs the first; and beside them a relu and a layer with normalization. The decorator and
# `get_config` are what Keras needs to save a class of your own.


# %%
@keras.saving.register_keras_serializable("tutorial")
class TwoBranches(keras.Model):
    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.depth = depth
        self.chain = [self.dense(f"chain_{n}", "tanh") for n in range(1, depth + 1)]
        self.worst = self.dense("worst", "tanh")
        self.blocks = [
            (self.dense(f"block_{n}", "tanh"), self.dense(f"block_{n}_end")) for n in (1, 2, 3)
        ]
        self.gate = self.dense("gate", "sigmoid")
        self.merged = [self.dense(f"merged_{n}", "tanh") for n in (1, 2)]
        self.relu = self.dense("relu", "relu")
        self.before = self.dense("before_norm")
        self.norm = keras.layers.LayerNormalization(name="norm")
        self.answer = keras.layers.Dense(1, name="answer")

    def dense(self, name, activation=None):
        return keras.layers.Dense(32, activation, name=name)

    def call(self, inputs):
        a, b = inputs["average"], self.worst(inputs["worst"])
        for layer in self.chain:
            a = layer(a)
        for first, last in self.blocks:
            b = b + last(first(b))
        a = a * self.gate(b)
        for layer in self.merged:
            a = layer(a)
        normalized = keras.ops.tanh(self.norm(self.before(b)))
        return self.answer(keras.ops.concatenate([a, self.relu(b), normalized], axis=-1))

    def get_config(self):
        return {**super().get_config(), "depth": self.depth}


def build():
    keras.utils.set_random_seed(0)
    model = TwoBranches(DEPTH)
    model(inputs(x_train[:1]))  # a subclassed model has weights once it was called
    return model


# %% [markdown]
# ## Before
#
# What does the signal look like as Keras initializes it?

# %%
model = build()
before = ko.signal_report(model, inputs(x_train))
print(f"{before.verdict}, from {before.start} on")
print(before.advice)

# %% [markdown]
# An area of 4,000 goes straight to the bound of tanh, where it is flat: the first layers say the
# same of almost all tumours. Here is what training makes of it.


# %%
def train(model):
    model.compile(
        keras.optimizers.Adam(3e-4),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    keras.utils.set_random_seed(0)  # the same batches for all
    history = model.fit(
        inputs(x_train),
        y_train,
        batch_size=32,
        epochs=EPOCHS,
        validation_data=(inputs(x_test), y_test),
        validation_batch_size=len(x_test),
        verbose=0,
    )
    return history.history["val_accuracy"]


default = train(model)
print("Test accuracy by epoch:", *(f"{accuracy:.2f}" for accuracy in default))

# %% [markdown]
# ## Ask first: `dry_run`
#
# With `dry_run=True`, `tailor` says what it would do and does nothing.

# %%
model = build()
weights = model.get_weights()
plan = ko.tailor(model, inputs(x_train), dry_run=True)
print(plan)
print("unchanged:", all(map(np.array_equal, weights, model.get_weights())))

# %% [markdown]
# ## Tailor it

# %%
report = ko.tailor(model, inputs(x_train))
report.print()

# %% [markdown]
# Row by row:
#
# - **chain_1** and **worst** read the data. They got the scale of each feature (`input_std`), so
#   that an area counts as much as a smoothness, and a bias that takes the mean away.
# - **chain_2** and so on got a rotation for their `depth`: the number of such layers on the longest
#   way through the model. The branch of the worst cells is shorter, hence another number.
# - **block_1_end** and its like end a residual branch. They were made smaller, by the root of the
#   number of branches, so that the sum of all does not drown what came in.
# - **gate** has a sigmoid, which is not odd: left as it is.
# - **merged_1** stands behind the gate, which makes the signal smaller, and no rule knows by how
#   much. So `tailor` ran the model once, measured, and rescaled the kernel.
# - **before_norm** is followed by a normalization, which sets the scale itself: left as it is. So
#   are **relu**, for which Keras's default is made for, and **answer**, the output.
#
# The last two columns are the spread that the solver predicts and the one that was measured in
# that run. In code, all of it is in `report.kernels`.

# %%
for row in report.kernels:
    if row.initializer is None:
        print(f"{row.layer:12} {row.reason}")

# %% [markdown]
# What was left as it is was not touched at all: here is the relu's kernel, before and after.

# %%
kernel = keras.ops.convert_to_numpy(model.relu.kernel)
untouched = any(kernel.shape == old.shape and np.array_equal(kernel, old) for old in weights)
print("relu kernel unchanged:", untouched)

# %% [markdown]
# ## After
#
# The signal, and the training: the same data, batches, optimizer and number of steps.

# %%
after = ko.signal_report(model, inputs(x_train))
print(after.verdict)
tailored = train(model)

figure, ax = plt.subplots()
epochs = range(1, EPOCHS + 1)
ax.plot(epochs, tailored, color="#009E73", marker="o", label="after ko.tailor(model, x)")
ax.plot(epochs, default, color="#E69F00", marker="s", label="as Keras initializes it")
ax.axhline(y_test.mean(), color="black", linestyle="--", linewidth=0.8, label="always benign")
ax.set(xlabel="epoch", ylabel="test accuracy", ylim=(0.5, 1.01), title="Raw data, two branches")
ax.legend(loc="lower right")
plt.show()
print(f"Test accuracy: {tailored[-1]:.3f}, and {default[-1]:.3f} as Keras initializes it")

assert (before.verdict, after.verdict) == ("saturating", "healthy")
assert untouched
assert 0 < report.tailored < len(report.kernels)
assert np.mean(tailored) > np.mean(default)

# %% [markdown]
# If you can scale your data (`keras.layers.Normalization`), do it nevertheless: it makes training
# easier, too, not only the start.
#
# ## When something is wrong
#
# Data with a hole are refused, and the message names the feature. Whatever goes wrong, the model
# stays as it was.

# %%
broken = x_train.copy()
broken[::20, 23] = np.nan
weights = model.get_weights()
try:
    ko.tailor(model, inputs(broken))
except ValueError as error:
    print(error)
unchanged = all(map(np.array_equal, weights, model.get_weights()))
print("unchanged:", unchanged)
assert unchanged

# %% [markdown]
# ## Save and load
#
# `tailor` leaves plain Keras layers behind. The file needs your own class, as always, and nothing
# else: no `custom_objects`.

# %%
model.save("two_branches.keras")
loaded = keras.saving.load_model("two_branches.keras")
one, two = (each.predict(inputs(x_test), verbose=0) for each in (model, loaded))
print(f"Largest difference between two predictions: {abs(one - two).max():.0e}")
assert np.allclose(one, two, atol=1e-5)

# %% [markdown]
# ## Next
#
# - `1_hundred_layers`: from 100 layers to ten thousand.
# - `2_watch_the_signal`: find out what is wrong with a network, and watch it while it trains.
# - `3_physics_informed`: solve a differential equation with a deep network.
# - `4_sequences`: a recurrent network over 200 steps.
# - `5_your_own_activation`: what the package needs to know of yours.
#
# **Exercise.** Try one number in fifty as a broken sensor delivers it:
# `x[np.random.default_rng(0).random(x.shape) < 0.02] = 10_000` in front of `train_test_split`. What
# does the report say of `chain_1` now? And how well does the model train with `ko.tailor(model)`,
# without data?
