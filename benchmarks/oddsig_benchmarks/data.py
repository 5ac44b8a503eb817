"""Data sets as arrays: standardized, float32, a fifth held out or the set's own test part.

What a network has to learn of them is a benchmark's task. The quickstart loads digits and
MNIST in the same way, and for itself: it is one file to copy, and no figure may change with it.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np


class MissingDataError(Exception):
    """A data set is not on this machine."""


class Data(NamedTuple):
    """Inputs as rows, classes as integers."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def digits() -> Data:
    """scikit-learn's handwritten digits: 1,797 images of 8 x 8."""
    from sklearn.datasets import load_digits

    return standardized(*_held_out(*load_digits(return_X_y=True)))


def breast_cancer() -> Data:
    """The largest table that scikit-learn bundles for classification, each column standardized.

    569 rows of 30 measurements, two classes.
    """
    from sklearn.datasets import load_breast_cancer

    x_train, y_train, x_test, y_test = _held_out(*load_breast_cancer(return_X_y=True))
    mean, std = x_train.mean(axis=0), x_train.std(axis=0)
    # Once more as a whole, as it was when the committed results were made.
    return standardized((x_train - mean) / std, y_train, (x_test - mean) / std, y_test)


def mnist() -> Data:
    """From TensorFlow Datasets, which looks in `TFDS_DATA_DIR` first."""
    train, test = _from_tfds("mnist", ["train", "test"])
    return standardized(
        *(train["image"].reshape(-1, 784), train["label"]),
        *(test["image"].reshape(-1, 784), test["label"]),
    )


def cifar10(train: int, test: int) -> Data:
    """The first images of each part, `(32, 32, 3)`; from TensorFlow Datasets, too."""
    first, held_out = _from_tfds("cifar10", [f"train[:{train}]", f"test[:{test}]"])
    return standardized(first["image"], first["label"], held_out["image"], held_out["label"])


def images(name: str, train: int, test: int) -> Data:
    """The first images of each part, as rows of pixels from 0 to 255; from TensorFlow Datasets."""
    first, held_out = _from_tfds(name, [f"train[:{train}]", f"test[:{test}]"])
    x_train, x_test = (p["image"].reshape(len(p["image"]), -1) for p in (first, held_out))
    return Data(x_train, first["label"].astype("int32"), x_test, held_out["label"].astype("int32"))


def as_they_come(x: Any, y: Any) -> Data:
    """A table with nothing done to it."""
    x_train, y_train, x_test, y_test = _held_out(x, y)
    return Data(x_train, y_train.astype("int32"), x_test, y_test.astype("int32"))


def _from_tfds(name: str, splits: list[str]) -> Any:
    """Parts of a data set, as arrays. Raises `MissingDataError`."""
    try:
        import tensorflow  # noqa: F401  reads the files, and is not installed with it
        import tensorflow_datasets
    except ImportError as error:
        needed = 'pip install "keras-oddsig[datasets,tensorflow]"'
        raise MissingDataError(
            f"it needs TensorFlow Datasets and TensorFlow: {needed} ({error})"
        ) from error
    try:
        parts = tensorflow_datasets.load(name, split=splits, batch_size=-1)
    except Exception as error:
        where = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
        raise MissingDataError(
            f"it is not in {where} (TFDS_DATA_DIR) and could not be downloaded: {error}"
        ) from error
    return tensorflow_datasets.as_numpy(parts)


def standardized(
    x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
) -> Data:
    """Inputs shifted and scaled, as a whole, by the training set's mean and deviation."""
    mean, std = x_train.mean(), x_train.std()
    x_train, x_test = (((x - mean) / std).astype("float32") for x in (x_train, x_test))
    return Data(x_train, y_train.astype("int32"), x_test, y_test.astype("int32"))


def _held_out(x: Any, y: Any) -> tuple[np.ndarray, ...]:
    """A fifth of the rows as a test set, with the same share of each class."""
    from sklearn.model_selection import train_test_split

    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.2, stratify=y, random_state=0
    )
    return x_train, y_train, x_test, y_test
