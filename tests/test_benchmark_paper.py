"""The paper's tables: what is trained is the paper's network, and the page has its numbers."""

import keras
import numpy as np
import pytest

on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="they are trained on JAX")


@pytest.fixture
def paper(load_example):
    """A room of the benchmark by its name."""
    return lambda room: load_example(f"oddsig_benchmarks.paper.{room}")


@pytest.fixture
def pixels(paper):
    """Images of ten classes: fewer than two batches to train on, and some to look at."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (120, 20)).astype("uint8")
    y = rng.integers(0, 10, 120).astype("int32")
    return paper("tasks").Pixels(x[:100], y[:100], x[100:], y[100:])


def keras_model(structure, depth, width, inputs, weights):
    """The network as a user would write it, behind these kernels and biases."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((inputs,))])
    for _ in range(depth):
        model.add(layers.Dense(width))
        if structure != "plain":
            norms = {"batchnorm": layers.BatchNormalization, "layernorm": layers.LayerNormalization}
            model.add(norms[structure]())
        model.add(layers.Activation("tanh"))
    model.add(layers.Dense(10))
    dense = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    for layer, kernel, bias in zip(dense, weights[::2], weights[1::2], strict=True):
        layer.set_weights([kernel, bias])
    return model, dense


@on_jax
@pytest.mark.parametrize("structure", ["plain", "batchnorm", "layernorm"])
def test_a_stack_of_runs_trains_as_keras_trains_each(structure, paper, pixels, monkeypatch):
    import jax

    training, depth, width, epochs = paper("training"), 4, 8, 2
    monkeypatch.setattr(training, "RATE", 1e-2)  # that weights move by more than the tolerance
    rng = np.random.default_rng(1)
    widths = [20, *[width] * depth, 10]
    draws = [
        [
            [
                (rng.standard_normal(shape) * 0.3).astype("float32")
                for m, n in zip(widths, widths[1:], strict=False)
                for shape in ((m, n), (n,))
            ]
            for _ in range(2)
        ]
        for _ in range(2)
    ]
    weights = training.stacked(draws, structure)
    moving = training.moving_of(weights, structure)
    orders = [
        [training.order_of(seed, epoch, np.arange(100)) for seed in range(2)]
        for epoch in range(epochs)
    ]
    batches = [
        (np.stack([order for order, _ in of_seeds], axis=1), of_seeds[0][1]) for of_seeds in orders
    ]
    epoch, memory, _ = training.compiled.__wrapped__(
        structure, training.shapes_of((weights, moving, *batches[0], tuple(pixels)))
    )
    carry = jax.device_put((weights, moving, memory))
    for batch in batches:
        *carry, (loss, accuracy) = epoch(*carry, *batch, tuple(pixels))
    trained = jax.device_get(carry[0])

    x, x_validation = (each.astype("float32") / 255 for each in (pixels.x, pixels.x_validation))
    for seed, method in np.ndindex(2, 2):
        start = draws[seed][method]
        model, dense = keras_model(structure, depth, width, 20, start)
        model.compile(keras.optimizers.Adam(1e-2), training_loss())
        for of_seeds in orders:
            order = of_seeds[seed][0].ravel()[:100]
            losses = [
                float(model.train_on_batch(x[part], pixels.y[part]))
                for part in (order[:64], order[64:])
            ]
        values = [value for layer in dense for value in layer.get_weights()]
        assert np.abs(values[2] - start[2]).max() > 1e-2
        run = (seed, method)
        ours = [trained.first[run], trained.first_bias[run]]
        for kernel, bias in zip(trained.kernels, trained.biases, strict=True):
            ours += [kernel[run], bias[run]]
        ours += [trained.last[run], trained.last_bias[run]]
        # Batch normalization takes the biases before it away: Adam moves them by rounding errors.
        compared = slice(None, None, 2 if structure == "batchnorm" else 1)
        for mine, other in zip(ours[compared], values[compared], strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-5)
        assert loss[run] == pytest.approx(np.mean(losses), abs=1e-5)
        right = model.predict(x_validation, verbose=0).argmax(axis=1) == pixels.y_validation
        assert accuracy[run] == pytest.approx(right.mean())


def training_loss():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
