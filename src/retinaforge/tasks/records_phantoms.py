"""What is known of a phantom, as a record: its facts file read into the captions' catalogue.

Only what the picture shows is stated: lesions count where their centre lies in the field, disc and
macula where the field holds them. Faint things (choroidal vessels, nerve fibres, the foveal reflex,
atrophy beside the disc) are graded from 0 to 1 in a phantom; they are stated as seen above one
level, as absent below another, and not at all between them or in a picture too blurred or hazy to
tell. The levels were set by eye on a sheet of 600 phantoms of 256 px.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from retinaforge.captions.facts import LESIONS, REGIONS, fact_kind
from retinaforge.captions.record import Box, EyeRecord, Fact, Value
from retinaforge.core import Refusal, RetinaForgeError
from retinaforge.images import image_size
from retinaforge.phantoms.export import LICENCE
from retinaforge.tasks.records_file import Known
from retinaforge.tasks.records_places import boxes_of, in_order

SOURCE = "phantom truth"
DISC_SEEN, MACULA_SEEN = 0.5, 0.5
"""Share of disc or macula that may lie outside the field for it still to be described."""
FAINT: dict[str, tuple[float, float]] = {
    "tessellation": (0.15, 0.4), "foveal_reflex": (0.1, 0.5), "peripapillary_atrophy": (0.03, 0.15),
}  # fmt: skip
"""Absent below the first, seen from the second, in the units of the phantom's facts."""
FIBRES_FAINT, FIBRES_VISIBLE = 0.2, 0.6
REASONS = {
    "blur": ("blur_um",),
    "haze": ("haze",),
    "illumination": ("dark_share", "underexposure", "overexposure"),
    "artefact": ("specks",),
}
Row = Mapping[str, Any]


def is_phantom_set(folder: Path) -> bool:
    """Say whether a folder holds phantoms with their facts."""
    return (folder / "facts").is_dir() and (folder / "images").is_dir()


