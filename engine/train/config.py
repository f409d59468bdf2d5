"""One TOML file per shipped weight file says how it was trained."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from ..errors import EngineError
from ..pose2mesh.body_network import LANDMARKS, body_config
from ..pose2mesh.config import Pose2MeshConfig
from .detector_noise import DetectorNoise
from .schedule import Schedule
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
        begins: the configuration whose result is gone on from; none begins from nothing.

    Raises:
        ValueError: the stages do not fit the network; says what to put instead.
    """

    name: str
    vertices: int
    network: Pose2MeshConfig
    stages: tuple[Schedule, ...]
    seed: int
    noise: DetectorNoise = field(default_factory=DetectorNoise)
    synthesis: Synthesis = field(default_factory=Synthesis)
    begins: TrainConfig | None = None

    def __post_init__(self) -> None:
        """Refuse at once what would fail in a later stage, hours on."""
        if not self.stages:
            raise ValueError("there are no stages: add a [[stages]] at least")
        if not self.network.pose.temporal_width and any(stage.stage == "time" for stage in self.stages):
            raise ValueError(
                'stage "time" trains what mixes frames, which this network has not: set temporal_width, '
                "or leave the stage out"
            )
        if self.begins is not None and _shape(self.begins) != _shape(self):
            raise ValueError(
                f"it begins with {self.begins.name}, which is another network: give both the same vertices, "
                "hidden, level_widths and output_widths"
            )


