"""Layers that stand where a normalization stood: an odd sigmoid whose rate is trained.

Here belongs what is computed elementwise in place of a normalization. How the normalizations of a
model are exchanged for it is `replacing`'s.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import keras
import numpy as np
from keras import ops

from keras_oddsig import _arguments, _backend, activations

if TYPE_CHECKING:  # no name at run time: `activations` may be half imported (`_registration`)
    from keras_oddsig.activations import OddSigmoid

_PACKAGE: Final = "keras_oddsig"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class DynamicOddSigmoid(keras.layers.Layer):
    """An odd sigmoid in place of a normalization: `gamma * f(rate * x + shift) + beta`.

    A drop-in for `keras.layers.LayerNormalization` with any odd-sigmoid `f`. It squashes what is
    large as a normalization does, but each entry by itself: no mean, no variance, and nothing of
    one entry depends on another. `rate` is one trainable number for the whole layer; `gamma` and
    `beta` are LayerNormalization's, a number for each feature, under the same names and of the same
    shapes. `DynamicTanh` and `DynamicErf` are those of the papers.

    When to use it: in transformers and other residual networks, where a normalization layer stands
    before a block or behind it. `keras_oddsig.replace_normalization` puts it into a model that
    exists. The rate decides how a network begins, and `keras_oddsig.tailor(model, x)` sets it for
    what enters: by hand, `rate * x` should be of size 1/4 to 1. The 0.5 of the papers is for a
    stream of about size 1; Keras's embeddings begin one of size .03, and so the network learns
    little.

    What it costs: elementwise operations alone, which a compiler makes one pass over memory. On a
    CPU it takes half to the whole of LayerNormalization's time on JAX and TensorFlow. PyTorch has a
    kernel for that, and runs these operations one by one: three to seven times as long; compiled,
    .7 to 2.4 times (`benchmarks/dynamic.py`). It holds one weight more than
    LayerNormalization, two with `shift=True`.

    In half precision it computes in float32 and returns half precision, as LayerNormalization
    does: the gradient of the rate is a sum over all entries, and would overflow.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> layer = ko.DynamicOddSigmoid("softsign", rate=0.25)
    >>> x = keras.ops.convert_to_tensor([[-4.0, 0.0, 4.0, 12.0]])
    >>> print(keras.ops.convert_to_numpy(layer(x)))
    [[-0.5   0.    0.5   0.75]]
    >>> [weight.name for weight in layer.weights]
    ['gamma', 'beta', 'rate']

    Args:
        activation: The odd sigmoid `f`: anything that `keras_oddsig.get` takes, without a trainable
            rate of its own. The layer holds it as `activation`. For a function of your own the
            model can be saved if it is registered, as `OddSigmoid` says.
        rate: A positive number, what the weight `rate` begins with. Set on a layer that is not
            built yet, the attribute `rate` is what it will begin with; the weight itself is
            `rate_weight`.
        axis: Integer or list of integers. The axes, typically those of the features, for whose
            entries `gamma` and `beta` have a number each; the others share it. `-1` is the last.
            Of several, Keras's legacy format, a whole model as `.h5`, forgets which they were.
        center: Whether to add `beta`.
        scale: Whether to multiply by `gamma`.
        shift: Whether to add a trainable number to `rate * x` that begins with 0, as Derf does.
            Its weight is named `shift`, and held as `shift_weight`.
        beta_initializer: Initializer of `beta`.
        gamma_initializer: Initializer of `gamma`.
        beta_regularizer: Regularizer of `beta`, or None.
        gamma_regularizer: Regularizer of `gamma`, or None.
        beta_constraint: Constraint of `beta`, or None.
        gamma_constraint: Constraint of `gamma`, or None.
        **kwargs: Keyword arguments of `keras.layers.Layer`, such as `name` and `dtype`.

    Input shape and output shape: any, the same, of which `axis` must be known.

    Raises:
        NotOddSigmoidError: If a function given as `activation` is outside the class.
        TypeError: If an argument has the wrong type.
        ValueError: If `rate` is not positive and finite, `axis` names none or one twice, or
            `activation` is unknown or has a trainable rate; when the layer is built, if the input
            has no such axis, or its size is not known.

    Reference:

    - [Zhu, Chen, He, LeCun, Liu, Transformers without
      Normalization](https://arxiv.org/abs/2503.10622), 2025: Dynamic Tanh, `gamma * tanh(alpha * x)
      + beta`, in which `alpha`, here the rate, begins with 0.5.
    - [Chen, Lu, Zhu, Sun, Liu, Stronger Normalization-Free
      Transformers](https://arxiv.org/abs/2512.10938), 2025: Derf, `gamma * erf(alpha * x + s) +
      beta`, in which `s`, here the shift, begins with 0.
    """

    def __init__(
        self,
        activation: Any = "tanh",
        rate: float = 0.5,
        axis: int | list[int] | tuple[int, ...] = -1,
        center: bool = True,
        scale: bool = True,
        shift: bool = False,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        _arguments.real("rate", rate, above=0)
        axis = _checked_axis(axis)
        for name, value in {"center": center, "scale": scale, "shift": shift}.items():
            _arguments.boolean(name, value)
        # A name of its own takes no number from Keras's names of layers.
        made = activations.make(activation, "activation", name="activation")
        if made.trainable_rate:
            raise ValueError(
                "`activation` must have no trainable rate, for this layer has one. "
                f"Received: activation={activation!r} with trainable_rate=True"
            )
        super().__init__(**kwargs)
        self.autocast = False  # `call` casts, to float32 at least
        self.supports_masking = True
        self.activation: OddSigmoid = made
        self._identifier = activation
        self.rate = float(rate)
        self.axis = axis
        self.center = center
        self.scale = scale
        self.shift = shift
        self.beta_initializer = keras.initializers.get(beta_initializer)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.beta_regularizer = keras.regularizers.get(beta_regularizer)
        self.gamma_regularizer = keras.regularizers.get(gamma_regularizer)
        self.beta_constraint = keras.constraints.get(beta_constraint)
        self.gamma_constraint = keras.constraints.get(gamma_constraint)
        self.rate_weight: Any = None
        self.shift_weight: Any = None
        self.gamma: Any = None
        self.beta: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        shape = tuple(input_shape[axis] for axis in self._axes(input_shape))
        if None in shape:
            raise ValueError(
                "`axis` must name axes of the input whose sizes are known. "
                f"Received: axis={self.axis} for an input of shape {tuple(input_shape)}"
            )
        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )
        # After them: the first weights are LayerNormalization's, in its order.
        self.rate_weight = self.add_weight(
            name="rate", initializer=keras.initializers.Constant(self.rate), autocast=False
        )
        if self.shift:
            self.shift_weight = self.add_weight(name="shift", initializer="zeros", autocast=False)

    def call(self, inputs: Any) -> Any:
        half = self.compute_dtype in ("float16", "bfloat16")
        dtype = "float32" if half else self.compute_dtype
        rate, shift, gamma, beta = (
            None if weight is None else ops.cast(weight, dtype)
            for weight in (self.rate_weight, self.shift_weight, self.gamma, self.beta)
        )
        x = rows = ops.cast(inputs, dtype)
        rank, axes = len(x.shape), self._axes(x.shape)
        sizes = next((weight.shape for weight in (gamma, beta) if weight is not None), ())
        if sizes and axes == list(range(rank - len(axes), rank)):
            rows = _backend.as_rows(x, math.prod(sizes))
        if rows is not x:
            along = [math.prod(sizes)]
        else:  # broadcast over the axes that are not theirs
            remaining = iter(sizes)
            along = [next(remaining, 1) if i in axes else 1 for i in range(rank)]
        gamma, beta = (
            None if weight is None else ops.reshape(weight, along) for weight in (gamma, beta)
        )
        y = self.activation(_scaled_and_shifted(rows, rate, shift))
        y = _scaled_and_shifted(y, gamma, beta)
        if rows is not x:
            y = ops.reshape(y, ops.shape(x))
        return ops.cast(y, self.compute_dtype)

    def _axes(self, shape: Any) -> list[int]:
        """The axes of an input, counted from its first, in order."""
        if isinstance(shape, Mapping) or not hasattr(shape, "__len__"):
            raise TypeError(f"The input must be one tensor. Received: input_shape={shape!r}")
        rank = len(shape)
        named = [self.axis] if isinstance(self.axis, int) else self.axis
        axes = sorted({axis + rank if axis < 0 else axis for axis in named})
        if not set(axes) <= set(range(rank)) or len(axes) < len(named):
            raise ValueError(
                "`axis` must name different axes of the input. "
                f"Received: axis={self.axis} for an input of shape {tuple(shape)}"
            )
        return axes

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the input."""
        self._axes(input_shape)
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": (
                self._identifier
                if isinstance(self._identifier, str)
                else keras.saving.serialize_keras_object(self.activation)
            ),
            "rate": self.rate,
            "axis": self.axis,
            "center": self.center,
            "scale": self.scale,
            "shift": self.shift,
            "beta_initializer": keras.initializers.serialize(self.beta_initializer),
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
            "beta_regularizer": keras.regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": keras.regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": keras.constraints.serialize(self.beta_constraint),
            "gamma_constraint": keras.constraints.serialize(self.gamma_constraint),
        }


def _scaled_and_shifted(x: Any, scale: Any, shift: Any) -> Any:
    """`scale * x + shift`, of which either may be None."""
    if scale is None:
        return x if shift is None else ops.add(x, shift)
    if shift is None:
        return ops.multiply(x, scale)
    return _backend.scaled_and_shifted(x, scale, shift)


def _checked_axis(axis: Any) -> int | list[int]:
    """The argument `axis`: an integer, or a list of them."""
    several = list(axis) if isinstance(axis, list | tuple) else [axis]
    for each in several:
        if isinstance(each, bool) or not isinstance(each, int | np.integer):
            raise TypeError(
                "`axis` must be an integer or a list of integers. "
                f"Received: axis={_arguments.shown(axis)}"
            )
    if len(set(several)) < max(len(several), 1):
        raise ValueError(f"`axis` must name axes, each of them once. Received: axis={axis}")
    several = [int(each) for each in several]
    return several if isinstance(axis, list | tuple) else several[0]


# ----------------------------------------------------------------------------------
# Those of the papers
# ----------------------------------------------------------------------------------

_Class = TypeVar("_Class", bound=type[DynamicOddSigmoid])

# What the docstrings of both end with.
_COMMON: Final = """
    **kwargs: The other arguments of `DynamicOddSigmoid`: `center`, `scale`, the initializers,
        regularizers and constraints of `beta` and `gamma`, `name`, `dtype` and so on.

Input shape and output shape: any, the same, of which `axis` must be known.

Raises:
    TypeError, ValueError: As `DynamicOddSigmoid`.
"""


def _named(cls: _Class) -> _Class:
    """Registers a class of one function with Keras, and completes its docstring."""
    if cls.__doc__ is not None:  # it is, under `python -OO`
        own, reference = inspect.cleandoc(cls.__doc__).split("\n\nReference:")
        cls.__doc__ = f"{own}{_COMMON}\nReference:{reference}\n"
    registered: _Class = keras.saving.register_keras_serializable(package=_PACKAGE)(cls)
    return registered


@_named
class DynamicTanh(DynamicOddSigmoid):
    """Dynamic Tanh (DyT) in place of a normalization: `gamma * tanh(rate * x) + beta`.

    `DynamicOddSigmoid` of tanh, which says when to use it, and what it costs.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> block = keras.Sequential(
    ...     [keras.Input((16, 32)), ko.DynamicTanh(), keras.layers.Dense(32)], name="block"
    ... )
    >>> [tuple(weight.shape) for weight in block.layers[0].weights]  # gamma, beta, rate
    [(32,), (32,), ()]

    Args:
        rate: A positive number, what the weight `rate` begins with.
        axis: Integer or list of integers. The axes of `gamma` and `beta`.

    Reference:

    - [Zhu, Chen, He, LeCun, Liu, Transformers without
      Normalization](https://arxiv.org/abs/2503.10622), 2025.
    """

    def __init__(
        self, rate: float = 0.5, axis: int | list[int] | tuple[int, ...] = -1, **kwargs: Any
    ) -> None:
        super().__init__("tanh", rate, axis, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return _without_activation(super().get_config())


@_named
class DynamicErf(DynamicOddSigmoid):
    """Derf in place of a normalization: `gamma * erf(rate * x + shift) + beta`.

    `DynamicOddSigmoid` of the error function, which says when to use it, and what it costs.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> layer = ko.DynamicErf()
    >>> layer.build((None, 16, 32))
    >>> {weight.name: tuple(weight.shape) for weight in layer.weights}
    {'gamma': (32,), 'beta': (32,), 'rate': (), 'shift': ()}

    Args:
        rate: A positive number, what the weight `rate` begins with.
        axis: Integer or list of integers. The axes of `gamma` and `beta`.
        shift: Whether to add the trainable `shift`, which begins with 0.

    Reference:

    - [Chen, Lu, Zhu, Sun, Liu, Stronger Normalization-Free
      Transformers](https://arxiv.org/abs/2512.10938), 2025.
    """

    def __init__(
        self,
        rate: float = 0.5,
        axis: int | list[int] | tuple[int, ...] = -1,
        shift: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__("erf", rate, axis, shift=shift, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return _without_activation(super().get_config())


def _without_activation(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "activation"}
