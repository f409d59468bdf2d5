"""Vertices to SMPL pose, one shape per take and translation, in a fixed number of linear solves.

    fit = fit_take(points, targets)  # points: PointBody, targets (F,N,3); .poses (F,24,3), .betas, .trans

1. Every part's rotation by weighted Kabsch (skin weights times importance), leaning on its parent where the
   part's points leave it open (few points, or a twist around a straight limb).
2. Rounds of the linearised whole-body problem: all 24 rotations and the translation together, with bone
   lengths constant, so that what one part cannot follow is shared along the chain and feet and hands land
   where the targets are. Skinning is linear in the joint transforms, so in the normal equations at most 96
   made-up points stand for all real ones (`StandIns`), however many those are.
3. One shape for the take by ridge-regularised linear least squares over frames spread through it, each
   frame's pose eliminated from the equations (Schur complement), so that shape and pose do not have to wait
   for one another.

A weak pull towards the rest pose, joint by joint and axis by axis (`POSE_SIGMA`), decides what the points do
not: fingers, the twist of a straight limb, how the spine and the collars share a bend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .points import Array, Correctives, Float, PointBody, ShapedPoints, apply, matrix, rotvec

# How far (radians) a person's joint commonly leaves the T-pose about its local x, y, z (SMPL axes: x to the
# left, y up, z forward), about 1.5 times what motion libraries show. Fingers hardly, knees about one axis
# only.
POSE_SIGMA = np.array(
    [[9, 9, 9]]  # pelvis: not held
    + 2 * [[0.9, 0.45, 0.45]]  # hips
    + [[0.4, 0.2, 0.2]]  # spine1
    + 2 * [[1.1, 0.25, 0.25]]  # knees
    + [[0.25, 0.2, 0.15]]  # spine2
    + 2 * [[0.6, 0.4, 0.25]]  # ankles
    + [[0.25, 0.2, 0.15]]  # spine3
    + 2 * [[0.25, 0.03, 0.06]]  # toes
    + [[0.3, 0.4, 0.2]]  # neck
    + 2 * [[0.1, 0.2, 0.25]]  # collars
    + [[0.3, 0.4, 0.2]]  # head
    + 2 * [[0.9, 1.0, 1.0]]  # shoulders
    + 2 * [[0.6, 1.1, 0.6]]  # elbows
    + 2 * [[0.4, 0.6, 0.7]]  # wrists
    + 2 * [[0.15, 0.15, 0.15]]  # fingers
)

# Metres: how well the points of a frame together are known; sets the weight of the pull above.
POINT_SIGMA = 0.001
# Metres: the same for the shape over the take; weak shape components then stay near the average body.
SHAPE_SIGMA = 0.001
CHUNK = 64  # frames at a time: what fits a processor's cache


@dataclass(frozen=True)
class Fit:
    """A fitted take.

    Attributes:
        poses: (F,24,3) local axis-angle.  betas: (S,).  trans: (F,3) metres.
        error: (F,) importance-weighted root mean square distance of the posed points to the targets, metres.
    """

    poses: NDArray[np.float32]
    betas: NDArray[np.float32]
    trans: NDArray[np.float32]
    error: NDArray[np.float32]


def fit_take(
    body: PointBody,
    targets: Array,
    *,
    betas: Array | None = None,
    rounds: int = 3,
    shape_frames: int = 150,
    shape_rounds: int = 3,
    shape_sigma: float = SHAPE_SIGMA,
    point_sigma: float = POINT_SIGMA,
) -> Fit:
    """Pose and translation of every frame and one shape for the take.

    Args:
        body: the model reduced to the N points.
        targets: (F,N,3) metres, any common axes; every value finite.
        betas: (S,) a known shape; None estimates it from `shape_frames` frames spread over the take.
        rounds: whole-body rounds per frame (3 are converged to below 0.1 mm on clean input).
    """
    targets = np.asarray(targets)
    if betas is None:
        chosen = np.unique(np.linspace(0, len(targets) - 1, min(len(targets), shape_frames)).astype(int))
        shape = fit_shape(
            body, targets[chosen], rounds=shape_rounds, shape_sigma=shape_sigma, point_sigma=point_sigma
        )
    else:
        shape = np.asarray(betas, dtype=np.float64)
    poses, trans, error = fit_frames(body, targets, shape, rounds=rounds, point_sigma=point_sigma)
    return Fit(poses, shape.astype(np.float32), trans, error)


def fit_frames(
    body: PointBody, targets: Array, betas: Array, *, rounds: int = 3, point_sigma: float = POINT_SIGMA
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Poses (F,24,3), trans (F,3) and error (F,) for a known shape; frames are independent of one another."""
    shaped = body.shaped(betas)
    stand_ins = StandIns.of(shaped)
    poses = np.empty((len(targets), 24, 3), dtype=np.float32)
    trans = np.empty((len(targets), 3), dtype=np.float32)
    error = np.empty(len(targets), dtype=np.float32)
    for start in range(0, len(targets), CHUNK):
        part = slice(start, start + CHUNK)
        target = np.asarray(targets[part], dtype=np.float64)
        local, t = part_rotations(shaped, target)
        wanted = stand_ins.fold(target)
        for _ in range(rounds):
            local, t = whole_body_round(shaped, stand_ins, wanted, local, t, point_sigma)
        t, error[part] = _translation(shaped, target, local)
        poses[part], trans[part] = rotvec(local), t
    return poses, trans, error


