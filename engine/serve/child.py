"""One capture on behalf of the add-on: `python -m engine serve`."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import EngineError, out_of_memory
from ..protocol import messages
from ..protocol.framing import ProtocolError
from ..video.frames import FrameSource, VideoInfo
from .report import WireReporter
from .watch import EXIT_CANCELLED, EXIT_FAILED, EXIT_OK, EXIT_ORPHAN, Watch
from .wire import Wire

CaptureFunction = Callable[[FrameSource, messages.Capture, WireReporter], messages.Result]


class Stopped(Exception):
    """The capture function obeyed a cancel."""


def serve(capture: CaptureFunction | None = None) -> int:
    """Shake hands, run one capture, say how it ended.

    Args:
        capture: the pipeline; another one in tests. Raises `Stopped` when the reporter said `cancelled`.

    Returns:
        The exit code: 0 with a `Result` sent, 1 with an `Error`, 3 with `Cancelled`, 4 when the add-on is
        gone.
    """
    wire = Wire.claim()
    try:
        return _serve(wire, capture or run_pipeline)
    except OSError:  # nobody reads any more
        return EXIT_ORPHAN


def _serve(wire: Wire, capture: CaptureFunction) -> int:
    watch = None
    try:
        job = _handshake(wire)
        if job is None:
            return EXIT_ORPHAN
        watch = Watch(wire, Path(job.out))
        result = capture(_source(job, watch), job, WireReporter(wire, watch.cancelled.is_set))
    except EngineError as error:
        if watch is not None and watch.cancelled.is_set():  # which ends the frames that are handed over, too
            wire.send(messages.Cancelled())
            return EXIT_CANCELLED
        wire.send(messages.Error(error.text, error.kind))
        return EXIT_FAILED
    except Stopped:
        wire.send(messages.Cancelled())
        return EXIT_CANCELLED
    except BrokenPipeError:
        return EXIT_ORPHAN
    except Exception as error:
        traceback.print_exc()
        text = f"The engine failed unexpectedly ({type(error).__name__}: {error}); its log has the details."
        known = out_of_memory(error) or EngineError(text, "internal")
        wire.send(messages.Error(known.text, known.kind))
        return EXIT_FAILED
    wire.send(result)
    return EXIT_OK


def _handshake(wire: Wire) -> messages.Capture | None:
    """The job, None when the add-on left before naming one."""
    hello = wire.receive()
    if hello is None:
        return None
    if not isinstance(hello, messages.Hello):
        raise ProtocolError("The first message must be a hello; update the add-on and the engine together.")
    if hello.protocol != messages.PROTOCOL_VERSION:
        raise ProtocolError(
            f"The add-on speaks protocol {hello.protocol} and the engine {messages.PROTOCOL_VERSION};"
            " update both together."
        )
    wire.send(messages.Hello(messages.PROTOCOL_VERSION, __version__, os.getpid()))
    job = wire.receive()
    if job is None:
        return None
    if isinstance(job, messages.Cancel):
        raise Stopped
    if not isinstance(job, messages.Capture):
        raise ProtocolError(
            f"A capture must come first, not {job.type!r}; update the add-on and the engine together."
        )
    if job.people < 1:
        raise EngineError(f"{job.people} people cannot be captured; ask for one or more.")
    return job


def _source(job: messages.Capture, watch: Watch) -> FrameSource:
    source = job.source
    if isinstance(source, messages.PathSource):
        from ..video.decode import VideoFile

        return VideoFile(Path(source.path), job.first_frame, job.last_frame)
    from ..video.piped import PipedFrames

    if min(source.width, source.height) < 1 or source.fps <= 0:
        raise EngineError("The frames have no size or no rate; choose another clip.")
    info = VideoInfo(source.width, source.height, source.fps, source.count, None)
    return PipedFrames(info, watch.next_frame, job.first_frame, job.last_frame)


def run_pipeline(source: FrameSource, job: messages.Capture, reporter: WireReporter) -> messages.Result:
    """The real capture; imported here because torch and MediaPipe take seconds to load."""
    from ..pipeline.capture import Cancelled, CaptureOptions, capture

    try:
        options = CaptureOptions(
            out=Path(job.out),
            people=job.people,
            device=job.device,
            body=job.body,
            smoothing=job.smoothing,
            focal_px=job.focal_px,
            height=job.height,
            network=job.network,
        )
        done = capture(source, options, reporter)
    except Cancelled as error:
        raise Stopped from error
    finally:
        source.close()
    quality: dict[str, Any] = dict(done.quality)
    return messages.Result(str(done.take), done.frames, done.people, done.seconds, quality)
