"""Runs inside a real Blender with a window: uses the panel as an artist would, clicks, takes pictures.

Started by `run.sh`; `STEPS` in the environment picks what to do, VIDEO the footage. Pictures and
`report.json` go to /srv/gui/shots. A failed expectation ends the run with exit code 1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import bpy

SHOTS = Path("/srv/gui/shots")
VIDEO = os.environ["VIDEO"]
FRAMES = int(os.environ.get("FRAMES", "0"))  # only the first so many; 0: all
PATIENCE = 120.0

Steps = Generator[float, None, None]
pictures: list[subprocess.Popen[bytes]] = []
report: dict[str, Any] = {"version": bpy.app.version_string}

# Where the panel's buttons are on a 1280x800 screen, measured on the pictures.
BUTTONS = {"choose": (890, 171), "capture": (890, 271), "cancel": (890, 323)}


def module(name: str) -> Any:
    return sys.modules[f"bl_ext.user_default.pose2mesh_mocap.addon.{name}"]


def shoot(name: str) -> None:
    """A picture of the whole screen, taken from outside: Blender's own comes out black here."""
    pictures.append(subprocess.Popen(["import", "-window", "root", str(SHOTS / f"{name}.png")]))


def shot(name: str) -> Steps:
    """A picture of the screen as it is now: nothing goes on until it is taken."""
    shoot(name)
    yield from wait_for(lambda: pictures[-1].poll() is not None, "the picture")


def view() -> tuple[Any, Any, Any]:
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    return window, area, next(region for region in area.regions if region.type == "UI")


def click(x: int, y: int) -> None:
    """Press the mouse at this pixel of the screen (origin top left): arrive, wait, press, as a hand does."""
    steps = f"mousemove {x - 30} {y} sleep 0.3 mousemove {x} {y} sleep 0.5 mousedown 1 sleep 0.1 mouseup 1"
    subprocess.Popen(["xdotool", *steps.split()])


def press(button: str, until: Callable[[], bool]) -> Steps:
    """Click a button until something comes of it: with software drawing the screen may lag behind."""
    for _ in range(5):
        click(*BUTTONS[button])
        give_up = time.monotonic() + 5.0
        while time.monotonic() < give_up:
            yield 0.1
            if until():
                return
    raise TimeoutError(f"pressing {button} did nothing")


def open_tab() -> Steps:
    window, area, region = view()
    if os.environ.get("WORKSPACE"):
        window.workspace = bpy.data.workspaces[os.environ["WORKSPACE"]]
        yield 1.0
    area.spaces.active.show_region_ui = True
    yield 1.0
    region.active_panel_category = "Pose2Mesh"
    area.tag_redraw()
    yield 1.0


def wait_for(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> Steps:
    until = time.monotonic() + patience
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} did not happen within {patience} s")
        yield 0.1


def is_running() -> bool:
    return bool(module("capture.session").is_running())


def choose() -> Steps:
    """Choose Video… with the mouse; the file itself is set in the file browser that opens."""
    browsers: list[tuple[Any, Any]] = []

    def opened() -> bool:
        for window in bpy.context.window_manager.windows:
            browsers.extend((window, area) for area in window.screen.areas if area.type == "FILE_BROWSER")
        return bool(browsers and browsers[-1][1].spaces.active.params)

    yield from press("choose", opened)
    window, area = browsers[-1]
    params = area.spaces.active.params
    params.directory, params.filename = str(Path(VIDEO).parent).encode(), Path(VIDEO).name
    yield 4.0
    yield from shot("02-choosing")
    region = next(region for region in area.regions if region.type == "EXECUTE")
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.file.execute()
    yield 1.5
    settings = bpy.context.scene.pose2mesh_capture
    assert settings.filepath == VIDEO, settings.filepath
    if FRAMES:
        settings.use_range, settings.last_frame = True, FRAMES
    for name in ("Cube", "Light"):
        if name in bpy.data.objects:
            bpy.data.objects.remove(bpy.data.objects[name])
    eye = view()[1].spaces.active.region_3d
    eye.view_distance, eye.view_location = 6.0, (0.8, 0.0, 0.9)
    yield 1.0
    yield from shot("03-chosen")


