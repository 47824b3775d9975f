"""Every judge keeps the same promises; wrong weight files are refused in words."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from retinaforge.core import Fov, Photograph, Refusal
from retinaforge.nets.lwnet import LittleWNet
from retinaforge.nets.unet import VesselNet
from retinaforge.phantoms import draw_phantom
from retinaforge.vessels import JUDGES, Judge, WeightsRefused, load_judge, shipped_weights
from retinaforge.vessels.network import read_network, save_network

META = {"threshold": 0.5, "views_px": [200.0], "training_data": ["none"], "licence": "none"}
SIZE_PX = 256


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "model_checkpoint.pth"
    torch.manual_seed(0)
    torch.save({"model_state_dict": LittleWNet().state_dict()}, path)
    return path


@pytest.fixture(scope="module", params=["ours", "classical", "lwnet"])
def judge(request: pytest.FixtureRequest, weights: Path) -> Judge:
    return load_judge(f"lwnet:{weights}" if request.param == "lwnet" else request.param)


@pytest.fixture(scope="module")
def eye() -> tuple[Photograph, Fov, np.ndarray]:
    phantom = draw_phantom(5, size_px=SIZE_PX)
    return phantom.photograph, phantom.fov, phantom.vessel


def turned(photo: Photograph, fov: Fov) -> tuple[Photograph, Fov]:
    """Turn by a quarter against the clock."""
    x, y = fov.centre_px
    centre = (y, photo.size_px[1] - 1 - x)
    pixels = np.rot90(photo.pixels).copy()
    return photo.after(pixels, "turned"), Fov(np.rot90(fov.mask), centre, fov.radius_px, fov.kind)


def test_the_contract_fixture_covers_the_catalogue() -> None:
    elsewhere = ["automorph", "smp", "torchvision"]  # test_automorph.py, test_package_judges.py
    assert [entry.name for entry in JUDGES] == ["ours", "classical", "lwnet", *elsewhere]


def test_the_card_says_family_data_and_licence(judge: Judge) -> None:
    card = judge.card.as_dict()
    assert card["family"] in ("network", "filter")
    assert all(card[key] for key in ("name", "measures", "training_data", "licence", "reference"))
    assert 0 < judge.threshold < 1


def test_probability_has_the_photographs_size_and_range_and_is_zero_outside(
    judge: Judge, eye: tuple[Photograph, Fov, np.ndarray]
) -> None:
    photo, fov, _ = eye
    p = judge.probability(photo, fov)
    assert (p.shape, p.dtype) == (photo.size_px, np.float32)
    assert 0 <= p.min() <= p.max() <= 1
    assert (p[~fov.mask] == 0).all()
    assert p[fov.mask].std() > 0
    assert np.array_equal(judge.mask(photo, fov), p >= judge.threshold)


def test_the_same_photograph_gives_the_same_answer(
    judge: Judge, eye: tuple[Photograph, Fov, np.ndarray]
) -> None:
    photo, fov, _ = eye
    assert np.array_equal(judge.probability(photo, fov), judge.probability(photo, fov))


def test_odd_sizes_cut_circles_and_full_frames_are_answered(judge: Judge) -> None:
    rng = np.random.default_rng(0)
    photo = Photograph(rng.integers(0, 256, (97, 131, 3), np.uint8), "noise")
    y, x = np.mgrid[:97, :131]
    cut = Fov(np.hypot(x - 65, y - 48) < 60, (65.0, 48.0), 60.0, "cut circle")
    full = Fov(np.ones((97, 131), bool), (65.0, 48.0), 81.5, "full frame")
    for fov in (cut, full):
        assert judge.probability(photo, fov).shape == (97, 131)


def test_a_field_of_view_of_another_size_is_refused(
    judge: Judge, eye: tuple[Photograph, Fov, np.ndarray]
) -> None:
    other = Fov(np.ones((8, 8), bool), (4.0, 4.0), 4.0, "full frame")
    with pytest.raises(Refusal, match="a field of view of the photograph's"):
        judge.probability(eye[0], other)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * int((a & b).sum()) / int(a.sum() + b.sum())


@pytest.mark.parametrize("name", ["ours", "classical"])
def test_turning_the_photograph_turns_the_vessels(
    name: str, eye: tuple[Photograph, Fov, np.ndarray]
) -> None:
    judge, (photo, fov, _) = load_judge(name), eye
    straight = judge.mask(photo, fov)
    assert dice(np.rot90(straight), judge.mask(*turned(photo, fov))) > 0.85


@pytest.mark.parametrize("name", ["ours", "classical"])
def test_the_size_of_the_photograph_hardly_matters(name: str) -> None:
    judge = load_judge(name)
    small, large = (draw_phantom(5, size_px=size) for size in (512, 1024))
    of_small = judge.mask(small.photograph, small.fov)
    of_large = judge.mask(large.photograph, large.fov)[::2, ::2]
    assert dice(of_small, of_large) > 0.7


@pytest.mark.parametrize(("name", "bound"), [("ours", 0.7), ("classical", 0.5)])
def test_vessels_of_a_phantom_are_found(name: str, bound: float) -> None:
    judge, scores = load_judge(name), []
    for seed in (11, 12, 13):
        phantom = draw_phantom(seed, size_px=512)
        scores.append(dice(judge.mask(phantom.photograph, phantom.fov), phantom.vessel))
    assert np.mean(scores) > bound


def test_the_shipped_weights_are_small_and_say_what_they_were_made_from() -> None:
    path = shipped_weights()
    _, meta = read_network(path)
    assert path.stat().st_size <= 5_000_000
    *sets, phantoms = meta["training_data"]
    assert {entry.split()[0] for entry in sets} <= {"chase_db1", "hrf"}
    assert phantoms == "60 phantoms"
    assert "CC BY 4.0" in meta["licence"]


def test_saved_weights_come_back_equal(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = VesselNet((8, 16)).eval()
    again, meta = read_network(save_network(model, tmp_path / "net.safetensors", meta=META))
    assert meta == {**META, "widths": [8, 16], "outputs": 1}
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(model(x), again(x))


def write_text(path: Path) -> None:
    path.write_text("no weights")


def write_bare(path: Path) -> None:
    if path.suffix == ".pth":
        torch.save({"weights": torch.zeros(1)}, path)
    else:
        save_file({"weights": torch.zeros(1)}, path)


def write_other_keys(path: Path) -> None:
    if path.suffix == ".pth":
        torch.save({"model_state_dict": {"unet3.weight": torch.zeros(1)}}, path)
    else:
        model = VesselNet((8, 16))
        model.register_buffer("more", torch.zeros(1))
        save_network(model, path, meta=META)


def write_other_shapes(path: Path) -> None:
    if path.suffix == ".pth":
        torch.save({"model_state_dict": LittleWNet(classes=4).state_dict()}, path)
    else:
        model = VesselNet((8, 16))
        model.widths = (8, 24)
        save_network(model, path, meta=META)


@pytest.mark.parametrize("spec", ["lwnet:{}/net.pth", "ours:{}/net.safetensors"])
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "no file at"),
        (write_text, "expected a (PyTorch checkpoint of plain tensors|retinaforge vessel network)"),
        (write_bare, "(without it|of format None)"),
        (write_other_keys, "1 unexpected"),
        (write_other_shapes, "reshaped"),
    ],
)
def test_wrong_weight_files_are_refused(
    spec: str, write: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    full = spec.format(tmp_path)
    write(Path(full.partition(":")[2]))
    with pytest.raises(WeightsRefused, match=message):
        load_judge(full)


@pytest.mark.parametrize("spec", ["theirs", "lwnet", "classical:file", "ours:", ""])
def test_unknown_judges_are_refused_with_the_known_ones(spec: str) -> None:
    with pytest.raises(Refusal, match=r"ours, ours:FILE, classical, lwnet:FILE"):
        load_judge(spec)
