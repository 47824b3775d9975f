"""DINOv3 gives what its authors' code and transformers give, from either layout of its files.

data/dinov3.json holds values of facebookresearch/dinov3 on random weights, and the names and shapes
of its published sizes (tools/dinov3_reference.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import published
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders import TokenEncoder, load, read_checkpoint
from retinaforge.encoders.dinov3 import DINOV3
from retinaforge.encoders.dinov3_layout import dinov3_shape
from retinaforge.nets.dinov3 import Dinov3
from retinaforge.nets.rope import rope_periods

STORED = json.loads((Path(__file__).parent / "data/dinov3.json").read_text())
ABOUT = STORED["provenance"]
SIZES = ("dinov3_vits16", "dinov3_vitb16", "dinov3_vitl16", "dinov3_vits16plus")


def shapes(said: dict[str, str]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(map(int, shape.split())) for key, shape in said.items()}


def authors_file(name: str, path: Path) -> Path:
    """Write a small file as the authors publish theirs: with masks of biases and periods."""
    layout = shapes(STORED[name]["shapes"])
    drawn = {k: v for k, v in layout.items() if "bias_mask" not in k and "periods" not in k}
    weights = published.transformer_weights(drawn, ABOUT["seed"])
    for key, shape in layout.items():
        if key.endswith("bias_mask"):
            weights[key] = torch.ones(shape)
            weights[key][shape[0] // 3 : 2 * shape[0] // 3] = 0
    weights["rope_embed.periods"] = rope_periods(64)
    torch.save(weights, path)
    return path


def image(side: int) -> Tensor:
    pixels = published.noise_image(ABOUT["image_seed"], side)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


@pytest.fixture(scope="module", params=["plain", "gated"])
def loaded(request, tmp_path_factory) -> tuple[str, TokenEncoder]:
    path = authors_file(request.param, tmp_path_factory.mktemp("dinov3") / "dinov3_vits16.pth")
    encoder = load(path)
    assert isinstance(encoder, TokenEncoder)
    return request.param, encoder


def test_tokens_and_embedding_agree_with_the_authors_code(loaded) -> None:
    name, encoder = loaded
    for row in STORED[name]["rows"]:
        with torch.inference_mode():
            out = encoder.network(image(row["side_px"]), (2, 4))
        assert len(out.tokens) == 2
        for found, (mean, std, *some) in zip(out.tokens, row["tokens"], strict=True):
            kept = len(some) // 2
            ends = torch.cat([found[0, 0, :kept], found[0, -1, :kept]])
            assert ends.tolist() == pytest.approx(some, rel=1e-4, abs=1e-4)
            assert float(found.mean()) == pytest.approx(mean, abs=1e-5)
            assert float(found.std()) == pytest.approx(std, rel=1e-4)
        kept = len(row["embedding"])
        found = out.embedding[0]
        assert found[:kept].tolist() == pytest.approx(row["embedding"], rel=1e-4, abs=1e-4)
        assert float(found.norm()) == pytest.approx(row["embedding_norm"], rel=1e-5)


def test_the_gated_files_class_token_has_its_own_norm(loaded) -> None:
    name, encoder = loaded
    assert hasattr(encoder.network, "cls_norm") == (name == "gated")
    assert ("SwiGLU" in encoder.card.network) == (name == "gated")


def test_the_card_tells_family_size_and_preprocessing(loaded) -> None:
    card = loaded[1].card
    assert card.family == "dinov3"
    assert card.input_px == 256
    assert "width 128, 4 blocks, 2 heads" in card.network
    assert "1 arrays mask_token* left aside" in card.key_report
    assert loaded[1].blocks == (1, 2, 3, 4)


def test_gradients_reach_the_images(loaded) -> None:
    images = image(64).requires_grad_()
    loaded[1].features(images, (1, 4), input_px=64)[-1].square().mean().backward()
    assert images.grad is not None
    assert float(images.grad.abs().max()) > 0


@pytest.mark.parametrize("name", SIZES)
def test_keys_and_shapes_are_the_authors(name: str) -> None:
    layout = shapes(STORED["shapes"][name])
    weights = {key: torch.empty(shape, device="meta") for key, shape in layout.items()}
    with torch.device("meta"):
        own = Dinov3(dinov3_shape(weights)).state_dict()
    aside = ("mask_token", "bias_mask")
    wanted = {key: shape for key, shape in layout.items() if not key.endswith(aside)}
    assert {key: tuple(value.shape) for key, value in own.items()} == wanted


def hub_model(*, gated: bool):
    transformers = pytest.importorskip("transformers")
    config = transformers.DINOv3ViTConfig(
        hidden_size=128, num_attention_heads=2, num_hidden_layers=3, intermediate_size=160,
        num_register_tokens=4, use_gated_mlp=gated, hidden_act="silu" if gated else "gelu",
        image_size=64,
    )  # fmt: skip
    torch.manual_seed(1)
    model = transformers.DINOv3ViTModel(config).eval()
    for parameter in model.parameters():  # norms and scales too, which start at 1
        torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("side", [64, 96])
def test_hugging_faces_files_agree_with_transformers(
    tmp_path: Path, gated: bool, side: int
) -> None:
    theirs = hub_model(gated=gated)
    theirs.save_pretrained(tmp_path)
    ours = load(tmp_path)
    assert isinstance(ours, TokenEncoder)
    assert ours.card.family == "dinov3"
    assert "Hugging Face's layout" in ours.card.network
    with torch.inference_mode():
        given = ours.prepare(image(side), side)
        found = theirs(pixel_values=given, output_hidden_states=True)
        out = ours.network(given, (2, 3))
    torch.testing.assert_close(out.embedding, found.pooler_output, rtol=1e-4, atol=1e-5)
    for tokens, number in zip(out.tokens, (2, 3), strict=True):
        expected = found.hidden_states[number][:, 5:]
        torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-5)


def test_files_of_older_transformers_have_no_word_before_layer(tmp_path: Path) -> None:
    state = {k: v.contiguous() for k, v in hub_model(gated=False).state_dict().items()}
    old = {key.removeprefix("model."): value for key, value in state.items()}
    assert "layer.0.attention.q_proj.weight" in old
    save_file(old, tmp_path / "model.safetensors")
    assert load(tmp_path).card.family == "dinov3"


def test_satellite_files_are_known_by_their_name_and_normalised_so(tmp_path: Path) -> None:
    path = authors_file("plain", tmp_path / "dinov3_vitl16_pretrain_sat493m-eadcf0ff.pth")
    encoder = load(path)
    assert "SAT-493M" in encoder.card.training_data
    white = encoder.prepare(torch.ones(1, 3, 256, 256), None)[0, :, 0, 0]
    assert white.tolist() == pytest.approx([0.57 / 0.213, 0.589 / 0.156, 0.704 / 0.143], rel=1e-5)


def test_files_without_storage_tokens_are_refused(tmp_path: Path) -> None:
    torch.save({"cls_token": torch.zeros(1, 1, 4), "pos_embed": torch.zeros(1, 5, 4)},
               tmp_path / "dinov2.pth")  # fmt: skip
    assert not DINOV3.recognises(read_checkpoint(tmp_path / "dinov2.pth"))
    with pytest.raises(Refusal, match=r"DINOv3 ViT .*without patch_embed.*DINOv2 has pos_embed"):
        load(f"dinov3:{tmp_path / 'dinov2.pth'}")
