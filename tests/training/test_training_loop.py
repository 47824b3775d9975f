"""The loop: it learns, resumes bit-equal, skips and names bad batches, and finds itself done."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from retinaforge.autoencoders import Autoencoder, AutoencoderConfig, load_autoencoder
from retinaforge.core import Refusal
from retinaforge.core.artefacts import DiskFull
from retinaforge.losses import AdversarySpec, Loss, Term, pixel
from retinaforge.nets.patchgan import PatchDiscriminator
from retinaforge.training import (
    Adversary,
    Batch,
    Preflight,
    Progress,
    TrainConfig,
    TrainingStopped,
    branch_off,
    train,
)

CONFIG = TrainConfig(
    steps=8,
    warmup_steps=2,
    precision="fp32",
    checkpoint_every=4,
    log_every=2,
    rematch_every=3,
    threads=1,
)
VARIES = ("seconds", "images_per_s")


def l1(x, y, fov):
    return ((x - y).abs() * fov).mean()


def slopes(x, y, fov):
    return (x.diff(dim=3) - y.diff(dim=3)).square().mean() * 100


def term(name: str, compare, weight: float = 1.0) -> Term:
    loss = Loss(pixel.L1, compare)
    return Term(name, weight, loss, "pixel" if name == "l1" else "edge")


TERMS = (term("l1", l1), term("slopes", slopes, 0.5))


def draw(index: int) -> Batch:
    rng = torch.Generator().manual_seed(index % 4)
    coarse = torch.randn(2, 3, 4, 4, generator=rng)
    images = F.interpolate(coarse, size=(32, 32), mode="bicubic").tanh()
    return Batch(images, torch.ones(2, 1, 32, 32), names=(f"{index}a.png", f"{index}b.png"))


def tiny(kind: str = "vq") -> Autoencoder:
    torch.manual_seed(0)
    config = AutoencoderConfig(
        kind=kind, factor=4, widths=(8, 8), codes=32, code_dim=4, fsq_levels=(4, 4)
    )
    return Autoencoder(config)


def fresh_adversary() -> Adversary:
    torch.manual_seed(1)
    return Adversary(
        PatchDiscriminator(width=4, layers=2), AdversarySpec(0.1, start_step=2, ramp_steps=3)
    )


def go(folder: Path, *, model=None, terms=TERMS, draw=draw, config=CONFIG, **more):
    more = {"preflight": None} | more
    return train(tiny() if model is None else model, terms, draw, config, folder, **more)


def log_of(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in VARIES} for line in lines]


def events_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


class Killed(BaseException):
    """Stands for a process that ends between two steps."""


def killed_at(index: int):
    def deadly(asked: int) -> Batch:
        if asked == index:
            raise Killed
        return draw(asked)

    return deadly


def test_a_training_learns_and_leaves_what_it_promises(tmp_path: Path) -> None:
    seen: list[Progress] = []
    result = go(
        tmp_path, config=replace(CONFIG, steps=40, learning_rate=3e-3), on_progress=seen.append
    )
    log = log_of(tmp_path)
    assert log[-1]["terms"]["l1"] < 0.6 * log[0]["terms"]["l1"]
    assert [line["step"] for line in log] == list(range(2, 41, 2))
    assert result.state == "trained"
    assert result.steps == 40
    assert result.losses["l1"] == log[-1]["terms"]["l1"]
    assert 0 < result.peak_codebook_use <= 1
    assert seen[-1].step == seen[-1].steps == 40
    assert seen[-1].seconds_left == 0
    assert seen[0].seconds_left > 0
    assert "images/s" in seen[0].in_words()
    assert 1 <= seen[-1].perplexity <= 32


@pytest.mark.parametrize("kind", ["vq", "fsq", "kl"])
def test_the_saved_model_holds_the_averaged_weights(tmp_path: Path, kind: str) -> None:
    model = tiny(kind)
    result = go(tmp_path, model=model)
    loaded = load_autoencoder(result.model_folder).model
    stored = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    for name, weight in loaded.named_parameters():
        assert torch.equal(weight, stored["average"][name])
    assert not torch.equal(loaded.last_layer, model.last_layer.cpu())


@pytest.mark.parametrize("kind", ["vq", "kl"])
@pytest.mark.parametrize("at", [5, 7])
def test_a_killed_training_resumes_bit_equal(tmp_path: Path, kind: str, at: int) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    first, second = tiny(kind), tiny(kind)
    go(straight, model=first, adversary=fresh_adversary())
    with pytest.raises(Killed):
        go(broken, model=tiny(kind), draw=killed_at(at), adversary=fresh_adversary())
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    random.seed(99)
    go(broken, model=second, adversary=fresh_adversary())
    assert log_of(straight) == log_of(broken)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name]), name


def test_it_resumes_bit_equal_from_within_a_log_window(tmp_path: Path) -> None:
    config = replace(CONFIG, checkpoint_every=3)
    go(tmp_path / "straight", config=config)
    with pytest.raises(Killed):
        go(tmp_path / "broken", config=config, draw=killed_at(5))
    go(tmp_path / "broken", config=config)
    assert log_of(tmp_path / "straight") == log_of(tmp_path / "broken")


def test_a_finished_training_is_found_done(tmp_path: Path) -> None:
    first = go(tmp_path)

    def forbidden(index: int) -> Batch:
        raise AssertionError("drew a batch")

    again = go(tmp_path, draw=forbidden)
    assert again.state == "found done"
    assert replace(again, state="trained") == first


@pytest.mark.parametrize("finished", [True, False])
def test_another_configuration_is_refused_by_name(tmp_path: Path, finished: bool) -> None:
    if finished:
        go(tmp_path)
    else:
        with pytest.raises(Killed):
            go(tmp_path, draw=killed_at(6))
    with pytest.raises(Refusal, match=r"learning_rate = 0\.001, as the run in .* began; got "):
        go(tmp_path, config=replace(CONFIG, learning_rate=2e-3))
    with pytest.raises(Refusal, match=r"terms = .*train into another folder"):
        go(tmp_path, terms=TERMS[:1])
    go(tmp_path, config=replace(CONFIG, threads=1, log_every=1))


def poisoned(bad: set[int], value: float = float("nan")):
    def drawn(index: int) -> Batch:
        batch = draw(index)
        if index in bad:
            batch.images[1, 0, 0, 0] = value
        return batch

    return drawn


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_bad_batch_is_named_and_skipped(tmp_path: Path, value: float) -> None:
    model = tiny()
    result = go(tmp_path, model=model, draw=poisoned({3}, value))
    assert result.skipped == 1
    assert result.steps == 8
    (event,) = [event for event in result.events if event["event"] == "skipped"]
    assert event["step"] == 3
    assert event["detail"] == "NaN or infinite pixels in 3b.png"
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_too_many_bad_batches_stop_with_advice(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match=r"3 unusable steps .* 5b\.png.*data check"):
        go(tmp_path, draw=poisoned(set(range(3, 8))), config=replace(CONFIG, skips_in_a_row=3))


def test_losses_that_are_not_finite_stop_with_advice(tmp_path: Path) -> None:
    model = tiny()
    before = model.last_layer.detach().clone()
    broken = term("l1", lambda x, y, fov: l1(x, y, fov) * float("nan"))
    with pytest.raises(TrainingStopped, match=r"finite losses.*4 unusable.*lower learning_rate"):
        go(tmp_path, model=model, terms=[broken], config=replace(CONFIG, skips_in_a_row=4))
    assert torch.equal(before, model.last_layer)
    assert len(events_of(tmp_path)) == 4


def test_pixels_of_another_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"pixels in \[-1, 1\]; got pixels from .*127\.5"):
        go(tmp_path, draw=lambda i: Batch(draw(i).images * 255, draw(i).fov))
    with pytest.raises(Refusal, match=r"field of view of shape \(2, 1, 32, 32\); got"):
        go(tmp_path, draw=lambda i: Batch(draw(i).images, draw(i).fov[:1]))


def test_added_terms_take_their_share_of_the_pixel_terms_gradient(tmp_path: Path) -> None:
    go(tmp_path / "matched")
    go(tmp_path / "plain", config=replace(CONFIG, match_gradients=False))
    matched, plain = log_of(tmp_path / "matched"), log_of(tmp_path / "plain")
    assert {line["weights"]["slopes"] for line in plain} == {0.5}
    assert {line["weights"]["l1"] for line in matched} == {1.0}
    # rematched in steps 0, 1, 2, 3 and 6: the lines of steps 2, 4, 6, 8 show those of 1, 3, 3, 6
    assert len({line["weights"]["slopes"] for line in matched}) == 3

    def tenfold(x, y, fov):
        return 10 * slopes(x, y, fov)

    go(tmp_path / "tenfold", terms=(TERMS[0], term("slopes", tenfold, 0.5)))
    for a, b in zip(matched, log_of(tmp_path / "tenfold"), strict=True):
        assert a["terms"]["l1"] == pytest.approx(b["terms"]["l1"], rel=1e-4)
        assert a["weights"]["slopes"] == pytest.approx(10 * b["weights"]["slopes"], rel=1e-3)


def test_the_adversary_starts_late_and_ramps_up(tmp_path: Path) -> None:
    adversary = fresh_adversary()
    before = [p.detach().clone() for p in adversary.discriminator.parameters()]
    go(tmp_path / "with", adversary=adversary, config=replace(CONFIG, log_every=1))
    go(tmp_path / "without", config=replace(CONFIG, log_every=1))
    log, without = log_of(tmp_path / "with"), log_of(tmp_path / "without")
    assert [bool(line["adversary"]) for line in log] == [False] * 2 + [True] * 6
    assert log[2]["total"] == without[2]["total"]  # the start itself has weight 0
    assert log[-1]["terms"] != without[-1]["terms"]
    assert all(line["adversary"]["weight"] > 0 for line in log[3:])
    assert {"weight", "generator", "discriminator"} == set(log[-1]["adversary"])
    after = adversary.discriminator.parameters()
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_an_adversary_branches_off_bit_equal(tmp_path: Path) -> None:
    """Training on from the kept checkpoint gives what training alone from step 0 gives."""
    spec = AdversarySpec(0.5, start_step=6, ramp_steps=2)

    def adversary() -> Adversary:
        torch.manual_seed(5)
        return Adversary(PatchDiscriminator(width=4, layers=1), spec)

    config = replace(CONFIG, keep_at=(6,))
    go(tmp_path / "plain", config=config)
    alone = go(tmp_path / "alone", config=config, adversary=adversary())
    assert branch_off(tmp_path / "plain", tmp_path / "branch", adversary())
    branch = go(tmp_path / "branch", config=config, adversary=adversary())
    assert [line["total"] for line in log_of(tmp_path / "branch")] == [
        line["total"] for line in log_of(tmp_path / "alone")
    ]
    weights = [
        load_autoencoder(result.model_folder).model.state_dict() for result in (alone, branch)
    ]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    plain = load_autoencoder(tmp_path / "plain" / "model").model.state_dict()
    assert not all(torch.equal(plain[key], weights[0][key]) for key in plain)
    assert not branch_off(tmp_path / "plain", tmp_path / "branch", adversary())  # it has begun
    assert not branch_off(tmp_path / "nowhere", tmp_path / "other", adversary())


def test_a_full_disk_leaves_the_last_whole_checkpoint(tmp_path, monkeypatch) -> None:
    with pytest.raises(Killed):
        go(tmp_path, draw=killed_at(5))
    whole = (tmp_path / "checkpoint.pt").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(DiskFull, match=r"No space left on device; free some space"):
            go(tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == whole
    assert not list(tmp_path.glob(".*.tmp"))
    go(tmp_path)
    go(tmp_path / "straight")
    assert log_of(tmp_path) == log_of(tmp_path / "straight")


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    config = replace(CONFIG, checkpoint_every=2)
    with pytest.raises(Killed):
        go(tmp_path, draw=killed_at(5), config=config)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = go(tmp_path, config=config)
    assert [e["event"] for e in result.events] == ["damaged checkpoint"]
    assert result.events[0]["step"] == 2
    go(tmp_path / "straight", config=config)
    assert log_of(tmp_path) == log_of(tmp_path / "straight")


def test_nothing_but_damaged_checkpoints_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"PK not a checkpoint")
    with pytest.raises(Refusal, match=r"a readable checkpoint in .*checkpoint\.pt .*delete"):
        go(tmp_path)


def test_the_precision_is_chosen_once_and_kept(tmp_path: Path) -> None:
    config = replace(CONFIG, precision="auto")
    with pytest.raises(Killed):
        go(tmp_path, draw=killed_at(5), config=config)
    (event,) = [e for e in events_of(tmp_path) if e["event"] == "precision"]
    result = go(tmp_path, config=config)
    assert event["detail"].startswith(result.precision)
    assert len([e for e in result.events if e["event"] == "precision"]) == 1


def test_bf16_trains_with_float32_losses(tmp_path: Path) -> None:
    types = set()

    def watched(x, y, fov):
        types.add(x.dtype)
        return l1(x, y, fov)

    result = go(tmp_path, terms=[term("l1", watched)], config=replace(CONFIG, precision="bf16"))
    assert result.precision == "bf16"
    assert types == {torch.float32}


def test_the_preflight_alters_nothing(tmp_path: Path) -> None:
    go(tmp_path / "without")
    result = go(tmp_path / "with", preflight=Preflight(images=4, steps=60, factor=0.95))
    assert [e["event"] for e in result.events] == ["preflight"]
    assert log_of(tmp_path / "with") == log_of(tmp_path / "without")


def test_the_preflight_refuses_what_cannot_learn(tmp_path: Path) -> None:
    model = tiny()
    unlinked = term("l1", lambda x, y, fov: l1(x * 0 + x.detach(), y, fov))
    with pytest.raises(Refusal, match=r"4 images to be learnt to 0\.7 .* within 5 steps.*look at"):
        go(tmp_path, model=model, terms=[unlinked], preflight=Preflight(images=4, steps=5))
    assert not (tmp_path / "checkpoint.pt").exists()


class Grey(nn.Module):
    """An autoencoder whose decoder collapsed."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny()
        self.last_layer = self.inner.last_layer

    def forward(self, images):
        output = self.inner(images)
        return replace(output, reconstruction=output.reconstruction * 1e-4)


def test_a_collapsed_decoder_stops_with_advice(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match=r"one colour for 5 steps.*smaller added weights"):
        go(tmp_path, model=Grey(), terms=TERMS[:1],
           config=replace(CONFIG, patience_steps=5, log_every=99))  # fmt: skip
