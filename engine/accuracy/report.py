"""The whole report: predict, measure, tabulate, pick the worst, draw them, write the files.

report.json   every figure          clips.json    which clips are counted as which action
report.md     the tables            worst.png     the worst twenty; worst-clean.jpg, worst-noisy.jpg: smaller
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body.model import JOINT_NAMES
from ..train.body_torch import BodyTorch
from ..train.evaluate import JOINTS
from ..train.motions import MotionSet
from .actions import categories
from .collect import Collected, PredictStages, collect, sight_of
from .markdown import tables
from .panels import Image, Scene, panel, sheet
from .summary import NOISY, summary
from .views import SIDES, side
from .worst import Moment, worst_moments

PICTURED = {"clean": 10, NOISY: 10}
SMALL_WIDTH = 1120
Headline = dict[str, dict[str, float]]


def write_report(
    predict: PredictStages,
    body: BodyTorch,
    motions: MotionSet,
    triangles: NDArray[np.integer],
    descriptions: list[str],
    names: dict[str, str],
    headline: Headline,
    out: Path,
    advance: Callable[[int], object] = lambda frames: None,
) -> dict[str, Any]:
    """Write everything into the folder `out`, which is made; the same input gives the same files.

    Args:
        predict: one clip to its stages; body: makes the truth; triangles: (T,3) of the network's vertices.
        descriptions: of every clip of the motion file.
        names: "weights", "sha256" (of their file) and "motions", to put above the tables.
        headline: what `train.evaluate.evaluate` says.

    Returns:
        What `report.json` holds.
    """
    collected = collect(predict, body, motions, advance=advance)
    kinds = categories(motions.clip_names, descriptions)
    moments = [m for case, count in PICTURED.items() for m in worst_moments(collected, case, count)]
    described = [
        _described(moment, number + 1, collected, motions, descriptions)
        for number, moment in enumerate(moments)
    ]
    report = {
        **names,
        "headline": headline,
        "headline_frames": len(motions.clip),
        "headline_clips": len(np.unique(motions.clip.numpy())),
        **summary(collected, kinds),
        "worst": described,
    }
    out.mkdir(parents=True, exist_ok=True)
    _write_json(out / "report.json", report)
    _write_json(out / "clips.json", _clips(motions, descriptions, kinds))
    (out / "report.md").write_text(tables(report), encoding="utf-8")
    panels = [
        panel(_scene(moment, text, predict, body, motions, collected, triangles))
        for moment, text in zip(moments, described, strict=True)
    ]
    _write_picture(out / "worst.png", sheet(panels))
    first = sum(moment.case == "clean" for moment in moments)
    _write_picture(out / "worst-clean.jpg", _small(sheet(panels[:first])))
    _write_picture(out / "worst-noisy.jpg", _small(sheet(panels[first:])))
    return report


def clip_descriptions(path: Path, names: list[str]) -> list[str]:
    """What the motion file says about each clip; its names where it says nothing."""
    with np.load(path, allow_pickle=False) as data:
        return [str(text) for text in data["clip_desc"]] if "clip_desc" in data else list(names)


def _described(
    moment: Moment, number: int, collected: Collected, motions: MotionSet, descriptions: list[str]
) -> dict[str, Any]:
    errors, view = collected.errors[moment.case]["fit"], collected.views[moment.case]
    row = moment.row
    worst = int(errors.joints[row].argmax())
    return {
        "number": number,
        "case": moment.case,
        "clip": motions.clip_names[moment.clip],
        "frame": moment.frame,
        "description": descriptions[moment.clip],
        "mpjpe": round(float(errors.mpjpe[row]), 1),
        "pa_mpjpe": round(float(errors.pa_mpjpe[row]), 1),
        "turned": round(float(errors.turned[row]), 1),
        "along_percent": round(100 * float(errors.along[row]), 1),
        "worst_joint": JOINT_NAMES[JOINTS[worst]],
        "worst_joint_mm": round(float(errors.joints[row, worst]), 1),
        "side": SIDES[int(side(view.azimuth[row : row + 1])[0])],
        "elevation": round(float(view.elevation[row]), 1),
        "roll": round(float(view.roll[row]), 1),
        "tilt": round(float(abs(view.tilt[row])), 1),
        "distance": round(float(view.distance[row]), 2),
        "hidden": int(view.hidden[row]),
    }


def _scene(
    moment: Moment,
    text: dict[str, Any],
    predict: PredictStages,
    body: BodyTorch,
    motions: MotionSet,
    collected: Collected,
    triangles: NDArray[np.integer],
) -> Scene:
    """The moment's arrays, by predicting its piece once more: keeping every mesh would fill the memory."""
    sight = sight_of(body, motions, collected.pieces[moment.piece], moment.case)
    fit, seen, at = predict(sight.pairs.observation).fit, sight.pairs.observation, moment.offset
    landmarks, joints = sight.pairs.landmarks[at].numpy(), sight.pairs.joints[at].numpy()
    centre = np.array([0, 0, sight.distance]) @ seen.rotation[at].numpy()  # of the points below the head
    title = (
        f"{text['number']}  {text['clip']} frame {text['frame']}: {text['description']}   "
        f"MPJPE {text['mpjpe']:.0f}  PA {text['pa_mpjpe']:.0f} mm"
    )
    note = (
        f"{moment.case.replace('_', ' ')}; seen from {text['side']}, elevation {text['elevation']:.0f}, "
        f"roll {text['roll']:.0f}, {text['distance']:.1f} m, {text['hidden']} hidden; "
        f"turned {text['turned']:.0f} deg, {text['along_percent']:.0f} % in depth; "
        f"{text['worst_joint'].replace('_', ' ')} {text['worst_joint_mm']:.0f}"
    )
    return Scene(
        points=seen.points[at].numpy(),
        extent=float(seen.extent[at]),
        truth=sight.pairs.vertices[at].numpy() - joints[0],
        predicted=fit.vertices[at] - fit.joints[at, 0],
        triangles=triangles,
        pelvis=centre + joints[0] - landmarks[11:].mean(axis=0),
        title=title.encode("ascii", "replace").decode(),
        note=note,
    )


def _clips(motions: MotionSet, descriptions: list[str], kinds: list[str]) -> dict[str, list[dict[str, Any]]]:
    frames = np.bincount(motions.clip.numpy(), minlength=len(kinds))
    return {
        kind: [
            {"clip": motions.clip_names[i], "description": descriptions[i], "frames": int(frames[i])}
            for i in range(len(kinds))
            if kinds[i] == kind
        ]
        for kind in sorted(set(kinds))
    }


def _small(picture: Image) -> Image:
    height = round(picture.shape[0] * SMALL_WIDTH / picture.shape[1])
    return np.asarray(cv2.resize(picture, (SMALL_WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)


def _write_picture(path: Path, picture: Image) -> None:
    options = [cv2.IMWRITE_JPEG_QUALITY, 56] if path.suffix == ".jpg" else []
    done, data = cv2.imencode(path.suffix, picture[..., ::-1], options)
    assert done
    path.write_bytes(data.tobytes())


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
