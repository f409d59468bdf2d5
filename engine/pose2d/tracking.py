"""Who is who over time: detections of single frames become people with a stable identity.

Every frame, each known person's landmarks are predicted from their motion and compared with what was
detected, by object keypoint similarity (OKS: Ronchi and Perona, ICCV 2017), box overlap and clothing; the
assignment is optimal (Kuhn 1955, scipy). At the end, pieces of one person who left and came back are joined,
and the most prominent people are kept: large, long in the picture, near its centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ..video.frames import Image
from .appearance import appearance

FloatArray = NDArray[np.float32]

# Nose, shoulders, elbows, wrists, hips, knees, ankles: the points that say where a body is.
_CORE: Final = np.array([0, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28])
_SPREAD: Final = 0.15  # OKS's k: standard deviation of a point over the size of the person
_SAME: Final = 0.25  # least similarity of one person in two frames
_DUPLICATE: Final = 0.6  # similarity of two detections of one person in one frame
_SAME_CLOTHES: Final = 0.6  # least likeness of clothes of one person who left and returned
_PATIENCE: Final = 60  # frames a person may be unseen and still be looked for by motion
_FORGET: Final = 0.05  # how fast remembered clothes follow the light


@dataclass(frozen=True)
class Tracks:
    """People over time.

    Attributes:
        person_id: (P,) int32, 0 the most prominent.
        keypoints2d: (P,F,33,3) x px, y px, confidence; straight lines with confidence 0 where not seen.
        visible: (P,F) bool, where the person was detected.
    """

    person_id: NDArray[np.int32]
    keypoints2d: FloatArray
    visible: NDArray[np.bool_]


@dataclass
class _Track:
    """One person's detections so far."""

    frames: list[int] = field(default_factory=list)
    points: list[FloatArray] = field(default_factory=list)
    velocity: FloatArray = field(default_factory=lambda: np.zeros(2, np.float32))
    clothes: FloatArray | None = None
    prominence: float = 0.0

    def add(self, frame: int, points: FloatArray, clothes: FloatArray | None, weight: float) -> None:
        if self.frames:
            gap = frame - self.frames[-1]
            moved = (_centre(points) - _centre(self.points[-1])) / gap
            self.velocity += ((moved - self.velocity) * 0.3).astype(np.float32)
        if clothes is not None:
            self.clothes = (
                clothes if self.clothes is None else self.clothes + (clothes - self.clothes) * _FORGET
            )
        self.frames.append(frame)
        self.points.append(points)
        self.prominence += weight

    def predict(self, frame: int) -> FloatArray:
        """Where the last points would be now; the motion fades out while nothing confirms it."""
        gap = frame - self.frames[-1]
        points = self.points[-1].copy()
        points[:, :2] += self.velocity * np.float32(10 * (1 - np.exp(-gap / 10)))
        return points


class Tracker:
    """Takes the detections of one frame after the other.

    Args:
        people: how many people to keep at the end.
    """

    def __init__(self, people: int = 1) -> None:
        self._people = people
        self._tracks: list[_Track] = []
        self._frames = 0

    def add(self, detections: FloatArray, image: Image | None = None) -> None:
        """The next frame.

        Args:
            detections: (N,33,3) x px, y px, confidence of everybody seen, also none.
            image: (H,W,3) the frame, for what people wear and where its centre is; works without, less well.
        """
        frame, self._frames = self._frames, self._frames + 1
        found = _without_duplicates(list(detections))
        clothes = [None if image is None else appearance(image, points) for points in found]
        known = [track for track in self._tracks if frame - track.frames[-1] <= _PATIENCE]
        likeness = np.zeros((len(known), len(found)))
        for row, track in enumerate(known):
            gap = frame - track.frames[-1]
            guess = track.predict(frame)
            for column, points in enumerate(found):
                likeness[row, column] = _likeness(guess, points, gap) * _match(track.clothes, clothes[column])
        # A person seen a moment ago comes before one who was lost a while ago.
        patience = np.array([1 - 0.3 * (frame - t.frames[-1]) / _PATIENCE for t in known])[:, None]
        rows, columns = linear_sum_assignment(-likeness * patience)
        pairs = {int(c): known[r] for r, c in zip(rows, columns, strict=True) if likeness[r, c] >= _SAME}
        for column, points in enumerate(found):
            if column not in pairs:
                pairs[column] = _Track()
                self._tracks.append(pairs[column])
            pairs[column].add(frame, points, clothes[column], _weight(points, image))

    def leader(self) -> FloatArray | None:
        """Landmarks (33,3) of the most prominent person so far, None when they are not in the last frame."""
        best = max(self._tracks, key=lambda track: track.prominence, default=None)
        if best is None or best.frames[-1] != self._frames - 1:
            return None
        return best.points[-1]

    def tracks(self) -> Tracks:
        """The most prominent people over all frames so far; fewer than asked for when there were fewer."""
        people = [track for track in _joined(self._tracks) if len(track.frames) >= min(3, self._frames)]
        people = sorted(people, key=lambda track: -track.prominence)[: self._people]
        visible = np.zeros((len(people), self._frames), bool)
        points = np.zeros((len(people), self._frames, 33, 3), np.float32)
        for person, track in enumerate(people):
            visible[person, track.frames] = True
            points[person] = _filled(self._frames, track)
        return Tracks(np.arange(len(people), dtype=np.int32), points, visible)


