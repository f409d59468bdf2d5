"""The session inside Blender. `tick` is driven by hand: no timer fires in the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import numpy as np
import pytest
from pose2mesh_mocap.addon.capture import busy, preview, result, session
from pose2mesh_mocap.addon.capture.job import State
from pose2mesh_mocap.addon.preferences.interpreter import VARIABLE
from pose2mesh_mocap.engine.errors import EngineError
from pose2mesh_mocap.engine.protocol.messages import Capture

FAKE = Path(__file__).with_name("fake_engine.py")
PATIENCE = 20.0

Use = Callable[..., None]


class TinyBody:
    """A quad that stands for the body."""

    v_template = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    polygon_vertices = np.array([0, 1, 2, 3], np.int32)
    polygon_starts = np.array([0], np.int32)
    uv = None
    joint_regressor = np.zeros((24, 4), np.float32)


class FakeBuilder:
    """Stands for `result.Builder`, whose own tests need a real take; not ready at once."""

    def __init__(self, take: Path, options: object) -> None:
        self.looks = 0
        self.stopped = False

    @property
    def is_ready(self) -> bool:
        self.looks += 1
        return self.looks > 3

    def stop(self) -> None:
        self.stopped = True

    def finish(self, scene: bpy.types.Scene, footage: Path) -> result.Built:
        return result.Built((footage.stem,), ["The video has no sound."])


@pytest.fixture
def use(
    addon: ModuleType, empty_file: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Use]:
    """Makes the session start a fake engine of the given behaviour on a video that exists."""
    (tmp_path / "my clip.mp4").write_bytes(b"not opened by the fake engine")
    settings = bpy.context.scene.pose2mesh_capture
    settings.filepath = str(tmp_path / "my clip.mp4")
    settings.take_folder = str(tmp_path / "takes")
    monkeypatch.setenv(VARIABLE, sys.executable)
    monkeypatch.setattr(session, "load_body", lambda name: TinyBody())
    monkeypatch.setattr(session, "Builder", FakeBuilder)

    def use(*behaviour: str) -> None:
        monkeypatch.setattr(
            session, "engine_command", lambda python: [str(python.path), str(FAKE), *behaviour]
        )

    yield use
    session.shutdown()


def tick_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert session.tick() is not None or condition(), session.current()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def begin() -> session.Session:
    """What the Capture button does, without waiting for the end as it does in the background."""
    from pose2mesh_mocap.addon import preferences
    from pose2mesh_mocap.addon.capture.request import chosen_footage

    interpreter = preferences.engine()
    assert interpreter is not None
    return session.start(bpy.context.scene, chosen_footage(bpy.context.scene), interpreter, "cpu")


def previews() -> list[bpy.types.Object]:
    return [obj for obj in bpy.data.objects if preview.TAG in obj]


def test_the_capture_operator_runs_to_the_end_in_the_background(use: Use, tmp_path: Path) -> None:
    use("normal", "4")
    assert bpy.ops.pose2mesh.capture() == {"FINISHED"}
    done = session.current()
    assert done is not None and done.job.state is State.FINISHED, session.current().failure
    assert done.built is not None and done.built.names == ("my clip",)
    assert done.warnings == ["The person leaves the picture.", "The video has no sound."]
    assert done.quality == {"reprojection_px": 1.5}
    assert done.take is not None and done.take.parent == tmp_path / "takes"
    assert done.take.name.startswith("my clip-") or done.take.name.startswith("my_clip-")
    assert not previews()


def test_a_failure_becomes_the_operators_error(use: Use) -> None:
    use("refuse")
    with pytest.raises(RuntimeError, match="No person is in the video; film one whole"):
        bpy.ops.pose2mesh.capture()
    assert session.current().failure == "No person is in the video; film one whole."


def test_a_second_capture_is_refused_while_one_runs(use: Use) -> None:
    use("polite")
    running = begin()
    assert not bpy.ops.pose2mesh.capture.poll()
    with pytest.raises(EngineError, match="A capture is running"):
        begin()
    assert session.current() is running
    bpy.ops.pose2mesh.cancel_capture()
    tick_until(lambda: not running.is_running)
    assert running.job.state is State.CANCELLED
    assert bpy.ops.pose2mesh.capture.poll()


def test_the_body_moves_in_the_viewport_while_the_engine_works(use: Use) -> None:
    use("walk")
    running = begin()
    tick_until(lambda: bool(previews()))
    body = previews()[0]
    first = body.data.vertices[2].co.x
    tick_until(lambda: body.data.vertices[2].co.x > first)
    assert min(v.co.z for v in body.data.vertices) == pytest.approx(0.0, abs=1e-6), "it stands on the floor"
    session.cancel()
    tick_until(lambda: not running.is_running)
    assert not previews()
    assert not [c for c in bpy.data.collections if "Preview" in c.name]


def test_a_deleted_preview_comes_back(use: Use) -> None:
    use("walk")
    begin()
    tick_until(lambda: bool(previews()))
    bpy.data.objects.remove(previews()[0])
    tick_until(lambda: bool(previews()))


def test_loading_another_file_lets_the_capture_go_on(use: Use, tmp_path: Path) -> None:
    use("walk", "200")
    running = begin()
    tick_until(lambda: bool(previews()))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert running.is_running
    tick_until(lambda: not running.is_running)
    assert running.job.state is State.FINISHED
    assert running.unused is not None and "its scene was closed" in running.unused
    assert running.built is None and running.take is not None, "the take waits on disk"
    assert not previews(), "nothing appears in a file that did not ask for it"


def test_a_file_saved_during_a_capture_opens_without_its_preview(use: Use, tmp_path: Path) -> None:
    use("walk")
    running = begin()
    tick_until(lambda: bool(previews()))
    saved = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=saved)
    session.cancel()
    tick_until(lambda: not running.is_running)
    bpy.ops.wm.open_mainfile(filepath=saved)
    assert not previews()


def test_an_error_of_our_own_ends_the_engine_and_is_shown(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    use("walk")
    running = begin()
    monkeypatch.setattr(preview.Preview, "show", lambda self, people: 1 / 0)
    tick_until(lambda: not running.is_running)
    assert running.failure is not None and "ZeroDivisionError" in running.failure
    assert running.job.is_over


def test_the_character_waits_until_the_user_is_done(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a stroke, say, whose data may not be freed under it."""
    use("normal", "2")
    running = begin()
    monkeypatch.setattr(busy, "is_busy", lambda: True)
    tick_until(lambda: running.waits)
    for _ in range(5):
        assert session.tick() is not None
    assert running.built is None and running.is_running
    monkeypatch.setattr(busy, "is_busy", lambda: False)
    tick_until(lambda: not running.is_running)
    assert running.built is not None


