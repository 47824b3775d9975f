"""Store what frd-score says of 2 x 20 painted images: tests/metrics/data/frd_reference.json.

Run in an environment of its own, where PyRadiomics is built from its repository (3.1.0 on PyPI
does not install on Python 3.10 or later):

    python3.11 -m venv frd && frd/bin/pip install PATH_TO_CLONE_OF_AIM-Harvard/pyradiomics frd-score
    frd/bin/python tools/frd_reference.py tests/metrics/data/frd_reference.json DESCRIBED

DESCRIBED is what `git describe --tags` says in the clone; its own version is made up at build time.
The images are painted in whole numbers, so that every machine paints the same. The tests import
`paint` and `paint_set` from here; nothing but NumPy is needed for that.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

IMAGES = 20
STORED = 4
# Odd sizes too, whose last row and column PyRadiomics drops when it halves; at widths 110 and 138
# ITK's rounding moves columns of the mask.
SIZES = ((96, 96), (97, 110), (101, 113), (110, 138))


def paint(seed: int, *, soft: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return RGB pixels and the field of view of a painted eye: ground, disc, vessels.

    Args:
        seed: which eye.
        soft: smoother and darker, as the second set is.
    """
    rng = np.random.default_rng(seed)
    height, width = SIZES[seed % len(SIZES)]
    y, x = np.mgrid[:height, :width]
    field = 4 * (y - height // 2) ** 2 + 4 * (x - width // 2) ** 2 < (min(height, width) - 6) ** 2
    # Cut above and below as many cameras do, so that shape is not the same for all.
    field &= np.abs(2 * y - height) < height - 12 - seed % 7
    grain = rng.integers(0, 256, (height, width))
    for _ in range(4 if soft else 2):
        grain = sum(np.roll(grain, (a, b), (0, 1)) for a in range(-1, 2) for b in range(-1, 2)) // 9
    ground = (grain - 128) * (9 if soft else 3)
    left, top = rng.integers(width // 4, 3 * width // 4), rng.integers(height // 3, 2 * height // 3)
    disc = (y - top) ** 2 + (x - left) ** 2 < (height // 8) ** 2
    vessels = np.zeros((height, width), dtype=bool)
    for _ in range(6):
        a, b = rng.integers(-9, 10, 2)
        bend = (x - left) ** 2 * int(rng.integers(-3, 4)) // width
        vessels |= np.abs((x - left) * int(a) + (y - top) * int(b) + 4 * bend) < rng.integers(6, 18)
    shade = (x + y) * 40 // (height + width)
    bright = ground + shade + 50 * disc - 35 * vessels - (15 if soft else 0)
    planes = [base + bright * share // 4 for base, share in ((150, 4), (80, 3), (45, 2))]
    pixels = np.clip(np.stack(planes, axis=-1), 1, 255) * field[..., None]
    return pixels.astype(np.uint8), field


def paint_set(*, soft: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the 20 images of one set with their fields of view."""
    return [paint(seed + 100 * soft, soft=soft) for seed in range(IMAGES)]


def main(out: Path, described: str) -> None:
    """Measure both sets with frd-score and write the file."""
    from frd_score import frd

    frd._ensure_radiomics()
    frd.setVerbosity(60)
    with tempfile.TemporaryDirectory() as folder:
        paths = {soft: _write(Path(folder), soft) for soft in (False, True)}
        found = {name: _measure(frd, name, paths) for name in ("v0", "v1")}
    packages = ("frd-score", "SimpleITK", "PyWavelets", "numpy", "scipy")
    provenance = {
        "made_by": "tools/frd_reference.py",
        "command": "frd/bin/python tools/frd_reference.py OUT DESCRIBED",
        "pyradiomics": described,
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"provenance": provenance, **found}, indent=1) + "\n")


def _write(folder: Path, soft: bool) -> list[tuple[str, str]]:
    from PIL import Image

    paths = []
    for k, (pixels, field) in enumerate(paint_set(soft=soft)):
        image, mask = (str(folder / f"{kind}-{int(soft)}-{k:02d}.png") for kind in ("image", "fov"))
        Image.fromarray(pixels).save(image)
        Image.fromarray((field * 255).astype(np.uint8)).save(mask)
        paths.append((image, mask))
    return paths


def _measure(frd: Any, name: str, paths: dict[bool, list[tuple[str, str]]]) -> dict[str, Any]:
    kind, span, groups, types, _ = frd._resolve_defaults(name, None, None, None, None)
    del kind, span
    extractor = frd.get_feature_extractor(frd_version=name, features=groups, image_types=types)
    stored = {
        str(k): frd.process_image_mask_pair(
            paths[False][k], feature_extractor=extractor, frd_version=name
        )[1]
        for k in range(STORED)
    }
    images, masks = ([[pair[part] for pair in paths[soft]] for soft in paths] for part in (0, 1))
    distance = frd.compute_frd(images, frd_version=name, paths_masks=masks, num_workers=1)
    return {"frd": float(distance), "features": stored}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
