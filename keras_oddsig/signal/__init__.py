"""What the signal does in a model: statistics by layer, and a verdict in words.

`signal_report` runs a model on data once and judges it; `keras_oddsig.ActivationSpread`
watches it during training. Both rest on `Measurement`, which computes the statistics on the
device, inside one compiled function, and brings one array of `layers x statistics` numbers to
the host. The model stays as it was.

**Which outputs.** Every call of a watched layer is a row, named after the layer; a second call
is `name#2`. Of an output of several tensors the first is measured. Its first axis counts the
`B` samples, everything else of one sample is its `U` units. An activation inside another
watched layer, as in `Dense(activation=Tanh())`, is that layer's. A block of layers that holds an
`activation` of its own is no row by default: each use of that activation inside it is, whether it
is a layer or a function, so that a sum behind it is not taken for its output. What a layer calls
inside a loop (the cell of an RNN, the layer in `TimeDistributed`), or inside a function that the
backend traces on its own (`keras.ops.scan`, `vectorized_map`), is not seen; by default the layer
around it is the row. A `keras_oddsig.LayerStack` is looked at as the single layers that it stands
for, `layer_stack.0`, `layer_stack.1` and so on. Of a `keras_oddsig.DynamicOddSigmoid`, or one of
its kind, the row is what its `f` returns, before `gamma` and `beta`. It stands for itself: no other
row is compared with it, nor it with another.

**Which activations.** Those of this package, Keras's and the backends' functions of the class. Any
other function is checked by the solver, once.

**Which statistics**, of the output `x` of shape `(B, U)`, in float32 or float64:

- `mean`: over samples and units.
- `std`: the spread, `sqrt(mean((x - mean(x))**2))`.
- `rms`: `sqrt(mean(x**2))`.
- `min`, `max`: the least and the greatest `x`.
- `saturated`: fraction of `abs(x) > 0.97 sup abs(f)`; NaN unless `f` is odd-sigmoid.
- `dead`: fraction of `abs(x) < 0.001 rms_1`, `rms_1` being the `rms` of the first row that is not
  of a `DynamicOddSigmoid`; NaN of such a one.
- `negative_rate`: fraction of values whose sign differs from that of the same unit and sample
  in that first row; NaN where the shapes differ, and of a `DynamicOddSigmoid`. A rotation moves the
  signal between units: with one the rate is 1/2 from the next row on, and says nothing.
- `cosine`: mean of `abs(x_i . x_j) / (norm(x_i) norm(x_j))` over pairs of samples that are not
  0; NaN without a pair. 1 when all samples have become one direction.
- `effective_rank`: the participation ratio `(tr G)**2 / tr(G**2)`, `G = z z^T`, `z` being `x`
  less its mean over the samples: in how many directions the samples differ. 1 when they all
  lie on a line, NaN when they do not differ by more than rounding.
- `spread_min`, `spread_q25`, `spread_median`, `spread_q75`, `spread_max`: quantiles over the
  samples of a sample's own spread, the standard deviation over its units.
- `preactivation_rms`, in a model with a `DynamicOddSigmoid`: of what enters its `f`, the rate times
  what enters the layer, plus the shift, the root mean square; NaN of other rows. `tailor`
  begins with 1/4: where it is small `f` is linear, where it is large it saturates.
- `kernel_gradient`, with a loss: norm of its gradient with respect to the kernels (all floating
  weights of rank 2 or more) of the layer, or of the one whose output it activates; NaN without
  one, as in a quantized layer.
- `activation_gradient`, with a loss: `sqrt(B) norm(dloss/dx)`. Of a loss that is a mean over
  samples it is the root mean square of the norms of their own gradients.

- `first_derivative`, `second_derivative`, of a model of one to four inputs, or on request: root
  mean squares of `dx/du` and `d2x/du2` over the inputs `u`, the units, and the first 64 samples;
  by differences of fourth order, in steps of a twentieth of an input's standard deviation.

`cosine` and `effective_rank` see the first 64 samples of a batch. Over several batches `mean`,
`std`, `rms`, `preactivation_rms`, the extremes and the fractions are those of all their samples;
gradients are combined as root mean squares, the rest as means, by the number of samples.

Reference for the participation ratio: Gao et al., [A theory of multineuronal dimensionality,
dynamics and measurement](https://doi.org/10.1101/214262), 2017.
"""

from keras_oddsig.signal.report import LayerSignal, SignalReport, signal_report

__all__ = ["LayerSignal", "SignalReport", "signal_report"]
