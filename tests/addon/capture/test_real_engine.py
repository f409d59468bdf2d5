"""The buttons with the real engine behind them, where its environment is (`build.py` makes it)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import bpy
import numpy as np
import pytest
from pose2mesh_mocap.addon import preferences
from pose2mesh_mocap.addon.capture import preview, session
from pose2mesh_mocap.addon.capture.job import State
from pose2mesh_mocap.addon.rig import character as characters
from pose2mesh_mocap.engine.body.model import BodyModel
from pose2mesh_mocap.engine.protocol.take import Take

SAMPLE = Path(__file__).resolve().parents[3] / "engine" / "assets" / "sample" / "balance_cam01.mp4"
PATIENCE = 240.0

pytestmark = [
    pytest.mark.skipif(
        preferences.engine() is None, reason="there is no engine; `python build.py test` makes it"
    ),
    pytest.mark.skipif(not SAMPLE.exists(), reason="the sample video is missing"),
]


@pytest.fixture
def scene(addon: ModuleType, empty_file: None, tmp_path: Path) -> Iterator[bpy.types.Scene]:
    """A scene set to capture a few frames of the sample."""
    scene = bpy.context.scene
    settings = scene.pose2mesh_capture
    settings.filepath, settings.take_folder = str(SAMPLE), str(tmp_path / "takes")
    settings.use_range, settings.first_frame, settings.last_frame = True, 31, 38
    yield scene
    session.shutdown()


def tick_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        assert session.tick() is not None or condition(), session.current().failure
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether this process runs; a zombie that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_video_becomes_a_character(scene: bpy.types.Scene) -> None:
    assert bpy.ops.pose2mesh.capture() == {"FINISHED"}
    done = session.current()
    take = Take.open(done.take)
    assert take.frame_index.tolist() == list(range(30, 38))
    assert done.quality["reprojection_percent"] < 5.0
    (character,) = characters.all_in(scene)
    assert done.built.names == (character.armature.name,)
    # The evaluated surface is the engine's, in the world, within the compact bake's millimetre.
    scene.frame_set(scene.frame_start + 4)
    surface = character.mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty((len(surface.data.vertices), 3), np.float32)
    surface.data.vertices.foreach_get("co", points.ravel())
    matrix = np.array(surface.matrix_world)
    points = points @ matrix[:3, :3].T + matrix[:3, 3]
    world = take.world_from_camera
    expected = take.vertices(0, 4, 5)[0] @ world[:3, :3].T + world[:3, 3]
    assert np.linalg.norm(points - expected, axis=1).max() < 0.0011
    assert scene.camera is not None and scene.camera.data.background_images[0].clip is not None


def test_images_handed_over_become_a_character(scene: bpy.types.Scene, tmp_path: Path) -> None:
    """The same frames as a numbered sequence, written by Blender itself."""
    strips = bpy.data.scenes.new("writer").sequence_editor_create()
    writer = bpy.data.scenes["writer"]
    strips = strips.strips if hasattr(strips, "strips") else strips.sequences
    strips.new_movie("sample", str(SAMPLE), channel=1, frame_start=1)
    clip = bpy.data.movieclips.load(str(SAMPLE))
    writer.render.resolution_x, writer.render.resolution_y = clip.size
    writer.render.resolution_percentage = 50
    writer.frame_start, writer.frame_end = 31, 34
    writer.view_settings.view_transform = "Standard"
    writer.render.image_settings.file_format = "PNG"
    writer.render.filepath = str(tmp_path / "image_")
    bpy.ops.render.render(animation=True, scene="writer")
    settings = scene.pose2mesh_capture
    settings.use_range, settings.filepath = False, str(tmp_path / "image_0031.png")
    assert bpy.ops.pose2mesh.capture() == {"FINISHED"}
    done = session.current()
    take = Take.open(done.take)
    assert take.frames == 4
    assert take.fps == pytest.approx(scene.render.fps / scene.render.fps_base)
    assert done.quality["reprojection_percent"] < 6.0
    assert len(characters.all_in(scene)) == 1


def test_the_body_appears_and_a_cancel_takes_less_than_a_second(
    scene: bpy.types.Scene, tmp_path: Path
) -> None:
    scene.pose2mesh_capture.last_frame = 100
    from pose2mesh_mocap.addon.capture.request import chosen_footage

    running = session.start(scene, chosen_footage(scene), preferences.engine(), "cpu")
    tick_until(lambda: any(preview.TAG in obj for obj in bpy.data.objects))
    body = next(obj for obj in bpy.data.objects if preview.TAG in obj)
    assert len(body.data.vertices) == len(BodyModel.load("open_body").v_template)
    height = body.bound_box[6][2] - body.bound_box[0][2]
    assert 1.0 < height < 2.5, "metres, upright"
    pid, clicked = running.job.pid, time.monotonic()
    session.cancel()
    tick_until(lambda: not running.is_running)
    while Path("/proc").exists() and is_alive(pid):
        assert time.monotonic() - clicked < 1.0
        time.sleep(0.01)
    assert running.job.state is State.CANCELLED
    assert list((tmp_path / "takes").glob("*")) == [], "nothing is kept of it"
    assert not any(preview.TAG in obj for obj in bpy.data.objects)


def test_what_is_not_a_video_is_a_sentence(scene: bpy.types.Scene, tmp_path: Path) -> None:
    fake = tmp_path / "Übung mit Text.mp4"
    fake.write_text("this is not a video")
    scene.pose2mesh_capture.filepath = str(fake)
    with pytest.raises(RuntimeError, match=r"Übung mit Text\.mp4"):
        bpy.ops.pose2mesh.capture()
    assert "\n" not in session.current().failure


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_a_killed_blender_leaves_no_engine(scene: bpy.types.Scene, tmp_path: Path) -> None:
    """Killed, not quit: only the end of the pipe tells the engine."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import conftest, time; package = conftest.mount(); package.register()\n"
        "import bpy\n"
        "from pose2mesh_mocap.addon import preferences\n"
        "from pose2mesh_mocap.addon.capture import session\n"
        "from pose2mesh_mocap.addon.capture.request import chosen_footage\n"
        "bpy.context.scene.pose2mesh_capture.filepath = sys.argv[2]\n"
        "bpy.context.scene.pose2mesh_capture.take_folder = sys.argv[3]\n"
        "footage = chosen_footage(bpy.context.scene)\n"
        "running = session.start(bpy.context.scene, footage, preferences.engine(), 'cpu')\n"
        "while session.tick() is not None and running.job.started is None: time.sleep(0.02)\n"
        "print(running.job.pid, running.failure, flush=True)\n"
        "while session.tick() is not None: time.sleep(0.02)\n"
    )
    arguments = [str(Path(__file__).parents[1]), str(SAMPLE), str(tmp_path)]
    blender = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path / "user")},
    )
    assert blender.stdout is not None
    words = next(line.split(maxsplit=1) for line in blender.stdout if line.split()[0].isdigit())
    assert words[1].strip() == "None", words
    pid = int(words[0])
    assert is_alive(pid)
    blender.kill()
    blender.wait()
    deadline = time.monotonic() + 5.0
    while is_alive(pid):
        assert time.monotonic() < deadline, "the engine outlived Blender"
        time.sleep(0.02)
