"""A take against 3D markers of the same frames, from several cameras or a marker system.

    python tools/compare_with_markers.py TAKE.npz MARKERS.trc [--calibration CALIB.toml --camera NAME]

MARKERS.trc is what Pose2Sim writes (OpenSim's format): one row per frame, markers named as in HALPE or
BODY_25 (RHip, RKnee ...), m or mm, y up. CALIB.toml is its calibration: per camera `rotation` (Rodrigues) and
`translation`, world (z up) → camera. With it the markers are turned into the camera's axes, and MPJPE means
what it says. Without it one rotation for the whole take is solved from the data, which is kinder: a camera
tilt that we got wrong disappears. PA-MPJPE needs no calibration.

Both are measured with the middle of the hips at the origin, on the twelve limb joints; the points below them
in the table (neck, nose, heels, toes) are not part of the averages, because we and the markers mean different
places by them. Frames in which a person is not visible, or a hip is missing, are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # so that the file can be run as it lies
    sys.path.insert(0, str(ROOT))

from engine.body.model import JOINT_NAMES  # noqa: E402
from engine.body.rotations import matrix_from_axis_angle  # noqa: E402
from engine.errors import EngineError  # noqa: E402
from engine.pose2mesh.metrics import procrustes  # noqa: E402
from engine.pose2mesh.skeletons import joint_set  # noqa: E402
from engine.protocol.take import Take  # noqa: E402

Floats = NDArray[np.float64]

LANDMARKS = joint_set("mediapipe33").joints
LIMBS = tuple(
    f"{side}{part}" for part in ("Hip", "Knee", "Ankle", "Shoulder", "Elbow", "Wrist") for side in "RL"
)
EXTRA = ("Neck", "Nose", "RHeel", "LHeel", "RBigToe", "LBigToe")
_UNIT = {"m": 1.0, "cm": 0.01, "mm": 0.001}


@dataclass(frozen=True)
class Markers:
    """A .trc file: frame numbers (F,), marker names and places (F,M,3) in metres, NaN where missing."""

    frames: NDArray[np.int64]
    names: list[str]
    points: Floats

    def point(self, name: str) -> Floats:
        """One marker (F,3); NaN throughout where the file has none of that name."""
        if name not in self.names:
            return np.full((len(self.frames), 3), np.nan)
        return np.asarray(self.points[:, self.names.index(name)])


def read_trc(path: Path) -> Markers:
    """Read a .trc file.

    Raises:
        EngineError: it cannot be read or is no such file.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        keys, values = (line.rstrip("\n").split("\t") for line in lines[1:3])
        unit = _UNIT[dict(zip(keys, values, strict=False))["Units"].strip()]
        names = [name.strip() for name in lines[3].split("\t")[2:] if name.strip()]
        rows = [line.split("\t") for line in lines[5:] if line.strip()]
        width = 2 + 3 * len(names)
        cells = [[_number(cell) for cell in [*row, *[""] * width][:width]] for row in rows]
        table = np.array(cells, np.float64).reshape(-1, width)
        frames = table[:, 0].astype(np.int64)
    except (OSError, UnicodeDecodeError, ValueError, KeyError, IndexError) as error:
        raise EngineError(
            f"{path.name} is no .trc file of markers ({error}): give one as Pose2Sim or OpenSim writes it."
        ) from error
    return Markers(frames, names, unit * table[:, 2:].reshape(len(table), len(names), 3))


def read_camera(path: Path, name: str | None) -> Floats:
    """The rotation (3,3) world → camera of one camera of a Pose2Sim calibration.

    Raises:
        EngineError: the file is no calibration, or it is not clear which camera is meant.
    """
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise EngineError(f"{path.name} is no calibration ({error}): give Pose2Sim's .toml file.") from error
    cameras: dict[str, Mapping[str, Any]] = {}
    for key, value in sections.items():
        if isinstance(value, dict) and "rotation" in value:
            cameras[key] = value
            cameras.setdefault(str(value.get("name", key)), value)
    if name is None and len({id(camera) for camera in cameras.values()}) == 1:
        return _rotation(next(iter(cameras.values())), path)
    if name not in cameras:
        raise EngineError(
            f"{path.name} holds the cameras {', '.join(cameras) or '(none)'}: choose with --camera."
        )
    return _rotation(cameras[name], path)


