"""Kernel initializers that know the activation that follows and the depth of the network.

Both draw a kernel of `m` inputs and `n` outputs whose gain is the activation's critical
gain `omega = 1 / f'(0)`: `OddSigmoidInit` an identity pattern plus noise,
`OddSigmoidOrthogonal` a random rotation, slightly above that gain.

Which when (as measured, `docs/benchmarks/trainability.md` and `docs/benchmarks/pinn.md`):

- dense or convolutional, layers of about one width: `OddSigmoidOrthogonal(activation, depth)`,
  in the first layer with `input_std=1.0` for standardized data
- narrow layers between wide ones: `OddSigmoidOrthogonal(activation, depth, bottleneck=k)`, `k`
  the narrowest width, the first layer as above; skip connections, where they are allowed, do
  better still
- recurrent (`SimpleRNN`): `recurrent_initializer=OddSigmoidOrthogonal(activation, steps)`,
  `kernel_initializer="orthogonal"`
- a function of a few inputs, as a physics-informed network is: `OddSigmoidOrthogonal(activation,
  depth, input_dim=m)` in every layer, the output's too, `m` the number of inputs
- a transformer with `DynamicTanh` or its kind: `tailor(model, x)`, for rates need data; by hand
  embeddings and positions of `RandomNormal(stddev=0.7071)`, and for the last kernels of attention
  and MLP `OddSigmoidOrthogonal(depth=1, gain=1 / sqrt(2 * blocks))`
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
  stays dispersed, but its sign is forgotten. On the tasks of `docs/benchmarks/sequences.md` it is
  behind Keras's own with either; the rotation is not.
  Its input kernel adds to the state at each step: `keras.initializers.Orthogonal`, with the
  gain `omega` (1 for tanh), keeps the input's norm and suits it better than these two, which
  keep the variance of a unit.
- `LSTM` and `GRU` fuse the kernels of their gates, side by side: `gates=4`, or 3, draws one
  for each (which brings an `LSTM` nothing on the same tasks). Without it the fused kernel is one
  map: the identity pattern repeats across the gates' borders, and the rotation is scaled for all
  gates' outputs together, twice as large for four. The groups of a grouped convolution are such
  kernels, too: `gates=groups`.

References: as in `keras_oddsig.solver`, which computes the scales.

Here belong the classes and their arguments. How a shape is read, a kernel drawn, a seed found
and a scale computed is in `_axes`, `_draws`, `_seeds` and `_scales`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args

import keras

from keras_oddsig import _arguments, _draws, _scales, solver
from keras_oddsig._kernel_initializer import KernelInitializer
from keras_oddsig.solver.rotation import MOST_GAIN

__all__ = ["OddSigmoidInit", "OddSigmoidOrthogonal"]

_PACKAGE: Final = "keras_oddsig"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class OddSigmoidInit(KernelInitializer):
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
        depth: How many layers of this kind the signal crosses, at least 1; 100 by default, which
            a network of another depth must not leave so.
        negative_rate: `p`, with `0 < p < 0.5`: the fraction of activations at layer
            `depth` whose sign differs from that of inputs of one sign. By default 0.3, with
            `input_dim` 0.1: noise makes a function of few inputs rough.
        noise: The distribution of `Z`: `"normal"`, `"truncated_normal"` (at two standard
            deviations), `"uniform"` or `"rademacher"` (two values), all of mean 0 and
            standard deviation 1. Which of them made no difference to what networks of 50 to 300
            layers learned (`docs/benchmarks/trainability.md`).
        noise_scale: If given, used in place of `kappa / sqrt(L)`, at least 0. Then
            `negative_rate` has no effect.
        input_axes: The axes of the kernel that hold its inputs, given with `output_axes`;
            the other axes are a window. By default, and as in Keras, the kernel's shape is
            `(*window, inputs, outputs)`. `[]`: each output has one input of its own.
        output_axes: The axes of the kernel that hold its outputs.
        seed: `None` draws new values at each call, reproducibly after
            `keras.utils.set_random_seed`. A `keras.random.SeedGenerator` gives new,
            reproducible values at each call, in copies of a layer or a model, too: they go on
            with its sequence. (From a file it begins anew, and goes on from then.) An integer
            in `[0, 2**32)` gives the same values at each call: it is for one layer. There is
            one warning when one instance draws equal kernels, or the parts of one
            `MultiHeadAttention` do; none when equal integers were given to several, or a
            layer was copied whole, as by `clone_model` and `Bidirectional`.
        gates: How many kernels lie side by side in the outputs, each with a pattern of its
            own: 4 for `LSTM`, 3 for `GRU`.
        input_dim: For a function of a few inputs, such as a physics-informed network: their
            number, at most 8. One instance then serves all layers, and a kernel's shape tells its
            place. From `input_dim` inputs to more units it is the first: its entries are
            independent, normal, of standard deviation `omega`, for inputs that cover [-1, 1], and
            no two units are alike. From more units to at most 8 it is the output: a rotation, for
            an identity would pass on the first units alone. All others are as without it.

    Attributes:
        effective_noise_scale: `kappa / sqrt(L)`, as given or as the solver has it.

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
        negative_rate: float | None = None,
        noise: _draws.Noise = "normal",
        noise_scale: float | None = None,
        input_axes: Any = None,
        output_axes: Any = None,
        seed: Any = None,
        gates: int = 1,
        input_dim: int | None = None,
    ) -> None:
        if negative_rate is None:
            negative_rate = 0.3 if input_dim is None else 0.1
        _arguments.real("negative_rate", negative_rate, above=0, below=0.5)
        _arguments.one_of("noise", noise, get_args(_draws.Noise))
        if noise_scale is not None:
            _arguments.real("noise_scale", noise_scale, at_least=0)
        super().__init__(activation, depth, input_axes, output_axes, seed, gates, input_dim)
        self.negative_rate = float(negative_rate)
        self.noise = noise
        self.noise_scale = None if noise_scale is None else float(noise_scale)

    @property
    def effective_noise_scale(self) -> float:
        """`kappa / sqrt(L)`: as given, or the solver's for the negative rate."""
        if self.noise_scale is not None:
            return self.noise_scale
        return _scales.noise_scale(self.depth, self.negative_rate)

    def _draw(self) -> _draws.Draw:
        omega = self.activation.profile.critical_gain
        return _draws.NoisyIdentity(omega, self.effective_noise_scale, self.noise)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            negative_rate=self.negative_rate, noise=self.noise, noise_scale=self.noise_scale
        )
        return config


