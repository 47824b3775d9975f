"""Recipes: read, changed, refused; run, resumed, found done, taken apart into arms."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from retinaforge.autoencoders import Autoencoder, AutoencoderConfig, save_autoencoder
from retinaforge.cli.generate import app
from retinaforge.core import Refusal
from retinaforge.core.artefacts import DiskFull, not_written
from retinaforge.reports.generator_step import run_told, write_arms_page, write_step_page
from retinaforge.tasks import generator_run, generator_train
from retinaforge.tasks.generator_preflight import require_steps
from retinaforge.tasks.generator_prepare import find_inputs
from retinaforge.tasks.generator_recipe import (
    Recipe,
    find_recipe,
    load_recipe,
    parse_recipe,
    shipped_recipes,
)
from retinaforge.tasks.generator_run import RecipeDone, run_recipe
from retinaforge.training import checkpoint

pytest.importorskip("transformers")
pytest.importorskip("diffusers")

TINY: dict[str, Any] = {
    "name": "tiny",
    "network": {"preset": "dit-2m"},
    "text": {"max_tokens": 8, "own": {"steps": 2, "vocabulary": 270, "width": 16, "layers": 2,
                                       "heads": 2, "inner": 16}},
    "pretrain": {"size_px": 16, "steps": 3, "batch": 4, "precision": "fp32", "log_every": 1},
    "finetune": {"size_px": 24, "steps": 4, "batch": 2, "precision": "fp32", "log_every": 1,
                 "checkpoint_every": 2},
    "sample": {"images": 2, "steps": 2, "guidance": 1.0},
}  # fmt: skip


def tiny(**changes: Any) -> Recipe:
    """Return the tiny recipe with some tables' fields changed."""
    plain = json.loads(json.dumps(TINY))
    for table, fields in changes.items():
        plain[table] = {**plain.get(table, {}), **fields} if isinstance(fields, dict) else fields
    return parse_recipe(plain, "the test")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An autoencoder and ten captioned squares; a row of the test split names no file."""
    root = tmp_path_factory.mktemp("recipe")
    torch.manual_seed(0)
    save_autoencoder(
        Autoencoder(AutoencoderConfig(kind="kl", widths=(8, 8), code_dim=4)), root / "ae"
    )
    rng = np.random.default_rng(0)
    rows = []
    for i in range(10):
        name = f"{i}.png"
        (root / "pairs").mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (24, 24, 3), np.uint8)).save(root / "pairs" / name)
        text = f"A {'right' if i % 2 else 'left'} eye with {i} spots."
        rows.append({"file_name": name, "text": text, "texts": [text, f"{i} spots."],
                     "split": "val" if i > 7 else "train", "synthetic": True})  # fmt: skip
    rows.append({"file_name": "gone.png", "text": "Never read.", "split": "test"})
    table = "".join(json.dumps(row) + "\n" for row in rows)
    (root / "pairs" / "metadata.jsonl").write_text(table)
    return root


def go(home: Path, out: Path, recipe: Recipe | None = None, **how: Any) -> RecipeDone:
    how = {"without": ["purify"], **how}
    given = {"pairs": home / "pairs", "autoencoder": home / "ae"}
    return run_recipe(recipe or tiny(), out, **given, **how)


@pytest.fixture(scope="module")
def ran(home: Path) -> Path:
    go(home, home / "run")
    return home / "run"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model/transformer/diffusion_pytorch_model.safetensors")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def told(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "step.json").read_text())


def test_both_trainings_leave_model_sheet_and_report(ran: Path) -> None:
    for step, side in (("pretrain", 16), ("finetune", 24)):
        said = told(ran / step)
        assert said["latents"]["size_px"] == side
        assert said["result"]["steps"] == TINY[step]["steps"]
        assert said["data"]["photographs"] == 8
        assert said["data"]["captions"] == 16
        assert said["held_out"]["rows"] == 2
        assert said["held_out"]["held_out"] > 0
        assert (ran / step / "model/retinaforge.json").exists()
        with Image.open(ran / step / "samples.png") as sheet:
            assert sheet.info["Synthetic"] == "true"
    run = json.loads((ran / "run.json").read_text())
    assert run["model"] == "finetune/model"
    assert run["left_out"] == []


def test_long_captions_are_cut_and_counted(ran: Path) -> None:
    cut = told(ran / "pretrain")["data"]["truncation"]
    assert cut["texts"] == 16
    assert 8 <= cut["truncated"] <= 16
    assert cut["tokens_cut"] > 0


def test_fine_tuning_begins_with_the_weights_and_the_scale_of_pretraining(
    home: Path, ran: Path, tmp_path: Path
) -> None:
    first, second = told(ran / "pretrain"), told(ran / "finetune")
    assert second["inputs"]["start"] == first["key"]
    assert second["latents"]["scale"] == first["latents"]["scale"]
    assert second["latents"]["shift"] == first["latents"]["shift"]
    still = tiny(
        finetune={"steps": 1, "learning_rate": 1e-12, "warmup_steps": 0, "weight_decay": 0}
    )
    go(home, tmp_path, still)
    before, after = weights(tmp_path / "pretrain"), weights(tmp_path / "finetune")
    assert all(torch.allclose(before[n], after[n], atol=1e-6) for n in before)
    assert any(x.abs().max() > 0 for n, x in before.items() if n.startswith("patch_out"))


def test_the_same_call_finds_all_done_and_changes_nothing(home: Path, ran: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (ran / "finetune").rglob("*") if p.is_file()}
    done = go(home, ran)
    assert [one.state for one in done.steps] == ["found done", "found done"]
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_another_recipe_in_the_folder_is_refused_by_name(home: Path, ran: Path) -> None:
    with pytest.raises(Refusal, match=r"expected finetune\.steps = 4, as .* was begun with; got"):
        go(home, ran, tiny(finetune={"steps": 5}))
    with pytest.raises(Refusal, match=r"network\.preset = 'dit-2m'"):
        go(home, ran, tiny(network={"preset": "dit-9m"}))
    stated = json.loads((ran / "recipe.json").read_text())
    assert (stated["finetune"]["steps"], stated["network"]["preset"]) == (4, "dit-2m")


def test_a_wrong_autoencoder_is_refused_before_any_training(
    home: Path, ran: Path, tmp_path: Path
) -> None:
    given = {"pairs": home / "pairs", "autoencoder": ran / "finetune/model"}
    with pytest.raises(Refusal, match="autoencoder"):
        run_recipe(tiny(), tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"purify": {"image_text": "retina-text:nowhere"}}, "nowhere"),
        ({"purify": {"image_text": "random-vit-tiny"}}, "knows images alone"),
        ({"purify": {"least_side_px": 25}}, r"8 with a short side below 25 px.*purify\.least_side"),
        ({"finetune": {"size_px": 26}}, r"finetune\.size_px that .* factor 4 .* got 26 px.*24 px"),
        ({"finetune": {"size_px": 20}}, r"patch 2 divides; got 20 px; ask for 16 px"),
        ({"network": {"start": "nowhere"}}, "a generator: .* got nowhere with none of them"),
        ({"data": {"classes": ["nonsense"]}}, "values of nonsense that stand in at least 10"),
    ],
)
def test_what_a_later_step_refuses_is_refused_before_the_first(
    home: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    purify = {"least_side_px": 8, **changes.pop("purify", {})}
    with pytest.raises(Refusal, match=said):
        go(home, tmp_path / "run", tiny(purify=purify, **changes), without=[])
    assert not (tmp_path / "run").exists()


def test_what_a_finished_step_needed_may_be_gone(home: Path, tmp_path: Path) -> None:
    """An image-text encoder that was moved away after purification stops nobody."""
    recipe = tiny(purify={"least_side_px": 8, "image_text": "retina-text:nowhere"})
    inputs = find_inputs(recipe, tmp_path / "cache", pairs=home / "pairs", autoencoder=home / "ae")
    require_steps(inputs, ["pretrain", "finetune"])
    with pytest.raises(Refusal, match="nowhere"):
        require_steps(inputs, ["pretrain", "purify", "finetune"])


def test_a_full_disk_leaves_the_last_checkpoint_and_the_run_goes_on(
    home: Path, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two checkpoints of the second training finds no room."""
    encoder = next((ran / "cache").glob("text-encoder-*"))
    shutil.copytree(encoder, tmp_path / "cache" / encoder.name)
    shutil.copytree(ran / "pretrain", tmp_path / "pretrain")
    whole = checkpoint.save

    def full(folder: Path, content: Any) -> Path:
        if content["step"] == 4:
            raise not_written(folder, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        return whole(folder, content)

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(DiskFull, match="No space left on device; free some space"):
        go(home, tmp_path)
    held = checkpoint.load(tmp_path / "finetune/training")
    assert held is not None
    assert held["step"] == 2
    assert not (tmp_path / "finetune/model").exists()
    monkeypatch.undo()
    assert [one.state for one in go(home, tmp_path).steps] == ["found done", "done"]
    assert equal(weights(tmp_path / "finetune"), weights(ran / "finetune"))


def test_what_changes_no_weight_may_change(home: Path, ran: Path) -> None:
    done = go(home, ran, tiny(finetune={"checkpoint_every": 4}, sample={"images": 1}))
    assert [one.state for one in done.steps] == ["found done", "found done"]


@pytest.mark.slow
def test_a_run_killed_in_the_second_training_ends_with_the_same_weights(
    home: Path, ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = generator_train.draw_generator

    def dies(*args: Any, **kwargs: Any) -> Callable[[int], Any]:
        draw = whole(*args, **kwargs)

        def drawn(index: int) -> Any:
            if kwargs["batch"] == 2 and index == 3:
                raise KeyboardInterrupt
            return draw(index)

        return drawn

    monkeypatch.setattr(generator_train, "draw_generator", dies)
    encoder = next((ran / "cache").glob("text-encoder-*"))
    shutil.copytree(encoder, tmp_path / "cache" / encoder.name)
    with pytest.raises(KeyboardInterrupt):
        go(home, tmp_path)
    assert not (tmp_path / "finetune/step.json").exists()
    monkeypatch.setattr(generator_train, "draw_generator", whole)
    done = go(home, tmp_path)
    assert [one.state for one in done.steps] == ["found done", "done"]
    assert equal(weights(tmp_path / "finetune"), weights(ran / "finetune"))


@pytest.mark.slow
def test_shards_teach_as_the_memory_map_does(home: Path, ran: Path, tmp_path: Path) -> None:
    encoder = next((ran / "cache").glob("text-encoder-*"))
    shutil.copytree(encoder, tmp_path / "cache" / encoder.name)
    streamed = tiny(data={"stream": True, "shard_rows": 3})
    done = go(home, tmp_path, streamed, without=["purify", "finetune"])
    said, other = told(tmp_path / "pretrain"), told(ran / "pretrain")
    assert said["result"]["images"] == 12
    assert len(list((tmp_path / "cache").glob("shards-*/latents-*.tar"))) == 3
    assert said["inputs"]["data"]["stream"] is True
    assert "stream" not in other["inputs"]["data"]
    assert done.model is not None


@pytest.mark.slow
def test_purification_feeds_the_second_training(home: Path, tmp_path: Path) -> None:
    rule = {"steps": 1, "batch": 2, "side_px": 32, "least_side_px": 8, "precision": "fp32"}
    recipe = tiny(purify=rule, sample={"images": 0}, arms=["random"])
    done = go(home, tmp_path, recipe, without=[], arms=True)
    said = told(tmp_path / "purify")
    assert (said["pairs"], said["kept"]) == (8, 4)
    assert sum(said["dropped"].values()) == 4
    names = {
        row["file_name"]
        for row in map(json.loads, (tmp_path / "purify/kept.jsonl").read_text().splitlines())
    }
    assert names < {f"{i}.png" for i in range(8)}
    assert told(tmp_path / "finetune")["data"]["photographs"] == 4
    (row,) = done.arms
    assert row["folder"] == "arms/random/finetune"
    assert row["photographs"] == 4
    folders = (tmp_path / "finetune", tmp_path / row["folder"])
    assert len({told(folder)["inputs"]["learnt_from"] for folder in folders}) == 2
    page = write_step_page(tmp_path / "purify").read_text()
    assert "a score below" in page
    assert "4 of 8" in run_told(tmp_path)["steps"][1]["said"]
    assert "random" in write_arms_page(tmp_path).read_text()


@pytest.mark.slow
def test_two_processes_run_a_whole_recipe(home: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\n[data]\nstream = true\nshard_rows = 2\n[network]\npreset = "dit-2m"\n'
        "[text.own]\nsteps = 1\nvocabulary = 270\nwidth = 16\nlayers = 2\nheads = 2\ninner = 16\n"
        '[pretrain]\nsize_px = 16\nsteps = 2\nbatch = 4\nprecision = "fp32"\n'
        '[finetune]\nsize_px = 24\nsteps = 2\nbatch = 2\nprecision = "fp32"\n'
        "[purify]\nsteps = 1\nbatch = 4\nside_px = 32\nleast_side_px = 8\n"
        'precision = "fp32"\n[sample]\nimages = 0\n'
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
               "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "-m", "retinaforge",
               "generate", "train", str(recipe), "--pairs", str(home / "pairs"),
               "--autoencoder", str(home / "ae"), "--out", str(tmp_path / "run"),
               "--json"]  # fmt: skip
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    ran = subprocess.run(
        command, env=os.environ | threads, capture_output=True, text=True, timeout=540
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    said = json.loads(ran.stdout)  # one process answers
    assert [one["state"] for one in said["steps"]] == ["done"] * 3
    assert told(tmp_path / "run/pretrain")["result"]["images"] == 8
    log = (tmp_path / "run/finetune/training/log.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["processes"] == 2


@pytest.mark.slow
def test_adapters_are_taught_and_worked_in(home: Path, ran: Path, tmp_path: Path) -> None:
    encoder = next((ran / "cache").glob("text-encoder-*"))
    shutil.copytree(encoder, tmp_path / "cache" / encoder.name)
    base = {"start": str(ran / "pretrain/model"), "lora_rank": 2}
    recipe = tiny(network=base, finetune={"learning_rate": 0.1, "warmup_steps": 0, "ema_decay": 0})
    go(home, tmp_path, recipe, without=["pretrain", "purify"])
    before, after = weights(ran / "pretrain"), weights(tmp_path / "finetune")
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.allclose(before[name], after[name], atol=1e-6)}
    assert moved
    assert all(name.startswith("blocks") for name in moved)
    assert told(tmp_path / "finetune")["inputs"]["network"]["lora_rank"] == 2
    with pytest.raises(Refusal, match="weights to adapt"):
        go(home, tmp_path / "b", tiny(network={"lora_rank": 2}), without=["finetune", "purify"])


@pytest.mark.slow
def test_arms_share_what_they_have_in_common(
    home: Path, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[Path] = []
    whole = generator_run.run_training

    def noted(inputs: Any, table: Any, folder: Path, **how: Any) -> dict[str, Any]:
        trained.append(folder)
        return whole(inputs, table, folder, **how)

    monkeypatch.setattr(generator_run, "run_training", noted)
    plain = {**TINY, "arms": ["low", "scratch", "unpurified"]}
    done = go(home, ran, parse_recipe(plain, "the test"), arms=True)
    assert trained == [ran / "arms/scratch/finetune"]
    rows = {row["arm"]: row for row in done.arms}
    assert rows["low"]["folder"] == "pretrain"
    assert rows["unpurified"]["folder"] == "finetune"
    assert rows["unpurified"]["optimiser_steps"] == 7
    assert rows["scratch"]["optimiser_steps"] == 4
    assert told(ran / "arms/scratch/finetune")["inputs"]["start"] == "from nothing"
    assert not equal(weights(ran / "arms/scratch/finetune"), weights(ran / "finetune"))


def test_only_training_rows_are_learnt_from(home: Path, tmp_path: Path) -> None:
    given = {"pairs": home / "pairs", "autoencoder": home / "ae"}
    found = find_inputs(tiny(), tmp_path, **given)
    assert [pair.name for pair in found.pairs] == [f"{i}.png" for i in range(8)]
    assert [pair.name for pair in found.held_out] == ["8.png", "9.png"]
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    (lonely / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "x", "split": "test"}\n')
    with pytest.raises(Refusal, match="split train with captions; got none of 1 in"):
        find_inputs(tiny(), tmp_path, pairs=lonely, autoencoder=home / "ae")
    empty = {"file_name": "b.png", "text": " ", "texts": ["", "A right eye."], "split": "train"}
    rows = [empty, {**empty, "file_name": "c.png", "texts": [""]}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (lonely / "metadata.jsonl").write_text(text + "no json\n")
    found = find_inputs(tiny(), tmp_path, pairs=lonely, autoencoder=home / "ae")
    assert [(pair.name, pair.texts) for pair in found.pairs] == [("b.png", ("A right eye.",))]
    assert [name for name, _ in found.left_out] == ["line 3", "b.png", "c.png"]
    with pytest.raises(Refusal, match="give --pairs or name it in the recipe"):
        find_inputs(tiny(), tmp_path, autoencoder=home / "ae")


def test_steps_that_are_not_known_or_leave_nothing_are_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="--without pretrain or purify or finetune; got 'purfy'"):
        go(home, tmp_path, without=["purfy"])
    with pytest.raises(Refusal, match="a step that trains; got only purify"):
        go(home, tmp_path, without=["pretrain", "finetune"])


def test_the_command_trains_names_bad_images_and_shows(home: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\n[network]\npreset = "dit-2m"\n[text.own]\nsteps = 1\nvocabulary = 270\n'
        "width = 16\nlayers = 1\nheads = 2\ninner = 16\n[text]\nhidden_index = -1\n"
        "[pretrain]\nsize_px = 16\nsteps = 1\nbatch = 2\n[finetune]\nsize_px = 16\nsteps = 1\n"
        "[sample]\nimages = 0\n"
    )
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    rows = [{"file_name": f"{i}.png", "text": f"eye {i}", "synthetic": True} for i in range(4)]
    for row in rows[:3]:
        row["image"] = str(home / "pairs" / row["file_name"])
    (pairs / "3.png").write_bytes(b"no image")
    rows.append({**rows[0], "file_name": "silent.png", "text": " "})
    (pairs / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["train", str(recipe), "--pairs", str(pairs), "--autoencoder", str(home / "ae"),
             "--out", str(tmp_path / "run"), "--without", "purify", "--without", "finetune",
             "--set", "pretrain.precision=fp32", "--json"]  # fmt: skip
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 1, ran.output
    said = json.loads(ran.stdout[ran.stdout.index("{") :])
    assert said["model"].endswith("run/pretrain/model")
    assert [row["name"] for row in said["left_out"]] == ["silent.png", "3.png"]
    assert "left out silent.png: a caption without words" in ran.stderr
    page = (tmp_path / "run/pretrain/step.html").read_text()
    assert "1 image left out" in page
    assert "fewer than two rows of the split val" in page
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "run"), "--json"])
    assert json.loads(shown.stdout)["steps"][0]["state"] == "done"
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "run")])
    assert f"model: {tmp_path / 'run/pretrain/model'}" in shown.stdout
    assert not (tmp_path / "run/finetune").exists()