def test_an_undo_while_the_character_is_built_brings_no_preview_back(use: Use) -> None:
    use("normal", "2")
    running = begin()
    tick_until(lambda: running.builder is not None)
    stray = bpy.data.objects.new("stray", None)
    stray[preview.TAG] = 0
    for handlers in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post):
        assert session._sweep in handlers
    session._sweep()
    assert not previews()


@pytest.mark.parametrize("ending", ["cancelled", "finished", "failed"])
def test_the_preview_does_not_leave_in_the_middle_of_something(
    use: Use, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """A render still reads it, say; it leaves once that is over."""
    use("walk", "30" if ending == "finished" else "0")
    running = begin()
    tick_until(lambda: bool(previews()))
    monkeypatch.setattr(busy, "is_busy", lambda: True)
    if ending == "cancelled":
        session.cancel()
    elif ending == "failed":
        monkeypatch.setattr(preview.Preview, "show", lambda self, people: 1 / 0)
    tick_until(lambda: running.job.is_over)
    assert session.tick() is not None and previews()
    monkeypatch.setattr(busy, "is_busy", lambda: False)
    tick_until(lambda: not running.is_running and not running.has_preview)
    assert not previews()
    assert session.tick() is None


def test_a_render_is_not_shown_the_preview(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    use("walk")
    running = begin()
    monkeypatch.setattr(busy, "is_rendering", lambda: True)
    arrived: list[object] = []
    take = running.job.take_vertices

    def noted() -> Any:
        arrived.extend(latest := take())
        return latest

    monkeypatch.setattr(running.job, "take_vertices", noted)
    tick_until(lambda: len(arrived) > 2)
    assert not previews()
    monkeypatch.setattr(busy, "is_rendering", lambda: False)
    tick_until(lambda: bool(previews()))


def test_cancelling_while_the_character_is_built_keeps_the_take(use: Use) -> None:
    use("normal", "2")
    running = begin()
    tick_until(lambda: running.builder is not None)
    builder = running.builder
    session.cancel()
    assert session.tick() is None
    assert builder.stopped and not running.is_running
    assert running.unused == "The take is finished, but it was not built."


def test_every_take_gets_a_name_of_its_own(use: Use, tmp_path: Path) -> None:
    from pose2mesh_mocap.addon.capture.request import chosen_footage, make_request

    settings = bpy.context.scene.pose2mesh_capture
    names = set()
    for _ in range(3):
        out = Path(make_request(chosen_footage(bpy.context.scene), settings, "cpu").out)
        out.touch()
        names.add(out)
    assert len(names) == 3


def test_what_is_chosen_reaches_the_engine(use: Use, tmp_path: Path) -> None:
    """Also from a scene that was saved and opened again."""
    from pose2mesh_mocap.addon.capture.request import chosen_footage, make_request

    def asked() -> Capture:
        scene = bpy.context.scene
        return make_request(chosen_footage(scene), scene.pose2mesh_capture, "cpu")

    assert (asked().network, asked().people, asked().smoothing) == ("quality", 1, 1.0)
    settings = bpy.context.scene.pose2mesh_capture
    settings.network, settings.people, settings.smoothing = "light", 2, 0.5
    settings.height = 1.68
    assert asked().height is None  # what is not known does not count
    settings.use_height = True
    file = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.open_mainfile(filepath=file)
    assert (asked().network, asked().people, asked().smoothing) == ("light", 2, 0.5)
    assert asked().height == pytest.approx(1.68)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("", "No video is chosen"), ("/no/such/ü video.mp4", r"/no/such/ü video\.mp4 does not exist")],
)
def test_footage_that_is_not_there_is_named(use: Use, path: str, sentence: str) -> None:
    from pose2mesh_mocap.addon.capture.request import chosen_footage

    bpy.context.scene.pose2mesh_capture.filepath = path
    with pytest.raises(EngineError, match=sentence):
        chosen_footage(bpy.context.scene)


