"""What is photographed: people, clothes and cameras, as arrays for Blender.

python -m tools.detector_errors.shots MOTIONS.npz SHOTS.npz --singles 400 --clips 40

S shots with F frames in all. Camera axes: x right, y down, z forward, metres, the camera at the origin.

    shot (F,)                  which shot a frame belongs to; frames of a clip are 1/30 s apart
    vertices (F,V,3)           the posed skin;  landmarks (F,33,3) the true points
    colours (S,V,3) uint8      paint;  offsets (S,V) metres of cloth and hair over the skin
    focal (S,) px, size (S,2)  width and height;  up (S,3) and floor (S,): points with up · x = floor
    triangles (T,3), seed (S,)
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine.body.model import BodyModel
from engine.body.rotations import axis_angle_from_matrix
from engine.train.motions import MotionSet, load_motions
from engine.train.synthesis import Synthesis, draw_cameras, draw_rotations

Array = npt.NDArray[Any]

CLIP_FRAMES = 14
_SIZES = ((384, 512), (512, 384), (576, 360))
_SKIN = ((224, 172, 140), (198, 134, 98), (141, 85, 54), (92, 56, 38), (240, 200, 172))
_HAIR = ((25, 18, 14), (60, 36, 20), (120, 80, 40), (190, 160, 100), (140, 140, 140))


class Wardrobe:
    """Paints a body: skin, face, hair, shirt, trousers, shoes."""

    def __init__(self, body: BodyModel) -> None:
        self._rest = body.v_template
        self._part = body.weights.argmax(1)
        self._marks = body.landmark_regressor @ body.v_template
        self._joints = body.rest_joints(np.zeros(10, np.float32))

    def dress(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Colours (V,3) uint8 and cloth thickness (V,) metres of one random outfit."""
        rest, part = self._rest, self._part
        x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
        colour = np.empty((len(rest), 3))
        colour[:] = np.array(_SKIN[rng.integers(len(_SKIN))]) * rng.uniform(0.85, 1.1)
        offset = np.zeros(len(rest))
        hair = np.array(_HAIR[rng.integers(len(_HAIR))], float)
        self._face(colour, hair)
        if rng.random() < 0.85:
            grown = part == 15
            ear, eye, mouth = self._marks[7], self._marks[2], self._marks[9]
            low = mouth[1] - rng.choice([-0.05, 0.0, 0.1])
            scalp = grown & ((y > eye[1] + 0.05) | ((z < ear[2] - 0.005) & (y > low)))
            colour[scalp] = hair
            offset[scalp] = rng.uniform(0.004, 0.03)
        sleeve = rng.choice([0.0, 0.55, 1.0, 2.0])
        shoulder, elbow, wrist = (abs(self._joints[j, 0]) for j in (16, 18, 20))
        reach = np.interp(sleeve, [0, 1, 2], [shoulder, elbow, wrist])
        if rng.random() < 0.92:
            shirt = np.isin(part, (3, 6, 9, 13, 14)) | (np.isin(part, (16, 17, 18, 19)) & (x < reach))
            self._cloth(colour, offset, shirt, rng)
        knee, ankle = self._joints[4, 1], self._joints[7, 1]
        hem = rng.choice([knee + 0.25, knee, ankle + 0.08], p=[0.2, 0.25, 0.55])
        trousers = (part == 0) | (np.isin(part, (1, 2, 4, 5)) & (y > hem))
        self._cloth(colour, offset, trousers, rng)
        if rng.random() < 0.85:
            self._cloth(colour, offset, np.isin(part, (7, 8, 10, 11)), rng)
        return np.clip(colour, 0, 255).astype(np.uint8), offset.astype(np.float32)

    def _face(self, colour: Array, hair: Array) -> None:
        front = (self._part == 15) & (self._rest[:, 2] > self._marks[2, 2] - 0.03)
        for eye in self._marks[[2, 5]]:
            away = self._rest - eye
            colour[front & (np.hypot(away[:, 0], away[:, 1]) < 0.012)] = (235, 235, 230)
            colour[front & (np.hypot(away[:, 0], away[:, 1]) < 0.006)] = (40, 28, 20)
            brow = (np.abs(away[:, 0]) < 0.024) & (away[:, 1] > 0.018) & (away[:, 1] < 0.029)
            colour[front & brow] = hair
        lips = (self._rest - self._marks[[9, 10]].mean(0))[front]
        inside = (np.abs(lips[:, 0]) < 0.026) & (np.abs(lips[:, 1]) < 0.009)
        colour[np.flatnonzero(front)[inside]] = (160, 70, 70)

    def _cloth(self, colour: Array, offset: Array, where: Array, rng: np.random.Generator) -> None:
        points = self._rest[where]
        paint = rng.uniform(15, 235, 3) * rng.uniform(0.5, 1)
        other = np.clip(paint + rng.normal(0, 60, 3), 0, 255)
        wave = sum(
            np.sin(points @ rng.normal(0, rng.uniform(5, 40), 3) + rng.uniform(0, 6)) for _ in range(3)
        )
        if rng.random() < 0.4:  # stripes
            wave = np.sign(np.sin(points[:, rng.integers(2)] * rng.uniform(30, 90)))
        share = np.clip(0.5 + 0.4 * wave, 0, 1) if rng.random() < 0.5 else np.zeros(len(points))
        colour[where] = paint + share[:, None] * (other - paint)
        loose = rng.uniform(0.002, 0.022)
        folds = np.sin(points @ rng.normal(0, 25, 3)) * 0.3 + np.sin(points @ rng.normal(0, 50, 3)) * 0.2
        offset[where] = loose * (1 + folds)


