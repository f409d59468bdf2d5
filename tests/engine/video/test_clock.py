"""Whatever a file says, times rise, and by what passed where that can be known."""

import numpy as np
import pytest

from engine.video.clock import Clock


def told(said: list[float | None], fps: float = 10.0) -> list[float]:
    clock = Clock(fps)
    return [clock.time(time) for time in said]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ([0.0, 0.1, 0.25, 0.3], [0.0, 0.1, 0.25, 0.3]),  # as they are, even or not
        ([5.0, 5.1], [5.0, 5.1]),
        ([0.0, 0.1, 0.1, 0.2], [0.0, 0.1, 0.15, 0.2]),  # a tick too coarse for its frames
        ([0.0, 0.1, 0.2, 0.0, 0.1, 0.2, 0.3], [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),  # joined recordings
        ([7.0, 0.0, 0.1], [7.0, 7.1, 7.2]),
        ([None, None, None], [0.0, 0.1, 0.2]),
        ([0.0, None, 0.2], [0.0, 0.1, 0.2]),
    ],
)
def test_times_rise(said: list[float | None], meant: list[float]) -> None:
    np.testing.assert_allclose(told(said), meant, atol=1e-9)


def test_a_clock_that_stands_still_is_left_behind() -> None:
    times = np.array(told([1.0] * 100))
    assert (np.diff(times) > 0).all()
    assert times[-1] < 1.0 + 100 * 0.1
