"""The footage behind the camera: upright, the right size, in step."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from pose2mesh_mocap.addon.bake.bake import BONES, BakeOptions
from pose2mesh_mocap.addon.scene import footage
from pose2mesh_mocap.addon.scene.assemble import assemble

SAMPLES = [
    Path(__file__).resolve().parents[3] / "engine/assets/sample/balance_cam01.mp4",
    Path(__file__).resolve().parents[4] / "shared/videos/balance_cam01.mp4",
]


def box(kind: bytes, content: bytes, large: bool = False) -> bytes:
    if large:
        return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content
    return struct.pack(">I4s", 8 + len(content), kind) + content


def header(degrees: int, version: int = 0) -> bytes:
    """A track header whose matrix turns the picture."""
    a, b = round(math.cos(math.radians(degrees))), round(math.sin(math.radians(degrees)))
    before = bytes([version]) + bytes(39 if version == 0 else 51)
    return box(
        b"tkhd",
        before + struct.pack(">9i", a << 16, b << 16, 0, -b << 16, a << 16, 0, 0, 0, 1 << 30) + bytes(8),
    )


def sequence(folder: Path, size: tuple[int, int], count: int = 3) -> Path:
    """Numbered pictures; the first one's path."""
    for number in range(1, count + 1):
        image = bpy.data.images.new("x", *size)
        image.filepath_raw = str(folder / f"shot_{number:04d}.png")
        image.file_format = "PNG"
        image.save()
        bpy.data.images.remove(image)
    return folder / "shot_0001.png"


@pytest.fixture
def sample() -> Path:
    found = next((path for path in SAMPLES if path.is_file()), None)
    if found is None:
        pytest.skip("the sample video is not here")
    return found


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("version", [0, 1])
def test_rotation_is_read_from_the_track_header(tmp_path: Path, degrees: int, version: int) -> None:
    sound = box(b"trak", header(0, version) + box(b"mdia", b"\xff" * 40))
    video = box(b"trak", header(degrees, version))
    path = tmp_path / "v.mp4"
    path.write_bytes(
        box(b"ftyp", b"isom")
        + box(b"mdat", bytes(100), large=True)
        + box(b"moov", box(b"mvhd", bytes(100)) + sound + video)
    )
    assert footage.rotation(path) == degrees


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"RIFF1234AVI ", struct.pack(">I4s", 4, b"moov"), b"\xff" * 64]
)
def test_rotation_of_anything_else_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "v.avi"
    path.write_bytes(content)
    assert footage.rotation(path) == 0


def test_a_cut_off_file_has_no_rotation(tmp_path: Path) -> None:
    whole = box(b"moov", box(b"trak", header(90)))
    for length in range(len(whole)):
        path = tmp_path / "v.mp4"
        path.write_bytes(whole[:length])
        assert footage.rotation(path) == 0


@pytest.mark.parametrize("size", [(64, 36), (36, 64), (51, 33)])
def test_pictures_fill_the_camera_view(
    boxes: Any, box_take: Any, empty_file: None, tmp_path: Path, size: tuple[int, int]
) -> None:
    first = sequence(tmp_path, size)
    take = box_take(frames=3, size=size)
    made = assemble(take, boxes, BakeOptions(BONES), video=first)
    scene = bpy.context.scene
    assert (scene.render.resolution_x, scene.render.resolution_y) == size
    (background,) = made.camera.data.background_images
    assert background.clip is not None and tuple(background.clip.size) == size
    assert made.camera.data.show_background_images and background.rotation == 0 and background.scale == 1


def test_footage_starts_with_the_takes_first_frame(
    boxes: Any, box_take: Any, empty_file: None, tmp_path: Path
) -> None:
    """A take of part of a video: scene frame 1 shows the video frame the take began with."""
    take = box_take(frames=5, frame_index=np.arange(40, 45), frame_time=np.arange(40, 45) / 25, fps=25.0)
    made = assemble(take, boxes, BakeOptions(BONES), video=sequence(tmp_path, (64, 36), 2))
    clip = made.camera.data.background_images[0].clip
    assert 1 - clip.frame_start == 40
    assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (1, 5)


def test_a_phones_upright_video(
    boxes: Any, box_take: Any, empty_file: None, tmp_path: Path, sample: Path
) -> None:
    """Stored one way, displayed a quarter turn from it: the size is the displayed one on every Blender."""
    data = bytearray(sample.read_bytes())
    place = data.find(b"tkhd") + 4 + 40  # version 0, as encoders write
    data[place : place + 36] = header(90)[8 + 40 : 8 + 40 + 36]
    path = tmp_path / "turned é.mp4"
    path.write_bytes(data)
    assert footage.rotation(path) == 90
    take = box_take(frames=3, size=(1920, 1080))  # the engine decodes 1080 x 1920 and turns it
    made = assemble(take, boxes, BakeOptions(BONES), video=path)
    scene = bpy.context.scene
    assert (scene.render.resolution_x, scene.render.resolution_y) == (1920, 1080)
    (background,) = made.camera.data.background_images
    if tuple(background.clip.size) == (1920, 1080):  # Blender turned it
        assert background.rotation == 0 and background.scale == 1
    else:
        assert background.rotation == pytest.approx(math.pi / 2)
        assert background.scale == pytest.approx(16 / 9)


def test_footage_that_cannot_be_read_costs_only_the_footage(
    boxes: Any, box_take: Any, empty_file: None, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    for video in (tmp_path / "gone.mp4", broken):
        made = assemble(box_take(frames=2, size=(64, 36)), boxes, BakeOptions(BONES), video=video)
        assert len(made.characters) == 1 and video.name in made.warnings[0]
        assert not made.camera.data.background_images
        assert bpy.context.scene.render.resolution_x == 64


def test_clips_that_play_otherwise_are_left_alone(sample: Path, empty_file: None) -> None:
    """The user's own, perhaps tracked, and those of other parts of the same video."""
    own = bpy.data.movieclips.load(str(sample))
    own.frame_start = 20
    first, second = footage.load(sample, 0, 1), footage.load(sample, 50, 1)
    assert (own.frame_start, first.frame_start, second.frame_start) == (20, 1, -49)
    assert footage.load(sample, 50, 1) == second
    assert len(bpy.data.movieclips) == 3


def test_a_clip_that_is_shifted_inside_is_not_in_step(sample: Path, empty_file: None) -> None:
    own = bpy.data.movieclips.load(str(sample))
    own.frame_start, own.frame_offset = 1, 7
    assert footage.load(sample, 0, 1) != own
    assert (own.frame_start, own.frame_offset) == (1, 7)


def test_a_broken_clip_of_the_user_is_not_removed(empty_file: None, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")
    own = bpy.data.movieclips.load(str(broken))
    with pytest.raises(RuntimeError, match="no pictures"):
        footage.load(broken, 0, own.frame_start)
    assert list(bpy.data.movieclips) == [own]
