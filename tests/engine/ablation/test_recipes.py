"""Cells of an ablation differ in what they say they differ in, and nowhere else."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from engine.ablation.noise import displacement, plain
from engine.ablation.recipe import PUBLISHED, Recipe
from engine.ablation.report import ABLATIONS, variants
from engine.ablation.runner import Setting
from engine.cli.ablate import NAMES
from engine.train.detector_noise import DetectorNoise


def differences(one: Recipe, other: Recipe) -> set[str]:
    return {each.name for each in fields(Recipe) if getattr(one, each.name) != getattr(other, each.name)}


@pytest.mark.parametrize(
    ("name", "base", "changed"),
    [
        ("target", "vertices, graph (published)", [{"target", "decoder"}, {"target"}, {"decoder"}]),
        ("coarse-to-fine", "coarse to fine (published)", [{"resolution"}]),
        ("cascade", "2D, 3D → mesh (published)", [{"reads"}, {"reads"}]),
        (
            "ingredients",
            "full recipe",
            [{"view"}] * 2
            + [{"bones"}, {"view", "bones"}]
            + [{"view"}] * 2
            + [{"synthesis"}] * 3
            + [{"noise"}] * 2
            + [{"hidden"}] * 2,
        ),
    ],
)
def test_cells_differ_in_what_is_declared(name: str, base: str, changed: list[set[str]]) -> None:
    cells = variants(name, 512)
    reference = cells.pop(base)
    assert [differences(recipe, reference) for recipe in cells.values()] == changed
    assert len(set(cells.values())) == len(cells)


def test_the_synthesis_changes_in_one_number() -> None:
    cells = variants("ingredients", 512)
    full = cells["full recipe"].synthesis
    for cell, field in (("no recombined limbs", "recombine"), ("no varied bones", "bones")):
        changed = {
            f.name for f in fields(full) if getattr(cells[cell].synthesis, f.name) != getattr(full, f.name)
        }
        assert changed == {field} and getattr(cells[cell].synthesis, field) == 0


def test_published_cells_share_one_network() -> None:
    """The three ablations of the paper turn about the same cell, which is trained once."""
    assert all(PUBLISHED in ABLATIONS[name].values() for name in ("target", "coarse-to-fine", "cascade"))
    assert tuple(ABLATIONS) == NAMES


def test_the_width_is_scaled_as_a_whole() -> None:
    widths = [recipe.hidden for recipe in variants("ingredients", 64).values()]
    assert widths[-2:] == [32, 128] and set(widths[:-2]) == {64}


def test_plain_noise_moves_points_as_far_on_average_as_the_detectors(setting: Setting) -> None:
    noise, body, motions = DetectorNoise(), setting.landmarks, setting.motions
    ours = plain(noise, body, motions)
    assert len(set(ours.jitter)) == 1 and not any((ours.occluded, ours.outlier, ours.swap, ours.outside))
    moved = [displacement(n, body, motions, torch.Generator().manual_seed(1)) for n in (ours, noise)]
    assert moved[0] == pytest.approx(moved[1], rel=0.1) and moved[0] > 0.005
