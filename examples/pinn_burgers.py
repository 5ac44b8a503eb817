"""A physics-informed network for Burgers's equation, 30 layers deep.

    python examples/pinn_burgers.py
    python examples/pinn_burgers.py --trainable-rate
    python examples/pinn_burgers.py --initializer glorot_uniform

For whoever solves differential equations with networks: a whole program to read and to copy,
plain Keras on any backend (set `KERAS_BACKEND`). At the default size it runs for about a minute
on one core. The equation is

    u_t + u u_x = .01 / pi u_xx,    u(0, x) = -sin(pi x),    u(t, -1) = u(t, 1) = 0,

whose solution breaks into a steep front at x = 0. One initializer makes all kernels, the first
and the last among them. The script shows the signal and its derivatives layer by layer before
training, trains with Adam and then with L-BFGS, compares with the exact solution, draws
`pinn_burgers.png` (solution, error, loss), saves the model and loads it again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from scipy import optimize

import keras_oddsig as ko

VISCOSITY = 0.01 / np.pi
OURS = {"OddSigmoidOrthogonal": ko.OddSigmoidOrthogonal, "OddSigmoidInit": ko.OddSigmoidInit}


# ----------------------------------------------------------------------------------
# The equation
# ----------------------------------------------------------------------------------


@dataclass
class Points:
    """Where the equation must hold, and where u is given. Rows are points (t, x)."""

    inside: np.ndarray
    border: np.ndarray
    values: np.ndarray  # u on the border


def sample(number: int, seed: int) -> Points:
    """`number` points inside, uniform, and 100 at the start and on each wall, evenly spaced."""
    inside = np.random.default_rng(seed).uniform((0, -1), (1, 1), (number, 2))
    t, x = np.linspace(0, 1, 100), np.linspace(-1, 1, 100)
    start = np.stack([np.zeros(100), x], axis=1)
    walls = [np.stack([t, np.full(100, wall)], axis=1) for wall in (-1.0, 1.0)]
    border = np.concatenate([start, *walls])
    values = np.concatenate([-np.sin(np.pi * x), np.zeros(200)])[:, None]
    return Points(*(each.astype("float32") for each in (inside, border, values)))


def loss(u: Callable[[Any], Any], points: Points) -> Any:
    """How far `u`, from points (n, 2) to values (n, 1), is from a solution."""
    value, u_t, u_x, u_xx = derivatives(u, ops.convert_to_tensor(points.inside))
    residual = u_t + value * u_x - VISCOSITY * u_xx
    miss = u(ops.convert_to_tensor(points.border)) - ops.convert_to_tensor(points.values)
    return ops.mean(ops.square(residual)) + ops.mean(ops.square(miss))


def exact(t: Any, x: Any) -> np.ndarray:
    """The solution, by the transformation of Cole and Hopf.

    u = -2 VISCOSITY (log phi)_x, where phi solves the heat equation: it is the convolution of
    its start, `exp(-cos(pi y) / (2 pi VISCOSITY))`, with a Gaussian, here by Gauss and Hermite.
    """
    z, weights = np.polynomial.hermite_e.hermegauss(120)
    y = np.asarray(x)[..., None] - np.sqrt(2 * VISCOSITY * np.asarray(t))[..., None] * z
    exponent = -np.cos(np.pi * y) / (2 * np.pi * VISCOSITY)
    # phi reaches exp(50): its maximum in each sum is divided out.
    phi = weights * np.exp(exponent - exponent.max(axis=-1, keepdims=True))
    return -(np.sin(np.pi * y) * phi).sum(axis=-1) / phi.sum(axis=-1)


# ----------------------------------------------------------------------------------
# What differs between the backends. Of the three, keep yours.
#
# derivatives(u, points): u, u_t, u_x and u_xx, each (n, 1), of a function that treats each row
#     by itself. So the gradient of the sum over all rows holds the slopes of each.
# loss_and_gradient(model, points): a function without arguments that gives the loss at the
#     model's present weights, and its gradients, one for each of `model.trainable_variables`.
#
# Slopes backwards, and then their slope by x: forwards on JAX, backwards again on the others, each
# the fastest there. Twice forwards takes 2.4 times as long on JAX, 2.6 on TensorFlow and 2.8 on
# PyTorch (the loss with its gradient, 30 x 16, 2,000 points, one core).
# ----------------------------------------------------------------------------------

match keras.backend.backend():
    case "jax":
        import jax
        import jax.numpy as jnp

        def derivatives(u: Callable[[Any], Any], points: Any) -> tuple[Any, Any, Any, Any]:
            def value_and_slopes(points: Any) -> tuple[Any, Any]:
                value, backwards = jax.vjp(u, points)
                return value, backwards(jnp.ones_like(value))[0]

            by_x = jnp.zeros_like(points).at[:, 1].set(1.0)
            (value, slopes), (_, bends) = jax.jvp(value_and_slopes, (points,), (by_x,))
            return value, slopes[:, :1], slopes[:, 1:], bends[:, 1:]

        def loss_and_gradient(model: keras.Model, points: Points) -> Callable[[], Any]:
            fixed = [variable.value for variable in model.non_trainable_variables]

            def of_weights(weights: list[Any]) -> Any:
                return loss(lambda p: model.stateless_call(weights, fixed, p)[0], points)

            compiled = jax.jit(jax.value_and_grad(of_weights))
            return lambda: compiled([variable.value for variable in model.trainable_variables])

    case "tensorflow":
        import tensorflow as tf

        def derivatives(u: Callable[[Any], Any], points: Any) -> tuple[Any, Any, Any, Any]:
            with tf.GradientTape() as outer:
                outer.watch(points)
                with tf.GradientTape() as inner:
                    inner.watch(points)
                    value = u(points)
                slopes = inner.gradient(value, points)
                u_x = slopes[:, 1:]
            return value, slopes[:, :1], u_x, outer.gradient(u_x, points)[:, 1:]

        def loss_and_gradient(model: keras.Model, points: Points) -> Callable[[], Any]:
            weights = [variable.value for variable in model.trainable_variables]

            @tf.function(autograph=False)
            def compiled() -> Any:
                with tf.GradientTape() as tape:
                    value = loss(model, points)
                return value, tape.gradient(value, weights)

            return compiled

    case "torch":
        import torch

        def derivatives(u: Callable[[Any], Any], points: Any) -> tuple[Any, Any, Any, Any]:
            points = points.detach().requires_grad_()
            value = u(points)
            (slopes,) = torch.autograd.grad(value.sum(), points, create_graph=True)
            u_x = slopes[:, 1:]
            (bends,) = torch.autograd.grad(u_x.sum(), points, create_graph=True)
            return value, slopes[:, :1], u_x, bends[:, 1:]

        def loss_and_gradient(model: keras.Model, points: Points) -> Callable[[], Any]:
            weights = [variable.value for variable in model.trainable_variables]

            def eager() -> Any:
                value = loss(model, points)
                return value.detach(), torch.autograd.grad(value, weights)

            return eager

    case other:
        raise SystemExit(f"KERAS_BACKEND must be jax, tensorflow or torch. Received: {other}")


# ----------------------------------------------------------------------------------
# The network and its training
# ----------------------------------------------------------------------------------


def build(
    depth: int, width: int, activation: str, trainable_rate: bool, initializer: str
) -> keras.Model:
    """`depth` hidden layers and one output, all kernels from one initializer.

    A trainable rate is a weight of each layer's activation: `tanh(rate * x)`.
    """
    kernel = initializer  # Keras makes a new initializer for each layer from a name
    if initializer in OURS:  # of ours, one serves all layers, for it knows them by their shape
        kernel = OURS[initializer](activation, depth, input_dim=2)
    make_activation = type(ko.get(activation))  # ko.Tanh, for example
    hidden = [
        keras.layers.Dense(
            width,
            activation=make_activation(trainable_rate=trainable_rate),
            kernel_initializer=kernel,
            name=f"hidden_{layer}",
        )
        for layer in range(1, depth + 1)
    ]
    output = keras.layers.Dense(1, kernel_initializer=kernel, name="u")
    return keras.Sequential([keras.Input((2,)), *hidden, output])


class Objective:
    """The loss as a function of all trainable weights in one vector, as SciPy wants it.

    Attributes:
        seconds: What each call took; the first one compiles.
    """

    def __init__(self, model: keras.Model, points: Points) -> None:
        self.model = model
        self.seconds: list[float] = []
        self._loss_and_gradient = loss_and_gradient(model, points)

    @property
    def weights(self) -> np.ndarray:
        """Of the model, in float64: L-BFGS adds up small differences."""
        return flat(variable.value for variable in self.model.trainable_variables)

    @weights.setter
    def weights(self, vector: np.ndarray) -> None:
        variables = self.model.trainable_variables
        ends = np.cumsum([np.prod(variable.shape, dtype=int) for variable in variables])
        for variable, part in zip(variables, np.split(vector, ends[:-1]), strict=True):
            variable.assign(part.reshape(variable.shape))

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss at these weights, which the model then has, and its gradient."""
        start = time.perf_counter()
        self.weights = vector
        value, gradients = self._loss_and_gradient()
        result = float(value), flat(gradients)
        self.seconds.append(time.perf_counter() - start)
        return result


