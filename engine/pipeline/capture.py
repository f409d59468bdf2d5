"""A video in, a take out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from .. import __version__
from ..body.model import BodyModel
from ..errors import EngineError
from ..fit.camera import project
from ..fit.residual import Spread, full_vertices
from ..motion.quality import take_quality
from ..motion.swaps import unswap
from ..pose2d.landmarker import Landmarker, bundle_path
from ..pose2d.tracking import Tracker, Tracks
from ..protocol.take import TakeWriter
from ..video.frames import FrameSource
from .camera import camera_matrix
from .lift import Lifter, MeshLifter, choose_device
from .live import LivePreview
from .person import solve_person
from .published_lift import load_published
from .world import World, posed_joints, stand_on_ground

WEIGHTS_OF_BODY = {"open_body": "open_body_light"}
"""The network that predicts the vertices of each body that ships."""
WRITE_CHUNK = 32
"""Frames of full vertices in memory at a time."""


@dataclass(frozen=True)
class CaptureOptions:
    """What the user chose.

    Attributes:
        out: where the take goes.
        people: how many people to follow, the most prominent ones.
        device: "auto", "cpu" or "cuda".
        body: "open_body", or the name of an imported body.
        smoothing: 0 none, 1 the default.
        focal_px: focal length in pixels where it is known.
        pose_model: the 2D pose model, "full" or "heavy".
    """

    out: Path
    people: int = 1
    device: str = "auto"
    body: str = "open_body"
    smoothing: float = 1.0
    focal_px: float | None = None
    pose_model: str = "full"


@dataclass(frozen=True)
class CaptureResult:
    """What came out.

    Attributes:
        take: the file; frames, people: how many; seconds: it took.
        quality: figures of `motion.quality`, averaged over people, and "fps" frames per second.
    """

    take: Path
    frames: int
    people: int
    seconds: float
    quality: dict[str, float]


class Reporter(Protocol):
    """Who is told how it goes."""

    def started(self, frames: int | None, fps: float, width: int, height: int, device: str) -> None:
        """Once, before the first frame."""

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Often."""

    def vertices(self, frame_index: int, person: int, vertices: np.ndarray) -> None:
        """The body as it appears, (V,3) metres, camera frame."""

    def wants_vertices(self) -> bool:
        """False where nobody looks: the preview is then not computed."""

    def warning(self, text: str) -> None:
        """Something the user should know."""

    def cancelled(self) -> bool:
        """True once the user gave up."""


class Cancelled(Exception):
    """The user gave up; nothing was written."""


def capture(source: FrameSource, options: CaptureOptions, reporter: Reporter) -> CaptureResult:
    """Run every stage and write the take.

    Raises:
        EngineError: the input, the disk or the device does not allow it.
        Cancelled: the reporter said so.
    """
    began = time.perf_counter()
    lifter, body = load_models(options)
    info = source.info
    camera = camera_matrix(info, options.focal_px)
    reporter.started(info.frame_count, info.fps, info.width, info.height, lifter.device.type)

    frame_index, frame_time, tracks = detect_people(
        source, options, LivePreview(body, lifter, camera), reporter
    )
    for warning in source.warnings:
        reporter.warning(warning)
    if len(tracks.person_id) == 0:
        raise EngineError(
            "No person was found in the video: choose a part where one whole person is well visible.",
            "no_person",
        )
    if len(tracks.person_id) < options.people:
        reporter.warning(f"{options.people} people were asked for, {len(tracks.person_id)} found.")
    tracks = replace(
        tracks,
        keypoints2d=np.stack(
            [
                unswap(frame_time, *person)[0]
                for person in zip(tracks.keypoints2d, tracks.visible, strict=True)
            ]
        ),
    )

    people = []
    for number, (keypoints, visible) in enumerate(zip(tracks.keypoints2d, tracks.visible, strict=True)):

        def step(done: int, total: int, first: int = number * len(frame_time)) -> None:
            check(reporter)
            reporter.progress("body", first + done, len(tracks.person_id) * len(frame_time))

        people.append(
            solve_person(frame_time, keypoints, visible, camera, body, lifter, options.smoothing, step)
        )
    world = stand_on_ground(frame_time, people, body, camera, lock=min(options.smoothing, 1.0))
    quality = write(
        options.out, body, lifter, info.fps, frame_index, frame_time, tracks, camera, world, reporter
    )
    seconds = time.perf_counter() - began
    return CaptureResult(
        options.out, len(frame_time), len(people), seconds, {**quality, "fps": len(frame_time) / seconds}
    )


