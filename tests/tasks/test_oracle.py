"""The oracle learns, is kept, is read again; closed forms rise with what they are named after."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from toy_oracle_eyes import SIDE, toy_eyes, toy_image, toy_pixels, toy_record

from retinaforge.core import Refusal
from retinaforge.tasks.oracle import _plain, at_side, load_oracle, read_held_out, train_oracle
from retinaforge.tasks.oracle_data import (
    kept_through,
    known_eyes,
    load_eyes,
    round_field,
    split_eyes,
    through,
)
from retinaforge.tasks.oracle_readers import Look, read_closed
from retinaforge.tasks.oracle_train import OracleConfig, balance, disguised, fit_oracle, loss_of
from retinaforge.tasks.oracle_words import WORDS, output_kinds, presence
from retinaforge.tasks.records_file import write_known

CONFIG = OracleConfig(epochs=10, batch=16, precision="bf16")
"""Stated: which one is faster depends on what else the machine does."""


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eyes")
    known = toy_eyes(folder, 96) + toy_eyes(folder, 24, "test", first=500)
    return write_known(folder / "records.jsonl", known)


@pytest.fixture(scope="module")
def taught(records, tmp_path_factory):
    out = tmp_path_factory.mktemp("oracle")
    torch.set_num_threads(1)
    about = train_oracle(records, out, side_px=SIDE, config=CONFIG)
    return out, about


def test_it_learns_what_can_be_seen(taught):
    rows = read_held_out(taught[0])
    assert len(rows) == 24
    sides = [(row["network"]["eye"] > 0.5) == (row["truth"]["eye"] > 0.5) for row in rows]
    assert np.mean(sides) > 0.9
    asked = [row["truth"]["pigmentation"] for row in rows]
    read = [row["network"]["pigmentation"] for row in rows]
    assert np.corrcoef(asked, read)[0, 1] > 0.7


def test_a_folder_reads_as_the_network_that_was_saved(taught):
    oracle = load_oracle(taught[0])
    row = read_held_out(taught[0])[0]
    number = int(row["name"].split("/")[1][:3])
    said = oracle.read(toy_image(toy_record(number, "test"), number)[None])[0]
    for name, value in row["network"].items():
        assert said["network"][name] == pytest.approx(value, abs=1e-4), name
    assert presence("drusen") in said["network"]


def test_the_same_call_finds_it_done_and_another_is_refused(taught, records):
    assert train_oracle(records, taught[0], side_px=SIDE, config=CONFIG) == taught[1]
    with pytest.raises(Refusal, match=r"same oracle; got another.*\(side_px 48, not 64\)"):
        train_oracle(records, taught[0], side_px=64, config=CONFIG)
    with pytest.raises(Refusal, match=r"another oracle.*'precision': 'bf16'"):
        train_oracle(records, taught[0], side_px=SIDE, config=replace(CONFIG, precision="auto"))


def test_a_folder_of_before_precision_could_be_stated_goes_on():
    assert "precision" not in _plain(OracleConfig())
    assert _plain(CONFIG)["precision"] == "bf16"


def test_too_few_eyes_and_wrong_places_are_refused_before_any_work(records, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(Refusal, match="8 held out; got 4 and 4; raise --most"):
        train_oracle(records, out, side_px=SIDE, most=4)
    few = write_known(
        tmp_path / "few.jsonl", toy_eyes(tmp_path, 9) + toy_eyes(tmp_path, 7, "val", first=50)
    )
    with pytest.raises(Refusal, match="8 held out; got 9 and 7; draw more eyes"):
        train_oracle(few, out, side_px=SIDE)
    with pytest.raises(Refusal, match="autoencoder"):
        train_oracle(records, out, side_px=SIDE, autoencoder=tmp_path)
    assert not out.exists()
    with pytest.raises(Refusal, match="a folder to write; got a file"):
        train_oracle(records, few, side_px=SIDE)


def test_a_folder_without_an_oracle_is_refused(tmp_path):
    with pytest.raises(Refusal, match=r"an oracle's folder with oracle\.safetensors"):
        load_oracle(tmp_path)


def test_eyes_without_held_out_ones_are_refused(tmp_path):
    known = toy_eyes(tmp_path, 3)
    with pytest.raises(Refusal, match="held out"):
        split_eyes(known)


def test_records_are_found_in_a_file_and_in_a_folder(records):
    assert [k.record for k in known_eyes(records)] == [k.record for k in known_eyes(records.parent)]


def test_an_unreadable_image_is_left_out(tmp_path):
    known = toy_eyes(tmp_path, 3)
    known[1].path.write_bytes(b"no image")
    eyes = load_eyes(known, tmp_path / "cache", side_px=SIDE)
    assert [r.image for r in eyes.records] == ["images/000.png", "images/002.png"]
    assert "images/001.png" in (tmp_path / "cache" / "squares.json").read_text()


class Even(torch.nn.Module):
    """An autoencoder that gives every pixel one value, its only weight."""

    config = type("C", (), {"factor": 4})()

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(value))

    def forward(self, x):
        return type("O", (), {"reconstruction": torch.zeros_like(x) + self.value})()


def test_what_is_kept_is_of_these_files_and_these_weights(tmp_path):
    known, folder = toy_eyes(tmp_path, 3), tmp_path / "cache"
    eyes = load_eyes(known, folder, side_px=SIDE)
    path = folder / "rebuilt.npy"
    assert kept_through(Even(0.0), eyes, path).max() == 128
    assert kept_through(Even(1.0), eyes, path).max() == 255, "another autoencoder's"
    assert len(kept_through(Even(1.0), eyes, path, most=2)) == 2
    before = path.stat().st_mtime_ns
    assert len(kept_through(Even(1.0), eyes, path, most=2)) == 2
    assert path.stat().st_mtime_ns == before
    Image.new("RGB", (SIDE, SIDE), (9, 9, 9)).save(known[0].path)
    assert load_eyes(known, folder, side_px=SIDE).pixels[0].max() == 9, "the image of before"


def test_a_mirrored_right_eye_is_a_left_eye():
    images = torch.zeros(64, 3, 8, 8)
    images[..., 0] = 1.0
    targets = torch.full((64, len(output_kinds())), 1.0)
    made, wanted = disguised(images, targets, np.random.default_rng(0))
    mirrored = made[..., -1].mean((1, 2)) > made[..., 0].mean((1, 2))
    assert 10 < int(mirrored.sum()) < 54
    assert torch.equal(wanted[:, 0] == 0, mirrored)
    assert (wanted[:, 1:] == 1).all()


def test_nobody_learns_from_what_is_unknown():
    outputs = torch.randn(2, len(output_kinds()), requires_grad=True)
    targets = torch.full_like(outputs, float("nan"))
    targets[0, 0] = 1.0
    loss_of(outputs, targets).backward()
    assert outputs.grad[0, 0] != 0
    assert outputs.grad.abs().sum() == outputs.grad[0, 0].abs()


def test_a_rare_finding_is_told_at_one_half_after_balancing(records, tmp_path):
    learnt, _ = split_eyes(known_eyes(records))
    eyes = load_eyes(learnt, tmp_path, side_px=SIDE)
    network, _, _ = fit_oracle(eyes, config=OracleConfig(epochs=3, batch=16, precision="fp32"))
    at = [w.name for w in WORDS].index("haze")
    place = sum(w.outputs for w in WORDS[:at])
    with torch.no_grad():
        network.head.bias[place] -= 30
        before = network.head.bias[place].item()
    shifts = balance(network, eyes, None)
    assert shifts["haze"] < -10
    assert network.head.bias[place].item() == pytest.approx(before - shifts["haze"])


def test_through_an_autoencoder_the_outside_stays_black():
    class Grey(torch.nn.Module):
        config = type("C", (), {"factor": 4})()

        def forward(self, x):
            return type("O", (), {"reconstruction": torch.zeros_like(x)})()

    inside = np.broadcast_to(round_field(16), (2, 16, 16))
    made = through(Grey(), np.full((2, 16, 16, 3), 255, np.uint8), inside)
    assert set(np.unique(made[inside])) == {128}
    assert made[~inside].max() == 0


def test_another_side_is_resampled():
    pixels, inside = at_side(np.full((1, 96, 96, 3), 200, np.uint8), None, SIDE)
    assert pixels.shape == (1, SIDE, SIDE, 3)
    assert inside.shape == (1, SIDE, SIDE)
    assert abs(int(pixels[0, 24, 24, 0]) - 200) <= 1


FIELD = round_field(SIDE)


@pytest.mark.parametrize("eye", ["OD", "OS"])
def test_the_disc_tells_the_side(eye):
    said = read_closed(toy_pixels(eye), FIELD)["eye"]
    assert said * (1 if eye == "OD" else -1) > 0.3


LARGE = round_field(128)


def test_closed_forms_rise_with_their_facts():
    def said(**facts):
        return read_closed(toy_pixels(side_px=128, **facts), LARGE)

    plain, spots = said(), said(hard_exudate=12)
    assert said(pigmentation=0.9)["pigmentation"] > plain["pigmentation"] + 0.3
    assert said(haze=True)["haze"] > plain["haze"] + 0.3
    assert spots["hard_exudate"] > 2 * plain["hard_exudate"] + 0.1
    assert spots["cotton_wool_spot"] > 2 * plain["cotton_wool_spot"] + 0.1


def test_blur_rises_with_smoothing():
    rng = np.random.default_rng(0)
    sharp = (np.clip(rng.normal(120, 30, (SIDE, SIDE, 3)), 0, 255)).astype(np.uint8)
    said = [
        read_closed(ndimage.gaussian_filter(sharp, (s, s, 0)), FIELD)["blur"] for s in (0, 1, 2)
    ]
    assert said[0] < said[1] < said[2]


def test_dark_ridges_count_as_vessels():
    rng = np.random.default_rng(0)
    few = np.full((128, 128, 3), 150.0)
    few[:, 16:128:32] = 90
    many = few.copy()
    many[:, 8:128:16] = 90
    noise = rng.normal(0, 1, few.shape)
    said = [read_closed((plane + noise).astype(np.uint8), LARGE) for plane in (few, many)]
    assert said[0]["vessel_density"] < said[1]["vessel_density"]


def test_a_black_image_reads_nothing():
    assert all(
        np.isnan(v) for v in read_closed(np.zeros((SIDE, SIDE, 3), np.uint8), FIELD).values()
    )


def test_lesions_on_the_disc_do_not_count():
    assert not Look(toy_pixels("OD"), FIELD).off_disc[SIDE // 2, int(0.8 * SIDE)]
