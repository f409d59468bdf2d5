"""Heavy edge matching: a mesh graph and its coarser versions, ordered as a binary tree.

The algorithm is Graclus' as Defferrard et al. (2016, section 2.3) and the published Pose2Mesh use it. Its
result hangs on the order in which equal degrees are visited, i.e. on how the sorting library breaks ties: the
published checkpoints were made with NumPy <= 1.24, whose `argsort` was an introspective quicksort, and any
other order gives other slots and another network. `introsort_argsort` therefore repeats that sort exactly, on
every NumPy and CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from ..errors import EngineError
from .config import Order
from .graph import largest_eigenvalue, mesh_adjacency, normalized_laplacian, rescale_laplacian

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_INSERTION_SORT_SPAN = 15  # NumPy <= 1.24 partitions while right - left is larger than this


def introsort_argsort(keys: npt.ArrayLike) -> IntArray:
    """`numpy.argsort(keys)` with ties in NumPy <= 1.24's order: median-of-three quicksort, Hoare partition.

    Short runs are sorted by insertion; a run whose depth budget 2 floor(log2 n) is spent by heapsort.
    """
    v: list[float] = np.asarray(keys).tolist()
    order = list(range(len(v)))
    if len(order) < 2:
        return np.asarray(order, dtype=np.int64)
    left, right = 0, len(order) - 1
    budget = 2 * (len(order).bit_length() - 1)
    stack: list[tuple[int, int, int]] = []
    while True:
        if budget < 0:
            order[left : right + 1] = _heapsort(v, order[left : right + 1])
        else:
            while right - left > _INSERTION_SORT_SPAN:
                split = _partition(v, order, left, right)
                budget -= 1
                if split - left < right - split:
                    stack.append((split + 1, right, budget))
                    right = split - 1
                else:
                    stack.append((left, split - 1, budget))
                    left = split + 1
            _insertion_sort(v, order, left, right)
        if not stack:
            return np.asarray(order, dtype=np.int64)
        left, right, budget = stack.pop()


def _partition(v: list[float], order: list[int], left: int, right: int) -> int:
    """Partition order[left..right] about the median of three; returns where the pivot came to rest."""
    middle = left + (right - left) // 2
    if v[order[middle]] < v[order[left]]:
        order[middle], order[left] = order[left], order[middle]
    if v[order[right]] < v[order[middle]]:
        order[right], order[middle] = order[middle], order[right]
    if v[order[middle]] < v[order[left]]:
        order[middle], order[left] = order[left], order[middle]
    pivot = v[order[middle]]
    i, j = left, right - 1
    order[middle], order[j] = order[j], order[middle]
    while True:
        i += 1
        while v[order[i]] < pivot:
            i += 1
        j -= 1
        while pivot < v[order[j]]:
            j -= 1
        if i >= j:
            break
        order[i], order[j] = order[j], order[i]
    order[i], order[right - 1] = order[right - 1], order[i]
    return i


def _insertion_sort(v: list[float], order: list[int], left: int, right: int) -> None:
    for i in range(left + 1, right + 1):
        item, key, j = order[i], v[order[i]], i
        while j > left and key < v[order[j - 1]]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = item


def _heapsort(v: list[float], items: list[int]) -> list[int]:
    heap = [-1, *items]  # one-based, as in the original
    n = len(items)

    def sift(item: int, hole: int, n: int) -> None:
        child = 2 * hole
        while child <= n:
            if child < n and v[heap[child]] < v[heap[child + 1]]:
                child += 1
            if not v[item] < v[heap[child]]:
                break
            heap[hole] = heap[child]
            hole, child = child, 2 * child
        heap[hole] = item

    for hole in range(n // 2, 0, -1):
        sift(heap[hole], hole, n)
    while n > 1:
        item, heap[n] = heap[n], heap[1]
        n -= 1
        sift(item, 1, n)
    return heap[1:]


def _stable_argsort(keys: npt.ArrayLike) -> IntArray:
    return np.argsort(np.asarray(keys), kind="stable").astype(np.int64)


def _native_argsort(keys: npt.ArrayLike) -> IntArray:
    return np.argsort(np.asarray(keys)).astype(np.int64)


_ARGSORT: dict[Order, Callable[[npt.ArrayLike], IntArray]] = {
    "introsort": introsort_argsort,
    "stable": _stable_argsort,
    "native": _native_argsort,
}


def heavy_edge_matching(weights: sp.csr_matrix, visiting: IntArray, degree: FloatArray) -> IntArray:
    """One matching pass: the cluster (N,) of each node, pairs of neighbours with a large normalised cut.

    Clusters are numbered as they are visited. Two habits of the published code are part of its result and
    kept: the "self weight" of a node is the first stored entry of its row, and the first row is scanned one
    entry too far, the last one entry short.
    """
    starts: list[int] = weights.indptr[:-1].tolist()
    lengths: list[int] = np.diff(weights.indptr).tolist()
    columns: list[int] = weights.indices.tolist()
    values: list[float] = weights.data.tolist()
    d: list[float] = degree.tolist()
    nodes = len(starts)
    if nodes > 1:
        lengths[0] += 1
        lengths[-1] -= 1
    cluster = [-1] * nodes
    clusters = 0
    for node in visiting.tolist():
        if cluster[node] >= 0:
            continue
        cluster[node] = clusters
        best, partner = 0.0, -1
        first = starts[node]
        for entry in range(first, first + lengths[node]):
            other = columns[entry]
            if cluster[other] < 0:
                score = (2.0 * values[entry] + values[first] + values[starts[other]]) / (
                    d[node] + d[other] + 1e-9
                )
                if score > best:
                    best, partner = score, other
        if partner >= 0:
            cluster[partner] = clusters
        clusters += 1
    return np.asarray(cluster, dtype=np.int64)


def _coarser(weights: sp.csr_matrix, cluster: IntArray) -> sp.csr_matrix:
    """Sum the edges between clusters; those inside one become its self loop."""
    entries = weights.tocoo()
    count = int(cluster.max()) + 1
    merged = sp.coo_matrix(
        (entries.data, (cluster[entries.row], cluster[entries.col])), shape=(count, count)
    ).tocsr()
    merged.sum_duplicates()
    merged.eliminate_zeros()
    merged.sort_indices()
    return merged


def _binary_tree_order(clusters: list[IntArray]) -> list[IntArray]:
    """perm[i][slot] = node of level i, finest first; slots 2s and 2s+1 are the children of slot s above.

    Padding nodes are numbered from the level's own node count upwards.
    """
    perm = [np.arange(int(clusters[-1].max()) + 1, dtype=np.int64)]
    for cluster in reversed(clusters):
        padding = len(cluster)
        members: dict[int, list[int]] = {}
        for node, parent in enumerate(cluster.tolist()):
            members.setdefault(parent, []).append(node)
        slots: list[int] = []
        for parent in perm[-1].tolist():
            children = members.get(parent, [])
            missing = 2 - len(children)
            slots += [*children, *range(padding, padding + missing)]
            padding += missing
        perm.append(np.asarray(slots, dtype=np.int64))
    return perm[::-1]


@dataclass(frozen=True)
class MeshPyramid:
    """A mesh graph and its coarser versions, finest first, in slot order.

    Attributes:
        laplacians: (N_i, N_i) rescaled Laplacians, float32.
        parents: parents[i] (N_i,) is the slot of level i+1 that each slot of level i hangs under.
        real: real[i] (N_i,) bool, false for the padding that completes the binary tree.
        vertex_slots: (V,) the slot in level 0 of each mesh vertex.
        lmax: the largest eigenvalue of each level before rescaling.
    """

    laplacians: tuple[sp.csr_matrix, ...]
    parents: tuple[IntArray, ...]
    real: tuple[npt.NDArray[np.bool_], ...]
    vertex_slots: IntArray
    lmax: tuple[float, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Nodes per level, finest first."""
        return tuple(laplacian.shape[0] for laplacian in self.laplacians)

    def without_padding(self) -> MeshPyramid:
        """The same graphs without padding nodes: no real node reads one, so outputs stay the same."""
        renumber = [np.cumsum(real) - 1 for real in self.real]
        return MeshPyramid(
            tuple(lap[real][:, real].tocsr() for lap, real in zip(self.laplacians, self.real, strict=True)),
            tuple(renumber[i + 1][parent[self.real[i]]] for i, parent in enumerate(self.parents)),
            tuple(np.ones(int(real.sum()), dtype=bool) for real in self.real),
            renumber[0][self.vertex_slots],
            self.lmax,
        )


