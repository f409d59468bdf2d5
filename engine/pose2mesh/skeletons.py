"""Joint sets: names, bones and left/right pairs of the 2D joints a network reads."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import scipy.sparse as sp

from ..errors import EngineError
from .graph import joint_adjacency, normalized_laplacian

Pair = tuple[int, int]


@dataclass(frozen=True)
class JointSet:
    """The joints of one 2D (and lifted 3D) pose.

    Attributes:
        name: as in configs, weights and the command line.
        joints: J names, in order.
        edges: bones as pairs of joint numbers.
        flip_pairs: joints that change places when the picture is mirrored.
        links: further pairs that the joint graph connects; for the published body sets these are the flip
            pairs, for the hand joints of equal rank on neighbouring fingers.
    """

    name: str
    joints: tuple[str, ...]
    edges: tuple[Pair, ...]
    flip_pairs: tuple[Pair, ...]
    links: tuple[Pair, ...]

    def __len__(self) -> int:
        return len(self.joints)

    def laplacian(self) -> sp.csr_matrix:
        """The (J,J) normalised Laplacian of the joint graph; unlike the mesh's it is not rescaled."""
        return normalized_laplacian(joint_adjacency(len(self), self.edges, self.links))


def _bones(chains: str) -> tuple[Pair, ...]:
    """ "0-7-8 8-11" is the bones 0-7, 7-8 and 8-11."""
    return tuple(pair for chain in chains.split() for pair in pairwise(map(int, chain.split("-"))))


def _body(name: str, joints: str, chains: str) -> JointSet:
    """A body's joint set: sides pair up by name, and are linked in the graph."""
    names = tuple(joints.split())
    sides = tuple(
        (i, names.index("right_" + joint.removeprefix("left_")))
        for i, joint in enumerate(names)
        if joint.startswith("left_")
    )
    return JointSet(name, names, _bones(chains), sides, sides)


_HUMAN36M = _body(
    "human36m17",
    """pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle torso neck nose head
    left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist""",
    "0-7-8-9-10 8-11-12-13 8-14-15-16 0-1-2-3 0-4-5-6",
)
_COCO = _body(
    "coco19",
    """nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow
    left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle pelvis
    neck""",
    "0-1-2-0 1-3 2-4 5-7-9 6-8-10 11-13-15 12-14-16 11-17-12 17-18-5 6-18-0",
)
_SMPL = _body(
    "smpl24",
    """pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot
    right_foot neck left_collar right_collar head left_shoulder right_shoulder left_elbow
    right_elbow left_wrist right_wrist left_hand right_hand""",
    "0-1-4-7-10 0-2-5-8-11 0-3-6-9-12-15 9-13-16-18-20-22 9-14-17-19-21-23",
)
_FINGERS = ("thumb", "index", "middle", "ring", "pinky")  # four joints each, base to tip
_MANO = JointSet(
    "mano21",
    ("wrist", *(f"{finger}{rank}" for finger in _FINGERS for rank in range(1, 5))),
    _bones("0-1-2-3-4 0-5-6-7-8 0-9-10-11-12 0-13-14-15-16 0-17-18-19-20"),
    (),
    _bones("1-5-9-13-17 2-6-10-14-18 3-7-11-15-19 4-8-12-16-20"),
)
# MediaPipe's own connections, and bridges from the nose to the mouth and from the ears to the shoulders.
_MEDIAPIPE = _body(
    "mediapipe33",
    """nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear
    right_ear left_mouth right_mouth left_shoulder right_shoulder left_elbow right_elbow left_wrist
    right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip
    right_hip left_knee right_knee left_ankle right_ankle left_heel right_heel left_foot_index
    right_foot_index""",
    """8-6-5-4-0-1-2-3-7 9-10 0-9 0-10 7-11 8-12 11-12-24-23-11 11-13-15 12-14-16 15-17-19-15-21
    16-18-20-16-22 23-25-27-29-31-27 24-26-28-30-32-28""",
)

JOINT_SETS = {each.name: each for each in (_HUMAN36M, _COCO, _SMPL, _MANO, _MEDIAPIPE)}


def joint_set(name: str) -> JointSet:
    """The joint set of that name.

    Raises:
        EngineError: there is none.
    """
    try:
        return JOINT_SETS[name]
    except KeyError:
        raise EngineError(f"There is no joint set {name!r}: choose one of {', '.join(JOINT_SETS)}.") from None
