"""Little W-Net: its published size, its shapes, its second network sees the first one's answer."""

import torch

from retinaforge.nets.lwnet import LittleWNet


def test_it_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in LittleWNet().parameters()) == 68_482


def test_the_artery_vein_layout_has_four_outputs_and_one_more_level() -> None:
    net = LittleWNet(classes=4, widths=(8, 16, 32, 64)).eval()
    assert net(torch.rand(1, 3, 32, 48)).shape == (1, 4, 32, 48)
    assert sum(p.numel() for p in net.parameters()) > 4 * 68_482 // 2


def test_the_second_network_reads_the_first_ones_logits() -> None:
    torch.manual_seed(0)
    net, images = LittleWNet().eval(), torch.rand(1, 3, 32, 32)
    before = net(images)
    with torch.no_grad():
        net.unet1.final.bias += 1.0
    assert not torch.allclose(net(images), before)
