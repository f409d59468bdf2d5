"""Pose2Mesh's second ablation: every graph convolution on the finest graph, or on graphs of growing size.

Layers, widths and parameters are the same; only the graph a layer works on differs.
"""

from __future__ import annotations

from dataclasses import replace

from .recipe import PUBLISHED

VARIANTS = {
    "direct": replace(PUBLISHED, resolution="direct"),
    "coarse to fine (published)": PUBLISHED,
}
