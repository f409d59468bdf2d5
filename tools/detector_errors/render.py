"""Photograph the shots in rooms and fields that never repeat. Run by a Python that has `bpy`:

python tools/detector_errors/render.py SHOTS.npz FOLDER [--first 0 --last 100]

Writes one picture per frame, FOLDER/00000.png, and FOLDER/00000.npz with `behind` (33,): by how many metres
the body's own surface lies before each true point, and `covered` (33,): whether an object does.

Workbench draws: without a GPU, Cycles took thirty times longer for four samples a pixel. Textures are vertex
colours.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

FLIP = np.array([1.0, -1.0, -1.0])  # camera axes → Blender's, whose camera looks along -z


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shots", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=1 << 30)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with np.load(args.shots, allow_pickle=False) as data:
        shots = {name: data[name] for name in data.files}
    order = np.random.default_rng(0).permutation(len(shots["focal"]))  # a part of the work is a fair sample
    for index in order[args.first : args.last]:
        frames = np.flatnonzero(shots["shot"] == index)
        if (args.folder / f"{frames[-1]:05d}.npz").exists():
            continue
        Stage(shots, index, frames).film(args.folder)


class Stage:
    """One shot's scene."""

    def __init__(self, shots: dict[str, Any], index: int, frames: Any) -> None:
        self.rng = np.random.default_rng(shots["seed"][index])
        self.shots, self.index, self.frames = shots, index, frames
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        self.vertices = shots["vertices"][frames] * FLIP
        self.up = shots["up"][index] * FLIP
        self.objects: list[tuple[Any, Any]] = []
        self._camera()
        self._body()
        self._surroundings()
        self._light()

    def film(self, folder: Path) -> None:
        objects = [BVHTree.FromPolygons(v.tolist(), f) for v, f in self.objects]
        triangles = self.shots["triangles"].tolist()
        for frame, vertices in zip(self.frames, self.vertices, strict=True):
            self._move(vertices)
            self.scene.render.filepath = str((folder / f"{frame:05d}.png").resolve())
            bpy.ops.render.render(write_still=True)
            body = BVHTree.FromPolygons(vertices.tolist(), triangles)
            behind, covered = np.zeros(33, np.float32), np.zeros(33, bool)
            for i, point in enumerate(self.shots["landmarks"][frame] * FLIP):
                away = float(np.linalg.norm(point))
                ray = Vector(point / away)
                hit = body.ray_cast(Vector(), ray)[3]
                behind[i] = max(away - hit, 0.0) if hit is not None else 0.0
                covered[i] = any(tree.ray_cast(Vector(), ray, away)[3] is not None for tree in objects)
            np.savez(folder / f"{frame:05d}.npz", behind=behind, covered=covered)

    def _camera(self) -> None:
        width, height = (int(v) for v in self.shots["size"][self.index])
        camera = bpy.data.cameras.new("camera")
        camera.sensor_fit, camera.sensor_width = "HORIZONTAL", 36.0
        camera.lens = 36.0 * float(self.shots["focal"][self.index]) / width
        camera.clip_start, camera.clip_end = 0.02, 200.0
        self.scene.camera = bpy.data.objects.new("camera", camera)
        self.scene.collection.objects.link(self.scene.camera)
        render = self.scene.render
        render.engine, render.resolution_x, render.resolution_y = "BLENDER_WORKBENCH", width, height
        render.resolution_percentage = 100
        render.threads_mode, render.threads = "FIXED", 1
        render.image_settings.file_format = "PNG"
        render.image_settings.color_mode = "RGB"
        self.scene.view_settings.view_transform = "Standard"
        self.scene.view_settings.exposure = self.rng.uniform(0.1, 1.6)

    def _body(self) -> None:
        mesh = bpy.data.meshes.new("body")
        mesh.from_pydata(self.vertices[0].tolist(), [], self.shots["triangles"].tolist())
        mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), bool))
        paint = mesh.color_attributes.new("paint", "BYTE_COLOR", "POINT")
        colours = np.ones((len(mesh.vertices), 4), np.float32)
        colours[:, :3] = self.shots["colours"][self.index] / 255.0
        paint.data.foreach_set("color_srgb", colours.ravel())
        mesh.color_attributes.active_color = paint
        self.body = mesh
        self.scene.collection.objects.link(bpy.data.objects.new("body", mesh))

    def _move(self, vertices: Any) -> None:
        corners = vertices[self.shots["triangles"]]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normal = np.zeros_like(vertices)
        for corner in range(3):
            np.add.at(normal, self.shots["triangles"][:, corner], across)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
        dressed = vertices + normal * self.shots["offsets"][self.index][:, None]
        self.body.vertices.foreach_set("co", dressed.astype(np.float32).ravel())
        self.body.update()

    def _surroundings(self) -> None:
        rng, middle = self.rng, self.vertices.mean((0, 1))
        up = self.up
        forward = np.array([0.0, 0.0, -1.0])
        forward = forward - (forward @ up) * up
        forward /= np.linalg.norm(forward) + 1e-9
        side = np.cross(forward, up)
        ground = middle + (float(self.shots["floor"][self.index]) - middle @ up) * up
        if self.shots["floor"][self.index] < -0.1:  # else the camera would look through it from below
            self._quad(ground, side * 30, forward * 30, rng.uniform(0.5, 6), 140, 0.06)
        if rng.random() < 0.7:
            away = ground + forward * rng.uniform(0.8, 4)
            turn = rng.normal(0, 0.3)
            along = np.cos(turn) * side + np.sin(turn) * forward
            self._quad(away, along * 20, up * 20, rng.uniform(0.5, 6), 140, 0.06)
        for _ in range(rng.integers(0, 9)):
            where = ground + side * rng.normal(0, 1.5) + forward * rng.uniform(0.5, 4)
            self._box(where, rng.uniform(0.15, 1.2, 3), up, forward, rng)
        if rng.random() < 0.25:
            target = self.shots["landmarks"][self.frames[0], rng.integers(33)] * FLIP
            where = target * rng.uniform(0.55, 0.85)
            if np.linalg.norm(where - middle) > 0.5:
                self._box(where - 0.2 * up, rng.uniform(0.05, 0.35, 3), up, forward, rng)

    def _paint(self, scale: float) -> Any:
        """A colouring of points (N,2) in metres → (N,3) in 0 to 1."""
        rng = self.rng
        kind = rng.choice(["plain", "noise", "noise", "checker", "brick", "stripes"])
        first, second = rng.uniform(0.1, 0.9, (2, 1)) + rng.uniform(0, 0.25) * rng.normal(0, 1, (2, 3))
        second = first + (second - first) * rng.uniform(0.1, 1)
        waves = rng.normal(0, scale, (8, 2))
        phases = rng.uniform(0, 6.3, 8)

        def paint(points: Any) -> Any:
            noise = np.sin(points @ waves.T + phases).mean(1)
            if kind == "noise":
                share = 0.5 + noise
            elif kind == "checker":
                share = np.floor(points * scale).sum(1) % 2
            elif kind == "brick":
                row = np.floor(points[:, 1] * scale)
                joint = np.stack([points[:, 0] * scale / 2 + 0.5 * (row % 2), points[:, 1] * scale], 1) % 1
                share = (joint < 0.12).any(1)
            elif kind == "stripes":
                share = (np.sin(points[:, 0] * scale * 3) > 0) * 1.0
            else:
                share = np.zeros(len(points))
            share = np.clip(share, 0, 1)[:, None]
            return np.clip(first + share * (second - first) + 0.04 * noise[:, None], 0, 1)

        return paint

    def _quad(self, centre: Any, along: Any, across: Any, scale: float, cells: int, warp: float) -> None:
        """A painted rectangle of `cells` squared faces, the finest in the middle."""
        steps = np.linspace(-1, 1, cells + 1)
        steps = (1 - warp) * steps**3 + warp * steps
        a, b = (v.ravel() for v in np.meshgrid(steps, steps))
        corners = centre + a[:, None] * along + b[:, None] * across
        first = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
        faces = np.stack([first, first + 1, first + cells + 2, first + cells + 1], 1)
        flat = np.stack([a * np.linalg.norm(along), b * np.linalg.norm(across)], 1)
        self._mesh(corners, faces, self._paint(scale)(flat))

    def _box(self, centre: Any, size: Any, up: Any, forward: Any, rng: Any) -> None:
        turn = rng.uniform(0, 3.14)
        side = np.cross(forward, up)
        axes = np.stack([np.cos(turn) * side + np.sin(turn) * forward, np.zeros(3), up])
        axes[1] = np.cross(axes[2], axes[0])
        half = size / 2
        centre = centre + half[2] * up
        for axis in range(3):
            for sign in (-1, 1):
                one, two = (
                    axes[(axis + 1) % 3] * half[(axis + 1) % 3],
                    axes[(axis + 2) % 3] * half[(axis + 2) % 3],
                )
                self._quad(centre + sign * half[axis] * axes[axis], one, two, rng.uniform(3, 12), 12, 1.0)
        signs = np.array([(a, b, c) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
        faces = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5)]
        self.objects.append((centre + (signs * half) @ axes, faces))

    def _mesh(self, corners: Any, faces: Any, colours: Any) -> None:
        mesh = bpy.data.meshes.new("thing")
        mesh.from_pydata(corners.tolist(), [], faces.tolist())
        paint = mesh.color_attributes.new("paint", "FLOAT_COLOR", "POINT")
        opaque = np.concatenate([colours, np.ones((len(colours), 1))], 1)
        paint.data.foreach_set("color_srgb", opaque.astype(np.float32).ravel())
        mesh.color_attributes.active_color = paint
        self.scene.collection.objects.link(bpy.data.objects.new("thing", mesh))

    def _light(self) -> None:
        rng, display = self.rng, self.scene.display
        shading = display.shading
        shading.color_type, shading.light = "VERTEX", "STUDIO"
        lights = [light.name for light in bpy.context.preferences.studio_lights if light.type == "STUDIO"]
        shading.studio_light = str(rng.choice(sorted(lights)))
        shading.use_world_space_lighting = bool(rng.random() < 0.5)
        shading.studiolight_rotate_z = rng.uniform(-3.1, 3.1)
        shading.show_specular_highlight = bool(rng.random() < 0.3)
        shading.show_shadows, shading.shadow_intensity = bool(rng.random() < 0.15), rng.uniform(0.2, 0.6)
        shading.show_cavity, shading.cavity_type = bool(rng.random() < 0.5), "BOTH"
        shading.show_object_outline = False
        display.light_direction = Vector(rng.normal(0, 0.6, 3) + np.array([0, 0, 0.4]) + self.up).normalized()
        display.render_aa = "FXAA"
        far = 40.0
        reach = far * 0.6 * max(self.shots["size"][self.index]) / self.shots["focal"][self.index]
        self._quad(
            np.array([0, 0, -far]),
            np.array([reach, 0, 0]),
            np.array([0, reach, 0]),
            rng.uniform(0.05, 1),
            60,
            1,
        )


if __name__ == "__main__":
    main()
