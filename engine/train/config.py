"""One TOML file per shipped weight file says how it was trained."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import EngineError
from ..pose2mesh.body_network import body_config
from ..pose2mesh.config import Pose2MeshConfig
from .detector_noise import DetectorNoise
from .loop import Schedule
from .synthesis import Synthesis

CONFIGS = Path(__file__).resolve().parent / "configs"


@dataclass(frozen=True)
class TrainConfig:
    """The network and its stages.

    Attributes:
        name: of the weight file.
        vertices: at most this many coarse vertices.
        network: PoseNet's and MeshNet's widths.
        stages: run in order.
        noise, synthesis: what the pairs are made of, where it differs from the defaults.
        seed: of the initial weights and of everything that is drawn.
    """

    name: str
    vertices: int
    network: Pose2MeshConfig
    stages: tuple[Schedule, ...]
    seed: int
    noise: DetectorNoise = field(default_factory=DetectorNoise)
    synthesis: Synthesis = field(default_factory=Synthesis)


def load_config(name: str) -> TrainConfig:
    """Read a shipped configuration by name, or a `.toml` file.

    Raises:
        EngineError: there is none, or a value is missing or wrong.
    """
    path = Path(name) if name.endswith(".toml") else CONFIGS / f"{name}.toml"
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.toml")))
        raise EngineError(
            f"There is no training configuration {name!r}: choose one of {shipped}, or give a .toml file."
        )
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
        widths = tuple(tuple(int(w) for w in level) for level in data["level_widths"])
        network = body_config(
            int(data["hidden"]),
            widths,
            tuple(int(w) for w in data["output_widths"]),
            int(data.get("temporal_width", 0)),
        )
        seed = int(data["seed"])
        stages = tuple(Schedule(**stage, seed=seed) for stage in data["stages"])
        if any(stage.stage not in ("lift", "time", "mesh") for stage in stages):
            raise ValueError("a stage is neither 'lift' nor 'time' nor 'mesh'")
        noise: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.get("noise", {}).items()
        }
        return TrainConfig(
            path.stem,
            int(data["vertices"]),
            network,
            stages,
            seed,
            DetectorNoise(**noise),
            Synthesis(**data.get("synthesis", {})),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise EngineError(
            f"The training configuration {path.name} cannot be used ({error}): correct it."
        ) from error


def shortened(config: TrainConfig, seconds: float) -> TrainConfig:
    """The same with its stages cut to `seconds` in all, in proportion."""
    total = sum(stage.seconds for stage in config.stages)
    stages = tuple(replace(stage, seconds=seconds * stage.seconds / total) for stage in config.stages)
    return replace(config, stages=stages)
