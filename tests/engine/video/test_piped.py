"""Frames from the pipe are checked and never pile up."""

from collections.abc import Callable

import numpy as np
import pytest

from engine.errors import EngineError
from engine.video.frames import Frame, VideoInfo
from engine.video.piped import PipedFrames

INFO = VideoInfo(6, 4, 25.0, 5, None)


def frame(index: int, time: float | None = None, width: int = 6) -> Frame:
    return Frame(index, index / 25 if time is None else time, np.zeros((4, width, 3), np.uint8))


def handing_over(frames: list[Frame]) -> Callable[[], Frame | None]:
    rest = iter(frames)
    return lambda: next(rest, None)


def test_frames_pass_one_by_one() -> None:
    asked: list[int] = []

    def receive() -> Frame | None:
        asked.append(len(asked))
        return frame(asked[-1]) if asked[-1] < 5 else None

    source = PipedFrames(INFO, receive)
    for expected, got in enumerate(source):
        assert got.index == expected
        assert len(asked) == expected + 1
    assert source.warnings == []


def test_a_range() -> None:
    source = PipedFrames(VideoInfo(6, 4, 25.0, 2, None), handing_over([frame(i) for i in range(5)]), 2, 3)
    assert [f.index for f in source] == [2, 3]
    assert source.warnings == []


def test_too_few_is_a_warning_and_none_an_error() -> None:
    source = PipedFrames(INFO, handing_over([frame(0), frame(1)]))
    assert len(list(source)) == 2
    assert "Only 2 of 5" in source.warnings[0]
    with pytest.raises(EngineError, match="No frame"):
        list(PipedFrames(INFO, handing_over([])))


@pytest.mark.parametrize("second", [frame(0), frame(1, time=-1.0), frame(1, time=0.0), frame(1, width=7)])
def test_wrong_frames_are_refused(second: Frame) -> None:
    with pytest.raises(EngineError):
        list(PipedFrames(INFO, handing_over([frame(0), second])))
