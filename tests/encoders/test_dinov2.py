"""DINOv2: Hugging Face's and Meta's layouts give what transformers' models give."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import vit_makers
from safetensors.torch import load_file, save_file

from retinaforge.encoders import load
from retinaforge.nets.positions import resize_positions

transformers = pytest.importorskip("transformers")
SIZES = {"hidden_size": 128, "num_attention_heads": 4, "num_hidden_layers": 5, "patch_size": 14,
         "image_size": 70, "layer_norm_eps": 1e-6}  # fmt: skip
OLD_NAMES = (
    (".attention.q_proj.", ".attention.attention.query."),
    (".attention.k_proj.", ".attention.attention.key."),
    (".attention.v_proj.", ".attention.attention.value."),
    (".attention.o_proj.", ".attention.output.dense."),
    (".mlp.down_proj.", ".mlp.weights_out."),
)


def theirs(kind: str):
    """Return transformers' model with random weights, its norms and scales not at their start."""
    torch.manual_seed(1)
    if kind == "registers":
        config = transformers.Dinov2WithRegistersConfig(num_register_tokens=4, **SIZES)
        model = transformers.Dinov2WithRegistersModel(config)
    else:
        config = transformers.Dinov2Config(use_swiglu_ffn=kind == "gated", **SIZES)
        model = transformers.Dinov2Model(config)
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, std=0.5 if "embeddings." in name else 0.15)
    return model.eval()


def old_layout(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a state dict under the names of transformers 4, which the hub's files have."""
    found = {}
    for key, value in state.items():
        for new, old in OLD_NAMES:
            key = key.replace(new, old)
        found[key] = value.contiguous()
    for key in [key for key in found if ".gate_proj." in key]:
        up = found.pop(key.replace("gate_proj", "up_proj"))
        found[key.replace("gate_proj", "weights_in")] = torch.cat([found.pop(key), up])
    return found


@pytest.mark.parametrize("layout", ["saved", "of version 4"])
@pytest.mark.parametrize("kind", ["plain", "gated", "registers"])
def test_values_agree_with_transformers(tmp_path: Path, kind: str, layout: str) -> None:
    model = theirs(kind)
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    if layout == "of version 4":
        save_file(old_layout(model.state_dict()), path)
        assert any("attention.attention.query" in key for key in load_file(path))
    for side in (70, 98):
        encoder = load(f"{path},px={side}")
        assert "4 heads" in encoder.card.network
        assert "mask_token" in encoder.card.key_report
        images = torch.rand(2, 3, side, side) * 2 - 1
        with torch.inference_mode():
            found = model(encoder.prepare(images, None), output_hidden_states=True)
            first = 5 if kind == "registers" else 1
            for block in (1, 3):
                expected = found.hidden_states[block][:, first:]
                tokens = encoder.features(images, (block,))[0]
                torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(
                encoder.embedding(images), found.pooler_output, rtol=1e-4, atol=1e-4
            )


def test_a_classifier_of_hugging_face_gives_its_backbone(tmp_path: Path) -> None:
    model = theirs("registers")
    state = {f"dinov2_with_registers.{k}": v for k, v in old_layout(model.state_dict()).items()}
    save_file({**state, "classifier.weight": torch.zeros(3, 256)}, tmp_path / "model.safetensors")
    encoder = load(f"{tmp_path / 'model.safetensors'},px=70")
    assert "1 arrays classifier.* left aside" in encoder.card.key_report
    assert "2 heads" in encoder.card.network  # of 64 channels, for want of a config.json


def test_metas_layout_chunked_blocks_and_a_teacher_are_one_network(tmp_path: Path) -> None:
    weights = vit_makers.drawn("dinov2")
    spread = {re.sub(r"^blocks\.(\d+)", lambda m: f"blocks.{int(m[1]) // 2}.{m[1]}", k): v
              for k, v in weights.items()}  # fmt: skip
    head = {"dino_head.mlp.0.weight": torch.zeros(4, 128)}
    teacher = {f"backbone.{key}": value for key, value in spread.items()} | head
    torch.save(weights, tmp_path / "dinov2_vits14_pretrain.pth")
    torch.save({"teacher": teacher}, tmp_path / "teacher_checkpoint.pth")
    one, two = (load(path) for path in sorted(tmp_path.iterdir()))
    assert "1 arrays dino_head.* left aside" in two.card.key_report
    images = torch.rand(1, 3, 48, 48) * 2 - 1
    torch.testing.assert_close(one.embedding(images), two.embedding(images))
    assert one.card.modality == "natural"


def test_positions_are_resized_in_three_ways() -> None:
    torch.manual_seed(0)
    embedding = torch.randn(1, 37, 8)
    grid = embedding[:, 1:].reshape(1, 6, 6, 8).permute(0, 3, 1, 2)
    for way, arguments in {
        "plain": {"size": (9, 4)},
        "antialiased": {"size": (9, 4), "antialias": True},
        "offset": {"scale_factor": (9.1 / 6, 4.1 / 6)},
    }.items():
        expected = torch.nn.functional.interpolate(grid, mode="bicubic", **arguments)
        found = resize_positions(embedding, 9, 4, way)
        torch.testing.assert_close(found[:, 1:], expected.flatten(2).transpose(1, 2))
        assert torch.equal(found[:, 0], embedding[:, 0])
        assert resize_positions(embedding, 6, 6, way) is embedding
        without = resize_positions(embedding[:, 1:], 9, 4, way, before=0)
        assert torch.equal(without, found[:, 1:])


def test_large_grids_are_used_at_224_px(tmp_path: Path) -> None:
    weights = vit_makers.drawn("dinov2")
    weights["pos_embed"] = torch.zeros(1, 65 * 65 + 1, 128)
    torch.save(weights, tmp_path / "dinov2.pth")
    encoder = load(tmp_path / "dinov2.pth")
    assert encoder.input_px == 16 * 8
    assert "resize of the whole image to 128 px" in encoder.card.preprocessing
