"""Copies by vessel pattern: where the line lies, what is found, what is not, what it costs.

The threshold is measured on pairs of different patients among training rows of the sets under
CC BY 4.0 in `../shared/data`; everything else on rows that are no training rows: pairs of different
patients (false matches), whole searches of eyes among all others (false matches a search), fellow
eyes, planted copies of photographs, judged anew, and of masks; and on photographs that stand in
both IDRiD folders (known copies; every row, as nothing is fitted to them). A planted copy counts as
found if its original is the nearest of all eyes and the likeness reaches the threshold. Eyes with
too few vessels to be compared are left out and counted.

Masks: a person's where there is one, else the judge `ours` on the photograph at 512 px; kept in
--cache, as are likenesses, so that the same command goes on where it stopped.

Run: OMP_NUM_THREADS=1 python benchmarks/copies.py --cache DIR [--photographs 330] [--plant 12]
     [--pairs 20000] [--masks 40] [--out FILE] [--ship] [--cached-only]
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from retinaforge.audits.copies import (
    SHIPPED,
    VESSEL_LIKENESS,
    Calibration,
    calibration_of,
    comparable,
    likeness,
    pairs_of_strangers,
    rate_bound,
)
from retinaforge.audits.disguises import COPY_KINDS, CopyKind, disguise
from retinaforge.audits.gallery import Gallery
from retinaforge.audits.patterns import pattern_of_mask
from retinaforge.audits.registration import Prepared
from retinaforge.core import Fov, Photograph, Record, rng_for
from retinaforge.core.artefacts import environment
from retinaforge.images import find_fov, normalise, read_mask, read_photograph, read_records
from retinaforge.images.geometry import Normalised
from retinaforge.vessels import Judge, load_judge

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "../shared/data"
OUT = ROOT / "benchmarks/results/copies.json"
SIZE_PX, SEED = 512, 5
ON_MASKS = ("flip", "rotate", "crop", "stretch", "warp")
OPEN = ("chase_db1", "hrf", "idrid_grading", "idrid_segmentation")
"""Sets under CC BY 4.0, on which the line that is shipped may rest."""
SHORTENED = 0.4
"""A person's mask, reduced, is vessel where at least this share of a pixel was."""


@dataclass(frozen=True)
class Eye:
    """One photograph's vessels, from the cache.

    Attributes:
        name, patient, eye, split: of the record.
        mask: vessels at 512 px.
        fov: field of view there.
    """

    name: str
    patient: str
    eye: str
    split: str
    mask: np.ndarray
    fov: Fov

    @cached_property
    def prepared(self) -> Prepared:
        """Return the pattern, ready to be compared."""
        return Prepared(pattern_of_mask(self.mask, self.fov))


def known_copies(data: Path) -> list[tuple[str, str]]:
    """Return pairs of names that show one photograph, as far as both are in the data."""
    there = {record.name for record in read_records(data)}
    with (data / "idrid_segmentation/lesions.csv").open() as stream:
        rows = [r for r in csv.DictReader(stream) if r["same_photo_in_grading_set"]]
    pairs = []
    for row in rows:
        part, name = row["same_photo_in_grading_set"].split(":")
        pairs.append((f"idrid_segmentation/{row['image']}",
                      f"idrid_grading/images_{part}/{name}.jpg"))  # fmt: skip
    return [pair for pair in pairs if there.issuperset(pair)]


