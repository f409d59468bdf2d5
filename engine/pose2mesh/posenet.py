"""PoseNet: 2D joints to 3D joints (Pose2Mesh section 4; Martinez et al. 2017, with pre-activation blocks)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from .config import PoseNetConfig


class ResidualStage(nn.Module):
    """x + two times (batch norm, ReLU, dropout, linear); nothing after the sum."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.w1 = nn.Linear(width, width)
        self.batch_norm1 = nn.BatchNorm1d(width)
        self.w2 = nn.Linear(width, width)
        self.batch_norm2 = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width) to (B, width)."""
        y = self.w1(self.dropout(F.relu(self.batch_norm1(x))))
        y = self.w2(self.dropout(F.relu(self.batch_norm2(y))))
        return x + y  # type: ignore[no-any-return]


class PoseNet(nn.Module):
    """(B, J, C) normalised 2D joints to (B, J, 3) millimetres.

    The first layer is plain: `batch_norm1` exists only because published checkpoints hold its unused keys.
    """

    def __init__(self, config: PoseNetConfig) -> None:
        super().__init__()
        self.config = config
        self.w1 = nn.Linear(config.joints * config.input_channels, config.hidden)
        self.batch_norm1 = nn.BatchNorm1d(config.hidden)
        self.linear_stages = nn.ModuleList(
            ResidualStage(config.hidden, config.dropout) for _ in range(config.stages)
        )
        self.w2 = nn.Linear(config.hidden, config.joints * 3)

    def forward(self, joints: Tensor) -> Tensor:
        """(B, J, C) to (B, J, 3)."""
        y = self.w1(joints.flatten(1))
        for stage in self.linear_stages:
            y = stage(y)
        return self.w2(y).view(-1, self.config.joints, 3)  # type: ignore[no-any-return]
