"""Kernel initializers that know the activation that follows and the depth of the network.

Both draw a kernel of `m` inputs and `n` outputs whose gain is the activation's critical
gain `omega = 1 / f'(0)`: `OddSigmoidInit` an identity pattern plus noise,
`OddSigmoidOrthogonal` a random rotation, slightly above that gain.

Which when (as measured, `docs/benchmarks.md`):

- dense or convolutional, layers of about one width: `OddSigmoidOrthogonal(activation, depth)`,
  in the first layer with `input_std=1.0` for standardized data
- narrow layers between wide ones: `OddSigmoidOrthogonal(activation, depth, bottleneck=k)`, `k`
  the narrowest width, the first layer as above; skip connections, where they are allowed, do
  better still
- recurrent (`SimpleRNN`): `recurrent_initializer=OddSigmoidOrthogonal(activation, steps)`,
  `kernel_initializer="orthogonal"`
- normalized, or ReLU-like: Keras's own

What is an input, and what an output, follows Keras:

- A shape of two axes is `(m, n)`, of more `(*window, m, n)`, as convolutions have it. Pattern
  or rotation sit on the centre tap, `(k - 1) // 2` of each axis of the window; noise covers
  all taps, with `m * prod(window)` inputs. With stride 1 and `padding="same"` a convolution of
  `m = n` without noise is a multiple of the identity.
- `EinsumDense` and `MultiHeadAttention` tell the axes of their kernels themselves (Keras 3.15
  and later; earlier ones read the last two axes as any other shape's).
- `Conv1DTranspose` and its like, `(*window, n, m)`: `input_axes=[-1], output_axes=[-2]`.
- `DepthwiseConv2D`, `(*window, channels, multiplier)`, looks like a convolution and is none:
  each output has one input. `input_axes=[], output_axes=[-2, -1]` says so. Without it the
  kernel would pass on the first `multiplier` channels and drop the rest.
- `SimpleRNN`'s recurrent kernel is the same at each step: for `OddSigmoidInit` give
  `noise_scale=keras_oddsig.recurrent_noise_scale(steps)`. With `depth=steps` alone the state
  stays dispersed, but its sign is forgotten.
  Its input kernel adds to the state at each step: `keras.initializers.Orthogonal`, with the
  gain `omega` (1 for tanh), keeps the input's norm and suits it better than these two, which
  keep the variance of a unit.
- `LSTM` and `GRU` fuse the kernels of their gates, side by side: `gates=4`, or 3, draws one
  for each. Without it the fused kernel is one map: the identity pattern repeats across the
  gates' borders, and the rotation is scaled for all gates' outputs together, twice as large
  for four. The groups of a grouped convolution are such kernels, too: `gates=groups`.

References: as in `keras_oddsig.solver`, which computes the scales.
"""

from __future__ import annotations

import functools
import math
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import keras
import numpy as np
from keras import ops

from keras_oddsig import _arguments, _backend, activations, solver
from keras_oddsig.solver import OrthogonalGain

if TYPE_CHECKING:  # no name at run time: `activations` may be half imported (`_registration`)
    from keras_oddsig.activations import OddSigmoid

__all__ = ["OddSigmoidInit", "OddSigmoidOrthogonal"]

_PACKAGE: Final = "keras_oddsig"

Noise = Literal["normal", "truncated_normal", "uniform", "rademacher"]
Rotation = Literal["hartley", "haar"]


