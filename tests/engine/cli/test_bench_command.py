"""`bench --json` prints what the design promises, and `--quick` measures less of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.cli import main
from engine.fit import bench as fit_bench
from engine.pipeline import bench as pipeline_bench
from engine.pose2mesh import bench as network_bench


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the benchmark was asked to measure; it measures nothing."""
    asked: dict[str, Any] = {}

    def measured(function: str, name: str, device: str, batch: int, seconds: float, *_: object) -> Any:
        asked.setdefault(function, []).append((name, device, batch, seconds))
        return {"fps": 1.0, "peak_mb": 2.0} if function == "measure" else {"samples_per_s": 3.0}

    def pipeline(*arguments: object) -> dict[str, object]:
        asked["pipeline"] = arguments
        return {
            "stages_ms": {"detect": 1.0},
            "end_to_end_fps": 2.0,
            "pose2d_only_fps": 3.0,
            "times_pose2d": 1.5,
            "processor_times_pose2d": 1.6,
        }

    solver = {"ms": 1.0, "loss_px": 2.0}
    monkeypatch.setattr(network_bench, "_in_a_process", measured)
    monkeypatch.setattr(network_bench, "_devices", lambda: ("cpu",))
    monkeypatch.setattr(fit_bench, "camera_fit", lambda: {"published": solver, "ours": solver})
    monkeypatch.setattr(pipeline_bench, "bench_pipeline", pipeline)
    return asked


def test_the_keys_of_the_design(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"network", "stages_ms", "camera_fit", "end_to_end_fps", "pose2d_only_fps"} <= set(figures)
    assert {"published_plain", "published", "quality", "light"} <= set(figures["network"])
    for devices in figures["network"].values():
        assert set(devices) == {"cpu"}
        assert set(devices["cpu"]) == {"1", "8", "64"}
        assert all(set(figure) == {"fps", "peak_mb"} for figure in devices["cpu"].values())
    assert {key: set(value) for key, value in figures["camera_fit"].items()} == {
        "published": {"ms", "loss_px"},
        "ours": {"ms", "loss_px"},
    }
    assert len(asked["measure_training"]) == len(network_bench.TRAINING_NAMES)


def test_quick_leaves_out_what_takes_minutes(
    asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--quick"]) == 0
    assert "published_plain" in capsys.readouterr().out
    assert {(batch, seconds) for _, _, batch, seconds in asked["measure"]} == {(1, 0.5), (8, 0.5)}
    assert "measure_training" not in asked
