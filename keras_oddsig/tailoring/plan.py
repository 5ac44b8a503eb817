"""Which initializer each kernel gets, by its place; or why none.

Here belong the rules, which the benchmarks of `docs` have settled. What is drawn, and put into the
model, `application` does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np

from keras_oddsig import initializers, solver
from keras_oddsig._kernel_initializer import FEW
from keras_oddsig.signal.selection import bias_of
from keras_oddsig.tailoring import streams
from keras_oddsig.tailoring.choice import Fitting, give, random_seed, rounded
from keras_oddsig.tailoring.expectation import expect
from keras_oddsig.tailoring.few import few_inputs
from keras_oddsig.tailoring.graph import (
    LINEAR,
    Graph,
    data_read,
    pure_sources,
)
from keras_oddsig.tailoring.inputs import Inputs, inputs_of, steps_of
from keras_oddsig.tailoring.kernels import Kernel
from keras_oddsig.tailoring.places import Activation, Place
from keras_oddsig.tailoring.remarks import qualify
from keras_oddsig.tailoring.trace import Step

# Where the steps of a recurrent layer are not known.
_STEPS: Final = 100


@dataclass
class Planner:
    """Chooses the initializers of a graph's kernels.

    Attributes:
        graph: The kernels' places.
        method: `"auto"`, `"diagonal"` or `"orthogonal"`.
        depth: For all kernels, or None: of each the longest chain through it.
        seed: From which each kernel's own is made, or None.
        data: The numbers that enter kernels from outside, as far as they are known.
    """

    graph: Graph
    method: str
    depth: int | None
    seed: int | None
    data: Mapping[Step, Any]
    _drawn: int = 0

    def __post_init__(self) -> None:
        known = {step: inputs_of(numbers) for step, numbers in self.data.items()}
        # Of inputs that are zero everywhere nothing is known.
        self._known = {step: each for step, each in known.items() if each is not None}
        self._measured = {step: each.rms for step, each in self._known.items()}
        self._ends = {p.end: p for p in self.graph.places if p.activation is not None}

    def plan(self) -> list[Fitting]:
        """A `Fitting` for each kernel, in the order of the calls."""
        self._few = few_inputs(self.graph)
        self._read = self.graph.fold(self._relative)
        self._squares = self.graph.fold(self._absolute)
        found: dict[int, Fitting] = {}
        for place in self._by_layer():
            for kernel in place.kernels:
                found.setdefault(id(kernel.variable), self._fitting(kernel, place))
        fittings = list(found.values())
        expect(fittings, self.graph, self._measured, self._squares, hold=bool(self._measured))
        places = {place.step: place for place in self.graph.places}
        for fitting in fittings:
            if fitting.initializer is not None and fitting.place is not None:
                place, before = fitting.place, self._before(fitting.place)
                read = [places[step] for step in before if step in places]
                few, measured = place in self._few, self._is_measured(place)
                qualify(fitting, place, read, few, measured, self.depth)
        return fittings

    def _by_layer(self) -> list[Place]:
        """One place for each layer: of several calls that of the longest chain, or the first."""
        best: dict[int, Place] = {}
        for place in self.graph.places:
            known = best.get(id(place.layer))
            if known is None or (place.depth, place.blocks) > (known.depth, known.blocks):
                best[id(place.layer)] = place
        return list(best.values())

    # ------------------------------------------------------------------------------
    # What enters a kernel
    # ------------------------------------------------------------------------------

    def _point(self, place: Place) -> solver.OrthogonalGain:
        assert place.activation is not None
        point: solver.OrthogonalGain = initializers.OddSigmoidOrthogonal(
            place.activation.identifier, self._depth(place)
        ).operating_point
        return point

    def _depth(self, place: Place) -> int:
        return place.depth if self.depth is None else self.depth

    def _relative(self, step: Step, read: list[float]) -> float | None:
        """A mean square in units of that of activations: what merges make of them."""
        return self._leaf(step, read, lambda place: 1.0, lambda rms: 1.0)

    def _absolute(self, step: Step, read: list[float]) -> float | None:
        """A mean square: of data as measured, of activations as the rotations keep it up."""
        return self._leaf(
            step, read, lambda place: self._point(place).spread ** 2, lambda rms: rms**2
        )

    def _leaf(
        self, step: Step, read: list[float], of_activation: Any, of_data: Any
    ) -> float | None:
        if step in self._measured or step.enters:
            return float(of_data(self._measured.get(step, 1.0)))
        if streams.is_dynamic(step):
            return 1.0  # as its gamma makes it
        branches = self.graph.residual.get(step)
        if branches is not None:
            # All branches together bring what one does, so that the sum is less than twice what
            # it began with; one gain for all blocks is worth more than a root of that.
            values = zip(step.inputs, read, strict=True)
            return sum(value for each, value in values if each not in branches)
        place = self._ends.get(step)
        if place is None:
            return None
        scale = 1 / place.blocks if place.blocks and not place.inside else 1.0
        return float(of_activation(place) * scale)

    # ------------------------------------------------------------------------------
    # The rules
    # ------------------------------------------------------------------------------

    def _fitting(self, kernel: Kernel, place: Place) -> Fitting:
        fitting = Fitting(kernel, place)
        activation = place.activation
        plain = kernel.role == "main" and kernel.unfit is None
        if place.begins and (kernel.role in _TABLES or plain):
            self._beginning(fitting, place)
        elif kernel.unfit is not None:
            fitting.reason = kernel.unfit
        elif activation is not None:
            fitting.depth = self._depth(place)
            match kernel.role:
                case "recurrent":
                    self._recurrent(fitting, activation)
                case "input":
                    self._steps_read(fitting, place, activation)
                case "depthwise":
                    # No activation between it and the next: it passes on what it reads.
                    self._take(fitting, initializers.OddSigmoidOrthogonal, depth=1, gain=1.0)
                case _:
                    self._main(fitting, place, activation)
        elif place.is_output and place in self._few and place.width < place.reads:
            before = next((self._ends[s] for s in self._before(place) if s in self._ends), None)
            fitting.reason = place.following
            if before is not None and place.width <= FEW:
                fitting.depth = self._depth(before)
                fitting.reason = "output of a function of few inputs"
                self._few_kernel(fitting, before)
        elif place.blocks and (
            place.is_output or place.rated or place.following.startswith(LINEAR)
        ):
            # The sum of all branches has then the spread of one: undivided, 100 blocks
            # `h + V tanh(W h)` reach an accuracy of .911 on digits, with this .954, from zeros .961
            # (`benchmarks/residual_scale.py`). Zeros would leave W without a gradient.
            fitting.reason = f"linear end of one of {place.blocks} residual branches"
            self._linear(fitting, place, 1 / math.sqrt(place.blocks))
        elif place.passes_on:
            fitting.reason = "linear: passes on what it reads"
            self._linear(fitting, place, 1.0)
        elif place.summed:
            # What multiplies a signal at the end is the weights of an output layer: of n of them
            # each has then the standard deviation 1 / sqrt(n).
            fitting.reason = "linear: weighs another signal in the output"
            read = self._squares[place.step.inputs[0]]
            self._linear(fitting, place, 1 / math.sqrt(place.summed * read))
        else:
            fitting.reason = place.following
        return fitting

    def _before(self, place: Place) -> list[Step]:
        """The steps from which its input comes, the nearest first."""
        found, waiting = [], list(place.step.inputs[:1])
        while waiting:
            step = waiting.pop(0)
            found.append(step)
            if step not in self._ends:
                waiting += [each for each in step.inputs if each not in found]
        return found

    def _is_measured(self, place: Place) -> bool:
        return any(step in self._measured for step in self._before(place))

    def _inputs(self, place: Place, kernel: Kernel) -> Inputs | None:
        """What the data are like that a kernel reads; None where it reads anything else, too."""
        source = data_read(place, self.graph)
        if source not in self._measured:
            return None
        # Of a plain one each row is a feature's, and the layer's bias can take a mean away.
        plain = not kernel.axes and (len(place.kernels) == 1 or kernel.role == "input")
        bias = bias_of(kernel.layer)
        numbers, steps = self.data[source], kernel.role == "input"
        if numbers.ndim == 3 and len(kernel.variable.shape) == 2 and not steps:
            numbers = steps_of(numbers)  # a dense kernel reads each step alike
        if getattr(kernel.layer, "data_format", None) == "channels_first":
            numbers = np.moveaxis(numbers, 1, -1)
        if steps:
            # A bias acts at blank steps, too, and adds up over all: only a large mean is worth it.
            numbers = steps_of(numbers)
            bias = bias if len(numbers) == math.prod(self.data[source].shape[:-1]) else None
        return inputs_of(
            numbers,
            few=steps or place in self._few,
            own=plain,
            biased=plain and bias is not None and tuple(bias.shape) == (kernel.read().n,),
        )

    def _is_crooked(self, place: Place) -> bool:
        """Whether data that a kernel reads beside other signals would need more than a scale."""
        sources = pure_sources(place, self.graph)
        found = [self._known[step] for step in sources if step in self._known]
        return any(each.stds is not None or each.mean is not None for each in found)

    def _recurrent(self, fitting: Fitting, activation: Activation) -> None:
        place = fitting.place
        assert place is not None
        tensor = place.step.inputs[0].tensor if place.step.inputs else None
        steps = None if tensor is None else tensor.shape[1]
        if steps is None:
            fitting.reason = f"the number of steps is not known: {_STEPS} assumed"
        fitting.depth = steps or _STEPS
        self._take(
            fitting, initializers.OddSigmoidOrthogonal, activation.identifier, depth=fitting.depth
        )

    def _steps_read(self, fitting: Fitting, place: Place, activation: Activation) -> None:
        """What a recurrent layer reads adds to its state at each step: its norm is kept.

        That of a one-hot step is 1, though its features vary little where most are blank; by their
        deviation, states would saturate. Copying ten symbols over 100 blanks, 32 units of tanh,
        five seeds: cross entropy 1.38, Keras's own kernel 1.94 (`docs/benchmarks/sequences.md`).
        """
        inputs = self._inputs(place, fitting.kernel) if place.first else None
        omega = activation.function.profile.critical_gain
        one_hot = inputs is not None and inputs.one_hot
        if inputs is None or inputs.stds is None or one_hot:
            # Standardized data keep the recipe's gain, whatever the batch.
            normal = inputs is None or one_hot or _NORMAL[0] < inputs.std < _NORMAL[1]
            gain = omega if normal or inputs is None else omega / inputs.std
            self._take(fitting, keras.initializers.Orthogonal, gain=rounded(gain))
        else:
            axes = fitting.kernel.read()
            norm = self._point(place).first_layer_gain(1.0) * max(1.0, math.sqrt(axes.n / axes.m))
            self._take(
                fitting,
                initializers.OddSigmoidOrthogonal,
                activation.identifier,
                depth=self._depth(place),
                rotation="haar",
                input_std=[rounded(std * norm) for std in inputs.stds],
            )
        self._told(fitting, inputs)

    def _told(self, fitting: Fitting, inputs: Inputs | None) -> None:
        """Passes on what data are like."""
        if inputs is None:
            return
        fitting.inputs = inputs
        for remark in inputs.remarks:
            fitting.say(remark)
        if inputs.mean is not None and "seed" not in fitting.arguments:
            # The bias is for this kernel alone, which the same config is to draw again.
            give(fitting, type(fitting.initializer), {**fitting.arguments, "seed": random_seed()})

    def _main(self, fitting: Fitting, place: Place, activation: Activation) -> None:
        if place in self._few:
            self._few_kernel(fitting, place)
            return
        kernel, depth = fitting.kernel, self._depth(place)
        factor = 1 / math.sqrt(place.terms * max(place.blocks, 1))
        rotation = initializers.OddSigmoidOrthogonal
        axes = kernel.axes
        narrows = kernel.read().n < kernel.read().m
        inputs = self._inputs(place, kernel) if place.first else None
        # The identity has no scale to fit to data.
        scaled = inputs is not None and not (
            inputs.stds is None and _NORMAL[0] < inputs.std < _NORMAL[1]
        )
        if place.first and (self.method != "diagonal" or narrows or scaled):
            if not self._is_measured(place):
                fitting.reason = "an input of root mean square 1 is assumed"
            std = math.sqrt(self._squares[place.step.inputs[0]]) if inputs is None else inputs.std
            if inputs is None and self._is_crooked(place):
                fitting.say(
                    "data of a mean, or of several scales, come in with other signals, and are "
                    "read by one scale: standardize them"
                )
            # A sum of several takes a part of each.
            scale: Any = rounded(std / factor)
            window = tuple(kernel.variable.shape)[:-2]
            if inputs is not None and inputs.stds is not None:
                scale = [rounded(each / factor) for each in inputs.stds] * math.prod(window)
            if window and not axes:
                # A first convolution reads its whole patch: of one tap it would see a pixel.
                read = len(window) + 1
                axes = {"input_axes": list(range(read)), "output_axes": [read]}
            self._take(
                fitting, rotation, activation.identifier, depth=depth, input_std=scale, **axes
            )
            self._told(fitting, inputs)
            return
        if not place.first:
            factor *= self._part_of_what_is_read(place)
        if self.method == "diagonal" and math.isclose(factor, 1.0, rel_tol=_NEAR):
            self._take(
                fitting, initializers.OddSigmoidInit, activation.identifier, depth=depth, **axes
            )
            return
        if not math.isclose(factor, 1.0, rel_tol=_NEAR):
            axes = {"gain": rounded(self._point(place).gain * factor), **axes}
        if place.bottleneck is not None:
            axes = {"bottleneck": place.bottleneck, **axes}
        self._take(fitting, rotation, activation.identifier, depth=depth, **axes)

    def _part_of_what_is_read(self, place: Place) -> float:
        """What a gain is multiplied with for what enters to be as large as the rule expects it."""
        read = place.step.inputs[0]
        # Of a sum, which has the variance of all its terms.
        part = 1 / math.sqrt(self._read[read])
        # Of another activation, which keeps up more or less than this one: behind one of twice the
        # amplitude two layers of tanh would have a third of their units saturated.
        other = self._point(place).spread / math.sqrt(self._squares[read])
        begun = (s for s in self._before(place) if s.enters or streams.is_dynamic(s))
        usual = self.method == "diagonal" or abs(math.log(other / part)) < math.log(_UNLIKE)
        return part if usual or any(begun) else other

    def _beginning(self, fitting: Fitting, place: Place) -> None:
        """Of what a stream begins with: of the root mean square 1, all its terms together.

        Where it is small, as Keras's embeddings are, the first blocks make all of the stream, and
        its size is another within a few steps: rates cannot follow.
        """
        terms, kernel = place.begins, fitting.kernel
        fitting.reason = "begins a stream" if terms == 1 else f"one of {terms} that begin a stream"
        size = 1 / math.sqrt(terms)
        if kernel.role in _TABLES:
            if not kernel.initializer:
                fitting.say("its layer keeps no initializer: the values are saved, this is not")
            self._take(fitting, keras.initializers.RandomNormal, stddev=rounded(size))
            return
        if not self._is_measured(place):
            fitting.say("an input of root mean square 1 is assumed")
        gain = size / math.sqrt(self._squares[place.step.inputs[0]])
        window = len(kernel.variable.shape) - 2
        axes = kernel.axes
        if window and not axes:
            axes = {"input_axes": list(range(window + 1)), "output_axes": [window + 1]}
        rotation = initializers.OddSigmoidOrthogonal
        self._take(fitting, rotation, depth=1, gain=rounded(gain), **axes)

    def _linear(self, fitting: Fitting, place: Place, gain: float) -> None:
        """Of a kernel that no activation follows before the next."""
        kept = {} if place.bottleneck is None else {"bottleneck": place.bottleneck}
        self._take(
            fitting,
            initializers.OddSigmoidOrthogonal,
            depth=1,
            gain=rounded(gain),
            **kept,
            **fitting.kernel.axes,
        )

    def _few_kernel(self, fitting: Fitting, place: Place) -> None:
        """Of a function of few inputs, whose derivatives count.

        Args:
            fitting: Of a kernel of the function.
            place: Its own, or that of the activation before it, if it is the function's output.
        """
        this = fitting.place
        assert this is not None
        assert place.activation is not None
        few, depth = self._few[this], self._depth(place)
        cls: Any = initializers.OddSigmoidOrthogonal
        if self.method == "diagonal":
            cls = initializers.OddSigmoidInit
        arguments: dict[str, Any] = {"depth": depth, "input_dim": few}
        inputs = None
        if this.activation is not None and this.first:
            arguments["input_dim"] = this.reads
            if not self._is_measured(this):
                fitting.reason = "inputs that cover [-1, 1] are assumed"
            elif cls is initializers.OddSigmoidOrthogonal:
                inputs = self._inputs(this, fitting.kernel)
                arguments |= self._few_scale(this, inputs)
        elif this.activation is not None:
            # Of sums, with the variance of all terms; at the end of a branch, with a part of it.
            factor = 1 / math.sqrt(this.terms * max(this.blocks, 1))
            factor /= math.sqrt(self._read[this.step.inputs[0]])
            alone = math.isclose(factor, 1.0, rel_tol=_NEAR)
            if this.reads == few < this.width or not alone:
                # Also a narrow layer between wide ones, which is not to be taken for the first.
                cls = initializers.OddSigmoidOrthogonal
                gain = solver.smooth_gain(depth) * factor
                arguments = {"depth": depth, "gain": rounded(gain)}
        self._take(fitting, cls, place.activation.identifier, **arguments, **fitting.kernel.axes)
        self._told(fitting, inputs)

    def _few_scale(self, place: Place, inputs: Inputs | None) -> dict[str, Any]:
        """The scale of the points, where they do not cover about [-1, 1]."""
        if inputs is not None and inputs.stds is not None:
            return {"input_std": [rounded(each) for each in inputs.stds]}
        square = self._squares[place.step.inputs[0]] if inputs is None else inputs.std**2
        usual = 1 / 3  # the mean square of numbers that cover it, which few points miss a little
        centred = inputs is not None and inputs.mean is not None
        if usual / 2 < square < 2 * usual and not centred:
            return {}
        return {"input_std": rounded(math.sqrt(square))}

    def _take(self, fitting: Fitting, cls: Any, activation: Any = None, **arguments: Any) -> None:
        """Gives a kernel its initializer, with a seed of its own."""
        if fitting.kernel.role == "depthwise":
            arguments |= fitting.kernel.axes
        if activation is not None:
            arguments = {"activation": activation, **arguments}
        if self.seed is not None:
            sequence = np.random.SeedSequence([self.seed, self._drawn])
            # Of 31 bits: more than int32 holds is too much for Keras 3.12 on PyTorch.
            arguments["seed"] = int(sequence.generate_state(1)[0]) & 0x7FFFFFFF
        self._drawn += 1
        give(fitting, cls, arguments)


_TABLES: Final = ("table", "unknown")  # of embeddings, and of positions
_NORMAL: Final = (0.5, 2.0)  # scales of data that pass for standardized
_UNLIKE: Final = 1.2  # spreads that differ by less are one, as are those of a chain and its branch
_NEAR: Final = 0.02  # of a gain: no more than a sum of one term and of one part in 25 is
