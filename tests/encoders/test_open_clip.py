"""CLIP in OpenAI's and open_clip's layouts gives what open_clip gives, images and texts.

data/open_clip.json holds values of open_clip 3.3.0 on random weights
(tools/open_clip_reference.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import published
import pytest
import torch
from safetensors.torch import save_file

from retinaforge.core import Refusal
from retinaforge.encoders import Encoder, load, read_checkpoint
from retinaforge.encoders.clip import ClipEncoder, clip_shape, read, text_shape
from retinaforge.encoders.weights import load_keys
from retinaforge.nets.clip import ClipTower
from retinaforge.nets.clip_text import ClipText

STORED = json.loads((Path(__file__).parent / "data/open_clip.json").read_text())
ABOUT = STORED["provenance"]
NUMBERS = {"input_resolution": 64, "context_length": 7, "vocab_size": 92}


def shapes(which: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(map(int, said.split())) for key, said in STORED[which].items()}


def write(folder: Path, *, quick: bool | None = None, **further: torch.Tensor) -> Path:
    weights = published.transformer_weights(shapes("shapes"), ABOUT["seed"])
    if quick is not None:
        config = {"model_cfg": {"quick_gelu": quick, "vision_cfg": {"width": 128}}}
        (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file(weights | further, folder / "weights.safetensors")
    return folder / "weights.safetensors"


def image() -> torch.Tensor:
    pixels = published.noise_image(ABOUT["image_seed"], ABOUT["side_px"])
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


def text_of(path: Path, ids: list[list[int]]) -> torch.Tensor:
    found = read(read_checkpoint(path))
    tower = ClipText(text_shape(found.weights, found.said))
    ignore = dict.fromkeys(("vision_", "visual_", "logit_scale"), "not the text half")
    load_keys(tower, found.weights, ignore=ignore)
    real = torch.tensor(ids) != 0
    return torch.nn.functional.normalize(tower(torch.tensor(ids), real), dim=1)


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_both_towers_agree_with_open_clip(tmp_path: Path, activation: str) -> None:
    path = write(tmp_path, quick=activation == "quick_gelu")
    encoder, expected = load(f"clip:{path}"), STORED["values"][activation]
    assert isinstance(encoder, ClipEncoder)
    vector = encoder.embedding(image())[0]
    torch.testing.assert_close(vector, torch.tensor(expected["image"]), rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        texts = text_of(path, STORED["ids"])
    torch.testing.assert_close(texts, torch.tensor(expected["texts"]), rtol=1e-4, atol=1e-4)
    other = STORED["values"]["gelu" if activation == "quick_gelu" else "quick_gelu"]
    assert (vector - torch.tensor(other["image"])).abs().max() > 1e-3  # the test tells them apart


def test_what_a_text_is_followed_by_does_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path)
    with torch.no_grad():
        short, long = (text_of(path, [row]) for row in ([90, 8, 91], [90, 8, 91, 0, 0, 0, 0]))
    torch.testing.assert_close(short, long, rtol=1e-5, atol=1e-6)


def test_activation_is_the_layouts_default_or_as_named(tmp_path: Path) -> None:
    card = load(f"clip:{write(tmp_path)}").card
    assert "gelu (open_clip's default, for want of open_clip_config.json)" in card.network
    assert "quick_gelu" not in card.network
    named = load(f"clip:{tmp_path / 'weights.safetensors'},activation=quick_gelu").card
    assert "2 heads, quick_gelu (as named); open_clip's key layout" in named.network
    numbers = {key: torch.tensor(value) for key, value in NUMBERS.items()}
    openai = load(f"clip:{write(tmp_path, **numbers)}").card
    assert "quick_gelu (as in OpenAI's models); OpenAI's key layout" in openai.network
    assert "1 arrays input_resolution* left aside" in openai.key_report
    with pytest.raises(Refusal, match=r"hidden_act of quick_gelu or gelu .*got 'tanh'"):
        load(f"clip:{write(tmp_path)},activation=tanh")


def test_heads_and_normalisation_come_from_the_configuration(tmp_path: Path) -> None:
    path = write(tmp_path)
    config = {"model_cfg": {"vision_cfg": {"width": 128, "head_width": 32}},
              "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}  # fmt: skip
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    encoder = load(f"clip:{path}")
    assert "4 heads" in encoder.card.network
    assert "mean 0.5, 0.5, 0.5" in encoder.card.preprocessing
    torch.testing.assert_close(encoder.prepare(image(), None), image(), rtol=0, atol=1e-6)
    config["model_cfg"]["vision_cfg"]["pool_type"] = "avg"
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(Refusal, match=r"pool_type 'tok' in open_clip_config.json; got 'avg'"):
        load(f"clip:{path}")


def test_wide_models_have_wide_heads(tmp_path: Path) -> None:
    said = read(read_checkpoint(write(tmp_path))).said
    assert [said.image_heads(width) for width in (768, 1024, 1280, 1408, 1664)] == [
        12, 16, 16, 16, 16,
    ]  # fmt: skip
    assert [said.text_heads(width) for width in (512, 1024, 1280)] == [8, 16, 20]


def test_whole_vit_b32_fits_by_names_and_shapes(tmp_path: Path) -> None:
    arrays = {k: torch.empty(s, device="meta") for k, s in shapes("full_shapes").items()}
    checkpoint = read_checkpoint(write(tmp_path))
    found = read(type(checkpoint)(tmp_path / "none", arrays))
    with torch.device("meta"):
        towers = (ClipTower(clip_shape(found.weights, found.said)),
                  ClipText(text_shape(found.weights, found.said)))  # fmt: skip
    own = {k: v.shape for tower in towers for k, v in tower.state_dict().items()}
    assert own == {k: v.shape for k, v in found.weights.items() if k != "logit_scale"}
    assert (towers[0].shape.heads, towers[1].shape.heads) == (12, 8)


def test_a_convolutional_clip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "RN50.safetensors"
    rows = ("visual.conv1.weight", "visual.layer1.0.conv1.weight", "visual.attnpool.q_proj.weight")
    save_file({key: torch.zeros(2, 2) for key in rows}, path)
    with pytest.raises(Refusal, match=r"vision transformer; got a CLIP whose image tower is a Re"):
        load(path)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_openais_torchscript_archives_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "ViT-B-32.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    said = r"got .*a TorchScript archive .*torch.jit.load\(\"ViT-B-32.pt\".*ViT-B-32.safetensors"
    with pytest.raises(Refusal, match=f"(?s){said}"):
        load(f"clip:{path}")


def test_gradients_reach_the_image(tmp_path: Path) -> None:
    encoder, pixels = load(f"clip:{write(tmp_path)}"), image().requires_grad_()
    encoder.embedding(pixels).sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0


def test_an_image_tower_alone_has_no_words(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = published.transformer_weights(shapes("shapes"), ABOUT["seed"])
    save_file({k: v for k, v in whole.items() if k.startswith("visual.")}, path)
    encoder = load(path)
    assert isinstance(encoder, Encoder)
    with pytest.raises(Refusal, match=r"a file with both towers; got clip ViT.* image tower alone"):
        encoder.text(["a fundus"])
