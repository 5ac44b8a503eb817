"""`tailor` on eleven models as others write them: does it help, and does it ever harm?

    KERAS_BACKEND=jax python benchmarks/tailor_gallery.py --smoke
    KERAS_BACKEND=jax python benchmarks/tailor_gallery.py --results gallery.jsonl
    python benchmarks/tailor_gallery.py --report gallery.jsonl

A physics-informed network, convolutions, a recurrent network, a DeepONet, an autoencoder and
others (`benchmarks/oddsig_benchmarks/gallery/models.py`) are built without a word about
initialization and trained twice: as Keras makes them, and after `ko.tailor(model, x)`; where the
guide has a recipe that the benchmarks have tried, a third time with that. Each model is trained at
three learning rates with three seeds; a table says what came of it at the best of the rates.

The second command takes about half an hour on one core. A model's runs are appended to the file as
they finish; started again, the command goes on where it stopped. It needs JAX, where all runs of a
model are one compiled function; MNIST and CIFAR-10 come from TensorFlow Datasets (extra
`datasets`), and the models for them are left out where they are not found. The third command
writes the page, `docs/benchmarks/tailor-gallery.md`, and trains nothing.
"""

from oddsig_benchmarks.gallery.command import main

if __name__ == "__main__":
    main()
