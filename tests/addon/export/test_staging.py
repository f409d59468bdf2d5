"""Whatever moves a character in Blender moves it in the file: compared with what the scene itself shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from evaluate import distance, evaluated, nearest
from fbx_reader import TICKS, Fbx
from gltf_reader import Gltf
from pose2mesh_mocap.addon import actions
from pose2mesh_mocap.addon.bake.bake import COMPACT, BakeOptions
from pose2mesh_mocap.addon.export import fbx, gltf
from pose2mesh_mocap.addon.rig.character import Character, all_in
from pose2mesh_mocap.addon.scene.assemble import assemble

TOLERANCE = 2e-4  # metres: what 32-bit curves through a file cost, and far below what any defect costs
FORMATS = ("GENERIC", "UNREAL", "GLTF")


@pytest.fixture
def make(boxes: Any, box_take: Callable[..., Any], empty_file: None) -> Callable[..., Character]:
    def build(**options: Any) -> Character:
        made = assemble(box_take(**{"frames": 12, **options}), boxes, BakeOptions(COMPACT))
        return made.characters[0]

    return build


def shown() -> Any:
    """(F,V,3) the first character over the scene's range, as Blender shows it."""
    scene = bpy.context.scene
    mesh = all_in(scene)[0].mesh
    return np.array([evaluated(mesh, frame) for frame in range(scene.frame_start, scene.frame_end + 1)])


def export(folder: Path, kind: str) -> Path:
    scene = bpy.context.scene
    if kind == "GLTF":
        return gltf.export(folder / "x.glb", all_in(scene)[:1], scene)[0]
    return fbx.export(folder / "x.fbx", all_in(scene)[:1], scene, kind)[0]


def read(path: Path, name: str) -> tuple[Any, Any]:
    """(V,3) at rest and (F,V,3) in motion, in Blender's axes; asserts that the frames are the scene's."""
    file: Any = Gltf(path) if path.suffix == ".glb" else Fbx(path)
    times = file.times() if path.suffix == ".glb" else file.frame_ticks()
    seconds = times if path.suffix == ".glb" else times / TICKS
    scene = bpy.context.scene
    wanted = np.arange(scene.frame_end - scene.frame_start + 1) * scene.render.fps_base / scene.render.fps
    assert np.allclose(seconds, wanted, atol=1e-4)
    mesh = file.find(name)
    posed = [file.to_blender(file.posed(mesh, time)) for time in (None, *times.tolist())]
    return posed[0], np.array(posed[1:])


def check(folder: Path, kind: str) -> None:
    """The file holds what the scene shows, and in its rest pose the plain body where the object stands."""
    wanted, character = shown(), all_in(bpy.context.scene)[0]
    bpy.context.scene.frame_set(bpy.context.scene.frame_start)
    place = np.array(character.armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world)
    plain = np.array([vertex.co for vertex in character.mesh.data.vertices]) @ place[:3, :3].T + place[:3, 3]
    rest, moving = read(export(folder, kind), character.mesh.name)
    index = nearest(rest, plain)  # glTF splits vertices where UVs meet
    assert distance(rest, plain[index]) < TOLERANCE
    assert distance(moving, wanted[:, index]) < TOLERANCE


def empty(**curves: Any) -> Any:
    """An empty whose properties run through these values from frame 1 to 12."""
    obj = bpy.data.objects.new("empty", None)
    bpy.context.scene.collection.objects.link(obj)
    keys = actions.Curves(obj, "empty")
    for path, values in curves.items():
        keys.add_vector(path, [1, 12], np.array(values))
    return obj


def push_down(owner: Any) -> None:
    """As the NLA editor's button does."""
    animation = owner.animation_data
    action, slot = animation.action, getattr(animation, "action_slot", None)
    animation.action = None
    strip = animation.nla_tracks.new().strips.new(action.name, 1, action)
    if slot is not None:
        strip.action_slot = slot


