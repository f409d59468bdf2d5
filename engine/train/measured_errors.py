"""The detector's errors as they were measured on rendered people, drawn by likeness of the picture.

`detector_errors.npz` holds, for each of N pictures in which MediaPipe found a rendered person: how the true
points lay (`feature`), the scale of each point's error (`log_size`, natural log of heights), its confidence
(`logit`), and the view (`turn`). A new picture gets scale and confidence of an old one in which the body lay
alike, mirrored or not, so that the far arm of a profile is the one in doubt. The errors themselves are drawn
anew as correlated normals (`factor`), never copied. Made by `tools/detector_errors`; docs/detector-noise.md.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ..pose2d.mirrored import MIRRORED_LANDMARK

FILE: Final = Path(__file__).parent / "detector_errors.npz"
FEATURES: Final = [0, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
_SOFTNESS: Final = 0.1
"""How far unlikely pictures are drawn: in squared distances to the nearest other one."""


def views(points: Tensor) -> tuple[Tensor, Tensor]:
    """The person's own axes in the picture: where the trunk points down.

    Args:
        points: (...,33,2), y down.

    Returns:
        axes (...,2,2) with axes @ v = (towards the person's right-hand edge, down) for upright people the
        picture's own x and y; and the trunk's middle (...,2).
    """
    shoulders, hips = points[..., 11:13, :].mean(-2), points[..., 23:25, :].mean(-2)
    extent = (points.amax(-2) - points.amin(-2)).norm(dim=-1, keepdim=True)
    down = (hips - shoulders) / (extent + 1e-9) + torch.tensor([0.0, 0.02], dtype=points.dtype).to(points)
    down = down / (down.norm(dim=-1, keepdim=True) + 1e-9)
    right = torch.stack([down[..., 1], -down[..., 0]], -1)
    return torch.stack([right, down], -2), 0.5 * (shoulders + hips)


def features(points: Tensor, height: Tensor) -> Tensor:
    """What makes two pictures alike: limbs in the person's axes, in heights, and where down is.

    Args:
        points: (...,33,2), height (...,).

    Returns:
        (...,2 * len(FEATURES) + 2)
    """
    axes, middle = views(points)
    local = (points[..., FEATURES, :] - middle[..., None, :]) / height[..., None, None]
    own = local @ axes.transpose(-1, -2)
    return torch.cat([own.flatten(-2), 0.3 * axes[..., 1, :]], -1)


class MeasuredErrors:
    """The error file on a device, with every entry's mirror image.

    Attributes:
        factor: (33,33) lower triangular: factor @ independent normals are correlated as measured.
    """

    def __init__(self, file: Path, device: torch.device) -> None:
        with np.load(file, allow_pickle=False) as data:
            arrays = {name: torch.from_numpy(data[name].astype(np.float32)) for name in data.files}
        permuted = [FEATURES.index(MIRRORED_LANDMARK[i]) for i in FEATURES]
        flip = torch.tensor([-1.0, 1.0])
        feature = arrays["feature"]
        limbs = feature[:, :-2].reshape(-1, len(FEATURES), 2)
        mirrored = torch.cat([(limbs[:, permuted] * flip).flatten(1), feature[:, -2:] * flip], 1)
        self._feature = torch.cat([feature, mirrored]).to(device)
        both = [torch.cat([arrays[k], arrays[k][:, MIRRORED_LANDMARK]]) for k in ("log_size", "logit")]
        turn = torch.cat([arrays["turn"], -arrays["turn"]])
        view = torch.stack([torch.ones_like(turn), turn.cos(), turn.sin()], 1)
        bias = torch.einsum("pak,nk->npa", arrays["bias"], view)
        self._values = torch.cat([*both, bias.flatten(1)], 1).to(device)
        apart = torch.cdist(feature, feature) ** 2
        self._softness = _SOFTNESS * float(apart.sort(1)[0][:, 1].mean()) + 1e-6
        self.factor = arrays["factor"].to(device)
        self._outside = [float(number) for number in arrays["outside"]]

    def like(
        self, points: Tensor, height: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Errors' scale, confidence and constant part as in a picture that looks alike.

        Args:
            points: (B,T,33,2); height: (B,T). The choice stays the same in a clip while the pose does.

        Returns:
            log scale (B,T,33), logit of the confidence (B,T,33), constant part (B,T,33,2); all in heights.
        """
        axes, _ = views(points)
        wanted = features(points, height)
        apart = torch.cdist(wanted.flatten(0, 1), self._feature)  # flat: batched it is fifty times slower
        distance = apart.reshape(*points.shape[:2], -1) ** 2
        chance = torch.rand(len(points), 1, len(self._feature), generator=generator, device=points.device)
        luck = -torch.log(-torch.log(chance.clamp(1e-7, 1 - 1e-7)))  # Gumbel: a draw from the softmax
        values = self._values[(luck - distance / self._softness).argmax(-1)]
        if points.shape[1] > 1:  # a confidence does not jump
            padded = torch.nn.functional.pad(values.transpose(1, 2), (2, 2), mode="replicate")
            values = torch.nn.functional.avg_pool1d(padded, 5, 1).transpose(1, 2)
        bias = values[..., 66:].reshape(*points.shape[:2], 33, 2) @ axes
        return values[..., :33], values[..., 33:66], bias

    def outside(self, beyond: Tensor, normal: Tensor, doubt: Tensor) -> tuple[Tensor, Tensor]:
        """Points beyond the picture's edge: pulled back towards it, and often not in doubt.

        Args:
            beyond: (...,2) from the edge to the true point, heights; normal (...,2), doubt (...): random.

        Returns:
            errors (...,2) in heights, confidences (...).
        """
        pull, near, growth, logit, fall, spread = self._outside
        far = beyond.norm(dim=-1)
        error = (near + growth * far)[..., None] * normal - pull * beyond
        return error, torch.sigmoid(logit + fall * far + spread * doubt)


@lru_cache(maxsize=4)
def measured_errors(device: torch.device, file: str = "") -> MeasuredErrors:
    """The shipped errors, or those of another file, on a device."""
    return MeasuredErrors(Path(file) if file else FILE, device)
