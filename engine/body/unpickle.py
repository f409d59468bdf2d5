"""Read the arrays out of a pickle without running anything that is in it.

A pickle is a program: loading one with ``pickle.load`` does whatever its author wanted. Here every name it
    asks for is looked up in a short list: numpy's own array reconstruction, plain containers, and inert
    stand-ins for the sparse matrices and chumpy arrays that old body files hold. Anything else is refused.
"""

from __future__ import annotations

import collections
import pickle
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..errors import EngineError

Array = npt.NDArray[Any]


class Refused(pickle.UnpicklingError):
    """The pickle asks for something that is not data."""


class StandIn:
    """An object of a class we do not load: it only keeps the state it was pickled with."""

    class_name = ""

    def __new__(cls, *_arguments: Any, **_keywords: Any) -> StandIn:
        return super().__new__(cls)

    def __init__(self, *_arguments: Any, **_keywords: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        parts = state if isinstance(state, tuple) else (state,)
        self.state = {
            str(key): value for part in parts if isinstance(part, dict) for key, value in part.items()
        }


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Python 2 strings in a later protocol; the only encoding such files use."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused("an unexpected text encoding")
    return text.encode("latin1")


def _new_instance(cls: type, _base: Any = object, _state: Any = None) -> Any:
    """Python 2's way to make an empty instance, for stand-ins only."""
    if isinstance(cls, type) and issubclass(cls, StandIn):
        instance = cls.__new__(cls)
        instance.state = {}
        return instance
    raise Refused(f"an instance of {cls!r}")


def _reconstruct_array(cls: type, shape: Any, kind: Any) -> Any:
    """numpy's empty array that the pickle then fills; only its own class."""
    if cls is not np.ndarray:
        raise Refused(f"an array of the class {cls!r}")
    return np.ndarray.__new__(np.ndarray, shape, np.dtype(kind))


def _scalar(kind: np.dtype[Any], content: Any = b"") -> Any:
    if not isinstance(kind, np.dtype) or kind.hasobject:
        raise Refused("a numpy scalar that holds an object")
    return np.frombuffer(content.encode("latin1") if isinstance(content, str) else content, kind)[0]


def _array_from_buffer(buffer: Any, kind: np.dtype[Any], shape: Any, order: str, *_axis_order: Any) -> Any:
    """Protocol 5's array."""
    if not isinstance(kind, np.dtype) or kind.hasobject:
        raise Refused("a buffer of objects")
    return np.frombuffer(buffer, kind).reshape(shape, order="F" if order == "F" else "C")


_NUMPY_MODULES = {"numpy"} | {
    f"numpy.{core}.{part}" for core in ("core", "_core") for part in ("multiarray", "numeric")
}
_NUMPY = {
    "_frombuffer": _array_from_buffer,
    "_reconstruct": _reconstruct_array,
    "scalar": _scalar,
    "ndarray": np.ndarray,
    "dtype": np.dtype,
}
_PLAIN = {"object": object, "set": set, "bytes": bytes}


class RestrictedUnpickler(pickle.Unpickler):
    """Reads both Python 2's and Python 3's body files."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        root = module.split(".")[0]
        if module in _NUMPY_MODULES and name in _NUMPY:
            return _NUMPY[name]
        if module in ("__builtin__", "builtins") and name in _PLAIN:
            return _PLAIN[name]
        if (module, name) == ("_codecs", "encode"):
            return _encode
        if (module, name) in (("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor")):
            return _new_instance
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if root == "chumpy" or module.startswith("scipy.sparse"):
            return type(name, (StandIn,), {"class_name": f"{module}.{name}"})
        raise Refused(f"it asks for {module}.{name}")


def load(file: IO[bytes], label: str) -> Any:
    """The object in a pickle, made of plain containers, arrays and stand-ins.

    Raises:
        EngineError: the pickle is damaged, or asks for anything but data.
    """
    try:
        return RestrictedUnpickler(file).load()
    except Refused as error:
        raise EngineError(
            f"{label} is not a plain data file ({error}); get the file again from its publisher."
        ) from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        cause = str(error).rstrip(".") or type(error).__name__
        raise EngineError(f"{label} is damaged or of another kind ({cause}); get the file again.") from error


def as_array(value: Any) -> Array:
    """A dense array from an array, number, chumpy stand-in or sparse stand-in.

    Raises:
        ValueError: it is none of these.
    """
    if not isinstance(value, StandIn):
        array = np.asarray(value)
        if array.dtype.hasobject:
            if array.ndim == 0:
                return as_array(array.item())
            raise ValueError("an array of objects instead of numbers")
        return array
    state = value.state
    if "scipy.sparse" in value.class_name:
        return _dense(value.class_name, state)
    if "x" in state:  # chumpy.Ch
        return as_array(state["x"])
    if "a" in state and "idxs" in state:  # chumpy's selections and transpositions
        chosen = as_array(state["a"]).reshape(-1)[as_array(state["idxs"]).astype(np.int64).reshape(-1)]
        return chosen.reshape([int(n) for n in state.get("preferred_shape", chosen.shape)])
    raise ValueError(f"a {value.class_name or 'nameless'} object without plain values")


def _dense(class_name: str, state: dict[str, Any]) -> Array:
    """A compressed or coordinate sparse matrix without scipy."""
    rows, columns = (int(n) for n in state.get("_shape", state.get("shape", (0, 0))))
    data = as_array(state["data"])
    out = np.zeros((rows, columns), data.dtype)
    if "row" in state or "coords" in state:
        row, column = state["coords"] if "coords" in state else (state["row"], state["col"])
        np.add.at(out, (as_array(row), as_array(column)), data)
        return out
    indices, pointers = as_array(state["indices"]), as_array(state["indptr"]).astype(np.int64)
    other = np.repeat(np.arange(len(pointers) - 1), np.diff(pointers))
    where = (indices, other) if "csc" in class_name else (other, indices)
    np.add.at(out, where, data)
    return out
