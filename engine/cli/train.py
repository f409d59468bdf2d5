"""`python -m engine train`: train a weight file from a configuration, on motions or as published."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from ..errors import EngineError
from .published_sources import add_sources, sources


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "train", help="train a network, on projected motions or on the published datasets"
    )
    parser.add_argument(
        "config",
        help="a shipped configuration (open_body_light, open_body_quality, or published_* of "
        "docs/published-training.md) or a .toml file",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for weights, checkpoint, log and curves"
    )
    parser.add_argument("--init", type=Path, help="checkpoint.pt or weight file to go on from")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    own = parser.add_argument_group("our own networks")
    own.add_argument("--motions", type=Path, help="motion file, .npz")
    own.add_argument("--seconds", type=float, help="cut the stages to this many seconds in all")
    own.add_argument("--compile", action="store_true", help="fuse PoseNet's step with torch.compile (CUDA)")
    add_sources(parser.add_argument_group("the published networks"))
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train until the configuration says stop; an interrupted training goes on where it was."""
    from ..pose2mesh.devices import choose_device
    from ..train import parallel
    from ..train.published.config import is_published, load_experiment

    device = choose_device(args.device)
    if is_published(args.config):
        from ..train.published.run import run as train_published

        if parallel.processes() > 1:
            raise EngineError(f"{args.config} is trained by one process: start it without torchrun.")
        experiment = load_experiment(args.config)
        weights = train_published(experiment, sources(args), args.out, device, args.init, args.workers)
    else:
        from ..train.config import load_config, shortened
        from ..train.run import run as train

        config = load_config(args.config)
        if args.motions is None:
            raise EngineError(f"{args.config} is trained on motions: give a motion file with --motions.")
        if args.init is not None:
            config = replace(config, begins=None)  # gone on from this instead: no time is theirs
        if args.seconds is not None:
            config = shortened(config, args.seconds)
        weights = train(config, args.motions, args.out, device, args.init, args.compile)
    if parallel.rank() == 0:
        print(json.dumps({"weights": str(weights)}) if args.json else f"Wrote {weights}.")
    return 0
