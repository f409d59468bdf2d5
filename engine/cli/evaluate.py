"""`python -m engine evaluate`: errors of the shipped network on a motion file, and a report on them."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("evaluate", help="accuracy on motions with known truth, in mm")
    parser.add_argument("motions", type=Path, help="motion file, .npz in the format of docs/training.md")
    parser.add_argument("--weights", default="open_body_quality", help="a shipped weight file, or a path")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="also write tables and pictures of the worst cases"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the errors, clean and with detector noise; see docs/accuracy.md for the report."""
    from tqdm import tqdm

    from ..pose2mesh.devices import choose_device
    from ..train.evaluate import CASES, evaluate
    from ..train.evaluate_weights import Predictor
    from ..train.motions import load_motions

    predictor = Predictor(args.weights, choose_device(args.device))
    motions = load_motions(args.motions, predictor.body, unique_only=False)
    truth = predictor.truth
    total = len(CASES) * len(motions.clip)
    with tqdm(desc="evaluate", total=total, unit="frame", file=sys.stderr, dynamic_ncols=True) as bar:
        errors = evaluate(predictor, truth, motions, advance=bar.update)
    if args.report is not None:
        from ..accuracy.collect import pieces
        from ..accuracy.report import clip_descriptions, write_report

        total = len(CASES) * sum(piece.stop - piece.start for piece in pieces(motions))
        with tqdm(desc="report", total=total, unit="frame", file=sys.stderr, dynamic_ncols=True) as bar:
            write_report(
                predictor.stages,
                truth,
                motions,
                predictor.network.mesh.triangles,
                clip_descriptions(args.motions, motions.clip_names),
                {
                    "weights": predictor.path.stem,
                    "sha256": hashlib.sha256(predictor.path.read_bytes()).hexdigest(),
                    "motions": args.motions.name,
                },
                errors,
                args.report,
                bar.update,
            )
    if args.json:
        print(json.dumps(errors))
        return 0
    names = list(errors["clean"])
    print(f"{'mm':<18}" + "".join(f"{name:>10}" for name in names))
    for case, values in errors.items():
        print(f"{case:<18}" + "".join(f"{values[name]:10.1f}" for name in names))
    return 0
