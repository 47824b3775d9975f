"""The vessel network: any size, deaf to exposure, small, and open to gradients."""

import pytest
import torch

from retinaforge.nets.landmarks import LandmarkNet
from retinaforge.nets.unet import VesselNet, flatten_background, folded


@pytest.fixture(scope="module")
def net() -> VesselNet:
    torch.manual_seed(0)
    return VesselNet().eval()


def test_the_shipped_widths_fit_into_five_megabytes(net: VesselNet) -> None:
    size = sum(value.numel() * value.element_size() for value in net.state_dict().values())
    assert size < 5e6


@pytest.mark.parametrize("size", [(64, 64), (50, 71), (17, 130)])
def test_logits_have_the_images_size(net: VesselNet, size: tuple[int, int]) -> None:
    assert net(torch.rand(2, 3, *size)).shape == (2, 1, *size)


def test_stages_halve_in_size_and_follow_the_widths(net: VesselNet) -> None:
    stages = net.features(torch.rand(1, 3, 64, 96))
    assert [tuple(stage.shape[1:]) for stage in stages] == [
        (16, 64, 96), (32, 32, 48), (64, 16, 24), (96, 8, 12), (128, 4, 6)
    ]  # fmt: skip


def test_every_stage_and_the_logits_pass_gradients_to_the_image(net: VesselNet) -> None:
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    for output in (*net.features(images), net(images)):
        (gradient,) = torch.autograd.grad(output.square().sum(), images, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_background_is_flat_and_even_inside_and_zero_outside() -> None:
    torch.manual_seed(1)
    images, fov = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    fov[..., 8:56, 8:56] = 1
    flat = flatten_background(images, fov)
    inside = flat[..., 8:56, 8:56]
    assert flat[..., :8, :].abs().max() == 0
    assert inside.mean((2, 3)).abs().max() < 0.05
    torch.testing.assert_close(inside.square().mean((2, 3)), torch.ones(1, 3), atol=0.01, rtol=0)


def test_gain_and_offset_of_a_channel_leave_no_trace() -> None:
    torch.manual_seed(2)
    images, fov = torch.rand(1, 3, 64, 64), torch.ones(1, 1, 64, 64)
    gain = torch.tensor([0.5, 2.0, 1.3])[None, :, None, None]
    flat = flatten_background(images, fov)
    again = flatten_background(gain * images - 0.4, fov)
    interior = (..., slice(24, 40), slice(24, 40))  # the window is cut off nearer to the border
    torch.testing.assert_close(again[interior], flat[interior], atol=0.02, rtol=0.02)


def test_a_black_frame_gives_finite_logits(net: VesselNet) -> None:
    assert net(torch.full((1, 3, 48, 48), -1.0), torch.zeros(1, 1, 48, 48)).isfinite().all()


def test_the_field_of_views_outside_does_not_matter(net: VesselNet) -> None:
    torch.manual_seed(3)
    images, fov = torch.rand(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    fov[..., 16:48, 16:48] = 1
    other = torch.where(fov > 0, images, torch.rand_like(images))
    torch.testing.assert_close(net(images, fov), net(other, fov))


@pytest.mark.parametrize("kind", [VesselNet, LandmarkNet])
def test_folding_batch_norms_leaves_the_function_as_it_is(kind: type[VesselNet]) -> None:
    torch.manual_seed(0)
    net = kind()
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.uniform_(-1, 1)
            part.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(part.weight, 0.5, 2)
            torch.nn.init.uniform_(part.bias, -1, 1)
    net.eval()
    images = torch.rand(2, 3, 70, 64) * 2 - 1
    with torch.inference_mode():
        before, after = net(images), folded(net)(images)
    assert not any(isinstance(p, torch.nn.BatchNorm2d) for p in folded(net).modules())
    assert any(isinstance(p, torch.nn.BatchNorm2d) for p in net.modules())
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4 * float(before.abs().max()))
