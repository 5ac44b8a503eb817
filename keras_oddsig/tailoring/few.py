"""Which kernels are parts of a function of few numbers, as of space and time, and which numbers.

Such a function's loss is often made of its derivatives; and its data are points of a domain, which
no statistics describe.

Here belongs what follows from the graph. What to make of it, `plan` decides.
"""

from __future__ import annotations

import math
from typing import Any

from keras_oddsig.signal.derivatives import FEW
from keras_oddsig.tailoring.graph import Graph
from keras_oddsig.tailoring.places import Place


def few_inputs(graph: Graph) -> dict[Place, int]:
    """How many numbers enter the function of which a kernel is a part, if they are few.

    A model may be one, or have some in it: the trunk of a DeepONet is a function of a place, its
    branch one of many sensors.
    """
    sources: dict[Any, frozenset[Any]] = {}  # what enters the model, of which a step is made
    for step in graph.trace.steps:
        own = frozenset([step]) if step.enters else frozenset()
        sources[step] = own.union(*(sources[each] for each in step.inputs))
    firsts = [p for p in graph.places if p.activation is not None and p.first]
    found = {}
    for place in graph.places:
        entering = sources[place.step]
        total = sum(_size(step.tensor) for step in entering)
        own_firsts = [p for p in firsts if sources[p.step] & entering]
        if total <= FEW and own_firsts and all(_reads_numbers(p, total) for p in own_firsts):
            found[place] = int(total)
    return found


def _size(tensor: Any) -> float:
    return math.inf if tensor is None else math.prod(each or math.inf for each in tensor.shape[1:])


def _reads_numbers(place: Place, total: float) -> bool:
    """Whether a dense kernel reads the numbers themselves: no embedding, no waves made of them."""
    dense = all(len(k.variable.shape) == 2 and k.role == "main" for k in place.kernels)
    return dense and place.reads <= total and place.reads < place.width
