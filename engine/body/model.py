"""The body model: load, rest shape, linear blend skinning and its inverse.

Needs numpy only, so Blender can use it.

Follows SMPL (Loper et al., "SMPL: A Skinned Multi-Person Linear Model", SIGGRAPH Asia 2015, eqs. 2-10):
``vertices = skin(template + shapedirs . betas + correctives(pose)) + trans``.

The body file is one ``.npz`` without pickles. V vertices, T triangles, Q polygons with L corners in all:

    format               "pose2mesh-body 1"
    name, source, licence  strings
    v_template           (V, 3) metres; y up, facing +z, left side on +x, T-pose
    shapedirs            (V, 3, 10) metres per standard deviation
    parents              (24,) int, -1 for the root; SMPL's order
    triangles            (T, 3) int
    weights, joint_regressor, landmark_regressor
                         matrices (V, 24), (24, V), (33, V), each either dense under its own name or as
                         compressed rows ``NAME_data``, ``NAME_indices``, ``NAME_indptr`` (rows + 1,)
    polygon_vertices     (L,) int, polygon_starts (Q,) int: optional, the triangles otherwise
    uv_points            (U, 2), uv_indices (L,) int: optional
    posedirs             (207, V, 3) pose correctives, optional; integers to be multiplied by
                         ``posedirs_step`` (metres) where that is there too
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import EngineError
from . import library
from .rotations import matrix_from_axis_angle

Array = npt.NDArray[Any]

FORMAT = "pose2mesh-body 1"
JOINT_COUNT = 24
SHAPE_COUNT = 10
LANDMARK_COUNT = 33
JOINT_NAMES = (
    "pelvis",
    "left_hip",
    "right_hip",
    "spine1",
    "left_knee",
    "right_knee",
    "spine2",
    "left_ankle",
    "right_ankle",
    "spine3",
    "left_foot",
    "right_foot",
    "neck",
    "left_collar",
    "right_collar",
    "head",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hand",
    "right_hand",
)
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
ASSETS = Path(__file__).resolve().parent.parent / "assets"


@dataclass(eq=False)
class BodyModel:
    """A skinned body with 24 joints in SMPL's order. Arrays are float32 unless their name says otherwise.

    Attributes:
        name: "open_body", or the name of an imported body.
        v_template: (V, 3) mean shape in the T-pose, metres.
        shapedirs: (V, 3, 10) change per unit of each shape coefficient.
        weights: (V, 24) skinning weights, rows sum to 1.
        joint_regressor: (24, V), rows sum to 1.
        parents: (24,) int32, -1 for the root.
        triangles: (T, 3) int32, counter-clockwise from outside.
        polygon_vertices, polygon_starts: the same surface as the source's polygons, int32.
        landmark_regressor: (33, V), MediaPipe's points, rows sum to 1.
        uv: (L, 2) texture coordinates per polygon corner, or None.
        posedirs: (207, V, 3) pose correctives per unit of ``pose_features``, or None.
        source, licence: where the data is from and on what terms.
    """

    name: str
    v_template: Array
    shapedirs: Array
    weights: Array
    joint_regressor: Array
    parents: Array
    triangles: Array
    polygon_vertices: Array
    polygon_starts: Array
    landmark_regressor: Array
    uv: Array | None = None
    posedirs: Array | None = None
    source: str = ""
    licence: str = ""
    _joint_template: Array = field(init=False, repr=False)
    _joint_shapedirs: Array = field(init=False, repr=False)
    _landmark_columns: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        regressor = self.joint_regressor.astype(np.float64)
        self._joint_template = (regressor @ self.v_template).astype(np.float32)
        self._joint_shapedirs = np.tensordot(regressor, self.shapedirs, 1).astype(np.float32)
        self._landmark_columns = np.ascontiguousarray(self.landmark_regressor.T)

    @classmethod
    def load(cls, body: str | Path) -> BodyModel:
        """Load a body by name ("open_body", or an imported one's) or from a body file.

        Raises:
            EngineError: there is none, or the file is damaged or not a body file.
        """
        path = Path(body)
        name = path.name if path.suffix != ".npz" and path.parent == Path() else None
        if name is not None:
            path = ASSETS / f"{name}.npz" if name in library.SHIPPED else library.body_file(name)
            if not path.is_file():
                raise EngineError(
                    f"The body {name!r} does not exist; choose one of {library.known_bodies()}, "
                    f"or bring your own with `import-smpl FILE --name {name}`."
                )
        if not path.is_file():
            raise EngineError(
                f"The body file {path} does not exist; check the path, or import the body again."
            )
        if library.is_hand(path):
            raise EngineError(f"{path.stem} is a hand, not a body; choose one of {library.known_bodies()}.")
        try:
            with np.load(path, allow_pickle=False) as archive:
                model = cls.from_arrays({key: archive[key] for key in archive.files})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise EngineError(
                f"The body file {path} cannot be read ({error}); import or install it again."
            ) from error
        model.name = name or model.name  # takes name the body that they will be opened with
        return model

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> BodyModel:
        """Build from the arrays of a body file (see the module's text).

        Raises:
            ValueError, KeyError: something is missing or has the wrong shape.
        """
        if str(arrays["format"]) != FORMAT:
            raise ValueError(f"its format is {str(arrays['format'])!r}, this version reads {FORMAT!r}")
        template = np.ascontiguousarray(arrays["v_template"], np.float32)
        count = len(template)
        triangles = np.ascontiguousarray(arrays["triangles"], np.int32)
        if "polygon_vertices" in arrays:
            polygon_vertices = np.ascontiguousarray(arrays["polygon_vertices"], np.int32)
            polygon_starts = np.ascontiguousarray(arrays["polygon_starts"], np.int32)
        else:
            polygon_vertices = triangles.reshape(-1)
            polygon_starts = np.arange(0, triangles.size, 3, dtype=np.int32)
        model = cls(
            name=str(arrays["name"]),
            v_template=template,
            shapedirs=np.ascontiguousarray(arrays["shapedirs"], np.float32),
            weights=_matrix(arrays, "weights", count, JOINT_COUNT),
            joint_regressor=_matrix(arrays, "joint_regressor", JOINT_COUNT, count),
            parents=np.ascontiguousarray(arrays["parents"], np.int32),
            triangles=triangles,
            polygon_vertices=polygon_vertices,
            polygon_starts=polygon_starts,
            landmark_regressor=_matrix(arrays, "landmark_regressor", LANDMARK_COUNT, count),
            uv=arrays["uv_points"].astype(np.float32)[arrays["uv_indices"]]
            if "uv_points" in arrays
            else None,
            posedirs=_posedirs(arrays, count) if "posedirs" in arrays else None,
            source=str(arrays.get("source", "")),
            licence=str(arrays.get("licence", "")),
        )
        model._check()
        return model

    def _check(self) -> None:
        count = len(self.v_template)
        for name, shape in (
            ("v_template", (count, 3)),
            ("shapedirs", (count, 3, SHAPE_COUNT)),
            ("parents", (24,)),
            ("triangles", (len(self.triangles), 3)),
        ):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has the shape {getattr(self, name).shape} instead of {shape}")
        if (
            self.parents[0] != -1
            or np.any(self.parents[1:] >= np.arange(1, JOINT_COUNT))
            or self.parents[1:].min() < 0
        ):
            raise ValueError("its joints are not listed parents first")
        for name in ("triangles", "polygon_vertices"):
            indices = getattr(self, name)
            if indices.size == 0 or indices.min() < 0 or indices.max() >= count:
                raise ValueError(f"{name} names vertices that do not exist")
        for name in ("v_template", "shapedirs", "weights", "joint_regressor", "landmark_regressor"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} holds values that are not finite numbers")
        if self.posedirs is not None and not np.isfinite(self.posedirs).all():
            raise ValueError("posedirs holds values that are not finite numbers")

    def rest(self, betas: npt.ArrayLike) -> Array:
        """(n <= 10,) shape coefficients -> (V, 3) T-pose, metres."""
        coefficients = np.asarray(betas, np.float32).reshape(-1)
        return self.v_template + self.shapedirs[:, :, : len(coefficients)] @ coefficients

    def stature(self, betas: npt.ArrayLike) -> float:
        """Standing height in metres, soles to crown."""
        return float(np.ptp(self.rest(betas)[:, 1]))

    def rest_joints(self, betas: npt.ArrayLike) -> Array:
        """(n <= 10,) shape coefficients -> (24, 3) joint centres in the T-pose, metres."""
        coefficients = np.asarray(betas, np.float32).reshape(-1)
        return self._joint_template + self._joint_shapedirs[:, :, : len(coefficients)] @ coefficients

    def pose_offsets(self, poses: npt.ArrayLike) -> Array:
        """(F, 24, 3) axis-angle -> (F, V, 3) pose correctives in the rest frame, metres (zeros without)."""
        features = pose_features(poses)
        shape = (len(features), *self.v_template.shape)
        if self.posedirs is None:
            return np.zeros(shape, np.float32)
        return (features @ self.posedirs.reshape(features.shape[1], -1)).reshape(shape)

    def transforms(self, poses: npt.ArrayLike, rest_joints: npt.ArrayLike) -> Array:
        """Forward kinematics.

        Args:
            poses: (F, 24, 3) local axis-angle; joint 0 turns about its own rest position.
            rest_joints: (24, 3) or (F, 24, 3) joint centres in the T-pose.

        Returns:
            (F, 24, 4, 4): each takes points from the rest frame to the posed frame, before ``trans``.
        """
        frames = np.asarray(poses, np.float32).reshape(-1, JOINT_COUNT, 3)
        local = matrix_from_axis_angle(frames.astype(np.float64))
        centres = np.broadcast_to(np.asarray(rest_joints, np.float64), (len(frames), JOINT_COUNT, 3))
        rotation = np.empty_like(local)
        place = np.empty_like(centres)
        rotation[:, 0], place[:, 0] = local[:, 0], centres[:, 0]
        for joint in range(1, JOINT_COUNT):
            parent = self.parents[joint]
            rotation[:, joint] = rotation[:, parent] @ local[:, joint]
            bone = centres[:, joint] - centres[:, parent]
            place[:, joint] = place[:, parent] + np.einsum("fij,fj->fi", rotation[:, parent], bone)
        out = np.zeros((len(frames), JOINT_COUNT, 4, 4), np.float32)
        out[..., :3, :3] = rotation
        out[..., :3, 3] = place - np.einsum("fjik,fjk->fji", rotation, centres)
        out[..., 3, 3] = 1.0
        return out

    def skin(self, rest: npt.ArrayLike, transforms: npt.ArrayLike) -> Array:
        """Linear blend skinning.

        Args:
            rest: (V, 3), one shape for all frames, or (F, V, 3).
            transforms: (F, 24, 4, 4).

        Returns:
            (F, V, 3) posed vertices, before ``trans``.
        """
        points = np.asarray(rest, np.float32)
        out = np.empty((len(np.asarray(transforms)), len(self.v_template), 3), np.float32)
        for frame, (x, y, z, moved) in enumerate(self._blends(transforms, np.float32)):
            vertices = (points if points.ndim == 2 else points[frame]).T
            posed = moved
            for column, coordinate in zip((x, y, z), vertices, strict=True):
                column *= coordinate
                posed += column
            out[frame] = posed.T
        return out

    def unskin(self, posed: npt.ArrayLike, transforms: npt.ArrayLike) -> Array:
        """The exact inverse of ``skin``: posed (F, V, 3), before ``trans`` -> rest frame (F, V, 3).

        Where opposite rotations cancel in the blend, so that its matrix has no inverse, the least-squares
        point is returned.
        """
        points = np.asarray(posed, np.float64)
        out = np.empty(points.shape, np.float32)
        for frame, (x, y, z, moved) in enumerate(self._blends(transforms, np.float64)):
            left = points[frame].T - moved
            # Cramer's rule for [x y z] @ rest = left.
            parts = (_cross(y, z), _cross(z, x), _cross(x, y))
            volume = (x * parts[0]).sum(axis=0)
            flat = np.abs(volume) < 1e-9
            solved = np.stack([(part * left).sum(axis=0) for part in parts]) / np.where(flat, 1.0, volume)
            if flat.any():
                inverse = np.linalg.pinv(
                    np.stack([x[:, flat], y[:, flat], z[:, flat]]).transpose(2, 1, 0), rcond=1e-6
                )
                solved[:, flat] = np.einsum("vij,jv->iv", inverse, left[:, flat])
            out[frame] = solved.T
        return out

    def _blends(self, transforms: npt.ArrayLike, kind: type[np.floating[Any]]) -> Iterator[Array]:
        """Per frame, the four columns of the vertices' blended 3x4 matrices: (4, 3, V).

        One small matrix product per frame, with the vertices last: numpy is fastest along long rows.
        """
        columns = np.asarray(transforms, kind)[:, :, :3].transpose(0, 3, 2, 1)
        weights = np.ascontiguousarray(self.weights.T, kind)
        for frame in np.ascontiguousarray(columns).reshape(-1, 12, JOINT_COUNT):
            yield (frame @ weights).reshape(4, 3, -1)

    def vertices(self, poses: npt.ArrayLike, betas: npt.ArrayLike, trans: npt.ArrayLike) -> Array:
        """(F, 24, 3), (10,), (F, 3) -> (F, V, 3): shape, correctives, skinning, translation."""
        rest = self.rest(betas) + self.pose_offsets(poses)
        posed = self.skin(rest, self.transforms(poses, self.rest_joints(betas)))
        return np.asarray(posed + np.asarray(trans, np.float32)[:, None])

    def landmarks(self, vertices: npt.ArrayLike) -> Array:
        """(..., V, 3) vertices -> (..., 33, 3) MediaPipe's landmarks on them."""
        points = np.asarray(vertices, np.float32)
        # Vertices last: the matrix product is ten times as fast as with the three coordinates last.
        rows = np.ascontiguousarray(np.swapaxes(points, -1, -2)).reshape(-1, points.shape[-2])
        found = (rows @ self._landmark_columns).reshape(*points.shape[:-2], 3, LANDMARK_COUNT)
        return np.ascontiguousarray(np.swapaxes(found, -1, -2))


def _cross(a: Array, b: Array) -> Array:
    """Cross products of (3, V) columns; several times as fast as numpy's own."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def pose_features(poses: npt.ArrayLike) -> Array:
    """(F, 24, 3) axis-angle -> (F, 207): rotation matrices minus identity, joints 1 to 23, by rows."""
    frames = np.asarray(poses, np.float32).reshape(-1, JOINT_COUNT, 3)
    matrices = matrix_from_axis_angle(frames[:, 1:]) - np.eye(3, dtype=np.float32)
    return matrices.reshape(len(frames), -1)


def _posedirs(arrays: Mapping[str, Array], count: int) -> Array:
    directions = arrays["posedirs"]
    if directions.shape != ((JOINT_COUNT - 1) * 9, count, 3):
        raise ValueError(f"posedirs has the shape {directions.shape}")
    step = np.float32(arrays["posedirs_step"]) if "posedirs_step" in arrays else np.float32(1.0)
    return np.multiply(directions, step, dtype=np.float32)


def _matrix(arrays: Mapping[str, Array], name: str, rows: int, columns: int) -> Array:
    """A (rows, columns) float32 matrix stored dense or as compressed rows; rows made to sum to 1."""
    if name in arrays:
        matrix = np.asarray(arrays[name], np.float64)
    else:
        data, indices, indptr = (arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
        if len(indptr) != rows + 1 or (len(indices) and int(indices.max()) >= columns):
            raise ValueError(f"{name} has row pointers or columns out of range")
        matrix = np.zeros((rows, columns))
        lengths = np.asarray(indptr[1:], np.int64) - np.asarray(indptr[:-1], np.int64)
        matrix[np.repeat(np.arange(rows), lengths), indices] = data
    if matrix.shape != (rows, columns):
        raise ValueError(f"{name} has the shape {matrix.shape} instead of {(rows, columns)}")
    sums = matrix.sum(axis=1, keepdims=True)
    if np.any(np.abs(sums - 1.0) > 0.02):
        raise ValueError(f"the rows of {name} do not sum to 1")
    return np.asarray(matrix / sums, np.float32)


def compressed_rows(name: str, matrix: npt.ArrayLike) -> dict[str, Array]:
    """The sparse form of a matrix for a body file: its three arrays, named as ``load`` expects them."""
    dense = np.asarray(matrix)
    rows, columns = np.nonzero(dense)
    return {
        f"{name}_data": dense[rows, columns].astype(np.float32),
        f"{name}_indices": columns.astype(np.uint16 if dense.shape[1] <= 65536 else np.int32),
        f"{name}_indptr": np.searchsorted(rows, np.arange(len(dense) + 1)).astype(np.int32),
    }
