# %% [markdown]
# # Watch the signal
#
# A deep network that learns badly does not say why. You will ask it with `signal_report`, watch it
# while it trains with `ActivationSpread` (in a picture, a file and TensorBoard), cure it, and see
# the difference. It runs for about one minute with JAX on two cores, and two with the others.

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
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_oddsig as ko

# Pictures that can be read on a phone, too.
plt.rcParams.update({"figure.figsize": (6, 3.6), "figure.constrained_layout.use": True})
plt.rcParams["figure.dpi"] = 85

# %% tags=["parameters"]
DEPTH = 40  # layers
EPOCHS = 8

# %% [markdown]
# ## A network, and some data
#
# The data are scikit-learn's handwritten digits, standardized. The network has 40 layers of tanh,
# with the initializer that Keras takes if nobody names another, `GlorotUniform`.

# %%
x, y = load_digits(return_X_y=True)
x = ((x - x.mean()) / x.std()).astype("float32")
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build(initializer="glorot_uniform"):
    keras.utils.set_random_seed(0)
    hidden = [
        keras.layers.Dense(32, "tanh", kernel_initializer=initializer, name=f"hidden_{n}")
        for n in range(1, DEPTH + 1)
    ]
    return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, name="digits")])


# %% [markdown]
# ## Ask before you train
#
# `signal_report` runs the model on some data and changes nothing in it. With targets and a loss it
# looks at the gradients, too.

# %%
model = build()
report = ko.signal_report(model, x_train[:256], y_train[:256], loss)
report.print()

# %% [markdown]
# How to read a row:
#
# - **spread**: the standard deviation of the layer's outputs. Near 0, nothing is left to see.
# - **saturated**: the part of the outputs that is near the bound of tanh, where it is flat and
#   passes on no gradient.
# - **cosine**: of the angle between the outputs for two images, on average. At 1 all images look
#   the same to the next layer.
# - **rank**: how many directions the outputs fill. Ten digits do not fit into one.
# - **gradient**: the size of the loss's gradient by these outputs. It should not change by orders
#   of magnitude from the first row to the last.
#
# The verdict, and what to do about it, stand below the table; in code they are attributes. The
# picture shows the spread, and where the trouble begins.

# %%
print(f"{report.verdict}, from {report.start} on")
report.plot(plt.gca())
plt.show()

# %% [markdown]
# ## Do larger kernels help?
#
# If the signal becomes too small, why not make the kernels larger? `he_normal` does: it is made for
# relu, which halves the signal. Behind tanh it is too much of a good thing. The signal is large
# now, but small differences between images grow from layer to layer, and so do the gradients on
# their way back.

# %%
he = ko.signal_report(build("he_normal"), x_train[:256], y_train[:256], loss)
for name, found in (("glorot_uniform", report), ("he_normal", he)):
    first, last = found.layers[0].statistics, found.layers[-1].statistics
    growth = first["activation_gradient"] / last["activation_gradient"]
    print(
        f"{name:15} {found.verdict:11} spread in the last layer {last['std']:.2f}, "
        f"gradient from last to first layer times {growth:.1f}"
    )

# %% [markdown]
# ## Watch while it trains
#
# `ActivationSpread` is a callback. It looks at the same 256 images each time, here before the first
# step and after every fourth, and writes what it sees into its `history`, into a CSV file, and for
# TensorBoard. It works on every backend and changes nothing in the training.

# %%
Path("default.csv").unlink(missing_ok=True)  # of an earlier run: the callback would append
watch = ko.ActivationSpread(
    x_train[:256], frequency=4, csv_path="default.csv", log_dir="runs/default"
)


def train(model, watch):
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    keras.utils.set_random_seed(0)  # the same batches for all
    return model.fit(
        x_train,
        y_train,
        batch_size=128,
        epochs=EPOCHS,
        validation_data=(x_test, y_test),
        validation_batch_size=len(x_test),
        callbacks=[watch],
        verbose=0,
    ).history


default = train(model, watch)
print("Test accuracy by epoch:", *(f"{accuracy:.2f}" for accuracy in default["val_accuracy"]))

