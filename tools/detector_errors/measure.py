"""Detect the people in the rendered frames as the engine does, and set the findings beside the truth.

python -m tools.detector_errors.measure SHOTS.npz FOLDER FOUND.npz [--sheet SHEET.jpg]

Every shot is a video of its own to `engine.pose2d.landmarker` with the heavy model; a single picture is shown
twice, so that the detector tracks as in a video. FOUND.npz, F frames with all frames of finished shots:

    shot (F,), found (F,) bool, image (F,33,2) and truth (F,33,2) px, confidence (F,33), size (F,2)
    height (F,) px: 1.7 m at the distance of the body's middle;  outside, behind, covered (F,33)
    turn (F,) rad: the chest's yaw against the line of sight, 0 faces the camera;  distance (F,) m
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from engine.pose2d.landmarker import Landmarker, bundle_path
from engine.video.frames import Frame

Array = npt.NDArray[Any]

REPEATS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shots", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with np.load(args.shots, allow_pickle=False) as data:
        shots = {name: data[name] for name in data.files if name not in ("vertices", "colours", "offsets")}
    rows: list[dict[str, Any]] = []
    for index in range(len(shots["focal"])):
        frames = np.flatnonzero(shots["shot"] == index)
        if all((args.folder / f"{frame:05d}.npz").exists() for frame in frames):
            finding = args.folder / f"shot{index:04d}.npz"
            if not finding.exists():
                _shot(shots, index, frames, args.folder, finding)
            with np.load(finding, allow_pickle=False) as data:
                rows.append({name: data[name] for name in data.files})
    pictures = [row.pop("drawn") for row in rows]
    table: dict[str, Any] = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    np.savez_compressed(args.out, **table)
    error = np.linalg.norm(table["image"] - table["truth"], axis=-1) / table["height"][:, None]
    seen = table["found"]
    print(f"{len(seen)} frames, {seen.mean():.0%} found, error mean {100 * error[seen].mean():.2f} %")
    if args.sheet:
        cells = [pictures[i : i + 10] for i in range(0, min(len(pictures), 60) // 10 * 10, 10)]
        cv2.imwrite(str(args.sheet), np.vstack([np.hstack(row) for row in cells]))


def _shot(shots: dict[str, Any], index: int, frames: Array, folder: Path, out: Path) -> None:
    """Detect one shot and write what was found."""
    rng = np.random.default_rng(int(shots["seed"][index]))
    width, height = (int(v) for v in shots["size"][index])
    spoil = Camera(rng)
    rows = []
    repeated = np.repeat(frames, REPEATS) if len(frames) == 1 else frames
    with Landmarker(bundle=bundle_path("heavy")) as landmarker:
        for number, frame in enumerate(repeated):
            picture = spoil(np.asarray(cv2.imread(str(folder / f"{frame:05d}.png"))))
            people = landmarker.detect(Frame(number, number / 30, picture[..., ::-1].copy()))
            points = shots["landmarks"][frame].astype(np.float64)
            truth = points[:, :2] / points[:, 2:] * shots["focal"][index] + np.array([width, height]) / 2
            tall = 1.7 * shots["focal"][index] / points[11:, 2].mean()
            errors = [np.median(np.linalg.norm(p[:, :2] - truth, axis=1)) for p in people]
            best = int(np.argmin(errors)) if len(people) else -1
            person = people[best] if best >= 0 else np.zeros((33, 3))
            with np.load(folder / f"{frame:05d}.npz", allow_pickle=False) as data:
                behind, covered = data["behind"], data["covered"]
            rows.append(
                {
                    "shot": index,
                    "found": best >= 0,
                    "image": person[:, :2],
                    "confidence": person[:, 2],
                    "truth": truth,
                    "size": np.array([width, height]),
                    "height": tall,
                    "outside": ((truth < 0) | (truth > (width, height))).any(1),
                    "behind": behind,
                    "covered": covered,
                    "turn": _turn(points),
                    "distance": points[11:, 2].mean(),
                }
            )
    rows = rows[-len(frames) :]
    columns: dict[str, Any] = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    np.savez(out, drawn=_drawn(picture, person, truth), **columns)


def _turn(points: Array) -> float:
    """The chest's yaw about its own axis, rad: 0 faces the camera, ± π shows the back."""
    across, down = points[11] - points[12], points[[23, 24]].mean(0) - points[[11, 12]].mean(0)
    front = np.cross(down, across)
    sight = points[[11, 12]].mean(0)
    down = down / np.linalg.norm(down)
    front, sight = front - (front @ down) * down, -(sight - (sight @ down) * down)
    return float(np.arctan2(np.cross(sight, front) @ down, sight @ front))


class Camera:
    """What a real camera adds to one video: exposure, colour cast, blur, grain, compression."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._gain = rng.uniform(0.8, 1.25) * (1 + 0.06 * rng.normal(size=3))
        self._gamma, self._blur = rng.uniform(0.75, 1.25), rng.uniform(0, 1.2)
        self._grain, self._quality = rng.uniform(0, 10), int(rng.integers(40, 96))

    def __call__(self, picture: Any) -> Any:
        """A BGR picture, spoilt; grain is new each time."""
        light = 255 * np.clip(picture / 255.0 * self._gain, 0, 1) ** self._gamma
        if self._blur > 0.3:
            light = cv2.GaussianBlur(light, (0, 0), self._blur)
        light += self._grain * self._rng.normal(size=light.shape)
        code = cv2.imencode(".jpg", np.clip(light, 0, 255).astype(np.uint8), [1, self._quality])[1]
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))


def _drawn(picture: Any, person: Array, truth: Array) -> Array:
    """A square of 192 px: truth in green, detections from red (doubtful) to blue (sure)."""
    picture = picture.copy()
    for (x, y, sure), (u, v) in zip(person, truth, strict=True):
        cv2.line(picture, (int(x), int(y)), (int(u), int(v)), (200, 200, 200), 1)
        cv2.circle(picture, (int(u), int(v)), 2, (0, 255, 0), -1)
        cv2.circle(picture, (int(x), int(y)), 3, (int(255 * sure), 0, int(255 * (1 - sure))), -1)
    scale = 192 / max(picture.shape[0], picture.shape[1])
    small: Array = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.pad(small, ((0, 192 - small.shape[0]), (0, 192 - small.shape[1]), (0, 0)))


if __name__ == "__main__":
    main()
