"""Two towers trained on drawn discs: they tell sides and grounds, resume bit by bit, load back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_eyes import toy_pairs

from retinaforge.core import Refusal
from retinaforge.encoders import load
from retinaforge.encoders.text import adherence, zero_shot
from retinaforge.tasks.contrast_data import ContrastPlan, Exchange, pair_drawer
from retinaforge.tasks.contrast_facts import allows
from retinaforge.tasks.contrast_prepare import captioned, pairs_of_split, prepare
from retinaforge.tasks.contrast_squares import square_of
from retinaforge.tasks.contrast_train import TextImagePlan, train_image_text, training_pairs
from retinaforge.tasks.contrast_words import train_tokeniser
from retinaforge.tasks.pairs import write_pairs
from retinaforge.training import journal
from retinaforge.training.pretrain_config import PretrainConfig

SIZES = {
    "channels": (8, 8, 16, 16), "width": 32, "heads": 2, "projected": 16, "depth": 1,
    "text_width": 32, "text_heads": 2, "text_depth": 1, "context": 48,
}  # fmt: skip
PLAN = TextImagePlan(
    draws=ContrastPlan(batch=32, seed=3),
    config=PretrainConfig(
        steps=100, learning_rate=2e-3, warmup_steps=5, precision="fp32", checkpoint_every=40,
        log_every=10,
    ),
    side_px=32, vocabulary=300, sizes=SIZES,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("toy")
    write_pairs(where / "pairs", toy_pairs(where, 160))
    return where


@pytest.fixture(scope="module")
def trained(folder):
    found = training_pairs([folder / "pairs"], folder / "run", PLAN)
    result = train_image_text(found, folder / "run", PLAN)
    return found, result, folder / "run" / "model"


@pytest.fixture(scope="module")
def held_out(folder):
    return pairs_of_split([folder / "pairs"], "test")


def images_of(pairs) -> torch.Tensor:
    squares = np.stack([square_of(pair, 32) for pair in pairs])
    return torch.from_numpy(squares).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_only_the_training_split_is_learnt_from(trained, held_out) -> None:
    found, result, _ = trained
    assert len(found.pairs) == 128
    assert result.state == "trained"
    assert not {pair.patient for pair in found.pairs} & {pair.patient for pair in held_out}


def test_it_tells_the_words_of_held_out_eyes(trained, held_out) -> None:
    encoder = load(f"retina-text:{trained[2]}")
    images = images_of(held_out)
    for fact, words in (
        ("eye", ("a fundus photograph of the right eye", "a fundus photograph of the left eye")),
        (
            "pigmentation",
            ("The fundus has dark pigmentation.", "The fundus has light pigmentation."),
        ),
    ):
        found = zero_shot(encoder, images, words).argmax(1)
        truth = [
            int(p.record.value(fact) in ("OS",) or p.record.value(fact) == 0.1) for p in held_out
        ]
        share = float((found == torch.tensor(truth)).float().mean())
        assert share >= 0.9, (fact, share)


def test_matched_lies_above_shuffled(trained, held_out) -> None:
    encoder = load(f"retina-text:{trained[2]}")
    images, texts = images_of(held_out), [pair.text for pair in held_out]
    own = adherence(encoder, images, texts)
    other = adherence(encoder, images, texts[1:] + texts[:1])
    assert float(own.mean()) > float(other.mean()) + 0.2


def test_the_folder_says_what_it_is(trained) -> None:
    encoder = load(trained[2])  # recognised without its family's name
    assert encoder.card.family == "retina-text"
    assert "toy (128 synthetic training pairs)" in encoder.card.training_data
    assert encoder.card.licence == "Apache-2.0; trained on drawn eyes only"
    assert (trained[2] / "card.json").is_file()
    assert (trained[2] / "tokenizer_config.json").is_file()


def test_a_text_beyond_the_context_is_cut(trained) -> None:
    encoder = load(f"retina-text:{trained[2]}")
    long = "the left eye. " * 200
    assert encoder.text([long]).shape == (1, 16)


def test_the_same_call_finds_it_done_and_another_is_refused(folder, trained) -> None:
    again = train_image_text(trained[0], folder / "run", PLAN)
    assert again.state == "found done"
    other = replace(PLAN, draws=replace(PLAN.draws, batch=16))
    with pytest.raises(Refusal, match="draws = "):
        train_image_text(trained[0], folder / "run", other)


def test_a_resumed_training_is_bit_equal(folder, trained) -> None:
    class Killed(Exception):
        pass

    def kill(progress) -> None:
        if progress.step == 8:
            raise Killed

    draws = replace(PLAN.draws, batch=8)
    config = replace(PLAN.config, steps=12, checkpoint_every=5, log_every=1)
    short = replace(PLAN, draws=draws, config=config)
    train_image_text(trained[0], folder / "whole", short)
    with pytest.raises(Killed):
        train_image_text(trained[0], folder / "killed", short, on_progress=kill)
    train_image_text(trained[0], folder / "killed", short)
    losses = [
        [line["loss"] for line in journal.read(folder / name / "log.jsonl")]
        for name in ("whole", "killed")
    ]
    assert len(losses[0]) == 12
    assert losses[0] == losses[1]


def test_batches_depend_on_their_number_alone(trained) -> None:
    data = trained[0].data
    tokeniser = train_tokeniser(data.sentences, 300)
    first, second = (pair_drawer(data, tokeniser, PLAN.draws)(7) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["images"].shape == (32, 3, 32, 32)
    assert float(first["images"].min()) >= -1
    texts = torch.arange(len(first["ids"]))
    right = first["twin"] == texts
    assert torch.equal(first["agreement"][first["owner"], texts], right.float())
    assert torch.equal(first["owner"][first["twin"]], first["owner"])
    assert right.any()
    assert not right.all()


def test_exchanged_sentences_are_false(trained) -> None:
    data = trained[0].data
    exchange, rng = Exchange(data), np.random.default_rng(0)
    for image in range(20):
        caption = data.captions[image][0]
        wrong = exchange.one(image, caption, rng)
        assert wrong is not None
        assert sum(a != b for a, b in zip(wrong, caption, strict=True)) == 1
        assert not allows(data.known[image : image + 1], [data.said[n] for n in wrong])[0]


def test_without_records_captions_say_what_is_known(trained, folder) -> None:
    bare = [replace(pair, record=replace(pair.record, facts={})) for pair in trained[0].pairs[:6]]
    known = captioned(trained[0].data.pixels[:6], bare).known
    assert (known[:, 0] == trained[0].data.known[:6, 0]).all()
    assert known.any()


def test_unreadable_images_are_named(folder, trained, tmp_path) -> None:
    broken = replace(trained[0].pairs[0], path=tmp_path / "none.png")
    found = prepare([broken, *trained[0].pairs[1:3]], tmp_path / "cache", 32)
    assert [name for name, _ in found.refused] == [broken.name]
    assert len(found.data) == 2
    with pytest.raises(Refusal, match="at least one readable image"):
        prepare([broken], tmp_path / "other", 32)


def test_a_split_without_pairs_is_refused(folder) -> None:
    with pytest.raises(Refusal, match="captioned images of the split 'val'"):
        pairs_of_split([folder / "pairs"], "val")
