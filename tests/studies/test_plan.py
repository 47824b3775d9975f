"""Study files: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from retinaforge.core import Refusal
from retinaforge.losses import parse_expression
from retinaforge.studies import load_study
from retinaforge.studies.plan import BEST, SHIPPED_VESSELS, located

MINIMAL = 'name="s"\nquestion="q"\nexpected="e"\n[[arm]]\nname="l1"\nloss="l1"\n'
REPO = Path(__file__).parents[2]


def _write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_a_minimal_study_has_our_defaults(tmp_path: Path) -> None:
    study = load_study(_write(tmp_path, MINIMAL))
    assert study.train.match_gradients
    assert study.model.factor == 4
    assert study.measure.baseline == "l1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "[train]\nstepz=3\n", r"train\.stepz: Extra inputs"),
        (MINIMAL + "[train]\nsteps=0\n", r"train\.steps: Input should be greater than or equal"),
        (MINIMAL + "[model]\nfactor=5\n", r"model\.factor"),
        (MINIMAL + '[[arm]]\nname="l1"\nloss="l2"\n', "two arms have the same name"),
        (MINIMAL + '[measure]\nbaseline="x"\n', "baseline 'x' is none of the arms"),
        ('name="s"\nquestion="q"\nexpected="e"\n', "arm: Field required"),
        (MINIMAL.replace('loss="l1"', 'loss="{best} + l2"'), r"every arm is built on \{best\}"),
        ("name = [", "valid TOML"),
    ],
)
def test_refusals_name_the_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        load_study(_write(tmp_path, text))


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"expected a study file; got .*none\.toml: No such file"):
        load_study(tmp_path / "none.toml")


@pytest.mark.parametrize("name", ["studies/loss-study.toml", "src/retinaforge/studies/demo.toml"])
def test_shipped_studies_are_valid_and_their_losses_parse(name: str) -> None:
    study = load_study(REPO / name)
    for arm in study.arm:
        assert parse_expression(arm.loss.replace(BEST, "l1 + log"))


def test_files_are_found_under_the_data_folder_first(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"")
    assert located("lwnet:w.pth", tmp_path) == f"lwnet:{tmp_path / 'w.pth'}"
    assert located("lwnet:other.pth", tmp_path) == f"lwnet:{Path('other.pth').absolute()}"
    assert located("random-vit-tiny@0", tmp_path) == "random-vit-tiny@0"
    assert located("segmenter", tmp_path) == f"segmenter:{SHIPPED_VESSELS}"
    heads = located("vgg16:w.pth,heads=h.pth", tmp_path)
    assert heads == f"vgg16:{tmp_path / 'w.pth'},heads={Path('h.pth').absolute()}"
