"""What the repeats of a stack begin with: each draws its own numbers, whatever the initializer.

Here belongs how many are drawn at once. What one is, its initializer says.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_oddsig import _backend, _seeds
from keras_oddsig._kernel_initializer import KernelInitializer


class Starts:
    """An initializer of a stacked weight, `(repeats, *shape)`.

    Args:
        runs: Of consecutive repeats that begin alike: how many, and their initializer, or a
            tensor that each is to get.
        stream: An integer for each weight of a stack: of one integer seed, each draws its own.
    """

    def __init__(self, runs: Sequence[tuple[int, Any]], stream: int) -> None:
        self._runs = runs
        self._stream = stream

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        each = tuple(shape[1:])
        parts = [
            _drawn(start, number, each, dtype, (self._stream, run))
            for run, (number, start) in enumerate(self._runs)
        ]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts)


def _drawn(
    start: Any, number: int, shape: tuple[int, ...], dtype: Any, stream: tuple[int, int]
) -> Any:
    """The values of many weights of one shape: `(number, *shape)`."""
    if isinstance(start, KernelInitializer):
        return start.several(number, shape, dtype, stream)
    if not callable(start):
        return _alike(start, number)
    if not type(start).__module__.startswith("keras."):
        return _one_by_one(start, number, shape, dtype, stream)
    if not hasattr(start, "seed"):
        return _alike(start(shape, dtype=dtype), number)
    generator = isinstance(start.seed, keras.random.SeedGenerator)
    # Without a seed Keras's make one up, and give the same values at each call; a config has None.
    seed = start.seed if generator else start.get_config()["seed"]
    seeds = _seeds.draw_several(seed, stream, number)
    return _backend.compiled(_from_seeds, _Kind(start), shape, dtype)(seeds)


class _Kind:
    """An initializer of Keras, but for its seed: what was compiled for one serves its equals."""

    def __init__(self, start: Any) -> None:
        self.start = start
        config = {key: value for key, value in start.get_config().items() if key != "seed"}
        self._key = (type(start), repr(sorted(config.items())))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kind) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _alike(value: Any, number: int) -> Any:
    # Not `repeat`, which on PyTorch makes a view of one copy.
    value = ops.convert_to_tensor(value)
    return ops.tile(ops.expand_dims(value, 0), (number, *[1] * len(value.shape)))


def _from_seeds(kind: _Kind, shape: tuple[int, ...], dtype: Any, seeds: _backend.DrawnSeed) -> Any:
    def one(seed: Any) -> Any:
        initializer = copy.copy(kind.start)
        initializer.seed = _backend.DrawnSeed(seed)
        return initializer(shape, dtype=dtype)

    return ops.map(one, seeds.next())


def _one_by_one(
    start: Any, number: int, shape: tuple[int, ...], dtype: Any, stream: tuple[int, int]
) -> Any:
    """Of an initializer of a user's own, which may do anything: called as often as is needed."""
    calls = [start] * number
    seed = getattr(start, "seed", None)
    if isinstance(seed, int):
        calls = [copy.copy(start) for _ in range(number)]
        for call, integer in zip(
            calls, _seeds.draw_several(seed, stream, number)[:, 0], strict=True
        ):
            call.seed = int(integer) & 0x7FFFFFFF  # as `tailor`'s
    values = [ops.convert_to_numpy(call(shape, dtype=dtype)) for call in calls]
    return ops.convert_to_tensor(np.stack(values), dtype)
