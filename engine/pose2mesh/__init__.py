"""The Pose2Mesh network (Choi, Moon and Lee, ECCV 2020): as published, and as built for our own body.

`published(joint_set, faces)` is the published network; `model.build(config, faces)` is one of any size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import published

__all__ = ["published"]


def __getattr__(name: str) -> Any:
    """Import torch only when the network itself is asked for: the graphs and meshes here need none."""
    if name == "published":
        from .model import published

        return published
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
