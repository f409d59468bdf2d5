"""Sentences and times as the panel shows them."""

from __future__ import annotations

import pytest
from pose2mesh_mocap.addon.text import duration, wrap


def test_words_stay_whole() -> None:
    assert wrap("No person is in the video; film one whole.", 20) == [
        "No person is in the",
        "video; film one",
        "whole.",
    ]


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("Log: /home/me/a folder/capture.log", ["Log: /home/", "me/a folder/", "capture.log"]),
        (r"C:\Users\me\capture.log", ["C:\\Users\\me\\", "capture.log"]),
    ],
)
def test_paths_break_after_separators(path: str, lines: list[str]) -> None:
    assert wrap(path, 18) == lines


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (-3, "0:00"), (59.6, "1:00"), (75, "1:15"), (3661, "1:01:01")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
