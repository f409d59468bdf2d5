"""The add-on: a folder per feature, each with its operators, panels and properties side by side."""

from __future__ import annotations

from . import bake, capture, export, preferences, rig, scene, ui
from .registration import Registration

# The one ordered list: properties before what shows them, and the panels in the order of the work.
FEATURES = (preferences, rig, bake, scene, export, capture, ui)

_registration = Registration(FEATURES)


def register() -> None:
    _registration.register()


def unregister() -> None:
    _registration.unregister()
