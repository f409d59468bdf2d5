"""Published checkpoints: read in every format they come in, put in the right vertex order, or refused.

Most tests use a narrow network with the published hand's keys and graphs, trained for a moment so that it
decodes a sound mesh; one uses the published widths of MeshNet.
"""

from __future__ import annotations

import argparse
import os
import pickle
import warnings as warnings_module
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from golden import golden

from engine.body.model import BodyModel
from engine.cli import import_checkpoint as command
from engine.errors import EngineError
from engine.pose2mesh import checkpoint, config, losses, weights
from engine.pose2mesh.checkpoint import import_checkpoint
from engine.pose2mesh.model import Pose2Mesh, build
from engine.pose2mesh.reference_pose import reference_pose
from engine.pose2mesh.skeletons import JOINT_SETS, joint_set

FACES = golden("mano")["faces"]
TEMPLATE = golden("mano")["template_vertices"].astype(np.float64)
TEMPLATE = (TEMPLATE - TEMPLATE.mean(axis=0)) / np.ptp(TEMPLATE)
HAND = joint_set("mano21")


def _narrow_config(name: str, joints: int) -> config.Pose2MeshConfig:
    full = config.published_config(name, joints)
    mesh = replace(
        full.mesh, joint_widths=(8, 16, 16), level_widths=((32, 32),) * full.mesh.levels, output_widths=(32,)
    )
    return replace(full, pose=replace(full.pose, hidden=32), mesh=mesh)


def _trained(order: config.Order) -> Pose2Mesh:
    torch.manual_seed(0)
    model = build(replace(_narrow_config("mano21", 21), order=order), FACES).eval()
    pose = torch.from_numpy(reference_pose(HAND))[None]
    target, faces = torch.from_numpy(TEMPLATE).float()[None], torch.from_numpy(FACES.astype(np.int64))
    optimizer = torch.optim.Adam(model.pose2mesh.parameters(), 5e-3)
    for _ in range(100):
        vertices, _ = model(pose)
        loss = (vertices - target).abs().mean() + 0.5 * losses.edge_loss(vertices, target, faces)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@pytest.fixture(scope="module")
def trained() -> Pose2Mesh:
    return _trained("introsort")


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "published_config", _narrow_config)


