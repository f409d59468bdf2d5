"""Training configurations: the shipped ones, and one sentence for every wrong one."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from engine.cli import main
from engine.errors import EngineError
from engine.train import config
from engine.train.config import load_config, shortened
from engine.train.detector_noise import DetectorNoise
from engine.train.schedule import Schedule
from engine.train.synthesis import Synthesis

GOOD = """
vertices = 512
hidden = 64
temporal_width = 16
level_widths = [[16], [16]]
output_widths = []
seed = 0

[noise]
jitter = [
    0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01,
    0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01,
    0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01,
]

[synthesis]
recombine = 0.1

[[stages]]
stage = "time"
steps = 20
batch = 64
frames = 8
views = 2
learning_rate = 1e-3
average = 0.99

[[stages]]
stage = "mesh"
steps = 20
batch = 64
mesh_batch = 32
learning_rate = 1e-3
"""


def toml(path: Path, old: str = "", new: str = "") -> Path:
    """The good file with one thing changed."""
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_shipped_ones_begin_from_nothing() -> None:
    light, quality = load_config("open_body_light"), load_config("open_body_quality")
    assert [stage.stage for stage in light.stages] == ["lift", "mesh"]
    assert [stage.stage for stage in quality.stages] == ["time"]
    assert light.begins is None and quality.begins == light
    assert all(stage.average > 0 for each in (light, quality) for stage in each.stages)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    mine = load_config(str(toml(tmp_path / "mine.toml")))
    assert (mine.name, mine.vertices, mine.seed) == ("mine", 512, 0)
    assert mine.network.pose.temporal_width == 16
    assert mine.network.mesh.level_widths == ((16,), (16,))
    assert [(stage.stage, stage.frames, stage.average) for stage in mine.stages] == [
        ("time", 8, 0.99),
        ("mesh", 1, 0.0),
    ]
    assert mine.noise.jitter == (0.01,) * 33 and mine.synthesis.recombine == 0.1


@pytest.mark.parametrize(
    ("old", "new", "cause", "remedy"),
    [
        ("temporal_width = 16", "", 'stage "time"', "set temporal_width"),
        ("vertices = 512", "", "vertices is missing", "add it"),
        ("vertices = 512", "vertices = 'many'", "vertices is 'many'", "make it a whole number"),
        ("vertices = 512", "vertices = 2", "vertices is 2", "make it 64 or more"),
        ("vertices = 512", "vertices = ", "no TOML", "correct it"),
        ("hidden = 64", "hidden = 64\nhiden = 64", "hiden is unknown", "hidden"),
        ("level_widths = [[16], [16]]", "level_widths = [[16], []]", "level without", "a width"),
        ("level_widths = [[16], [16]]", "level_widths = [16]", "level_widths is [16]", "a list of lists"),
        ("output_widths = []", "output_widths = [0]", "width below 1", "1 or more"),
        ("seed = 0", "seed = -1", "seed is -1", "make it 0 or more"),
        ("recombine = 0.1", "recombined = 0.1", "synthesis, recombined is unknown", "recombine"),
        ("recombine = 0.1", "recombine = true", "recombine is True", "make it a number"),
        ("[noise]", "[noise]\nswaps = 0.1", "noise, swaps is unknown", "swap"),
        ("[noise]\njitter = [", "[noise]\njitter = [0.01,", "jitter has 34 numbers", "give 33"),
        ("[noise]", "[noise]\nfile = 'none.npz'", "file is 'none.npz', which does not exist", "correct"),
        ("recombine = 0.1", "near = 0", "near is 0 and far 12.0", "make near above 0"),
        ("[synthesis]", "[[synthesis]]", "synthesis is no table", "write [synthesis]"),
        ('stage = "time"', 'stage = "tiem"', "stage 1, stage is 'tiem'", "lift, time, mesh"),
        ("frames = 8", "frames = 1", "no time", "set frames to 2"),
        ("batch = 64", "batch = 60", "no multiple of frames times views, 16", "make it one"),
        ("batch = 64", "batch = 64.0", "batch is 64.0", "make it a whole number"),
        ("mesh_batch = 32", "mesh_batch = 128", "stage 2, mesh_batch is 128", "make it at most"),
        ("average = 0.99", "average = 0.99\nseconds = -5", "seconds is -5", "make it 0 or more"),
        ("average = 0.99", "average = 0.99\nseconds = nan", "seconds is nan", "make it 0 or more"),
        ("average = 0.99", "average = 1.0", "average is 1.0", "less than 1"),
        ("average = 0.99", "share = 1.5", "share is 1.5", "make it from 0 to 1"),
        ("seed = 0", "seed = 0\nbegins = 3", "begins is 3", "make it text"),
        ("average = 0.99", "avrage = 0.99", "stage 1, avrage is unknown", "average"),
        ("steps = 20", "steps = 0", "steps is 0", "make it 1 or more"),
        ("steps = 20", "", "stage 1, steps is missing", "add it"),
        ("views = 2", "views = 0", "views is 0", "make it 1 or more"),
        ("learning_rate = 1e-3", "learning_rate = '1e-3'", "learning_rate is '1e-3'", "make it a number"),
        (GOOD[GOOD.index("[[stages]]") :], "", "no stages", "[[stages]]"),
        (GOOD[GOOD.index("[[stages]]") :], "[stages]\nsteps = 3", "stages is no list", "[[stages]]"),
    ],
)
def test_a_wrong_one_gets_a_sentence(tmp_path: Path, old: str, new: str, cause: str, remedy: str) -> None:
    path = toml(tmp_path / "mine.toml", old, new)
    with pytest.raises(EngineError) as caught:
        load_config(str(path))
    said = str(caught.value)
    assert said.startswith("The training configuration mine.toml ")
    assert cause in said and remedy in said
    assert said.endswith(".") and "\n" not in said and "__init__" not in said


def test_what_it_begins_with_must_fit(tmp_path: Path) -> None:
    other = toml(tmp_path / "other.toml", "hidden = 64", "hidden = 32")
    path = toml(tmp_path / "mine.toml", "seed = 0", f"seed = 0\nbegins = '{other}'")
    with pytest.raises(EngineError, match=r"begins with other, which is another network: give both the same"):
        load_config(str(path))
    toml(other, "temporal_width = 16\n", "temporal_width = 8\n")
    mine = load_config(str(path))
    assert mine.begins is not None and mine.begins.name == "other"
    toml(other, "seed = 0", f"seed = 0\nbegins = '{path}'")
    with pytest.raises(EngineError, match="begins with itself"):
        load_config(str(path))


def test_the_command_says_it_and_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = toml(tmp_path / "mine.toml", "temporal_width = 16")
    arguments = ["train", str(path), "--motions", str(tmp_path / "none.npz"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: ") and "temporal_width" in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_there_is_none_of_that_name() -> None:
    with pytest.raises(EngineError, match="choose one of open_body_light, open_body_quality, or give"):
        load_config("nothing")


def test_stages_are_cut_in_proportion(tmp_path: Path) -> None:
    whole = load_config("open_body_quality")
    short = shortened(whole, 10)
    assert short.begins is not None and whole.begins is not None
    lengths = [stage.seconds for each in (short.begins, short) for stage in each.stages]
    assert sum(lengths) == pytest.approx(10)
    before = [stage.seconds for each in (whole.begins, whole) for stage in each.stages]
    assert [part / 10 for part in lengths] == pytest.approx([part / sum(before) for part in before])
    for seconds in (0.0, -3.0, float("nan")):
        with pytest.raises(EngineError, match="above 0"):
            shortened(whole, seconds)
    with pytest.raises(EngineError, match="counts steps"):
        shortened(load_config(str(toml(tmp_path / "mine.toml"))), 10)


@pytest.mark.parametrize("kind", [Schedule, DetectorNoise, Synthesis, config._Network])
def test_every_key_has_a_kind_that_can_be_checked(kind: type) -> None:
    assert {str(each.type) for each in fields(kind)} <= config._KINDS.keys()
