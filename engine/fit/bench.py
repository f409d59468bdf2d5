"""The camera fit of the published demo against ours, side by side on the same points.

camera_fit() -> {"published": {"ms", "loss_px"}, "ours": {"ms", "loss_px"}}      (used by `engine bench`)
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .camera import weak_perspective

Array = NDArray[Any]


def camera_fit(people: int = 3, seed: int = 0) -> dict[str, dict[str, float]]:
    """Mean milliseconds and mean L1 loss (px in the 500 px crop) per person, for both solvers."""
    rng = np.random.default_rng(seed)
    points = rng.normal(0.0, [0.25, 0.45, 0.15], (people, 17, 3))
    camera = np.stack([rng.uniform(0.7, 1.2, people), *rng.uniform(-0.2, 0.2, (2, people))], axis=1)
    crop = 250 * camera[:, None, :1] * (points[..., :2] + camera[:, None, 1:]) + 250
    crop += rng.laplace(0.0, 6.0, crop.shape)

    start = time.perf_counter()
    losses = [
        published_camera_fit(p, c, seed=i)[1] for i, (p, c) in enumerate(zip(points, crop, strict=True))
    ]
    published = {"ms": (time.perf_counter() - start) / people * 1e3, "loss_px": float(np.mean(losses))}

    start = time.perf_counter()
    ours_losses = [float(weak_perspective(p, c)[1]) for p, c in zip(points, crop, strict=True)]
    ours = {"ms": (time.perf_counter() - start) / people * 1e3, "loss_px": float(np.mean(ours_losses))}
    return {"published": published, "ours": ours}


def published_camera_fit(
    points3d: Array, points2d: Array, *, seed: int = 0, steps: int = 1500
) -> tuple[NDArray[np.float64], float]:
    """The published demo's optimiser: Adam on the L1 loss, lr .1, .05 from step 501, .001 from step 1001.

    Args:
        points3d: (J,3) metres.  points2d: (J,2) px in the 500 px crop.

    Returns:
        (s, tx, ty) and the final loss in px.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    parameters = torch.rand(3, generator=generator).requires_grad_()
    x = torch.tensor(np.asarray(points3d)[..., :2], dtype=torch.float32)
    target = torch.tensor(np.asarray(points2d)[..., :2], dtype=torch.float32)
    optimiser = torch.optim.Adam([parameters], lr=0.1)

    def loss_of() -> torch.Tensor:
        return (250.0 * parameters[0] * (x + parameters[1:]) + 250.0 - target).abs().mean()

    for step in range(steps):
        if step in (501, 1001):
            optimiser.param_groups[0]["lr"] = 0.05 if step == 501 else 0.001
        loss = loss_of()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        return parameters.detach().numpy().astype(np.float64), float(loss_of())