def fit_shape(
    body: PointBody,
    targets: Array,
    *,
    rounds: int = 3,
    shape_sigma: float = SHAPE_SIGMA,
    point_sigma: float = POINT_SIGMA,
) -> Float:
    """One shape (S,) for all frames of `targets` (F,N,3), every frame's pose eliminated.

    Minimises mean over frames and points of |error|^2 / shape_sigma^2 + |betas|^2.
    """
    size = body.joint_dirs.shape[-1]
    betas = np.zeros(size)
    chunks = [slice(i, i + CHUNK) for i in range(0, len(targets), CHUNK)]
    shaped = body.shaped(betas)
    state = [part_rotations(shaped, np.asarray(targets[part], dtype=np.float64)) for part in chunks]
    for _ in range(rounds):
        shaped = body.shaped(betas)
        stand_ins = StandIns.of(shaped)
        normal = np.eye(size) * shape_sigma**2
        right = -betas * shape_sigma**2
        backward = []
        for part, (local, trans) in zip(chunks, state, strict=True):
            target = np.asarray(targets[part], dtype=np.float64)
            transforms = shaped.transforms(local)
            error = target - shaped.points(local, transforms) - trans[:, None]
            field = _shape_jacobian(body, transforms)
            levers = Levers.of(stand_ins.anchors, transforms, shaped)
            hessian = levers.hessian()
            gradient = levers.gather(stand_ins.fold(error)[..., None])[..., 0]
            cross = levers.gather(stand_ins.fold(field))
            add_pose_pull(hessian, gradient, local, transforms, point_sigma)
            solved = _solve(hessian, np.concatenate([gradient[..., None], cross], axis=-1))
            root = np.sqrt(body.importance).astype(np.float32)[:, None]
            flat = (field * root[..., None]).reshape(-1, size)
            away = (error * root).reshape(-1).astype(np.float32)
            both = ((0, 1), (0, 1))
            normal += (flat.T @ flat - np.tensordot(cross, solved[..., 1:], both)) / len(targets)
            right += (flat.T @ away - np.tensordot(cross, solved[..., 0], both)) / len(targets)
            backward.append((transforms, solved))
        change = _solve(normal, right)
        betas = betas + change
        for i, (transforms, solved) in enumerate(backward):
            step = solved[..., 0] - solved[..., 1:] @ change
            state[i] = _moved(shaped, state[i], transforms, step)
    return betas


