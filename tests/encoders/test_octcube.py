"""OCTCube with one slice gives what its authors' code gives, in all three of its layouts.

data/octcube.json holds values of ZucksLiu/OCTCubeM on random weights (tools/octcube_reference.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import published
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear

from retinaforge.core import Refusal
from retinaforge.encoders import TokenEncoder, load
from retinaforge.encoders.octcube import LEFT_ASIDE, joined, vit3d_shape
from retinaforge.nets.vit3d import Vit3d

STORED = json.loads((Path(__file__).parent / "data/octcube.json").read_text())
ABOUT = STORED["provenance"]
HEADS = 2


def shapes(said: dict[str, str]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(map(int, shape.split())) for key, shape in said.items()}


def weights_of(name: str) -> dict[str, Tensor]:
    return published.transformer_weights(shapes(STORED[name]["shapes"]), ABOUT["seed"])


def image(side: int) -> Tensor:
    pixels = published.noise_image(ABOUT["image_seed"], side)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def loaded(weights: dict[str, Tensor], path: Path) -> TokenEncoder:
    """Load a file whose heads are narrower than the 64 channels of the published ones."""
    torch.save({"model": weights, "epoch": 49}, path)
    encoder = load(path)
    assert isinstance(encoder, TokenEncoder)
    for block in encoder.network.blocks:
        block.attn.heads = HEADS
    return encoder


@pytest.fixture(scope="module", params=["joint", "tuned"])
def octcube(request, tmp_path_factory) -> tuple[str, TokenEncoder]:
    path = tmp_path_factory.mktemp("octcube") / "OCTCube.pth"
    return request.param, loaded(weights_of(request.param), path)


def test_one_slice_agrees_with_the_authors_code(octcube) -> None:
    name, encoder = octcube
    for row in STORED[name]["rows"]:
        with torch.inference_mode():
            out = encoder.network(image(row["side_px"]), (2,))
        kept = len(row["second_block"]) // 2
        tokens = out.tokens[0][0]
        ends = torch.cat([tokens[0, :kept], tokens[-1, :kept]])
        assert ends.tolist() == pytest.approx(row["second_block"], rel=1e-4, abs=1e-4)
        for found, stored in ((out.class_token, "class_token"), (out.embedding, "embedding")):
            assert found[0, :kept].tolist() == pytest.approx(row[stored], rel=1e-4, abs=1e-4)
        assert float(out.embedding.norm()) == pytest.approx(row["embedding_norm"], rel=1e-5)


def test_the_picture_of_double_size_has_a_layer_of_its_own() -> None:
    assert [row["side_px"] for row in STORED["joint"]["rows"]] == [64, 32]


def test_the_published_sizes_have_the_authors_keys() -> None:
    layout = shapes(STORED["joint"]["published_shapes"])
    weights = {key: torch.empty(shape, device="meta") for key, shape in layout.items()}
    shape = vit3d_shape(weights, flash=True)
    weights = joined(weights)
    assert weights["high_res_patch_embed.proj.weight"].shape == (1024, 3, 16, 16)
    assert (shape.heads, shape.slices, shape.grid, shape.depths) == (16, 3, 32, 20)
    with torch.device("meta"):
        own = Vit3d(shape).state_dict()
    aside = tuple(LEFT_ASIDE)
    wanted = {key: value.shape for key, value in weights.items() if not key.startswith(aside)}
    assert {key: value.shape for key, value in own.items()} == wanted


def test_mae_sts_own_blocks_keep_the_residual(tmp_path: Path) -> None:
    """Against the formula: queries, keys, values apart, full stream, norm after the mean."""
    flash = weights_of("tuned")
    weights = {}
    for key, value in flash.items():
        if ".mixer.Wqkv." in key:
            kind = key.rpartition(".")[2]
            for part, third in zip("qkv", value.chunk(3), strict=True):
                weights[f"{key.split('.mixer')[0]}.attn.{part}.{kind}"] = third
        else:
            weights[key.replace(".mixer.out_proj.", ".attn.proj.")] = value
    encoder = loaded(weights, tmp_path / "mae_st.pth")
    given = image(64)
    with torch.inference_mode():
        out = encoder.network(given)
        expected = _by_the_formula(weights, given)
    torch.testing.assert_close(out.embedding, expected, rtol=1e-4, atol=1e-4)


def _by_the_formula(weights: dict[str, Tensor], given: Tensor) -> Tensor:
    def affine(x: Tensor, name: str) -> Tensor:
        return linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(x: Tensor, name: str) -> Tensor:
        return layer_norm(x, (64,), weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-6)

    size = (3, 16, 16)
    patches = nn.functional.conv3d(
        given[:, None], weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"], size
    )
    middle = weights["pos_embed_temporal"][:, 1:3].mean(1, keepdim=True)  # of four places
    x = patches.flatten(2).transpose(1, 2) + weights["pos_embed_spatial"] + middle
    x = torch.cat([weights["cls_token"] + weights["pos_embed_class"], x], dim=1)
    for n in range(3):
        y = norm(x, f"blocks.{n}.norm1")
        q, k, v = (
            affine(y, f"blocks.{n}.attn.{part}").unflatten(2, (HEADS, -1)).transpose(1, 2)
            for part in "qkv"
        )
        mixed = (q @ k.transpose(2, 3) / 32**0.5).softmax(-1) @ v
        x = x + affine(mixed.transpose(1, 2).flatten(2), f"blocks.{n}.attn.proj")
        inner = gelu(affine(norm(x, f"blocks.{n}.norm2"), f"blocks.{n}.mlp.fc1"))
        x = x + affine(inner, f"blocks.{n}.mlp.fc2")
    return norm(x[:, 1:].mean(1), "norm")


def test_the_card_says_that_it_is_of_oct_and_how_a_picture_goes_in(octcube) -> None:
    name, encoder = octcube
    card = encoder.card
    assert (card.family, card.modality, card.input_px) == ("octcube", "OCT", 64)
    assert "not published" in card.training_data
    assert ("single pictures" in card.network) == (name == "joint")
    assert ("middle of 4 places" in card.network) == (name == "tuned")
    white = encoder.prepare(torch.ones(1, 3, 64, 64), None)[0, :, 0, 0].tolist()
    expected = [2.2489, 2.4286, 2.6400] if name == "joint" else [1, 1, 1]
    assert white == pytest.approx(expected, abs=1e-3)


def test_gradients_reach_the_images(octcube) -> None:
    images = image(64).requires_grad_()
    octcube[1].features(images, (1, 3))[-1].square().mean().backward()
    assert images.grad is not None
    assert float(images.grad.abs().max()) > 0


def test_flat_patches_are_refused(tmp_path: Path) -> None:
    weights = weights_of("tuned")
    weights["patch_embed.proj.weight"] = weights["patch_embed.proj.weight"][:, :, 0]
    torch.save(weights, tmp_path / "flat.pth")
    with pytest.raises(Refusal, match=r"a ViT of volumes .*got .*patches of 2 dimensions"):
        load(f"octcube:{tmp_path / 'flat.pth'}")
    torch.save({"pos_embed": torch.zeros(1, 5, 8)}, tmp_path / "other.pth")
    with pytest.raises(Refusal, match=r"without pos_embed_spatial, pos_embed_temporal"):
        load(f"octcube:{tmp_path / 'other.pth'}")
