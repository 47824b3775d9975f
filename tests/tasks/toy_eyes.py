"""Drawn discs with captions: the eye's side and how dark the ground is, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from retinaforge.captions.record import EyeRecord, Fact
from retinaforge.captions.template import write_caption
from retinaforge.core import rng_for
from retinaforge.tasks.pairs import Pair, pair_of

SIDE = 64


def toy_pair(folder: Path, number: int, *, captions: int = 2) -> Pair:
    """Write one image and return it with its captions; every second eye is a right one."""
    eye, dark = ("OD", "OS")[number % 2], (number // 2) % 2 == 1
    rng = rng_for(0, "toy", number)
    y, x = np.mgrid[:SIDE, :SIDE]
    ground = (60, 35, 20) if dark else (200, 110, 70)
    pixels = np.where((np.hypot(x - 32, y - 32) < 31)[..., None], ground, 0).astype(float)
    centre = 48 if eye == "OD" else 16
    disc = np.hypot(x - centre - rng.uniform(-2, 2), y - 32 - rng.uniform(-4, 4)) < 7
    pixels[disc] = (250, 220, 150)
    pixels += rng.normal(0, 4, pixels.shape)
    path = folder / "images" / f"{number:04d}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    record = EyeRecord(
        image=f"images/{path.name}",
        facts={
            "eye": Fact("eye", eye, "drawn"),
            "pigmentation": Fact("pigmentation", 0.9 if dark else 0.1, "drawn"),
            "quality": Fact("quality", "good", "drawn"),
        },
        patient=f"p{number // 2}", split="train" if number % 10 < 8 else "test",
        licence="CC0", dataset="toy", synthetic=True,
    )  # fmt: skip
    texts = [
        write_caption(record, rng=rng_for(1, number, k), words=(3, 210), share=1.0)
        for k in range(captions)
    ]
    return pair_of(record, path, texts, writer="template")


def toy_pairs(folder: Path, count: int) -> list[Pair]:
    """Return several."""
    return [toy_pair(folder, number) for number in range(count)]
