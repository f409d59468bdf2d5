"""A child that speaks the real wire and does one thing, so that jobs can be tested in milliseconds.

python fake_engine.py BEHAVIOUR [ARGUMENT]
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from engine.protocol import messages as m

WIRE_IN, WIRE_OUT = sys.stdin.buffer, sys.stdout.buffer
VERTICES = 50


def send(message: m.AnyMessage) -> None:
    m.send(WIRE_OUT, message)


def greet(protocol: int = m.PROTOCOL_VERSION) -> m.Capture:
    assert isinstance(m.receive(WIRE_IN), m.Hello)
    send(m.Hello(protocol, "fake", 1))
    request = m.receive(WIRE_IN)
    assert isinstance(request, m.Capture), request
    return request


def started(frames: int | None) -> None:
    send(m.Started(frames, 25.0, 64, 48, "cpu"))


def vertices(frame: int, person: int = 0, count: int = VERTICES) -> None:
    send(m.Vertices(frame, person, np.full((count, 3), frame, np.float32)))


def finish(request: m.Capture, frames: int) -> None:
    send(m.Result(request.out, frames, request.people, 0.1, {"reprojection_px": 1.5}))


def normal(count: str = "5") -> None:
    request, frames = greet(), int(count)
    started(frames)
    for frame in range(frames):
        for person in range(request.people):
            vertices(frame, person)
        send(m.Progress("capture", frame + 1, frames, 10.0, 0.5))
    send(m.Warning("The person leaves the picture."))
    send(m.Warning("The person leaves the picture."))
    finish(request, frames)


def walk(count: str = "0") -> None:
    """A quad that walks to the right, for as long as it may."""
    request, frame = greet(), 0
    started(int(count) or None)
    while not int(count) or frame < int(count):
        quad = np.array([[0, 1, 3], [1, 1, 3], [1, 0, 3], [0, 0, 3]], np.float32)
        send(m.Vertices(frame, 0, quad + np.float32([frame * 0.01, 0, 0])))
        frame += 1
        time.sleep(0.005)
    finish(request, frame)


def polite() -> None:
    greet()
    started(None)
    while not isinstance(m.receive(WIRE_IN), m.Cancel):
        pass
    send(m.Cancelled())


def deaf(pid_file: str) -> None:
    """Never listens, and has a child of its own that would outlive it."""
    greet()
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(pid_file).write_text(str(grandchild.pid))
    started(None)
    time.sleep(600)


def flood(count_file: str) -> None:
    """Sends without end; the file holds how many messages the pipe has taken."""
    greet()
    started(None)
    sent = 0
    while True:
        vertices(sent, count=12000)
        sent += 1
        Path(count_file).write_text(str(sent))


def frames(slow: str = "0") -> None:
    """Takes handed-over frames and reports what it saw as warnings."""
    request = greet()
    assert isinstance(request.source, m.FramesSource)
    started(request.source.count)
    seen = 0
    while isinstance(message := m.receive(WIRE_IN), m.FrameImage):
        time.sleep(float(slow))
        top, bottom = message.image[0, 0], message.image[-1, -1]
        send(
            m.Warning(
                f"{message.index} {message.time:.3f} {message.image.shape} {top.tolist()} {bottom.tolist()}"
            )
        )
        seen += 1
    assert isinstance(message, m.FramesEnd), message
    finish(request, seen)


def die() -> None:
    greet()
    started(10)
    print("something before", file=sys.stderr)
    raise MemoryError("the model does not fit")


def cut() -> None:
    """Ends in the middle of a message."""
    greet()
    WIRE_OUT.write(b"P2M\x01\x10\x00")
    WIRE_OUT.flush()


def garbage() -> None:
    greet()
    WIRE_OUT.write(b"Loading weights, please wait a moment...\n")
    WIRE_OUT.flush()
    time.sleep(600)


def refuse() -> None:
    greet()
    send(m.Error("No person is in the video; film one whole.", "no_person"))


def old() -> None:
    greet(protocol=99)


def silent() -> None:
    time.sleep(600)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
