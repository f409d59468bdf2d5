"""The ablations by name, run and printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from ..train.loop import draw_pairs
from . import cascade, coarse_to_fine, ingredients, target
from .cost import costs
from .networks import mesh_edges
from .recipe import Recipe
from .runner import Runner

ABLATIONS: dict[str, dict[str, Recipe]] = {
    "target": target.VARIANTS,
    "coarse-to-fine": coarse_to_fine.VARIANTS,
    "cascade": cascade.VARIANTS,
    "ingredients": ingredients.VARIANTS,
}
COST_BATCH, COST_REPEATS = 32, 10
Rows = dict[str, dict[str, Any]]


def variants(name: str, hidden: int) -> dict[str, Recipe]:
    """The cells of an ablation with PoseNet `hidden` wide where the ablation does not say otherwise."""
    plain = Recipe().hidden
    return {
        cell: replace(recipe, hidden=recipe.hidden * hidden // plain)
        for cell, recipe in ABLATIONS[name].items()
    }


def ablate(name: str, runner: Runner, hidden: int) -> Rows:
    """One row per cell: what it costs and its errors."""
    cells = variants(name, hidden)
    rows = {cell: dict(runner.row(recipe)) for cell, recipe in cells.items()}
    if name == "coarse-to-fine":
        setting = runner.setting
        generator = torch.Generator(device=setting.device).manual_seed(setting.seed)
        any_cell = next(iter(cells.values()))
        pairs = draw_pairs(
            setting.points, setting.motions, COST_BATCH, runner.noise(any_cell), any_cell.synthesis, generator
        )
        networks = {cell: runner.build(recipe) for cell, recipe in cells.items()}
        edges = mesh_edges(setting.mesh).to(setting.device)
        for cell, figures in costs(networks, pairs, edges, COST_REPEATS).items():
            rows[cell] |= figures
    return rows


def table(rows: Rows) -> str:
    """The rows as a Markdown table; lengths in mm, noisy ones marked so."""
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "parameters (M)": lambda row: f"{row['parameters'] / 1e6:.2f}",
        "training (s)": lambda row: f"{row['train_s']:.0f}",
    }
    if all("step_ms" in row for row in rows.values()):
        columns |= {
            "step (ms)": lambda row: f"{row['step_ms']:.0f}",
            "peak (MB)": lambda row: f"{row['peak_mb']:.0f}",
            "frames/s": lambda row: f"{row['frames_per_s']:.0f}",
        }
    for case, mark in (("clean", ""), ("detector_noise", ", noisy")):
        for metric in ("mpjpe", "pa_mpjpe", "mpvpe"):
            columns[metric.replace("_", "-").upper() + mark] = partial(_error, case, metric)
    lines = [_line(["", *columns]), _line(["---"] * (1 + len(columns)))]
    lines += [_line([cell, *(show(row) for show in columns.values())]) for cell, row in rows.items()]
    return "\n".join(lines)


def _error(case: str, metric: str, row: dict[str, Any]) -> str:
    return f"{row[case][metric]:.1f}"


def _line(values: Iterable[str]) -> str:
    return "| " + " | ".join(values) + " |"