def capture() -> Steps:
    """Capture with the mouse, and pictures while the engine works."""
    yield from press("capture", is_running)
    session = module("capture.session").current()
    watch = Watch()
    yield 0.3
    shoot("04-starting")
    yield from wait_for(
        lambda: (
            not is_running()
            or bool(session.job.progress and session.job.progress.done >= (FRAMES or 60) // 2)
        ),
        "progress",
    )
    shoot("05-running")
    yield from wait_for(
        lambda: not is_running() or bool(session.job.progress and session.job.progress.stage != "people"),
        "stage 2",
    )
    yield 1.0
    shoot("05-second-stage")
    yield from wait_for(lambda: session.builder is not None or not is_running(), "the result")
    report["longest_pause_capturing_ms"] = watch.stop()
    watch = Watch()
    yield from wait_for(lambda: not is_running(), "the character")
    yield 1.0
    report["longest_pause_building_ms"] = watch.stop()
    report["failure"], report["quality"] = session.failure, session.quality
    yield from shot("06-done")
    assert session.failure is None, session.failure
    assert session.built, "characters were made"


def look() -> Steps:
    """The result from the footage's camera, in the middle of the motion."""
    scene = bpy.context.scene
    scene.frame_set(min(50, scene.frame_end))
    _, area, _ = view()
    area.spaces.active.region_3d.view_perspective = "CAMERA"
    yield 2.0
    yield from shot("07-camera")
    area.spaces.active.region_3d.view_perspective = "PERSP"
    yield 1.0
    yield from shot("08-perspective")


def bake() -> Steps:
    for mode in ("BONES", "FULL", "COMPACT"):
        bpy.context.scene.pose2mesh_bake.mode = mode
        watch = Watch()
        window, area, region = view()
        with bpy.context.temp_override(window=window, area=area, region=region):
            assert bpy.ops.pose2mesh.bake("INVOKE_DEFAULT") == {"RUNNING_MODAL"}
        operator = module("bake.operators").P2M_OT_bake
        yield from wait_for(lambda operator=operator: operator._running is None, "the bake")
        yield 1.0
        report[f"bake_{mode}_ms"] = watch.stop()
        yield from shot(f"09-baked-{mode.lower()}")


def export() -> Steps:
    window, area, region = view()
    with bpy.context.temp_override(window=window, area=area, region=region):
        assert bpy.ops.pose2mesh.export_fbx(filepath=str(SHOTS / "character.fbx")) == {"FINISHED"}
        assert bpy.ops.pose2mesh.export_gltf(filepath=str(SHOTS / "character.glb")) == {"FINISHED"}
    yield 1.0
    report["exported"] = {path.name: path.stat().st_size for path in SHOTS.glob("character.*")}
    for path in SHOTS.glob("character.*"):
        path.unlink()
    yield from shot("10-exported")


def cancel() -> Steps:
    """Cancel with the mouse while the engine works; it is gone within a second."""
    bpy.context.scene.pose2mesh_capture.filepath = VIDEO
    window, area, region = view()
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.pose2mesh.capture("INVOKE_DEFAULT")
    session = module("capture.session").current()
    yield from wait_for(
        lambda: session.job.progress is not None and session.job.progress.done >= 5, "progress"
    )
    asked: list[float] = []
    gone: list[float] = []

    def watch_process() -> None:
        status = Path(f"/proc/{session.job.pid}/stat")
        while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
        gone.append(time.monotonic())

    threading.Thread(target=watch_process, daemon=True).start()

    def over() -> bool:
        if not asked and session.job.state.value == "cancelling":
            asked.append(time.monotonic())
        return not is_running()

    yield from press("cancel", over)
    yield 1.0
    # What the engine takes, and what software drawing lets the panel take to show it.
    report["cancelled_engine_gone_s"] = round(gone[0] - asked[0], 2) if asked else 0.0
    report["cancel_shown_s"] = round(time.monotonic() - 1.0 - asked[0], 2) if asked else 0.0
    yield 0.7
    yield from shot("11-cancelled")
    assert session.job.state.value == "cancelled"


def begin() -> Any:
    bpy.context.scene.pose2mesh_capture.filepath = VIDEO
    window, area, region = view()
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.pose2mesh.capture("INVOKE_DEFAULT")
    return module("capture.session").current()


def undo() -> Steps:
    """One undo takes a finished capture back, one redo brings it again, and no preview comes back."""
    made = set(module("capture.session").current().built.names)
    window, area, region = view()
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.ed.undo()
    yield 1.0
    assert not made & {obj.name for obj in bpy.data.objects}, "undone"
    assert not any("pose2mesh_preview" in obj for obj in bpy.data.objects)
    yield from shot("14-undone")
    window, area, region = view()
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.ed.redo()
    yield 1.0
    assert made <= {obj.name for obj in bpy.data.objects}, "done again"
    report["undo"] = "ok"


def load_file() -> Steps:
    """Another file is opened while the engine works: the capture goes on, and its take waits."""
    session = begin()
    yield from wait_for(
        lambda: session.job.progress is not None and session.job.progress.done >= 5, "progress"
    )
    window, area, region = view()
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.wm.read_homefile(app_template="")
    yield 1.0
    assert session.is_running, "the capture survives"
    yield from open_tab()
    assert not any("pose2mesh_preview" in obj for obj in bpy.data.objects)
    yield from wait_for(lambda: not session.is_running, "the end")
    yield 1.0
    report["after_loading"] = session.unused
    assert session.failure is None and session.take.exists() and session.unused
    yield from shot("15-loaded")


def quit_running() -> Steps:
    """Leaves the engine at work: `run.sh` looks whether it outlives Blender."""
    session = begin()
    yield from wait_for(
        lambda: session.job.progress is not None and session.job.progress.done >= 5, "progress"
    )
    (SHOTS / "engine_pid").write_text(str(session.job.pid))


def fail() -> Steps:
    """What a user sees who picks something that is not a video."""
    bpy.context.scene.pose2mesh_capture.filepath = __file__
    window, area, region = view()
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.pose2mesh.capture("INVOKE_DEFAULT")
    yield from wait_for(lambda: not is_running(), "the failure")
    yield 1.0
    report["failure_shown"] = module("capture.session").current().failure
    yield from shot("12-failed")
    assert report["failure_shown"]


def preferences() -> Steps:
    bpy.ops.screen.userpref_show(section="EXTENSIONS")
    yield 1.0
    bpy.ops.preferences.addon_show(module="bl_ext.user_default.pose2mesh_mocap")
    yield 1.0
    bpy.ops.pose2mesh.check_engine()
    check = module("preferences.check")
    yield from wait_for(lambda: check.latest().ok is not None, "the check")
    yield 2.0
    report["check"] = [check.latest().ok, *check.latest().lines]
    yield from shot("13-preferences")


class Watch:
    """The longest time Blender's main thread did not come back to its event loop, in ms."""

    def __init__(self) -> None:
        self.longest, self.last, self.running = 0.0, time.monotonic(), True
        bpy.app.timers.register(self.tick)

    def tick(self) -> float | None:
        now = time.monotonic()
        self.longest, self.last = max(self.longest, now - self.last), now
        return 0.01 if self.running else None

    def stop(self) -> int:
        self.running = False
        self.longest = max(self.longest, time.monotonic() - self.last)
        return round(1000 * self.longest)


def main() -> Steps:
    SHOTS.mkdir(exist_ok=True)
    yield 2.0
    yield from open_tab()
    yield from shot("01-empty")
    yield 0.5
    for name in os.environ.get("STEPS", "").split():
        yield from globals()[name]()
    (SHOTS / "report.json").write_text(json.dumps(report, indent=1))


def drive(steps: Steps) -> Any:
    def tick() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            Path("/srv/gui/ready").touch()
            bpy.app.timers.register(quit_when_shot, first_interval=0.5)
        except Exception:
            traceback.print_exc()
            (SHOTS / "report.json").write_text(
                json.dumps(report | {"error": traceback.format_exc()}, indent=1)
            )
            shoot("99-failed")
            Path("/srv/gui/ready").touch()
            os._exit(1)
        return None

    return tick


def quit_when_shot() -> float | None:
    if not Path("/srv/gui/shot_taken").exists():
        return 0.5
    bpy.ops.wm.quit_blender()
    return None


bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(drive(main()), first_interval=1.0, persistent=True)
