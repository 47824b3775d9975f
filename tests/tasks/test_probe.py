"""A whole probing run on made-up encoders: scores, differences, twins, before and after."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from retinaforge.core import Record, Refusal
from retinaforge.encoders import Encoder, MapEncoder, load
from retinaforge.encoders.twin import is_untrained, untrained_twin
from retinaforge.tasks import probe_attentive
from retinaforge.tasks.probe import Options, probe
from retinaforge.tasks.probe_rebuilt import name_of, reconstructions
from retinaforge.tasks.probe_results import summary, write_results

SIDE, COUNT = 48, 60


class Stripes(nn.Module):
    """A network that sees how striped an image is along each side, in one layer with weights."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 2, 1, bias=False)

    def forward(self, images: torch.Tensor, blocks: tuple[int, ...]) -> list[torch.Tensor]:
        across = (images[..., 1:] - images[..., :-1]).abs()[..., :-1, :]
        down = (images[..., 1:, :] - images[..., :-1, :]).abs()[..., :-1]
        both = torch.cat(
            [across.mean(1, True), down.mean(1, True), self.mix(images)[..., 1:, 1:]], 1
        )
        return [nn.functional.avg_pool2d(both, 8) for _ in blocks]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    card = replace(load("random-vit-tiny").card, name="stripes", domain="retina")
    return MapEncoder(card, Stripes(), preprocess=nn.Identity(), blocks=(0,), input_px=SIDE)


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Return images of one mean colour; their stripes' contrast is the age and tells the sex."""
    folder = tmp_path_factory.mktemp("eyes")
    rng = np.random.default_rng(0)
    records = []
    for k in range(COUNT):
        striped = rng.uniform(0, 60)
        pixels = np.full((SIDE, SIDE, 3), 120.0) + rng.normal(0, 2, (SIDE, SIDE, 3))
        pixels[:, ::2] += striped / 2
        pixels[:, 1::2] -= striped / 2
        path = folder / f"{k:03d}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        columns = {"age": f"{20 + striped:.1f}", "sex": "F" if striped < 30 else "M"}
        split = ("train", "train", "test")[k % 3]
        records.append(Record(path, path.name, "eyes", f"p{k}", True, split=split, columns=columns))
    return records


@pytest.fixture(scope="module")
def probed(encoder: Encoder, eyes: list[Record]):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe_attentive, "EPOCHS", 2)
        patch.setattr(probe_attentive, "STEPS", 4)
        return probe({"stripes": encoder}, eyes, "sex", None)


def test_scores_stand_beside_what_needs_no_training(probed) -> None:
    told = summary(probed)
    rows = {(r["encoder"], r["probe"], r["metric"]): r for r in told["results"]}
    own = rows["stripes", "linear", "auroc"]
    assert own["value"] > 0.95
    assert own["interval"][0] <= own["value"] <= own["interval"][1]
    assert len(own["per_seed"]) == 5
    assert (own["n"], own["patients"], own["n_teach"]) == (20, 20, 40)
    assert rows["constant", "", "auroc"]["value"] == 0.5
    assert rows["constant", "", "balanced_accuracy"]["value"] == 0.5
    gaps = {(d["encoder"], d["probe"], d["against"], d["metric"]): d for d in told["differences"]}
    against = gaps["stripes", "linear", "constant", "auroc"]
    assert against["value"] == pytest.approx(own["value"] - 0.5)
    assert ("stripes", "attentive", "twin", "auroc") in gaps
    assert ("stripes", "attentive", "colours", "auroc") in gaps
    assert ("untrained stripes", "linear", "twin", "auroc") not in gaps
    assert np.sum(told["pictures"]["stripes | linear"]["confusion"]) == 5 * 20
    assert told["target"]["photographs"].keys() == {"F", "M"}


