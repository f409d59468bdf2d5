"""What a user downloaded is read, never run."""

from __future__ import annotations

import collections
import io
import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.body import unpickle
from engine.errors import EngineError
from tests.engine.body.old_pickles import python2_chumpy, python2_select, python2_sparse


def read(content: bytes) -> Any:
    return unpickle.load(io.BytesIO(content), "the file")


class Hostile:
    """Pickles into a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_of_every_kind_and_protocol(protocol: int) -> None:
    content: dict[str, Any] = {
        "float": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "big_endian": np.arange(4, dtype=">i4"),
        "number": np.float64(2.5),
        "text": "SMPL",
        "ordered": collections.OrderedDict(a=1),
    }
    found = read(pickle.dumps(content, protocol))
    for name in ("float", "fortran", "big_endian", "number"):
        assert np.array_equal(unpickle.as_array(found[name]), content[name])
    assert found["text"] == "SMPL" and found["ordered"] == {"a": 1}


def test_python_2_chumpy_and_sparse_matrices() -> None:
    values = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(unpickle.as_array(read(python2_chumpy(values))), values)
    assert np.array_equal(
        unpickle.as_array(read(python2_select(values))), values.reshape(-1)[::-1].reshape(3, 4)
    )
    for kind in ("csc", "csr"):
        assert np.array_equal(unpickle.as_array(read(python2_sparse(values, kind))), values)


def test_scipys_own_pickles() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    values = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])
    for kind in (sparse.csc_matrix, sparse.csr_matrix, sparse.coo_matrix):
        for protocol in (2, 4):
            assert np.array_equal(unpickle.as_array(read(pickle.dumps(kind(values), protocol))), values)


def test_hostile_pickles_are_refused_and_do_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for function, arguments in (
        (os.system, (f"touch {trace}",)),
        (subprocess.check_call, (["touch", str(trace)],)),
        (eval, (f"open({str(trace)!r}, 'w')",)),
        (exec, (f"open({str(trace)!r}, 'w')",)),
        (getattr, ("text", "upper")),
        (np.load, (str(trace),)),
        (np.fromfile, (str(trace),)),
        (open, (str(trace), "w")),
    ):
        for protocol in (0, 2, 4):
            with pytest.raises(EngineError, match="not a plain data file"):
                read(pickle.dumps({"v_template": Hostile(function, *arguments)}, protocol))
    assert not trace.exists()


def test_names_cannot_be_reached_through_allowed_modules() -> None:
    for name in (b"cchumpy\n__import__\n.", b"cscipy.sparse\nos.system\n."):
        assert issubclass(read(name), unpickle.StandIn)  # an empty class, whatever it is called
    for name in (b"cnumpy\nload\n.", b"c__builtin__\neval\n.", b"cnumpy.core.multiarray\nfromfile\n."):
        with pytest.raises(EngineError, match="it asks for"):
            read(name)


def test_arrays_of_objects_and_unknown_objects_are_not_numbers() -> None:
    with pytest.raises(ValueError, match="objects"):
        unpickle.as_array(read(pickle.dumps(np.array([1, "two"], dtype=object))))
    with pytest.raises(ValueError, match="chumpy"):
        unpickle.as_array(read(b"\x80\x02cchumpy.ch_ops\nadd\n)\x81}b."))


def test_damaged_files_are_explained() -> None:
    whole = pickle.dumps({"a": np.arange(100.0)})
    for content in (b"", b"not a pickle", whole[: len(whole) // 2]):
        with pytest.raises(EngineError, match="get the file again"):
            read(content)
