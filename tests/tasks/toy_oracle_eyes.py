"""Toy eyes of known facts: a disc on one side, a pigment, and as many bright spots as counted."""

from pathlib import Path

import numpy as np
from PIL import Image

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.tasks.oracle_data import round_field
from retinaforge.tasks.records_file import Known

SIDE = 48


def toy_pixels(eye="OD", pigmentation=0.5, hard_exudate=0, haze=False, seed=0, side_px=SIDE):
    """Return RGB 0-255 of a toy eye."""
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[:side_px, :side_px] + 0.5) * 2 / side_px - 1
    red = 0.85 - 0.5 * pigmentation
    plane = np.stack([np.full_like(x, red), np.full_like(x, red * 0.45), np.full_like(x, 0.12)], -1)
    plane += rng.normal(0, 0.002, plane.shape)
    side = 0.6 if eye == "OD" else -0.6
    plane[np.hypot(x - side, y) < 0.17] += (0.3, 0.3, 0.1)
    for _ in range(hard_exudate):
        at = rng.uniform(-0.4, 0.4, 2)
        plane[np.hypot(x - at[0] + side * 0.4, y - at[1]) < 0.06] += (0.1, 0.35, 0.1)
    if haze:
        plane = 0.6 + 0.15 * (plane - plane.mean())
    pixels = (np.clip(plane, 0, 1) * 255).astype(np.uint8)
    return np.where(round_field(side_px)[..., None], pixels, 0).astype(np.uint8)


def toy_record(number, split):
    """Return the facts of toy eye `number`."""
    rng = np.random.default_rng(number)
    grade = int(rng.integers(5))
    values = {
        "eye": "OD" if rng.random() < 0.5 else "OS", "quality": "good", "blur": False,
        "haze": bool(rng.random() < 0.2), "illumination": False, "artefact": False,
        "pigmentation": round(float(rng.random()), 3), "hard_exudate": 4 * grade,
        "dr_grade": grade, "cup_to_disc": 0.4, "drusen": 0,
    }  # fmt: skip
    facts = {name: Fact(name, value, "phantom truth") for name, value in values.items()}
    return EyeRecord(f"images/{number:03d}.png", facts, patient=f"p{number}", split=split,
                     synthetic=True)  # fmt: skip


def toy_image(record, seed=0):
    """Return the pixels of a record's eye."""
    keys = ("eye", "pigmentation", "hard_exudate", "haze")
    return toy_pixels(**{key: record.value(key) for key in keys}, seed=seed)


def toy_eyes(folder: Path, count=60, split="train", first=0):
    """Write toy eyes into a folder and return what is known of them."""
    known = []
    for number in range(first, first + count):
        record = toy_record(number, split)
        path = folder / record.image
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(toy_image(record, number)).save(path)
        known.append(Known(record, path))
    return known
