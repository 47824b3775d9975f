"""One contract over the whole catalogue of losses."""

from __future__ import annotations

import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.losses import CATALOGUE, Loss, LossEntry, build_terms

VARIANTS = ("features(vit, distance=cosine_class)", "sobel(channel=all)", "log(sigma=1;3)")
ZERO = 2e-6


def _text(entry: LossEntry) -> str:
    if not entry.needs_encoder:
        return entry.card.name
    return f"{entry.card.name}({'vit' if entry.card.name == 'features' else 'cnn'})"


@pytest.fixture(params=[*(_text(entry) for entry in CATALOGUE), *VARIANTS])
def loss(request, encoders) -> Loss:
    (term,) = build_terms(request.param, encoders=encoders)
    return term.loss


def test_names_and_cards_are_unique_and_whole():
    names = [entry.card.name for entry in CATALOGUE]
    assert len(set(names)) == len(names)
    for entry in CATALOGUE:
        assert all(str(value) for value in entry.card.as_dict().values())
        assert entry.card.direction == "lower is better"


def test_zero_at_identity_and_positive_elsewhere(loss, batch):
    assert abs(loss(batch.target, batch.target, batch.fov).item()) < ZERO
    assert loss(batch.reconstruction, batch.target, batch.fov).item() > 1e-5


@pytest.mark.parametrize("identical", [True, False])
def test_gradients_are_finite(loss, batch, identical):
    start = batch.target if identical else batch.reconstruction
    x = start.clone().requires_grad_()
    loss(x, batch.target, batch.fov).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert identical or x.grad.abs().sum() > 0


def test_gradients_are_finite_on_black_and_constant_images(loss, batch):
    black = torch.full_like(batch.target, -1.0)
    for y in (black, batch.target):
        x = black.clone().requires_grad_()
        loss(x, y, batch.fov).backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()


def test_ignores_the_reconstruction_outside_the_field_of_view(loss, batch):
    noise = torch.rand(batch.target.shape, generator=torch.Generator().manual_seed(3)) * 2 - 1
    outside = batch.fov * batch.reconstruction + (1 - batch.fov) * noise
    x = outside.clone().requires_grad_()
    changed = loss(x, batch.target, batch.fov)
    changed.backward()
    before = loss(batch.reconstruction, batch.target, batch.fov)
    torch.testing.assert_close(changed.detach(), before, rtol=1e-5, atol=1e-7)
    assert x.grad is not None
    assert (x.grad * (1 - batch.fov)).abs().max() == 0


def test_gradient_reaches_the_decoders_last_layer(loss, batch, decoder):
    loss(decoder(batch.target), batch.target, batch.fov).backward()
    assert decoder.weight.grad is not None
    assert decoder.weight.grad.isfinite().all()
    assert decoder.weight.grad.norm() > 0


def test_bfloat16_autocast_gives_nearly_the_same(loss, batch):
    whole = loss(batch.reconstruction, batch.target, batch.fov)
    with torch.autocast("cpu", torch.bfloat16):
        half = loss(batch.reconstruction, batch.target, batch.fov)
    assert half.dtype == torch.float32
    tolerance = 0.1 if loss.keeps_autocast else 0.0
    torch.testing.assert_close(half, whole, rtol=tolerance, atol=1e-6)


def test_a_batch_is_the_mean_of_its_images(loss, batch):
    together = loss(batch.reconstruction, batch.target, batch.fov)
    one, two = (
        loss(batch.reconstruction[i : i + 1], batch.target[i : i + 1], batch.fov[i : i + 1])
        for i in (0, 1)
    )
    torch.testing.assert_close(together, (one + two) / 2, rtol=1e-4, atol=1e-7)


def test_an_image_without_field_of_view_does_not_count(loss, batch):
    fov = batch.fov.clone()
    fov[1] = 0
    both = loss(batch.reconstruction, batch.target, fov)
    one = loss(batch.reconstruction[:1], batch.target[:1], fov[:1])
    torch.testing.assert_close(both, one, rtol=1e-4, atol=1e-7)
    assert loss(batch.reconstruction, batch.target, fov * 0).item() == 0


def test_refuses_shapes_that_do_not_belong_together(loss, batch):
    with pytest.raises(Refusal, match=r"one shape \(B, 3, H, W\) and fov \(B, 1, H, W\); got"):
        loss(batch.reconstruction[..., 1:], batch.target, batch.fov)
