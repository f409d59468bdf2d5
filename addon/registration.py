"""Registration that cannot leave half an add-on behind."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from types import ModuleType

import bpy


class Registration:
    """Registers features in order and undoes them in reverse, also when one of them fails half way.

    A feature is a module with a tuple `CLASSES` and, where it needs more than classes (properties, handlers,
    timers), functions `register()` and `unregister()`.
    """

    def __init__(self, features: Iterable[ModuleType]) -> None:
        self._features = tuple(features)
        self._undo = ExitStack()

    def register(self) -> None:
        with ExitStack() as undo:
            for feature in self._features:
                for cls in feature.CLASSES:
                    bpy.utils.register_class(cls)
                    undo.callback(bpy.utils.unregister_class, cls)
                if hasattr(feature, "register"):
                    # Pushed first: a register() that fails half way is undone too.
                    undo.callback(feature.unregister)
                    feature.register()
            self._undo = undo.pop_all()

    def unregister(self) -> None:
        """Every step runs even when an earlier one raises; the first error is raised at the end."""
        self._undo.close()