def test_only_the_latest_logs_are_kept(use: Use) -> None:
    from pose2mesh_mocap.addon import paths

    folder = paths.user_folder("logs")
    for number in range(15):
        (folder / f"capture-2020010{number:02d}.log").touch()
    use("normal", "1")
    bpy.ops.pose2mesh.capture()
    kept = sorted(folder.glob("capture-*.log"))
    assert len(kept) == 10
    assert kept[-1] == session.current().job.log


def test_a_folder_that_cannot_be_made_is_named(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pose2mesh_mocap.addon import paths

    def refuse(*parts: str) -> Path:
        raise PermissionError(13, "Permission denied", str(tmp_path / "locked"))

    use("normal", "1")
    monkeypatch.setattr(paths, "user_folder", refuse)
    with pytest.raises(
        RuntimeError, match=r"locked cannot be made \(Permission denied\); allow writing there"
    ):
        bpy.ops.pose2mesh.capture()
    bpy.context.scene.pose2mesh_capture.take_folder = ""
    with pytest.raises(RuntimeError, match=r"cannot be made \(Permission denied\); choose another"):
        bpy.ops.pose2mesh.capture()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_quitting_blender_ends_a_deaf_engine_and_its_children(addon: ModuleType, tmp_path: Path) -> None:
    """In a Blender of its own, which ends in the middle of a capture with the add-on still registered."""
    pid_file = tmp_path / "grandchild"
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import conftest, time; package = conftest.mount(); package.register()\n"
        "import atexit; atexit.register(package.unregister)\n"
        "import bpy\n"
        "from pathlib import Path\n"
        "from pose2mesh_mocap.addon.capture import session\n"
        "from pose2mesh_mocap.addon.capture.request import chosen_footage\n"
        "from pose2mesh_mocap.addon.preferences.interpreter import Interpreter\n"
        "session.engine_command = lambda python: [str(python.path), sys.argv[2], 'deaf', sys.argv[3]]\n"
        "settings = bpy.context.scene.pose2mesh_capture\n"
        "settings.filepath, settings.take_folder, settings.use_preview = sys.argv[2], sys.argv[4], False\n"
        "footage = chosen_footage(bpy.context.scene)\n"
        "python = Interpreter(Path(sys.executable), 'this test')\n"
        "running = session.start(bpy.context.scene, footage, python, 'cpu')\n"
        "while session.tick() is not None and running.job.started is None: time.sleep(0.01)\n"
        "print(running.job.pid, running.failure, flush=True)\n"
    )
    arguments = [str(Path(__file__).parents[1]), str(FAKE), str(pid_file), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path / "user")},
    )
    words = next(line.split(maxsplit=1) for line in done.stdout.splitlines() if line[:1].isdigit())
    assert words[1] == "None", done.stdout + done.stderr
    for pid in (int(words[0]), int(pid_file.read_text())):
        state = Path(f"/proc/{pid}/stat")
        assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"
