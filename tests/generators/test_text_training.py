"""The small text encoder: it learns, resumes, and loads without us."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from retinaforge.core import Refusal
from retinaforge.generators.text_bpe import train_tokeniser
from retinaforge.generators.text_encoder import load_text_encoder
from retinaforge.generators.text_loss import KEPT_OUT, contrast, hide_tokens
from retinaforge.generators.text_train import STATE, TextTraining, train_text_encoder

TINY = TextTraining(
    vocabulary=330, width=32, layers=2, heads=2, inner=48, positions=64, batch=8, save_every=3,
    rate=3e-3,
)  # fmt: skip


def records(count: int, seed: int = 0) -> list[list[str]]:
    """Return two paraphrases of each of some records."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        eye, number = rng.choice(["left", "right"]), int(rng.integers(0, 10))
        tint = rng.choice(["light", "dark", "medium"])
        rows.append(
            [
                f"The {eye} eye shows {number} haemorrhages on a {tint} fundus.",
                f"A {tint} background with {number} haemorrhages in the {eye} eye.",
            ]
        )
    return rows


def test_training_finds_the_paraphrase(tmp_path: Path) -> None:
    texts, seen = records(60), []
    whole = train_text_encoder(
        texts, tmp_path, steps=30, training=TINY,
        on_progress=lambda step, losses: seen.append((step, losses)),
    )  # fmt: skip
    assert [step for step, _ in seen] == list(range(1, 31))
    for name, share in (("contrast", 0.8), ("masked", 0.97)):
        early, late = (np.mean([said[name] for _, said in part]) for part in (seen[:5], seen[-5:]))
        assert late < share * early, name
    _loads_without_us(whole)
    _tells_facts(whole)


def test_a_run_that_was_cut_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    texts, cut, whole = records(20), tmp_path / "cut", tmp_path / "whole"
    train_text_encoder(texts, whole, steps=6, training=TINY)

    class Stop(Exception):
        pass

    def stop(step: int, _: dict[str, float]) -> None:
        if step == 5:
            raise Stop

    torch.manual_seed(99)  # the run hangs on its own seed alone
    with pytest.raises(Stop):
        train_text_encoder(texts, cut, steps=6, training=TINY, on_progress=stop)
    assert (cut / STATE).is_file()
    assert not (cut / "model.safetensors").exists()
    steps: list[int] = []
    train_text_encoder(
        texts, cut, steps=6, training=TINY, on_progress=lambda step, _: steps.append(step)
    )
    assert steps == [4, 5, 6]
    ours, theirs = (load_file(f / "model.safetensors") for f in (whole, cut))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not (cut / STATE).exists()

    before = (whole / "model.safetensors").stat().st_mtime_ns
    train_text_encoder(texts, whole, steps=6, training=TINY)
    assert (whole / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(Refusal, match=r"the steps that .* was begun with; got 7, not 6"):
        train_text_encoder(texts, whole, steps=7, training=TINY)
    with pytest.raises(Refusal, match="the texts that"):
        train_text_encoder(records(20, seed=1), whole, steps=6, training=TINY)


def _loads_without_us(folder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    assert type(model).__name__ == "BertModel"
    asked = tokenizer(["The LEFT eye.", "the left eye."], return_tensors="pt")
    assert torch.equal(asked.input_ids[0], asked.input_ids[1])
    with torch.no_grad():
        wanted = model.eval()(**asked, output_hidden_states=True).hidden_states[-2]
    encoder = load_text_encoder(folder)
    assert encoder.max_tokens == 64
    assert encoder.source.licence == "not stated"
    said = encoder.encode(["The LEFT eye.", "the left eye."])
    torch.testing.assert_close(said.hidden, wanted, rtol=0, atol=1e-5)


def _tells_facts(folder: Path) -> None:
    """Paraphrases of unseen records find each other far above chance."""
    rows = records(40, seed=9)
    encoder = load_text_encoder(folder)
    first, second = (encoder.encode([row[i] for row in rows]).means() for i in (0, 1))
    mean = torch.cat([first, second]).mean(0)
    cosines = torch.nn.functional.cosine_similarity(
        (first - mean)[:, None], (second - mean)[None], dim=-1
    )
    same = [
        row[0] == rows[int(at)][0] for row, at in zip(rows, cosines.argmax(1), strict=True)
    ]  # records may repeat
    assert np.mean(same) > 0.5


def test_the_tokeniser_keeps_digits_apart_and_knows_every_byte() -> None:
    tokenizer = train_tokeniser(["The ratio is 0.45 mm."] * 3, vocabulary=300)
    pieces = tokenizer.tokenize("0.46 Ω retina")
    assert [p.lstrip("Ġ") for p in pieces[:4]] == ["0", ".", "4", "6"]
    assert tokenizer.decode(tokenizer("Ω retina")["input_ids"], skip_special_tokens=True) == (
        "ω retina"
    )
    ids = tokenizer("")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "[SEP]"]


def test_hidden_tokens_are_the_stated_shares() -> None:
    ids = torch.arange(100, 200).repeat(200, 1)
    allowed = torch.ones_like(ids, dtype=torch.bool)
    allowed[:, 0] = False
    rng = torch.Generator().manual_seed(0)
    shown, labels = hide_tokens(ids, allowed, mask_id=3, first_word=4, words=300, rng=rng)
    asked = labels != KEPT_OUT
    assert not asked[:, 0].any()
    assert torch.equal(shown[~asked], ids[~asked])
    assert abs(asked[:, 1:].float().mean() - 0.15) < 0.01
    assert torch.equal(labels[asked], ids[asked])
    assert abs((shown[asked] == 3).float().mean() - 0.8) < 0.02
    assert abs((shown[asked] == ids[asked]).float().mean() - 0.1) < 0.02


def test_contrast_is_log_n_without_knowledge_and_near_0_with_it() -> None:
    rng = torch.Generator().manual_seed(0)
    vectors = torch.randn(32, 64, generator=rng)
    loss, found = contrast(vectors, vectors + 0.01 * torch.randn(32, 64, generator=rng))
    assert loss < 0.01
    assert found == 1
    same = torch.ones(32, 64) + 1e-6 * torch.randn(32, 64, generator=rng)
    assert contrast(same, torch.randn(32, 64, generator=rng))[0] > 3


def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="captions of at least two records; got 1"):
        train_text_encoder([["one"]], tmp_path)
    with pytest.raises(Refusal, match="none empty"):
        train_text_encoder([["one"], ["two", " "]], tmp_path)
    with pytest.raises(Refusal, match="at place 1"):
        train_text_encoder([["one"], "two"], tmp_path)  # pyright: ignore[reportArgumentType]


