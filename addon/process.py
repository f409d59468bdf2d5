"""A child process with a clean environment that is ended together with everything it started.

POSIX: the child leads its own session, so one signal reaches the group. Windows: the child sits in a job
object that dies with its handle, which also covers a crash of the parent. Nothing here knows about Blender.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

# What the parent's Python or launcher sets for itself would break an interpreter of another version.
_PRIVATE_PREFIXES = ("PYTHON", "DYLD_", "BLENDER_", "CONDA_")
_PRIVATE_NAMES = frozenset({"LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"})
_NICENESS = 5  # the interface stays smooth while the engine takes every core


def clean_environment(module_root: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """`environ` without what belongs to the parent's Python, and `module_root` as the only extra import path.

    PYTHONSAFEPATH keeps the current folder off the child's path: a `torch.py` beside a .blend is not ours.
    """
    source = os.environ if environ is None else environ
    kept = {
        name: value
        for name, value in source.items()
        if name.upper() not in _PRIVATE_NAMES and not name.upper().startswith(_PRIVATE_PREFIXES)
    }
    return kept | {
        "PYTHONPATH": str(module_root),
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
    }


class ChildProcess:
    """A running child with pipes on stdin and stdout, and stderr in a log file.

    Args:
        command: program and arguments.
        module_root: the folder the child imports from.
        log: an open binary file for stderr; the caller may close it afterwards.

    Raises:
        OSError: the program cannot be started.
    """

    def __init__(self, command: Sequence[str], module_root: Path, log: IO[bytes] | int) -> None:
        options: dict[str, Any] = {}
        if sys.platform == "win32":
            options["creationflags"] = (
                subprocess.CREATE_NEW_PROCESS_GROUP
                | subprocess.CREATE_NO_WINDOW
                | subprocess.BELOW_NORMAL_PRIORITY_CLASS
            )
        else:
            options["start_new_session"] = True
        self._popen = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=clean_environment(module_root),
            **options,
        )
        self.stdin: BinaryIO = cast(BinaryIO, self._popen.stdin)
        self.stdout: BinaryIO = cast(BinaryIO, self._popen.stdout)
        self._group = _Group(self._popen)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def kill_tree(self) -> None:
        """End the child and every process it started, at once. Calling it again does nothing."""
        self._group.kill()

    def wait(self, timeout: float) -> int | None:
        """The exit code, or None when it still runs after `timeout` seconds."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None


def describe_exit(code: int | None) -> str:
    """An exit code in a user's words."""
    if code is None:
        return "it no longer answers"
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        hint = "; the machine may have run out of memory" if name == "SIGKILL" else ""
        return f"ended by {name}{hint}"
    return f"exit code {code}"


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    class _BasicLimits(ctypes.Structure):
        _fields_ = (
            ("PerProcessUserTimeLimit", ctypes.c_int64),
            ("PerJobUserTimeLimit", ctypes.c_int64),
            ("LimitFlags", wintypes.DWORD),
            ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t),
            ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t),
            ("PriorityClass", wintypes.DWORD),
            ("SchedulingClass", wintypes.DWORD),
        )

    class _ExtendedLimits(ctypes.Structure):
        _fields_ = (
            ("BasicLimitInformation", _BasicLimits),
            ("IoInfo", ctypes.c_uint64 * 6),
            ("ProcessMemoryLimit", ctypes.c_size_t),
            ("JobMemoryLimit", ctypes.c_size_t),
            ("PeakProcessMemoryUsed", ctypes.c_size_t),
            ("PeakJobMemoryUsed", ctypes.c_size_t),
        )

    _EXTENDED_LIMIT_INFORMATION = 9
    _KILL_ON_JOB_CLOSE = 0x2000

    class _Group:
        """A job object that ends its processes when its handle closes (also when the parent crashes)."""

        def __init__(self, popen: subprocess.Popen[bytes]) -> None:
            kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            kernel.CreateJobObjectW.restype = wintypes.HANDLE
            kernel.CreateJobObjectW.argtypes = (ctypes.c_void_p, wintypes.LPCWSTR)
            kernel.SetInformationJobObject.argtypes = (
                wintypes.HANDLE,
                ctypes.c_int,
                ctypes.c_void_p,
                wintypes.DWORD,
            )
            kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
            kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
            self._kernel, self._popen = kernel, popen
            self._job = kernel.CreateJobObjectW(None, None)
            limits = _ExtendedLimits()
            limits.BasicLimitInformation.LimitFlags = _KILL_ON_JOB_CLOSE
            kernel.SetInformationJobObject(
                self._job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
            )
            kernel.AssignProcessToJobObject(self._job, int(popen._handle))  # type: ignore[attr-defined]

        def kill(self) -> None:
            if self._job:
                self._kernel.CloseHandle(self._job)
                self._job = None
            with suppress(OSError):
                self._popen.kill()  # in case it could not be put into the job

else:

    class _Group:
        """The session the child leads."""

        def __init__(self, popen: subprocess.Popen[bytes]) -> None:
            self._id: int | None = popen.pid
            with suppress(OSError):
                os.setpriority(os.PRIO_PGRP, popen.pid, _NICENESS)

        def kill(self) -> None:
            # Once only: later the number may belong to somebody else's group.
            if self._id is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._id, signal.SIGKILL)
                self._id = None
