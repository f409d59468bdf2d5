"""The Python environments: `.venv` for the engine, `.venv-bpy-X.Y` for each Blender, from locked packages.

An environment carries a stamp with the hashes of the locks it was made from. It is up to date when the stamp
says so, brought up to date when a lock changed, and made anew when there is no stamp: the stamp is taken away
while packages are being installed, so an interrupted set-up is never mistaken for a finished one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.build import ROOT, BuildError, pythons

ENGINE_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# The first whose Python is installed opens the demo's scene: the middle LTS, whose files most users can open.
BLENDER_PYTHON = {"4.5": "3.11", "5.0": "3.11", "4.2": "3.11", "5.2": "3.13"}

# File that must load → the Debian package that has it.
ENGINE_LIBRARIES = {"libEGL.so.1": "libegl1", "libGLESv2.so.2": "libgles2"}
BLENDER_LIBRARIES = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libGL.so.1": "libgl1",
    "libgomp.so.1": "libgomp1",
    "libEGL.so.1": "libegl1",
}


@dataclass(frozen=True)
class Environment:
    """A virtual environment in the repository's root."""

    name: str
    title: str
    python_versions: tuple[str, ...]
    libraries: dict[str, str]

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @property
    def python(self) -> Path:
        return self.path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def stamp(self) -> Path:
        return self.path / "locks.json"

    def ensure(self, *locks: str) -> Path:
        """Makes the environment hold the packages of `lock/NAME.txt` for each name; returns its interpreter.

        "torch" stands for the build of torch that fits this machine. Packages of other locks stay.
        """
        require_libraries(self.title, self.libraries)
        wanted = {lock: lock_hash(lock) for lock in locks}
        have = self._installed()
        missing = [lock for lock in locks if have.get(lock) != wanted[lock]]
        if not missing:
            return self.python
        try:
            if not have:
                self._create()
            self.stamp.unlink(missing_ok=True)
            for lock in missing:
                print(f"{self.title}: installing lock/{lock}.txt into {self.name}", flush=True)
                if lock == "torch":
                    install_torch(self.python)
                else:
                    pip_install(self.python, lock)
            self.stamp.write_text(json.dumps(have | wanted), encoding="utf-8")
        except OSError as error:
            raise BuildError(f"{self.name} could not be made ({error}): {remedy(str(error))}") from error
        return self.python

    def available(self) -> bool:
        """Whether it exists already or a Python to make it from is installed."""
        if self._installed():
            return True
        try:
            pythons.find(self.python_versions, self.title)
        except BuildError:
            return False
        return True

    def _installed(self) -> dict[str, str]:
        """Lock → hash as stamped; empty when the environment is absent, unfinished or its Python is gone."""
        try:
            stamped = json.loads(self.stamp.read_text(encoding="utf-8"))
            alive = subprocess.run([self.python, "-c", ""], capture_output=True, timeout=60)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return {}
        return dict(stamped) if alive.returncode == 0 else {}

    def _create(self) -> None:
        base = pythons.find(self.python_versions, self.title)
        print(f"{self.title}: making {self.name} with {base}", flush=True)
        if self.path.exists():
            shutil.rmtree(self.path)
        done = subprocess.run([base, "-m", "venv", self.path], capture_output=True, text=True)
        if done.returncode:
            said = last_line(done.stderr or done.stdout)
            raise BuildError(f"{base} could not make the environment {self.name} ({said}): {remedy(said)}")


ENGINE = Environment(".venv", "The engine", ENGINE_PYTHONS, ENGINE_LIBRARIES)
BLENDERS = {
    version: Environment(f".venv-bpy-{version}", f"Blender {version}", (python,), BLENDER_LIBRARIES)
    for version, python in BLENDER_PYTHON.items()
}


def engine(*extra: str) -> Path:
    """The engine's interpreter, its environment made or brought up to date first."""
    return ENGINE.ensure("engine", "torch", *extra)


def blender(version: str | None = None) -> Path:
    """A Blender environment's interpreter: of `version`, or the most fitting that this machine can have."""
    if version is None:
        version = next((v for v, env in BLENDERS.items() if env.available()), next(iter(BLENDERS)))
    return BLENDERS[version].ensure(f"blender-{version}")


