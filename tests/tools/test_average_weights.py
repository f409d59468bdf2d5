"""Two weight files become one between them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from engine.pose2mesh.body_network import load_body_network, save_body_network, shipped_weights

TOOL = Path(__file__).resolve().parents[2] / "tools" / "average_weights.py"


def test_what_both_have_is_averaged_and_the_rest_is_the_seconds(tmp_path: Path) -> None:
    light = load_body_network(shipped_weights("open_body_light"))
    other = load_body_network(shipped_weights("open_body_quality"))
    save_body_network(light, tmp_path / "a.safetensors", {})
    save_body_network(other, tmp_path / "b.safetensors", {})
    command = [
        sys.executable,
        str(TOOL),
        "a.safetensors",
        "b.safetensors",
        "--share",
        "0.25",
        "--out",
        "c.safetensors",
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    first, second = light.state_dict(), other.state_dict()
    result = load_body_network(tmp_path / "c.safetensors").state_dict()
    assert result.keys() == second.keys()
    assert any(name not in first for name in second)
    for name, value in result.items():
        expected = 0.25 * first[name] + 0.75 * second[name] if name in first else second[name]
        if value.is_floating_point():
            torch.testing.assert_close(value, expected, atol=2e-3, rtol=2e-3)
