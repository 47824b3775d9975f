"""What a frozen encoder is: where its weights come from and what they have seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Domain = Literal["natural images", "retina", "none (random)"]


@dataclass(frozen=True)
class EncoderCard:
    """Declare an encoder; every result that rests on it carries this.

    Attributes:
        name: short name, e.g. "squeezenet 1.0".
        network: architecture and sizes in words.
        licence: licence of the weights, as published; the user's file is taken at its word.
        fingerprint_sha256: of the weight file; of the seed's text for random weights.
        training_data: what it was trained on, so that contamination can be seen.
        domain: what kind of images it knows.
        preprocessing: what happens to an image before the first layer.
        key_report: how the file's keys met the network's.
        reference: paper.
    """

    name: str
    network: str
    licence: str
    fingerprint_sha256: str
    training_data: str
    domain: Domain
    preprocessing: str
    key_report: str
    reference: str

    def as_dict(self) -> dict[str, Any]:
        """Return the card as plain data for JSON."""
        return asdict(self)
