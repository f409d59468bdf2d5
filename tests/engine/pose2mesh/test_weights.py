"""Weights files: whole, self-describing, and refused when they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from golden import golden
from safetensors.torch import load_file, save_file
from test_meshnet import SMALL

from engine.errors import EngineError
from engine.pose2mesh import coarsening, weights
from engine.pose2mesh.model import Pose2Mesh, build

X = torch.linspace(-1, 1, 2 * 33 * 3).view(2, 33, 3)


@pytest.fixture(scope="module")
def model() -> Pose2Mesh:
    torch.manual_seed(0)
    return build(SMALL, golden("mano")["faces"]).eval()


@pytest.fixture
def path(model: Pose2Mesh, tmp_path: Path) -> Path:
    weights.save(tmp_path / "net.safetensors", model, "hand", {"source": "a test"})
    return tmp_path / "net.safetensors"


def test_round_trip(model: Pose2Mesh, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarsening, "heavy_edge_matching", None)  # the graphs come from the file
    loaded, description = weights.load(path)
    assert (description.body, description.config, dict(description.notes)) == (
        "hand",
        SMALL,
        {"source": "a test"},
    )
    with torch.no_grad():
        for ours, theirs in zip(loaded(X), model(X), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert loaded.pyramid.lmax == model.pyramid.lmax
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_half_precision_halves_the_file(model: Pose2Mesh, path: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    weights.save(half, model, "hand", dtype=torch.float16)
    assert half.stat().st_size < 0.6 * path.stat().st_size
    with torch.no_grad():
        torch.testing.assert_close(weights.load(half)[0](X)[0], model(X)[0], rtol=0.01, atol=0.01)


def test_a_failed_save_leaves_the_old_file(
    model: Pose2Mesh, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def full_disk(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "save_file", full_disk)
    with pytest.raises(EngineError, match="No space left"):
        weights.save(path, model, "hand")
    assert path.read_bytes() == before
    with pytest.raises(EngineError, match="written"):
        weights.save(path.parent / "missing" / "net.safetensors", model, "hand")


def _rewritten(path: Path, change_tensors=None, **metadata: str | None) -> Path:
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        description = file.metadata() | metadata
    tensors = load_file(path)
    if change_tensors:
        change_tensors(tensors)
    save_file(tensors, path, {name: text for name, text in description.items() if text is not None})
    return path


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda t: t.pop("pose2mesh.fc.bias"), "do not fit"),
        (lambda t: t.update({"pose2mesh.fc.bias": torch.zeros(3)}), "do not fit"),
        (lambda t: t.pop("graph.1.columns"), "do not fit"),
        (lambda t: t["graph.1.columns"].fill_(10_000), "do not fit"),
        (lambda t: t.update({"graph.lmax": torch.ones(2)}), "do not fit"),
    ],
)
def test_inconsistent_tensors_are_refused(path: Path, change, cause: str) -> None:
    with pytest.raises(EngineError, match=cause):
        weights.load(_rewritten(path, change))


@pytest.mark.parametrize(
    ("metadata", "cause"),
    [
        ({"format": "other"}, "no weights file"),
        ({"config": "{"}, "incomplete"),
        ({"config": "{}"}, "network description"),
    ],
)
def test_other_descriptions_are_refused(path: Path, metadata: dict[str, str], cause: str) -> None:
    with pytest.raises(EngineError, match=cause):
        weights.load(_rewritten(path, **metadata))


def test_damaged_and_missing_files(path: Path) -> None:
    content = path.read_bytes()
    for broken in (b"", content[:100], content[: len(content) // 2], bytes(np.arange(256, dtype=np.uint8))):
        path.write_bytes(broken)
        with pytest.raises(EngineError, match="damaged"):
            weights.load(path)
    with pytest.raises(EngineError, match="no weights file at"):
        weights.load(path.parent / "none.safetensors")
