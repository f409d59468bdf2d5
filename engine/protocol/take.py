"""The take: one `.npz` without pickles that holds a whole capture (`TakeWriter`, `Take.open`).

P people, F frames, V vertices, T triangles; metres, seconds, camera frame x right, y down, z forward.
`ARRAYS` below is the whole format. The big array, `vertices`, is streamed on both sides, so half an hour of
video never sits in memory; members are stored uncompressed, so a slice of it is one seek away.
`np.load(path)` reads the same file.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import shutil
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

# name: (type, shape). Letters are sizes that must agree across the file.
ARRAYS: Final[Mapping[str, tuple[str, tuple[str | int, ...]]]] = {
    "fps": ("float32", ()),
    "frame_time": ("float32", ("F",)),
    "frame_index": ("int32", ("F",)),
    "person_id": ("int32", ("P",)),
    "visible": ("bool", ("P", "F")),
    "keypoints2d": ("float32", ("P", "F", 33, 3)),
    "vertices": ("float32", ("P", "F", "V", 3)),
    "keypoints": ("float32", ("P", "F", 33, 3)),
    "joints": ("float32", ("P", "F", 24, 3)),
    "poses": ("float32", ("P", "F", 24, 3)),
    "betas": ("float32", ("P", 10)),
    "trans": ("float32", ("P", "F", 3)),
    "contact": ("bool", ("P", "F", 4)),
    "camera_matrix": ("float32", (3, 3)),
    "world_from_camera": ("float32", (4, 4)),
    "faces": ("int32", ("T", 3)),
    "body": ("str", ()),
    "weights": ("str", ()),
    "engine_version": ("str", ()),
}
# A user's script may have saved a take without these; the add-on can do without them.
OPTIONAL: Final = frozenset({"keypoints2d", "keypoints", "joints", "contact", "weights", "engine_version"})
_KINDS: Final = {"float32": "f", "int32": "iu", "bool": "b", "str": "U"}
_MAX_EAGER_BYTES: Final = 1 << 30
_STEP_BYTES: Final = 1 << 24
_LEAST_FRAME_BYTES: Final = 6890 * 3 * 4
"""The vertices of the smallest full body, SMPL's."""
_READ_ERRORS: Final = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
)


