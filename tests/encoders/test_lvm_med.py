"""LVM-Med's ViT gives what its authors' code and transformers' SAM give; its ResNet is known.

data/lvm_med.json holds values of duyhominhnguyen/LVM-Med on random weights, and the names and
shapes of its ViT-B (tools/lvm_med_reference.py); ResNet's values are in test_resnet.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import published
import pytest
import torch
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders import MapEncoder, TokenEncoder, load
from retinaforge.encoders.lvm_med import sam_shape
from retinaforge.nets.resnet import ResNet, ResnetShape, Stage
from retinaforge.nets.sam_vit import SamVit

STORED = json.loads((Path(__file__).parent / "data/lvm_med.json").read_text())
ABOUT = STORED["provenance"]


def shapes(said: dict[str, str]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(map(int, shape.split())) for key, shape in said.items()}


def weights_of(name: str) -> dict[str, Tensor]:
    return published.transformer_weights(shapes(STORED[name]["shapes"]), ABOUT["seed"])


def image(side: int) -> Tensor:
    pixels = published.noise_image(ABOUT["image_seed"], side)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1


def compare(network: SamVit, rows: list[dict]) -> None:
    for row in rows:
        with torch.inference_mode():
            out = network(image(row["side_px"]), (2,))
        mean, std, *some = row["second_block"]
        tokens, kept = out.tokens[0], len(some) // 2
        ends = torch.cat([tokens[0, 0, :kept], tokens[0, -1, :kept]])
        assert ends.tolist() == pytest.approx(some, rel=1e-4, abs=1e-4)
        assert [float(tokens.mean()), float(tokens.std())] == pytest.approx([mean, std], rel=1e-4)
        found = out.embedding[0]
        assert found[:kept].tolist() == pytest.approx(row["embedding"], rel=1e-4, abs=1e-4)
        assert float(found.norm()) == pytest.approx(row["embedding_norm"], rel=1e-4)


@pytest.fixture(scope="module")
def vit(tmp_path_factory) -> TokenEncoder:
    path = tmp_path_factory.mktemp("lvm_med") / "weights.pth"
    torch.save(weights_of("for_classes"), path)
    encoder = load(path)
    assert isinstance(encoder, TokenEncoder)
    return encoder


def test_the_vit_agrees_with_the_authors_classifier_at_two_sizes(vit: TokenEncoder) -> None:
    assert [row["side_px"] for row in STORED["for_classes"]["rows"]] == [128, 96]
    compare(vit.network, STORED["for_classes"]["rows"])


def test_with_positions_and_neck_it_agrees_with_segment_anything() -> None:
    weights = weights_of("for_masks")
    shape = sam_shape(weights)
    assert shape is not None
    assert shape.positions
    assert shape.windows == (3, 0, 3, 0)
    network = SamVit(replace(shape, pooled="neck")).eval()
    network.load_state_dict(weights)
    compare(network, STORED["for_masks"]["rows"])


def test_the_neck_and_blocks_agree_with_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.SamVisionConfig(
        hidden_size=64, num_attention_heads=2, num_hidden_layers=4, image_size=128, window_size=3,
        global_attn_indexes=[1, 3], output_channels=16, mlp_dim=256,
    )  # fmt: skip
    names = {
        "patch_embed.projection": "patch_embed.proj", "layers.": "blocks.",
        "layer_norm": "norm", "neck.conv1": "neck.0", "neck.norm1": "neck.1",
        "neck.conv2": "neck.2", "neck.norm2": "neck.3", "vision_encoder.": "",
    }  # fmt: skip
    theirs = transformers.SamVisionModel(config).eval()
    torch.manual_seed(1)
    weights = {}
    for key, parameter in theirs.named_parameters():
        torch.nn.init.normal_(parameter, std=0.2)
        for their_name, name in names.items():
            key = key.replace(their_name, name)
        weights[key] = parameter
    shape = sam_shape(weights)
    assert shape is not None
    network = SamVit(replace(shape, pooled="neck"))
    network.load_state_dict(weights)
    with torch.inference_mode():
        found = theirs(pixel_values=image(128), output_hidden_states=True)
        out = network(image(128), (1, 4))
    expected = found.last_hidden_state.mean((2, 3))
    torch.testing.assert_close(out.embedding, expected, rtol=1e-4, atol=1e-5)
    for tokens, number in zip(out.tokens, (1, 4), strict=True):
        hidden = found.hidden_states[number].flatten(1, 2)
        torch.testing.assert_close(tokens, hidden, rtol=1e-4, atol=1e-4)


def test_keys_and_shapes_of_the_vit_are_published() -> None:
    layout = shapes(STORED["shapes"]["lvmmed_vit"])
    shape = sam_shape({key: torch.empty(s, device="meta") for key, s in layout.items()})
    assert shape is not None
    assert shape.windows == (14, 14, 0) * 4
    assert (shape.grid, shape.heads, shape.positions) == (64, 12, False)
    with torch.device("meta"):
        own = SamVit(shape).state_dict()
    assert {key: tuple(value.shape) for key, value in own.items()} == layout


def test_the_card_warns_of_the_images_it_was_trained_on(vit: TokenEncoder) -> None:
    assert vit.card.family == "lvm-med"
    assert "EyePACS" in vit.card.training_data
    assert "do not test on them" in vit.card.training_data
    assert vit.card.licence.startswith("CC BY-NC-ND")
    assert vit.card.input_px == 224
    assert {"aptos2019", "eyepacs"} <= set(vit.card.training_sets)


def test_gradients_reach_the_images(vit: TokenEncoder) -> None:
    images = image(96).requires_grad_()
    vit.features(images, (1, 4), input_px=96)[-1].square().mean().backward()
    assert images.grad is not None
    assert float(images.grad.abs().max()) > 0


def test_its_resnet_is_known_by_its_name_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    stages = tuple(Stage(1, width, 4 * width) for width in (4, 4, 8, 8))
    state = ResNet(ResnetShape(8, stages, bottleneck=True)).state_dict()
    torch.save(state, tmp_path / "lvmmed_resnet.torch")
    torch.save(state, tmp_path / "other.pth")
    encoder = load(tmp_path / "lvmmed_resnet.torch")
    assert isinstance(encoder, MapEncoder)
    assert encoder.card.family == "lvm-med"
    assert load(tmp_path / "other.pth").card.family == "resnet"
    named = load(f"lvm-med:{tmp_path / 'other.pth'}")
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3)) * 2 - 1
    assert torch.equal(named.embedding(images), encoder.embedding(images))


def test_sams_own_weights_are_refused_as_such(tmp_path: Path) -> None:
    torch.save(weights_of("for_masks"), tmp_path / "sam.pth")
    with pytest.raises(Refusal, match=r"without pos_embed.*name lvmmed_resnet.torch or lvmmed_vit"):
        load(f"lvm-med:{tmp_path / 'sam.pth'}")
