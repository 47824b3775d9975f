"""A recipe with masks: learnt, measured, saved, drawn from, checked; what does not fit, refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mask_toys import SIDE, bar, write_png, write_set
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from retinaforge.autoencoders import Autoencoder, AutoencoderConfig, save_autoencoder
from retinaforge.cli.generate import app
from retinaforge.core import Refusal
from retinaforge.generators.condition import Condition
from retinaforge.generators.flow import FlowConfig
from retinaforge.generators.folder import load_pipeline
from retinaforge.reports.generator_step import write_step_page
from retinaforge.tasks.generator_draw import draw_generator
from retinaforge.tasks.generator_prepare import find_inputs, open_text_encoder, prepare_data
from retinaforge.tasks.generator_recipe import Recipe, load_recipe, parse_recipe
from retinaforge.tasks.generator_run import RecipeDone, run_recipe
from retinaforge.tasks.generator_train import vocabulary_of
from retinaforge.training.generator import GeneratorBatch, flow_inputs

pytest.importorskip("transformers")
pytest.importorskip("diffusers")

MAPS = ["vessel", "lesion:hard_exudate"]
TRAIN = {"size_px": 16, "steps": 2, "batch": 4, "precision": "fp32", "log_every": 1}
TINY: dict[str, Any] = {
    "name": "tiny",
    "data": {"maps": MAPS},
    "network": {"preset": "dit-2m"},
    "text": {"max_tokens": 8, "own": {"steps": 1, "vocabulary": 270, "width": 16, "layers": 2,
                                       "heads": 2, "inner": 16}},
    "pretrain": TRAIN,
    "finetune": {**TRAIN, "size_px": 24},
    "sample": {"images": 2, "steps": 2, "guidance": 1.0},
}  # fmt: skip


def tiny(**changes: Any) -> Recipe:
    plain = json.loads(json.dumps(TINY))
    for table, fields in changes.items():
        plain[table] = {**plain[table], **fields}
    return parse_recipe(plain, "the test")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("masked")
    torch.manual_seed(0)
    save_autoencoder(
        Autoencoder(AutoencoderConfig(kind="kl", widths=(8, 8), code_dim=4)), root / "ae"
    )
    write_set(root / "set")
    return root


def go(home: Path, out: Path, recipe: Recipe, **how: Any) -> RecipeDone:
    given = {"pairs": home / "set/pairs", "autoencoder": home / "ae"}
    return run_recipe(recipe, out, **given, **{"without": ["purify"], **how})


@pytest.fixture(scope="module")
def ran(home: Path) -> Path:
    go(home, home / "run", tiny())
    return home / "run"


def told(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "step.json").read_text())


def call(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_both_trainings_learn_from_masks_and_say_so(ran: Path) -> None:
    for step, side in (("pretrain", 16), ("finetune", 24)):
        said = told(ran / step)
        assert said["network"]["shape"]["map_channels"] == 2 * 16
        assert said["data"]["masks"]["vessel"] == {"given": 8, "empty": 0, "of": 8}
        assert said["data"]["masks"]["lesion:hard_exudate"] == {"given": 3, "empty": 1, "of": 8}
        assert said["held_out"]["other_masks"] > 0
        assert said["held_out"]["no_masks"] > 0
        assert said["held_out"]["no_masks"] != said["held_out"]["held_out"]
        assert said["inputs"]["data"]["maps"] == MAPS
        assert "masks" in said["inputs"]["hashes"]
        with Image.open(ran / step / "masks/000/vessel.png") as mask:
            assert mask.size == (side, side)
        with Image.open(ran / step / "samples.png") as sheet:
            assert sheet.width > 4 * 190  # a mask stands before each of two images
    assert "masks of others" in write_step_page(ran / "finetune").read_text()
    assert len(list((ran / "cache").glob("masks-*/rows.u8"))) == 2


def test_the_folder_says_which_masks_it_takes(ran: Path) -> None:
    known = load_pipeline(ran / "finetune/model")
    assert known.meta["maps"] == {"kinds": MAPS, "factor": 4, "keeping": "pixels"}
    assert known.network.shape.map_channels == 32
    card = (ran / "finetune/model/README.md").read_text()
    assert "8 vessel of 8 (0 empty), 3 lesion:hard_exudate of 8 (1 empty)" in card


def test_masks_decide_the_weights(home: Path, ran: Path) -> None:
    with pytest.raises(Refusal, match=r"data\.map_drop = 0\.1, as .* was begun with"):
        go(home, ran, tiny(data={"map_drop": 0.5}))


def test_batches_keep_masks_back_one_by_one(home: Path, ran: Path) -> None:
    inputs = find_inputs(tiny(), ran / "cache", pairs=home / "set/pairs", autoencoder=home / "ae")
    encoder = open_text_encoder(inputs)
    data = prepare_data(inputs, inputs.pairs, encoder, vocabulary_of(inputs), size_px=16)
    assert data.maps is not None
    how: dict[str, Any] = {"batch": 8, "seed": 1}
    whole = draw_generator(data, **how)(0).condition.maps
    none = draw_generator(data, **how, map_drop=1.0)(0).condition.maps
    some = [draw_generator(data, **how, map_drop=0.5)(k).condition.maps for k in range(4)]
    assert whole is not None
    assert none is not None
    assert whole[:, :16].flatten(1).any(1).all()
    assert not none.any()
    shown = torch.cat([maps[:, :16].flatten(1).any(1) for maps in some if maps is not None])
    assert 4 < int(shown.sum()) < 28
    assert torch.equal(some[1], draw_generator(data, **how, map_drop=0.5)(1).condition.maps)


def test_half_of_those_without_words_lose_their_masks_too() -> None:
    said = Condition(
        torch.zeros(400, 1, 4), torch.ones(400, 1).bool(), None, torch.ones(400, 1, 1, 1)
    )
    batch = GeneratorBatch(torch.zeros(400, 1, 1, 1), said)
    given = flow_inputs(lambda index: batch, FlowConfig(drop=0.5), 0)(0)
    lost = given["maps"].flatten() == 0
    assert not lost[~given["dropped"]].any()
    assert 0.35 < lost[given["dropped"]].float().mean() < 0.65


@pytest.mark.slow
def test_a_generator_of_words_goes_on_with_masks(home: Path, tmp_path: Path) -> None:
    plain = tiny(data={"maps": []}, sample={"images": 0})
    go(home, tmp_path / "words", plain, without=["purify", "finetune"])
    model = tmp_path / "words/pretrain/model"
    assert "maps" not in told(tmp_path / "words/pretrain")["inputs"]["data"]
    still = {"steps": 1, "learning_rate": 1e-12, "warmup_steps": 0, "weight_decay": 0}
    more = tiny(network={"start": str(model)}, finetune=still, sample={"images": 0})
    go(home, tmp_path / "masks", more, without=["purify", "pretrain"])
    name = "transformer/diffusion_pytorch_model.safetensors"
    before, after = load_file(model / name), load_file(tmp_path / "masks/finetune/model" / name)
    first, wider = before["patch_in.weight"], after["patch_in.weight"]
    assert wider.shape[1] == first.shape[1] + 32 * 4
    assert torch.allclose(wider[:, : first.shape[1]], first, atol=1e-6)
    assert wider[:, first.shape[1] :].abs().max() < 1e-6
    base = {"start": str(model), "lora_rank": 2}
    taught = {"learning_rate": 0.01, "warmup_steps": 0, "ema_decay": 0}
    adapted = tiny(network=base, finetune=taught, sample={"images": 0})
    go(home, tmp_path / "lora", adapted, without=["purify", "pretrain"])
    learnt = load_file(tmp_path / "lora/finetune/model" / name)["patch_in.weight"]
    assert learnt[:, first.shape[1] :].abs().max() > 1e-3


@pytest.mark.slow
def test_samples_of_masks_are_drawn_and_checked(ran: Path, home: Path, tmp_path: Path) -> None:
    model = ran / "finetune/model"
    found = call(
        "sample", model, "--captions", home / "set/pairs", "--split", "val", "--masks", "own",
        "--out", tmp_path / "own", "--steps", 2, "--guidance", 2, "--check", "--grid", "--json",
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["written"] == 2
    said = json.loads((tmp_path / "own/masks.json").read_text())["maps"]
    assert said["vessel"]["images"] == said["vessel"]["masks"] == 2
    assert said["vessel"]["contrast"]["n"] == 2
    assert "dice_others" in said["vessel"]
    assert said["lesion:hard_exudate"]["images"] == 1  # the other says nothing of them
    assert "vessel, 2 images of 2 masks" in found.stderr
    rows = [json.loads(r) for r in (tmp_path / "own/metadata.jsonl").read_text().splitlines()]
    assert set(rows[0]["masks"]) == set(MAPS)
    vessels, rest = home / "set/vessel", ("--steps", 1, "--guidance", 1)
    many = call("sample", model, "--prompt", "", "--masks", home / "set", "--out",
                tmp_path / "many", *rest)  # fmt: skip
    assert "10 images drawn" in many.stdout, many.output
    pulled = call("sample", model, "--captions", home / "set/pairs", "--split", "val", "--masks",
                  "own", "--out", tmp_path / "pulled", "--steps", 2, "--guidance", 2,
                  "--guide-masks")  # fmt: skip
    assert pulled.exit_code == 0, pulled.output
    with Image.open(tmp_path / "own/synthetic_000000.png") as one:
        plain = np.asarray(one)
        assert "Guide_masks" not in one.info
    with Image.open(tmp_path / "pulled/synthetic_000000.png") as other:
        assert other.info["Guide_masks"] == "true"
        assert (np.asarray(other) != plain).any()
    both = call("sample", model, "--prompt", "", "--masks", vessels, "--out", tmp_path / "b",
                *rest)  # fmt: skip
    assert both.exit_code == 1, both.output  # it would be both vessels and exudates
    assert "expected a colour channel for each of 2 kinds; got a grey image" in both.stderr


def test_masks_that_do_not_fit_cost_their_image(ran: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks/vessel"
    write_png(masks / "a.png", bar(4))
    write_png(masks / "b.png", bar(4, side=16))
    write_png(masks / "c.png", bar(4)[:20])
    write_png(masks / "d.png", bar(4) // 255)
    write_png(masks / "e.png", np.dstack([bar(4), bar(8), bar(12)]))
    write_png(masks / "f.png", np.full_like(bar(4), 120))
    found = call("sample", ran / "finetune/model", "--prompt", "", "--masks", masks.parent, "--out",
                 tmp_path / "out", "--steps", 1, "--guidance", 1)  # fmt: skip
    assert found.exit_code == 1
    assert "1 image drawn, 0 there before, 5 failed" in found.stdout
    said = " ".join(found.stderr.split())
    assert "expected a mask of at least 24x24 px, as the image that is asked for; got" in said
    assert "b.png: 16x16 px; give it larger, or ask for a smaller --size" in said
    assert "c.png: 24x20 px" in said
    assert "expected a mask of 0 and 255; got 0 and 1" in said
    assert "a black and white mask of one kind; got a coloured image" in said
    assert "expected a black and white mask; got 100% of" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--masks", "own"), "captions of a pairs folder, whose images have masks; got captions"),
        (("--check",), "masks to --check images against; got none"),
        (("--check", "--as", "webdataset"), "--check of single images; got --as webdataset"),
        (("--masks", "{home}/set/pairs"), "or folders for vessel, lesion:hard_exudate; got none"),
        (("--split", "val"), "--split with --captions; got prompts"),
    ],
)
def test_words_of_the_command_that_do_not_fit(
    ran: Path, home: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    given = [word.format(home=home) for word in words]
    found = call("sample", ran / "finetune/model", "--prompt", "", "--out", tmp_path / "out",
                 "--steps", 1, "--guidance", 1, *given)  # fmt: skip
    assert isinstance(found.exception, Refusal)
    assert message in str(found.exception)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"maps": ["Vessel"]}, "data: .*expected maps by the name of a mask"),
        ({"stream": True}, "shards hold no masks: with maps, stream must be false"),
        ({"map_drop": 2}, r"data\.map_drop: Input should be less than or equal to 1"),
        ({"map_keeping": "all"}, r"data\.map_keeping"),
    ],
)
def test_recipes_that_cannot_be(data: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        tiny(data=data)


def test_the_shipped_recipe_asks_for_vessels() -> None:
    assert load_recipe("masks").data.maps == ("vessel",)
    assert SIDE == 24
