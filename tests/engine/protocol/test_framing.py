"""The wire survives what it should and refuses everything else."""

import io
import json
import struct

import numpy as np
import pytest

from engine.protocol import framing
from engine.protocol.framing import MAGIC, Message, ProtocolError, read_message, write_message


def encoded(message: Message) -> bytes:
    stream = io.BytesIO()
    write_message(stream, message)
    return stream.getvalue()


def raw(
    header: object, payload: bytes = b"", header_bytes: int | None = None, payload_bytes: int | None = None
) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    sizes = struct.pack(
        "<II", header_bytes or len(text), len(payload) if payload_bytes is None else payload_bytes
    )
    return MAGIC + sizes + text + payload


def read(data: bytes) -> Message | None:
    return read_message(io.BytesIO(data))


@pytest.mark.parametrize("dtype", list(framing.DTYPES))
def test_arrays_come_back_equal(dtype: str) -> None:
    arrays = {
        "matrix": np.arange(12).reshape(3, 4).astype(dtype),
        "scalar": np.array(1, dtype),
        "empty": np.zeros((0, 7), dtype),
        "strided": np.arange(24).reshape(4, 6).astype(dtype)[::2, ::-3],
        "swapped": np.arange(5).astype(np.dtype(dtype).newbyteorder(">")),
    }
    back = read(encoded(Message("vertices", {"frame": 3, "name": "Zoë \ud800"}, arrays)))
    assert back is not None
    assert back.type == "vertices"
    assert back.fields == {"frame": 3, "name": "Zoë \ud800"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(back.arrays[name], array)
        assert back.arrays[name].dtype == np.dtype(dtype)
        assert back.arrays[name].shape == array.shape
        assert back.arrays[name].flags.writeable


def test_the_bytes_are_the_documented_ones() -> None:
    data = encoded(Message("m", {}, {"a": np.array([1, 2], "<i4")}))
    header = b'{"type": "m", "arrays": [{"name": "a", "dtype": "int32", "shape": [2]}]}'
    assert data == b"P2M\x01" + struct.pack("<II", len(header), 8) + header + b"\x01\0\0\0\x02\0\0\0"


def test_messages_follow_each_other_until_a_clean_end() -> None:
    stream = io.BytesIO(
        encoded(Message("a")) + encoded(Message("b", {}, {"x": np.ones(3)})) + encoded(Message("c"))
    )
    assert [m.type for m in iter(lambda: read_message(stream), None)] == ["a", "b", "c"]


def test_every_truncation_is_noticed() -> None:
    data = encoded(Message("m", {"k": 1}, {"a": np.ones((2, 2), np.float32)}))
    assert read(b"") is None
    for cut in range(1, len(data)):
        with pytest.raises(ProtocolError, match="ended"):
            read(data[:cut])


def test_a_raw_stream_that_gives_and_takes_little_at_a_time() -> None:
    class Trickle(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def readable(self) -> bool:
            return True

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            part = bytes(data)[:1000]  # type: ignore[call-overload]
            self.data += part
            return len(part)

        def readinto(self, view: memoryview) -> int:  # type: ignore[override]
            part, self.data = self.data[: min(len(view), 7)], self.data[min(len(view), 7) :]
            view[: len(part)] = part
            return len(part)

    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    stream = Trickle()
    write_message(stream, Message("frame", {}, {"image": image}))  # type: ignore[arg-type]
    back = read_message(stream)  # type: ignore[arg-type]
    assert back is not None
    np.testing.assert_array_equal(back.arrays["image"], image)


ONE = [{"name": "a", "dtype": "float32", "shape": [2]}]


@pytest.mark.parametrize(
    "data",
    [
        b"P2M\x02" + bytes(8),
        b"Traceback (most recent call last):",
        raw({"type": "m"}, header_bytes=0xFFFFFFFF),
        raw({"type": "m"}, payload_bytes=0xFFFFFFFF),
        raw({"type": "m", "arrays": ONE}, bytes(7)),
        raw({"type": "m", "arrays": ONE}, bytes(12)),
        raw({"type": "m"}, bytes(4)),
        raw(b"\xff\xfe{}"),
        raw(b'{"type": "m", "x": NaN}'),
        raw(b"[" * 100_000),
        raw(b'{"type":"m","n":' + b"9" * 10_000 + b"}"),
        raw(["m"]),
        raw({"arrays": []}),
        raw({"type": 3}),
        raw({"type": "m", "arrays": {}}),
        raw({"type": "m", "arrays": [3]}),
        raw({"type": "m", "arrays": ONE + ONE}, bytes(16)),
        raw({"type": "m", "arrays": [{"name": "a", "dtype": "float32"}]}),
        raw({"type": "m", "arrays": [{"name": 1, "dtype": "float32", "shape": [1]}]}, bytes(4)),
        *(
            raw({"type": "m", "arrays": [{"name": "a", "dtype": dtype, "shape": [1]}]}, bytes(8))
            for dtype in ("object", "O", "complex64", "|O8", "U4", "float16", None, ["f4"], {"a": 1})
        ),
        *(
            raw({"type": "m", "arrays": [{"name": "a", "dtype": "uint8", "shape": shape}]}, bytes(8))
            for shape in (
                [-8],
                [-2, -4],
                [8.0],
                [True, 8],
                ["8"],
                [2**63, 0],
                [2**29, 2**29, 0],
                [1] * 40 + [8],
                None,
            )
        ),
    ],
)
def test_hostile_bytes_are_a_protocol_error(data: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        read(data)
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_never_escapes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(
        encoded(Message("m", {"k": [1, {"z": "x"}]}, {"a": np.ones((3, 3)), "b": np.ones(2, bool)}))
    )
    for at in rng.integers(0, len(data), 4):
        data[at] = rng.integers(256)
    try:
        message = read(bytes(data))
    except ProtocolError:
        return
    assert isinstance(message, Message)


def test_a_claimed_size_costs_no_memory() -> None:
    big = raw(
        {"type": "m", "arrays": [{"name": "a", "dtype": "uint8", "shape": [1 << 20]}]}, payload_bytes=1 << 29
    )
    with pytest.raises(ProtocolError, match="payload"):
        read(big)


def test_bools_are_zero_or_one() -> None:
    back = read(raw({"type": "m", "arrays": [{"name": "a", "dtype": "bool", "shape": [3]}]}, b"\x00\x02\xff"))
    assert back is not None
    assert back.arrays["a"].view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "message",
    [
        Message("m", {"arrays": []}),
        Message("m", {"type": "n"}),
        Message("m", {"x": float("nan")}),
        Message("m", {"x": object()}),
        Message("m", {"x": "y" * (1 << 20)}),
        Message("m", {}, {"a": np.array([None])}),
        Message("m", {}, {"a": np.array(["text"])}),
        Message("m", {}, {"a": np.broadcast_to(np.uint8(0), (1 << 31,))}),
    ],
)
def test_what_does_not_fit_is_refused_before_a_byte_is_written(
    message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        framing, "_wire_array", lambda name, a: a if a.nbytes > 1 << 30 else original(name, a)
    )
    stream = io.BytesIO()
    with pytest.raises(ProtocolError):
        write_message(stream, message)
    assert stream.getvalue() == b""


original = framing._wire_array
