"""A scorecard of `retinaforge validate`, made up: each section of the page has its say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

NASTY = "<b>&'eye%.png"
SPREAD = {"mean": 0.4, "low": 0.1, "high": 0.9, "repeats": 10}
CALIBRATION = {
    "threshold": 0.45, "n_pairs": 2500, "upper_bound": 0.0012, "extrapolated_rate": 1e-6,
}  # fmt: skip


def card_of(name: str, **further: Any) -> dict[str, Any]:
    return {"name": name, "version": 1, "measures": f"what {name} measures", "range": "[0, 1]",
            "direction": "lower is better", "unit": "1", "smallest_n": 5, "reference": "made up",
            "known_failure": "always", **further}  # fmt: skip


def line(family: str, name: str, value: float | None, **further: Any) -> dict[str, Any]:
    where = further.pop("identity", f"{family}:{further.get('space', '')}:{name}")
    reason = "too few images" if value is None else ""
    interval = None if value is None else [value - 0.1, value + 0.1]
    return {"name": name, "value": value, "interval": interval, "n": 16, "family": family,
            "reason": reason, "card": card_of(name), "identity": where, "n_real": 24,
            "n_synthetic": 16, "notes": [], **further}  # fmt: skip


def set_line(space: str, name: str, value: float | None = 1.5, **further: Any) -> dict[str, Any]:
    known = value is not None
    return line("fidelity", name, value, space=space, floor=SPREAD if known else None,
                matched={**SPREAD, "mean": 2.0} if known else None, **further)  # fmt: skip


def number(table: str, column: str, value: float | None = 0.5) -> dict[str, Any]:
    return line(table, "ks", value, column=column, identity=f"{table}:{column}:ks", floor=SPREAD,
                matched=SPREAD, values_real=24, values_synthetic=16, p=0.01, p_holm=0.03,
                wasserstein=0.2, cliffs_delta=-0.6, unit="1", number=card_of(column),
                median_real=1.0, median_synthetic=None)  # fmt: skip


def panel_row(score: str, kind: str, level: int | None, family: str = "fidelity") -> dict[str, Any]:
    return {"score": score, "family": family, "kind": kind, "floor_low": 0.0, "floor_high": 1.0,
            "floor_median": 0.5, "medians": {"1": 0.6, "3": 2.0, "5": None},
            "notices_from": level, "steady": False}  # fmt: skip


def drawn_card() -> dict[str, Any]:
    """Return the scorecard; each call returns another."""
    scores = [
        set_line("structure", "kernel_distance", place=0.7,
                 worst_damage={"kind": "blur", "value": 3.0}),
        set_line("structure", "frechet_distance", None), set_line("radiomics", "frd_v1"),
        *(number("vessels", f"length_{k}") for k in range(50)), number("vessels", "crae_um", None),
        number("quality", "haar_1"),
        line("quality", "quality_grade", 0.5, identity="quality::quality_grade", value_real=0.1,
             p=0.01),
        line("anatomy", "one_disc", 0.25, value_real=0.0, p=0.01, p_holm=0.02),
        line("anatomy", "fovea_place", None, value_real=None, p=None),
        line("copies", "copied", 0.1, against="the real folder", copies=1, baseline=0.0,
             baseline_n=24, baseline_of=30, baseline_at_most=0.117, references=24, unexamined=2,
             calibration=CALIBRATION, false_match_rate_per_image=2.4e-5,
             control={"n": 4, "found": 3, "images": 2, "kinds": [
                 {"kind": "crop", "level": 0.7, "found": 1, "n": 2},
                 {"kind": "flip", "level": 1, "found": 2, "n": 2}]}),
        line("paired", "psnr", 31.0, saved_again=38.5, place=0.4,
             worst_damage={"kind": "blur", "value": 20.0}),
        line("groups", "group_coverage", 0.2, column="sex", group="F", against="the same group",
             identity="groups:sex=F:group_coverage"),
        line("groups", "kernel_distance", 0.2, column="sex", group="F", space="colour",
             against="the same group", identity="groups:sex=F:colour:kernel_distance", floor=None,
             matched=None),
        line("groups", "ks", 0.6, column="sex", group="F", table="vessels", number="crae_um",
             against="the same group", identity="groups:sex=F:crae_um:ks", floor=None,
             matched=None, p_holm=0.01, cliffs_delta=-0.7, median_real=140.0,
             median_synthetic=None),
        line("groups", "one_disc", 0.3, column="sex", group="F", table="anatomy",
             against="the same group", identity="groups:sex=F:one_disc", value_real=0.0,
             p=0.2, p_holm=0.4),
    ]  # fmt: skip
    verdict = [
        {"level": "failure", "text": "1 of 16 shows a real eye.", "scores": ["copies::copied"]},
        {"level": "caution", "text": "Length <differs>.", "scores": ["vessels:length_49:ks"]},
        {"level": "caution", "text": "A group.", "scores": ["groups:sex=F:group_coverage"]},
        {"level": "unknown", "text": "No panel.", "scores": ["sanity"]},
        {"level": "pass", "text": "Fine.", "scores": ["fidelity:structure:kernel_distance"]},
    ]
    images = {"found": 24, "scored": 23, "patients": 20}
    kinds = ("blur", "broken-vessels", "thick-vessels", "planted-copies")
    panel = [panel_row("structure: kernel_distance", k, 3 if k == "thick-vessels" else None)
             for k in kinds]  # fmt: skip
    panel += [panel_row("radiomics: frd_v1", k, 1 if k == "blur" else None) for k in kinds]
    panel += [panel_row("vessels: length_1", k, 5, "vessels") for k in kinds]
    return {
        "schema_version": "1.2", "scores": scores, "verdict": verdict,
        "uses": [
            {"name": "Share them as images of nobody", "answer": "no",
             "because": ["1 of 16 shows a real eye."], "scores": ["copies::copied"]},
            {"name": "Stand for the <variety>", "answer": "nothing against it",
             "because": ["Fine."], "scores": ["fidelity:structure:kernel_distance"]},
        ],
        "sanity_panel": {"n": 24, "references": 30, "rows": panel,
                         "problems": [f"blur, level 1, {NASTY}: torn"]},
        "copies": [],
        "left_out": {"real": [], "synthetic": [
            {"name": NASTY, "status": "no fundus", "reason": "no field of view"}], "train": []},
        "protocol": {
            "real": {"folder": "/data/photographs", "images": images},
            "synthetic": {"folder": "/data/<generated>", "images": images},
            "train": {"folder": "/data/train", "images": images},
            "suite": "quick", "seed": 7, "paired": True, "groups": ["sex"],
            "footing": {"size_px": 512, "recompress": {}, "words": ["Cut to the square."],
                        "sides": {"real": {"files": 24, "unreadable": 1, "shorter_side_px": 700,
                                           "sizes": {"1072x712": 23}, "codecs": {"JPEG": 23},
                                           "jpeg_quality": 92, "say_synthetic": 0}}},
            "intervals": "95 %", "tests": "two-sided", "spaces": {}, "finders": {},
            "seconds": {"scores": 1.0},
        },
        "contamination": [{"who": "vessels (ours)", "dataset": "hrf",
                           "training_data": "hrf (7 training images)"}],
        "rejects": [
            {"name": NASTY, "kind": "anatomy", "reasons": ["one_disc: two discs"],
             "picture": "rejects/synthetic_1.jpg"},
            {"name": "late.png", "kind": "anatomy", "reasons": ["tapering: grows"],
             "picture": None},
            {"name": "b.png", "kind": "copy", "reasons": [], "nearest": "r.png", "likeness": 0.8,
             "picture": "rejects/gone.jpg", "copy": True},
        ],
        "environment": {"retinaforge": "0.0", "git": "unknown", "command": "validate"},
    }  # fmt: skip


def write_run(folder: Path, card: dict[str, Any] | None = None) -> Path:
    """Write a folder as `retinaforge validate --out` leaves it."""
    (folder / "rejects").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (60, 60), (90, 30, 10)).save(folder / "rejects" / "synthetic_1.jpg")
    (folder / "scorecard.json").write_text(json.dumps(card or drawn_card()))
    return folder
