from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from pipeline_helpers import Walker

from engine.body.model import BodyModel
from engine.fit.camera import project
from engine.fit.points import PointBody
from engine.pipeline.capture import known_size
from engine.pipeline.lift import Lifter
from engine.pipeline.person import PersonMotion, Resize, solve_person, stretched, trustworthy
from engine.pipeline.stopwatch import Stopwatch
from engine.pipeline.world import TOE_SLACK, posed_joints, sole_pins, sole_points, stand_on_ground


def solve(
    walker: Walker,
    body: BodyModel,
    visible: np.ndarray,
    frames: slice = slice(None),
    resize: Resize | None = None,
    smoothing: float = 1.0,
) -> PersonMotion:
    lifter = Lifter("open_body_light", torch.device("cpu"))
    return solve_person(
        walker.times[frames],
        walker.keypoints[frames],
        visible[frames],
        walker.camera,
        PointBody.of(body, lifter.vertex_ids, landmarks=True),
        lifter,
        smoothing,
        lambda *_: None,
        Stopwatch(),
        resize,
    )


@pytest.fixture(scope="module")
def solved(walker: Walker, body: BodyModel) -> PersonMotion:
    return solve(walker, body, np.ones(40, bool))


def test_the_body_lies_on_the_detections(solved: PersonMotion, walker: Walker, body: BodyModel) -> None:
    landmarks = body.landmarks(body.vertices(solved.poses, solved.betas, solved.trans))
    distance = np.linalg.norm(project(landmarks, walker.camera) - walker.keypoints[..., :2], axis=-1)
    height = np.ptp(walker.keypoints[..., 1], axis=1).mean()
    assert np.median(distance) < 0.02 * height


def test_depth_and_joints_are_near_the_truth(solved: PersonMotion, walker: Walker, body: BodyModel) -> None:
    assert np.abs(solved.trans[:, 2] / walker.trans[:, 2] - 1).max() < 0.12
    joints = posed_joints(body, solved)
    truth = posed_joints(body, replace(solved, poses=walker.poses, betas=walker.betas, trans=walker.trans))
    error = np.linalg.norm((joints - joints[:, :1]) - (truth - truth[:, :1]), axis=-1)
    assert error.mean() < 0.09


def test_a_known_height_is_kept(solved: PersonMotion, walker: Walker, body: BodyModel) -> None:
    """The same motion, farther away by as much as the person is larger; the picture stays."""
    usual = body.stature(solved.betas)
    tall = solve(walker, body, np.ones(40, bool), resize=partial(known_size, body, 1.1 * usual))
    assert body.stature(tall.betas) == pytest.approx(1.1 * usual, rel=0.01)
    assert np.median(tall.trans[:, 2] / solved.trans[:, 2]) == pytest.approx(1.1, abs=0.01)
    joints, before = (posed_joints(body, person) for person in (tall, solved))
    length = [np.linalg.norm(j[:, 4] - j[:, 1], axis=-1).mean() for j in (joints, before)]
    assert length[0] / length[1] == pytest.approx(1.1, abs=0.04)  # tall people have long legs
    apart = np.linalg.norm(project(joints, walker.camera) - project(before, walker.camera), axis=-1)
    assert np.median(apart) < 0.01 * np.ptp(walker.keypoints[..., 1], axis=1).mean()


def test_a_gap_is_filled_and_said(walker: Walker, body: BodyModel) -> None:
    visible = np.ones(40, bool)
    visible[15:22] = False
    gap = solve(walker, body, visible)
    assert gap.infilled[15:22].all()
    assert not gap.visible[15:22].any() and gap.visible[:15].all()
    assert np.linalg.norm(np.diff(gap.trans, axis=0), axis=1).max() < 0.15


def test_how_calm_the_root_is_is_the_users_choice(walker: Walker, body: BodyModel) -> None:
    """Of a camera that shakes: the root as well as the limbs follow less the more is smoothed."""
    shaken = walker.keypoints.copy()
    shaken[:, :, 0] += 0.01 * walker.camera[0, 0] * np.sin(2 * np.pi * 3 * walker.times)[:, None]
    tremble = []
    for smoothing in (0.3, 3.0):
        trans = solve(replace(walker, keypoints=shaken), body, np.ones(40, bool), smoothing=smoothing).trans
        tremble.append(np.abs(np.diff(trans[5:-5, 0] / trans[5:-5, 2], n=2)).mean())
    assert tremble[1] < 0.1 * tremble[0]


def test_one_frame_is_enough(walker: Walker, body: BodyModel) -> None:
    one = solve(walker, body, np.ones(40, bool), slice(0, 1))
    world = stand_on_ground(walker.times[:1], [one], body, walker.camera)
    assert np.isfinite(one.poses).all() and np.isfinite(world.world_from_camera).all()


