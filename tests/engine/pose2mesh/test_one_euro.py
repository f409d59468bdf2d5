"""The published One-Euro filter."""

import numpy as np
import pytest
from golden import golden

from engine.pose2mesh.one_euro import one_euro

MISC = golden("misc")


@pytest.mark.parametrize(("beta", "expected"), [(0.7, "smooth_default"), (0.005, "smooth_b005")])
def test_as_published(beta: float, expected: str) -> None:
    np.testing.assert_allclose(one_euro(MISC["acc_pred"], beta=beta), MISC[expected], atol=1e-9)


def test_rest_stays_and_noise_shrinks() -> None:
    rest = np.full((40, 2, 3), 7.0)
    np.testing.assert_array_equal(one_euro(rest), rest)
    noise = np.random.default_rng(0).normal(0, 1, (300, 3))
    smooth = one_euro(noise)
    assert np.diff(smooth, axis=0).std() < 0.1 * np.diff(noise, axis=0).std()


def test_a_larger_beta_lags_less() -> None:
    ramp = np.arange(50.0)[:, None]
    lag = [float((ramp - one_euro(ramp, beta=beta))[-1, 0]) for beta in (0.005, 0.05, 0.7)]
    assert lag[0] > lag[1] > lag[2] > 0


@pytest.mark.parametrize("frames", [0, 1])
def test_short_clips(frames: int) -> None:
    assert one_euro(np.ones((frames, 3))).shape == (frames, 3)
