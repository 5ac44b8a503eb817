"""Where each kernel stands: what follows it, what it reads, how long its chain is.

Here belongs what follows from the steps of a trace alone; what to make of it, `plan` decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras

from keras_oddsig import activations
from keras_oddsig._scales import shared_activation
from keras_oddsig.activations import OddSigmoid
from keras_oddsig.signal import selection
from keras_oddsig.signal.predictions import alike
from keras_oddsig.signal.selection import Watch
from keras_oddsig.tailoring import streams
from keras_oddsig.tailoring.chains import longest, measure_chains
from keras_oddsig.tailoring.kernels import activation_in, kernels_of
from keras_oddsig.tailoring.places import Activation, Place
from keras_oddsig.tailoring.trace import ALL_OF_THEM, ONE_OF_MANY, Step, Trace


@dataclass(frozen=True)
class Graph:
    """The places of a model's kernels.

    Attributes:
        trace: The run that showed them.
        places: Of every call, in order.
        residual: The sums in which one term is made from another: of each, the branches.
    """

    trace: Trace
    places: tuple[Place, ...]
    residual: Mapping[Step, set[Step]]

    def fold(self, value: Callable[[Step, list[float]], float | None]) -> dict[Step, float]:
        """A number for each step, a mean square say, from those of the steps that it reads.

        Args:
            value: That of a step from those of its inputs; None where it is as merges have it: a
                sum of independent terms, of concatenated ones the mean, of others the first's.
        """
        values: dict[Step, float] = {}
        for step in self.trace.steps:
            read = [values[each] for each in step.inputs]
            own = value(step, read)
            values[step] = _merged(step, read) if own is None else own
        return values


def _merged(step: Step, read: list[float]) -> float:
    if not read:
        return float("nan")
    match kind_of(step):
        case "add":
            return sum(read)
        case "average":
            return sum(read) / len(read) ** 2
        case "concatenate":
            axis = getattr(step.operation, "axis", -1)
            widths = [each.tensor.shape[axis] or 1 for each in step.inputs]
            return sum(v * w for v, w in zip(read, widths, strict=True)) / sum(widths)
    return read[0]


# By the names of layers and operations: what moves numbers about, picks or drops some.
_TRANSPARENT: Final = re.compile(
    r"Reshape|Flatten|Permute|Repeat(Vector)?|(Spatial|Gaussian|Alpha)?Dropout(\dD)?|GaussianNoise"
    r"|(Global)?(Max|Average)Pool(ing\dD)?|ZeroPadding\dD|Cropping\dD|UpSampling\dD|Masking"
    r"|ActivityRegularization|ConvertToTensor|Cast|Identity|Copy|StopGradient|Transpose|Moveaxis"
    r"|Swapaxes|Squeeze|ExpandDims|Ravel|Pad|GetItem|Slice|Split|Flip|Roll|BroadcastTo"
)
_NORMALIZATION: Final = re.compile(r"\w*Normalization|Normalize|RMSNorm|LayerNorm")
_ADD: Final = frozenset({"Add", "Subtract"})
# Operations of Keras, as a `call` uses them, and as the activations are named.
_FUNCTIONS: Final = {
    "Tanh": "tanh",
    "Arctan": "arctan",
    "Erf": "erf",
    "Softsign": "softsign",
}


# What merges signals or moves them about, of the kinds that follow.
KNOWN_KINDS: Final = frozenset({"transparent", "add", "average", "concatenate"})


def kind_of(step: Step) -> str:
    """What a step does to a signal: its name if that is for a report only."""
    operation = step.operation
    if operation in (None, ONE_OF_MANY, ALL_OF_THEM):
        return "transparent"
    name = getattr(operation, "__name__", None) or type(operation).__name__
    if streams.is_dynamic(step):
        return "normalization"
    several = len(set(step.inputs)) > 1
    if name in _ADD:
        return "add" if several else "transparent"
    if name == "Average":
        return "average" if several else "transparent"
    if name in ("Concatenate", "Stack", "Hstack"):
        return "concatenate"
    if _TRANSPARENT.fullmatch(name):
        return "transparent"
    return "normalization" if _NORMALIZATION.fullmatch(name) else name


# How the reason of a kernel begins which another one reads, with nothing between.
LINEAR: Final = "linear"


def graph_of(trace: Trace, watch: Watch) -> Graph:
    """The places of the kernels that a trace shows."""
    by_step: dict[Step, Place] = {}
    for step in trace.steps:
        layer = step.operation
        if isinstance(layer, keras.Layer):
            held = kernels_of(layer)
            if held:
                by_step[step] = Place(step, layer, held)
    residual = _made_from_others(trace.steps, "add")
    for step, terms in streams.begun(trace.steps, residual, by_step, kind_of).items():
        by_step[step].begins = terms
    graph = Graph(trace, tuple(by_step.values()), residual)
    for place in graph.places:
        _follow(place, by_step, trace, watch, residual)
    blocks = longest(trace.steps, dict.fromkeys(residual, 1))
    for place in graph.places:
        after, before = (_blocks(each, residual, blocks) for each in (place.end, place.step))
        place.blocks, place.inside = (after, False) if after else (before, before > 0)
    _find_summed(graph)
    tailored = {p.step: p for p in graph.places if p.activation is not None}
    linear = {p.step: p for p in graph.places if p.following.startswith(LINEAR)}
    measure_chains(trace.steps, tailored, linear)
    kept = longest(trace.steps, dict.fromkeys(_made_from_others(trace.steps, "concatenate"), 1))
    for place in graph.places:
        if blocks[place.step] or kept[place.step]:
            place.bottleneck = None  # the merge carries the directions past the narrow layers
    beginning = {p.step: p for p in graph.places if p.begins}
    _find_first(trace.steps, tailored | beginning, {p.end for p in tailored.values()})
    _find_mixed(graph.places)
    return graph


def _activation_of(step: Step, watch: Watch) -> Activation | str | None:
    """The odd-sigmoid activation that a step is or ends in; the name of any other; or None."""
    operation = step.operation
    if streams.is_dynamic(step):
        return None  # its own activation is of no kernel's concern
    if step.block is not None:
        found = watch.activations[id(step.block)]
        name = watch.names[id(step.block)] or "an activation"
        return _named(found, operation, name) if found else name
    if not isinstance(operation, keras.Layer):
        name = type(operation).__name__
        if type(operation).__module__.startswith("keras.") and name in _FUNCTIONS:
            found = shared_activation(_FUNCTIONS[name])
            return Activation(found, _FUNCTIONS[name], _FUNCTIONS[name])
        return None
    # `SimpleRNN` and its like hold the cell's arguments themselves, `RNN` does not.
    holding = operation.cell if type(operation) is keras.layers.RNN else operation
    held = operation if isinstance(operation, OddSigmoid) else activation_in(holding)
    if held is None or held is keras.activations.linear:
        return None
    holder = (
        held if isinstance(held, keras.Layer) else keras.layers.Activation(held, name="activation")
    )
    found = selection.activation_of(holder)
    name = selection.activation_name(holder) or type(held).__name__
    return name if found is None else _named(found, held, name)


def _named(found: OddSigmoid, held: Any, name: str) -> Activation:
    plain = not isinstance(held, OddSigmoid) or (held.amplitude, held.rate) == (1.0, 1.0)
    known = activations.name_of(found) or _name_of_lambda(found, held)
    # A name where there is one; or else what the model has, which a saved one can name, too.
    return Activation(found, known if known and plain and known != "algebraic" else held, name)


# Products that are summed over a signal's units, and those that are not yet.
_CONTRACTIONS: Final = frozenset({"Dot", "Einsum", "Matmul", "Tensordot"})
_SUMS: Final = frozenset({"Sum", "Mean"})


def _find_summed(graph: Graph) -> None:
    """Finds the linear kernels of which another signal is weighed at a model's end.

    Of two that are multiplied only the first: both would make it too faint.
    """
    by_step = {place.step: place for place in graph.places}
    for step in graph.trace.steps:
        kind = kind_of(step)
        if len(set(step.inputs)) != 2 or kind not in {*_CONTRACTIONS, "Multiply"}:
            continue
        if not _ends_the_model(step, graph.trace.outputs, needs_sum=kind == "Multiply"):
            continue
        factors = [by_step.get(_stripped(each)) for each in step.inputs]
        linear = [p for p in factors if p is not None and p.activation is None and not p.is_output]
        if linear:
            linear[0].summed = linear[0].width


def _ends_the_model(step: Step, outputs: Sequence[Step], needs_sum: bool) -> bool:
    """Whether what a step makes is returned, with no more done to it than a sum or a bias."""
    waiting = [(step, not needs_sum)]
    for each, summed in waiting:
        if each in outputs and summed:
            return True
        for reader in each.readers:
            kind = kind_of(reader)
            if kind in ("transparent", "add") or kind in _SUMS:
                waiting.append((reader, summed or kind in _SUMS))
    return False


def _name_of_lambda(found: OddSigmoid, held: Any) -> str | None:
    """The name of what a lambda computes, if it has one: itself, no config can hold."""
    if getattr(held, "__name__", "") != "<lambda>":
        return None
    return next((n for n in activations.CLASSES if alike(shared_activation(n), found)), None)


def _made_from_others(steps: Sequence[Step], kind: str) -> dict[Step, set[Step]]:
    """The merges in which one term is made from another: of each, the terms that are branches."""
    before: dict[Step, int] = {}  # the steps that came before, a bit each
    found = {}
    for step in steps:
        mask = 0
        for each in step.inputs:
            mask |= before[each] | (1 << each.number)
        before[step] = mask
        if kind_of(step) == kind:
            skips = {
                one
                for one in step.inputs
                for other in step.inputs
                if one is not other and before[other] >> _stripped(one).number & 1
            }
            if skips and skips != set(step.inputs):
                found[step] = set(step.inputs) - skips
    return found


def _stripped(step: Step) -> Step:
    """The step before those that only move numbers about."""
    while kind_of(step) == "transparent" and step.inputs:
        step = step.inputs[0]
    return step


def _follow(
    place: Place,
    by_step: dict[Step, Place],
    trace: Trace,
    watch: Watch,
    residual: dict[Step, set[Step]],
) -> None:
    """Finds the activation that a kernel feeds, through what does not change the signal."""
    own = _activation_of(place.step, watch)
    if isinstance(own, Activation):
        place.activation = own
        return
    if own is not None:
        place.other = own
        place.following = f"{own} is no odd sigmoid"
        return
    seen: set[Step] = set()
    waiting = [(place.step, 1)]
    reasons: list[str] = []
    while waiting:
        step, terms = waiting.pop(0)
        if step in trace.outputs:
            reasons.append("output layer: no activation follows")
            place.is_output = True
        for reader in step.readers:
            if reader in seen:
                continue
            seen.add(reader)
            activation = None if reader in by_step else _activation_of(reader, watch)
            kind = kind_of(reader)
            if isinstance(activation, Activation):
                place.activation, place.end, place.terms = activation, reader, terms
                place.is_output = False
                return
            if activation is not None:
                place.other = activation
                reasons.append(f"{activation} is no odd sigmoid")
            elif reader in by_step:
                reasons.append(f"{LINEAR}: another kernel reads it")
            elif kind == "normalization":
                name = type(reader.operation).__name__
                place.rated = place.rated or streams.is_dynamic(reader)
                what = "whose rate is set for it" if place.rated else "which sets the scale itself"
                reasons.append(f"{name} follows, {what}")
            elif kind in ("add", "average"):
                merged = 1 if reader in residual else len(set(reader.inputs))
                waiting.append((reader, terms * merged))
            elif kind in ("transparent", "concatenate"):
                waiting.append((reader, terms))
            else:
                reasons.append(f"{kind} follows, which is no odd sigmoid")
    place.is_output = place.is_output and len(reasons) == 1
    place.following = reasons[0] if reasons else "nothing reads it"


def _blocks(end: Step, residual: dict[Step, set[Step]], blocks: dict[Step, int]) -> int:
    """Where a step ends a residual branch: how many there are on its chain; 0 elsewhere."""
    ending = [
        add
        for step in _through_transparent(end)
        for add in step.readers
        if step in residual.get(add, ())
    ]
    return max((blocks[add] for add in ending), default=0)


def _through_transparent(step: Step) -> list[Step]:
    """A step and those behind it that only move its numbers about."""
    found = [step]
    for each in found:
        found += [r for r in each.readers if kind_of(r) == "transparent" and r not in found]
    return found


def _find_first(steps: Sequence[Step], places: dict[Step, Place], ends: set[Step]) -> None:
    """Says of each place whether it reads data."""
    # Whether data that no such kernel has seen are in a step's output, or what is like them.
    data: dict[Step, bool] = {}
    for step in steps:
        read = step.inputs if kind_of(step) in ("add", "concatenate") else step.inputs[:1]
        entering = any(data[each] for each in read) or not read
        if step in places:
            places[step].first = entering
        data[step] = entering and step not in places and step not in ends
        data[step] |= streams.is_dynamic(step)  # of root mean square 1, as standardized data are


def _find_mixed(places: Sequence[Place]) -> None:
    """Of a layer that is called on data and on activations no call is that of a first layer."""
    kinds: dict[int, set[bool]] = {}
    for place in places:
        kinds.setdefault(id(place.layer), set()).add(place.first)
    for place in places:
        place.mixed = len(kinds[id(place.layer)]) > 1
        place.first = place.first and not place.mixed


def _copies(step: Step) -> bool:
    """Whether a step's output is its input, as where a functional model is entered."""
    return type(step.operation).__name__ in ("ConvertToTensor", "Cast", "Identity")


def data_read(place: Place, graph: Graph) -> Step | None:
    """The step from which data come to a kernel that reads nothing else, or None."""
    if not place.first or not place.step.inputs:
        return None
    sources, step = pure_sources(place, graph), place.step.inputs[0]
    while step not in sources and (_copies(step) or step.operation is ONE_OF_MANY):
        step = step.inputs[0]
    return step if sources == [step] else None


def pure_sources(place: Place, graph: Graph) -> list[Step]:
    """The steps from which data come to a kernel, by way of merges, if any."""
    fed: set[Step] = set()
    ends = {p.step for p in graph.places if p.activation is not None}
    ends |= set(filter(streams.is_dynamic, graph.trace.steps))
    for step in graph.trace.steps:
        if step in ends or any(each in fed for each in step.inputs):
            fed.add(step)
    found, waiting = [], [place.step.inputs[0]] if place.step.inputs else []
    while waiting:
        step = waiting.pop()
        if step not in fed:
            while _copies(step) or step.operation is ONE_OF_MANY:
                step = step.inputs[0]  # all time steps, not the first only
            found.append(step)
        elif step not in ends:
            merge = kind_of(step) in ("add", "concatenate")
            waiting += step.inputs if merge else step.inputs[:1]
    return found
