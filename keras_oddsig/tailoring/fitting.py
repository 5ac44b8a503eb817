"""The user's door: `tailor`, from arguments to a report."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import keras
import numpy as np

from keras_oddsig import _arguments
from keras_oddsig.layers.unrolled import unrolled
from keras_oddsig.signal import selection
from keras_oddsig.signal.data import (
    BATCH,
    batches,
    check_batch,
    check_data,
    fixed_batch,
    thinned,
    to_device,
    where_not_finite,
)
from keras_oddsig.tailoring import application, calibration, graph
from keras_oddsig.tailoring.choice import Fitting
from keras_oddsig.tailoring.graph import Graph
from keras_oddsig.tailoring.kernels import kernels_of, unsaved
from keras_oddsig.tailoring.plan import Planner
from keras_oddsig.tailoring.rates import Rating, give_rates, ratings_of
from keras_oddsig.tailoring.report import TailoredKernel, TailoredRate, TailorReport
from keras_oddsig.tailoring.trace import Step, structure_of, tracing

_METHODS: Final = ("auto", "diagonal", "orthogonal")
_SHOWN: Final = 3  # reasons why nothing is set


def tailor(
    model: Any,
    data: Any = None,
    *,
    method: str = "auto",
    depth: int | str = "auto",
    dry_run: bool = False,
    seed: int | None = None,
) -> TailorReport:
    """Initializes a built Keras model in place: each kernel for where it stands, and for the data.

    Finds the kernels that feed odd-sigmoid activations, with the activation in the same layer, in
    a layer of its own or behind reshapes, pooling, dropout and sums, and gives each an initializer
    of this package:

    - one that reads data, the rotation with their scale as `input_std`, of each feature where they
      differ much, of the bulk where there are outliers; a mean that would saturate is taken away by
      the bias; a first convolution reads its whole patch;
    - one between other such kernels, the rotation for the longest chain through it; where narrow
      layers lie between wide ones, with `bottleneck`; behind a sum, with a gain for the sum's
      variance, and behind another activation for the spread that this one keeps up; at the end of
      a residual branch, divided by the root of the number of branches;
    - a linear one between such kernels, as a latent layer is, the rotation at the gain 1;
    - those of a function of at most four numbers in all, as a physics-informed network or the
      trunk of a DeepONet is, its output among them, with `input_dim`;
    - a linear one that weighs another signal in the model's output, as a DeepONet's branch does,
      the rotation at the scale of an output layer;
    - of a `SimpleRNN`, the rotation for the number of steps, and Keras's `Orthogonal`;
    - where layers stand for normalizations (`DynamicTanh` and its kind), as in a transformer, the
      embeddings or the patches with which their stream begins, so that its root mean square is 1,
      and the last kernel of each residual branch, by the rule for branches above.

    With data, such layers get their rates, each for the root mean square of what enters it, and the
    `gamma` that brings what leaves it to 1.

    With data, the model is then run once, and kernels whose output is off by more than 20% from
    what is expected are rescaled, in order, as behind gates and pools; not those that a
    `bottleneck` or few inputs are the reason of.

    All other kernels stay as they are: those before other activations or normalization, output
    layers, what is frozen, quantized or adapted (LoRA), `LSTM` and `GRU` (rotations in their gates
    are not reliably better: `benchmarks/recurrent_gates.py`). The report says why, and of a kernel
    with an initializer what may keep its signal from being well.
    Other biases of the layers that get a kernel become zero, the optimizer's state is reset, and
    the layers' configs follow: a saved model tells its initializers (but of the kernels within one
    `MultiHeadAttention` or `GroupQueryAttention`, whose config has a single one for all). An error
    or an interruption leaves the model as it was. If there is nothing to set, a warning says why.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> hidden = [keras.layers.Dense(32, "tanh") for _ in range(30)]
    >>> model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])
    >>> x = keras.random.normal((256, 64), seed=0)
    >>> report = ko.tailor(model, x, seed=0)
    >>> report
    <TailorReport: 30 of 31 kernels>
    >>> print(report.kernels[1].initializer)
    OddSigmoidOrthogonal("tanh", depth=30, seed=1817441348)
    >>> ko.signal_report(model, x).verdict
    'healthy'

    Args:
        model: A built Keras model of any kind.
        data: Its inputs, or anything else that `fit` takes for `x`, of which one batch is looked
            at (of arrays, 256 samples that are evenly spaced); or None: then inputs are taken to
            have the root mean square 1, and the report says where.
        method: `"auto"`, what the benchmarks recommend, which is the rotation; `"orthogonal"`, the
            rotation; or `"diagonal"`, the papers' identity with noise, except for a first kernel
            that narrows its input, and behind sums.
        depth: `"auto"`, for each kernel the length of the longest chain of such kernels through
            it; or an integer for all.
        dry_run: Whether to leave the model as it is, and report only.
        seed: An integer in `[0, 2**32)` from which each kernel gets a seed of its own; or None,
            for kernels that `keras.utils.set_random_seed` makes reproducible.

    Returns:
        A `TailorReport`.

    Raises:
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is outside its range; if the model is not built, or has no
            `call`; if the data are empty, not finite (the message names the feature), of a shape
            that the model does not take, or beyond the precision in which it computes; or if there
            are none, and the model's code needs numbers.
    """
    _check(model, method, depth, dry_run, seed)
    with unrolled(model, keep=not dry_run):
        report = _tailored(model, data, method, depth, dry_run, seed)
    if not (dry_run or report.tailored or report.rated):
        warnings.warn(f"`tailor` has left the model as it was: {_why(report)}.", stacklevel=2)
    return report


def _tailored(
    model: Any, data: Any, method: str, depth: int | str, dry_run: bool, seed: int | None
) -> TailorReport:
    x = None
    if data is not None:
        check_data("data", data)
        size = fixed_batch(model)
        x = next(batches(thinned(data, size or BATCH), 1, size, "data"))[0]
        x = to_device(x, "data")
        _check_finite(x, data)
        x = x if size else to_device(_without_blank(x), "data")
        check_batch(model, x, "data")
        x = _as_taken(model, x)
    layers = [model, *selection.layers_of(model)]
    watch = selection.watch(model, lambda layer: True)
    with tracing(model, watch, x) as trace:
        found = graph.graph_of(trace, watch)
        read = {} if x is None else _numbers_read(found, x)
    planner = Planner(found, method, None if depth == "auto" else int(depth), seed, read)
    fittings = planner.plan()
    fittings += _never_called(layers, fittings)
    _note_unsaved(layers, fittings)
    called = [step.operation for step in trace.steps]
    ratings = ratings_of([*called, *layers], measured=x is not None and not dry_run)
    if dry_run:
        return _report(fittings, ratings, {}, trace.source, dry_run=True)
    with application.applied(model, fittings, ratings):
        spreads: Mapping[int, float] = {}
        if x is not None:
            factors, spreads = calibration.calibrate(model, x, watch, fittings, ratings)
            application.rescale(fittings, factors)
            give_rates(ratings)
        # Within: without a report, nobody would know of what was changed.
        return _report(fittings, ratings, spreads, trace.source, dry_run=False)


def _check(model: Any, method: Any, depth: Any, dry_run: Any, seed: Any) -> None:
    if not isinstance(model, keras.Model):
        shown = _arguments.shown(model)
        raise TypeError(f"`model` must be a `keras.Model`. Received: model={shown}")
    _arguments.one_of("method", method, _METHODS)
    if depth != "auto":
        if isinstance(depth, str):
            raise ValueError(f"`depth` must be 'auto' or an integer. Received: depth={depth!r}")
        _arguments.integer("depth", depth, at_least=1)
    _arguments.boolean("dry_run", dry_run)
    if seed is not None:
        _arguments.seed("seed", seed)
    selection.check_call(model, model)
    unbuilt = [layer.name for layer in model._flatten_layers() if not layer.built]
    if not model.built or unbuilt:
        raise ValueError(
            "`model` must be built: call it on a batch of its inputs once, as in `model(x[:1])`, "
            f"or `model.build((None, features))`. Received: model={model!r}"
            + (f", of which {unbuilt[0]} is not built" if model.built else "")
        )


def _check_finite(x: Any, data: Any) -> None:
    """Raises ValueError where the batch of the data has a number that is missing or infinite."""
    where = where_not_finite(x, data)
    if where is not None:
        raise ValueError(
            "`data` must be finite: fill in what is missing, or leave it out. Received: numbers "
            f"that are not{where}"
        )


def _without_blank(x: Any) -> Any:
    """The samples of which not all numbers are 0: from the others nothing is to be learned."""
    leaves = [leaf for leaf in keras.tree.flatten(x) if leaf is not None]
    rows = [keras.ops.convert_to_numpy(leaf) for leaf in leaves]
    if any(each.dtype.kind not in "fiub" for each in rows):
        return x
    seen = np.any([each.reshape(len(each), -1).any(axis=1) for each in rows], axis=0)
    if seen.all() or not seen.any():
        return x
    return keras.tree.map_structure(
        lambda a: None if a is None else keras.ops.convert_to_numpy(a)[seen], x
    )


def _as_taken(model: Any, x: Any) -> Any:
    """Data in the structure and of the ranks that a model takes, as it would make them itself."""
    structure = structure_of(model)
    if structure is None:
        return x
    if isinstance(x, dict) and isinstance(structure, dict):
        x = {name: x[name] for name in structure}  # `fit` takes more, too
    elif isinstance(x, dict):
        x = [x[tensor.name] for tensor in keras.tree.flatten(structure)]
    tensors = []
    for tensor, taken in zip(keras.tree.flatten(x), keras.tree.flatten(structure), strict=True):
        rank = len(taken.shape)
        if len(tensor.shape) == rank - 1:
            tensor = keras.ops.expand_dims(tensor, -1)
        elif len(tensor.shape) == rank + 1:
            tensor = keras.ops.squeeze(tensor, -1)
        tensors.append(tensor)
    return keras.tree.pack_sequence_as(structure, tensors)


def _numbers_read(found: Graph, x: Any) -> dict[Step, Any]:
    """The data where kernels read them, as arrays."""
    steps = list(
        dict.fromkeys(
            step
            for place in found.places
            if (place.activation is not None or place.begins) and place.first
            for step in graph.pure_sources(place, found)
            if step.tensor is not None
        )
    )
    if not steps:
        return {}
    tensors: Sequence[Any] = [step.tensor for step in steps]
    if found.trace.source == "graph":
        function = keras.Function(keras.tree.flatten(found.trace.entries), tensors)
        with keras.StatelessScope():
            tensors = keras.tree.flatten(function(keras.tree.flatten(x)))
    arrays = [keras.ops.convert_to_numpy(keras.ops.cast(t, "float32")) for t in tensors]
    return dict(zip(steps, arrays, strict=True))


def _never_called(layers: Sequence[Any], fittings: Sequence[Fitting]) -> list[Fitting]:
    known = {id(fitting.kernel.variable) for fitting in fittings}
    missing = [
        Fitting(kernel, None, reason=kernel.unfit or "the model does not call it")
        for layer in layers
        if not isinstance(layer, keras.Model)
        for kernel in kernels_of(layer)
        if id(kernel.variable) not in known
    ]
    return list({id(fitting.kernel.variable): fitting for fitting in missing}.values())


def _note_unsaved(layers: Sequence[Any], fittings: Sequence[Fitting]) -> None:
    """Says of kernels with an initializer where a saved model will not know it."""
    notes = unsaved(layers)
    for fitting in fittings:
        note = notes.get(id(fitting.kernel.layer))
        if note is not None and fitting.initializer is not None:
            fitting.say(note)


def _why(report: TailorReport) -> str:
    """Why nothing was set."""
    rows: list[TailoredKernel | TailoredRate] = [*report.kernels, *report.rates]
    if not rows:
        return "it has no kernels"
    reasons = list(dict.fromkeys(f"{row.layer}: {row.reason}" for row in rows))
    more = ["and so on, as the report says"] if len(reasons) > _SHOWN else []
    return "; ".join([*reasons[:_SHOWN], *more])


def _report(
    fittings: Sequence[Fitting],
    ratings: Sequence[Rating],
    spreads: Mapping[int, float],
    source: str,
    dry_run: bool,
) -> TailorReport:
    rows, rates = tuple(_rows(fittings, spreads)), tuple(_rate_rows(ratings))
    return TailorReport(rows, source, dry_run, rates)


def _rows(fittings: Sequence[Fitting], spreads: Mapping[int, float]) -> list[TailoredKernel]:
    owners = {id(f.kernel.layer): _owner(f) for f in fittings}
    counts = Counter(layer.name for layer in {id(o): o for o in owners.values()}.values())
    rows = []
    for fitting in fittings:
        owner = owners[id(fitting.kernel.layer)]
        spread = spreads.get(id(fitting.kernel.layer), math.nan)
        activation = None if fitting.place is None else fitting.place.activation
        rows.append(
            TailoredKernel(
                owner.name if counts[owner.name] == 1 else owner.path,
                fitting.kernel.attribute,
                None if activation is None else activation.name,
                fitting.depth,
                fitting.written,
                fitting.reason,
                fitting.predicted,
                spread if math.isfinite(spread) else None,
            )
        )
    return rows


def _rate_rows(ratings: Sequence[Rating]) -> list[TailoredRate]:
    counts = Counter(rating.layer.name for rating in ratings)
    return [
        TailoredRate(
            rating.layer.name if counts[rating.layer.name] == 1 else rating.layer.path,
            selection.activation_name(rating.layer),
            rating.rms,
            rating.rate,
            rating.gamma,
            rating.reason,
        )
        for rating in ratings
    ]


def _owner(fitting: Fitting) -> Any:
    """The layer that a user knows: of a cell the recurrent one around it."""
    return fitting.kernel.layer if fitting.place is None else fitting.place.layer
