"""Make the folder of a reader study from real and synthetic images."""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retinaforge.core import Record, Refusal, rng_for
from retinaforge.core.artefacts import environment, write_bytes, write_json
from retinaforge.metrics.reader_plan import accuracy_found
from retinaforge.tasks import reader_images as pictures
from retinaforge.tasks.reader_codes import hashed, new_code
from retinaforge.tasks.reader_design import (
    balanced_sides,
    candidates,
    reading_order,
    repeated_items,
    shares_of,
    stratum_of,
)
from retinaforge.tasks.reader_questions import REAL, SYNTHETIC, questions_of
from retinaforge.tasks.reader_study import FORMAT, IMAGES, KEY, STUDY
from retinaforge.tasks.reader_tells import SIDES, tells_of, warnings_of

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Options:
    """How a study is laid out.

    Attributes:
        design: turing, 2afc or grading.
        readers: how many.
        images: in all, half of them real; None: as many as both sides have, at most 100.
        repeats: share of images (or pairs) shown a second time.
        by: column that both sides are balanced by; None: none.
        ask: further parts of the form.
        grade: what a grade grades.
        title: head of the page.
        size_px: side of every image; None: the largest at which none is enlarged.
        codec: png or jpeg.
        circle: blacken what lies outside one circle.
        seed: of draw and orders; None: drawn. Whoever knows it and the folders knows the key.
    """

    design: str = "turing"
    readers: int = 3
    images: int | None = None
    repeats: float = 0.2
    by: str | None = None
    ask: tuple[str, ...] = ()
    grade: str = "dr_grade"
    title: str = "Reader study"
    size_px: int | None = None
    codec: str = "png"
    circle: bool = True
    seed: int | None = None


@dataclass
class _Chosen:
    """Records of one side with what was seen of them, by stratum."""

    records: list[Record] = field(default_factory=list)
    looks: list[pictures.Look] = field(default_factory=list)