def order_of(records: Sequence[Record], copies: Sequence[tuple[str, str]]) -> list[Record]:
    """Return photographs without a vessel mask in the order in which they are judged."""
    by_name = {record.name: record for record in records}
    first = [name for pair in copies for name in pair]

    def shuffled(names: list[str], tag: str) -> list[str]:
        return [names[k] for k in rng_for(SEED, tag).permutation(len(names))]

    eyes: dict[str, list[str]] = {}
    for r in records:
        if r.dataset == "odir" and "quality=low" not in r.columns.get("labels", ""):
            eyes.setdefault(r.patient, []).append(r.name)
    both = shuffled(sorted(p for p in eyes if len(eyes[p]) == 2), "odir")

    def of(dataset: str) -> list[str]:
        return sorted(r.name for r in records if r.dataset == dataset and r.name not in first)

    grading, hei = shuffled(of("idrid_grading"), "g"), shuffled(of("hei_med"), "h")
    names, rest = list(first), of("idrid_segmentation")
    for k in range(max(len(both), len(grading))):
        names += eyes[both[k]] if k < len(both) else []
        names += grading[2 * k : 2 * k + 2] + rest[k : k + 1]
        names += hei[k // 2 : k // 2 + 1] if k % 2 == 0 else []
    return [by_name[name] for name in dict.fromkeys(names)]


def keep(path: Path, square: Normalised, mask: np.ndarray, **facts: str) -> None:
    """Write one mask with its field of view and photograph."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fov = square.fov
    np.savez_compressed(
        path, mask=np.packbits(mask), fov=np.packbits(fov.mask), kind=fov.kind,
        radius=fov.radius_px, centre=fov.centre_px, pixels=square.photograph.pixels, **facts,
    )  # fmt: skip


def take(path: Path) -> tuple[Eye, np.ndarray]:
    """Return what `keep` wrote: the eye and its photograph's pixels."""
    with np.load(path) as file:
        mask, inside = (
            np.unpackbits(file[key], count=SIZE_PX**2).reshape(SIZE_PX, SIZE_PX).astype(bool)
            for key in ("mask", "fov")
        )
        x, y = file["centre"].tolist()
        fov = Fov(inside, (x, y), float(file["radius"]), str(file["kind"]))  # type: ignore[arg-type]
        facts = [
            str(file[key]) if key in file else "" for key in ("name", "patient", "eye", "split")
        ]
        return Eye(*facts, mask, fov), file["pixels"]


def read_eyes(
    data: Path, cache: Path, judge: Judge, *, most: int, cached_only: bool
) -> list[Eye]:  # fmt: skip
    """Return all eyes with a person's mask and the first `most` of the judge's."""
    records = read_records(data)
    judged = order_of(records, known_copies(data))[:most]
    eyes = []
    for record, folder in [(r, "masked") for r in records if "vessel" in r.masks] + [
        (r, "real") for r in judged
    ]:
        path = cache / folder / f"{record.name.replace('/', '__')}.npz"
        if cached_only and not path.is_file():
            continue
        if not path.is_file():
            photo = read_photograph(record.path)
            square = normalise(photo, find_fov(photo), size_px=SIZE_PX)
            keep(path, square, mask_of(record, photo, square, judge), name=record.name,
                 patient=record.patient, eye=str(record.eye), split=str(record.split))  # fmt: skip
        eyes.append(take(path)[0])
    return eyes


def mask_of(record: Record, photo: Photograph, square: Normalised, judge: Judge) -> np.ndarray:
    """Return the person's mask if there is one, else the judge's."""
    if "vessel" not in record.masks:
        return judge.mask(square.photograph, square.fov)
    drawn = read_mask(record.masks["vessel"], size_px=photo.size_px).astype(np.float32)
    return (square.geometry.carry_map(drawn) >= SHORTENED) & square.fov.mask


class Scores:
    """Likenesses that were computed already, by the names of the two."""

    def __init__(self, path: Path) -> None:
        self.path, self.known = path, {}
        if path.is_file():
            for line in path.read_text().splitlines():
                first, second, score = line.split("\t")
                self.known[first, second] = float(score)

    def of(self, pairs: Sequence[tuple[Eye, Eye]]) -> np.ndarray:
        """Return the likeness of each pair."""
        with self.path.open("a") as file:
            for a, b in pairs:
                if (a.name, b.name) not in self.known:
                    score = likeness(a.prepared, b.prepared).score
                    self.known[a.name, b.name] = score
                    file.write(f"{a.name}\t{b.name}\t{score:.6f}\n")
                    file.flush()
        return np.array([self.known[a.name, b.name] for a, b in pairs])


def strangers(eyes: Sequence[Eye], tag: str, most: int) -> np.ndarray:
    """Return pairs of different patients; the first `most` of a fixed random order."""
    patients = [eye.patient for eye in eyes]
    pairs = pairs_of_strangers(patients, rng=rng_for(SEED, tag), most=10**9)
    return pairs[rng_for(SEED, tag, "order").permutation(len(pairs))[:most]]


def line_of(eyes: Sequence[Eye], scores: Scores, *, most: int) -> tuple[Calibration, np.ndarray]:
    """Return the calibration on pairs of strangers, and their likenesses."""
    pairs = strangers(eyes, "calibrate", most)
    found = scores.of([(eyes[i], eyes[j]) for i, j in pairs])
    people = len({eyes[k].patient for k in np.unique(pairs)})
    return calibration_of(found, pairs, n_patients=people), found


def summary(scores: np.ndarray, threshold: float) -> dict[str, Any]:
    """Return how many reach the threshold, bounds of the rate, and quantiles."""
    n, over = len(scores), int((scores >= threshold).sum())
    spread = np.quantile(scores, [0, 0.05, 0.5, 0.95, 0.99, 1]) if n else np.full(6, np.nan)
    return {
        "n": n, "reach_threshold": over, "rate": over / n if n else None,
        "rate_at_most_95": rate_bound(over, n) if n else None,
        "rate_at_least_95": 1 - rate_bound(n - over, n) if n else None,
        "quantiles_0_5_50_95_99_100": [round(float(q), 4) for q in spread],
    }  # fmt: skip


def planted_photographs(
    eyes: Sequence[Eye], cache: Path, judge: Judge, *, most: int, cached_only: bool
) -> Iterator[tuple[CopyKind, float, Eye, Eye]]:  # fmt: skip
    """Yield kind, level, original and judged copy of held-out photographs, originals in turn."""
    held = [e for e in eyes if e.split != "train" and (cache / "real" / _file(e)).is_file()]
    by_set: dict[str, list[Eye]] = {}
    for eye in held:
        by_set.setdefault(eye.name.split("/")[0], []).append(eye)
    turn = [group[k] for k in range(len(held)) for group in by_set.values() if k < len(group)]
    for eye in turn if cached_only else turn[:most]:
        photo = Photograph(take(cache / "real" / _file(eye))[1], eye.name)
        for kind in COPY_KINDS:
            for level in kind.levels:
                name = f"{Path(_file(eye)).stem}~{kind.name}~{level:g}.npz"
                path = cache / "planted" / name
                if cached_only and not path.is_file():
                    continue
                if not path.is_file():
                    rng = rng_for(SEED, Path(_file(eye)).stem, kind.name, str(level))
                    copy = disguise(photo, kind, level, rng=rng)
                    square = normalise(copy, find_fov(copy), size_px=SIZE_PX)
                    keep(path, square, judge.mask(square.photograph, square.fov), name=eye.name,
                         patient=eye.patient)  # fmt: skip
                yield kind, level, eye, take(path)[0]


def _file(eye: Eye) -> str:
    return f"{eye.name.replace('/', '__')}.npz"


def planted_masks(eyes: Sequence[Eye], *, most: int) -> Iterator[tuple[CopyKind, float, Eye, Eye]]:
    """Yield the same for masks that are moved, cut or bent; nothing is judged again."""
    held = [eye for eye in eyes if eye.split != "train"]
    order = rng_for(SEED, "masks").permutation(len(held))[:most]
    for eye in (held[k] for k in order):
        layers = np.stack([eye.mask, eye.fov.mask, eye.fov.mask], axis=-1).astype(np.uint8) * 255
        for kind in (kind for kind in COPY_KINDS if kind.name in ON_MASKS):
            for level in kind.levels:
                rng = rng_for(SEED, eye.name, kind.name, str(level), "mask")
                moved = kind.apply(layers, level, rng) > 127
                height, width = moved.shape[:2]
                fov = Fov(moved[..., 1], ((width - 1) / 2, (height - 1) / 2),
                          eye.fov.radius_px, "cut circle")  # fmt: skip
                copy = Eye(eye.name, eye.patient, eye.eye, eye.split, moved[..., 0], fov)
                yield kind, level, eye, copy


def search(
    planted: Iterator[tuple[CopyKind, float, Eye, Eye]], gallery: Gallery, names: list[str],
    threshold: float,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return one row for each kind and level: how many were found, and the likenesses."""
    found: dict[tuple[str, str, float], list[tuple[float, bool]]] = {}
    for kind, level, original, copy in planted:
        nearest = gallery.nearest(copy.prepared)
        right = nearest is not None and names[nearest.reference] == original.name
        score = nearest.likeness.score if nearest and right else 0.0
        found.setdefault((kind.name, kind.unit, level), []).append((score, right))
    rows = []
    for (name, unit, level), each in found.items():
        scores = np.array([score for score, _ in each])
        rows.append(
            {"kind": name, "level": level, "unit": unit, "nearest": sum(r for _, r in each)}
            | summary(scores, threshold)
        )
    return rows


def known_found(
    eyes: Sequence[Eye], gallery: Gallery, data: Path, threshold: float
) -> dict[str, Any]:
    """Return how many photographs of IDRiD's part A find themselves in part B."""
    at = {eye.name: k for k, eye in enumerate(eyes)}
    rows = []
    for a, b in known_copies(data):
        if a in at and b in at:
            nearest = gallery.nearest(eyes[at[a]].prepared, without=[at[a]])
            score = nearest.likeness.score if nearest and nearest.reference == at[b] else 0.0
            rows.append(score)
    return {"gallery": len(eyes) - 1} | summary(np.array(rows), threshold)


def fellows(eyes: Sequence[Eye], scores: Scores, threshold: float) -> dict[str, Any]:
    """Return how alike both eyes of one person are."""
    pairs = [(a, b) for k, a in enumerate(eyes) for b in eyes[k + 1 :]
             if a.patient == b.patient and {a.eye, b.eye} == {"OD", "OS"}]  # fmt: skip
    return summary(scores.of(pairs), threshold)


def searches_of_strangers(
    held: Sequence[Eye], eyes: Sequence[Eye], gallery: Gallery, threshold: float
) -> dict[str, Any]:
    """Return what eyes reach that are searched among all eyes of other patients."""
    own: dict[str, list[int]] = {}
    for k, eye in enumerate(eyes):
        own.setdefault(eye.patient, []).append(k)
    found = [gallery.nearest(eye.prepared, without=own[eye.patient]) for eye in held]
    likenesses = np.array([0.0 if f is None else f.likeness.score for f in found])
    named = [[eye.name, eyes[f.reference].name] for eye, f in zip(held, found, strict=True)
             if f is not None and f.likeness.score >= threshold]  # fmt: skip
    return {"gallery": len(eyes), "reach_threshold_names": named} | summary(likenesses, threshold)


def cost(eyes: Sequence[Eye]) -> dict[str, Any]:
    """Return CPU seconds of each step, and of a query among more and more references.

    References beyond the eyes at hand are the same eyes again.
    """
    some = eyes[:: max(1, len(eyes) // 40)][:40]
    clock = time.process_time
    t = clock()
    patterns = [pattern_of_mask(eye.mask, eye.fov) for eye in some]
    pattern_s = (clock() - t) / len(some)
    rows = []
    for count in (250, 500, 1000, 2000):
        t = clock()
        gallery = Gallery([eyes[k % len(eyes)].prepared for k in range(count)])
        built = clock() - t
        for pattern in patterns[:5]:
            gallery.nearest(pattern)
        t = clock()
        for pattern in patterns:
            gallery.nearest(pattern)
        rows.append({"references": count, "gallery_from_prepared_s": built,
                     "query_s": (clock() - t) / len(patterns)})  # fmt: skip
    t = clock()
    for pattern in patterns:
        Gallery([pattern])
    prepared_s = (clock() - t) / len(patterns)
    (thousand,) = (row for row in rows if row["references"] == 1000)
    total = thousand["gallery_from_prepared_s"] + 1000 * prepared_s + 1200 * thousand["query_s"]
    return {"pattern_s": pattern_s, "reference_prepared_s": prepared_s, "queries": rows,
            "1000_and_baseline_of_200_against_1000_s": total}  # fmt: skip


def main() -> None:
    """Measure the parts asked for and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--photographs", type=int, default=330)
    parser.add_argument("--plant", type=int, default=12)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--masks", type=int, default=40)
    parser.add_argument("--cached-only", action="store_true", help="judge nothing")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--ship", action="store_true", help="write the package's calibration")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    judge = load_judge("ours")
    eyes = read_eyes(arguments.data, arguments.cache, judge, most=arguments.photographs,
                     cached_only=arguments.cached_only)  # fmt: skip
    results = measure(eyes, judge, arguments)
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    if arguments.ship:
        ship(results)


def ship(results: dict[str, Any]) -> None:
    """Write the package's calibration from the results."""
    held = ("strangers_held_out", "searches_held_out", "fellow_eyes", "known_copies")
    shipped = {"card": VESSEL_LIKENESS.as_dict(), "source": "benchmarks/copies.py",
               "data": "pairs of different patients among training rows of " + ", ".join(OPEN),
               "calibration": results["calibration"],
               **{key: results[key] for key in held},
               "environment": results["environment"]}  # fmt: skip
    target = ROOT / "src/retinaforge/audits" / SHIPPED
    target.write_text(json.dumps(shipped, indent=1) + "\n")


def measure(eyes: list[Eye], judge: Judge, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return everything that goes into the result file."""
    scores = Scores(arguments.cache / f"scores-v{VESSEL_LIKENESS.version}.tsv")
    twice = {a for a, _ in known_copies(arguments.data)}
    everyone = len(eyes)
    eyes = [eye for eye in eyes if comparable(eye.prepared.pattern)]
    singles = [eye for eye in eyes if eye.name not in twice]
    train = [e for e in singles if e.split == "train" and e.name.split("/")[0] in OPEN]
    held = [eye for eye in singles if eye.split != "train"]
    calibration, _ = line_of(train, scores, most=arguments.pairs)
    threshold = calibration.threshold
    pairs = strangers(held, "held out", arguments.pairs)
    false = scores.of([(held[i], held[j]) for i, j in pairs])
    gallery, names = Gallery([e.prepared for e in singles]), [e.name for e in singles]
    photographs = planted_photographs(singles, arguments.cache, judge, most=arguments.plant,
                                      cached_only=arguments.cached_only)  # fmt: skip
    on_photographs = search(photographs, gallery, names, threshold)
    everything = Gallery([eye.prepared for eye in eyes])
    known = known_found(eyes, everything, arguments.data, threshold)
    genuine = np.array([r["rate"] * r["n"] for r in on_photographs])
    return {
        "what": __doc__.split("\n")[0], "size_px": SIZE_PX, "environment": environment(),
        "eyes": everyone, "too_few_vessels": everyone - len(eyes), "judge": judge.card.as_dict(),
        "calibration": calibration.as_dict() | {"suspects": [
            [train[i].name, train[j].name] for i, j in calibration.suspects]},
        "strangers_held_out": summary(false, threshold) | {
            "patients": len({e.patient for e in held}),
            "reach_threshold_names": [[held[i].name, held[j].name]
                                      for i, j in pairs[false >= threshold]]},
        "searches_held_out": searches_of_strangers(held, singles, gallery, threshold),
        "fellow_eyes": fellows(eyes, scores, threshold),
        "known_copies": known,
        "planted_photographs": on_photographs,
        "planted_photographs_found": int(genuine.sum()),
        "planted_photographs_n": sum(r["n"] for r in on_photographs),
        "planted_masks": search(
            planted_masks(singles, most=arguments.masks), gallery, names, threshold
        ),
        "auc_known_copies_against_strangers": _auc(eyes, false, arguments, scores),
        "cost_cpu_s": cost(eyes),
    }  # fmt: skip


def _auc(
    eyes: list[Eye], false: np.ndarray, arguments: argparse.Namespace, scores: Scores
) -> float:  # fmt: skip
    at = {eye.name: eye for eye in eyes}
    pairs = [(at[a], at[b]) for a, b in known_copies(arguments.data) if a in at and b in at]
    true = scores.of(pairs)
    labels = np.repeat([1, 0], [len(true), len(false)])
    return float(roc_auc_score(labels, np.concatenate([true, false])))


if __name__ == "__main__":
    main()
