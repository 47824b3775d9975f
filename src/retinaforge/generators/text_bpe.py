"""A tokeniser of our own: byte-level BPE (Sennrich et al. 2016, arXiv 1508.07909; bytes as in
Radford et al. 2019) learnt on captions.

Digits stand alone, so that 0.45 and 0.46 share all but one token; case is lowered, so that the
embedding of a sentence does not hang on its first letter. Bytes leave no word unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal
from retinaforge.core.artefacts import no_room_told, write_json

PAD, CLS, SEP, MASK = SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
NEEDS = "pip install 'retinaforge[generate]'"


def train_tokeniser(texts: Iterable[str], *, vocabulary: int = 2000, positions: int = 256) -> Any:
    """Learn a vocabulary and return it as a tokeniser of transformers.

    Args:
        texts: captions; the same texts in the same order give the same vocabulary.
        vocabulary: most tokens; never fewer than the 256 bytes and four special ones.
        positions: what the network behind it can take.

    Raises:
        Refusal: if the tokenizers or transformers library is missing.
    """
    try:
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
        from transformers import PreTrainedTokenizerFast
    except ImportError as error:
        raise Refusal("tokenizers and transformers", "a Python without them", NEEDS) from error
    inner = Tokenizer(models.BPE())
    inner.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    inner.decoder = decoders.ByteLevel()
    inner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=list(SPECIAL),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    _frame(inner)
    names = dict(zip(("pad_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, model_max_length=positions, padding_side="right", **names
    )


def _frame(inner: Any) -> None:
    from tokenizers import processors

    ends = [(name, inner.token_to_id(name)) for name in (CLS, SEP)]
    inner.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {SEP}", special_tokens=ends
    )


def save_tokeniser(tokenizer: Any, folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json, which AutoTokenizer reads without us.

    Raises:
        DiskFull: if there was no room.
    """
    with no_room_told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    config = {**json.loads(path.read_text()), "tokenizer_class": "PreTrainedTokenizerFast"}
    write_json(path, config)  # the name that transformers 4 and 5 both know