def _published_file(path: Path, parameters: dict[str, torch.Tensor], **options: Any) -> Path:
    """A file as the published training loop writes it, numpy scalars in its logs."""
    content = {
        "epoch": 11,
        "model_state_dict": parameters,
        "optim_state_dict": {
            "state": {0: {"step": 3, "square_avg": torch.ones(2)}},
            "param_groups": [{"lr": 1e-3}],
        },
        "scheduler_state_dict": {"milestones": {30: 1}, "last_epoch": 11},
        "train_log": [np.float64(3.5), np.float32(1.5)],
        "test_log": {"mpjpe": [np.float64(64.9)]},
    }
    torch.save(content, path, **options)
    return path


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}], ids=["zip", "legacy"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("with_template", [True, False])
def test_published_formats(
    trained: Pose2Mesh, tmp_path: Path, options: dict[str, Any], prefix: str, with_template: bool
) -> None:
    parameters = {prefix + key: value for key, value in trained.state_dict().items()}
    path = _published_file(tmp_path / "final.pth.tar", parameters, **options)
    imported = import_checkpoint(path, FACES, TEMPLATE if with_template else None)
    assert imported.order == "introsort"
    pose = torch.from_numpy(reference_pose(HAND))[None]
    with torch.no_grad():
        for ours, theirs in zip(imported.model(pose), trained(pose), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.usefixtures("narrow")
def test_a_wrong_order_is_told_by_its_torn_mesh(trained: Pose2Mesh, tmp_path: Path, monkeypatch) -> None:
    path = _published_file(tmp_path / "final.pth.tar", trained.state_dict())
    right = import_checkpoint(path, FACES, TEMPLATE).misfit
    monkeypatch.setattr(checkpoint, "get_args", lambda _orders: ("stable",))
    with pytest.raises(EngineError, match="torn mesh"):
        import_checkpoint(path, FACES, TEMPLATE)
    with pytest.raises(EngineError, match="torn mesh"):
        import_checkpoint(path, FACES)
    assert right < 0.05


@pytest.mark.usefixtures("narrow")
def test_other_orders_are_tried(tmp_path: Path) -> None:
    path = _published_file(tmp_path / "final.pth.tar", _trained("stable").state_dict())
    assert import_checkpoint(path, FACES, TEMPLATE).order == "stable"


@pytest.mark.usefixtures("narrow")
def test_another_mesh_is_refused(trained: Pose2Mesh, tmp_path: Path) -> None:
    path = _published_file(tmp_path / "final.pth.tar", trained.state_dict())
    with pytest.raises(EngineError, match="another mesh"):
        import_checkpoint(path, golden("human36")["faces"])


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda s: s.pop("pose2mesh.cl.3.bias"), r"lacks parameters \(pose2mesh.cl.3.bias\)"),
        (lambda s: [s.pop(k) for k in list(s) if "cl.1" in k], "and .* more"),
        (lambda s: s.update(extra=torch.zeros(1)), r"unknown parameters \(extra\)"),
        (lambda s: s.update({"pose2mesh.cl.3.bias": torch.zeros(5)}), "another shape"),
        (lambda s: s.update({"pose_lifter.w2.bias": torch.zeros(48)}), "16 joints"),
        (lambda s: s.update({"pose2mesh.cl.14.bias": torch.full((3,), torch.nan)}), "torn"),
        (lambda s: s.clear(), "no network parameters"),
    ],
)
def test_altered_parameters_are_named(trained: Pose2Mesh, tmp_path: Path, change, cause: str) -> None:
    parameters = dict(trained.state_dict())
    change(parameters)
    with pytest.raises(EngineError, match=cause):
        import_checkpoint(_published_file(tmp_path / "final.pth.tar", parameters), FACES, TEMPLATE)


@pytest.mark.usefixtures("narrow")
def test_the_wrong_joint_set_is_named(trained: Pose2Mesh, tmp_path: Path) -> None:
    path = _published_file(tmp_path / "final.pth.tar", trained.state_dict())
    with pytest.raises(EngineError, match="mano21, not coco19"):
        import_checkpoint(path, FACES, TEMPLATE, "coco19")


def test_posenet_alone_is_refused(trained: Pose2Mesh, tmp_path: Path) -> None:
    path = _published_file(tmp_path / "posenet.pth.tar", trained.pose_lifter.state_dict())
    with pytest.raises(EngineError, match="PoseNet alone"):
        import_checkpoint(path, FACES)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = _published_file(tmp_path / "resnet.pth.tar", {"conv1.weight": torch.zeros(3)})
    with pytest.raises(EngineError, match="another kind"):
        import_checkpoint(path, FACES)


