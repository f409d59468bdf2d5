"""The published graphs come out bit for bit, whatever sorts the numbers underneath."""

import hashlib
from typing import Any

import numpy as np
import pytest
from golden import DATA, golden

from engine.errors import EngineError
from engine.pose2mesh import coarsening
from engine.pose2mesh.coarsening import MeshPyramid, introsort_argsort, mesh_pyramid
from engine.pose2mesh.config import Order

PUBLISHED = [("human36", 8, 9), ("mano", 5, 6)]


def _sha1(*arrays: np.ndarray) -> str:
    return hashlib.sha1(b"".join(array.astype("<i8").tobytes() for array in arrays)).hexdigest()


def test_ties_fall_as_in_numpy_1_24(monkeypatch: pytest.MonkeyPatch) -> None:
    heapsort = coarsening._heapsort
    heapsorts: list[int] = []

    def counted(values: Any, items: Any) -> Any:
        heapsorts.append(len(items))
        return heapsort(values, items)

    monkeypatch.setattr(coarsening, "_heapsort", counted)
    with np.load(DATA / "introsort.npz") as cases:
        keys = [name for name in cases.files if name.startswith("k")]
        for name in keys:
            np.testing.assert_array_equal(introsort_argsort(cases[name]), cases["o" + name[1:]], err_msg=name)
    assert len(keys) == 52
    assert heapsorts  # the cases reach the fallback for adversarial input


def test_nothing_to_sort() -> None:
    assert introsort_argsort([]).tolist() == []
    assert introsort_argsort([3.0]).tolist() == [0]


@pytest.mark.parametrize(("name", "levels", "depth"), PUBLISHED)
@pytest.mark.parametrize("order", ["introsort", "stable"])
def test_published_graphs(name: str, levels: int, depth: int, order: Order) -> None:
    data = golden(name)
    prefix = "graph" if order == "introsort" else "stable"
    pyramid = mesh_pyramid(data["faces"], levels, depth, order)

    assert pyramid.sizes == tuple(data[f"{prefix}_sizes"][:levels])
    slot_to_vertex = data[f"{prefix}_perm0"].astype(np.int64)
    np.testing.assert_array_equal(slot_to_vertex[pyramid.vertex_slots], np.arange(len(pyramid.vertex_slots)))
    np.testing.assert_array_equal(pyramid.real[0], slot_to_vertex < len(pyramid.vertex_slots))
    for i, laplacian in enumerate(pyramid.laplacians):
        entries = laplacian.astype(np.float64).tocoo()
        assert entries.nnz == data[f"{prefix}_nnz"][i]
        row, col, val = entries.row.astype(np.int64), entries.col.astype(np.int64), entries.data
        weighted = (val * ((31 * row + 17 * col) % 97)).sum()
        sums = [
            val.sum(),
            np.abs(val).sum(),
            (val**2).sum(),
            weighted,
            val.min(),
            val.max(),
            (row == col).sum(),
        ]
        np.testing.assert_allclose(sums, data[f"{prefix}_L{i}_check"], rtol=1e-7)


@pytest.mark.parametrize(("name", "levels", "depth"), PUBLISHED)
def test_published_graphs_entry_by_entry(name: str, levels: int, depth: int) -> None:
    data = golden(name)
    pyramid = mesh_pyramid(data["faces"], levels, depth)
    np.testing.assert_allclose(pyramid.lmax, data["graph_lmax"][:levels], rtol=1e-12)
    for i, laplacian in enumerate(pyramid.laplacians):
        entries = laplacian.tocoo()
        order = np.lexsort((entries.col, entries.row))
        row, col, val = entries.row[order], entries.col[order], entries.data[order]
        assert _sha1(row, col) == str(data[f"graph_L{i}_structure_sha1"])
        first = np.column_stack((row, col, val))[:50]
        np.testing.assert_allclose(first, data[f"graph_L{i}_first50"], rtol=1e-7)
        real = data[f"graph_perm{i}"] < pyramid.real[i].sum()
        np.testing.assert_array_equal(pyramid.real[i], real)


@pytest.fixture(scope="module")
def hand() -> MeshPyramid:
    return mesh_pyramid(golden("mano")["faces"], 5, 6)


def test_slots_form_a_binary_tree(hand: MeshPyramid) -> None:
    for i, parents in enumerate(hand.parents):
        np.testing.assert_array_equal(parents, np.arange(hand.sizes[i]) // 2)
        # a real node always hangs under a real one
        assert hand.real[i + 1][parents[hand.real[i]]].all()


def test_real_nodes_never_read_padding(hand: MeshPyramid) -> None:
    for laplacian, real in zip(hand.laplacians, hand.real, strict=True):
        assert laplacian[real][:, ~real].nnz == 0
        assert not real.all()


def test_without_padding_keeps_real_nodes_and_their_links(hand: MeshPyramid) -> None:
    bare = hand.without_padding()
    assert bare.sizes == tuple(int(real.sum()) for real in hand.real)
    assert all(real.all() for real in bare.real)
    for full, less, real in zip(hand.laplacians, bare.laplacians, hand.real, strict=True):
        np.testing.assert_array_equal(full.toarray()[np.ix_(real, real)], less.toarray())
    np.testing.assert_array_equal(np.flatnonzero(hand.real[0])[bare.vertex_slots], hand.vertex_slots)
    for i, parents in enumerate(bare.parents):
        above = np.flatnonzero(hand.real[i + 1])[parents]
        np.testing.assert_array_equal(above, hand.parents[i][hand.real[i]])


def test_depth_follows_the_levels_by_default() -> None:
    faces = golden("mano")["faces"]
    pyramid = mesh_pyramid(faces, 3, order="stable")
    assert len(pyramid.sizes) == 3
    assert pyramid.sizes == (4 * pyramid.sizes[2], 2 * pyramid.sizes[2], pyramid.sizes[2])
    assert mesh_pyramid(faces, 1).sizes == (778,)


def test_impossible_depths_are_refused() -> None:
    triangle = np.array([[0, 1, 2]])
    with pytest.raises(EngineError, match="fewer levels"):
        mesh_pyramid(triangle, 5)
    with pytest.raises(EngineError, match="matching passes"):
        mesh_pyramid(triangle, 3, depth=1)
