"""Requests to folders and shards: files, rows, resume, what goes wrong."""

from __future__ import annotations

import json
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from sample_stand_ins import painter

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.core import Refusal
from retinaforge.generators.classes import EYE, ClassVocabulary
from retinaforge.generators.maps import MapPlan
from retinaforge.images import read_records
from retinaforge.tasks.pairs import read_pairs
from retinaforge.tasks.sample import sample_images
from retinaforge.tasks.sample_draw import SamplePlan, painting
from retinaforge.tasks.sample_requests import BadCaption, Request, Wording, requests_of

PLAN = SamplePlan(size="16", steps=4, batch=4)
LEFT = EyeRecord(
    image="a.png", patient="p1", split="train", facts={"eye": Fact("eye", "OS", "manifest")}
)
WORDINGS = [Wording("a left eye", "a.png", LEFT), Wording("drusen ∑ in the macula", "line 2")]


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_a_folder_of_images_that_say_what_they_are(tmp_path):
    result = sample_images(painter(), requests_of(WORDINGS, seed=5, per_caption=3), PLAN, tmp_path)
    assert (result.written, result.kept, result.failed) == (6, 0, ())
    pairs = read_pairs(tmp_path)
    assert [pair.path.name for pair in pairs] == [f"synthetic_{n:06d}.png" for n in range(6)]
    assert [pair.more["seed"] for pair in pairs] == [5, 6, 7, 8, 9, 10]
    assert [pair.text for pair in pairs] == ["a left eye"] * 3 + ["drusen ∑ in the macula"] * 3
    first = pairs[0]
    assert first.synthetic
    assert first.record.value("eye") == "OS"
    assert (first.record.patient, first.record.split, first.patient) == ("", "", "")
    with Image.open(first.path) as image:
        assert image.size == (16, 16)
        text = image.text
    assert text["Synthetic"] == "true"
    assert (text["Caption"], text["Seed"], text["Sampler"], text["Steps"], text["Guidance"]) == (
        "a left eye", "5", "euler", "4", "4.0",
    )  # fmt: skip
    assert text["Model"] == "stand-in"
    with Image.open(pairs[-1].path) as image:
        assert image.text["Caption"] == "drusen ∑ in the macula"
    assert [record.name for record in read_records(tmp_path)] == [p.path.name for p in pairs]
    assert json.loads((tmp_path / "result.json").read_text())["written"] == 6


def test_seeds_and_words_make_the_image(tmp_path):
    sample_images(painter(), requests_of(WORDINGS, seed=5, per_caption=3), PLAN, tmp_path / "all")
    alone = requests_of(WORDINGS[1:], seed=9)
    sample_images(painter(), alone, PLAN, tmp_path / "one")
    all_, one = bytes_of(tmp_path / "all"), bytes_of(tmp_path / "one")
    images = [np.asarray(Image.open(tmp_path / "all" / name), int) for name in sorted(all_)]
    again = np.asarray(Image.open(tmp_path / "one" / next(iter(one))), int)
    assert abs(images[4] - again).max() <= 1
    assert min(abs(images[4] - other).max() for other in images[:4] + images[5:]) > 10


def test_the_same_noise_for_every_caption():
    asked = requests_of(WORDINGS, seed=3, per_caption=2, same_noise=True)
    assert [one.seed for one in asked] == [3, 4, 3, 4]
    round_ = requests_of(WORDINGS, seed=3, count=5)
    assert [one.wording.source for one in round_] == ["a.png", "line 2"] * 2 + ["a.png"]
    assert [one.seed for one in round_] == [3, 4, 5, 6, 7]
    assert [o.seed for o in requests_of(WORDINGS, seed=3, count=5, same_noise=True)] == [
        3, 3, 4, 4, 5,
    ]  # fmt: skip


