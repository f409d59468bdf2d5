"""What bones say of depth: one that looks half as long as it is lies 60 degrees out of the picture's plane.

A network can find that out by itself, but it takes long: told, it reaches the same error in a fraction of the
training (docs/ablations.md).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from .observation import POINT_UNIT, bone_vectors

BONES: Final = (
    (11, 12, 0.36),  # shoulders
    *((11, 23, 0.51), (12, 24, 0.51), (11, 24, 0.57), (12, 23, 0.57)),  # trunk, with its diagonals
    *((11, 13, 0.27), (12, 14, 0.27), (13, 15, 0.245), (14, 16, 0.245)),  # upper arms, forearms
    *((15, 17, 0.09), (16, 18, 0.09), (15, 19, 0.095), (16, 20, 0.095), (15, 21, 0.07), (16, 22, 0.07)),
    *((23, 25, 0.42), (24, 26, 0.42), (25, 27, 0.42), (26, 28, 0.42)),  # thighs, shins
    *((27, 29, 0.075), (28, 30, 0.075), (29, 31, 0.22), (30, 32, 0.22), (27, 31, 0.19), (28, 32, 0.19)),
)
"""Two landmarks that keep their distance, and that distance, metres, on the open body. Not the head's, nor
the hips': there the detector means other places on real people than on the body, and real clips get worse."""
FEATURES: Final = 4


def bone_features(points: Tensor) -> Tensor:
    """Direction and foreshortening of every bone.

    Args:
        points: (B,33,2) x, y as in `Observation.points`.

    Returns:
        (B,33,4): the bone's direction in the picture, x and y; how long it looks, relative to its usual
        length, at most 2; and the share of it that must then lie in depth, 0 to 1, its sign unknown. There
        are fewer bones than landmarks; the last rows are zero.
    """
    bone, usual = bone_vectors(points, BONES)
    length = bone.norm(dim=-1, keepdim=True)
    apparent = length / (usual[:, None] / POINT_UNIT)
    depth = (1 - apparent.square()).clamp_min(0).sqrt()
    features = torch.cat([bone / length.clamp_min(1e-3), apparent.clamp(max=2.0), depth], -1)
    return torch.nn.functional.pad(features, (0, 0, 0, points.shape[1] - len(BONES)))
