"""Which published file a checkpoint is, and of which kind of images it has learnt.

Weights of OCT scans load into the very network that those of colour photographs load into, and
give numbers there. What tells them apart is, in this order, the file's SHA-256, what was written
into it, and its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from retinaforge.core import Refusal
from retinaforge.encoders.card import Modality
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.family import PublishedFile

WORDS: Mapping[str, tuple[str, ...]] = {
    "cfp": ("cfp", "fundus", "colour", "color"),
    "oct": ("oct",),
    "ffa": ("ffa", "angiography"),
    "slitlamp": ("slitlamp", "siltlamp", "slit"),
    "ultrasound": ("ultrasound",),
    "external": ("external", "externaleye"),
    "mri": ("mri",),
    "ubm": ("ubm",),
}
"""Kinds of images as a spec names them (modality=oct), and the words that stand for each."""
MODALITY: Mapping[str, Modality] = {"cfp": "colour fundus", "oct": "OCT"}
IN_WORDS = {
    "cfp": "colour fundus photographs", "oct": "OCT scans", "ffa": "fluorescein angiograms",
    "slitlamp": "slit lamp photographs", "ultrasound": "B-scan ultrasound",
    "external": "photographs of the outer eye", "mri": "MRI", "ubm": "ultrasound biomicroscopy",
}  # fmt: skip


class Seen(NamedTuple):
    """Of which kind of images a file has learnt, and how that is known."""

    kind: str
    how: str

    @property
    def modality(self) -> Modality:
        """Return the card's word for it."""
        return MODALITY.get(self.kind, "other eye images")


def published_as(checkpoint: Checkpoint, files: Sequence[PublishedFile]) -> PublishedFile | None:
    """Return the published file whose SHA-256 the checkpoint has; None where none is known."""
    known = [file for file in files if file.sha256]
    return next((f for f in known if checkpoint.sha256.startswith(f.sha256)), None)


def identity(checkpoint: Checkpoint, files: Sequence[PublishedFile]) -> str:
    """Return in words whether the file is one that was published."""
    found = published_as(checkpoint, files)
    if found is not None:
        return f"its SHA-256 is that of {found.name} ({found.source})"
    if any(file.sha256 for file in files):
        return (
            "its SHA-256 is none that is known: whose weights they are rests on its keys and name"
        )
    return "no SHA-256 is published: whose weights they are rests on its keys and name"


def kind_seen(
    checkpoint: Checkpoint,
    files: Sequence[PublishedFile],
    *,
    allowed: Sequence[str] = ("cfp", "oct"),
    default: str = "cfp",
) -> Seen:
    """Return the kind of images that a file has learnt from.

    Args:
        checkpoint: whose options may hold `modality`.
        files: what is published, one kind a file.
        allowed: kinds that the family has, by the names in `WORDS`.
        default: what is wanted where the option is not given.

    Raises:
        Refusal: "these are OCT weights" where the file says another kind than the option (or than
            `default`), or the option one that the family does not have.
    """
    asked = _asked(checkpoint.options.get("modality"), allowed)
    found = _of_file(checkpoint, files, allowed)
    if found is None:
        how = "modality= says so" if asked else "taken for granted, for the file does not say"
        return Seen(asked or default, how)
    wanted = asked or default
    if wanted != found.kind:
        raise Refusal(
            f"weights of {IN_WORDS[wanted]}{f' (modality={asked})' if asked else ''}",
            f"{checkpoint.path}; these are {found.kind.upper()} weights ({found.how})",
            f"name the file of {IN_WORDS[wanted]}, or, where you mean these, write "
            f"modality={found.kind}",
        )
    return found


def _asked(text: str | None, allowed: Sequence[str]) -> str | None:
    if text is None:
        return None
    kind = _kind_in(text, allowed)
    if kind is None:
        raise Refusal(
            f"modality= one of {', '.join(allowed)}",
            repr(text),
            f"write e.g. modality={allowed[0]}",
        )
    return kind


def _of_file(
    checkpoint: Checkpoint, files: Sequence[PublishedFile], allowed: Sequence[str]
) -> Seen | None:
    published = published_as(checkpoint, files)
    kinds = {modality: kind for kind, modality in MODALITY.items()}
    if published is not None and published.modality in kinds:
        return Seen(kinds[published.modality], f"its SHA-256 is that of {published.name}")
    args = checkpoint.said.get("args", {})
    if isinstance(args, Mapping) and (kind := _kind_in(str(args.get("modality", "")), allowed)):
        return Seen(kind, "the arguments inside the file say so")
    if kind := _kind_in(checkpoint.path.stem, allowed):
        return Seen(kind, "its name says so")
    return None


def _kind_in(text: str, allowed: Sequence[str]) -> str | None:
    """Return the kind that a name speaks of: "RETFound_mae_natureOCT" says oct."""
    parts = re.findall(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+", text)
    spoken = {part.lower() for part in parts} | {re.sub(r"[^a-z]", "", text.lower())}
    spoken |= {(a + b).lower() for a, b in pairwise(parts)}
    return next((kind for kind in allowed if spoken & set(WORDS[kind])), None)
