"""One run on data, in which each kernel is measured as its turn comes, and rescaled if it is off.

What a gate, a pool, a sum of terms that are alike, or few units do to a signal is not computed but
seen: what comes next reads what was mended before. The model is left as it is; what should become
of its kernels is said.

Here belongs how it is measured. What is to be expected, `expectation` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import keras
import numpy as np
from keras import ops

from keras_oddsig import _backend, _keras, _tracing
from keras_oddsig.signal import recording, selection
from keras_oddsig.signal.selection import Watch
from keras_oddsig.tailoring.choice import Fitting, rescaled
from keras_oddsig.tailoring.kernels import activation_attribute
from keras_oddsig.tailoring.rates import Rating

# How far a kernel's output may be from what is expected. Of networks of 8 units to 1,024, one
# draw scatters by a tenth or less.
TOLERANCE: Final = 0.2


def calibrate(
    model: Any, x: Any, watch: Watch, fittings: Sequence[Fitting], ratings: Sequence[Rating]
) -> tuple[dict[int, float], dict[int, float]]:
    """Runs a model that holds its kernels on data, and says what they would have to be.

    Args:
        model: A built Keras model.
        x: Its inputs, on the device.
        watch: What is known of its layers.
        fittings: What its kernels got. Those that are off get another initializer: see `rescaled`.
        ratings: Of its dynamic layers, which get their rates here.

    Returns:
        Factors by which to multiply kernels, by the identities of their variables; and the
        standard deviations behind activations, by those of the layers with the kernels.
    """
    layers = model._flatten_layers()
    run = _Run(watch, fittings, ratings)

    def numbers(values: list[Any], given: Any) -> Any:
        data, goals = given
        state = list(zip(model.variables, values, strict=True)) if values else []
        run.begin(goals)
        with (
            recording.unchanged(layers),
            keras.StatelessScope(state),
            recording.recording(run, layers),
            _tapped(run),
        ):
            model(data, training=False)
        entered = [number for pair in run.entered.values() for number in pair]
        found = [*run.sizes.values(), *run.spreads.values(), *entered]
        return ops.stack(found) if found else ops.zeros((0,))

    function = _backend.measuring(numbers, *selection.execution(model))
    found = function(_backend.values_of(model.variables), (x, run.goals))
    found = ops.convert_to_numpy(found).tolist()
    if not np.isfinite(found).all():
        raise ValueError(
            "`data` must leave the model's numbers finite, in the precision in which it computes: "
            "scale them. Received: data behind which a layer has numbers that are not"
        )
    numbers_of = iter(found)
    sizes, spreads = ([next(numbers_of) for _ in each] for each in (run.sizes, run.spreads))
    for layer in run.entered:
        run.ratings[layer].measured(next(numbers_of), next(numbers_of))
    for layer in run.ratings.keys() - run.entered.keys():
        run.ratings[layer].reason = "not seen in a call: it is not called, or in a loop"
    factors = {}
    for variable, size in zip(run.sizes, sizes, strict=True):
        fitting = run.by_variable[variable]
        assert fitting.goal is not None
        off = size / fitting.goal
        if off > 0 and abs(off - 1) > TOLERANCE:
            factor = rescaled(fitting, 1 / off)
            if factor != 1.0:
                fitting.say(f"scaled by {factor:.3g}: {off:.2g} of the expected size measured")
                factors[variable] = factor
    return factors, dict(zip(run.spreads, spreads, strict=True))


class _Run:
    """Sees calls go by, as `recording.recording` shows them.

    Attributes:
        sizes: Root mean squares of what kernels make, by their variables' identities; scalars.
        spreads: Standard deviations behind activations, by the identities of layers.
        entered: Of dynamic layers, by their identities, the root mean squares of what enters, and
            of what their function makes of it.
    """

    def __init__(
        self, watch: Watch, fittings: Sequence[Fitting], ratings: Sequence[Rating]
    ) -> None:
        self.watch = watch
        self.ratings = {id(rating.layer): rating for rating in ratings if not rating.reason}
        # Of a separable convolution the second kernel; of a recurrent layer the one that repeats.
        self.by_layer = {
            id(f.place.layer): f
            for f in fittings
            if f.place is not None and (f.initializer is not None or f.place.activation is not None)
        }
        self.by_variable = {id(f.kernel.variable): f for f in self.by_layer.values()}
        self._behind: dict[int, list[Fitting]] = {}
        for fitting in self.by_layer.values():
            place = fitting.place
            if place is not None and place.end is not place.step:
                self._behind.setdefault(id(place.end.operation), []).append(fitting)
        # Arguments of what is compiled, and not numbers in its code: with those all layers' code
        # is different, and XLA takes ten times as long.
        self.goals: dict[int, Any] = {
            number: ops.convert_to_tensor(fitting.goal, "float32")
            for number, fitting in enumerate(self.by_layer.values())
            if fitting.goal is not None and fitting.initializer is not None
        }
        self.begin(self.goals)

    def begin(self, goals: Mapping[int, Any]) -> None:
        """Forgets what was seen: a backend may trace a function twice."""
        self._goals = {id(f): goals[i] for i, f in enumerate(self.by_layer.values()) if i in goals}
        self.sizes: dict[int, Any] = {}
        self.spreads: dict[int, Any] = {}
        self.entered: dict[int, tuple[Any, Any]] = {}
        self._seen: set[int] = set()
        self._entered: dict[int, Any] = {}  # what enters the activations of layers that have one
        self._level = _tracing.trace_level()

    def run(self, call: Any, layer: Any, args: Any, kwargs: Any) -> Any:
        fitting = self.by_layer.get(id(layer))
        mine = _tracing.trace_level() == self._level
        if id(layer) in self.ratings and mine and id(layer) not in self._seen:
            self._seen.add(id(layer))
            return self._rated(layer, args, call(layer, *args, **kwargs))
        if fitting is not None and mine and id(layer) not in self._seen:
            self._seen.add(id(layer))  # of several calls the first; an overridden one comes twice
            return self._measured(fitting, call(layer, *args, **kwargs))
        result = call(layer, *args, **kwargs)
        if mine:
            self._arrived(layer, result)
            inner = self.by_layer.get(id(selection.wrapped(layer)))
            if inner is not None:  # within `TimeDistributed`
                self._take_down(inner, result)
        return result

    def activate(self, block: Any, function: Any, args: Any, kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if _tracing.trace_level() == self._level:
            self._arrived(function, result)
        return result

    def entering(self, fitting: Fitting, inputs: Any) -> Any:
        """What enters a layer's own activation, as it is to be."""
        layer = fitting.kernel.layer
        if id(layer) in self._entered or _tracing.trace_level() != self._level:
            return inputs
        self._entered[id(layer)] = self._held(fitting, inputs)
        return self._entered[id(layer)]

    def _measured(self, fitting: Fitting, result: Any) -> Any:
        place = fitting.place
        assert place is not None
        output = self._entered.get(id(fitting.kernel.layer))
        if output is None and place.end is not place.step:
            output = result = self._held(fitting, result)
        if place.activation is None:
            if output is None:  # a linear kernel, before the next
                result = self._held(fitting, result)
        elif place.end is place.step:
            self._take_down(fitting, result)
        elif not _is_called(place.end.operation) and place.terms == 1 and not place.inside:
            # An operation of the model's own code, which nobody sees run.
            numbers = ops.cast(recording.first_float(output), "float32")
            self._take_down(fitting, place.activation.function(numbers))
        return result

    def _rated(self, layer: Any, args: Any, result: Any) -> Any:
        """What a dynamic layer makes with the rate and the gamma that it is to have."""
        x = ops.cast(recording.first_float(args), "float32")
        rms = _root_mean_square(x)
        scaled = x * (self.ratings[id(layer)].drive / ops.where(rms > 0, rms, ops.ones_like(rms)))
        output = layer.activation(scaled)
        squashed = _root_mean_square(output)
        self.entered[id(layer)] = (rms, squashed)
        if layer.gamma is not None:
            output = output / ops.where(squashed > 0, squashed, ops.ones_like(squashed))
        output = ops.cast(output, result.dtype)
        _keras.copy_mask(result, output)
        return output

    def _held(self, fitting: Fitting, output: Any) -> Any:
        """What a kernel makes, at the size that it is held to, if it is off."""
        goal = self._goals.get(id(fitting))
        if goal is None or not ops.is_tensor(output):
            return output
        size = _root_mean_square(output)
        self.sizes[id(fitting.kernel.variable)] = size
        off = size / goal
        fine = ops.logical_or(ops.abs(off - 1) <= TOLERANCE, ops.logical_not(off > 0))
        # Kernel and bias together: a bias is 0, or of one scale with its kernel.
        factor = ops.where(fine, ops.ones_like(off), 1 / ops.where(off > 0, off, 1.0))
        scaled = output * ops.cast(factor, output.dtype)
        _keras.copy_mask(output, scaled)
        return scaled

    def _arrived(self, operation: Any, result: Any) -> None:
        """Takes down what an activation made for the kernels before it."""
        for fitting in self._behind.get(id(operation), ()):
            assert fitting.place is not None
            if id(fitting.place.layer) in self._seen:
                self._take_down(fitting, result)

    def _take_down(self, fitting: Fitting, result: Any) -> None:
        numbers = recording.first_float(result)
        key = id(fitting.kernel.layer)
        if numbers is not None and key not in self.spreads:
            numbers = ops.cast(numbers, "float32")
            variance = ops.mean(ops.square(numbers)) - ops.square(ops.mean(numbers))
            self.spreads[key] = ops.sqrt(ops.maximum(variance, 0.0))


