"""Damage a folder: the same images damaged, true masks after damage, the originals beside them.

    OUT/images, vessel, ...   after damage        OUT/before/...   the files as they were
    OUT/records/NAME.json     what was done       OUT/damage.json  kind, level, seed, card

A record is written last, so an image that has one is whole and the same call resumes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from retinaforge.core import Record, Refusal, RetinaForgeError, rng_for
from retinaforge.core.artefacts import write_bytes, write_json
from retinaforge.images import read_records
from retinaforge.phantoms.damage import damage_phantom, damage_photograph
from retinaforge.phantoms.damage_card import DamageCard, Done, damage_named
from retinaforge.phantoms.damage_read import read_masked, redraw
from retinaforge.phantoms.damage_set import Job, change_named, collapse_jobs, copy_jobs
from retinaforge.phantoms.damage_tables import write_damage_tables
from retinaforge.phantoms.export import (
    artery_vein_colours,
    graph_as_dict,
    masks_of,
    plain_json,
    png,
)
from retinaforge.phantoms.facts import facts_of
from retinaforge.phantoms.phantom import Phantom
from retinaforge.phantoms.write import mapper, path_of

Progress = Callable[[int, int], None]
Files = dict[str, bytes]


@dataclass(frozen=True)
class DamagedFolder:
    """What came of a folder.

    Attributes:
        manifest: path of manifest.csv.
        done: images written or found done.
        refused: (name, reason) of images that could not be damaged.
    """

    manifest: Path
    done: int
    refused: tuple[tuple[str, str], ...]


def damage_folder(
    source: Path, out: Path, *, kind: str, level: int, seed: int = 0, workers: int = 1,
    on_progress: Progress | None = None,
) -> DamagedFolder:  # fmt: skip
    """Damage every image of a folder.

    Args:
        source: phantoms as `write_phantoms` writes them, or photographs with masks.
        out: made if absent, resumed if begun.
        kind: name of a card of `DAMAGES`.
        level: 1-5.
        seed: of the places; they depend on seed, kind and image, not on the level or workers.
        workers: processes.
        on_progress: called with (done, count).

    Raises:
        Refusal: if kind, level or workers are none, the folder cannot be read, or `out` holds
            damage of other settings or lies in the source.
    """
    card = damage_named(kind)
    card.size(level)
    if workers < 1:
        raise Refusal("workers of 1 or more", f"{workers}", "raise them")
    source, out = Path(source), Path(out)
    records = read_records(source)
    jobs = _jobs(records, card, level, seed=seed)
    _claim(out, source, card, level=level, seed=seed)
    names = _names(jobs)
    work = partial(_try_one, source, out, card, level, seed)
    refused: list[tuple[str, str]] = []
    with mapper(workers) as each:
        for done, (job, reason) in enumerate(
            zip(jobs, each(work, list(zip(jobs, names, strict=True))), strict=True), start=1
        ):
            if reason:
                refused.append((job.record.name, reason))
            if on_progress is not None:
                on_progress(done, len(jobs))
    good = [name for name in names if (out / "records" / f"{name}.json").exists()]
    manifest = write_damage_tables(out, good)
    return DamagedFolder(manifest, len(good), tuple(refused))


def _jobs(records: list[Record], card: DamageCard, level: int, *, seed: int) -> list[Job]:
    rng = rng_for(seed, "damage", card.name, "set")
    if card.name == "mode-collapse":
        return collapse_jobs(records, card.size(level), rng=rng)
    if card.name == "planted-copies":
        return copy_jobs(records, card.size(level), rng=rng)
    return [Job(record) for record in records]


def _claim(out: Path, source: Path, card: DamageCard, *, level: int, seed: int) -> None:
    """Write down the settings, or refuse to mix two kinds of damage in one folder."""
    inside = out.resolve().is_relative_to(source.resolve())
    if inside or (out.exists() and not out.is_dir()):
        raise Refusal("a folder of its own for the damaged set", f"{out}", "name another folder")
    settings = {
        "source": source.resolve().name, "kind": card.name, "version": card.version,
        "level": level, "seed": seed, "size": dict(card.size(level)), "does": card.does,
        "known_failure": card.known_failure,
    }  # fmt: skip
    path = out / "damage.json"
    if path.exists() and json.loads(path.read_text()) != settings:
        raise Refusal(
            f"a folder that is empty or holds {card.name} of level {level}, seed {seed}",
            f"{out} with other damage", "choose another folder or remove this one",
        )  # fmt: skip
    if out.exists() and not path.exists() and any(out.iterdir()):
        raise Refusal("an empty or damaged-by-RetinaForge folder", f"{out} with other files",
                      "choose another folder")  # fmt: skip
    for torn in out.rglob(".*.tmp") if path.exists() else ():
        torn.unlink()
    if not path.exists():
        write_json(path, settings)


def _names(jobs: list[Job]) -> list[str]:
    """Return a name for each image: its file's, with its folders where that is not unique."""
    stems = [job.record.path.stem for job in jobs]
    if len(set(stems)) == len(stems):
        return stems
    return [job.record.name.rpartition(".")[0].replace("/", "_") for job in jobs]


def _try_one(
    source: Path, out: Path, card: DamageCard, level: int, seed: int, named: tuple[Job, str]
) -> str:
    """Damage one image; return why it could not be, or nothing."""
    job, name = named
    record = out / "records" / f"{name}.json"
    try:
        if _is_whole(out, record):
            return ""
        files, before, done = _damaged(source, card, level, seed, job)
        write_bytes_of(out, files, _written_name(name, card, level, done is not None))
        write_bytes_of(out / "before", before, name)
        write_json(record, _record(job, name, card, level, done, files, before))
        return ""
    except (RetinaForgeError, OSError, ValueError) as error:
        return str(error)


