"""A video in, a take out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from .. import __version__
from ..body.model import BodyModel
from ..errors import EngineError
from ..fit.camera import project
from ..fit.points import PointBody
from ..fit.residual import Spread, full_vertices
from ..motion.quality import take_quality
from ..motion.swaps import unswap
from ..pose2d.landmarker import Landmarker, bundle_path
from ..pose2d.tracking import Tracker, Tracks, Window
from ..pose2mesh.devices import choose_device
from ..protocol.take import TakeWriter, check_room
from ..video.frames import Frame, FrameSource
from .camera import camera_matrix
from .lift import Lifter, MeshLifter
from .live import LivePreview
from .person import solve_person
from .published_lift import load_published
from .stopwatch import Stopwatch
from .world import World, posed_joints, stand_on_ground

NETWORKS = {"quality": "open_body_quality", "light": "open_body_light"}
"""The weights that ship for the open body: the first looks at the frames around each frame, too."""
POSE_MODELS = {"quality": "best", "light": "full"}
"""The 2D pose model that goes with each network: depth is read off small differences in the picture."""
HEIGHTS = 0.4, 2.8
"""Metres: people are at least and at most so tall."""
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
        height: standing height in metres of the most prominent person, where it is known: one picture cannot
            tell whether somebody is large or near.
        pose_model: "full", "heavy", or "best", which is heavy on every frame and on its mirror image; None
            takes the one that goes with the network.
        network: one of `NETWORKS`; an imported body has its own.

    Raises:
        EngineError: there is no such network, or nobody is that tall.
    """

    out: Path
    people: int = 1
    device: str = "auto"
    body: str = "open_body"
    smoothing: float = 1.0
    focal_px: float | None = None
    height: float | None = None
    pose_model: str | None = None
    network: str = "quality"

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise EngineError(f"There is no network {self.network!r}; choose one of {', '.join(NETWORKS)}.")
        shortest, tallest = HEIGHTS
        if self.height is not None and not shortest <= self.height <= tallest:
            raise EngineError(
                f"Nobody is {self.height:g} m tall: give the height in metres, such as 1.75, or leave it out."
            )

    def landmarker(self) -> Landmarker:
        """The 2D pose model, ready to run; see `Landmarker` for what can go wrong."""
        model = self.pose_model or POSE_MODELS[self.network]
        best = model == "best"
        return Landmarker(self.people, bundle_path("heavy" if best else model), mirrored=best)


@dataclass(frozen=True)
class CaptureResult:
    """What came out.

    Attributes:
        take: the file; frames, people: how many; seconds: it took.
        quality: figures of `motion.quality`, averaged over people, and "fps" frames per second.
        stages: seconds of every stage; their sum is `seconds`.
    """

    take: Path
    frames: int
    people: int
    seconds: float
    quality: dict[str, float]
    stages: dict[str, float]


@dataclass(frozen=True)
class Models:
    """What a capture needs and no video changes.

    Attributes:
        lifter: the network; body: what it predicts.
        points: the body reduced to the network's vertices and its landmarks.
        spread: from the network's vertices to all of them.
    """

    lifter: MeshLifter
    body: BodyModel
    points: PointBody
    spread: Spread


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
    watch = Stopwatch()
    info = source.info
    camera = camera_matrix(info, options.focal_px)
    device = choose_device(options.device)
    check_room(options.out, info.frame_count)
    reporter.started(info.frame_count, info.fps, info.width, info.height, device.type)

    with ThreadPoolExecutor(1) as beside:
        # The first people are detected while the models are loaded.
        loading = beside.submit(load_models, options.body, options.network, device)
        frame_index, frame_time, tracks = detect_people(source, options, loading, camera, reporter, watch)
        with watch("models"):
            models = loading.result()
    for warning in source.warnings:
        reporter.warning(warning)
    if len(tracks.person_id) == 0:
        raise EngineError(
            "No person was found in the video: choose a part where one whole person is well visible.",
            "no_person",
        )
    if len(tracks.person_id) < options.people:
        reporter.warning(f"{options.people} people were asked for, {len(tracks.person_id)} found.")
    with watch("track"):
        seen = zip(tracks.keypoints2d, tracks.visible, strict=True)
        tracks = replace(tracks, keypoints2d=np.stack([unswap(frame_time, *person)[0] for person in seen]))

    people = []
    for number, (keypoints, visible) in enumerate(zip(tracks.keypoints2d, tracks.visible, strict=True)):

        def step(done: int, total: int, first: int = number * len(frame_time)) -> None:
            check(reporter)
            reporter.progress("body", first + done, len(tracks.person_id) * len(frame_time))

        with watch("body"):
            people.append(
                solve_person(
                    frame_time,
                    keypoints,
                    visible,
                    camera,
                    models.points,
                    models.lifter,
                    options.smoothing,
                    step,
                    watch,
                    partial(known_size, models.body, options.height)
                    if number == 0 and options.height
                    else None,
                )
            )
    with watch("world"):
        world = stand_on_ground(
            frame_time,
            people,
            models.body,
            camera,
            lock=min(options.smoothing, 1.0),
            progress=lambda done: check(reporter),
        )
    with watch("write"):
        quality = write(
            options.out, models, info.fps, frame_index, frame_time, tracks, camera, world, reporter, watch
        )
    seconds = time.perf_counter() - began
    quality = {**quality, "fps": len(frame_time) / seconds}
    stages = {**watch.seconds, "other": seconds - sum(watch.seconds.values())}
    return CaptureResult(options.out, len(frame_time), len(people), seconds, quality, stages)


