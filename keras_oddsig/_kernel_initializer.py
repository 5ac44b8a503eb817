"""What the two kernel initializers share: their arguments, their seeds, a kernel's axes.

Here belongs how a kernel is asked for and an initializer kept: calls, configs, copies. Which
kernel a class draws is in `initializers`.
"""

from __future__ import annotations

import copy
import inspect
import math
import warnings
from collections.abc import Sequence
from typing import Any, Final

import keras
import numpy as np

from keras_oddsig import _arguments, _axes, _backend, _draws, _scales, _seeds

# Inputs, and outputs, that are few: a kernel into so many, from more, is an output.
FEW: Final = 8
# Of inputs that cover [-1, 1]: slopes are then `omega` times a standard normal number, so that
# d f(w x) / dx at 0 has the standard deviation 1. The choice is of `docs/benchmarks/pinn.md`.
_SYMMETRIC_STD: Final = 1 / math.sqrt(3)


class _Config(dict[str, Any]):
    """An initializer's config that remembers, until it is serialized, what came of its seed."""

    repetitions: _seeds.Repetitions


# Of Keras's initializers, `EinsumDense` (and with it `MultiHeadAttention`) tells only the
# subclasses of VarianceScaling which axes of its kernel are inputs, and which outputs.
class KernelInitializer(keras.initializers.VarianceScaling):
    """What the two initializers share: their arguments, their seeds, a kernel's axes.

    No initializer by itself: `isinstance(init, KernelInitializer)` says that `init` is one of
    this package's.

    Args:
        activation, depth, input_axes, output_axes, seed, gates, input_dim: As for
            `OddSigmoidInit`.
        input_std: As for `OddSigmoidOrthogonal`.

    Attributes:
        activation: The `keras_oddsig.OddSigmoid` that the argument means.
        seed: `None`, an integer or a `keras.random.SeedGenerator`.
    """

    def __init__(
        self,
        activation: Any,
        depth: int,
        input_axes: Any,
        output_axes: Any,
        seed: Any,
        gates: int,
        input_dim: int | None,
        input_std: float | Sequence[float] | None = None,
    ) -> None:
        # Not super().__init__: its scale, mode, distribution and seed are none of ours.
        _arguments.integer("depth", depth, at_least=1)
        _arguments.integer("gates", gates, at_least=1)
        self.activation = _scales.shared_activation(activation)
        self._identifier = activation
        self.depth = int(depth)
        self.gates = int(gates)
        self.input_axes, self.output_axes = _axes.pair(input_axes, output_axes)
        self.seed = _seeds.checked(seed)
        self._repetitions = _seeds.Repetitions()
        if input_dim is not None:
            _arguments.integer("input_dim", input_dim, at_least=1)
            if input_dim > FEW:
                raise ValueError(
                    f"`input_dim` must be at most {FEW}: it is for functions of a few inputs, such "
                    "as physics-informed networks, and to be left out elsewhere. "
                    f"Received: input_dim={input_dim!r}"
                )
        self.input_dim = None if input_dim is None else int(input_dim)
        self.input_std = None if input_std is None else _positive(input_std)

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
            TypeError: If the shape is no sequence of integers.
            ValueError: If the shape cannot be read as a matrix, its outputs do not divide
                into `gates`, it has not as many inputs as `input_std` numbers, or the dtype is
                not floating.
        """
        dtype = _floating(dtype)
        axes = _axes.KernelAxes.read(shape, self.input_axes, self.output_axes, self.gates)
        draw = self._draw_at(axes)
        if isinstance(self.seed, int) and self._repetitions.found((draw, axes, self.seed)):
            warnings.warn(
                f"{type(self).__name__}(seed={self.seed}) has created a second kernel of shape "
                f"{axes.shape}, equal to the first: an integer seed gives the same values at each "
                "call, and layers of equal noise void the theory. Use seed=None with "
                "keras.utils.set_random_seed, or a keras.random.SeedGenerator.",
                stacklevel=2,
            )
        seed = _seeds.draw(self.seed)
        compiled = _backend.compiled(_draws.kernel, _draws.form(draw), axes, dtype)

        def kernel() -> Any:
            return compiled(seed, *draw.sizes)

        return kernel() if layout is None else _backend.sharded(kernel, layout)

    def several(self, number: int, shape: Any, dtype: Any, stream: Sequence[int] = ()) -> Any:
        """Draws many kernels of one shape, each of its own numbers, also from an integer seed.

        Args:
            number: How many.
            shape: Of one of them, as for the call.
            dtype: As for the call.
            stream: Integers: of one integer seed, others draw other kernels.

        Returns:
            A tensor of shape `(number, *shape)`.

        Raises:
            TypeError, ValueError: As at the call.
        """
        axes = _axes.KernelAxes.read(shape, self.input_axes, self.output_axes, self.gates)
        draw = self._draw_at(axes)
        seeds = _seeds.draw_several(self.seed, stream, number)
        draws = _backend.compiled(_draws.kernels, _draws.form(draw), axes, _floating(dtype))
        return draws(seeds, *draw.sizes)

    def _draw(self) -> _draws.Draw:
        """What to draw, by the arguments of the class."""
        raise NotImplementedError

    def _draw_at(self, axes: _axes.KernelAxes) -> _draws.Draw:
        """What to draw for a kernel of this shape, by its place where `input_dim` tells it."""
        first_gain = self._first_gain(axes)
        if first_gain is not None:
            return self._scaled(
                _draws.Slopes(first_gain * self.activation.profile.critical_gain), axes
            )
        if self.input_dim is not None and axes.n < min(axes.m, FEW + 1):
            return _draws.Rotations(1.0, "haar", None)  # an output: no activation follows
        return self._draw() if self.input_dim is not None else self._scaled(self._draw(), axes)

    def _scaled(self, draw: _draws.Draw, axes: _axes.KernelAxes) -> _draws.Draw:
        """A draw for data, whose features may be of several scales."""
        if not isinstance(self.input_std, tuple):
            return draw
        if len(self.input_std) != axes.m:
            raise ValueError(
                f"`input_std` must be a number, or as many as the kernel of shape {axes.shape} has "
                f"inputs, {axes.m}. Received: {len(self.input_std)} numbers"
            )
        return _draws.Scaled(draw, tuple(1 / std for std in self.input_std))

    @property
    def common_std(self) -> float | None:
        """That of the data as the gain knows them: 1 where each feature has its own."""
        return 1.0 if isinstance(self.input_std, tuple) else self.input_std

    def first_gain(self, shape: Any) -> float | None:
        """The gain of a kernel that reads a network's few inputs, those of `input_dim`.

        Args:
            shape: The kernel's, as for the call.

        Returns:
            The gain relative to the critical one: the kernel's entries have the standard
            deviation `gain * omega / sqrt(m)`. `None` for a kernel of another place.

        Raises:
            TypeError, ValueError: As at the call.
        """
        return self._first_gain(
            _axes.KernelAxes.read(shape, self.input_axes, self.output_axes, self.gates)
        )

    def _first_gain(self, axes: _axes.KernelAxes) -> float | None:
        if axes.m != self.input_dim or axes.n <= axes.m:
            return None
        std = self.common_std or _SYMMETRIC_STD
        return math.sqrt(axes.m) * _SYMMETRIC_STD / std

    def get_config(self) -> dict[str, Any]:
        config = _Config(
            activation=(
                self._identifier
                if isinstance(self._identifier, str)
                else keras.saving.serialize_keras_object(self.activation)
            ),
            depth=self.depth,
            input_axes=self.input_axes,
            output_axes=self.output_axes,
            seed=_seeds.to_config(self.seed),
            gates=self.gates,
            input_dim=self.input_dim,
        )
        config.repetitions = self._repetitions
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> KernelInitializer:
        """An initializer of the arguments that a config holds.

        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If an argument is unknown, or outside its range.
        """
        if not isinstance(config, dict):
            raise TypeError(f"`config` must be a dictionary. Received: config={config!r}")
        known = inspect.signature(cls).parameters
        for key, value in config.items():
            if key not in known:
                raise ValueError(
                    f"`config` must hold arguments of {cls.__name__} and nothing else: "
                    f"{', '.join(known)}. Received: {key}={value!r}"
                )
        initializer = cls(**config)
        if isinstance(config, _Config):
            initializer._repetitions = config.repetitions
        return initializer

    def __getstate__(self) -> dict[str, Any]:
        # A generator, like that of a config, is known again by its name.
        state = {**self.__dict__, "seed": _seeds.to_config(self.seed)}
        del state["_repetitions"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.seed = _seeds.checked(self.seed)
        self._repetitions = _seeds.Repetitions()

    def __deepcopy__(self, memo: dict[int, Any]) -> KernelInitializer:
        # The activation is only read, and may be of a function that cannot be copied.
        memo[id(self.activation)] = self.activation
        duplicate = memo[id(self)] = type(self).__new__(type(self))
        duplicate.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return duplicate


def _positive(input_std: Any) -> float | tuple[float, ...]:
    """A number, or one for each feature."""
    if isinstance(input_std, np.ndarray):
        input_std = input_std.tolist()
    if not isinstance(input_std, list | tuple):
        _arguments.input_std("input_std", input_std)
        return float(input_std)
    if not input_std:
        raise ValueError("`input_std` must hold a number for each input. Received: input_std=[]")
    for number in input_std:
        _arguments.input_std("input_std", number)
    return tuple(float(number) for number in input_std)


def _floating(dtype: Any) -> str:
    """The name of a floating dtype; of Keras's default where none is given."""
    try:
        name = keras.backend.standardize_dtype(keras.config.floatx() if dtype is None else dtype)
    except (TypeError, ValueError):
        name = None
    if name is None or not keras.backend.is_float_dtype(name):
        raise ValueError(f"`dtype` must be a floating dtype. Received: dtype={dtype!r}")
    return str(name)
