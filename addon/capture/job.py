"""One capture as a plain state machine: `step()` it from a timer or a test, `cancel()` it, read its fields.

It knows the engine and the wire, not Blender: operators and panels only show what it holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path

from ...engine.errors import EngineError
from ...engine.protocol import messages
from .client import EngineClient, Gone

_HANDSHAKE_SECONDS = 120.0  # a first start may be slow: cold disk, virus scanner
_POLITE_SECONDS = 0.6  # then the process group is killed: a cancel takes less than a second in all
_STEP_SECONDS = 0.02  # the most one step may take of Blender's main thread
_MAX_WARNINGS = 50


class State(Enum):
    """Where a job stands; the last three are final."""

    STARTING = "starting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CaptureJob:
    """Runs one capture in its own engine process.

    Args:
        command: the engine's interpreter and arguments.
        module_root: the folder that contains `engine/`.
        log: the file for the engine's stderr.
        request: what to capture.
        frames: the frames to hand over when `request.source` is a `FramesSource`; read one at a time, only
            when the engine has room for it.
        clock: seconds, monotonic.

    Attributes:
        state: see `State`.
        started: the engine's description of the source, once it is open.
        progress: the latest progress of the current stage.
        warnings: every distinct warning, oldest first.
        error: one sentence, when `state` is FAILED.
        result: when `state` is FINISHED.

    Raises:
        EngineError: the engine cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        module_root: Path,
        log: Path,
        request: messages.Capture,
        frames: Iterator[messages.FrameImage] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.request = request
        self.state = State.STARTING
        self.started: messages.Started | None = None
        self.progress: messages.Progress | None = None
        self.warnings: list[str] = []
        self.error: str | None = None
        self.result: messages.Result | None = None
        self._frames = frames
        self._clock = clock
        self._vertices: dict[int, messages.Vertices] = {}
        self._client = EngineClient(command, module_root, log)
        self._client.send(messages.Hello(messages.PROTOCOL_VERSION))
        self._deadline = clock() + _HANDSHAKE_SECONDS

    @property
    def is_over(self) -> bool:
        return self.state in (State.FINISHED, State.FAILED, State.CANCELLED)

    @property
    def log(self) -> Path:
        return self._client.log

    @property
    def pid(self) -> int:
        return self._client.pid

    def log_tail(self, count: int = 8) -> list[str]:
        """The last lines the engine wrote to its log."""
        return self._client.log_tail(count)

    def take_vertices(self) -> dict[int, messages.Vertices]:
        """The latest live vertices per person that were not taken yet."""
        latest, self._vertices = self._vertices, {}
        return latest

    def step(self) -> bool:
        """Do what can be done now without waiting; False when the job is over."""
        until = self._clock() + _STEP_SECONDS
        while not self.is_over and (message := self._client.poll()) is not None:
            self._receive(message)
            if self._clock() > until:
                break
        if not self.is_over:
            self._hand_over(until)
            self._watch_the_clock()
        return not self.is_over

    def cancel(self) -> None:
        """Ask the engine to stop; `step` kills it when it does not within a second."""
        if not self.is_over and self.state is not State.CANCELLING:
            self.state = State.CANCELLING
            self._frames = None
            self._client.ask_to_stop(_POLITE_SECONDS)
            self._deadline = self._clock() + _POLITE_SECONDS

    def close(self) -> None:
        """End the engine now, whatever it does."""
        if not self.is_over:
            self._end(State.CANCELLED)

    def _receive(self, message: messages.AnyMessage | Gone) -> None:
        if self.state is State.CANCELLING:
            # A result that was already on its way is not what the user wants any more.
            if isinstance(message, messages.Cancelled | messages.Result | messages.Error | Gone):
                self._end(State.CANCELLED)
            return
        match message:
            case messages.Hello():
                self._shake_hands(message)
            case messages.Started():
                self.started = message
            case messages.Progress():
                self.progress = message
            case messages.Vertices():
                self._vertices[message.person] = message
            case messages.Warning(text):
                if text not in self.warnings and len(self.warnings) < _MAX_WARNINGS:
                    self.warnings.append(text)
            case messages.Result():
                self.result = message
                self._end(State.FINISHED)
            case messages.Error(text):
                self._fail(text)
            case messages.Cancelled():
                self._end(State.CANCELLED)
            case Gone():
                self._fail(self._client.death_report(message))
            case _:
                self._fail(
                    f"The engine sent an unexpected {message.type!r} message; "
                    "update the add-on and the engine together."
                )

    def _shake_hands(self, hello: messages.Hello) -> None:
        if hello.protocol != messages.PROTOCOL_VERSION:
            self._fail(
                f"The engine speaks protocol {hello.protocol} but this add-on speaks "
                f"{messages.PROTOCOL_VERSION}; update the add-on and the engine together."
            )
        elif self.state is State.STARTING:
            self.state = State.RUNNING
            self._client.send(self.request)

    def _hand_over(self, until: float) -> None:
        """Pass frames on while the engine takes them; at least one a step, so that a slow disk gets there."""
        while self.state is State.RUNNING and self._frames is not None and self._client.has_room:
            try:
                frame = next(self._frames, None)
            except EngineError as error:
                return self._fail(error.text)
            if frame is None:
                self._frames = None
                self._client.send(messages.FramesEnd())
            else:
                self._client.send(frame)
            if self._clock() > until:
                return

    def _watch_the_clock(self) -> None:
        if self._clock() < self._deadline:
            return
        if self.state is State.CANCELLING:
            self._end(State.CANCELLED)
        elif self.state is State.STARTING:
            self._fail(f"The engine did not answer within {_HANDSHAKE_SECONDS:.0f} seconds; see its log.")

    def _fail(self, text: str) -> None:
        self.error = text
        self._end(State.FAILED)

    def _end(self, state: State) -> None:
        self.state = state
        self._frames = None
        self._client.close()
