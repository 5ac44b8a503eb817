"""Training: Adam on all runs of a group at once, then L-BFGS on each; and the rows about it.

One function is compiled for each cell and structure, whatever the method: the weights and the
points go in as arrays.

L-BFGS is SciPy's, run by run, on a compiled loss and gradient. That of optax 0.2.8, a stack of
runs in one compiled function, takes 2.7 to 3.4 times as long on one core (Burgers 5 x 32 and
30 x 16, Poisson 4 x 50): a stack waits for its longest line search. Run by run it takes .64 to
1.05 of SciPy's time, and some seconds more to compile. On Burgers the losses were equal within
noise; on the Poisson equation optax mostly ended lower, for SciPy stopped sooner.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy import optimize

from ..results import Row, rounded
from .cells import Cell
from .equations import EQUATIONS, Points, sample
from .grids import Group, Program
from .methods import METHODS
from .networks import FLOAT, Jet, draw, jet_of, output_of

MEMORY = 50  # L-BFGS's pairs of steps and changes of the gradient, as the paper's notebook has it
FEW = 64  # points, up to which a stack of runs takes about as long as one of them


class Data(NamedTuple):
    """`equations.Points`, as the arrays that a loss takes."""

    points: Any
    forcing: Any
    values: Any


def data_of(points: Points) -> Data:
    return Data(*(np.asarray(each, FLOAT) for each in dataclasses.astuple(points)))


class Training:
    """One run, as functions of its weights in one vector."""

    def __init__(self, cell: Cell, structure: str) -> None:
        self.cell, self.structure = cell, structure
        self.equation = EQUATIONS[cell.equation]
        method = next(m for m in METHODS.values() if m.structure == structure)
        vector, self.unravel = ravel_pytree(draw(cell, method, seed=0))
        self.size = vector.size
        self.optimizer = keras.optimizers.Adam(1e-3)
        self.optimizer.build([keras.Variable(np.zeros(self.size, FLOAT))])
        self.grid = self.equation.grid()
        self.solution = self.equation.solution(self.grid)

    def loss(self, vector: Any, data: Data) -> Any:
        """Mean squared residual at all points, and mean squared error on the border."""
        return self._loss(self._jet(vector, data), data)

    def look(self, vector: Any, data: Data) -> tuple[Any, Any, Any]:
        """The loss, and the root mean squares of the derivatives by the last input."""
        jet = self._jet(vector, data)
        u_x, u_xx = (jnp.sqrt(jnp.mean(each[-1] ** 2)) for each in (jet.first, jet.second))
        return self._loss(jet, data), u_x, u_xx

    def _jet(self, vector: Any, data: Data) -> Jet:
        return jet_of(self.structure, self.unravel(vector), data.points, self.equation.orders)

    def _loss(self, jet: Jet, data: Data) -> Any:
        residual = self.equation.operator(*jet) - data.forcing
        miss = jet.value[-data.values.shape[-1] :] - data.values
        return jnp.mean(residual**2) + jnp.mean(miss**2)

    def adam(self, vector: Any, rate: Any, data: Data) -> Any:
        """The weights after all steps of Adam."""

        def step(carry: Any, _: None) -> tuple[Any, None]:
            vector, memory = carry
            memory = [
                rate if variable is self.optimizer.learning_rate else each
                for variable, each in zip(self.optimizer.variables, memory, strict=True)
            ]
            gradient = jax.grad(self.loss)(vector, data)
            (vector,), memory = self.optimizer.stateless_apply(memory, [gradient], [vector])
            return (vector, memory), None

        memory = [variable.value for variable in self.optimizer.variables]
        (vector, _), _ = jax.lax.scan(step, (vector, memory), length=self.cell.adam)
        return vector

    def adam_stacked(self, vectors: Any, rates: Any, data: Any) -> Any:
        """`adam` of several runs; their points differ, too."""
        if self.cell.points <= FEW or jax.default_backend() != "cpu":
            return jax.vmap(self.adam)(vectors, rates, data)
        # On a CPU the stack would leave the caches.
        return jax.lax.map(lambda each: self.adam(*each), (vectors, rates, data))

    def error(self, vector: Any) -> Any:
        """The relative L2 error on the equation's grid."""
        exact = jnp.asarray(self.solution, FLOAT)
        u = output_of(self.structure, self.unravel(vector), jnp.asarray(self.grid, FLOAT))
        return jnp.sqrt(jnp.sum((u - exact) ** 2) / jnp.sum(exact**2))


