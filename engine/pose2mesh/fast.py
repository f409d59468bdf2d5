"""The same network for inference only: exact in float32, several times faster than written plainly.

- Padding nodes are dropped: no real node ever reads one.
- Batch norms are folded into the layers before them, and PoseNet's last two linear maps, between which
  nothing bends, into one.
- A graph convolution multiplies by its three weight matrices first, in one dense product, and then gathers
  with one sparse product whose matrix [U, M U, M^2 U] holds the upsampling and both powers of the graph's.
  As the dense product comes before the upsampling, it runs on half the rows where a level begins. No basis is
  concatenated, and the last layer gathers three channels instead of 64.
- M is the Laplacian less its mean diagonal, L = c I + M. As the published code scales it, L's eigenvalues
  lie between -1 and -1/2: there X, L X and L^2 X nearly cancel, and half precision loses what is left. Those
  of M lie on both sides of zero, and the same polynomial written in M is mostly its first term.
- On CPUs PoseNet and the full connection see the whole batch, and the graphs one sample after the other,
  which fits the caches; on CUDA everything sees the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from .body_network import LIFT_UNIT, BodyNetwork, both_sides, observed
from .chebyshev import K
from .dense import Dense, HalfStored, halves
from .foreshortening import bone_features
from .meshnet import MeshNet, resample_features
from .model import MILLIMETRES, Pose2Mesh
from .observation import Observation
from .posenet import PoseNet
from .skeletons import joint_set
from .temporal import TemporalPoseNet

ROWS = 64
"""Samples that PoseNet and the full connection are laid out for."""
CAREFUL_LEVELS = 2
"""Mesh levels, coarsest first, that stay float32 in bfloat16: small, and all others build on them."""

NOTHING = 1e-7
"""What is left of a diagonal whose entries are equal but for rounding."""


def fast(
    model: Pose2Mesh,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    chunk: int | None = None,
    units_per_metre: float = MILLIMETRES,
) -> FastPose2Mesh:
    """An inference copy of a network; the network itself stays as it is.

    Args:
        model: the trained network; its running statistics are used, whatever mode it is in.
        dtype: of the arithmetic. In half precision PoseNet and the layers that give coordinates stay float32;
            in bfloat16 all that vertices depend on most, and weights of which there are many are kept in
            float16.
        device: where the copy is made, and stays: its weights are laid out for that device.
        chunk: samples per pass over the graphs; by default 1 on the CPU and all on other devices.
        units_per_metre: of PoseNet's output; millimetres as published.
    """
    device = torch.device(device)
    chunk = (1 if device.type == "cpu" else None) if chunk is None else chunk
    with torch.no_grad():
        return FastPose2Mesh(model, dtype, device, chunk, units_per_metre).eval()


def fast_body(
    network: BodyNetwork, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> FastBody:
    """The same for our own body's network."""
    return FastBody(network, fast(network.network, dtype, device, units_per_metre=1 / LIFT_UNIT))


class FastBody(nn.Module):
    """As `BodyNetwork`: observation to landmarks (B,33,3) and vertices (B,N,3) [m]. Made by `fast_body`."""

    decode: Tensor

    def __init__(self, network: BodyNetwork, quick: FastPose2Mesh) -> None:
        super().__init__()
        self.mesh = network.mesh
        self.network = quick
        self.register_buffer("decode", network.decode.to(quick.device), persistent=False)

    def forward(self, observation: Observation, frames: int = 1) -> tuple[Tensor, Tensor]:
        """Landmarks (B,33,3) and vertices (B,N,3); `frames` as in `BodyNetwork.lift`."""

        def lift(seen: Observation) -> Tensor:
            features = torch.cat((observed(seen), bone_features(seen.points[..., :2])), -1)
            return self.network.lift(features, frames)

        joints = both_sides(lift, observation)
        landmarks = joints * LIFT_UNIT
        return landmarks, self.decode @ landmarks + self.network.mesh(observed(observation), joints)


