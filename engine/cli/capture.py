"""`python -m engine capture VIDEO --out TAKE.npz`: one video to one take."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser of `python -m engine`."""
    parser = subparsers.add_parser("capture", help="a video to a take (.npz)")
    parser.add_argument("video", type=Path, metavar="VIDEO", help="any video file")
    parser.add_argument("--out", type=Path, required=True, metavar="TAKE.npz", help="where the take goes")
    parser.add_argument(
        "--people", type=_at_least_one, default=1, metavar="N", help="how many people to follow (1)"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the network runs"
    )
    parser.add_argument(
        "--body", default="open_body", help="open_body, or the name of an imported body, such as smpl"
    )
    parser.add_argument(
        "--network",
        choices=("quality", "light"),
        default="quality",
        help="quality looks at the frames around each frame, light at every frame on its own",
    )
    parser.add_argument("--smoothing", type=float, default=1.0, help="0 for none, 1 is the default")
    parser.add_argument("--focal", type=float, metavar="PX", help="focal length in pixels, where it is known")
    parser.add_argument(
        "--height",
        type=float,
        metavar="M",
        help="how tall the most prominent person is, in metres, where it is known: a picture does not tell",
    )
    parser.add_argument(
        "--pose-model",
        choices=("full", "heavy", "best"),
        help="2D pose model: best (with quality) is heavy on every frame and its mirror image, heavy takes "
        "half of that, full (with light) a fifth",
    )
    parser.add_argument(
        "--first-frame", type=int, default=0, metavar="N", help="start here, counted from 0 (0)"
    )
    parser.add_argument("--last-frame", type=int, metavar="N", help="end here, inclusive (the last)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")


def run(arguments: argparse.Namespace) -> int:
    """Capture with a progress bar. EngineError is the caller's to show."""
    from ..video.decode import VideoFile

    source = VideoFile(arguments.video, arguments.first_frame, arguments.last_frame)
    from ..pipeline.capture import CaptureOptions, capture

    options = CaptureOptions(
        out=arguments.out,
        people=arguments.people,
        device=arguments.device,
        body=arguments.body,
        smoothing=arguments.smoothing,
        focal_px=arguments.focal,
        height=arguments.height,
        pose_model=arguments.pose_model,
        network=arguments.network,
    )
    with Bars() as bars:
        result = capture(source, options, bars)
    if arguments.json:
        summary = {
            "frames": result.frames,
            "people": result.people,
            "seconds": round(result.seconds, 3),
            "quality": {name: round(float(value), 6) for name, value in result.quality.items()},
        }
        print(json.dumps(summary), flush=True)
    else:
        print(f"Wrote {result.take}: {result.frames} frames, {result.people} people, {result.seconds:.1f} s")
        for name, value in result.quality.items():
            print(f"  {name}: {value:.3g}")
    return 0


class Bars:
    """A `Reporter` that draws one progress bar per stage on stderr: rate and time left."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._bar: Any = None

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def started(self, frames: int | None, fps: float, width: int, height: int, device: str) -> None:
        """Nothing to show: the first bar follows at once."""

    def progress(self, stage: str, done: int, total: int | None) -> None:
        from tqdm import tqdm

        if stage != self._stage:
            self._close()
            self._stage = stage
            self._bar = tqdm(desc=stage, total=total, unit="frame", file=sys.stderr, dynamic_ncols=True)
        self._bar.update(done - self._bar.n)

    def vertices(self, frame_index: int, person: int, vertices: np.ndarray[Any, Any]) -> None:
        """Nobody looks."""

    def wants_vertices(self) -> bool:
        return False

    def warning(self, text: str) -> None:
        from tqdm import tqdm

        tqdm.write(f"Warning: {text}", file=sys.stderr)

    def cancelled(self) -> bool:
        """Ctrl-C raises KeyboardInterrupt instead."""
        return False

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of people; give 1 or more")
    return int(text)