class Compiled:
    """The functions of a program, compiled.

    Attributes:
        seconds: That compiling took.
    """

    def __init__(self, program: Program) -> None:
        self.training = training = Training(program.cell, program.structure)
        one = data_of(sample(training.equation, program.cell.points, np.random.default_rng(0)))
        fresh = data_of(fresh_points(program.cell))

        def shaped(*shape: int) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(shape, FLOAT)

        def stacked(data: Data) -> Any:
            return jax.tree.map(lambda each: shaped(program.runs, *each.shape), data)

        vector = shaped(training.size)
        start = time.perf_counter()
        self.adam = (
            jax.jit(training.adam_stacked)
            .lower(shaped(program.runs, training.size), shaped(program.runs), stacked(one))
            .compile()
        )
        self.loss_and_gradient = (
            jax.jit(jax.value_and_grad(training.loss)).lower(vector, one).compile()
        )
        self.look = jax.jit(training.look).lower(vector, fresh).compile()
        self.error = jax.jit(training.error).lower(vector).compile()
        self.seconds = time.perf_counter() - start


@functools.lru_cache(maxsize=4)
def compiled(program: Program) -> Compiled:
    return Compiled(program)


def fresh_points(cell: Cell) -> Points:
    """Points that no run is trained on: as many as it is trained on, and at least 1,000."""
    rng = np.random.default_rng(2**32)  # no run's seed
    return sample(EQUATIONS[cell.equation], max(1000, cell.points), rng)


class Descent(NamedTuple):
    """What L-BFGS left behind."""

    vector: np.ndarray
    iterations: int
    evaluations: int


def lbfgs(loss_and_gradient: Any, vector: np.ndarray, data: Data, iterations: int) -> Descent:
    """SciPy's L-BFGS-B, in float64, on a loss and gradient in the run's precision."""

    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = loss_and_gradient(x.astype(FLOAT), data)
        return float(value), np.asarray(gradient, "float64")

    if iterations == 0:
        return Descent(vector, 0, 0)
    found = optimize.minimize(
        function,
        vector.astype("float64"),
        jac=True,
        method="L-BFGS-B",
        # As in the paper's notebook; the gradient shall not end it.
        options={
            "maxiter": iterations,
            "maxfun": 10 * iterations,
            "maxcor": MEMORY,
            "maxls": 50,
            "ftol": np.finfo("float64").eps,
            "gtol": 0.0,
        },
    )
    return Descent(found.x.astype(FLOAT), int(found.nit), int(found.nfev))


def train(group: Group) -> list[Row]:
    """The rows of a group's runs."""
    ready, cell = compiled(group.program), group.cell
    equation, method = ready.training.equation, METHODS[group.method]
    start = {seed: ravel_pytree(draw(cell, method, seed))[0] for seed in group.seeds}
    data = {
        seed: data_of(sample(equation, cell.points, np.random.default_rng(seed)))
        for seed in group.seeds
    }
    stack = jax.block_until_ready(
        (
            jnp.stack([start[seed] for _, seed in group.runs]),
            jnp.asarray([rate for rate, _ in group.runs], FLOAT),
            jax.tree.map(lambda *each: jnp.stack(each), *(data[seed] for _, seed in group.runs)),
        )
    )
    began = time.perf_counter()
    after_adam = np.asarray(ready.adam(*stack))
    seconds = (time.perf_counter() - began) / len(group.runs)
    fresh = data_of(fresh_points(cell))
    rows = []
    for (rate, seed), vector in zip(group.runs, after_adam, strict=True):
        began = time.perf_counter()
        end = lbfgs(ready.loss_and_gradient, vector, data[seed], cell.lbfgs)
        seconds_of_lbfgs = time.perf_counter() - began
        _, u_x, u_xx = ready.look(start[seed], fresh)
        numbers = {
            "loss_start": ready.loss_and_gradient(start[seed], data[seed])[0],
            "u_x": u_x,
            "u_xx": u_xx,
            "loss_adam": ready.loss_and_gradient(vector, data[seed])[0],
            "error_adam": ready.error(vector),
            "loss": ready.loss_and_gradient(end.vector, data[seed])[0],
            "loss_fresh": ready.look(end.vector, fresh)[0],
            "error": ready.error(end.vector),
        }
        rows.append(
            {
                "key": group.key(rate, seed),
                **dataclasses.asdict(cell),
                "method": group.method,
                "family": method.family,
                "learning_rate": rate,
                "seed": seed,
                **{name: rounded(float(value)) for name, value in numbers.items()},
                "iterations": end.iterations,
                "evaluations": end.evaluations,
                "seconds_adam": float(f"{seconds:.3g}"),
                "seconds_lbfgs": float(f"{seconds_of_lbfgs:.3g}"),
            }
        )
    return rows
