"""The single layers that a stack stands for: made of its runs, and found to be runs again.

Here belongs what is done with layers one by one, of which nothing is compiled.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_oddsig import _keras
from keras_oddsig.layers.template import called, copy_of


@dataclass(frozen=True)
class Run:
    """Consecutive layers of one config, but for their seeds.

    Attributes:
        number: How many.
        layer: One of their config.
    """

    number: int
    layer: Any


def single_layers(runs: Sequence[Run], shape: Sequence[int | None], dtype: str) -> list[Any]:
    """The layers of runs, built, with weights that are zero and names that end in numbers."""
    layers: list[Any] = []
    # In the scope nothing is drawn.
    with keras.StatelessScope():
        for run in runs:
            for _ in range(run.number):
                name = f"{run.layer.name}_{len(layers)}"
                # Also of what is inside each: PyTorch knows parameters by their paths.
                with keras.name_scope(name):
                    layer = copy_of(run.layer)
                    _build(layer, shape, dtype)
                for variable in layer.variables:
                    _keras.given(variable, keras.initializers.Zeros())
                layer.name = name
                layers.append(layer)
    return layers


def _build(layer: Any, shape: Sequence[int | None], dtype: str) -> None:
    # A symbolic call takes ten times as long, but a layer of layers may leave their shapes to it.
    default = type(layer).build is keras.Layer.build
    if default or layer._flatten_layers(include_self=False):
        called(layer, shape, dtype)
    else:
        layer.build(tuple(shape))


def give_values(layers: Sequence[Any], stacked: Sequence[Any]) -> None:
    """Gives layers the values that stacked variables hold for them."""
    arrays = [ops.convert_to_numpy(each) for each in stacked]
    for number, layer in enumerate(layers):
        for variable, array in zip(layer.variables, arrays, strict=True):
            variable.assign(array[number])


def take_values(layers: Sequence[Any], stacked: Sequence[Any]) -> None:
    """Gives stacked variables the values of layers."""
    by_variable = zip(*(layer.variables for layer in layers), strict=True)
    values = [np.stack([ops.convert_to_numpy(v) for v in each]) for each in by_variable]
    for variable, value in zip(stacked, values, strict=True):
        variable.assign(value)


def in_runs(layers: Sequence[Any]) -> list[Run]:
    """Layers as runs, whose initializers may differ from layer to layer."""
    found: list[tuple[Hashable, int, Any]] = []
    for layer in layers:
        kind = _kind(layer.get_config())
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + 1, found[-1][2])
        else:
            found.append((kind, 1, layer))
    return [Run(number, copy_of(layer)) for _, number, layer in found]


def _kind(config: Any) -> Hashable:
    """Equal for configs that are equal but for names and seeds."""
    if isinstance(config, dict):
        kept = [(key, _kind(config[key])) for key in config if key not in ("name", "seed")]
        return tuple(sorted(kept, key=lambda each: str(each[0])))
    if isinstance(config, list | tuple):
        return tuple(map(_kind, config))
    if isinstance(config, np.ndarray):
        return (config.shape, config.tobytes())
    return config if isinstance(config, Hashable) else repr(config)
