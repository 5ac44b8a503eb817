"""Layers that make very deep networks possible: many equal ones, run as one compiled loop.

`stack` is the layer, `template` the one that it repeats, `starts` what each repeat begins with,
`unrolled` the stack as the single layers that it stands for.
"""

from keras_oddsig.layers.stack import LayerStack

__all__ = ["LayerStack"]
