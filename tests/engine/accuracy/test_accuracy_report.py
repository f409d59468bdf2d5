"""The files of a report: the same twice, and pictures that show what they should."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from planted import Oracle

from engine.accuracy.panels import HEADER, HEIGHT, WIDTH, Image, Scene, panel, sheet
from engine.accuracy.report import write_report
from engine.accuracy.views import View
from engine.body.model import BodyModel
from engine.cli import main
from engine.pose2mesh.observation import observe_plane
from engine.train.body_torch import BodyTorch
from engine.train.evaluate import CASES, Sight
from engine.train.evaluate_weights import Points
from engine.train.motions import MotionSet

THIRD = WIDTH // 3
OCTAHEDRON = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float32)
FACES = np.array(
    [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]], dtype=np.int32
)


def scene(offset: tuple[float, float, float] = (0, 0, 0), confidence: float = 1.0) -> Scene:
    points = np.random.default_rng(0).normal(0, 0.8, (33, 3))
    points[:, 2] = confidence
    truth = 0.4 * OCTAHEDRON
    return Scene(points, 1.0, truth, truth + offset, FACES, np.array([0, 0, 4.0]), "title", "note")


def columns(picture: Image) -> list[Image]:
    return [picture[HEADER : HEIGHT - 30, i * THIRD : (i + 1) * THIRD].astype(int) for i in range(3)]


def blue(picture: Image) -> int:
    """Pixels of the truth that the prediction leaves bare."""
    return int(((picture[..., 2] - picture[..., 0]) > 25).sum())


def test_an_error_in_depth_shows_from_the_side_only() -> None:
    _, camera, beside = columns(panel(scene((0, 0, 0.3))))
    assert blue(beside) > 300 and blue(camera) < 0.2 * blue(beside)
    _, camera, beside = columns(panel(scene((0.3, 0, 0))))
    assert blue(camera) > 300 and blue(beside) < 0.2 * blue(camera)
    _, camera, beside = columns(panel(scene()))
    assert blue(camera) < 60 and blue(beside) < 60


def test_the_input_is_drawn_where_the_truth_stands() -> None:
    """A network's input has units of its own; in the picture it lies on the mesh."""
    body = BodyModel.load("open_body")
    posed = np.stack([body.landmark_regressor @ body.v_template]) * (1, -1, -1) + (0.3, 0.2, 3.5)
    seen = observe_plane(torch.from_numpy(posed[..., :2] / posed[..., 2:]).float(), torch.ones(1, 33))
    person = (posed @ seen.rotation.numpy())[0]
    sides = [(11, 12, 23), (12, 24, 23), (7, 8, 11), (25, 27, 31), (26, 28, 32), (11, 19, 23), (12, 20, 24)]
    drawn = Scene(
        seen.points[0].numpy(),
        float(seen.extent),
        (person - person[23]).astype(np.float32),
        (person - person[23]).astype(np.float32),
        np.array([*sides, *(side[::-1] for side in sides)], np.int32),
        person[23],
        "title",
        "note",
    )
    boxes = []
    for picture in columns(panel(drawn))[:2]:
        rows, across = np.nonzero(picture.min(axis=-1) < 200)
        boxes.append([rows.min(), rows.max(), across.min(), across.max()])
    np.testing.assert_allclose(boxes[0], boxes[1], atol=15)
    assert boxes[0][1] - boxes[0][0] > 0.7 * (HEIGHT - HEADER)


def test_doubt_is_red() -> None:
    for confidence, channel, other in ((0.99, 1, 0), (0.2, 0, 1)):
        figure = columns(panel(scene(confidence=confidence)))[0]
        drawn = figure[figure.sum(axis=-1) < 350]
        assert drawn[:, channel].mean() > drawn[:, other].mean() + 40


def test_a_sheet_holds_all_panels() -> None:
    one = panel(scene())
    assert sheet([one] * 5).shape == (3 * HEIGHT, 2 * WIDTH, 3)
    assert (sheet([one] * 5)[2 * HEIGHT :, WIDTH:] == 255).all()


def test_the_files_are_the_same_twice(points: BodyTorch, motions: MotionSet, tmp_path: Path) -> None:
    def disturb(truth: Points, sight: Sight, view: View, case: str, piece: int) -> Points:
        return truth._replace(joints=truth.joints * (1 + 0.02 * piece))

    faces = np.array([[0, 1, 2], [3, 4, 5]])
    one = {"mpjpe": 1.0, "pa_mpjpe": 1.0, "mpvpe": 1.0, "pa_mpvpe": 1.0, "accel": 1.0}
    names = {"weights": "w", "sha256": "0" * 64, "motions": "m.npz"}
    for folder in ("a", "b"):
        predict = Oracle(points, motions, disturb, every=3)
        headline = dict.fromkeys(CASES, one)
        descriptions = motions.clip_names
        write_report(predict, points, motions, faces, descriptions, names, headline, tmp_path / folder)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == [
        "clips.json",
        "report.json",
        "report.md",
        "worst-clean.jpg",
        "worst-noisy.jpg",
        "worst.png",
    ]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    report = json.loads((tmp_path / "a" / "report.json").read_text())
    assert report["worst"][0]["clip"] == "unknown"  # the last piece, with the largest error
    assert [moment["number"] for moment in report["worst"]] == list(range(1, len(report["worst"]) + 1))
    assert json.loads((tmp_path / "a" / "clips.json").read_text())["fighting"][0]["clip"] == "swordplay"
    assert cv2.imread(str(tmp_path / "a" / "worst.png")).shape[1] == 1600


def test_the_command_writes_a_report_and_keeps_its_json(
    motions: MotionSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the shipped network, on a motion file that says nothing about its clips."""
    from engine.body.model import BodyModel

    body = BodyModel.load("open_body")
    path = tmp_path / "two.npz"
    np.savez(
        path,
        poses=np.random.default_rng(0).normal(0, 0.1, (12, 24, 3)),
        clip_index=np.repeat([0, 1], 6),
        clip_names=np.array(["walk", "dance"]),
        unique_idx=np.arange(12),
        rest_joints=body.rest_joints(np.zeros(10)),
        parents=body.parents,
    )
    assert main(["evaluate", str(path), "--json", "--report", str(tmp_path / "report")]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(printed) == set(CASES)
    assert all(set(p) == {"mpjpe", "pa_mpjpe", "mpvpe", "pa_mpvpe", "accel"} for p in printed.values())
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["headline"] == printed and report["weights"] == "open_body_quality"
    assert set(report["groups"]["action"]) == {"walking", "dance"}