def load_models(options: CaptureOptions) -> tuple[MeshLifter, BodyModel]:
    """The network and the body it predicts: ours, or a published one for a body that the user imported."""
    device = choose_device(options.device)
    if options.body not in WEIGHTS_OF_BODY:
        return load_published(options.body, device)
    return Lifter(WEIGHTS_OF_BODY[options.body], device), BodyModel.load(options.body)


def detect_people(
    source: FrameSource, options: CaptureOptions, preview: LivePreview, reporter: Reporter
) -> tuple[np.ndarray, np.ndarray, Tracks]:
    """2D landmarks of every frame and who is who; the body appears meanwhile.

    Returns:
        frame_index (F,), frame_time (F,) s, and the tracks.
    """
    tracker = Tracker(options.people)
    index, times = [], []
    with Landmarker(options.people, bundle_path(options.pose_model)) as landmarker:
        for frame in source:
            check(reporter)
            tracker.add(landmarker.detect(frame), frame.image, partial(landmarker.look, frame))
            index.append(frame.index)
            times.append(frame.time)
            if reporter.wants_vertices() and (leader := tracker.leader()) is not None:
                reporter.vertices(frame.index, 0, preview.vertices(leader))
            reporter.progress("people", len(index), source.info.frame_count)
    if not index:
        raise EngineError("The video holds no frames: choose another file or frame range.")
    return np.asarray(index, np.int32), np.asarray(times, np.float32), tracker.tracks()


def write(
    out: Path,
    body: BodyModel,
    lifter: MeshLifter,
    fps: float,
    frame_index: np.ndarray,
    frame_time: np.ndarray,
    tracks: Tracks,
    camera: np.ndarray,
    world: World,
    reporter: Reporter,
) -> dict[str, float]:
    """Stream the take to disk; returns the quality figures averaged over people."""
    spread = Spread.of(body.v_template, body.triangles, lifter.vertex_ids)
    frames, count = len(frame_time), len(world.people)
    joints = np.stack([posed_joints(body, person) for person in world.people]).astype(np.float32)
    landmarks = np.empty((count, frames, 33, 3), np.float32)

    def vertices() -> Iterator[np.ndarray]:
        for number, person in enumerate(world.people):
            basis = spread(person.residual_basis)
            for start in range(0, frames, WRITE_CHUNK):
                check(reporter)
                part = slice(start, min(start + WRITE_CHUNK, frames))
                mesh = full_vertices(
                    body,
                    person.poses[part],
                    person.betas,
                    person.trans[part],
                    person.residual[part],
                    basis,
                )
                landmarks[number, part] = body.landmarks(mesh)
                yield mesh
                reporter.progress("write", number * frames + part.stop, count * frames)

    with TakeWriter(out) as take:
        take.add("fps", fps)
        take.add("frame_time", frame_time)
        take.add("frame_index", frame_index)
        take.add("person_id", tracks.person_id)
        take.add("visible", np.stack([person.visible for person in world.people]))
        take.add("keypoints2d", tracks.keypoints2d)
        take.stream("vertices", (count, frames, len(body.v_template), 3), vertices())
        take.add("keypoints", landmarks)
        take.add("joints", joints)
        take.add("poses", np.stack([person.poses for person in world.people]))
        take.add("betas", np.stack([person.betas for person in world.people]))
        take.add("trans", np.stack([person.trans for person in world.people]))
        take.add("contact", np.stack(world.contact))
        take.add("camera_matrix", camera)
        take.add("world_from_camera", world.world_from_camera)
        take.add("faces", body.triangles)
        take.add("body", body.name)
        take.add("weights", lifter.name)
        take.add("engine_version", __version__)
        check(reporter)
    figures = [
        take_quality(
            joints[p],
            tracks.keypoints2d[p],
            project(landmarks[p], camera),
            world.feet[p],
            world.contact[p],
            person.infilled,
        )
        for p, person in enumerate(world.people)
    ]
    return {name: float(np.mean([figure[name] for figure in figures])) for name in figures[0]}


def check(reporter: Reporter) -> None:
    """Stop here if the user gave up."""
    if reporter.cancelled():
        raise Cancelled
