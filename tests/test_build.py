"""build.py's parts: finding Python, environments that recover, one-sentence errors, the zip's manifest."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import build
from tools.build import BuildError, demo, environments, extension, pythons, suite
from tools.build.environments import Environment, asks_for_cuda, remedy, require_libraries
from tools.build.suite import Tally

ROOT = Path(__file__).resolve().parents[1]
OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"
LOCKS = sorted((ROOT / "lock").glob("*.txt"))


# Finding Python


def test_this_very_python_is_taken_where_it_fits() -> None:
    found = pythons.find(["2.7", OWN], "The engine")
    asked = subprocess.run(
        [found, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True
    )
    assert asked.stdout.decode().strip() == OWN


def test_a_python_that_is_not_installed_is_named_with_the_remedy() -> None:
    with pytest.raises(BuildError, match=r"Blender 9 needs Python 2\.0 .* install it"):
        pythons.find(["2.0"], "Blender 9")


def test_a_launcher_that_fails_is_not_taken(tmp_path: Path) -> None:
    assert pythons.probe([str(tmp_path / "absent")], OWN) is None
    assert pythons.probe([sys.executable, "-c", "raise SystemExit(127)"], OWN) is None
    assert pythons.probe([sys.executable], "3.5") is None


@pytest.mark.parametrize(
    ("place", "file"),
    [
        ("PYENV_ROOT", "versions/3.77.1/bin/python"),
        ("UV_PYTHON_INSTALL_DIR", "cpython-3.77.2-linux-x86_64-gnu/bin/python3"),
    ],
)
def test_version_managers_are_searched(
    place: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / file
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setenv(place, str(tmp_path))
    assert [str(python)] in list(pythons.candidates("3.77"))


# Environments


def make_wheel(folder: Path, version: str) -> str:
    """A package `tiny` with nothing but a number in it; returns its line in a lock."""
    path = folder / f"tiny-{version}-py3-none-any.whl"
    files = {
        "tiny.py": f"VERSION = '{version}'\n",
        f"tiny-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
        f"tiny-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
        f"{len(text)}"
        for name, text in files.items()
    ]
    files[f"tiny-{version}.dist-info/RECORD"] = "\n".join([*record, f"tiny-{version}.dist-info/RECORD,,", ""])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return f"tiny=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with one lock, and a registry that is a folder."""
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock" / "tiny.txt").write_text(make_wheel(tmp_path, "1.0"))
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path


def version_in(python: Path) -> str:
    return subprocess.run(
        [python, "-c", "import tiny; print(tiny.VERSION)"], capture_output=True, text=True
    ).stdout.strip()


def test_an_environment_is_made_kept_mended_and_brought_up_to_date(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Environment(".venv", "The test", (OWN,), {})
    python = environment.ensure("tiny")
    assert version_in(python) == "1.0"

    marker = environment.path / "marker"
    marker.touch()
    with monkeypatch.context() as patch:
        patch.setattr(environments, "run_pip", lambda *_: pytest.fail("pip ran though all was up to date"))
        environment.ensure("tiny")

    (project / "lock" / "tiny.txt").write_text(make_wheel(project, "2.0"))
    environment.ensure("tiny")
    assert version_in(python) == "2.0"
    assert marker.exists(), "a changed lock is no reason to start over"

    with monkeypatch.context() as patch:
        patch.setattr(environments, "run_pip", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        (project / "lock" / "tiny.txt").write_text(make_wheel(project, "3.0"))
        with pytest.raises(KeyboardInterrupt):
            environment.ensure("tiny")
    environment.ensure("tiny")
    assert version_in(python) == "3.0"
    assert not marker.exists(), "an interrupted set-up is made anew"


def test_a_file_that_is_not_the_locked_one_is_refused(project: Path) -> None:
    lock = project / "lock" / "tiny.txt"
    lock.write_text(lock.read_text().split("sha256:")[0] + f"sha256:{'0' * 64}\n")
    with pytest.raises(BuildError, match="not the locked one"):
        environments.pip_install(Path(sys.executable), "tiny")


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "disk space",
        ),
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'\n"
            "ERROR: No matching distribution found for numpy==2.4.6",
            "could not be reached",
        ),
        ("ERROR: No matching distribution found for numpy==2.4.6", "no build of it exists"),
        ("ERROR: [Errno 13] Permission denied: '/x'", "writable"),
        (
            "The virtual environment was not created successfully because ensurepip is not available.",
            "venv and pip",
        ),
    ],
)
def test_what_pip_says_becomes_what_to_do(said: str, advice: str) -> None:
    assert advice in remedy(said)


def test_missing_system_libraries_are_named_with_their_packages() -> None:
    require_libraries("This", {})
    if sys.platform == "linux":
        with pytest.raises(BuildError, match=r"libnowhere\.so\.9.*apt-get install nowhere9"):
            require_libraries("Blender", {"libc.so.6": "libc6", "libnowhere.so.9": "nowhere9"})


@pytest.mark.parametrize(
    ("requirements", "platform", "asked"),
    [
        (["filelock", "sympy>=1.13.3"], "linux", False),
        (["filelock", 'nvidia-cudnn-cu13==9.20; platform_system == "Linux"'], "linux", True),
        (['nvidia-cudnn-cu13==9.20; platform_system == "Linux"'], "darwin", False),
        (['triton==3.7.1; platform_system == "Linux"'], "linux", True),
    ],
)
def test_cuda_is_installed_only_where_torch_asks_for_it(
    requirements: list[str], platform: str, asked: bool
) -> None:
    assert asks_for_cuda(requirements, platform) == asked


