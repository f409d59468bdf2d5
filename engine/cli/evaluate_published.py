"""`python -m engine evaluate-published`: the published evaluation of a published network."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .published_sources import add_sources, sources


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "evaluate-published", help="a published network on its published test set, in mm"
    )
    parser.add_argument(
        "config", help="a published_* configuration of docs/published-training.md, or a .toml"
    )
    parser.add_argument(
        "checkpoint", type=Path, help="a .pth.tar, published or trained here, or .safetensors"
    )
    add_sources(parser)
    parser.add_argument(
        "--hand-truth", type=Path, help="folder of FreiHAND's evaluation_xyz.json and evaluation_verts.json"
    )
    parser.add_argument("--predictions", type=Path, help="write hands to this .json for the FreiHAND server")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the errors."""
    from ..pose2mesh.devices import choose_device
    from ..train.published.config import load_experiment
    from ..train.published.run import score

    experiment, device = load_experiment(args.config), choose_device(args.device)
    errors = score(
        experiment,
        sources(args),
        args.checkpoint,
        device,
        args.workers,
        args.predictions,
        args.hand_truth,
    )
    if args.json:
        print(json.dumps(errors))
        return 0
    for name, value in errors.items():
        print(f"{name:<20}{value:10.3f}")
    if not errors:
        print("The test set holds no truth: nothing to measure.")
    return 0
