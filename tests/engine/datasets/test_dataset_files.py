"""Every file of every dataset missing, cut short, empty or of another layout: one sentence each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.datasets.bodies import Bodies
from engine.datasets.library import FOLDERS, open_dataset
from engine.errors import EngineError
from tests.engine.datasets import writers

WRITERS: dict[str, Callable[[Path, Bodies], Any]] = {
    "human36m": writers.human36m,
    "coco": writers.coco,
    "muco": writers.muco,
    "amass": lambda root, _: writers.amass(root),
    "pw3d": writers.pw3d,
    "surreal": writers.surreal,
    "freihand": writers.freihand,
}
ANNOTATIONS = "annotations/Human36M_subject1_"
FILES = {
    "human36m": [
        ("train", f"{ANNOTATIONS}data.json"),
        ("train", f"{ANNOTATIONS}camera.json"),
        ("train", f"{ANNOTATIONS}joint_3d.json"),
        ("train", f"{ANNOTATIONS}smpl_param.json"),
        ("test", "absnet_output_on_testset.json"),
    ],
    "coco": [
        ("train", "annotations/person_keypoints_train2017.json"),
        ("train", "annotations/coco_smplify_train.json"),
    ],
    "muco": [("train", "data/MuCo-3DHP.json"), ("train", "data/smpl_param.json")],
    "pw3d": [("test", "data/3DPW_latest_test.json"), ("test", "data/darkpose_3dpw_testset_output.json")],
    "surreal": [("train", "data/train.json"), ("test", "data/hrnet_output_on_valset.json")],
    "freihand": [
        ("train", "data/freihand_train_coco.json"),
        ("train", "data/freihand_train_data.json"),
        ("test", "data/hrnet_output_on_testset.json"),
    ],
}
CASES = [(name, split, file) for name, files in FILES.items() for split, file in files]


def written(name: str, data: Path, bodies: Bodies) -> Path:
    root = data / FOLDERS[name]
    WRITERS[name](root, bodies)
    return root


@pytest.mark.parametrize("name", FOLDERS)
def test_a_dataset_by_its_name(tmp_path: Path, bodies: Bodies, name: str) -> None:
    written(name, tmp_path, bodies)
    split = "test" if name == "pw3d" else "train"
    dataset = open_dataset(name, tmp_path, bodies, split)
    assert dataset.name == name and len(dataset) > 0
    sample = dataset[len(dataset) - 1]
    for array in (sample.pose2d, sample.box, sample.lifted_joints, sample.mesh_joints, sample.vertices):
        assert array.dtype == np.float32 and np.isfinite(array).all()
    with pytest.raises(IndexError):
        dataset[len(dataset)]


@pytest.mark.parametrize(("name", "split", "file"), CASES)
def test_bad_files_are_named(tmp_path: Path, bodies: Bodies, name: str, split: str, file: str) -> None:
    path = written(name, tmp_path, bodies) / file
    content = path.read_bytes()
    for damage, sentence in (
        (None, "is missing; docs/datasets.md says where"),
        (b"", "is damaged"),
        (content[: len(content) // 2], "is damaged"),
        (b"\x80\x04\x95\xff", "is damaged"),
        (b"{}", "is empty"),
        (b"7", "int instead of"),
        (b"[[1, 2]]", "not in the published format|lacks|no usable sample"),
        (b'{"images": [], "annotations": []}', "holds no|lacks|not in the published format"),
    ):
        path.unlink(missing_ok=True)
        if damage is not None:
            path.write_bytes(damage)
        with pytest.raises(EngineError, match=sentence) as caught:
            open_dataset(name, tmp_path, bodies, split)
        assert path.name in caught.value.text
        assert caught.value.text.endswith(".") and "\n" not in caught.value.text


def test_wrong_names(tmp_path: Path, bodies: Bodies) -> None:
    written("coco", tmp_path, bodies)
    written("surreal", tmp_path, bodies)
    for arguments, sentence in (
        ({"name": "lsp"}, "no dataset 'lsp'; choose one of human36m"),
        ({"name": "muco"}, "folder .*MuCo does not exist"),
        ({"name": "coco", "split": "test"}, "for training only"),
        (
            {"name": "coco", "joint_set": "smpl24"},
            "COCO has no joint set 'smpl24'; choose human36m17 or coco19",
        ),
        ({"name": "surreal", "joint_set": "coco19"}, "SURREAL has no joint set 'coco19'; choose smpl24"),
        (
            {"name": "surreal", "split": "validation"},
            "SURREAL has no split 'validation'; choose train or test",
        ),
        ({"name": "coco", "stage": "both"}, "no training stage 'both'"),
    ):
        with pytest.raises(EngineError, match=sentence):
            open_dataset(data=tmp_path, bodies=bodies, **arguments)


def test_bodies_are_read_and_belong_together(tmp_path: Path, bodies: Bodies) -> None:
    path = tmp_path / "J.npy"
    np.save(path, bodies.human36m.astype(np.float32))
    loaded = Bodies.load(neutral="open_body")
    assert len(loaded.body("neutral").v_template) > 10_000
    np.testing.assert_allclose(Bodies.load(human36m_regressor=path).human36m, bodies.human36m, atol=1e-7)
    with pytest.raises(EngineError, match="different meshes"):
        Bodies.load(neutral="open_body", coco_regressor=path)
    for attribute, sentence in (
        ("human36m", "J_regressor_h36m_correct.npy"),
        ("coco", "J_regressor_coco.npy"),
        ("hand", "MANO_RIGHT.pkl"),
    ):
        with pytest.raises(EngineError, match=sentence):
            getattr(loaded, attribute)


def test_regressors_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "J.npy"
    with pytest.raises(EngineError, match="is missing"):
        Bodies.load(coco_regressor=path)
    for content, sentence in (
        (np.zeros((24, 40)), "not a matrix with 17 rows"),
        (np.full((17, 40), np.nan), "not numbers"),
        (np.array([{}]), "cannot be read"),  # a pickle, which is not opened
    ):
        np.save(path, content, allow_pickle=True)
        with pytest.raises(EngineError, match=sentence):
            Bodies.load(coco_regressor=path)
    path.write_bytes(b"")
    with pytest.raises(EngineError, match="cannot be read"):
        Bodies.load(coco_regressor=path)
