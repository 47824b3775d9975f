"""Anatomy checks: false alarms on real photographs, detection of planted damage, and the limits.

Limits are set on training and validation rows of `../shared/data/splits.csv`: the limits of one
check share a budget of 1.5 % of eyes, and lie 12 % further from the median than that quantile.
False alarms are counted on test rows and on all; damage is planted in training and test rows
alike, by the masks found in the photograph at 512 px, which is found anew. What networks say is
kept in --cache, so that the same command goes on where it stopped.

Run: OMP_NUM_THREADS=1 python benchmarks/anatomy_checks.py --cache DIR [--photographs 500]
     [--plant 12] [--ship] [--cached-only] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from statsmodels.stats.proportion import proportion_confint

from anatomy_checks_eyes import PLANTS, Finders, find_eye, kept_eye, load_eye, square_of
from retinaforge.audits.anatomy_checks import (
    CHECKS,
    SHIPPED,
    AnatomyCheck,
    EyeFindings,
    looks_like_fundus,
    shipped_limits,
)
from retinaforge.audits.eye_findings import outside
from retinaforge.core import Record, RetinaForgeError
from retinaforge.core.artefacts import environment
from retinaforge.images import read_photograph, read_records
from retinaforge.validation import finders

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "../shared/data"
OUT = ROOT / "benchmarks/results/anatomy_checks.json"
SETS = ("drive", "chase_db1", "hrf", "idrid_segmentation", "idrid_grading", "les_av")
FITTED = ("drive", "chase_db1", "hrf", "idrid_segmentation", "idrid_grading")
LEVELS = (1, 2, 3, 4, 5)
BUDGET, MARGIN = 0.015, 0.12
RIM = {"roundness": (0.995, None), "darkness": (None, 0.005)}
"""No limit is tighter: half a percent of a 512 px field is the rim that its raster may miss."""

Readings = dict[str, float | str]


def read_all(eye: EyeFindings) -> Readings:
    """Return every reading of an eye, and how it does as a fundus."""
    found = {r.name: r.read(eye) for check in CHECKS for r in check.readings}
    verdict = looks_like_fundus(eye)
    return {**found, "fundus": "" if verdict.passed else verdict.reason}


def kept_readings(path: Path, version: str) -> Readings:
    """Read a kept eye's readings, kept beside it as long as the checks' code is the same."""
    side = path.with_suffix(".json")
    if side.exists() and side.stat().st_mtime >= path.stat().st_mtime:
        plain = json.loads(side.read_text())
        if plain["version"] == version:
            return plain["readings"]
    found = read_all(load_eye(path))
    side.write_text(json.dumps({"version": version, "readings": found}))
    return found


def code_version() -> str:
    """Return a hash of the code that the readings rest on."""
    import hashlib

    room = ROOT / "src/retinaforge/audits"
    names = ("convergence", "disc_home", "disc_readings", "vessel_readings", "field_readings",
             "fundus", "eye_findings")  # fmt: skip
    text = b"".join((room / f"{name}.py").read_bytes() for name in names)
    return hashlib.sha256(text).hexdigest()[:16]


def limits_of(rows: list[Readings]) -> dict[str, tuple[float | None, float | None]]:
    """Return limits of every reading from training eyes."""
    limits: dict[str, tuple[float | None, float | None]] = {}
    for check in CHECKS:
        sides = sum(bool(r.low) + bool(r.high) for r in check.readings)
        for reading in check.readings:
            if reading.name == "fovea_side":
                limits[reading.name] = (0.0, None)
                continue
            x = np.array([r[reading.name] for r in rows if not isinstance(r[reading.name], str)])
            middle = float(np.median(x))
            low, high = (float(q) for q in np.quantile(x, [BUDGET / sides, 1 - BUDGET / sides]))
            limits[reading.name] = (
                _round(low - MARGIN * (middle - low)) if reading.low else None,
                _round(high + MARGIN * (high - middle)) if reading.high else None,
            )
    for name, (least, most) in RIM.items():
        low, high = limits[name]
        limits[name] = (
            low if low is None or least is None else min(low, least),
            high if high is None or most is None else max(high, most),
        )
    return limits


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def failed(check: AnatomyCheck, row: Readings, limits: dict[str, Any]) -> bool | None:
    """Return whether an eye's readings fail a check; None where it cannot be judged."""
    known = [(r, row[r.name]) for r in check.readings if not isinstance(row[r.name], str)]
    if not known:
        return None
    return any(bool(outside(r, float(value), limits[r.name])) for r, value in known)


def rate(flags: list[bool | None]) -> dict[str, Any]:
    """Return how many of how many, with Wilson's interval."""
    known = [flag for flag in flags if flag is not None]
    k, n = sum(known), len(known)
    interval = [float(v) for v in proportion_confint(k, n, method="wilson")] if n else None
    return {"k": k, "n": n, "not_judged": len(flags) - n, "rate": k / n if n else None,
            "interval": interval}  # fmt: skip


def spread(records: list[Record], count: int) -> list[Record]:
    """Return records of all sets in turn, the large ones last."""
    by = {s: [r for r in records if r.dataset == s] for s in SETS}
    turns = max(len(rows) for rows in by.values())
    mixed = [by[s][k] for k in range(turns) for s in SETS if k < len(by[s])]
    return mixed[:count]


