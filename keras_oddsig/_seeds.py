"""Where a kernel's seed comes from: a number, a generator, or neither; and what repeats.

Here belongs what becomes of the argument `seed` in a call, in a config and in a copy. What is
drawn from a seed is `_draws`'s.

Copies, of a layer or an initializer, are made by configs, and a config holds a generator's name
and seed only. A generator made anew from each would begin anew in each copy, and give the layers
of a clone one kernel. So a generator is known by its name and seed from the moment that a config
speaks of it, until `keras.utils.clear_session`, from which on names begin anew: a config that
is read gives back that very generator. Whether it is still in use elsewhere must not matter, or
the numbers would hang on the garbage collector; hence no weak references. It is as large as two
numbers. Each thread knows its own, so that threads do not take each other's turn.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_oddsig import _arguments, _backend, _keras, _tracing

Seed: TypeAlias = int | keras.random.SeedGenerator | None


def checked(seed: Any) -> Seed:
    """Checks the argument; a `SeedGenerator` may come as the config that a saved model holds."""
    if seed is None or isinstance(seed, keras.random.SeedGenerator):
        return seed
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        _arguments.seed("seed", seed)
        return int(seed)
    if isinstance(seed, dict):
        return _generator(seed)
    raise _no_seed(seed)


def _no_seed(seed: Any) -> TypeError:
    return TypeError(
        "`seed` must be None, an integer, a `keras.random.SeedGenerator` or the config of one. "
        f"Received: seed={seed!r}"
    )


def to_config(seed: Seed) -> Any:
    """What a config holds of a seed, and `checked` takes."""
    if not isinstance(seed, keras.random.SeedGenerator):
        return seed
    config = keras.saving.serialize_keras_object(seed)
    config["config"].setdefault("name", seed.name)  # Keras before 3.14 leaves it out
    _keras.session_generators()[_identity(config)] = seed
    return config


def _generator(config: dict[str, Any]) -> keras.random.SeedGenerator:
    """The generator of a config: the one known in this session, or else a new one."""
    identity = _identity(config)
    known = _keras.session_generators()
    if identity not in known:
        if config["class_name"] != "SeedGenerator":  # a file may name anything: run none of it
            raise _no_seed(config)
        with _tracing.outside_traces():
            known[identity] = keras.random.SeedGenerator.from_config(config["config"])
    return known[identity]


def _identity(config: dict[str, Any]) -> Hashable:
    match config:
        case {"class_name": str(cls), "config": {"name": str() | None as name, **rest}} if set(
            rest
        ) == {"seed"} and type(rest["seed"]) in (int, type(None)):
            return cls, name, rest["seed"]
    raise _no_seed(config)


def draw(seed: Seed) -> Any:
    """The seed of one call."""
    if seed is None:
        # Python's generator, not Keras's global one, which a traced function may not
        # use; `keras.utils.set_random_seed` sets both.
        return _backend.seed_of(random.getrandbits(32))
    if isinstance(seed, int):
        return _backend.seed_of(seed)
    return _backend.advance(seed)


def draw_several(seed: Seed, stream: Sequence[int], number: int) -> Any:
    """The seeds of many draws that are made in one call, a row each: shape `(number, 2)`.

    Args:
        seed: As for `draw`: of an integer these, too, are the same at each call.
        stream: Other seeds for other integers.
        number: How many.
    """
    drawn = np.ravel(keras.ops.convert_to_numpy(draw(seed))).astype("int64") & 0xFFFFFFFF
    start = np.random.SeedSequence([*drawn.tolist(), *stream])
    return _backend.seed_of(start.generate_state(number), np.arange(number))


class Repetitions:
    """The kernels that integer seeds have drawn, for an initializer and its direct copies.

    A direct copy is `from_config(get_config())`, as the parts of one layer are made
    (`MultiHeadAttention`, `EinsumDense`), and in distinction to a copy of a whole layer, which
    is meant to repeat it.
    """

    def __init__(self) -> None:
        self._drawn: set[Hashable] = set()
        self._found = False

    def found(self, kernel: Hashable) -> bool:
        """Whether `kernel` is drawn for the second time; True once at most.

        What is traced, or drawn while a model is loaded, is not the kernel that will be used.
        """
        if self._found or _keras.is_loading() or _tracing.is_tracing():
            return False
        self._found = kernel in self._drawn
        self._drawn.add(kernel)
        return self._found
