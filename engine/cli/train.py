"""`python -m engine train`: train a weight file from a configuration and a motion file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("train", help="train a network on projected motions")
    parser.add_argument("config", help="a shipped configuration (open_body_light) or a .toml file")
    parser.add_argument("--motions", type=Path, required=True, help="motion file, .npz")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, checkpoint and log")
    parser.add_argument("--init", type=Path, help="checkpoint.pt or weight file to start from")
    parser.add_argument("--seconds", type=float, help="cut the stages to this many seconds in all")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train until the configuration says stop; an interrupted training goes on where it was."""
    from ..pipeline.lift import choose_device
    from ..train.config import load_config, shortened
    from ..train.run import run as train

    config = load_config(args.config)
    if args.seconds:
        config = shortened(config, args.seconds)
    weights = train(config, args.motions, args.out, choose_device(args.device), args.init)
    print(json.dumps({"weights": str(weights)}) if args.json else f"Wrote {weights}.")
    return 0
