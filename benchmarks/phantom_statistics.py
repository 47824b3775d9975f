"""How far simple colour and texture statistics tell phantoms from photographs.

Photographs and phantoms take the same way (find the field of view, normalise to 512 px) and get the
same numbers. A feature's AUC is max(A, 1 - A) of that one number; 0.5 tells nothing, 1 everything.
A random forest on all of them, cross-validated by patient, says what they tell together.

python benchmarks/phantom_statistics.py ../shared/data [--count 200] [--json] [--plot FILE.png]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, laplace, median_filter, sobel, uniform_filter
from scipy.stats import skew
from skimage.color import rgb2hsv
from skimage.feature import graycomatrix, graycoprops
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from retinaforge.core import Fov, Photograph, Record
from retinaforge.images import find_fov, normalise, read_photograph, read_records
from retinaforge.phantoms import draw

SIZE_PX = 512
VERSION = 1
"""Of the features; another one measures the photographs anew."""
SETS = (
    "chase_db1", "hrf", "idrid_segmentation", "idrid_grading", "drive", "odir", "hei_med", "les_av",
)  # fmt: skip
Features = dict[str, float]


def colour(pixels: np.ndarray, inside: np.ndarray) -> Features:
    """Return moments and percentiles of each channel, hue, saturation and channel ratios."""
    out: Features = {}
    rgb = pixels[inside].astype(np.float64)
    for channel, name in enumerate("RGB"):
        values = rgb[:, channel]
        out[f"{name} mean"], out[f"{name} SD"] = values.mean(), values.std()
        out[f"{name} skewness"] = skew(values) if values.std() > 0 else 0.0
        for percent in (1, 10, 50, 90, 99):
            out[f"{name} percentile {percent}"] = np.percentile(values, percent)
        out[f"{name} at 255"] = np.mean(values >= 254)
    hsv = rgb2hsv(pixels)[inside]
    hue = np.angle(np.exp(2j * np.pi * hsv[:, 0]).mean()) / (2 * np.pi)
    out["hue mean"], out["saturation mean"] = hue, hsv[:, 1].mean()
    out["hue SD"] = np.abs(np.angle(np.exp(2j * np.pi * (hsv[:, 0] - hue)))).mean()
    out["saturation SD"] = hsv[:, 1].std()
    mean = np.maximum(rgb.mean(0), 1)
    out["R/G"], out["B/G"] = mean[0] / mean[1], mean[2] / mean[1]
    r, g, b = rgb.T
    out["R-G correlation"], out["G-B correlation"] = _correlation(r, g), _correlation(g, b)
    return out


def texture(pixels: np.ndarray, inside: np.ndarray) -> Features:
    """Return energies by scale, gradients, spectrum slope, entropy and co-occurrence."""
    out: Features = {}
    inner = _eroded(inside, 14)
    green = _filled(pixels[..., 1].astype(np.float32), inside)
    smooth = green
    energies = []
    for sigma in (0.7, 1.4, 2.8, 5.6, 11.2, 22.4):
        coarser = gaussian_filter(green, sigma)
        energies.append(np.std((smooth - coarser)[inner]))
        out[f"band below {sigma:g} px"] = energies[-1]
        smooth = coarser
    logs = np.log(np.maximum(energies, 1e-3))
    out["band slope fine"], out["band slope coarse"] = logs[1] - logs[0], logs[5] - logs[3]
    for sigma in (0, 2, 6):
        blurred = gaussian_filter(green, sigma) if sigma else green
        size = np.hypot(sobel(blurred, 0), sobel(blurred, 1))[inner]
        out[f"gradient at {sigma} px"] = size.mean()
        out[f"gradient kurtosis at {sigma} px"] = (
            np.mean(size**4) / max(np.mean(size**2), 1e-9) ** 2
        )
    out["Laplacian variance"] = laplace(green)[inner].var()
    out["spectrum slope"] = _spectrum_slope(green)
    share = np.bincount(pixels[..., 1][inside], minlength=256) / inside.sum()
    out["G entropy"] = -np.sum(share[share > 0] * np.log2(share[share > 0]))
    out["G levels empty"] = np.mean(_between(share) == 0)
    middle = slice(SIZE_PX // 2 - 160, SIZE_PX // 2 + 160)
    glcm = graycomatrix(pixels[middle, middle, 1] // 8, [1, 4], [0, np.pi / 2], 32, True, True)
    for name in ("contrast", "homogeneity", "energy", "correlation"):
        near, far = graycoprops(glcm, name).mean(1)
        out[f"GLCM {name} 1 px"], out[f"GLCM {name} 4 px"] = near, far
    return out


def noise(pixels: np.ndarray, inside: np.ndarray) -> Features:
    """Return noise by channel, its correlation between channels and neighbours, and blocking."""
    out: Features = {}
    inner = _eroded(inside, 14)
    rest = [p - median_filter(p, 3) for p in np.moveaxis(pixels, 2, 0).astype(np.int16)]
    for values, name in zip(rest, "RGB", strict=True):
        out[f"{name} noise"] = 1.4826 * np.median(np.abs(values[inner])) + np.std(values[inner]) / 9
        out[f"{name} residue SD"] = np.std(values[inner])
    out["noise R-G correlation"] = _correlation(rest[0][inner], rest[1][inner])
    out["noise G-B correlation"] = _correlation(rest[1][inner], rest[2][inner])
    both = inner & np.roll(inner, 1, 1)
    out["noise neighbour correlation"] = _correlation(rest[1][both], np.roll(rest[1], 1, 1)[both])
    green = pixels[..., 1].astype(np.float64)
    step = np.abs(np.diff(green, axis=1)).mean(0)
    out["blocking"] = step[7::8].mean() / max(np.mean(step), 1e-9)
    return out


def light(pixels: np.ndarray, inside: np.ndarray) -> Features:
    """Return the brightness along the radius, across the field and at the border."""
    out: Features = {}
    pixels, inside = pixels[::4, ::4].astype(np.float32), inside[::4, ::4]
    size = len(pixels)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    r = np.hypot(x, y) / (size / 2)
    planes = [_filled(plane, inside) for plane in np.moveaxis(pixels, 2, 0)]
    smooth = np.stack([gaussian_filter(plane, 3) for plane in planes])
    whole = np.maximum(smooth[:, inside].mean(1), 1)
    for channel, name in enumerate("RGB"):
        plane = smooth[channel] / whole[channel]
        ring = [
            plane[inside & (r >= a) & (r < b)] for a, b in ((0, 0.35), (0.55, 0.75), (0.85, 0.97))
        ]
        core, mid, edge = (v.mean() if v.size else np.nan for v in ring)
        out[f"{name} fall to middle"], out[f"{name} fall to border"] = mid - core, edge - core
        out[f"{name} range at border"] = np.ptp(np.percentile(ring[2], (5, 95)))
    fit = np.linalg.lstsq(np.stack([x[inside], y[inside], np.ones(inside.sum())], 1) / size,
                          smooth[1][inside] / whole[1], rcond=None)[0]  # fmt: skip
    out["gradient across"] = float(np.hypot(*fit[:2]))
    out["coarse contrast"] = (smooth[1][inside] / whole[1]).std()
    return out


def border(photo: Photograph, fov: Fov) -> Features:
    """Return the black level, how sharp the border is, and how much of the circle shows."""
    factor = max(1, round(fov.radius_px / 256))
    rows, columns = (slice(factor // 2, None, factor) for _ in range(2))
    grey = uniform_filter(photo.pixels.max(2), factor)[rows, columns].astype(np.float32)
    mask = fov.mask[rows, columns]
    centre, radius_px = np.array(fov.centre_px) / factor, fov.radius_px / factor
    outside = ~_dilated(mask, 6)
    out: Features = {"field of circle": mask.sum() / (np.pi * radius_px**2)}
    black = grey[outside] if outside.sum() > 200 else np.array([np.nan])
    out["black mean"], out["black SD"] = black.mean(), black.std()
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]]
    r = np.hypot(x - centre[0], y - centre[1]) / radius_px
    near = np.abs(r - 1) < 0.05
    index = ((r[near] - 0.95) * 400).astype(int)
    sums = np.bincount(index, grey[near], 40) / np.maximum(np.bincount(index, minlength=40), 1)
    fall = np.clip(sums[:10].mean() - sums[-10:].mean(), 1, None)
    out["border width"] = np.sum((sums < sums[-10:].mean() + 0.9 * fall)
                                 & (sums > sums[-10:].mean() + 0.1 * fall)) / 400  # fmt: skip
    return out


def features_of(photo: Photograph) -> Features:
    """Return every statistic of one photograph or phantom."""
    fov = find_fov(photo)
    square = normalise(photo, fov, size_px=SIZE_PX)
    pixels, inside = square.photograph.pixels, square.fov.mask
    out = border(photo, fov)
    for group in (colour, texture, noise, light):
        out |= group(pixels, inside)
    return {name: float(value) for name, value in out.items()}


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a * a).mean() * (b * b).mean())
    return float((a * b).mean() / scale) if scale > 0 else 0.0


def _eroded(mask: np.ndarray, by: int) -> np.ndarray:
    return gaussian_filter(np.pad(mask, 1).astype(np.float32), by / 2)[1:-1, 1:-1] > 0.975


def _dilated(mask: np.ndarray, by: int) -> np.ndarray:
    return gaussian_filter(mask.astype(np.float32), by / 2) > 0.02


def _filled(plane: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the plane with the outside filled from within, so that the border is no edge."""
    weight = gaussian_filter(inside.astype(np.float32), 15)
    near = gaussian_filter(np.where(inside, plane, 0), 15) / np.maximum(weight, 1e-6)
    return np.where(inside, plane, np.where(weight > 1e-4, near, plane[inside].mean()))


