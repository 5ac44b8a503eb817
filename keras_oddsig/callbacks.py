"""Watching the signal while a model trains."""

from __future__ import annotations

import keras

__all__ = ["ActivationSpread"]


class ActivationSpread(keras.callbacks.Callback):
    pass
