"""Who is who over time: detections of single frames become people with a stable identity.

Every frame, each known person's landmarks are predicted from their motion and compared with what was
detected, by object keypoint similarity (OKS: Ronchi and Perona, ICCV 2017), box overlap and clothing; the
assignment is optimal (Kuhn 1955, scipy). At the end, pieces of one person who left and came back are joined,
and the most prominent people are kept: large, long in the picture, near its centre.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp, hypot
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ..video.frames import Image
from .appearance import appearance
from .figure import STRIDE, Figure

FloatArray = NDArray[np.float32]
Window = tuple[int, int, int, int]  # left, top, right, bottom px
Look = Callable[[Window], FloatArray]

_SAME: Final = 0.25  # least likeness of one person in two frames
_SURE: Final = 0.5  # likeness below which a wanted person is looked at from near
_DUPLICATE: Final = 0.6  # likeness of two detections of one person in one frame
_COVERED: Final = 0.6  # share of a new person that may lie on a known one; more is a second detection of them
_RETURN: Final = 0.75  # least likeness of one person who was lost and returned
_END: Final = 5  # frames at either side of a gap of which any may be the one that lies right
_PATIENCE: Final = 60  # frames a person may be unseen and still be looked for by motion
_PAUSE: Final = 8  # frames between two looks for a person, after many in vain
_GHOST: Final = 2  # frames a person is looked for, over the frames they were seen
_FORGET: Final = np.float32(0.05)  # how fast remembered clothes follow the light
_MOST: Final = 50  # tracks considered at the end


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
class _Search:
    """When to look for somebody next: at once where a look found somebody (the detector alone may go on
    missing them), else ever less often.

    Attributes:
        due: the next frame.  in_vain: how many looks have been since one found somebody.
    """

    due: int = 0
    in_vain: int = 0

    def looked(self, frame: int, found: bool) -> None:
        self.in_vain = 0 if found else self.in_vain + 1
        self.due = frame + min(1 + self.in_vain // 2, _PAUSE)


@dataclass
class _Track:
    """One person's detections so far, and how they are looked for.

    Attributes:
        near: somebody whom the last look found near where this person was lost: perhaps this person.
    """

    frames: list[int] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    velocity: tuple[float, float] = (0.0, 0.0)
    clothes: FloatArray | None = None
    prominence: float = 0.0
    search: _Search = field(default_factory=_Search)
    near: _Track | None = None

    def add(self, frame: int, one: _Seen, weight: float) -> None:
        figure, clothes = one.figure, one.clothes
        if self.frames and one.likeness >= _SURE:  # a doubtful detection says little about motion
            gap, before = frame - self.frames[-1], self.figures[-1].centre
            x, y = ((new - old) / gap for new, old in zip(figure.centre, before, strict=True))
            self.velocity = self.velocity[0] * 0.7 + x * 0.3, self.velocity[1] * 0.7 + y * 0.3
        if clothes is not None:
            self.clothes = (
                clothes if self.clothes is None else self.clothes + (clothes - self.clothes) * _FORGET
            )
        self.frames.append(frame)
        self.figures.append(figure)
        self.prominence += weight
        self.search.looked(frame, True)
        self.near = None

    def missed(self, frame: int) -> bool:
        """Whether to go on looking: for somebody seen once or twice, who may be a ghost, not for long."""
        return frame - self.frames[-1] <= min(_GHOST * len(self.frames), _PATIENCE)

    def predict(self, frame: int) -> Figure:
        """Where the last figure would be now; the motion fades out while nothing confirms it."""
        way = 10 * (1 - exp(-(frame - self.frames[-1]) / 10))
        return self.figures[-1].moved(self.velocity[0] * way, self.velocity[1] * way)


class _Seen:
    """One detection of the present frame."""

    def __init__(self, points: FloatArray, image: Image | None) -> None:
        self.figure = Figure(points)
        self.clothes = None if image is None else appearance(image, points)
        self.track: _Track | None = None
        self.likeness = 0.0

    def order(self) -> tuple[float, float]:
        """Known people first, the most prominent before the others; then the surest."""
        return (-self.track.prominence if self.track else 1.0, -self.figure.confidence)

    def repeats(self, other: _Seen) -> bool:
        """Whether this is a second detection of `other`; nobody new starts on top of somebody known."""
        if self.track is None and self.figure.covered(other.figure) > _COVERED:
            return True
        return self.equals(other)

    def equals(self, other: _Seen) -> bool:
        """Whether the two are one pose at one place."""
        return self.figure.likeness(other.figure, 1) > _DUPLICATE


class Tracker:
    """Takes the detections of one frame after the other.

    Args:
        people: how many people to keep at the end.
    """

    def __init__(self, people: int = 1) -> None:
        self._people = people
        self._tracks: list[_Track] = []
        self._frames = 0
        self._search = _Search()

    def add(self, detections: FloatArray, image: Image | None = None, look: Look | None = None) -> None:
        """The next frame.

        Args:
            detections: (N,33,3) x px, y px, confidence of everybody seen, also none.
            image: (H,W,3) the frame, for what people wear and where its centre is; works without, less well.
            look: finds people inside a window of the frame; asked where a wanted person should be but was not
                detected, and otherwise, while fewer are seen than wanted, at one part of the picture after
                the other.
        """
        frame, self._frames = self._frames, self._frames + 1
        seen = [_Seen(points, image) for points in detections]
        self._match(frame, seen)
        direct = list(seen)
        looks: list[tuple[_Track | None, list[_Seen]]] = []
        if image is not None and look is not None:
            looks = [
                (track, [_Seen(points, image) for points in look(window)])
                for track, window in self._windows(frame, seen, image)
            ]
            if nearer := [one for _, ones in looks for one in ones]:
                seen += nearer
                self._match(frame, seen)
        kept: list[_Seen] = []
        for one in sorted(seen, key=_Seen.order):
            if any(one.repeats(other) for other in kept):
                continue
            if one.track is None:
                one.track = _Track()
                self._tracks.append(one.track)
            one.track.add(frame, one, _weight(one.figure, image))
            kept.append(one)
        for wanted, ones in looks:
            # Whoever the detector sees anyway is no reason to go on looking.
            found = [one.track for one in ones if one in kept and not any(map(one.equals, direct))]
            if wanted is not None and wanted.frames[-1] != frame:
                wanted.search.looked(frame, bool(found))
                wanted.near = next((t for t in found if t and t.frames[0] > wanted.frames[-1]), None)
            elif wanted is None:
                self._search.looked(frame, bool(found))

    def _match(self, frame: int, seen: list[_Seen]) -> None:
        """Say of every detection whose it is, None for somebody new."""
        known = [track for track in self._tracks if frame - track.frames[-1] <= _PATIENCE]
        likeness = np.zeros((len(known), len(seen)))
        for row, track in enumerate(known):
            gap = frame - track.frames[-1]
            guess = track.predict(frame)
            for column, one in enumerate(seen):
                alike = guess.likeness(one.figure, gap)
                likeness[row, column] = alike * _match_clothes(track.clothes, one.clothes)
        # A person seen a moment ago comes before one who was lost a while ago.
        patience = np.array([1 - 0.3 * (frame - t.frames[-1]) / _PATIENCE for t in known])[:, None]
        for one in seen:
            one.track, one.likeness = None, 0.0
        for row, column in zip(*linear_sum_assignment(-likeness * patience), strict=True):
            if likeness[row, column] >= _SAME:
                seen[column].track, seen[column].likeness = known[row], float(likeness[row, column])

    def _windows(self, frame: int, seen: list[_Seen], image: Image) -> list[tuple[_Track | None, Window]]:
        """Where to look closer, and for whom: at wanted people who are missing or doubtful, else at the next
        part.
        """
        sure = [one.track for one in seen if one.likeness >= _SURE]
        alive = [track for track in self._tracks if track.missed(frame)]
        wanted = sorted(alive, key=lambda track: -track.prominence)[: self._people]
        missing = [track for track in wanted if all(track is not other for other in sure)]
        if missing:
            due = [track for track in missing if frame >= track.search.due]
            about = [track.near or track for track in due]
            return [
                (track, _window(where.predict(frame), frame - where.frames[-1], image))
                for track, where in zip(due, about, strict=True)
            ]
        if len(seen) < self._people and frame >= self._search.due:
            parts = _parts(image)
            return [(None, parts[self._search.in_vain % len(parts)])]
        return []

    def leader(self) -> FloatArray | None:
        """Landmarks (33,3) of the most prominent person so far, None when they are not in the last frame."""
        best = max(self._tracks, key=lambda track: track.prominence, default=None)
        if best is None or best.frames[-1] != self._frames - 1:
            return None
        return best.figures[-1].points

    def tracks(self) -> Tracks:
        """The most prominent people over all frames so far; fewer than asked for when there were fewer."""
        people = [
            track
            for track in _joined(self._tracks, self._frames)
            if len(track.frames) >= min(3, self._frames)
        ]
        people = sorted(people, key=lambda track: -track.prominence)[: self._people]
        visible = np.zeros((len(people), self._frames), bool)
        points = np.zeros((len(people), self._frames, 33, 3), np.float32)
        for person, track in enumerate(people):
            visible[person, track.frames] = True
            points[person] = _filled(self._frames, track)
        return Tracks(np.arange(len(people), dtype=np.int32), points, visible)


@dataclass(frozen=True)
class _Piece:
    """A track as `_joined` looks at it: `seen` (F,) bool, and the usual size in px."""

    track: _Track
    seen: NDArray[np.bool_]
    size: float

    @classmethod
    def of(cls, track: _Track, frames: int) -> _Piece:
        seen = np.zeros(frames, bool)
        seen[track.frames] = True
        return cls(track, seen, float(np.median([figure.size for figure in track.figures])))


def _joined(tracks: Sequence[_Track], frames: int) -> list[_Track]:
    """Tracks of one person who was lost for longer than motion can tell, joined by looks and place.

    The most alike are joined first. Two tracks that share a frame are two people.
    """
    prominent = sorted(tracks, key=lambda track: -track.prominence)[:_MOST]
    pieces = [_Piece.of(track, frames) for track in prominent]
    while True:
        pairs = [(_return(a, b), i, j) for i, a in enumerate(pieces) for j, b in enumerate(pieces[:i])]
        best, i, j = max(pairs, default=(0.0, 0, 0))
        if best < _RETURN:
            return [piece.track for piece in pieces]
        pieces[j] = _Piece.of(_merged(pieces[j].track, pieces.pop(i).track), frames)


def _return(one: _Piece, other: _Piece) -> float:
    """How likely two tracks are one person at different times, 0-1."""
    first, second = sorted((one.track, other.track), key=lambda track: track.frames[0])
    if first.clothes is None or second.clothes is None or (one.seen & other.seen).any():
        return 0.0
    if not 0.5 < one.size / other.size < 2.0:
        return 0.0
    clothes = float(first.clothes @ second.clothes) / float(
        np.linalg.norm(first.clothes) * np.linalg.norm(second.clothes)
    )
    if not 0 < second.frames[0] - first.frames[-1] <= _PATIENCE:
        return clothes
    return float(clothes**0.5) * exp(-0.5 * _too_far(first, second, max(one.size, other.size)) ** 2)


def _too_far(first: _Track, second: _Track, size: float) -> float:
    """How much further than expected somebody of this size got between two tracks, over what is expected.

    A person is often lost because the detector went astray before it gave up, so the last figure is the
    least to be relied on: of the figures on either side of the gap, the two that agree best count.
    """
    last, start = first.frames[-1], second.frames[0]
    ends = zip(first.frames[-_END:], first.figures[-_END:], strict=True)
    starts = zip(second.frames[:_END], second.figures[:_END], strict=True)
    before = np.array([(f, *figure.centre) for f, figure in ends if f > last - _END])
    after = np.array([(f, *figure.centre) for f, figure in starts if f < start + _END])
    gap, x, y = np.moveaxis(after - before[:, None], -1, 0)
    expected = 2 * STRIDE * gap
    return float(np.min(np.maximum(np.hypot(x, y) / size - 0.3 - expected, 0) / expected))


def _merged(one: _Track, other: _Track) -> _Track:
    order = sorted(
        zip(one.frames + other.frames, one.figures + other.figures, strict=True), key=lambda pair: pair[0]
    )
    total = one.prominence + other.prominence
    return _Track([f for f, _ in order], [p for _, p in order], clothes=one.clothes, prominence=total)


def _filled(frames: int, track: _Track) -> FloatArray:
    """(F,33,3): the track's points; between and beyond them lines with confidence 0."""
    points = np.stack([figure.points for figure in track.figures])
    at = np.arange(frames)
    flat = points[..., :2].reshape(len(points), -1)
    filled = np.zeros((frames, 33, 3), np.float32)
    columns = [np.interp(at, track.frames, column) for column in flat.T]
    filled[..., :2] = np.stack(columns, 1).reshape(frames, 33, 2)
    filled[track.frames, :, 2] = points[..., 2]
    return filled


