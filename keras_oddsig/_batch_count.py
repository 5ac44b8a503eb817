"""At which training step a model is: what Keras's callbacks and optimizers tell, taken together."""

from __future__ import annotations

import threading
from typing import Any

import keras


class BatchCount:
    """Counts the batches on which a model was trained, from one `fit` to the next.

    How far it had come before, only its optimizer knows, which is saved with it: `begin` asks
    that. From there on batches are counted, for an optimizer counts what it applies, and that
    may be more than once a batch, or not at all: where gradients overflow, or a `train_step`
    has other optimizers.
    """

    def __init__(self) -> None:
        self._before_epoch = 0
        self._in_epoch = 0
        self._last_begun = 0
        self._ahead = 0  # of the optimizer's count
        self._lock = threading.Lock()

    def begin(self, model: Any) -> int:
        """Begins a `fit`, or goes on after one that may have been interrupted."""
        applied = _applied(model)
        # One that has counted nothing is new, or never used.
        return self._begin_epoch(applied + self._ahead if applied else self._now(), applied)

    def batch_begun(self, batch: int) -> int:
        self._last_begun = self._before_epoch + batch
        return self._last_begun

    def batch_ended(self, batch: int) -> None:
        # On whichever thread, in whichever order.
        with self._lock:
            self._in_epoch = max(self._in_epoch, batch + 1)

    def epoch_ended(self, model: Any) -> int:
        applied = _applied(model)
        counted, by_optimizer = self._now(), applied + self._ahead
        # Of the last execution of several batches Keras does not say how many there were.
        exact = self._last_begun < by_optimizer < counted
        return self._begin_epoch(by_optimizer if exact else counted, applied)

    def _begin_epoch(self, count: int, applied: int) -> int:
        self._before_epoch, self._in_epoch, self._ahead = count, 0, count - applied
        return count

    def _now(self) -> int:
        return self._before_epoch + self._in_epoch


def _applied(model: Any) -> int:
    """How many times a model's optimizer has been given gradients.

    Where that of `compile` never was, as in a GAN with optimizers of its own, the least of
    theirs counts: a critic may be trained several times a batch.
    """
    own = _iterations(getattr(model, "optimizer", None))
    others = (_iterations(value) for value in vars(model).values())
    return own or min((count for count in others if count), default=0)


def _iterations(optimizer: Any) -> int:
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return 0
    # Not `optimizer.iterations`, which under gradient accumulation counts updates, and not
    # `int`, which knows no variable of a `tf.distribute` strategy. An optimizer around others
    # has their variables, too, and may leave its own at 0.
    counts = (variable for variable in optimizer.variables if variable.name == "iteration")
    return max((int(keras.ops.convert_to_numpy(count)) for count in counts), default=0)