def _rotation(camera: Mapping[str, Any], path: Path) -> Floats:
    vector = np.asarray(camera["rotation"], np.float64)
    if vector.shape != (3,):
        raise EngineError(
            f"{path.name} has a rotation of shape {vector.shape}: three numbers (Rodrigues) are needed."
        )
    return np.asarray(matrix_from_axis_angle(vector), np.float64)


def y_up_to_z_up(points: Floats) -> Floats:
    """Undo Pose2Sim's turn of the axes: its .trc holds (y, z, x) of the calibration's world."""
    return points[..., [2, 0, 1]]


def take_points(take: Take, person: int, source: str) -> dict[str, Floats]:
    """Our points by marker name, (F,3) each: from the take's `joints` (SMPL) or `keypoints` (MediaPipe)."""
    held = take.joints if source == "joints" else take.keypoints
    if held is None:
        raise EngineError(f"The take holds no {source}: capture it again.")
    data = np.asarray(held[person], np.float64)
    if source == "joints":
        return {marker: data[:, JOINT_NAMES.index(_snake(marker))] for marker in LIMBS} | {
            "Neck": data[:, JOINT_NAMES.index("neck")]
        }
    found = {marker: data[:, LANDMARKS.index(_snake(marker))] for marker in (*LIMBS, "RHeel", "LHeel")}
    found["Nose"] = data[:, 0]
    found["Neck"] = (found["RShoulder"] + found["LShoulder"]) / 2
    for side, word in (("R", "right"), ("L", "left")):
        found[f"{side}BigToe"] = data[:, LANDMARKS.index(f"{word}_foot_index")]
    return found


def compare(ours: Mapping[str, Floats], markers: Mapping[str, Floats], turn: Floats | None) -> dict[str, Any]:
    """Errors in mm.

    Args:
        ours, markers: (F,3) by name, of the same frames, ours in camera axes; NaN where missing.
        turn: (3,3) the markers' axes → camera axes; None solves one rotation for all frames.

    Returns:
        mpjpe, pa_mpjpe (None where no frame has all it needs), frames, and per point its mean error.

    Raises:
        EngineError: no frame has both hips.
    """
    hips = (markers["RHip"] + markers["LHip"]) / 2
    own_hips = (ours["RHip"] + ours["LHip"]) / 2
    usable = np.isfinite(hips).all(axis=1) & np.isfinite(own_hips).all(axis=1)
    if not usable.any():
        raise EngineError("No frame has both hips of the person and of the markers: check the frame numbers.")
    names = [name for name in (*LIMBS, *EXTRA) if name in ours and name in markers]
    truth = np.stack([markers[name] - hips for name in names], axis=1)[usable]
    found = np.stack([ours[name] - own_hips for name in names], axis=1)[usable]
    limbs = [names.index(name) for name in LIMBS]
    if turn is None:
        turn = best_rotation(truth[:, limbs], found[:, limbs])
    truth = truth @ turn.T
    error = 1000 * np.linalg.norm(found - truth, axis=-1)
    whole = np.isfinite(truth[:, limbs]).all(axis=(1, 2))
    aligned = np.full((len(truth), len(limbs)), np.nan)
    if whole.any():
        laid = procrustes(found[whole][:, limbs], truth[whole][:, limbs])
        aligned[whole] = 1000 * np.linalg.norm(laid - truth[whole][:, limbs], axis=-1)
    pa = dict(zip(LIMBS, np.nanmean(aligned[whole], axis=0) if whole.any() else [], strict=False))
    return {
        "frames": int(usable.sum()),
        "mpjpe": float(np.nanmean(error[:, limbs])),
        "pa_mpjpe": float(aligned[whole].mean()) if whole.any() else None,
        "points": {
            name: {
                "mpjpe": float(np.nanmean(error[:, i])),
                "pa_mpjpe": float(pa[name]) if name in pa else None,
            }
            for i, name in enumerate(names)
            if np.isfinite(error[:, i]).any()
        },
    }


