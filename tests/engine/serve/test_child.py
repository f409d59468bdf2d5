"""A real child process: shakes hands, works, obeys, and never outlives its parent."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clips
import numpy as np
import pytest

from engine import __version__
from engine.protocol import messages as m
from engine.protocol.framing import MAGIC

CHILD = Path(__file__).parent / "child.py"
Start = Callable[..., "Child"]


class Child:
    """A running child and a job for it."""

    def __init__(self, name: str, folder: Path, stderr: Any = subprocess.PIPE) -> None:
        self.out = folder / "take.npz"
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def send(self, message: Any) -> None:
        m.send(self.stdin, message)

    def receive(self) -> Any:
        return m.receive(self.stdout)

    def hello(self) -> m.Hello:
        self.send(m.Hello(m.PROTOCOL_VERSION))
        hello = self.receive()
        assert isinstance(hello, m.Hello)
        return hello

    def begin(self, source: m.PathSource | m.FramesSource | None = None, **changes: Any) -> None:
        self.hello()
        self.send(m.Capture(source or m.FramesSource(6, 4, 25.0, None), str(self.out), **changes))

    def rest(self) -> list[Any]:
        return list(iter(self.receive, None))

    def code(self, seconds: float = 5) -> int:
        return self.process.wait(seconds)

    def log(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    children: list[Child] = []

    def begin(name: str = "frames") -> Child:
        children.append(Child(name, tmp_path))
        return children[-1]

    yield begin
    for child in children:
        child.process.kill()
        child.process.wait()
        for stream in (child.stdin, child.stdout, child.process.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.close()


def image(level: int = 0) -> np.ndarray[Any, Any]:
    return np.full((4, 6, 3), level, np.uint8)


def test_handshake(start: Start) -> None:
    child = start()
    assert child.hello() == m.Hello(m.PROTOCOL_VERSION, __version__, child.process.pid)


def test_another_version_is_told(start: Start) -> None:
    child = start()
    child.send(m.Hello(999))
    error = child.receive()
    assert (type(error), error.kind) == (m.Error, "protocol")
    assert "999" in error.text
    assert child.code() == 1


@pytest.mark.parametrize("message", [m.FramesEnd(), m.Capture(m.PathSource("a"), "b")])
def test_a_hello_comes_first(start: Start, message: Any) -> None:
    child = start()
    child.send(message)
    assert child.receive().kind == "protocol"
    assert child.code() == 1


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", MAGIC + b"\xff" * 8])
def test_garbage_is_an_error(start: Start, data: bytes) -> None:
    child = start()
    child.stdin.write(data)
    child.stdin.flush()
    assert child.receive().kind == "protocol"
    assert child.code() == 1


def test_garbage_on_the_way_is_an_error(start: Start) -> None:
    child = start("endless")
    child.begin()
    child.stdin.write(b"this is not a message, at all")
    child.stdin.flush()
    assert child.rest()[-1].kind == "protocol"
    assert child.code() == 1


def test_a_file(start: Start, tmp_path: Path) -> None:
    path = clips.write_clip(tmp_path / "ein Tänzer.mp4", 12, (64, 48), 25)
    child = start()
    child.begin(m.PathSource(str(path)), first_frame=2, last_frame=9, people=2)
    got = child.rest()
    assert got[0] == m.Started(8, 25.0, 64, 48, "cpu")
    vertices = [x for x in got if isinstance(x, m.Vertices)]
    assert [x.frame for x in vertices] == list(range(2, 10))
    assert vertices[0].vertices[0, 1] == pytest.approx(2 / 25)
    assert got[-1] == m.Result(str(child.out), 8, 2, 0.1, {"confidence": 0.9})
    assert child.code() == 0


def test_frames_handed_over(start: Start) -> None:
    child = start()
    child.begin(m.FramesSource(6, 4, 25.0, 6))
    for index in range(5):
        child.send(m.FrameImage(index, index / 25, image(index * 10)))
    child.send(m.FramesEnd())
    got = child.rest()
    assert got[0] == m.Started(6, 25.0, 6, 4, "cpu")
    assert [x.vertices[0].tolist()[::2] for x in got if isinstance(x, m.Vertices)] == [
        [i, i * 10.0] for i in range(5)
    ]
    assert "Only 5 of 6" in next(x.text for x in got if isinstance(x, m.Warning))
    assert got[-1].frames == 5
    assert child.code() == 0


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (m.PathSource("nowhere.mp4"), "input"),
        (m.FramesSource(6, 4, 0.0, 1), "input"),
    ],
)
def test_a_bad_source_is_a_sentence(start: Start, source: Any, kind: str) -> None:
    child = start()
    child.begin(source)
    error = child.receive()
    assert (error.kind, error.text[-1]) == (kind, ".")
    assert child.code() == 1


def test_frames_of_another_size_are_a_sentence(start: Start) -> None:
    child = start()
    child.begin()
    child.send(m.FrameImage(0, 0.0, np.zeros((5, 5, 3), np.uint8)))
    assert "5x5" in child.rest()[-1].text
    assert child.code() == 1


def test_what_was_chosen_reaches_the_pipeline(start: Start) -> None:
    chosen = {
        "people": 2,
        "device": "cpu",
        "body": "smpl",
        "smoothing": 0.5,
        "focal_px": 900.0,
        "height": 1.68,
        "network": "light",
    }
    child = start("options")
    child.begin(**chosen)
    options = child.rest()[-1].quality
    assert {name: options[name] for name in chosen} == chosen
    assert options["out"] == str(child.out)


def test_an_unknown_network_is_a_sentence(start: Start) -> None:
    child = start("options")
    child.begin(network="huge")
    error = child.rest()[-1]
    assert (type(error), error.kind, error.text[-1]) == (m.Error, "input", ".")
    assert all(word in error.text for word in ("'huge'", "quality", "light"))
    assert child.code() == 1


def test_nobody_can_be_captured(start: Start) -> None:
    child = start()
    child.begin(people=0)
    assert "people" in child.receive().text


@pytest.mark.parametrize(
    ("name", "kind", "word"),
    [
        ("sentence", "no_person", "film somebody"),
        ("bug", "internal", "ValueError"),
        ("memory", "device", "memory"),
    ],
)
def test_failures_are_told(start: Start, name: str, kind: str, word: str) -> None:
    child = start(name)
    child.begin()
    error = child.receive()
    assert error.kind == kind
    assert word in error.text
    assert child.code() == 1
    if name == "bug":
        assert "Traceback" in child.log()


def test_prints_cannot_corrupt_the_wire(start: Start) -> None:
    child = start("noisy")
    child.begin()
    assert [type(x) for x in child.rest()] == [m.Warning, m.Result]
    assert child.code() == 0
    log = child.log()
    assert all(word in log for word in ("from Python", "from C", "from a child"))


def test_progress_is_throttled_and_estimates(start: Start) -> None:
    child = start("endless")
    child.begin()
    began = time.monotonic()
    got = [child.receive() for _ in range(6)]
    assert time.monotonic() - began > 0.4
    assert got[0].done == 1
    assert got[-1].rate > 10
    assert got[-1].eta is None


def test_cancel_is_obeyed(start: Start) -> None:
    child = start("endless")
    child.begin()
    child.receive()
    began = time.monotonic()
    child.send(m.Cancel())
    assert isinstance(child.rest()[-1], m.Cancelled)
    assert child.code() == 3
    assert time.monotonic() - began < 1


def test_cancel_stops_even_what_does_not_listen(start: Start) -> None:
    child = start("deaf")
    child.begin()
    child.receive()
    assert len(list(child.out.parent.iterdir())) == 1
    began = time.monotonic()
    child.send(m.Cancel())
    assert isinstance(child.rest()[-1], m.Cancelled)
    assert child.code() == 3
    assert time.monotonic() - began < 1.5  # 0.7 s of patience, and a busy machine
    assert list(child.out.parent.iterdir()) == []


def test_cancel_while_nobody_reads(start: Start) -> None:
    child = start("flood")
    child.begin()
    time.sleep(0.3)  # by now the pipe is full and the child waits
    began = time.monotonic()
    child.send(m.Cancel())
    assert child.code() == 3
    assert time.monotonic() - began < 1.5


def test_cancel_among_waiting_frames(start: Start) -> None:
    child = start("deaf")
    child.begin(m.FramesSource(6, 4, 25.0, None))
    child.receive()
    for index in range(2):
        child.send(m.FrameImage(index, 0.0, image()))
    child.send(m.Cancel())
    assert child.code() == 3


def test_cancel_before_a_frame_came(start: Start) -> None:
    """No frames are too few for a capture, and yet it was cancelled, not failed."""
    child = start("frames")
    child.begin(m.FramesSource(6, 4, 25.0, None))
    child.receive()
    child.send(m.Cancel())
    assert isinstance(child.rest()[-1], m.Cancelled)
    assert child.code() == 3


def test_cancel_before_the_job(start: Start) -> None:
    child = start()
    child.hello()
    child.send(m.Cancel())
    assert isinstance(child.receive(), m.Cancelled)
    assert child.code() == 3


@pytest.mark.parametrize("name", ["endless", "deaf", "flood"])
def test_a_closed_pipe_ends_it_at_once(start: Start, name: str) -> None:
    child = start(name)
    child.begin()
    child.receive()
    child.stdin.close()
    assert child.code(1) == 4
    assert list(child.out.parent.iterdir()) == []


def test_a_closed_pipe_before_the_job(start: Start) -> None:
    child = start()
    child.stdin.close()
    assert child.code() == 4


def test_a_reader_that_goes_away(start: Start) -> None:
    child = start("flood")
    child.begin()
    child.receive()
    child.stdout.close()
    assert child.code() == 4


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and process ids")
@pytest.mark.parametrize(("name", "frames"), [("endless", 0), ("deaf", 50)])
def test_a_killed_parent_leaves_no_orphan(tmp_path: Path, name: str, frames: int) -> None:
    """Also when the pipe is so full of frames that its end cannot be seen."""
    script = f"""