@dataclass(frozen=True)
class _Matrices:
    """A kernel read as matrices: `taps` of a window, each of `m` inputs and `n` outputs.

    Attributes:
        window, inputs, outputs: The kernel's axes of each kind, in the kernel's order.
        shape: The kernel's shape.
        blocks: How many independent maps the `n` outputs hold, side by side.
    """

    window: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shape: tuple[int, ...]
    blocks: int

    @property
    def taps(self) -> int:
        return math.prod(self.shape[axis] for axis in self.window)

    @property
    def m(self) -> int:
        return math.prod(self.shape[axis] for axis in self.inputs)

    @property
    def n(self) -> int:
        return math.prod(self.shape[axis] for axis in self.outputs)

    @property
    def centre(self) -> int:
        """The tap `(k - 1) // 2` of each axis of the window, counted through all of them.

        There `padding="same"` puts a unit's own input, whether `k` is odd or even.
        """
        centre = 0
        for axis in self.window:
            centre = centre * self.shape[axis] + (self.shape[axis] - 1) // 2
        return centre

    def fold(self, kernel: Any) -> Any:
        """From `(taps, m, n)` to the kernel's own shape."""
        order = self.window + self.inputs + self.outputs
        if order == (0, 1):
            return kernel[0]  # what `reshape` would do, for a tenth of its price
        kernel = ops.reshape(kernel, [self.shape[axis] for axis in order])
        back = sorted(range(len(order)), key=order.__getitem__)
        return kernel if back == list(range(len(order))) else ops.transpose(kernel, back)


# Of Keras's initializers, `EinsumDense` (and with it `MultiHeadAttention`) tells only the
# subclasses of VarianceScaling which axes of its kernel are inputs, and which outputs.
class _KernelInitializer(keras.initializers.VarianceScaling):
    """What the two initializers share: their arguments, their seeds, a kernel's axes."""

    def __init__(
        self,
        activation: Any,
        depth: int,
        input_axes: Any,
        output_axes: Any,
        seed: Any,
        gates: int,
    ) -> None:
        # Not super().__init__: its scale, mode, distribution and seed are none of ours.
        _arguments.integer("depth", depth, at_least=1)
        _arguments.integer("gates", gates, at_least=1)
        self.activation = _activation(activation)
        self._identifier = activation
        self.depth = int(depth)
        self.gates = int(gates)
        self.input_axes = _axes("input_axes", input_axes)
        self.output_axes = _axes("output_axes", output_axes)
        if (self.input_axes is None) != (self.output_axes is None):
            raise ValueError(
                "`input_axes` and `output_axes` must be given together. "
                f"Received: input_axes={input_axes!r}, output_axes={output_axes!r}"
            )
        if self.output_axes == []:
            raise ValueError("`output_axes` must name an axis. Received: output_axes=[]")
        self.seed = _seed(seed)
        self._shapes_drawn: set[tuple[int, ...]] = set()
        self._warned = False

    def __call__(self, shape: Any, dtype: Any = None, layout: Any = None) -> Any:
        """Draws a kernel.

        Args:
            shape: `(m, n)`, `(*window, m, n)`, or any other with the axes that the
                constructor was told: `m` inputs, `n` outputs.
            dtype: A floating dtype; `keras.config.floatx()` by default.
            layout: `None`, or the `keras.distribution.TensorLayout` or JAX sharding in
                which to create the kernel: each device draws its own part.

        Returns:
            A tensor of that shape and dtype.

        Raises:
            ValueError: If the shape cannot be read as a matrix, its outputs do not divide
                into `gates`, or the dtype is not floating.
        """
        dtype = keras.backend.standardize_dtype(dtype or keras.config.floatx())
        if not keras.backend.is_float_dtype(dtype):
            raise ValueError(f"`dtype` must be a floating dtype. Received: dtype={dtype}")
        shape = tuple(shape)
        matrices = self._matrices(shape)
        seed = self._next_seed(shape)
        draw = _backend.compiled(_draw, *self._recipe(matrices), matrices, dtype)
        return draw(seed) if layout is None else _backend.sharded(lambda: draw(seed), layout)

    def _recipe(self, matrices: _Matrices) -> tuple[Any, ...]:
        """The function that draws the matrices, and its own arguments."""
        raise NotImplementedError

    def _matrices(self, shape: tuple[int, ...]) -> _Matrices:
        """Reads a kernel's shape by `input_axes` and `output_axes`, or by Keras's custom."""
        rank = len(shape)
        if self.input_axes is None or self.output_axes is None:
            if rank < 2:
                raise ValueError(
                    "`shape` must have an axis of inputs and one of outputs, (*window, inputs, "
                    "outputs); `input_axes` and `output_axes` name those of any other kernel. "
                    f"Received: shape={shape}"
                )
            inputs, outputs = [rank - 2], [rank - 1]
        else:
            inputs, outputs = (
                [axis + rank if axis < 0 else axis for axis in axes]
                for axes in (self.input_axes, self.output_axes)
            )
        named = inputs + outputs
        if len(set(named)) != len(named) or not set(named) <= set(range(rank)):
            raise ValueError(
                "`input_axes` and `output_axes` must name different axes of the kernel. "
                f"Received: input_axes={self.input_axes}, output_axes={self.output_axes} "
                f"for shape={shape}"
            )
        if min(shape) < 1:
            raise ValueError(f"`shape` must be positive throughout. Received: shape={shape}")
        window = tuple(axis for axis in range(rank) if axis not in named)
        # Without an axis of inputs each output has an input of its own.
        n = math.prod(shape[axis] for axis in outputs)
        blocks = self.gates if inputs else n
        if n % blocks:
            raise ValueError(
                f"`gates` must divide the number of outputs, {n}. "
                f"Received: gates={self.gates} for shape={shape}"
            )
        return _Matrices(window, tuple(inputs), tuple(outputs), shape, blocks)

    def _next_seed(self, shape: tuple[int, ...]) -> Any:
        """The seed of this call."""
        if self.seed is None:
            # Python's generator, not Keras's global one, which a traced function may not
            # use; `keras.utils.set_random_seed` sets both.
            return _backend.seed_of(random.getrandbits(32))
        if isinstance(self.seed, int):
            self._warn_of_repetition(shape)
            return _backend.seed_of(self.seed)
        return _backend.advance(self.seed)

    def _warn_of_repetition(self, shape: tuple[int, ...]) -> None:
        if self._warned or _is_tracing():
            return
        if shape in self._shapes_drawn:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__}(seed={self.seed}) has created a second kernel of shape "
                f"{shape}, equal to the first: an integer seed gives the same values at each "
                "call, and layers of equal noise void the theory. Use seed=None with "
                "keras.utils.set_random_seed, or a keras.random.SeedGenerator.",
                stacklevel=4,
            )
        self._shapes_drawn.add(shape)

    def get_config(self) -> dict[str, Any]:
        seed = self.seed
        if isinstance(seed, keras.random.SeedGenerator):
            seed = keras.saving.serialize_keras_object(seed)
        return {
            "activation": (
                self._identifier
                if isinstance(self._identifier, str)
                else keras.saving.serialize_keras_object(self.activation)
            ),
            "depth": self.depth,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
            "seed": seed,
            "gates": self.gates,
        }