class TakeWriter:
    """Writes a take beside its target and puts it in place at the end, whole or not at all.

    Use as a context manager: leaving it normally checks the take and replaces the target; an exception
    removes the temporary file and leaves an older take as it was.

    Raises (in every method):
        EngineError: kind "disk" when the place cannot be written or is full; kind "internal" when the
            arrays do not fit the format.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._sizes: dict[str, int] = {}
        self._written: set[str] = set()
        self._temporary = temporary_path(self.path)
        with _disk_errors(self.path):
            if self.path.is_dir():
                raise EngineError(f"{self.path} is a folder; name a file such as take.npz inside it.", "disk")
            # Replacing a file needs no right to write to it, so a read-only take has to be asked after.
            if self.path.exists() and not self.path.stat().st_mode & (
                stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
            ):
                raise EngineError(
                    f"{self.path} is read-only; make it writable or choose another name.", "disk"
                )
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self._temporary.open("w+b")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED, allowZip64=True)

    def add(self, name: str, value: Any) -> None:
        """Write one array (or number, or string) whole. Names outside the format are kept as extras."""
        kind = ARRAYS[name][0] if name in ARRAYS else None
        array = np.asarray(value, dtype=kind)
        if array.dtype.hasobject:
            raise EngineError(
                f"The array {name!r} holds objects; a take holds numbers and strings only.", "internal"
            )
        self.stream(name, array.shape, [array], dtype=array.dtype)

    def stream(
        self,
        name: str,
        shape: tuple[int, ...],
        chunks: Iterable[NDArray[Any]],
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        """Write one array of known shape from consecutive chunks of it in C order.

        Args:
            name: the array's name, usually "vertices".
            shape: the whole shape; (P,F,V,3) for "vertices": all frames of a person, then the next person.
            chunks: arrays whose elements, one after the other, are the whole, however they are cut.
            dtype: float32 unless said.
        """
        dtype = np.dtype(dtype or ARRAYS.get(name, ("float32",))[0]).newbyteorder("<")
        self._check(name, shape)
        wanted, got = math.prod(shape) * dtype.itemsize, 0
        info = zipfile.ZipInfo(f"{name}.npy")  # a fixed date: the same take is the same bytes
        with _disk_errors(self.path), self._zip.open(info, "w", force_zip64=True) as member:
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, header)
            for chunk in chunks:
                block = np.asarray(chunk, dtype=dtype, order="C").reshape(-1)
                got += block.nbytes
                if got > wanted or (block.dtype.kind == "f" and not np.isfinite(block).all()):
                    break
                if block.nbytes:
                    member.write(block.view(np.uint8).data)
            else:
                if got == wanted:
                    self._written.add(name)
                    return
        reason = f"{got} bytes came for {wanted}" if got != wanted else "it holds NaN or infinity"
        raise EngineError(f"The array {name!r} cannot be written: {reason}.", "internal")

    def __enter__(self) -> TakeWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
        else:
            self.close()

    def close(self) -> None:
        """Check that nothing is missing, make it durable and put it in the target's place."""
        try:
            if missing := [name for name in ARRAYS if name not in self._written]:
                raise EngineError(f"The take lacks {', '.join(missing)}; it was not written.", "internal")
            with _disk_errors(self.path):
                self._zip.close()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._temporary.replace(self.path)
                _sync_folder(self.path.parent)
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Remove the temporary file; the target stays as it was."""
        # A failed zip wants to write its directory when it is collected; it must find no file to write to.
        self._zip.fp = None
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def _check(self, name: str, shape: tuple[int, ...]) -> None:
        if name in self._written:
            raise EngineError(f"The array {name!r} was written twice.", "internal")
        if name in ARRAYS and not _agrees(shape, ARRAYS[name][1], self._sizes):
            raise EngineError(
                f"The array {name!r} has shape {shape}, which does not fit the take.", "internal"
            )


def temporary_path(path: Path) -> Path:
    """The file beside a take that this process writes it to before it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def check_room(path: Path | str, frames: int | None) -> None:
    """Find out before the work, not after it, that a take cannot be written.

    Args:
        path: the target; nothing is left there.
        frames: how many there will be; None where nobody knows.

    Raises:
        EngineError: as `TakeWriter`, or because the disk is too full for one person's frames.
    """
    TakeWriter(path).abort()
    folder = Path(path).absolute().parent
    needed, free = (frames or 0) * _LEAST_FRAME_BYTES, shutil.disk_usage(folder).free
    if needed > free:
        raise EngineError(
            f"The take needs at least {needed / 1e9:.1f} GB but {folder} has {free / 1e9:.1f} GB left: "
            "free some, choose another folder, or capture fewer frames.",
            "disk",
        )


def write_take(
    path: Path | str, arrays: Mapping[str, Any], vertices: Iterable[NDArray[Any]], count: int
) -> None:
    """Write a whole take: every array of the format but `vertices`, which comes in chunks.

    Args:
        path: the target; replaced only when everything is on disk.
        arrays: every other array of `ARRAYS`, and extras.
        vertices: chunks in (P,F,V,3) order, for example (n,V,3) frames of one person after the other.
        count: V.

    Raises:
        EngineError: as `TakeWriter`.
    """
    with TakeWriter(path) as writer:
        for name, value in arrays.items():
            writer.add(name, value)
        people, frames = np.shape(arrays["trans"])[:2]
        writer.stream("vertices", (people, frames, count, 3), vertices)


