"""Whose kernels let a recurrent network learn long sequences?

    KERAS_BACKEND=jax python benchmarks/sequences.py --smoke
    KERAS_BACKEND=jax python benchmarks/sequences.py --standard --results runs.jsonl
    python benchmarks/sequences.py --report runs.jsonl

Digits, pixel by pixel in one random order, in 64 steps or, each row and column twice, in 256; and
a few symbols to repeat after 100 blank steps. `SimpleRNN` and `LSTM`, with the initializers of
`oddsig_benchmarks/sequences/methods.py` in their two kernels; all else is Keras's. Every method has
the same budget, the same batches and the same learning rates, of which a validation set chooses.

The second command takes about half an hour on one core. Runs are appended to the file as they
finish; started again, the command goes on where it stopped. It needs JAX, where the runs of a cell
are one compiled function. The third command writes the page, `docs/benchmarks/sequences.md`, and
trains nothing; `--reading` is a file of text, written by hand, that the page takes in. `--standard
--states` prints how the state differs between samples before training.
"""

from oddsig_benchmarks.sequences.command import main

if __name__ == "__main__":
    main()
