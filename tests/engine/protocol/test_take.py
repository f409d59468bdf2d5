"""A take is written whole or not at all, and read without trusting it."""

import errno
import os
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import EngineError
from engine.protocol.take import ARRAYS, OPTIONAL, Take, TakeWriter, check_room, write_take

P, F, V, T = 2, 5, 40, 30


def sample(people: int = P, frames: int = F, count: int = V) -> dict[str, Any]:
    """A take's arrays with recognisable numbers, `vertices` included."""
    rng = np.random.default_rng(1)
    sizes = {"P": people, "F": frames, "V": count, "T": T}
    arrays: dict[str, Any] = {}
    for name, (kind, shape) in ARRAYS.items():
        full = tuple(sizes[n] if isinstance(n, str) else n for n in shape)
        if kind == "str":
            arrays[name] = f"the {name}"
        elif kind == "bool":
            arrays[name] = rng.random(full) > 0.5
        else:
            arrays[name] = rng.random(full).astype(kind)
    arrays["fps"] = 30.0
    arrays["frame_time"] = np.arange(frames, dtype=np.float32) / 30
    arrays["frame_index"] = np.arange(frames, dtype=np.int32)
    arrays["person_id"] = np.arange(people, dtype=np.int32)
    arrays["faces"] = rng.integers(0, count, (T, 3)).astype(np.int32)
    arrays["world_from_camera"] = np.eye(4, dtype=np.float32)
    return arrays


def write(path: Path, **changes: Any) -> dict[str, Any]:
    arrays = sample() | changes
    vertices = np.asarray(arrays["vertices"])
    rest = {n: a for n, a in arrays.items() if n != "vertices"}
    write_take(path, rest, iter(vertices.reshape(-1, *vertices.shape[2:])), vertices.shape[2])
    return arrays


def save(path: Path, arrays: dict[str, Any]) -> Path:
    np.savez(path, **arrays)
    return path


def test_a_take_comes_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "ein Tänzer.npz"
    arrays = write(path, notes=np.arange(3))
    take = Take.open(path)
    assert (take.people, take.frames, take.vertex_count, take.fps) == (P, F, V, 30.0)
    for name in ARRAYS:
        if name != "vertices":
            np.testing.assert_array_equal(getattr(take, name), arrays[name])
    assert take.extras["notes"].tolist() == [0, 1, 2]
    for person in range(P):
        np.testing.assert_array_equal(take.vertices(person), arrays["vertices"][person])
        np.testing.assert_array_equal(take.vertices(person, 1, 4), arrays["vertices"][person, 1:4])
        joined = np.concatenate([block for _, block in take.chunks(person, 2)])
        np.testing.assert_array_equal(joined, arrays["vertices"][person])
    assert take.vertices(0, 2, 2).shape == (0, V, 3)
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208


def test_plain_numpy_reads_it_with_the_documented_types(tmp_path: Path) -> None:
    arrays = write(tmp_path / "take.npz")
    with np.load(tmp_path / "take.npz", allow_pickle=False) as data:
        assert set(data.files) == set(ARRAYS)
        for name, (kind, _) in ARRAYS.items():
            np.testing.assert_array_equal(data[name], arrays[name])
            if kind != "str":
                assert data[name].dtype == kind, name


@pytest.mark.parametrize("savez", [np.savez, np.savez_compressed])
def test_what_numpy_saved_is_a_take_too(tmp_path: Path, savez: Any) -> None:
    arrays = sample()
    savez(tmp_path / "take.npz", **{n: a for n, a in arrays.items() if n not in OPTIONAL})
    take = Take.open(tmp_path / "take.npz")
    np.testing.assert_array_equal(take.vertices(1, 3, 5), arrays["vertices"][1, 3:5])
    assert take.contact is None
    assert take.weights == ""


