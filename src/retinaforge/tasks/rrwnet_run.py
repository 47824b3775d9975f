"""From photographs and phantoms with named vessels to RRWNet's weights in the published layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

from retinaforge.core import Fov, Photograph, Record, Refusal, artefacts, rng_for
from retinaforge.images import find_fov, read_photograph
from retinaforge.images.artery_vein import read_artery_vein_mask
from retinaforge.nets.rrwnet import RRWNet, published_keys
from retinaforge.tasks.damaged_maps import damage_maps
from retinaforge.tasks.rrwnet_train import RRWNetConfig, train_rrwnet
from retinaforge.tasks.segmenter_card import training_meta, write_card
from retinaforge.tasks.segmenter_data import part_validation
from retinaforge.tasks.segmenter_kinds import (
    annotated_artery_vein,
    artery_vein_phantoms,
    named_records,
)
from retinaforge.tasks.segmenter_phantoms import phantom_population
from retinaforge.vessels.artery_vein import ArteryVeinMaps, named_rightly
from retinaforge.vessels.rrwnet_judge import RRWNetJudge

PHANTOM_COUNT, HELD_OUT = 32, 4
Mask = Bool[np.ndarray, "height width"]


@dataclass(frozen=True)
class NamedEye:
    """A photograph whose arteries and veins are known; both are True where they cross."""

    photo: Photograph
    fov: Fov
    artery: Mask
    vein: Mask

    @property
    def certain(self) -> Mask:
        """Return the vessel pixels in view that have one name."""
        return (self.artery ^ self.vein) & self.fov.mask


def photographs_named(records: Iterable[Record]) -> Iterator[NamedEye]:
    """Read photographs with their named vessels, one at a time."""
    for record in records:
        photo = read_photograph(record.path)
        named = read_artery_vein_mask(record.masks["artery_vein"], size_px=photo.size_px)
        yield NamedEye(photo, find_fov(photo), named.artery, named.vein)


def phantoms_named(*, seed: int, first: int) -> Iterator[NamedEye]:
    """Draw the phantoms that come after those that were learnt from."""
    for p in phantom_population(HELD_OUT, seed=seed, first=first):
        yield NamedEye(p.photograph, p.fov, p.artery, p.vein)


def naming_of(judge: RRWNetJudge, eyes: Iterable[NamedEye], *, seed: int) -> dict[str, float]:
    """Return the mean shares of certain pixels that are rightly named.

    Returns:
        found: by the judge from the photograph; spoilt, mended: in true maps that were spoilt,
        and after the judge has refined these.
    """
    shares: list[tuple[float, float, float]] = []
    for number, eye in enumerate(eyes):
        truth = np.stack([eye.artery, eye.vein, eye.artery | eye.vein]).astype(np.float32)
        spoilt = ArteryVeinMaps(*damage_maps(truth, rng_for(seed, "spoilt", number)))
        looks = (judge.maps(eye.photo, eye.fov), spoilt, judge.refine(spoilt, eye.fov))
        found, before, after = (
            named_rightly(maps.artery > maps.vein, eye.artery, eye.certain) for maps in looks
        )
        shares.append((found, before, after))
    means = np.mean(shares, axis=0).tolist()
    return dict(zip(("found", "spoilt", "mended"), means, strict=True))


def save_rrwnet(model: RRWNet, path: Path) -> Path:
    """Write weights as published, so that the authors' program loads them too."""
    state = published_keys(model.state_dict())
    return artefacts.write_with(path, lambda stream: torch.save(state, stream))


def train_rrwnet_segmenter(
    data: Path | None,
    out: Path,
    *,
    phantoms: int = PHANTOM_COUNT,
    config: RRWNetConfig | None = None,
    on_step: Callable[[int, float], None] | None = None,
) -> dict[str, Any]:
    """Train on photographs with named vessels, phantoms or both; write rrwnet.pth and card.json.

    Args:
        data: folder of data sets with splits.csv, of which the open training rows with an
            artery/vein mask are learnt from; None learns from phantoms only.
        out: run folder; the same call resumes there.
        phantoms: how many phantoms are learnt from; about 30 MB of memory each.
        config: the recipe.
        on_step: called with (steps done, loss).

    Returns:
        What card.json says: data, shares of rightly named pixels on what was held out, SHA-256.

    Raises:
        Refusal: expected open training rows with an artery/vein mask; or neither photographs nor
            phantoms.
    """
    config = config or RRWNetConfig()
    if data is None and phantoms < 1:
        raise Refusal(
            "photographs or phantoms to learn from", "neither", "name --data or --phantoms N"
        )
    learn, validate = part_validation(named_records(data)) if data is not None else ([], [])
    eyes = [annotated_artery_vein(record) for record in learn]
    eyes += artery_vein_phantoms(phantoms, seed=config.seed)
    path = save_rrwnet(train_rrwnet(eyes, config, out, on_step=on_step), out / "rrwnet.pth")
    meta = training_meta(
        learn, phantoms, config, diameter_px=config.diameter_px, passes=config.passes
    )
    write_card(out, meta, path)
    judged = validate or learn
    held_out = photographs_named(judged) if judged else phantoms_named(
        seed=config.seed, first=phantoms
    )  # fmt: skip
    return write_card(
        out,
        meta,
        path,
        learnt_from=[record.name for record in learn],
        validated_on=[r.name for r in judged] or [f"{HELD_OUT} further phantoms"],
        validation_named_rightly=naming_of(RRWNetJudge(path), held_out, seed=config.seed),
    )
