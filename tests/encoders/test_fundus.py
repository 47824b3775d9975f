"""Our own encoders: written by `pretrain`, loaded with the card that their header makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from retinaforge.core import Refusal
from retinaforge.encoders.fundus import FORMAT, load_fundus
from retinaforge.nets.fundus_vit import FundusVit
from retinaforge.nets.vit import VitShape, initialise

SHAPE = VitShape(width=24, depth=2, heads=2, patch_px=8, input_px=32, pooling="normed mean")
HEADER = {
    "format": FORMAT,
    "name": "fundus-mae-test",
    "licence": "Apache-2.0; trained on photographs under CC BY 4.0",
    "training_data": json.dumps(["a (3 training images)", "20 phantoms"]),
    "training_sets": json.dumps(["a"]),
    "method": "masked autoencoding",
    "pooling": "normed mean",
    "metadata_kinds": "[]",
    "shape": json.dumps({"width": 24, "depth": 2, "heads": 2, "patch_px": 8, "input_px": 32}),
}


def write(path: Path, kinds: tuple[str, ...] = (), **changed: str) -> Path:
    network = initialise(FundusVit(SHAPE, kinds), 0)
    weights = {name: x.half() for name, x in network.state_dict().items()}
    save_file(weights, path, HEADER | {"metadata_kinds": json.dumps(kinds)} | changed)
    return path


def test_the_card_is_what_the_header_says(tmp_path: Path) -> None:
    card = load_fundus(write(tmp_path / "e.safetensors")).card
    assert (card.name, card.family, card.domain) == ("fundus-mae-test", "ours", "retina")
    assert card.licence == HEADER["licence"]
    assert card.training_data == "a (3 training images), 20 phantoms"
    assert card.training_sets == ("a",)
    assert card.input_px == 32


def test_it_computes_what_was_trained(tmp_path: Path) -> None:
    path = write(tmp_path / "e.safetensors")
    encoder, network = load_fundus(path), FundusVit(SHAPE)
    network.load_state_dict({name: x.float() for name, x in load_file(path).items()})
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    images[..., :8] = -1
    normal = encoder.prepare(images, None)
    with torch.no_grad():
        expected = network(normal, (1, 2))
        torch.testing.assert_close(encoder.embedding(images), expected.embedding)
        for one, two in zip(encoder.features(images, (1, 2)), expected.tokens, strict=True):
            torch.testing.assert_close(one, two)


def test_an_encoder_with_metadata_is_used_with_null_tokens(tmp_path: Path) -> None:
    encoder = load_fundus(write(tmp_path / "e.safetensors", ("age", "eye")))
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    unknown = torch.full((2, 2), torch.nan)
    with torch.no_grad():
        expected = encoder.network(encoder.prepare(images, None), (), unknown)
    torch.testing.assert_close(encoder.embedding(images), expected.embedding)


def test_gradients_reach_the_image_and_no_weight(tmp_path: Path) -> None:
    encoder = load_fundus(write(tmp_path / "e.safetensors"))
    images = (torch.rand(1, 3, 32, 32) * 2 - 1).requires_grad_()
    encoder.features(images)[0].square().mean().backward()
    assert float(images.grad.abs().sum()) > 0
    assert all(p.grad is None for p in encoder.parameters())


def test_other_files_are_refused(tmp_path: Path) -> None:
    plain = tmp_path / "plain.safetensors"
    save_file(FundusVit(SHAPE).state_dict(), plain)
    with pytest.raises(Refusal, match=r"format 'not stated'.*retfound:FILE"):
        load_fundus(plain)
    odd = write(tmp_path / "odd.safetensors", pooling="median")
    with pytest.raises(Refusal, match="pooling 'median'"):
        load_fundus(odd)
    more = write(tmp_path / "more.safetensors")
    save_file({**load_file(more), "extra": torch.zeros(1)}, more, HEADER)
    with pytest.raises(Refusal, match="1 unexpected"):
        load_fundus(more)
