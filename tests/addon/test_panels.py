"""What the panels say in every state, and that every icon, property and button they name exists.

Nothing is drawn without a window, so the panels draw into a recorder that refuses what Blender would refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import bpy
import pytest
from pose2mesh_mocap.addon import preferences
from pose2mesh_mocap.addon.capture import panel, session
from pose2mesh_mocap.addon.capture.job import State
from pose2mesh_mocap.addon.capture.result import Built
from pose2mesh_mocap.addon.preferences import check
from pose2mesh_mocap.addon.preferences.preferences import P2M_Preferences
from pose2mesh_mocap.addon.ui import panels
from pose2mesh_mocap.engine.protocol import messages as m

ICONS = set(bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items.keys())


class Recorder:
    """A layout that keeps what is drawn: texts in order, and the operators by name."""

    def __init__(self, root: Recorder | None = None) -> None:
        self.root = root or self
        if root is None:
            self.texts: list[str] = []
            self.operators: dict[str, Any] = {}
            self.bars: list[tuple[float, str]] = []
            self.fields: list[str] = []

    def _part(self, **_: Any) -> Recorder:
        return Recorder(self.root)

    column = row = box = split = _part

    def label(self, *, text: str = "", icon: str = "NONE") -> None:
        assert icon in ICONS, icon
        self.root.texts.append(text)

    def prop(self, data: Any, name: str, *, text: str | None = None, **_: Any) -> None:
        assert name in data.bl_rna.properties, f"{data} has no {name}"
        self.root.fields.append(name)

    def operator(self, name: str, *, text: str | None = None, icon: str = "NONE") -> Any:
        assert icon in ICONS, icon
        group, operator = name.split(".")
        getattr(getattr(bpy.ops, group), operator).get_rna_type()  # raises for an unknown one
        asks = getattr(self, "operator_context", "INVOKE_DEFAULT") == "INVOKE_DEFAULT"
        return self.root.operators.setdefault(name, SimpleNamespace(text=text, asks=asks))

    def template_ID(self, data: Any, name: str, **_: Any) -> None:
        assert name in data.bl_rna.properties

    def progress(self, *, factor: float, text: str) -> None:
        assert 0.0 <= factor <= 1.0
        self.root.bars.append((factor, text))


@pytest.fixture
def draw(addon: ModuleType, empty_file: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recorder]:
    """Draws the capture panel with the given session as the latest."""

    def draw(**state: Any) -> Recorder:
        latest = None
        if state:
            job = SimpleNamespace(
                state=state.pop("state", State.RUNNING),
                progress=state.pop("progress", None),
                started=state.pop("started", None),
                result=state.pop("result", None),
                log=Path("/logs/capture-1.log"),
            )
            running = job.state in (State.STARTING, State.RUNNING, State.CANCELLING)
            defaults: dict[str, Any] = {
                "failure": None,
                "built": None,
                "unused": None,
                "builder": None,
                "waits": False,
                "warnings": [],
            }
            latest = SimpleNamespace(job=job, is_running=running, **(defaults | state))
        monkeypatch.setattr(session, "_current", latest)
        layout = Recorder()
        panel.P2M_PT_capture.draw(SimpleNamespace(layout=layout), bpy.context)
        return layout

    return draw


def progress(
    stage: str, done: int, total: int | None, rate: float = 12.5, eta: float | None = 61.0
) -> m.Progress:
    return m.Progress(stage, done, total, rate, eta)


def test_before_anything_a_video_is_asked_for(draw: Callable[..., Recorder]) -> None:
    layout = draw()
    assert {"pose2mesh.choose_video", "pose2mesh.capture"} <= layout.operators.keys()


def test_quality_or_speed_is_chosen_beside_the_people(draw: Callable[..., Recorder]) -> None:
    fields = draw().fields
    assert fields.index("network") == fields.index("people") + 1


def test_the_height_is_among_the_options(addon: ModuleType, empty_file: None) -> None:
    layout = Recorder()
    panel.P2M_PT_capture_options.draw(SimpleNamespace(layout=layout), bpy.context)
    assert layout.fields[:2] == ["use_height", "height"]


@pytest.mark.parametrize("source", ["FILE", "CLIP", "STRIP"])
def test_every_source_has_its_field(draw: Callable[..., Recorder], source: str) -> None:
    bpy.context.scene.pose2mesh_capture.source = source
    draw()


def test_without_an_engine_the_preferences_are_offered(
    draw: Callable[..., Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preferences, "engine", lambda: None)
    layout = draw()
    assert "preferences.addon_show" in layout.operators
    assert layout.operators["preferences.addon_show"].module == "pose2mesh_mocap"


def test_progress_shows_frames_rate_and_time_left(draw: Callable[..., Recorder]) -> None:
    layout = draw(progress=progress("people", 25, 100))
    assert layout.bars == [(0.25, "25 of 100 frames")]
    assert {"1 of 3: Watching the video", "12 frames/s", "1:01 left"} <= set(layout.texts)
    assert "pose2mesh.cancel_capture" in layout.operators
    assert "pose2mesh.capture" not in layout.operators


@pytest.mark.parametrize(
    ("state", "bar"),
    [
        ({"progress": progress("people", 7, None, eta=None)}, (0.0, "7 frames")),
        ({"progress": progress("people", 100, 100)}, (0.0, "…")),
        ({"progress": progress("write", 100, 100)}, (1.0, "100 of 100 frames")),
        ({"progress": progress("some_new_stage", 1, 4)}, (0.25, "1 of 4 frames")),
        ({"state": State.STARTING}, (0.0, "Starting the engine…")),
        ({"started": m.Started(9, 25.0, 4, 4, "cpu")}, (0.0, "Reading the video…")),
        ({"state": State.CANCELLING}, (0.0, "Cancelling…")),
        ({"builder": object()}, (1.0, "Building the character…")),
    ],
)
def test_every_moment_has_its_bar(
    draw: Callable[..., Recorder], state: dict[str, Any], bar: tuple[float, str]
) -> None:
    assert draw(**state).bars == [bar]


def test_a_failure_shows_its_sentence_and_its_log(draw: Callable[..., Recorder]) -> None:
    layout = draw(state=State.FAILED, failure="No person was found: film one whole.")
    said = " ".join(layout.texts)
    assert "No person was found: film one whole." in said
    assert "/logs/capture-1.log" in said
    assert {"pose2mesh.open_log", "pose2mesh.capture"} <= layout.operators.keys()


def test_a_take_that_could_not_be_brought_in_can_be_opened(draw: Callable[..., Recorder]) -> None:
    layout = draw(
        state=State.FINISHED,
        result=m.Result("/t.npz", 100, 1, 75.0, {}),
        failure="The body is missing: install the extension again.",
        take=Path("/t.npz"),
        footage=Path("/v.mp4"),
    )
    button = layout.operators["pose2mesh.open_take"]
    assert (button.filepath, button.video) == ("/t.npz", "/v.mp4")


def test_the_end_says_how_much_in_how_long(draw: Callable[..., Recorder]) -> None:
    result = m.Result("/takes/a.npz", 100, 2, 75.0, {})
    layout = draw(
        state=State.FINISHED, result=result, built=Built(("a", "b")), warnings=["Feet are hidden."] * 5
    )
    assert "100 frames, 2 people, in 1:15" in layout.texts
    assert layout.texts.count("Feet are hidden.") == 3
    assert "… and 2 more in the log" in layout.texts


def test_a_take_without_its_scene_can_be_opened(draw: Callable[..., Recorder]) -> None:
    layout = draw(
        state=State.FINISHED, unused="Its scene was closed.", take=Path("/t.npz"), footage=Path("/v.mp4")
    )
    button = layout.operators["pose2mesh.open_take"]
    assert (button.filepath, button.video) == ("/t.npz", "/v.mp4")
    assert not button.asks, "the file is known"


def test_the_other_panels_draw(addon: ModuleType, empty_file: None, monkeypatch: pytest.MonkeyPatch) -> None:
    quality = {
        "reprojection_percent": 1.47,
        "confidence": 0.97,
        "jitter_mm": 1.6,
        "fps": 9.96,
        "unknown": 1.0,
    }
    monkeypatch.setattr(session, "_current", SimpleNamespace(quality=quality, is_running=False))
    layout = Recorder()
    panels.P2M_PT_character.draw(SimpleNamespace(layout=layout), bpy.context)
    assert {"1.5 % of height", "97%", "1.6 mm/frame²", "10.0 frames/s"} <= set(layout.texts)
    panel.P2M_PT_capture_options.draw(SimpleNamespace(layout=Recorder()), bpy.context)
    for preset, button in (("GENERIC", "pose2mesh.export_fbx"), ("GODOT", "pose2mesh.export_gltf")):
        bpy.context.scene.pose2mesh_export.preset = preset
        layout = Recorder()
        panels.P2M_PT_export.draw(SimpleNamespace(layout=layout), bpy.context)
        assert list(layout.operators) == [button]


@pytest.mark.parametrize(
    ("latest", "says"),
    [
        (check.Check(), "Checking the engine…"),
        (check.Check(True, ("torch: fine",)), "The engine is ready"),
        (
            check.Check(False, ("ok  numpy: 2.4", "BAD torch: missing → run build.py")),
            "The engine is not ready",
        ),
    ],
)
def test_the_preferences_draw(
    addon: ModuleType, monkeypatch: pytest.MonkeyPatch, latest: check.Check, says: str
) -> None:
    monkeypatch.setattr(check, "_latest", latest)
    layout = Recorder()
    own = SimpleNamespace(layout=layout, bl_rna=P2M_Preferences.bl_rna, engine_python="")
    P2M_Preferences.draw(own, bpy.context)
    assert says in layout.texts
    if latest.ok is False:
        assert layout.texts[-2:] == ["torch: missing → run build.py", "numpy: 2.4"], (
            "what is wrong comes first"
        )
    assert "pose2mesh.check_engine" in layout.operators
