"""Finds a Python of the right version among those installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.build import BuildError

# Prints the version and the real interpreter behind a launcher, and fails where no environment can be made.
PROBE = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"


def find(versions: Sequence[str], purpose: str) -> Path:
    """An interpreter of the first of `versions` ("3.11", …) that is installed; this very one where it fits.

    Raises:
        BuildError: none is, naming `purpose` and how to get one.
    """
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for version in sorted(versions, key=lambda version: version != own):
        for command in candidates(version):
            if interpreter := probe(command, version):
                return interpreter
    wanted = " or ".join(versions)
    raise BuildError(
        f"{purpose} needs Python {wanted} with its venv module, and none was found: install it (Debian and "
        f"Ubuntu: apt install python{versions[0]}-venv; otherwise from python.org, pyenv or uv) and run "
        "this again."
    )


def candidates(version: str) -> Iterator[list[str]]:
    """Commands that may start Python `version`, the likeliest first; some of them may not exist."""
    yield [sys.executable]
    for name in (f"python{version}", "python3", "python"):
        if path := shutil.which(name):
            yield [path]
    if os.name == "nt" and (launcher := shutil.which("py")):
        yield [launcher, f"-{version}"]
    home = Path.home()
    local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    roaming = Path(os.environ.get("APPDATA", home / "AppData" / "Roaming"))
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", home / ".local" / "share" / "uv" / "python"))
    places = [
        (pyenv / "versions", f"{version}.*/bin/python"),
        (pyenv / "pyenv-win" / "versions", f"{version}.*/python.exe"),
        (uv, f"cpython-{version}.*/bin/python3"),
        (roaming / "uv" / "python", f"cpython-{version}.*/python.exe"),
        (local / "Programs" / "Python", f"Python{version.replace('.', '')}/python.exe"),
        (Path("/Library/Frameworks/Python.framework/Versions"), f"{version}/bin/python3"),
        (Path("/opt/homebrew/bin"), f"python{version}"),
        (Path("/usr/local/bin"), f"python{version}"),
        (Path("/usr/bin"), f"python{version}"),
    ]
    for folder, pattern in places:
        yield from ([str(found)] for found in sorted(folder.glob(pattern), reverse=True))


def probe(command: Sequence[str], version: str) -> Path | None:
    """The interpreter behind `command`, or None where it is another version or cannot make environments."""
    try:
        done = subprocess.run([*command, "-c", PROBE], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != 2 or lines[0] != version:
        return None
    return Path(lines[1])
