"""The catalogue as rows: what `retinaforge encoders list` and the reference page show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from retinaforge.encoders.family import Family, PublishedFile
from retinaforge.encoders.ledger import held_out, sets_of

CONFIRMED_NOT = "not confirmed"
SHIPS = "ships with the package"


@dataclass(frozen=True)
class Listed:
    """One encoder or family, as one row.

    Attributes:
        name: by which `load` knows it, alone or before ":FILE".
        what: architecture and origin.
        licence: of the published weights.
        modality: of the images they were trained on.
        training_sets: public data sets on record as seen.
        held_out: public data sets that its authors kept for testing.
        input_px: side that images are resized to; None where the file decides, or any is taken.
        confirmed: what confirms that ours computes the same.
        spec: how it is named to `load`.
        get: how to come by it.
        reference: paper.
        layout_source: code from which the key layout was read.
        files: what its authors publish.
    """

    name: str
    what: str
    licence: str
    modality: str
    training_sets: tuple[str, ...]
    held_out: tuple[str, ...]
    input_px: int | None
    confirmed: str
    spec: str
    get: str
    reference: str
    layout_source: str
    files: tuple[PublishedFile, ...] = ()

    @property
    def is_confirmed(self) -> bool:
        """Return whether a conformity test holds against another implementation."""
        return not self.confirmed.startswith(CONFIRMED_NOT)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def family_listed(family: Family, files: tuple[PublishedFile, ...] | None = None) -> Listed:
    """Return a family's row; of one published file where `files` holds it alone."""
    offered = family.files if files is None else files
    return Listed(
        name=family.name,
        what=family.about,
        licence=family.licence,
        modality=family.modality,
        training_sets=family.training_sets,
        held_out=held_out(family.name),
        input_px=family.input_px,
        confirmed=family.confirmed,
        spec=family.spec,
        get=how_to_get(family, offered),
        reference=family.reference,
        layout_source=family.layout_source,
        files=offered,
    )


def how_to_get(family: Family, files: Sequence[PublishedFile]) -> str:
    """Return the shortest way to a family's weights."""
    if family.name == "segmenter":
        return SHIPS
    fetchable = sorted((file for file in files if is_fetchable(file)), key=is_gated)
    if fetchable:
        return f"fetch {fetchable[0].name}" + " (gated)" * is_gated(fetchable[0])
    return "by hand (a page to click through)" if files else "your own file"


def is_gated(file: PublishedFile) -> bool:
    """Return whether a form, an account or a login stands before a file."""
    return not file.gate.startswith("none")


def is_fetchable(file: PublishedFile) -> bool:
    """Return whether `retinaforge encoders fetch` can come by a file without a browser."""
    return not file.where.startswith(("https://drive.google.com", "https://pan.baidu.com"))


def every_listed(
    families: Sequence[Family], shipped: Sequence[tuple[str, str, str]], random: Sequence[str]
) -> list[Listed]:
    """Return all rows: what ships, the families, random weights."""
    by_name = {family.name: family for family in families}
    ours = [_shipped(name, by_name[family], file) for name, family, file in shipped]
    names = {row.name for row in ours}
    rest = [family_listed(family) for family in families if family.name not in names]
    return [*ours, *rest, *(_random(name) for name in random)]


def _shipped(name: str, family: Family, file: str) -> Listed:
    """Return the row of a file that ships: what its own header says goes before its family."""
    with safe_open(Path(__file__).parents[1] / "weights" / file, framework="pt") as opened:
        said = opened.metadata() or {}
    row = family_listed(family)
    own = {
        "name": name, "spec": name, "get": SHIPS,
        "licence": said.get("licence", row.licence).strip('"'),
        "training_sets": tuple(json.loads(said.get("training_sets", "[]"))) or row.training_sets,
    }  # fmt: skip
    return Listed(**{**row.__dict__, **own})


def _random(name: str) -> Listed:
    return Listed(
        name=name,
        what="ViT of random weights: the control for 'any features'",
        licence="none needed: made from the seed",
        modality="none",
        training_sets=(),
        held_out=(),
        input_px=224,
        confirmed="it is our own code",
        spec=f"{name}@SEED",
        get="made from the seed",
        reference="initialised as in He et al., CVPR 2022, appendix A.1",
        layout_source="this package, retinaforge.nets.vit",
    )


def how_to_get_file(file: PublishedFile) -> str:
    """Return how to come by one file."""
    gate = "" if file.gate == "none" else f" ({file.gate})"
    return f"{'fetch ' + file.name if is_fetchable(file) else 'by hand'}{gate}"


def find_row(name: str, rows: Sequence[Listed]) -> Listed | None:
    """Return the row of an encoder, or of one published file, by name; None for neither."""
    for row in rows:
        if row.name == name:
            return row
    for row in rows:
        for file in row.files:
            if file.name == name:
                get = how_to_get_file(file)
                alone = {"files": (file,), "get": get, "licence": file.licence,
                         "modality": file.modality,
                         "training_sets": sets_of(row.name, file.modality)}  # fmt: skip
                return Listed(**{**row.__dict__, **alone})
    return None
