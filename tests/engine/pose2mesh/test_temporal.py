"""PoseNet along time: as PoseNet at first, blind beyond its reach, and at rest for a single frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.pose2mesh.config import PoseNetConfig
from engine.pose2mesh.posenet import PoseNet
from engine.pose2mesh.temporal import TemporalPoseNet

CONFIG = PoseNetConfig(5, 4, hidden=16, dropout=0.0, temporal_width=8, temporal_kernel=5)


def network() -> TemporalPoseNet:
    torch.manual_seed(0)
    return TemporalPoseNet(CONFIG).eval()


def trained() -> TemporalPoseNet:
    """With mixers that do something."""
    net = network()
    for mixer in net.mixers:
        nn.init.normal_(mixer.up.weight)  # type: ignore[arg-type]
    return net


def clip(frames: int) -> Tensor:
    return torch.randn(2, frames, 5, 4, generator=torch.Generator().manual_seed(1))


def test_it_begins_as_the_network_of_single_frames() -> None:
    net = network()
    single = PoseNet(CONFIG).eval()
    single.load_state_dict({k: v for k, v in net.state_dict().items() if not k.startswith("mixers")})
    x = clip(7)
    torch.testing.assert_close(net(x), single(x.flatten(0, 1)).view(2, 7, 5, 3))


def test_a_frame_depends_on_what_is_within_reach_and_on_nothing_else() -> None:
    net, x = trained(), clip(21)
    assert net.reach == 2 + 4
    changed = x.clone()
    changed[:, 20] += 1.0
    moved = (net(changed) - net(x)).abs().amax((0, 2, 3)) > 1e-6
    assert moved.nonzero().flatten().tolist() == list(range(20 - 6, 21))


def test_frames_alone_are_bodies_at_rest() -> None:
    net, x = trained(), clip(1)
    still = x.expand(-1, 15, -1, -1)
    torch.testing.assert_close(net(x[:, 0]), net(still)[:, 7])
    torch.testing.assert_close(net(x[:, 0]), net(x)[:, 0])
