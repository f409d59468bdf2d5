"""The engine as a child process: two threads move messages, and no method blocks.

A reader thread fills a bounded inbox and stops reading when it is full, so the pipe pushes back on the
engine; a writer thread empties a bounded outbox. Blender's main thread only ever looks at the two queues.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...engine.errors import EngineError
from ...engine.protocol import messages
from ..process import ChildProcess, describe_exit

_INBOX = 32  # messages; the largest are vertices, about 150 kB
_OUTBOX = 2  # messages; the largest are frames, 25 MB at 4K
_LOOK_AGAIN = 0.1  # s between looks at the closed flag
_LOG_TAIL_BYTES = 4096


@dataclass(frozen=True)
class Gone:
    """The engine's end of the pipe closed, or carried something that is not a message (`reason`)."""

    reason: str | None = None


class EngineClient:
    """Starts `command` and talks to it. Use from one thread; call `close` at the end.

    Args:
        command: the engine's interpreter and arguments.
        module_root: the folder that contains `engine/`.
        log: the file that takes the child's stderr; overwritten.

    Raises:
        EngineError: the interpreter cannot be started, or the log cannot be written.
    """

    def __init__(self, command: Sequence[str], module_root: Path, log: Path) -> None:
        self.log = log
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            stderr = log.open("wb")
        except OSError as error:
            raise EngineError(
                f"The engine's log {log} cannot be written ({error.strerror}); "
                "free disk space or allow writing there.",
                "disk",
            ) from error
        with stderr:
            try:
                self._child = ChildProcess(command, module_root, stderr)
            except OSError as error:
                raise EngineError(
                    f"The engine's Python {command[0]!r} cannot be started ({error.strerror}); "
                    "choose it in the add-on's preferences.",
                    "internal",
                ) from error
        self._closed = threading.Event()
        self._inbox: queue.Queue[messages.AnyMessage | Gone] = queue.Queue(_INBOX)
        self._outbox: queue.Queue[messages.AnyMessage] = queue.Queue(_OUTBOX)
        self._threads: list[threading.Thread] = [
            threading.Thread(target=self._read, name="pose2mesh reader", daemon=True),
            threading.Thread(target=self._write, name="pose2mesh writer", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def has_room(self) -> bool:
        """Whether `send` would take a message now."""
        return not self._outbox.full()

    def send(self, message: messages.AnyMessage) -> None:
        """Queue a message. Raises `queue.Full` when there is no room: ask `has_room` first."""
        self._outbox.put_nowait(message)

    def ask_to_stop(self, patience: float) -> None:
        """Drop what waits to be sent and send a polite cancel instead; after `patience` seconds kill.

        The kill has a thread of its own: it comes in time also while Blender's main thread draws or renders.
        """
        with suppress(queue.Empty):
            while True:
                self._outbox.get_nowait()
        self._outbox.put_nowait(messages.Cancel())  # there is room: nobody else puts
        killer = threading.Timer(patience, self._child.kill_tree)
        killer.name, killer.daemon = "pose2mesh killer", True
        killer.start()
        self._threads.append(killer)

    def poll(self) -> messages.AnyMessage | Gone | None:
        """The next message, None when there is none yet. After `Gone` nothing follows."""
        try:
            return self._inbox.get_nowait()
        except queue.Empty:
            return None

    def death_report(self, gone: Gone) -> str:
        """One sentence on why the engine is gone: its last log line if it left one."""
        if gone.reason is not None:
            return gone.reason
        cause = describe_exit(self._child.wait(0.2))
        last_line = "".join(self.log_tail(1)) or "it left nothing in its log"
        return f"The engine stopped unexpectedly ({cause}): {last_line.rstrip('.')}."

    def log_tail(self, count: int = 8) -> list[str]:
        """The last lines of the child's log that are not empty."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _LOG_TAIL_BYTES))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]

    def close(self) -> None:
        """End the child with everything it started, and the two threads. May be called again."""
        self._closed.set()
        self._child.kill_tree()
        self._child.wait(1.0)
        for thread in self._threads:
            if isinstance(thread, threading.Timer):
                thread.cancel()
            thread.join(1.0)
        for stream in (self._child.stdin, self._child.stdout):
            with suppress(OSError, ValueError):
                stream.close()

    def _read(self) -> None:
        gone = Gone()
        try:
            while (message := messages.receive(self._child.stdout)) is not None:
                if not self._deliver(message):
                    return
        except EngineError as error:
            # A stream cut short only says that the child died; its exit code says more.
            gone = Gone(None if self._child.wait(0.5) is not None else error.text)
        except (OSError, ValueError):
            pass
        self._deliver(gone)

    def _deliver(self, message: messages.AnyMessage | Gone) -> bool:
        """Wait for room in the inbox; False once the client is closed."""
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._inbox.put(message, timeout=_LOOK_AGAIN)
                return True
        return False

    def _write(self) -> None:
        while not self._closed.is_set():
            try:
                message = self._outbox.get(timeout=_LOOK_AGAIN)
            except queue.Empty:
                continue
            try:
                messages.send(self._child.stdin, message)
            except (OSError, ValueError):
                return  # the reader sees the end too, and reports it