@keras.saving.register_keras_serializable(package=_PACKAGE)
class OddSigmoidInit(_KernelInitializer):
    """Identity pattern plus noise, scaled for the activation and the depth.

    The kernel of `m` inputs and `n` outputs is

        W = omega * (D + kappa / sqrt(L) * Z / sqrt(m)),

    where `omega = 1 / f'(0)` is the activation's critical gain, `D` the rectangular
    identity (`D[i, j] = 1` where `i = j mod m`: each output copies one input), `L` the
    depth and `Z` standardized noise. `kappa` is set so that at layer `L` the fraction
    `negative_rate` of the activations has changed its sign: the signal is mixed, and not
    yet forgotten.

    Unlike Keras's own initializers, one instance without a seed gives each layer its own
    kernel: write `init = OddSigmoidInit(...)` once and pass it to all of them.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> init = ko.OddSigmoidInit("tanh", depth=100)
    >>> hidden = [keras.layers.Dense(32, "tanh", kernel_initializer=init) for _ in range(100)]
    >>> model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])

    Args:
        activation: The activation that follows the kernel: anything `keras_oddsig.get`
            takes. It scales the kernel; it is not applied.
        depth: How many layers of this kind the signal crosses, at least 1.
        negative_rate: `p`, with `0 < p < 0.5`: the fraction of activations at layer
            `depth` whose sign differs from that of inputs of one sign.
        noise: The distribution of `Z`: `"normal"`, `"truncated_normal"` (at two standard
            deviations), `"uniform"` or `"rademacher"` (two values), all of mean 0 and
            standard deviation 1.
        noise_scale: If given, used in place of `kappa / sqrt(L)`, at least 0. Then
            `negative_rate` has no effect.
        input_axes: The axes of the kernel that hold its inputs, given with `output_axes`;
            the other axes are a window. By default, and as in Keras, the kernel's shape is
            `(*window, inputs, outputs)`. `[]`: each output has one input of its own.
        output_axes: The axes of the kernel that hold its outputs.
        seed: `None` draws new values at each call, reproducibly after
            `keras.utils.set_random_seed`. An integer in `[0, 2**32)` gives the same values
            at each call, with one warning when that makes two kernels equal. A
            `keras.random.SeedGenerator` gives new, reproducible values at each call.
        gates: How many kernels lie side by side in the outputs, each with a pattern of its
            own: 4 for `LSTM`, 3 for `GRU`.

    Raises:
        NotOddSigmoidError: If `activation` is a function outside the class.
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is outside its range, or (at the call) the shape cannot
            be read as matrices by these axes and gates.

    Reference:

    - [Lee, Choi, Kim, 2025](https://arxiv.org/abs/2509.23085): the kernel. Its noise is
      divided by `sqrt(m)`, as in the papers' text; their published code divides by the
      square root of the number of outputs.
    - `kappa`: `keras_oddsig.solver.noise_scale`, this project's calibration.
    """

    def __init__(
        self,
        activation: Any = "tanh",
        depth: int = 100,
        negative_rate: float = 0.3,
        noise: Noise = "normal",
        noise_scale: float | None = None,
        input_axes: Any = None,
        output_axes: Any = None,
        seed: Any = None,
        gates: int = 1,
    ) -> None:
        _arguments.real("negative_rate", negative_rate, above=0, below=0.5)
        _one_of("noise", noise, get_args(Noise))
        if noise_scale is not None:
            _arguments.real("noise_scale", noise_scale, at_least=0)
        super().__init__(activation, depth, input_axes, output_axes, seed, gates)
        self.negative_rate = float(negative_rate)
        self.noise = noise
        self.noise_scale = None if noise_scale is None else float(noise_scale)

    @property
    def _noise_in_use(self) -> float:
        """`kappa / sqrt(L)`: as given, or the solver's for the negative rate."""
        if self.noise_scale is not None:
            return self.noise_scale
        return _noise_scale(self.depth, self.negative_rate)

    def _recipe(self, matrices: _Matrices) -> tuple[Any, ...]:
        omega = self.activation.profile.critical_gain
        return _noisy_identity, self.noise, omega, self._noise_in_use

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "negative_rate": self.negative_rate,
            "noise": self.noise,
            "noise_scale": self.noise_scale,
        }


