"""Batches of whatever `fit` takes, as arrays on the host and as tensors on the device."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

import keras
import numpy as np
from keras import ops

BATCH: Final = 256


def batches(data: Any, count: int | None = None, size: int = BATCH) -> Iterator[tuple[Any, Any]]:
    """The first `count` batches `(x, y)` of anything that `fit` takes; all of them by default.

    Arrays (and lists and dicts of them, for models of several inputs) are cut into batches
    of `size`. A tuple is `(x, y)` or `(x, y, sample_weight)`, the last of which is left out.
    """
    if isinstance(data, keras.utils.PyDataset):
        total = data.num_batches
        indices = itertools.count() if total is None else range(total)
        found: Iterator[Any] = (data[i] for i in indices)
    elif _is_arrays(data):
        leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
        samples = {int(leaf.shape[0]) for leaf in leaves}
        if len(samples) != 1 or samples == {0}:
            raise ValueError(
                "`data` must hold arrays of one number of samples, at least 1. "
                f"Received: arrays of {sorted(samples)} samples"
            )
        found = (_slice(data, i, i + size) for i in range(0, samples.pop(), size))
    else:
        found = iter(data)
    none = True
    for batch in itertools.islice(found, count):
        none = False
        if isinstance(batch, list) and not _is_arrays(data):
            batch = tuple(batch)  # a `DataLoader` collates pairs to lists
        x, y, *_ = (*batch, None) if isinstance(batch, tuple) else (batch, None)
        yield keras.tree.map_structure(_to_host, x), keras.tree.map_structure(_to_host, y)
    if none:
        raise ValueError(f"`data` must hold a batch. Received: data={data!r}, which is empty")


def _slice(data: Any, start: int, stop: int) -> Any:
    return keras.tree.map_structure(lambda a: None if a is None else a[start:stop], data)


def _is_arrays(data: Any) -> bool:
    """Whether `data` is an array or a structure of arrays, and not a series of batches."""
    if isinstance(data, tuple | list | dict):
        leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
        return bool(leaves) and all(_is_array(leaf) for leaf in leaves)
    return _is_array(data)


def _is_array(data: Any) -> bool:
    return hasattr(data, "shape") and hasattr(data, "__getitem__") and len(data.shape) > 0


def check_data(name: str, data: Any) -> None:
    """Raises TypeError unless `data` is something that `batches` takes."""
    if isinstance(data, str | bytes) or not (
        isinstance(data, keras.utils.PyDataset)
        or _is_arrays(data)
        or (hasattr(data, "__iter__") and not isinstance(data, tuple | list | dict))
    ):
        raise TypeError(
            f"`{name}` must be an array, a structure of arrays, a tuple (x, y), a "
            "`tf.data.Dataset`, a PyTorch `DataLoader` or a `keras.utils.PyDataset`. "
            f"Received: {name}={data!r}"
        )


def _to_host(tensor: Any) -> Any:
    """A tensor of any framework as an array, one of the backend's own as it is."""
    if tensor is None or ops.is_tensor(tensor):
        return tensor
    return np.asarray(tensor.detach().cpu() if hasattr(tensor, "detach") else tensor)


def to_device(data: Any) -> Any:
    """Arrays as tensors, floating ones in Keras's default dtype, as `fit` takes them."""

    def convert(array: Any) -> Any:
        if array is None or ops.is_tensor(array):
            return array
        array = np.asarray(array)
        floating = np.issubdtype(array.dtype, np.floating)
        return ops.convert_to_tensor(array, dtype=keras.config.floatx() if floating else None)

    return keras.tree.map_structure(convert, data)
