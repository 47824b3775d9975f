"""`train autoencoder` and `study`: done, found done, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retinaforge.cli import study as study_commands
from retinaforge.studies import StudyOutcome

SIZES = ("--sheet", 64, "--crop", 32, "--batch", 2, "--steps", 3)
SMALL = (*SIZES, "--precision", "fp32", "--no-preflight")

STUDY = """
name = "small"
question = "q"
expected = "e"
[[arm]]
name = "l1"
loss = "l1"
"""


def test_an_autoencoder_is_trained_and_then_found_done(
    retinaforge, eyes: Path, tmp_path: Path
) -> None:
    words = ("train", "autoencoder", "--data", eyes, "--out", tmp_path / "run", *SMALL)
    first = retinaforge(*words, "--loss", "l1 + sobel", "--json")
    assert first.code == 0
    facts = json.loads(first.out)
    assert facts["steps"] == 3
    assert facts["left_out"] == []
    weights = next(Path(facts["model"]).glob("*.safetensors"))
    before = weights.stat().st_mtime_ns
    again = retinaforge(*words, "--loss", "l1 + sobel")
    assert again.code == 0
    assert again.out.split(":")[0] != facts["state"]
    another = retinaforge(*words, "--loss", "l1 + log")
    assert another.code == 2
    assert "refused" in another.told
    assert weights.stat().st_mtime_ns == before


def test_an_unknown_loss_is_refused_before_photographs_are_read(
    retinaforge, eyes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = ("train", "autoencoder", "--data", eyes, "--out", out, *SMALL)
    shown = retinaforge(*words, "--loss", "l1 + sobbel")
    assert shown.code == 2
    for known in ("sobbel", "sobel", "log", "ssim", "features", "lpips"):
        assert known in shown.told
    assert not out.exists()


@pytest.mark.parametrize(
    ("loss", "encoders", "word"),
    [
        ("l1 + features(vit)", (), "vit"),
        ("l1 + features(vit)", ("--encoder", "vit=eye"), "random-vit"),
        ("l1 +", (), "sum of weighted losses"),
    ],
)
def test_losses_that_cannot_be_built_are_refused(
    retinaforge, eyes: Path, tmp_path: Path, loss: str, encoders: tuple[str, ...], word: str
) -> None:
    words = ("train", "autoencoder", "--data", eyes, "--out", tmp_path / "run", *SMALL)
    shown = retinaforge(*words, "--loss", loss, *encoders)
    assert shown.code == 2
    assert word in shown.told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", ["valid TOML", "study.toml"]),
        ('name = "x"', ["question", "arm"]),
        (STUDY.replace("loss =", "lose ="), ["arm.0.lose", "study-file.md"]),
        (STUDY + "[train]\nsteps = 0\n", ["train.steps", "greater than or equal to 1"]),
        (STUDY.replace('"l1"\n', '"sobel"\n', 1), ["baseline 'l1'"]),
    ],
)
def test_a_broken_study_file_is_refused_by_the_field(
    retinaforge, eyes: Path, tmp_path: Path, text: str, words: list[str]
) -> None:
    (tmp_path / "study.toml").write_text(text)
    out = tmp_path / "run"
    shown = retinaforge("study", "run", tmp_path / "study.toml", "--data", eyes, "--out", out)
    assert shown.code == 2
    assert [word for word in words if word not in shown.told] == []
    assert not out.exists()


def test_a_study_without_file_data_or_stage_is_refused(
    retinaforge, eyes: Path, tmp_path: Path
) -> None:
    nowhere, out = tmp_path / "nowhere", tmp_path / "run"
    shown = retinaforge("study", "run", nowhere, "--data", eyes, "--out", out)
    assert shown.code == 2
    assert "expected a study file" in shown.told
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    shown = retinaforge("study", "run", study, "--data", nowhere, "--out", out)
    assert shown.code == 2
    assert str(nowhere) in shown.told
    words = ("--data", eyes, "--out", out, "--until", "lunch")
    shown = retinaforge("study", "run", study, *words)
    assert shown.code == 2
    assert "trained or done" in shown.told


@pytest.mark.parametrize("command", ["table", "report"])
def test_a_run_that_is_not_there_has_no_page(retinaforge, tmp_path: Path, command: str) -> None:
    shown = retinaforge("study", command, tmp_path / "nowhere")
    assert shown.code == 2
    assert shown.out == ""
    assert "nowhere" in shown.told
    assert "retinaforge study run" in shown.told


@pytest.mark.parametrize("failed", [(), (("l1", 0, "the loss is [nan]"),)])
def test_a_failed_arm_shows_in_exit_code_and_words(
    retinaforge, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failed
) -> None:
    outcome = StudyOutcome(tmp_path / "run" / "report.html", failed)
    monkeypatch.setattr(study_commands, "run_study", lambda *_, **__: outcome)
    (tmp_path / "study.toml").write_text(STUDY)
    words = ("study", "run", tmp_path / "study.toml", "--data", eyes, "--out", tmp_path / "run")
    shown, answered = retinaforge(*words), retinaforge(*words, "--json")
    assert shown.code == answered.code == (1 if failed else 0)
    assert f"report: {outcome.report}" in shown.out
    assert json.loads(answered.out)["report"] == str(outcome.report)
    for arm, seed, reason in failed:
        assert f"FAILED {arm} seed {seed}: {reason}" in shown.told
        listed = {"arm": arm, "seed": seed, "reason": reason}
        assert json.loads(answered.out)["failed"] == [listed]


def test_an_interrupted_study_says_how_to_go_on(
    retinaforge, eyes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(study_commands, "run_study", interrupted)
    (tmp_path / "study.toml").write_text(STUDY)
    words = ("--data", eyes, "--out", tmp_path / "run")
    shown = retinaforge("study", "run", tmp_path / "study.toml", *words)
    assert shown.code == 130
    assert "the same command resumes" in shown.told


def test_brackets_in_a_message_are_kept(retinaforge, eyes: Path, tmp_path: Path) -> None:
    text = STUDY + '[data]\ndatasets = ["nowhere"]\n'
    (tmp_path / "study.toml").write_text(text)
    words = ("--data", eyes, "--out", tmp_path / "run")
    shown = retinaforge("study", "run", tmp_path / "study.toml", *words)
    assert shown.code == 2
    assert "change [data] datasets" in shown.told