def test_shipped_recipes_are_valid_and_found_by_name() -> None:
    names = [path.stem for path in shipped_recipes()]
    assert {"retinalogos", "retinalogos-gpu", "text-demo"} <= set(names)
    for name in names:
        assert load_recipe(name).name == name
    with pytest.raises(Refusal, match=r"a recipe file, or one of .*retinalogos.*; got nothing"):
        find_recipe("nothing-such")


def test_changes_reach_the_recipe() -> None:
    found = load_recipe("text-demo", ["finetune.steps=7", "network.preset=lumina-2m",
                                      "data.classes=['eye']", "text.own.width=32"])  # fmt: skip
    assert found.finetune.steps == 7
    assert found.network.preset == "lumina-2m"
    assert found.data.classes == ("eye",)
    assert found.text.own.width == 32


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("finetune.step=3", r"finetune\.step is unknown \(did you mean finetune\.steps\?\)"),
        ("fintune.steps=3", r"fintune is unknown \(did you mean finetune\?\)"),
        ("pretrain.steps=0", r"pretrain\.steps: Input should be greater than or equal to 1"),
        ("arms=['lo']", "arm 'lo' is none of low, scratch, purified, unpurified, random, full"),
        ("steps", r"expected --set table\.key=value; got 'steps'"),
        ("name.x=1", "expected a table name"),
        ("network.preset=dit-3m", r"got network: expected a preset of dit-2m.*got 'dit-3m'"),
        ("sample.method=magic", r"got sample: expected a method of euler.*got 'magic'"),
        ("data.classes=eye", r"data\.classes: Input should be a list"),
    ],
)
def test_wrong_fields_are_refused_in_words(change: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        load_recipe("text-demo", [change])
