"""How a kernel's shape is read: which of its axes are inputs, outputs and window.

Here belongs what follows from a shape and the arguments that say how to read it. What the
matrices hold, and with which gain, is `_draws`'s and the initializers'.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_oddsig import _arguments


@dataclass(frozen=True)
class KernelAxes:
    """A kernel read as matrices: `taps` of a window, each of `m` inputs and `n` outputs.

    Attributes:
        window, inputs, outputs: The kernel's axes of each kind, in the kernel's order.
        shape: The kernel's shape.
        blocks: How many independent maps the `n` outputs hold, side by side.
    """

    window: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shape: tuple[int, ...]
    blocks: int

    @classmethod
    def read(
        cls,
        shape: Any,
        input_axes: Sequence[int] | None,
        output_axes: Sequence[int] | None,
        gates: int,
    ) -> KernelAxes:
        """Reads a shape by the axes given, or else by Keras's custom.

        Args:
            shape: A sequence of integers: `(*window, inputs, outputs)` where no axes are given.
            input_axes, output_axes: As the initializers take them, checked by `pair`.
            gates: How many maps lie side by side in the outputs.

        Raises:
            TypeError: If the shape is no sequence of integers.
            ValueError: If it cannot be read as matrices by these axes and gates.
        """
        shape = _integers("shape", shape)
        rank = len(shape)
        if input_axes is None or output_axes is None:
            if rank < 2:
                raise ValueError(
                    "`shape` must have an axis of inputs and one of outputs, (*window, inputs, "
                    "outputs); `input_axes` and `output_axes` name those of any other kernel. "
                    f"Received: shape={shape}"
                )
            inputs, outputs = [rank - 2], [rank - 1]
        else:
            inputs, outputs = (
                [axis + rank if axis < 0 else axis for axis in axes]
                for axes in (input_axes, output_axes)
            )
        named = inputs + outputs
        if len(set(named)) != len(named) or not set(named) <= set(range(rank)):
            raise ValueError(
                "`input_axes` and `output_axes` must name different axes of the kernel. "
                f"Received: input_axes={input_axes}, output_axes={output_axes} "
                f"for shape={shape}"
            )
        if min(shape) < 1:
            raise ValueError(f"`shape` must be positive throughout. Received: shape={shape}")
        window = tuple(axis for axis in range(rank) if axis not in named)
        # Without an axis of inputs each output has an input of its own.
        n = math.prod(shape[axis] for axis in outputs)
        blocks = gates if inputs else n
        if n % blocks:
            raise ValueError(
                f"`gates` must divide the number of outputs, {n}. "
                f"Received: gates={gates} for shape={shape}"
            )
        return cls(window, tuple(inputs), tuple(outputs), shape, blocks)

    @property
    def taps(self) -> int:
        return math.prod(self.shape[axis] for axis in self.window)

    @property
    def m(self) -> int:
        return math.prod(self.shape[axis] for axis in self.inputs)

    @property
    def n(self) -> int:
        return math.prod(self.shape[axis] for axis in self.outputs)

    @property
    def centre(self) -> int:
        """The tap `(k - 1) // 2` of each axis of the window, counted through all of them.

        There `padding="same"` puts a unit's own input, whether `k` is odd or even.
        """
        centre = 0
        for axis in self.window:
            centre = centre * self.shape[axis] + (self.shape[axis] - 1) // 2
        return centre

    def fold(self, matrices: Any) -> Any:
        """From `(taps, m, n)` to the kernel's own shape."""
        order = self.window + self.inputs + self.outputs
        if order == (0, 1) and self.inputs:
            return matrices[0]  # what `reshape` would do, for a tenth of its price
        kernel = ops.reshape(matrices, [self.shape[axis] for axis in order])
        back = sorted(range(len(order)), key=order.__getitem__)
        return kernel if back == list(range(len(order))) else ops.transpose(kernel, back)


def pair(input_axes: Any, output_axes: Any) -> tuple[list[int] | None, list[int] | None]:
    """The two arguments as lists, as in `keras.initializers.VarianceScaling`."""
    inputs, outputs = _listed("input_axes", input_axes), _listed("output_axes", output_axes)
    if (inputs is None) != (outputs is None):
        raise ValueError(
            "`input_axes` and `output_axes` must be given together. "
            f"Received: input_axes={input_axes!r}, output_axes={output_axes!r}"
        )
    if outputs == []:
        raise ValueError("`output_axes` must name an axis. Received: output_axes=[]")
    return inputs, outputs


def _listed(name: str, value: Any) -> list[int] | None:
    """An axis, or a sequence of axes, as a list."""
    if value is None:
        return None
    found = value.tolist() if isinstance(value, np.ndarray) else value
    return list(_integers(name, [found] if isinstance(found, int | np.integer) else found))


def _integers(name: str, value: Any) -> tuple[int, ...]:
    """Checks that an argument is a sequence of integers, of Python or NumPy."""
    try:
        # Of these some hold integers, or nothing at all, and are no sequence of sizes or axes.
        found = None if isinstance(value, str | bytes | dict) else tuple(value)
    except (TypeError, NotImplementedError):  # a number, None, a symbolic tensor
        found = None
    if found is None or not all(
        isinstance(each, int | np.integer) and not isinstance(each, bool) for each in found
    ):
        raise TypeError(
            f"`{name}` must be a sequence of integers. Received: {name}={_arguments.shown(value)}"
        )
    return tuple(int(each) for each in found)
