"""The preview film: true times, even sizes, the body where the take says."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from engine.errors import EngineError
from engine.preview.video import mp4_writer, render_preview
from engine.protocol.take import write_take

TIMES = [2.0, 2.04, 2.1, 2.3]  # a variable rate that does not start at zero
CAMERA = np.array([[100, 0, 50], [0, 100, 40], [0, 0, 1]], dtype=np.float32)
SQUARE = np.array([[-0.2, -0.2, 2], [-0.2, 0.2, 2], [0.2, 0.2, 2], [0.2, -0.2, 2]], dtype=np.float32)


def film(path: Path, times: list[float] = TIMES, size: tuple[int, int] = (80, 100)) -> Path:
    with mp4_writer(path, size[1], size[0], 25.0) as write:
        for time in times:
            write(time, np.full((*size, 3), 90, dtype=np.uint8))
    return path


def take(path: Path, frames: int, visible: list[bool] | None = None) -> Path:
    arrays = {
        "fps": 25.0,
        "frame_time": np.arange(frames) / 25,
        "frame_index": np.arange(frames),
        "person_id": np.zeros(1),
        "visible": np.array([visible or [True] * frames]),
        "keypoints2d": np.zeros((1, frames, 33, 3)),
        "keypoints": np.zeros((1, frames, 33, 3)),
        "joints": np.zeros((1, frames, 24, 3)),
        "poses": np.zeros((1, frames, 24, 3)),
        "betas": np.zeros((1, 10)),
        "trans": np.tile(np.array([0, 0, 2]), (1, frames, 1)),
        "contact": np.zeros((1, frames, 4), dtype=bool),
        "camera_matrix": CAMERA,
        "world_from_camera": np.eye(4),
        "faces": np.array([[0, 1, 2], [0, 2, 3]]),
        "body": "square",
        "weights": "none",
        "engine_version": "test",
    }
    write_take(path, arrays, [np.tile(SQUARE, (frames, 1, 1))], len(SQUARE))
    return path


def read(path: Path) -> tuple[list[Fraction], list[np.ndarray]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    times = [Fraction(frame.pts or 0) * (frame.time_base or 0) for frame in frames]
    return times, [frame.to_ndarray(format="rgb24") for frame in frames]


def test_every_frame_keeps_its_presentation_time(tmp_path: Path) -> None:
    times, _ = read(film(tmp_path / "film.mp4"))
    assert [float(t) for t in times] == pytest.approx([t - TIMES[0] for t in TIMES], abs=1e-4)


def test_odd_sizes_lose_their_last_row_and_column(tmp_path: Path) -> None:
    _, images = read(film(tmp_path / "film.mp4", size=(81, 101)))
    assert images[0].shape == (80, 100, 3)


def test_times_that_stand_still_still_give_every_frame(tmp_path: Path) -> None:
    times, _ = read(film(tmp_path / "film.mp4", times=[0.0, 0.0, 0.04]))
    assert len(set(times)) == 3


def test_the_body_is_drawn_where_it_projects_to_and_only_while_visible(tmp_path: Path) -> None:
    source = film(tmp_path / "film.mp4")
    out = tmp_path / "new folder" / "preview.mp4"
    calls: list[tuple[int, int]] = []
    seen = [True, True, False, True]
    assert render_preview(take(tmp_path / "t.npz", 4, seen), source, out, lambda *c: calls.append(c)) == 4
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    times, images = read(out)
    assert [float(t) for t in times] == pytest.approx([t - TIMES[0] for t in TIMES], abs=1e-4)
    for image, visible in zip(images, seen, strict=True):
        assert (abs(image[40, 50].astype(int) - 90).max() > 20) == visible
        assert abs(image[5, 5].astype(int) - 90).max() < 8


def test_a_take_of_another_video_is_refused_and_the_old_preview_stays(tmp_path: Path) -> None:
    out = tmp_path / "preview.mp4"
    out.write_text("the old one")
    with pytest.raises(EngineError, match="captured from"):
        render_preview(take(tmp_path / "t.npz", 9), film(tmp_path / "film.mp4"), out)
    assert out.read_text() == "the old one"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(EngineError, match="cannot be written"):
        film(tmp_path / "file" / "film.mp4")
