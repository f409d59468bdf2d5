"""The shipped configurations hold the published recipe, and a wrong one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli import main
from engine.errors import EngineError
from engine.pose2mesh.config import published_config
from engine.train.published.config import CONFIGS, is_published, load_experiment, shipped

# joint set, training sets, test set; epochs, drop after, factor of PoseNet's training; the same and the start
# of the edge loss of the full training: the published yaml files
RECIPE = {
    "human36m": ("human36m17", ("human36m",), "human36m", (60, 30, 0.5), (15, 12, 0.1, 7)),
    "coco_muco": ("coco19", ("human36m", "coco", "muco"), "pw3d", (30, 20, 0.1), (15, 12, 0.1, 7)),
    "coco_amass": ("coco19", ("human36m", "coco", "amass"), "pw3d", (30, 20, 0.1), (15, 10, 0.1, 7)),
    "surreal": ("smpl24", ("surreal",), "surreal", (60, 30, 0.5), (15, 12, 0.1, 7)),
    "freihand": ("mano21", ("freihand",), "freihand", (120, 90, 0.1), (40, 30, 0.1, 15)),
}


@pytest.mark.parametrize("name", RECIPE)
def test_the_recipe(name: str) -> None:
    joints, train, test, lift, full = RECIPE[name]
    for stage, file, schedule in (("posenet", "posenet", (*lift, 0)), ("pose2mesh", "full", full)):
        found = load_experiment(f"published_{name}_{file}")
        assert found.stage == stage
        assert (found.joint_set, found.train, found.test) == (joints, train, test)
        assert (found.epochs, *found.drop_at, found.drop_factor, found.edges_after) == schedule
        assert (found.batch, found.learning_rate, found.seed) == (64, 1e-3, 123)
        assert found.mirror == (stage == "posenet")
        assert found.detected
        assert found.muco_slip == (name == "coco_muco" and stage == "pose2mesh")
        assert found.network == published_config(joints, found.network.pose.joints)


def test_nothing_else_is_shipped() -> None:
    assert shipped() == sorted(
        f"published_{name}_{stage}" for name in RECIPE for stage in ("posenet", "full")
    )


def test_which_configurations_are_published(tmp_path: Path) -> None:
    assert is_published("published_human36m_full")
    assert not is_published("open_body_light")
    own = tmp_path / "own.toml"
    own.write_text("vertices = 512")
    assert not is_published(str(own))
    own.write_text('kind = "published"')
    assert is_published(str(own))
    assert not is_published(str(tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('stage = "pose2mesh"', 'stage = "both"', "stage"),
        ("epochs = 15", "epochs = 0", "epoch"),
        ("batch = 64", "batch = 1", "batch"),
        ("seed = 123", "sead = 123", "sead"),
        ("seed = 123", "seed = ", "cannot be used"),
        ('joint_set = "human36m17"', "", "joint_set"),
        ('kind = "published"', "", "kind"),
        ('train = ["human36m"]', "train = []", "nothing"),
        ("seed = 123", "[network]\ndepth_of = 3", "depth_of"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (CONFIGS / "published_human36m_full.toml").read_text()
    assert old in text
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(EngineError, match=message):
        load_experiment(str(path))


def test_other_widths_can_be_tried(tmp_path: Path) -> None:
    text = (CONFIGS / "published_human36m_full.toml").read_text()
    path = tmp_path / "narrow.toml"
    path.write_text(text + "[network]\nhidden = 32\noutput_widths = [8]\n")
    network = load_experiment(str(path)).network
    assert (network.pose.hidden, network.mesh.output_widths) == (32, (8,))
    assert network.mesh.level_widths == published_config("human36m17", 17).mesh.level_widths


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["published_nothing"], "choose one of published_coco_amass_full"),
        (["published_human36m_posenet"], "--data"),
        (["published_human36m_posenet", "--data", "."], "--body"),
        (["published_freihand_posenet", "--data", "."], "--hand"),
        (["open_body_light"], "--motions"),
    ],
)
def test_the_command_says_what_is_missing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments, "--out", str(tmp_path), "--device", "cpu"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Error: ") and message in printed
