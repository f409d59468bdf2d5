"""The published network, number for number: every intermediate and both outputs, in float64 and float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from golden import NAMES, golden, state
from torch import Tensor, nn

from engine import pose2mesh
from engine.pose2mesh import chebyshev
from engine.pose2mesh.model import Pose2Mesh


@dataclass
class Run:
    """A float64 pass over the golden input with everything it went through, rows sample-major."""

    data: dict[str, np.ndarray]
    model: Pose2Mesh
    vertices: Tensor
    mesh: Tensor
    joints: Tensor
    seen: dict[str, Tensor] = field(default_factory=dict)


def _record(model: Pose2Mesh) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}

    def keep(name: str, batch: int | None = None):
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            rows = output if batch is None else output.view(-1, batch, output.shape[-1]).transpose(0, 1)
            seen[name] = rows.reshape(-1, output.shape[-1])

        return hook

    model.pose_lifter.w1.register_forward_hook(keep("pose_w1"))
    for i, stage in enumerate(model.pose_lifter.linear_stages):
        stage.register_forward_hook(keep(f"pose_stage{i}"))
    model.pose2mesh.fc.register_forward_hook(keep("fc"))
    for i, norm in enumerate(model.pose2mesh.bn):
        norm.register_forward_hook(keep(f"bn{i:02d}", batch=2))

    numbers = {linear: i for i, linear in enumerate(model.pose2mesh.cl)}

    def convolve(x, laplacian, linear, upsample):
        features = chebyshev.basis(x if upsample is None else upsample(x), laplacian)
        seen[f"clin{numbers[linear]:02d}"] = features.transpose(0, 1).reshape(-1, features.shape[-1])
        return chebyshev.convolve(x, laplacian, linear, upsample)

    model.pose2mesh.convolve = convolve
    model.pose2mesh.register_forward_hook(lambda _m, _i, output: seen.update(mesh=output))
    return seen


@pytest.fixture(scope="module", params=list(NAMES))
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    data = golden(NAMES[request.param])
    model = pose2mesh.published(request.param, data["faces"])
    model.load_state_dict(state(NAMES[request.param]))
    model.eval().double()
    seen = _record(model)
    with torch.no_grad():
        vertices, joints = model(torch.from_numpy(data["input_pose2d"]).double())
    yield Run(data, model, vertices, seen.pop("mesh"), joints, seen)


def test_state_dict_has_the_published_keys_in_order(run: Run) -> None:
    assert list(run.model.state_dict()) == run.data["state_keys"].tolist()
    for tensor, check in zip(run.model.state_dict().values(), run.data["state_check"], strict=True):
        if not tensor.shape:  # num_batches_tracked
            continue
        values = tensor.double().flatten()
        sums = [values.sum(), values.abs().sum(), values[0], values[-1]]
        np.testing.assert_allclose(sums, check, rtol=1e-9, atol=1e-9)


def test_float64_outputs(run: Run) -> None:
    np.testing.assert_allclose(run.joints, run.data["pose3d_f64"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(run.mesh, run.data["mesh_f64"], rtol=0, atol=1e-9)


def test_vertices_come_in_mesh_order(run: Run) -> None:
    slot_to_vertex = run.data["graph_perm0"]
    for slot, vertex in enumerate(slot_to_vertex[:500]):
        if vertex < run.vertices.shape[1]:
            torch.testing.assert_close(run.vertices[:, vertex], run.mesh[:, slot], rtol=0, atol=0)


def test_every_intermediate(run: Run) -> None:
    names = [key[4:-5] for key in run.data if key.startswith("act_") and key.endswith("_head")]
    assert set(names) == set(run.seen)
    for name in names:
        values = run.seen[name]
        assert values.shape == tuple(run.data[f"act_{name}_shape"]), name
        head = run.data[f"act_{name}_head"]
        np.testing.assert_allclose(
            values[: len(head), : head.shape[1]], head, rtol=0, atol=1e-9, err_msg=name
        )
        stats = [values.sum(), values.abs().sum(), values.min(), values.max()]
        np.testing.assert_allclose(stats, run.data[f"act_{name}_stats"], rtol=1e-9, atol=1e-6, err_msg=name)


def test_float32_outputs(run: Run) -> None:
    with torch.no_grad():
        vertices, joints = run.model.float()(torch.from_numpy(run.data["input_pose2d"]))
    run.model.double()
    assert vertices.dtype == joints.dtype == torch.float32
    expected = run.data["mesh_f64"][:, run.model.vertex_slots]
    np.testing.assert_allclose(vertices, expected, rtol=0, atol=1e-4 * np.ptp(expected))
    np.testing.assert_allclose(
        joints, run.data["pose3d_f64"], rtol=0, atol=1e-4 * np.ptp(run.data["pose3d_f64"])
    )


@pytest.mark.parametrize("run", ["mano21"], indirect=True)
def test_mesh_losses_do_not_train_posenet(run: Run) -> None:
    vertices, _ = run.model(torch.from_numpy(run.data["input_pose2d"]).double())
    vertices.sum().backward()
    assert all(parameter.grad is None for parameter in run.model.pose_lifter.parameters())
    assert any(parameter.grad is not None for parameter in run.model.pose2mesh.parameters())
    run.model.zero_grad()


@pytest.mark.parametrize(
    ("joint_set", "parameters"),
    [("human36m17", 76_303_478), ("coco19", 77_130_876), ("smpl24", 79_199_371), ("mano21", 74_955_138)],
)
def test_parameter_counts(joint_set: str, parameters: int) -> None:
    faces = golden("mano" if joint_set == "mano21" else "human36")["faces"]
    with torch.device("meta"):
        model = pose2mesh.published(joint_set, faces)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
