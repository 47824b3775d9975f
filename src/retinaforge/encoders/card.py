"""What a frozen encoder is: where its weights come from, what they have seen, how sure we are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Domain = Literal["natural images", "retina", "medical images", "none (random)"]
Modality = Literal[
    "colour fundus", "OCT", "several retinal", "other eye images", "several medical", "natural",
    "none",
]  # fmt: skip


@dataclass(frozen=True)
class EncoderCard:
    """Declare an encoder; every result that rests on it carries this.

    Attributes:
        name: short name, e.g. "squeezenet 1.0".
        network: architecture and sizes in words.
        licence: licence of the weights, as published; the user's file is taken at its word.
        fingerprint_sha256: of the weight file; of the seed's text for random weights.
        training_data: what it was trained on, in words.
        domain: what kind of images it knows.
        preprocessing: what happens to an image before the first layer.
        key_report: how the file's keys met the network's.
        reference: paper.
        family: its name in the catalogue.
        modality: of the images that it was trained on.
        input_px: side that images are resized to; None takes them as they come.
        training_sets: the public data sets it has seen, by the names of `encoders.ledger`; what is
            not known to be seen is not listed, which is no proof of absence.
        certainty: how sure we are that it computes what its authors' code computes, and by what.
        precision: in which it computes, and what was measured where that was left to it.
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
    family: str = ""
    modality: Modality = "natural"
    input_px: int | None = None
    training_sets: tuple[str, ...] = ()
    certainty: str = ""
    precision: str = "float32"

    def as_dict(self) -> dict[str, Any]:
        """Return the card as plain data for JSON."""
        return asdict(self)
