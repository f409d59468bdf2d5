"""What each ingredient of our own lifter buys: the full recipe, and the recipe with one thing changed.

Another row is another line in `VARIANTS`.
"""

from __future__ import annotations

from dataclasses import replace

from ..train.detector_noise import CLEAN
from ..train.synthesis import Synthesis
from .recipe import OURS

VARIANTS = {
    "full recipe": OURS,
    "not turned upright": replace(OURS, view="as_filmed"),
    "sized and centred by all points": replace(OURS, view="spread"),
    "not told of foreshortening": replace(OURS, bones=False),
    "x and y standardised apart": replace(OURS, view="standardised", bones=False),
    "no confidence": replace(OURS, view="no_confidence"),
    "19 points: no face, no hands": replace(OURS, view="nineteen_points"),
    "no recombined limbs": replace(OURS, synthesis=Synthesis(recombine=0.0)),
    "trunks bent, limbs that follow gravity": replace(OURS, synthesis=Synthesis(bend=0.3, keep=0.6)),
    "no varied bones": replace(OURS, synthesis=Synthesis(bones=0.0)),
    "plain Gaussian noise": replace(OURS, noise="plain"),
    "no noise": replace(OURS, noise=CLEAN),
    "half the width": replace(OURS, hidden=OURS.hidden // 2),
    "twice the width": replace(OURS, hidden=OURS.hidden * 2),
}
