"""`LayerStack`: a thousand equal layers as one, in code that is compiled once.

Here belongs the layer that a user makes. The layer that it repeats is `template`'s, the single
layers that it stands for are `single`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import keras
from keras import ops

from keras_oddsig import _arguments, _backend, _keras, _seeds
from keras_oddsig.layers.single import Run, give_values, single_layers
from keras_oddsig.layers.starts import Starts
from keras_oddsig.layers.template import Template, Weight, copy_of

_PACKAGE: Final = "keras_oddsig"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class LayerStack(keras.layers.Layer):
    """As many equal layers as are asked for, one after another, each with weights of its own.

    In result the stack is the network in which the layers stand one by one. It holds their weights
    as one tensor each, `(repeats, *shape)`, and runs them as the backend's loop (`jax.lax.scan`, a
    `tf.while_loop`, Python's own on PyTorch), so that JAX and TensorFlow compile one layer, however
    many there are.

    Each repeat begins with values of its own, as its initializer draws them; from an integer seed,
    too, from which each repeat's and each weight's own are made. An initializer that is a function
    is called once for each. `keras_oddsig.signal_report` shows the repeats one by one, and
    `keras_oddsig.tailor` initializes each for its place; both keep the single layers beside the
    stack from then on, with as much memory as its weights.

    Example:

    >>> import keras
    >>> import keras_oddsig as ko
    >>> init = ko.OddSigmoidOrthogonal("tanh", depth=1000)
    >>> hidden = keras.layers.Dense(32, "tanh", kernel_initializer=init)
    >>> stack = ko.LayerStack(hidden, repeats=1000)
    >>> model = keras.Sequential([keras.Input((32,)), stack, keras.layers.Dense(10)])
    >>> [tuple(weight.shape) for weight in stack.weights]
    [(1000, 32, 32), (1000, 32)]

    Args:
        layer: A Keras layer, or a `Sequential` or functional model, of one input and one output of
            the same shape. It is copied by its config, and not used otherwise.
        repeats: How many of it.
        **kwargs: `name`, `trainable` and `dtype`, as of any layer; the last two are by default
            those of `layer`.

    Raises:
        TypeError: If `layer` is no layer, or `repeats` no integer.
        ValueError: If there are no repeats, or `layer` cannot be copied by its config; or, at the
            first call, if its output is of another shape than its input.
    """

    def __init__(self, layer: Any, repeats: int, **kwargs: Any) -> None:
        if not isinstance(layer, keras.Layer):
            raise TypeError(
                f"`layer` must be a `keras.Layer`. Received: layer={_arguments.shown(layer)}"
            )
        _arguments.integer("repeats", repeats, at_least=1)
        kwargs.setdefault("trainable", layer.trainable)
        kwargs.setdefault("dtype", layer.dtype_policy)
        # The layers inside cast what they read themselves.
        super().__init__(autocast=False, **kwargs)
        self.repeats = int(repeats)
        self.supports_masking = layer.supports_masking
        self._inside = _Inside([Run(self.repeats, _copied(layer))])

    def build(self, input_shape: Any) -> None:
        """Makes the stacked weights."""
        inside = self._inside
        templates = [Template(run.layer, input_shape, self.compute_dtype) for run in inside.runs]
        inside.template = templates[0]
        inside.shape = tuple(input_shape)
        weights = templates[0].weights
        if any(len(each.weights) != len(weights) for each in templates):
            numbers = [len(each.weights) for each in templates]
            raise ValueError(
                "`runs` must be layers that differ in their initializers alone. "
                f"Received: layers of {numbers} weights"
            )
        starts = [[each.weights[i].start for each in templates] for i in range(len(weights))]
        self._seed_states = [
            _SeedStates(start[0], i, self.repeats, weight.variable.dtype)
            for i, (weight, start) in enumerate(zip(weights, starts, strict=True))
            if weight.is_seed
        ]
        numbers = [run.number for run in inside.runs]
        seeds = iter(self._seed_states)
        inside.variables = [
            next(seeds).state
            if weight.is_seed
            else self._stacked(weight, Starts(list(zip(numbers, start, strict=True)), i))
            for i, (weight, start) in enumerate(zip(weights, starts, strict=True))
        ]
        if not self.trainable:
            inside.template.layer.trainable = False

    def _stacked(self, weight: Weight, start: Starts) -> Any:
        variable = weight.variable
        stacked = self.add_weight(
            shape=(self.repeats, *variable.shape),
            initializer=start,
            dtype=variable.dtype,
            trainable=not weight.is_state,
            autocast=False,
            regularizer=variable.regularizer and _Summed(variable.regularizer),
            constraint=variable.constraint and _Each(variable.constraint),
            aggregation=variable.aggregation,
            name=weight.name,
        )
        stacked.trainable = stacked.trainable and not weight.frozen and self.trainable
        return stacked

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Runs the layers one after another.

        Args:
            inputs: A tensor of the shape with which the stack was built, whatever the batch.
            training: As the layers take it.
            mask: What belongs to the inputs, for layers that support it.
        """
        inside = self._inside
        if inside.active is not None:
            for layer in inside.active:
                inputs = layer(inputs, training=training)
            return inputs
        template = inside.template
        assert template is not None
        parameters, states = template.split(inside.variables)
        changed: set[int] = set()
        added: list[Any] = []

        def step(carry: list[Any], rows: list[Any], before: list[Any]) -> Any:
            x, total = carry
            if mask is not None and self.supports_masking:
                _keras.set_mask(x, mask)
            output, after, losses = template(x, rows, before, training)
            changed.update(i for i, each in enumerate(after) if each is not before[i])
            added[:] = losses
            total = sum((ops.cast(loss, total.dtype) for loss in losses), total)
            return [ops.cast(output, x.dtype), total], after

        carry = [ops.cast(inputs, template.dtype), ops.zeros((), "float32")]
        rows, before = ([each.value for each in group] for group in (parameters, states))
        (output, total), after = _backend.repeated(step, carry, rows, before, self.repeats)
        for i in sorted(changed):
            states[i].assign(after[i])
        if added:
            self.add_loss(total)
        return output

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the input."""
        return tuple(input_shape)

    def compute_output_spec(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """A symbolic tensor of the input's shape."""
        template = self._inside.template
        assert template is not None
        return keras.KerasTensor(inputs.shape, template.dtype)

    def unstack(self) -> list[Any]:
        """The layers one by one: `repeats` new ones, built, with the values that they have here.

        Example:

        >>> import keras
        >>> import keras_oddsig as ko
        >>> stack = ko.LayerStack(keras.layers.Dense(4, "tanh", name="hidden"), repeats=3)
        >>> stack.build((None, 4))
        >>> layers = stack.unstack()
        >>> [layer.name for layer in layers]
        ['hidden_0', 'hidden_1', 'hidden_2']
        >>> unrolled = keras.Sequential([keras.Input((4,)), *layers])

        Returns:
            Layers whose names end in their numbers.

        Raises:
            ValueError: If the stack is not built.
        """
        inside = self._inside
        if inside.template is None:
            raise ValueError(
                "The stack must be built, by a call or by `build`, to be taken apart. "
                f"Received: {self!r}, which is not"
            )
        layers = single_layers(inside.runs, inside.shape, self.compute_dtype)
        if not self.trainable:  # set to True it would thaw what is inside, too
            for layer in layers:
                layer.trainable = False
        give_values(layers, inside.variables)
        return layers

    @property
    def trainable(self) -> bool:
        """Whether the layers are trained."""
        return bool(keras.layers.Layer.trainable.fget(self))

    @trainable.setter
    def trainable(self, value: bool) -> None:
        keras.layers.Layer.trainable.fset(self, value)
        template = self._inside.template
        if template is not None:
            # Who reads it there, as batch normalization does, must know.
            template.layer.trainable = bool(value)

    def get_config(self) -> dict[str, Any]:
        runs = self._inside.runs
        config = {
            **super().get_config(),
            "layer": _config_of(max(runs, key=lambda run: run.number).layer),
            "repeats": self.repeats,
        }
        if len(runs) > 1:
            config["runs"] = [[run.number, _config_of(run.layer)] for run in runs]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LayerStack:
        """A stack of the arguments that a config holds, and of the runs that `tailor` has left.

        Raises:
            TypeError: If an argument has the wrong type.
            ValueError: If an argument is unknown, or outside its range.
        """
        if not isinstance(config, dict):
            raise TypeError(f"`config` must be a dictionary. Received: config={config!r}")
        config = dict(config)
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = _policy_from(config["dtype"])
        runs = _runs_from(config.pop("runs", []))
        layer = keras.saving.deserialize_keras_object(config.pop("layer", None))
        stack = cls(layer, config.pop("repeats", None), **config)
        if runs:
            if sum(run.number for run in runs) != stack.repeats:
                numbers = [run.number for run in runs]
                raise ValueError(
                    "`config` must hold runs that are as many layers as `repeats`, "
                    f"{stack.repeats}. Received: runs of {numbers}"
                )
            stack._inside.runs = runs
        return stack


