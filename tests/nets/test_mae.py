"""Masked autoencoding: only the field of view takes part, and metadata are heard."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from retinaforge.nets.fundus_vit import FundusVit, MetadataTokens
from retinaforge.nets.mae import DecoderShape, MaskedAutoencoder, new_mae
from retinaforge.nets.mae_patches import (
    choose_patches,
    cut_patches,
    gradient_map,
    join_patches,
    masked_error,
    normalise_patches,
)
from retinaforge.nets.vit import VisionTransformer, VitShape, initialise

SHAPE = VitShape(width=24, depth=2, heads=2, patch_px=8, input_px=32)
DECODER = DecoderShape(width=16, depth=1, heads=2)
BLACK = torch.tensor([(0.0 - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))])


def small(**options) -> MaskedAutoencoder:
    return new_mae(SHAPE, 0, decoder=DECODER, **options)


def disc() -> Tensor:
    y, x = torch.meshgrid(torch.arange(32) - 15.5, torch.arange(32) - 15.5, indexing="ij")
    return ((x**2 + y**2) < 15**2).float()[None, None]


def images(count: int = 3) -> Tensor:
    """Return noise inside a disc, black outside, normalised."""
    noise = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)) + 0.5
    return torch.where(disc() > 0, noise, BLACK.view(1, 3, 1, 1))


def noise(count: int = 3) -> Tensor:
    return torch.rand(count, 16, generator=torch.Generator().manual_seed(2))


def test_keys_are_those_of_mae_as_published() -> None:
    own = set(small().state_dict())
    encoder = set(VisionTransformer(SHAPE).state_dict())
    assert encoder <= own
    beside = {key for key in own - encoder if not key.startswith("decoder_blocks.0.")}
    assert beside == {
        "mask_token", "decoder_pos_embed", "decoder_embed.weight", "decoder_embed.bias",
        "decoder_norm.weight", "decoder_norm.bias", "decoder_pred.weight", "decoder_pred.bias",
    }  # fmt: skip
    inner = {key.removeprefix("decoder_") for key in own if key.startswith("decoder_blocks.0.")}
    assert inner == {key for key in encoder if key.startswith("blocks.0.")}


def test_cut_patches_are_joined_again() -> None:
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(join_patches(cut_patches(x, 8), 8, 4), x)
    # Published order inside a patch: row, column, channel; patches row by row.
    assert cut_patches(x, 8)[1, 5, (2 * 8 + 3) * 3 + 1] == x[1, 1, 8 + 2, 8 + 3]


def test_shown_patches_are_equally_many_and_all_with_field() -> None:
    field = torch.ones(3, 16, dtype=torch.bool)
    field[0, :8] = False
    shown, asked = choose_patches(field, noise(), 0.75)
    assert shown.shape == (3, 2)  # a quarter of the fewest, 8
    assert bool(field.gather(1, shown).all())
    assert asked.sum(1).tolist() == [6, 14, 14]
    assert not bool((asked & ~field).any())
    assert not bool(asked.gather(1, shown).any())


def test_patches_without_field_are_neither_shown_nor_asked() -> None:
    model, x, fov = small(), images(), disc().expand(3, -1, -1, -1)
    corner = cut_patches(fov, 8).mean(-1)[0] < 0.25
    assert int(corner.sum()) == 4
    before = model.reconstruct(x, fov, noise())
    outside = F.interpolate(corner.view(1, 1, 4, 4).float(), scale_factor=8)
    after = model.reconstruct(x + 9 * outside, fov, noise())
    assert torch.equal(before.loss, after.loss)
    assert not bool(before.asked[:, corner].any())


def test_pixels_outside_the_field_do_not_count_within_a_patch() -> None:
    target, prediction = torch.randn(1, 2, 64 * 3), torch.randn(1, 2, 64 * 3)
    weight = torch.ones(1, 2, 64)
    weight[..., :20] = 0
    asked = torch.ones(1, 2, dtype=torch.bool)
    before = masked_error(prediction, target, weight, asked)
    target[..., :60], prediction[..., :60] = 77.0, -5.0
    assert torch.allclose(masked_error(prediction, target, weight, asked), before)


def test_the_loss_is_he_and_others_but_for_the_means_of_the_channels() -> None:
    grey = torch.randn(2, 5, 64).repeat_interleave(3, -1)  # three channels alike: the same formula
    prediction, asked = torch.randn(2, 5, 192), torch.rand(2, 5) > 0.5
    mean, variance = grey.mean(-1, keepdim=True), grey.var(-1, keepdim=True, unbiased=False)
    published = ((prediction - (grey - mean) / (variance + 1e-6).sqrt()) ** 2).mean(-1)[asked]
    ours = masked_error(prediction, grey, torch.ones(2, 5, 64), asked)
    torch.testing.assert_close(ours, published.mean())


def test_a_constant_tint_of_a_patch_is_not_asked_for() -> None:
    target, weight = torch.randn(1, 4, 64, 3), torch.ones(1, 4, 64)
    tinted = target + torch.tensor([3.0, 0.0, -2.0])
    one, two = (normalise_patches(t.flatten(-2), weight) for t in (target, tinted))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)


def test_hidden_patches_do_not_reach_the_encoder() -> None:
    model, x, fov = small(), images(), disc().expand(3, -1, -1, -1)
    output = model.reconstruct(x, fov, noise())
    hidden = F.interpolate(output.asked.view(3, 1, 4, 4).float(), scale_factor=8)
    changed = model.reconstruct(torch.where(hidden > 0, 5 * x + 1, x), fov, noise())
    assert torch.equal(output.prediction, changed.prediction)


def test_the_gradient_target_sees_an_edge_and_counts() -> None:
    step = torch.zeros(1, 3, 16, 16)
    step[..., 8:] = 1.0
    slopes = gradient_map(step)
    assert slopes[0, 0, 4, 7:9].tolist() == pytest.approx([0.5, 0.5])
    assert float(slopes[0, 0, :, :6].max()) < 1e-5
    both = small(gradients=True).reconstruct(images(), disc().expand(3, -1, -1, -1), noise())
    assert float(both.gradients.detach()) > 0
    torch.testing.assert_close(both.loss, both.pixels + both.gradients)


def test_metadata_change_the_output_and_none_is_the_null_token() -> None:
    model = small(metadata=("age", "sex", "eye"))
    fov = disc().expand(3, -1, -1, -1)
    said = torch.tensor([[50.0, 0.0, 1.0]]).repeat(3, 1)

    def predict(metadata: Tensor | None) -> Tensor:
        return model.reconstruct(images(), fov, noise(), metadata=metadata).prediction

    other = said.clone()
    other[:, 1] = 1.0
    assert not torch.allclose(predict(said), predict(other))
    unknown = torch.full_like(said, torch.nan)
    assert torch.equal(predict(None), predict(unknown))
    assert not torch.allclose(predict(said), predict(unknown))


def test_metadata_tokens_lie_between_their_knots() -> None:
    tokens = MetadataTokens(("age",), 4)
    torch.nn.init.normal_(tokens.get_parameter("age"))
    at = tokens(torch.tensor([[50.0], [60.0], [54.0], [torch.nan], [130.0]]))[:, 0]
    torch.testing.assert_close(at[2], 0.6 * at[0] + 0.4 * at[1])
    torch.testing.assert_close(at[3], tokens.get_parameter("age")[-1])
    torch.testing.assert_close(at[4], tokens.get_parameter("age")[-2])  # beyond the last knot


def test_without_black_patches_it_is_a_plain_vision_transformer() -> None:
    plain = initialise(VisionTransformer(SHAPE), 3)
    ours = FundusVit(SHAPE)
    ours.load_state_dict(plain.state_dict())
    x = torch.rand(2, 3, 32, 32) + 0.5
    one, two = plain(x, (1, 2)), ours(x, (1, 2))
    assert torch.equal(one.class_token, two.class_token)
    assert all(torch.equal(a, b) for a, b in zip(one.tokens, two.tokens, strict=True))


def test_black_patches_are_left_out_of_what_it_sees() -> None:
    model = initialise(FundusVit(VitShape(24, 2, 2, 8, 32, pooling="normed mean")), 3)
    x = images(1)
    x[..., :16] = BLACK.view(1, 3, 1, 1)
    field = model.find_field(x)
    assert field.sum() == 8
    moved = FundusVit(model.shape)
    moved.load_state_dict(model.state_dict())
    with torch.no_grad():  # what black patches are made into no longer matters
        moved.pos_embed[:, 1:][~field] += 5.0
    for name in ("embedding", "class_token"):
        assert torch.equal(getattr(model(x), name), getattr(moved(x), name))
    assert bool(
        model(torch.zeros(1, 3, 32, 32) + BLACK.view(1, 3, 1, 1)).embedding.isfinite().all()
    )


def test_gradients_reach_images_with_black_corners() -> None:
    model, x = FundusVit(SHAPE), images(1).requires_grad_()
    initialise(model, 0)(x, (2,)).tokens[0].sum().backward()
    assert float(x.grad.abs().sum()) > 0
    assert bool(x.grad.isfinite().all())
