"""What `benchmarks/score_agreement.py` compares our scores with: others' code, or closed forms.

Every function returns (ours, theirs) as two arrays of equal length. Packages are imported inside,
so that those that are missing cost their own rows only.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from scipy import linalg, ndimage, stats

from retinaforge import metrics

REPO = Path(__file__).parents[1]
Both = tuple[Any, Any]


def sets(n: int = 300, m: int = 260, dim: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Return two sets of features with a falling spectrum, the second moved and wider."""
    x, y = (np.random.default_rng(seed).normal(size=(k, dim)) for seed, k in ((1, n), (2, m)))
    scales = np.geomspace(1, 1e-2, dim)
    return x * scales + 0.5, 1.1 * y * scales + 0.6


def class_probabilities() -> np.ndarray:
    """Return 400 distributions over 10 classes."""
    logits = 2 * np.random.default_rng(3).normal(size=(400, 10))
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def images(side: int = 192) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a smooth image with noise, the image, and a mask of the whole frame."""
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.normal(size=(side, side, 3)), (2, 2, 0))
    original = np.clip(128 + 60 * field / field.std(), 0, 255).astype(np.uint8)
    noisy = np.clip(original + rng.normal(scale=12, size=original.shape), 0, 255)
    return noisy.astype(np.uint8), original, np.ones((side, side), dtype=bool)


def without_torchvisions_operators() -> None:
    """Declare two operators that torchvision's import asks for and its networks never call."""
    import torch

    if importlib.util.find_spec("torchvision") is None or "torchvision" in sys.modules:
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms(Tensor dets, Tensor scores, float iou_threshold)", "qnms(Tensor dets, "
                 "Tensor scores, float iou_threshold)"):  # fmt: skip
        library.define(f"{name} -> Tensor")
    _KEPT.append(library)


_KEPT: list[Any] = []


def tensors(*arrays: np.ndarray) -> list[Any]:
    """Return arrays as tensors of their own precision."""
    import torch

    return [torch.from_numpy(np.ascontiguousarray(a)) for a in arrays]


# ---------------------------------------------------------------- sets


def fidelity_frechet(kind: type = np.float64) -> Both:
    """torch-fidelity's FID of given features."""
    without_torchvisions_operators()
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    x, y = sets()
    a, b = (fid_features_to_statistics(t) for t in tensors(x.astype(kind), y.astype(kind)))
    with contextlib.redirect_stderr(io.StringIO()):
        found = fid_statistics_to_metric(a, b, False)["frechet_inception_distance"]
    return metrics.frechet_distance(x, y).value, float(found)


def torchmetrics_frechet() -> Both:
    """Torchmetrics' FID of given moments."""
    import torch
    from torchmetrics.image.fid import _compute_fid

    x, y = sets()
    moments = [t for z in tensors(x, y) for t in (z.mean(0), torch.cov(z.T))]
    return metrics.frechet_distance(x, y).value, float(_compute_fid(*moments))


def root_frechet(x: np.ndarray, y: np.ndarray) -> float:
    """Return the Fréchet distance by SciPy's matrix square root."""
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(axis=0) - y.mean(axis=0)
    root = np.trace(np.real(np.asarray(linalg.sqrtm(s1 @ s2))))
    return float(gap @ gap + np.trace(s1) + np.trace(s2) - 2 * root)


def scipy_frechet() -> Both:
    """`scipy.linalg.sqrtm` of the product of covariances."""
    return metrics.frechet_distance(*sets()).value, root_frechet(*sets())


def sklearn_shrunk() -> Both:
    """scikit-learn's Ledoit-Wolf covariances and SciPy's matrix root."""
    from sklearn.covariance import ledoit_wolf

    x, y = sets(60, 50)
    (s1, _), (s2, _) = ledoit_wolf(x), ledoit_wolf(y)
    gap = x.mean(axis=0) - y.mean(axis=0)
    root = np.trace(np.real(np.asarray(linalg.sqrtm(s1 @ s2))))
    expected = float(gap @ gap + np.trace(s1) + np.trace(s2) - 2 * root)
    return metrics.frechet_distance_shrunk(x, y).value, expected


