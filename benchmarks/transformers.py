"""Transformers without normalization: how near does a tailored Dynamic Tanh come to LayerNorm?

    KERAS_BACKEND=jax python benchmarks/transformers.py --smoke
    KERAS_BACKEND=jax python benchmarks/transformers.py --standard --results runs.jsonl
    python benchmarks/transformers.py --report runs.jsonl

Small language models on the characters of Python's own sources, and vision transformers on
CIFAR-10 and scikit-learn's digits. In the place of each normalization stand the methods of
`oddsig_benchmarks/transformers/methods.py`; all else is Keras's, and the same for all. The learning
rate is chosen on one seed, and shown on three others.

The second command takes hours on one core; `--cells` picks some of it. Runs are appended to the
file as they finish; started again, the command goes on where it stopped. It needs JAX, where the
blocks are a compiled loop. The third command writes the page, `docs/benchmarks/transformers.md`,
and its picture, and trains nothing; `--reading` is a file of text, written by hand, that the page
takes in. CIFAR-10 needs TensorFlow Datasets.
"""

from oddsig_benchmarks.transformers.command import main

if __name__ == "__main__":
    main()