def mesh_pyramid(
    faces: npt.NDArray[np.integer],
    levels: int,
    depth: int | None = None,
    order: Order = "introsort",
    vertices: int | None = None,
) -> MeshPyramid:
    """Coarsen a triangle mesh for MeshNet.

    Args:
        faces: (T,3) vertex numbers.
        levels: how many graphs the network uses, the mesh itself included.
        depth: how many matching passes shape the tree (at least levels - 1, the default; the published body
            uses 9 for 8 levels, its hand 6 for 5).
        order: how ties in the visiting order break; "introsort" is the published one.
        vertices: V; by default what `faces` names.

    Raises:
        EngineError: the faces are no clean triangle mesh, or the mesh is too small for so many levels.
    """
    depth = levels - 1 if depth is None else depth
    if levels < 1 or depth < levels - 1:
        raise EngineError(f"{levels} graph levels need at least {levels - 1} matching passes, not {depth}.")
    argsort = _ARGSORT[order]
    graphs = [mesh_adjacency(faces, vertices)]
    clusters: list[IntArray] = []
    degree = _column_sums(graphs[0]) - graphs[0].diagonal()
    for _ in range(depth):
        weights = graphs[-1]
        if weights.shape[0] < 2:
            raise EngineError(
                f"A mesh of {graphs[0].shape[0]} vertices cannot be halved {depth} times: use fewer levels."
            )
        clusters.append(heavy_edge_matching(weights, argsort(_column_sums(weights)), degree))
        graphs.append(_coarser(weights, clusters[-1]))
        degree = _column_sums(graphs[-1])
    perms = _binary_tree_order(clusters) if clusters else [np.arange(graphs[0].shape[0], dtype=np.int64)]

    laplacians, real, lmax = [], [], []
    for graph, perm in zip(graphs[:levels], perms, strict=False):
        laplacian = normalized_laplacian(_permuted(graph, perm))
        lmax.append(largest_eigenvalue(laplacian))
        laplacians.append(rescale_laplacian(laplacian, lmax[-1]).astype(np.float32))
        real.append(perm < graph.shape[0])
    parents = tuple(np.arange(len(perm), dtype=np.int64) // 2 for perm in perms[: levels - 1])
    slots = np.argsort(perms[0])[: graphs[0].shape[0]].astype(np.int64)
    return MeshPyramid(tuple(laplacians), parents, tuple(real), slots, tuple(lmax))


def _column_sums(weights: sp.csr_matrix) -> FloatArray:
    return np.asarray(weights.sum(axis=0), dtype=np.float64).ravel()


def _permuted(graph: sp.csr_matrix, perm: IntArray) -> sp.csr_matrix:
    """The graph with its nodes moved to their slots and unconnected padding nodes between them."""
    slot_of_node = np.argsort(perm)
    entries = graph.tocoo()
    shape = (len(perm), len(perm))
    return sp.coo_matrix(
        (entries.data, (slot_of_node[entries.row], slot_of_node[entries.col])), shape=shape
    ).tocsr()
