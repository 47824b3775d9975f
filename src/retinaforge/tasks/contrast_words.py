"""Captions cut into sentences, and a tokeniser of their own words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from retinaforge.core import artefacts
from retinaforge.encoders.retina_text import TOKENIZER, tokenizers

SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
PAD, UNKNOWN, BEGIN, END = "[PAD]", "[UNK]", "[BOS]", "[EOS]"
SPECIAL = (PAD, UNKNOWN, BEGIN, END)
VOCABULARY = 2000


def sentences_of(text: str) -> list[str]:
    """Return a caption's sentences; a number's point ends none."""
    return [part for part in SENTENCE_END.split(text.strip()) if part]


def train_tokeniser(texts: Iterable[str], vocabulary: int = VOCABULARY) -> Any:
    """Return a byte-pair tokeniser of lower-cased words, digits one by one.

    Args:
        texts: captions of the training split.
        vocabulary: at most so many tokens.

    References:
        Sennrich et al., ACL 2016 (arXiv 1508.07909).
    """
    library = tokenizers()
    found = library.Tokenizer(library.models.BPE(unk_token=UNKNOWN))
    found.normalizer = library.normalizers.Sequence(
        [library.normalizers.NFKC(), library.normalizers.Lowercase()]
    )
    found.pre_tokenizer = library.pre_tokenizers.Sequence(
        [library.pre_tokenizers.Whitespace(), library.pre_tokenizers.Digits(individual_digits=True)]
    )
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False
    )
    found.train_from_iterator(texts, trainer)
    ends = [(word, found.token_to_id(word)) for word in (BEGIN, END)]
    found.post_processor = library.processors.TemplateProcessing(
        single=f"{BEGIN} $A {END}", pair=None, special_tokens=ends
    )
    found.enable_padding(pad_id=found.token_to_id(PAD), pad_token=PAD)
    return found


def write_tokeniser(tokeniser: Any, folder: Path) -> Path:
    """Write tokenizer.json, and what lets transformers' AutoTokenizer read the folder too."""
    named = {"pad_token": PAD, "unk_token": UNKNOWN, "bos_token": BEGIN, "eos_token": END}
    content = {"tokenizer_class": "PreTrainedTokenizerFast", **named}
    artefacts.write_json(folder / "tokenizer_config.json", content)
    return artefacts.write_text(folder / TOKENIZER, json.dumps(json.loads(tokeniser.to_str())))
