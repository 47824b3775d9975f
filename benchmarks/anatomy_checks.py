"""Anatomy checks: false alarms on real photographs, detection of planted damage, scores, limits.

Scores and limits are fitted on training and validation rows of the CC BY 4.0 sets and on damage of
level 4 planted in some of them (`anatomy_checks_fit.py`). False alarms are counted on everything,
detection on damage planted in photographs that fitted nothing: test rows and DRIVE. Damage is
planted by the masks found in the photograph at 512 px, which is then found anew. What networks say
is kept in --cache, so that the same command goes on where it stopped.

Run: OMP_NUM_THREADS=1 python benchmarks/anatomy_checks.py --cache DIR [--photographs 500]
     [--plant 24] [--levels 4 5 2] [--ship] [--cached-only] [--out FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from statsmodels.stats.proportion import proportion_confint

from anatomy_checks_eyes import (
    PLANTS,
    WITHOUT_KINDS,
    Finders,
    find_eye,
    load_eye,
    save_eye,
    square_of,
)
from anatomy_checks_fit import DAMAGE_OF, fit_all, limits_of
from retinaforge.audits.anatomy_checks import (
    CHECKS,
    SHIPPED,
    AnatomyCheck,
    EyeFindings,
    looks_like_fundus,
    shipped_limits,
)
from retinaforge.audits.damage_scores import PROVIDERS, numbers_of
from retinaforge.audits.eye_findings import outside
from retinaforge.audits.scores import SHIPPED_SCORES, Score, shipped_scores
from retinaforge.core import Record, RetinaForgeError
from retinaforge.core.artefacts import environment
from retinaforge.images import read_photograph, read_records
from retinaforge.validation import finders

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "../shared/data"
OUT = ROOT / "benchmarks/results/anatomy_checks.json"
FITTED = ("chase_db1", "hrf", "idrid_segmentation", "idrid_grading")
SETS = ("drive", *FITTED, "les_av")
HURT_FIT = {"chase_db1": 8, "hrf": 9, "idrid_segmentation": 18, "idrid_grading": 20}
HURT_TEST = {"chase_db1": 6, "hrf": 3, "idrid_segmentation": 7, "drive": 12, "idrid_grading": 10}
LEVELS = (1, 2, 3, 4, 5)
NEEDS_KINDS = frozenset(
    ("arteries_erased", "thick", "thin", "dropped", "widened_outwards", "widest", "artery_share",
     "artery_vein_calibre")
)  # fmt: skip
"""Readings of vessels that are traced by their kind."""
NOT_LOOKED = "arteries and veins were not told apart here"

Row = dict[str, Any]


def read_all(eye: EyeFindings) -> Row:
    """Return every plain reading and every score's numbers of an eye, and how long they took."""
    kinds, began = bool(eye.vasculature.kind_pixels), time.process_time()
    numbers = {
        name: NOT_LOOKED if name in NEEDS_KINDS and not kinds else numbers_of(eye, providers)
        for name, providers in PROVIDERS.items()
    }
    plain = {
        r.name: NOT_LOOKED if r.name in NEEDS_KINDS and not kinds else r.read(eye)
        for check in CHECKS for r in check.readings if r.name not in PROVIDERS
    }  # fmt: skip
    took = time.process_time() - began
    retina = looks_like_fundus(eye)
    return {"numbers": numbers, "plain": plain, "cpu_s": took,
            "fundus": "" if retina.passed else retina.reason}  # fmt: skip


def field_only(eye: EyeFindings, photo: Any) -> Row:
    """Return the readings of damage to the field, for which no network is asked."""
    square, fov = square_of(photo)
    found = replace(eye, photo=square, fov=fov)
    check = next(c for c in CHECKS if c.card.name == "field_of_view")
    plain = {r.name: "not read" for c in CHECKS for r in c.readings if r.name not in PROVIDERS}
    return {"numbers": dict.fromkeys(PROVIDERS, "not read"), "fundus": "", "cpu_s": 0.0,
            "plain": plain | {r.name: r.read(found) for r in check.readings}}  # fmt: skip


def kept_row(path: Path, version: str) -> Row:
    """Read a kept eye's row, kept beside it as long as the checks' code is the same."""
    side = path.with_suffix(".json")
    if side.exists():
        plain = json.loads(side.read_text())
        if plain["version"] == version:
            return plain["row"]
    return keep(side, read_all(load_eye(path)), version)


def keep(side: Path, row: Row, version: str) -> Row:
    """Write a row to its file."""
    side.write_text(json.dumps({"version": version, "row": row}))
    return row


def code_version() -> str:
    """Return a hash of the code that the rows rest on."""
    room = ROOT / "src/retinaforge/audits"
    names = ("convergence", "disc_home", "disc_readings", "disc_numbers", "fovea_numbers",
             "vessel_readings", "vessel_ends", "vessel_rings", "vessel_walls", "field_readings",
             "eye_findings")  # fmt: skip
    text = b"".join((room / f"{name}.py").read_bytes() for name in names)
    return hashlib.sha256(text).hexdigest()[:16]


