"""Fitting on real motion with the shipped body: round trip, then the whole chain behind the network.

`python -m pytest -s tests/engine/fit/test_val_motions.py` prints the figures of docs/fit.md for these clips.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.body.model import BodyModel
from engine.fit.camera import camera_translation, project
from engine.fit.points import PointBody, matrix, rotvec
from engine.fit.pose import fit_frames, fit_shape, fit_take
from engine.fit.snap import snap_to_detections
from engine.motion.contacts import detect_contacts, slow_feet
from engine.motion.ground import estimate_up, to_world, world_frame
from engine.motion.quality import jitter
from engine.motion.smoothing import smooth_correction, smooth_keypoints, smooth_take, smooth_translation
from engine.motion.trajectory import foot_slide

MOTIONS = Path(__file__).parents[4] / "shared" / "motions" / "val.npz"
pytestmark = pytest.mark.skipif(
    not MOTIONS.exists(), reason="the motions lie beside a development checkout only"
)
K = np.array([[1700, 0, 540], [0, 1700, 960], [0, 0, 1.0]])
FRAMES, CLIPS, STEP = 60, 8, 5  # frames per clip, clips, every STEP-th clip


@dataclass(frozen=True)
class Clip:
    """One clip in front of a tilted camera: poses (F,24,3), trans (F,3), betas (10,), up (3,), times (F,)."""

    poses: np.ndarray
    trans: np.ndarray
    betas: np.ndarray
    up: np.ndarray
    times: np.ndarray


def clips() -> Iterator[Clip]:
    rng = np.random.default_rng(0)
    with np.load(MOTIONS) as data:
        starts, lengths = data["clip_start"], data["clip_len"]
        poses, trans, root = data["poses"].astype(float), data["trans"].astype(float), data["rest_joints"][0]
    chosen = [i for i in range(len(starts)) if lengths[i] >= FRAMES][::STEP][:CLIPS]
    for i in chosen:
        part = slice(starts[i], starts[i] + FRAMES)
        roll, pitch, yaw = np.radians([rng.normal(0, 6), rng.uniform(-5, 20), rng.uniform(-180, 180)])
        turn = matrix([0, 0, roll]) @ matrix([pitch, 0, 0]) @ np.diag([1.0, -1, -1]) @ matrix([0, yaw, 0])
        pelvis = trans[part] + root
        centre = pelvis.mean(0) * [1, 0, 1] + np.array([0, 1.2, 0])
        seen = (pelvis - centre) @ turn.T + np.array([0, 0, rng.uniform(3.5, 6)])
        local = poses[part].copy()
        local[:, 0] = rotvec(turn @ matrix(local[:, 0]))
        yield Clip(local, seen - root, rng.normal(0, 0.7, 10), turn[:, 1], np.arange(FRAMES) / 30)


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.load("open_body")


def mm(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b, axis=-1).mean() * 1e3)


def test_round_trip_on_the_shipped_body(model: BodyModel) -> None:
    ids = np.sort(np.random.default_rng(0).choice(len(model.v_template), 600, replace=False))
    body = PointBody.of(model, ids, landmarks=True)
    clip = next(clips())
    poses, trans = clip.poses[::4], clip.trans[::4]
    full = model.vertices(poses, clip.betas, trans)
    target = np.concatenate([full[:, ids], model.landmarks(full)], axis=1)
    np.testing.assert_allclose(body.posed(poses, clip.betas, trans), target, atol=1e-4)
    fit = fit_take(body, target)
    fitted = body.posed(fit.poses, fit.betas, fit.trans)
    joints = mm(
        body.joints_posed(fit.poses, fit.betas, fit.trans), body.joints_posed(poses, clip.betas, trans)
    )
    print(f"\nround trip: points {mm(fitted, target):.2f} mm, joints {joints:.2f} mm")
    assert mm(fitted, target) < 2.0
    assert joints < 3.0
    exact = fit_take(body, target, betas=clip.betas, point_sigma=1e-5, rounds=5)
    assert mm(body.posed(exact.poses, clip.betas, exact.trans), target) < 0.1


def test_every_step_buys_what_it_should(model: BodyModel) -> None:
    torch = pytest.importorskip("torch")
    lift = pytest.importorskip("engine.pipeline.lift")
    lifter = lift.Lifter("open_body_light", torch.device("cpu"))
    body = PointBody.of(model, lifter.vertex_ids, landmarks=True)
    world_stage = pytest.importorskip("engine.pipeline.world")
    soles = world_stage.sole_points(model)
    rows: dict[str, list[tuple[float, ...]]] = {}

    def note(step: str, moved: tuple[np.ndarray, ...], contact: np.ndarray | None = None) -> None:
        truth, true_picture, height, betas, poses, trans = moved
        joints = body.joints_posed(poses, betas, trans)
        picture = project(body.posed(poses, betas, trans)[:, -33:], K)
        slide = 0.0 if contact is None else foot_slide(soles.posed(poses, betas, trans)[:, :4], contact)
        off = np.linalg.norm(picture - true_picture, axis=-1).mean() / height * 100
        error = mm(joints - joints[:, :1], truth - truth[:, :1])
        rows.setdefault(step, []).append((error, off, jitter(joints), slide))

    tilt = []
    for number, clip in enumerate(clips()):
        truth = body.joints_posed(clip.poses, clip.betas, clip.trans)
        true_picture = project(body.posed(clip.poses, clip.betas, clip.trans)[:, -33:], K)
        height = np.median(np.ptp(true_picture[..., 1], axis=1))
        keypoints = trembling(true_picture, height, seed=number)

        target = np.concatenate(lifter.lift(keypoints, K), axis=1)
        betas = fit_shape(body, target)
        known = (truth, true_picture, height, betas)
        poses, _, _ = fit_frames(body, target, betas)
        trans = place(body, poses, betas, keypoints)
        note("fit", (*known, poses, trans))
        poses, trans = snap_to_detections(body, poses, betas, trans, keypoints, K)
        note("snap", (*known, poses, trans))
        poses = smooth_take(clip.times, poses, trans).poses
        trans = smooth_translation(clip.times, place(body, poses, betas, keypoints))
        note("smooth", (*known, poses, trans))
        calm = smooth_keypoints(clip.times, keypoints)
        again, trans = snap_to_detections(body, poses, betas, trans, calm, K)
        poses = smooth_correction(clip.times, poses, again, np.ones(FRAMES, dtype=bool))
        standing, joints = soles.posed(poses, betas, trans), body.joints_posed(poses, betas, trans)
        feet = standing[:, :4]
        slow = slow_feet(clip.times, feet, ray=np.array([0, 0, 1.0]))
        up = estimate_up(clip.times, joints, feet, slow)
        tilt.append([np.degrees(np.arccos(np.clip(v @ clip.up, -1, 1))) for v in (up, [0, -1, 0])])
        world = world_frame(up, joints, feet, slow)
        contact = detect_contacts(clip.times, to_world(world, feet), ray=world[:3, 2])
        note("snap again", (*known, poses, trans), contact)
        pins = world_stage.sole_pins(clip.times, soles, to_world(world, standing), contact, world)
        pinned = snap_to_detections(body, poses, betas, trans, calm, K, pins=pins)
        note("pin", (*known, *pinned), contact)

    figures = {step: np.mean(values, axis=0) for step, values in rows.items()}
    print("\nstep         MPJPE mm  picture %  jitter mm  slide mm")
    for step, (joints, picture, shake, slide) in figures.items():
        print(f"{step:12} {joints:8.1f} {picture:10.2f} {shake:10.1f} {slide:9.1f}")
    found, level = np.median(tilt, axis=0)
    print(f"up: {found:.1f} degrees off in the median, {level:.1f} for a camera assumed level")
    mpjpe, picture, shake = ({s: f[i] for s, f in figures.items()} for i in range(3))
    assert mpjpe["snap"] < 1.01 * mpjpe["fit"]  # it is for the picture, and may cost nothing in space
    assert picture["snap"] < 0.98 * picture["fit"]
    assert shake["smooth"] < 0.2 * shake["snap"]
    assert mpjpe["pin"] < 0.98 * mpjpe["fit"]
    assert picture["pin"] < 0.92 * picture["fit"]
    assert figures["pin"][3] < 0.4 * figures["snap again"][3]
    assert found < 0.5 * level


def place(body: PointBody, poses: np.ndarray, betas: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    landmarks = body.posed(poses, betas, np.zeros((len(poses), 3)))[:, -33:]
    return camera_translation(landmarks, keypoints, K).translation


def trembling(picture: np.ndarray, height: float, seed: int) -> np.ndarray:
    """Detections (F,33,3) with 1 % of the height of autocorrelated error."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, picture.shape)
    for i in range(1, len(noise)):
        noise[i] = 0.7 * noise[i - 1] + np.sqrt(1 - 0.7**2) * noise[i]
    return np.concatenate([picture + 0.01 * height * noise, np.full((*picture.shape[:2], 1), 0.9)], -1)
