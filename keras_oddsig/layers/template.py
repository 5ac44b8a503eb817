"""The layer that a stack repeats: copied, built without values, called with those of a repeat.

Here belongs what is known of one layer. How often it is called, and with what, is `stack`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_oddsig import _keras


@dataclass(frozen=True)
class Weight:
    """A variable of a template, of which each repeat has one of its own.

    Attributes:
        variable: The template's, which holds no value of use.
        name: Its own, after that of the layer that holds it, inside the template.
        start: Its initializer, or a tensor; of a generator's state the seed, or None.
        is_state: Whether calls may change it, and training does not.
        is_seed: Whether it is the state of a `keras.random.SeedGenerator`.
        frozen: Whether the layer inside the template that holds it is not to be trained.
    """

    variable: Any
    name: str
    start: Any
    is_state: bool
    is_seed: bool
    frozen: bool


class Template:
    """A layer, built for an input, whose weights are given anew at each call.

    Args:
        layer: Of which it is a copy.
        shape: Of the input, the batch among it.
        dtype: Of the input.

    Attributes:
        layer: The copy.
        weights: Its variables.
        dtype: Of the output.

    Raises:
        ValueError: If the output is not one tensor of the input's shape.
    """

    def __init__(self, layer: Any, shape: Sequence[int | None], dtype: str) -> None:
        # In the scope no variable gets a value before its initializer has been seen.
        with keras.StatelessScope():
            self.layer: Any = copy_of(layer)
            output = called(self.layer, shape, dtype)
            if not isinstance(output, keras.KerasTensor) or tuple(output.shape) != tuple(shape):
                made = keras.tree.map_structure(lambda tensor: tuple(tensor.shape), output)
                raise ValueError(
                    "`layer` must make an output of its input's shape, for the next of its kind "
                    f"reads it: of an input {tuple(shape)} it makes {made}. Received: "
                    f"layer={layer!r}"
                )
            self.dtype: str = output.dtype
            self.weights: list[Weight] = _weights_of(self.layer)

    def split(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Of what belongs to the weights, one each, that of parameters and that of states."""
        pairs = list(zip(self.weights, values, strict=True))
        return [v for w, v in pairs if not w.is_state], [v for w, v in pairs if w.is_state]

    def __call__(
        self, inputs: Any, parameters: Sequence[Any], states: Sequence[Any], training: Any
    ) -> tuple[Any, list[Any], list[Any]]:
        """Runs the layer with values for its weights.

        Returns:
            The output, the states afterwards, and the losses that were added.
        """
        variables = self.split([weight.variable for weight in self.weights])
        mapping = zip([*variables[0], *variables[1]], [*parameters, *states], strict=True)
        self.layer._clear_losses()
        with keras.StatelessScope(list(mapping), collect_losses=True) as scope:
            output = self.layer(inputs, training=training)
        return output, [scope.get_current_value(each) for each in variables[1]], scope.losses


def called(layer: Any, shape: Sequence[int | None], dtype: str) -> Any:
    """Builds a layer by a symbolic call, to which some leave it; returns the output."""
    return layer(keras.KerasTensor(tuple(shape), dtype))


def copy_of(layer: Any) -> Any:
    """A layer of the same config, as Keras's wrappers copy theirs."""
    if isinstance(layer, keras.Sequential) or hasattr(layer, "_inputs_struct"):  # functional
        return keras.models.clone_model(layer)
    return type(layer).from_config(layer.get_config())


def _weights_of(layer: Any) -> list[Weight]:
    """The variables of a layer that was built in a `keras.StatelessScope`."""
    parts = layer._flatten_layers(include_self=False)
    generators = {id(g.state): g for part in [layer, *parts] for g in part._seed_generators}
    # Of layers inside layers the innermost comes last.
    owners = {id(v): part for part in parts for v in part.variables}
    frozen = {id(v) for part in parts if not part.trainable for v in part.variables}
    names: Counter[str] = Counter()
    found = []
    for variable in layer.variables:
        # What is never used is zero.
        start = _keras.given(variable, keras.initializers.Zeros())
        generator = generators.get(id(variable))
        if generator is not None:
            start = generator.get_config()["seed"]
        elif start is None:
            start = variable.value
        owner = owners.get(id(variable))
        name = variable.name if owner is None else f"{owner.name}_{variable.name}"
        names[name] += 1
        # Not unlike each other: PyTorch knows parameters by their names.
        name = name if names[name] == 1 else f"{name}_{names[name]}"
        state = generator is not None or not variable.trainable
        is_frozen = id(variable) in frozen
        found.append(Weight(variable, name, start, state, generator is not None, is_frozen))
    return found
