"""Joint sets: complete, connected, symmetric, and with the published joint graphs."""

import numpy as np
import pytest
from golden import golden
from scipy.sparse.csgraph import connected_components

from engine.errors import EngineError
from engine.pose2mesh.skeletons import JOINT_SETS, joint_set


@pytest.mark.parametrize(
    ("name", "joints", "entries"),
    [
        ("human36m17", 17, 61),
        ("coco19", 19, 71),
        ("smpl24", 24, 88),
        ("mano21", 21, 93),
        ("mediapipe33", 33, 137),
    ],
)
def test_joint_graphs(name: str, joints: int, entries: int) -> None:
    laplacian = joint_set(name).laplacian()
    assert laplacian.shape == (joints, joints)
    assert laplacian.nnz == entries
    assert connected_components(laplacian)[0] == 1


@pytest.mark.parametrize(
    ("name", "golden_name", "level"), [("human36m17", "human36", 9), ("mano21", "mano", 6)]
)
def test_joint_laplacian_is_the_published_one(name: str, golden_name: str, level: int) -> None:
    entries = joint_set(name).laplacian().tocoo()
    first = np.column_stack((entries.row, entries.col, entries.data))
    first = first[np.lexsort((entries.col, entries.row))][:50]
    np.testing.assert_allclose(first, golden(golden_name)[f"graph_L{level}_first50"], rtol=1e-12)


@pytest.mark.parametrize("each", JOINT_SETS.values(), ids=JOINT_SETS)
def test_names_are_unique_and_sides_pair_up(each) -> None:
    assert len(set(each.joints)) == len(each)
    for left, right in each.flip_pairs:
        assert each.joints[left].replace("left", "right") == each.joints[right]
    sided = {joint for pair in each.flip_pairs for joint in pair}
    assert sided == {i for i, joint in enumerate(each.joints) if joint.startswith(("left_", "right_"))}


def test_unknown_set_lists_the_known_ones() -> None:
    with pytest.raises(EngineError, match="human36m17"):
        joint_set("coco17")