@dataclass(eq=False)
class _Inside:
    """What a stack holds that Keras must not track, for its weights are none of the stack's.

    Attributes:
        runs: The layers that it is made of, as many as are alike together.
        template: The one that is called, once an input is known.
        shape: Of the input.
        variables: The stacked ones, in the order of the template's.
        active: Single layers that are called instead, while someone looks at each.
        kept: Single layers that were looked at.
    """

    runs: list[Run]
    template: Template | None = None
    shape: tuple[int | None, ...] = ()
    variables: list[Any] = field(default_factory=list)
    active: list[Any] | None = None
    kept: list[Any] | None = None


class _SeedStates(keras.random.SeedGenerator):
    """The states of a generator in all repeats, which is no weight: `(repeats, 2)`."""

    def __init__(self, seed: Any, stream: int, number: int, dtype: str) -> None:
        # Not super().__init__: it would make a state of one.
        self.name = "seed_states"
        states = _seeds.draw_several(seed, (stream,), number)
        self.state = keras.Variable(
            lambda shape, dtype: ops.convert_to_tensor(states, dtype),
            shape=states.shape,
            dtype=dtype,
            trainable=False,
            aggregation="none",
            name="seed_generator_state",
        )


def _copied(layer: Any) -> Any:
    try:
        return copy_of(layer)
    except Exception as error:  # a layer's own code, or that of what it holds
        raise ValueError(
            "`layer` must be one that can be made anew from its config, which ended in a "
            f"{type(error).__name__}. Received: layer={layer!r}"
        ) from error