def child_environment() -> dict[str, str]:
    """The variables a child gets: nothing of the caller's own Python set-up leaks into the locked one."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    return kept | {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"}


def lock_hash(lock: str) -> str:
    names = ("torch", "torch-cpu", "torch-cuda") if lock == "torch" else (lock,)
    digest = hashlib.sha256()
    for name in names:
        digest.update((ROOT / "lock" / f"{name}.txt").read_bytes())
    return digest.hexdigest()


# What pip says → what to do about it. The first that matches.
REMEDIES = (
    (r"No space left|Errno 28|not enough space", "free some disk space (5 GB will do) and run this again."),
    (r"Permission denied|Read-only file system|Errno 13|Errno 30", "make the project's folder writable."),
    (
        r"Retrying|Failed to establish|Name or service|resolution|timed? ?out|ProxyError|SSLError|Connection",
        "the package registry could not be reached; check the network (or pip's settings) and try again.",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "a downloaded file is not the locked one; run `pip cache purge` and this again, and trust neither if "
        "it stays.",
    ),
    (
        r"No matching distribution|not a supported wheel",
        "no build of it exists for this Python and system (Linux, Windows, or macOS 14 on Apple silicon).",
    ),
    (r"ensurepip|No module named pip", "install the venv and pip modules of this Python and run this again."),
)


def remedy(said: str) -> str:
    """What to do about an error that a tool reported with `said`."""
    found = (advice for pattern, advice in REMEDIES if re.search(pattern, said, re.IGNORECASE))
    return next(found, "remove the environment's folder and run this again.")


def last_line(text: str) -> str:
    """The last line that says something; an ERROR line where there is one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return ([*lines, *errors] or ["no message"])[-1].removeprefix("ERROR: ")


def run_pip(python: Path, lock: str) -> str | None:
    """Installs `lock/LOCK.txt`; returns what pip said when it failed, None when it did not."""
    command: list[str | Path] = [python, "-m", "pip", "install", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--disable-pip-version-check", "-r", ROOT / "lock" / f"{lock}.txt"]
    if not sys.stdout.isatty():
        command.append("--quiet")
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=child_environment())
    return done.stderr if done.returncode else None


def pip_install(python: Path, lock: str) -> None:
    said = run_pip(python, lock)
    if said is not None:
        raise BuildError(f"pip could not install lock/{lock}.txt ({last_line(said)}): {remedy(said)}")


def install_torch(python: Path) -> None:
    """The CPU build where pip knows of one, else the registry's with what its own metadata asks for."""
    said = run_pip(python, "torch-cpu")
    if said is None:
        return
    # Another build of the same version has another hash: pip may find one for another Python or system.
    if "No matching distribution" not in said and "DO NOT MATCH THE HASHES" not in said:
        raise BuildError(f"pip could not install torch ({last_line(said)}): {remedy(said)}")
    pip_install(python, "torch")
    query = "import importlib.metadata as m; print('\\n'.join(m.requires('torch') or ()))"
    done = subprocess.run([python, "-c", query], capture_output=True, text=True, check=True)
    if asks_for_cuda(done.stdout.splitlines(), sys.platform):
        pip_install(python, "torch-cuda")


def asks_for_cuda(requirements: Sequence[str], platform: str) -> bool:
    """Whether torch's metadata asks for CUDA libraries here; they exist for Linux only."""
    return platform == "linux" and any(re.match(r"nvidia-|cuda-|triton", line) for line in requirements)


def require_libraries(title: str, libraries: dict[str, str]) -> None:
    """Raises BuildError naming every system library that is missing, on Linux; elsewhere they come along."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    missing = []
    for file, package in libraries.items():
        try:
            ctypes.CDLL(file)
        except OSError:
            missing.append((file, package))
    if missing:
        files = ", ".join(file for file, _ in missing)
        packages = " ".join(sorted({package for _, package in missing}))
        raise BuildError(
            f"{title} needs system libraries that are missing here ({files}): install them (Debian, Ubuntu: "
            f"sudo apt-get install {packages}) and run this again."
        )
