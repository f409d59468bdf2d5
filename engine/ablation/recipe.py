"""One cell of an ablation, as plain data: two cells differ where their recipes do, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..train.detector_noise import DetectorNoise
from ..train.synthesis import Synthesis

View = Literal["ours", "as_filmed", "spread", "standardised", "no_confidence", "published", "nineteen_points"]
Decoder = Literal["linear", "graph", "fully_connected"]


@dataclass(frozen=True)
class Recipe:
    """A network, what it sees and what it is trained on.

    Attributes:
        view: what it sees of the detections (`views.see`).
        bones: whether PoseNet is told how foreshortened the bones look.
        hidden: PoseNet's width.
        decoder: what makes vertices of landmarks: the linear map alone, MeshNet, or fully connected layers.
        target: what the decoder ends in: vertices, or rotations and shape that the body turns into vertices.
        reads: what the decoder is given: 2D landmarks, lifted landmarks, or both.
        resolution: where MeshNet's convolutions run: on graphs of growing size, or all on the finest.
        noise, synthesis: what the training pairs are drawn with; "plain" noise is `noise.plain`.
    """

    view: View = "ours"
    bones: bool = True
    hidden: int = 512
    decoder: Decoder = "linear"
    target: Literal["vertices", "parameters"] = "vertices"
    reads: Literal["2d", "3d", "both"] = "both"
    resolution: Literal["coarse_to_fine", "direct"] = "coarse_to_fine"
    noise: DetectorNoise | Literal["plain"] = field(default_factory=DetectorNoise)
    synthesis: Synthesis = field(default_factory=Synthesis)


OURS = Recipe()
"""Our lifter; vertices are the linear decoding of its landmarks, so that nothing else plays a part."""
PUBLISHED = Recipe(view="published", bones=False, decoder="graph", synthesis=Synthesis(bones=0.0))
"""The published design: x and y standardised apart, no confidence, vertices from MeshNet alone, and bodies
within the shape space, which body parameters can express.
"""
