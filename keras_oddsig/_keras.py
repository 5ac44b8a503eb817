"""What Keras has no public name for, in one place: masks, its session, what a variable begins with,
what a layer holds.

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


def attributes(layer: Any) -> dict[str, Any]:
    """What the code of a layer's class has set on it, by name; not what Keras keeps there."""
    kept = vars(keras.layers.Layer(name="kept"))
    held = {**vars(layer), **vars(layer).get("_modules", {})}  # where PyTorch keeps layers
    # What begins so is TensorFlow's.
    names = [name for name in held if name not in kept and not name.startswith("_self_")]
    return {name: held[name] for name in names}


def replace_part(layer: Any, part: Any, new: Any) -> None:
    """Puts a new layer in the place, among those that a layer holds, of one that it held."""
    tracker = layer._tracker
    if tracker.is_in_store("layers", part):  # once only, where it is held twice
        tracker.replace_tracked_value("layers", part, new)


def not_compiled(model: Any) -> Any:
    """A functional model of the same layers which is not compiled."""
    from keras.src.models.functional import functional_like_constructor

    if not model.compiled:
        return model
    cls = type(model) if functional_like_constructor(type(model)) else keras.Model
    return cls(model.input, model.output, name=model.name)


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