def _joined(tracks: Sequence[_Track]) -> list[_Track]:
    """Tracks of one person who was out of sight for longer than motion can tell, joined by size and clothes.

    The most prominent person picks first. Two tracks that share a frame are two people.
    """
    rest = sorted(tracks, key=lambda track: -track.prominence)
    people: list[_Track] = []
    while rest:
        person = rest.pop(0)
        while (other := _return_of(person, rest)) is not None:
            rest.remove(other)
            person = _merged(person, other)
        people.append(person)
    return people


def _return_of(person: _Track, others: Sequence[_Track]) -> _Track | None:
    """The most similar track that can be the same person at another time."""
    seen = set(person.frames)
    best, best_match = None, _SAME_CLOTHES
    for other in others:
        if other.clothes is None or person.clothes is None or not seen.isdisjoint(other.frames):
            continue
        match = float(other.clothes @ person.clothes)
        ratio = _size(other.points[0]) / _size(person.points[-1])
        if match > best_match and 0.5 < ratio < 2.0:
            best, best_match = other, match
    return best


def _merged(one: _Track, other: _Track) -> _Track:
    order = sorted(
        zip(one.frames + other.frames, one.points + other.points, strict=True), key=lambda pair: pair[0]
    )
    total = one.prominence + other.prominence
    return _Track([f for f, _ in order], [p for _, p in order], clothes=one.clothes, prominence=total)


def _filled(frames: int, track: _Track) -> FloatArray:
    """(F,33,3): the track's points; between and beyond them lines with confidence 0."""
    points = np.stack(track.points)
    at = np.arange(frames)
    flat = points[..., :2].reshape(len(points), -1)
    filled = np.zeros((frames, 33, 3), np.float32)
    columns = [np.interp(at, track.frames, column) for column in flat.T]
    filled[..., :2] = np.stack(columns, 1).reshape(frames, 33, 2)
    filled[track.frames, :, 2] = points[..., 2]
    return filled


def _without_duplicates(detections: list[FloatArray]) -> list[FloatArray]:
    """One detection per person: of two that lie on each other, the surer one."""
    kept: list[FloatArray] = []
    for points in sorted(detections, key=lambda p: -float(p[_CORE, 2].mean())):
        if all(_likeness(points, other, 1) < _DUPLICATE for other in kept):
            kept.append(points)
    return kept


def _likeness(a: FloatArray, b: FloatArray, gap: int) -> float:
    """0-1 for two (33,3) poses: mean of keypoint similarity and box overlap, more lenient after a gap."""
    scale = max((_size(a) * _size(b)) ** 0.5, 1.0) * _SPREAD * (1 + 0.05 * (gap - 1))
    distance = np.linalg.norm(a[_CORE, :2] - b[_CORE, :2], axis=1) / scale
    weight = a[_CORE, 2] * b[_CORE, 2] + 1e-3
    similarity = float((np.exp(-0.5 * distance**2) * weight).sum() / weight.sum())
    return 0.5 * similarity + 0.5 * _overlap(a, b)


def _match(known: FloatArray | None, seen: FloatArray | None) -> float:
    """How far clothes support that two detections are one person: 0.5 to 1."""
    return 1.0 if known is None or seen is None else 0.5 + 0.5 * float(known @ seen)


def _overlap(a: FloatArray, b: FloatArray) -> float:
    """Intersection over union of the boxes around the core points."""
    low_a, high_a = _box(a)
    low_b, high_b = _box(b)
    inner = float(np.prod(np.maximum(np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0)))
    outer = float(np.prod(high_a - low_a) + np.prod(high_b - low_b)) - inner
    return inner / max(outer, 1.0)


def _box(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    xy = points[_CORE, :2]
    return xy.min(0), xy.max(0)


def _centre(points: FloatArray) -> FloatArray:
    centre: FloatArray = np.median(points[_CORE, :2], axis=0).astype(np.float32)
    return centre


def _size(points: FloatArray) -> float:
    """Diagonal of the box around the core points, px."""
    low, high = _box(points)
    return max(float(np.linalg.norm(high - low)), 1.0)


def _weight(points: FloatArray, image: Image | None) -> float:
    """One frame's share of a person's prominence: size, confidence, nearness to the centre of the picture."""
    weight = _size(points) * float(points[_CORE, 2].mean())
    if image is None:
        return weight
    half = np.array([image.shape[1], image.shape[0]], np.float32) / 2
    away = float(np.linalg.norm((_centre(points) - half) / half))
    return weight / float(np.linalg.norm(half)) * (0.5 + 0.5 * float(np.exp(-(away**2))))