def known_size(body: BodyModel, height: float, betas: np.ndarray) -> float:
    """The factor that makes somebody of this shape (10,) `height` metres tall."""
    return height / body.stature(betas)


def load_models(name: str, network: str, device: torch.device) -> Models:
    """The body of this name and the network that predicts it: ours, or a published one for a body that the
    user imported.
    """
    lifter: MeshLifter
    if name == "open_body":
        lifter, body = Lifter(NETWORKS[network], device), BodyModel.load(name)
    else:
        lifter, body = load_published(name, device)
    return Models(
        lifter,
        body,
        PointBody.of(body, lifter.vertex_ids, landmarks=True),
        Spread.of(body.v_template, body.triangles, lifter.vertex_ids),
    )


def detect_people(
    source: FrameSource,
    options: CaptureOptions,
    loading: Future[Models],
    camera: np.ndarray,
    reporter: Reporter,
    watch: Stopwatch,
) -> tuple[np.ndarray, np.ndarray, Tracks]:
    """2D landmarks of every frame and who is who; the body appears meanwhile.

    Args:
        loading: the models that show the body; where they cannot be loaded, this ends too.

    Returns:
        frame_index (F,), frame_time (F,) s, and the tracks.
    """
    tracker = Tracker(options.people)
    preview = None
    index, times = [], []
    with watch("pose2d"):
        landmarker = options.landmarker()

    def look(frame: Frame, window: Window) -> np.ndarray:
        with watch("look"):
            return landmarker.look(frame, window)

    with landmarker:
        for frame in watch.each("decode", source):
            check(reporter)
            if loading.done():
                loading.result()
            with watch("pose2d"):
                found = landmarker.detect(frame)
            with watch("track"):
                tracker.add(found, frame.image, partial(look, frame))
            index.append(frame.index)
            times.append(frame.time)
            if reporter.wants_vertices() and (leader := tracker.leader()) is not None:
                with watch("preview"):
                    models = loading.result()
                    preview = preview or LivePreview(models.body, models.points, models.lifter, camera)
                    reporter.vertices(frame.index, 0, preview.vertices(leader))
            reporter.progress("people", len(index), source.info.frame_count)
    if not index:
        raise EngineError("The video holds no frames: choose another file or frame range.")
    return np.asarray(index, np.int32), np.asarray(times), tracker.tracks()


def write(
    out: Path,
    models: Models,
    fps: float,
    frame_index: np.ndarray,
    frame_time: np.ndarray,
    tracks: Tracks,
    camera: np.ndarray,
    world: World,
    reporter: Reporter,
    watch: Stopwatch,
) -> dict[str, float]:
    """Stream the take to disk; returns the quality figures averaged over people."""
    body = models.body
    frames, count = len(frame_time), len(world.people)
    joints = np.stack([posed_joints(body, person) for person in world.people]).astype(np.float32)
    landmarks = np.empty((count, frames, 33, 3), np.float32)

    def vertices() -> Iterator[np.ndarray]:
        for number, person in enumerate(world.people):
            with watch("mesh"):
                basis = models.spread(person.residual_basis)
            for start in range(0, frames, WRITE_CHUNK):
                check(reporter)
                part = slice(start, min(start + WRITE_CHUNK, frames))
                with watch("mesh"):
                    moved = person.poses[part], person.betas, person.trans[part], person.residual[part]
                    mesh = full_vertices(body, *moved, basis)
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
        take.add("weights", models.lifter.name)
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