def test_what_a_caption_denies_is_linear_in_its_mean(tmp_path: Path) -> None:
    """Without the facts "no" hardly moves the mean; with them a line parts said from denied."""
    rng = np.random.default_rng(0)
    texts, said = [], []
    for _ in range(80):
        row, classes, has = [], [], int(rng.integers(0, 2))
        for _ in range(2):
            words = ["haemorrhages", f"a {rng.choice(['light', 'dark'])} fundus", "a disc"]
            rng.shuffle(words)
            listed = ", ".join(words)
            row.append(listed.replace("haemorrhages", ["no haemorrhages", "haemorrhages"][has]))
            classes.append((1 << has, 0))
        texts.append(row)
        said.append(classes)
    seen: list[dict[str, float]] = []
    train_text_encoder(
        texts, tmp_path, steps=60, training=TINY, fact_sizes=(2, 3), said=said,
        on_progress=lambda _, losses: seen.append(losses),
    )  # fmt: skip
    right = [losses["facts_right"] for losses in seen]
    assert np.mean(right[:5]) < 0.75 < 0.9 < np.mean(right[-5:])


def test_facts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    texts = [["one", "two"], ["three"]]
    with pytest.raises(Refusal, match="give fact_sizes and said together, one row a caption"):
        train_text_encoder(texts, tmp_path, fact_sizes=(2,), said=[[(0,)], [(1,)]])
    with pytest.raises(Refusal, match="set a bit for each word that the caption leaves open"):
        train_text_encoder(texts, tmp_path, fact_sizes=(2,), said=[[(0,), (4,)], [(1,)]])


def test_captions_that_say_nothing_known_are_learnt_all_the_same(tmp_path: Path) -> None:
    texts = records(6)
    silent = [[(0,) for _ in row] for row in texts]
    folder = train_text_encoder(
        texts, tmp_path, steps=2, training=TINY, fact_sizes=(2,), said=silent
    )
    last = json.loads((folder / "training.json").read_text())["last"]
    assert "masked" in last
    assert "facts_right" not in last
