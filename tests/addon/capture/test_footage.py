"""What can be captured, and what the engine is told about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from pose2mesh_mocap.addon.capture import footage
from pose2mesh_mocap.engine.errors import EngineError
from pose2mesh_mocap.engine.protocol.messages import FramesSource, PathSource

FPS = 25.0


def save(path: Path, pixels: np.ndarray, file_format: str = "PNG") -> Path:
    """Write (H,W,3) uint8 RGB, top row first, through Blender."""
    height, width = pixels.shape[:2]
    is_float = file_format == "OPEN_EXR"
    image = bpy.data.images.new("saved", width, height, float_buffer=is_float)
    if is_float:  # otherwise Image.save encodes the values once more
        image.colorspace_settings.name = "Non-Color"
    rgba = np.ones((height, width, 4), np.float32)
    rgba[:, :, :3] = pixels[::-1] / 255
    if is_float:
        rgba[:, :, :3] = np.where(
            rgba[:, :, :3] <= 0.04045, rgba[:, :, :3] / 12.92, ((rgba[:, :, :3] + 0.055) / 1.055) ** 2.4
        )
    image.pixels.foreach_set(rgba.ravel())
    image.filepath_raw, image.file_format = str(path), file_format
    image.save()
    bpy.data.images.remove(image)
    return path


def picture(number: int, width: int = 6, height: int = 4) -> np.ndarray:
    """Every pixel differs, and the picture from any other number's."""
    y, x, c = np.mgrid[:height, :width, :3]
    return (10 * x + 40 * y + 3 * c + number).astype(np.uint8)


@pytest.fixture
def sequence(tmp_path: Path, empty_file: None) -> list[Path]:
    """Eleven images in a folder with spaces and umlauts, and some that do not belong to them."""
    folder = tmp_path / "Aufnahme Zwölf"
    folder.mkdir()
    save(folder / "other_0003.png", picture(99))
    (folder / "shot_notes.txt").touch()
    return [save(folder / f"shot_{number}.png", picture(number)) for number in range(5, 16)]


def test_a_picture_arrives_as_it_is(tmp_path: Path, empty_file: None) -> None:
    before = len(bpy.data.images)
    file = save(tmp_path / "one.png", picture(0))
    np.testing.assert_array_equal(footage.read_image(file), picture(0))
    assert len(bpy.data.images) == before, "nothing of it stays in the .blend"


def test_a_linear_picture_is_shown_as_the_eye_sees_it(tmp_path: Path, empty_file: None) -> None:
    file = save(tmp_path / "one.exr", picture(0), "OPEN_EXR")
    difference = footage.read_image(file).astype(int) - picture(0)
    assert np.abs(difference).max() <= 1, "half floats round"


def test_a_sequence_is_found_from_any_of_its_images(sequence: list[Path]) -> None:
    found = footage.from_file(str(sequence[3]), FPS)
    assert list(found.images) == [path.resolve() for path in sequence], "by number, not by letter"
    assert found.source == FramesSource(width=6, height=4, fps=FPS, count=11)
    assert found.name == "shot"


def test_frames_come_in_order_with_their_times(sequence: list[Path]) -> None:
    frames = footage.from_file(str(sequence[0]), FPS).frames()
    assert frames is not None
    for index, frame in enumerate(frames):
        assert (frame.index, frame.time) == (index, pytest.approx(index / FPS))
        np.testing.assert_array_equal(frame.image, picture(5 + index))
    assert index == 10


def test_an_image_without_a_number_stands_alone(tmp_path: Path, empty_file: None) -> None:
    file = save(tmp_path / "still.png", picture(0))
    save(tmp_path / "other.png", picture(1))
    assert len(footage.from_file(str(file), FPS).images) == 1


def test_a_video_goes_as_a_path(tmp_path: Path) -> None:
    file = tmp_path / "walk.mp4"
    file.touch()
    found = footage.from_file(str(file), FPS)
    assert found.source == PathSource(str(file.resolve()))
    assert found.frames() is None
    assert (found.first_frame, found.last_frame) == (0, None)


def test_images_of_two_sizes_are_refused(sequence: list[Path]) -> None:
    save(sequence[4], picture(0, width=8))
    frames = footage.from_file(str(sequence[0]), FPS).frames()
    assert frames is not None
    with pytest.raises(EngineError, match=r"shot_9\.png is 8×4 but the sequence starts with 6×4"):
        list(frames)


def test_a_damaged_image_is_named(sequence: list[Path]) -> None:
    sequence[2].write_bytes(b"not an image at all")
    frames = footage.from_file(str(sequence[0]), FPS).frames()
    assert frames is not None
    with pytest.raises(EngineError, match=r"shot_7\.png"):
        list(frames)


def test_part_of_a_sequence(sequence: list[Path]) -> None:
    part = footage.from_file(str(sequence[0]), FPS).trimmed(2, 4)
    assert [path.name for path in part.images] == ["shot_7.png", "shot_8.png", "shot_9.png"]
    assert part.source == FramesSource(6, 4, FPS, 3)
    with pytest.raises(EngineError, match="11 images"):
        footage.from_file(str(sequence[0]), FPS).trimmed(11, 20)
    with pytest.raises(EngineError, match="ends"):
        part.trimmed(2, 1)