# The locks


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_everything_locked_has_one_version_and_hashes(lock: Path) -> None:
    requirements = lock.read_text().replace("\\\n", " ").splitlines()
    assert len(requirements) > 1
    for line in requirements[1:]:
        assert line.split()[0].count("==") == 1, line
        assert "--hash=sha256:" in line, line
        assert "://" not in line, line


def test_the_engine_holds_no_blender_and_no_windowed_opencv() -> None:
    names = {
        line.split("==")[0]
        for line in (ROOT / "lock" / "engine.txt").read_text().splitlines()
        if "==" in line
    }
    assert {"mediapipe", "numpy", "opencv-python-headless", "safetensors"} <= names
    assert not {"bpy", "torch", "opencv-contrib-python", "opencv-python", "smplx", "anny"} & names


@pytest.mark.parametrize("version", environments.BLENDERS)
def test_blenders_environment_holds_only_bpy_numpy_and_pytest(version: str) -> None:
    names = {
        line.split("==")[0]
        for line in (ROOT / "lock" / f"blender-{version}.txt").read_text().splitlines()
        if "==" in line
    }
    of_pytest = {"iniconfig", "packaging", "pluggy", "pygments"}
    # 5.2's own extension system does not register without what bpy declares.
    of_bpy = {"attrs", "cattrs", "certifi", "charset-normalizer", "cython", "idna", "requests", "urllib3"}
    of_bpy |= {"typing-extensions", "zstandard"}
    assert names == {"bpy", "numpy", "pytest"} | of_pytest | (of_bpy if version == "5.2" else set())


# The suite


def test_a_report_is_counted_and_a_crash_leaves_none(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    assert suite.read_report(report) == Tally()
    report.write_text('<testsuites><testsuite tests="9" failures="2" errors="1" skipped="1"/></testsuites>')
    assert suite.read_report(report) == Tally(5, 3, 1)
    assert str(Tally(5, 3, 1) + Tally(1, 0, 0)) == "6 passed, 3 failed, 1 skipped"


def test_a_test_process_that_dies_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "REPORTS", tmp_path)
    test = tmp_path / "test_death.py"
    test.write_text(
        "import os\ndef test_one(): pass\ndef test_two(): os._exit(0 if 'x' in __name__ else 3)\n"
    )
    assert suite.pytest("death", Path(sys.executable), [str(test), "-p", "no:cacheprovider"]) == Tally(
        failed=1
    )


def test_paths_go_to_the_environment_they_belong_to() -> None:
    assert suite.in_addon("tests/addon/bake/test_bake.py::test_x")
    assert not suite.in_addon("tests/engine")


# The zip


def test_the_manifest_is_fit_to_publish() -> None:
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert extension.manifest_faults(manifest) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"license": ["GPL-3.0-or-later"]}, "SPDX"),
        ({"licence": ["SPDX:GPL-3.0-or-later"]}, "unknown key licence"),
        ({"platforms": ["linux"]}, "platforms"),
        ({"blender_version_min": "3.6.0"}, "4.2.0"),
        ({"blender_version_min": "new"}, "not a version"),
        ({"permissions": {"files": "x" * 65}}, "64 characters"),
    ],
)
def test_what_blender_lets_pass_is_caught(change: dict[str, object], fault: str) -> None:
    good: dict[str, object] = {"license": ["SPDX:GPL-3.0-or-later"], "blender_version_min": "4.2.0"}
    assert extension.manifest_faults(good) == []
    assert any(fault in found for found in extension.manifest_faults(good | change))


def test_what_is_staged_is_what_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension, "STAGE", tmp_path / "stage")
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "left over").touch()
    extension.stage()
    files = {path.relative_to(tmp_path / "stage").as_posix() for path in (tmp_path / "stage").rglob("*")}
    assert {
        "__init__.py",
        "addon/__init__.py",
        "engine/assets/open_body.npz",
        "lock/engine.txt",
        "LICENSE",
    } <= files
    assert not {name for name in files if "__pycache__" in name or name.endswith((".mp4", "left over"))}


# The commands


def test_a_missing_video_is_named_before_anything_is_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "engine", lambda *_: pytest.fail("the engine was set up"))
    assert build.main(["demo", str(tmp_path / "no such.mp4")]) == 1
    assert "no such.mp4: check the path" in capsys.readouterr().err


def test_the_closing_line_says_what_was_written_how_fast_and_how_good() -> None:
    captured = {"frames": 100, "people": 1, "seconds": 8.0, "quality": {"fps": 12.5, "jitter_mm": 1.234}}
    scene = {"files": ["/x/scene.blend"], "characters": [{"name": "Body", "keys": 7, "error_mm": 0.7}]}
    line = demo.closing_line(captured, scene, Path("out/preview.mp4"), 20.0)
    for part in (
        "take.npz, scene.blend, preview.mp4",
        "100 frames",
        "12.5 frames/s",
        "jitter_mm 1.23",
        "7 shape keys",
    ):
        assert part in line


def test_a_cpu_torch_for_another_python_is_left_for_the_registrys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another build of the same version has another hash, which pip reports like a tampered file."""
    asked: list[str] = []

    def run_pip(_python: Path, lock: str) -> str | None:
        asked.append(lock)
        return "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" if lock == "torch-cpu" else None

    monkeypatch.setattr(environments, "run_pip", run_pip)
    environments.install_torch(Path(sys.executable))
    assert asked[:2] == ["torch-cpu", "torch"]
