"""The One-Euro filter (Casiez, Roussel and Vogel 2012) as the published code runs it over a clip."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MIN_CUTOFF = 0.004  # cycles per frame: lower is calmer at rest
BETA = 0.005  # what the published evaluation on video uses; the filter's own default there is 0.7


def one_euro(
    signal: npt.NDArray[np.floating],
    min_cutoff: float = MIN_CUTOFF,
    beta: float = BETA,
    derivative_cutoff: float = 1.0,
) -> npt.NDArray[np.float64]:
    """A low-pass whose cutoff rises with speed: calm at rest, quick in motion; each coordinate on its own.

    Unlike `motion.smoothing` it never looks ahead, so it lags.

    Args:
        signal: (F, ...), one frame after another; time is counted in frames.
        min_cutoff: cutoff at rest, cycles per frame.
        beta: cutoff added per unit of speed, in the signal's unit per frame.
        derivative_cutoff: cutoff of the speed's own low-pass, cycles per frame.
    """
    smooth: npt.NDArray[np.float64] = np.array(signal, np.float64)
    speed = np.zeros(smooth.shape[1:])
    share = _share(np.asarray(derivative_cutoff))
    for i in range(1, len(smooth)):
        step = smooth[i] - smooth[i - 1]
        speed = speed + share * (step - speed)
        smooth[i] = smooth[i - 1] + _share(min_cutoff + beta * np.abs(speed)) * step
    return smooth


def _share(cutoff: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """How much of a new value a first-order low-pass takes over in one frame."""
    turn = 2.0 * np.pi * cutoff
    return np.asarray(turn / (turn + 1.0))
