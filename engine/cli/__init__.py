"""The command line: one module per command, with `add_parser(subparsers)` and `run(arguments) -> exit code`.

Only the modules' parsers are loaded to show help; what a command needs is imported when it runs.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from typing import Final

from .. import __version__
from ..errors import EngineError, out_of_memory
from .threads import limit_threads

COMMANDS: Final = (
    "capture",
    "preview",
    "evaluate",
    "evaluate_published",
    "bench",
    "train",
    "ablate",
    "doctor",
    "import_smpl",
    "import_checkpoint",
    "serve",
)
ALL_CORES: Final = frozenset({"train", "evaluate-published", "bench", "ablate"})
"""Commands that may have the whole machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 only on success, and errors are one sentence on stderr."""
    parser = argparse.ArgumentParser(
        "python -m engine", description="Pose2Mesh Mocap's engine: video in, take out."
    )
    parser.add_argument("--version", action="version", version=__version__)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not ALL_CORES.intersection(given[:1]):
        limit_threads()
    modules = {}
    for name in COMMANDS:
        if importlib.util.find_spec(f"{__name__}.{name}") is not None:
            module = importlib.import_module(f"{__name__}.{name}")
            module.add_parser(subparsers)
            modules[name.replace("_", "-")] = module
    parsed = parser.parse_args(given)
    try:
        return int(modules[parsed.command].run(parsed))
    except EngineError as error:
        print(f"Error: {error.text}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except (MemoryError, RuntimeError) as error:
        known = out_of_memory(error)
        if known is None:
            raise
        print(f"Error: {known.text}", file=sys.stderr)
        return 1