import sys, time
sys.path[:0] = {[str(CHILD.parent), str(CHILD.parents[3]), str(CHILD.parents[1] / "video")]!r}
from pathlib import Path
import threading
import numpy as np
from engine.protocol import messages as m
from test_child import Child
child = Child({name!r}, Path({str(tmp_path)!r}), None)
child.begin(m.FramesSource(300, 300, 25.0, None))
child.receive()
def hand_over():
    for index in range({frames}):
        child.send(m.FrameImage(index, 0.0, np.zeros((300, 300, 3), np.uint8)))
threading.Thread(target=hand_over, daemon=True).start()
time.sleep(0.5)
print(child.process.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    os.kill(pid, 0)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and _alive(pid):
        time.sleep(0.02)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        pass
    if Path("/proc").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads memory from /proc")
def test_a_slow_reader_bounds_memory(start: Start) -> None:
    child = start("flood")
    child.begin()
    for index in range(1700):
        if index in (2, 100, 400):
            time.sleep(0.3)
            status = Path(f"/proc/{child.process.pid}/status").read_text()
            peak = int(status.split("VmHWM:")[1].split()[0])
            assert peak < 150_000  # kB; all of it would be 200 MB more
        assert child.receive().vertices[0, 0] == index
    assert isinstance(child.receive(), m.Result)


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads memory from /proc")
def test_a_slow_engine_bounds_memory(start: Start) -> None:
    """Frames wait in the pipe, not in the engine."""
    child = start("deaf")
    child.begin(m.FramesSource(1000, 1000, 25.0, None))
    child.receive()
    os.set_blocking(child.stdin.fileno(), False)
    sent = 0
    with pytest.raises(BlockingIOError):
        for index in range(100):
            child.send(m.FrameImage(index, 0.0, np.zeros((1000, 1000, 3), np.uint8)))
            sent += 1
            time.sleep(0.05)
    assert sent <= 4
