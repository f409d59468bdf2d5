"""The extension's zip: a clean copy of what ships, validated and packed by Blender's own tool."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

from tools.build import ROOT, BuildError
from tools.build.environments import blender, child_environment

SHIPPED = ("__init__.py", "blender_manifest.toml", "LICENSE", "LICENSES", "addon", "engine", "lock")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.py[co]", "sample", "*.in", ".*")
STAGE = ROOT / "build" / "extension"
DIST = ROOT / "dist"

MANIFEST_KEYS = {
    "schema_version", "id", "version", "name", "tagline", "maintainer", "type", "license", "tags", "website",
    "blender_version_min", "blender_version_max", "platforms", "permissions", "copyright", "wheels", "build",
}  # fmt: skip
PLATFORMS = {"windows-x64", "windows-arm64", "macos-x64", "macos-arm64", "linux-x64"}


def build() -> Path:
    """Validates and builds `dist/ID-VERSION.zip`; returns its path."""
    python = blender()
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    if faults := manifest_faults(manifest):
        raise BuildError(f"blender_manifest.toml is not fit to publish: {'; '.join(faults)}.")
    stage()
    DIST.mkdir(exist_ok=True)
    archive = DIST / f"{manifest['id']}-{manifest['version']}.zip"
    archive.unlink(missing_ok=True)
    tool, tags = blender_tool(python)
    run_tool(python, tool, "validate", "--valid-tags", str(tags), str(STAGE))
    run_tool(python, tool, "build", "--source-dir", str(STAGE), "--output-dir", str(DIST))
    run_tool(python, tool, "validate", "--valid-tags", str(tags), str(archive))
    return archive


def manifest_faults(manifest: dict[str, object]) -> list[str]:
    """What Blender's own validation lets pass and users or the extension platform would stumble over."""
    faults = [f"unknown key {key}" for key in sorted(manifest.keys() - MANIFEST_KEYS)]
    licences = manifest.get("license")
    if (
        not isinstance(licences, list)
        or not licences
        or any(not str(x).startswith("SPDX:") for x in licences)
    ):
        faults.append('every license must read "SPDX:…"')
    minimum = str(manifest.get("blender_version_min", "0.0.0"))
    if not all(part.isdigit() for part in minimum.split(".")):
        faults.append(f"blender_version_min {minimum} is not a version")
    elif tuple(int(part) for part in minimum.split(".")) < (4, 2, 0):
        faults.append(f"blender_version_min {minimum} is older than extensions, which came with 4.2.0")
    platforms = manifest.get("platforms", [])
    if not isinstance(platforms, list) or not PLATFORMS.issuperset(platforms):
        faults.append(f"platforms {platforms} are not all known")
    permissions = manifest.get("permissions", {})
    if isinstance(permissions, dict):
        faults += [f"the reason for {k} is over 64 characters" for k, v in permissions.items() if len(v) > 64]
    return faults


def stage() -> None:
    """Copies what ships into a clean folder."""
    if STAGE.exists():
        shutil.rmtree(STAGE)
    STAGE.mkdir(parents=True)
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, STAGE / name, ignore=LEFT_OUT)
        else:
            shutil.copy2(source, STAGE / name)


def blender_tool(python: Path) -> tuple[Path, Path]:
    """Blender's command line tool for extensions, and its list of tags."""
    packages = python.parents[1]
    tool = next(packages.rglob("bl_pkg/cli/blender_ext.py"), None)
    tags = next(packages.rglob("_bpy_internal/extensions/tags.py"), None)
    if tool is None or tags is None:
        raise BuildError(f"{packages} holds no extension tool: remove that folder and run this again.")
    return tool, tags


def run_tool(python: Path, tool: Path, *arguments: str) -> None:
    command: list[str | Path] = [python, tool, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=child_environment())
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())
        raise BuildError(f"Blender's extension tool refused to {arguments[0]} ({said}): mend what it names.")
