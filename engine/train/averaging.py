"""The running average of the weights: what a training ships, steadier than the weights of its last step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """An exponential moving average over steps of all that a training changes, in float32.

    Batch norms' statistics are averaged along: those of the last few batches alone would not fit the
    averaged weights. In the first steps the average is short, (1 + n) / (10 + n) instead of `decay`, so
    that it forgets where the training began. (Polyak and Juditsky 1992; the warm-up is TensorFlow's
    `ExponentialMovingAverage`.)

    `torch.optim.swa_utils.AveragedModel` would copy the whole network, frozen parts too, and cannot average
    buffers next to the sparse ones of the mesh's graphs.

    Args:
        network: whose state's names are used.
        parts: its modules that are trained; what they share is averaged once.
        decay: of the old average per step, in [0, 1); 0 keeps none.
    """

    def __init__(self, network: nn.Module, parts: Iterable[nn.Module], decay: float) -> None:
        self._decay = decay
        self._steps = 0
        changing = {id(tensor) for part in parts for tensor in _changing(part)}
        own = network.state_dict(keep_vars=True)
        self._live = {name: tensor.detach() for name, tensor in own.items() if id(tensor) in changing}
        self._mean: dict[str, Tensor] = {}

    def update(self) -> None:
        """Take in the weights as they are after a step."""
        if self._decay == 0:
            return
        if not self._mean:
            self._mean = {name: tensor.float().clone() for name, tensor in self._live.items()}
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(list(self._mean.values()), list(self._live.values()), 1 - decay)

    def hand_over(self) -> None:
        """Put the average, if there is one, in the network's place."""
        if self._mean:
            torch._foreach_copy_(list(self._live.values()), list(self._mean.values()))

    def state(self) -> dict[str, Tensor]:
        """The average by the network's names, for a checkpoint; empty where there is none."""
        return self._mean

    def resume(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Go on from a checkpoint's average; where it has none, the average begins with the next step.

        Args:
            state: of `state`; steps: how many it has seen.

        Raises:
            KeyError: it is of other weights.
        """
        if state and self._decay > 0:
            self._mean = {name: state[name].clone() for name in self._live}
            self._steps = steps


def running_statistics(network: nn.Module) -> Iterator[Tensor]:
    """What batch norms learn beside gradients: no other buffer of a network changes in a training."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d) and module.running_mean is not None:
            yield from (module.running_mean, module.running_var)  # type: ignore[misc]


def _changing(part: nn.Module) -> Iterable[Tensor]:
    yield from part.parameters()
    yield from running_statistics(part)
