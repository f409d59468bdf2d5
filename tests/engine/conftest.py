"""Fixtures that several rooms of the engine share: sample videos and every kind of bad input."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent / "video"))  # `import clips` from any test of the engine


def sample_video(name: str) -> Path:
    """A real video beside the checkout; the test is skipped where there is none."""
    path = ROOT.parent / "shared" / "videos" / name
    if not path.exists():
        pytest.skip(f"needs ../shared/videos/{name}")
    return path


@pytest.fixture
def balance_video() -> Path:
    """100 frames, 60 fps, 1080x1920: a man on one leg, a bystander behind him."""
    return sample_video("balance_cam01.mp4")


@pytest.fixture
def outdoor_video() -> Path:
    """230 frames, 30 fps, 1768x994: two people outdoors."""
    return sample_video("outdoor_two_people.mp4")
