"""A family of published weights: how its files look, who made them, and how they are loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from retinaforge.encoders.card import Modality
from retinaforge.encoders.checkpoint import Checkpoint
from retinaforge.encoders.encoder import Encoder


@dataclass(frozen=True)
class PublishedFile:
    """One weight file that the authors offer.

    Attributes:
        name: by which `retinaforge encoders fetch` knows it, e.g. "retfound-cfp".
        where: "hf:OWNER/REPOSITORY/FILE" or an https address.
        licence: of the weights, as published there.
        gate: what stands before it in words ("a form on the hub", "none").
        sha256: hexadecimal, whole or its published first digits; "" where nobody published it.
        modality: of the images it was trained on.
        source: where this was read.
    """

    name: str
    where: str
    licence: str
    gate: str
    sha256: str
    modality: Modality
    source: str


@dataclass(frozen=True)
class Family:
    """How one family of checkpoints is recognised and loaded.

    Attributes:
        name: as it stands before the colon of a spec, e.g. "retfound".
        about: architecture and origin in one line.
        licence: of the published weights.
        modality: of the images they were trained on.
        training_sets: public data sets they have seen, by the names of `encoders.ledger`.
        reference: paper.
        layout_source: the code from which the key layout was read: repository, path, commit.
        confirmed: what confirms that ours computes the same: package and version of a conformity
            test; else "not confirmed: " and why.
        recognises: whether a checkpoint looks like this family (by names and shapes alone, cheap).
        load: builds the encoder, refusing what does not fit.
        files: what the authors offer.
        options: names that a spec may set after commas beside those of `loading.FOR_ALL`; the
            loader finds them in `Checkpoint.options`.
        input_px: side that its published weights take; None where the file decides or any is taken.
        opens: builds the encoder of what is no weight file (an ONNX graph, an address), from the
            text after the colon and the options; None for a weight file. Asked first.
    """

    name: str
    about: str
    licence: str
    modality: Modality
    training_sets: tuple[str, ...]
    reference: str
    layout_source: str
    confirmed: str
    recognises: Callable[[Checkpoint], bool]
    load: Callable[[Checkpoint], Encoder]
    files: tuple[PublishedFile, ...] = ()
    options: tuple[str, ...] = ()
    opens: Callable[[str, Mapping[str, str]], Encoder | None] | None = None
    input_px: int | None = None

    @property
    def spec(self) -> str:
        """Return how its encoders are named: "FAMILY:FILE", or with a model's name before it."""
        return f"{self.name}:NAME,file=FILE" if "file" in self.options else f"{self.name}:FILE"
