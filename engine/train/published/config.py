"""One TOML file per published experiment says what is trained on what, for how long."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ...errors import EngineError
from ...pose2mesh.config import MeshNetConfig, Pose2MeshConfig, PoseNetConfig, published_config
from ...pose2mesh.skeletons import joint_set

CONFIGS: Final = Path(__file__).resolve().parent / "configs"
KIND: Final = "published"
STAGES: Final = ("posenet", "pose2mesh")


@dataclass(frozen=True)
class Experiment:
    """A published training.

    Attributes:
        name: of its configuration.
        stage: "posenet" trains PoseNet alone, "pose2mesh" both networks from a trained PoseNet.
        joint_set: what goes in.
        train: datasets, mixed in equal shares.
        test: the dataset that is evaluated after every epoch.
        epochs: how often the (longest) training set is gone through.
        drop_at: after these epochs the learning rate is multiplied by `drop_factor`.
        drop_factor: see there.
        network: both networks; PoseNet's part alone matters to the stage "posenet".
        edges_after: the edge loss begins after this epoch; stage "pose2mesh" only.
        mirror: mirror half of the training samples.
        detected: 2D input as a detector gives it (errors in training, detections at test), or as projected.
        batch: samples per step, over all datasets.
        learning_rate: RMSprop's.
        muco_slip: repeat the published check of MuCo's fits, which compares joints of different order and so
            voids every sample of it; stage "pose2mesh" only.
        seed: of weights, order and everything that is drawn.
    """

    name: str
    stage: str
    joint_set: str
    train: tuple[str, ...]
    test: str
    epochs: int
    drop_at: tuple[int, ...]
    drop_factor: float
    network: Pose2MeshConfig
    edges_after: int = 0
    mirror: bool = False
    detected: bool = True
    batch: int = 64
    learning_rate: float = 1e-3
    muco_slip: bool = False
    seed: int = 123


def is_published(name: str) -> bool:
    """Whether `name` is a published experiment's, by its beginning, or a file that says it is one."""
    if not name.endswith(".toml"):
        return name.startswith(f"{KIND}_")
    path = _path(name)
    try:
        with path.open("rb") as file:
            return tomllib.load(file).get("kind") == KIND
    except (OSError, tomllib.TOMLDecodeError):
        return False


def shipped() -> list[str]:
    """The names of the shipped configurations."""
    return sorted(path.stem for path in CONFIGS.glob("*.toml"))


def load_experiment(name: str) -> Experiment:
    """Read a shipped configuration by name, or a `.toml` file.

    Raises:
        EngineError: there is none, or a value is missing, unknown or wrong.
    """
    path = _path(name)
    if not path.is_file():
        raise EngineError(
            f"There is no published experiment {name!r}: choose one of {', '.join(shipped())}, or give a "
            ".toml file."
        )
    try:
        with path.open("rb") as file:
            return _experiment(path.stem, tomllib.load(file))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise EngineError(
            f"The training configuration {path.name} cannot be used ({error}): correct it."
        ) from error


def _path(name: str) -> Path:
    return Path(name) if name.endswith(".toml") else CONFIGS / f"{name}.toml"


def _experiment(name: str, data: dict[str, Any]) -> Experiment:
    data = dict(data)
    if data.pop("kind", None) != KIND:
        raise ValueError(f'it lacks kind = "{KIND}"')
    network = _network(data["joint_set"], data.pop("network", {}))
    train, drops = tuple(data.pop("train")), tuple(int(epoch) for epoch in data.pop("drop_at"))
    experiment = Experiment(name=name, network=network, train=train, drop_at=drops, **data)
    if experiment.stage not in STAGES:
        raise ValueError(f"the stage is neither {' nor '.join(STAGES)}")
    if not experiment.train:
        raise ValueError("it trains on nothing")
    if experiment.epochs < 1 or experiment.batch < 2 * len(experiment.train):
        raise ValueError("it needs at least one epoch and two samples per dataset in a batch")
    return experiment


def _network(joints: str, changes: dict[str, Any]) -> Pose2MeshConfig:
    """The published network, or one of other widths for a trial."""
    published = published_config(joints, len(joint_set(joints)))
    changes = dict(changes)
    hidden = int(changes.pop("hidden", published.pose.hidden))
    lists = {key: _tuples(value) for key, value in changes.items()}
    pose: PoseNetConfig = replace(published.pose, hidden=hidden)
    mesh: MeshNetConfig = replace(published.mesh, **lists)
    return replace(published, pose=pose, mesh=mesh)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else int(value)
