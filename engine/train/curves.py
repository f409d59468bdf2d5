"""The losses of a training, drawn from its log."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

from .log import read_log

NAMES = {"lift": "landmarks", "vertex": "vertices", "edge": "edges (twice)"}


def draw_curves(log: Path, picture: Path) -> None:
    """A row per stage: losses over samples on a logarithmic scale, and beside them the learning rate.

    Where matplotlib is missing, or the picture cannot be written, one sentence says so.

    Args:
        log: of `loop.train`. No picture is made while it is missing or empty.
        picture: `.png` to write.
    """
    stages = read_log(log)
    if not stages:
        return
    try:
        from matplotlib.figure import Figure
    except ImportError:
        _warn(f"{picture.name} is not drawn, for matplotlib is missing: install it; the training goes on.")
        return
    figure = Figure(figsize=(11, 3.2 * len(stages)), dpi=110, layout="constrained")
    grid = figure.subplots(len(stages), 2, squeeze=False, width_ratios=(2.4, 1))
    for (losses, rate), (number, lines) in zip(grid, stages.items(), strict=True):
        _draw_losses(losses, lines)
        losses.set_title(f"stage {number + 1}, {lines[-1]['stage']}", loc="left", fontweight="bold")
        _draw_rate(rate, lines)
    try:
        figure.savefig(picture)
    except OSError as error:
        _warn(f"{picture.name} cannot be written ({error}): make room for it; the training goes on.")


def _draw_losses(axes: Any, lines: list[dict[str, Any]]) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator, StrMethodFormatter

    samples = [line["samples"] for line in lines]
    for name in lines[-1]["losses"]:
        values = [line["losses"][name] for line in lines]
        label = f"{NAMES.get(name, name)} {values[-1]:.1f} mm"
        axes.plot(samples, values, label=label, marker="." if len(lines) < 20 else "")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.set_xlim(left=0)
    axes.set_xlabel("samples")
    axes.set_ylabel("loss, mm")
    axes.grid(alpha=0.3)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderaxespad=0,
        ncols=3,
        frameon=False,
        fontsize="small",
        columnspacing=1.2,
        handlelength=1.2,
    )


def _draw_rate(axes: Any, lines: list[dict[str, Any]]) -> None:
    from matplotlib.ticker import EngFormatter

    samples = [line["samples"] for line in lines]
    axes.plot(samples, [line["learning_rate"] for line in lines], color="0.3", marker="." * (len(lines) < 20))
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", scilimits=(0, 0))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.set_xlabel("samples")
    axes.set_ylabel("learning rate")
    axes.grid(alpha=0.3)


@cache  # once is enough
def _warn(sentence: str) -> None:
    print(f"Warning: {sentence}", file=sys.stderr)
