"""MeshNet: joints to mesh vertices, coarse to fine, by graph convolution (Pose2Mesh section 5)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .chebyshev import K, SparseMatrix, convolve
from .coarsening import MeshPyramid
from .config import MeshNetConfig

Convolution = Callable[..., Tensor]  # the signature of `chebyshev.convolve`
Resampling = Callable[[Tensor, int], Tensor]  # the signature of `resample_features`


class MeshNet(nn.Module):
    """(B, J, C) joint features to (B, N, 3) metres, one row per slot of the pyramid's finest level.

    One block of convolutions on the joint graph, a full connection to the coarsest mesh level, one residual
    block per level, features handed from parents to children in between, and an output block on the finest.
    Batch norm and ReLU follow every convolution but the last. Residuals are added after the ReLU.

    Args:
        config: widths per level; as many levels as the pyramid has.
        pyramid: the mesh graphs, with or without padding nodes.
        joint_laplacian: (J, J).
    """

    def __init__(self, config: MeshNetConfig, pyramid: MeshPyramid, joint_laplacian: sp.csr_matrix) -> None:
        super().__init__()
        if config.levels != len(pyramid.laplacians):
            raise ValueError(f"{config.levels} blocks of widths for {len(pyramid.laplacians)} mesh levels")
        self.config = config
        self.convolve: Convolution = convolve
        self.resample: Resampling = resample_features
        self.joint_laplacian = SparseMatrix(joint_laplacian)
        # coarsest first from here on, the order in which the network walks
        self.laplacians = nn.ModuleList(SparseMatrix(laplacian) for laplacian in reversed(pyramid.laplacians))
        sizes = pyramid.sizes
        self.upsamplings = nn.ModuleList(
            SparseMatrix(_copy_to_children(parents, sizes[i + 1]))
            for i, parents in reversed(list(enumerate(pyramid.parents)))
        )
        self.coarsest = sizes[-1]
        width = config.joint_widths[-1]
        blocks = (config.joint_widths, *config.level_widths, (*config.output_widths, 3))
        outputs = [out for block in blocks for out in block]
        inputs = [config.input_channels, *outputs[:-1]]
        self.fc = nn.Linear(config.joints * width, self.coarsest * width)
        self.cl = nn.ModuleList(_linear(K * i, o) for i, o in zip(inputs, outputs, strict=True))
        self.bn = nn.ModuleList(nn.BatchNorm1d(out) for out in outputs[:-1])

    def forward(self, joints: Tensor) -> Tensor:
        """(B, J, C) to (B, N, 3)."""
        layers = zip(self.cl, (*self.bn, None), strict=True)
        x = joints.transpose(0, 1)
        for _ in self.config.joint_widths:
            x = self._layer(x, self.joint_laplacian, *next(layers))
        x = self.fc(x.transpose(0, 1).flatten(1)).view(len(joints), self.coarsest, -1).transpose(0, 1)

        upsamplings = (None, *self.upsamplings)
        for widths, laplacian, upsample in zip(
            self.config.level_widths, self.laplacians, upsamplings, strict=True
        ):
            parents = x
            x = self._layer(parents, laplacian, *next(layers), upsample)
            for _ in widths[1:]:
                x = self._layer(x, laplacian, *next(layers))
            residual = self.resample(parents, x.shape[-1])
            x = x + (residual if upsample is None else upsample(residual))
        for _ in (*self.config.output_widths, 3):
            x = self._layer(x, self.laplacians[-1], *next(layers))
        return x.transpose(0, 1)

    def _layer(
        self,
        x: Tensor,
        laplacian: nn.Module,
        linear: nn.Module,
        norm: nn.Module | None,
        upsample: nn.Module | None = None,
    ) -> Tensor:
        """Convolution, batch norm over samples and nodes, ReLU; the last layer has no norm and no ReLU."""
        y = self.convolve(x, laplacian, linear, upsample)
        if norm is None:
            return y
        return F.relu(norm(y.flatten(0, 1))).view_as(y)


def resample_features(x: Tensor, width: int) -> Tensor:
    """Widen or narrow a residual: linear resampling of the last axis, half-pixel centres, clamped ends.

    CUDA's own has a thread per feature that walks through all rows, one after the other, which takes longer
    than the convolutions; as a product with what it makes of the unit matrix, a few rows, it costs nothing.
    """
    if x.shape[-1] == width:
        return x
    if x.device.type == "cpu":
        return interpolate_features(x, width)
    unit = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    return x @ interpolate_features(unit[None], width)[0]


def interpolate_features(x: Tensor, width: int) -> Tensor:
    """The same on (N,B,F) as published."""
    return F.interpolate(x, size=width, mode="linear", align_corners=False)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """The published initialisation: uniform within sqrt(2 / (inputs + outputs)), no bias."""
    linear = nn.Linear(inputs, outputs)
    scale = (2.0 / (inputs + outputs)) ** 0.5
    nn.init.uniform_(linear.weight, -scale, scale)
    nn.init.zeros_(linear.bias)
    return linear


def _copy_to_children(parents: np.ndarray, coarser: int) -> sp.csr_matrix:
    nodes = len(parents)
    return sp.csr_matrix((np.ones(nodes), (np.arange(nodes), parents)), shape=(nodes, coarser))
