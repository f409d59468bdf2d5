"""A GPU is used only where it works."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from pretended_gpu import pretended_gpu

from engine.cli import main
from engine.cli.doctor import device as gpu_finding
from engine.errors import EngineError, out_of_memory
from engine.pose2mesh.devices import choose_device
from engine.train import parallel


@pytest.fixture
def unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that torch lists, and on which every kernel fails."""

    def fail(*_args: object, **_options: object) -> torch.Tensor:
        raise RuntimeError(
            "CUDA error: no kernel image is available for execution on the device\nCompile with ..."
        )

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", fail)


def test_a_gpu_that_works_is_taken() -> None:
    with pretended_gpu():
        assert choose_device("auto") == choose_device("cuda") == torch.device("cuda")
        assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.usefixtures("unusable")
def test_a_gpu_that_fails_is_not_taken() -> None:
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(EngineError, match=r"\(CUDA error: no kernel image .* on the device\): choose"):
        choose_device("cuda")
    finding = gpu_finding()
    assert finding.ok and "no kernel image" in finding.found


def test_what_torch_says_of_an_old_driver_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_old() -> bool:
        warnings.warn("CUDA initialization: The NVIDIA driver on your system is too old.", stacklevel=2)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", too_old)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(EngineError, match=r"driver on your system is too old\)"):
        choose_device("cuda")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(EngineError, match="'tpu' is unknown: choose auto, cpu or cuda"):
        choose_device("tpu")


def test_memory_that_is_used_up_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert out_of_memory(ValueError("no")) is None
    for error, where in ((torch.OutOfMemoryError("CUDA out of memory."), "GPU"), (MemoryError(), "computer")):

        def fail(_name: str, error: Exception = error) -> torch.device:
            raise error

        monkeypatch.setattr("engine.pose2mesh.devices.choose_device", fail)
        assert main(["evaluate", "motions.npz"]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"Error: The {where} ran out of memory: ") and said.count("\n") == 1


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(EngineError, match="4 processes were started for 2 GPUs: start at most 2"):
        parallel.join(torch.device("cuda"))


@pytest.mark.usefixtures("unusable")
def test_of_several_processes_none_falls_back_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others would wait for it on their GPUs."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(EngineError, match="choose the device 'cpu', or update"):
        choose_device("auto")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert choose_device("auto") == torch.device("cpu")


def test_published_networks_are_trained_by_one_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", "published_human36m_posenet", "--out", str(tmp_path)]) == 1
    assert "is trained by one process: start it without torchrun" in capsys.readouterr().err
