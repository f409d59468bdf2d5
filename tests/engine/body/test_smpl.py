"""Importing SMPL files of every vintage; the model in them is synthetic, only its counts are SMPL's."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.body import smpl
from engine.body.model import SMPL_PARENTS, BodyModel
from engine.errors import EngineError
from tests.engine.body.old_pickles import chumpy, python2_pickle, select, sparse

V = smpl.VERTEX_COUNT


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """A cloud of 6890 points with 24 joints, in the arrays and types of an SMPL file."""
    random = np.random.default_rng(4)
    weights = np.zeros((V, 24))
    weights[np.arange(V), np.arange(V) % 24] = 0.7
    weights[np.arange(V), (np.arange(V) + 1) % 24] += 0.3
    regressor = np.zeros((24, V))
    for joint in range(24):
        regressor[joint, joint * 10 : joint * 10 + 4] = 0.25
    directions = np.zeros((V, 3, 207), np.float32)
    directions[:50] = random.normal(0.0, 0.001, (50, 3, 207))
    return {
        "v_template": random.normal(0.0, 0.4, (V, 3)),
        "shapedirs": random.normal(0.0, 0.01, (V, 3, 10)),
        "posedirs": directions,
        "weights": weights,
        "J_regressor": regressor,
        "f": np.stack([np.arange(V), (np.arange(V) + 1) % V, (np.arange(V) + 2) % V], axis=1).astype(
            np.uint32
        ),
        "kintree_table": np.stack([np.array(SMPL_PARENTS), np.arange(24)]).astype(np.uint32),
        "bs_style": "lbs",
    }


@pytest.fixture(scope="module")
def wanted(content: dict[str, Any]) -> BodyModel:
    return BodyModel.from_arrays(smpl.to_body_arrays(content, "wanted"))


def assert_same(body: BodyModel, other: BodyModel) -> None:
    for name in ("v_template", "shapedirs", "weights", "joint_regressor", "parents", "triangles", "posedirs"):
        assert np.array_equal(getattr(body, name), getattr(other, name)), name
    assert np.array_equal(body.landmark_regressor, other.landmark_regressor)


def write(path: Path, kind: str, content: dict[str, Any]) -> None:
    reordered = np.arange(V * 30)[::-1].copy()
    if kind == "plain":
        path.write_bytes(pickle.dumps(content, protocol=2))
    elif kind == "npz":
        np.savez(path.with_suffix(".npz"), **content)
        path.with_suffix(".npz").rename(path)
    elif kind == "npz with an object":
        holder = np.empty((), dtype=object)
        holder[()] = content["J_regressor"]
        with path.open("wb") as file:
            np.savez(file, **(content | {"J_regressor": holder}))
    else:
        old = dict(content)
        old["v_template"] = chumpy(content["v_template"])
        old["posedirs"] = chumpy(content["posedirs"])
        old["shapedirs"] = select(content["shapedirs"].reshape(-1)[::-1].copy(), reordered, (V, 3, 10))
        old["J_regressor"] = sparse(content["J_regressor"], "csc")
        path.write_bytes(python2_pickle(old, reconstructor="reconstructor" in kind))


KINDS = ["plain", "npz", "npz with an object", "python 2", "python 2 reconstructor"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_vintage_gives_the_same_body(
    tmp_path: Path, content: dict[str, Any], wanted: BodyModel, kind: str
) -> None:
    source = tmp_path / "basicmodel neutral.pkl"
    write(source, kind, content)
    out = tmp_path / "new folder" / "mine.npz"
    assert_same(smpl.import_smpl(source, out), wanted)
    again = BodyModel.load(out)
    assert_same(again, wanted)
    assert again.name == "mine"
    assert [file.name for file in out.parent.iterdir()] == ["mine.npz"]


def test_the_body_moves_as_smpl_defines(content: dict[str, Any], wanted: BodyModel) -> None:
    """Against a direct transcription of SMPL's equations."""
    random = np.random.default_rng(1)
    pose, betas = random.normal(0.0, 0.5, (24, 3)), random.normal(size=10)
    from engine.body.rotations import matrix_from_axis_angle

    turn = matrix_from_axis_angle(pose)
    shaped = content["v_template"] + content["shapedirs"] @ betas
    joints = content["J_regressor"] @ shaped
    shaped = shaped + content["posedirs"] @ (turn[1:] - np.eye(3)).reshape(-1)
    chain: list[np.ndarray] = []
    for joint, parent in enumerate(SMPL_PARENTS):
        local = np.eye(4)
        local[:3, :3] = turn[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0.0)
        chain.append(chain[parent] @ local if parent >= 0 else local)
    expected = np.zeros((V, 3))
    for joint, matrix in enumerate(chain):
        moved = (shaped - joints[joint]) @ matrix[:3, :3].T + matrix[:3, 3]
        expected += content["weights"][:, joint, None] * moved
    found = wanted.vertices(pose[None], betas, np.zeros((1, 3)))[0]
    assert np.abs(found - expected).max() < 1e-5


