"""frd-score's side of `benchmarks/validate.py --case frd_features`, in its own environment.

PyRadiomics needs an environment of its own (see tools/frd_reference.py); name its Python in
FRD_PYTHON. Only NumPy and frd-score are imported here.

Run: FRD_PYTHON FOLDER/python benchmarks/frd_peer.py IMAGES SIZE_PX
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WATCHED = ("firstorder_Entropy", "glcm_Contrast", "glszm_ZoneVariance", "wavelet-HH_ngtdm_Busyness")


def painted(seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return smooth coloured noise in a round field of view: RGB and mask."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - size // 2
    waves = np.zeros((size, size))
    for frequency in np.geomspace(2, size / 6, 40):
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        across = x * np.cos(angle) + y * np.sin(angle)
        waves += np.sin(2 * np.pi * frequency * across / size + phase)
    waves += rng.normal(0, 1.0, (size, size))
    field = x**2 + y**2 < (0.47 * size) ** 2
    planes = [base + share * waves for base, share in ((150, 9), (80, 6), (45, 3))]
    return (np.clip(np.stack(planes, -1), 0, 255) * field[..., None]).astype(np.uint8), field


def main(images: int, size: int) -> None:
    """Print CPU seconds, peak memory and the mean of some features over the images, as JSON."""
    from frd_score import frd
    from PIL import Image

    frd._ensure_radiomics()
    frd.setVerbosity(60)
    _, _, groups, types, _ = frd._resolve_defaults("v1", None, None, None, None)
    extractor = frd.get_feature_extractor(frd_version="v1", features=groups, image_types=types)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for seed in range(images):
            pair = tuple(str(Path(folder) / f"{kind}{seed}.png") for kind in ("image", "fov"))
            for path, pixels in zip(pair, painted(seed, size), strict=True):
                Image.fromarray(pixels.astype(np.uint8) * (255 if pixels.ndim == 2 else 1)).save(
                    path
                )
            paths.append(pair)

        def measure(pair: tuple[str, ...]) -> dict[str, float]:
            return frd.process_image_mask_pair(pair, feature_extractor=extractor, frd_version="v1")[
                1
            ]

        measure(paths[0])
        start = time.process_time()
        found = [measure(pair) for pair in paths]
        seconds = time.process_time() - start
    values = {name: float(np.mean([one[name] for one in found])) for name in WATCHED}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({**values, "cpu_seconds": seconds, "peak_gib": peak}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
