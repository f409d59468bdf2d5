"""`import-smpl` and `import-checkpoint` through the command line: what goes wrong is one sentence each."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clips import write_clip

from engine.body import library
from engine.body.model import SMPL_PARENTS
from engine.body.smpl import import_smpl
from engine.cli import doctor, main
from engine.cli.import_checkpoint import check_for_capture
from engine.datasets.hand import HandModel
from engine.errors import EngineError
from engine.pose2mesh import weights
from engine.pose2mesh.config import MeshNetConfig, Pose2MeshConfig, PoseNetConfig
from engine.pose2mesh.model import build
from engine.pose2mesh.skeletons import joint_set

Run = Callable[..., tuple[int, str]]
V, HAND_V = 6890, 778
GOLDEN = Path(__file__).parents[1] / "pose2mesh" / "data" / "golden_human36.npz"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A command's exit code and its last line; the user's folder is empty at first."""
    monkeypatch.setenv(library.VARIABLE, str(tmp_path / "data"))

    def call(*arguments: object) -> tuple[int, str]:
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, (printed.err if code else printed.out).strip()

    return call


def strip(count: int) -> np.ndarray:
    """Triangles of a closed strip through `count` vertices."""
    start = np.arange(count)
    return np.stack([start, (start + 1) % count, (start + 2) % count], axis=1).astype(np.uint32)


def smpl_family(vertices: int, parents: Any) -> dict[str, Any]:
    """The arrays of a model of SMPL's family, with as many vertices and joints."""
    random = np.random.default_rng(0)
    joints = len(parents)
    return {
        "v_template": random.normal(0.0, 0.4, (vertices, 3)),
        "shapedirs": random.normal(0.0, 0.01, (vertices, 3, 10)),
        "posedirs": np.zeros((vertices, 3, 9 * (joints - 1)), np.float32),
        "weights": np.eye(joints)[np.arange(vertices) % joints],
        "J_regressor": np.eye(joints, vertices),
        "f": strip(vertices),
        "kintree_table": np.stack([np.array(parents), np.arange(joints)]),
        "hands_mean": np.zeros(45),
    }


MANO = smpl_family(HAND_V, [-1, *(0 if finger % 3 == 0 else finger for finger in range(15))])


class Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def one_sentence(text: str) -> bool:
    """Beside progress: models load while the first frames are detected."""
    lines = [line for line in text.splitlines() if line and not line.startswith("people:")]
    return len(lines) == 1 and lines[0].startswith("Error: ") and lines[0].endswith(".")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "does not exist; check the path"),
        ("folder", "is a folder; choose the SMPL file in it"),
        ("empty", "is empty; get it again"),
        ("text", "is damaged or of another kind"),
        ("cut", "is damaged or of another kind"),
        ("hostile", "is not a plain data file"),
        ("smpl-x", "This is SMPL-X with 10475 vertices, not SMPL's body with 6890; choose an SMPL file"),
        ("few arrays", "lacks shapedirs"),
        ("hand without mean", "lacks hands_mean"),
    ],
)
def test_files_that_are_no_smpl(tmp_path: Path, run: Run, kind: str, words: str) -> None:
    path, marker = tmp_path / "model.pkl", tmp_path / "owned"
    content: Any = {
        "hostile": MANO | {"v_template": Hostile(marker)},
        "smpl-x": smpl_family(10475, np.maximum(np.arange(55) - 1, 0)) if kind == "smpl-x" else None,
        "few arrays": {"v_template": np.zeros((3, 3))},
        "hand without mean": {name: array for name, array in MANO.items() if name != "hands_mean"},
        "cut": MANO,
    }
    if kind == "folder":
        path.mkdir()
    elif kind in content:
        whole = pickle.dumps(content[kind])
        path.write_bytes(whole[: len(whole) // 2] if kind == "cut" else whole)
    elif kind != "missing":
        path.write_text("<html>Sign in to download</html>" if kind == "text" else "")
    code, text = run("import-smpl", path)
    assert (code, one_sentence(text)) == (1, True), text
    assert words in text
    assert not marker.exists() and not (tmp_path / "data").exists()


def test_a_hand_is_imported_as_one_safe_file(tmp_path: Path, run: Run) -> None:
    (tmp_path / "MANO_RIGHT.pkl").write_bytes(pickle.dumps(MANO, protocol=2))
    code, text = run("import-smpl", tmp_path / "MANO_RIGHT.pkl")
    assert code == 0 and "a hand" in text
    hand = HandModel.load(library.body_file("mano"))
    np.testing.assert_array_equal(hand.v_template, MANO["v_template"])
    np.testing.assert_array_equal(hand.triangles, MANO["f"])
    np.testing.assert_array_equal(hand.parents, MANO["kintree_table"][0])
    video = write_clip(tmp_path / "a.mp4", 3)
    code, text = run("capture", video, "--out", tmp_path / "take.npz", "--body", "mano")
    assert (code, one_sentence(text)) == (1, True)
    assert "mano is a hand, not a body; choose one of open_body." in text


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up SMPL file, its body file beside it."""
    path = tmp_path_factory.mktemp("smpl") / "SMPL_NEUTRAL.npz"
    with np.load(GOLDEN) as golden:
        np.savez(path, **(smpl_family(V, SMPL_PARENTS) | {"f": golden["faces"]}))
    import_smpl(path, path.with_name("body.npz"))
    return path


@pytest.fixture
def smpl(run: Run, model: Path) -> Path:
    """The file; its body is in the user's folder."""
    library.body_file("smpl").parent.mkdir(parents=True)
    shutil.copy(model.with_name("body.npz"), library.body_file("smpl"))
    return model


def test_names(tmp_path: Path, run: Run, smpl: Path) -> None:
    assert run("import-smpl", smpl, "--name", "smpl_male")[0] == 0
    assert library.imported_bodies() == ["smpl", "smpl_male"]
    for name, words in (("open_body", "the engine's own"), ("../up", "no name for a body")):
        code, text = run("import-smpl", smpl, "--name", name)
        assert (code, one_sentence(text), words in text) == (1, True, True)
    elsewhere = tmp_path / "elsewhere" / "body.npz"
    assert run("import-smpl", smpl, "--out", elsewhere)[0] == 0
    assert elsewhere.is_file() and library.imported_bodies() == ["smpl", "smpl_male"]


def test_a_body_without_a_network(tmp_path: Path, run: Run, smpl: Path) -> None:
    video, out = write_clip(tmp_path / "a.mp4", 3), tmp_path / "take.npz"
    for body, words in (
        ("smpl", "There is no network for the body 'smpl' yet: run `import-checkpoint CHECKPOINT.pth.tar --"),
        ("nobody", "The body 'nobody' does not exist; choose one of open_body, smpl, or bring your own"),
        (str(library.body_file("smpl")), "is no name for a body"),
    ):
        code, text = run("capture", video, "--out", out, "--body", body)
        assert (code, one_sentence(text), words in text) == (1, True, True), text
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--body", "smpl"), "The body 'smpl' does not exist; choose one of open_body"),
        (("--body", "no/such.npz"), "does not exist; check the path"),
        (("--body", "open_body"), "Captures find networks of imported bodies only"),
        (("--faces", "no.npy"), "no file of triangles at no.npy"),
    ],
)
def test_a_checkpoint_without_its_body(
    tmp_path: Path, run: Run, arguments: tuple[str, ...], words: str
) -> None:
    torch.save({"model_state_dict": {"pose_lifter.w2.bias": torch.zeros(57)}}, tmp_path / "final.pth.tar")
    code, text = run("import-checkpoint", tmp_path / "final.pth.tar", *arguments)
    assert (code, one_sentence(text), words in text) == (1, True, True), text


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "There is no checkpoint"),
        ("folder", "is a folder: choose the checkpoint in it"),
        ("empty", "is empty: fetch it again"),
        ("text", "is damaged or no PyTorch checkpoint"),
        ("cut", "is damaged or no PyTorch checkpoint"),
        ("hostile", "holds more than numbers and was not opened"),
        ("other network", "holds another kind of network"),
        ("few parameters", "lacks parameters"),
        ("numbers", "holds no network parameters"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path: Path, run: Run, smpl: Path, kind: str, words: str) -> None:
    path, marker = tmp_path / "final.pth.tar", tmp_path / "owned"
    content: Any = {
        "hostile": {"model_state_dict": {"pose_lifter.w2.bias": torch.zeros(57)}, "epoch": Hostile(marker)},
        "other network": {"state_dict": {}, "model_state_dict": {"conv1.weight": torch.zeros(3)}},
        "few parameters": {"model_state_dict": {"module.pose_lifter.w2.bias": torch.zeros(57)}},
        "numbers": [1, 2, 3],
        "cut": {"model_state_dict": {"pose_lifter.w2.bias": torch.zeros(57)}},
    }
    if kind == "folder":
        path.mkdir()
    elif kind in content:
        torch.save(content[kind], path)
        if kind == "cut":
            path.write_bytes(path.read_bytes()[:-300])
    elif kind != "missing":
        path.write_text("<html>Quota exceeded</html>" if kind == "text" else "")
    code, text = run("import-checkpoint", path, "--body", "smpl")
    assert (code, one_sentence(text), words in text) == (1, True, True), text
    assert not marker.exists() and not (tmp_path / "data" / "weights").exists()


