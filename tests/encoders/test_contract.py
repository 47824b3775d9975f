"""One contract over the catalogue: what every family of encoders must do, on a small checkpoint."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import get_args

import pytest
import torch
from makers import MAKERS
from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.core.artefacts import sha256_of
from retinaforge.encoders import FAMILIES, Encoder, TokenEncoder, load, read_checkpoint
from retinaforge.encoders.card import Modality
from retinaforge.encoders.ledger import known_set
from retinaforge.losses import build_terms

# A graph has no arrays, layers or gradient (test_onnx_any.py); timm's layouts are any, so its files
# are known by a name alone (test_timm_any.py).
NOT_OF_WEIGHTS = ("onnx", "timm")
NAMES = [family.name for family in FAMILIES if family.name not in NOT_OF_WEIGHTS]
BY_NAME = {family.name: family for family in FAMILIES}


@pytest.fixture(scope="module", params=NAMES)
def made(request, tmp_path_factory) -> tuple[str, Path]:
    """Return a family's name and a small checkpoint of it."""
    assert request.param in MAKERS, f"add a maker of {request.param} to tests/encoders/makers.py"
    return request.param, MAKERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def encoder(made) -> Encoder:
    name, path = made
    return load(f"{name}:{path}")


@pytest.fixture(scope="module")
def small(encoder) -> Encoder:
    """Return the encoder at a side where convolutions take no time."""
    if isinstance(encoder, TokenEncoder) or not encoder.input_px:
        return encoder
    shrunk = copy.deepcopy(encoder)
    shrunk.input_px = 96
    return shrunk


def images_for(encoder: Encoder, count: int, seed: int = 0) -> Tensor:
    """Return smooth coloured noise at the encoder's own side, at most 96 px."""
    side = min(encoder.input_px or 64, 96)
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, 8, 8, generator=rng)
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(-1, 1)


def side_of(encoder: Encoder) -> int | None:
    """Return a small side to test at; None where the encoder has its own or takes any."""
    if isinstance(encoder, TokenEncoder):
        return min(encoder.input_px, 4 * encoder.network.patch_px)
    return 96 if encoder.input_px else None


def test_the_card_is_complete(made, encoder) -> None:
    name, path = made
    card = encoder.card
    assert card.family == name
    assert card.fingerprint_sha256 == sha256_of(path)
    assert "arrays loaded" in card.key_report
    for field in ("name", "network", "licence", "training_data", "reference", "preprocessing"):
        assert len(getattr(card, field)) > 2, field
    assert card.modality in get_args(Modality)
    assert card.input_px == encoder.input_px
    assert card.certainty
    assert all(known_set(name) for name in card.training_sets), card.training_sets
    assert card.precision == "float32"


def test_the_family_is_documented(made) -> None:
    family = BY_NAME[made[0]]
    assert len(family.about) > 10
    assert family.about[-1] != "."
    assert family.licence
    assert "/" in family.layout_source or "this package" in family.layout_source
    assert family.confirmed
    assert all(known_set(name) for name in family.training_sets), family.training_sets
    for file in family.files:
        assert file.where.startswith(("hf:", "https://")), file
        assert all((file.name, file.licence, file.gate, file.source)), file
        assert set(file.sha256) <= set("0123456789abcdef"), file


def test_it_is_recognised_alone(made) -> None:
    name, path = made
    checkpoint = read_checkpoint(path)
    found = [family.name for family in FAMILIES if family.recognises(checkpoint)]
    assert found == [name]


def test_it_is_frozen(encoder) -> None:
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(module.training for module in encoder.train().modules())


def test_keys_are_strict(made, tmp_path) -> None:
    name, path = made
    checkpoint = read_checkpoint(path)
    taken = max(checkpoint.weights, key=lambda key: checkpoint.weights[key].numel())
    arrays = {f"strange.{k}" if k == taken else k: v for k, v in checkpoint.weights.items()}
    if checkpoint.wrapper.endswith("teacher"):
        arrays = {"teacher": arrays}
    torch.save(arrays, tmp_path / path.with_suffix(".pth").name)
    with pytest.raises(Refusal, match=r"(missing|unexpected|expected .*; got)"):
        load(f"{name}:{tmp_path / path.with_suffix('.pth').name}")


