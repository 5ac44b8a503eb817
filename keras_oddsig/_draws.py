"""What the kernels are made of: an identity with noise, rotations, waves through a bottleneck.

Here belongs how matrices are drawn once their gain is known, from a `Source` of random numbers.
Each draws from its source once, for the same source gives the same numbers again. Its gain and
other sizes are arguments of what is compiled for it: one form serves all activations, depths and
data. Not here: what the gain is (the initializers), how a shape is read (`_axes`), where a seed
comes from (`_seeds`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol

import keras
import numpy as np
from keras import ops

from keras_oddsig import _axes, _backend

Noise = Literal["normal", "truncated_normal", "uniform", "rademacher"]
Rotation = Literal["hartley", "haar"]


class Draw(Protocol):
    """What to draw: hashable, equal for equal kernels from equal seeds."""

    @property
    def sizes(self) -> tuple[Any, ...]:
        """Its gain and the like: numbers, or tuples of them."""

    def sized(self, *sizes: Any) -> Draw:
        """The same with other sizes, which may be tensors."""

    def matrices(self, axes: _axes.KernelAxes, source: Source) -> Any:
        """The kernel as matrices: (taps, m, n)."""

    def __hash__(self) -> int: ...


def form(draw: Draw) -> Draw:
    """What is left of a draw without its sizes: equal for those that one compiled code draws."""
    return draw.sized(*[None] * len(draw.sizes))


def kernel(form: Draw, axes: _axes.KernelAxes, dtype: str, seed: Any, *sizes: Any) -> Any:
    """A kernel in its own shape and dtype, of a draw's form and sizes."""
    # Half precision is too coarse to draw in: the statistics are those of float32.
    source = Source(dtype if dtype == "float64" else "float32", seed)
    draw = form.sized(*map(source.number, sizes))
    return ops.cast(axes.fold(draw.matrices(axes, source)), dtype)


def kernels(
    form: Draw, axes: _axes.KernelAxes, dtype: str, seeds: _backend.DrawnSeed, *sizes: Any
) -> Any:
    """Several kernels, one from each seed: `(number, *shape)`."""

    def one(seed: Any) -> Any:
        return kernel(form, axes, dtype, _backend.DrawnSeed(seed), *sizes)

    return ops.map(one, seeds.next())


# Standard deviation of a standard normal cut at +-2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
_TRUNCATED_STD: Final = math.sqrt(
    1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
)


@dataclass(frozen=True)
class Source:
    """Random numbers of one dtype, from one seed: what `keras.random` takes beside a shape."""

    dtype: str
    seed: Any

    def number(self, size: Any) -> Any:
        """A size in this dtype, where it is a tensor."""
        return ops.cast(size, self.dtype) if ops.is_tensor(size) else size

    def noise(self, kind: Noise, shape: tuple[int, ...], std: Any = 1.0) -> Any:
        """Noise of mean 0 and standard deviation `std`."""
        kwargs = {"dtype": self.dtype, "seed": self.seed}
        match kind:
            case "normal":
                return keras.random.normal(shape, stddev=std, **kwargs)
            case "truncated_normal":
                return keras.random.truncated_normal(shape, stddev=std / _TRUNCATED_STD, **kwargs)
            case "uniform":
                limit = math.sqrt(3) * std
                return keras.random.uniform(shape, -limit, limit, **kwargs)
            case "rademacher":
                return std * self.signs(shape)

    def signs(self, shape: tuple[int, ...]) -> Any:
        """Independent random signs."""
        uniform = keras.random.uniform(shape, -1.0, 1.0, dtype=self.dtype, seed=self.seed)
        return 2 * ops.cast(uniform >= 0, self.dtype) - 1