def phantom_records(
    folder: Path,
    *,
    boxes: bool = False,
    left_out: list[tuple[str, str]] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[Known]:
    """Yield each phantom of a set with its record, by name.

    A set that is still being drawn gives what is whole so far: facts are written last.

    Args:
        folder: written by `retinaforge phantoms draw`.
        boxes: also read the lesion masks for evidence boxes.
        left_out: takes (image, reason) of phantoms whose image or facts cannot be read; none: the
            first one is refused.
        on_progress: called with (phantoms done, phantoms).

    Raises:
        Refusal: "expected a set of phantoms; got no facts/*.json in FOLDER; ...".
    """
    paths = sorted((Path(folder) / "facts").glob("*.json"))
    if not paths:
        raise Refusal(
            "a set of phantoms with their facts",
            f"no facts/*.json in {folder}",
            "draw one with `retinaforge phantoms draw`",
        )
    for done, path in enumerate(paths, 1):
        image = Path(folder) / "images" / f"{path.stem}.png"
        try:
            image_size(image)
            evidence = _evidence(Path(folder), path.stem) if boxes else {}
            known = Known(phantom_record(_read(path), image, evidence), image)
        except (RetinaForgeError, OSError, KeyError, TypeError) as error:
            if left_out is None:
                raise
            broken = isinstance(error, KeyError | TypeError)
            why = f"facts that are not whole ({error!r}): {path}" if broken else str(error)
            left_out.append((f"images/{image.name}", why))
        else:
            yield known
        if on_progress:
            on_progress(done, len(paths))


def phantom_record(facts: Row, image: Path, boxes: Mapping[str, tuple[Box, ...]]) -> EyeRecord:
    """Return the record of one phantom.

    Args:
        facts: as `phantoms.facts_of` writes them.
        image: the drawn photograph; the folder above its own names the set.
        boxes: evidence regions by lesion.
    """
    dataset, person = image.parent.parent.resolve().name, facts["person"]
    found = (*_picture(facts), *_eye(facts), *_lesions(facts, boxes), *_verdict(facts))
    return EyeRecord(
        image=f"images/{image.name}",
        facts={fact.name: fact for fact in found},
        patient=f"{dataset}:{person['patient']}" if person else f"{dataset}:{image.stem}",
        split=person.get("split", ""),
        licence=LICENCE,
        dataset=dataset,
        synthetic=True,
    )


def _read(path: Path) -> Row:
    try:
        return json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise Refusal(
            "a phantom's facts", f"a damaged file ({error}): {path}", "draw it again"
        ) from error


def _fact(name: str, value: Value, *places: str, boxes: tuple[Box, ...] = ()) -> Fact:
    return Fact(name, value, SOURCE, places, boxes)


def _picture(facts: Row) -> Iterator[Fact]:
    """Yield the eye's side and how well the picture shows it."""
    yield _fact("eye", facts["eye"])
    yield _fact("quality", facts["quality"]["label"])
    for name, reasons in REASONS.items():
        yield _fact(name, any(reason in facts["quality"]["reasons"] for reason in reasons))


def _eye(facts: Row) -> Iterator[Fact]:
    """Yield what is to be seen of ground, disc, vessels, macula and nerve fibres."""
    clear = not {"blur_um", "haze"} & set(facts["quality"]["reasons"])
    lost, look = facts["quality"]["scores"], facts["look"]
    yield _fact("pigmentation", round(look["pigment"], 3))
    if clear:
        yield from _faint("tessellation", look["tigroid"])
    if lost["disc_lost"] < DISC_SEEN:
        yield from _disc(facts["disc"])
    yield from _vessels(facts["biomarkers"])
    yield _fact("fovea_in_view", facts["macula"]["in_view"])
    if clear and lost["macula_lost"] < MACULA_SEEN:
        yield from _faint("foveal_reflex", look["foveal_reflex"])
    if clear and not FIBRES_FAINT <= look["fibres"] < FIBRES_VISIBLE:
        yield _fact("nerve_fibre_layer", "faint" if look["fibres"] < FIBRES_FAINT else "visible")


def _faint(name: str, value: float) -> Iterator[Fact]:
    absent, seen = FAINT[name]
    if not absent <= value < seen:
        yield _fact(name, value >= seen)


def _disc(disc: Row) -> Iterator[Fact]:
    yield _fact("cup_to_disc", round(disc["cup_to_disc"], 3))
    yield _fact("rim_notch", disc["notch"] > 0, *([disc["notch_at"]] if disc["notch_at"] else []))
    yield from _faint("peripapillary_atrophy", disc["atrophy"])


def _vessels(numbers: Row) -> Iterator[Fact]:
    """Yield density, calibre and pooled tortuosity (all lengths over all chords)."""
    kinds = ("artery", "vein")
    density = sum(numbers[f"{kind}_length_density_mm_per_mm2"] for kind in kinds)
    yield _fact("vessel_density", round(density, 3))
    ratio = numbers["avr_knudtson"]
    if ratio is not None and fact_kind("artery_vein_ratio").low <= ratio <= 2:
        yield _fact("artery_vein_ratio", round(ratio, 3))
    lengths = [numbers[f"{kind}_length_mm"] for kind in kinds]
    bends = [numbers[f"{kind}_pooled_tortuosity"] for kind in kinds]
    if all(lengths) and all(bends):
        chords = sum(length / bend for length, bend in zip(lengths, bends, strict=True))
        yield _fact("tortuosity", round(max(1.0, sum(lengths) / chords), 4))


def _lesions(facts: Row, boxes: Mapping[str, tuple[Box, ...]]) -> Iterator[Fact]:
    """Yield each kind's count in the field, 0 where there is none, with its places."""
    for kind in LESIONS:
        if (found := facts["lesions"].get(kind)) is not None:
            places = (*in_order(found["quadrants"]), *in_order(found["places"], REGIONS))
            count = int(found["count"])
            evidence = boxes.get(kind, ()) if count else ()
            yield _fact(kind, count, *places, boxes=evidence)


def _verdict(facts: Row) -> Iterator[Fact]:
    """Yield the grades that the picture shows, and whose eye it is."""
    for name in ("dr_grade", "macular_oedema", "amd_stage", "glaucoma"):
        yield _fact(name, int(facts["labels"][name]))
    person = facts["person"]
    if person:
        yield _fact("age", int(person["age"]))
        yield _fact("sex", person["sex"])
        if person["group"]:
            yield _fact("ethnicity", person["group"])
    yield _fact("camera", f"RetinaForge phantom, {facts['camera']['model']}")


def _evidence(folder: Path, stem: str) -> dict[str, tuple[Box, ...]]:
    """Return the boxes round the regions of each lesion mask there is."""
    files = {kind: folder / "lesions" / kind / f"{stem}.png" for kind in LESIONS}
    return {kind: boxes_of(_mask(path)) for kind, path in files.items() if path.is_file()}


def _mask(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L")) > 127
