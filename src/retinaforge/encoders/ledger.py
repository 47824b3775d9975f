"""The contamination ledger: which public data sets an encoder has seen.

A judge that has learnt from the photographs it judges is no independent judge. What is known is
kept in ledger.json, each line with where it was read; a data set that is not listed is not known to
be seen, which is no proof of absence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from retinaforge.encoders.card import EncoderCard

PARTS = {
    "all": "all of it",
    "train": "its training half",
    "some": "some of it",
    "unknown": "which of its images is not published",
}
NOT_A_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Sighting:
    """One data set that an encoder has seen.

    Attributes:
        dataset: as the caller calls it.
        known_as: its name in the ledger.
        part: "all", "train", "some" or "unknown".
        source: where that was read.
        note: what else is known, such as the authors' own warning.
    """

    dataset: str
    known_as: str
    part: str
    source: str
    note: str

    def in_words(self) -> str:
        """Return one line, such as "idrid: its training half (jusiro/FLAIR, ...)"."""
        note = f"; {self.note}" if self.note else ""
        return f"{self.dataset}: {PARTS[self.part]} ({self.source}){note}"

    def as_dict(self) -> dict[str, str]:
        """Return plain data for JSON."""
        return asdict(self)


@lru_cache(maxsize=1)
def _book() -> dict[str, Any]:
    file = resources.files("retinaforge.encoders") / "ledger.json"
    return json.loads(file.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Return every known spelling with the set that it means."""
    sets = _book()["sets"]
    spelt = {alias: name for name, entry in sets.items() for alias in entry["aliases"]}
    return spelt | {name: name for name in sets}


def known_set(name: str) -> str | None:
    """Return the ledger's name of a data set; None for one that it does not know.

    Case and hyphens do not matter: "IDRiD", "idrid_grading" and "idrid-segmentation" are "idrid".
    """
    return _names().get(NOT_A_NAME.sub("_", name.lower()).strip("_"))


def title_of(name: str) -> str:
    """Return a data set's full name."""
    entry = _book()["sets"].get(known_set(name) or "")
    return entry["title"] if entry else name


def lines_of(family: str) -> Mapping[str, Any]:
    """Return a family's record: source, note, its sets with part and note, those held out."""
    found = (entry for entry in _book()["families"] if entry["family"] == family)
    return next(found, {"family": family, "sets": {}, "source": ""})


def seen(card: EncoderCard, datasets: Iterable[str]) -> list[Sighting]:
    """Return which of some data sets an encoder has seen, as its card and the ledger know.

    Args:
        card: of the encoder; its `training_sets` decide, the ledger says which part and whence.
        datasets: names of folders or data sets, in any spelling that the ledger knows.
    """
    entry = lines_of(card.family)
    held = {known_set(name) or name for name in card.training_sets}
    found = []
    for dataset in dict.fromkeys(datasets):
        name = known_set(dataset)
        if name is None:
            continue
        for other, why in [(name, ""), *_overlapping(name)]:
            if other in held:
                found.append(_sighting(dataset, other, why, entry, card))
                break
    return found


def _sighting(
    dataset: str, name: str, why: str, entry: Mapping[str, Any], card: EncoderCard
) -> Sighting:
    line = entry["sets"].get(name, {})
    notes = [line.get("note", ""), entry.get("note", "") if line else "", why]
    return Sighting(
        dataset=dataset,
        known_as=name,
        part=line.get("part", "unknown"),
        source=entry["source"] if line else card.reference,
        note="; ".join(filter(None, notes)),
    )


def _overlapping(name: str) -> list[tuple[str, str]]:
    """Return other sets that share photographs with one, and how that is known."""
    pairs = _book()["overlaps"]
    return [
        (other, pair["why"])
        for pair in pairs
        if name in pair["sets"]
        for other in pair["sets"]
        if other != name
    ]


def held_out(family: str) -> tuple[str, ...]:
    """Return the sets that a family's authors say they kept for testing."""
    return tuple(lines_of(family).get("held_out", ()))


def sets_of(family: str, modality: str) -> tuple[str, ...]:
    """Return the sets on record for a family's weights of one kind of images."""
    lines = lines_of(family)["sets"].items()
    return tuple(name for name, line in lines if line.get("modality", modality) == modality)


def warning(who: str, sightings: Iterable[Sighting]) -> str:
    """Return the words to print where a judge has seen the data; "" where it has not."""
    lines = [sighting.in_words() for sighting in sightings]
    if not lines:
        return ""
    return f"{who} has learnt from these data, so it is no independent judge: {'; '.join(lines)}"


def spellings(name: str) -> tuple[str, ...]:
    """Return a data set's name with every other spelling of it that the ledger knows."""
    known = known_set(name)
    if known is None:
        return (name,)
    return tuple(dict.fromkeys((name, known, *_book()["sets"][known]["aliases"])))


def knows(card: EncoderCard) -> bool:
    """Return whether an encoder's public training sets are on record, so that words need no search.

    A natural-image or random encoder of a known family counts; a private one does not.
    """
    return bool(card.training_sets) or bool(lines_of(card.family)["sets"])