def new_study(
    real: Sequence[Record],
    synthetic: Sequence[Record],
    out: Path,
    options: Options,
    *,
    key: Path | None = None,
    on_progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Write a study's folder and return what the organiser must be told once.

    Args:
        real: photographs.
        synthetic: images of the generator.
        out: folder to make; one that holds a study is refused.
        options: layout.
        key: where the key goes; None: into the folder.
        on_progress: called with (what, done, all).

    Returns:
        {"study", "codes": {reader: code}, "token", "images", "trials", "size_px", "warnings",
        "unreadable": [{"name", "reason"}], ...}; codes and token are nowhere else in clear.

    Raises:
        Refusal: for a folder in use, options out of range, or too few images.
    """
    key = key or out / KEY
    _check(out, key, options)
    questions = questions_of(options.design, options.ask, options.grade)
    seed = secrets.randbits(62) if options.seed is None else options.seed
    chosen, unreadable = _choose(real, synthetic, options, seed, on_progress)
    looks = [look for side in SIDES for look in chosen[side].looks]
    size_px = options.size_px or pictures.common_size(looks)
    ids = _ids(2 * len(chosen[REAL].records), seed)
    truth, sizes = _write_images(chosen, ids, out, options, size_px, on_progress)
    orders = _orders(truth, options, seed)
    codes = {f"R{k + 1}": new_code() for k in range(options.readers)}
    token, salt, name = new_code(5), secrets.token_hex(16), secrets.token_hex(6)
    study = {
        "format": FORMAT, "id": name, "title": options.title, "design": options.design,
        "created": datetime.now(UTC).isoformat(timespec="seconds"), "size_px": size_px,
        "codec": options.codec, "encoder": pictures.ENCODERS[options.codec],
        "questions": [q.as_dict() for q in questions],
        "salt": salt, "organiser": hashed(token, salt),
        "readers": [{"name": r, "code": hashed(c, salt)} for r, c in codes.items()],
        "orders": orders,
    }  # fmt: skip
    tells = tells_of({side: chosen[side].looks for side in SIDES}, sizes, size_px)
    warnings = warnings_of(tells, len(sizes[REAL]), size_px)
    _write_key(key, {
        "format": FORMAT, "study": name, "seed": seed, "options": asdict(options),
        "images": truth, "tells": tells, "warnings": warnings,
        "unreadable": unreadable, "environment": environment(),
    })  # fmt: skip
    write_json(out / STUDY, study)
    items = len(truth) // (2 if options.design == "2afc" else 1)
    found = accuracy_found(items)
    return {
        "study": name, "folder": str(out), "key": str(key), "design": options.design,
        "images": len(truth), "trials": len(orders["R1"]), "repeats": len(orders["R1"]) - items,
        "size_px": size_px, "seed": seed, "strata": _strata(truth), "codes": codes, "token": token,
        "accuracy_found": None if math.isnan(found) else found, "warnings": warnings,
        "unreadable": unreadable,
    }  # fmt: skip


def _check(out: Path, key: Path, options: Options) -> None:
    if (out / STUDY).exists() or (out / IMAGES).exists() or key.exists():
        raise Refusal("a folder without a study", f"{out}, which holds one (or its key, {key})",
                      "name another --out: answers are never written over")  # fmt: skip
    if options.readers < 1 or not 0 <= options.repeats <= 0.5:
        raise Refusal("one reader or more and repeats from 0 to 0.5",
                      f"{options.readers} and {options.repeats:g}",
                      "such as --readers 3 --repeats 0.2")  # fmt: skip
    if options.images is not None and (options.images < 4 or options.images % 2):
        raise Refusal("an even number of images, 4 or more", str(options.images),
                      "half of them are real, half synthetic")  # fmt: skip
    if options.size_px is not None and options.size_px < pictures.SMALLEST_PX:
        raise Refusal(f"a size of {pictures.SMALLEST_PX} px or more", str(options.size_px),
                      "leave --size out: none is enlarged then")  # fmt: skip
    if options.codec not in pictures.ENCODERS:
        raise Refusal("png or jpeg", options.codec, "name one with --codec")


MOST_UNASKED = 50
"""Images of a side where nobody said how many: more than an hour is more than a reader gives."""


def _choose(
    real: Sequence[Record], synthetic: Sequence[Record], options: Options, seed: int,
    on_progress: Progress,
) -> tuple[dict[str, _Chosen], list[dict[str, str]]]:  # fmt: skip
    """Return both sides in strata of equal size; what cannot be read is replaced."""
    pools = {
        side: candidates(records, options.by, rng_for(seed, "choose", side))
        for side, records in ((REAL, real), (SYNTHETIC, synthetic))
    }
    counts = {side: {n: len(g) for n, g in pool.items()} for side, pool in pools.items()}
    wanted = None if options.images is None else options.images // 2
    reach = sum(min(n, counts[SYNTHETIC].get(s, 0)) for s, n in counts[REAL].items())
    if wanted is None and reach > MOST_UNASKED:
        wanted = MOST_UNASKED
    shares = shares_of(counts[REAL], counts[SYNTHETIC], wanted)
    chosen, unreadable, done = {side: _Chosen() for side in SIDES}, [], 0
    for side in SIDES:
        for stratum, count in shares.items():
            waiting = iter(pools[side][stratum])
            for _ in range(count):
                done += 1
                on_progress("looking at images", done, 2 * sum(shares.values()))
                unreadable += _take(waiting, chosen[side], side, stratum, options)
    return chosen, unreadable


def _take(
    waiting: Any, into: _Chosen, side: str, stratum: str, options: Options
) -> list[dict[str, str]]:
    """Take the next record that can be read; return those that could not."""
    left_out = []
    for record in waiting:
        try:
            look = pictures.look_at(record)
        except Refusal as refusal:
            left_out.append({"name": f"{side}: {record.name}", "reason": str(refusal)})
            continue
        into.records.append(record)
        into.looks.append(look)
        return left_out
    where = "" if options.by is None else f" with {options.by} {stratum}"
    named = "; ".join(row["reason"] for row in left_out[:3])
    raise Refusal(f"enough {side} images{where} that can be read",
                  f"{len(into.records)}, the others cannot ({named})",
                  "ask for fewer with --images, or mend the files")  # fmt: skip


def _ids(count: int, seed: int) -> list[str]:
    rng = rng_for(seed, "ids")
    found: dict[str, None] = {}
    while len(found) < count:
        found[rng.bytes(6).hex()] = None
    return list(found)


def _write_images(
    chosen: dict[str, _Chosen], ids: Sequence[str], out: Path, options: Options, size_px: int,
    on_progress: Progress,
) -> tuple[dict[str, dict[str, Any]], dict[str, list[int]]]:  # fmt: skip
    """Write the images; return the truth by id, and each side's lengths in bytes."""
    truth, files = {}, {}
    sizes: dict[str, list[int]] = {side: [] for side in SIDES}
    waiting = iter(ids)
    for side in SIDES:
        for record in chosen[side].records:
            name = next(waiting)
            on_progress("making them alike", len(files) + 1, len(ids))
            files[name] = pictures.encoded(
                pictures.alike(record, size_px, circle=options.circle), options.codec
            )
            sizes[side].append(len(files[name]))
            truth[name] = {
                "kind": side, "source": str(record.path), "name": record.name,
                "dataset": record.dataset, "patient": f"{side}:{record.patient}",
                "stratum": stratum_of(record, options.by), "columns": dict(record.columns),
            }  # fmt: skip
    try:
        pictures.write_alike(files, out / IMAGES, options.codec)
    except BaseException:
        shutil.rmtree(out / IMAGES, ignore_errors=True)
        raise
    # By id: the order of the key does not group sides either.
    return dict(sorted(truth.items())), sizes


def _orders(
    truth: dict[str, dict[str, Any]], options: Options, seed: int
) -> dict[str, list[list[str]]]:
    """Return every reader's trials: lists of one image, or of two (left, right)."""
    items, sides = _items(truth, options.design, seed)
    count = min(round(options.repeats * len(items)), len(items) // 2)
    repeats = repeated_items(sides, count, rng_for(seed, "repeats"))
    found = {}
    for k in range(options.readers):
        rng = rng_for(seed, "order", k)
        order = reading_order(len(items), repeats, rng)
        trials = [list(items[item]) for item in order]
        if options.design == "2afc":
            # Pairs stand as (real, synthetic): mirrored in half of the trials.
            flip = balanced_sides(len(trials), rng)
            trials = [t[::-1] if f else t for t, f in zip(trials, flip, strict=True)]
        found[f"R{k + 1}"] = trials
    return found


def _items(
    truth: dict[str, dict[str, Any]], design: str, seed: int
) -> tuple[list[tuple[str, ...]], list[str]]:
    if design != "2afc":
        return [(name,) for name in truth], [row["kind"] for row in truth.values()]
    rng, strata = rng_for(seed, "pairs"), sorted({row["stratum"] for row in truth.values()})
    pairs: list[tuple[str, ...]] = []
    for stratum in strata:
        real, synthetic = (
            [n for n, row in truth.items() if (row["kind"], row["stratum"]) == (side, stratum)]
            for side in SIDES
        )
        order = rng.permutation(len(synthetic))
        pairs += [(r, synthetic[int(k)]) for r, k in zip(real, order, strict=True)]
    return pairs, ["pair"] * len(pairs)


def _strata(truth: dict[str, dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(row["stratum"] for row in truth.values() if row["kind"] == REAL))


def _write_key(path: Path, content: dict[str, Any]) -> None:
    write_bytes(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    os.chmod(path, 0o600)