def plan(records: list[Record], cache: Path, count: int) -> Iterator[tuple[str, str, int, Path]]:
    """Return (photograph, kind, level, file) of every planted damage."""
    for level in (4, 2, 5, 3, 1):
        for record in records[:count]:
            for kind in PLANTS:
                stem = stem_of(record)
                yield stem, kind, level, cache / "planted" / f"{stem}__{kind}__{level}.npz"


def stem_of(record: Record) -> str:
    """Return a record's file name in the cache."""
    return f"{record.dataset}__{Path(record.name).stem}"


def look_at(
    records: list[Record], cache: Path, by: Finders | None, count: int
) -> tuple[dict[str, Readings], dict[tuple[str, str, int], Readings]]:
    """Find all eyes, plant damage, and return the readings of both."""
    version = code_version()
    real: dict[str, Readings] = {}
    planted: dict[tuple[str, str, int], Readings] = {}
    for record in records:
        path = cache / "real" / f"{stem_of(record)}.npz"
        if by is not None and not path.exists():
            photo, fov = square_of(read_photograph(record.path))
            kept_eye(path, lambda p=photo, f=fov: find_eye(p, f, by), set=record.dataset)
        if path.exists():
            real[stem_of(record)] = kept_readings(path, version)
    mixed = [r for r in records if r.dataset in SETS[:4]]
    for stem, kind, level, path in plan(mixed, cache, count):
        if by is not None and not path.exists():
            try:
                eye = load_eye(cache / "real" / f"{stem}.npz")
                photo, fov = square_of(PLANTS[kind][1](eye, level))
            except (RetinaForgeError, ValueError) as error:
                print(f"{stem}, {kind} {level}: {error}", flush=True)
                continue
            kept_eye(path, lambda p=photo, f=fov: find_eye(p, f, by), kind=kind)
        if path.exists():
            planted[stem, kind, level] = kept_readings(path, version)
    return real, planted


def false_alarms(
    real: dict[str, Readings], records: list[Record], limits: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return a row a check and set, on test rows and on all."""
    rows = []
    for check in (*CHECKS, None):
        name = "any check" if check is None else check.card.name
        for s in (*SETS, "all"):
            own = [r for r in records if s in (r.dataset, "all") and stem_of(r) in real]
            flags = {stem_of(r): _failed(check, real[stem_of(r)], limits) for r in own}
            test = [flags[stem_of(r)] for r in own if r.split == "test"]
            who = sorted(stem for stem, flag in flags.items() if flag)
            rows.append({"check": name, "set": s, "test": rate(test),
                         "all": rate(list(flags.values())), "failed": who})  # fmt: skip
    return rows


def _failed(check: AnatomyCheck | None, row: Readings, limits: dict[str, Any]) -> bool | None:
    if check is not None:
        return failed(check, row, limits)
    every = [failed(c, row, limits) for c in CHECKS]
    return None if all(f is None for f in every) else True in every


def detections(
    planted: dict[tuple[str, str, int], Readings], limits: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return a row a kind and level: by the check that is meant for it, and by any."""
    by_name = {check.card.name: check for check in CHECKS}
    groups: dict[tuple[str, int], list[Readings]] = defaultdict(list)
    for (_, kind, level), row in planted.items():
        groups[kind, level].append(row)
    rows = []
    for kind, (meant, _) in PLANTS.items():
        for level in LEVELS:
            own = groups.get((kind, level), [])
            if not own:
                continue
            hit = [_failed(by_name[meant], row, limits) for row in own]
            rows.append({"damage": kind, "level": level, "check": meant, "by_check": rate(hit),
                         "by_any": rate([_failed(None, row, limits) for row in own])})  # fmt: skip
    return rows


def main() -> None:
    """Find, plant, fit, count, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--photographs", type=int, default=500)
    parser.add_argument("--plant", type=int, default=12)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--ship", action="store_true", help="write the limits into the package")
    parser.add_argument("--cached-only", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("real", "planted"):
        (args.cache / name).mkdir(parents=True, exist_ok=True)
    by = None
    if not args.cached_only:
        # The very finders of `retinaforge validate`: one look each, which sees less than three.
        by = Finders(finders.vessel_judge(), finders.kind_judge(), finders.anatomy_model())
    records = spread([r for r in read_records(DATA) if r.dataset in SETS], args.photographs)
    real, planted = look_at(records, args.cache, by, args.plant)
    fit = [real[stem_of(r)] for r in records
           if r.split != "test" and r.dataset in FITTED and stem_of(r) in real]  # fmt: skip
    limits = limits_of(fit) if args.ship else shipped_limits()
    if args.ship:
        target = ROOT / "src/retinaforge/audits" / SHIPPED
        target.write_text(json.dumps(limits, indent=2) + "\n")
    not_fundus = sorted(stem for stem, row in real.items() if row["fundus"])
    plain = {
        "environment": environment(), "judge": finders.vessel_judge().card.name,
        "anatomy": finders.anatomy_model().card.name,
        "n_real": len(real), "n_fitted": len(fit), "n_planted": len(planted), "limits": limits,
        "cards": [check.card.as_dict() for check in CHECKS],
        "false_alarms": false_alarms(real, records, limits),
        "detections": detections(planted, limits),
        "fundus": {"n": len(real), "taken_for_none": not_fundus},
    }  # fmt: skip
    args.out.write_text(json.dumps(plain, indent=1) + "\n")
    for row in plain["false_alarms"]:
        if row["set"] == "all":
            print(row["check"], row["test"], row["all"])
    for row in plain["detections"]:
        print(row["damage"], row["level"], row["by_check"]["k"], row["by_check"]["n"])


if __name__ == "__main__":
    main()
