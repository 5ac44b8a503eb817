"""What to do about a verdict: one line of advice.

What is wrong, and from which numbers on, is `verdicts`' matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import keras

from keras_oddsig import activations
from keras_oddsig._lookup import RELU_LIKE
from keras_oddsig.signal import selection
from keras_oddsig.signal.derivatives import FEW
from keras_oddsig.signal.measurement import Measured
from keras_oddsig.signal.predictions import initializer_of
from keras_oddsig.signal.recording import Call
from keras_oddsig.signal.verdicts import (
    HEALTHY,
    ONE_DIRECTION,
    ROUGH,
    SMALL,
    argument,
    in_chain,
    offset,
    roughness,
)

# Data of at least twice a standard deviation of 1 are called unscaled.
UNSCALED: Final = 2.0

# A new start, as the advice writes it: of a floor above, and run by nobody here.
TAILOR: Final = "ko.tailor(model, x)"
_BY_ITSELF: Final = "which treats a function of few inputs by itself"
_BY_WHAT_ENTERS: Final = "which sets the rate and gamma of each such layer by what enters it"


def advice_on(measured: Measured, verdict: str, start: int, normalizes: bool = False) -> str:
    """One line on what to do; the model may have layers that normalize."""
    smooth = _advice_on_derivatives(measured)
    if verdict == HEALTHY:
        return f"Nothing to do, unless d{smooth[1:]}" if smooth else "Nothing to do."
    if verdict == "rough":
        return smooth
    call = measured.calls[start]
    odd = [each for each in measured.calls if in_chain(each)]
    if verdict == "not finite":
        return (
            f"Look at what enters {call.name}: its input, its weights, and the learning rate "
            "that made them."
        )
    if call.dynamic and verdict in ("collapsing", "saturating"):
        return _advice_on_dynamic(measured, verdict, start)
    if not odd and any(each.dynamic for each in measured.calls):
        return f"Initialize with {TAILOR}, {_BY_WHAT_ENTERS}."
    if not odd:
        names = sorted({each.activation_name for each in measured.calls if each.activation_name})
        hint = ""
        if RELU_LIKE.intersection(names):
            hint = ' Keras\'s kernel_initializer="he_normal" is made for relu, and serves its like.'
        return (
            f"None of these activations ({', '.join(names)}) is odd-sigmoid: the initializers of "
            f"this package are not for them.{hint}"
        )
    depth = len(odd)
    kernel = f"{_shown(call if in_chain(call) else odd[0])}, depth={depth}"
    if call is measured.calls[0] or (call is odd[0] and not measured.calls[0].dynamic):
        about_data = _advice_on_data(measured, verdict, kernel)
        if about_data:
            return about_data
    one = _one_unit(measured, start)
    if one is not None and verdict in ("collapsing", "forgetting"):
        return (
            f"{one.name} has one unit: all that comes behind is a function of this number, "
            "whatever the kernels. Give it more, unless that is meant."
        )
    narrow = _bottleneck(measured)
    made = [each for each in map(initializer_of, measured.calls) if each is not None]
    untold = narrow is not None and all(getattr(m, "bottleneck", None) is None for m in made)
    if 2 * len(made) > depth and not (untold and verdict in ("collapsing", "forgetting")):
        return (
            "The kernels were made for this activation: compare `depth` with the "
            f"{depth} layers here, and the scale of the input (rms "
            f"{measured.source.rms:.2g}) with 1; after training, lower the learning rate."
        )
    told = f"{kernel}, bottleneck={narrow}" if narrow is not None else kernel
    first = ""
    if 0 < measured.source.rms < math.inf:
        first = f", the first with {_first_layer(measured, kernel)}"
    by_hand = f"the kernels with OddSigmoidOrthogonal({told}){first}."
    if "second_derivative" in measured.table:
        by_hand += f" If derivatives enter the loss, with {_of_few_inputs(odd)}."
    if _is_left_alone(call) or (normalizes and call.producer is None):
        return f"Initialize {by_hand}"
    if _reads_few(odd[0]):
        return f"Initialize with {TAILOR}, {_BY_ITSELF}; or by hand {by_hand}"
    if any(isinstance(each.producer, keras.layers.RNN) or not each.follows for each in odd):
        # No single depth is right for all of these kernels.
        return f"Initialize with {TAILOR}, which makes each kernel for its place."
    return f"Initialize with {TAILOR}; or by hand {by_hand}"


def _advice_on_dynamic(measured: Measured, verdict: str, start: int) -> str:
    """What to do about a `DynamicOddSigmoid` whose rate does not fit what enters it."""
    call, size = measured.calls[start], argument(measured, start)
    fault = "small that it passes on next to nothing"
    if verdict == "saturating":
        fault = "large that most of it is saturated, and learns next to nothing"
    rate = float(keras.ops.convert_to_numpy(call.layer.rate_weight))
    cures = [f"with {TAILOR}, {_BY_WHAT_ENTERS}"] if call.layer.trainable else []
    if 0 < measured.table["preactivation_rms"][start] < SMALL * rate:
        # Not by a larger rate: the stream grows within a few steps, and leaves it saturated.
        cures.append("by hand so that embeddings or data have a root mean square of 1")
    elif 0 < size < math.inf:
        cures.append(f"by hand with rate={rate / size:.2g} there")
    cure = f" Initialize {'; or '.join(cures)}." if cures else ""
    return (
        f"The root mean square of what enters {call.name}, times its rate, is {size:.2g}, so "
        f"{fault}.{cure}"
    )


def _is_left_alone(call: Call) -> bool:
    """Whether `tailor` would leave the kernel of a row as it is: a frozen one, or that of gates."""
    layer = selection.unwrapped(call.producer)
    gates = keras.layers.LSTM | keras.layers.GRU | keras.layers.LSTMCell | keras.layers.GRUCell
    return isinstance(layer, gates) or not getattr(layer, "trainable", True)


def _reads_few(call: Call) -> bool:
    """Whether a row's kernel is the first of a function of few inputs, made for derivatives."""
    layer = selection.unwrapped(call.producer)
    shape = tuple(getattr(getattr(layer, "kernel", None), "shape", ()))
    return len(shape) == 2 and shape[0] <= FEW and shape[0] < shape[1]