# %% [markdown]
# The logs of each epoch have three numbers more, the least and the greatest spread of all layers
# and the largest saturated part. Other callbacks see them, too: `EarlyStopping` can act on them.

# %%
print("Least spread by epoch:", *(f"{spread:.2f}" for spread in default["spread_min"]))

# %% [markdown]
# In `watch.history.rows` there is a number for each step, layer and statistic. The CSV file holds
# the same, written as it came, so that it tells what happened even if the training was killed.

# %%
print(watch.history.rows[0])
print(*Path("default.csv").read_text().splitlines()[:3], sep="\n")

# %% [markdown]
# From either the package draws a map: layers from top to bottom, time from left to right, and the
# spread as a colour. A file that another machine wrote will do; that needs no backend.

# %%
ko.plot_spread("default.csv", plt.gca())
plt.show()

# %% [markdown]
# ## TensorBoard
#
# `log_dir` holds the statistics as scalars, `std/hidden_1` and so on, and a histogram of each
# layer. At a terminal, `pip install tensorboard` and `tensorboard --logdir runs` show them. Colab
# has it: write `%load_ext tensorboard` and `%tensorboard --logdir runs` into a new cell.

# %%
events = list(Path("runs", "default").glob("events.*"))
print(f"{events[0].parent}: {events[0].name.split('.')[0]}")

# %% [markdown]
# ## The cure
#
# The report's advice was `ko.tailor(model, x)`: it initializes the model anew, for its depth and
# the data.

# %%
model = build()
print(ko.tailor(model, x_train))
cured = ko.signal_report(model, x_train[:256], y_train[:256], loss)
print(cured)
cured.plot(plt.gca())
plt.show()

# %% [markdown]
# The dashed line is what the package's solver predicts. Now train as before, and watch.

# %%
Path("tailored.csv").unlink(missing_ok=True)
watch_tailored = ko.ActivationSpread(
    x_train[:256], frequency=4, csv_path="tailored.csv", log_dir="runs/tailored"
)
tailored = train(model, watch_tailored)

figure, panels = plt.subplots(2, 1, figsize=(6, 7))
for panel, file in zip(panels, ("default.csv", "tailored.csv"), strict=True):
    ko.plot_spread(file, panel)
    image = panel.images[0]
    image.set_clim(0.08, 0.8)  # the same colours in both
    image.colorbar.set_ticks([0.1, 0.2, 0.4, 0.8], labels=[0.1, 0.2, 0.4, 0.8])
    panel.set_title(f"Signal over training: {file}")
plt.show()

# %% [markdown]
# The first network spends its training on raising its signal. The second one has it from the start,
# and learns digits.

# %%
figure, ax = plt.subplots()
epochs = range(1, EPOCHS + 1)
ax.plot(epochs, tailored["val_accuracy"], color="#009E73", marker="o", label="tailored")
ax.plot(epochs, default["val_accuracy"], color="#E69F00", marker="s", label="Keras's default")
ax.axhline(0.1, color="black", linestyle="--", linewidth=0.8, label="guessing")
ax.set(xlabel="epoch", ylabel="test accuracy", ylim=(0, 1.02), title=f"{DEPTH} layers of tanh")
ax.legend(loc="lower right")
plt.show()
print(f"Test accuracy: {tailored['val_accuracy'][-1]:.2f}, {default['val_accuracy'][-1]:.2f}")

assert (report.verdict, he.verdict, cured.verdict) == ("collapsing", "saturating", "healthy")
assert tailored["val_accuracy"][-1] > default["val_accuracy"][-1] + 0.1

# %% [markdown]
# ## Next
#
# A saved model can be looked at from a terminal, too:
# `keras-oddsig inspect model.keras --data x.npy --plot signal.png`.
#
# - `1_hundred_layers`: from 100 layers to ten thousand.
# - `3_physics_informed`: solve a differential equation with a deep network.
# - `4_sequences`: a recurrent network over 200 steps.
# - `5_your_own_activation`: what the package needs to know of yours.
# - `6_your_own_model`: `tailor` on a model with branches, and on raw data.
#
# **Exercise.** Try pixels as they come: remove the line that standardizes `x`. What does the report
# say of the default network, and what of the tailored one?
