"""Costs are counted: what is known of tensors comes out, on every run."""

from __future__ import annotations

from dataclasses import replace

import torch

from engine.ablation.cost import LiveMemory, costs
from engine.ablation.networks import AblationNetwork, mesh_edges
from engine.ablation.recipe import PUBLISHED
from engine.ablation.runner import Setting
from engine.train.loop import draw_pairs


def test_memory_is_what_lives_at_once() -> None:
    with LiveMemory() as memory:
        first = torch.zeros(1000)
        second = first + 1  # 8000 bytes
        view = second[:10].reshape(2, 5)  # no more
        assert memory.now == 8000
        del first
        assert memory.now == 4000
        third = view.sum()
        del second
        assert memory.now == 4000 + 4  # the view keeps its storage
        del view
    assert (memory.now, memory.peak) == (4, 8000)
    assert third.item() == 10


def test_memory_of_a_backward_pass_is_seen() -> None:
    weight = torch.ones(100, 100, requires_grad=True)
    with LiveMemory() as memory:
        memory.add(weight)
        (weight * weight).sum().backward()
    assert memory.peak >= 2 * weight.numel() * 4 and weight.grad is not None
    assert memory.now >= 2 * weight.numel() * 4  # the weight and its gradient


def test_direct_costs_more_than_coarse_to_fine(setting: Setting) -> None:
    recipes = {"fine": PUBLISHED, "direct": replace(PUBLISHED, resolution="direct")}
    networks = {
        name: AblationNetwork(replace(recipe, hidden=32), setting.mesh, setting.points)
        for name, recipe in recipes.items()
    }
    generator = torch.Generator().manual_seed(0)
    pairs = draw_pairs(setting.points, setting.motions, 64, PUBLISHED.noise, PUBLISHED.synthesis, generator)
    figures = costs(networks, pairs, mesh_edges(setting.mesh), repeats=1)
    again = costs(networks, pairs, mesh_edges(setting.mesh), repeats=1)
    assert figures["direct"]["peak_mb"] > 1.5 * figures["fine"]["peak_mb"]
    assert [figures[name]["peak_mb"] for name in recipes] == [again[name]["peak_mb"] for name in recipes]
    assert all(figure["step_ms"] > 0 and figure["frames_per_s"] > 0 for figure in figures.values())
    assert all(parameter.grad is None for net in networks.values() for parameter in net.parameters())


def test_every_edge_of_the_mesh_is_there_once(setting: Setting) -> None:
    edges = mesh_edges(setting.mesh)
    pairs = {frozenset(edge) for edge in edges.tolist()}
    triangles = setting.mesh.triangles.tolist()
    assert pairs == {frozenset(p) for a, b, c in triangles for p in ((a, b), (b, c), (c, a))}
    assert len(pairs) == len(edges)