def test_the_walker_stands_on_the_floor_of_an_upright_world(
    solved: PersonMotion, walker: Walker, body: BodyModel
) -> None:
    world = stand_on_ground(walker.times, [solved], body, walker.camera)
    rotation = world.world_from_camera[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
    up = rotation.T @ [0, 0, 1]
    assert up @ [0, -1, 0] > np.cos(np.radians(10))
    vertices = body.vertices(world.people[0].poses, world.people[0].betas, world.people[0].trans)
    heights = (vertices @ rotation.T + world.world_from_camera[:3, 3])[..., 2]
    assert -0.08 < np.median(heights.min(axis=1)) < 0.08
    assert 1.4 < np.median(heights.max(axis=1)) < 2.1


def test_ghosts_and_cut_off_people_are_not_trusted(walker: Walker) -> None:
    keypoints, visible = walker.keypoints.copy(), np.ones(40, bool)
    visible[10:38] = False
    visible[20:22] = True  # a ghost of two frames in between
    keypoints[38:, 11:25, 2] = 0.2  # half out of the picture
    np.testing.assert_array_equal(trustworthy(walker.times, keypoints, visible), np.arange(40) < 10)


def test_where_nothing_is_sound_everything_seen_is_taken(walker: Walker) -> None:
    keypoints = walker.keypoints.copy()
    keypoints[..., 2] = 0.1
    visible = np.arange(40) % 2 == 0
    np.testing.assert_array_equal(trustworthy(walker.times, keypoints, visible), visible)


def test_a_blink_does_not_make_a_ghost(walker: Walker) -> None:
    seen = np.ones(40, bool)
    seen[10:20] = [0, 0, 1, 1, 1, 0, 1, 1, 0, 0]  # five frames about a blink
    np.testing.assert_array_equal(trustworthy(walker.times, walker.keypoints, seen), seen)
    seen[17] = False  # four are too few
    sound = (np.arange(40) < 10) | (np.arange(40) >= 20)
    np.testing.assert_array_equal(trustworthy(walker.times, walker.keypoints, seen), sound)


def about_the_hips(keypoints: np.ndarray, factor: float) -> np.ndarray:
    """The same figure larger or smaller in the picture."""
    scaled = keypoints.copy()
    middle = keypoints[:, 23:25, :2].mean(axis=1, keepdims=True)
    scaled[..., :2] = middle + factor * (keypoints[..., :2] - middle)
    return scaled


def test_a_figure_drawn_into_the_glare_is_not_trusted_however_sure(walker: Walker) -> None:
    keypoints = walker.keypoints.copy()
    keypoints[18:24] = about_the_hips(keypoints[18:24], 1.6)
    trusted = trustworthy(walker.times, keypoints, np.ones(40, bool))
    np.testing.assert_array_equal(trusted, (np.arange(40) < 18) | (np.arange(40) >= 24))


def test_limbs_that_are_too_long_together_are_not_trusted(walker: Walker) -> None:
    keypoints = walker.keypoints.copy()
    keypoints[20, 25:33, 1] += 250  # the legs of one frame reach far below the feet
    np.testing.assert_array_equal(stretched(keypoints, np.ones(40, bool), 30), np.arange(40) == 20)


def test_a_tucked_figure_is_trusted_and_so_is_the_upright_one_beside_it(walker: Walker) -> None:
    keypoints = walker.keypoints.copy()
    keypoints[10:28] = about_the_hips(keypoints[10:28], 0.5)
    assert trustworthy(walker.times, keypoints, np.ones(40, bool)).all()


def test_who_walks_to_the_camera_is_trusted(walker: Walker, body: BodyModel) -> None:
    """From 5 m to 2.5 m in 40 frames, at nearly 2 m/s: twice as large at the end."""
    landmarks = body.landmarks(body.vertices(walker.poses, walker.betas, walker.trans))
    landmarks[..., 2] += (np.linspace(5, 2.5, 40) - walker.trans[:, 2])[:, None]
    keypoints = walker.keypoints.copy()
    keypoints[..., :2] = project(landmarks, walker.camera)
    assert trustworthy(walker.times, keypoints, np.ones(40, bool)).all()
    assert trustworthy(walker.times, keypoints[::-1], np.ones(40, bool)).all()


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_a_few_frames_are_enough_to_trust(walker: Walker, frames: int) -> None:
    keypoints, visible = walker.keypoints[:frames], np.ones(frames, bool)
    with np.errstate(all="raise"):
        assert trustworthy(walker.times[:frames], keypoints, visible).all()
        assert not stretched(keypoints, ~visible, 30).any()


def test_frames_that_are_not_sound_say_nothing_about_the_length(walker: Walker) -> None:
    keypoints = walker.keypoints.copy()
    keypoints[:34] = about_the_hips(keypoints[:34], 0.4)
    here = np.arange(40) >= 34
    np.testing.assert_array_equal(stretched(keypoints, np.ones(40, bool), 30), here)
    assert not stretched(keypoints, here, 30).any()


def test_sunk_toes_are_lifted_and_standing_soles_held(body: BodyModel, walker: Walker) -> None:
    soles = sole_points(body)
    rest = soles.posed(np.zeros((1, 24, 3)), np.zeros(10), np.zeros((1, 3)))[0]
    assert (rest[4:, 2] > rest[[1, 3], 2] + 0.02).all()  # the tips lie before the balls
    feet = np.zeros((40, 6, 3))
    feet[:, 4, 2] = -0.07
    feet[:, 5, 2] = 0.02
    contact = np.zeros((40, 4), bool)
    contact[:, 0] = True
    pins = sole_pins(walker.times, soles, feet, contact, np.eye(4))
    np.testing.assert_allclose(pins.targets[:, 4, 2], -TOE_SLACK, atol=1e-6)
    np.testing.assert_allclose(pins.weights[:, [0, 4]], 1, atol=1e-6)
    np.testing.assert_allclose(pins.weights[:, [1, 2, 3, 5]], 0, atol=1e-6)