def _spectrum_slope(plane: np.ndarray) -> float:
    half = SIZE_PX // 2
    cut = plane[half - 128 : half + 128, half - 128 : half + 128]
    window = np.hanning(256)
    power = np.abs(np.fft.fftshift(np.fft.fft2((cut - cut.mean()) * np.outer(window, window)))) ** 2
    y, x = np.mgrid[-128:128, -128:128]
    ring = np.hypot(x, y).astype(int)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    k = np.arange(4, 100)
    return float(np.polyfit(np.log(k), np.log(mean[k] + 1e-9), 1)[0])


def _between(share: np.ndarray) -> np.ndarray:
    cumulative = np.cumsum(share)
    return share[(cumulative > 0.02) & (cumulative < 0.98)]


def _key(record: Record) -> str:
    return f"{record.dataset}/{record.path.name}"


def _real(record: Record) -> Features:
    return features_of(read_photograph(record.path))


def real_features(folder: Path, cache: Path, limit: int) -> list[tuple[Record, Features]]:
    """Return records and features of all photographs, kept in `cache` (outside the project)."""
    seen: dict[str, int] = {}
    records = []
    for record in read_records(folder):
        seen[record.dataset] = seen.get(record.dataset, 0) + 1
        if record.dataset in SETS and seen[record.dataset] <= limit:
            records.append(record)
    file = cache / f"features_v{VERSION}_{limit}.json"
    if file.is_file():
        known = json.loads(file.read_text())
    else:
        print(f"measuring {len(records)} photographs once, into {file}", file=sys.stderr)
        known = dict(zip([_key(r) for r in records], _mapped(_real, records), strict=True))
        cache.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(known))
    return [(record, known[_key(record)]) for record in records]


