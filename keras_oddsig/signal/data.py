"""Batches of whatever `fit` takes, as arrays on the host and as tensors on the device."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any, Final

import keras
import numpy as np
from keras import ops

from keras_oddsig import _arguments, _backend

BATCH: Final = 256


def batches(
    data: Any, count: int | None = None, size: int | None = None, name: str = "data"
) -> Iterator[tuple[Any, Any]]:
    """The first `count` batches `(x, y)` of anything that `fit` takes; all of them by default.

    Arrays (and lists and dicts of them, for models of several inputs) are cut into batches
    of `size`, of which a last one that is smaller is left out, or by default of `BATCH`. A tuple
    is `(x, y)` or `(x, y, sample_weight)`, the last of which is left out. `name` is that of the
    argument, for errors.
    """
    if isinstance(data, keras.utils.PyDataset):
        total = data.num_batches
        indices = itertools.count() if total is None else range(total)
        found: Iterator[Any] = (data[i] for i in indices)
    elif _is_arrays(data):
        leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
        data = keras.tree.map_structure(_rows_of_sparse, data)
        samples = {int(leaf.shape[0]) for leaf in leaves}
        if len(samples) != 1 or samples == {0}:
            raise ValueError(
                f"`{name}` must hold arrays of one number of samples, at least 1. "
                f"Received: arrays of {sorted(samples)} samples"
            )
        stop = samples.pop()
        if size is not None and stop > size:
            stop -= stop % size
        step = size or BATCH
        found = (_slice(data, i, min(i + step, stop)) for i in range(0, stop, step))
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
        raise ValueError(
            f"`{name}` must hold a batch. Received: {name}={_arguments.shown(data)}, which is empty"
        )


def thinned(data: Any, size: int) -> Any:
    """Arrays with at most about `size` samples, evenly spaced: sorted ones begin with one class."""
    if not _is_arrays(data):
        return data
    leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
    step = min(int(leaf.shape[0]) for leaf in leaves) // size
    if step < 2:
        return data
    data = keras.tree.map_structure(_rows_of_sparse, data)
    return keras.tree.map_structure(lambda a: None if a is None else a[::step], data)


def _slice(data: Any, start: int, stop: int) -> Any:
    return keras.tree.map_structure(lambda a: None if a is None else a[start:stop], data)


def _rows_of_sparse(data: Any) -> Any:
    """A sparse array in a form that is cut by rows."""
    return data.tocsr() if _is_sparse(data) else data


def _is_sparse(data: Any) -> bool:
    """Whether an array is SciPy's: only who has imported `scipy.sparse` has such a one."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(data))


def _is_arrays(data: Any) -> bool:
    """Whether `data` is an array or a structure of arrays, and not a series of batches."""
    if isinstance(data, tuple | list | dict):
        leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
        return bool(leaves) and all(_is_array(leaf) for leaf in leaves)
    return _is_array(data)


def _is_array(data: Any) -> bool:
    return _is_sparse(data) or (
        hasattr(data, "shape") and hasattr(data, "__getitem__") and len(data.shape) > 0
    )


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
            f"Received: {name}={_arguments.shown(data)}"
        )


def _to_host(tensor: Any) -> Any:
    """A tensor of any framework as an array, one of the backend's own as it is."""
    if tensor is None or ops.is_tensor(tensor):
        return tensor
    if _is_sparse(tensor):
        return tensor.toarray()
    return np.asarray(tensor.detach().cpu() if hasattr(tensor, "detach") else tensor)


def to_device(data: Any, name: str = "x") -> Any:
    """Arrays as tensors, floating ones in Keras's default dtype, as `fit` takes them."""

    def convert(array: Any) -> Any:
        if array is None or ops.is_tensor(array):
            return array
        array = np.asarray(array)
        if array.dtype.kind == "O" and _are_numbers(array):
            raise TypeError(
                f'`{name}` must hold numbers of one dtype: try `.astype("float32")`. '
                "Received: an array of dtype object"
            )
        if array.dtype.kind in "OSU" and not _backend.knows_strings():
            raise TypeError(
                f"`{name}` must hold numbers, for only TensorFlow runs a model on strings or "
                "ragged rows: let a TextVectorization or a StringLookup prepare the data before "
                f"the model does. Received: an array of dtype {array.dtype}"
            )
        floating = np.issubdtype(array.dtype, np.floating)
        return ops.convert_to_tensor(array, dtype=keras.config.floatx() if floating else None)

    return keras.tree.map_structure(convert, data)


