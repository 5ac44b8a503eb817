# %% [markdown]
# # Train 100 layers without normalization
#
# A plain network of 100 tanh layers does not train if Keras initializes it. You will see why, cure
# it with one line, save and load it, and then do the same with ten thousand layers. It runs for one
# to two minutes with JAX on two cores, and up to four with TensorFlow or PyTorch.

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

# %% [markdown]
# How deep, and how long to train. Change these numbers if you like.

# %% tags=["parameters"]
DEPTH = 100  # layers
EPOCHS = 8
VERY_DEEP = 10_000  # layers of the last part
VERY_DEEP_EPOCHS = 5

# %% [markdown]
# ## The data
#
# scikit-learn brings 1,797 handwritten digits of 8 x 8 pixels. We standardize the pixels and keep a
# fifth of the images for the test. Who guesses gets one digit in ten right.

# %%
x, y = load_digits(return_X_y=True)
x = ((x - x.mean()) / x.std()).astype("float32")
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0)

figure, panels = plt.subplots(1, 6, figsize=(6, 1.3))
for panel, image, digit in zip(panels, x_train, y_train, strict=False):
    panel.imshow(image.reshape(8, 8), cmap="gray_r")
    panel.set_title(digit)
    panel.axis("off")
plt.show()


# %% [markdown]
# ## The network
#
# Nothing but layers: no normalization, no skip connections. Each has 32 units and ends in tanh.
# Keras initializes a `Dense` layer by `GlorotUniform` if nobody says otherwise.


# %%
def build():
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(32, "tanh", name=f"hidden_{n}") for n in range(1, DEPTH + 1)]
    return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10, name="digits")])


def train(model, epochs, learning_rate):
    """Trains the model, and returns its accuracy on the test images after each epoch."""
    steps = epochs * -(-len(x_train) // 128)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    keras.utils.set_random_seed(0)  # the same batches for all
    history = model.fit(
        x_train,
        y_train,
        batch_size=128,
        epochs=epochs,
        validation_data=(x_test, y_test),
        validation_batch_size=len(x_test),
        verbose=0,
    )
    return history.history["val_accuracy"]


# %%
model = build()
glorot_report = ko.signal_report(model, x_train, y_train, "sparse_categorical_crossentropy")
glorot = train(model, EPOCHS, learning_rate=1e-3)
print("Test accuracy by epoch:", *(f"{accuracy:.2f}" for accuracy in glorot))

# %% [markdown]
# It hardly does better than guessing, however long you train. What is wrong was there before the
# first step, and `signal_report` has looked at it.
#
# ## Why it does not train
#
# The *spread* of a layer is how much its outputs differ: their standard deviation. The picture
# shows it layer by layer, before training: the line for the image in the middle, the band for all
# images. On its way through the network the signal becomes smaller, and for some images it is lost.

# %%
glorot_report.plot(plt.gca())
plt.show()
print(f"{glorot_report.verdict}, from {glorot_report.start} on")

# %% [markdown]
# Tanh pulls every number a little towards zero, and a Glorot kernel keeps sizes at best as they
# are. A hundred times a little is a lot. Worse, on the way the images become alike: `cosine` is the
# mean cosine of the angle between the outputs for two images, and `effective_rank` says how many
# directions the outputs fill. One direction says nothing about ten digits.

# %%
for layer in (glorot_report.layers[0], glorot_report.layers[-1]):
    found = layer.statistics
    print(
        f"{layer.name:10} spread {found['std']:.3f}   cosine {found['cosine']:.2f}"
        f"   effective rank {found['effective_rank']:.1f}"
    )

# %% [markdown]
# ## The cure: one line
#
# `ko.tailor` takes the model as it is built and initializes it anew, for its activations, its depth
# and the data. Call it before you train.

# %%
model = build()
ko.tailor(model, x_train)

# %% [markdown]
# All hidden kernels were set; the output layer, behind which no tanh comes, was left as it was.
# Look at the signal again. The spread settles, at the value that the package's solver predicts (the
# dashed line), and the images stay apart.

# %%
report = ko.signal_report(model, x_train)
report.plot(plt.gca())
plt.show()
first, last = report.layers[0].statistics, report.layers[-1].statistics
print(f"effective rank {first['effective_rank']:.1f} in the first layer,", end=" ")
print(f"{last['effective_rank']:.1f} in the last")

# %% [markdown]
# Now train it as before: the same network, batches, optimizer and number of steps.

# %%
tailored = train(model, EPOCHS, learning_rate=1e-3)

figure, ax = plt.subplots()
epochs = range(1, EPOCHS + 1)
ax.plot(epochs, tailored, color="#009E73", marker="o", label="after ko.tailor(model, x_train)")
ax.plot(epochs, glorot, color="#E69F00", marker="s", label="as Keras initializes it")
ax.axhline(0.1, color="black", linestyle="--", linewidth=0.8, label="guessing")
ax.set(xlabel="epoch", ylabel="test accuracy", ylim=(0, 1.02), title=f"{DEPTH} layers of tanh")
ax.legend(loc="center right")
plt.show()
print(f"Test accuracy: {tailored[-1]:.3f}, and {glorot[-1]:.3f} as Keras initializes it")
assert report.verdict == "healthy"
assert glorot_report.verdict == "collapsing"
assert tailored[-1] > glorot[-1] + 0.3

# %% [markdown]
# ## By hand
#
# Who writes the model can name the initializers, too. They need the activation and the depth; the
# first one also the spread of what it reads, which is 1 for standardized data. One instance serves
# all further layers: each gets a kernel of its own.

# %%
keras.utils.set_random_seed(0)
first = ko.OddSigmoidOrthogonal("tanh", depth=DEPTH, input_std=1.0)
other = ko.OddSigmoidOrthogonal("tanh", depth=DEPTH)
hidden = [
    keras.layers.Dense(32, "tanh", kernel_initializer=kernel)
    for kernel in [first] + (DEPTH - 1) * [other]
]
by_hand = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])
print(ko.signal_report(by_hand, x_train))

