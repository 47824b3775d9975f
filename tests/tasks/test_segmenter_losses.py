"""The segmenters' losses: closed forms, gradients, unknown pixels, refusals."""

from __future__ import annotations

import math

import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.nets.rrwnet import RRWNet
from retinaforge.tasks.segmenter_losses import (
    LOSSES,
    VESSEL_LOSSES,
    SegmenterLoss,
    artery_vein_loss,
    cross_entropy,
    dice_loss,
    focal_l1,
    loss_named,
    naming_entropy,
    refinement_loss,
    soft_cldice_loss,
    soft_jaccard,
    soft_skeleton,
)
from retinaforge.tasks.segmenter_samples import Crops

ONES = torch.ones(1, 1, 4, 4)


def crops_of(*masks: torch.Tensor, fov: torch.Tensor | None = None) -> Crops:
    stacked = torch.cat(masks, 1)
    inside = torch.ones_like(stacked[:, :1]) if fov is None else fov
    return Crops(torch.zeros(len(stacked), 3, *stacked.shape[-2:]), stacked, inside)


def line(size: int = 24, half: int = 1) -> torch.Tensor:
    vessels = torch.zeros(1, 1, size, size)
    vessels[..., size // 2 - half : size // 2 + half + 1, :] = 1
    return vessels


def test_cross_entropy_of_ignorance_is_ln_2_and_dice_of_half_of_it_a_third() -> None:
    half = torch.zeros(1, 1, 4, 4)
    half[..., :2, :] = 1
    assert cross_entropy(0 * half, half, ONES).item() == pytest.approx(math.log(2))
    assert dice_loss(0 * half, half, ONES).item() == pytest.approx(1 - (2 * 4 + 1) / (8 + 8 + 1))


def test_focal_l1_is_twice_the_square_on_the_right_side_and_plain_on_the_wrong() -> None:
    right = focal_l1(torch.full((1, 1, 4, 4), 0.5), torch.full((1, 1, 4, 4), 0.8), ONES)
    wrong = focal_l1(torch.full((1, 1, 4, 4), -0.5), torch.full((1, 1, 4, 4), 0.8), ONES)
    assert right.item() == pytest.approx(2 * 0.3**2)
    assert wrong.item() == pytest.approx(1.3)


def test_soft_jaccard_of_scaled_maps_is_the_scale_and_of_opposite_ones_one() -> None:
    y = torch.tensor([1.0, 0.5, -0.5, -1.0]).reshape(1, 1, 1, 4)
    m = torch.ones_like(y)
    assert soft_jaccard(y, y, m).item() == pytest.approx(0)
    assert soft_jaccard(0.4 * y, y, m).item() == pytest.approx(1 - 0.4)
    assert soft_jaccard(-y, y, m).item() == pytest.approx(1)


def test_the_soft_skeleton_of_a_straight_vessel_is_its_middle() -> None:
    skeleton = soft_skeleton(line(half=2))
    middle = skeleton[0, 0, :, 12]
    assert middle[12] == 1
    assert middle.sum() == 1


def test_cldice_is_nought_for_the_truth_and_does_not_mind_width() -> None:
    z = 30 * (2 * line() - 1)
    m = torch.ones_like(z)
    assert soft_cldice_loss(z, line(), m).item() == pytest.approx(0, abs=1e-4)
    wider = 30 * (2 * line(half=3) - 1)
    assert soft_cldice_loss(wider, line(), m) < 0.2 * dice_loss(wider, line(), m)


def test_cldice_sees_a_gap_that_dice_hardly_sees() -> None:
    broken = line(48)
    broken[..., 20:28] = 0
    z, m = 30 * (2 * broken - 1), torch.ones_like(broken)
    gap = 1 - 2 * (40 / 48) / (1 + 40 / 48)
    assert soft_cldice_loss(z, line(48), m).item() == pytest.approx(gap, abs=0.03)


@pytest.mark.parametrize("loss", VESSEL_LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("scale", [0.0, 1.0, 80.0])
def test_gradients_are_finite_and_the_truth_costs_less(loss: SegmenterLoss, scale: float) -> None:
    torch.manual_seed(0)
    crops = crops_of(line(), line())
    z = (scale * torch.randn(1, 1, 24, 24)).requires_grad_()
    loss.compute(z, crops, 0.5).backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    sure = 10 * (2 * line() - 1)
    assert loss.compute(sure, crops, 0.5) < 0.2 * loss.compute(-sure, crops, 0.5)


@pytest.mark.parametrize("loss", VESSEL_LOSSES, ids=lambda loss: loss.name)
def test_an_empty_field_of_view_costs_a_finite_amount(loss: SegmenterLoss) -> None:
    crops = crops_of(line(), line(), fov=torch.zeros(1, 1, 24, 24))
    z = torch.randn(1, 1, 24, 24, requires_grad=True)
    loss.compute(z, crops, 0.5).backward()
    assert z.grad is not None
    assert (z.grad == 0).all()


def test_pixels_of_unknown_name_teach_the_vessel_map_only() -> None:
    vessel, none = line(), torch.zeros(1, 1, 24, 24)
    unknown = crops_of(vessel, none, none, 1 - vessel)
    z = torch.zeros(1, 3, 24, 24, requires_grad=True)
    artery_vein_loss(z, unknown, 0.5).backward()
    assert z.grad is not None
    on = vessel[0, 0] > 0
    assert (z.grad[0, :2, on] == 0).all()
    assert (z.grad[0, 2, on] != 0).all()


def test_naming_costs_ln_2_for_ignorance_and_nothing_for_the_truth() -> None:
    vessel, none, known = line(), torch.zeros(1, 1, 24, 24), torch.ones(1, 1, 24, 24)
    crops = crops_of(vessel, vessel, none, known)
    truth = 40 * (2 * torch.cat([vessel, none, vessel], 1) - 1)
    assert artery_vein_loss(truth, crops, 1.0).item() == pytest.approx(0, abs=1e-4)
    ignorant = artery_vein_loss(torch.zeros(1, 3, 24, 24), crops, 1.0)
    assert ignorant.item() == pytest.approx(2 * math.log(2), rel=1e-4)


def published_recursive_loss(
    found: list[torch.Tensor], truth: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """RRLoss over BCE3Loss as train/losses.py of j-morano/rrwnet states them, read and rewritten.

    Truth is artery, vein, vessel; a vessel pixel without either name is uncertain.
    """
    uncertain = (truth[:, 2] - truth[:, 1] - truth[:, 0]).clamp_min(0)
    known = (mask - uncertain).clamp_min(0) > 0.5

    def bce3(z: torch.Tensor) -> torch.Tensor:
        bce = torch.nn.functional.binary_cross_entropy_with_logits
        names = sum(bce(z[:, i][known], truth[:, i][known]) for i in (0, 1))
        return names + bce(z[:, 2][mask > 0], truth[:, 2][mask > 0])

    first, *mended = found
    weighted = sum(k * bce3(z) for k, z in enumerate(mended, start=1))
    return bce3(first) + weighted / (len(mended) * (len(mended) + 1) / 2)


@pytest.mark.parametrize("passes", [1, 2, 5])
def test_rrwnets_loss_is_the_published_one(passes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    vessel = line()
    named = (torch.rand(1, 1, 24, 24, generator=generator) > 0.3).float()
    artery = vessel * named * (torch.rand(1, 1, 24, 24, generator=generator) > 0.5)
    vein = vessel * named - artery
    fov = torch.ones(1, 1, 24, 24)
    fov[..., :5] = 0
    crops = crops_of(vessel, artery, vein, 1 - vessel * (1 - named), fov=fov)
    found = [torch.randn(1, 3, 24, 24, generator=generator) for _ in range(passes + 1)]
    truth = torch.cat([artery, vein, vessel], 1)
    expected = published_recursive_loss(found, truth, fov[:, 0])
    torch.testing.assert_close(refinement_loss(found, crops), expected)


def test_later_passes_count_more() -> None:
    vessel, none, known = line(), torch.zeros(1, 1, 24, 24), torch.ones(1, 1, 24, 24)
    crops = crops_of(vessel, vessel, none, known)
    right = 40 * (2 * torch.cat([vessel, none, vessel], 1) - 1)
    cost = naming_entropy(-right, crops).item()
    early = refinement_loss([right, -right, right, right], crops).item()
    late = refinement_loss([right, right, right, -right], crops).item()
    assert early == pytest.approx(cost / 6, rel=1e-4)
    assert late == pytest.approx(cost / 2, rel=1e-4)
    assert refinement_loss([right], crops).item() == pytest.approx(0, abs=1e-4)


def test_a_few_steps_teach_rrwnet() -> None:
    torch.manual_seed(0)
    vessel, none = line(32), torch.zeros(1, 1, 32, 32)
    crops = crops_of(vessel, vessel, none, torch.ones(1, 1, 32, 32))
    model = RRWNet(base=4, passes=2)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    images = torch.cat([vessel] * 3, 1)
    losses = []
    for _ in range(25):
        loss = refinement_loss(model(images), crops)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(Refusal, match=r"a segmenter loss \(ce-dice, .*\); got 'hinge'"):
        loss_named("hinge")
    with pytest.raises(Refusal, match="got 'artery-vein'"):
        loss_named("artery-vein", VESSEL_LOSSES)
    assert len({loss.name for loss in LOSSES}) == len(LOSSES)
