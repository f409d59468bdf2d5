"""The bodies behind the annotations, which the user brings: SMPL by gender, joint regressors, the hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..body.model import BodyModel
from ..errors import EngineError
from .files import existing
from .hand import HandModel

Array = npt.NDArray[Any]

GENDERS = ("neutral", "male", "female")
LARGEST_BETA = 3.0


@dataclass(frozen=True)
class Posed:
    """A body in a pose: vertices (V, 3) and joints (K, 3), metres."""

    vertices: Array
    joints: Array


@dataclass(frozen=True)
class Bodies:
    """What turns SMPL parameters into targets; a part is asked for only by the datasets that need it.

    Attributes:
        by_gender: body models under "neutral", "male", "female".
        human36m_regressor: (17, V), the 17 Human3.6M joints.
        coco_regressor: (17, V), COCO's joints, without pelvis and neck.
        hand_model: the right hand, for FreiHAND.
    """

    by_gender: Mapping[str, BodyModel] = field(default_factory=dict)
    human36m_regressor: Array | None = None
    coco_regressor: Array | None = None
    hand_model: HandModel | None = None

    def __post_init__(self) -> None:
        counts = {len(body.v_template) for body in self.by_gender.values()}
        for regressor in (self.human36m_regressor, self.coco_regressor):
            if regressor is not None:
                counts.add(regressor.shape[1])
        if len(counts) > 1:
            raise EngineError(
                f"The bodies and joint regressors are for different meshes ({sorted(counts)} vertices); "
                "give those of one body."
            )

    @classmethod
    def load(
        cls,
        neutral: Path | str | None = None,
        male: Path | str | None = None,
        female: Path | str | None = None,
        human36m_regressor: Path | str | None = None,
        coco_regressor: Path | str | None = None,
        hand: Path | str | None = None,
    ) -> Bodies:
        """Read body files (of `import-smpl`), the two regressors (`.npy`) and the MANO file.

        Raises:
            EngineError: a file is missing, damaged, or the files do not belong together.
        """
        paths = dict(zip(GENDERS, (neutral, male, female), strict=True))
        return cls(
            {gender: BodyModel.load(path) for gender, path in paths.items() if path is not None},
            None if human36m_regressor is None else read_regressor(Path(human36m_regressor)),
            None if coco_regressor is None else read_regressor(Path(coco_regressor)),
            None if hand is None else HandModel.load(Path(hand)),
        )

    def body(self, gender: str) -> BodyModel:
        """The body of that gender.

        Raises:
            EngineError: it was not given.
        """
        if gender not in self.by_gender:
            raise EngineError(
                f"This dataset needs the {gender} SMPL body; import your own SMPL file (import-smpl) and "
                "give it."
            )
        return self.by_gender[gender]

    @property
    def human36m(self) -> Array:
        """(17, V); raises EngineError where it was not given."""
        return _given(self.human36m_regressor, "J_regressor_h36m_correct.npy")

    @property
    def coco(self) -> Array:
        """(17, V); raises EngineError where it was not given."""
        return _given(self.coco_regressor, "J_regressor_coco.npy")

    @property
    def hand(self) -> HandModel:
        """The hand; raises EngineError where it was not given."""
        if self.hand_model is None:
            raise EngineError("This dataset needs the MANO hand; give your own MANO_RIGHT.pkl.")
        return self.hand_model


def posed(body: BodyModel, pose: Array, betas: Array, trans: Array | None = None) -> Posed:
    """SMPL (72,), (10,), (3,) -> vertices and the 24 joints of its kinematic tree, in the parameters' frame.

    The joints are the turned rest joints, not regressed from the vertices, as in the published layer.
    """
    poses = pose.reshape(1, 24, 3)
    rest_joints = body.rest_joints(betas)
    transforms = body.transforms(poses, rest_joints)
    vertices = body.skin(body.rest(betas) + body.pose_offsets(poses), transforms)[0].astype(np.float64)
    moves = transforms[0].astype(np.float64)
    joints = np.einsum("jab,jb->ja", moves[:, :3, :3], rest_joints) + moves[:, :3, 3]
    offset = np.zeros(3) if trans is None else trans
    return Posed(vertices + offset, joints + offset)


def credible(betas: Array) -> Array:
    """The shape (10,), or the mean shape where one coefficient exceeds 3: such fits have failed."""
    return np.zeros_like(betas) if np.any(np.abs(betas) > LARGEST_BETA) else betas


def read_regressor(path: Path) -> Array:
    """A joint regressor (17, V) from an `.npy` file.

    Raises:
        EngineError: the file is missing, damaged, or holds something else.
    """
    try:
        matrix = np.load(existing(path), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise EngineError(f"The joint regressor {path} cannot be read ({error}); get it again.") from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or len(matrix) != 17:
        raise EngineError(
            f"The joint regressor {path} is not a matrix with 17 rows; take J_regressor_h36m_correct.npy or "
            "J_regressor_coco.npy of the published code."
        )
    if not np.isfinite(matrix).all():
        raise EngineError(f"The joint regressor {path} holds values that are not numbers; get it again.")
    return matrix.astype(np.float64)


def _given(regressor: Array | None, name: str) -> Array:
    if regressor is None:
        raise EngineError(f"This dataset needs the joint regressor {name}; docs/datasets.md says from where.")
    return regressor
