"""What `benchmarks/score_agreement.py` compares the numbers of image quality with."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage, signal

from retinaforge import metrics
from score_references import Both, images


@cache
def quality() -> tuple[dict[str, float], dict[str, float]]:
    """Return our numbers of one noisy colour image, and the same by SciPy, skimage, PyWavelets."""
    import pywt
    from skimage.filters import sobel_h, sobel_v
    from skimage.measure import shannon_entropy

    pixels, _, inside = images(256)
    # Off the border of 12 px the rest begins and ends between blocks of 8 px, so that whole blocks
    # are counted whoever counts them.
    inside[:4], inside[252:], inside[:, :4], inside[:, 252:] = False, False, False, False
    pixels = np.clip(1.6 * pixels.astype(float) * [1.0, 0.7, 0.4] - 20, 0, 255).astype(np.uint8)
    ours = {q.card.name: q.value for q in metrics.measure_numbers(pixels, inside)}
    r, green, b = (pixels[..., c].astype(float) for c in range(3))
    g = 0.299 * r + 0.587 * green + 0.114 * b
    core = ndimage.distance_transform_edt(inside) > 12
    second = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    curved = signal.convolve2d(g, second, mode="same", boundary="symm")
    smooth = ndimage.gaussian_filter(np.where(inside, g, 0), 0.05 * 256)
    smooth /= np.maximum(ndimage.gaussian_filter(inside.astype(float), 0.05 * 256), 1e-6)
    top, r, green, b = pixels.max(axis=2)[inside], r[inside], green[inside], b[inside]
    a, blue, seen = r - green, (r + green) / 2 - b, g[inside]
    theirs = {
        # skimage's Sobel sums to 4 in each half and is divided by 4; ours is per pixel.
        "tenengrad": ((sobel_h(g) ** 2 + sobel_v(g) ** 2) / 4)[core].mean(),
        "brenner": (signal.correlate2d(g, [[-1, 0, 1]], mode="same")[core] ** 2).mean(),
        "laplacian_variance": ndimage.laplace(g, mode="nearest")[core].var(),
        "entropy": shannon_entropy(np.rint(seen)),
        "contrast": seen.std(),
        "local_contrast": (g - smooth)[core].std(),
        "noise": np.sqrt(np.pi / 2) * np.abs(curved[core]).mean() / 6,
        "brightness": seen.mean(),
        "unevenness": smooth[core].std() / smooth[core].mean(),
        "dark_share": (top < 25).mean(),
        "saturated_share": (top >= 250).mean(),
        "colourfulness": np.hypot(a.std(), blue.std()) + 0.3 * np.hypot(a.mean(), blue.mean()),
        "red_over_green": np.log((r.mean() + 1) / (green.mean() + 1)),
        "blue_over_green": np.log((b.mean() + 1) / (green.mean() + 1)),
    }
    coefficients = pywt.wavedec2(g, "haar", level=3)
    for scale in (1, 2, 3):
        # Energy per pixel: a detail of level s covers 4^s pixels.
        energy, side = sum(d**2 for d in coefficients[-scale]) / 4**scale, 2**scale
        theirs[f"haar_{scale}"] = energy[core[::side, ::side]].mean() / g[core].var()
    return ours, {name: float(value) for name, value in theirs.items()}


def quality_number(name: str) -> Both:
    """One number of the image by NumPy, SciPy, scikit-image or PyWavelets."""
    return quality()[0][name], quality()[1][name]
