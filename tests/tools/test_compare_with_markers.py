"""The comparison with markers: a small .trc and a take whose errors are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.body.model import JOINT_NAMES
from engine.body.rotations import matrix_from_axis_angle
from engine.errors import EngineError
from engine.protocol.take import write_take
from tools.compare_with_markers import EXTRA, LANDMARKS, LIMBS, main, read_camera, read_trc

FRAMES = 6
RODRIGUES = [1.3, -0.4, 0.7]
SHIFT = [0.3, -0.2, 4.0]


def snake(marker: str) -> str:
    return {"R": "right_", "L": "left_"}[marker[0]] + marker[1:].lower()


@pytest.fixture
def world() -> dict[str, np.ndarray]:
    """Markers in a z-up world, metres, moving."""
    rng = np.random.default_rng(4)
    start, way = rng.normal(0, 0.5, (18, 3)), rng.normal(0, 0.1, (FRAMES, 1, 3))
    points = start + way + rng.normal(0, 0.02, (FRAMES, 18, 3))
    return {name: points[:, i] for i, name in enumerate((*LIMBS, *EXTRA))}


def write_trc(path: Path, world: dict[str, np.ndarray], first: int = 0, unit: str = "m") -> Path:
    names, scale = list(world), {"m": 1, "mm": 1000}[unit]
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"60\t60\t{FRAMES}\t{len(names)}\t{unit}\t60\t{first}\t{FRAMES}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t\t",
        "\t\t" + "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, len(names) + 1)) + "\t",
    ]
    for frame in range(FRAMES):
        cells = [
            "" if np.isnan(value) else f"{scale * value:.6f}"
            for name in names
            for value in world[name][frame][[1, 2, 0]]
        ]
        lines.append("\t".join([str(first + frame), f"{frame / 60:.6f}", *cells]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_calibration(path: Path, cameras: int = 1) -> Path:
    section = "[cam_0{n}]\nname = 'side_{n}'\nsize = [1920.0, 1080.0]\nmatrix = [[1,0,0],[0,1,0],[0,0,1]]\n"
    section += (
        "distortions = [0.0, 0.0, 0.0, 0.0]\nrotation = {turn}\ntranslation = {shift}\nfisheye = false\n\n"
    )
    texts = [section.format(n=n + 1, turn=RODRIGUES, shift=SHIFT) for n in range(cameras)]
    path.write_text("".join(texts) + "[metadata]\nadjusted = false\nerror = 0.0\n")
    return path


def write_person(path: Path, world: dict[str, np.ndarray], **errors: list[float]) -> Path:
    """A take that holds the markers in camera axes; `errors` are added to named points, metres."""
    turn = matrix_from_axis_angle(np.array(RODRIGUES))
    seen = {name: p @ turn.T + SHIFT + errors.get(name, [0, 0, 0]) for name, p in world.items()}
    joints, keypoints = np.zeros((1, FRAMES, 24, 3)), np.zeros((1, FRAMES, 33, 3))
    for name in LIMBS:
        joints[0, :, JOINT_NAMES.index(snake(name))] = seen[name]
        keypoints[0, :, LANDMARKS.index(snake(name))] = seen[name]
    for name, landmark in {"Nose": "nose", "RHeel": "right_heel", "LBigToe": "left_foot_index"}.items():
        keypoints[0, :, LANDMARKS.index(landmark)] = seen[name]
    arrays: dict[str, Any] = {
        "fps": 60.0,
        "frame_time": np.arange(FRAMES) / 60,
        "frame_index": np.arange(10, 10 + FRAMES),
        "person_id": np.zeros(1),
        "visible": np.ones((1, FRAMES), bool),
        "keypoints2d": np.ones((1, FRAMES, 33, 3)),
        "keypoints": keypoints,
        "joints": joints,
        "poses": np.zeros((1, FRAMES, 24, 3)),
        "betas": np.zeros((1, 10)),
        "trans": np.zeros((1, FRAMES, 3)),
        "contact": np.zeros((1, FRAMES, 4), bool),
        "camera_matrix": np.eye(3),
        "world_from_camera": np.eye(4),
        "faces": np.zeros((1, 3)),
        "body": "none",
        "weights": "none",
        "engine_version": "0",
    }
    write_take(path, arrays, iter(np.zeros((FRAMES, 1, 3), np.float32)[None]), 1)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_same_points_have_no_error(
    world: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the unit, the frame numbers and the camera."""
    take = write_person(tmp_path / "take.npz", world)
    calibration = write_calibration(tmp_path / "calib.toml")
    for unit, first in (("m", 10), ("mm", 0)):
        trc = write_trc(tmp_path / f"{unit}.trc", world, first, unit)
        result = run(capsys, take, trc, "--calibration", calibration, "--offset", 10 - first)
        for source in ("joints", "keypoints"):
            assert result[source]["frames"] == FRAMES
            assert result[source]["mpjpe"] < 0.01 and result[source]["pa_mpjpe"] < 0.01
        assert result["keypoints"]["points"]["Nose"]["mpjpe"] < 0.01


