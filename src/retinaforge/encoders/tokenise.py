"""Tokenisers from a folder of the user's, through transformers (an optional package)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from retinaforge.core import Refusal
from retinaforge.encoders.checkpoint import Checkpoint

Tokenise = Callable[[list[str]], tuple[Tensor, Tensor]]
Kind = Literal["clip", "bert"]
FILES = ("tokenizer.json", "vocab.txt", "vocab.json")


def tokeniser(checkpoint: Checkpoint, kind: Kind, *, context: int, vocabulary: int) -> Tokenise:
    """Return the tokeniser in the folder `tokenizer=DIR`, or beside the weights.

    Args:
        context: most tokens of a text; the rest is cut off.
        vocabulary: how many tokens the network knows.

    Raises:
        Refusal: if there is none, it cannot be read, or it knows tokens that the network does not.
    """
    found = _read(_folder(checkpoint), kind)
    if len(found) > vocabulary:
        raise Refusal(
            f"the tokeniser that the text tower was trained with, of at most {vocabulary} tokens",
            f"one of {len(found)}",
            "name the folder that the authors publish with the weights: tokenizer=DIR",
        )

    def tokenise(texts: list[str]) -> tuple[Tensor, Tensor]:
        rows = found(
            texts, padding=True, truncation=True, max_length=context, return_tensors="pt"
        )  # fmt: skip
        return rows["input_ids"], rows["attention_mask"].bool()

    return tokenise


def _folder(checkpoint: Checkpoint) -> Path:
    named = checkpoint.options.get("tokenizer")
    folder = Path(named).expanduser() if named else checkpoint.path.parent
    if any((folder / name).is_file() for name in FILES):
        return folder
    raise Refusal(
        f"a tokeniser ({' or '.join(FILES)}) for the text tower",
        f"{folder} without one",
        "name its folder after the weights: tokenizer=DIR",
    )


def _read(folder: Path, kind: Kind) -> Any:
    library = transformers()
    names = ("config.json", "tokenizer_config.json", "tokenizer.json")
    known = any("model_type" in _text(folder / name) or "tokenizer_class" in _text(folder / name)
                for name in names[:2])  # fmt: skip
    plain = library.CLIPTokenizerFast if kind == "clip" else library.BertTokenizerFast
    try:
        found = (library.AutoTokenizer if known else plain).from_pretrained(
            str(folder), local_files_only=True
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(
            "a tokeniser that transformers can read",
            f"{folder} ({str(error).splitlines()[0]})",
            "name the folder that the authors publish with the weights: tokenizer=DIR",
        ) from error
    found.padding_side = "right"
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def transformers() -> Any:
    """Return the package transformers.

    Raises:
        Refusal: "expected the package transformers ...; got an environment without it".
    """
    try:
        import transformers as library
    except ImportError as error:
        raise Refusal(
            "the package transformers, which reads text for encoders",
            "an environment without it",
            "pip install 'retinaforge[text]'; images need no text tower",
        ) from error
    return library
