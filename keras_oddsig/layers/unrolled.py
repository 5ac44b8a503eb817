"""A model whose stacks are, for a while, the single layers that they stand for.

Whoever looks at a model layer by layer, or sets each layer for its place, does so within
`unrolled`, and needs to know of no stack. Here belongs what is exchanged, and put back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from keras_oddsig.layers.single import give_values, in_runs, take_values
from keras_oddsig.layers.stack import LayerStack

# The lists in which a layer keeps what is its own.
_OWN: Final = ("_trainable_variables", "_non_trainable_variables", "_seed_generators", "_layers")
_lock: Final = threading.RLock()


@contextmanager
def unrolled(model: Any, keep: bool = False) -> Iterator[None]:
    """Within it each stack of a model calls, and consists of, single layers with its values.

    They are the same ones each time, named `stack.0`, `stack.1` and so on after the stack. Within
    another such context of the same model this one does nothing. One thread at a time: another
    waits until the stacks are whole again, which it could not run while they are being closed.

    Args:
        model: Of any kind.
        keep: Whether the stacks take over what the single layers have become, values and
            initializers, unless an error ends the context.
    """
    with ExitStack() as context:
        if _stacks(model):
            context.enter_context(_lock)
        # Those inside others, once these are open.
        while closed := [stack for stack in _stacks(model) if not stack._inside.active]:
            for stack in closed:
                context.enter_context(_opened(stack, keep))
        yield


def _stacks(model: Any) -> list[LayerStack]:
    """The stacks of a model that are built, open or not."""
    layers = model._flatten_layers() if hasattr(model, "_flatten_layers") else []
    return [each for each in layers if isinstance(each, LayerStack) and each.built]


@contextmanager
def _opened(stack: LayerStack, keep: bool) -> Iterator[None]:
    inside = stack._inside
    if inside.kept is None:
        inside.kept = stack.unstack()
    else:
        give_values(inside.kept, inside.variables)
    # Not by setattr, which Keras looks at.
    attributes: dict[str, Any] = vars(stack)  # type: ignore[assignment]
    own = {name: attributes[name] for name in _OWN}
    inside.active = inside.kept
    attributes |= {name: [] for name in _OWN} | {"_layers": list(inside.kept)}
    try:
        with _named(stack):
            yield
    finally:
        attributes |= own
        inside.active = None
    if keep:
        runs = in_runs(inside.kept)
        take_values(inside.kept, inside.variables)
        inside.runs = runs


@contextmanager
def _named(stack: LayerStack) -> Iterator[None]:
    """Within it a stack's single layers, and those inside them, are named after it."""
    named = []
    for number, layer in enumerate(stack._inside.kept or ()):
        named.append((layer, layer.name, f"{stack.name}.{number}"))
        for part in layer._flatten_layers(include_self=False):
            named.append((part, part.name, f"{stack.name}.{number}.{part.name}"))
    for part, _, name in named:
        part.name = name
    try:
        yield
    finally:
        for part, name, _ in named:
            part.name = name
