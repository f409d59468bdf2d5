"""Every message crosses the wire unchanged; a wrong one is refused."""

import io
from typing import Any

import numpy as np
import pytest

from engine.protocol import messages as m
from engine.protocol.framing import Message, ProtocolError

EVERY: list[Any] = [
    m.Hello(1),
    m.Hello(1, "0.1.0", 4242),
    m.Capture(m.PathSource("/tmp/ein Tänzer.mp4"), "/tmp/take.npz"),
    m.Capture(
        m.FramesSource(640, 480, 29.97, None), "take.npz", 2, "cpu", "smpl.npz", 0.5, 3, 9, 1200.0, "light"
    ),
    m.FramesEnd(),
    m.Cancel(),
    m.Started(None, 30, 640, 480, "cpu"),
    m.Progress("capture", 3, None, 24.5, None),
    m.Warning("The video is cut short."),
    m.Result("take.npz", 100, 1, 12.5, {"reprojection": 0.01}),
    m.Cancelled(),
    m.Error("No person was found.", "no_person"),
]


def crossed(message: Any) -> Any:
    stream = io.BytesIO()
    m.send(stream, message)
    stream.seek(0)
    return m.receive(stream)


@pytest.mark.parametrize("message", EVERY, ids=lambda x: type(x).__name__)
def test_it_comes_back_equal(message: Any) -> None:
    assert crossed(message) == message


def test_arrays_come_back_equal() -> None:
    vertices = crossed(m.Vertices(7, 1, np.arange(30, dtype=np.float32).reshape(10, 3)))
    assert (vertices.frame, vertices.person, vertices.vertices[9, 2]) == (7, 1, 29)
    frame = crossed(m.FrameImage(0, 0.5, np.full((4, 6, 3), 9, np.uint8)))
    assert (frame.index, frame.time, frame.image.shape, frame.image.max()) == (0, 0.5, (4, 6, 3), 9)


def test_a_clean_end_is_none() -> None:
    assert m.receive(io.BytesIO()) is None


def test_fields_of_a_newer_peer_are_ignored() -> None:
    assert m.from_wire(Message("cancel", {"reason": "bored"})) == m.Cancel()


PATH = {"kind": "path", "path": "a.mp4"}


def test_an_older_peer_captures_with_quality() -> None:
    job = m.from_wire(Message("capture", {"out": "t.npz", "source": PATH}))
    assert isinstance(job, m.Capture) and job.network == "quality"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("nonsense", {}),
        ("hello", {}),
        ("hello", {"protocol": "1"}),
        ("hello", {"protocol": True}),
        ("hello", {"protocol": 1.5}),
        ("capture", {"source": PATH}),
        ("capture", {"out": "t.npz"}),
        ("capture", {"out": "t.npz", "source": "a.mp4"}),
        ("capture", {"out": "t.npz", "source": {"kind": "url", "path": "x"}}),
        ("capture", {"out": "t.npz", "source": {"kind": ["path"]}}),
        ("capture", {"out": "t.npz", "source": {"kind": "frames", "width": 3, "height": 4}}),
        ("capture", {"out": 3, "source": PATH}),
        ("capture", {"out": "t.npz", "source": PATH, "people": None}),
        ("capture", {"out": "t.npz", "source": PATH, "network": None}),
        ("capture", {"out": "t.npz", "source": PATH, "smoothing": 10**400}),
        ("frame", {"index": 0, "time": 0.0}),
        ("result", {"take": "t", "frames": 1, "people": 1, "seconds": 1, "quality": []}),
    ],
)
def test_a_wrong_message_is_refused(kind: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        m.from_wire(Message(kind, fields))


@pytest.mark.parametrize(
    "image", [np.zeros((4, 6), np.uint8), np.zeros((4, 6, 4), np.uint8), np.zeros((4, 6, 3))]
)
def test_an_image_must_be_rgb_bytes(image: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ProtocolError):
        m.from_wire(Message("frame", {"index": 0, "time": 0.0}, {"image": image}))
