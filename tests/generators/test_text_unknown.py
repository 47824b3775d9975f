"""Texts that a tokeniser has no tokens for are known as such, whichever way it hides that."""

from __future__ import annotations

import pytest

from retinaforge.generators.text_bpe import train_tokeniser
from retinaforge.generators.text_unknown import Unknown, UnknownCounter, unknown_of

pytest.importorskip("transformers")
CAPTIONS = ("A right eye with drusen in the macula.", "A left eye, 12 mm², no haemorrhages.") * 9


@pytest.fixture(scope="module")
def own():
    return UnknownCounter(train_tokeniser(CAPTIONS, vocabulary=600))


def test_what_it_learnt_is_known(own):
    assert [own(text).unknown for text in CAPTIONS[:2]] == [0, 0]
    assert own("A LEFT eye with 4711 drusen!?").unknown == 0
    assert own("").share == 0.0


def test_another_script_is_told_with_its_share(own):
    found = own("右眼 with drusen")
    assert (found.tokens, found.unknown) == (8, 6)
    assert found.words == ("右眼",)
    assert found.said() == (
        "6 of 8 tokens (75%) stand for what the text encoder never learnt: 右眼"
    )
    assert own("глаз").share == 1.0
    assert own("👁").share == 1.0


def test_another_language_in_known_letters_is_told_by_its_words(own):
    found = own("A right eye with Netzhautabloesung")
    assert found.words == ("Netzhautabloesung",)
    assert 0.3 < found.share < 1


def test_many_words_are_named_in_part():
    said = Unknown(9, 9, tuple("abcdef")).said()
    assert said.endswith("never learnt: a, b, c, d and 2 more")


def test_an_unknown_token_counts_and_a_large_vocabulary_may_spell_words():
    """BERT's [UNK] is taken at its word; what it spells from pieces is no sign of ignorance."""
    from transformers import BertTokenizerFast

    pieces = ["##" + letter for letter in "abcdefghijklmnopqrstuvwxyz"]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "eye", "d", *pieces]
    filler = [f"word{i}" for i in range(9000)]
    tokenizer = BertTokenizerFast(vocab={word: i for i, word in enumerate([*words, *filler])})
    known, unknown = unknown_of(tokenizer, ["a eye drusen", "a 眼"])
    assert (known.tokens, known.unknown) == (8, 0)
    assert (unknown.tokens, unknown.unknown) == (2, 1)
    assert unknown.words == ("眼",)