def stem_of(record: Record) -> str:
    """Return a record's file name in the cache."""
    return f"{record.dataset}__{Path(record.name).stem}"


def fits(record: Record) -> bool:
    """Return whether a photograph may set scores and limits."""
    return record.dataset in FITTED and record.split != "test"


def turns(lists: list[list[Record]]) -> list[Record]:
    """Return records of all lists in turn."""
    most = max((len(rows) for rows in lists), default=0)
    return [rows[k] for k in range(most) for rows in lists if k < len(rows)]


def to_hurt(records: list[Record], fit: bool, count: int) -> list[Record]:
    """Return photographs that damage is planted in."""
    wanted = HURT_FIT if fit else HURT_TEST
    rows = [[r for r in records if r.dataset == s and fits(r) == fit][:n]
            for s, n in wanted.items()]  # fmt: skip
    return turns(rows)[:count]


def real_rows(records: list[Record], cache: Path, by: Finders | None) -> dict[str, Row]:
    """Return the rows of undamaged photographs by stem."""
    version, found = code_version(), {}
    for record in records:
        stem = stem_of(record)
        path = cache / "real" / f"{stem}.npz"
        if by is not None and not path.exists():
            save_eye(path, find_eye(*square_of(read_photograph(record.path)), by))
        if path.exists():
            found[stem] = kept_row(path, version) | {
                "stem": stem, "patient": f"{record.dataset} {record.patient}",
            }  # fmt: skip
    return found


def hurt_rows(
    records: list[Record], cache: Path, by: Finders | None, levels: list[int], *,
    kinds: Iterable[str] = tuple(PLANTS),
) -> list[Row]:  # fmt: skip
    """Plant damage of some levels in photographs and return its rows."""
    version, found = code_version(), []
    for level in levels:
        for record in records:
            stem = stem_of(record)
            if not (cache / "real" / f"{stem}.npz").exists():
                continue
            patient = f"{record.dataset} {record.patient}"
            for kind in kinds:
                row = _hurt(stem, kind, level, cache, by, version)
                if row is not None:
                    found.append(row | {"stem": stem, "kind": kind, "level": level,
                                        "patient": patient})  # fmt: skip
    return found


def _hurt(
    stem: str, kind: str, level: int, cache: Path, by: Finders | None, version: str
) -> Row | None:
    path = cache / "planted" / f"{stem}__{kind}__{level}.npz"
    refused, side = path.with_suffix(".no"), path.with_suffix(".json")
    field = kind.startswith("field-")
    if path.exists() and not field:
        return kept_row(path, version)
    if refused.exists() or (by is None and not field):
        return None
    if field and side.exists():
        return json.loads(side.read_text())["row"]
    eye = load_eye(cache / "real" / f"{stem}.npz")
    try:
        photo = PLANTS[kind][1](eye, level)
        if field:
            return keep(side, field_only(eye, photo), version)
        assert by is not None
        save_eye(path, find_eye(*square_of(photo), by, kinds=kind not in WITHOUT_KINDS))
    except (RetinaForgeError, ValueError) as error:
        refused.write_text(str(error))
        return None
    return kept_row(path, version)


def value_of(name: str, row: Row, scores: dict[str, Score]) -> float | str:
    """Return a reading, a score from its numbers."""
    if name not in scores:
        return row["plain"][name]
    found = row["numbers"][name]
    return found if isinstance(found, str) else scores[name].log_odds(found)


def failed(
    check: AnatomyCheck | None, row: Row, scores: dict[str, Score], limits: dict[str, Any]
) -> bool | None:
    """Return whether an eye fails a check, or any; None where it cannot be judged."""
    if check is None:
        every = [failed(c, row, scores, limits) for c in CHECKS]
        return None if all(f is None for f in every) else True in every
    values = [(r, value_of(r.name, row, scores)) for r in check.readings]
    known = [(r, v) for r, v in values if not isinstance(v, str)]
    if not known:
        return None
    return any(bool(outside(r, v, limits[r.name])) for r, v in known)


def rate(flags: list[bool | None]) -> dict[str, Any]:
    """Return how many of how many, with Wilson's interval."""
    known = [flag for flag in flags if flag is not None]
    k, n = sum(known), len(known)
    interval = [float(v) for v in proportion_confint(k, n, method="wilson")] if n else None
    return {"k": k, "n": n, "not_judged": len(flags) - n, "rate": k / n if n else None,
            "interval": interval}  # fmt: skip


