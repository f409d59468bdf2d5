"""What `build.py`'s commands are made of. Standard library only: it runs before anything is installed."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class BuildError(Exception):
    """One sentence that names the cause and the remedy; `build.py` prints it and exits with 1."""
