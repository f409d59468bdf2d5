"""Pose2Mesh's first ablation: body parameters or vertices, from fully connected layers or graph convolutions.

The same losses act on the same vertices in all four cells: parameters become vertices through the body.
"""

from __future__ import annotations

from dataclasses import replace

from .recipe import PUBLISHED

VARIANTS = {
    "parameters, fully connected": replace(PUBLISHED, target="parameters", decoder="fully_connected"),
    "parameters, graph": replace(PUBLISHED, target="parameters"),
    "vertices, fully connected": replace(PUBLISHED, decoder="fully_connected"),
    "vertices, graph (published)": PUBLISHED,
}
