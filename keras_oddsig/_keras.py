"""What Keras has no public name for, in one place: masks, its session, what a variable begins with.

Alike on every backend; what is not, `_backend` knows.
"""

from __future__ import annotations

from typing import Any

import keras


def copy_mask(source: Any, target: Any) -> None:
    """Gives a tensor the mask, if any, that Keras keeps with another."""
    from keras.src.backend.common.masking import get_keras_mask

    mask = get_keras_mask(source)
    if mask is not None:
        set_mask(target, mask)


def set_mask(tensor: Any, mask: Any) -> None:
    """Gives a tensor a mask, which the next layer will find."""
    # Where it is kept depends on the tensor.
    from keras.src.backend.common.masking import set_keras_mask

    set_keras_mask(tensor, mask)


def session_generators() -> dict[Any, keras.random.SeedGenerator]:
    """This thread's dictionary of generators, new after each `keras.utils.clear_session`."""
    from keras.src.backend.common.global_state import get_global_attribute

    generators: dict[Any, keras.random.SeedGenerator] = get_global_attribute(
        "keras_oddsig_generators", {}, set_to_default=True
    )
    return generators


def is_loading() -> bool:
    """Whether Keras is making objects from a config, as when it loads a saved model."""
    # There is a mode, safe or not, only then.
    from keras.src.saving.serialization_lib import in_safe_mode

    return in_safe_mode() is not None


def given(variable: keras.Variable, initializer: Any) -> Any:
    """Replaces what a variable made in a `keras.StatelessScope` will begin with.

    Returns:
        The initializer that it had; None of a variable that has its value.
    """
    before = variable._initializer
    if before is not None:
        variable._initializer = initializer
    return before