def test_the_same_take_is_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.npz")
    write(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_indices_out_of_range(tmp_path: Path) -> None:
    write(tmp_path / "take.npz")
    take = Take.open(tmp_path / "take.npz")
    for arguments in [(P,), (-1,), (0, 0, F + 1), (0, -1, 2), (0, 3, 2)]:
        with pytest.raises(IndexError):
            take.vertices(*arguments)


def test_a_long_video_never_sits_in_memory(tmp_path: Path) -> None:
    frames, count = 3000, 2000  # 72 MB of vertices
    arrays = sample(1, frames, count) | {"vertices": None}
    del arrays["vertices"]

    def chunks() -> Iterator[NDArray[np.float32]]:
        for frame in range(frames):
            yield np.full((count, 3), frame, np.float32)

    tracemalloc.start()
    write_take(tmp_path / "take.npz", arrays, chunks(), count)
    take = Take.open(tmp_path / "take.npz")
    for first, block in take.chunks(0):
        assert (block == np.arange(first, first + len(block), dtype=np.float32)[:, None, None]).all()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


class Boom(Exception):
    pass


def failing(arrays: dict[str, Any], error: Exception) -> Iterator[NDArray[Any]]:
    yield arrays["vertices"][0]
    raise error


def test_a_failure_on_the_way_leaves_the_old_take(tmp_path: Path) -> None:
    path = tmp_path / "take.npz"
    write(path)
    before = path.read_bytes()
    arrays = sample()
    rest = {n: a for n, a in arrays.items() if n != "vertices"}
    with pytest.raises(Boom):
        write_take(path, rest, failing(arrays, Boom()), V)
    with pytest.raises(EngineError, match="disk is full") as caught:
        write_take(path, rest, failing(arrays, OSError(errno.ENOSPC, "No space left on device")), V)
    assert caught.value.kind == "disk"
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_real_full_disk_leaves_the_old_take(tmp_path: Path) -> None:
    path = tmp_path / "take.npz"
    write(path)
    before = path.read_bytes()
    script = """
import resource, sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/tests/engine/protocol"]
from pathlib import Path
import test_take
from engine.errors import EngineError
for limit in range(100, Path(sys.argv[2]).stat().st_size, 1500):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        test_take.write(Path(sys.argv[2]), fps=60.0)
    except EngineError as error:
        assert error.kind == "disk" and "full" in error.text, error
    else:
        raise SystemExit(f"no error at {limit}")
"""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script, root, path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_take_survives(tmp_path: Path) -> None:
    path = tmp_path / "take.npz"
    write(path)
    path.chmod(0o444)
    before = path.read_bytes()
    with pytest.raises(EngineError, match="read-only") as caught:
        write(path, fps=60.0)
    assert caught.value.kind == "disk"
    assert path.read_bytes() == before
    path.chmod(0o644)


def test_a_read_only_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "open", refused)  # the tests may run as root, whom no folder refuses
    with pytest.raises(EngineError, match="read-only") as caught:
        TakeWriter(tmp_path / "take.npz")
    assert caught.value.kind == "disk"


def test_impossible_places(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "take.npz"):
        with pytest.raises(EngineError) as caught:
            TakeWriter(path)
        assert caught.value.kind == "disk"


@pytest.mark.parametrize(
    "changes",
    [
        {"poses": np.zeros((P, F, 23, 3))},
        {"poses": np.zeros((P, F + 1, 24, 3))},
        {"visible": np.zeros((P, F, 1), bool)},
        {"betas": np.zeros((P + 1, 10))},
        {"trans": np.full((P, F, 3), np.nan)},
        {"vertices": np.full((P, F, V, 3), np.inf)},
        {"extra": np.array([object()])},
    ],
)
def test_arrays_that_do_not_fit_are_not_written(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(EngineError) as caught:
        write(tmp_path / "take.npz", **changes)
    assert caught.value.kind == "internal"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [0, F * P - 1, F * P + 1])
