"""The text side: CLIP's against transformers', tokenisers, and images that fit their words."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.encoders import Encoder, load, read_checkpoint
from retinaforge.encoders.bert import load_bert
from retinaforge.encoders.card import EncoderCard
from retinaforge.encoders.encoder import Field, Images, Preprocess
from retinaforge.encoders.text import ImageText, TextTower, adherence, zero_shot
from retinaforge.encoders.tokenise import tokeniser

LETTERS = "abcdefghijklmnopqrstuvwxyz"
START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "fundus", "photograph", "of", "drusen")
TEXTS = ["a fundus photograph", "drusen", "a photograph of a fundus of a fundus"]


def write_clip_tokeniser(folder: Path) -> int:
    """Write CLIP's two files with single letters as tokens; return how many there are."""
    pieces = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "a b", START, END]
    vocabulary = {piece.replace(" ", ""): number for number, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    return len(vocabulary)


def write_bert_tokeniser(folder: Path) -> int:
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return len(WORDS)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Return a small CLIPModel of transformers', saved with its tokeniser."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("clip")
    size = write_clip_tokeniser(folder)
    half = {"hidden_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2,
            "intermediate_size": 160}  # fmt: skip
    text = {**half, "vocab_size": size, "max_position_embeddings": 24, "eos_token_id": size - 1,
            "bos_token_id": size - 2, "num_hidden_layers": 3}  # fmt: skip
    vision = {**half, "patch_size": 16, "image_size": 32}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=48)
    torch.manual_seed(1)
    model = transformers.CLIPModel(config).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    return folder, model


def test_clips_text_tower_agrees_with_transformers(clip) -> None:
    folder, theirs = clip
    ours = load(f"clip:{folder}")
    import transformers

    rows = transformers.CLIPTokenizerFast.from_pretrained(folder)(
        TEXTS, padding=True, truncation=True, max_length=24, return_tensors="pt"
    )
    with torch.inference_mode():
        states = theirs.text_model(**rows).pooler_output
        expected = nn.functional.normalize(theirs.text_projection(states), dim=1)
    found = ours.text(TEXTS)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.text(TEXTS[1:2])[0], found[1], rtol=1e-4, atol=1e-5)
    assert found.shape == (3, 48)
    cosines = adherence(ours, torch.zeros(3, 3, 32, 32), TEXTS)
    assert cosines.shape == (3,)
    assert (cosines.abs() <= 1 + 1e-6).all()


def test_a_tokeniser_is_found_beside_the_weights_or_by_name(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    (tmp_path / "words").mkdir()
    size = write_bert_tokeniser(tmp_path / "words")
    alone = read_checkpoint(tmp_path / "a.pth")
    with pytest.raises(Refusal, match=r"a tokeniser \(tokenizer.json or .*without one; .*=DIR"):
        tokeniser(alone, "bert", context=77, vocabulary=size)
    named = read_checkpoint(tmp_path / "a.pth", {"tokenizer": str(tmp_path / "words")})
    ids, real = tokeniser(named, "bert", context=5, vocabulary=size)(
        ["a fundus", "A fundus photograph of drusen of drusen"]
    )
    assert ids.tolist() == [[2, 5, 6, 3, 0], [2, 5, 6, 7, 3]]  # cut to five, filled up with 0
    assert real.tolist() == [[True] * 4 + [False], [True] * 5]
    with pytest.raises(Refusal, match=r"trained with, of at most 9 tokens; got one of 10; .*DIR"):
        tokeniser(named, "bert", context=77, vocabulary=9)
    (tmp_path / "words" / "tokenizer.json").write_text("{")
    with pytest.raises(Refusal, match=r"a tokeniser that transformers can read; got .*words"):
        tokeniser(named, "bert", context=77, vocabulary=size)


def test_without_transformers_words_are_refused_and_images_not(
    clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = load(f"clip:{clip[0]}")
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert encoder.embedding(torch.zeros(1, 3, 32, 32)).shape == (1, 48)
    said = r"the package transformers.*without it; pip install 'retinaforge\[text\]'"
    with pytest.raises(Refusal, match=said):
        encoder.text(["a fundus"])


class Colours(nn.Module):
    """Texts whose third token names a channel."""

    def forward(self, ids: Tensor, real: Tensor) -> Tensor:
        return nn.functional.one_hot(ids[:, 2] - 5, 3).float() + 0.1


class Planted(ImageText):
    """An encoder that sees which channel is brightest."""

    prompt = "the colour {}"

    def __init__(self) -> None:
        card = EncoderCard("planted", "", "", "", "", "none (random)", "", "", "")
        unit = Preprocess([0.5] * 3, [0.5] * 3)
        super().__init__(card, nn.Identity(), preprocess=unit, blocks=(), input_px=None)
        self.make_text = lambda: TextTower(Colours(), self._tokens)

    def _tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        known = {"the": 1, "colour": 2, "red": 5, "green": 6, "blue": 7}
        ids = torch.tensor([[known[word] for word in text.split()] for text in texts])
        return ids, torch.ones_like(ids, dtype=torch.bool)

    def embedding(self, images: Images, *, fov: Field | None = None) -> Tensor:
        return self.prepare(images, None).mean((2, 3)) * 7

    def features(self, images: Images, blocks=None, *, input_px=None, fov=None) -> list[Tensor]:
        return []

    def class_token(self, images: Images, *, input_px=None, fov: Field | None = None) -> Tensor:
        return self.embedding(images)


def test_matched_pairs_adhere_more_than_shuffled_ones() -> None:
    images = torch.full((3, 3, 8, 8), -0.5)
    images[range(3), range(3)] = 0.9
    texts = [f"the colour {name}" for name in ("red", "green", "blue")]
    encoder = Planted()
    matched, shuffled = adherence(encoder, images, texts), adherence(encoder, images, texts[::-1])
    assert (matched > 0.95).all()
    assert shuffled[[0, 2]].max() < matched.min() - 0.3
    assert shuffled[1] == pytest.approx(matched[1])  # in the middle of three nothing moved
    seen = zero_shot(encoder, images, ["red", "green", "blue"])
    assert seen.argmax(dim=1).tolist() == [0, 1, 2]
    assert seen.max() <= 1 + 1e-6


def test_texts_must_pair_with_images_and_hold_words() -> None:
    encoder = Planted()
    with pytest.raises(Refusal, match=r"one text an image; got 2 for 1; pair them up"):
        adherence(encoder, torch.zeros(1, 3, 8, 8), ["the colour red"] * 2)
    with pytest.raises(Refusal, match=r"texts of at least one word; got \['the colour red', ' '\]"):
        encoder.text(["the colour red", " "])
    with pytest.raises(Refusal, match=r"texts of at least one word; got \[\]"):
        encoder.text([])


def test_encoders_of_images_alone_refuse_words() -> None:
    encoder: Encoder = load("random-vit-tiny")
    said = r"an encoder of images and words, such as clip.*got random-vit-tiny@0, which knows imag"
    with pytest.raises(Refusal, match=said):
        encoder.text(["a fundus"])


def test_a_bert_that_is_none_is_refused() -> None:
    pytest.importorskip("transformers")
    with pytest.raises(Refusal, match=r"a BERT's arrays, .*; got keys such as a; name the file"):
        load_bert({"a": torch.zeros(1)})
