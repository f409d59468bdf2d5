"""The state machine against a child that speaks the real wire."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pose2mesh_mocap.addon.capture import job as job_module
from pose2mesh_mocap.addon.capture.job import CaptureJob, State
from pose2mesh_mocap.engine.errors import EngineError
from pose2mesh_mocap.engine.protocol import messages as m

ROOT = Path(__file__).resolve().parents[3]
FAKE = Path(__file__).with_name("fake_engine.py")
PATIENCE = 20.0  # s, for a busy machine; nothing here takes longer than a second by itself

Start = Callable[..., CaptureJob]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a job with a fake engine of the given behaviour; ends it after the test."""
    jobs: list[CaptureJob] = []

    def start(*behaviour: str, frames: Iterator[m.FrameImage] | None = None, **request: Any) -> CaptureJob:
        command = [sys.executable, str(FAKE), *behaviour]
        request.setdefault("source", m.PathSource("video.mp4"))
        capture = m.Capture(out=str(tmp_path / "take.npz"), **request)
        jobs.append(CaptureJob(command, ROOT, tmp_path / "engine.log", capture, frames))
        return jobs[-1]

    yield start
    for job in jobs:
        job.close()


def run(job: CaptureJob, until: Callable[[], bool] = lambda: False) -> None:
    """Step as the timer would until the job is over or the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while job.step() and not until():
        assert time.monotonic() < deadline, f"still {job.state} after {PATIENCE} s: {job.log_tail()}"
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    """Whether this process runs; a zombie that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


def test_a_capture_runs_to_its_result(start: Start, tmp_path: Path) -> None:
    job = start("normal", "5", people=2)
    assert job.state is State.STARTING
    run(job)
    assert job.state is State.FINISHED, job.error
    assert job.started == m.Started(5, 25.0, 64, 48, "cpu")
    assert job.progress == m.Progress("capture", 5, 5, 10.0, 0.5)
    assert job.result is not None
    assert (job.result.take, job.result.frames) == (str(tmp_path / "take.npz"), 5)
    assert job.warnings == ["The person leaves the picture."]


def test_live_vertices_are_the_latest_of_each_person_and_taken_once(start: Start) -> None:
    job = start("normal", "7", people=2)
    run(job)
    latest = job.take_vertices()
    assert {person: message.frame for person, message in latest.items()} == {0: 6, 1: 6}
    np.testing.assert_array_equal(latest[1].vertices, np.full((50, 3), 6.0))
    assert job.take_vertices() == {}


def test_a_polite_engine_cancels_itself(start: Start) -> None:
    job = start("polite")
    run(job, lambda: job.started is not None)
    job.cancel()
    assert job.state is State.CANCELLING
    run(job)
    assert job.state is State.CANCELLED
    assert job.error is None and job.result is None


@needs_proc
def test_a_deaf_engine_is_killed_within_a_second_with_its_children(start: Start, tmp_path: Path) -> None:
    pid_file = tmp_path / "grandchild"
    job = start("deaf", str(pid_file))
    run(job, lambda: job.started is not None)
    pids = job.pid, int(pid_file.read_text())
    assert all(map(is_alive, pids))
    clicked = time.monotonic()
    job.cancel()
    run(job)
    assert job.state is State.CANCELLED
    # Killed processes may take a moment to be gone from the table on a busy machine.
    while any(map(is_alive, pids)):
        assert time.monotonic() - clicked < 1.0, "the cancel took more than a second"
        time.sleep(0.01)


@needs_proc
def test_closing_a_job_leaves_no_process(start: Start, tmp_path: Path) -> None:
    pid_file = tmp_path / "grandchild"
    job = start("deaf", str(pid_file))
    run(job, lambda: job.started is not None)
    pids = job.pid, int(pid_file.read_text())
    job.close()
    deadline = time.monotonic() + 1.0
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert job.state is State.CANCELLED
    job.close()


def test_a_dead_engine_is_reported_with_its_last_words(start: Start) -> None:
    job = start("die")
    run(job)
    assert job.state is State.FAILED
    assert job.error == "The engine stopped unexpectedly (exit code 1): MemoryError: the model does not fit."
    assert "something before" in job.log_tail()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_engine_is_noticed(start: Start) -> None:
    job = start("silent")
    os.kill(job.pid, 9)
    run(job)
    assert job.state is State.FAILED
    assert job.error is not None and "SIGKILL" in job.error and "memory" in job.error