def _root_mean_square(tensor: Any) -> Any:
    """That of a tensor's numbers in float32, without exact zeros, which are padding."""
    squares = ops.square(ops.cast(tensor, "float32"))
    count = ops.sum(ops.cast(squares > 0, "float32"))
    return ops.sqrt(ops.sum(squares) / ops.maximum(count, 1.0))


def _is_called(operation: Any) -> bool:
    """Whether a run goes by it: a layer, or a function that a block holds."""
    return isinstance(operation, keras.Layer) or not isinstance(operation, keras.Operation)


@contextmanager
def _tapped(run: _Run) -> Iterator[None]:
    """Within it, layers that have an activation of their own tell what enters it."""
    before: list[tuple[Any, str, dict[str, Any]]] = []
    for fitting in run.by_layer.values():
        layer = fitting.kernel.layer
        name = activation_attribute(layer)
        function = getattr(layer, name, None)
        if callable(function) and fitting.kernel.role != "recurrent":
            # Not by setattr, which Keras looks at.
            held = {name: vars(layer)[name]} if name in vars(layer) else {}
            before.append((layer, name, held))
            vars(layer)[name] = _tap(run, fitting, function)
    try:
        yield
    finally:
        for layer, name, held in before:
            del vars(layer)[name]
            vars(layer).update(held)


def _tap(run: _Run, fitting: Fitting, function: Any) -> Any:
    def activation(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return function(run.entering(fitting, inputs), *args, **kwargs)

    return activation