# %% [markdown]
# ## Save and load
#
# A saved model is a plain Keras file. Whoever loads it needs no `custom_objects`; the weights are
# in the file, and predictions are the same.

# %%
model.save("hundred_layers.keras")
loaded = keras.saving.load_model("hundred_layers.keras")
difference = abs(loaded.predict(x_test, verbose=0) - model.predict(x_test, verbose=0)).max()
print(f"Largest difference between two predictions: {difference:.0e}")
assert difference < 1e-4

# %% [markdown]
# ## Ten thousand layers
#
# Written one by one, ten thousand layers would take a very long time to compile. A `ko.LayerStack`
# is many equal layers that are one layer to Keras: their weights lie in one tensor, and the backend
# runs them in a loop. The initializers are the same, with another depth.

# %%
keras.utils.set_random_seed(0)
first = ko.OddSigmoidOrthogonal("tanh", depth=VERY_DEEP, input_std=1.0)
other = ko.OddSigmoidOrthogonal("tanh", depth=VERY_DEEP)
one_of_many = keras.layers.Dense(32, "tanh", kernel_initializer=other)
very_deep = keras.Sequential(
    [
        keras.Input((64,)),
        keras.layers.Dense(32, "tanh", kernel_initializer=first, name="first"),
        ko.LayerStack(one_of_many, repeats=VERY_DEEP - 1, name="stack"),
        keras.layers.Dense(10),
    ]
)
print(f"{very_deep.count_params():,} weights")

# %%
report = ko.signal_report(very_deep, x_train[:128])
ax = report.plot(plt.gca())
ax.set_title(f"{len(report.layers):,} layers: {report.verdict}")
plt.show()

# %% [markdown]
# The deeper a network, the smaller its learning rate must be: a step changes all layers at once.

# %%
accuracies = train(very_deep, VERY_DEEP_EPOCHS, learning_rate=0.05 / VERY_DEEP)
print("Test accuracy by epoch:", *(f"{accuracy:.2f}" for accuracy in accuracies))
assert accuracies[-1] > 0.4

# %% [markdown]
# That is far above guessing after a few passes over the images; `examples/ten_thousand_layers.py`
# trains it for longer.
#
# ## Next
#
# - `2_watch_the_signal`: find out what is wrong with a network, and watch it while it trains.
# - `3_physics_informed`: solve a differential equation with a deep network.
# - `4_sequences`: a recurrent network over 200 steps.
# - `5_your_own_activation`: what the package needs to know of yours.
# - `6_your_own_model`: `tailor` on a model with branches, and on raw data.
#
# **Exercise.** Try `DEPTH = 10` and `DEPTH = 30` at the top: from which depth on does Keras's own
# initialization fail here? Then put `"softsign"` in place of `"tanh"` in `build`.
