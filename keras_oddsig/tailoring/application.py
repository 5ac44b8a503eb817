"""Putting a plan into a model: all of it, or nothing.

Everything is drawn before anything is changed. What is changed is put back, whatever goes wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import keras
from keras import ops

from keras_oddsig._kernel_initializer import KernelInitializer
from keras_oddsig.signal.selection import bias_of
from keras_oddsig.tailoring.choice import Fitting
from keras_oddsig.tailoring.rates import Rating, changed

# From so many kernels on, a terminal shows how far the draws are.
_MANY: Final = 50


@contextmanager
def applied(
    model: Any, fittings: Sequence[Fitting], ratings: Sequence[Rating] = ()
) -> Iterator[None]:
    """Gives the kernels of a model their values, and its layers their initializers.

    What `ratings` are found within the context, its caller gives. Biases of the same layers become
    zero, and the optimizer's state as it was before training.
    If a draw, an assignment or what is done within the context fails, the model is as it was.
    """
    chosen = [fitting for fitting in fittings if fitting.initializer is not None]
    weights, starts = changed(ratings)
    if not chosen and not weights:
        yield
        return
    values: list[tuple[Any, Any]] = []
    offsets: dict[int, Any] = {}
    for fitting in _progress(chosen):
        kernel = fitting.kernel
        drawn = _drawn(fitting)
        values.append((kernel.variable, drawn))
        if fitting.inputs is not None and fitting.inputs.mean is not None:
            offsets[id(kernel.layer)] = _offset(drawn, fitting.inputs.mean)
    kept = [fitting for fitting in chosen if fitting.kernel.initializer]
    settings = [(f.kernel.layer, f.kernel.initializer, f.initializer) for f in kept]
    for layer in {id(f.kernel.layer): f.kernel.layer for f in chosen}.values():
        bias = bias_of(layer)
        if bias is not None:
            offset = offsets.get(id(layer))
            start: Any = keras.initializers.Zeros()
            if offset is not None:
                start = keras.initializers.Constant(offset)
            values.append((bias, start(bias.shape, bias.dtype)))
            if hasattr(layer, "bias_initializer"):
                settings.append((layer, "bias_initializer", start))
    optimizer: Any = getattr(model, "optimizer", None)
    trained = optimizer is not None and optimizer.built
    steps = int(ops.convert_to_numpy(optimizer.iterations)) if trained else 0
    changing = [v for v, _ in values] + weights + (optimizer.variables if trained else [])
    with _restored(changing, [(layer, name) for layer, name, _ in settings] + starts):
        for variable, value in values:
            variable.assign(value)
        for layer, name, initializer in settings:
            setattr(layer, name, initializer)
        if trained:
            _reset(optimizer)
        if steps:
            # Within: who turns warnings into errors has a model as it was.
            warnings.warn(
                f"`tailor` has replaced the kernels of a model that was trained for {steps} steps, "
                "and reset its optimizer.",
                stacklevel=5,
            )
        yield


def _offset(kernel: Any, mean: Any) -> Any:
    """The bias that takes away what a kernel, its outputs last, makes of the mean of its inputs."""
    dtype = "float64" if keras.backend.standardize_dtype(kernel.dtype) == "float64" else "float32"
    array = ops.convert_to_numpy(ops.cast(kernel, dtype)).astype("float64")
    taps = array.reshape(-1, *array.shape[-2:]).sum(axis=0)
    return (-mean @ taps).astype(dtype)


def rescale(fittings: Sequence[Fitting], factors: Mapping[int, float]) -> None:
    """Multiplies kernels, with the biases that take a mean away, by factors for their variables.

    Within `applied`, whose layers it gives the initializers as they are now.
    """
    for fitting in fittings:
        kernel = fitting.kernel
        factor = factors.get(id(kernel.variable))
        if factor is None:
            continue
        kernel.variable.assign(kernel.variable.value * factor)
        setattr(kernel.layer, kernel.initializer, fitting.initializer)
        if fitting.inputs is not None and fitting.inputs.mean is not None:
            bias = kernel.layer.bias
            bias.assign(bias.value * factor)
            start = keras.initializers.Constant(ops.convert_to_numpy(bias.value))
            if hasattr(kernel.layer, "bias_initializer"):
                kernel.layer.bias_initializer = start


def _drawn(fitting: Fitting) -> Any:
    variable = fitting.kernel.variable
    shape = tuple(variable.shape)
    layout = getattr(variable, "_layout", None)
    if layout is None or not isinstance(fitting.initializer, KernelInitializer):
        return fitting.initializer(shape, dtype=variable.dtype)
    return fitting.initializer(shape, dtype=variable.dtype, layout=layout)


@contextmanager
def _restored(variables: Sequence[Any], names: Sequence[tuple[Any, str]]) -> Iterator[None]:
    """Puts values and attributes back if what is inside does not come to its end."""
    values = [(variable, ops.copy(variable.value)) for variable in variables]
    attributes = [(layer, name, getattr(layer, name)) for layer, name in names]
    try:
        yield
    except BaseException:  # an interruption, too
        for variable, value in values:
            variable.assign(value)
        for layer, name, initializer in attributes:
            setattr(layer, name, initializer)
        raise


def _reset(optimizer: Any) -> None:
    """Gives the variables of an optimizer the values that they have before training."""
    values: list[Any]
    try:
        fresh = type(optimizer).from_config(optimizer.get_config())
        fresh.build(optimizer._trainable_variables)
        values = [new.value for new in fresh.variables]
    except Exception:  # a class of the user's own, whose config does not tell all
        rate = getattr(optimizer, "_learning_rate", None)
        kept = [variable is rate for variable in optimizer.variables]
        values = [
            variable.value if keep else ops.zeros_like(variable.value)
            for variable, keep in zip(optimizer.variables, kept, strict=True)
        ]
    for variable, value in zip(optimizer.variables, values, strict=True):
        variable.assign(value)


def _progress(fittings: Sequence[Fitting]) -> Iterator[Fitting]:
    from rich import get_console
    from rich.progress import track

    # A notebook would show a warning where ipywidgets is missing, and a log file an empty line.
    if len(fittings) < _MANY or not get_console().is_terminal:
        return iter(fittings)
    show: Callable[..., Any] = track
    return iter(show(fittings, description="Tailoring", transient=True))
