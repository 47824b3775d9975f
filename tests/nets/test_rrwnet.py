"""RRWNet: the published layout, any size, any number of passes, mending anybody's maps."""

from __future__ import annotations

import pytest
import torch

from retinaforge.core import Refusal
from retinaforge.nets.rrwnet import BASE, RRWNet, own_keys, published_keys


@pytest.fixture(scope="module")
def net() -> RRWNet:
    torch.manual_seed(0)
    return RRWNet(base=4, passes=3).eval().requires_grad_(False)


def test_the_published_layout_names_every_convolution_twice(net: RRWNet) -> None:
    published = published_keys(net.state_dict())
    assert published["first_u.conv1.conv1.weight"].shape == (4, 3, 3, 3)
    assert published["first_u.conv5.conv_block.2.bias"].shape == (64,)
    assert published["second_u.upconv1.conv_block.0.weight"].shape == (64, 32, 2, 2)
    assert published["second_u.conv6.conv1.weight"].shape == (32, 64, 3, 3)
    assert published["second_u.outconv.weight"].shape == (2, 4, 1, 1)
    # 9 pairs with 4 tensors and 4 upsamplings with 2, twice, and outconv's 2, in each network.
    assert len(published) == 2 * (2 * (9 * 4 + 4 * 2) + 2)


def test_the_published_size_is_that_of_the_paper() -> None:
    with torch.device("meta"):
        model = RRWNet()
    assert model.passes == 6
    assert sum(p.numel() for p in model.first_u.parameters()) == pytest.approx(31.0e6, rel=0.01)
    assert model.first_u.get_submodule("conv1").conv1.weight.shape[0] == BASE


def test_a_published_state_loads_and_gives_the_same_maps(net: RRWNet) -> None:
    again = RRWNet(base=4, passes=3).eval()
    again.load_state_dict(own_keys(published_keys(net.state_dict())))
    x = torch.rand(1, 3, 40, 48)
    assert torch.equal(net(x)[-1], again(x)[-1])


def test_a_state_with_only_one_of_the_two_names_loads(net: RRWNet) -> None:
    published = published_keys(net.state_dict())
    half = {key: value for key, value in published.items() if ".conv_block." in key}
    half |= {key: value for key, value in published.items() if ".outconv." in key}
    RRWNet(base=4).load_state_dict(own_keys(half))


def test_two_copies_that_differ_are_refused(net: RRWNet) -> None:
    published = dict(published_keys(net.state_dict()))
    key = "first_u.conv1.conv_block.0.weight"
    published[key] = published[key] + 1
    with pytest.raises(Refusal, match=r"two different ones of first_u\.conv1\.conv1\.weight"):
        own_keys(published)


@pytest.mark.parametrize("size", [(32, 32), (33, 71), (50, 64)])
@pytest.mark.parametrize("passes", [0, 1, 5])
def test_passes_never_change_the_shape_nor_the_vessel_map(
    net: RRWNet, size: tuple[int, int], passes: int
) -> None:
    found = net(torch.rand(2, 3, *size), passes)
    assert len(found) == passes + 1
    assert {tuple(logits.shape) for logits in found} == {(2, 3, *size)}
    assert all(torch.equal(logits[:, 2], found[0][:, 2]) for logits in found)


def test_the_passes_of_forward_are_those_of_refine(net: RRWNet) -> None:
    x = torch.rand(1, 3, 64, 64)
    found = [logits.sigmoid() for logits in net(x)]
    torch.testing.assert_close(net.refine(found[0]), found[-1])
    torch.testing.assert_close(net.refine(found[1], 2), found[3])


@pytest.mark.parametrize("passes", [0, 1, 4])
def test_anybodys_maps_keep_shape_range_and_vessels(net: RRWNet, passes: int) -> None:
    maps = torch.rand(2, 3, 37, 45)
    mended = net.refine(maps, passes)
    assert mended.shape == maps.shape
    assert torch.equal(mended[:, 2], maps[:, 2])
    assert ((mended >= 0) & (mended <= 1)).all()
    assert torch.equal(net.refine(maps, 0), maps)