def false_alarms(
    real: dict[str, Row], records: list[Record], scores: dict[str, Score], limits: dict[str, Any]
) -> list[Row]:
    """Return a row a check and set: on photographs that fitted nothing, and on all."""
    rows = []
    for check in (*CHECKS, None):
        name = "any check" if check is None else check.card.name
        for s in (*SETS, "all"):
            own = [r for r in records if s in (r.dataset, "all") and stem_of(r) in real]
            flags = {stem_of(r): failed(check, real[stem_of(r)], scores, limits) for r in own}
            unseen = [flags[stem_of(r)] for r in own if not fits(r)]
            who = sorted(stem for stem, flag in flags.items() if flag)
            rows.append({"check": name, "set": s, "unseen": rate(unseen),
                         "all": rate(list(flags.values())), "failed": who})  # fmt: skip
    return rows


def detections(hurt: list[Row], scores: dict[str, Score], limits: dict[str, Any]) -> list[Row]:
    """Return a row a kind and level: by the check that is meant for it, and by any."""
    by_name = {check.card.name: check for check in CHECKS}
    groups: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in hurt:
        groups[row["kind"], row["level"]].append(row)
    rows = []
    for kind, (meant, _) in PLANTS.items():
        for level in LEVELS:
            own = groups.get((kind, level), [])
            if own:
                hit = [failed(by_name[meant], row, scores, limits) for row in own]
                any_ = [failed(None, row, scores, limits) for row in own]
                rows.append({"damage": kind, "level": level, "check": meant,
                             "by_check": rate(hit), "by_any": rate(any_)})  # fmt: skip
    return rows


def seconds(cache: Path, records: list[Record]) -> float:
    """Return the median time of all checks of an eye, in seconds of one core, networks left out."""
    paths = [cache / "real" / f"{stem_of(r)}.npz" for r in records]
    return float(np.median([read_all(load_eye(p))["cpu_s"] for p in paths if p.exists()]))


def ship(scores: dict[str, Score], limits: dict[str, Any]) -> None:
    """Write scores and limits into the package."""
    room = ROOT / "src/retinaforge/audits"
    plain = {name: asdict(score) for name, score in scores.items()}
    (room / SHIPPED_SCORES).write_text(json.dumps(plain, indent=1) + "\n")
    (room / SHIPPED).write_text(json.dumps(limits, indent=2) + "\n")


def main() -> None:
    """Find, plant, fit, count, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--photographs", type=int, default=500)
    parser.add_argument("--plant", type=int, default=24, help="photographs to damage, a side")
    parser.add_argument("--levels", type=int, nargs="+", default=[4, 5, 2])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--ship", action="store_true", help="fit; write into the package")
    parser.add_argument("--cached-only", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("real", "planted"):
        (args.cache / name).mkdir(parents=True, exist_ok=True)
    by = None
    if not args.cached_only:
        # The very finders of `retinaforge validate`: one look each, which sees less than three.
        by = Finders(finders.vessel_judge(), finders.kind_judge(), finders.anatomy_model())
    listed = [r for r in read_records(DATA) if r.dataset in SETS]
    by_set = [[r for r in listed if r.dataset == s] for s in SETS]
    records = turns(by_set)[: args.photographs]
    real = real_rows(records, args.cache, by)
    fitted = [real[stem_of(r)] for r in records if fits(r) and stem_of(r) in real]
    damaged = hurt_rows(to_hurt(listed, True, args.plant), args.cache, by, [4],
                        kinds=sum(DAMAGE_OF.values(), ()))  # fmt: skip
    scores, limits = shipped_scores(), shipped_limits()
    if args.ship:
        scores = fit_all(fitted, damaged)
        limits = limits_of(fitted, damaged)
        ship(scores, limits)
    hurt = hurt_rows(to_hurt(listed, False, 99), args.cache, by, args.levels)
    plain = {
        "environment": environment(), "judge": finders.vessel_judge().card.name,
        "anatomy": finders.anatomy_model().card.name,
        "n_real": len(real), "n_fitted": len(fitted), "n_hurt_fitted": len(damaged),
        "n_planted": len(hurt), "limits": limits,
        "scores": {name: asdict(score) for name, score in scores.items()},
        "cpu_s": seconds(args.cache, records[:24]),
        "cards": [check.card.as_dict() for check in CHECKS],
        "false_alarms": false_alarms(real, records, scores, limits),
        "detections": detections(hurt, scores, limits),
        "fundus": {"n": len(real), "taken_for_none": sorted(
            stem for stem, row in real.items() if row["fundus"])},
    }  # fmt: skip
    args.out.write_text(json.dumps(plain, indent=1) + "\n")
    for row in plain["false_alarms"]:
        if row["set"] == "all":
            print(row["check"], row["unseen"], row["all"])
    for row in plain["detections"]:
        print(row["damage"], row["level"], row["by_check"]["k"], row["by_check"]["n"])


if __name__ == "__main__":
    main()