@dataclass(frozen=True)
class Take:
    """A take opened for reading: small arrays in memory, `vertices` read when asked for.

    No file stays open, so a new capture may replace it. Optional arrays are None (strings "") where absent.
    """

    path: Path
    fps: float
    frame_time: FloatArray
    frame_index: IntArray
    person_id: IntArray
    visible: BoolArray
    poses: FloatArray
    betas: FloatArray
    trans: FloatArray
    camera_matrix: FloatArray
    world_from_camera: FloatArray
    faces: IntArray
    body: str
    vertex_count: int
    keypoints2d: FloatArray | None = None
    keypoints: FloatArray | None = None
    joints: FloatArray | None = None
    contact: BoolArray | None = None
    weights: str = ""
    engine_version: str = ""
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    _member: _Member = field(default=None, repr=False)  # type: ignore[assignment]

    @property
    def people(self) -> int:
        """P."""
        return len(self.person_id)

    @property
    def frames(self) -> int:
        """F."""
        return len(self.frame_time)

    @classmethod
    def open(cls, path: Path | str) -> Take:
        """Read and check a take.

        Raises:
            EngineError: the file is missing, is no take, is cut short, or its arrays do not fit each other.
        """
        path = Path(path)
        if not path.is_file():
            raise EngineError(f"There is no take at {path}; capture again or choose another file.")
        with _take_errors(path):
            stamp = _stamp(path)
            with zipfile.ZipFile(path) as archive:
                members = {
                    info.filename.removesuffix(".npy"): _Member.find(path, archive, info, stamp)
                    for info in archive.infolist()
                    if info.filename.endswith(".npy")
                }
                _check_members(path, members)
                values = {n: m.load(archive) for n, m in members.items() if n != "vertices"}
        big = members["vertices"]
        return cls(path=path, vertex_count=big.shape[2], _member=big, **_checked(path, values, big.shape[2]))

    def vertices(self, person: int, start: int = 0, stop: int | None = None) -> FloatArray:
        """Vertices (stop-start,V,3) in metres of the person at index `person` (not id), frames [start, stop).

        Only these frames are read.

        Raises:
            IndexError: no such person or frames.
            EngineError: the file has changed or cannot be read.
        """
        stop = self.frames if stop is None else stop
        if not (0 <= person < self.people and 0 <= start <= stop <= self.frames):
            raise IndexError(
                f"person {person}, frames {start} to {stop} of a take of {self.people} x {self.frames}"
            )
        row = self.vertex_count * 3
        first = (person * self.frames + start) * row
        with _take_errors(self.path):
            flat = self._member.slice(first, (stop - start) * row)
        if not np.isfinite(flat).all():
            raise _not_a_take(self.path, "its vertices hold NaN or infinity")
        return flat.reshape(stop - start, self.vertex_count, 3)

    def chunks(self, person: int, step: int = 32) -> Iterator[tuple[int, FloatArray]]:
        """(first frame, vertices (n<=step,V,3)) over all frames of a person."""
        for start in range(0, self.frames, step):
            yield start, self.vertices(person, start, min(start + step, self.frames))


@dataclass(frozen=True)
class _Member:
    """One array inside the zip: what its header says, and where its data begins."""

    path: Path
    info: zipfile.ZipInfo
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    header_bytes: int
    stamp: tuple[int, int]

    @classmethod
    def find(
        cls, path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, stamp: tuple[int, int]
    ) -> _Member:
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            elif version == (2, 0):
                shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
            else:
                raise ValueError("unknown array format")
            header_bytes = stream.tell()
        if dtype.hasobject or dtype.names or dtype.subdtype or dtype.kind not in "biufU":
            raise ValueError("holds objects")
        if fortran and sum(n > 1 for n in shape) > 1:
            raise ValueError("is in Fortran order")
        if any(n < 0 for n in shape) or header_bytes + math.prod(shape) * dtype.itemsize != info.file_size:
            raise ValueError("is cut short")
        return cls(path, info, dtype, tuple(shape), header_bytes, stamp)

    def load(self, archive: zipfile.ZipFile) -> NDArray[Any]:
        """The whole array; a wrong checksum raises."""
        size = self.info.file_size - self.header_bytes
        if size > _MAX_EAGER_BYTES:
            raise ValueError("is too large")
        with archive.open(self.info) as stream:
            stream.read(self.header_bytes)
            data = stream.read()  # to the end of the member, which is where zipfile compares the checksum
        if len(data) != size:
            raise EOFError("is cut short")
        return np.frombuffer(bytearray(data), self.dtype).reshape(self.shape)

    def slice(self, first: int, count: int) -> FloatArray:
        """Elements [first, first+count) as float32, read from their place when the member is stored."""
        if _stamp(self.path) != self.stamp:
            raise ValueError("has changed since it was opened; open it again")
        flat = np.empty(count, self.dtype)
        view = flat.view(np.uint8).data
        offset = self.header_bytes + first * self.dtype.itemsize
        with contextlib.ExitStack() as stack:
            if self.info.compress_type == zipfile.ZIP_STORED:
                stream: IO[bytes] = stack.enter_context(self.path.open("rb"))
                stream.seek(self.info.header_offset + 26)
                name_bytes, extra_bytes = struct.unpack("<HH", stream.read(4))
                stream.seek(name_bytes + extra_bytes + offset, os.SEEK_CUR)
            else:
                archive = stack.enter_context(zipfile.ZipFile(self.path))
                stream = stack.enter_context(archive.open(self.info))
                stream.seek(offset)
            got = 0
            while got < len(view):
                part = stream.read(min(_STEP_BYTES, len(view) - got))
                if not part:
                    raise EOFError("is cut short")
                view[got : got + len(part)] = part
                got += len(part)
        return flat.astype(np.float32, copy=False)