def shoot(
    motions: MotionSet, singles: int, clips: int, seed: int, body: BodyModel, translation: Array
) -> dict[str, Array]:
    """Draw all shots; `motions` hold every frame (not thinned), `translation` (N,3) moves them."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    wardrobe, count = Wardrobe(body), singles + clips
    cameras, distances = draw_cameras(count, Synthesis(near=1.8, far=9.0), generator, torch.device("cpu"))
    loose = draw_rotations(motions, singles, Synthesis(recombine=0.1), generator)[:, 0].numpy()
    clip = motions.clip.numpy()
    starts = np.flatnonzero(clip[: -CLIP_FRAMES + 1] == clip[CLIP_FRAMES - 1 :])
    out: dict[str, list[Array]] = {}

    def keep(**arrays: Any) -> None:
        for name, array in arrays.items():
            out.setdefault(name, []).append(np.asarray(array))

    for index in range(count):
        betas = rng.normal(0, 1, 10).astype(np.float32)
        camera, distance = cameras[index].numpy(), float(distances[index])
        if index < singles:
            local, path = loose[index][None], np.zeros((1, 3))
        else:
            frames = rng.choice(starts) + np.arange(CLIP_FRAMES)
            local = motions.rotations[torch.from_numpy(frames)].numpy()
            path = translation[frames] - translation[frames].mean(0)
        poses = axis_angle_from_matrix(local.astype(np.float64)).astype(np.float32)
        world = body.vertices(poses, betas, path.astype(np.float32))
        vertices = world @ camera.T
        width, height = _SIZES[rng.integers(len(_SIZES))]
        share = rng.uniform(0.35, 0.95) if rng.random() < 0.8 else rng.uniform(0.9, 1.8)
        focal = float(np.clip(share * height * distance / 1.7, 0.6 * height, 2.5 * height))
        middle = (vertices.min((0, 1)) + vertices.max((0, 1))) / 2
        spread = 0.35 if rng.random() < 0.25 else 0.15
        aim = rng.uniform(-spread, spread, 2) * (width, height) / focal * distance
        place = np.array([aim[0], aim[1], max(distance, 0.4 - (vertices - middle)[..., 2].min())])
        vertices = (vertices - middle + place).astype(np.float32)
        colours, offsets = wardrobe.dress(rng)
        up = camera @ np.array([0.0, 1.0, 0.0])
        keep(
            shot=np.full(len(vertices), index),
            vertices=vertices,
            landmarks=body.landmarks(vertices),
        )
        keep(colours=colours[None], offsets=offsets[None], focal=[focal], size=[(width, height)])
        keep(up=[up], floor=[(vertices @ up).min() - 0.01], seed=[rng.integers(1 << 30)])
    arrays = {name: np.concatenate(parts) for name, parts in out.items()}
    return arrays | {"triangles": body.triangles}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("motions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--singles", type=int, default=400)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    body = BodyModel.load("open_body")
    motions = load_motions(args.motions, body, unique_only=False)
    with np.load(args.motions, allow_pickle=False) as data:
        translation = data["trans"].astype(np.float64)
    shots: dict[str, Any] = shoot(motions, args.singles, args.clips, args.seed, body, translation)
    np.savez(args.out, **shots)
    angle = math.degrees(2 * math.atan(0.5 * float(np.median(shots["size"][:, 1] / shots["focal"]))))
    print(f"{len(shots['focal'])} shots, {len(shots['shot'])} frames, median field of view {angle:.0f}°")


if __name__ == "__main__":
    main()
