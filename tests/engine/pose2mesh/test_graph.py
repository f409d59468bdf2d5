"""Adjacency and Laplacians by hand on graphs small enough to do so."""

import numpy as np
import pytest
import scipy.sparse as sp

from engine.errors import EngineError
from engine.pose2mesh import graph

SQUARE = np.array([[0, 1, 2], [0, 2, 3]])


def test_each_edge_counts_once_in_both_directions() -> None:
    expected = np.array([[0, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 1], [1, 0, 1, 0]])
    np.testing.assert_array_equal(graph.mesh_adjacency(SQUARE).toarray(), expected)
    np.testing.assert_array_equal(graph.mesh_adjacency(SQUARE[[0, 1, 0]][:, [2, 0, 1]]).toarray(), expected)


@pytest.mark.parametrize(
    ("faces", "vertices", "cause"),
    [
        (np.zeros((3, 4), int), None, "triangles"),
        (np.zeros((0, 3), int), None, "triangles"),
        (SQUARE.astype(float), None, "triangles"),
        (SQUARE, 3, "outside"),
        (-SQUARE, 4, "outside"),
        (SQUARE, 5, "Vertex 4"),
        (SQUARE + 1, None, "Vertex 0"),
    ],
)
def test_bad_faces_are_named(faces: np.ndarray, vertices: int | None, cause: str) -> None:
    with pytest.raises(EngineError, match=cause):
        graph.mesh_adjacency(faces, vertices)


def test_joint_graph_has_bones_links_and_identity() -> None:
    adjacency = graph.joint_adjacency(3, [(0, 1)], [(1, 2)]).toarray()
    np.testing.assert_array_equal(adjacency, [[1, 1, 0], [1, 1, 1], [0, 1, 1]])


def test_laplacian_counts_self_loops_and_gives_isolated_nodes_a_one() -> None:
    weights = sp.csr_matrix(np.array([[2.0, 2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    link = 2.0 / np.sqrt(4.0 * 2.0)
    expected = [[0.5, -link, 0.0], [-link, 1.0, 0.0], [0.0, 0.0, 1.0]]
    np.testing.assert_allclose(graph.normalized_laplacian(weights).toarray(), expected, atol=1e-15)


def test_rescaling_is_the_published_one_not_the_textbooks() -> None:
    laplacian = sp.csr_matrix(np.diag([0.0, 1.5]))
    np.testing.assert_allclose(graph.rescale_laplacian(laplacian, 1.5).toarray(), np.diag([-1.0, -0.5]))


@pytest.mark.parametrize("size", [5, 100])
def test_largest_eigenvalue_matches_a_full_decomposition(size: int) -> None:
    values = np.random.default_rng(size).standard_normal((size, size))
    symmetric = values @ values.T
    expected = np.linalg.eigvalsh(symmetric)[-1]
    assert graph.largest_eigenvalue(sp.csr_matrix(symmetric)) == pytest.approx(expected, rel=1e-12)