def _is_whole(out: Path, record: Path) -> bool:
    if not record.exists():
        return False
    said = json.loads(record.read_text())
    return all((out / path).exists() for path in said["files"])


def _written_name(name: str, card: DamageCard, level: int, damaged: bool) -> str:
    return f"{name}__damaged_{card.name}_{level}" if damaged else f"{name}__unchanged"


def write_bytes_of(folder: Path, files: Files, name: str) -> None:
    """Write the layers of one image, e.g. "vessel.png" → folder/vessel/NAME.png."""
    for layer, content in files.items():
        write_bytes(folder / path_of(layer, name), content)


def _record(
    job: Job, name: str, card: DamageCard, level: int, done: Done | None, files: Files,
    before: Files,
) -> dict[str, Any]:  # fmt: skip
    """Return what is known of one image, as plain data."""
    own = job.record
    written = _written_name(name, card, level, done is not None)
    after = {layer: path_of(layer, written) for layer in files}
    kept = {layer: "before/" + path_of(layer, name) for layer in before}
    return {
        "name": name, "original": own.name, "copy_of": job.source.name if job.source else "",
        "change": job.change, "eye": own.eye or "", "split": own.split or "",
        "patient": own.patient.partition(":")[2], "camera": own.camera, "licence": own.licence,
        "columns": dict(own.columns), "synthetic": True,
        "damage": done.as_dict() if done else None, "after": after, "before": kept,
        "files": [*after.values(), *kept.values()],
    }  # fmt: skip


def _damaged(
    source: Path, card: DamageCard, level: int, seed: int, job: Job
) -> tuple[Files, Files, Done | None]:
    """Return the files after damage, those before, and what was done."""
    rng = rng_for(seed, "damage", card.name, job.record.name)
    if card.of_set:
        return _copied(card, level, job, rng=rng)
    if (source / "phantoms.json").is_file():
        phantom, sitting = redraw(source, job.record)
        result = damage_phantom(phantom, card.name, level, rng=rng)
        facts = facts_of(result.phantom, sitting) | {"damage": result.done.as_dict()}
        return (
            phantom_files(result.phantom, facts, said_of(card, level, job.record)),
            phantom_files(phantom, facts_of(phantom, sitting), {"synthetic": "true"}),
            result.done,
        )
    photo, fov, masks = read_masked(job.record)
    result = damage_photograph(photo, fov, masks, card.name, level, rng=rng)
    layers = dict(result.masks) | {"fov": fov.mask}
    files = picture_files(result.photograph.pixels, layers, said_of(card, level, job.record))
    return files, _as_they_were(job.record), result.done


def said_of(card: DamageCard, level: int, record: Record) -> dict[str, str]:
    """Return what the PNG of a damaged picture says of itself."""
    size = ", ".join(f"{key} {value:g}" for key, value in card.size(level).items())
    return {
        "synthetic": "true",
        "damaged": f"{card.name}, level {level} (card v{card.version}: {size})",
        "original": record.name,
        "Software": "RetinaForge",
        "Description": "Planted damage for tests; not a photograph as a camera took it",
    }


def phantom_files(phantom: Phantom, facts: Mapping[str, Any], said: dict[str, str]) -> Files:
    """Return the files of a phantom: picture, masks, graph, facts."""
    files = {f"{name}.png": png(mask, said) for name, mask in masks_of(phantom).items()}
    files["artery_vein.png"] = png(artery_vein_colours(phantom), said)
    files["graphs.json"] = plain_json(graph_as_dict(phantom))
    files["images.png"] = png(phantom.photograph.pixels, said)
    files["facts.json"] = plain_json(dict(facts))
    return files


def picture_files(
    pixels: np.ndarray, masks: Mapping[str, np.ndarray], said: dict[str, str]
) -> Files:
    """Return the files of a photograph and its masks, artery and vein in one as colours."""
    files = {"images.png": png(pixels, said)}
    for name, mask in masks.items():
        if name not in ("artery", "vein", "uncertain"):
            files[f"{name}.png"] = png(mask, said)
    if "artery" in masks:
        artery, vein = masks["artery"], masks["vein"]
        both, white = artery & vein, masks["uncertain"]
        planes = ((artery & ~both) | white, both | white, (vein & ~both) | white)
        files["artery_vein.png"] = png(np.stack(planes, axis=-1).astype(np.uint8) * 255, said)
    return files


def _as_they_were(record: Record) -> Files:
    """Return the bytes of a photograph's files."""
    paths = {"images": record.path} | dict(record.masks)
    return {f"{layer}{path.suffix.lower()}": path.read_bytes() for layer, path in paths.items()}


def _copied(
    card: DamageCard, level: int, job: Job, *, rng: np.random.Generator
) -> tuple[Files, Files, Done | None]:
    """Return an image that shows another's pixels, or its own where it was not chosen."""
    shown = job.source or job.record
    photo, fov, masks = read_masked(shown)
    layers = masks | {"fov": fov.mask}
    if job.source is None:
        files = picture_files(photo.pixels, layers, {"synthetic": "true", "damaged": "no"})
        return files, _as_they_were(job.record), None
    change = change_named(job.change, card.size(level), rng=rng)
    layers = {name: change.of_mask(mask) for name, mask in layers.items()}
    said = said_of(card, level, job.record) | {"copy_of": shown.name, "change": job.change}
    files = picture_files(change.of_picture(photo.pixels), layers, said)
    return files, _as_they_were(job.record), Done(card.name, level, card.size(level), 1)