def part_rotations(shaped: ShapedPoints, targets: Float) -> tuple[Float, Float]:
    """First estimate, part by part from the root: local rotations (F,24,3,3) and translation (F,3)."""
    body, rest = shaped.body, shaped.rest
    importance = body.importance[:, None]
    share = np.where(body.weights > 0.3, body.weights, 0.0) * importance + 1e-9 * importance  # (N,24)
    total = share.sum(0)
    rest_mean = (share.T @ rest) / total[:, None]
    frames = len(targets)
    # Weighted moments of the rest points about each part's middle; the targets' own middle drops out.
    centred = (share[:, :, None] * (rest[:, None] - rest_mean)).reshape(len(rest), 72)
    cross = (centred.T @ targets).reshape(frames, 24, 3, 3)
    cross = np.swapaxes(cross, -1, -2)  # target x rest: R maximises trace(R^T cross)
    world = np.empty((frames, 24, 3, 3))
    for j, parent in enumerate(body.parents):
        c = cross[:, j]
        if parent >= 0:
            # The parent's rotation decides what the part's own points leave open.
            lean = 0.02 * np.trace(np.abs(_rest_scatter(share[:, j], rest))) + 1e-12
            c = c + lean * world[:, parent]
        world[:, j] = nearest_rotation(c)
    local = np.empty_like(world)
    for j, parent in enumerate(body.parents):
        local[:, j] = world[:, j] if parent < 0 else np.swapaxes(world[:, parent], -1, -2) @ world[:, j]
    return local, _translation(shaped, targets, local)[0]


def nearest_rotation(matrices: Float) -> Float:
    """The rotations R (...,3,3) that maximise trace(R^T M) (Kabsch 1976), by SVD without reflection."""
    u, _, vt = np.linalg.svd(matrices)
    sign = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    u[..., :, 2] *= np.where(sign == 0, 1.0, sign)[..., None]
    return np.asarray(u @ vt)


def whole_body_round(
    shaped: ShapedPoints,
    stand_ins: StandIns,
    targets: Array,
    local: Float,
    trans: Float,
    point_sigma: float = POINT_SIGMA,
) -> tuple[Float, Float]:
    """One Gauss-Newton round over all rotations and the translation: new local (F,24,3,3) and trans (F,3).

    Args:
        targets: (F,R,3) folded to the stand-ins.
    """
    transforms = shaped.transforms(local)
    levers = Levers.of(stand_ins.anchors, transforms, shaped)
    error = targets - stand_ins.posed(local, transforms, trans)
    hessian, gradient = levers.hessian(), levers.gather(error[..., None])[..., 0]
    add_pose_pull(hessian, gradient, local, transforms, point_sigma)
    return _moved(shaped, (local, trans), transforms, _solve(hessian, gradient[..., None])[..., 0])


def _moved(
    shaped: ShapedPoints, state: tuple[Float, Float], transforms: Float, step: Float
) -> tuple[Float, Float]:
    local, trans = state
    turned = turn(local, transforms, step[:, :72].reshape(-1, 24, 3), shaped.body.parents)
    return turned, trans + step[:, 72:]


def add_pose_pull(
    hessian: Float, gradient: Float, local: Float, transforms: Float, point_sigma: float
) -> None:
    """Adds sum_j |angle_j / POSE_SIGMA_j|^2 in units of point_sigma, in place; the root is left free."""
    precision = (point_sigma / POSE_SIGMA) ** 2  # (24,3), diagonal in the joint's own axes
    precision[0] = 0.0
    angle = rotvec(local)
    # A world step w turns the parent's frame under a joint by R_parent^T w, and the angle vector by that
    # through the inverse left Jacobian of SO(3). R_parent = R_world R_local^T.
    along = inverse_left_jacobian(angle) @ local @ np.swapaxes(transforms[..., :3], -1, -2)  # (F,24,3,3)
    pulled = np.swapaxes(along, -1, -2) * precision[:, None, :]
    gradient[:, :72] -= (pulled @ angle[..., None]).reshape(len(local), 72)
    blocks = pulled @ along + 1e-9 * np.eye(3)
    for j in range(24):
        hessian[:, 3 * j : 3 * j + 3, 3 * j : 3 * j + 3] += blocks[:, j]


def inverse_left_jacobian(angle: Float) -> Float:
    """d log(exp(w) exp(angle)) / dw at w = 0, (...,3) to (...,3,3) (Sola et al. 2018, eq. 146)."""
    square = (angle**2).sum(-1)[..., None, None]
    size = np.sqrt(square)
    small = size < 1e-3
    safe = np.where(small, 1.0, size)
    factor = np.where(small, 1 / 12, 1 / safe**2 - (1 + np.cos(safe)) / (2 * safe * np.sin(safe) + 1e-12))
    k = hat(angle)
    return np.asarray(np.eye(3) - k / 2 + factor * (k @ k))