def _window(figure: Figure, gap: int, image: Image) -> Window:
    """A square around a person, wider the longer they are lost, cut off at the picture's edge."""
    half = figure.size * (0.9 + 0.03 * gap)
    limit = np.array([image.shape[1], image.shape[0]])
    centre = np.clip((np.array(figure.low) + figure.high) / 2, 0, limit)
    left, top = np.clip(centre - half, 0, limit - 1).astype(int)
    right, bottom = np.clip(np.ceil(centre + half), 1, limit).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _parts(image: Image) -> list[Window]:
    """Overlapping squares that cover the picture, each 0.6 of its shorter side."""
    height, width = image.shape[:2]
    side = max(int(min(height, width) * 0.6), 1)
    lefts = np.linspace(0, width - side, int(np.ceil(1.5 * (width - side) / side)) + 1).astype(int)
    tops = np.linspace(0, height - side, int(np.ceil(1.5 * (height - side) / side)) + 1).astype(int)
    return [(int(x), int(y), int(x) + side, int(y) + side) for y in tops for x in lefts]


def _match_clothes(known: FloatArray | None, seen: FloatArray | None) -> float:
    """How far clothes support that two detections are one person: 0.5 to 1."""
    return 1.0 if known is None or seen is None else 0.5 + 0.5 * float(known @ seen)


def _weight(figure: Figure, image: Image | None) -> float:
    """One frame's share of a person's prominence: size, confidence, nearness to the centre of the picture."""
    weight = figure.size * figure.confidence
    if image is None:
        return weight
    x, y = image.shape[1] / 2, image.shape[0] / 2
    away = hypot((figure.centre[0] - x) / x, (figure.centre[1] - y) / y)
    return weight / hypot(x, y) * (0.5 + 0.5 * exp(-(away**2)))
