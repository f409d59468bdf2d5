"""Several GPUs, one process each, as `torchrun` starts them: every process draws its own pairs, gradients are
averaged.

    torchrun --nproc-per-node 4 -m engine train open_body_light --motions train.npz --out DIR
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn

from ..errors import EngineError
from .averaging import running_statistics


def rank() -> int:
    """This process's number; 0 where there is only one."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def join(device: torch.device) -> torch.device:
    """Meet the others, if there are any, and take one GPU each.

    Args:
        device: what the user chose.

    Returns:
        this process's device.

    Raises:
        EngineError: more processes were started here than there are GPUs.
    """
    if processes() == 1:
        return device
    if device.type == "cuda":
        here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
        if here > gpus:
            raise EngineError(
                f"{here} processes were started for {gpus} GPUs: start at most {gpus}, or choose the device "
                "'cpu'.",
                "device",
            )
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def leave() -> None:
    """Part from the others; a process that ends without it may be aborted by its own threads."""
    if dist.is_initialized():
        dist.destroy_process_group()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes, in one exchange."""
    if processes() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= processes()
    for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def agree(network: nn.Module, done: float) -> float:
    """Give all processes the first one's weights' running averages, and its word on how much is done."""
    if processes() == 1:
        return done
    for buffer in running_statistics(network):
        dist.broadcast(buffer, 0)
    word = torch.tensor([done], device=next(network.parameters()).device)
    dist.broadcast(word, 0)
    return float(word)


def wait() -> None:
    """Until all processes are here."""
    if processes() > 1:
        dist.barrier()