class FastPose2Mesh(nn.Module):
    """As `Pose2Mesh`: (B, J, C) to vertices (B, V, 3) [m] and joints (B, J, 3) [mm]. Made by `fast`."""

    vertex_slots: Tensor

    def __init__(
        self,
        model: Pose2Mesh,
        dtype: torch.dtype,
        device: torch.device,
        chunk: int | None,
        units_per_metre: float,
    ) -> None:
        super().__init__()
        self.device, self.chunk, self.units_per_metre = device, chunk, units_per_metre
        pyramid = model.pyramid.without_padding()
        self.register_buffer(
            "vertex_slots", torch.from_numpy(pyramid.vertex_slots).to(device), persistent=False
        )
        # PoseNet, the joints' graph and the full connection stay float32: all vertices depend on them, and
        # nothing keeps PoseNet's sums, which grow to millimetres, within float16's reach. The coarse graphs
        # and the last hidden layer are where bfloat16's eight bits would cost most. Together they
        # are a fifth of the work.
        exact = torch.float32
        careful = exact if dtype == torch.bfloat16 else dtype
        half = dtype == torch.bfloat16
        self.pose: nn.Module
        if isinstance(model.pose_lifter, TemporalPoseNet):
            self.pose = deepcopy(model.pose_lifter).to(device).requires_grad_(False)
        else:
            self.pose = _FastPoseNet(model.pose_lifter, device, half)

        mesh, config = model.pose2mesh, model.pose2mesh.config
        make = _LayerMaker(mesh, device)
        joints = joint_set(model.config.joint_set).laplacian()
        self.joint_layers = nn.ModuleList(make.stay(joints, exact, False) for _ in config.joint_widths)
        real = torch.from_numpy(model.pyramid.real[-1])
        self.width = config.joint_widths[-1]
        weight, bias = (_rows(value, real, self.width) for value in (mesh.fc.weight, mesh.fc.bias))
        self.fc = _dense(weight, bias, device, half=half)

        one = chunk == 1
        laplacians = list(reversed(pyramid.laplacians))
        parents = [None, *reversed(pyramid.parents)]
        self.levels = nn.ModuleList()
        for widths, laplacian, parent in zip(config.level_widths, laplacians, parents, strict=True):
            kind = careful if len(self.levels) < CAREFUL_LEVELS else dtype
            layers: list[_Stay | _Climb] = (
                [] if parent is None else [make.climb(laplacian, parent, kind, one)]
            )
            layers += [make.stay(laplacian, kind, one) for _ in widths[len(layers) :]]
            self.levels.append(_Level(layers, parent, kind, device))
        self.output = nn.ModuleList(make.stay(laplacians[-1], careful, one) for _ in config.output_widths)
        self.coordinates = make.stay(laplacians[-1], exact, one)

    def forward(self, joints2d: Tensor, frames: int = 1) -> tuple[Tensor, Tensor]:
        """(B, J, C) to vertices (B, V, 3) and joints (B, J, 3).

        Args:
            joints2d: of B frames.
            frames: the batch is made of clips of this many frames in order; matters to a temporal network.
        """
        joints3d = self.lift(joints2d, frames)
        return self.mesh(joints2d, joints3d), joints3d

    def lift(self, joints2d: Tensor, frames: int = 1) -> Tensor:
        """PoseNet alone: (B, J, C) to joints (B, J, 3) [mm]."""
        joints2d = joints2d.float()
        if isinstance(self.pose, TemporalPoseNet):
            joints3d: Tensor = self.pose(joints2d.view(-1, frames, *joints2d.shape[1:])).flatten(0, 1)
        else:
            joints3d = self.pose(joints2d)
        return joints3d

    def mesh(self, joints2d: Tensor, joints3d: Tensor) -> Tensor:
        """MeshNet alone: what it sees of the 2D joints and lifted joints [mm] to vertices (B, V, 3) [m]."""
        x = torch.cat((joints2d.float(), joints3d / self.units_per_metre), dim=-1).transpose(0, 1)
        for layer in self.joint_layers:
            x = _relu(layer(x))
        batch = len(joints2d)
        x = self.fc(x.transpose(0, 1).reshape(batch, -1)).view(batch, -1, self.width)
        if self.chunk is None or batch <= self.chunk:
            return self._graphs(x)
        vertices = joints3d.new_empty((batch, len(self.vertex_slots), 3))
        for start in range(0, batch, self.chunk):
            part = slice(start, start + self.chunk)
            vertices[part] = self._graphs(x[part])
        return vertices

    def _graphs(self, x: Tensor) -> Tensor:
        """(B, N, F) features of the coarsest level to (B, V, 3)."""
        x = x.transpose(0, 1)
        for level in self.levels:
            x = level(x)
        for layer in self.output:
            x = _relu(layer(x))
        coordinates: Tensor = self.coordinates(x)
        return coordinates.index_select(0, self.vertex_slots).transpose(0, 1)


