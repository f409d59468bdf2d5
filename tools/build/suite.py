"""The whole test suite: style, types, the engine's tests, the add-on's tests in every Blender."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.build import ROOT, extension
from tools.build.environments import BLENDERS, child_environment, engine

REPORTS = ROOT / "build" / "reports"
MOUNT = ROOT / "build" / "mypy"
PACKAGE = "pose2mesh_mocap"
TYPED = ("build.py", "engine", "lock", "tools", "tests")


@dataclass(frozen=True)
class Tally:
    """How many tests ended how; an error in a fixture counts as a failure."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def run(paths: Sequence[str] = (), keyword: str | None = None, versions: Sequence[str] = ()) -> Tally:
    """Runs everything; or, with `paths` or `keyword`, those tests alone; Blender tests in `versions` only."""
    python = engine("dev")
    chosen = bool(paths or keyword)
    total = Tally() if chosen else check_style_and_types(python)
    engine_paths = [path for path in paths if not in_addon(path)]
    addon_paths = [path for path in paths if in_addon(path)]
    select = ["-k", keyword] if keyword else []
    if not paths:
        engine_paths, addon_paths = ["tests"], ["tests/addon"]
    if engine_paths and not (chosen and versions):
        total += pytest("engine", python, [*engine_paths, "--ignore", "tests/addon", *select])
    if addon_paths:
        archive = extension.build()
        for version, environment in BLENDERS.items():
            if version in versions or (not versions and environment.available()):
                blender_python = environment.ensure(f"blender-{version}")
                total += pytest(f"blender-{version}", blender_python, [*addon_paths, *select], archive)
            elif not versions:
                print(f"\nBlender {version}: left out, no Python {environment.python_versions[0]} here")
    return total


def in_addon(path: str) -> bool:
    return Path(path.split("::")[0]).resolve().is_relative_to(ROOT / "tests" / "addon")


def check_style_and_types(python: Path) -> Tally:
    """ruff and mypy over the whole tree; each counts as one test."""
    mount = mount_repository()
    steps: list[tuple[str, list[str], dict[str, str]]] = [
        ("ruff check", ["ruff", "check", "."], {}),
        ("ruff format", ["ruff", "format", "--check", "."], {}),
        ("mypy", ["mypy", *TYPED, str(mount / PACKAGE / "addon")], {"MYPYPATH": str(mount)}),
    ]
    tally = Tally()
    for title, arguments, variables in steps:
        print(f"\n== {title}", flush=True)
        done = subprocess.run([python, "-m", *arguments], cwd=ROOT, env=child_environment() | variables)
        tally += Tally(passed=1) if done.returncode == 0 else Tally(failed=1)
    return tally


def mount_repository() -> Path:
    """A folder in which the repository is the package `pose2mesh_mocap`, as the zip is in Blender."""
    MOUNT.mkdir(parents=True, exist_ok=True)
    link = MOUNT / PACKAGE
    if not link.exists():
        link.unlink(missing_ok=True)
        if os.name == "nt":  # a symbolic link would need administrator rights
            subprocess.run(["cmd", "/c", "mklink", "/J", link, ROOT], check=True, capture_output=True)
        else:
            link.symlink_to(ROOT, target_is_directory=True)
    return MOUNT


def pytest(title: str, python: Path, arguments: Sequence[str], archive: Path | None = None) -> Tally:
    """Runs pytest in an environment; its tally comes from the report, so that a crash is a failure too."""
    print(f"\n== tests, {title}", flush=True)
    REPORTS.mkdir(parents=True, exist_ok=True)
    report = REPORTS / f"{title}.xml"
    report.unlink(missing_ok=True)
    variables = child_environment() | {"OMP_NUM_THREADS": "1"}
    if archive:
        variables["POSE2MESH_ZIP"] = str(archive)
    command: list[str | Path] = [python, "-m", "pytest", *arguments, f"--junitxml={report}"]
    code = subprocess.run(command, cwd=ROOT, env=variables).returncode
    tally = read_report(report)
    nothing_collected = 5
    if code not in (0, nothing_collected) and not tally.failed:
        print(f"{title}: the test process ended with exit code {code}")
        tally += Tally(failed=1)
    return tally


def read_report(report: Path) -> Tally:
    """The tally of a JUnit XML report; empty where the process died before it wrote one."""
    try:
        suites = ElementTree.parse(report).getroot().iter("testsuite")
    except (OSError, ElementTree.ParseError):
        return Tally()
    tally = Tally()
    for suite in suites:
        tests, failures, errors, skipped = (
            int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")
        )
        tally += Tally(tests - failures - errors - skipped, failures + errors, skipped)
    return tally
