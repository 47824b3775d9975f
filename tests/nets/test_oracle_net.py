"""The oracle's network: its shapes, and that an image's answer is its own."""

import pytest
import torch

from retinaforge.nets.oracle import OracleNet


@pytest.mark.parametrize("side", [32, 64, 128])
def test_outputs_of_any_side(side):
    network = OracleNet(5, side_px=side, widths=(4, 8, 8, 8)).eval()
    assert network(torch.zeros(2, 3, side, side)).shape == (2, 5)


def test_answers_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    network = OracleNet(3, side_px=32, widths=(4, 8, 8, 8)).eval()
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(images)[1:2], network(images[1:2]))


def test_left_and_right_are_kept_apart():
    torch.manual_seed(0)
    network = OracleNet(3, side_px=32, widths=(4, 8, 8, 8)).eval()
    image = torch.zeros(1, 3, 32, 32)
    image[..., 4] = 1
    with torch.no_grad():
        assert (network(image) - network(image.flip(3))).abs().max() > 1e-4
