"""One run on data, in which each kernel is measured as its turn comes, and rescaled if it is off.

What a gate, a pool, a sum of terms that are alike, or few units do to a signal is not computed but
seen: what comes next reads what was mended before. The model is left as it is; what should become
of its kernels is said.

Here belongs how it is measured. What is to be expected, `plan` says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import keras
from keras import ops

from keras_oddsig import _backend
from keras_oddsig.signal import recording, selection
from keras_oddsig.signal.selection import Watch
from keras_oddsig.tailoring.choice import Fitting, rescaled
from keras_oddsig.tailoring.kernels import activation_attribute

# How far a kernel's output may be from what is expected. Of networks of 16 units to 1,024, one
# draw scatters by a tenth or less.
TOLERANCE: Final = 0.2


@dataclass
class Calibration:
    """What the run has shown.

    Attributes:
        factors: By which to multiply kernels, by their variables' identities.
        spreads: Standard deviations behind activations, by the layers that have the kernels.
    """

    factors: dict[int, float]
    spreads: dict[int, float]


def calibrate(model: Any, x: Any, watch: Watch, fittings: Sequence[Fitting]) -> Calibration:
    """Runs a model that holds its kernels on data, and says what they would have to be.

    Args:
        model: A built Keras model.
        x: Its inputs, on the device.
        watch: What is known of its layers.
        fittings: What its kernels got. Those that are off get another initializer: see `rescaled`.
    """
    layers = model._flatten_layers()
    run = _Run(watch, fittings)
    with recording.unchanged(layers), keras.StatelessScope() as scope, _backend.no_gradients():
        run.scope = scope
        with recording.recording(run, layers), _tapped(run):
            model(x, training=False)
    return Calibration(run.factors, run.spreads)


class _Run:
    """Sees calls go by, as `recording.recording` shows them."""

    def __init__(self, watch: Watch, fittings: Sequence[Fitting]) -> None:
        self.watch = watch
        self.scope: Any = None
        self.factors: dict[int, float] = {}
        self.spreads: dict[int, float] = {}
        self.entered: dict[int, Any] = {}  # what enters the activations of layers that have one
        # Of a separable convolution the second kernel; of a recurrent layer the one that repeats.
        self.by_layer = {
            id(f.place.layer): f
            for f in fittings
            if f.place is not None and (f.initializer is not None or f.place.activation is not None)
        }
        self.behind: dict[int, list[Fitting]] = {}
        for fitting in self.by_layer.values():
            place = fitting.place
            if place is not None and place.end is not place.step and place.activation is not None:
                self.behind.setdefault(id(place.end.operation), []).append(fitting)
        self._seen: set[int] = set()
        self._level = _backend.trace_level()

    def run(self, call: Any, layer: Any, args: Any, kwargs: Any) -> Any:
        fitting = self.by_layer.get(id(layer))
        mine = _backend.trace_level() == self._level
        if fitting is not None and mine and id(layer) not in self._seen:
            self._seen.add(id(layer))  # of several calls the first; an overridden one comes twice
            return self._calibrated(fitting, call, layer, args, kwargs)
        result = call(layer, *args, **kwargs)
        if mine:
            self._arrived(layer, result)
            inner = self.by_layer.get(id(selection.wrapped(layer)))
            if inner is not None:  # within `TimeDistributed`
                self.spreads.setdefault(id(inner.kernel.layer), _deviation(result))
        return result

    def activate(self, block: Any, function: Any, args: Any, kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if _backend.trace_level() == self._level:
            self._arrived(function, result)
        return result

    def _arrived(self, operation: Any, result: Any) -> None:
        """Takes down what an activation made for the kernels before it."""
        for fitting in self.behind.get(id(operation), ()):
            if id(_layer(fitting)) in self._seen:
                self.spreads.setdefault(id(fitting.kernel.layer), _deviation(result))

    def _calibrated(self, fitting: Fitting, call: Any, layer: Any, args: Any, kwargs: Any) -> Any:
        result = call(layer, *args, **kwargs)
        output = self.entered.pop(id(layer), result)
        place, variable = fitting.place, fitting.kernel.variable
        assert place is not None
        if fitting.goal is not None and fitting.initializer is not None:
            size = _size(output)
            off = size / fitting.goal
            if math.isfinite(off) and off > 0 and abs(off - 1) > TOLERANCE:
                factor = rescaled(fitting, 1 / off)
                if factor != 1.0:
                    fitting.say(f"scaled by {factor:.3g}: {off:.2g} of the expected size measured")
                    self.factors[id(variable)] = factor
                    variable.assign(variable.value * factor)
                    if fitting.inputs is not None and fitting.inputs.mean is not None:
                        layer.bias.assign(layer.bias.value * factor)
                    result = call(layer, *args, **kwargs)
                    output = self.entered.pop(id(layer), result)
        if place.activation is not None:
            self._look_behind(fitting, output, result)
        return result

    def _look_behind(self, fitting: Fitting, output: Any, result: Any) -> None:
        """Takes down the spread behind a kernel's activation, where that is done with the call."""
        place, layer = fitting.place, fitting.kernel.layer
        assert place is not None
        assert place.activation is not None
        if place.end is place.step:
            self.spreads[id(layer)] = _deviation(result)
        elif not _is_called(place.end.operation) and place.terms == 1 and not place.inside:
            # An operation of the model's own code, which nobody sees run.
            numbers = ops.cast(recording.first_float(output), "float32")
            self.spreads[id(layer)] = _deviation(place.activation.function(numbers))


def _layer(fitting: Fitting) -> Any:
    assert fitting.place is not None
    return fitting.place.layer


def _is_called(operation: Any) -> bool:
    """Whether a run goes by it: a layer, or a function that a block holds."""
    return isinstance(operation, keras.Layer) or not isinstance(operation, keras.Operation)


def _size(output: Any) -> float:
    """Root mean square."""
    numbers = ops.cast(recording.first_float(output), "float32")
    return math.sqrt(float(ops.convert_to_numpy(ops.mean(ops.square(numbers)))))


def _deviation(output: Any) -> float:
    numbers = recording.first_float(output)
    if numbers is None:
        return math.nan
    return float(ops.convert_to_numpy(ops.std(ops.cast(numbers, "float32"))))


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
            vars(layer)[name] = _tap(run, layer, function)
    try:
        yield
    finally:
        for layer, name, held in before:
            del vars(layer)[name]
            vars(layer).update(held)


def _tap(run: _Run, layer: Any, function: Any) -> Any:
    def activation(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        run.entered[id(layer)] = inputs
        return function(inputs, *args, **kwargs)

    return activation