def turn(local: Float, transforms: Float, step: Float, parents: NDArray[np.int64]) -> Float:
    """Local rotations after turning every joint (and all below it) by the world-axes rotation vectors `step`
    (F,24,3).
    """
    # Long steps are cut to one radian: the linearisation says nothing beyond.
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    rotation = matrix(step / np.maximum(length, 1.0))
    new = np.empty_like(local)
    for j, parent in enumerate(parents):
        if parent < 0:
            new[:, j] = rotation[:, j] @ local[:, j]
        else:
            up = transforms[:, parent, :, :3]
            new[:, j] = np.swapaxes(up, -1, -2) @ rotation[:, j] @ up @ local[:, j]
    return new


@dataclass(frozen=True)
class StandIns:
    """R <= 96 made-up points that stand for all N points of one shape in every sum of squares.

    A posed point is its 24 x 4 anchor numbers times the joint transforms. So is a sum of squares over all
    points a quadratic form in the transforms, and the triangular factor R of the anchors, rows scaled by the
    root of their importance, has the same one: its rows are anchors of points whose importance is 1.

    Attributes:
        anchors: (24,4,R).  folding: (R,N), which takes values on the points to the stand-ins.
        correctives: the points' own, or None.  bending: (R,P) takes those of the pairs to the stand-ins.
    """

    anchors: NDArray[np.float32]
    folding: NDArray[np.float32]
    correctives: Correctives | None
    bending: NDArray[np.float32] | None

    @classmethod
    def of(cls, shaped: ShapedPoints) -> StandIns:
        body = shaped.body
        root = np.sqrt(body.importance)[:, None]
        orthogonal, triangular = np.linalg.qr(root * shaped.anchors.reshape(len(root), -1))
        folding = np.ascontiguousarray((orthogonal * root).T, dtype=np.float32)
        anchors = triangular.reshape(-1, 24, 4).transpose(1, 2, 0).astype(np.float32, order="C")
        bent = body.correctives
        return cls(anchors, folding, bent, None if bent is None else folding @ bent.gather)

    def fold(self, values: Array) -> NDArray[np.float32]:
        """Values on the points (F,N,...) to the stand-ins (F,R,...)."""
        flat = np.asarray(values, dtype=np.float32).reshape(*values.shape[:2], -1)
        return (self.folding @ flat).reshape(len(flat), -1, *values.shape[2:])

    def posed(self, local: Float, transforms: Float, trans: Float) -> NDArray[np.float32]:
        """The stand-ins (F,R,3), for local rotations, transforms and translations of F frames."""
        columns = transforms.transpose(0, 1, 3, 2).reshape(len(transforms), 96, 3).astype(np.float32)
        posed = self.anchors.reshape(96, -1).T @ columns
        posed += self.anchors[:, 3].sum(axis=0)[:, None] * trans[:, None].astype(np.float32)
        if self.correctives is not None and self.bending is not None:
            turned = self.correctives.turned(local, transforms)
            folded = self.bending @ turned.reshape(len(turned), -1)
            posed += folded.reshape(-1, *turned.shape[1:]).transpose(2, 0, 1)
        return np.asarray(posed)