def test_resuming_gives_the_same_bytes(tmp_path):
    asked = requests_of(WORDINGS, seed=0, per_caption=5)
    sample_images(painter(), asked, PLAN, tmp_path)
    whole = bytes_of(tmp_path)
    for number in (1, 6, 9):
        (tmp_path / f"synthetic_{number:06d}.png").unlink()
    (tmp_path / ".synthetic_000001.png.x.tmp").write_bytes(b"torn")
    result = sample_images(painter(), asked, PLAN, tmp_path)
    assert (result.written, result.kept) == (3, 7)
    assert bytes_of(tmp_path) == whole
    assert not list(tmp_path.glob(".*.tmp"))
    idle = painter()
    assert sample_images(idle, asked, PLAN, tmp_path).kept == 10
    assert idle.network.calls == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 5}, "steps 5 instead of 4"),
        ({"guidance": 2.0}, "guidance 2.0 instead of 4.0"),
        ({"negative": "blur"}, "negative blur instead of"),
    ],
)
def test_other_settings_are_refused(tmp_path, change, words):
    asked = requests_of(WORDINGS, seed=0)
    sample_images(painter(), asked, PLAN, tmp_path)
    other = SamplePlan(**{**PLAN.__dict__, **change})
    with pytest.raises(Refusal, match=words):
        sample_images(painter(), asked, other, tmp_path)
    with pytest.raises(Refusal, match="other captions, seeds, classes or masks"):
        sample_images(painter(), requests_of(WORDINGS, seed=1), PLAN, tmp_path)
    smaller = SamplePlan(**{**PLAN.__dict__, "batch": 1})
    assert sample_images(painter(), asked, smaller, tmp_path).kept == 2


