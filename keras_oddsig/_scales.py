"""What sets a kernel's scale: the activation, and what the solver makes of it; each found once.

Here belongs what many initializers of one activation and depth have in common. The mathematics
is `solver`'s.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from keras_oddsig import activations, solver
from keras_oddsig.solver import OrthogonalGain

if TYPE_CHECKING:  # no name at run time: `activations` may be half imported (`_registration`)
    from keras_oddsig.activations import OddSigmoid


def shared_activation(identifier: Any) -> OddSigmoid:
    """The activation that the argument `activation` means, to be read and not applied.

    Args:
        identifier: Anything `keras_oddsig.get` takes.

    Returns:
        An `OddSigmoid`; one object for all who ask for the same name. It takes no number
        from Keras's names of layers, so that the user's are left alone.

    Raises:
        NotOddSigmoidError: If a function is outside the class.
        TypeError: If `identifier` is nothing that `keras_oddsig.get` takes.
        ValueError: If no activation has that name, or a config is not of one.
    """
    if not isinstance(identifier, str):
        return activations.make(identifier, argument="activation", name="activation")
    # Not functools.lru_cache, which TensorFlow's autograph cannot see through.
    cls = activations.class_named(identifier, argument="activation")
    if cls not in _named_activations:
        _named_activations[cls] = activations.make(cls, name="activation")
    return _named_activations[cls]


_named_activations: Final[dict[type[OddSigmoid], OddSigmoid]] = {}


@functools.lru_cache(maxsize=1024)
def noise_scale(depth: int, negative_rate: float) -> float:
    """`keras_oddsig.solver.noise_scale`, computed once."""
    return float(solver.noise_scale(depth, negative_rate))


@functools.lru_cache(maxsize=1024)
def _gain_for_depth(reference: solver.Function, depth: int) -> OrthogonalGain:
    return solver.orthogonal_gain(reference, depth)


@functools.lru_cache(maxsize=1024)
def _point_at_gain(reference: solver.Function, gain: float) -> OrthogonalGain:
    return solver.orthogonal_spread(reference, gain)


def operating_point(activation: OddSigmoid, depth: int, gain: float | None) -> OrthogonalGain:
    """The solver's answer, computed once for each function and depth, however scaled."""
    unit = activation.unit_reference
    point = _gain_for_depth(unit, depth) if gain is None else _point_at_gain(unit, gain)
    # For A f(k x) the gain is that of f, and the spread A times its.
    return OrthogonalGain(point.gain, activation.amplitude * point.spread, point.chi)