def flat(tensors: Any) -> np.ndarray:
    """Tensors one after the other in one float64 vector."""
    return np.concatenate([ops.convert_to_numpy(each).ravel() for each in tensors]).astype(float)


def train_adam(
    objective: Objective, steps: int, learning_rate: float, watch: Callable[[float], None]
) -> None:
    """Adam on the full batch. Its update is elementwise: one vector serves for all weights."""
    weights = keras.Variable(objective.weights, dtype="float32")
    optimizer = keras.optimizers.Adam(learning_rate)
    for _ in range(steps):
        value, gradient = objective(ops.convert_to_numpy(weights.value))
        optimizer.apply([ops.convert_to_tensor(gradient, "float32")], [weights])
        watch(value)
    objective.weights = ops.convert_to_numpy(weights.value)


def train_lbfgs(objective: Objective, iterations: int, watch: Callable[[float], None]) -> str:
    """SciPy's L-BFGS-B, for physics-informed networks far ahead of Adam; says why it ended."""

    def after(intermediate_result: optimize.OptimizeResult) -> None:  # SciPy goes by this name
        watch(float(intermediate_result.fun))

    found = optimize.minimize(
        objective,
        objective.weights,
        jac=True,
        method="L-BFGS-B",
        callback=after,
        # 50 pairs of steps and gradients instead of 10: the valley is narrow. It shall end by
        # the number of iterations, or where float32 shows no more progress.
        options={"maxiter": iterations, "maxcor": 50, "maxls": 50, "ftol": 1e-15, "gtol": 0.0},
    )
    objective.weights = found.x
    return str(found.message)


