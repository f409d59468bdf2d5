"""Where everybody stands: gravity and floor, feet in contact, no sliding, nobody below the floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..body.model import BodyModel
from ..fit.points import PointBody
from ..fit.snap import Pins, snap_to_detections
from ..motion.contacts import contact_regressor, detect_contacts, slow_feet
from ..motion.ground import estimate_up, to_camera, world_frame
from ..motion.trajectory import foot_anchors
from .person import PersonMotion


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
    regressor = contact_regressor(body.v_template, body.weights).toarray()
    soles = PointBody.of(body, np.zeros(0, np.int64), mixes=regressor)
    leader = max(range(len(people)), key=lambda p: int(people[p].visible.sum()))
    joints = [posed_joints(body, person) for person in people]
    feet = [soles.posed(person.poses, person.betas, person.trans) for person in people]
    slow = slow_feet(times, feet[leader], ray=np.array([0.0, 0.0, 1.0]), visible=people[leader].visible)
    up = estimate_up(times, joints[leader], feet[leader], slow)
    frame = world_frame(up, joints[leader], feet[leader], slow, people[leader].visible)
    rotation, shift = frame[:3, :3].astype(np.float64), frame[:3, 3].astype(np.float64)

    settled, contacts, locked_feet = [], [], []
    for person, points in zip(people, feet, strict=True):
        in_world = points @ rotation.T + shift
        contact = detect_contacts(times, in_world, ray=rotation[:, 2], visible=person.visible)
        still = pin_feet(times, person, in_world, contact, frame, soles, camera_matrix, lock, progress)
        settled.append(still)
        contacts.append(contact)
        locked_feet.append(soles.posed(still.poses, still.betas, still.trans))
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
        feet: (F,4,3) contact points in the world; contact: (F,4); soles: those points; lock: strength.
    """
    if lock <= 0:
        return person
    targets, weights = foot_anchors(times, feet, contact)
    poses, trans = snap_to_detections(
        person.points,
        person.poses,
        person.betas,
        person.trans,
        person.detections,
        camera_matrix,
        pins=Pins(soles, to_camera(world_from_camera, targets), lock * weights),
        progress=progress,
    )
    return replace(person, poses=poses, trans=trans)


def posed_joints(body: BodyModel, person: PersonMotion) -> np.ndarray:
    """SMPL joints (F,24,3), camera frame."""
    rest = body.rest_joints(person.betas)
    transforms = body.transforms(person.poses, rest)
    return np.asarray(
        (transforms[..., :3, :3] @ rest[:, :, None])[..., 0] + transforms[..., :3, 3] + person.trans[:, None]
    )
