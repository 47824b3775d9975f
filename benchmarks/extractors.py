"""Our encoders as the feature network of torchmetrics, torch-fidelity and clean-fid.

Each package computes its own Fréchet distance (and KID) on the features of one of our encoders, of
two folders of noise images; ours is computed on the same vectors. What is compared is the hand-over
of pixels and features and the packages' arithmetic.

    PYTHONPATH=src PEERS/bin/python benchmarks/extractors.py benchmarks/results/extractors.json

PEERS: a Python with torchmetrics, torch-fidelity, clean-fid, torchvision.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from retinaforge.encoders import Encoder, load
from retinaforge.encoders.extractor import (
    as_clean_fid_model,
    as_extractor,
    register_with_torch_fidelity,
)
from retinaforge.metrics.sets.frechet import frechet_distance
from retinaforge.metrics.sets.kernels import kernel_distance
from retinaforge.nets.unet import VesselNet

IMAGES, SIDE_PX, SEED = 48, 64, 7


def main() -> None:
    """Compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    _declare_torchvision()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encoder = _encoder(folder)
        sides = [_write(folder / side, seed) for seed, side in enumerate(("real", "synthetic"))]
        rows = list(_rows(encoder, folder, *sides))
    packages = ("torch", "torchmetrics", "torch-fidelity", "clean-fid", "numpy", "scipy")
    result = {
        "what": f"2 x {IMAGES} noise images of {SIDE_PX} px, seed {SEED}; encoder: our vessel "
        "network, widths 8 and 16, random weights",
        "rows": rows,
        "environment": {package: metadata.version(package) for package in packages},
    }
    out.write_text(json.dumps(result, indent=2) + "\n")
    for row in rows:
        print(f"{row['package']:16} {row['score']:8} theirs {row['theirs']:.9g} ours "
              f"{row['ours']:.9g} apart {row['absolute_difference']:.1e}")  # fmt: skip


def _declare_torchvision() -> None:
    """Declare the two schemas that torchvision registers at import and a CPU build may lack."""
    library = torch.library.Library("torchvision", "DEF")
    boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms"):
        library.define(name + boxes)
    globals()["_KEEP"] = library


def _encoder(folder: Path) -> Encoder:
    torch.manual_seed(SEED)
    save_file(VesselNet((8, 16)).state_dict(), folder / "net.safetensors")
    return load(f"segmenter:{folder / 'net.safetensors'}")


def _write(folder: Path, seed: int) -> np.ndarray:
    """Write blurred noise of two colour casts and return it, uint8 (n, side, side, 3)."""
    folder.mkdir()
    rng = np.random.default_rng([SEED, seed])
    coarse = rng.integers(0, 256, (IMAGES, 8, 8, 3), dtype=np.uint8)
    squares = []
    for number, tiny in enumerate(coarse):
        image = Image.fromarray(tiny).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
        pixels = np.asarray(image) // (seed + 1)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
        squares.append(pixels)
    return np.stack(squares)


def _rows(encoder: Encoder, folder: Path, real: np.ndarray, synthetic: np.ndarray):
    extractor = as_extractor(encoder)
    batches = [torch.from_numpy(side).permute(0, 3, 1, 2) for side in (real, synthetic)]
    vectors = [extractor(batch).double().numpy() for batch in batches]
    fid = frechet_distance(*vectors).value
    yield _row("torchmetrics", "fid", _torchmetrics(extractor, batches), fid)
    yield _row("torchmetrics", "kid", _kid(extractor, batches), kernel_distance(*vectors).value)
    yield _row("torch-fidelity", "fid", _fidelity(encoder, folder), fid)
    yield _row("clean-fid", "fid", _clean(encoder, folder), fid)


def _row(package: str, score: str, theirs: float, ours: float) -> dict[str, object]:
    return {
        "package": package, "score": score, "theirs": theirs, "ours": ours,
        "relative_difference": abs(theirs - ours) / abs(ours),
        "absolute_difference": abs(theirs - ours),
    }  # fmt: skip


def _torchmetrics(extractor: torch.nn.Module, batches: list[torch.Tensor]) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance

    score = FrechetInceptionDistance(feature=copy.deepcopy(extractor))
    score.set_dtype(torch.float64)
    for batch, real in zip(batches, (True, False), strict=True):
        score.update(batch, real=real)
    return float(score.compute())


def _kid(extractor: torch.nn.Module, batches: list[torch.Tensor]) -> float:
    from torchmetrics.image.kid import KernelInceptionDistance

    score = KernelInceptionDistance(feature=extractor, subsets=1, subset_size=IMAGES)
    for batch, real in zip(batches, (True, False), strict=True):
        score.update(batch, real=real)
    return float(score.compute()[0])


def _fidelity(encoder: Encoder, folder: Path) -> float:
    import torch_fidelity

    name = register_with_torch_fidelity(encoder, "ours")
    found = torch_fidelity.calculate_metrics(
        input1=str(folder / "synthetic"), input2=str(folder / "real"), cuda=False, fid=True,
        feature_extractor=name, verbose=False, batch_size=16, cache=False,
    )  # fmt: skip
    return float(found["frechet_inception_distance"])


def _clean(encoder: Encoder, folder: Path) -> float:
    from cleanfid import fid

    return float(
        fid.compute_fid(
            str(folder / "real"), str(folder / "synthetic"), num_workers=0, batch_size=16,
            custom_feat_extractor=as_clean_fid_model(encoder), device=torch.device("cpu"),
            custom_fn_resize=lambda pixels: pixels, verbose=False, use_dataparallel=False,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