@dataclass(frozen=True)
class Levers:
    """How M points answer to world-axes turns of the 24 joints and a shift of everything.

    Turning joint i by w moves a point by w x arm, its arm being the sum over joints k below i of
    w_k (T_k r - p_i).

    Attributes:
        arm: (F,24,3,M).  weight: (M,) how much of a shift a point takes part in; 1 for a real one.
    """

    arm: Array
    weight: Array

    @classmethod
    def of(cls, anchors: Array, transforms: Float, shaped: ShapedPoints) -> Levers:
        """Of points with `anchors` (24,4,M), at the pose of `transforms` (F,24,3,4); in the anchors' type."""
        arm = transforms.astype(anchors.dtype) @ anchors
        weight = anchors[:, 3].copy()
        for j in range(23, 0, -1):
            arm[:, shaped.body.parents[j]] += arm[:, j]
            weight[shaped.body.parents[j]] += weight[j]
        joints = apply(transforms, shaped.joints).astype(anchors.dtype)
        arm -= joints[..., None] * weight[:, None]
        return cls(arm, weight[0])

    def hessian(self) -> Float:
        """(F,75,75): the squared Jacobian, summed over the points."""
        frames = len(self.arm)
        flat = self.arm.reshape(frames, 72, -1)
        cross = (flat @ np.swapaxes(flat, -1, -2)).reshape(frames, 24, 3, 24, 3)
        trace = cross[:, :, 0, :, 0] + cross[:, :, 1, :, 1] + cross[:, :, 2, :, 2]
        hessian = np.empty((frames, 75, 75))
        turns = hessian[:, :72, :72].reshape(frames, 24, 3, 24, 3)  # a view
        np.negative(cross.transpose(0, 1, 4, 3, 2), out=turns)  # hat(a)^T hat(b) = (a . b) 1 - b a^T
        for axis in range(3):
            turns[:, :, axis, :, axis] += trace
        shift = hat((flat @ self.weight).reshape(frames, 24, 3)).reshape(frames, 72, 3)
        hessian[:, :72, 72:] = shift
        hessian[:, 72:, :72] = np.swapaxes(shift, -1, -2)
        hessian[:, 72:, 72:] = self.weight @ self.weight * np.eye(3)
        return hessian

    def gather(self, fields: Array) -> Float:
        """The Jacobian's transpose times vector fields on the points: (F,M,3,C) to (F,75,C)."""
        frames, points, _, count = fields.shape
        outer = self.arm.reshape(frames, 72, -1) @ fields.reshape(frames, points, -1)
        outer = outer.reshape(frames, 24, 3, 3, count)
        gathered = np.empty((frames, 75, count))
        for i, (a, b) in enumerate(((1, 2), (2, 0), (0, 1))):  # sum of x cross e from sum of x e^T
            gathered[:, i:72:3] = outer[:, :, a, b] - outer[:, :, b, a]
        gathered[:, 72:] = (self.weight @ fields.reshape(frames, points, -1)).reshape(frames, 3, count)
        return gathered


def hat(v: Float) -> Float:
    """(...,3) to the matrices (...,3,3) with hat(v) w = v x w."""
    zero = np.zeros_like(v[..., 0])
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*v.shape, 3)


def _translation(shaped: ShapedPoints, targets: Float, local: Float) -> tuple[Float, Float]:
    """Best translation (F,3) for given rotations, and the remaining weighted rms error (F,)."""
    body = shaped.body
    difference = targets - shaped.points(local, shaped.transforms(local))
    trans = body.importance @ difference
    left = difference - trans[:, None]
    return trans, np.sqrt(np.einsum("n,fna,fna->f", body.importance, left, left))


def _shape_jacobian(body: PointBody, transforms: Float) -> NDArray[np.float32]:
    """How posed points move per unit of shape, rotations fixed: (F,N,3,S).

    posed = sum_k R_k anchor_k(b) + w_k q_k(b); where the rest origin goes, q_k, is linear in b by the joints.
    """
    frames, size = len(transforms), body.joint_dirs.shape[-1]
    rotation = transforms[..., :3]
    # Posed joints per unit of shape; the root joint moves with the rest shape.
    moves = np.zeros((frames, 24, 3, size))
    moves[:, 0] = body.joint_dirs[0]
    for j, parent in enumerate(body.parents):
        if parent >= 0:
            moves[:, j] = moves[:, parent] + rotation[:, parent] @ (
                body.joint_dirs[j] - body.joint_dirs[parent]
            )
    origin = (moves - rotation @ body.joint_dirs).reshape(frames, 24, -1).astype(np.float32)
    rows = rotation.transpose(0, 2, 1, 3).reshape(frames * 3, 72).astype(np.float32)
    turned = rows @ body.anchor_dirs.transpose(1, 2, 0, 3).reshape(72, -1).astype(np.float32)
    turned = np.swapaxes(turned.reshape(frames, 3, -1, size), 1, 2)
    moved = (body.weights.astype(np.float32) @ origin).reshape(frames, -1, 3, size)
    return np.asarray(turned + moved, dtype=np.float32)


def _solve(matrices: Float, right: Float) -> Float:
    return np.asarray(np.linalg.solve(matrices, right), dtype=np.float64)


def _rest_scatter(share: Float, rest: Float) -> Float:
    mean = (share @ rest) / share.sum()
    return np.asarray(((rest - mean) * share[:, None]).T @ (rest - mean))
