"""A run folder with drawn data: seven arms, one failed, two judges, eight patients."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from retinaforge.core import Card, Score

ARMS = {
    "l1": ("l1", 0.46, 30.6),
    "perceptual": ("l1 + perceptual(squeezenet)", 0.80, 30.3),
    "vit-random": ("l1 + features(vit)", 0.50, 30.4),
    "sobel": ("l1 + sobel", 0.56, 30.9),
    "log": ("l1 + log(sigma=1;2)", 0.66, 31.9),
    "best-gan": ("l1 + perceptual(squeezenet) + gan", math.nan, math.nan),
}
FAILED = "best-gan"
JUDGES = ("ours", "frangi")
SETS = {"chase_db1": 8, "hrf": 6, "drive": 8}


def card(name: str, direction: str = "higher is better", unit: str = "1") -> Card:
    return Card(
        name=name,
        version=1,
        measures=f"drawn stand-in for {name}",
        range="[0, 1]",
        direction=direction,  # type: ignore[arg-type]
        unit=unit,
        smallest_n=1,
        reference="tests/reports/drawn_run.py",
        known_failure="it is drawn, not measured",
    )


CARDS = {
    "dice": card("dice"),
    "cldice": card("cldice"),
    "recall_thin": card("recall_thin"),
    "recall_medium": card("recall_medium"),
    "recall_wide": card("recall_wide"),
    "calibre_error": card("calibre_error", "lower is better", "px"),
    "edge_sharpness": card("edge_sharpness"),
    "psnr": card("psnr", unit="dB"),
    "ssim": card("ssim"),
    "frechet_distance_shrunk": card("frechet_distance_shrunk", "lower is better"),
}


def _value(measure: str, dice: float, psnr: float) -> float:
    return {
        "psnr": psnr,
        "ssim": 0.5 + dice / 2,
        "calibre_error": 2 - dice,
        "recall_thin": 0.6 * dice,
        "recall_medium": 0.9 * dice,
        "recall_wide": min(1.0, dice + 0.15),
        "frechet_distance_shrunk": 4 - 3 * dice,
    }.get(measure, dice)


def drawn_scores() -> list[dict]:
    scores = []
    for arm, (_, dice, psnr) in ARMS.items():
        if arm == FAILED:
            continue
        for measure, its_card in CARDS.items():
            vessel = measure not in ("psnr", "ssim", "frechet_distance_shrunk")
            for judge in JUDGES if vessel else ("",):
                for reference in ("original", "human") if vessel else ("original",):
                    for dataset in ("all", *SETS):
                        value = _value(measure, dice, psnr) * (0.9 if reference == "human" else 1)
                        where = {"arm": arm, "judge": judge, "reference": reference}
                        where["dataset"] = dataset
                        spread = 0.04 * value
                        extra = {
                            "role": "score",
                            "patients": 8,
                            "same_family": judge == "frangi" and arm in ("sobel", "log"),
                        }
                        interval = (value - spread, value + spread)
                        scores.append(Score(its_card, value, interval, 22, where, "", extra))
                    if arm != "l1":
                        gap = value - _value(measure, *ARMS["l1"][1:])
                        p = 0.008 if abs(gap) > 0.06 else 0.4
                        extra = {"role": "difference", "patients": 8, "p": p, "p_holm": p * 2}
                        where = {**where, "dataset": "all", "difference_to": "l1"}
                        interval = (gap - 0.03, gap + 0.03)
                        scores.append(Score(its_card, gap, interval, 22, where, "", extra))
    for role, arm, measure, judge, value in (
        ("resize-only", "resize-only", "dice", "ours", 0.93),
        ("resize-only", "resize-only", "psnr", "", 38.2),
        ("human-ceiling", "second observer", "dice", "human", 0.78),
        ("real-vs-real", "real against real", "frechet_distance_shrunk", "", 1.1),
    ):
        reference = "human" if role == "human-ceiling" else "original"
        where = {"arm": arm, "judge": judge, "reference": reference, "dataset": "all"}
        scores.append(Score(CARDS[measure], value, None, 22, where, "", {"role": role}))
    undefined = {"arm": "l1", "judge": "", "reference": "original", "dataset": "hrf"}
    scores.append(
        Score(
            CARDS["psnr"], math.nan, None, 0, undefined, "no image has a value", {"role": "score"}
        )
    )
    return [score.as_dict() for score in scores]


def drawn_scorecard() -> dict:
    return {
        "schema_version": "1.0",
        "scores": drawn_scores(),
        "protocol": {
            "baseline": "l1",
            "headline": ["dice", "cldice", "edge_sharpness", "psnr", "ssim"],
            "interval": "95 % cluster bootstrap over patients",
            "judges": [{"name": "ours", "family": "network"}, {"name": "frangi"}],
        },
    }


def _rows(rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "arm": arm,
            "seed": 0,
            "part": part,
            "image": f"{k:02d}.png",
            "dataset": dataset,
            "patient": f"{dataset}-{k // 2}",
            "judge": "ours" if measure == "dice" else "",
            "reference": "original",
            "measure": measure,
            "value": float(level + rng.normal(0, 0.05 if measure == "dice" else 0.9)),
            "unit": "1",
            "reason": "",
        }
        for arm, (_, dice, psnr) in ARMS.items()
        for dataset, count in SETS.items()
        for k in range(count)
        for measure, level in (("dice", dice), ("psnr", psnr))
        for part in ("test",)
        if arm != FAILED
    )


def _log(rng: np.random.Generator, term: str) -> list[dict]:
    return [
        {
            "step": step,
            "seconds": step * 0.1,
            "images_per_s": 40.0,
            "total": 1.0,
            "terms": {
                name: float(0.03 + 0.3 * math.exp(-step / 150) + rng.normal(0, 0.002))
                for name in dict.fromkeys(("l1", term))
            },
            "weights": {},
            "gradient_norm": float(1 + rng.random()),
            "perplexity": 900 * (1 - math.exp(-step / 200)),
            "codebook_use": min(1.0, 0.2 + step / 600),
            "learning_rate": 1e-3,
        }
        for step in range(0, 1001, 20)
    ]


def _retina(rng: np.random.Generator, size_px: int, blur: float) -> np.ndarray:
    y, x = np.mgrid[:size_px, :size_px] / (size_px - 1) * 2 - 1
    inside = np.hypot(x, y) < 0.97
    image = np.stack([190 - 60 * x**2, 90 - 40 * y**2, 45 + 0 * x], axis=-1)
    for k in range(7):
        wave = np.abs(y - 0.25 * (k - 3) - 0.2 * np.sin(3 * x + k)) < 0.008 + 0.004 * (k % 3)
        image[wave] *= 0.5 + 0.4 * blur
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8) * inside[
        ..., None
    ].astype(np.uint8)


def _panels(folder: Path, rng: np.random.Generator, size_px: int) -> None:
    folder.mkdir()

    def save(name: str, blur: float, tint: tuple[int, int, int] | None = None) -> str:
        pixels = _retina(rng, size_px, blur)
        if tint is not None:
            pixels[size_px // 3 : size_px // 3 + 4] = tint
        Image.fromarray(pixels).save(folder / name)
        return name

    def eye(index: int, arms: list[str], **tag: str) -> dict:
        stem = "-".join([str(index), *tag.values()])
        return {
            "image": f"{index:02d}.png",
            "dataset": list(SETS)[index % 3],
            "patient": f"p{index}",
            **tag,
            "original": save(f"{stem}-o.png", 0),
            "original_zoom": save(f"{stem}-oz.png", 0),
            "arms": [
                {
                    "arm": arm,
                    "reconstruction": save(f"{stem}-{arm}-r.png", 1 - ARMS[arm][1]),
                    "zoom": save(f"{stem}-{arm}-z.png", 1 - ARMS[arm][1]),
                    "overlay": save(f"{stem}-{arm}-v.png", 0.5, (0, 114, 178)),
                    "overlay_zoom": save(f"{stem}-{arm}-vz.png", 0.5, (230, 159, 0)),
                    "caption": f"{ARMS[arm][1]:.3f}",
                }
                for arm in arms
            ],
        }

    done = [arm for arm in ARMS if arm != FAILED]
    eyes = [eye(k, done, why="fixed") for k in range(5)]
    eyes += [eye(5, [arm], why=why, arm=arm) for arm in done for why in ("best", "worst")]
    (folder / "panels.json").write_text(json.dumps({"eyes": eyes}))


def draw_run(folder: Path, *, size_px: int = 64) -> Path:
    """Write a whole run folder of drawn data."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    study = {
        "name": "Loss study <drawn>",
        "question": "Which loss keeps the vessels of a fundus photograph?",
        "expected": "Edge filters sharpen vessels; features of a foundation model do not help.",
        "arm": [{"name": name, "loss": loss} for name, (loss, *_) in ARMS.items()],
        "train": {"steps": 1000, "crop_px": 256},
        "measure": {"primary": "dice", "baseline": "l1"},
    }
    data = {
        "fingerprint": {"train": "3f9a", "test": "b77c"},
        "images": {"train": {"chase_db1": 20, "hrf": 30}, "test": SETS},
        "patients_unknown": 22,
        "duplicates": [{"first": "a.png", "second": "b.png", "dropped": True}],
        "refused": [{"name": "broken.jpg", "reason": "the file is truncated"}],
        "licences": {"CC BY 4.0": 84},
    }
    environment = {
        "retinaforge": "0.1.0",
        "python": "3.11",
        "git": "0123abc",
        "packages": {"a": "1"},
    }
    for name, content in (
        ("study", study),
        ("data", data),
        ("environment", environment),
        ("scorecard", drawn_scorecard()),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content))
    _rows(rng).to_parquet(folder / "per_image.parquet")
    for arm, (loss, *_) in ARMS.items():
        place = folder / "arms" / arm / "seed-0"
        place.mkdir(parents=True)
        status = {"state": "done", "seconds": 912.0, "steps": 1000, "images_per_s": 41.2}
        if arm == FAILED:
            status = {"state": "failed", "reason": "Diverged: the loss is NaN at step 40 <b>"}
        (place / "status.json").write_text(json.dumps(status))
        lines = _log(rng, loss.split(" + ")[-1])
        (place / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + '\n{"step": 10')
    _panels(folder / "panels", rng, size_px)
    return folder
