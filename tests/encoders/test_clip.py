"""CLIP's image tower gives what transformers' gives; its sizes come from the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from retinaforge.core import Refusal
from retinaforge.encoders import load as load_encoder
from retinaforge.encoders.clip import ClipEncoder

# Width, heads and patches of ViT-B/32 and of ViT-L/14 at 336 px, each a small relative.
TOWERS = (
    {"hidden_size": 128, "num_attention_heads": 2, "patch_size": 32, "image_size": 96},
    {"hidden_size": 192, "num_attention_heads": 3, "patch_size": 14, "image_size": 84},
)


def tower_of(**further):
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPVisionConfig(
        intermediate_size=160, projection_dim=48, num_hidden_layers=3, **further
    )
    torch.manual_seed(1)
    tower = transformers.CLIPVisionModelWithProjection(config).eval()
    for parameter in tower.parameters():  # norms and biases too, which start at 1 and 0
        torch.nn.init.normal_(parameter, std=0.2)
    return tower


@pytest.mark.parametrize("further", TOWERS, ids=lambda t: f"patch {t['patch_size']}")
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_embeddings_agree_with_transformers(tmp_path: Path, further, activation: str) -> None:
    theirs = tower_of(hidden_act=activation, **further)
    theirs.save_pretrained(tmp_path)
    ours = load_encoder(f"clip:{tmp_path / 'model.safetensors'}")
    assert isinstance(ours, ClipEncoder)
    side = further["image_size"]
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(2)) * 2 - 1
    with torch.inference_mode():
        found = theirs(pixel_values=ours.prepare(images, None), output_hidden_states=True)
        expected = torch.nn.functional.normalize(found.image_embeds, dim=1)
        torch.testing.assert_close(ours.embedding(images), expected, rtol=1e-5, atol=1e-5)
        tokens = found.hidden_states[2][:, 1:]
        torch.testing.assert_close(ours.features(images, (2,))[0], tokens, rtol=1e-4, atol=1e-4)
    assert ours.embedding(images).norm(dim=1).tolist() == pytest.approx([1, 1])


def test_preprocessing_is_clips(tmp_path: Path) -> None:
    tower_of(**TOWERS[0]).save_pretrained(tmp_path)
    ours = load_encoder(f"clip:{tmp_path / 'model.safetensors'}")
    unit = torch.rand(1, 3, 96, 96)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
    torch.testing.assert_close(ours.prepare(2 * unit - 1, None), (unit - mean) / std,
                               rtol=1e-4, atol=1e-5)  # fmt: skip
    small = ours.prepare((torch.rand(1, 3, 300, 300) > 0.5) * 2.0 - 1, None)
    assert small.shape[-2:] == (96, 96)
    assert small.max() <= ((1 - mean) / std).max() + 1e-5  # bicubic overshoot is clipped
    with pytest.raises(Refusal, match=r"square images and a side .* of 32 px; got 64 x 96 px"):
        ours.prepare(torch.zeros(1, 3, 64, 96), None)


def test_a_whole_clip_model_without_config_is_read_by_its_shapes(tmp_path: Path) -> None:
    state = {k: v.contiguous() for k, v in tower_of(**TOWERS[1]).state_dict().items()}
    further = {
        "logit_scale": torch.ones(()),
        "text_model.final_layer_norm.weight": torch.ones(4),
        "text_projection.weight": torch.ones(4, 4),
        "vision_model.embeddings.position_ids": torch.arange(37)[None],
    }
    path = tmp_path / "model.safetensors"
    save_file(state | further, path)
    card = load_encoder(f"clip:{path}").card
    assert "width 192, 3 blocks, patches of 14 px, vectors of 48; 3 heads, quick_gelu" in (
        card.network
    )
    assert "for want of a config.json" in card.network
    assert card.name == "clip ViT, width 192, 14 px patches at 84 px"
    assert "2 arrays text_" not in card.key_report
    assert "1 arrays text_model.* left aside (CLIP's text half)" in card.key_report


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"visual.conv1.weight": torch.zeros(2, 2)}, path)
    said = r"CLIP as OpenAI, open_clip or Hugging Face save it, with vision_model.*got keys such as"
    with pytest.raises(Refusal, match=said):
        load_encoder(f"clip:{path}")


def test_an_unknown_activation_is_refused(tmp_path: Path) -> None:
    tower_of(**TOWERS[0]).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_act": "tanh"}))
    with pytest.raises(Refusal, match=r"hidden_act of quick_gelu or gelu in .*got 'tanh'"):
        load_encoder(f"clip:{tmp_path / 'model.safetensors'}")