def test_numbers_and_files(encoder: Encoder, eyes: list[Record], tmp_path: Path) -> None:
    broken = [*eyes[:-1], replace(eyes[-1], path=tmp_path / "gone.png")]
    options = Options(probes=("linear",), twins=False)
    run = probe({"stripes": encoder}, broken, "age", tmp_path / "cache", options)
    told = write_results(run, tmp_path, {"data": ["eyes"]})
    assert told == json.loads((tmp_path / "probe.json").read_text())
    rows = {(r["encoder"], r["metric"]): r["value"] for r in told["results"]}
    assert rows["stripes", "r2"] > 0.9
    assert rows["stripes", "mae"] < 4 < rows["constant", "mae"]
    assert rows["constant", "r2"] <= 0
    assert [row["kind"] for row in told["left_out"]] == ["unreadable"]
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(table["encoder"]) == {"stripes", "colours", "constant"}
    one = table[(table["encoder"] == "stripes") & (table["seed"] == 0)]
    assert (one["truth"] - one["predicted"]).abs().mean() == pytest.approx(rows["stripes", "mae"])


def test_without_splits_five_folds_judge(encoder: Encoder, eyes: list[Record]) -> None:
    free = [replace(record, split=None) for record in eyes]
    run = probe({"stripes": encoder}, free, "sex", None, Options(probes=("linear",), twins=False))
    told = summary(run)
    assert told["target"]["n"] == COUNT
    best = next(r for r in told["results"] if r["encoder"] == "stripes")
    assert best["value"] > 0.95


def test_what_a_reconstruction_loses_is_measured(
    encoder: Encoder, eyes: list[Record], tmp_path: Path
) -> None:
    for record in eyes:
        if record.split == "test":
            flat = np.asarray(Image.open(record.path)).mean(axis=(0, 1)) + np.zeros((SIDE, SIDE, 3))
            Image.fromarray(flat.astype(np.uint8)).save(
                tmp_path / f"synthetic_{name_of(record)}.png"
            )
    folder = [
        Record(path, path.name, "rebuilt", path.name) for path in sorted(tmp_path.glob("*.png"))
    ]
    after = reconstructions(folder, eyes)
    options = Options(probes=("linear",), twins=False)
    told = summary(probe({"stripes": encoder}, eyes, "age", None, options, after=after))["after"]
    assert (told["n"], told["patients"]) == (20, 20)
    r2 = next(r for r in told["rows"] if r["encoder"] == "stripes" and r["metric"] == "r2")
    assert r2["before"]["value"] > 0.9 > 0.1 > r2["after"]["value"]
    change = r2["after"]["value"] - r2["before"]["value"]
    assert r2["change"]["value"] == pytest.approx(change)
    assert r2["change"]["interval"][1] < 0
    teaching = {name_of(r): r for r in eyes if r.split == "train"}
    with pytest.raises(Refusal, match="expected reconstructions of photographs that judge"):
        probe({"stripes": encoder}, eyes, "age", None, options, after=teaching)


def test_reconstructions_are_matched_by_whatever_the_name_keeps(eyes: list[Record]) -> None:
    names = ("synthetic_eyes-003.png", "synthetic_005.png", "007.png", "synthetic_other.png")
    folder = [Record(Path(name), name, "rebuilt", name) for name in names]
    found = reconstructions(folder, eyes)
    assert set(found) == {"eyes-003", "eyes-005", "eyes-007"}
    assert name_of(replace(eyes[0], name="train/images/a.b.png")) == "eyes-train_images_a.b"


def test_a_twin_has_the_architecture_and_nothing_else() -> None:
    trained = load("random-vit-tiny@3")
    trained.card = replace(trained.card, domain="retina", training_sets=("idrid",))
    twin, same = untrained_twin(trained), untrained_twin(trained)
    assert is_untrained(twin)
    assert not is_untrained(trained)
    assert twin.card.training_sets == ()
    assert twin.card.fingerprint_sha256 == same.card.fingerprint_sha256
    pairs = zip(trained.state_dict().items(), twin.state_dict().values(), strict=True)
    changed = [not torch.equal(a, b) for (key, a), b in pairs if key.endswith("qkv.weight")]
    assert changed
    assert all(changed)
    assert not any(p.requires_grad for p in twin.parameters())
    images = torch.rand(1, 3, 224, 224)
    torch.testing.assert_close(twin.embedding(images), same.embedding(images))


def test_a_twin_of_layers_starts_them_again(encoder: Encoder) -> None:
    before = encoder.network.mix.weight.clone()
    state = torch.random.get_rng_state()
    twin = untrained_twin(encoder, 1)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(before, encoder.network.mix.weight)
    assert not torch.equal(twin.network.mix.weight, before)
    assert not torch.equal(twin.network.mix.weight, untrained_twin(encoder, 2).network.mix.weight)
