"""What leaves Blender, read back by Blender's importers and by readers that share nothing with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from evaluate import distance, evaluated, largest_error, nearest, world_vertices
from fbx_reader import TICKS, Fbx
from gltf_reader import Gltf
from pose2mesh_mocap.addon.bake.bake import BONES, COMPACT, FULL, BakeOptions
from pose2mesh_mocap.addon.export import fbx, gltf
from pose2mesh_mocap.addon.scene.assemble import assemble
from pose2mesh_mocap.engine.body.model import JOINT_NAMES, BodyModel
from pose2mesh_mocap.engine.protocol import take as takes
from synthetic import take_file

MILLIMETRE = 1e-3
Figure = Callable[[str], None]


class Made:
    """A take in a scene, and what it must look like outside."""

    def __init__(self, take: Any, body: Any, mode: str) -> None:
        self.take, self.body = take, body
        made = assemble(take, body, BakeOptions(mode))
        self.characters, self.report = made.characters, made.reports[0]
        self.names = [(c.armature.name, c.mesh.name) for c in made.characters]
        self.origins = [c.frame for c in made.characters]
        self.scene = bpy.context.scene

    def rest(self, person: int = 0) -> Any:
        return self.origins[person].points(self.body.rest(self.take.betas[person]))

    def joint(self, name: str, person: int = 0) -> Any:
        index = JOINT_NAMES.index(name)
        return self.origins[person].points(self.body.rest_joints(self.take.betas[person]))[index]


@pytest.fixture
def make(boxes: Any, box_take: Callable[..., Any], empty_file: None) -> Callable[..., Made]:
    def build(mode: str = COMPACT, **options: Any) -> Made:
        return Made(box_take(**options), boxes, mode)

    return build


def reimported(path: Path, importer: Callable[..., Any], **options: Any) -> list[Any]:
    """The mesh objects of a file, imported into an empty scene, by name."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    importer(filepath=str(path), **options)
    return sorted((o for o in bpy.data.objects if o.type == "MESH"), key=lambda o: str(o.name))


def check_fbx(path: Path, made: Made, person: int = 0, mesh_name: str | None = None) -> float:
    """The independent reading of an FBX: the largest error in metres; asserts everything else."""
    file = Fbx(path)
    mesh = file.find(mesh_name or made.names[person][1])
    take = made.take
    ticks = file.frame_ticks()
    assert len(ticks) == take.frames
    assert np.abs(ticks / TICKS - np.arange(take.frames) / take.fps).max() < 1e-5
    root = file.find("root") if person == 0 else None
    if root is not None:
        assert np.abs(file.to_blender(file.world(root, None)[:3, 3])).max() < 1e-6
    for model in file.models:
        assert np.abs(file._vector(model, "Lcl Scaling", 1.0, None) - 1).max() < 2e-5
        assert (
            np.abs(file.local(model, None)[:3, :3] @ file.local(model, None)[:3, :3].T - np.eye(3)).max()
            < 1e-4
        )
    assert distance(file.to_blender(file.posed(mesh, None)), made.rest(person)) < 0.1 * MILLIMETRE
    wanted = world_vertices(take, person)
    return max(
        distance(file.to_blender(file.posed(mesh, int(t))), points)
        for t, points in zip(ticks, wanted, strict=True)
    )


def check_gltf(path: Path, made: Made, person: int = 0) -> float:
    """The independent reading of a glTF: the largest error in metres; asserts everything else."""
    file = Gltf(path)
    mesh = file.find(made.names[person][1])
    take = made.take
    times = file.times()
    assert np.abs(times - np.arange(take.frames) / take.fps).max() < 1e-4
    for node in range(len(file.nodes)):
        assert np.abs(np.array(file.nodes[node].get("scale", (1, 1, 1))) - 1).max() < 1e-5
    stored = file.to_blender(file.rest_points(mesh))
    index = nearest(stored, made.rest(person))
    assert distance(stored, made.rest(person)[index]) < 1e-5 and len(np.unique(index)) == len(
        made.rest(person)
    )
    assert distance(file.to_blender(file.posed(mesh, None)), stored) < 1e-4  # T-pose without animation
    wanted = world_vertices(take, person)[:, index]
    return max(
        distance(file.to_blender(file.posed(mesh, float(t))), points)
        for t, points in zip(times, wanted, strict=True)
    )


@pytest.mark.parametrize("preset", list(fbx.PRESETS))
@pytest.mark.parametrize("mode", [FULL, COMPACT])
def test_fbx_read_independently(make: Any, figure: Figure, tmp_path: Path, mode: str, preset: str) -> None:
    made = make(mode)
    (path,) = fbx.export(tmp_path / "a b ü.fbx", made.characters, made.scene, preset)
    error = check_fbx(path, made)
    figure(f"boxes, {mode}, FBX {preset} read independently: {1e3 * error:.4f} mm")
    assert error < made.report.error + 0.05 * MILLIMETRE