@keras.saving.register_keras_serializable(package=_PACKAGE)
class OddSigmoidOrthogonal(_KernelInitializer):
    """A random rotation, at the gain that the activation and the depth allow.

    The kernel of `m` inputs and `n` outputs is `W = g * omega * Q`, where
    `omega = 1 / f'(0)` is the activation's critical gain and `Q` a random semi-orthogonal
    matrix times `max(1, sqrt(n / m))`, which keeps the variance per unit. The gain `g`,
    slightly above 1, is the largest at which a squared gradient grows by at most a factor
    e over `depth` layers.

    One instance without a seed gives each layer its own kernel, as for `OddSigmoidInit`.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> init = ko.OddSigmoidOrthogonal("erf", depth=50)
    >>> print(f"{init.operating_point.gain:.2f} {init.operating_point.spread:.2f}")
    1.14 0.39
    >>> layer = keras.layers.Dense(32, ko.Erf(), kernel_initializer=init)
    >>> first = ko.OddSigmoidOrthogonal("erf", depth=50, input_std=1.0)  # standardized data
    >>> init = ko.OddSigmoidOrthogonal("erf", depth=50, bottleneck=4)  # 16, 4, 16, 4 ... units

    Args:
        activation: The activation that follows the kernel: anything `keras_oddsig.get`
            takes. It scales the kernel; it is not applied.
        depth: How many layers of this kind the signal crosses, at least 1.
        gain: `g > 0`, relative to the critical gain; by default the solver's choice for
            `depth`, which has no effect otherwise.
        rotation: `"hartley"`, two Hartley transforms with random signs, at the price of a
            random draw; or `"haar"`, uniform over all rotations, by a QR factorization.
        input_axes: The axes of the kernel that hold its inputs, given with `output_axes`;
            the other axes are a window. By default, and as in Keras, the kernel's shape is
            `(*window, inputs, outputs)`. `[]`: each output has one input of its own.
        output_axes: The axes of the kernel that hold its outputs.
        seed: As for `OddSigmoidInit`.
        gates: As for `OddSigmoidInit`.
        input_std: For the first layer, the standard deviation `s > 0` of its inputs: 1 for
            standardized data. The kernel then has the gain `g * spread / (2 s)` instead of
            `g`, so that the signal begins at half the spread that the next layers keep up,
            and grows to it. By default the inputs are taken as activations of such a layer.
        bottleneck: For networks in which narrow layers lie between wide ones, the width `k >= 1`
            of the narrowest that the signal must pass; not for the first layer, which reads
            data. By default a kernel into a narrow layer picks directions at random and loses
            most of what the last narrow layer wrote. With it, `Q = sqrt(n / m) F_m R F_n'`:
            the columns of `F` are waves over a layer's units, and `R` rotates the first `k` of
            them among themselves, and the others. So what has passed one narrow layer passes
            all. It costs matrix products, and layers of equal widths do not need it.

    Attributes:
        operating_point: The `keras_oddsig.solver.OrthogonalGain`: the gain `g`, the
            spread of the activations that it keeps up, and the gradient's growth.

    Raises:
        NotOddSigmoidError: If `activation` is a function outside the class.
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is outside its range, or (at the call) the shape cannot
            be read as matrices by these axes and gates.

    Reference: this project, for the gain (`keras_oddsig.solver.orthogonal_gain`), the
    Hartley rotation, the directions kept through a bottleneck, and the first layer's gain,
    whose half is an empirical choice (`docs/benchmarks.md`).
    """

    def __init__(
        self,
        activation: Any = "tanh",
        depth: int = 100,
        gain: float | None = None,
        rotation: Rotation = "hartley",
        input_axes: Any = None,
        output_axes: Any = None,
        seed: Any = None,
        gates: int = 1,
        input_std: float | None = None,
        bottleneck: int | None = None,
    ) -> None:
        if gain is not None:
            _arguments.real("gain", gain, above=0)
        if bottleneck is not None:
            _arguments.integer("bottleneck", bottleneck, at_least=1)
            if input_std is not None:
                raise ValueError(
                    "`bottleneck` must be left out where there is an `input_std`: a first layer "
                    "reads data, of which no direction is known to be kept. "
                    f"Received: input_std={input_std!r}, bottleneck={bottleneck!r}"
                )
        _one_of("rotation", rotation, get_args(Rotation))
        super().__init__(activation, depth, input_axes, output_axes, seed, gates)
        self.gain = None if gain is None else float(gain)
        self.rotation = rotation
        self.operating_point = _operating_point(self.activation, self.depth, self.gain)
        self._gain_in_use = self.operating_point.gain  # relative to the critical gain
        if input_std is not None:
            self._gain_in_use = self.operating_point.first_layer_gain(input_std)
        self.input_std = None if input_std is None else float(input_std)
        self.bottleneck = None if bottleneck is None else int(bottleneck)

    def _recipe(self, matrices: _Matrices) -> tuple[Any, ...]:
        gain = self._gain_in_use * self.activation.profile.critical_gain
        return _rotations, self.rotation, self.bottleneck, gain

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "gain": self.gain,
            "rotation": self.rotation,
            "input_std": self.input_std,
            "bottleneck": self.bottleneck,
        }