def test_tokens_features_and_embedding(small) -> None:
    images, side = images_for(small, 2), side_of(small)
    features = small.features(images, input_px=side)
    tokens = small.tokens(images, input_px=side)
    assert len(features) == len(tokens) == len(small.blocks)
    for maps, rows in zip(features, tokens, strict=True):
        assert rows.ndim == 3
        assert len(rows) == 2
        flat = maps.flatten(2).transpose(1, 2) if maps.ndim == 4 else maps
        torch.testing.assert_close(rows, flat, rtol=1e-3, atol=1e-4)
        assert rows.dtype == torch.float32
        assert rows.isfinite().all()
    vectors = small.embedding(images)
    assert vectors.ndim == 2
    assert vectors.isfinite().all()
    assert (vectors[0] - vectors[1]).abs().max() > 0, "two images give one vector"


def test_gradient_of_a_random_direction(small) -> None:
    """A finite difference along one direction agrees with the gradient, in float64."""
    exact, side = copy.deepcopy(small).double(), side_of(small)
    start = (0.9 * images_for(small, 1).double()).requires_grad_()
    direction, step = images_for(small, 1, seed=1).double(), 1e-5

    def height(x: Tensor) -> Tensor:
        tokens = sum((rows * rows).mean() for rows in exact.tokens(x, input_px=side))
        return tokens + exact.embedding(x)[:, ::2].sum()

    (gradient,) = torch.autograd.grad(height(start), start)
    with torch.no_grad():
        ahead, behind = (height(start + s * direction) for s in (step, -step))
    expected = float((gradient * direction).sum())
    assert abs(expected) > 0
    assert float(ahead - behind) / (2 * step) == pytest.approx(expected, rel=1e-2, abs=1e-6)


def test_chunks_change_nothing(small) -> None:
    images, side = images_for(small, 3), side_of(small)
    chunked = copy.deepcopy(small)
    chunked.chunk = 2
    with torch.no_grad():
        whole = small.tokens(images.clone(), input_px=side)
        parts = chunked.tokens(images, input_px=side)
        for one, other in zip(whole, parts, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(one.abs().max()))
        vectors = small.embedding(images)
        scale = float(vectors.abs().max())
        torch.testing.assert_close(chunked.embedding(images), vectors, rtol=0, atol=1e-5 * scale)
        streamed = torch.stack(list(small.embed_stream(images, batch=3)))
    torch.testing.assert_close(streamed, vectors, rtol=0, atol=1e-5 * scale)


def test_outside_the_field_nothing_is_seen(small) -> None:
    images = images_for(small, 1)
    fov = torch.zeros(1, 1, *images.shape[-2:])
    fov[..., 8:-8, 8:-8] = 1
    changed = torch.where(fov > 0, images, -images)
    one, other = (small.embedding(x, fov=fov) for x in (images, changed))
    torch.testing.assert_close(one, other)
    assert (small.embedding(images) - one).abs().max() > 0
    tokens = [small.tokens(x, input_px=side_of(small), fov=fov)[-1] for x in (images, changed)]
    torch.testing.assert_close(tokens[0], tokens[1])


def test_it_is_a_loss(small) -> None:
    side = side_of(small)
    px = f", px={side}" if side else ""
    terms = [f"features(net, blocks={small.blocks[-1]}{px})"]
    if isinstance(small, TokenEncoder):
        terms.append(f"features(net, distance=cosine_class{px})")
    for term in terms:
        loss = build_terms(term, encoders={"net": small})[0].loss
        image, target = images_for(small, 1).requires_grad_(), images_for(small, 1, seed=2)
        value = loss(image, target, torch.ones(1, 1, *image.shape[-2:]))
        value.backward()
        assert value.item() > 0
        assert image.grad is not None
        assert image.grad.abs().sum() > 0


def test_bfloat16_gives_float32_that_is_near(small) -> None:
    rough = copy.deepcopy(small).to_precision("bf16")
    assert rough.card.precision == "bfloat16, as asked"
    images = images_for(small, 2)
    with torch.no_grad():
        one, other = small.embedding(images), rough.embedding(images)
    assert other.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(one, other, dim=1).min() > 0.9


def test_another_side_is_reported(made, encoder) -> None:
    if not isinstance(encoder, TokenEncoder):
        pytest.skip("takes any side")
    name, path = made
    patch = encoder.network.patch_px
    side = encoder.input_px + patch
    other = load(f"{name}:{path},px={side}")
    assert other.input_px == other.card.input_px == side
    grids = [s // patch for s in (encoder.input_px, side)]
    named = [key for key, _ in encoder.network.named_parameters()]
    positions = any("pos_embed" in key or "position" in key for key in named)
    words = f"interpolated from {grids[0]} x {grids[0]} to {grids[1]} x {grids[1]}"
    assert (words in other.card.key_report) == positions
    with pytest.raises(Refusal, match=rf"px= a multiple of {patch}"):
        load(f"{name}:{path},px={patch * 3 + 1}")