def _default_phantom(seed: int) -> Features:
    """Measure a phantom of the default population, filed as cameras do: no rows of mere black."""
    phantom = draw(seed, size_px=SIZE_PX)
    rows, columns = (np.nonzero(phantom.fov.mask.any(axis))[0] for axis in (1, 0))
    photo = phantom.photograph
    cut = photo.pixels[rows[0] : rows[-1] + 1, max(0, columns[0] - 4) : columns[-1] + 5]
    if phantom.fov.kind != "cut circle":
        cut = photo.pixels
    return features_of(replace(photo, pixels=np.ascontiguousarray(cut)))


def _mapped(do: Callable[[Any], Features], things: Iterable[Any]) -> list[Features]:
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(do, things, chunksize=4))


def single_aucs(real: np.ndarray, drawn: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    """Return one row a feature, the most telling first."""
    rows = []
    for column, name in enumerate(names):
        a, b = real[:, column], drawn[:, column]
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        if len(a) == 0 or len(b) == 0:
            continue
        auc = float(roc_auc_score(np.r_[np.zeros(len(a)), np.ones(len(b))], np.r_[a, b]))
        rows.append({"feature": name, "auc": max(auc, 1 - auc),
                     "real": np.percentile(a, (5, 50, 95)).round(4).tolist(),
                     "phantom": np.percentile(b, (5, 50, 95)).round(4).tolist()})  # fmt: skip
    return sorted(rows, key=lambda row: -row["auc"])


def combined(
    real: np.ndarray, drawn: np.ndarray, groups: list[str], names: list[str]
) -> tuple[float, list[tuple[str, float]]]:
    """Return the forest's AUC (5 folds by patient) and the ten features it leans on most."""
    x = np.nan_to_num(np.vstack([real, drawn]), nan=-1.0)
    y = np.r_[np.zeros(len(real)), np.ones(len(drawn))]
    groups = groups + [f"phantom {i}" for i in range(len(drawn))]
    forest = RandomForestClassifier(300, class_weight="balanced", min_samples_leaf=3,
                                    random_state=0)  # fmt: skip
    found = cross_val_predict(forest, x, y, groups=groups, cv=GroupKFold(5), method="predict_proba")
    weights = forest.fit(x, y).feature_importances_
    top = sorted(zip(names, weights.tolist(), strict=True), key=lambda pair: -pair[1])[:10]
    return float(roc_auc_score(y, found[:, 1])), top


def plot(
    file: Path, real: np.ndarray, drawn: np.ndarray, rows: list[dict], names: list[str]
) -> None:
    """Write histograms of the 24 most telling features side by side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(4, 6, figsize=(20, 11))
    for axis, row in zip(axes.ravel(), rows, strict=False):
        column = names.index(row["feature"])
        a, b = (v[:, column][np.isfinite(v[:, column])] for v in (real, drawn))
        low, high = np.percentile(np.r_[a, b], (1, 99))
        bins = np.linspace(low, high, 30)
        axis.hist(a, bins, density=True, alpha=0.6, label="photographs")
        axis.hist(b, bins, density=True, alpha=0.6, label="phantoms")
        axis.set_title(f"{row['feature']} {row['auc']:.2f}", fontsize=9)
    axes[0, 0].legend()
    figure.tight_layout()
    figure.savefig(file)


def report(real: list[tuple[Record, Features]], drawn: list[Features]) -> dict[str, Any]:
    """Return single AUCs against all photographs and against each set, and the forest's."""
    names = list(drawn[0])
    table = np.array([[f[name] for name in names] for _, f in real])
    phantom = np.array([[f[name] for name in names] for f in drawn])
    groups = [f"{r.dataset} {r.patient or r.path.name}" for r, _ in real]
    auc, top = combined(table, phantom, groups, names)
    rows = single_aucs(table, phantom, names)
    owner = np.array([r.dataset for r, _ in real])
    by_set = {
        name: single_aucs(table[owner == name], phantom, names)[:5]
        for name in SETS
        if (owner == name).any()
    }
    return {"n_photographs": len(table), "n_phantoms": len(phantom), "n_features": len(rows),
            "forest_auc": auc, "forest_uses": top, "above_0.9": sum(r["auc"] > 0.9 for r in rows),
            "single": rows, "by_set": by_set}  # fmt: skip


def main() -> None:
    """Print the features by how much each tells, then what they tell together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200, help="phantoms to draw")
    parser.add_argument("--seed", type=int, default=5000, help="of the first phantom")
    parser.add_argument("--per-set", type=int, default=60, help="photographs of each set, at most")
    parser.add_argument("--cache", type=Path,
                        default=Path(tempfile.gettempdir()) / "retinaforge_statistics")  # fmt: skip
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    real = real_features(arguments.folder, arguments.cache, arguments.per_set)
    seeds = range(arguments.seed, arguments.seed + arguments.count)
    drawn = _mapped(_default_phantom, seeds)
    found = report(real, drawn)
    if arguments.plot:
        names = list(drawn[0])
        tables = (
            [[f[name] for name in names] for _, f in real],
            [[f[n] for n in names] for f in drawn],
        )
        plot(arguments.plot, np.array(tables[0]), np.array(tables[1]), found["single"], names)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['n_photographs']} photographs, {found['n_phantoms']} phantoms")
    print(f"forest on {found['n_features']} features: AUC {found['forest_auc']:.3f}; leans on "
          + ", ".join(name for name, _ in found["forest_uses"]))  # fmt: skip
    print(f"{found['above_0.9']} single features above 0.9\n")
    print(f"{'feature':<32} AUC    photographs 5/50/95 %           phantoms 5/50/95 %")
    for row in found["single"]:
        spans = ["  ".join(f"{v:8.3g}" for v in row[key]) for key in ("real", "phantom")]
        print(f"{row['feature']:<32} {row['auc']:.3f}  {spans[0]}   {spans[1]}")
    for name, rows in found["by_set"].items():
        print(f"{name}: " + ", ".join(f"{r['feature']} {r['auc']:.2f}" for r in rows))


if __name__ == "__main__":
    main()