@dataclass(frozen=True)
class NoisyIdentity:
    """`gain * (D + relative_noise * Z / sqrt(taps * m))`, D on the centre tap.

    Attributes:
        gain: The factor on the rectangular identity D, `D[i, j] = 1` where `i = j mod m`.
        relative_noise: The standard deviation of a unit's noise, relative to `gain`.
        noise: The distribution of Z.
    """

    gain: Any
    relative_noise: Any
    noise: Noise

    @property
    def sizes(self) -> tuple[Any, ...]:
        return self.gain, self.relative_noise

    def sized(self, *sizes: Any) -> NoisyIdentity:
        return replace(self, gain=sizes[0], relative_noise=sizes[1])

    def matrices(self, axes: _axes.KernelAxes, source: Source) -> Any:
        taps, m, n = axes.taps, axes.m, axes.n
        std = self.gain * self.relative_noise / math.sqrt(taps * m)
        noise = source.noise(self.noise, (taps, m, n), std)
        # D has one entry in each column: the gain is added there, and no matrix.
        column = np.arange(n)
        row = column % (n // axes.blocks) % m
        entries = np.stack([np.full(n, axes.centre), row, column], axis=1)
        return _backend.add_at(noise, entries, self.gain)


@dataclass(frozen=True)
class Slopes:
    """Independent normal entries: each output reads the few inputs along a line of its own.

    Attributes:
        gain: The factor by which a unit's standard deviation grows.
    """

    gain: Any

    @property
    def sizes(self) -> tuple[Any, ...]:
        return (self.gain,)

    def sized(self, *sizes: Any) -> Slopes:
        return Slopes(*sizes)

    def matrices(self, axes: _axes.KernelAxes, source: Source) -> Any:
        std = self.gain / math.sqrt(axes.taps * axes.m)
        return source.noise("normal", (axes.taps, axes.m, axes.n), std)


@dataclass(frozen=True)
class Rotations:
    """`gain` times a semi-orthogonal matrix for each block, on the centre tap.

    Attributes:
        gain: The factor by which a unit's variance grows, as a standard deviation.
        rotation: How a rotation is drawn.
        bottleneck: How many waves are kept among themselves; `None` for a plain rotation.
    """

    gain: Any
    rotation: Rotation
    bottleneck: int | None

    @property
    def sizes(self) -> tuple[Any, ...]:
        return (self.gain,)

    def sized(self, *sizes: Any) -> Rotations:
        return replace(self, gain=sizes[0])

    def matrices(self, axes: _axes.KernelAxes, source: Source) -> Any:
        maps = Maps(axes.blocks, axes.m, axes.n // axes.blocks)
        if maps.m == maps.n == 1:  # of one dimension, a rotation is a sign
            matrix = self.gain * source.signs((axes.m, axes.n))
        else:
            drawn = self._drawn(maps, source)
            matrix = drawn[0] if maps.number == 1 else ops.concatenate(drawn, axis=1)
        if axes.taps == 1:
            return matrix[None]
        after = axes.taps - 1 - axes.centre
        return ops.pad(matrix[None], ((axes.centre, after), (0, 0), (0, 0)))

    def _drawn(self, maps: Maps, source: Source) -> list[Any]:
        ratio = math.sqrt(maps.n / maps.m)
        if self.bottleneck is not None:
            kept = min(self.bottleneck, maps.m, maps.n)
            return through_bottleneck(maps, self.gain * ratio, kept, self.rotation, source)
        draw = hartley if self.rotation == "hartley" else haar
        return draw(maps, self.gain * max(1.0, ratio), source)


@dataclass(frozen=True)
class Scaled:
    """Another draw, behind inputs that are scaled one by one.

    Attributes:
        draw: The other.
        factors: By which each of the `m` inputs is multiplied.
    """

    draw: Draw
    factors: Any

    @property
    def sizes(self) -> tuple[Any, ...]:
        return self.factors, *self.draw.sizes

    def sized(self, *sizes: Any) -> Scaled:
        return Scaled(self.draw.sized(*sizes[1:]), sizes[0])

    def matrices(self, axes: _axes.KernelAxes, source: Source) -> Any:
        factors = ops.convert_to_tensor(self.factors, source.dtype)[:, None]
        return self.draw.matrices(axes, source) * factors


@dataclass(frozen=True)
class Maps:
    """How many matrices, each of `m` inputs and `n` outputs."""

    number: int
    m: int
    n: int


def haar(maps: Maps, scale: Any, source: Source) -> list[Any]:
    """`scale` times semi-orthogonal matrices (m, n), uniform over all of them."""
    tall, narrow = max(maps.m, maps.n), min(maps.m, maps.n)
    gaussian = source.noise("normal", (maps.number, tall, narrow))
    rotations = [scale * _factor(gaussian[each]) for each in range(maps.number)]
    return rotations if maps.m >= maps.n else [ops.transpose(q) for q in rotations]


def _factor(gaussian: Any) -> Any:
    """The orthogonal factor of a tall or square matrix, uniform if that is Gaussian."""
    # As keras.initializers.Orthogonal, which would not take a tensor for a seed.
    q, r = ops.qr(gaussian)
    return q * ops.sign(ops.diagonal(r))


def hartley(maps: Maps, scale: Any, source: Source) -> list[Any]:
    """`scale` times corners (m, n) of `diag(s) H diag(t) H diag(r)`, s, t, r signs.

    `H[i, k] = cas(2 pi i k / N) / sqrt(N)` is the discrete Hartley transform, symmetric
    and orthogonal, `N = max(m, n)`. As `cas(a) cas(b) = cos(a - b) + sin(a + b)`, the
    product is known entry by entry from one Fourier transform of t:

        Q[i, j] = s[i] r[j] (C[(i - j) mod N] + S[(i + j) mod N]),
        C[k] - i S[k] = (1/N) sum_j t[j] exp(-2 pi i j k / N).
    """
    signs = source.signs((maps.number, maps.m + maps.n + max(maps.m, maps.n)))
    return [_corner(signs[each], maps.m, maps.n, scale) for each in range(maps.number)]


def _corner(signs: Any, m: int, n: int, scale: Any) -> Any:
    """One of `hartley`, from its signs s, r and t, one after the other."""
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


def through_bottleneck(
    maps: Maps, scale: Any, kept: int, rotation: Rotation, source: Source
) -> list[Any]:
    """`scale` times `F_m R F_n'`, F the first `d = min(m, n)` waves over the units of a side.

    R rotates the first `kept <= d` of them among themselves, uniformly, for a Hartley
    transform of few points has few values; and the others as `rotation` says.
    """
    d = min(maps.m, maps.n)
    others = d - kept
    size = kept * kept + (3 * others if rotation == "hartley" else others * others)
    random = source.noise("normal", (maps.number, size))
    left = _waves(maps.m, d, source.dtype)
    right = ops.transpose(_waves(maps.n, d, source.dtype))
    matrices = []
    for each in range(maps.number):
        first = scale * _factor(ops.reshape(random[each, : kept * kept], (kept, kept)))
        matrix = left[:, :kept] @ first @ right[:kept]
        if others:
            rest = random[each, kept * kept :]
            if rotation == "hartley":
                rotated = _corner(ops.sign(rest), others, others, scale)
            else:
                rotated = scale * _factor(ops.reshape(rest, (others, others)))
            matrix += left[:, kept:] @ rotated @ right[kept:]
        matrices.append(matrix)
    return matrices


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
