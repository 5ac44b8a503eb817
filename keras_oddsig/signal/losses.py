"""The loss whose gradients a report takes, in whatever form `compile` and `fit` take it."""

from __future__ import annotations

import functools
from typing import Any

import keras


class Loss:
    """`loss(y, y_pred)`, a scalar, as `fit` computes it. Equal for equal arguments.

    Args:
        loss: Anything that `keras.Model.compile` takes as a loss.
        weights: The same for its `loss_weights`.
        output_names: The names of the model's outputs, by which losses and targets may be given.
    """

    def __init__(self, loss: Any, weights: Any, output_names: list[str] | None) -> None:
        parts = tuple(map(_identity, keras.tree.flatten((loss, weights))))
        self._key = parts, _structure((loss, weights)), output_names
        self._arguments = loss, weights, output_names
        self._several = False

    @functools.cached_property
    def _judge(self) -> keras.Model:
        """What computes the loss in `fit`, and structures, weights and checks it: a model.

        Not before it is needed: one that is compiled costs TensorFlow 70 kB, for good.
        """
        loss, weights, output_names = self._arguments
        judge = keras.Model(name="loss")
        judge.output_names = output_names
        judge.compile(loss=loss, loss_weights=weights)
        return judge

    def ready(self, y: Any) -> bool:
        """Whether it can be called in a traced function: it makes variables at its first call.

        To be asked outside of one, where what computes it is made.
        """
        return self._judge is not None and (self._several or not keras.tree.is_nested(y))

    def __call__(self, y: Any, y_pred: Any) -> Any:
        try:
            value = self._judge.compute_loss(y=y, y_pred=y_pred)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "`loss` must be one for all outputs of the model, or a list or a dict (by the "
                "names of the outputs) of one for each, and `y` an array for each, structured "
                "as the outputs or by their names. Received: outputs of the structure "
                f"{_structure(y_pred)}, y of the structure {_structure(y)} ({error})"
            ) from error
        self._several = True
        return value if len(value.shape) == 0 else keras.ops.mean(value)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Loss) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key[0])


def loss_of(model: Any, loss: Any) -> Loss:
    """A model's loss: as given, or that with which it was compiled, weights included."""
    weights = None
    if loss is None:
        loss = getattr(model, "loss", None)
        if loss is None:
            raise ValueError(
                "`loss` must be given for a model that was not compiled with one. "
                "Received: loss=None"
            )
        weights = model.get_compile_config().get("loss_weights")
    try:
        losses = keras.tree.map_structure(keras.losses.get, loss)
        return Loss(losses, weights, getattr(model, "output_names", None))
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`loss` must be the name of a Keras loss, a `keras.Loss`, a function of "
            f"(y, y_pred), or a list or dict of these. Received: loss={loss!r}"
        ) from error


def _identity(part: Any) -> Any:
    """Equal for what computes the same: two of Keras's own losses with the same arguments do."""
    if isinstance(part, keras.losses.Loss) and type(part).__module__.startswith("keras."):
        return type(part), repr(vars(part))  # some of their configs lack arguments
    return part


def _structure(data: Any) -> str:
    return str(keras.tree.map_structure(lambda _: "*", data)).replace("'", "")
