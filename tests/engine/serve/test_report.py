"""Rates are smooth and honest."""

import pytest

from engine.serve.report import Rate


def test_a_steady_pace_is_its_rate() -> None:
    now = 0.0
    rate = Rate(lambda: now)
    for step in range(1, 200):
        now = step * 0.1
        value = rate.update(step * 2)
    assert value == pytest.approx(20)


def test_it_follows_a_change_within_seconds() -> None:
    now, done = 0.0, 0
    rate = Rate(lambda: now)
    for step in range(200):
        now += 0.1
        done += 10 if step < 100 else 1
        value = rate.update(done)
    assert 10 < value < 15


def test_the_first_units_of_a_stage_do_not_count_as_instant() -> None:
    now = 0.0
    rate = Rate(lambda: now)
    now = 1e-6  # a stage is first heard of when its first unit is done
    assert rate.update(1) == 0
    now = 0.5
    assert rate.update(2) == pytest.approx(2, rel=0.01)


def test_no_time_no_change() -> None:
    rate = Rate(lambda: 1.0)
    assert rate.update(5) == 0