class _FastPoseNet(nn.Module):
    """PoseNet. The second batch norm of each stage is folded away; the first follows a residual and stays.

    The last stage's second layer is followed by nothing but the sum and the output layer, so that their
    product takes its place: H x H weights become 3 J x H.
    """

    def __init__(self, net: PoseNet, device: torch.device, half: bool) -> None:
        super().__init__()
        self.joints = net.config.joints
        self.first = _dense(net.w1.weight, net.w1.bias, device)
        self.last = _dense(net.w2.weight, net.w2.bias, device)
        self.norms = nn.ParameterList()
        self.linears = nn.ModuleList()
        stage: Any
        for number, stage in enumerate(net.linear_stages, 1):
            for value in _affine(stage.batch_norm1):
                self.norms.append(nn.Parameter(value.to(device, torch.float32), requires_grad=False))
            scale, shift = _affine(stage.batch_norm2)
            weight, bias = scale[:, None] * stage.w1.weight, scale * stage.w1.bias + shift
            self.linears.append(_dense(weight, bias, device, relu=True, half=half))
            weight, bias = stage.w2.weight, stage.w2.bias
            if number < len(net.linear_stages):
                self.linears.append(_dense(weight, bias, device, half=half))
            else:
                weight, bias = net.w2.weight @ weight, net.w2.weight @ bias
                self.linears.append(_dense(weight, bias, device))

    def forward(self, joints2d: Tensor) -> Tensor:
        x: Tensor = self.first(joints2d.flatten(1))
        y: Tensor | None = None
        for i in range(0, len(self.linears), 2):
            x = x if y is None else x + y
            y = torch.addcmul(self.norms[i + 1], x, self.norms[i]).relu_()
            y = self.linears[i + 1](self.linears[i](y))
        joints: Tensor = self.last(x, plus=y)
        return joints.view(-1, self.joints, 3)


class _Level(nn.Module):
    """One residual block: (N', B, F) on the coarser level to (N, B, G)."""

    parents: Tensor | None
    resample: Tensor | None

    def __init__(
        self,
        layers: list[_Stay | _Climb],
        parents: npt.NDArray[np.int64] | None,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        inputs, self.outputs = layers[0].inputs, layers[-1].outputs
        # In bfloat16 features stay float32 from level to level: all later levels see what is rounded there.
        self.dtype = torch.float32 if dtype == torch.bfloat16 else dtype
        # CUDA's resampling has a thread per feature, which is far too few; as a product it costs nothing.
        product = device.type != "cpu" and inputs != self.outputs
        resample = resample_features(torch.eye(inputs)[None], self.outputs)[0].to(device, self.dtype)
        self.register_buffer("resample", resample if product else None)
        self.register_buffer("parents", None if parents is None else torch.from_numpy(parents).to(device))

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.dtype)
        residual = resample_features(x, self.outputs) if self.resample is None else x @ self.resample
        if self.parents is not None:
            residual = residual.index_select(0, self.parents)
        first, *others = self.layers
        x = first(x)
        for layer in others:
            x = layer(_relu(x))
        return x.to(self.dtype).relu_().add_(residual)


class _Stay(nn.Module):
    """A graph convolution with its batch norm folded in: (N, B, F) to (N, B, G).

    X A0 + b + M (X A1 + M (X A2)).
    """

    def __init__(
        self, parts: _Parts, inner: _Gather, outer: _Gather, one_sample: bool, dtype: torch.dtype
    ) -> None:
        super().__init__()
        w0, w1, w2 = (weight.to(dtype) for weight in parts.weights)
        self.outputs, self.inputs = (int(size) for size in w0.shape)
        self.inner, self.outer = inner, outer
        self.pair = _Products((w1, w2), None, inner.nodes, one_sample)
        self.own = Dense(w0, parts.bias, inner.nodes)

    def forward(self, x: Tensor) -> Tensor:
        nodes, batch, _ = x.shape
        x = x.reshape(-1, self.inputs).to(self.own.dtype)
        neighbours = self.outer(self.inner(self.pair(x, batch)))
        y: Tensor = self.own(x, plus=neighbours.view(-1, self.outputs))
        return y.view(nodes, batch, -1)


