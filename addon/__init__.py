"""The add-on: a folder per feature, each with its operators, panels and properties side by side."""

from __future__ import annotations

from . import capture, preferences, ui
from .registration import Registration

# The one ordered list: a panel's parent before its children, properties before what points at them.
FEATURES = (preferences, capture, ui)

_registration = Registration(FEATURES)


def register() -> None:
    _registration.register()


def unregister() -> None:
    _registration.unregister()
