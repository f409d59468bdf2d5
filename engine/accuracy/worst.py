"""Which moments went worst: far apart, and never more than two of one clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .collect import Collected

APART = 30
"""Frames between two chosen moments of one clip, at least."""


@dataclass(frozen=True)
class Moment:
    """One frame of one piece.

    Attributes:
        row: among the collected frames; piece: its piece; offset: the frame within the piece.
        clip: its number; frame: within the clip.
    """

    case: str
    row: int
    piece: int
    offset: int
    clip: int
    frame: int


def worst_moments(collected: Collected, case: str, count: int, per_clip: int = 2) -> list[Moment]:
    """The `count` frames with the largest MPJPE after the fit, at most `per_clip` of a clip."""
    error = collected.errors[case]["fit"].mpjpe
    clips = collected.clip
    chosen: list[Moment] = []
    for row in np.argsort(-error, kind="stable"):
        same = [moment for moment in chosen if moment.clip == clips[row]]
        piece = collected.pieces[collected.piece[row]]
        frame = int(collected.frame[row])
        near = any(abs(frame - piece.first - moment.frame) < APART for moment in same)
        if len(same) >= per_clip or near:
            continue
        chosen.append(
            Moment(
                case,
                int(row),
                int(collected.piece[row]),
                frame - piece.start,
                piece.clip,
                frame - piece.first,
            )
        )
        if len(chosen) == count:
            break
    return chosen
