"""Where a text encoder lies, whose terms it is under, and which one it is by its hash.

Nothing is fetched unless somebody names a repository of the Hugging Face hub ("hub:OWNER/NAME", or
OWNER/NAME where no such folder exists); the hub's own package then decides by its cache and by
HF_HUB_OFFLINE whether there is anything to fetch.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal, in_one_line
from retinaforge.core.artefacts import sha256_of

HUB_NAME = re.compile(r"(hub:)?([\w.-]+/[\w.-]+)(@[\w.-]+)?")
WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "README.md", "LICENSE*")
IDENTITY = ("*.safetensors", "*.bin", "config.json", "tokenizer.json", "*.model", "vocab*", "*.txt")
UNKNOWN = "not stated"


@dataclass(frozen=True)
class TextSource:
    """A text encoder on disk.

    Attributes:
        folder: with config.json and weights.
        tokenizer: folder of the tokeniser (of a pipeline it lies beside the encoder's).
        named: as the user named it.
        licence: as the folder or the hub's card says; "not stated" where neither does.
        sha256: of config, weights and tokeniser files together, by name.
    """

    folder: Path
    tokenizer: Path
    named: str
    licence: str
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {name: str(value) for name, value in asdict(self).items()}


def find_text_source(spec: str | Path) -> TextSource:
    """Find a text encoder.

    Args:
        spec: a transformers folder, a pipeline's folder (its text_encoder and tokenizer are
            taken), or a repository's name on the hub.

    Raises:
        Refusal: if there is no such folder, or it is no transformers folder.
    """
    root = Path(spec)
    if not root.is_dir():
        root = _from_hub(str(spec))
    inner = root / "text_encoder"
    folder = inner if (inner / "config.json").is_file() else root
    if not (folder / "config.json").is_file():
        raise Refusal(
            "a transformers folder with config.json",
            f"{root} without one",
            "name a folder that save_pretrained or train_text_encoder wrote",
        )
    beside = root / "tokenizer"
    tokenizer = beside if beside.is_dir() else folder
    return TextSource(folder, tokenizer, str(spec), _licence(folder), _hash(folder, tokenizer))


def _from_hub(spec: str) -> Path:
    found = HUB_NAME.fullmatch(spec)
    known = found and (found[1] or not Path(found[2].split("/")[0]).is_dir())
    if not found or not known:
        raise Refusal(
            "a folder, or OWNER/NAME on the Hugging Face hub",
            f"{spec!r}, which is neither",
            "check the path; `train_text_encoder` makes an encoder without any download",
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise Refusal(
            "the huggingface_hub package for a name on the hub",
            "a Python without it",
            "pip install 'retinaforge[hub]', or name a folder",
        ) from error
    try:
        revision = found[3][1:] if found[3] else None
        return Path(snapshot_download(found[2], revision=revision, allow_patterns=list(WANTED)))
    except Exception as error:  # offline, gated, misspelt: the hub raises a dozen types
        raise Refusal(
            f"{found[2]} from the hub or its cache",
            in_one_line(error),
            "accept its terms on its page, log in with `hf auth login`, or copy it here and "
            "name the folder",
        ) from error


def _licence(folder: Path) -> str:
    """Return what the encoder's own folder says; a pipeline's card speaks of the pipeline."""
    card, told = folder / "README.md", folder / "training.json"
    if card.is_file():
        head = re.match(r"---\n(.*?)\n---", card.read_text(errors="replace"), re.S)
        said = head and re.search(r"^licen[sc]e:\s*(\S.*)$", head[1], re.M)
        if said:
            return said[1].strip().strip("\"'")
    if told.is_file():
        return str(json.loads(told.read_text()).get("licence") or UNKNOWN)
    return UNKNOWN


def _hash(*folders: Path) -> str:
    digest = hashlib.sha256()
    paths = {path for folder in folders for kind in IDENTITY for path in folder.glob(kind)}
    # By content too: files of one name, in both folders, would else stand in any order.
    for name, content in sorted((path.name, sha256_of(path)) for path in paths):
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()
