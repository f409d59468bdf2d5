from __future__ import annotations

import time

import pytest

from engine.pipeline.stopwatch import Stopwatch


def test_a_stage_within_another_is_taken_out_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 4.0, 10.0, 20.0, 21.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    watch = Stopwatch()
    with watch("write"), watch("mesh"):
        pass
    with watch("mesh"):
        pass
    assert watch.seconds == {"mesh": 3.0 + 1.0, "write": 10.0 - 3.0}


def test_waiting_for_items_is_counted_and_work_on_them_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def slow(seconds: float) -> float:
        now[0] += seconds
        return seconds

    watch = Stopwatch()
    for _ in watch.each("decode", (slow(2.0) for _ in range(3))):
        slow(5.0)
    assert watch.seconds == {"decode": 6.0}


def test_a_stage_that_fails_is_counted_too() -> None:
    watch = Stopwatch()
    with pytest.raises(KeyError), watch("world"):
        raise KeyError
    assert set(watch.seconds) == {"world"}