@pytest.mark.parametrize(
    ("joints", "words"),
    [
        ("smpl24", "reads smpl24, which a video's landmarks do not give: import a checkpoint for coco19 or"),
        ("mano21", "reads mano21, which a video's landmarks do not give: import a checkpoint for coco19 or"),
        ("coco19", "has 60 vertices and the body 'smpl' 6890: import the checkpoint for this body again."),
    ],
)
def test_networks_that_captures_cannot_use(
    tmp_path: Path, run: Run, smpl: Path, joints: str, words: str
) -> None:
    count = len(joint_set(joints))
    config = Pose2MeshConfig(
        joints, PoseNetConfig(count, hidden=8), MeshNetConfig(count, 5, (4,), ((4,), (4,)), (4,)), depth=1
    )
    library.weights_file("smpl").parent.mkdir(parents=True)
    weights.save(library.weights_file("smpl"), build(config, strip(60).astype(np.int64)), "smpl")
    video = write_clip(tmp_path / "a.mp4", 3)
    code, text = run("capture", video, "--out", tmp_path / "take.npz", "--body", "smpl")
    assert (code, one_sentence(text), words in text) == (1, True, True), text


def test_such_networks_do_not_take_the_place_of_one_that_captures_use() -> None:
    for joints in ("smpl24", "mano21"):
        with pytest.raises(
            EngineError, match=rf"final reads {joints}, .*coco19 or human36m17, or say with --out"
        ):
            check_for_capture(joints, Path("final"))
    for joints in ("coco19", "human36m17"):
        check_for_capture(joints, Path("final"))


def test_damaged_files_in_the_users_folder(tmp_path: Path, run: Run, smpl: Path) -> None:
    library.weights_file("smpl").parent.mkdir(parents=True)
    library.weights_file("smpl").write_bytes(b"cut short")
    video = write_clip(tmp_path / "a.mp4", 3)
    code, text = run("capture", video, "--out", tmp_path / "take.npz", "--body", "smpl")
    assert (code, one_sentence(text), "damaged" in text) == (1, True, True), text
    library.body_file("smpl").write_bytes(b"cut short")
    code, text = run("capture", video, "--out", tmp_path / "take.npz", "--body", "smpl")
    assert (code, one_sentence(text), "import or install it again" in text) == (1, True, True), text


def test_the_doctor_lists_them(run: Run, smpl: Path) -> None:
    library.write_arrays(library.body_file("mano"), {"format": np.array(library.HAND_FORMAT)})
    library.body_file("torn").write_bytes(b"cut short")
    found = {finding.name: finding for finding in doctor.imported_bodies()}
    assert [finding.ok for finding in found.values()] == [True, True, False]
    assert "import-checkpoint FILE --body smpl" in found["body smpl"].remedy
    library.weights_file("smpl").parent.mkdir(parents=True)
    library.weights_file("smpl").touch()
    assert [finding.remedy for finding in doctor.imported_bodies()] == ["", "", "import it again"]