def _config_of(layer: Any) -> Any:
    return keras.saving.serialize_keras_object(layer)


def _policy_from(config: dict[str, Any]) -> Any:
    """The policy of a config; Keras hands on as a name what it does not know."""
    policy = keras.dtype_policies.get(config)
    if not isinstance(
        policy, keras.dtype_policies.DTypePolicy | keras.dtype_policies.DTypePolicyMap
    ):
        raise ValueError(f"`dtype` must be that of a layer. Received: dtype={config!r}")
    return policy


def _runs_from(config: Any) -> list[Run]:
    """The runs of a config, each a number and the config of a layer."""
    if not isinstance(config, list | tuple):
        raise TypeError(f"`runs` must be a list. Received: runs={_arguments.shown(config)}")
    found = []
    for pair in config:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(
                "`runs` must hold pairs of a number and a layer. "
                f"Received: {_arguments.shown(pair)} among them"
            )
        number, layer = pair[0], keras.saving.deserialize_keras_object(pair[1])
        _arguments.integer("runs", number, at_least=1)
        if not isinstance(layer, keras.Layer):
            raise TypeError(
                "`runs` must hold pairs of a number and a layer. "
                f"Received: {_arguments.shown(layer)} among them"
            )
        found.append(Run(int(number), layer))
    return found


class _Summed(keras.regularizers.Regularizer):  # type: ignore[misc]
    """A regularizer of stacked weights: the sum of those of each repeat's.

    Like `_Each` in no configuration: the template's own is saved.
    """

    def __init__(self, regularizer: Any) -> None:
        self._regularizer = regularizer

    def __call__(self, weights: Any) -> Any:
        return ops.sum(_of_each(self._regularizer, weights))


class _Each(keras.constraints.Constraint):  # type: ignore[misc]
    """A constraint of stacked weights: of each repeat's by itself."""

    def __init__(self, constraint: Any) -> None:
        self._constraint = constraint

    def __call__(self, weights: Any) -> Any:
        return _of_each(self._constraint, weights)


def _of_each(function: Callable[[Any], Any], weights: Any) -> Any:
    return ops.vectorized_map(function, ops.convert_to_tensor(weights))