def _advice_on_derivatives(measured: Measured) -> str:
    """What to do if derivatives enter the loss; nothing where the network is smooth enough."""
    odd = [call for call in measured.calls if in_chain(call)]
    # Of the last row that is judged; one of another activation may follow.
    rough = roughness(measured)[[in_chain(call) for call in measured.calls]]
    if not odd or rough[-1] <= ROUGH:
        return ""
    size = rough[-1] / (3 * measured.source.spread**2)
    cure = _of_few_inputs(odd)
    if _reads_few(odd[0]):
        cure = f"{TAILOR}, {_BY_ITSELF}; or by hand with {cure}"
    return (
        "Derivatives enter the loss, as in a physics-informed network: a second derivative "
        f"of {size:.2g} is too rough a start. Initialize with {cure}."
    )


def _of_few_inputs(odd: Sequence[Call]) -> str:
    kernel = f"{_shown(odd[0])}, depth={len(odd)}"
    return f"OddSigmoidOrthogonal({kernel}, input_dim=m), m the number of inputs, in every layer"


def _advice_on_data(measured: Measured, verdict: str, kernel: str) -> str | None:
    """What to do about data that the first layer cannot take, if that is what is wrong."""
    source = measured.source
    standardize = (
        "scale each feature to mean 0 and standard deviation 1 (keras.layers.Normalization)"
    )
    if verdict in ("saturating", "forgetting") and offset(measured):
        cure = standardize
        first = measured.calls[0].producer
        if selection.bias_of(selection.unwrapped(first)) is not None:
            cure = f"initialize with {TAILOR}, which takes it away by a bias; or {standardize}"
        return (
            f"The mean of the data (rms {source.rms:.2g}) dwarfs what differs between samples "
            f"(standard deviation {source.spread:.2g}): {cure}."
        )
    if verdict == "saturating" and source.rms > UNSCALED:
        return (
            f"Initialize with {TAILOR}, which reads each feature by its scale; or {standardize}. "
            f"The data (rms {source.rms:.2g}) saturate the first layer, which then learns next to "
            f"nothing. If all features are of one scale, by hand with "
            f"{_first_layer(measured, kernel)}."
        )
    return None


def _first_layer(measured: Measured, kernel: str) -> str:
    return f"OddSigmoidOrthogonal({kernel}, input_std={measured.source.rms:.2g})"


def _shown(call: Call) -> str:
    """The activation as an argument of an initializer."""
    activation = call.activation
    plain = activation is not None and activation.amplitude == activation.rate == 1
    known = plain and call.activation_name in activations.CLASSES
    return f'"{call.activation_name}"' if known else "the activation"


def _bottleneck(measured: Measured) -> int | None:
    """The width of the narrowest dense layer that lies between wider ones, if one does."""
    if not all(isinstance(call.producer, keras.layers.Dense) for call in measured.calls):
        return None
    widths = [call.producer.units for call in measured.calls]
    between = [
        width
        for row, width in enumerate(widths)
        if width < max(widths[:row], default=0) and width < max(widths[row + 1 :], default=0)
    ]
    return min(between, default=None)


def _one_unit(measured: Measured, start: int) -> Call | None:
    """The row of a single unit behind which a fault starts, if all passes through it."""
    if not measured.table["effective_rank"][start] < ONE_DIRECTION:
        return None
    before = [c for c in measured.calls[: start + 1] if math.prod(c.shape[1:]) == 1]
    return before[-1] if before else None
