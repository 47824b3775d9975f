"""What is known of one eye, fact by fact, each with its source.

A caption says nothing that stands in no fact, and a fact says who found it: a manifest, a phantom's
truth, a measurement of ours, a model that looked. The seven fields of RetinaLogos's record
(arXiv 2505.12887v3, section 2.1) are views of these facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | float | int | bool
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Fact:
    """One thing known of one eye.

    Attributes:
        name: of the catalogue (`captions.facts.FACTS`): "eye", "cup_to_disc", "hard_exudate", ...
        value: in the catalogue's unit; a lesion's value is its count, or True where nobody counted.
        source: who found it: "manifest: odir", "phantom truth", "measured: lesions-v2",
            "read: caption", "said: MODEL".
        places: where, in the catalogue's words ("superior temporal", "macula", ...).
        boxes: evidence regions (left, top, right, bottom) as shares of the image's width and
            height, 0 to 1; empty where nobody marked any.
    """

    name: str
    value: Value
    source: str
    places: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class EyeRecord:
    """All facts of one photograph.

    Attributes:
        image: the file's name in its set; unique there.
        facts: by name; one fact a name.
        report: free text of the source, "" where there is none. Never copied into a caption
            unchecked.
        patient, split, licence, dataset: as in `core.Record`; "" where unknown.
        synthetic: drawn, not photographed.
    """

    image: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    report: str = ""
    patient: str = ""
    split: str = ""
    licence: str = ""
    dataset: str = ""
    synthetic: bool = False

    def value(self, name: str) -> Value | None:
        """Return a fact's value; None where it is not known."""
        found = self.facts.get(name)
        return None if found is None else found.value
