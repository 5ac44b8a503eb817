"""Streams that dynamic layers read, in the place of normalizations: where each begins.

Here belongs what follows from the steps of a trace alone. Which rate a dynamic layer gets is
`rates`'s, and what its embeddings get `plan`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence

import keras

from keras_oddsig.layers.dynamic import DynamicOddSigmoid
from keras_oddsig.tailoring.trace import Step, is_open, is_users_own


def is_dynamic(step: Step) -> bool:
    """Whether a step is a call of a layer that stands for a normalization."""
    return isinstance(step.operation, DynamicOddSigmoid)


def begun(
    steps: Sequence[Step],
    branches: Mapping[Step, set[Step]],
    kernels: Container[Step],
    kind_of: Callable[[Step], str],
) -> dict[Step, int]:
    """The embeddings, positions and kernels with which a stream begins that a dynamic layer reads.

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
    # With how many terms: a stream is walked once, however many ways lead through it.
    reached: dict[Step, int] = {}
    apart = [step for step in steps if _is_apart(step)]
    for dynamic in filter(is_dynamic, steps):
        waiting = [(each, 1) for each in dynamic.inputs[:1]]
        for step, terms in waiting:
            if terms <= reached.get(step, 0):
                continue
            reached[step] = terms
            kind, more = kind_of(step), []
            if isinstance(step.operation, keras.layers.Embedding):
                found[step] = max(terms, found.get(step, 1))
            elif step in branches:
                more = [each for each in step.inputs if each not in branches[step]]
            elif kind == "add":
                more = list(dict.fromkeys(step.inputs))
                terms *= len(more)
            elif holds_positions(step):
                # Beside a sum it is a term of that; by itself it is where two are added.
                terms = max(terms, 2)
                found[step] = max(terms, found.get(step, 1))
                more = list(step.inputs[:1])
            elif kind == "transparent":
                more = list(step.inputs[:1])
                added = [each for each in apart if _adds(step, each)]
                terms *= 1 + len(added)
                found |= {each: max(terms, found.get(each, 1)) for each in added}
            elif step in kernels and _enters(step.inputs[0], kind_of):
                found[step] = max(terms, found.get(step, 1))
            waiting += [(each, terms) for each in more]
    return found


def holds_positions(step: Step) -> bool:
    """Whether it is a user's layer of one table, a row for each place, and keeps the shape.

    A table of more rows is one if its layer, or its own name, says so.
    """
    layer = step.operation
    if not isinstance(layer, keras.Layer) or len(step.inputs) != 1 or is_open(layer):
        return False
    held, read = layer.weights, step.inputs[0].tensor
    if not is_users_own(layer) or len(held) != 1 or read is None:
        return False
    if min(len(held[0].shape), len(read.shape)) < 2:
        return False
    kept = tuple(read.shape) == tuple(step.tensor.shape)
    (rows, width), places = tuple(held[0].shape)[-2:], read.shape[-2]
    named = "pos" in f"{type(layer).__name__} {held[0].name}".lower()
    return kept and width == read.shape[-1] and (rows == places or named)


def _is_apart(step: Step) -> bool:
    """Whether it is an embedding of constants, as of the numbers of the places."""
    constant = all(each.enters and each.tensor is None for each in step.inputs)
    return isinstance(step.operation, keras.layers.Embedding) and constant and not step.readers


def _adds(step: Step, table: Step) -> bool:
    """Whether a sum of one signal and a constant may be one with what an embedding makes."""
    made = step.tensor
    name = type(step.operation).__name__
    return name == "Add" and made is not None and made.shape[-1] == table.operation.output_dim


def _enters(step: Step, kind_of: Callable[[Step], str]) -> bool:
    """Whether it is data, as they are but for their order."""
    while kind_of(step) == "transparent" and len(step.inputs) == 1:
        step = step.inputs[0]
    return step.enters
