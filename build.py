#!/usr/bin/env python3
"""Everything this project is started with. Each command first makes the environments it needs.

python build.py demo [VIDEO] [--out DIR]   video → take.npz, scene.blend, scene.fbx, scene.glb, preview.mp4
python build.py test [PATH …] [-k WORDS]   the whole test suite, or the named part of it
python build.py zip                        the Blender extension → dist/ID-VERSION.zip
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        f"build.py needs Python 3.11 or newer and this is {sys.version.split()[0]}: install a newer one "
        "(python.org, pyenv or uv) and run it with that."
    )

from tools.build import BuildError, demo, environments, extension, suite


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BuildError as error:
        print(f"\n{error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from here.", file=sys.stderr)
    return 1


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("demo", help="a video (or the sample) to an animated body, FBX and glTF")
    one.add_argument("video", nargs="?", type=Path, help="any video with a person in it; default: the sample")
    one.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default: out)")
    one.set_defaults(run=lambda options: demo.run(options.video, options.out))

    one = commands.add_parser("test", help="the whole test suite")
    one.add_argument("paths", nargs="*", help="only these tests")
    one.add_argument("-k", dest="keyword", help="only tests whose names match, as in pytest")
    one.add_argument("--blender", action="append", default=[], metavar="X.Y", help="only this Blender")
    one.set_defaults(run=run_tests)

    one = commands.add_parser("zip", help="build and validate the extension")
    one.set_defaults(run=run_zip)
    return root


def run_tests(options: argparse.Namespace) -> int:
    tally = suite.run(options.paths, options.keyword, options.blender)
    print(f"\n{tally}")
    return 1 if tally.failed or not tally.passed else 0


def run_zip(options: argparse.Namespace) -> int:
    demo.leave_hint(environments.engine())
    print(f"Wrote {extension.build()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
