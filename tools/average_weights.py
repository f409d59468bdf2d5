"""Average the weights of two trainings that began from the same ones: often better than either.

    python tools/average_weights.py FIRST.safetensors SECOND.safetensors --share 0.3 --out OUT.safetensors

OUT has SECOND's network; of what both have, 0.3 is FIRST's and 0.7 SECOND's
("model soups", Wortsman et al. 2022).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from engine.pose2mesh.body_network import BodyNetwork, load_body_network, save_body_network


def average(first: BodyNetwork, second: BodyNetwork, share: float) -> BodyNetwork:
    """`second`, changed: every number that `first` has too becomes share · first + (1 - share) · second."""
    given, own = first.state_dict(), second.state_dict()
    for name, value in own.items():
        if name in given and given[name].shape == value.shape and value.is_floating_point():
            own[name] = share * given[name] + (1 - share) * value
    second.load_state_dict(own)
    return second


def main() -> None:
    """Read, average, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the first (0.5)")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    averaged = average(load_body_network(args.first), load_body_network(args.second), args.share)
    save_body_network(
        averaged,
        args.out,
        {"config": args.out.stem, "averaged": [args.first.name, args.second.name], "share": args.share},
    )


if __name__ == "__main__":
    main()