def test_an_engine_that_dies_in_the_middle_of_a_message_is_dead(start: Start) -> None:
    job = start("cut")
    run(job)
    assert job.error == "The engine stopped unexpectedly (exit code 0): it left nothing in its log."


def test_what_is_not_a_message_ends_the_job(start: Start) -> None:
    job = start("garbage")
    run(job)
    assert job.state is State.FAILED
    assert job.error is not None and "does not carry Pose2Mesh messages" in job.error


def test_the_engines_own_error_is_shown_as_it_is(start: Start) -> None:
    job = start("refuse")
    run(job)
    assert (job.state, job.error) == (State.FAILED, "No person is in the video; film one whole.")


def test_another_protocol_is_refused(start: Start) -> None:
    job = start("old")
    run(job)
    assert job.error is not None and job.error.startswith("The engine speaks protocol 99")


def test_a_silent_engine_is_given_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "_HANDSHAKE_SECONDS", 0.1)
    job = start("silent")
    run(job)
    assert job.state is State.FAILED
    assert job.error is not None and "did not answer" in job.error


def test_a_missing_interpreter_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no_such_python.*preferences"):
        CaptureJob(
            [str(tmp_path / "no_such_python")],
            ROOT,
            tmp_path / "engine.log",
            m.Capture(m.PathSource("x.mp4"), str(tmp_path / "take.npz")),
        )


def test_a_busy_blender_stops_the_engine_instead_of_filling_memory(start: Start, tmp_path: Path) -> None:
    count_file = tmp_path / "sent"
    job = start("flood", str(count_file))
    run(job, lambda: job.started is not None)

    def sent_when_still() -> int:
        """How far the engine got once the pipe and the queue are full: nobody steps the job meanwhile."""
        last, since = -1, time.monotonic()
        while time.monotonic() - since < 0.5:
            now = int(count_file.read_text() or 0) if count_file.exists() else 0
            if now != last:
                last, since = now, time.monotonic()
            time.sleep(0.02)
        return last

    first = sent_when_still()
    assert first <= 32 + 32, "the queue holds 32 messages, the pipe and the threads a few"
    while job.take_vertices() or job.step():
        if job.take_vertices():
            break
    assert sent_when_still() > first, "the engine goes on once Blender reads again"


def images(count: int, drawn: list[int]) -> Iterator[m.FrameImage]:
    for index in range(count):
        drawn.append(index)
        yield m.FrameImage(index, index / 25, np.full((48, 64, 3), index, np.uint8))


def test_frames_are_handed_over_in_order(start: Start) -> None:
    source = m.FramesSource(64, 48, 25.0, 6)
    job = start("frames", frames=images(6, []), source=source)
    run(job)
    assert job.state is State.FINISHED, job.error
    assert job.result is not None and job.result.frames == 6
    assert job.warnings[2] == "2 0.080 (48, 64, 3) [2, 2, 2] [2, 2, 2]"


def test_frames_are_read_only_as_the_engine_takes_them(start: Start) -> None:
    """One can wait in each of: the writer, the outbox (2), the pipe (64 kB, 7 frames), the engine."""
    drawn: list[int] = []
    job = start("frames", "600", frames=images(500, drawn), source=m.FramesSource(64, 48, 25.0, 500))
    run(job, lambda: job.started is not None)
    for _ in range(100):
        job.step()
        time.sleep(0.002)
    assert 1 <= len(drawn) <= 16
    clicked = time.monotonic()
    job.cancel()
    run(job)
    assert job.state is State.CANCELLED
    assert time.monotonic() - clicked < 1.0, "a cancel gets through although the pipe is full"


def test_an_unreadable_frame_fails_the_job(start: Start) -> None:
    def broken() -> Iterator[m.FrameImage]:
        yield from images(1, [])
        raise EngineError("The image 0002.png cannot be opened.")

    job = start("frames", frames=broken(), source=m.FramesSource(64, 48, 25.0, 2))
    run(job)
    assert (job.state, job.error) == (State.FAILED, "The image 0002.png cannot be opened.")