def _check_members(path: Path, members: Mapping[str, _Member]) -> None:
    """Names, types and shapes fit the format and each other, before any of them is loaded."""
    if missing := [n for n in ARRAYS if n not in members and n not in OPTIONAL]:
        raise _not_a_take(path, f"it lacks {', '.join(missing)}")
    sizes: dict[str, int] = {}
    for name, (kind, shape) in ARRAYS.items():
        if (member := members.get(name)) is None:
            continue
        if member.dtype.kind not in _KINDS[kind]:
            raise _not_a_take(path, f"its {name} is {member.dtype}, not {kind}")
        if not _agrees(member.shape, shape, sizes):
            raise _not_a_take(path, f"its {name} has shape {member.shape}, which does not fit the rest")
    if empty := [letter for letter in "PFVT" if sizes[letter] == 0]:
        raise _not_a_take(path, f"its size {empty[0]} is zero")


def _checked(path: Path, values: Mapping[str, NDArray[Any]], vertex_count: int) -> dict[str, Any]:
    """The fields of `Take` from the file's arrays, after looking at the numbers in them."""
    fields: dict[str, Any] = {"extras": {n: a for n, a in values.items() if n not in ARRAYS}}
    for name, (kind, _) in ARRAYS.items():
        if name not in values:
            continue
        array = values[name]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise _not_a_take(path, f"its {name} holds NaN or infinity")
        fields[name] = str(array) if kind == "str" else array.astype(kind, copy=False)
    fields["fps"] = float(values["fps"])
    if not 0 < fields["fps"] < 100_000:
        raise _not_a_take(path, f"its fps is {fields['fps']:g}")
    if (np.diff(fields["frame_time"]) < 0).any() or (np.diff(fields["frame_index"]) <= 0).any():
        raise _not_a_take(path, "its frames are not in order")
    if len(np.unique(fields["person_id"])) != len(fields["person_id"]):
        raise _not_a_take(path, "a person appears twice in it")
    faces = fields["faces"]
    if faces.min() < 0 or faces.max() >= vertex_count:
        raise _not_a_take(path, "its faces name vertices it does not have")
    if abs(np.linalg.det(fields["world_from_camera"][:3, :3].astype(float))) < 1e-6:
        raise _not_a_take(path, "its world_from_camera cannot be inverted")
    return fields


def _agrees(shape: tuple[int, ...], wanted: tuple[str | int, ...], sizes: dict[str, int]) -> bool:
    """Whether a shape fits, learning the sizes named by letters as they come."""
    if len(shape) != len(wanted):
        return False
    return all(
        n == (sizes.setdefault(w, n) if isinstance(w, str) else w) for n, w in zip(shape, wanted, strict=True)
    )


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _not_a_take(path: Path, why: str) -> EngineError:
    return EngineError(f"{path} is not a usable take: {why}; capture again or choose another file.")


@contextlib.contextmanager
def _take_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise EngineError(f"{path} may not be read; change its permissions.", "disk") from error
    except _READ_ERRORS as error:
        why = str(error) if "changed since" in str(error) else "it is damaged or cut short"
        raise _not_a_take(path, why) from error


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            text = f"The disk is full, so {path} was not written; free some space or choose another place."
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            text = f"{path} cannot be written: the place is read-only or the file is in use; choose another."
        else:
            text = f"{path} cannot be written ({error.strerror or error}); choose another place."
        raise EngineError(text, "disk") from error


def _sync_folder(folder: Path) -> None:
    """Make the rename durable where a folder can be synced (not on Windows)."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
