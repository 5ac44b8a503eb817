"""The kernels that a layer holds: where each is, and how its axes are read.

Here belongs what is known of a layer by itself. Where it stands in a model is `graph`'s.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import keras

from keras_oddsig import _arguments, _axes
from keras_oddsig.layers.dynamic import DynamicOddSigmoid
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
            its companion; `"table"`, an embedding's; `"unknown"`, the only weight of a layer which
            does not say how it begins.
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


@dataclass(frozen=True)
class _Entry:
    """What a user has said of a layer class of their own."""

    kernel: str
    initializer: str
    activation: str
    axes: dict[str, Any]


_registered: Final[weakref.WeakKeyDictionary[type, _Entry]] = weakref.WeakKeyDictionary()


def register_layer(
    cls: type,
    *,
    kernel: str = "kernel",
    initializer: str = "kernel_initializer",
    activation: str = "activation",
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
    gates: int = 1,
) -> None:
    """Tells `tailor` where a layer class of your own has its kernel and its activation.

    A layer that has one kernel under the names of Keras's own, inputs before outputs, need not be
    told of. Subclasses of the class are read alike; a second call replaces the first.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> class Linear(keras.layers.Layer):
    ...     def build(self, shape):
    ...         self.start = keras.initializers.get("glorot_uniform")
    ...         self.w = self.add_weight(shape=(8, shape[-1]), initializer=self.start)
    ...     def call(self, x):
    ...         return keras.ops.tanh(x @ keras.ops.transpose(self.w))
    ...     nonlinearity = staticmethod(keras.ops.tanh)
    >>> ko.tailoring.register_layer(
    ...     Linear, kernel="w", initializer="start", activation="nonlinearity",
    ...     input_axes=[1], output_axes=[0])
    >>> model = keras.Sequential([keras.Input((16,)), Linear(), Linear()])
    >>> ko.tailor(model)
    <TailorReport: 2 of 2 kernels>

    Args:
        cls: A class of layers.
        kernel: The attribute that holds the weight.
        initializer: The attribute in which its initializer is kept, of a built layer too.
        activation: The attribute that holds the activation which the layer applies last; the layer
            may lack it, where another layer follows that has one.
        input_axes: The axes of the kernel that hold its inputs, as for the initializers.
        output_axes: The axes of the kernel that hold its outputs.
        gates: How many kernels lie side by side in the outputs.

    Raises:
        TypeError: If `cls` is no class of layers, or another argument has the wrong type.
        ValueError: If only one of `input_axes` and `output_axes` is given, or `gates` is below 1.
    """
    if not (isinstance(cls, type) and issubclass(cls, keras.Layer)):
        raise TypeError(f"`cls` must be a class of layers. Received: cls={cls!r}")
    names = {"kernel": kernel, "initializer": initializer, "activation": activation}
    for argument, name in names.items():
        if not isinstance(name, str):
            raise TypeError(
                f"`{argument}` must be the name of an attribute. Received: {argument}={name!r}"
            )
    _arguments.integer("gates", gates, at_least=1)
    axes: dict[str, Any] = {"gates": gates} if gates > 1 else {}
    inputs, outputs = _axes.pair(input_axes, output_axes)
    if inputs is not None:
        axes |= {"input_axes": inputs, "output_axes": outputs}
    _registered[cls] = _Entry(kernel, initializer, activation, axes)


def activation_in(layer: Any) -> Any:
    """The activation that a layer holds."""
    return getattr(layer, activation_attribute(layer), None)


def activation_attribute(layer: Any) -> str:
    """Under which name a layer holds its activation: that which it was registered with, if any."""
    entry = _entry(layer)
    return "activation" if entry is None else entry.activation


def _entry(layer: Any) -> _Entry | None:
    return next((_registered[c] for c in type(layer).__mro__ if c in _registered), None)


_DEPTHWISE: Final = {"input_axes": [], "output_axes": [-2, -1]}
_TRANSPOSED: Final = {"input_axes": [-1], "output_axes": [-2]}


def kernels_of(layer: Any) -> list[Kernel]:
    """The kernels that a layer holds itself, those of a recurrent layer's cell among them."""
    if isinstance(layer, keras.layers.RNN):
        return _recurrent(layer)
    held = own_kernels(layer)
    if not held or isinstance(layer, DynamicOddSigmoid):
        return []
    reason = _unfit(layer)
    entry = _entry(layer)
    if entry is not None and reason is None:
        return [_kernel(layer, entry.kernel, entry.initializer, axes=entry.axes)]
    if isinstance(layer, keras.layers.Embedding) and reason is None:
        # A table, which is made anew only where a stream begins with it.
        name, reason = "embeddings", "an embedding, which multiplies nothing"
        return [Kernel(layer, name, f"{name}_initializer", held[0], "table", unfit=reason)]
    if isinstance(layer, _SEPARABLE) and reason is None:
        return [
            _kernel(layer, "depthwise_kernel", "depthwise_initializer", "depthwise", _DEPTHWISE),
            _kernel(layer, "pointwise_kernel", "pointwise_initializer"),
        ]
    if isinstance(layer, _DEPTHWISE_CONVOLUTIONS) and reason is None:
        return [_kernel(layer, "kernel", "depthwise_initializer", axes=_DEPTHWISE)]
    if reason is None and _is_plain(layer, held):
        axes = _axes_of(layer)
        if axes is not None:
            return [_kernel(layer, "kernel", "kernel_initializer", axes=axes)]
        reason = "its equation has an axis of the kernel in inputs and outputs at once"
    if reason is None:
        reason = f"{type(layer).__name__} does not say which initializer its kernel has"
        if len(held) == 1 and held[0].trainable:
            return [Kernel(layer, held[0].name, _only(layer), held[0], "unknown", unfit=reason)]
    return [Kernel(layer, weight.name, "", weight, unfit=reason) for weight in held]