class _Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("writer", ["zip", "legacy", "pickle"])
def test_a_hostile_file_runs_nothing(tmp_path: Path, writer: str) -> None:
    marker, path = tmp_path / "owned", tmp_path / "final.pth.tar"
    content = {"model_state_dict": {"pose_lifter.w2.bias": torch.zeros(63)}, "epoch": _Hostile(marker)}
    if writer == "pickle":
        path.write_bytes(pickle.dumps(_Hostile(marker)))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=writer == "zip")
    with warnings_module.catch_warnings(), pytest.raises(EngineError, match=r"could run code|damaged"):
        warnings_module.simplefilter("ignore")  # torch remarks on the pickle protocol
        import_checkpoint(path, FACES)
    assert not marker.exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_truncated_files_are_refused(tmp_path: Path, legacy: bool) -> None:
    whole = _published_file(
        tmp_path / "whole.pth.tar", {"w": torch.arange(5000.0)}, _use_new_zipfile_serialization=not legacy
    ).read_bytes()
    for length in (0, 1, 10, len(whole) // 2, len(whole) - 100):
        path = tmp_path / f"cut{length}.pth.tar"
        path.write_bytes(whole[:length])
        with pytest.raises(EngineError, match="damaged" if length else "is empty"):
            import_checkpoint(path, FACES)


def test_missing_and_unrelated_files(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no checkpoint"):
        import_checkpoint(tmp_path / "none.pth.tar", FACES)
    with pytest.raises(EngineError, match="is a folder"):
        import_checkpoint(tmp_path, FACES)
    picture = tmp_path / "picture.pth.tar"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10)
    with pytest.raises(EngineError, match="damaged"):
        import_checkpoint(picture, FACES)


def test_an_untrained_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def published_mesh_net(name: str, joints: int) -> config.Pose2MeshConfig:
        full = config.published_config(name, joints)
        return replace(full, pose=replace(full.pose, hidden=32))  # the full PoseNet is 270 MB

    monkeypatch.setattr(checkpoint, "published_config", published_mesh_net)
    torch.manual_seed(0)
    path = _published_file(
        tmp_path / "final.pth.tar", build(published_mesh_net("mano21", 21), FACES).state_dict()
    )
    with pytest.raises(EngineError, match="torn mesh"):
        import_checkpoint(path, FACES, TEMPLATE)


@pytest.mark.usefixtures("narrow")
def test_command_writes_one_safe_file(trained: Pose2Mesh, tmp_path: Path, capsys) -> None:
    source = _published_file(tmp_path / "final.pth.tar", trained.state_dict())
    np.save(tmp_path / "hand.npy", FACES.astype(np.uint32))
    out = tmp_path / "hand.safetensors"
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    arguments = ["import-checkpoint", str(source), "--faces", str(tmp_path / "hand.npy"), "--out", str(out)]
    parsed = parser.parse_args(arguments)
    assert parsed.run(parsed) == 0
    assert "mano21" in capsys.readouterr().out
    model, description = weights.load(out)
    assert (description.body, description.notes["source"]) == ("hand", "final.pth.tar")
    pose = torch.from_numpy(reference_pose(HAND))[None]
    with torch.no_grad():
        torch.testing.assert_close(model(pose)[0], trained(pose)[0])


@pytest.mark.usefixtures("narrow")
def test_command_takes_an_imported_body(trained: Pose2Mesh, tmp_path: Path, monkeypatch) -> None:
    body = SimpleNamespace(
        name="mano", triangles=FACES.astype(np.int32), v_template=TEMPLATE.astype(np.float32)
    )
    monkeypatch.setattr(BodyModel, "load", lambda name: body if name == "mine" else None)
    source = _published_file(tmp_path / "final.pth.tar", trained.state_dict())
    out = tmp_path / "hand.safetensors"
    arguments = argparse.Namespace(checkpoint=source, body="mine", faces=None, joint_set="mano21", out=out)
    assert command.run(arguments) == 0
    assert weights.load(out)[1].body == "mano"


@pytest.mark.parametrize("content", [None, b"no array", "text"])
def test_command_names_unreadable_faces(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "faces.npy"
    if content == "text":
        np.save(path, np.array(["a", "b", "c"]))
    elif content is not None:
        path.write_bytes(content)
    arguments = argparse.Namespace(
        checkpoint=_published_file(tmp_path / "f.pth.tar", {"pose_lifter.w2.bias": torch.zeros(63)}),
        body=None, faces=path, joint_set=None, out=tmp_path / "o",
    )  # fmt: skip
    with pytest.raises(EngineError, match="triangles"):
        command.run(arguments)


@pytest.mark.parametrize("each", JOINT_SETS.values(), ids=JOINT_SETS)
def test_reference_poses_are_plain_and_symmetric(each) -> None:
    pose = reference_pose(each)
    assert pose.shape == (len(each), 2)
    np.testing.assert_allclose(pose.std(axis=0), 1.0, rtol=1e-5)
    for left, right in each.flip_pairs:
        assert pose[left, 0] > pose[right, 0]  # facing the camera
        assert pose[left, 1] == pose[right, 1]
    assert len(np.unique(pose, axis=0)) == len(each)
