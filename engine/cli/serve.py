"""`python -m engine serve`: the add-on's child process; speaks the wire protocol on stdin and stdout."""

from __future__ import annotations

import argparse
import faulthandler
import os
import signal
import sys
from typing import Any


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser of `python -m engine`."""
    subparsers.add_parser("serve", help="one capture for the Blender add-on, over a pipe")


def run(_: argparse.Namespace) -> int:
    """Never returns: libraries' threads must not hold the process back."""
    faulthandler.enable()  # a crash of native code leaves its place in the log
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in Blender's terminal: Blender decides
    from ..serve.child import serve

    code = serve()
    sys.stderr.flush()
    os._exit(code)
