"""What is known of a kernel by where it stands: a record, which `graph` fills in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from keras_oddsig.activations import OddSigmoid
from keras_oddsig.tailoring.kernels import Kernel
from keras_oddsig.tailoring.trace import Step


@dataclass(frozen=True, eq=False)
class Activation:
    """An odd-sigmoid activation, as a layer has it.

    Attributes:
        function: To be read.
        identifier: What an initializer takes for it, and a saved model can name.
        name: What to call it.
    """

    function: OddSigmoid
    identifier: Any
    name: str


@dataclass(eq=False)
class Place:
    """One call of a layer with kernels, and where it stands.

    Attributes:
        step: The call.
        layer: What holds the kernels.
        kernels: Of the layer.
        activation: The odd-sigmoid one that follows, or None.
        end: The step at which that is applied; the call itself, where none follows.
        following: Where none follows, what does.
        other: The name of an activation that follows and is no odd sigmoid, or "".
        is_output: Whether nothing does, but the end of the model.
        terms: How many branches are added before the activation, this one among them.
        blocks: If it is the last kernel of a residual branch, how many such branches follow
            one another there; or else 0.
        inside: Whether the branch is added before the activation.
        first: Whether it reads data, be it beside the outputs of other kernels.
        mixed: Whether the layer reads data in one call and none in another; none is `first` then.
        passes_on: Whether it is a linear map between kernels before odd-sigmoid activations.
        rated: Whether what it makes goes to a layer that stands for a normalization.
        begins: If a stream begins with it that such layers read: of how many terms that are added
            there it is one; or else 0.
        summed: If what it makes is multiplied with another signal, and the sum of that is what the
            model returns: of how many units; or else 0.
        depth: Of the longest chain of kernels before odd-sigmoid activations through it.
        bottleneck: The least width that lies between wider ones on its chains up to it, or from
            it on: of these two the greater. None where there is none.
        width: How many units it has.
        reads: How many units it reads.
    """

    step: Step
    layer: Any
    kernels: list[Kernel]
    activation: Activation | None = None
    end: Step = field(init=False)
    following: str = ""
    other: str = ""
    is_output: bool = False
    terms: int = 1
    blocks: int = 0
    inside: bool = False
    first: bool = False
    mixed: bool = False
    passes_on: bool = False
    rated: bool = False
    begins: int = 0
    summed: int = 0
    depth: int = 0
    bottleneck: int | None = None
    width: int = 0
    reads: int = 0

    def __post_init__(self) -> None:
        self.end = self.step
        for kernel in self.kernels:
            if not kernel.unfit:
                axes = kernel.read()
                self.width, self.reads = axes.n, axes.m