@pytest.mark.parametrize("mode", [FULL, COMPACT, BONES])
def test_gltf_read_independently(make: Any, figure: Figure, tmp_path: Path, mode: str) -> None:
    made = make(mode, ripple=0.0 if mode == BONES else 0.01)
    (path,) = gltf.export(tmp_path / "a b ü.glb", made.characters, made.scene)
    error = check_gltf(path, made)
    figure(f"boxes, {mode}, glTF read independently: {1e3 * error:.4f} mm")
    assert error < made.report.error + 0.05 * MILLIMETRE


@pytest.mark.parametrize("mode", [FULL, COMPACT])
def test_the_open_body_survives_both_formats(
    empty_file: None, figure: Figure, tmp_path: Path, mode: str
) -> None:
    """The body that ships, at its full size, with its pose correctives and a ripple in the residual."""
    body = BodyModel.load("open_body")
    frames = 12 if mode == FULL else 30  # enough for the compact form to leave something out
    file = take_file(tmp_path / "take.npz", takes, body, "open_body", frames=frames, ripple=0.005)
    made = Made(takes.Take.open(file), body, mode)
    error = max(
        distance(evaluated(made.characters[0].mesh, frame), points)
        for frame, points in enumerate(world_vertices(made.take), 1)
    )
    assert error < (0.1 if mode == FULL else 1.0) * MILLIMETRE
    (path,) = fbx.export(tmp_path / "x.fbx", made.characters, made.scene)
    (glb,) = gltf.export(tmp_path / "x.glb", made.characters, made.scene)
    errors = check_fbx(path, made), check_gltf(glb, made)
    figure(
        f"open body, {mode}: {made.report.keys} keys, {1e3 * error:.4f} mm in Blender, "
        f"{1e3 * errors[0]:.4f} mm in the FBX, {1e3 * errors[1]:.4f} mm in the glTF"
    )
    assert max(errors) < (0.1 if mode == FULL else 1.0) * MILLIMETRE


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 60.0, 24000 / 1001, 12.5])
def test_times_are_the_videos(make: Any, tmp_path: Path, fps: float) -> None:
    made = make(BONES, ripple=0.0, fps=fps)
    assert made.scene.render.fps / made.scene.render.fps_base == pytest.approx(fps, rel=1e-6)
    (path,) = fbx.export(tmp_path / "x.fbx", made.characters, made.scene)
    assert check_fbx(path, made) < 0.05 * MILLIMETRE
    (path,) = gltf.export(tmp_path / "x.glb", made.characters, made.scene)
    assert check_gltf(path, made) < 0.05 * MILLIMETRE


@pytest.mark.parametrize("mode", [FULL, COMPACT])
def test_fbx_through_blenders_importer(make: Any, figure: Figure, tmp_path: Path, mode: str) -> None:
    made = make(mode, fps=25.0)  # at 29.97 this importer itself stretches time: it forgets fps_base
    wanted, frames = world_vertices(made.take), made.take.frames
    (path,) = fbx.export(tmp_path / "x.fbx", made.characters, made.scene)
    (mesh,) = reimported(path, bpy.ops.import_scene.fbx)
    armature = mesh.find_armature()
    assert tuple(round(s, 6) for s in (*armature.scale, *mesh.scale)) == (1,) * 6
    assert abs(armature.data.bones["root"].head_local.z) < 1e-6
    scene = bpy.context.scene
    assert scene.render.fps / scene.render.fps_base == pytest.approx(made.take.fps, rel=1e-6)
    # The importer's own default puts time 0 on frame 1, where the take's first frame was.
    error = largest_error(mesh, wanted)
    figure(f"boxes, {mode}, FBX imported by Blender: {1e3 * error:.4f} mm over {frames} frames")
    assert error < made.report.error + 0.1 * MILLIMETRE


def test_fbx_through_blenders_second_importer(make: Any, figure: Figure, tmp_path: Path) -> None:
    if not hasattr(bpy.ops.wm, "fbx_import") or bpy.app.version < (4, 5, 0):
        pytest.skip("the C++ importer came with 4.5")
    made = make(COMPACT)
    wanted = world_vertices(made.take)
    (path,) = fbx.export(tmp_path / "x.fbx", made.characters, made.scene)
    (mesh,) = reimported(path, bpy.ops.wm.fbx_import)
    error = largest_error(mesh, wanted)
    figure(f"boxes, COMPACT, FBX imported by Blender's C++ importer: {1e3 * error:.4f} mm")
    assert error < made.report.error + 0.1 * MILLIMETRE


