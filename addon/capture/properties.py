"""What the user chooses for a capture, kept with the scene."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty


class P2M_CaptureSettings(bpy.types.PropertyGroup):
    source: EnumProperty(
        name="Source",
        description="Where the footage comes from",
        items=(
            ("FILE", "File", "A video file, or an image of a numbered sequence", "FILE_MOVIE", 0),
            ("CLIP", "Clip", "A movie clip of this .blend file", "TRACKER", 1),
            ("STRIP", "Strip", "The active strip of the Video Sequencer, as it is cut there", "SEQUENCE", 2),
        ),
    )
    filepath: StringProperty(
        name="Video",
        description="A video file, or the first image of a numbered sequence",
        subtype="FILE_PATH",
    )
    clip: PointerProperty(name="Clip", description="The movie clip to capture", type=bpy.types.MovieClip)
    people: IntProperty(
        name="People",
        description="How many people to capture; others in the picture are ignored",
        default=1,
        min=1,
        soft_max=4,
        max=10,
    )
    use_height: BoolProperty(
        name="Known Height",
        description="Say how tall the main person is: a single camera cannot tell tall people from near ones",
    )
    height: FloatProperty(
        # No unit: Blender would scale it by the scene's, which is a hundredth in scenes made for Unreal.
        name="Height (m)",
        description="How tall the main person is, standing; also makes their path as long as it was",
        default=1.75,
        min=0.4,
        max=2.8,
        step=1,
        precision=2,
    )
    network: EnumProperty(
        name="Mode",
        description="How closely the engine looks at the footage",
        items=(
            ("quality", "Quality", "Most precise; looks at the frames around each frame"),
            ("light", "Fast", "Two to four times faster; less precise in depth"),
        ),
    )
    use_range: BoolProperty(name="Part of the Footage", description="Capture only some frames")
    first_frame: IntProperty(
        name="First", description="First frame of the footage to use, counted from 1", default=1, min=1
    )
    last_frame: IntProperty(
        name="Last", description="Last frame of the footage to use, counted from 1", default=250, min=1
    )
    smoothing: FloatProperty(
        name="Smoothing",
        description="0 keeps the raw motion, 1 is the usual amount, 2 is the calmest",
        default=1.0,
        min=0.0,
        max=2.0,
    )
    use_preview: BoolProperty(
        name="Live Preview", description="Show the body in the viewport while the engine works", default=True
    )
    take_folder: StringProperty(
        name="Takes Folder",
        description=(
            "Where captured takes are kept. Empty: the add-on's own folder, which Blender deletes when "
            "the add-on is uninstalled"
        ),
        subtype="DIR_PATH",
    )