class _Climb(nn.Module):
    """The convolution that begins a level, upsampling U included: (N', B, F) to (N, B, G).

    [U, M U, M^2 U] of the three products, which are formed on the coarser level's rows.
    """

    def __init__(self, parts: _Parts, gather: _Gather, one_sample: bool, dtype: torch.dtype) -> None:
        super().__init__()
        weights = [weight.to(dtype) for weight in parts.weights]
        self.outputs, self.inputs = (int(size) for size in weights[0].shape)
        self.gather = gather
        self.products = _Products(weights, parts.bias, gather.nodes, one_sample)

    def forward(self, x: Tensor) -> Tensor:
        batch = x.shape[1]
        y: Tensor = self.gather(self.products(x.reshape(-1, self.inputs), batch))
        return y.view(-1, batch, self.outputs)


class _Products(nn.Module):
    """(N B, F) times k weights, as rows to gather from; the bias goes to the first weight's product.

    For one sample they are one product (N, k G), which read as (N k, G) has a row per node and weight. For
    more samples they lie one after the other, (k N, B G), a row per weight and node.
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, weights: Sequence[Tensor], bias: Tensor | None, rows: int, one_sample: bool) -> None:
        super().__init__()
        self.outputs = len(weights[0])
        self.dense: Dense | None = None
        stacked = torch.stack(tuple(weights))
        if one_sample:
            biases = torch.zeros(stacked.shape[:2], device=stacked.device)
            if bias is not None:
                biases[0] = bias
            self.dense = Dense(stacked.flatten(0, 1), biases.flatten(), rows)
        self.register_buffer("weight", None if one_sample else stacked.transpose(1, 2).contiguous())
        self.register_buffer("bias", None if one_sample else bias)

    def forward(self, x: Tensor, batch: int) -> Tensor:
        if self.dense is not None:
            dense: Tensor = self.dense(x)
            return dense.view(-1, self.outputs)
        assert self.weight is not None
        products = torch.bmm(x.to(self.weight.dtype).expand(len(self.weight), -1, -1), self.weight)
        if self.bias is not None:
            products[0].add_(self.bias)
        return products.view(-1, batch * self.outputs)


class _Gather(nn.Module):
    """Weighted sums of rows, (M, W) to (N, W): a constant sparse matrix."""

    columns: Tensor
    starts: Tensor
    values: Tensor

    def __init__(self, matrix: sp.csr_matrix, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self.nodes = int(matrix.shape[0])
        self.register_buffer("columns", torch.from_numpy(matrix.indices.astype(np.int32)).to(device))
        self.register_buffer("starts", torch.from_numpy(matrix.indptr[:-1].astype(np.int32)).to(device))
        self.register_buffer("values", torch.from_numpy(matrix.data).to(device, dtype))

    def forward(self, rows: Tensor) -> Tensor:
        y: Tensor = torch.embedding_bag(rows, self.columns, self.starts, False, 0, False, self.values)[0]
        return y


class _Parts(NamedTuple):
    """A convolution's three weights (G, F), for X, M X and M^2 X, and its bias (G,), batch norm folded in."""

    weights: tuple[Tensor, Tensor, Tensor]
    bias: Tensor


