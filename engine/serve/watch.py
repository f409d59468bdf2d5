"""What the add-on says while the capture runs: frames, cancel, or nothing any more.

A thread listens all the time. If the add-on is gone, or cancel is not obeyed in time, the process ends on the
spot: nothing is kept but the take, and that is replaced whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..errors import EngineError
from ..protocol.messages import Cancel, Cancelled, Error, FrameImage, FramesEnd
from ..protocol.take import temporary_path
from ..video.frames import Frame
from .wire import Wire

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_CANCELLED: Final = 3
EXIT_ORPHAN: Final = 4
OBEY_SECONDS: Final = 0.7
_FRAMES_AHEAD: Final = 2
_LOOK_AGAIN: Final = 0.25


class Watch:
    """Listens to the add-on.

    Args:
        wire: where it speaks.
        out: the take, whose temporary file must not stay behind.
        leave: ends the process; tests may pass another.
    """

    def __init__(self, wire: Wire, out: Path, leave: Callable[[int], None] = os._exit) -> None:
        self.cancelled = threading.Event()
        self._wire, self._out, self._leave = wire, out, leave
        self._frames: queue.Queue[Frame | None] = queue.Queue(_FRAMES_AHEAD)
        self._parent = os.getppid()
        for task in (self._listen, self._watch_parent):
            threading.Thread(target=task, name=f"pose2mesh{task.__name__}", daemon=True).start()

    def next_frame(self) -> Frame | None:
        """The next frame handed over, None after the last; blocks."""
        while not self.cancelled.is_set():
            with contextlib.suppress(queue.Empty):
                return self._frames.get(timeout=_LOOK_AGAIN)
        return None

    def _listen(self) -> None:
        while True:
            try:
                message = self._wire.receive()
            except EngineError as error:
                self._die(EXIT_FAILED, error)
                return
            except OSError:
                message = None
            match message:
                case None:
                    self._die(EXIT_ORPHAN)
                    return
                case Cancel():
                    self.cancelled.set()
                    threading.Thread(target=self._insist, daemon=True).start()
                case FrameImage():
                    self._hand_over(Frame(message.index, message.time, message.image))
                case FramesEnd():
                    self._hand_over(None)

    def _hand_over(self, frame: Frame | None) -> None:
        """Wait for room; the pipe fills meanwhile and the add-on waits too."""
        while not self.cancelled.is_set():
            with contextlib.suppress(queue.Full):
                self._frames.put(frame, timeout=_LOOK_AGAIN)
                return

    def _insist(self) -> None:
        time.sleep(OBEY_SECONDS)
        self._wire.last_word(Cancelled())
        self._die(EXIT_CANCELLED)

    def _watch_parent(self) -> None:
        """A pipe that is full of frames hides its end; a new parent (POSIX) tells of the old one's death."""
        while os.getppid() == self._parent:
            time.sleep(_LOOK_AGAIN)
        self._die(EXIT_ORPHAN)

    def _die(self, code: int, error: EngineError | None = None) -> None:
        if error is not None:
            self._wire.last_word(Error(error.text, error.kind))
        with contextlib.suppress(OSError):
            temporary_path(self._out).unlink(missing_ok=True)
        self._leave(code)