def best_rotation(source: Floats, target: Floats) -> Floats:
    """The rotation (3,3) that lays all of `source` (F,N,3) on `target` at once (Kabsch), but for gaps."""
    both = np.isfinite(source).all(-1) & np.isfinite(target).all(-1)
    u, _, vt = np.linalg.svd(target[both].T @ source[both])
    u[:, -1] *= np.linalg.det(u @ vt)
    return np.asarray(u @ vt)


def matched(
    take: Take, person: int, markers: Markers, offset: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the take and of the markers that show the same frame, the person visible.

    Args:
        offset: added to the markers' frame numbers to give the video's, which count from 0.
    """
    row = {int(frame) + offset: i for i, frame in enumerate(markers.frames)}
    pairs = [
        (i, row[int(index)])
        for i, index in enumerate(take.frame_index)
        if take.visible[person, i] and int(index) in row
    ]
    array = np.array(pairs, np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def report(
    take: Take, markers: Markers, camera: Floats | None, person: int = 0, offset: int = 0, y_up: bool = True
) -> dict[str, Any]:
    """`compare` for the take's joints and for its keypoints.

    Args:
        camera: (3,3) world → camera, or None.
        y_up: the markers' axes were turned as Pose2Sim does; otherwise they are the calibration's.
    """
    mine, theirs = matched(take, person, markers, offset)
    points = y_up_to_z_up(markers.points) if y_up else markers.points
    truth = {
        name: points[theirs, markers.names.index(name)] for name in (*LIMBS, *EXTRA) if name in markers.names
    }
    if missing := [name for name in LIMBS if name not in truth]:
        raise EngineError(
            f"The markers lack {', '.join(missing)}: they have to be named as in HALPE or BODY_25."
        )
    return {
        source: compare(
            {name: p[mine] for name, p in take_points(take, person, source).items()}, truth, camera
        )
        for source in ("joints", "keypoints")
    }


def _snake(marker: str) -> str:
    return {"R": "right_", "L": "left_"}[marker[0]] + marker[1:].lower()


def _number(cell: str) -> float:
    return float(cell) if cell.strip() else float("nan")


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("take", type=Path)
    parser.add_argument("markers", type=Path, help=".trc")
    parser.add_argument("--calibration", type=Path, help=".toml, world → camera")
    parser.add_argument("--camera", help="its section or name, where there are several")
    parser.add_argument("--person", type=int, default=0, help="index in the take")
    parser.add_argument("--offset", type=int, default=0, help="video frame = the markers' frame + this")
    parser.add_argument(
        "--same-axes", action="store_true", help="the markers are in the calibration's own axes"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(arguments)
    try:
        camera = read_camera(args.calibration, args.camera) if args.calibration else None
        take = Take.open(args.take)
        if not 0 <= args.person < take.people:
            raise EngineError(f"The take has {take.people} people: --person counts from 0.")
        result = report(take, read_trc(args.markers), camera, args.person, args.offset, not args.same_axes)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(result))
        return 0
    axes = "the calibrated camera's axes" if camera is not None else "one rotation solved for the take"
    print(f"mm, mid-hip at the origin, {axes}, {result['joints']['frames']} frames")
    print(f"{'':<12}{'joints':>10}{'PA':>8}{'keypoints':>12}{'PA':>8}")
    _row("12 limbs", result["joints"], result["keypoints"])
    for name in (*LIMBS, *EXTRA):
        _row(name, *(result[source]["points"].get(name) for source in ("joints", "keypoints")))
    return 0


def _row(name: str, joints: Mapping[str, Any] | None, keypoints: Mapping[str, Any] | None) -> None:
    cells = [part[key] if part else None for part in (joints, keypoints) for key in ("mpjpe", "pa_mpjpe")]
    if any(cell is not None for cell in cells):
        texts = ["" if cell is None else f"{cell:.1f}" for cell in cells]
        print(f"{name:<12}{texts[0]:>10}{texts[1]:>8}{texts[2]:>12}{texts[3]:>8}")


if __name__ == "__main__":
    sys.exit(main())
