"""Images against their own captions and those of others."""

from __future__ import annotations

import numpy as np
import pytest
from colour_words import ColourWords
from PIL import Image
from sklearn.metrics import roc_auc_score

from retinaforge.core import Refusal
from retinaforge.encoders import load
from retinaforge.tasks.adherence import adherence_of, part_scores, parts_of
from retinaforge.tasks.adherence_embed import embed_pairs, texts_of
from retinaforge.tasks.adherence_scores import agreement_of, auroc, retrieval, shuffled_places
from retinaforge.tasks.pairs import Pair


def pair(folder, number: int, *, right: bool, said: bool | None = None) -> Pair:
    """Return an image, red for a right eye, with a caption that says `said`."""
    said = right if said is None else said
    path = folder / f"{number:03d}.png"
    colour = (200, 90, 40) if right else (40, 90, 200)
    Image.new("RGB", (40, 40), colour).save(path)
    text = f"This is a fundus photograph of the {'right' if said else 'left'} eye."
    return Pair(path, text, (text,), synthetic=True, patient=f"p{number}", split="test")


@pytest.fixture
def pairs(tmp_path) -> list[Pair]:
    return [pair(tmp_path, n, right=n % 3 == 0) for n in range(24)]


def test_auroc_is_that_of_scikit_learn_with_weights() -> None:
    rng = np.random.default_rng(0)
    own, apart = rng.normal(0.5, 1, 30).round(1), rng.normal(0, 1, (30, 4)).round(1)
    weights = rng.integers(0, 4, (3, 30)).astype(float)
    labels = np.r_[np.ones(30), np.zeros(120)]
    scores = np.r_[own, apart.ravel()]
    for weight, found in zip(weights, auroc(own, apart, weights), strict=True):
        both = np.r_[weight, np.repeat(weight, 4)]
        assert found == pytest.approx(roc_auc_score(labels, scores, sample_weight=both))


def test_a_shuffled_caption_has_other_words() -> None:
    captions = ["a"] * 9 + ["b"]
    places = shuffled_places(captions, seed=1)
    words = np.array(captions)
    assert (words[places] != words).all()
    assert shuffled_places(["a", "a"]) is None


def test_all_captions_alike_give_no_number_but_a_reason() -> None:
    vectors = np.eye(4, dtype=np.float32)
    found = agreement_of(vectors, vectors, ["same"] * 4, list("abcd")).as_dict()
    assert found["auroc"] == {"value": None, "interval": None,
                              "reason": "all captions are the same"}  # fmt: skip
    assert found["matched"]["value"] == 1


def test_retrieval_of_one_hot_vectors() -> None:
    eye = np.eye(12, dtype=np.float32)
    captions = [f"caption {n}" for n in range(12)]
    assert retrieval(eye, eye, captions)["recall_at_1"] == 1
    blind = retrieval(np.ones((12, 1)), np.ones((12, 1)), captions)
    assert blind["median_rank"] == 6.5  # ties share their ranks
    assert retrieval(eye, eye, ["a"] * 11 + ["b"])["among"] == 2


def test_matched_captions_score_above_shuffled(pairs) -> None:
    told = adherence_of(ColourWords(), pairs)
    assert told["whole"]["auroc"]["value"] == 1
    assert told["whole"]["auroc"]["interval"] == [1, 1]
    assert told["whole"]["matched"]["value"] > 0.9 > 0 > told["whole"]["shuffled"]["value"]
    assert told["whole"]["n"] == 24
    assert told["parts"]["eye"]["auroc"]["value"] == 1
    assert told["encoder"]["name"] == "colour words"
    assert [row["file_name"] for row in told["images"]][:2] == ["000.png", "001.png"]


def test_without_sight_auroc_is_a_half(pairs, tmp_path) -> None:
    rng = np.random.default_rng(0)
    blind = [pair(tmp_path, n, right=n % 2 == 0, said=bool(rng.random() < 0.5)) for n in range(60)]
    found = adherence_of(ColourWords(), blind)["whole"]["auroc"]
    assert found["interval"][0] < 0.5 < found["interval"][1]


def test_unreadable_images_and_empty_captions_are_named(pairs, tmp_path) -> None:
    (tmp_path / "000.png").write_bytes(b"no image")
    silent = Pair(tmp_path / "001.png", " ", synthetic=True)
    found = embed_pairs(ColourWords(), [*pairs, silent])
    assert {name for name, _ in found.left_out} == {"000.png", "001.png"}
    assert len(found.pairs) == len(found.images) == len(found.texts) == 23


def test_photographs_and_drawn_images_keep_their_order(pairs, tmp_path) -> None:
    y, x = np.mgrid[:96, :96]
    disc = (np.hypot(x - 48, y - 48) < 40)[..., None] * np.array([200, 90, 40])
    Image.fromarray(disc.astype(np.uint8)).save(tmp_path / "photo.png")
    photo = Pair(tmp_path / "photo.png", "A left eye.", patient="q")
    found = embed_pairs(ColourWords(), [pairs[1], photo, pairs[0]])
    assert [p.path.name for p in found.pairs] == ["001.png", "photo.png", "000.png"]
    assert found.images[1, 0] > 0 > found.images[0, 0]
    assert found.texts[1, 0] < 0


def test_an_encoder_of_images_alone_is_refused(pairs) -> None:
    with pytest.raises(Refusal, match="expected an encoder of images and words"):
        adherence_of(load("random-vit-tiny"), pairs)


def test_parts_of_a_caption() -> None:
    parts = parts_of(
        "This is the left eye. The optic disc has a large cup. There are no drusen. "
        "The vertical cup-to-disc ratio is 0.7. Vessels are tortuous. A fine day."
    )
    assert set(parts) == {"eye", "disc", "lesions", "vessels"}
    assert parts["disc"] == "The optic disc has a large cup. The vertical cup-to-disc ratio is 0.7."


def test_a_wrong_sentence_moves_its_own_part_alone() -> None:
    red = np.array([1.0, 0.0], np.float32)
    right = part_scores(ColourWords(), red, "This is the right eye. There are no drusen.")
    wrong = part_scores(ColourWords(), red, "This is the left eye. There are no drusen.")
    assert wrong["eye"] < right["eye"]
    assert wrong["lesions"] == right["lesions"]


def test_a_texts_vector_does_not_depend_on_order_or_repeats() -> None:
    texts = ["the right eye and more words", "left", "the right eye and more words", "right"]
    found = texts_of(ColourWords(), texts)
    assert np.array_equal(found[0], found[2])
    assert np.allclose(found[1], texts_of(ColourWords(), ["left"])[0])
