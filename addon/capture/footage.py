"""What can be captured: a video file the engine decodes itself, or images that Blender reads and hands over.

Movies always go as a path, wherever they were picked: only the engine's decoder knows their true presentation
times and rotation. Image sequences go as raw frames, read here one at a time: Blender opens every format that
artists render to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...engine.errors import EngineError
from ...engine.protocol.messages import FrameImage, FramesSource, PathSource

_NUMBERED = re.compile(r"^(?P<head>.*?)(?P<number>\d+)(?P<tail>\.[^.]+)$")


@dataclass(frozen=True)
class Footage:
    """Something to capture.

    Attributes:
        path: the video, or the first image of a sequence.
        source: what the engine is told.
        images: the files to hand over, empty for a video.
        first_frame, last_frame: the part of a video to use, inclusive; None for its end.
    """

    path: Path
    source: PathSource | FramesSource
    images: tuple[Path, ...] = ()
    first_frame: int = 0
    last_frame: int | None = None

    @property
    def name(self) -> str:
        """A short name for files and objects."""
        numbered = _NUMBERED.match(self.path.name) if self.images else None
        return (
            (numbered["head"].rstrip("._- ") if numbered else self.path.stem)
            or self.path.parent.name
            or "capture"
        )

    def trimmed(self, first: int, last: int) -> Footage:
        """Frames `first` to `last` of this footage, counted from 0, both included.

        Raises:
            EngineError: nothing is left.
        """
        if last < first:
            raise EngineError(
                f"The range ends (frame {last + 1}) before it starts ({first + 1}); correct it."
            )
        if isinstance(self.source, FramesSource):
            images = self.images[first : last + 1]
            if not images:
                raise EngineError(
                    f"The sequence has {len(self.images)} images, none after {first + 1}; correct the range."
                )
            return replace(
                self, path=images[0], source=replace(self.source, count=len(images)), images=images
            )
        end = self.first_frame + last
        return replace(
            self,
            first_frame=self.first_frame + first,
            last_frame=end if self.last_frame is None else min(end, self.last_frame),
        )

    def frames(self) -> Iterator[FrameImage] | None:
        """The frames to hand over, read as they are asked for; None for a video."""
        if not isinstance(self.source, FramesSource):
            return None
        return _read_images(self.images, self.source)


def from_file(path: str, fps: float) -> Footage:
    """A video, or the image sequence this image belongs to (`fps` is the sequence's rate).

    Raises:
        EngineError: nothing chosen, or no such file.
    """
    if not path:
        raise EngineError("No video is chosen; pick a video or the first image of a sequence.")
    file = Path(bpy.path.abspath(path)).resolve()
    if not file.is_file():
        raise EngineError(f"The file {file} does not exist; choose another.")
    if file.suffix.lower() in bpy.path.extensions_image:
        return _sequence(sequence_files(file), fps)
    return Footage(file, PathSource(str(file)))


def from_clip(clip: bpy.types.MovieClip | None, fps: float) -> Footage:
    """A movie clip of this file.

    Raises:
        EngineError: no clip chosen, or its file is missing.
    """
    if clip is None:
        raise EngineError("No movie clip is chosen; pick one, or open one in the Movie Clip Editor.")
    footage = from_file(clip.filepath, fps)
    if clip.source == "SEQUENCE" and footage.images:
        first = footage.images.index(footage.path)
        return _sequence(footage.images[first : first + max(1, clip.frame_duration)], fps)
    return footage


def from_strip(scene: bpy.types.Scene, fps: float) -> Footage:
    """The active strip of the sequencer, cut as it is cut there.

    Args:
        scene: the one in the 3D view.
        fps: its rate; images of another scene's strip are taken at that one's.

    Raises:
        EngineError: no strip is active, or it shows neither a movie nor images.
    """
    strip = active_strip(scene)
    if strip is None or strip.type not in {"MOVIE", "IMAGE"}:
        raise EngineError("No movie or image strip is active; click one in the Video Sequencer.")
    # In frames of the timeline; negative where a handle lies beyond the content. 5.1 renamed all.
    renamed = hasattr(strip, "left_handle_offset")
    before = strip.left_handle_offset if renamed else strip.frame_offset_start
    after = strip.right_handle_offset if renamed else strip.frame_offset_end
    content = (strip.duration if renamed else strip.frame_final_duration) + before + after
    # In frames of the footage, taken off for good.
    head = strip.content_trim_start if renamed else strip.animation_offset_start
    tail = strip.content_trim_end if renamed else strip.animation_offset_end
    if strip.type == "MOVIE":
        footage = from_file(strip.filepath, fps)
        frames = _movie_frames(footage.path) - head - tail
        # Blender plays movies at their own rate: a frame of the timeline may be several of the movie.
        pace = frames / content if frames > 0 and content > 0 else 1.0
        first, last = _cut(before, after, content, pace)
        return Footage(footage.path, footage.source, first_frame=head + first, last_frame=head + last)
    folder = Path(bpy.path.abspath(strip.directory)).resolve()
    files = tuple(folder / element.filename for element in strip.elements)[head:]
    first, last = _cut(before, after, content, 1.0)
    render = strip.id_data.render
    return _sequence(files[first : last + 1], fps if strip.id_data == scene else render.fps / render.fps_base)


def active_strip(scene: bpy.types.Scene) -> bpy.types.Strip | None:
    """The strip that is active in the Video Sequencer, None when none is.

    From 5.0 on each workspace chooses the scene its Sequencer edits. Strips are mostly cut in another
    workspace than the one with the 3D view: when this one and the scene have none, the others are asked.
    """
    here = bpy.context.workspace
    own, *others = [getattr(space, "sequencer_scene", None) for space in (here, *bpy.data.workspaces)]
    editors = [edited.sequence_editor for edited in (own, scene, *others) if edited is not None]
    strips = [editor.active_strip for editor in editors if editor is not None]
    return next((strip for strip in strips if strip is not None), None)


def _cut(before: float, after: float, content: float, pace: float) -> tuple[int, int]:
    """First and last frame of the footage between a strip's handles; held ones count once."""
    whole, end = round(content * pace), round((content - max(after, 0.0)) * pace)
    first = max(0, min(round(max(before, 0.0) * pace), whole - 1))
    return first, max(first, end - 1)


def _movie_frames(path: Path) -> int:
    """How many frames Blender finds in a video; 0 where it cannot say."""
    try:
        clip = bpy.data.movieclips.load(str(path), check_existing=False)
    except RuntimeError:
        return 0
    try:
        return int(clip.frame_duration)
    finally:
        bpy.data.movieclips.remove(clip)


def sequence_files(file: Path) -> tuple[Path, ...]:
    """The images numbered like this one in its folder, in order; the image alone when it has no number."""
    own = _NUMBERED.match(file.name)
    if own is None:
        return (file,)
    found = []
    for other in file.parent.iterdir():
        match = _NUMBERED.match(other.name)
        if match is not None and (match["head"], match["tail"]) == (own["head"], own["tail"]):
            found.append((int(match["number"]), other))
    return tuple(path for _, path in sorted(found))


def _sequence(files: Sequence[Path], fps: float) -> Footage:
    if not files:
        raise EngineError("The chosen strip or sequence holds no images; choose another.")
    height, width = read_image(files[0]).shape[:2]
    return Footage(files[0], FramesSource(width, height, fps, len(files)), tuple(files))


def _read_images(files: Sequence[Path], source: FramesSource) -> Iterator[FrameImage]:
    for index, file in enumerate(files):
        image = read_image(file)
        if image.shape[:2] != (source.height, source.width):
            raise EngineError(
                f"{file.name} is {image.shape[1]}×{image.shape[0]} but the sequence starts with "
                f"{source.width}×{source.height}; images of a sequence must have one size."
            )
        yield FrameImage(index, index / source.fps, image)


def read_image(file: Path) -> NDArray[np.uint8]:
    """An image as (H,W,3) uint8 RGB, top row first, through Blender's own readers.

    Raises:
        EngineError: Blender cannot read it.
    """
    try:
        image = bpy.data.images.load(str(file), check_existing=False)
    except RuntimeError as error:
        raise EngineError(
            f"The image {file} cannot be opened; check that it exists and is an image."
        ) from error
    try:
        width, height = image.size
        if width == 0 or height == 0:
            raise EngineError(
                f"The image {file} cannot be read; it is damaged or of a kind Blender does not know."
            )
        pixels = np.empty((height, width, image.channels), dtype=np.float32)
        image.pixels.foreach_get(pixels.ravel())
        is_linear = image.is_float
    finally:
        bpy.data.images.remove(image)
    colours = pixels[::-1, :, :3]
    if colours.shape[2] < 3:  # greyscale
        colours = np.repeat(colours[:, :, :1], 3, axis=2)
    if is_linear:
        colours = _srgb(colours)
    return (np.clip(colours, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _srgb(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sRGB transfer curve (IEC 61966-2-1)."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).astype(
        np.float32
    )
