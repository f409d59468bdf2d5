"""PoseNet that also looks at the frames before and after: a residual mixer along time behind every stage."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .config import PoseNetConfig
from .posenet import PoseNet


class TimeMixer(nn.Module):
    """x + up(ReLU(batch norm(convolution along time(down(ReLU(batch norm x)))))).

    Beyond a clip's ends its first and last frames are repeated, so that a single frame is a body at rest. The
    last layer starts at zero: a network trained on single frames goes on where it was.

    Args:
        width: features of a frame; inner: features along time; kernel: frames, odd; dilation: frames apart.
    """

    def __init__(self, width: int, inner: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.reach = (kernel // 2) * dilation
        self.batch_norm = nn.BatchNorm1d(width)
        self.down = nn.Linear(width, inner)
        self.along = nn.Conv1d(inner, inner, kernel, dilation=dilation, bias=False)
        self.batch_norm_along = nn.BatchNorm1d(inner)  # without it all of its ReLUs died
        self.up = nn.Linear(inner, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, width) to (B, T, width)."""
        y = self.down(F.relu(self.batch_norm(x.flatten(0, 1)))).view(*x.shape[:2], -1)
        y = F.pad(y.transpose(1, 2), (self.reach, self.reach), mode="replicate")
        y = F.relu(self.batch_norm_along(self.along(y)))
        return x + self.up(y.transpose(1, 2))  # type: ignore[no-any-return]


class TemporalPoseNet(PoseNet):
    """PoseNet over clips; its keys are PoseNet's and those of `mixers`."""

    def __init__(self, config: PoseNetConfig) -> None:
        super().__init__(config)
        self.mixers = nn.ModuleList(
            TimeMixer(config.hidden, config.temporal_width, config.temporal_kernel, 2**stage)
            for stage in range(config.stages)
        )
        self.mixing = True
        """Whether the frames around a frame are looked at; a training on frames on their own says no."""

    @property
    def reach(self) -> int:
        """Frames before and after a frame that its result depends on."""
        return sum(mixer.reach for mixer in self.mixers)  # type: ignore[misc]

    def forward(self, joints: Tensor) -> Tensor:
        """(B, T, J, C), frames in order, to (B, T, J, 3); or frames on their own, (B, J, C) to (B, J, 3)."""
        clips = joints if joints.ndim == 4 else joints[:, None]
        y = self.w1(clips.flatten(2))
        for stage, mixer in zip(self.linear_stages, self.mixers, strict=True):
            y = stage(y.flatten(0, 1)).view_as(y)
            if self.mixing:
                y = mixer(y)
        return self.w2(y).view(*joints.shape[:-1], 3)  # type: ignore[no-any-return]
