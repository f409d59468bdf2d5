"""Where everybody stands: gravity and floor, feet in contact, no sliding, nobody below the floor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..body.model import BodyModel
from ..fit.points import PointBody
from ..motion.contacts import contact_regressor, detect_contacts, slow_feet
from ..motion.ground import estimate_up, world_frame
from ..motion.trajectory import lock_feet
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
    times: np.ndarray, people: list[PersonMotion], body: BodyModel, lock: float = 1.0
) -> World:
    """Estimate the ground from the most visible person and settle everyone on it.

    Args:
        times: (F,) s; people: at least one; lock: strength of the foot lock, 0 none.
    """
    soles = contact_regressor(body.v_template, body.weights)
    sole_points = _Soles(body, soles)
    leader = max(range(len(people)), key=lambda p: int(people[p].visible.sum()))
    joints = [posed_joints(body, person) for person in people]
    feet = [sole_points.of(person) for person in people]
    slow = slow_feet(times, feet[leader])
    up = estimate_up(times, joints[leader], feet[leader], slow)
    frame = world_frame(up, joints[leader], feet[leader], slow, people[leader].visible)
    rotation, shift = frame[:3, :3].astype(np.float64), frame[:3, 3].astype(np.float64)

    settled, contacts, locked_feet = [], [], []
    for person, points in zip(people, feet, strict=True):
        in_world = points @ rotation.T + shift
        contact = detect_contacts(times, in_world, ray=rotation[:, 2], visible=person.visible)
        trans = person.trans @ rotation.T
        ray = rotation @ person.trans[person.visible].mean(0)
        moved = lock_feet(times, trans, in_world, contact, ray=ray, strength=lock) - trans
        settled.append(replace(person, trans=(person.trans + moved @ rotation).astype(np.float32)))
        contacts.append(contact)
        locked_feet.append(points + (moved @ rotation)[:, None])
    return World(frame, settled, contacts, locked_feet)


class _Soles:
    """The four contact points as skinned points, so that the whole mesh need not be posed."""

    def __init__(self, body: BodyModel, regressor: object) -> None:
        self.weights = np.asarray(regressor.toarray())  # type: ignore[attr-defined]
        self.ids = np.flatnonzero(self.weights.any(axis=0))
        self.points = PointBody.of(body, self.ids)

    def of(self, person: PersonMotion) -> np.ndarray:
        """(F,4,3) camera frame."""
        return np.asarray(
            self.weights[:, self.ids] @ self.points.posed(person.poses, person.betas, person.trans)
        )


def posed_joints(body: BodyModel, person: PersonMotion) -> np.ndarray:
    """SMPL joints (F,24,3), camera frame."""
    rest = body.rest_joints(person.betas)
    transforms = body.transforms(person.poses, rest)
    return np.asarray(
        (transforms[..., :3, :3] @ rest[:, :, None])[..., 0] + transforms[..., :3, 3] + person.trans[:, None]
    )