@dataclass(frozen=True)
class _Network:
    """The file's outermost keys that describe the network."""

    vertices: int
    hidden: int
    level_widths: tuple[tuple[int, ...], ...]
    output_widths: tuple[int, ...]
    seed: int
    temporal_width: int = 0
    begins: str = ""

    def __post_init__(self) -> None:
        for name, least in (("vertices", 64), ("hidden", 1), ("seed", 0), ("temporal_width", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}: make it {least} or more")
        if not self.level_widths or not all(self.level_widths):
            raise ValueError("level_widths has a level without convolutions: give every level a width")
        if any(width < 1 for widths in (*self.level_widths, self.output_widths) for width in widths):
            raise ValueError("level_widths and output_widths hold a width below 1: make all 1 or more")


def load_config(name: str, above: tuple[Path, ...] = ()) -> TrainConfig:
    """Read a shipped configuration by name, or a `.toml` file.

    Args:
        above: the files that begin with this one.

    Raises:
        EngineError: there is none, or a value is missing, unknown or wrong.
    """
    path = Path(name) if name.endswith(".toml") else CONFIGS / f"{name}.toml"
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.toml")))
        raise EngineError(
            f"There is no training configuration {name!r}: choose one of {shipped}, or give a .toml file."
        )
    if path in above:
        raise EngineError(f"The training configuration {path.name} begins with itself: correct begins.")
    try:
        return _config(path.stem, tomllib.loads(path.read_text(encoding="utf-8")), (*above, path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EngineError(
            f"The training configuration {path.name} is no TOML ({error}): correct it."
        ) from error
    except ValueError as error:
        raise EngineError(f"The training configuration {path.name} cannot be used: {error}.") from error


def shortened(config: TrainConfig, seconds: float) -> TrainConfig:
    """The same with its stages, and those of what it begins with, cut to `seconds` in all, in proportion.

    Raises:
        EngineError: `seconds` is nothing, or the stages count steps.
    """
    if not 0 < seconds < float("inf"):
        raise EngineError(f"A training cannot last {seconds} seconds: give a number above 0.")
    return _scaled(config, seconds / _duration(config))


def _duration(config: TrainConfig) -> float:
    """Seconds of all stages, and of what it begins with."""
    if not all(stage.seconds for stage in config.stages):
        raise EngineError(
            f"{config.name} has a stage that counts steps, not seconds: give every stage seconds in its file."
        )
    before = _duration(config.begins) if config.begins is not None else 0.0
    return before + sum(stage.seconds for stage in config.stages)


def _scaled(config: TrainConfig, factor: float) -> TrainConfig:
    stages = tuple(replace(stage, seconds=factor * stage.seconds) for stage in config.stages)
    begins = _scaled(config.begins, factor) if config.begins is not None else None
    return replace(config, stages=stages, begins=begins)


def _shape(config: TrainConfig) -> tuple[Any, ...]:
    """What must be alike for the weights of one to fit into another; time mixers may be added."""
    pose = replace(config.network.pose, temporal_width=0)
    return config.vertices, replace(config.network, pose=pose)


def _config(name: str, data: dict[str, Any], above: tuple[Path, ...]) -> TrainConfig:
    tables = {key: data.pop(key, {}) for key in ("noise", "synthesis")}
    stages = data.pop("stages", [])
    if not isinstance(stages, list):
        raise ValueError("stages is no list: write [[stages]]")
    own = _read(_Network, data, "")
    network = body_config(own.hidden, own.level_widths, own.output_widths, own.temporal_width)
    noise = _read(DetectorNoise, _table(tables["noise"], "noise"), "noise, ")
    if noise.jitter is not None and len(noise.jitter) != LANDMARKS:
        raise ValueError(f"noise, jitter has {len(noise.jitter)} numbers: give {LANDMARKS}, one per landmark")
    if noise.file and not Path(noise.file).is_file():
        raise ValueError(f"noise, file is {noise.file!r}, which does not exist: correct the path")
    synthesis = _read(Synthesis, _table(tables["synthesis"], "synthesis"), "synthesis, ")
    if not 0 < synthesis.near <= synthesis.far:
        raise ValueError(
            f"synthesis, near is {synthesis.near} and far {synthesis.far}: make near above 0, and far no less"
        )
    return TrainConfig(
        name,
        own.vertices,
        network,
        tuple(
            _read(Schedule, {"seed": own.seed, **_table(stage, "stages")}, f"stage {number}, ")
            for number, stage in enumerate(stages, start=1)
        ),
        own.seed,
        noise,
        synthesis,
        load_config(own.begins, above) if own.begins else None,
    )


_Kind = TypeVar("_Kind")
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("a whole number", lambda v: type(v) is int),
    "float": ("a number", lambda v: type(v) in (int, float)),
    "str": ("text", lambda v: type(v) is str),
    "tuple[int, ...]": ("a list of whole numbers", lambda v: _all(v, (int,))),
    "tuple[float, ...] | None": ("a list of numbers", lambda v: _all(v, (int, float))),
    "tuple[tuple[int, ...], ...]": (
        "a list of lists of whole numbers",
        lambda v: type(v) is list and all(_all(each, (int,)) for each in v),
    ),
}


def _read(kind: type[_Kind], table: Mapping[str, Any], where: str) -> _Kind:
    """The dataclass that a table describes.

    Raises:
        ValueError: a key is unknown or missing, or a value of the wrong kind; says where and what to do.
    """
    known: dict[str, Field[Any]] = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    for name in table:
        if name not in known:
            raise ValueError(
                f"{where}{name} is unknown: take it out, or correct it to one of {', '.join(known)}"
            )
    for name, each in known.items():
        if name not in table:
            if each.default is MISSING:
                raise ValueError(f"{where}{name} is missing: add it")
            continue
        words, fits = _KINDS[str(each.type)]
        if not fits(table[name]):
            raise ValueError(f"{where}{name} is {table[name]!r}: make it {words}")
    try:
        return kind(**{name: _tuples(value) for name, value in table.items()})
    except ValueError as error:
        raise ValueError(f"{where}{error}") from error


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no table: write [{name}], or [[stages]] for a stage")
    return value


def _all(value: Any, kinds: tuple[type, ...]) -> bool:
    return type(value) is list and all(type(each) in kinds for each in value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
