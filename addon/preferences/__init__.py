"""Where the engine is and what it runs on."""

from . import check
from .operators import P2M_OT_check_engine
from .preferences import P2M_Preferences, device, engine, get

CLASSES = (P2M_Preferences, P2M_OT_check_engine)


def register() -> None:
    """Nothing to add: what `unregister` ends is started by hand."""


def unregister() -> None:
    check.unregister()


__all__ = ["CLASSES", "device", "engine", "get", "register", "unregister"]
