"""The classification tables of the ICLR 2025 paper: their networks, their protocol, and ours.

    KERAS_BACKEND=jax python benchmarks/paper_tables.py --smoke
    KERAS_BACKEND=jax python benchmarks/paper_tables.py --budget 3600 --results paper.jsonl
    python benchmarks/paper_tables.py --report paper.jsonl

Plain tanh networks on MNIST and CIFAR-10: 20 hidden layers of 2 to 512 units, 3 to 100 of 64 units,
and MNIST with 10 to 100 samples. Adam at 1e-4 without decay, batches of 64, pixels over 255, 15% of
the training set for validation. All methods and seeds of a cell are one compiled function, called
once for each epoch; it needs JAX, and is meant for a GPU. The data come from TensorFlow Datasets
(extra `datasets`).

Cells that say most come first. With `--budget`, a cell that would not be done in time is
shortened, and left out if less than a quarter of its epochs would fit; its rows say how many they
had. Rows are appended as a cell finishes; started again, the command goes on where it stopped. The
last command writes the page, `docs/benchmarks/paper.md`, and trains nothing.
"""

from oddsig_benchmarks.paper.command import main

if __name__ == "__main__":
    main()
