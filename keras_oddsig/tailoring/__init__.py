"""One call that initializes a model which exists: for its shape, and for its data.

`kernels` knows what a layer holds, `trace` which call reads which, `graph` what stands where,
`streams` what transformers begin with, `inputs` what data are like, `plan` the rules for kernels,
`rates` those for layers in place of normalizations, `expectation` what should come of them, and
`remarks` what may keep it from coming;
`application` puts them into the model, `calibration` runs it, `report` says what was done, and
`fitting` is the door.
"""

from keras_oddsig.tailoring.fitting import tailor
from keras_oddsig.tailoring.kernels import register_layer as register_layer
from keras_oddsig.tailoring.report import TailoredKernel, TailoredRate, TailorReport

# `register_layer` is named with the module: by itself it would not say for what.
__all__ = ["TailorReport", "TailoredKernel", "TailoredRate", "tailor"]
