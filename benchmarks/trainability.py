"""Which initialization trains a deep network of odd, saturating activations?

    KERAS_BACKEND=jax python benchmarks/trainability.py --smoke
    KERAS_BACKEND=jax python benchmarks/trainability.py --standard --results standard.jsonl
    python benchmarks/trainability_report.py standard.jsonl

For whoever doubts its page: two minutes with `--smoke`, hours with a grid. Every method
(`oddsig_benchmarks/trainability/methods.py`) gets the same task (`tasks.py` there), network,
optimizer, batches, steps, learning rates and seeds. A run appends one line to the results file as
it finishes; started again, the script goes on where it stopped. `--estimate` times the first steps
of each kind of network and says how long the grid would take.

On JAX, all seeds and learning rates of a method are one compiled function; TensorFlow, PyTorch
and `--plain` train one Keras model at a time, with `train_on_batch`. The same seed gives the
same numbers on the same backend.
"""

from oddsig_benchmarks.trainability.command import main

if __name__ == "__main__":
    main()