class _LayerMaker:
    """Makes MeshNet's convolutions in their order; those on one graph share its tables."""

    def __init__(self, net: MeshNet, device: torch.device) -> None:
        self.device = device
        self._norms = iter((*net.bn, None))
        self._linears = iter(net.cl)
        self._gathers: dict[tuple[Any, ...], _Gather] = {}

    def stay(self, laplacian: sp.csr_matrix, dtype: torch.dtype, one_sample: bool) -> _Stay:
        """The next layer, on one graph."""
        centre, rest = _centred(laplacian)
        identity = sp.identity(laplacian.shape[0], format="csr")
        inner = self._gather("inner", laplacian, dtype, one_sample, lambda: [identity, rest])
        outer = self._gather("outer", laplacian, dtype, one_sample, lambda: [rest])
        return _Stay(self._parts(centre), inner, outer, one_sample, dtype)

    def climb(
        self,
        laplacian: sp.csr_matrix,
        parents: npt.NDArray[np.int64],
        dtype: torch.dtype,
        one_sample: bool,
    ) -> _Climb:
        """The next layer, from the coarser graph to this one."""
        nodes = len(parents)
        up = sp.csr_matrix((np.ones(nodes), (np.arange(nodes), parents)))
        centre, rest = _centred(laplacian)
        gather = self._gather(
            "climb", laplacian, dtype, one_sample, lambda: [up, rest @ up, rest @ (rest @ up)]
        )
        return _Climb(self._parts(centre), gather, one_sample, dtype)

    def _parts(self, centre: float) -> _Parts:
        linear: Any = next(self._linears)
        norm = next(self._norms)
        weight, bias = linear.weight.detach(), linear.bias.detach()
        if norm is not None:
            scale, shift = _affine(norm)
            weight, bias = scale[:, None] * weight, scale * bias + shift
        w0, w1, w2 = weight.to(self.device).view(len(weight), -1, K).double().unbind(-1)
        weights = w0 - w2 + centre * w1 + 2 * centre**2 * w2, w1 + 4 * centre * w2, 2 * w2
        first, second, third = (weight.float() for weight in weights)
        return _Parts((first, second, third), bias.to(self.device))

    def _gather(
        self,
        kind: str,
        laplacian: sp.csr_matrix,
        dtype: torch.dtype,
        one_sample: bool,
        make: Callable[[], list[sp.csr_matrix]],
    ) -> _Gather:
        key = kind, id(laplacian), dtype, one_sample
        if key not in self._gathers:
            self._gathers[key] = _Gather(_side_by_side(make(), one_sample), dtype, self.device)
        return self._gathers[key]


def _relu(x: Tensor) -> Tensor:
    """In place. torch's own on bfloat16 takes six times as long as the same on the numbers' bits, which read
    as integers are below zero where the number is.
    """
    if x.dtype != torch.bfloat16:
        return x.relu_()
    x.view(torch.int16).clamp_min_(0)
    return x


def _centred(laplacian: sp.csr_matrix) -> tuple[float, sp.csr_matrix]:
    """c and M of L = c I + M, float64, c the mean of the diagonal; on the finest mesh M has none at all."""
    exact = laplacian.astype(np.float64)
    centre = float(exact.diagonal().mean())
    rest = (exact - centre * sp.identity(exact.shape[0], format="csr")).tocsr()
    rest.data[np.abs(rest.data) < NOTHING] = 0.0
    rest.eliminate_zeros()
    return centre, rest


def _side_by_side(matrices: list[sp.csr_matrix], interleaved: bool) -> sp.csr_matrix:
    """k matrices (N, N') as one (N, k N'), float32: column power * N' + node, or node * k + power."""
    joined = sp.hstack(matrices, format="csc")
    if interleaved:
        joined = joined[:, np.arange(joined.shape[1]).reshape(len(matrices), -1).T.ravel()]
    joined = joined.tocsr().astype(np.float32)
    joined.sort_indices()
    return joined


def _affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Scale and shift that a batch norm applies in evaluation mode."""
    assert isinstance(norm, nn.BatchNorm1d) and norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - scale * norm.running_mean


def _rows(values: Tensor, real: Tensor, width: int) -> Tensor:
    """The rows of the full connection that belong to real nodes."""
    real = real.to(values.device)
    return values.detach().view(len(real), width, *values.shape[1:])[real].flatten(0, 1)


def _dense(
    weight: Tensor,
    bias: Tensor,
    device: torch.device,
    relu: bool = False,
    half: bool = False,
) -> Dense | HalfStored:
    """A float32 layer; on other devices than the CPU the weights are shared where nothing changes them.

    With `half`, the weights are kept in half the memory where that can be done.
    """
    if half and halves(weight, device):
        return HalfStored(weight, bias, relu)
    return Dense(weight.detach().to(device, torch.float32), bias.detach().to(device), ROWS, relu)
