"""The command line: quick help, one-sentence errors, exit codes."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import clips
import pytest

import engine.pipeline.capture as pipeline
from engine.cli import COMMANDS, main
from engine.errors import EngineError

ROOT = Path(__file__).parents[3]


def test_help_lists_the_commands_and_loads_nothing_heavy() -> None:
    script = (
        "import sys; from engine.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'mediapipe', 'av', 'cv2', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"    {name} " in done.stdout for name in ("capture", "doctor", "serve", "train"))


def test_every_command_there_is_is_registered() -> None:
    modules = (ROOT / "engine" / "cli").glob("*.py")
    there = {path.stem for path in modules if "def add_parser(" in path.read_text()}
    assert len(there) > 5
    assert there <= set(COMMANDS)


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["capture"], ["capture", "a.mp4", "--out", "b", "--people", "0"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


class Pipeline:
    """Stands in for the capture, which has its own tests."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.options: Any = None
        self.frames = 0

    def __call__(self, source: Any, options: Any, reporter: Any) -> Any:
        self.options = options
        reporter.started(source.info.frame_count, source.info.fps, 64, 48, "cpu")
        for _ in source:
            self.frames += 1
            reporter.progress("people", self.frames, source.info.frame_count)
        reporter.warning("It is dark.")
        if self.error is not None:
            raise self.error
        assert not reporter.wants_vertices()
        quality = {"confidence": 0.5}
        return SimpleNamespace(take=options.out, frames=self.frames, people=1, seconds=1.5, quality=quality)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return clips.write_clip(tmp_path / "clip.mp4", 10)


def test_capture_prints_one_object_last(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = Pipeline()
    monkeypatch.setattr(pipeline, "capture", fake)
    out = clip.with_name("take.npz")
    arguments = [
        "--people",
        "2",
        "--device",
        "cpu",
        "--focal",
        "900",
        "--height",
        "1.68",
        "--first-frame",
        "2",
        "--last-frame",
        "7",
    ]
    assert main(["capture", str(clip), "--out", str(out), "--json", *arguments]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out.splitlines()[-1]) == {
        "frames": 6,
        "people": 1,
        "seconds": 1.5,
        "quality": {"confidence": 0.5},
    }
    assert "frame/s" in printed.err
    assert "6/6" in printed.err
    assert "It is dark." in printed.err
    options = fake.options
    assert (options.out, options.people, options.device, options.focal_px) == (out, 2, "cpu", 900.0)
    assert options.height == 1.68


def test_capture_says_what_it_wrote(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline, "capture", Pipeline())
    assert main(["capture", str(clip), "--out", str(clip.with_name("take.npz"))]) == 0
    said = capsys.readouterr().out
    assert "take.npz: 10 frames, 1 people" in said
    assert "  confidence: 0.5\n" in said


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (EngineError("Nobody is there; film somebody."), 1, "Error: Nobody is there; film somebody.\n"),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
    ],
)
def test_failures(
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    text: str,
) -> None:
    monkeypatch.setattr(pipeline, "capture", Pipeline(error))
    assert main(["capture", str(clip), "--out", "take.npz", "--json"]) == code
    printed = capsys.readouterr()
    assert printed.err.endswith(text)
    assert printed.out == ""


def test_a_broken_weight_file_shows_in_the_doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from engine.cli import doctor

    assert doctor.asset(tmp_path / "none.task").ok is False
    assert doctor.package("no_such_package").remedy
    assert doctor.guarded("x", lambda: str(1 / 0)).found.startswith("ZeroDivisionError")
    monkeypatch.setattr(doctor, "MIN_FREE_BYTES", 1 << 60)
    assert doctor.disk(tmp_path).ok is False


def test_the_doctor_finds_this_environment_well(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [check for check in report["checks"] if not check["ok"]] == []
    assert (code, report["ok"]) == (0, True)
    assert {"Python", "torch", "mediapipe", "GPU", "open_body.npz"} <= {
        check["name"] for check in report["checks"]
    }
