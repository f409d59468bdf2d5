"""One message on a byte stream: a JSON header and raw arrays, no pickle.

Layout: ``b"P2M\\x01"``, uint32 LE header length, uint32 LE payload length, UTF-8 JSON header, then the arrays
back to back in C order, little-endian, in the order of ``header["arrays"]``. Everything a peer claims is
checked before memory is allocated for it, so a corrupt or hostile stream ends in a `ProtocolError` and
nothing else.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError

MAGIC: Final = b"P2M\x01"
MAX_HEADER_BYTES: Final = 1 << 20
MAX_PAYLOAD_BYTES: Final = 1 << 30
MAX_DIMENSIONS: Final = 8
DTYPES: Final[Mapping[str, np.dtype[Any]]] = {
    "bool": np.dtype("?"),
    "uint8": np.dtype("u1"),
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
_PREFIX: Final = struct.Struct("<4sII")
_RESERVED: Final = ("type", "arrays")


class ProtocolError(EngineError):
    """What arrived is not a message of this protocol; the stream cannot be used any further."""

    def __init__(self, text: str) -> None:
        super().__init__(text, kind="protocol")


@dataclass(frozen=True)
class Message:
    """One message: its type, its JSON fields and its named arrays."""

    type: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write one message and flush; blocks while the reader is busy.

    Raises:
        ProtocolError: the message does not fit the format; nothing has been written.
        OSError: the other side is gone (`BrokenPipeError`).
    """
    arrays = {name: _wire_array(name, array) for name, array in message.arrays.items()}
    if clash := [name for name in _RESERVED if name in message.fields]:
        raise ProtocolError(f"A message field may not be called {clash[0]!r}; rename it.")
    specs = [{"name": n, "dtype": a.dtype.name, "shape": list(a.shape)} for n, a in arrays.items()]
    try:
        text = json.dumps({"type": message.type, **message.fields, "arrays": specs}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ProtocolError(f"The {message.type!r} message cannot be written as JSON ({error}).") from error
    header = text.encode("utf-8", "surrogatepass")
    payload_bytes = sum(a.nbytes for a in arrays.values())
    _check_sizes(len(header), payload_bytes)
    _write_all(stream, memoryview(_PREFIX.pack(MAGIC, len(header), payload_bytes) + header))
    for array in arrays.values():
        if array.nbytes:
            _write_all(stream, array.data.cast("B"))
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """Read one message; None when the stream ends between two messages.

    Raises:
        ProtocolError: wrong magic, a length over the limit, a bad header, or an early end of the stream.
    """
    prefix = bytearray(_PREFIX.size)
    got = _read_into(stream, memoryview(prefix))
    if got == 0:
        return None
    if got < len(prefix):
        raise ProtocolError(_ENDED)
    magic, header_bytes, payload_bytes = _PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise ProtocolError(
            "The stream does not carry Pose2Mesh messages (wrong magic); something else wrote to the pipe."
        )
    _check_sizes(header_bytes, payload_bytes)
    text = bytearray(header_bytes)
    _fill(stream, memoryview(text))
    header = _parse_header(bytes(text))
    kind, specs = header.pop("type", None), header.pop("arrays", [])
    if not isinstance(kind, str):
        raise ProtocolError("A message arrived without a type; the two sides do not match.")
    layout = _parse_specs(specs, payload_bytes)
    arrays: dict[str, NDArray[Any]] = {}
    for name, dtype, shape in layout:
        array = np.empty(shape, dtype)
        if array.nbytes:
            _fill(stream, array.reshape(-1).view(np.uint8).data)
        # Any byte may claim to be a bool; only 0 and 1 are.
        arrays[name] = array if dtype.kind != "b" else np.asarray(array.view(np.uint8) != 0)
    return Message(kind, header, arrays)


_ENDED: Final = "The stream ended in the middle of a message; the other process stopped."


def _wire_array(name: str, array: NDArray[Any]) -> NDArray[Any]:
    dtype = DTYPES.get(array.dtype.name)
    if dtype is None:
        raise ProtocolError(f"Array {name!r} has type {array.dtype}; send one of {', '.join(DTYPES)}.")
    # ascontiguousarray would turn a 0-d array into 1-d.
    return np.asarray(array, dtype=dtype, order="C")


def _check_sizes(header_bytes: int, payload_bytes: int) -> None:
    if header_bytes > MAX_HEADER_BYTES:
        raise ProtocolError(
            f"A message header of {header_bytes} bytes is over the limit of {MAX_HEADER_BYTES}; send less."
        )
    if payload_bytes > MAX_PAYLOAD_BYTES:
        raise ProtocolError(
            f"A message payload of {payload_bytes} bytes is over the limit of {MAX_PAYLOAD_BYTES}; send less."
        )


def _parse_header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("utf-8", "surrogatepass"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("A message header is not valid JSON; the stream is corrupt.") from error
    if not isinstance(header, dict):
        raise ProtocolError("A message header is not a JSON object; the stream is corrupt.")
    return header


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _parse_specs(specs: Any, payload_bytes: int) -> list[tuple[str, np.dtype[Any], tuple[int, ...]]]:
    """The arrays' names, types and shapes, whose bytes add up to exactly the payload."""
    bad = ProtocolError("A message describes its arrays wrongly; the stream is corrupt.")
    if not isinstance(specs, list):
        raise bad
    layout: dict[str, tuple[str, np.dtype[Any], tuple[int, ...]]] = {}
    total = 0
    for spec in specs:
        if not isinstance(spec, dict):
            raise bad
        name, dtype_name, shape = spec.get("name"), spec.get("dtype"), spec.get("shape")
        if not isinstance(name, str) or name in layout or not isinstance(shape, list):
            raise bad
        dtype = DTYPES.get(dtype_name) if isinstance(dtype_name, str) else None
        if dtype is None:
            raise ProtocolError(f"A message carries an array of type {dtype_name!r}, which is not allowed.")
        # A zero beside huge sizes has no bytes but still overflows numpy's own arithmetic.
        sizes_ok = all(type(n) is int and 0 <= n <= MAX_PAYLOAD_BYTES for n in shape)
        if (
            len(shape) > MAX_DIMENSIONS
            or not sizes_ok
            or math.prod(max(n, 1) for n in shape) > MAX_PAYLOAD_BYTES
        ):
            raise bad
        total += math.prod(shape) * dtype.itemsize
        layout[name] = (name, dtype, tuple(shape))
    if total != payload_bytes:
        raise ProtocolError(
            f"A message's arrays take {total} bytes but its payload {payload_bytes}; the stream is corrupt."
        )
    return list(layout.values())


def _write_all(stream: BinaryIO, view: memoryview) -> None:
    """Write every byte; a raw (unbuffered) stream may take only part of it at once."""
    while view:
        view = view[stream.write(view) :]


def _read_into(stream: BinaryIO, view: memoryview) -> int:
    """Fill `view` as far as the stream goes; the number of bytes read."""
    got = 0
    readinto = stream.readinto  # type: ignore[attr-defined]
    while got < len(view):
        n = readinto(view[got:])
        if not n:
            break
        got += n
    return got


def _fill(stream: BinaryIO, view: memoryview) -> None:
    if _read_into(stream, view) < len(view):
        raise ProtocolError(_ENDED)
