"""Pose2Mesh's third ablation: what MeshNet reads, landmarks in the picture, lifted landmarks or both."""

from __future__ import annotations

from dataclasses import replace

from .recipe import PUBLISHED

VARIANTS = {
    "2D → mesh": replace(PUBLISHED, reads="2d"),
    "2D → 3D → mesh": replace(PUBLISHED, reads="3d"),
    "2D, 3D → mesh (published)": PUBLISHED,
}