# ----------------------------------------------------------------------------------
# The result
# ----------------------------------------------------------------------------------


@dataclass
class Result:
    """What a run left behind: the loss at each step, and the error that remains."""

    model: keras.Model
    report: ko.SignalReport  # before training
    losses: list[float]
    adam: int  # how many of them are Adam's
    loss: float
    error: float
    seconds: float  # for the loss and its gradient once


def grid() -> tuple[np.ndarray, np.ndarray]:
    """t and x at 101 x 401 points, over which a solution is compared and drawn."""
    return np.meshgrid(np.linspace(0, 1, 101), np.linspace(-1, 1, 401), indexing="ij")


def predict(model: keras.Model) -> np.ndarray:
    """u at the points of the grid."""
    t, x = grid()
    points = np.stack([t.ravel(), x.ravel()], axis=1).astype("float32")
    return model.predict(points, batch_size=4096, verbose=0).reshape(t.shape)


def draw(
    path: Path, title: str, u: np.ndarray, error: np.ndarray, losses: list[float], adam: int
) -> None:
    """The network's solution, its error, and the loss by step: first `adam` steps of Adam."""
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    figure.suptitle(title)
    t, x = grid()
    for ax, shown, name in ((left, u, "u of the network"), (middle, error, "u - exact u")):
        limit = np.abs(shown).max() or 1.0
        image = ax.pcolormesh(t, x, shown, cmap="RdBu_r", vmin=-limit, vmax=limit, rasterized=True)
        figure.colorbar(image, ax=ax)
        ax.set(xlabel="t", ylabel="x", title=name)
    right.semilogy(losses, color="#0072B2")
    if 0 < adam < len(losses):
        right.axvline(adam, color="black", linestyle=":", linewidth=1)
        right.annotate(" L-BFGS", (adam, max(losses)), va="top", fontsize=8)
    right.set(xlabel="step", title="loss")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(argv: list[str] | None = None) -> Result:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=30, help="hidden layers")
    parser.add_argument("--width", type=int, default=16, help="units of each")
    parser.add_argument("--activation", default="tanh", help="a name of keras_oddsig")
    parser.add_argument("--trainable-rate", action="store_true", help="one for each layer")
    parser.add_argument(
        "--initializer",
        default="OddSigmoidOrthogonal",
        help=f"{' or '.join(OURS)}, or one of Keras, such as glorot_uniform",
    )
    parser.add_argument("--points", type=int, default=2000, help="at which the equation must hold")
    parser.add_argument("--adam", type=int, default=300, help="steps of Adam")
    parser.add_argument("--lbfgs", type=int, default=300, help="iterations of L-BFGS after them")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="of Adam")
    parser.add_argument("--seed", type=int, default=0, help="of weights and points")
    parser.add_argument("--output", type=Path, default=Path("pinn_burgers.png"))
    args = parser.parse_args(argv)
    for name, least in {"depth": 1, "width": 1, "points": 2, "adam": 1, "lbfgs": 1}.items():
        if getattr(args, name) < least:
            parser.error(f"--{name} must be at least {least}. Received: {getattr(args, name)}")
    try:
        ko.get(args.activation)
        if args.initializer not in OURS:
            keras.initializers.get(args.initializer)
    except ValueError as error:
        parser.error(str(error))

    console = Console()
    title = (
        f"Burgers, {args.depth} layers of {args.width}, {args.activation}"
        f"{' with trainable rates' if args.trainable_rate else ''}, {args.initializer}, "
        f"seed {args.seed}, {keras.backend.backend()}"
    )
    console.print(title, highlight=False)

    keras.utils.set_random_seed(args.seed)
    model = build(args.depth, args.width, args.activation, args.trainable_rate, args.initializer)
    points = sample(args.points, args.seed)
    # Before any training: does the signal arrive, and how rough is the function at its start?
    report = ko.signal_report(model, points.inside[:256], derivatives=True)
    report.print(console)

    objective = Objective(model, points)
    losses: list[float] = []
    columns = (
        TextColumn("{task.description:>6}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console) as progress:

        def watcher(name: str, total: int) -> Callable[[float], None]:
            task = progress.add_task(name, total=total, loss="")

            def watch(value: float) -> None:
                losses.append(value)
                progress.update(task, advance=1, loss=f"{value:.2e}")

            return watch

        train_adam(objective, args.adam, args.learning_rate, watcher("Adam", args.adam))
        message = train_lbfgs(objective, args.lbfgs, watcher("L-BFGS", args.lbfgs))
    console.print(f"L-BFGS ended: {message}", highlight=False)
    seconds = float(np.median(objective.seconds[1:]))
    last, _ = objective(objective.weights)

    u, solution = predict(model), exact(*grid())
    error = float(np.linalg.norm(u - solution) / np.linalg.norm(solution))
    console.print(
        f"loss {last:.2e}, relative L2 error {error:.2e}, {seconds:.3f} s for a gradient",
        highlight=False,
    )

    title = f"{title}: relative L2 error {error:.1e}"
    draw(args.output, title, u, u - solution, losses, args.adam)
    console.print(f"{args.output}: solution, error and loss by step")
    saved = args.output.with_suffix(".keras")
    model.save(saved)
    again = keras.saving.load_model(saved)  # our classes are registered: no custom_objects
    difference = float(np.abs(predict(again) - u).max())
    if difference > 1e-6:
        raise SystemExit(f"{saved}: predictions differ by {difference:.1e} from those saved")
    console.print(f"{saved}: loaded again, predictions differ by {difference:.1e}")
    return Result(model, report, losses, args.adam, last, error, seconds)


if __name__ == "__main__":
    main()
