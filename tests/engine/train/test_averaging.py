"""The running average of the weights, against its formula."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from engine.train.averaging import WeightAverage


class Network(nn.Module):
    """A trained part, a frozen one, and a sparse buffer like those of the mesh's graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.trained = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.frozen = nn.Linear(2, 2)
        self.register_buffer("graph", torch.eye(3).to_sparse())


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network()


def walk(network: Network, steps: int, seed: int = 1) -> Iterator[dict[str, Tensor]]:
    """Change the weights and the running statistics as a training would; gives copies of all."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        with torch.no_grad():
            for parameter in network.trained.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator))
            network.trained(torch.randn(8, 3, generator=generator) * 2 + 1)
        yield {name: tensor.clone() for name, tensor in network.trained.state_dict().items()}


@pytest.mark.parametrize("decay", [0.3, 0.9])
def test_it_is_the_moving_average_of_weights_and_statistics(network: Network, decay: float) -> None:
    average = WeightAverage(network, [network.trained], decay)
    mean: dict[str, Tensor] = {}
    for step, state in enumerate(walk(network, 30), start=1):
        average.update()
        keep = min(decay, (1 + step) / (10 + step))
        mean = {k: keep * mean.get(k, v) + (1 - keep) * v for k, v in state.items() if v.is_floating_point()}
    frozen, last = network.frozen.weight.clone(), network.trained[0].weight.clone()
    average.hand_over()
    assert mean.keys() == {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"}
    for name, value in mean.items():
        torch.testing.assert_close(network.trained.state_dict()[name], value)
    assert not torch.allclose(network.trained[0].weight, last)
    assert torch.equal(network.frozen.weight, frozen)
    assert not any(name.startswith(("frozen", "graph")) for name in average.state())


def test_the_live_weights_are_left_alone(network: Network) -> None:
    average = WeightAverage(network, [network.trained], 0.9)
    for state in walk(network, 5):
        average.update()
        assert all(torch.equal(value, state[name]) for name, value in network.trained.state_dict().items())


def test_none_is_kept_where_none_is_wanted(network: Network) -> None:
    average = WeightAverage(network, [network.trained], 0.0)
    (last,) = list(walk(network, 1))
    average.update()
    average.hand_over()
    assert average.state() == {}
    assert torch.equal(network.trained[0].weight, last["0.weight"])


def test_it_goes_on_from_its_state(network: Network) -> None:
    whole, half = (WeightAverage(network, [network.trained], 0.9) for _ in range(2))
    for step, _ in enumerate(walk(network, 12)):
        whole.update()
        if step == 5:
            half.resume(whole.state(), 6)
        elif step > 5:
            half.update()
    assert whole.state().keys() == half.state().keys()
    assert all(torch.equal(mean, half.state()[name]) for name, mean in whole.state().items())


def test_anothers_state_is_refused(network: Network) -> None:
    average = WeightAverage(network, [network.trained], 0.9)
    with pytest.raises(KeyError):
        average.resume({"other": torch.zeros(1)}, 1)
