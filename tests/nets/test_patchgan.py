"""The patch discriminator: its patches, norms and refusals."""

import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.nets.patchgan import PatchDiscriminator


@pytest.mark.parametrize(("layers", "patch_px"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_the_patch_of_the_paper(layers, patch_px):
    net = PatchDiscriminator(width=4, layers=layers, norm="none")
    images = torch.zeros(1, 3, 128, 128, requires_grad=True)
    logits = net(images)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    rows = images.grad.abs().sum((0, 1, 3)).nonzero()
    assert int(rows.max() - rows.min()) + 1 == patch_px


@pytest.mark.parametrize("norm", ["none", "group", "batch"])
@pytest.mark.parametrize("spectral", [False, True])
def test_shape_and_gradient_under_every_norm(norm, spectral):
    net = PatchDiscriminator(width=4, norm=norm, spectral=spectral)
    images = torch.randn(2, 3, 64, 64, requires_grad=True)
    logits = net(images)
    assert logits.shape == (2, 1, 6, 6)
    logits.sum().backward()
    assert images.grad.abs().max() > 0


def test_spectral_norm_bounds_the_first_layer():
    net = PatchDiscriminator(width=4, spectral=True).train()
    for _ in range(30):
        net(torch.zeros(1, 3, 64, 64))
    weight = net.layers[0].weight.detach().flatten(1)
    assert torch.linalg.matrix_norm(weight, 2) == pytest.approx(1.0, abs=0.05)


def test_unknown_norm_is_refused():
    with pytest.raises(Refusal, match=r"expected norm .* got 'layer'; choose one of them"):
        PatchDiscriminator(norm="layer")
