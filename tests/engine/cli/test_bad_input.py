"""Every kind of bad input, through the real command: one clear sentence, or a sensible take."""

from collections.abc import Callable, Iterator
from pathlib import Path

import clips
import cv2
import numpy as np
import pytest

from engine.cli import main
from engine.protocol.take import Take
from engine.video.decode import VideoFile
from engine.video.frames import Image

SAMPLE = Path(__file__).parents[3] / "engine" / "assets" / "sample" / "balance_cam01.mp4"
WIDTH, HEIGHT = 360, 640
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def man() -> list[Image]:
    """Twelve small frames of a man on one leg, 0.1 s apart."""
    frames = [f.image for f in VideoFile(SAMPLE, 0, 66) if f.index % 6 == 0]
    return [np.asarray(cv2.resize(f, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)) for f in frames]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    def capture(video: Path, out: Path | None = None) -> tuple[int, str]:
        code = main(["capture", str(video), "--out", str(out or tmp_path / "take.npz")])
        lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
        return code, "\n".join(line for line in lines if line.startswith(("Error", "Warning")))

    yield capture


def write(path: Path, images: list[Image], **options: object) -> Path:
    height, width = images[0].shape[:2]
    options = {"fps": 10, **options}
    return clips.write_clip(path, len(images), (width, height), picture=lambda i: images[i], **options)  # type: ignore[arg-type]


def one_sentence(text: str) -> bool:
    return text.startswith("Error: ") and text.endswith(".") and "\n" not in text and "Traceback" not in text


def test_what_is_no_video(tmp_path: Path, run: Run) -> None:
    (tmp_path / "text.mp4").write_text("no video" * 1000)
    cases = {
        tmp_path / "missing.mp4": "no file",
        tmp_path: "folder",
        tmp_path / "text.mp4": "not a video",
        clips.write_audio(tmp_path / "sound.m4a"): "no video track",
        clips.truncate(clips.write_clip(tmp_path / "cut.mp4", 30), 0.5): "end is missing",
    }
    for path, words in cases.items():
        code, text = run(path)
        assert code == 1
        assert one_sentence(text)
        assert words in text
    assert not (tmp_path / "take.npz").exists()


def test_nobody_in_it(tmp_path: Path, run: Run) -> None:
    code, text = run(clips.write_clip(tmp_path / "empty.mp4", 5))
    assert (code, one_sentence(text)) == (1, True)
    assert "No person" in text


def test_one_frame(tmp_path: Path, man: list[Image], run: Run) -> None:
    assert run(write(tmp_path / "one.mp4", man[:1])) == (0, "")
    take = Take.open(tmp_path / "take.npz")
    assert (take.frames, take.people) == (1, 1)
    assert np.isfinite(take.vertices(0)).all()


def test_a_turned_phone_with_its_own_pace(tmp_path: Path, man: list[Image], run: Run) -> None:
    """Portrait by metadata, variable frame rate, a name with spaces and signs of the world."""
    times = np.cumsum([0, *[0.06, 0.14] * 5, 0.1]).tolist()
    stored = [np.ascontiguousarray(np.rot90(image)) for image in man]
    path = write(tmp_path / "mein Vidéo 踊り.mp4", stored, rotation=270, times=times)
    assert run(path, tmp_path / "aus gabe" / "täke.npz") == (0, "")
    take = Take.open(tmp_path / "aus gabe" / "täke.npz")
    np.testing.assert_allclose(take.frame_time, times, atol=1e-3)
    assert take.visible.all()
    points = take.keypoints2d
    assert points is not None
    assert (points[..., 0].max(), points[..., 1].max()) < (WIDTH * 1.1, HEIGHT * 1.1)
    assert (points[0, :, 0, 1] < points[0, :, 27, 1]).all()  # head above ankle


def test_he_leaves_and_returns(tmp_path: Path, man: list[Image], run: Run) -> None:
    room = np.full_like(man[0], 90)
    code, _ = run(write(tmp_path / "gone.mp4", [*man[:5], *[room] * 5, *man[5:10]]))
    assert code == 0
    take = Take.open(tmp_path / "take.npz")
    assert take.people == 1
    assert take.visible[0, :5].all() and take.visible[0, 10:].all()
    assert not take.visible[0, 6:9].any()
    assert np.isfinite(take.vertices(0)).all()
    steps = np.linalg.norm(np.diff(take.trans[0], axis=0), axis=1)
    assert steps.max() < 1.0


def test_4k(tmp_path: Path, man: list[Image], run: Run) -> None:
    big = [np.asarray(cv2.resize(image, (2160, 3840))) for image in man[:2]]
    assert run(write(tmp_path / "4k.mp4", big))[0] == 0
    points = Take.open(tmp_path / "take.npz").keypoints2d
    assert points is not None
    assert points[..., 1].max() > HEIGHT * 2


def test_cut_short(tmp_path: Path, man: list[Image], run: Run) -> None:
    path = write(tmp_path / "cut.mp4", man, container_options={"movflags": "faststart"}, options={"g": "1"})
    code, text = run(clips.truncate(path, 0.6))
    assert code == 0
    assert "cut short" in text
    assert 3 <= Take.open(tmp_path / "take.npz").frames <= 10


def test_a_read_only_take_survives(tmp_path: Path, man: list[Image], run: Run) -> None:
    out = tmp_path / "take.npz"
    out.write_bytes(b"precious")
    out.chmod(0o444)
    code, text = run(write(tmp_path / "a.mp4", man[:2]))
    assert (code, one_sentence(text), "read-only" in text) == (1, True, True)
    assert out.read_bytes() == b"precious"
    out.chmod(0o644)


def test_a_full_disk_keeps_the_old_take(tmp_path: Path, man: list[Image], run: Run) -> None:
    resource = pytest.importorskip("resource")
    video, out = write(tmp_path / "a.mp4", man[:4]), tmp_path / "take.npz"
    out.write_bytes(b"precious")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))  # as a disk with so much left
    try:
        code, text = run(video)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (code, one_sentence(text), "full" in text) == (1, True, True)
    assert out.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "take.npz"]
