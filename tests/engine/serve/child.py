"""A child process for the tests: the real `serve` with a capture function of our own, chosen by name.

python child.py NAME
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[3]))

import numpy as np

from engine.errors import EngineError
from engine.protocol import messages
from engine.protocol.take import temporary_path
from engine.serve.child import Stopped, serve


def result(job: messages.Capture, frames: int = 0) -> messages.Result:
    return messages.Result(job.out, frames, job.people, 0.1, {"confidence": 0.9})


def frames(source: Any, job: messages.Capture, reporter: Any) -> messages.Result:
    """Every frame's mean colour comes back as vertices."""
    info = source.info
    reporter.started(info.frame_count, info.fps, info.width, info.height, "cpu")
    count = 0
    for frame in source:
        if reporter.cancelled():
            raise Stopped
        count += 1
        colour = np.float32([frame.index, frame.time, frame.image.mean()])
        reporter.vertices(frame.index, 0, np.tile(colour, (10, 1)))
        reporter.progress("people", count, info.frame_count)
    for warning in source.warnings:
        reporter.warning(warning)
    return result(job, count)


def noisy(source: Any, job: messages.Capture, reporter: Any) -> messages.Result:
    """Prints everywhere a library may print, and reads what it may read."""
    print("hello from Python")
    os.write(1, b"hello from C\n")
    subprocess.run([sys.executable, "-c", "print('hello from a child')"], check=True)
    assert sys.stdin.read() == ""
    reporter.warning("done")
    return result(job)


def endless(source: Any, job: messages.Capture, reporter: Any) -> messages.Result:
    """Obeys a cancel at once."""
    done = 0
    while not reporter.cancelled():
        reporter.progress("people", done := done + 1, None)
        time.sleep(0.002)
    raise Stopped


def deaf(source: Any, job: messages.Capture, reporter: Any) -> messages.Result:
    """Never looks at the reporter, with a take half written."""
    temporary_path(Path(job.out)).write_bytes(b"half")
    reporter.warning("busy")
    time.sleep(60)
    return result(job)


def flood(source: Any, job: messages.Capture, reporter: Any) -> messages.Result:
    """200 MB of vertices."""
    for index in range(1700):
        reporter.vertices(index, 0, np.full((10_000, 3), index, np.float32))
    return result(job, 1700)


def sentence(*_: Any) -> messages.Result:
    raise EngineError("Nobody is there: film somebody.", "no_person")


def bug(*_: Any) -> messages.Result:
    return messages.Result("", int("x"), 0, 0, {})


def memory(*_: Any) -> messages.Result:
    raise MemoryError


def options(source: Any, job: messages.Capture, reporter: Any) -> messages.Result:
    """The real way into the pipeline, whose options come back as quality."""
    from engine.pipeline import capture as pipeline
    from engine.serve.child import run_pipeline

    def tell(source: Any, chosen: pipeline.CaptureOptions, reporter: Any) -> pipeline.CaptureResult:
        seen: dict[str, Any] = {**vars(chosen), "out": str(chosen.out)}
        return pipeline.CaptureResult(chosen.out, 0, chosen.people, 0.0, seen, {})

    with patch.object(pipeline, "capture", tell):
        return run_pipeline(source, job, reporter)


if __name__ == "__main__":
    os._exit(serve(globals()[sys.argv[1]]))
