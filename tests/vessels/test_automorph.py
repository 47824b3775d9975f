"""AutoMorph's networks by file: key layout, closed forms, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from retinaforge.anatomy import load_anatomy
from retinaforge.core import Fov, Photograph
from retinaforge.images import find_fov, read_index_mask, read_photograph, read_records
from retinaforge.nets.automorph import ArteryVeinTrio, Segmenter, _Fold
from retinaforge.vessels import WeightsRefused, load_artery_vein_judge, load_judge
from retinaforge.vessels.automorph import FILES, _planes

Layout = dict[str, tuple[int, ...]]
DATA = Path(__file__).parents[3] / "shared/data"
DISC_CUP = DATA / "weights/automorph_disc_cup/model_checkpoint.pth"


def conv(name: str, inputs: int, outputs: int, kernel: int) -> Layout:
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


def norm(name: str, channels: int) -> Layout:
    per_channel = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{k}": (channels,) for k in per_channel} | {f"{name}.num_batches_tracked": ()}


def stage(name: str, inputs: int, outputs: int, at: int = 0) -> Layout:
    return conv(f"{name}.{at}", inputs, outputs, 3) | norm(f"{name}.{at + 1}", outputs)


def twice(name: str, inputs: int, outputs: int) -> Layout:
    return stage(name, inputs, outputs) | stage(name, outputs, outputs, 3)


def published_layout(width: int, classes: int, *, sides: bool = False) -> Layout:
    """Return keys and shapes as AutoMorph's model.py at 9a953e5 makes them, written by hand."""
    n = width
    keys = twice("inc.double_conv", 3, n)
    for k, (wide, deep) in enumerate(((n, 2 * n), (2 * n, 4 * n), (4 * n, 8 * n), (8 * n, 16 * n))):
        keys |= twice(f"down{k + 1}.maxpool_conv.1.double_conv", wide, deep)
    for k, (deep, wide) in enumerate(((16 * n, 8 * n), (8 * n, 4 * n), (4 * n, 2 * n), (2 * n, n))):
        keys |= stage(f"up{k + 1}.conv_bottom.single_conv", deep, wide)
        keys |= norm(f"up{k + 1}.add.activation.0", wide // 2)
        keys |= twice(f"up{k + 1}.conv.double_conv", deep, wide)
    keys |= conv("outc.conv", n, classes, 1)
    for k, wide in ((1, 8 * n), (2, 4 * n), (3, 2 * n)) if sides else ():
        for j in range(4 - k):
            at = f"S{k}.side_block_{j + 1}.block"
            keys |= stage(at, wide >> j, wide >> (j + 1), 1)
        keys |= conv(f"S{k}.side_output", n, classes, 1)
    return keys


def checkpoint(path: Path, layout: Layout, seed: int = 0) -> Path:
    """Write random weights in that layout, as `torch.save(net.state_dict())` does."""
    rng = torch.Generator().manual_seed(seed)

    def array(key: str, shape: tuple[int, ...]) -> torch.Tensor:
        if key.endswith("tracked"):
            return torch.tensor(1)
        value = torch.randn(shape, generator=rng) * 0.2
        return value.abs() + 0.5 if key.endswith("running_var") else value

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({key: array(key, shape) for key, shape in layout.items()}, path)
    return path


def eye(side: int = 96) -> tuple[Photograph, Fov]:
    rng = np.random.default_rng(0)
    y, x = np.indices((side, side)) - (side - 1) / 2
    inside = np.hypot(x, y) < side / 2 - 2
    pixels = (rng.integers(60, 200, (side, side, 3)) * inside[..., None]).astype(np.uint8)
    return Photograph(pixels, "x"), Fov(inside, ((side - 1) / 2,) * 2, side / 2 - 2, "circle")


def test_published_layouts_are_ours() -> None:
    for ours, layout in (
        (Segmenter(1), published_layout(32, 1)),
        (ArteryVeinTrio().main, published_layout(32, 4, sides=True)),
        (ArteryVeinTrio().artery, published_layout(32, 4)),
    ):
        assert {key: tuple(v.shape) for key, v in ours.state_dict().items()} == layout


def test_fold_sums_neighbouring_channels() -> None:
    x = torch.arange(4.0).reshape(1, 4, 1, 1)
    fold = _Fold(4).eval()
    assert torch.allclose(fold(x).flatten() * (1 + 1e-5) ** 0.5, torch.tensor([1.0, 5.0]))


def test_planes_are_normalised_over_bright_pixels() -> None:
    images = torch.full((1, 3, 2, 2), -1.0)
    images[0, :, 0, 0], images[0, :, 0, 1] = 100 / 127.5 - 1, 200 / 127.5 - 1
    _, mean, sd = _planes(images, 40.0)
    assert mean.flatten().tolist() == [150] * 3
    assert sd.flatten().tolist() == [50] * 3


def test_a_vessel_file_is_a_judge(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "seed_42" / "G_best_F1_epoch.pth", published_layout(4, 1))
    judge = load_judge(f"automorph:{path}")
    photo, fov = eye()
    p = judge.probability(photo, fov)
    assert p.shape == photo.size_px
    assert p[~fov.mask].max() == 0
    assert p[fov.mask].std() > 0
    assert (p == load_judge(f"automorph:{path}").probability(photo, fov)).all()
    assert judge.card.name == "automorph:seed_42"


def test_three_files_are_an_artery_vein_judge(tmp_path: Path) -> None:
    for seed, (part, name) in enumerate(FILES.items()):
        layout = published_layout(4, 4, sides=part == "main")
        checkpoint(tmp_path / name, layout, seed)
    photo, fov = eye()
    maps = load_artery_vein_judge(f"automorph:{tmp_path}").maps(photo, fov)
    assert maps.artery.shape == photo.size_px
    assert (maps.vessel <= maps.artery + maps.vein + 1e-5).all()
    checkpoint(tmp_path / FILES["vein"], published_layout(4, 4), seed=9)
    other = load_artery_vein_judge(f"automorph:{tmp_path}").maps(photo, fov)
    assert abs(other.vein - maps.vein).max() > 1e-4


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    layout = published_layout(4, 1)
    del layout["outc.conv.bias"]
    path = checkpoint(tmp_path / "a.pth", layout | {"outc.more": (1,)})
    with pytest.raises(WeightsRefused, match=r"the keys of Segmenter.*outc\.conv\.bias") as refused:
        load_judge(f"automorph:{path}")
    assert "outc.more" in str(refused.value)
    with pytest.raises(WeightsRefused, match=r"network of AutoMorph with the key inc\.doubl"):
        load_judge(f"automorph:{checkpoint(tmp_path / 'b.pth', {'x': (1,)})}")
    with pytest.raises(WeightsRefused, match="which is no file"):
        load_judge(f"automorph:{tmp_path / 'none.pth'}")
    with pytest.raises(WeightsRefused, match="a folder of AutoMorph's three networks"):
        load_artery_vein_judge(f"automorph:{path}")
    with pytest.raises(WeightsRefused, match=r"CP_best_F1_all\.pth, which is no file"):
        load_artery_vein_judge(f"automorph:{tmp_path}")
    with pytest.raises(WeightsRefused, match="the keys of LittleWNet"):
        load_anatomy(f"automorph:{path}")
    with pytest.raises(WeightsRefused, match="which is no file"):
        load_anatomy(f"automorph:{tmp_path / 'none.pth'}")
    torch.save({"x": Path("/")}, tmp_path / "code.pth")
    with pytest.raises(WeightsRefused, match="holds only arrays"):
        load_judge(f"automorph:{tmp_path / 'code.pth'}")


@pytest.mark.data
@pytest.mark.skipif(not DISC_CUP.is_file(), reason="needs AutoMorph's disc and cup weights")
def test_published_disc_weights_find_discs() -> None:
    model = load_anatomy(f"automorph:{DISC_CUP}")
    rows = [r for r in read_records(DATA / "idrid_segmentation") if "disc" in r.masks][:3]
    for record in rows:
        photo = read_photograph(record.path)
        fov = find_fov(photo)
        disc = model.maps(photo, fov)[0] >= 0.5
        truth = read_index_mask(record.masks["disc"], size_px=photo.size_px)
        dice = 2 * (disc & truth).sum() / (disc.sum() + truth.sum())
        assert dice > 0.85
        marks = model.landmarks(photo, fov)
        assert marks.fovea_px is None
        assert marks.cup_axes_px[1] < marks.disc_axes_px[1]
