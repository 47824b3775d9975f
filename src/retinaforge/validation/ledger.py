"""What a number depends on: the protocol, and which networks have seen which photographs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from retinaforge.encoders import EncoderCard
from retinaforge.encoders.ledger import known_set, knows, seen, spellings
from retinaforge.images import read_records
from retinaforge.metrics import structural_similarity
from retinaforge.validation import spaces
from retinaforge.validation.eye import Settings
from retinaforge.validation.finders import finder_cards
from retinaforge.validation.footing import Footing
from retinaforge.validation.measure import MeasuredSides

NOT_SEEN = re.compile(r"[^a-z0-9]+")
GENERIC = frozenset(
    ("real", "train", "training", "test", "val", "data", "images", "photographs", "fundus")
)
"""Folder names that name no data set, though they may stand in a sentence about one."""


def protocol_of(
    real: Path, synthetic: Path, footing: Footing, settings: Settings, options: Any,
    done: MeasuredSides,
) -> dict[str, Any]:  # fmt: skip
    """Return how the numbers came about, conventions by name."""
    train = None if options.train is None else str(options.train)
    return {
        "real": {"folder": str(real), "images": _counts(done, "real")},
        "synthetic": {"folder": str(synthetic), "images": _counts(done, "synthetic")},
        "train": None if train is None else {"folder": train, "images": _counts(done, "train")},
        "suite": options.suite, "seed": options.seed, "paired": options.paired,
        "groups": list(options.groups),
        "footing": footing.as_dict(),
        "resize": "Lanczos, antialiased (Pillow), of 8-bit sRGB values",
        "ssim": structural_similarity.CARD.measures,
        "kid": "unbiased, all pairs, kernel (x·y / d + 1)³; see the card kernel_distance",
        "frechet": "float64, ddof 1, exact by nuclear norm",
        "cldice": "hard, skeleton of Zhang and Suen (scikit-image)",
        "connectivity": "foreground 8, background 4",
        "tests": "Kolmogorov-Smirnov and Fisher, two-sided, Holm over each table",
        "intervals": "95 %; patients left out in groups (sets), Wilson (shares), bootstrap over "
        "patients (pairs)",
        "finders": finder_cards(),
        "spaces": _spaces(settings),
    }  # fmt: skip


def _counts(done: MeasuredSides, side: str) -> dict[str, int]:
    rows = [m.row for m in done.measured if m.row["side"] == side]
    patients = {row["patient"] for row in rows if row["status"] == "ok"}
    scored = sum(row["status"] == "ok" for row in rows)
    return {"found": len(rows), "scored": scored, "patients": len(patients)}


def _spaces(settings: Settings) -> dict[str, Any]:
    named = {spec: spaces.encoder_named(spec).card.as_dict() for spec in settings.encoders}
    own = {
        spaces.STRUCTURE: spaces.structure_card().as_dict(),
        spaces.COLOUR: {"name": "colour", "network": "none", "licence": "Apache-2.0",
                        "training_data": "none",
                        "reference": "opponent channels; Hasler and Süsstrunk 2003"},
    }  # fmt: skip
    return {**own, **named}


def contamination(real: Path, settings: Settings) -> list[dict[str, str]]:
    """Return which judge or encoder has seen which data set of the real folder.

    Encoders are looked up in the contamination ledger (`encoders.ledger`), which says which part
    and where that was read. For our own judges, and for encoders that the ledger does not know, a
    data set counts as seen where its name, in any known spelling, stands in the training data.
    """
    names = sorted({record.dataset for record in read_records(real)})
    said: dict[str, str] = {
        f"{finder} ({card['name']})": ", ".join(card["training_data"])
        for finder, card in finder_cards().items()
    }
    said |= {"encoder structure": spaces.structure_card().training_data}
    found = [
        {"who": who, "dataset": name, "training_data": training}
        for who, training in said.items()
        for name in names
        if _spelt(name, training)
    ]
    for spec in settings.encoders:
        found += _of_encoder(f"encoder {spec}", spaces.encoder_named(spec).card, names)
    return found


def _of_encoder(who: str, card: EncoderCard, names: list[str]) -> list[dict[str, str]]:
    sightings = {sighting.dataset: sighting for sighting in seen(card, names)}
    found = []
    for name in names:
        row = {"who": who, "dataset": name, "training_data": card.training_data}
        if sighting := sightings.get(name):
            found.append(row | {"part": sighting.part, "source": sighting.source,
                                "note": sighting.note})  # fmt: skip
        elif not (knows(card) and known_set(name)) and _spelt(name, card.training_data):
            found.append(row)
    return found


def _spelt(dataset: str, training: str) -> bool:
    """Return whether a data set stands in a text in any known spelling of its name."""
    return any(_named(spelling, training) for spelling in spellings(dataset))


def _named(dataset: str, training: str) -> bool:
    """Return whether a data set's name stands in a text as a word, however it is hyphenated."""
    parts = [part for part in NOT_SEEN.split(dataset.lower()) if part]
    if not parts or parts[0] in GENERIC:
        return False
    pattern = r"(?<![a-z0-9])" + r"[^a-z0-9]*".join(parts) + r"(?![a-z0-9])"
    return re.search(pattern, training.lower()) is not None