@pytest.mark.parametrize("kind", FORMATS)
def test_a_trimmed_range_keeps_the_constant_shape(make: Any, tmp_path: Path, kind: str) -> None:
    make(frames=60)
    bpy.context.scene.frame_start = 50
    check(tmp_path, kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_frames_before_the_first_key_hold_the_first_pose(make: Any, tmp_path: Path, kind: str) -> None:
    make()
    bpy.context.scene.frame_start = -2
    check(tmp_path, kind)


def test_sparse_keys_around_the_first_frame_keep_their_curve(make: Any, tmp_path: Path) -> None:
    """Keys thinned out by an artist, with smooth curves between them."""
    character = make()
    for curve in actions.fcurves(character.armature):
        if curve.data_path.startswith("pose."):
            for frame in (10, 9, 8, 6, 5, 4, 3, 2):
                curve.keyframe_points.remove(curve.keyframe_points[frame - 1])
            for key in curve.keyframe_points:
                key.interpolation = "BEZIER"
            curve.update()
    bpy.context.scene.frame_start = 5
    check(tmp_path, "GENERIC")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_character_moved_as_an_object_stays_there(make: Any, tmp_path: Path, kind: str) -> None:
    armature = make().armature
    armature.location, armature.rotation_euler = (2, -1, 0.5), (0, 0, 0.7)
    check(tmp_path, kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_moving_parent_carries_the_character(make: Any, tmp_path: Path, kind: str) -> None:
    armature = make().armature
    armature.location = (0.3, 0, 0)
    armature.parent = empty(location=[(1, 0, 0), (2, 1, 0)], rotation_euler=[(0, 0, 0), (0, 0.2, 1)])
    check(tmp_path, kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_pushed_down_to_nla_is_exported(make: Any, tmp_path: Path, kind: str) -> None:
    character = make()
    push_down(character.armature)
    push_down(character.mesh.data.shape_keys)
    bpy.context.scene.frame_start = 5
    check(tmp_path, kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_constraints_act_in_the_file(make: Any, tmp_path: Path, kind: str) -> None:
    """On a bone and on the object, with targets that move, one of them a bone of the same armature."""
    armature = make().armature
    target = empty(location=[(0, 0, 0), (0.5, 0.5, 0)], rotation_euler=[(0, 0, 0), (0, 0, 1)])
    head = armature.pose.bones["head"].constraints.new("COPY_ROTATION")
    head.target = target
    hand = armature.pose.bones["left_hand"].constraints.new("COPY_LOCATION")
    hand.target, hand.subtarget = armature, "pelvis"
    armature.constraints.new("COPY_LOCATION").target = target
    bpy.context.scene.frame_start = 3
    check(tmp_path, kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_drivers_act_in_the_file(make: Any, tmp_path: Path, kind: str) -> None:
    mesh = make().mesh
    own = mesh.shape_key_add(name='a "smile"', from_mix=False)  # names are escaped in paths
    own.data[0].co.x += 0.5
    driver = own.driver_add("value").driver
    driver.expression = "frame / 24"
    check(tmp_path, kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_other_rotation_modes_are_understood(make: Any, tmp_path: Path, kind: str) -> None:
    armature = make().armature
    head = armature.pose.bones["head"]
    head.rotation_mode = "XYZ"
    for frame, angle in ((1, 0.0), (12, 0.5)):
        head.rotation_euler = (angle, 0, 0)
        head.keyframe_insert("rotation_euler", frame=frame)
    check(tmp_path, kind)


@pytest.mark.parametrize("kind", ["GENERIC", "UNREAL"])
def test_a_mesh_moved_under_its_armature_stays_there(make: Any, tmp_path: Path, kind: str) -> None:
    character = make()
    character.mesh.location = (0, 0, 0.5)
    wanted = shown()
    _, moving = read(export(tmp_path, kind), character.mesh.name)
    assert distance(moving, wanted) < TOLERANCE


def test_a_mesh_that_moves_beside_its_armature_is_refused(make: Any, tmp_path: Path) -> None:
    """Skin follows bones in every format: motion of the mesh itself would be lost in silence."""
    mesh = make().mesh
    actions.Curves(mesh, "away").add("location", 0, [1, 12], [0, 1])
    before = sorted(obj.name for obj in bpy.data.objects)
    with pytest.raises(RuntimeError, match=f"{mesh.name} moves beside its armature.*: move the armature"):
        export(tmp_path, "GENERIC")
    assert sorted(obj.name for obj in bpy.data.objects) == before and len(bpy.data.scenes) == 1


def test_an_armature_left_in_rest_position_is_exported_in_motion(make: Any, tmp_path: Path) -> None:
    character = make()
    wanted = shown()
    character.armature.data.pose_position = "REST"
    _, moving = read(export(tmp_path, "GENERIC"), character.mesh.name)
    assert distance(moving, wanted) < TOLERANCE


@pytest.mark.parametrize("kind", ["GENERIC", "GLTF"])
def test_a_shape_nobody_animates_is_part_of_the_rest_pose(make: Any, tmp_path: Path, kind: str) -> None:
    character = make()
    own = character.mesh.shape_key_add(name="nose", from_mix=False)
    own.data[0].co.z += 0.5
    own.value = 0.5
    wanted = shown()
    rest, moving = read(export(tmp_path, kind), character.mesh.name)
    assert distance(moving, wanted[:, nearest(moving[0], wanted[0])]) < TOLERANCE
    plain = np.array([vertex.co for vertex in character.mesh.data.vertices])
    plain[0, 2] += 0.25
    assert distance(rest, plain[nearest(rest, plain)]) < TOLERANCE


@pytest.mark.parametrize("override", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_characters_of_another_file(make: Any, tmp_path: Path, kind: str, override: bool) -> None:
    """Linked, or overridden so that they can be posed here, and then moved."""
    library = tmp_path / "library.blend"
    names = [part.name for part in (make().armature, all_in(bpy.context.scene)[0].mesh)]
    bpy.ops.wm.save_as_mainfile(filepath=str(library))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(library), link=True) as (_, linked):
        linked.objects = list(names)
    scene = bpy.context.scene
    for obj in linked.objects:
        scene.collection.objects.link(obj)
    scene.frame_start, scene.frame_end = 3, 12
    scene.render.fps, scene.render.fps_base = 30, 1.001
    if override:
        linked.objects[0].override_hierarchy_create(scene, bpy.context.view_layer)
        for obj in list(scene.collection.objects):
            if obj.library is not None:
                scene.collection.objects.unlink(obj)
        all_in(scene)[0].armature.location = (1, 0, 0)
    assert bool(all_in(scene)[0].armature.override_library) == override
    before = sorted(
        (i.name, str(i.library)) for kind in ("objects", "meshes") for i in getattr(bpy.data, kind)
    )
    check(tmp_path, kind)
    after = sorted(
        (i.name, str(i.library)) for kind in ("objects", "meshes") for i in getattr(bpy.data, kind)
    )
    assert after == before


def test_what_moves_the_character_is_left_as_it_was(make: Any, tmp_path: Path) -> None:
    character = make()
    push_down(character.armature)
    character.armature.parent = empty(location=[(0, 0, 0), (2, 1, 0)])
    character.armature.pose.bones["head"].constraints.new("COPY_ROTATION").target = character.armature.parent
    kinds = ("objects", "meshes", "armatures", "actions", "scenes", "shape_keys")
    before = {kind: sorted(item.name for item in getattr(bpy.data, kind)) for kind in kinds}
    wanted = shown()
    bpy.context.scene.frame_set(7)
    for kind in FORMATS:
        export(tmp_path, kind)
    assert {kind: sorted(item.name for item in getattr(bpy.data, kind)) for kind in kinds} == before
    assert bpy.context.scene.frame_current == 7
    assert np.array_equal(shown(), wanted)
