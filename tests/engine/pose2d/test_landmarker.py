"""MediaPipe runs from the shipped bundle, quietly, and says where people are."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.errors import EngineError
from engine.pose2d.landmarker import BUNDLE, MODELS, Landmarker, bundle_path, read_bundle
from engine.video.decode import VideoFile
from engine.video.frames import Frame

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "engine" / "assets" / "sample" / "balance_cam01.mp4"


def grey(time: float = 0.0) -> Frame:
    return Frame(0, time, np.full((120, 160, 3), 128, np.uint8))


def test_the_man_in_the_sample() -> None:
    with Landmarker() as landmarker:
        found = [landmarker.detect(frame) for frame in VideoFile(SAMPLE, 0, 2)]
        frame = next(iter(VideoFile(SAMPLE)))
        near = landmarker.look(frame, (150, 150, 900, 1300))
    for points in found:
        assert points.shape == (1, 33, 3)
        assert points.dtype == np.float32
        nose, left_shoulder, right_shoulder, left_heel = points[0, [0, 11, 12, 29]]
        assert nose[1] < left_shoulder[1] < left_heel[1]
        assert left_shoulder[0] > right_shoulder[0]  # he faces the camera
        assert points[0, :, 2].min() > 0 and points[0, :, 2].max() <= 1
        assert points[0, [0, 11, 12, 23, 24], 2].min() > 0.9
    # From near he is at the same place.
    assert np.median(np.linalg.norm(near[0, :, :2] - found[0][0, :, :2], axis=-1)) < 25


def test_nobody() -> None:
    with Landmarker() as landmarker:
        assert landmarker.detect(grey()).shape == (0, 33, 3)
        assert landmarker.look(grey(), (10, 10, 60, 60)).shape == (0, 33, 3)


def test_times_that_stand_still_or_start_late() -> None:
    with Landmarker() as landmarker:
        for time in (3600.0, 3600.0, 3600.0001, 3600.0, 3601.0):
            landmarker.detect(grey(time))


def test_a_missing_or_damaged_bundle_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is missing"):
        Landmarker(bundle=tmp_path / "none.task")
    (tmp_path / "bad.task").write_bytes(b"not a bundle")
    with pytest.raises(EngineError, match="cannot start"):
        Landmarker(bundle=tmp_path / "bad.task")


def test_the_models_to_choose_from(tmp_path: Path) -> None:
    assert bundle_path("full") == BUNDLE
    with pytest.raises(EngineError, match="full or heavy"):
        bundle_path("../full")
    (tmp_path / "m.task.2").write_bytes(b"second")
    (tmp_path / "m.task.1").write_bytes(b"first ")
    assert read_bundle(tmp_path / "m.task") == b"first second"


@pytest.mark.parametrize("model", MODELS)
def test_the_bundle_is_what_the_script_makes(model: str) -> None:
    with zipfile.ZipFile(io.BytesIO(read_bundle(bundle_path(model)))) as archive:
        assert archive.testzip() is None
        infos = archive.infolist()
    assert [i.filename for i in infos] == ["pose_detector.tflite", "pose_landmarks_detector.tflite"]
    assert {(i.compress_type, i.date_time) for i in infos} == {(zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))}


def test_both_models_see_the_same_man() -> None:
    points = []
    for model in MODELS:
        with Landmarker(bundle=bundle_path(model)) as landmarker:
            points.append(landmarker.detect(next(iter(VideoFile(SAMPLE))))[0, :, :2])
    assert 0 < np.median(np.linalg.norm(points[0] - points[1], axis=-1)) < 20


def test_it_says_nothing() -> None:
    """Not on the error stream either, which is the add-on's log and the progress bar's place."""
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from engine.pose2d.landmarker import Landmarker
from engine.video.decode import VideoFile
with Landmarker() as landmarker:
    for frame in VideoFile({str(SAMPLE)!r}, 0, 1):
        landmarker.look(frame, (0, 0, 1080, 1400))
        assert len(landmarker.detect(frame))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
