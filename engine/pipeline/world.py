"""Where everybody stands: gravity and floor, feet in contact, no sliding, nobody below the floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..body.model import BodyModel
from ..fit.points import PointBody
from ..fit.snap import Pins, snap_to_detections
from ..motion.contacts import contact_regressor, detect_contacts, slow_feet, toe_tip_regressor
from ..motion.ground import estimate_up, to_camera, world_frame
from ..motion.smoothing import smooth_values
from ..motion.trajectory import foot_anchors
from .person import PersonMotion

TOE_SLACK = 0.01
"""Metres that the tips of the toes may sink: so much the sole of a real shoe differs from the body's."""
TOE_SUNK = 0.05
"""Metres below that at which they are lifted with full weight."""
TOE_WIDTH = 0.1
"""Seconds: a weight that comes and goes at once makes standing soles slide."""


@dataclass(frozen=True)
class World:
    """People on the ground.

    Attributes:
        world_from_camera: (4,4) to Z up, metres, floor at Z = 0.
        people: the motions, with feet that stand still.
        contact: per person (F,4) left heel, left toe, right heel, right toe.
        feet: per person (F,4,3) those points, camera frame.
    """

    world_from_camera: np.ndarray
    people: list[PersonMotion]
    contact: list[np.ndarray]
    feet: list[np.ndarray]


def stand_on_ground(
    times: np.ndarray,
    people: list[PersonMotion],
    body: BodyModel,
    camera_matrix: np.ndarray,
    lock: float = 1.0,
    progress: Callable[[int], None] = lambda done: None,
) -> World:
    """Estimate the ground from the most visible person and settle everyone on it.

    Args:
        times: (F,) s; people: at least one; camera_matrix: (3,3) px; lock: strength of the foot lock, 0 none.
        progress: called with the frames done of each person.
    """
    soles = sole_points(body)
    leader = max(range(len(people)), key=lambda p: int(people[p].visible.sum()))
    joints = [posed_joints(body, person) for person in people]
    standing = [soles.posed(person.poses, person.betas, person.trans) for person in people]
    feet = [points[:, :4] for points in standing]
    slow = slow_feet(times, feet[leader], ray=np.array([0.0, 0.0, 1.0]), visible=people[leader].visible)
    up = estimate_up(times, joints[leader], feet[leader], slow)
    frame = world_frame(up, joints[leader], feet[leader], slow, people[leader].visible)
    rotation, shift = frame[:3, :3].astype(np.float64), frame[:3, 3].astype(np.float64)

    settled, contacts, locked_feet = [], [], []
    for person, points in zip(people, standing, strict=True):
        in_world = points @ rotation.T + shift
        contact = detect_contacts(times, in_world[:, :4], ray=rotation[:, 2], visible=person.visible)
        still = pin_feet(times, person, in_world, contact, frame, soles, camera_matrix, lock, progress)
        settled.append(still)
        contacts.append(contact)
        locked_feet.append(soles.posed(still.poses, still.betas, still.trans)[:, :4])
    return World(frame, settled, contacts, locked_feet)


def pin_feet(
    times: np.ndarray,
    person: PersonMotion,
    feet: np.ndarray,
    contact: np.ndarray,
    world_from_camera: np.ndarray,
    soles: PointBody,
    camera_matrix: np.ndarray,
    lock: float,
    progress: Callable[[int], None],
) -> PersonMotion:
    """The same motion with standing soles held where they stand, by legs and root, the picture permitting.

    Args:
        feet: (F,6,3) contact points and toe tips in the world; contact: (F,4); soles: those points;
            lock: strength.
    """
    if lock <= 0:
        return person
    pins = sole_pins(times, soles, feet, contact, world_from_camera, lock)
    poses, trans = snap_to_detections(
        person.points,
        person.poses,
        person.betas,
        person.trans,
        person.detections,
        camera_matrix,
        pins=pins,
        progress=progress,
    )
    return replace(person, poses=poses, trans=trans)


def sole_points(body: BodyModel) -> PointBody:
    """Left heel, left toe, right heel, right toe where they make contact; left and right toe tip."""
    regressors = [make(body.v_template, body.weights) for make in (contact_regressor, toe_tip_regressor)]
    return PointBody.of(
        body, np.zeros(0, np.int64), mixes=np.concatenate([rows.toarray() for rows in regressors])
    )


def sole_pins(
    times: np.ndarray,
    soles: PointBody,
    feet: np.ndarray,
    contact: np.ndarray,
    world_from_camera: np.ndarray,
    lock: float = 1.0,
) -> Pins:
    """Standing soles where they stand; toe tips, which bend freely, above the floor.

    Args:
        soles: `sole_points`; feet: (F,6,3) where they are in the world; contact: (F,4); lock: strength.
    """
    slack = np.array([0, 0, TOE_SLACK])
    places, weights = foot_anchors(times, feet[:, :4], contact)
    tips, lifted = foot_anchors(times, feet[:, 4:] + slack, np.zeros((len(times), 2), bool), sunk=TOE_SUNK)
    if len(times) > 2:
        lifted = np.clip(smooth_values(times, lifted, TOE_WIDTH), 0.0, 1.0)
    targets = np.concatenate([places, tips - slack], axis=1)
    return Pins(
        soles, to_camera(world_from_camera, targets), lock * np.concatenate([weights, lifted], axis=1)
    )


def posed_joints(body: BodyModel, person: PersonMotion) -> np.ndarray:
    """SMPL joints (F,24,3), camera frame."""
    rest = body.rest_joints(person.betas)
    transforms = body.transforms(person.poses, rest)
    return np.asarray(
        (transforms[..., :3, :3] @ rest[:, :, None])[..., 0] + transforms[..., :3, 3] + person.trans[:, None]
    )