def test_gltf_through_blenders_importer(make: Any, figure: Figure, tmp_path: Path) -> None:
    made = make(COMPACT, fps=25.0)  # the importer reads broken rates wrongly, as the exporter writes them
    wanted = world_vertices(made.take)
    rest = made.rest()
    (path,) = gltf.export(tmp_path / "x.glb", made.characters, made.scene)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.scene.render.fps = 25
    bpy.ops.import_scene.gltf(filepath=str(path))
    mesh = next(o for o in bpy.data.objects if o.type == "MESH" and o.find_armature() is not None)
    basis = np.array([v.co for v in mesh.data.vertices])
    index = nearest(basis, rest)
    error = largest_error(mesh, wanted[:, index], first=0)
    figure(f"boxes, COMPACT, glTF imported by Blender: {1e3 * error:.4f} mm")
    assert error < made.report.error + 0.1 * MILLIMETRE


def test_several_people(make: Any, tmp_path: Path) -> None:
    made = make(COMPACT, people=2)
    (path,) = fbx.export(tmp_path / "x.fbx", made.characters, made.scene)
    (glb,) = gltf.export(tmp_path / "x.glb", made.characters, made.scene)
    apart = fbx.export(tmp_path / "x.fbx", made.characters, made.scene, "UNREAL")
    assert [p.name for p in apart] == ["x_person_1.fbx", "x_person_2.fbx"]
    for person in range(2):
        for error in (
            check_fbx(apart[person], made, person),
            check_gltf(glb, made, person),
        ):
            assert error < made.report.error + 0.05 * MILLIMETRE
    file = Fbx(path)
    assert sum(name == "root" for name in file.name.values()) >= 2


def test_the_rest_pose_is_a_t_pose_on_the_floor(make: Any, tmp_path: Path) -> None:
    made = make(COMPACT)
    (path,) = fbx.export(tmp_path / "x.fbx", made.characters, made.scene)
    file = Fbx(path)
    place = {name: file.to_blender(file.world(file.find(name), None)[:3, 3]) for name in JOINT_NAMES}
    for name, point in place.items():
        assert distance(point, made.joint(name)) < 1e-5
    mesh = file.to_blender(file.posed(file.find(made.names[0][1]), None))
    assert abs(mesh[:, 2].min()) < 1e-5
    for side, sign in (("left", 1), ("right", -1)):
        arm = place[f"{side}_wrist"] - place[f"{side}_shoulder"]
        assert sign * arm[0] > 0.99 * np.linalg.norm(arm)  # straight out, left on +X
        assert place[f"{side}_foot"][1] < place[f"{side}_ankle"][1]  # facing -Y


def test_unreal_gets_centimetres_and_its_root_first(make: Any, tmp_path: Path) -> None:
    made = make(COMPACT)
    (path,) = fbx.export(tmp_path / "x.fbx", made.characters, made.scene, "UNREAL")
    file = Fbx(path)
    assert file.settings["UnitScaleFactor"] == pytest.approx(1.0, abs=1e-6)
    root = file.find("root")
    above = file.parent_model(root)
    assert above is not None and file.name[above] == "Armature" and file.kind[above][1] == "Null"
    stored = file.rest_points(file.find(made.names[0][1]))
    assert np.ptp(stored[:, 2]) == pytest.approx(100 * np.ptp(made.rest()[:, 2]), rel=1e-5)


def test_exporting_leaves_the_scene_as_it_was(make: Any, tmp_path: Path) -> None:
    made = make(COMPACT, people=2)
    made.scene.frame_set(7)
    kinds = ("objects", "meshes", "armatures", "actions", "scenes", "shape_keys", "materials", "collections")

    def names() -> dict[str, list[str]]:
        return {kind: sorted(item.name for item in getattr(bpy.data, kind)) for kind in kinds}

    before = names()
    fbx.export(tmp_path / "x.fbx", made.characters, made.scene, "UNREAL")
    gltf.export(tmp_path / "x.glb", made.characters, made.scene)
    assert names() == before
    assert bpy.context.scene == made.scene and made.scene.frame_current == 7
    assert largest_error(made.characters[0].mesh, world_vertices(made.take)) < MILLIMETRE


def test_a_failed_export_leaves_the_scene_too(make: Any, tmp_path: Path) -> None:
    made = make(COMPACT)
    before = sorted(o.name for o in bpy.data.objects)
    with pytest.raises((RuntimeError, OSError)):
        fbx.export(tmp_path / "no such folder" / "x.fbx", made.characters, made.scene)
    assert sorted(o.name for o in bpy.data.objects) == before
    assert len(bpy.data.scenes) == 1


def test_an_artists_changes_come_along(make: Any, tmp_path: Path) -> None:
    """Extra modifiers and hidden objects do not cost the shape keys."""
    made = make(COMPACT)
    character = made.characters[0]
    character.mesh.modifiers.new("Subdivision", "SUBSURF")
    character.armature.hide_set(True)
    (path,) = fbx.export(tmp_path / "x.fbx", made.characters, made.scene)
    assert check_fbx(path, made) < made.report.error + 0.05 * MILLIMETRE
