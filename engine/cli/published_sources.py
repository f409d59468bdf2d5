"""Where the published datasets and bodies are, as arguments of the commands that need them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import EngineError

if TYPE_CHECKING:
    from ..train.published.sources import Sources


def add_sources(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Declare them."""
    parser.add_argument("--data", type=Path, help="folder of the datasets, as in docs/datasets.md")
    parser.add_argument("--body", help="the neutral SMPL body, by imported name or file")
    parser.add_argument("--male", help="the male one, where the dataset has men (3DPW, SURREAL)")
    parser.add_argument("--female", help="the female one")
    parser.add_argument("--hand", type=Path, help="for FreiHAND: your MANO_RIGHT.pkl, or an imported hand")
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare samples (0)")


def sources(args: argparse.Namespace) -> Sources:
    """What was given.

    Raises:
        EngineError: not even a folder of datasets.
    """
    from ..body.library import body_file
    from ..train.published.sources import Sources

    if args.data is None:
        raise EngineError(f"{args.config} is about published datasets: give their folder with --data.")
    hand = args.hand
    if hand is not None and hand == Path(hand.name) and not hand.suffix:
        hand = body_file(hand.name)
    return Sources(args.data, args.body, args.male, args.female, hand)
