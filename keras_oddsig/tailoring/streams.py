"""Streams that dynamic layers read, in the place of normalizations: where each begins.

Here belongs what follows from the steps of a trace alone. Which rate a dynamic layer gets is
`rates`'s, and what its embeddings get `plan`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence

import keras

from keras_oddsig.layers.dynamic import DynamicOddSigmoid
from keras_oddsig.tailoring.trace import Step


def is_dynamic(step: Step) -> bool:
    """Whether a step is a call of a layer that stands for a normalization."""
    return isinstance(step.operation, DynamicOddSigmoid)


def begun(
    steps: Sequence[Step],
    branches: Mapping[Step, set[Step]],
    kernels: Container[Step],
    kind_of: Callable[[Step], str],
) -> dict[Step, int]:
    """The embeddings and the kernels with which a stream begins that a dynamic layer reads.

    Args:
        steps: Of a trace.
        branches: Of each sum in which one term is made from another, the terms that are.
        kernels: The calls of layers with kernels.
        kind_of: What a step does to a signal.

    Returns:
        Of each such call how many terms are added there, itself among them. A kernel is one that
        reads what enters the model.
    """
    found: dict[Step, int] = {}
    for dynamic in filter(is_dynamic, steps):
        waiting = [(each, 1) for each in dynamic.inputs[:1]]
        for step, terms in waiting:
            kind = kind_of(step)
            if isinstance(step.operation, keras.layers.Embedding):
                found[step] = max(terms, found.get(step, 1))
            elif step in branches:
                waiting += [(each, terms) for each in step.inputs if each not in branches[step]]
            elif kind == "add":
                several = dict.fromkeys(step.inputs)
                waiting += [(each, terms * len(several)) for each in several]
            elif kind == "transparent" or _adds_its_own(step):
                waiting += [(each, terms) for each in step.inputs[:1]]
            elif step in kernels and _enters(step.inputs[0], kind_of):
                found[step] = max(terms, found.get(step, 1))
    return found


def _enters(step: Step, kind_of: Callable[[Step], str]) -> bool:
    """Whether it is data, as they are but for their order."""
    while kind_of(step) == "transparent" and len(step.inputs) == 1:
        step = step.inputs[0]
    return step.enters


def _adds_its_own(step: Step) -> bool:
    """Whether it is a user's layer that may add positions: it has weights, and keeps the shape."""
    layer = step.operation
    if not isinstance(layer, keras.Layer) or len(step.inputs) != 1 or not layer.weights:
        return False
    own = type(layer).__module__.partition(".")[0] not in ("keras", "keras_oddsig")
    read = step.inputs[0].tensor
    return own and read is not None and tuple(read.shape) == tuple(step.tensor.shape)
