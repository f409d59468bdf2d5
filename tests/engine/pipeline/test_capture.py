"""The whole engine on the real sample video, a few frames of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import write_clip
from pipeline_helpers import SAMPLE, Recorder

from engine.body.model import BodyModel
from engine.errors import EngineError
from engine.fit.camera import project
from engine.pipeline.capture import Cancelled, CaptureOptions, CaptureResult, capture
from engine.protocol.take import Take
from engine.video.decode import VideoFile

FRAMES = 16


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[CaptureResult, Recorder]:
    recorder = Recorder(live=True)
    out = tmp_path_factory.mktemp("take") / "täke 1.npz"
    return capture(VideoFile(SAMPLE, 0, FRAMES - 1), CaptureOptions(out), recorder), recorder


def test_the_take_holds_the_whole_contract(taken: tuple[CaptureResult, Recorder]) -> None:
    take = Take.open(taken[0].take)
    assert (take.people, take.frames) == (1, FRAMES)
    np.testing.assert_array_equal(take.frame_index, np.arange(FRAMES))
    assert take.fps == pytest.approx(60.0)
    assert take.body == "open_body" and take.weights == "open_body_quality"
    assert take.visible.all()


def test_the_mesh_lies_on_the_person(taken: tuple[CaptureResult, Recorder]) -> None:
    """The issue's measure: median distance of projected to detected landmarks at most 2.5 % of the height."""
    take = Take.open(taken[0].take)
    projected = project(take.keypoints, take.camera_matrix)
    distance = np.linalg.norm(projected - take.keypoints2d[..., :2], axis=-1)
    height = np.ptp(take.keypoints2d[..., 1], axis=-1).mean()
    print(f"reprojection: {100 * np.median(distance) / height:.2f} % of the height")
    assert np.median(distance) < 0.025 * height
    assert taken[0].quality["reprojection_percent"] < 2.5


def test_bones_and_residual_give_the_vertices(
    taken: tuple[CaptureResult, Recorder],
) -> None:
    take, body = Take.open(taken[0].take), BodyModel.load("open_body")
    vertices = take.vertices(0)
    transforms = body.transforms(take.poses[0], body.rest_joints(take.betas[0]))
    rest = body.unskin(vertices - take.trans[0][:, None], transforms)
    residual = rest - body.rest(take.betas[0])
    assert np.linalg.norm(residual, axis=-1).max() < 0.2
    again = body.skin(body.rest(take.betas[0]) + residual, transforms) + take.trans[0][:, None]
    np.testing.assert_allclose(again, vertices, atol=1e-4)


def test_the_body_was_shown_while_it_was_found(taken: tuple[CaptureResult, Recorder]) -> None:
    recorder = taken[1]
    assert len(recorder.meshes) > FRAMES // 2
    last = recorder.meshes[max(recorder.meshes)]
    final = Take.open(taken[0].take).vertices(0)[max(recorder.meshes)]
    assert np.linalg.norm(last - final, axis=-1).mean() < 0.4
    assert recorder.stages["people"] == list(range(1, FRAMES + 1))
    assert set(recorder.stages) == {"people", "body", "write"}


@pytest.mark.parametrize("after", [3, 11, 13], ids=["detecting", "fitting", "standing"])
def test_cancelling_leaves_no_file(tmp_path: Path, after: int) -> None:
    out = tmp_path / "take.npz"
    out.write_bytes(b"old")
    with pytest.raises(Cancelled):
        capture(VideoFile(SAMPLE, 0, 9), CaptureOptions(out), Recorder(cancel_after=after))
    assert [p.name for p in tmp_path.iterdir()] == ["take.npz"] and out.read_bytes() == b"old"


def test_a_video_without_a_person_is_said_in_one_sentence(tmp_path: Path) -> None:
    write_clip(tmp_path / "empty.mp4", count=4)
    with pytest.raises(EngineError, match="No person was found") as caught:
        capture(VideoFile(tmp_path / "empty.mp4"), CaptureOptions(tmp_path / "take.npz"), Recorder())
    assert caught.value.kind == "no_person"


def test_fewer_people_than_asked_for_is_a_warning(tmp_path: Path) -> None:
    recorder = Recorder()
    result = capture(VideoFile(SAMPLE, 0, 3), CaptureOptions(tmp_path / "take.npz", people=4), recorder)
    assert result.people < 4
    assert any("4 people were asked for" in warning for warning in recorder.warnings)


def test_a_place_that_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    recorder = Recorder()
    with pytest.raises(EngineError, match="is a folder"):
        capture(VideoFile(SAMPLE, 0, 9), CaptureOptions(tmp_path), recorder)
    assert recorder.stages == {}


def test_an_unknown_body_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2M_DATA", str(tmp_path))
    with pytest.raises(
        EngineError, match=r"The body 'smpl' does not exist; choose one of open_body, or bring"
    ):
        capture(VideoFile(SAMPLE, 0, 1), CaptureOptions(tmp_path / "take.npz", body="smpl"), Recorder())


def test_a_known_height_is_kept(tmp_path: Path, body: BodyModel) -> None:
    options = CaptureOptions(tmp_path / "take.npz", network="light", height=1.62)
    take = Take.open(capture(VideoFile(SAMPLE, 0, 7), options, Recorder()).take)
    assert body.stature(take.betas[0]) == pytest.approx(1.62, rel=0.01)


@pytest.mark.parametrize("height", [0.0, -1.7, 168.0, float("nan")])
def test_nobody_is_that_tall(tmp_path: Path, height: float) -> None:
    with pytest.raises(EngineError, match=r"Nobody is .* m tall: give the height in metres, such as 1\.75"):
        CaptureOptions(tmp_path / "take.npz", height=height)