def _only(layer: Any) -> str:
    """The attribute in which a layer keeps an initializer, if it keeps one; or else ""."""
    kept = [k for k, v in vars(layer).items() if isinstance(v, keras.initializers.Initializer)]
    return kept[0] if len(kept) == 1 else ""


# Each makes several layers with one initializer, which is all that its config holds of theirs.
_ATTENTION: Final = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)


def unsaved(layers: Sequence[Any]) -> dict[int, str]:
    """The layers whose own initializers a saved model does not name, with the reason."""
    return {
        id(part): f"a saved {type(layer).__name__} names one initializer for all its kernels: "
        "the values are saved, this initializer is not"
        for layer in layers
        if isinstance(layer, _ATTENTION)
        for part in layer._flatten_layers(include_self=False)
    }


def own_kernels(layer: Any) -> list[Any]:
    """Weights of rank 2 or more that no layer inside holds, without a bias."""
    bias = getattr(layer, "bias", None)  # which `EinsumDense` may have of any rank
    return [weight for weight in selection.own_kernels(layer) if weight is not bias]


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


# Of digits row by row, rotations in the candidate gate or in all (`gates=`) are within the seeds'
# spread of Keras's default, accuracy .97 to .98; pixel by pixel LSTM, too (.81 to .83), and GRU is
# ahead by .03 to .05, a spread of its own seeds; adding over 100 steps, GRU is as good, and LSTM
# at chance but for one seed of three (`benchmarks/recurrent_gates.py`).
_GATED: Final = "its gates are no odd sigmoids; rotations in them are not reliably better"


def _recurrent(layer: Any) -> list[Kernel]:
    cell = layer.cell
    unfit = _unfit(layer) or (None if cell.trainable else "frozen: not trainable")
    if unfit is None and not isinstance(cell, keras.layers.SimpleRNNCell):
        gated = isinstance(cell, keras.layers.LSTMCell | keras.layers.GRUCell)
        name = type(layer).__name__
        unfit = f"{name}: {_GATED}" if gated else f"{name} of {type(cell).__name__}: not known"
    if not isinstance(cell, keras.layers.SimpleRNNCell):
        held = [weight for weight in selection.kernels(layer) if "bias" not in weight.name]
        return [Kernel(layer, weight.name, "", weight, unfit=unfit) for weight in held]
    return [
        _kernel(cell, "kernel", "kernel_initializer", "input", unfit=unfit),
        _kernel(cell, "recurrent_kernel", "recurrent_initializer", "recurrent", unfit=unfit),
    ]
