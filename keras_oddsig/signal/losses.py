"""The loss whose gradients a report takes, in whatever form it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def loss_function(model: Any, loss: Any) -> Callable[[Any, Any], Any]:
    """`(y, y_pred) -> scalar`, equal for equal arguments."""
    if loss is None:
        loss = getattr(model, "loss", None)
        if loss is None:
            raise ValueError(
                "`loss` must be given for a model that was not compiled with one. "
                "Received: loss=None"
            )
    try:
        return _Loss(keras.tree.map_structure(keras.losses.get, loss))
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`loss` must be the name of a Keras loss, a `keras.Loss`, or a function of "
            f"(y, y_pred). Received: loss={loss!r}"
        ) from error


class _Loss:
    """The sum of the mean losses of a model's outputs."""

    def __init__(self, losses: Any) -> None:
        self._losses = losses
        self._leaves = tuple(keras.tree.flatten(losses))

    def __call__(self, y: Any, y_pred: Any) -> Any:
        if callable(self._losses):
            return ops.mean(self._losses(y, y_pred))
        if isinstance(self._losses, dict):
            parts = [(f, y[k], y_pred[k]) for k, f in self._losses.items()]
        else:
            parts = list(zip(self._losses, y, y_pred, strict=True))
        return sum(ops.mean(f(a, b)) for f, a, b in parts if f is not None)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _Loss) and self._leaves == other._leaves

    def __hash__(self) -> int:
        return hash(self._leaves)
