"""Layers of networks without normalization: many equal ones as one, and an odd sigmoid instead.

`stack` is the layer that stands for many, `template` the one that it repeats, `starts` what each
repeat begins with, `unrolled` the stack as the single layers that it stands for. `dynamic` are the
layers that stand where a normalization stood, and `replacing` puts them there.
"""

from keras_oddsig.layers.dynamic import DynamicErf, DynamicOddSigmoid, DynamicTanh
from keras_oddsig.layers.replacing import replace_normalization
from keras_oddsig.layers.stack import LayerStack

__all__ = [
    "DynamicErf",
    "DynamicOddSigmoid",
    "DynamicTanh",
    "LayerStack",
    "replace_normalization",
]
