"""`python -m engine bench`: speed and memory, each against what it replaces, side by side in one run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).resolve().parent.parent / "assets" / "sample" / "balance_cam01.mp4"


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("bench", help="speed and memory, per stage and per network")
    parser.add_argument("--video", type=Path, default=SAMPLE, help="what to capture (the sample)")
    parser.add_argument("--people", type=int, default=1, help="how many people to follow in it (1)")
    parser.add_argument(
        "--network",
        choices=("quality", "light"),
        default="quality",
        help="what captures it, with its pose model",
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64], metavar="N")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long to repeat each network (2)")
    parser.add_argument(
        "--quick", action="store_true", help="batches 1 and 8, half a second each, one capture, no training"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    from ..fit.bench import camera_fit
    from ..pipeline.bench import bench_pipeline
    from ..pose2mesh.bench import network, training

    batches, seconds = ([1, 8], 0.5) if args.quick else (args.batches, args.seconds)
    figures: dict[str, Any] = {
        "network": network(batches=batches, seconds=seconds),
        "training": {} if args.quick else training(seconds=seconds),
        "camera_fit": camera_fit(),
        **bench_pipeline(args.video, args.device, args.people, args.network),
    }
    if args.json:
        print(json.dumps(figures))
        return 0
    for name, devices in figures["network"].items():
        for device, batches in devices.items():
            for batch, value in batches.items():
                row = f"{name:20} {device:5} batch {batch:>3}"
                print(f"{row} {value['fps']:10.1f} fps {value['peak_mb']:9.1f} MB")
    for name, devices in figures["training"].items():
        for device, value in devices.items():
            print(f"training {name:20} {device:5} {value['samples_per_s']:10.2f} samples/s")
    for name, value in figures["camera_fit"].items():
        print(f"camera fit {name:10} {value['ms']:9.3f} ms {value['loss_px']:9.4f} px")
    for name, milliseconds in figures["stages_ms"].items():
        print(f"stage {name:10} {milliseconds:9.3f} ms per frame")
    whole, detector = figures["end_to_end_fps"], figures["pose2d_only_fps"]
    times, busy = figures["times_pose2d"], figures["processor_times_pose2d"]
    print(f"whole pipeline {whole} fps, 2D detector alone {detector} fps: {times} times its time")
    print(f"processor time of the whole: {busy} times that of the detector alone")
    return 0
