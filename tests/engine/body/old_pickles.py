"""Pickles as Python 2 wrote them, assembled from opcodes: chumpy itself no longer installs."""

from __future__ import annotations

import io
import pickle
from typing import Any, ClassVar

import numpy as np

# The standard library's pickler in Python, the only one whose output can be changed; its stubs hide it.
_PurePickler: Any = pickle._Pickler


class _Instance:
    """Stands for an instance of a class that does not exist here."""

    def __init__(self, module: str, name: str, state: Any) -> None:
        self.module, self.name, self.state = module, name, state


class Python2Pickler(_PurePickler):  # type: ignore[misc]
    """Protocol 2 with Python 2's names for numpy's and the standard library's."""

    dispatch: ClassVar[dict[type, Any]] = dict(_PurePickler.dispatch)

    def __init__(self, file: Any, reconstructor: bool) -> None:
        super().__init__(file, protocol=2)
        self.reconstructor = reconstructor

    def save_instance(self, instance: _Instance) -> None:
        if self.reconstructor:  # as for classes without __slots__ under protocols 0 and 1
            self.write(b"ccopy_reg\n_reconstructor\n")
            self.write(f"(c{instance.module}\n{instance.name}\n".encode())
            self.write(b"c__builtin__\nobject\nNtR")
        else:
            self.write(f"c{instance.module}\n{instance.name}\n".encode() + b")\x81")
        self.save(instance.state)
        self.write(pickle.BUILD)

    dispatch[_Instance] = save_instance

    def save_bytes(self, content: bytes) -> None:
        self.write(pickle.BINSTRING + len(content).to_bytes(4, "little") + content)

    dispatch[bytes] = save_bytes

    def save_array(self, array: np.ndarray) -> None:
        self.write(b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR")
        kind = array.dtype
        self.write(pickle.MARK)
        self.save(1)
        self.save(array.shape)
        self.write(b"cnumpy\ndtype\n(")
        self.save_bytes(kind.str[1:].encode())
        self.write(b"K\x00K\x01tR(K\x03")
        self.save_bytes(b"<")
        self.write(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
        self.save(False)
        self.save_bytes(np.ascontiguousarray(array).tobytes())
        self.write(b"tb")

    dispatch[np.ndarray] = save_array


def python2_pickle(content: Any, reconstructor: bool = False) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file, reconstructor).dump(content)
    return file.getvalue()


def chumpy(values: np.ndarray) -> _Instance:
    return _Instance("chumpy.ch", "Ch", {"x": values, "_dirty_vars": set(), "_itr": None})


def select(values: np.ndarray, indices: np.ndarray, shape: tuple[int, ...]) -> _Instance:
    state = {"a": chumpy(values), "idxs": indices, "preferred_shape": shape}
    return _Instance("chumpy.reordering", "Select", state)


def sparse(values: np.ndarray, kind: str) -> _Instance:
    """A matrix with every entry stored, by columns (csc) or rows (csr)."""
    rows, columns = values.shape
    lines, width = (columns, rows) if kind == "csc" else (rows, columns)
    state = {
        "_shape": values.shape,
        "maxprint": 50,
        "data": (values.T if kind == "csc" else values).reshape(-1).copy(),
        "indices": np.tile(np.arange(width, dtype=np.int32), lines),
        "indptr": np.arange(lines + 1, dtype=np.int32) * width,
    }
    return _Instance(f"scipy.sparse.{kind}", f"{kind}_matrix", state)


def python2_chumpy(values: np.ndarray) -> bytes:
    return python2_pickle(chumpy(values), reconstructor=True)


def python2_select(values: np.ndarray) -> bytes:
    return python2_pickle(select(values, np.arange(values.size)[::-1].copy(), values.shape))


def python2_sparse(values: np.ndarray, kind: str) -> bytes:
    return python2_pickle(sparse(values, kind))
