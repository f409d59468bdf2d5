"""`python -m engine ablate`: what each design choice is worth, measured on projected motions."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

NAMES = ("target", "coarse-to-fine", "cascade", "ingredients")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("ablate", help="what each design choice is worth, cell by cell")
    parser.add_argument("ablations", nargs="+", choices=NAMES, metavar="ABLATION", help=", ".join(NAMES))
    parser.add_argument("--motions", type=Path, required=True, help="motion file to train on, .npz")
    parser.add_argument(
        "--validation", type=Path, help="motion file to measure on (every fifth clip of --motions, held out)"
    )
    parser.add_argument("--steps", type=_positive, default=2000, help="per stage and cell (2000)")
    parser.add_argument(
        "--seconds", type=float, help="instead: as many steps as the first cell takes in this time"
    )
    parser.add_argument("--hidden", type=_positive, default=512, help="PoseNet's width (512)")
    parser.add_argument("--vertices", type=_positive, default=512, help="of the coarse mesh, at most (512)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="keeps finished cells; the same options go on from it"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train every cell, print a table per ablation."""
    from tqdm import tqdm

    from ..ablation.report import ablate, table, variants
    from ..ablation.runner import Budget, Runner, prepare, steps_within
    from ..pose2mesh.devices import choose_device

    device = choose_device(args.device)
    setting = prepare(args.motions, args.validation, args.vertices, args.seed, device)
    recipes = {name: list(variants(name, args.hidden).values()) for name in args.ablations}
    budget = Budget(args.steps)
    if args.seconds:
        budget = Budget(steps_within(args.seconds, setting, next(iter(recipes.values()))[0], budget))
    results = {}
    with tqdm(desc="ablate", unit="step", file=sys.stderr, dynamic_ncols=True) as bar:

        def step() -> None:
            bar.update()

        runner = Runner(setting, budget, step, args.resume)
        bar.total = runner.steps([recipe for cells in recipes.values() for recipe in cells])
        for name in args.ablations:
            bar.set_description(name)
            results[name] = ablate(name, runner, args.hidden)
    for name, rows in results.items():
        print(f"\n{name}: {budget.steps} steps per stage and cell, mm\n\n{table(rows)}")
    if args.json:
        print(json.dumps(results))
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("give 1 or more")
    return number
