"""`python -m engine preview TAKE VIDEO --out MP4`: the captured bodies drawn over their video."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser of `python -m engine`."""
    parser = commands.add_parser("preview", help="draw the captured bodies over their video")
    parser.add_argument("take", type=Path, help="the take (.npz)")
    parser.add_argument("video", type=Path, help="the video it was captured from")
    parser.add_argument("--out", type=Path, required=True, metavar="MP4", help="the film to write")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Writes the film with a progress bar; EngineError is the caller's to show."""
    from tqdm import tqdm

    from ..preview.video import render_preview

    with tqdm(desc="preview", unit="frame", file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        frames = render_preview(arguments.take, arguments.video, arguments.out, show)
    print(f"Wrote {arguments.out}: {frames} frames")
    return 0