def test_an_error_stands_in_its_own_row(
    world: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take = write_person(tmp_path / "take.npz", world, RWrist=[0.0, 0.0, 0.12])
    trc = write_trc(tmp_path / "m.trc", world, 10)
    result = run(capsys, take, trc, "--calibration", write_calibration(tmp_path / "calib.toml"))["joints"]
    assert result["points"]["RWrist"]["mpjpe"] == pytest.approx(120, abs=0.01)
    assert result["points"]["LWrist"]["mpjpe"] < 0.01
    assert result["mpjpe"] == pytest.approx(10, abs=0.01)  # 120 mm on one of twelve
    assert 1 < result["pa_mpjpe"] < 20


def test_a_wrong_camera_shows_only_with_a_calibration(
    world: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take = write_person(tmp_path / "take.npz", world)
    trc = write_trc(tmp_path / "m.trc", world, 10)
    calibration = tmp_path / "tilted.toml"
    calibration.write_text("[c]\nrotation = [1.3, -0.4, 1.2]\ntranslation = [0.0, 0.0, 0.0]\n")
    assert run(capsys, take, trc, "--calibration", calibration)["joints"]["mpjpe"] > 100
    assert run(capsys, take, trc, "--calibration", calibration)["joints"]["pa_mpjpe"] < 0.01
    assert run(capsys, take, trc)["joints"]["mpjpe"] < 0.01


def test_missing_markers_leave_their_frames_out(
    world: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world["RHip"][0] = np.nan
    world["LKnee"][1] = np.nan
    take = write_person(tmp_path / "take.npz", {n: np.nan_to_num(p) for n, p in world.items()})
    result = run(capsys, take, write_trc(tmp_path / "m.trc", world, 10))["joints"]
    assert result["frames"] == FRAMES - 1
    assert result["mpjpe"] < 0.01 and result["pa_mpjpe"] < 0.01


def test_the_table_names_every_point(
    world: dict[str, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take = write_person(tmp_path / "take.npz", world)
    assert main([str(take), str(write_trc(tmp_path / "m.trc", world, 10))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "one rotation solved" in lines[0]
    assert {line.split()[0] for line in lines[3:]} >= set(LIMBS)


def test_what_is_wrong_is_said(world: dict[str, np.ndarray], tmp_path: Path) -> None:
    take, trc = write_person(tmp_path / "take.npz", world), write_trc(tmp_path / "m.trc", world)
    assert main([str(take), str(tmp_path / "none.trc")]) == 1
    assert main([str(take), str(trc), "--offset", "1000"]) == 1
    (tmp_path / "text.trc").write_text("hello")
    with pytest.raises(EngineError, match=r"no \.trc"):
        read_trc(tmp_path / "text.trc")
    two = write_calibration(tmp_path / "two.toml", cameras=2)
    with pytest.raises(EngineError, match="--camera"):
        read_camera(two, None)
    assert np.allclose(read_camera(two, "cam_02"), read_camera(two, "side_1"))