# ----------------------------------------------------------------------------------
# Draws
# ----------------------------------------------------------------------------------


def _draw(function: Callable[..., Any], *arguments: Any) -> Any:
    """A kernel in its own shape and dtype from a function that draws its matrices."""
    *numbers, matrices, dtype, seed = arguments
    # Half precision is too coarse to draw in: the statistics are those of float32.
    drawn_in = dtype if dtype == "float64" else "float32"
    return ops.cast(matrices.fold(function(*numbers, matrices, drawn_in, seed)), dtype)


def _noisy_identity(
    noise: Noise, omega: float, relative: float, matrices: _Matrices, dtype: str, seed: Any
) -> Any:
    """`omega * (D + relative * Z / sqrt(taps * m))`, D on the centre tap: (taps, m, n)."""
    taps, m, n = matrices.taps, matrices.m, matrices.n
    kernel = _noise(noise, (taps, m, n), omega * relative / math.sqrt(taps * m), dtype, seed)
    # D has one entry in each column: omega is added there, and no matrix.
    column = np.arange(n)
    row = column % (n // matrices.blocks) % m
    entries = np.stack([np.full(n, matrices.centre), row, column], axis=1)
    return _backend.add_at(kernel, entries, omega)


def _rotations(
    rotation: Rotation,
    bottleneck: int | None,
    gain: float,
    matrices: _Matrices,
    dtype: str,
    seed: Any,
) -> Any:
    """`gain` times a rotation for each block, on the centre tap: (taps, m, n)."""
    taps, m, n, blocks = matrices.taps, matrices.m, matrices.n, matrices.blocks
    width = n // blocks
    if m == width == 1:  # of one dimension, a rotation is a sign
        kernel = gain * _signs((m, n), dtype, seed)
    else:
        if bottleneck is not None:
            scale = gain * math.sqrt(width / m)
            drawn = _through_bottleneck(rotation, bottleneck, blocks, m, width, scale, dtype, seed)
        else:
            scale = gain * max(1.0, math.sqrt(width / m))
            draw = _hartley if rotation == "hartley" else _haar
            drawn = draw(blocks, m, width, scale, dtype, seed)
        kernel = drawn[0] if blocks == 1 else ops.concatenate(drawn, axis=1)
    if taps == 1:
        return kernel[None]
    centre = matrices.centre
    return ops.pad(kernel[None], ((centre, taps - 1 - centre), (0, 0), (0, 0)))


# Standard deviation of a standard normal cut at +-2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
_TRUNCATED_STD: Final = math.sqrt(
    1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
)


def _noise(noise: Noise, shape: tuple[int, ...], std: float, dtype: str, seed: Any) -> Any:
    """Noise of mean 0 and standard deviation `std`."""
    kwargs = {"dtype": dtype, "seed": seed}
    match noise:
        case "normal":
            return keras.random.normal(shape, stddev=std, **kwargs)
        case "truncated_normal":
            return keras.random.truncated_normal(shape, stddev=std / _TRUNCATED_STD, **kwargs)
        case "uniform":
            limit = math.sqrt(3) * std
            return keras.random.uniform(shape, -limit, limit, **kwargs)
        case "rademacher":
            return std * _signs(shape, dtype, seed)


def _signs(shape: tuple[int, ...], dtype: str, seed: Any) -> Any:
    """Independent random signs."""
    positive = keras.random.uniform(shape, -1.0, 1.0, dtype=dtype, seed=seed) >= 0
    return 2 * ops.cast(positive, dtype) - 1


def _haar(blocks: int, m: int, n: int, scale: float, dtype: str, seed: Any) -> list[Any]:
    """`scale` times semi-orthogonal matrices (m, n), uniform over all of them."""
    gaussian = keras.random.normal((blocks, max(m, n), min(m, n)), dtype=dtype, seed=seed)
    rotations = [scale * _factor(gaussian[block]) for block in range(blocks)]
    return rotations if m >= n else [ops.transpose(q) for q in rotations]


def _factor(gaussian: Any) -> Any:
    """The orthogonal factor of a tall or square matrix, uniform if that is Gaussian."""
    # As keras.initializers.Orthogonal, which would not take a tensor for a seed.
    q, r = ops.qr(gaussian)
    return q * ops.sign(ops.diagonal(r))


def _hartley(blocks: int, m: int, n: int, scale: float, dtype: str, seed: Any) -> list[Any]:
    """`scale` times corners (m, n) of `diag(s) H diag(t) H diag(r)`, s, t, r signs.

    `H[i, k] = cas(2 pi i k / N) / sqrt(N)` is the discrete Hartley transform, symmetric
    and orthogonal, `N = max(m, n)`. As `cas(a) cas(b) = cos(a - b) + sin(a + b)`, the
    product is known entry by entry from one Fourier transform of t:

        Q[i, j] = s[i] r[j] (C[(i - j) mod N] + S[(i + j) mod N]),
        C[k] - i S[k] = (1/N) sum_j t[j] exp(-2 pi i j k / N).
    """
    signs = _signs((blocks, m + n + max(m, n)), dtype, seed)
    return [_corner(signs[block], m, n, scale) for block in range(blocks)]


def _corner(signs: Any, m: int, n: int, scale: float) -> Any:
    """One of `_hartley`, from its signs s, r and t, one after the other."""
    size = max(m, n)
    s, r, t = signs[:m], signs[m : m + n], signs[m + n :]
    # One vector at a time: XLA's transform on the CPU fails on a sharded batch of them.
    real, imaginary = ops.fft(((scale / size) * t, ops.zeros_like(t)))
    # C is even, and C[(i - j) mod N] a table of sums from its last column to its first.
    table = ops.flip(_backend.sum_table(real, m, n, (1 - n) % size), axis=1)
    # In place on PyTorch, where each new array would cost as much as a random draw.
    table -= _backend.sum_table(imaginary, m, n)
    table *= s[:, None]
    table *= r
    return table


def _through_bottleneck(
    rotation: Rotation,
    bottleneck: int,
    blocks: int,
    m: int,
    n: int,
    scale: float,
    dtype: str,
    seed: Any,
) -> list[Any]:
    """`scale` times `F_m R F_n'`, F the first `d = min(m, n)` waves over the units of a side.

    R rotates the first `k = min(bottleneck, d)` of them among themselves, uniformly, for a
    Hartley transform of few points has few values; and the others as `rotation` says.
    """
    d = min(m, n)
    k = min(bottleneck, d)
    others = d - k
    size = k * k + (3 * others if rotation == "hartley" else others * others)
    random = keras.random.normal((blocks, size), dtype=dtype, seed=seed)
    left, right = _waves(m, d, dtype), ops.transpose(_waves(n, d, dtype))
    kernels = []
    for block in range(blocks):
        first = scale * _factor(ops.reshape(random[block, : k * k], (k, k)))
        kernel = left[:, :k] @ first @ right[:k]
        if others:
            rest = random[block, k * k :]
            if rotation == "hartley":
                rotated = _corner(ops.sign(rest), others, others, scale)
            else:
                rotated = scale * _factor(ops.reshape(rest, (others, others)))
            kernel += left[:, k:] @ rotated @ right[k:]
        kernels.append(kernel)
    return kernels


def _waves(units: int, number: int, dtype: str) -> Any:
    """Orthonormal columns `cas(2 pi i f / N) / sqrt(N)`, f = 1, -1, 2, -2, ...: (N, number).

    The squares of a pair, f and -f, sum to 2 / N: pairs use all units alike.
    """
    order = np.arange(2, number + 2)
    frequency = np.where(order % 2, -(order // 2), order // 2) % units
    if number == units:
        frequency[-1] = 0
    angle = 2 * np.pi / units * np.arange(units)
    wave = ops.convert_to_tensor((np.cos(angle) + np.sin(angle)) / math.sqrt(units), dtype)
    # One wave, read at every f-th unit: no constant of the kernel's size.
    unit = ops.arange(units)[:, None] * ops.convert_to_tensor(frequency, "int32") % units
    return ops.take(wave, unit, axis=0)


# ----------------------------------------------------------------------------------
# Arguments and seeds
# ----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _noise_scale(depth: int, negative_rate: float) -> float:
    return float(solver.noise_scale(depth, negative_rate))


@functools.lru_cache(maxsize=1024)
def _gain_for_depth(reference: solver.Function, depth: int) -> OrthogonalGain:
    return solver.orthogonal_gain(reference, depth)


@functools.lru_cache(maxsize=1024)
def _point_at_gain(reference: solver.Function, gain: float) -> OrthogonalGain:
    return solver.orthogonal_spread(reference, gain)


def _operating_point(activation: OddSigmoid, depth: int, gain: float | None) -> OrthogonalGain:
    """The solver's answer, computed once for each function and depth, however scaled."""
    unit = activation.unit_reference
    point = _gain_for_depth(unit, depth) if gain is None else _point_at_gain(unit, gain)
    # For A f(k x) the gain is that of f, and the spread A times its.
    return OrthogonalGain(point.gain, activation.amplitude * point.spread, point.chi)


def _activation(identifier: Any) -> OddSigmoid:
    """The activation whose profile scales the kernel; one for all who give its name."""
    # A name of its own, so that Keras's numbering of the user's layers is left alone.
    if not isinstance(identifier, str):
        return activations._make(identifier, name="activation")
    # Not functools.lru_cache, which TensorFlow's autograph cannot see through.
    cls = activations._class_named(identifier)
    if cls not in _named_activations:
        _named_activations[cls] = activations._make(cls, name="activation")
    return _named_activations[cls]


_named_activations: Final[dict[type[OddSigmoid], OddSigmoid]] = {}


def _seed(seed: Any) -> int | keras.random.SeedGenerator | None:
    """Checks a seed; a `SeedGenerator` may come as the config that a saved model holds."""
    if seed is None or isinstance(seed, keras.random.SeedGenerator):
        return seed
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        if not 0 <= seed < 2**32:
            raise ValueError(f"`seed` must lie in [0, 2**32). Received: seed={seed}")
        return int(seed)
    if isinstance(seed, dict) and seed.get("class_name") == "SeedGenerator":
        return keras.random.SeedGenerator.from_config(seed["config"])
    raise TypeError(
        "`seed` must be None, an integer or a `keras.random.SeedGenerator`. "
        f"Received: seed={seed!r}"
    )


def _is_tracing() -> bool:
    """Whether tensors are symbolic here: in a jitted function, or in shape inference."""
    try:
        ops.convert_to_numpy(ops.zeros(()))
    except Exception:  # each backend raises its own
        return True
    return False


def _axes(name: str, axes: Any) -> list[int] | None:
    """An axis or a sequence of axes as a list, as in `keras.initializers.VarianceScaling`."""
    if axes is None:
        return None
    try:
        found = list(axes)
    except TypeError:
        found = [axes]
    if not all(isinstance(a, int) and not isinstance(a, bool) for a in found):
        raise TypeError(f"`{name}` must be a sequence of integers. Received: {name}={axes!r}")
    return found


def _one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}. Received: {name}={value!r}"
        )