@keras.saving.register_keras_serializable(package=_PACKAGE)
class OddSigmoidOrthogonal(KernelInitializer):
    """A random rotation, at the gain that the activation and the depth allow.

    The kernel of `m` inputs and `n` outputs is `W = g * omega * Q`, where
    `omega = 1 / f'(0)` is the activation's critical gain and `Q` a random semi-orthogonal
    matrix times `max(1, sqrt(n / m))`, which keeps the variance per unit. The gain `g`,
    slightly above 1, is the largest at which a squared gradient grows by at most a factor
    e over `depth` layers. For a function of a few inputs, whose derivatives count, say
    `input_dim`.

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
    >>> init = ko.OddSigmoidOrthogonal("tanh", depth=5, input_dim=2)  # for u(x, t), all layers

    Args:
        activation: The activation that follows the kernel: anything `keras_oddsig.get`
            takes. It scales the kernel; it is not applied.
        depth: How many layers of this kind the signal crosses, at least 1; 100 by default, which
            a network of another depth must not leave so.
        gain: `g > 0`, relative to the critical gain; by default the solver's choice for
            `depth`, which has no effect otherwise. With `input_dim` that is `smooth_gain`'s, which
            is lower.
        rotation: `"hartley"`, two Hartley transforms with random signs, at the price of a
            random draw; or `"haar"`, uniform over all rotations, by a QR factorization.
        input_axes: The axes of the kernel that hold its inputs, given with `output_axes`;
            the other axes are a window. By default, and as in Keras, the kernel's shape is
            `(*window, inputs, outputs)`. `[]`: each output has one input of its own.
        output_axes: The axes of the kernel that hold its outputs.
        seed: As for `OddSigmoidInit`.
        gates: As for `OddSigmoidInit`.
        input_std: For the first layer, the standard deviation `s` of its inputs, from 1e-30 to
            1e30: 1 for standardized data. The kernel then has the gain `g * spread / (2 s)`
            instead of `g`, so that the signal begins at half the spread that the next layers keep
            up, and grows to it. By default the inputs are taken as activations of such a layer.
            With `input_dim` it is the root mean square of the inputs, by default .58, that of
            inputs which cover [-1, 1]: entries have the standard deviation `.58 omega / s`.
            For features of several scales, a sequence of one number for each input of the kernel:
            each row is divided by its own.
        bottleneck: For networks in which narrow layers lie between wide ones, the width `k >= 1`
            of the narrowest that the signal must pass; not for the first layer, which reads
            data. By default a kernel into a narrow layer picks directions at random and loses
            most of what the last narrow layer wrote. With it, `Q = sqrt(n / m) F_m R F_n'`:
            the columns of `F` are waves over a layer's units, and `R` rotates the first `k` of
            them among themselves, and the others. So what has passed one narrow layer passes
            all. It costs matrix products, and layers of equal widths do not need it.
        input_dim: As for `OddSigmoidInit`: the number of inputs of a function of a few, such as a
            physics-informed network, whose loss is made of derivatives. One instance serves all
            layers: first kernel, output and the others, which get `smooth_gain`'s gain.

    Attributes:
        operating_point: The `keras_oddsig.solver.OrthogonalGain`: the gain `g`, the
            spread of the activations that it keeps up, and the gradient's growth.
        effective_gain: The kernel's gain relative to the critical one: `g`, or with an
            `input_std` and no `input_dim` a first layer's.

    Raises:
        NotOddSigmoidError: If `activation` is a function outside the class.
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is outside its range, or (at the call) the shape cannot
            be read as matrices by these axes and gates.

    Reference: this project, for the gain (`keras_oddsig.solver.orthogonal_gain`), the
    Hartley rotation, the directions kept through a bottleneck, and the first layer's gain,
    whose half is an empirical choice (`docs/benchmarks/trainability.md`).
    """

    def __init__(
        self,
        activation: Any = "tanh",
        depth: int = 100,
        gain: float | None = None,
        rotation: _draws.Rotation = "hartley",
        input_axes: Any = None,
        output_axes: Any = None,
        seed: Any = None,
        gates: int = 1,
        input_std: float | Sequence[float] | None = None,
        bottleneck: int | None = None,
        input_dim: int | None = None,
    ) -> None:
        if gain is not None:
            _arguments.real("gain", gain, above=0, below=MOST_GAIN)
        if bottleneck is not None:
            _arguments.integer("bottleneck", bottleneck, at_least=1)
            if input_std is not None or input_dim is not None:
                raise ValueError(
                    "`bottleneck` must be left out where there is an `input_std` or `input_dim`: a "
                    "first layer reads data, of which no direction is known to be kept. "
                    f"Received: input_std={input_std!r}, input_dim={input_dim!r}, "
                    f"bottleneck={bottleneck!r}"
                )
        _arguments.one_of("rotation", rotation, get_args(_draws.Rotation))
        super().__init__(
            activation, depth, input_axes, output_axes, seed, gates, input_dim, input_std
        )
        self.gain = None if gain is None else float(gain)
        self.rotation = rotation
        if gain is None and input_dim is not None:
            gain = solver.smooth_gain(self.depth)
        self.operating_point = _scales.operating_point(self.activation, self.depth, gain)
        self.effective_gain = self.operating_point.gain
        std = self.common_std
        if std is not None and self.input_dim is None:
            self.effective_gain = self.operating_point.first_layer_gain(std)
        self.bottleneck = None if bottleneck is None else int(bottleneck)

    def _draw(self) -> _draws.Draw:
        gain = self.effective_gain * self.activation.profile.critical_gain
        return _draws.Rotations(gain, self.rotation, self.bottleneck)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            gain=self.gain,
            rotation=self.rotation,
            input_std=list(self.input_std) if isinstance(self.input_std, tuple) else self.input_std,
            bottleneck=self.bottleneck,
        )
        return config
