from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_helpers import SAMPLE

from engine.fit.bench import camera_fit
from engine.pipeline import bench
from engine.video.decode import VideoFile


def test_every_stage_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four frames: the figures mean nothing, their names are the contract."""
    monkeypatch.setattr(bench, "VideoFile", lambda path, first=0, last=3: VideoFile(path, first, last))
    figures = bench.bench_pipeline(Path(SAMPLE), "cpu", network="light", repeats=1)
    ratios = {"times_pose2d", "processor_times_pose2d"}
    assert set(figures) == {"stages_ms", "end_to_end_fps", "pose2d_only_fps", *ratios}
    assert all(0.1 < float(str(figures[name])) < 100 for name in ratios)
    stages = figures["stages_ms"]
    assert isinstance(stages, dict)
    assert {"decode", "pose2d", "track", "models", "lift", "body", "world", "mesh", "write", "other"} == set(
        stages
    )
    assert all(float(value) > 0 for value in stages.values())
    # A tenth of a millisecond per stage for rounding; the frames and the whole are the same run.
    assert sum(stages.values()) == pytest.approx(1000 / float(str(figures["end_to_end_fps"])), rel=0.01)


def test_the_closed_form_camera_is_at_least_as_good_as_the_published_optimiser() -> None:
    figures = camera_fit(people=1)
    assert figures["ours"]["loss_px"] <= figures["published"]["loss_px"] + 1e-4
