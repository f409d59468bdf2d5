"""Print the figures of docs/body.md, side by side.

python -m tools.open_body.measure volume                       with numpy alone
python -m tools.open_body.measure shapes --motions MOTIONS     with anny and motions
python -m tools.open_body.measure correctives --motions MOTIONS
python -m tools.open_body.measure regressors --motions MOTIONS
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.body.model import JOINT_NAMES, SHAPE_COUNT, BodyModel

Array = npt.NDArray[Any]

# Degrees per joint; a name without a side is for both, mirrored.
POSES: dict[str, dict[str, tuple[float, float, float]]] = {
    "arms down": {"shoulder": (0, 0, -70)},
    "arms up": {"collar": (0, 0, 25), "shoulder": (0, 0, 55)},
    "elbows 130": {"shoulder": (0, 0, -60), "elbow": (0, -130, 0)},
    "sit": {"hip": (-90, 0, 0), "knee": (90, 0, 0), "shoulder": (0, 0, -65)},
    "squat": {"hip": (-110, -10, 15), "knee": (130, 0, 0), "ankle": (-25, 0, 0), "spine1": (20, 0, 0)},
    "bend": {"hip": (-70, 0, 0), "spine1": (20, 0, 0), "spine2": (15, 0, 0), "spine3": (10, 0, 0)},
    "hands turned": {"wrist": (90, 0, 0)},
}


def pose(angles: dict[str, tuple[float, float, float]]) -> Array:
    """(24, 3) axis-angle; a side's name alone means both sides, mirrored."""
    out = np.zeros((24, 3))
    for name, degrees in angles.items():
        for side, flip in (("", 1.0), ("left_", 1.0), ("right_", -1.0)):
            if side + name in JOINT_NAMES:
                out[JOINT_NAMES.index(side + name)] = np.radians(degrees) * [1.0, flip, flip]
    return out


def volume(vertices: Array, triangles: Array) -> float:
    a, b, c = (vertices[triangles[:, corner]].astype(np.float64) for corner in range(3))
    return float(np.einsum("ti,ti->t", a, np.cross(b, c)).sum() / 6.0)


def print_volumes() -> None:
    body = BodyModel.load("open_body")
    rest, joints = body.rest(()), body.rest_joints(())
    whole = volume(rest, body.triangles)
    print(f"volume against the T-pose ({whole * 1e3:.1f} l), percent: plain skinning, with correctives")
    for name, angles in POSES.items():
        poses = pose(angles)[None]
        transforms = body.transforms(poses, joints)
        both = (body.skin(shape, transforms)[0] for shape in (rest, rest + body.pose_offsets(poses)[0]))
        print(f"  {name:14}", *(f"{100 * (volume(v, body.triangles) / whole - 1):+6.1f}" for v in both))


def anny_and_shapes(motions: Path) -> tuple[Any, Any, tuple[Array, ...], tuple[Array, ...]]:
    """anny, the T-pose's limb directions, and 600 shapes in anny's rest pose and in the T-pose."""
    from . import shapes, skeleton, source

    anny = source.load()
    with np.load(motions, allow_pickle=False) as archive:
        directions = skeleton.limb_directions(archive["rest_joints"])
    in_a_pose = anny.points(*shapes.draw(600, seed=1))
    return anny, directions, in_a_pose, skeleton.t_pose(anny, *in_a_pose, directions)


def print_shapes(motions: Path) -> None:
    """Three ways to learn ten components from 500 shapes, tried on the 100 others."""
    from . import shapes

    body = BodyModel.load("open_body")
    skins = anny_and_shapes(motions)[3][0]
    mean, areas = skins[:500].mean(axis=0), shapes.vertex_areas(skins[:500].mean(axis=0), body.triangles)
    centred = (skins[:500] - mean).reshape(500, -1)

    def plain(weight: Array) -> Array:
        scaled = centred * np.repeat(np.sqrt(weight), 3)
        _, vectors = np.linalg.eigh(scaled @ scaled.T)
        return np.asarray(centred.T @ vectors[:, ::-1][:, :SHAPE_COUNT] / np.sqrt(500))

    root = np.repeat(np.sqrt(areas), 3)[:, None]
    away = (skins[500:] - mean).reshape(100, -1).T
    print("ten components: held-out error by area, weakest component rms, stature in components 2-10, all mm")
    for name, basis in (
        ("principal components", plain(np.ones_like(areas))),
        ("by surface area", plain(areas)),
        (
            "by area, stature first",
            shapes.components(skins[:500], areas, SHAPE_COUNT)[1].reshape(-1, SHAPE_COUNT),
        ),
    ):
        betas = np.linalg.lstsq(basis * root, away * root, rcond=None)[0]
        left = np.linalg.norm((away - basis @ betas).reshape(len(areas), 3, -1), axis=1).mean(axis=1)
        rms = np.sqrt((basis**2).sum(axis=0) / len(areas))
        heights = [np.ptp((mean.reshape(-1) + column).reshape(-1, 3)[:, 1]) for column in basis.T[1:]]
        tallest = np.abs(np.array(heights) - np.ptp(mean[:, 1])).max()
        error = np.average(left, weights=areas)
        print(f"  {name:24} {error * 1e3:.2f}  {rms.min() * 1e3:.1f}  {tallest * 1e3:.1f}")


