"""2D landmarks → vertices of an imported body, by a published network.

What comes out has the shape of our own network's result, an even subset of the body's vertices and
MediaPipe's landmarks on it, so that fit, preview, world and take do not know the difference.

The published network standardises x and y apart: it sees neither where in the picture a person stands nor how
large they appear, and was trained on people about the picture's centre. So it is shown what a camera that
looks straight at the person would see (`pose2mesh.observation`), and its mesh is turned back.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..body.library import check_name, weights_file
from ..body.model import BodyModel
from ..errors import EngineError
from ..pose2mesh import weights
from ..pose2mesh.coarse_mesh import coarse_mesh
from ..pose2mesh.fast import fast
from ..pose2mesh.landmark_joints import joints_from_landmarks
from ..pose2mesh.observation import BELOW_HEAD, look_at, on_plane, through
from ..pose2mesh.preprocess import standardize
from ..pose2mesh.stream import Stream
from .lift import Lift

VERTICES = 500
"""At most so many vertices go into the fit, as many as our own network has."""


class PublishedLifter:
    """A published network ready to run on MediaPipe's landmarks.

    Args:
        body: the imported body it was trained on.
        path: its weights, a file of `import-checkpoint`.
        device: where it runs.

    Raises:
        EngineError: the weights cannot be read, are for another mesh, or read joints that the landmarks do
            not give.
    """

    def __init__(self, body: BodyModel, path: Path, device: torch.device) -> None:
        model, description = weights.load(path)
        joint_set = model.config.joint_set
        self.joints = joints_from_landmarks(joint_set)
        if len(model.vertex_slots) != len(body.v_template):
            raise EngineError(
                f"The network {path.name} has {len(model.vertex_slots)} vertices and the body {body.name!r} "
                f"{len(body.v_template)}: import the checkpoint for this body again."
            )
        self.name = f"{description.notes.get('source', path.name)} ({joint_set})"
        self.device = device
        self.network = fast(model, device=device)
        ids, _ = coarse_mesh(body.v_template, body.triangles, VERTICES)
        self._vertex_ids = ids
        self._ids = torch.as_tensor(ids, device=device)
        self._regressor = torch.as_tensor(body.landmark_regressor, device=device)
        self._run = Stream(self._points, device)

    @property
    def vertex_ids(self) -> np.ndarray:
        """(N,) the body's vertices that it returns, evenly spread."""
        return self._vertex_ids

    def lift(self, keypoints: np.ndarray, camera_matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lift frames, which are independent of one another.

        Args:
            keypoints: (F,33,3) x px, y px, confidence; camera_matrix: (3,3) px.

        Returns:
            vertices (F,N,3) and landmarks (F,33,3): metres, camera axes, pelvis near the origin.
        """
        plane = on_plane(torch.as_tensor(keypoints), torch.as_tensor(camera_matrix))
        sure = torch.as_tensor(keypoints)[:, BELOW_HEAD, 2:] + 0.02
        straight = look_at((sure * plane[:, BELOW_HEAD]).sum(1) / sure.sum(1))
        joints = standardize(self.joints @ through(straight, plane).double().numpy())
        vertices, landmarks = self._run(joints.astype(np.float32))
        back = straight.numpy().transpose(0, 2, 1)
        return vertices @ back, landmarks @ back

    def lift_clip(self, times: np.ndarray, keypoints: np.ndarray, camera_matrix: np.ndarray) -> Lift:
        """As `Lifter.lift_clip`; the published network looks at every frame on its own."""
        return lambda frames: self.lift(keypoints[frames], camera_matrix)

    def _points(self, joints: Tensor) -> tuple[Tensor, Tensor]:
        """(B,J,2) standardised to vertices (B,N,3) and landmarks (B,33,3), virtual camera axes."""
        mesh, _ = self.network(joints)
        return mesh.index_select(1, self._ids), self._regressor @ mesh


def load_published(body_name: str, device: torch.device) -> tuple[PublishedLifter, BodyModel]:
    """An imported body, by its name, and the published network for it.

    Raises:
        EngineError: one of them is missing or unusable.
    """
    check_name(body_name)
    body = BodyModel.load(body_name)
    path = weights_file(body_name)
    if not path.is_file():
        raise EngineError(
            f"There is no network for the body {body.name!r} yet: run "
            f"`import-checkpoint CHECKPOINT.pth.tar --body {body.name}` first."
        )
    return PublishedLifter(body, path, device), body
