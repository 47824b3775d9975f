"""Which pairs are kept: planted mismatches go, the arms lie beside, what is dropped is said."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from colour_words import ColourWords
from PIL import Image

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.core import Refusal
from retinaforge.tasks.pairs import Pair, read_pairs
from retinaforge.tasks.purify import broken, purify, write_purified
from retinaforge.tasks.purify_facts import composition, lost
from retinaforge.tasks.purify_scores import Rule, by_facts, joined, scaled

RULE = Rule(least_side_px=32)


def eye(folder, number: int, *, said: str = "", others: tuple[str, ...] = (), dark=False) -> Pair:
    """Return a red right eye (even numbers) or a blue left one, with what is said of it."""
    right = number % 2 == 0
    side = "right" if right else "left"
    text = said or f"This is a fundus photograph of the {side} eye."
    colour = (200, 90, 40) if right else (40, 90, 200)
    path = folder / f"{number:03d}.png"
    Image.new("RGB", (40, 40), colour).save(path)
    facts = {
        "eye": Fact("eye", "OD" if right else "OS", "drawn"),
        "pigmentation": Fact("pigmentation", 0.9 if dark else 0.1, "drawn"),
    }
    record = EyeRecord(image=path.name, facts=facts, patient=f"p{number}", synthetic=True)
    return Pair(path, text, (text, *others), record=record, patient=f"p{number}", synthetic=True)


@pytest.fixture
def planted(tmp_path) -> list[Pair]:
    """Return 40 pairs, every fifth with the other side's caption."""
    made = []
    for number in range(40):
        side = ("right", "left")[number % 2]
        other = f"A {side} eye is shown."
        wrong = f"This is a photograph of the {('left', 'right')[number % 2]} eye."
        made.append(eye(tmp_path, number, said=wrong if number % 5 == 0 else "", others=(other,)))
    return made


def test_planted_mismatches_are_not_kept(planted) -> None:
    for text_text in ("facts", "cosine"):
        found = purify(planted, ColourWords(), replace(RULE, keep=0.8), text_text=text_text)
        assert len(found.kept) == 32
        assert all(place % 5 for place in found.kept)
        assert found.names == [p.name for n, p in enumerate(planted) if n % 5]


def test_files_and_arms(planted, tmp_path) -> None:
    out = tmp_path / "out"
    found = purify(planted, ColourWords(), RULE)
    told = write_purified(found, out, RULE, {"spec": "colours"}, seed=3)
    arms = {name: read_pairs(out / f"{name}.jsonl") for name in ("kept", "unfiltered", "random")}
    assert {name: len(arm) for name, arm in arms.items()} == {
        "kept": 20, "unfiltered": 40, "random": 20,
    }  # fmt: skip
    assert arms["kept"][0].path == planted[1].path.resolve()
    assert arms["kept"][0].more["score"] >= told["threshold"]
    rows = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
    assert [row["file_name"] for row in rows] == [pair.name for pair in planted]
    assert sum(row["kept"] for row in rows) == 20
    assert json.loads((out / "purify.json").read_text())["rule"]["text_weight"] == 0.5
    again = write_purified(found, tmp_path / "again", RULE, {}, seed=3)
    assert again["kept"] == told["kept"]
    assert (tmp_path / "again/random.jsonl").read_bytes() == (out / "random.jsonl").read_bytes()


def test_unimedvls_rule_on_three_pairs() -> None:
    looks, words = np.array([0.1, 0.2, 0.3]), np.array([1.0, 0.5, math.nan])
    found = joined(looks, words, 0.5)
    assert found.tolist() == pytest.approx([0.5 / 1.5, 0.5 / 1.5, 1.0])
    assert scaled(np.array([2.0, 2.0])).tolist() == [1, 1]
    assert np.isnan(scaled(np.array([math.nan]))).all()


def test_no_other_caption_is_a_reason_not_a_number(tmp_path) -> None:
    pairs = [eye(tmp_path, 0), eye(tmp_path, 1, others=("A pleasant picture.",))]
    (first, why), (second, none) = by_facts(pairs)
    assert math.isnan(first)
    assert why == "no independent caption"
    assert math.isnan(second)
    assert none == "no fact that both captions speak of"
    told = write_purified(purify(pairs, ColourWords(), RULE), tmp_path / "o", RULE, {})
    assert told["without_text_text"] == {why: 1, none: 1}


@pytest.mark.parametrize(
    ("rule", "said", "words"),
    [
        (Rule(), "This is the right eye.", "a short side below 128 px"),
        (RULE, "Right eye", "a caption not of 10 to 1024 characters"),
        (RULE, "right " * 200, "a caption not of 10 to 1024 characters"),
        (replace(RULE, lint=True), "This is a photograph of the left eye.", "lint: side"),
    ],
)
def test_rules_shut_pairs_out(tmp_path, rule, said, words) -> None:
    pair = eye(tmp_path, 0, said=said)
    assert words in broken(pair, rule)
    with pytest.raises(Refusal, match=f"1 with .*{words.split(' of ')[0]}"):
        purify([pair], ColourWords(), replace(rule, characters=rule.characters))


def test_a_share_beyond_one_is_refused(planted) -> None:
    with pytest.raises(Refusal, match=r"a share to keep above 0 and at most 1; got 1\.5"):
        purify(planted, ColourWords(), replace(RULE, keep=1.5))


def test_what_is_dropped_more_than_the_rest_is_said(tmp_path) -> None:
    pairs = [eye(tmp_path, n, dark=n < 20) for n in range(60)]
    rows = composition([p.record for p in pairs], [p.record for p in pairs[20:50]])
    words = lost(rows)
    assert len(words) == 1
    assert words[0].startswith("pigmentation: dark falls from 33.3% to 0.0% (20 to 0 images)")
    fair = composition([p.record for p in pairs], [p.record for p in pairs[::2]])
    assert not [text for text in lost(fair) if text.startswith("pigmentation")]
    whole = composition([p.record for p in pairs], [p.record for p in pairs])
    assert all(row["kept"] == 1 and row["p_holm"] == 1 for row in whole)
