"""What runs on CUDA, run on a pretended one: every tensor on its device, every copy in order, nothing in a
captured graph that CUDA forbids, and the numbers of the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pretended_gpu import CUDA, Illegal, Mismatch, OnGpu, Race, pretended_gpu
from test_meshnet import SMALL
from torch import Tensor, nn

from engine.pose2mesh import bench, stream
from engine.pose2mesh.body_network import BodyMesh, BodyNetwork, body_config
from engine.pose2mesh.fast import fast, fast_body
from engine.pose2mesh.meshnet import resample_features
from engine.pose2mesh.model import Pose2Mesh, build
from engine.pose2mesh.observation import observe
from engine.pose2mesh.stream import Stream

FACES = bench._sphere(150)
TYPES = (torch.float32, torch.float16, torch.bfloat16)


@pytest.fixture(scope="module")
def model() -> Pose2Mesh:
    torch.manual_seed(0)
    return build(SMALL, FACES).eval()


@pytest.fixture(scope="module", params=[0, 8], ids=["single frames", "clips"])
def body_network(request: pytest.FixtureRequest) -> BodyNetwork:
    faces = FACES
    vertices = int(faces.max()) + 1
    rng = np.random.default_rng(0)
    joints, landmarks, decode = (
        rng.random(shape) for shape in ((24, vertices), (33, vertices), (vertices, 33))
    )
    mesh = BodyMesh(np.arange(vertices), faces, joints, landmarks, decode / decode.sum(1, keepdims=True))
    torch.manual_seed(0)
    network = BodyNetwork(body_config(32, ((16, 16), (24,)), (16,), request.param), mesh)
    for parameter in network.parameters():  # nothing starts at zero
        nn.init.normal_(parameter, std=0.1)
    return network.eval()


def clip(frames: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).random((frames, 33, channels), dtype=np.float32)


def close(ours: np.ndarray | Tensor, exact: np.ndarray | Tensor, share: float) -> None:
    """Within a share of the range."""
    exact = np.asarray(exact)
    assert ours.shape == exact.shape
    np.testing.assert_allclose(ours, exact, rtol=0, atol=share * np.ptp(exact))


@pytest.mark.parametrize(
    ("dtype", "capture", "frames"),
    [(torch.float16, True, 1), (torch.float16, False, 11), *((dtype, True, 19) for dtype in TYPES)],
)
def test_a_clip_on_cuda(model: Pose2Mesh, dtype: torch.dtype, capture: bool, frames: int) -> None:
    with torch.no_grad():
        expected = [value.numpy() for value in model(torch.from_numpy(clip(frames)))]
    with pretended_gpu() as gpu:
        run = Stream(fast(model, dtype, "cuda"), "cuda", batch=8, capture=capture)
        results = [run(clip(frames)) for _ in range(2)]
        backwards = run(clip(frames)[::-1])
    assert len(gpu.graphs) == capture  # once for all clips
    for vertices, joints in (*results, tuple(value[::-1] for value in backwards)):
        assert vertices.dtype == joints.dtype == np.float32
        close(vertices, expected[0], 1e-5 if dtype == torch.float32 else 0.005)
        close(joints, expected[1], 1e-5)  # PoseNet is exact in all of them


def test_another_kind_of_input_gets_another_graph() -> None:
    with pretended_gpu() as gpu:
        run = Stream(lambda x: (x * 2,), "cuda", batch=4)
        for shape in ((5, 3), (7, 3), (5, 2)):
            np.testing.assert_array_equal(run(np.ones(shape))[0], np.full(shape, 2.0))
    assert len(gpu.graphs) == 2


def test_our_network_is_captured_with_what_it_observes(body_network: BodyNetwork) -> None:
    camera = torch.tensor([[1.0, 0, 0.5], [0, 1.0, 0.5], [0, 0, 1]])
    frames = 16
    with torch.no_grad():
        seen = observe(torch.from_numpy(clip(frames)), camera)
        halves = [type(seen)(*(field[part] for field in seen)) for part in (slice(0, 8), slice(8, 16))]
        expected = [
            np.concatenate(parts) for parts in zip(*(body_network(x, 8) for x in halves), strict=True)
        ]
    with pretended_gpu() as gpu:
        quick, camera = fast_body(body_network, torch.float16, "cuda"), camera.to("cuda")
        landmarks, vertices = Stream(lambda x: quick(observe(x, camera), len(x)), "cuda", batch=8)(
            clip(frames)
        )
    assert len(gpu.graphs) == 1
    close(landmarks, expected[0], 1e-5)
    close(vertices, expected[1], 0.005)


def test_a_network_itself_moves_to_cuda(body_network: BodyNetwork) -> None:
    with pretended_gpu(), torch.inference_mode():
        there = BodyNetwork(body_network.config, body_network.mesh).to("cuda").eval()
        there.load_state_dict(body_network.state_dict())
        observation = observe(torch.as_tensor(clip(4), device="cuda"), torch.eye(3, device="cuda"))
        results = there(observation, 4)
        assert all(isinstance(value, OnGpu) and value.device == CUDA for value in results)
        back = [value.cpu() for value in results]
    with torch.inference_mode():
        expected = body_network(observe(torch.from_numpy(clip(4)), torch.eye(3)), 4)
    for ours, exact in zip(back, expected, strict=True):
        close(ours, exact, 1e-5)


@pytest.mark.parametrize("name", [bench.OURS, bench.OURS_BARE, bench.OURS_BFLOAT16])
def test_training_steps_of_the_benchmark(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "VERTICES", 150)
    made = []

    def small(_name: str) -> Pose2Mesh:
        torch.manual_seed(0)
        config = bench_config()
        made.append(build(config, FACES))
        return made[-1]

    monkeypatch.setattr(bench, "_published", small)
    with pretended_gpu():
        bench._training_step(name, "cuda", 3)()
        for _, tensor in (*made[-1].named_parameters(), *made[-1].named_buffers()):
            assert name in (bench.OURS_BARE, bench.OURS_BFLOAT16) or isinstance(tensor, OnGpu)


def bench_config():
    mesh = replace(SMALL.mesh, joints=17, input_channels=5)
    pose = replace(SMALL.pose, joints=17, input_channels=2)
    return replace(SMALL, joint_set="human36m17", mesh=mesh, pose=pose, padding=True)


@pytest.mark.parametrize(("source", "target"), [(64, 256), (256, 128), (16, 24), (24, 8)])
def test_residuals_are_resampled_alike(source: int, target: int) -> None:
    x = torch.randn(5, 3, source)
    with pretended_gpu():
        there = x.to("cuda").requires_grad_()
        resampled = resample_features(there, target)
        resampled.square().sum().backward()
        ours, gradient = resampled.detach().cpu(), there.grad.cpu()
    x.requires_grad_()
    exact = resample_features(x, target)
    exact.square().sum().backward()
    torch.testing.assert_close(ours, exact.detach(), rtol=0, atol=1e-5)
    torch.testing.assert_close(gradient, x.grad, rtol=0, atol=1e-4)


def test_a_table_left_behind_is_found(model: Pose2Mesh) -> None:
    with pretended_gpu():
        quick = fast(model, torch.float16, "cuda")
        quick.levels[0].layers[0].inner.columns = quick.levels[0].layers[0].inner.columns.cpu()
        with pytest.raises(Mismatch, match="embedding_bag"):
            Stream(quick, "cuda", batch=4, capture=False)(clip(4))


@pytest.mark.parametrize(
    "network",
    [
        lambda x: (x[:, [0, 1]],),
        lambda x: (x * x.new_tensor([1.0, 2.0, 3.0]),),
        lambda x: (x / float(x.max()),),
        lambda x: (x * len(x.nonzero()),),
        lambda x: (x + torch.ones(3).to("cuda"),),
    ],
)
def test_what_a_graph_cannot_hold_is_found(network: Callable[[Tensor], tuple[Tensor]]) -> None:
    with pretended_gpu():
        Stream(network, "cuda", batch=4, capture=False)(clip(8))
        with pytest.raises(Illegal):
            Stream(network, "cuda", batch=4)(clip(8))


@pytest.mark.parametrize(
    ("line", "instead", "who"),
    [
        ("way_home.wait_stream(torch.cuda.current_stream())", "", "copy_"),
        ("self._arrived.synchronize()", "", "numpy"),
        ("            self._arrived.record()\n", "        self._arrived.record()\n", "numpy"),
        ("slot.empty_into(results)\n                outputs", "outputs", "copy_"),
        ("host[:count].copy_(copy[:count], ", "host[:count].copy_(outputs[0][:count], ", "replayed"),
        ("side.wait_stream(torch.cuda.current_stream())", "", "linear"),
    ],
)
def test_a_missing_wait_is_found(line: str, instead: str, who: str) -> None:
    """Each of the waits in `stream` is needed: without it somebody would read what is not there yet."""
    source = Path(stream.__file__).read_text("utf-8")
    assert source.count(line) == 1
    changed = {"__name__": "changed"}
    exec(compile(source.replace(line, instead), "changed", "exec"), changed)
    layer = nn.Linear(3, 3)
    with pretended_gpu(), pytest.raises(Race, match=who):
        there = layer.to("cuda")
        changed["Stream"](lambda x: (there(x) * 2,), "cuda", batch=4)(clip(19))
