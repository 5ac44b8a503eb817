"""Loads the package's modules on demand, and registers its classes with Keras in time.

`keras_oddsig.solver` must cost no backend, so importing the package may not import Keras.
A saved model, on the other hand, must load once both are imported, in whichever order.
Hence: if Keras is there, the classes register now; if not, when Keras is imported.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# In the order of their cost: only the first two need no backend.
_MODULES = (
    "solver",
    "plotting",
    "activations",
    "initializers",
    "layers",
    "signal",
    "tailoring",
    "callbacks",
)
# Import paths of version 0.1.
_ALIASES = ("diagnostics",)
# Those whose classes a saved model may hold.
_SERIALIZABLE = ("activations", "initializers", "layers")


def load(name: str, public: Sequence[str]) -> Any:
    """The package's attribute `name`, for a module-level `__getattr__`."""
    if name in (*_MODULES, *_ALIASES):
        return importlib.import_module(f"keras_oddsig.{name}")
    if name in public:
        for module_name in _MODULES:
            module = importlib.import_module(f"keras_oddsig.{module_name}")
            if name in module.__all__:
                return getattr(module, name)
    close = difflib.get_close_matches(name, listed(public), n=1)
    hint = f". Did you mean: {close[0]!r}?" if close else ""
    # Python's own suggestion appears in its tracebacks alone, so not in notebooks. Without the
    # module as `obj` it makes none, which would be the same one again.
    error = f"module 'keras_oddsig' has no attribute {name!r}{hint}"
    raise AttributeError(error, name=name, obj=None)


def listed(public: Sequence[str]) -> list[str]:
    """The package's attributes, its modules among them, for a module-level `__dir__`."""
    return sorted([*public, *_MODULES])


def register() -> None:
    """Registers the package's classes with Keras, which importing them does.

    Where one of these modules is what imports Keras first, it is itself half imported here:
    what they take from each other at import is modules, and no names.
    """
    for module in _SERIALIZABLE:
        importlib.import_module(f"keras_oddsig.{module}")


class _AfterKeras(MetaPathFinder, Loader):
    """Calls `register` once `import keras` has run; changes nothing else about it."""

    def __init__(self) -> None:
        self._inner: Loader | None = None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "keras":
            return None
        # Of the finders behind this one, which stays: who asks may not import.
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((each for each in found if each is not None), None)
        if spec is not None and spec.loader is not None:
            self._inner, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        assert self._inner is not None
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert self._inner is not None
        assert module.__spec__ is not None
        # Keras, and who looks at it, must find its own loader, not this one.
        module.__spec__.loader = module.__loader__ = self._inner
        self._inner.exec_module(module)
        sys.meta_path.remove(self)
        register()


def install() -> None:
    """Registers now if Keras is imported, or else as soon as it is."""
    if "keras" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _AfterKeras())