def line_extrapolated() -> Both:
    """The definition: SciPy's regression over SciPy's distances of the same subsets."""
    from retinaforge.metrics.sets import clouds, extrapolate

    x, y = sets(300, 280, 12)
    a, b = clouds.make_clouds(x, y)
    times = np.linspace(1, np.clip(280 / 24, 2, 5), extrapolate.POINTS)

    def thin(t: float, last: bool) -> float:
        parts = [extrapolate._thin(z, t, last).labels for z in (a, b)]
        return root_frechet(x[parts[0]], y[parts[1]])

    distances = [np.mean([thin(t, last) for last in ((False, True) if t > 1 else (False,))])
                 for t in times]  # fmt: skip
    expected = stats.linregress(times, distances).intercept
    return metrics.frechet_distance_extrapolated(x, y).value, float(expected)


def fidelity_kernel(kind: type = np.float64) -> Both:
    """torch-fidelity's KID of one subset of all."""
    without_torchvisions_operators()
    from torch_fidelity.metric_kid import kid_features_to_metric

    x, y = sets(260, 260)
    found = kid_features_to_metric(*tensors(x.astype(kind), y.astype(kind)), kid_subsets=1,
                                   kid_subset_size=260, verbose=False, rng_seed=0)  # fmt: skip
    return metrics.kernel_distance(x, y).value, found["kernel_inception_distance_mean"]


def torchmetrics_kernel() -> Both:
    """Torchmetrics' polynomial MMD of all."""
    from torchmetrics.image.kid import poly_mmd

    x, y = sets(260, 260)
    return metrics.kernel_distance(x, y).value, float(poly_mmd(*tensors(x, y)))


def cmmd_published() -> Both:
    """cmmd-pytorch's function, which is Google Research's in PyTorch."""
    from cmmd_distance import mmd

    x, y = sets()
    unit = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y)]
    return metrics.mmd_gaussian(x, y).value, float(mmd(*unit))


def cmmd_closed() -> Both:
    """Opposite vectors: 2000 (1 - exp(-4 / 200))."""
    x = np.tile([3.0, 0.0], (4, 1))
    return metrics.mmd_gaussian(x, -x).value, 2000 * (1 - np.exp(-0.02))


def prdc_neighbours() -> Both:
    """Naeem et al.'s own package, k = 5."""
    from prdc import compute_prdc

    x, y = sets()
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(x, y, nearest_k=5)
    names = ("precision", "recall", "density", "coverage")
    ours = [getattr(metrics, name)(x, y).value for name in names]
    return ours, [float(found[name]) for name in names]


def vendi_package() -> Both:
    """Friedman and Dieng's own package, cosine kernel."""
    from vendi_score import vendi

    _, y = sets()
    unit = y / np.linalg.norm(y, axis=1, keepdims=True)
    return metrics.vendi(*sets()).value, float(vendi.score_X(unit, normalize=False))


def vendi_closed() -> Both:
    """Four groups of five copies along orthogonal axes are four images."""
    y = np.repeat(np.eye(4, 30), 5, axis=0)
    return metrics.vendi(sets()[0][:20, :30], y).value, 4.0


def fidelity_inception() -> Both:
    """torch-fidelity's Inception Score of given logits, in one and in ten splits."""
    without_torchvisions_operators()
    from torch_fidelity.metric_isc import isc_features_to_metric

    p = class_probabilities()
    (logits,) = tensors(np.log(p))
    found = [isc_features_to_metric(logits, splits=k, shuffle=False)["inception_score_mean"]
             for k in (1, 10)]  # fmt: skip
    return [metrics.inception_score(p, splits=k).value for k in (1, 10)], found


# ---------------------------------------------------------------- FRD


