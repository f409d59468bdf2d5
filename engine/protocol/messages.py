"""The messages of the wire, one frozen dataclass each; `docs/architecture.md` has the table.

`send` and `receive` are all a caller needs. Fields a newer peer adds are ignored; a missing or mistyped
field, or a type nobody knows, is a `ProtocolError`.
"""

from __future__ import annotations

import types
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, BinaryIO, ClassVar, Final, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from .framing import Message, ProtocolError, read_message, write_message

PROTOCOL_VERSION: Final = 1


@dataclass(frozen=True)
class Hello:
    """First message each way. The engine adds its version and process id."""

    type: ClassVar[str] = "hello"
    protocol: int
    engine_version: str | None = None
    pid: int | None = None


@dataclass(frozen=True)
class PathSource:
    """A file the engine decodes itself."""

    kind: ClassVar[str] = "path"
    path: str


@dataclass(frozen=True)
class FramesSource:
    """Frames the add-on hands over, `width` x `height` px; `count` None when it is not known."""

    kind: ClassVar[str] = "frames"
    width: int
    height: int
    fps: float
    count: int | None = None


@dataclass(frozen=True)
class Capture:
    """The job. Frame range inclusive, `last_frame` None for the end; `focal_px` None when not known.

    `height`: standing height of the most prominent person in metres, None when not known.
    `network`: "quality" or "light"; an imported body has its own.
    """

    type: ClassVar[str] = "capture"
    source: PathSource | FramesSource
    out: str
    people: int = 1
    device: str = "auto"
    body: str = "open_body"
    smoothing: float = 1.0
    first_frame: int = 0
    last_frame: int | None = None
    focal_px: float | None = None
    network: str = "quality"
    height: float | None = None


@dataclass(frozen=True)
class FrameImage:
    """One handed-over frame: `image` (H,W,3) uint8 RGB, top row first, upright; `time` in seconds."""

    type: ClassVar[str] = "frame"
    index: int
    time: float
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class FramesEnd:
    """No more frames follow."""

    type: ClassVar[str] = "frames_end"


@dataclass(frozen=True)
class Cancel:
    """Stop, write nothing."""

    type: ClassVar[str] = "cancel"


@dataclass(frozen=True)
class Started:
    """The source is open; `frames` None when the file does not say."""

    type: ClassVar[str] = "started"
    frames: int | None
    fps: float
    width: int
    height: int
    device: str


@dataclass(frozen=True)
class Vertices:
    """Live preview: `vertices` (V,3) float32 in metres, camera frame, unsmoothed."""

    type: ClassVar[str] = "vertices"
    frame: int
    person: int
    vertices: NDArray[np.float32]


@dataclass(frozen=True)
class Progress:
    """Where a stage stands; `rate` per second, `eta` in seconds."""

    type: ClassVar[str] = "progress"
    stage: str
    done: int
    total: int | None
    rate: float
    eta: float | None


@dataclass(frozen=True)
class Warning:
    """Something the user should know, in one sentence."""

    type: ClassVar[str] = "warning"
    text: str


@dataclass(frozen=True)
class Result:
    """The take is on disk."""

    type: ClassVar[str] = "result"
    take: str
    frames: int
    people: int
    seconds: float
    quality: dict[str, Any]


@dataclass(frozen=True)
class Cancelled:
    """The job was stopped as asked; nothing was written."""

    type: ClassVar[str] = "cancelled"


@dataclass(frozen=True)
class Error:
    """The job failed: `text` names cause and remedy, `kind` is `EngineError.kind`."""

    type: ClassVar[str] = "error"
    text: str
    kind: str


AnyMessage = (
    Hello
    | Capture
    | FrameImage
    | FramesEnd
    | Cancel
    | Started
    | Vertices
    | Progress
    | Warning
    | Result
    | Cancelled
    | Error
)
_CLASSES: Final[dict[str, Any]] = {cls.type: cls for cls in get_args(AnyMessage)}
_SOURCES: Final[dict[str, Any]] = {cls.kind: cls for cls in (PathSource, FramesSource)}
_ARRAYS: Final[dict[tuple[str, str], tuple[str, int]]] = {
    ("frame", "image"): ("uint8", 3),
    ("vertices", "vertices"): ("float32", 2),
}


def send(stream: BinaryIO, message: AnyMessage) -> None:
    """Write one message; errors as in `framing.write_message`."""
    write_message(stream, to_wire(message))


def receive(stream: BinaryIO) -> AnyMessage | None:
    """Read one message, None at a clean end of stream; errors as in `framing.read_message`."""
    raw = read_message(stream)
    return None if raw is None else from_wire(raw)


def to_wire(message: AnyMessage) -> Message:
    """The frame that carries `message`."""
    plain: dict[str, Any] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for f in fields(message):
        value = getattr(message, f.name)
        if (message.type, f.name) in _ARRAYS:
            arrays[f.name] = value
        elif isinstance(value, PathSource | FramesSource):
            plain[f.name] = {"kind": value.kind, **{s.name: getattr(value, s.name) for s in fields(value)}}
        else:
            plain[f.name] = value
    return Message(message.type, plain, arrays)


def from_wire(raw: Message) -> AnyMessage:
    """The typed message in a frame.

    Raises:
        ProtocolError: an unknown type, or a field that is missing or has the wrong type.
    """
    cls = _CLASSES.get(raw.type)
    if cls is None:
        raise ProtocolError(
            f"A message of unknown type {raw.type!r} arrived; update the add-on and the engine together."
        )
    values: dict[str, Any] = dict(raw.fields)
    if cls is Capture:
        values["source"] = _source(values.get("source"))
    for (kind, name), (dtype, ndim) in _ARRAYS.items():
        if kind == raw.type:
            array = raw.arrays.get(name)
            if array is None or array.dtype.name != dtype or array.ndim != ndim or array.shape[-1] != 3:
                raise ProtocolError(f"A {kind!r} message needs an array {name!r} of {dtype}, (..., 3).")
            values[name] = array
    message: AnyMessage = _build(cls, values, raw.type)
    return message


def _source(value: Any) -> PathSource | FramesSource:
    cls = _SOURCES.get(str(value.get("kind"))) if isinstance(value, dict) else None
    if cls is None:
        raise ProtocolError("A capture must name its source as a path or as frames.")
    source: PathSource | FramesSource = _build(cls, value, "source")
    return source


def _build(cls: Any, values: dict[str, Any], what: str) -> Any:
    known = {f.name: values[f.name] for f in fields(cls) if f.name in values}
    hints = _hints(cls)
    for name, value in known.items():
        if (what, name) not in _ARRAYS and not _fits(value, hints[name]):
            raise ProtocolError(
                f"The field {name!r} of a {what!r} message has the wrong type; the two sides do not match."
            )
    try:
        return cls(**known)
    except TypeError as error:
        raise ProtocolError(f"A {what!r} message lacks a field ({error}).") from error


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value has the annotated type; an int is a fine float, a bool is no int."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    base = get_origin(hint) or hint
    if base is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and -1e300 < value < 1e300  # also false for NaN, and safe for any huge integer
    if base is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, base)