def print_correctives(motions_path: Path) -> None:
    """Correctives of the mean body on others, against the finely skinned surface of each."""
    from . import correctives, poses, skeleton

    anny, directions, in_a_pose, in_t_pose = anny_and_shapes(motions_path)
    body = BodyModel.load("open_body")
    with np.load(motions_path, allow_pickle=False) as archive:
        motions = {key: archive[key] for key in ("poses", "unique_idx", "clip_index")}
    some = poses.from_motions(motions, True, 60, np.random.default_rng(5))
    joints = skeleton.joint_centres(anny, in_t_pose[1])
    heights, breadth = np.ptp(in_t_pose[0][:, :, 1], axis=1), np.abs(in_t_pose[0][:, :, 2]).mean(axis=1)
    skin = body.weights.argmax(axis=1) != JOINT_NAMES.index("head")
    print("surface error without the head, mm mean / 95th percentile: plain skinning, with correctives")
    for name, who in (
        ("tallest", heights.argmax()),
        ("shortest", heights.argmin()),
        ("thinnest for its height", (breadth / heights).argmin()),
        ("stoutest for its height", (breadth / heights).argmax()),
    ):
        rest = in_t_pose[0][who]
        rotation, translation, _ = skeleton.t_pose_transforms(anny, in_a_pose[1][who][None], directions)
        transforms = body.transforms(some, joints[who])
        a_pose = in_a_pose[0][who], rotation[0], translation[0]
        wanted = correctives.finely_skinned(anny, a_pose, rest, transforms, joints[who])
        figures = []
        for shape in (rest, rest + body.pose_offsets(some)):
            error = np.linalg.norm(body.skin(shape, transforms) - wanted, axis=-1)[:, skin] * 1e3
            figures.append(f"{error.mean():.2f} / {np.percentile(error, 95):.1f}")
        print(f"  {name:24}", "   ".join(figures))


def print_regressors(motions_path: Path) -> None:
    """What a regressor that has only seen T-poses does on posed bodies."""
    from . import poses, regressors, skeleton

    anny, _, _, (skins, heads, _) = anny_and_shapes(motions_path)
    body = BodyModel.load("open_body")
    with np.load(motions_path, allow_pickle=False) as archive:
        motions = {key: archive[key] for key in ("poses", "unique_idx", "clip_index")}
    joints = skeleton.joint_centres(anny, heads)
    some = poses.from_motions(motions, True, 100, np.random.default_rng(5))
    transforms = body.transforms(some, joints[500:])
    posed = body.skin(skins[500:] + body.pose_offsets(some), transforms)
    wanted = np.einsum("fjik,fjk->fji", transforms[..., :3, :3], joints[500:]) + transforms[..., :3, 3]
    mean = skins[:500].mean(axis=0)
    print("joints regressed from new shapes in new clips, mm: fitted on T-poses, and also on poses (shipped)")
    for joint in (1, 4, 9, 13, 16, 18, 20):
        row = regressors.fit_row(
            mean, joints[:500, joint].mean(axis=0), skins[:500], joints[:500, joint], 1200, 3e-6
        )
        errors = [
            np.linalg.norm(r @ posed - wanted[:, joint], axis=-1).mean()
            for r in (row, body.joint_regressor[joint])
        ]
        print(f"  {JOINT_NAMES[joint]:16}", *(f"{1e3 * error:6.1f}" for error in errors))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["volume", "shapes", "correctives", "regressors"])
    parser.add_argument("--motions", type=Path)
    options = parser.parse_args()
    if options.what == "volume":
        print_volumes()
    elif options.motions is None:
        parser.error(f"{options.what} needs --motions")
    else:
        {"shapes": print_shapes, "correctives": print_correctives, "regressors": print_regressors}[
            options.what
        ](options.motions)


if __name__ == "__main__":
    main()