@cache
def painter() -> ModuleType:
    """Return tools/frd_reference.py, which paints the images of the stored values."""
    spec = importlib.util.spec_from_file_location("frd_reference", REPO / "tools/frd_reference.py")
    if spec is None or spec.loader is None:
        raise ImportError("tools/frd_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def frd_stored(version: Any) -> Both:
    """frd-score's distance of two sets of 20 painted images, as stored with its provenance."""
    stored = json.loads((REPO / "tests/metrics/data/frd_reference.json").read_text())
    measured = [
        np.array([metrics.radiomic_features(metrics.luminance(p), mask, version=version).values
                  for p, mask in painter().paint_set(soft=soft)])
        for soft in (False, True)
    ]  # fmt: skip
    return metrics.frd(*measured, version=version).value, stored[version]["frd"]


def frd_colour_closed() -> Both:
    """A shift of asinh(z) by a leaves the spread alone: features times a²."""
    x = np.random.default_rng(0).normal(size=(60, 5)) * [1, 5, 0.1, 30, 2] + 4
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    moved = np.sinh(np.arcsinh(z) + 0.7) * x.std(axis=0) + x.mean(axis=0)
    return metrics.frd(x, moved, version="colour").value, 5 * 0.7**2


# ---------------------------------------------------------------- pairs


def skimage_psnr() -> Both:
    """scikit-image's PSNR."""
    from skimage.metrics import peak_signal_noise_ratio

    noisy, original, full = images()
    found = peak_signal_noise_ratio(original, noisy, data_range=255)
    return metrics.psnr(noisy, original, full).value, float(found)


def skimage_ssim() -> Both:
    """scikit-image's SSIM with Wang's window."""
    from skimage.metrics import structural_similarity

    noisy, original, full = images()
    found = structural_similarity(
        original, noisy, channel_axis=2, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, data_range=255,
    )  # fmt: skip
    return metrics.ssim(noisy, original, full).value, float(found)


def _batches(side: int = 192) -> list[Any]:
    return [t.permute(2, 0, 1)[None].double() for t in tensors(*images(side)[:2])]


def torchmetrics_pairs() -> Both:
    """Torchmetrics' PSNR; its map of SSIM where windows lie inside the frame, 5 px off its edge.

    Its own mean takes in windows over the mirrored border: 0.92340 instead of 0.92337 here.
    """
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    noisy, original, full = images()
    everywhere = structural_similarity_index_measure(
        *_batches(), data_range=255.0, sigma=1.5, return_full_image=True
    )[1]
    found = [
        peak_signal_noise_ratio(*_batches(), data_range=255.0),
        everywhere[..., 5:-5, 5:-5].mean(),
    ]
    ours = [metrics.psnr(noisy, original, full), metrics.ssim(noisy, original, full)]
    return [q.value for q in ours], [float(v) for v in found]


def msssim_pairs() -> Both:
    """pytorch-msssim's SSIM and MS-SSIM."""
    import pytorch_msssim

    noisy, original, full = images()
    found = [f(*_batches(), data_range=255) for f in (pytorch_msssim.ssim, pytorch_msssim.ms_ssim)]
    ours = [metrics.ssim(noisy, original, full), metrics.ms_ssim(noisy, original, full)]
    return [q.value for q in ours], [float(v) for v in found]


def torchmetrics_lpips() -> Both:
    """Torchmetrics' LPIPS (the authors' code) on SqueezeNet of random weights, random heads."""
    without_torchvisions_operators()
    import torch
    from torchmetrics.functional.image.lpips import _LPIPS
    from torchvision.models import squeezenet1_1

    from retinaforge.tasks.lpips import lpips_quantity

    torch.manual_seed(0)
    theirs = _LPIPS(pretrained=False, net="squeeze", pnet_rand=True)
    heads = {f"lin{i}.model.1.weight": torch.rand_like(head.model[1].weight)
             for i, head in enumerate(theirs.lins)}  # fmt: skip
    weights = squeezenet1_1(weights=None).state_dict()
    slices = [theirs.net.get_submodule(f"slices.{i}") for i in range(7)]
    layers = {name: layer for part in slices for name, layer in part.named_children()}
    for name, layer in layers.items():
        own = {k.removeprefix(f"features.{name}."): v for k, v in weights.items()
               if k.startswith(f"features.{name}.")}  # fmt: skip
        layer.load_state_dict(own)
    for i, head in enumerate(theirs.lins):
        head.model[1].weight.data = heads[f"lin{i}.model.1.weight"]
    noisy, original, full = images(128)
    unit = [t.permute(2, 0, 1)[None].float() / 127.5 - 1 for t in tensors(noisy, original)]
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        files = [Path(folder) / name for name in ("net.pth", "heads.pth")]
        torch.save(weights, files[0])
        torch.save(heads, files[1])
        spec = f"squeezenet:{files[0]},heads={files[1]}"
        ours = lpips_quantity(noisy, original, full, encoder=spec).value
        return ours, float(theirs(*unit))