def test_the_number_of_vertices_is_exact(tmp_path: Path, cut: int) -> None:
    arrays = sample()
    rest = {n: a for n, a in arrays.items() if n != "vertices"}
    with pytest.raises(EngineError, match="bytes"):
        write_take(tmp_path / "take.npz", rest, [np.zeros((V, 3))] * cut, V)


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    arrays = sample()
    with pytest.raises(EngineError, match="contact"), TakeWriter(tmp_path / "take.npz") as writer:
        for name in arrays.keys() - {"contact"}:
            writer.add(name, arrays[name])
    assert list(tmp_path.iterdir()) == []


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no take at"):
        Take.open(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "array.npy", np.zeros(3))
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("poses.npy", b"not an array")
    np.savez(tmp_path / "numbers.npz", x=np.zeros(3))
    for path in tmp_path.iterdir():
        with pytest.raises(EngineError, match="not a usable take"):
            Take.open(path)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "take.npz")
    whole = (tmp_path / "take.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    for size in range(0, len(whole), len(whole) // 60):
        cut.write_bytes(whole[:size])
        with pytest.raises(EngineError):
            Take.open(cut)


def test_a_take_cut_after_it_was_opened(tmp_path: Path) -> None:
    path = tmp_path / "take.npz"
    write(path)
    take = Take.open(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(EngineError, match="changed"):
        take.vertices(0)
    path.unlink()
    with pytest.raises(EngineError):
        take.vertices(0)


@pytest.mark.parametrize("seed", range(60))
def test_damage_never_escapes(tmp_path: Path, seed: int) -> None:
    write(tmp_path / "take.npz")
    rng = np.random.default_rng(seed)
    data = bytearray((tmp_path / "take.npz").read_bytes())
    for at in rng.integers(0, len(data), 30):
        data[at] = rng.integers(256)
    if seed % 2:  # the directory at the end, where every offset and size is
        for at in rng.integers(len(data) - 1500, len(data), 3):
            data[at] = rng.integers(256)
    (tmp_path / "take.npz").write_bytes(data)
    try:
        take = Take.open(tmp_path / "take.npz")
        take.vertices(0)
    except EngineError:
        return
    assert take.frames == F


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"fps": np.float32(0)}, "fps"),
        ({"fps": np.float32(np.nan)}, "fps"),
        ({"fps": np.ones(2)}, "fps"),
        ({"fps": "thirty"}, "fps"),
        ({"frame_time": np.arange(F)[::-1] * 1.0}, "order"),
        ({"frame_index": np.zeros(F, int)}, "order"),
        ({"person_id": np.zeros(P, int)}, "person"),
        ({"visible": np.zeros((P, F))}, "visible"),
        ({"poses": np.zeros((P, F, 24, 4))}, "poses"),
        ({"poses": np.full((P, F, 24, 3), np.inf)}, "poses"),
        ({"keypoints2d": np.zeros((P, F, 17, 3))}, "keypoints2d"),
        ({"contact": np.zeros((P, F, 2), bool)}, "contact"),
        ({"trans": np.zeros((P, F + 1, 3))}, "trans"),
        ({"vertices": np.zeros((P, F, 0, 3))}, "zero"),
        ({"vertices": np.zeros((P, F, V))}, "vertices"),
        ({"vertices": np.zeros((P, F, V, 3), int)}, "vertices"),
        ({"faces": np.full((T, 3), V)}, "faces"),
        ({"faces": np.full((T, 3), -1)}, "faces"),
        ({"world_from_camera": np.zeros((4, 4))}, "world_from_camera"),
        ({"body": np.array([None])}, "damaged"),
        ({"poses": np.zeros((P, F, 24, 3), order="F")}, "damaged"),
    ],
)
def test_a_wrong_array_is_named(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    path = save(tmp_path / "take.npz", sample() | change)
    with pytest.raises(EngineError, match="not a usable take") as caught:
        Take.open(path)
    assert word in caught.value.text.removeprefix(str(path))


def test_a_header_that_claims_too_much_is_not_believed(tmp_path: Path) -> None:
    path = save(tmp_path / "take.npz", sample())
    with zipfile.ZipFile(path) as archive:
        parts = {i.filename: archive.read(i) for i in archive.infolist()}
    parts["trans.npy"] = parts["trans.npy"].replace(
        f"({P}, {F}, 3), }}".encode(), f"({P},{F * 10**9},3)}}".encode()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with pytest.raises(EngineError, match="not a usable take"):
        Take.open(path)


def test_vertices_that_are_not_numbers(tmp_path: Path) -> None:
    arrays = sample()
    arrays["vertices"][1, 3, 0, 0] = np.nan
    take = Take.open(save(tmp_path / "take.npz", arrays))
    take.vertices(1, 0, 3)
    with pytest.raises(EngineError, match="NaN"):
        take.vertices(1, 3, 4)


def test_room_is_asked_for_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "take.npz"
    check_room(path, None)
    check_room(path, 10)
    assert list(path.parent.iterdir()) == []
    path.write_bytes(b"old")
    check_room(path, 10)
    assert [p.name for p in path.parent.iterdir()] == ["take.npz"] and path.read_bytes() == b"old"
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**8))
    with pytest.raises(EngineError, match=r"needs at least 0\.2 GB but .* has 0\.1 GB left: free some"):
        check_room(path, 2000)
    assert path.read_bytes() == b"old"
