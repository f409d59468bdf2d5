"""Videos come in upright, on time, whole or with a warning, and bad ones with a sentence."""

import shutil
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import clips
import numpy as np
import pytest

from engine.errors import EngineError
from engine.video.decode import VideoFile
from engine.video.frames import Frame


def frames_of(path: Path, first: int = 0, last: int | None = None) -> list[Frame]:
    return list(VideoFile(path, first, last))


def test_a_plain_clip(tmp_path: Path) -> None:
    video = VideoFile(clips.write_clip(tmp_path / "a.mp4", 10, (64, 48), 25))
    assert (video.info.width, video.info.height, video.info.fps, video.info.frame_count) == (64, 48, 25.0, 10)
    assert video.info.duration == pytest.approx(0.4)
    frames = list(video)
    assert [f.index for f in frames] == list(range(10))
    np.testing.assert_allclose([f.time for f in frames], np.arange(10) / 25, atol=1e-6)
    for frame in frames:
        assert frame.image.shape == (48, 64, 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert clips.corners(frame.image) == "rgbw"
    assert abs(int(frames[0].image[5, 5, 0]) - 255) < 8
    assert abs(int(frames[9].image[5, 5, 0]) - (255 - 72)) < 8
    assert video.warnings == []
    assert [f.time for f in video] == [f.time for f in frames]  # and once more from the start


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts"])
def test_containers(tmp_path: Path, suffix: str) -> None:
    codec = {".webm": "libvpx-vp9", ".avi": "mpeg4", ".ts": "mpeg2video"}.get(suffix, "libx264")
    options = {"deadline": "realtime", "cpu-used": "8"} if suffix == ".webm" else {}
    path = clips.write_clip(tmp_path / f"a{suffix}", 12, (64, 48), 25, codec=codec, options=options)
    video = VideoFile(path)
    times = [f.time for f in video]
    np.testing.assert_allclose(np.diff(times), 0.04, atol=2e-3)
    assert times[0] == pytest.approx(0, abs=0.05)
    assert len(times) == 12
    assert video.info.fps == pytest.approx(25)
    assert video.info.frame_count in (12, None)
    assert video.warnings == []


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_every_orientation_is_turned_upright(tmp_path: Path, rotation: int, mirror: bool) -> None:
    shown = clips.quarters(96, 64)

    def stored(_: int) -> clips.Image:
        # What the camera stores: the shown picture with the player's turn and mirror undone.
        image = shown[:, ::-1] if mirror else shown
        return np.ascontiguousarray(np.rot90(image, -rotation // 90))

    size = (96, 64) if rotation % 180 == 0 else (64, 96)
    path = clips.write_clip(tmp_path / "a.mp4", 3, size, rotation=rotation, mirror=mirror, picture=stored)
    video = VideoFile(path)
    assert (video.info.width, video.info.height) == (96, 64)
    for frame in video:
        assert frame.image.shape == (64, 96, 3)
        assert clips.corners(frame.image) == "rgbw"
        assert np.abs(frame.image.astype(int) - shown)[4:28, 4:44].max() < 10


def test_variable_frame_rate_keeps_true_times(tmp_path: Path) -> None:
    times = np.cumsum([0, 0.033, 0.05, 0.2, 0.011, 0.033, 0.5, 0.033]).tolist()
    video = VideoFile(clips.write_clip(tmp_path / "vfr.mp4", len(times), times=times))
    np.testing.assert_allclose([f.time for f in video], times, atol=1e-4)
    assert video.info.frame_count == len(times)
    assert video.info.fps == pytest.approx(len(times) / (times[-1] + 0.033), rel=0.2)


def test_ntsc_rate_is_exact(tmp_path: Path) -> None:
    video = VideoFile(clips.write_clip(tmp_path / "a.mp4", 4, fps=Fraction(30000, 1001)))
    assert video.info.fps == 30000 / 1001


def test_wide_pixels_become_square(tmp_path: Path) -> None:
    video = VideoFile(clips.write_clip(tmp_path / "a.mp4", 2, (64, 48), aspect=Fraction(4, 3)))
    assert (video.info.width, video.info.height) == (85, 48)
    assert [f.image.shape for f in video] == [(48, 85, 3)] * 2


def test_a_size_that_changes_on_the_way(tmp_path: Path) -> None:
    with (tmp_path / "a.ts").open("wb") as joined:
        for size in ((64, 48), (96, 64)):
            part = clips.write_clip(tmp_path / "part.ts", 6, size, codec="mpeg2video", options={})
            joined.write(part.read_bytes())
    frames = frames_of(tmp_path / "a.ts")
    assert {f.image.shape for f in frames} == {(48, 64, 3)}
    assert len(frames) >= 10
    assert (np.diff([f.time for f in frames]) > 0).all()


@pytest.mark.parametrize(
    ("first", "last", "indices"), [(3, 5, [3, 4, 5]), (8, None, [8, 9]), (0, 0, [0]), (7, 50, [7, 8, 9])]
)
def test_a_range_of_frames(tmp_path: Path, first: int, last: int | None, indices: list[int]) -> None:
    video = VideoFile(clips.write_clip(tmp_path / "a.mp4", 10, fps=25), first, last)
    frames = list(video)
    assert [f.index for f in frames] == indices
    np.testing.assert_allclose([f.time for f in frames], np.array(indices) / 25, atol=1e-6)
    assert video.info.frame_count == len(indices)
    assert video.warnings == []


@pytest.mark.parametrize(("first", "last"), [(10, None), (-1, None), (5, 4)])
def test_a_range_outside_the_video(tmp_path: Path, first: int, last: int | None) -> None:
    path = clips.write_clip(tmp_path / "a.mp4", 10)
    with pytest.raises(EngineError, match="frame"):
        VideoFile(path, first, last)


def test_a_range_after_an_end_nobody_announced(tmp_path: Path) -> None:
    path = clips.write_clip(tmp_path / "a.mkv", 10)
    with pytest.raises(EngineError, match="ends before"):
        list(VideoFile(path, 20))


def test_one_frame(tmp_path: Path) -> None:
    video = VideoFile(clips.write_clip(tmp_path / "one.mp4", 1))
    assert [(f.index, f.time) for f in video] == [(0, 0.0)]
    assert video.info.frame_count == 1
    assert video.warnings == []


@pytest.mark.parametrize(
    "name", ["ein Tänzer — 踊る人 🕺.mp4", "a: 100% #1 'q' [x].mp4", "http:clip.mp4", "-i.mp4"]
)
def test_any_file_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "Vidéos de test"
    folder.mkdir()
    plain = clips.write_clip(tmp_path / "a.mp4", 3)
    shutil.copy(plain, folder / name)
    assert len(frames_of(folder / name)) == 3


def test_a_relative_path_is_not_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips.write_clip(tmp_path / "a.mp4", 3)
    (tmp_path / "a.mp4").rename(tmp_path / "data:x.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(frames_of(Path("data:x.mp4"))) == 3


def test_a_playlist_does_not_reach_the_network(tmp_path: Path) -> None:
    (tmp_path / "a.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(EngineError):
        list(VideoFile(tmp_path / "a.m3u8"))


def test_a_truncated_video_gives_what_it_has(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (60, 48, 64, 3)).astype(np.uint8)
    path = clips.write_clip(
        tmp_path / "a.mp4", 60, picture=lambda i: noise[i], container_options={"movflags": "faststart"}
    )
    video = VideoFile(clips.truncate(path, 0.6))
    frames = list(video)
    assert 20 < len(frames) < 50
    assert len(video.warnings) == 1
    assert f"cut short: {len(frames)} of 60" in video.warnings[0]
    list(video)
    assert len(video.warnings) == 1


def test_a_truncated_matroska_gives_what_it_has(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (90, 48, 64, 3)).astype(np.uint8)
    path = clips.write_clip(tmp_path / "a.mkv", 90, picture=lambda i: noise[i])
    video = VideoFile(clips.truncate(path, 0.5))
    assert 30 < len(list(video)) < 60
    assert "cut short" in video.warnings[0]


def test_damage_in_the_middle_is_survived(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (30, 48, 64, 3)).astype(np.uint8)
    path = clips.write_clip(tmp_path / "a.mp4", 30, picture=lambda i: noise[i])
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + len(data) // 3
    data[start : start + 9000] = bytes(9000)
    path.write_bytes(data)
    video = VideoFile(path)
    assert len(list(video)) >= 15
    assert len(video.warnings) == 1


def test_a_video_without_its_index(tmp_path: Path) -> None:
    path = clips.truncate(clips.write_clip(tmp_path / "a.mp4", 30), 0.7)  # the index is at the end
    with pytest.raises(EngineError, match="not a video that can be read"):
        VideoFile(path)


def test_missing_folder_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="There is no file"):
        VideoFile(tmp_path / "none.mp4")
    with pytest.raises(EngineError, match="is a folder"):
        VideoFile(tmp_path)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is not a video\n" * 100)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(100_000))
    for name in ("empty.mp4", "text.mp4", "noise.mp4"):
        with pytest.raises(EngineError) as caught:
            VideoFile(tmp_path / name)
        assert name in caught.value.text
        assert caught.value.text.endswith(".")


def test_sound_without_picture(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no video track"):
        VideoFile(clips.write_audio(tmp_path / "a.m4a"))


def test_a_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.png"), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(clips.quarters(64, 48), format="rgb24")))
        container.mux(stream.encode())
    assert [clips.corners(f.image) for f in VideoFile(tmp_path / "a.png")] == ["rgbw"]


def test_4k(tmp_path: Path) -> None:
    path = clips.write_clip(tmp_path / "4k.mp4", 3, (3840, 2160))
    frames = frames_of(path)
    assert [f.image.shape for f in frames] == [(2160, 3840, 3)] * 3
    assert clips.corners(frames[2].image) == "rgbw"


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    path = clips.write_clip(tmp_path / "long.mp4", 300, (320, 240))  # 69 MB of pictures
    tracemalloc.start()
    for _ in VideoFile(path):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6


def test_the_real_videos(balance_video: Path, outdoor_video: Path) -> None:
    balance = VideoFile(balance_video)
    assert (balance.info.width, balance.info.height, balance.info.fps) == (1080, 1920, 60.0)
    assert sum(1 for _ in balance) == balance.info.frame_count == 100
    outdoor = VideoFile(outdoor_video, 200)
    assert (outdoor.info.width, outdoor.info.height) == (1768, 994)
    assert sum(1 for _ in outdoor) == outdoor.info.frame_count == 30
    assert balance.warnings == outdoor.warnings == []


def test_joined_recordings_go_on_in_time(tmp_path: Path) -> None:
    with (tmp_path / "a.ts").open("wb") as joined:
        for _ in range(2):
            part = clips.write_clip(tmp_path / "part.ts", 12, codec="mpeg2video", options={})
            joined.write(part.read_bytes())
    times = [frame.time for frame in frames_of(tmp_path / "a.ts")]
    assert len(times) >= 22
    np.testing.assert_allclose(np.diff(times), 1 / 30, atol=2e-3)


def test_ticks_coarser_than_the_frames_stay_apart(tmp_path: Path) -> None:
    """Matroska counts milliseconds: of 2000 frames a second two share each."""
    times = [frame.time for frame in frames_of(clips.write_clip(tmp_path / "a.mkv", 40, fps=2000))]
    assert (np.diff(times) > 0).all()
    assert times[-1] == pytest.approx(39 / 2000, abs=1.1e-3)


def test_the_time_of_day_is_taken_off(tmp_path: Path) -> None:
    """At a hundred thousand seconds float32, in which takes keep times, is too coarse for a frame."""
    late = [100_000 + n / 60 for n in range(20)]
    path = clips.write_clip(tmp_path / "a.mkv", 20, fps=60, times=late)
    times = np.array([frame.time for frame in frames_of(path)], np.float32)
    np.testing.assert_allclose(times, np.arange(20) / 60, atol=1.1e-3)