def _are_numbers(array: Any) -> bool:
    """Whether an array of Python objects can become one of numbers."""
    if any(isinstance(each, str | bytes) for each in array.flat):
        return False
    try:
        array.astype("float32")
    except (TypeError, ValueError):  # ragged rows
        return False
    return True


def where_not_finite(x: Any, data: Any) -> str | None:
    """Where a batch `x` of the data has a number that is missing or infinite; None if nowhere.

    It begins with a comma, to follow in a sentence, or is empty where there is but one place.
    """
    for path, leaf in keras.tree.flatten_with_path(x):
        array = None if leaf is None else np.asarray(ops.convert_to_numpy(leaf))
        if array is None or array.dtype.kind != "f" or np.isfinite(array).all():
            continue
        where = [f"in {'.'.join(map(str, path))}"] if path else []
        if array.ndim > 1:
            wrong = ~np.isfinite(array.reshape(-1, array.shape[-1]))
            feature = int(wrong.any(axis=0).argmax())
            names = getattr(data[0] if isinstance(data, tuple) else data, "columns", None)
            name = "" if names is None else f", {names[feature]!r}"
            share = 100 * wrong[:, feature].mean()
            where.append(f"in {share:.3g}% of feature {feature}{name}")
        return "".join(f", {each}" for each in where)
    return None


def fixed_batch(model: Any) -> int | None:
    """How many samples a model takes at a time, where that is fixed."""
    sizes = {each.shape[0] for each in getattr(model, "inputs", None) or ()} - {None}
    return int(sizes.pop()) if len(sizes) == 1 else None


def check_batch(model: Any, x: Any, name: str = "x") -> None:
    """Raises ValueError where a batch cannot be what the model takes, so far as that is known."""
    inputs = getattr(model, "inputs", None)
    if not inputs:  # subclassed
        return
    names = [each.name for each in inputs]
    if not isinstance(x, dict):
        tensors = keras.tree.flatten(x)
    elif isinstance(getattr(model, "input", None), dict):
        # Its keys may be other names than the tensors'.
        names = list(model.input)
        tensors = keras.tree.flatten({key: x[key] for key in names if key in x})
    else:
        tensors = [x[key] for key in names if key in x]
    one = len(inputs) == 1
    if len(tensors) != len(inputs):
        wanted = "1 array for the model's one input" if one else f"{len(inputs)} arrays"
        named = "" if one and not isinstance(x, dict) else f", {', '.join(names)}"
        raise ValueError(
            f"`{name}` must hold {wanted}{named}. "
            f"Received: {', '.join(map(str, x)) if isinstance(x, dict) else len(tensors)}"
        )
    for each, tensor in zip(inputs, tensors, strict=True):
        if tensor is not None and not _fits(tuple(tensor.shape), tuple(each.shape)):
            # Of one input the name is mostly Keras's own, and says nothing.
            which = "the model's one input" if one else f"the input {each.name}"
            raise ValueError(
                f"`{name}` must hold batches of the shape {tuple(each.shape)} for {which}. "
                f"Received: a batch of the shape {tuple(tensor.shape)}"
                f"{_hint(tensor.shape, each.shape)}"
            )


def _fits(shape: tuple[Any, ...], expected: tuple[Any, ...]) -> bool:
    # Keras adds or drops a last axis of one.
    if len(shape) == len(expected) - 1 and expected[-1] == 1:
        shape = (*shape, 1)
    elif len(shape) == len(expected) + 1 and shape[-1] == 1:
        shape = shape[:-1]
    return len(shape) == len(expected) and all(
        b is None or a is None or a == b for a, b in zip(shape, expected, strict=True)
    )


def _hint(shape: Any, expected: Any) -> str:
    sample = len(shape) == len(expected) - 1
    return ", which looks like one sample: batch the data, as in `dataset.batch(256)`" * sample
