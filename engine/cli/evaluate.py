"""`python -m engine evaluate`: errors of the shipped network on a motion file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("evaluate", help="accuracy on motions with known truth, in mm")
    parser.add_argument("motions", type=Path, help="motion file, .npz in the format of docs/training.md")
    parser.add_argument("--weights", default="open_body_light", help="a shipped weight file, or a path")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the errors, clean and with detector noise."""
    from ..pipeline.lift import choose_device
    from ..train.evaluate_weights import evaluate_weights

    errors = evaluate_weights(args.weights, args.motions, choose_device(args.device))
    if args.json:
        print(json.dumps(errors))
        return 0
    names = list(errors["clean"])
    print(f"{'mm':<16}" + "".join(f"{name:>10}" for name in names))
    for case, values in errors.items():
        print(f"{case:<16}" + "".join(f"{values[name]:10.1f}" for name in names))
    return 0
