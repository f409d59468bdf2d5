"""Where networks run: whether the GPU can be used, found out by using it."""

from __future__ import annotations

import os
import warnings

import torch

from ..errors import EngineError


def choose_device(name: str) -> torch.device:
    """ "auto", "cpu" or "cuda" → the torch device; "auto" is the GPU wherever it can be used.

    Raises:
        EngineError: CUDA is asked for and cannot be used, or the name is unknown. Of several processes that
            torchrun starts, one on the processor would wait for ever for those on GPUs: "auto" asks for CUDA
            then, too.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise EngineError(f"The device {name!r} is unknown: choose auto, cpu or cuda.", "device")
    refusal = None if name == "cpu" else gpu_refusal()
    together = int(os.environ.get("WORLD_SIZE", "1")) > 1 and torch.cuda.device_count() > 0
    if name == "cpu" or (name == "auto" and refusal is not None and not together):
        return torch.device("cpu")
    if refusal is not None:
        remedy = "'cpu'" if together else "'auto' or 'cpu'"
        raise EngineError(
            f"CUDA cannot be used ({refusal}): choose the device {remedy}, or update the GPU driver.",
            "device",
        )
    calculate_carefully()
    return torch.device("cuda")


def gpu_refusal() -> str | None:
    """Why the GPU cannot be used; None where it can.

    A GPU that torch lists may still be too old for this build of it, or have no memory left; that shows only
    once it is given something to do.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        if not torch.cuda.is_available():
            if torch.version.cuda is None:
                return "this torch is built for the processor only"
            return _first_line(said[0].message) if said else "no CUDA device answers"
        try:
            # Of several processes that torchrun starts, none shall touch another's GPU.
            numbers = torch.ones(8, device=torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))))
            right = (numbers @ numbers).item() == 8
        except (RuntimeError, AssertionError) as error:
            return _first_line(error)
    return None if right else "it calculates wrongly"


def calculate_carefully() -> None:
    """On the GPU, too: float32 goes into products as it is, and half precision is added up in float32.

    By default torch rounds to ten bits what goes into float32 convolutions (TF32), which moves our own
    network's vertices by a hundredth of a millimetre, and lets cuBLAS add up parts of long float16 sums in
    float16, which overflows.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
