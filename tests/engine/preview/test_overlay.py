"""The overlay on shapes whose picture can be worked out by hand."""

import numpy as np
import pytest

from engine.preview import overlay
from engine.preview.overlay import draw_mesh, vertex_normals

CAMERA = np.array([[100, 0, 50], [0, 100, 40], [0, 0, 1]], dtype=np.float32)
GREY = np.full((80, 100, 3), 90, dtype=np.uint8)
# Seen from the camera (x right, y down), a counter-clockwise square in the plane z = depth.
SQUARE = np.array([[-0.2, -0.2, 0], [-0.2, 0.2, 0], [0.2, 0.2, 0], [0.2, -0.2, 0]], dtype=np.float32)
FRONT = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)


def square(depth: float, scale: float = 1.0) -> np.ndarray:
    return (SQUARE * np.float32(scale * depth) + np.array([0, 0, depth], dtype=np.float32)).astype(np.float32)


def test_covers_exactly_the_projected_area() -> None:
    drawn = draw_mesh(GREY, square(2.0), FRONT, CAMERA, alpha=1.0)
    rows, columns = np.nonzero((drawn != GREY).any(axis=2))
    assert (columns.min(), columns.max()) == (30, 69)
    assert (rows.min(), rows.max()) == (20, 59)
    assert (GREY == 90).all()


def test_triangles_that_face_away_are_not_drawn() -> None:
    assert np.array_equal(draw_mesh(GREY, square(2.0), FRONT[:, ::-1], CAMERA), GREY)


def test_the_nearer_surface_hides_the_farther_whatever_the_order() -> None:
    near, far = square(1.0, 0.5), square(2.0) + np.array([0, 0, 0.5], dtype=np.float32)
    far[:2, 2] -= 0.3  # tilted, so its shade differs from the near one's
    alone = draw_mesh(GREY, near, FRONT, CAMERA, alpha=1.0)
    for vertices in (np.concatenate([near, far]), np.concatenate([far, near])):
        both = draw_mesh(GREY, vertices, np.concatenate([FRONT, FRONT + 4]), CAMERA, alpha=1.0)
        assert np.array_equal(both[35:45, 45:55], alone[35:45, 45:55])
        assert not np.array_equal(both[22:24, 32:34], GREY[22:24, 32:34])


def test_alpha_blends_with_the_picture() -> None:
    opaque = draw_mesh(GREY, square(2.0), FRONT, CAMERA, alpha=1.0)[40, 50].astype(int)
    half = draw_mesh(GREY, square(2.0), FRONT, CAMERA, alpha=0.5)[40, 50].astype(int)
    assert np.abs(half - (opaque + 90) / 2).max() <= 1


def test_vertex_normals_point_at_the_camera_on_a_square_that_faces_it() -> None:
    assert np.allclose(vertex_normals(square(2.0), FRONT), (0, 0, -1))


def test_a_surface_turned_to_the_light_is_brighter() -> None:
    def brightness(tilt: float) -> int:
        vertices = square(2.0)
        vertices[:, 2] += tilt * vertices[:, 1]
        return int(draw_mesh(GREY, vertices, FRONT, CAMERA, alpha=1.0)[40, 50].sum())

    assert brightness(-0.8) > brightness(0.0) > brightness(0.8), "the light comes from above"


@pytest.mark.parametrize(
    "vertices",
    [square(2.0) * np.float32(-1), square(2.0) + np.float32(500), square(2.0) * np.float32(np.nan)],
    ids=["behind the camera", "outside the picture", "not a number"],
)
def test_what_cannot_be_seen_is_left_out(vertices: np.ndarray) -> None:
    assert np.array_equal(draw_mesh(GREY, vertices, FRONT, CAMERA), GREY)


def test_a_mesh_that_leaves_the_picture_is_clipped() -> None:
    drawn = draw_mesh(GREY, square(0.3, 20.0), FRONT, CAMERA, alpha=1.0)
    assert drawn.shape == GREY.shape
    assert (drawn != GREY).any(axis=2).all()


def test_triangles_that_share_an_edge_leave_no_gap_and_shade_smoothly() -> None:
    side = 6
    steps = np.linspace(-0.38, 0.38, side, dtype=np.float32)
    x, y = np.meshgrid(steps, steps)
    vertices = np.stack([x, y, 1 + x**2], axis=-1).reshape(-1, 3)  # a valley along y
    vertices[:, :2] *= vertices[:, 2:]
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).reshape(-1, 1)
    lower, upper = np.array([0, side, side + 1]), np.array([0, side + 1, 1])
    triangles = np.concatenate([corner + lower, corner + upper]).astype(np.int32)
    drawn = draw_mesh(GREY, vertices, triangles, CAMERA, alpha=1.0)[4:76, 14:86].astype(int)
    assert (drawn != 90).any(axis=2).all()
    steps_between_columns = np.abs(np.diff(drawn[..., 0], axis=1)).max()
    assert steps_between_columns < np.ptp(drawn[..., 0]) / side, "flat triangles would step at their edges"


def test_large_triangles_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw_mesh(GREY, square(0.3, 20.0), FRONT, CAMERA)
    monkeypatch.setattr(overlay, "_CHUNK_PIXELS", 100)
    assert np.array_equal(draw_mesh(GREY, square(0.3, 20.0), FRONT, CAMERA), whole)