def test_a_folder_of_other_images_is_left_alone(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    with pytest.raises(Refusal, match="with other images"):
        sample_images(painter(), requests_of(WORDINGS, seed=0), PLAN, tmp_path)


def test_what_cannot_be_drawn_is_named_and_the_rest_is_drawn(tmp_path):
    bad = [Wording("an unsayable eye", "line 7"), Wording("a longestwordofalltheworlds", "line 8")]
    asked = requests_of([WORDINGS[0], *bad, WORDINGS[1]], seed=0)
    result = sample_images(
        painter(), asked, PLAN, tmp_path, bad_captions=[BadCaption("line 3", "empty")]
    )
    assert result.written == 2
    assert [(image, source) for image, source, _ in result.failed] == [
        ("synthetic_000001", "line 7"),
        ("synthetic_000002", "line 8"),
    ]
    assert "nobody can say" in result.failed[0][2]
    assert "ran away" in result.failed[1][2]
    held = json.loads((tmp_path / "result.json").read_text())
    assert held["bad_captions"] == [{"source": "line 3", "why": "empty"}]
    assert len(read_pairs(tmp_path)) == 2
    good = requests_of([WORDINGS[0], WORDINGS[0], WORDINGS[0], WORDINGS[1]], seed=0)
    sample_images(painter(), good, PLAN, tmp_path / "good")
    ours, theirs = bytes_of(tmp_path), bytes_of(tmp_path / "good")
    folders = (tmp_path, tmp_path / "good")
    for name in ours:
        left, right = (np.asarray(Image.open(at / name), int) for at in folders)
        assert abs(left - right).max() <= 1, name
    assert len(theirs) == 4


def test_long_captions_are_counted(tmp_path):
    long = Wording(" ".join(["word"] * 30))
    result = sample_images(painter(), requests_of([long, *WORDINGS], seed=0), PLAN, tmp_path)
    assert result.truncated == ((long.text, 32),)
    assert result.as_dict()["truncated"]["count"] == 1
    assert (result.captions, result.max_tokens) == (3, 12)


def test_shards(tmp_path):
    asked = requests_of(WORDINGS, seed=0, per_caption=5)
    result = sample_images(painter(), asked, PLAN, tmp_path, form="webdataset", shard_size=4)
    assert result.written == 10
    shards = sorted(tmp_path.glob("*.tar"))
    assert [path.name for path in shards] == [f"synthetic-{n:06d}.tar" for n in range(3)]
    with tarfile.open(shards[1]) as tar:
        assert tar.getnames()[:3] == [f"synthetic_000004.{end}" for end in ("png", "txt", "json")]
        row = json.loads(tar.extractfile("synthetic_000004.json").read())
        text = tar.extractfile("synthetic_000004.txt").read().decode()
    assert row["seed"] == 4
    assert row["text"] == text == "a left eye"
    before = [path.read_bytes() for path in shards]
    shards[2].unlink()
    again = sample_images(painter(), asked, PLAN, tmp_path, form="webdataset", shard_size=4)
    assert (again.written, again.kept) == (2, 8)
    assert [path.read_bytes() for path in shards] == before


def test_wide_canvases_keep_the_square_whole(tmp_path):
    wide = SamplePlan(size="40x16", steps=4)
    paint, square = painting(painter(), wide), painting(painter(), PLAN)
    asked = requests_of(WORDINGS[:1], seed=0)
    found, plain = paint(asked, None)[0].pixels, square(asked, None)[0].pixels
    assert found.shape == (16, 40, 3)
    assert np.array_equal(found[:, 12:28], plain)
    assert not found[:, :12].any()
    with pytest.raises(Refusal, match="shorter side is a multiple of 8 px"):
        painting(painter(), SamplePlan(size="40x20"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "ddim"}, "a method of euler, heun"),
        ({"steps": 0}, "at least one step"),
        ({"guidance": -1.0}, "a guidance of 0 or more"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_before_anything_is_written(tmp_path, change, words):
    plan = SamplePlan(**{**PLAN.__dict__, **change})
    with pytest.raises(Refusal, match=words):
        sample_images(painter(), requests_of(WORDINGS, seed=0), plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_classes_come_from_the_request_or_the_record():
    vocabulary = ClassVocabulary((EYE,))
    paint = painting(painter(shape={"class_sizes": (2,)}, vocabulary=vocabulary), PLAN)
    text = "a left eye"
    rows = [
        Request(0, 1, Wording(text)),
        Request(1, 1, Wording(text), {"eye": "OS"}),
        Request(2, 1, Wording(text, record=LEFT)),
    ]
    none, asked, told = (one.pixels for one in paint(rows, None))
    assert np.array_equal(asked, told)
    assert not np.array_equal(none, asked)


def test_unknown_classes_are_refused(tmp_path):
    with pytest.raises(Refusal, match="this generator knows words only"):
        sample_images(
            painter(), requests_of(WORDINGS, seed=0, classes={"iris": "blue"}), PLAN, tmp_path
        )


def test_masks_steer_and_bad_ones_are_named(tmp_path):
    mask = np.zeros((32, 32), np.uint8)
    mask[:, :16] = 255
    Image.fromarray(mask).save(tmp_path / "half.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    maps = MapPlan(("vessel",), 4)
    plain = SamplePlan(size="16", steps=4, guidance=1.0)
    paint = painting(painter(shape={"map_channels": 16}, maps=maps), plain)
    names = ["half.png", None, "bad.png"]
    rows = [
        Request(n, 1, Wording("eye", mask=name and tmp_path / name)) for n, name in enumerate(names)
    ]
    half, without, bad = paint(rows, None)
    assert half.pixels[:, :8].mean() > without.pixels[:, :8].mean() + 5
    assert half.pixels[:, 8:].mean() < without.pixels[:, 8:].mean() - 5
    assert bad.pixels is None
    assert "expected a mask image" in bad.reason
    refused = painting(painter(), PLAN)(rows[:1], None)[0]
    assert "this generator takes none" in refused.reason


def test_memory_that_ends_halves_the_batch(tmp_path, monkeypatch):
    one = painter()
    inner = one.network.forward

    def forward(x, time, condition):
        if len(x) > 4:
            raise torch.OutOfMemoryError("full")
        return inner(x, time, condition)

    monkeypatch.setattr(one.network, "forward", forward)
    result = sample_images(one, requests_of(WORDINGS, seed=0, per_caption=3), PLAN, tmp_path)
    assert result.written == 6
    assert result.notes == ("memory took batches of 2, not 4",)


def test_progress_counts_images_and_time(tmp_path):
    seen = []
    asked = requests_of(WORDINGS, seed=0, per_caption=3)
    sample_images(painter(), asked, PLAN, tmp_path, on_progress=seen.append)
    assert seen[-1].done == seen[-1].images == 6
    assert [s.done for s in seen] == sorted(s.done for s in seen)
    assert any(0 < s.done < 4 for s in seen)
    assert seen[-1].images_per_s > 0
    assert seen[-1].seconds_left == 0
