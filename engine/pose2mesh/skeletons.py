"""Joint sets: names, bones and left/right pairs of the 2D joints a network reads."""

from __future__ import annotations

from dataclasses import dataclass

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


def _chain(*joints: int) -> tuple[Pair, ...]:
    return tuple(zip(joints[:-1], joints[1:], strict=True))


def _sides(names: tuple[str, ...]) -> tuple[Pair, ...]:
    """Pairs (left_x, right_x) found by name."""
    return tuple(
        (i, names.index("right_" + name.removeprefix("left_")))
        for i, name in enumerate(names)
        if name.startswith("left_")
    )


_HUMAN36M = (
    "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "torso", "neck",
    "nose", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
)  # fmt: skip
_COCO = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "pelvis", "neck",
)  # fmt: skip
_SMPL = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
_MANO = (
    "wrist",
    *(f"{finger}{i}" for finger in ("thumb", "index", "middle", "ring", "pinky") for i in (1, 2, 3, 4)),
)
_MEDIAPIPE = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "left_mouth", "right_mouth", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip

_SMPL_PARENTS = (
    0,
    0,
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    9,
    9,
    12,
    13,
    14,
    16,
    17,
    18,
    19,
    20,
    21,
)  # of joints 1..23


def _body(name: str, joints: tuple[str, ...], edges: tuple[Pair, ...]) -> JointSet:
    return JointSet(name, joints, edges, _sides(joints), _sides(joints))


JOINT_SETS: dict[str, JointSet] = {
    joint_set.name: joint_set
    for joint_set in (
        _body(
            "human36m17",
            _HUMAN36M,
            _chain(0, 7, 8, 9, 10) + _chain(8, 11, 12, 13) + _chain(8, 14, 15, 16) + _chain(0, 1, 2, 3) + _chain(0, 4, 5, 6),
        ),
        _body(
            "coco19",
            _COCO,
            _chain(0, 1, 2, 0) + _chain(1, 3) + _chain(2, 4) + _chain(5, 7, 9) + _chain(6, 8, 10) + _chain(11, 13, 15)
            + _chain(12, 14, 16) + _chain(11, 17, 12) + _chain(17, 18, 5) + _chain(6, 18, 0),
        ),
        _body("smpl24", _SMPL, tuple((parent, i + 1) for i, parent in enumerate(_SMPL_PARENTS))),
        JointSet(
            "mano21",
            _MANO,
            tuple(edge for base in (1, 5, 9, 13, 17) for edge in _chain(0, base, base + 1, base + 2, base + 3)),
            (),
            tuple(pair for i in (1, 2, 3, 4) for pair in _chain(i, i + 4, i + 8, i + 12, i + 16)),
        ),
        # MediaPipe's own connections, plus neck and spine substitutes that join the face, arms and legs.
        _body(
            "mediapipe33",
            _MEDIAPIPE,
            _chain(8, 6, 5, 4, 0, 1, 2, 3, 7) + _chain(9, 10) + _chain(0, 9) + _chain(0, 10) + _chain(7, 11) + _chain(8, 12)
            + _chain(11, 12, 24, 23, 11) + _chain(11, 13, 15) + _chain(12, 14, 16) + _chain(15, 17, 19, 15, 21)
            + _chain(16, 18, 20, 16, 22) + _chain(23, 25, 27, 29, 31, 27) + _chain(24, 26, 28, 30, 32, 28),
        ),
    )
}  # fmt: skip


def joint_set(name: str) -> JointSet:
    """The joint set of that name.

    Raises:
        EngineError: there is none.
    """
    try:
        return JOINT_SETS[name]
    except KeyError:
        raise EngineError(f"There is no joint set {name!r}: choose one of {', '.join(JOINT_SETS)}.") from None
