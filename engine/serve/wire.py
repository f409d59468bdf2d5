"""The engine's ends of the pipe, out of reach of any library that prints or reads."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import BinaryIO

from ..protocol import messages
from ..protocol.messages import AnyMessage


class Wire:
    """Messages in and out; `send` may be called from any thread."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._sending = threading.Lock()

    @classmethod
    def claim(cls) -> Wire:
        """Take stdin and stdout for the wire; from now on descriptor 0 is empty and 1 is stderr."""
        sys.stdout.flush()
        source, sink = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        return cls(os.fdopen(source, "rb"), os.fdopen(sink, "wb"))

    def send(self, message: AnyMessage) -> None:
        """Blocks while the add-on is busy. Raises OSError when it is gone."""
        with self._sending:
            messages.send(self._sink, message)

    def last_word(self, message: AnyMessage) -> None:
        """Send unless somebody is in the middle of sending; what comes out is never half a message.

        The process is about to end: whoever wants to send from now on waits for that.
        """
        if self._sending.acquire(timeout=0.1):
            with contextlib.suppress(OSError):
                messages.send(self._sink, message)

    def receive(self) -> AnyMessage | None:
        """The next message, None when the add-on is gone. Raises ProtocolError for anything else."""
        return messages.receive(self._source)
