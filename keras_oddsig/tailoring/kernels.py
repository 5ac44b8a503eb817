"""The kernels that a layer holds: where each is, and how its axes are read.

Here belongs what is known of a layer by itself. Where it stands in a model is `graph`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import keras

from keras_oddsig import _axes
from keras_oddsig.signal import selection


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel of a layer.

    Attributes:
        layer: Which holds it, and in which its initializer is an attribute: of a recurrent layer
            the cell.
        attribute: The name of the weight.
        initializer: The name of the attribute that holds its initializer.
        variable: The weight.
        role: `"main"`, the one before the activation; `"depthwise"`, the first of a separable
            convolution, between which and the second there is none; `"recurrent"`, or `"input"`,
            its companion.
        axes: Arguments by which an initializer of this package reads the kernel.
        unfit: Why it is not to be touched, whatever follows; or None.
    """

    layer: Any
    attribute: str
    initializer: str
    variable: Any
    role: str = "main"
    axes: dict[str, Any] = field(default_factory=dict)
    unfit: str | None = None

    def read(self) -> _axes.KernelAxes:
        """Inputs and outputs of the kernel."""
        return _axes.KernelAxes.read(
            tuple(self.variable.shape),
            self.axes.get("input_axes"),
            self.axes.get("output_axes"),
            self.axes.get("gates", 1),
        )


_DEPTHWISE: Final = {"input_axes": [], "output_axes": [-2, -1]}
_TRANSPOSED: Final = {"input_axes": [-1], "output_axes": [-2]}


def kernels_of(layer: Any) -> list[Kernel]:
    """The kernels that a layer holds itself, those of a recurrent layer's cell among them."""
    if isinstance(layer, keras.layers.RNN):
        return _recurrent(layer)
    held = own_kernels(layer)
    if not held:
        return []
    reason = _unfit(layer)
    if isinstance(layer, keras.layers.Embedding):
        reason = "an embedding, which multiplies nothing"
    elif isinstance(layer, _SEPARABLE) and reason is None:
        return [
            _kernel(layer, "depthwise_kernel", "depthwise_initializer", "depthwise", _DEPTHWISE),
            _kernel(layer, "pointwise_kernel", "pointwise_initializer"),
        ]
    elif isinstance(layer, _DEPTHWISE_CONVOLUTIONS) and reason is None:
        return [_kernel(layer, "kernel", "depthwise_initializer", axes=_DEPTHWISE)]
    elif reason is None and _is_plain(layer, held):
        axes = _axes_of(layer)
        if axes is not None:
            return [_kernel(layer, "kernel", "kernel_initializer", axes=axes)]
        reason = "its equation has an axis of the kernel in inputs and outputs at once"
    if reason is None:
        reason = f"{type(layer).__name__} does not say which initializer its kernel has"
    return [Kernel(layer, weight.name, "", weight, unfit=reason) for weight in held]


def own_kernels(layer: Any) -> list[Any]:
    """Weights of rank 2 or more that no layer inside holds, without a bias."""
    inside = {
        id(weight)
        for part in layer._flatten_layers(include_self=False, recursive=False)
        for weight in part.weights
    }
    inside.add(id(getattr(layer, "bias", None)))  # which `EinsumDense` may have of any rank
    return [weight for weight in selection.kernels(layer) if id(weight) not in inside]


_SEPARABLE: Final = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_DEPTHWISE_CONVOLUTIONS: Final = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_TRANSPOSED_CONVOLUTIONS: Final = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


def _kernel(
    layer: Any,
    attribute: str,
    initializer: str,
    role: str = "main",
    axes: dict[str, Any] | None = None,
    unfit: str | None = None,
) -> Kernel:
    variable = getattr(layer, attribute)
    if unfit is None and not (layer.trainable and variable.trainable):
        unfit = "frozen: not trainable"
    return Kernel(layer, attribute, initializer, variable, role, axes or {}, unfit)


def _unfit(layer: Any) -> str | None:
    # Before all else: a frozen kernel may be quantized, and is to be called frozen.
    if not layer.trainable:
        return "frozen: not trainable"
    if getattr(layer, "quantization_mode", None) is not None:
        return f"quantized: {layer.quantization_mode}"
    if getattr(layer, "lora_enabled", False):
        return "LoRA: its kernel is frozen, and a sum"
    return None


def _is_plain(layer: Any, held: list[Any]) -> bool:
    """Whether it has one kernel, with an initializer: Keras's layers, and a user's like them."""
    return (
        len(held) == 1
        and getattr(layer, "kernel", None) is held[0]
        and hasattr(layer, "kernel_initializer")
    )


def _axes_of(layer: Any) -> dict[str, Any] | None:
    """How to read the kernel of a layer that has one; None where that is not possible."""
    if isinstance(layer, _TRANSPOSED_CONVOLUTIONS):
        return _TRANSPOSED
    if isinstance(layer, keras.layers.EinsumDense):
        return _einsum_axes(layer.equation)
    groups = getattr(layer, "groups", 1)
    return {"gates": groups} if groups > 1 else {}


def _einsum_axes(equation: str) -> dict[str, Any] | None:
    """The axes of an `EinsumDense` kernel, of which each is an input's or an output's."""
    left, _, output = equation.partition("->")
    source, _, kernel = left.partition(",")
    read = [axis for axis, letter in enumerate(kernel) if letter in source]
    written = [axis for axis, letter in enumerate(kernel) if letter in output]
    if not written or set(read) & set(written) or len(read) + len(written) != len(kernel):
        return None
    return {} if (read, written) == ([0], [1]) else {"input_axes": read, "output_axes": written}


def _recurrent(layer: Any) -> list[Kernel]:
    cell = layer.cell
    unfit = _unfit(layer) or (None if cell.trainable else "frozen: not trainable")
    if unfit is None and not isinstance(cell, keras.layers.SimpleRNNCell):
        unfit = f"{type(layer).__name__} has gates, which are no odd sigmoids"
    if not isinstance(cell, keras.layers.SimpleRNNCell):
        held = selection.kernels(layer)
        return [Kernel(layer, weight.name, "", weight, unfit=unfit) for weight in held]
    return [
        _kernel(cell, "kernel", "kernel_initializer", "input", unfit=unfit),
        _kernel(cell, "recurrent_kernel", "recurrent_initializer", "recurrent", unfit=unfit),
    ]
