"""The folder of a reader study: what the server may know, and the key that it never opens.

STUDY/study.json     design, questions, order of each reader, hashes of codes; no truth
STUDY/images/        ID.png, all alike
STUDY/answers.sqlite what readers answered (made by the server)
STUDY/key.json       which image is real, whence it came (may be kept elsewhere)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retinaforge.core import Refusal

STUDY, KEY, IMAGES, ANSWERS = "study.json", "key.json", "images", "answers.sqlite"
FORMAT = 1
MEDIA = {"png": "image/png", "jpeg": "image/jpeg"}


@dataclass(frozen=True)
class ReaderStudy:
    """A study as study.json tells it.

    Attributes:
        folder: where it lies.
        told: study.json.
    """

    folder: Path
    told: dict[str, Any]

    @property
    def readers(self) -> list[str]:
        """Return the readers' names."""
        return [reader["name"] for reader in self.told["readers"]]

    def trials(self, reader: str) -> list[list[str]]:
        """Return a reader's trials in order, each the ids of its one or two images."""
        return self.told["orders"][reader]

    def image(self, name: str) -> Path:
        """Return the file of an image."""
        return self.folder / IMAGES / f"{name}.{self.told['codec']}"


def read_study(folder: Path) -> ReaderStudy:
    """Read a study; the key is not opened.

    Raises:
        Refusal: "expected a folder that `retinaforge reader new` wrote; got ...".
    """
    return ReaderStudy(Path(folder), _read(Path(folder) / STUDY))


def read_key(study: ReaderStudy, path: Path | None = None) -> dict[str, Any]:
    """Read which image is real.

    Args:
        study: whose key it is.
        path: where the key is kept; None: in the study's folder.

    Raises:
        Refusal: for a missing key, or that of another study.
    """
    told = _read(path or study.folder / KEY)
    if told.get("study") != study.told["id"]:
        raise Refusal(f"the key of study {study.told['id']}", f"that of {told.get('study')}",
                      "name the study's own with --key")  # fmt: skip
    return told


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal("a folder that `retinaforge reader new` wrote", f"{path}: {error}",
                      "name that folder, and its key with --key") from error  # fmt: skip
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise Refusal(f"a study of format {FORMAT}", f"{path}", "make it with `reader new`")
    return told
