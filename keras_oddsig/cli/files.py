"""A saved model and data from files that may hold anything. Nothing that a file brings is run."""

from __future__ import annotations

import argparse
import os
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from keras_oddsig.cli.messages import UnusableError, unusable

_MAGIC: Final = b"\x93NUMPY"
# What an archive may unpack to, unless it is a hundredth of that: a file of a few bytes may name
# more zeros than there is memory.
_LARGEST: Final = 2**30  # bytes
_RATIO: Final = 100


def data_of(path: Path, samples: int) -> tuple[Any, int]:
    """The first rows of an array, or of several by name, and how many there are."""
    if path.suffix != ".npz":
        return array_of(path, samples)
    with unusable(f"{path} cannot be read as a .npz file: ", Exception):
        if not zipfile.is_zipfile(path):
            raise ValueError("it does not begin as one" if path.is_file() else "it is not a file")
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.file_size > max(_LARGEST, _RATIO * member.compress_size):
                    raise ValueError(
                        f"{member.filename} would unpack to {member.file_size / 2**30:.0f} GiB: "
                        "give a .npy file, of which only the first samples are read"
                    )
        with np.load(path, allow_pickle=False) as file:
            found = {name: _rows(file[name], samples) for name in file.files}
        lengths = {length for _, length in found.values()}
        if len(lengths) != 1:
            raise ValueError(f"it holds arrays of {sorted(lengths)} samples")
        return {name: array for name, (array, _) in found.items()}, lengths.pop()


def array_of(path: Path, samples: int) -> tuple[Any, int]:
    """The first rows of a file of numbers, no more than is needed, and how many there are."""
    with unusable(f"{path} cannot be read as a .npy file: ", Exception):
        with open(path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ValueError("it does not begin as one")
        return _rows(np.load(path, mmap_mode="r", allow_pickle=False), samples)


def _rows(rows: Any, samples: int) -> tuple[Any, int]:
    """The first rows of an array that is of use, and how many there are."""
    if not isinstance(rows, np.ndarray):
        raise ValueError("it holds more than arrays")
    if rows.dtype.kind not in "biuf":
        raise ValueError(f"it holds {rows.dtype}, not real numbers")
    if rows.ndim == 0 or rows.size == 0:
        raise ValueError(f"it holds no samples, but the shape {rows.shape}")
    array = np.array(rows[:samples])
    if not np.isfinite(array).all():
        raise ValueError("it holds numbers that are not finite")
    return array, len(rows)


def model_of(path: Path) -> Any:
    # No directory, no older format and no address that Keras would download from: the safe
    # mode is that of .keras files.
    if not path.is_file():
        raise UnusableError(f"{path} is not a file")
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise UnusableError(f"{path} is not a .keras file, or not a whole one")
    keras = keras_module()
    # A file may hold anything, and make Keras raise anything.
    with unusable(f"{path} cannot be loaded as a Keras model: ", Exception):
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        if not isinstance(model, keras.Model):
            raise ValueError(f"it holds no model, but an object of {type(model).__name__}")
    return model


def keras_module() -> Any:
    _quiet_tensorflow()
    with unusable("Keras cannot be imported (KERAS_BACKEND selects its backend): ", Exception):
        import keras

        import keras_oddsig  # noqa: F401  (registers the classes)
    return keras


def _quiet_tensorflow() -> None:
    """TensorFlow's notices would come between the lines of the report."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def inputs_of(model: Any, data: Any, args: argparse.Namespace) -> Any:
    """The data as the model takes them; says what it takes, where the backend would fail."""
    tensors = {tensor.name: tensor for tensor in getattr(model, "inputs", None) or ()}
    if isinstance(getattr(model, "input", None), dict) and len(model.input) == len(tensors):
        # The names under which the model takes them, which need not be those of the tensors.
        tensors = dict(sorted(model.input.items()))
    if isinstance(data, dict) and len(data) == 1 and len(tensors) < 2:
        data = next(iter(data.values()))  # of one input nobody need know the name
    if not isinstance(data, dict):
        if len(tensors) > 1:
            raise UnusableError(
                f"{args.model} takes {len(tensors)} inputs, and {args.data} holds one: give a "
                f".npz file of {', '.join(tensors)}"
            )
        for tensor in tensors.values():
            _check_shape(tensor, data, args)
        return data
    if not tensors:
        return data  # a class of its own, which may well take a dictionary
    if data.keys() != tensors.keys():
        raise UnusableError(
            f"{args.model} takes {', '.join(tensors)}, and {args.data} holds {', '.join(data)}"
        )
    for name, tensor in tensors.items():
        _check_shape(tensor, data[name], args, f" as {name}")
    return keras_module().tree.pack_sequence_as(model.input, [data[name] for name in tensors])


def _check_shape(tensor: Any, array: Any, args: argparse.Namespace, which: str = "") -> None:
    shapes = tuple(tensor.shape), array.shape
    if len(shapes[0]) == array.ndim and all(
        a in (None, b) for a, b in zip(shapes[0][1:], array.shape[1:], strict=True)
    ):
        return
    wanted, held = (
        " x ".join("any" if size is None else str(size) for size in shape[1:]) or "one number"
        for shape in shapes
    )
    raise UnusableError(
        f"{args.model} takes samples of {wanted}{which}, and {args.data} holds {held}"
    )