def test_landmarks_are_affine_and_on_the_right_side(wanted: BodyModel) -> None:
    regressor = wanted.landmark_regressor
    assert np.allclose(regressor.sum(axis=1), 1.0, atol=1e-5)
    assert regressor[0].argmax() == 332  # the nose
    assert regressor[2].argmax() == 2800 and regressor[5].argmax() == 6260
    for landmark, joint in ((11, 16), (14, 19), (25, 4), (16, 21)):
        assert np.allclose(regressor[landmark], wanted.joint_regressor[joint])
    for landmark, vertex in ((29, 3387), (30, 6787), (31, 3216), (32, 6617), (19, 2319), (20, 5782)):
        assert regressor[landmark, vertex] > 0.5


def test_smplx_agrees(wanted: BodyModel, open_body: BodyModel) -> None:
    pytest.importorskip("smplx", reason="an optional extra under a non-commercial licence")
    from engine.cli.import_smpl import difference_to_smplx

    random = np.random.default_rng(2)
    for body in (wanted, open_body):
        difference = difference_to_smplx(body, random.normal(0.0, 0.5, (2, 24, 3)), random.normal(size=10))
        assert difference is not None and difference < 1e-5


def test_the_command_writes_a_body(
    tmp_path: Path, content: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from engine.cli import main

    (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(pickle.dumps(content))
    out = tmp_path / "smpl.npz"
    assert main(["import-smpl", str(tmp_path / "SMPL_NEUTRAL.pkl"), "--out", str(out)]) == 0
    assert "smpl.npz" in capsys.readouterr().out
    assert BodyModel.load(out).v_template.shape == (V, 3)
    assert main(["import-smpl", str(tmp_path / "absent.pkl"), "--out", str(out)]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_file_with_code_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    trace = tmp_path / "trace"

    class Hostile:
        def __reduce__(self) -> Any:
            import os

            return os.system, (f"touch {trace}",)

    (tmp_path / "bad.pkl").write_bytes(pickle.dumps(content | {"v_template": Hostile()}))
    holder = np.empty((), dtype=object)
    holder[()] = Hostile()
    np.savez(tmp_path / "bad.npz", **(content | {"J_regressor": holder}))
    for name in ("bad.pkl", "bad.npz"):
        with pytest.raises(EngineError, match="not a plain data file"):
            smpl.import_smpl(tmp_path / name, tmp_path / "out.npz")
    assert not trace.exists() and not (tmp_path / "out.npz").exists()


def test_other_models_are_told_apart(tmp_path: Path, content: dict[str, Any]) -> None:
    for joints, kind in ((55, "SMPL-X"), (16, "MANO"), (7, "a model of 7 joints")):
        relative = content | {"kintree_table": np.zeros((2, joints), np.int64)}
        with pytest.raises(EngineError, match=f"This is {kind} with 6890 vertices, not SMPL's body"):
            smpl.to_body_arrays(relative, "relative")
    with pytest.raises(EngineError, match="SMPL-X with 5 vertices"):
        smpl.to_body_arrays(
            content | {"v_template": np.zeros((5, 3)), "kintree_table": np.zeros((2, 55))}, "x"
        )
    (tmp_path / "other.pkl").write_bytes(pickle.dumps({"v_template": np.zeros((3, 3))}))
    with pytest.raises(EngineError, match="lacks shapedirs"):
        smpl.read(tmp_path / "other.pkl")
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(EngineError, match="holds no SMPL model"):
        smpl.read(tmp_path / "list.pkl")
    with pytest.raises(EngineError, match="does not exist"):
        smpl.read(tmp_path / "absent.pkl")
    file = io.BytesIO()
    np.savez(file, **content)
    (tmp_path / "cut.npz").write_bytes(file.getvalue()[:5000])
    with pytest.raises(EngineError):
        smpl.read(tmp_path / "cut.npz")


def test_an_unwritable_place_is_explained(tmp_path: Path, content: dict[str, Any]) -> None:
    (tmp_path / "smpl.pkl").write_bytes(pickle.dumps(content))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EngineError, match="cannot be written"):
        smpl.import_smpl(tmp_path / "smpl.pkl", tmp_path / "file" / "out.npz")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"shapedirs": np.zeros((V, 3))}, "indices"),
        ({"posedirs": np.zeros((V, 3, 10), np.float32)}, "posedirs has the shape"),
        ({"posedirs": np.full((V, 3, 207), np.nan, np.float32)}, "posedirs holds values"),
        ({"weights": np.zeros((V, 23))}, "weights"),
        ({"J_regressor": np.zeros((24, 7))}, ""),
        ({"f": np.zeros((5, 4), np.uint32)}, "triangles has the shape"),
        ({"f": np.full((5, 3), V, np.uint32)}, "triangles names vertices"),
        ({"v_template": np.full((V, 3), np.nan)}, "not finite"),
    ],
)
def test_arrays_that_do_not_fit_are_named(
    tmp_path: Path, content: dict[str, Any], change: dict[str, Any], cause: str
) -> None:
    np.savez(tmp_path / "smpl.npz", **(content | change))
    with pytest.raises(EngineError, match=f"not a usable SMPL model.*{cause}"):
        smpl.import_smpl(tmp_path / "smpl.npz", tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()


def test_smpl_h_becomes_a_body_without_fingers(content: dict[str, Any], wanted: BodyModel) -> None:
    """Whatever its body joints do, SMPL-H's mesh follows with the fingers at rest."""
    random = np.random.default_rng(6)
    fingers = np.array([[20, 22, 23], [20, 25, 26], [20, 28, 29], [20, 31, 32], [20, 34, 35]]).reshape(-1)
    parents = np.concatenate([SMPL_PARENTS[:22], fingers, np.where(fingers == 20, 21, fingers + 15)])
    share = random.dirichlet(np.ones(15), size=V)  # how a vertex on the hand hangs on the fingers
    weights = np.concatenate(
        [content["weights"][:, :22], *(content["weights"][:, [hand]] * share for hand in (22, 23))], axis=1
    )
    regressor = np.zeros((52, V))
    regressor[:22] = content["J_regressor"][:22]
    for joint in range(22, 52):  # the bases of the fingers surround SMPL's hand joint
        regressor[joint] = content["J_regressor"][22 if joint < 37 else 23]
    directions = np.zeros((V, 3, 51 * 9), np.float32)
    directions[:, :, : 21 * 9] = content["posedirs"][:, :, : 21 * 9]
    relative = content | {
        "weights": weights,
        "J_regressor": regressor,
        "posedirs": directions,
        "kintree_table": np.stack([parents, np.arange(52)]),
        "shapedirs": np.concatenate([content["shapedirs"], random.normal(size=(V, 3, 6))], axis=2),
    }
    body = BodyModel.from_arrays(smpl.to_body_arrays(relative, "smplh"))
    assert body.source.startswith("SMPL-H")
    poses = random.normal(0.0, 0.4, (1, 24, 3))
    poses[:, 22:] = 0.0
    betas = random.normal(size=10)
    still = np.zeros((1, 3))
    assert np.abs(body.vertices(poses, betas, still) - wanted.vertices(poses, betas, still)).max() < 1e-5
    broken = relative | {"kintree_table": np.zeros((2, 52), np.int64)}
    with pytest.raises(ValueError, match="no finger"):
        smpl.to_body_arrays(broken, "smplh")


@pytest.mark.parametrize("kind", ["folder", "empty", "text", "cut"])
def test_files_that_are_no_model(tmp_path: Path, content: dict[str, Any], kind: str) -> None:
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    if kind == "folder":
        path.mkdir()
    elif kind == "cut":
        path.write_bytes(pickle.dumps({"v_template": np.zeros(10000)})[:5000])
    else:
        path.write_text("Sign in to download." if kind == "text" else "")
    sentence = {"folder": "choose the SMPL file in it", "empty": "is empty"}
    with pytest.raises(EngineError, match=sentence.get(kind, "is damaged or of another kind")):
        smpl.import_smpl(path, tmp_path / "out.npz")