def test_part_of_a_video_stays_inside_what_was_cut_before(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    whole = footage.from_file(str(tmp_path / "a.mp4"), FPS)
    cut = whole.trimmed(100, 199)
    assert (cut.first_frame, cut.last_frame) == (100, 199)
    assert (cut.trimmed(10, 500).first_frame, cut.trimmed(10, 500).last_frame) == (110, 199)


def test_a_clip_of_images_is_handed_over(sequence: list[Path]) -> None:
    clip = bpy.data.movieclips.load(str(sequence[0]))
    found = footage.from_clip(clip, FPS)
    assert len(found.images) == 11
    with pytest.raises(EngineError, match="No movie clip"):
        footage.from_clip(None, FPS)


def new_images(scene: Any, files: list[Path]) -> Any:
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    editor.active_strip = strips.new_image("cut", str(files[0]), channel=1, frame_start=1)
    for path in files[1:]:
        editor.active_strip.elements.append(path.name)
    return editor.active_strip


def test_a_strip_is_captured_as_it_is_cut(sequence: list[Path]) -> None:
    scene = bpy.context.scene
    strip = new_images(scene, sequence)
    strip.frame_final_start, strip.frame_final_end = 4, 9
    found = footage.from_strip(scene, FPS)
    assert [path.name for path in found.images] == [f"shot_{number}.png" for number in range(8, 13)]
    scene.sequence_editor.active_strip = None
    with pytest.raises(EngineError, match="No movie or image strip"):
        footage.from_strip(scene, FPS)


SAMPLE = Path(__file__).resolve().parents[3] / "engine/assets/sample/balance_cam01.mp4"
"""100 frames, 60 a second."""


def new_movie(scene: Any) -> Any:
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    editor.active_strip = strips.new_movie("cut", str(SAMPLE), channel=1, frame_start=1)
    return editor.active_strip


@pytest.mark.parametrize(
    ("handles", "frames"),
    [((11, 31), (10, 29)), ((1, 101), (0, 99)), ((-9, 131), (0, 99))],  # cut, whole, held beyond both ends
)
def test_a_movie_strip_goes_as_a_path_with_its_cut(empty_file: None, handles: Any, frames: Any) -> None:
    scene = bpy.context.scene
    strip = new_movie(scene)
    strip.frame_final_start, strip.frame_final_end = handles
    found = footage.from_strip(scene, FPS)
    assert found.source == PathSource(str(SAMPLE))
    assert (found.first_frame, found.last_frame) == frames
    assert len(bpy.data.movieclips) == 0


def test_a_movie_strip_of_another_rate_is_cut_at_the_right_seconds(empty_file: None) -> None:
    """Added as in the Video Sequencer: Blender then plays it at its own rate."""
    scene, window = bpy.context.scene, bpy.context.window_manager.windows[0]
    scene.render.fps = 24
    scene.sequence_editor_create()
    if bpy.app.version >= (5, 0, 0):
        window.workspace.sequencer_scene = scene
    area = window.screen.areas[0]
    area.type = "SEQUENCE_EDITOR"
    with bpy.context.temp_override(window=window, area=area, scene=scene):
        bpy.ops.sequencer.movie_strip_add(
            filepath=str(SAMPLE), frame_start=1, sound=False, use_framerate=False, adjust_playback_rate=True
        )
    strip = scene.sequence_editor.active_strip
    assert strip.frame_final_duration == 40
    strip.frame_final_start, strip.frame_final_end = 13, 37  # half a second to one and a half
    found = footage.from_strip(scene, 24.0)
    assert (found.first_frame, found.last_frame) == (30, 89)


@pytest.mark.parametrize(
    ("handles", "names"),
    [((-9, 3), ["5", "6"]), ((10, 40), ["14", "15"]), ((-20, -5), ["5"])],  # held before, after, nothing else
)
def test_held_images_count_once(sequence: list[Path], handles: Any, names: list[str]) -> None:
    scene = bpy.context.scene
    strip = new_images(scene, sequence)
    strip.frame_final_start, strip.frame_final_end = handles
    found = footage.from_strip(scene, FPS)
    assert [path.stem.removeprefix("shot_") for path in found.images] == names


@pytest.mark.skipif(bpy.app.version < (5, 0, 0), reason="from 5.0 on the Sequencer has a scene of its own")
def test_the_sequencers_own_scene_counts(sequence: list[Path]) -> None:
    scene, other = bpy.context.scene, bpy.data.scenes.new("edit")
    other.render.fps = 12
    new_movie(scene)
    strip = new_images(other, sequence)
    assert footage.active_strip(scene) == scene.sequence_editor.active_strip
    bpy.context.workspace.sequencer_scene = other
    assert footage.active_strip(scene) == strip
    assert footage.from_strip(scene, FPS).source == FramesSource(6, 4, 12.0, 11), "at the rate it is cut at"


@pytest.mark.skipif(bpy.app.version < (5, 0, 0), reason="from 5.0 on the Sequencer has a scene of its own")
def test_a_strip_cut_in_another_workspace_is_found() -> None:
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    cutting = next(space for space in bpy.data.workspaces if space != bpy.context.workspace)
    cutting.sequencer_scene = bpy.data.scenes.new("edit")
    strip = new_movie(cutting.sequencer_scene)
    assert footage.active_strip(bpy.context.scene) == strip
